use super::*;
use crate::judge::{Attribution, Drift, FaultRow, Judged, Judgement, Observation, Observed};

const S: i64 = 1_000_000_000;

fn observation(subject: &str, observed: Observed, at_s: Option<i64>, evidence: &[&str]) -> Observation {
    Observation {
        subject: subject.into(),
        observed,
        from_ns: at_s.map(|at_s| at_s * S),
        until_ns: at_s.map(|at_s| at_s * S),
        evidence: evidence.iter().map(|handle| (*handle).to_owned()).collect(),
        skipped: None,
    }
}

fn fault(attribution: Attribution, subject: &str, at_s: Option<i64>, evidence: &[&str]) -> FaultRow {
    let row = observation(subject, Observed::Missing, at_s, evidence);
    FaultRow { attribution, says: "a process was killed".into(), row, concerns: Vec::new() }
}

fn named(says: &str, at_s: i64, evidence: &[&str]) -> FaultRow {
    FaultRow { says: says.into(), ..fault(Attribution::Environment, "host", Some(at_s), evidence) }
}

fn report(id: &str, outcome: Outcome) -> AssertionReport {
    AssertionReport {
        id: id.into(),
        says: format!("{id} is well"),
        bound: "<= 2".into(),
        unit: Some("s".into()),
        sources: vec!["tap:api".into()],
        drift_line: None,
        judgement: Judgement { rows: 1, ..Judgement::without_rows(outcome, None) },
    }
}

fn held(id: &str) -> AssertionReport {
    let mut report = report(id, Outcome::Held);
    let observation = observation("ask 1", Observed::Number(1.5), None, &[]);
    report.judgement.worst = Some(Judged { observation, outcome: Outcome::Held, margin: Some(0.5), reason: None });
    report
}

/// A broken assertion with violations of 3 s, 4 s, …, the worst first as the judge leaves them.
fn broken(id: &str, attribution: Attribution, faults: &[usize], rows: Vec<Observation>) -> AssertionReport {
    let mut report = report(id, Outcome::Broken);
    let judged = |observation| Judged { observation, outcome: Outcome::Broken, margin: Some(-1.0), reason: None };
    let violations: Vec<Judged> = rows.into_iter().map(judged).collect();
    let judgement = &mut report.judgement;
    judgement.attribution = Some(attribution);
    judgement.faults = faults.to_vec();
    judgement.worst = violations.first().cloned();
    judgement.violations = violations;
    report
}

fn late(subject: &str, at_s: i64, evidence: &[&str]) -> Observation {
    observation(subject, Observed::Number(3.0), Some(at_s), evidence)
}

fn unsure(id: &str, reason: &str) -> AssertionReport {
    let mut report = report(id, Outcome::Inconclusive);
    report.judgement.reason = Some(reason.into());
    report
}

fn run(assertions: Vec<AssertionReport>, faults: Vec<FaultRow>) -> RunReport {
    RunReport {
        run_id: "small-1".into(),
        dir: "runs/small-1".into(),
        spec: "my spec.toml".into(),
        state: recording::run::State::Complete,
        end_ns: 60 * S,
        version: Some("abc".into()),
        remarks: vec!["voice: b in place of a".into()],
        faults,
        assertions,
    }
}

fn of(run: RunReport) -> CheckReport {
    CheckReport { runs: vec![run], history: vec![] }
}

fn text(run: RunReport) -> String {
    let exit = Exit::of(run.assertions.iter().map(|report| &report.judgement));
    written(&of(run), exit, false)
}

#[track_caller]
fn says(text: &str, lines: &[&str]) {
    let found: Vec<&str> = text.lines().collect();
    assert_eq!(found, lines, "\n{text}");
}

#[test]
fn where_all_held_each_has_a_line() {
    let mut skipping = held("A-2");
    skipping.judgement.skipped = 2;
    let mut elsewhere = report("A-3", Outcome::NotApplicable);
    elsewhere.judgement.reason = Some("runs of kind compose".into());
    let mut touched = held("A-1");
    touched.judgement.faults = vec![0];
    let faults = vec![fault(Attribution::Environment, "worker", Some(30), &["timeline#21"])];
    says(
        &text(run(vec![touched, skipping, elsewhere], faults)),
        &[
            "small-1 (complete, 60.0 s, version abc)",
            "  voice: b in place of a",
            "  held  A-1  1.5 s  <= 2  margin 0.5 s  A-1 is well",
            "  held  A-2  1.5 s  <= 2  margin 0.5 s  A-2 is well",
            "      2 of 3 rows were skipped",
            "  not applicable: A-3 (runs of kind compose)",
            "  seen, and nothing broke by it: environment: a process was killed: worker, at 30.0 s (timeline#21)",
            "",
            "2 held, 0 broken, 0 inconclusive, 1 not-applicable: exit 0, everything that applies held",
        ],
    );
}

#[test]
fn causes_come_first_and_the_next_command_last() {
    let faults = vec![
        fault(Attribution::Environment, "worker", Some(30), &["timeline#21"]),
        fault(Attribution::Environment, "nobody", Some(50), &[]),
    ];
    let both = |subject: &str| vec![late(subject, 31, &["packets#8", "packets#9"])];
    let assertions = vec![
        broken("A-1", Attribution::Environment, &[0], both("ask 1")),
        held("A-2"),
        broken("A-10", Attribution::Environment, &[0], vec![late("ask 2", 32, &["packets#8"])]),
        unsure("A-4", "nothing passed the tap `web`: is it in the path?"),
        unsure("A-5", "the run was cut off"),
        unsure("A-6", "nothing passed the tap `web`: is it in the path?"),
        held("A-7"),
    ];
    says(
        &text(run(assertions, faults)),
        &[
            "small-1 (complete, 60.0 s, version abc)",
            "  voice: b in place of a",
            "  cause: environment: a process was killed: worker, at 30.0 s (timeline#21)",
            "    explains 2 broken assertions:",
            "      A-1   3 s  <= 2  margin -1 s  A-1 is well",
            "      A-10  3 s  <= 2  margin -1 s  A-10 is well",
            "  evidence, the worst first:",
            "    packets#8 +1  A-1  ask 1: 3 s  at 31.0 s",
            "  2 could not be judged: nothing passed the tap `web`: is it in the path? A-4 A-6",
            "  1 could not be judged: the run was cut off: A-5",
            "  2 held: A-2 A-7",
            "  next:",
            "    record it again (a retry is reasonable)",
            "    replay show runs/small-1 timeline#21",
            "",
            "2 held, 2 broken, 3 inconclusive, 0 not-applicable: exit 4, broken, but by the environment or the harness: a retry is reasonable",
        ],
    );
}

#[test]
fn what_nothing_explains_stands_by_itself() {
    let mut seen_elsewhere = broken("A-3", Attribution::Unknown, &[1], vec![late("page", 40, &[])]);
    seen_elsewhere.sources = vec!["scrape:worker".into()];
    let faults = vec![
        fault(Attribution::Product, "worker", None, &["timeline#21"]),
        fault(Attribution::Environment, "host", Some(41), &[]),
    ];
    let mut drifted = unsure("A-5", "no sample is named `a`; did you mean `b`?");
    drifted.judgement.drift = Some(Drift { sort: "sample", wanted: "a".into(), near: "b".into() });
    drifted.drift_line = Some(12);
    let assertions = vec![
        broken("A-1", Attribution::Product, &[0, 1], vec![late("ask 1", 31, &["packets#8"])]),
        broken(
            "A-2",
            Attribution::Unknown,
            &[],
            vec![late("ask 9", 51, &["packets#20"]), late("ask 3", 9, &["packets#20"])],
        ),
        seen_elsewhere,
        broken("A-4", Attribution::Unknown, &[], vec![late("ask 4", 52, &["packets#7"])]),
        drifted,
    ];
    says(
        &text(run(assertions, faults)),
        &[
            "small-1 (complete, 60.0 s, version abc)",
            "  voice: b in place of a",
            "  cause: product: a process was killed: worker (timeline#21)",
            "    explains 1 broken assertion:",
            "      A-1  3 s  <= 2  margin -1 s  A-1 is well",
            "  unexplained: 3 broken assertions",
            "    seen through tap:api:",
            "      A-2  3 s  <= 2  margin -1 s  A-2 is well",
            "      A-4  3 s  <= 2  margin -1 s  A-4 is well",
            "    seen through scrape:worker:",
            "      A-3  3 s  <= 2  margin -1 s  A-3 is well",
            "        beside some of it, not all: environment: a process was killed: host, at 41.0 s",
            "  evidence, the worst first:",
            "    packets#8   A-1  ask 1: 3 s  at 31.0 s",
            "    packets#20  A-2  ask 9: 3 s  at 51.0 s",
            "    packets#7   A-4  ask 4: 3 s  at 52.0 s",
            "                A-3  page: 3 s   at 40.0 s",
            "  1 could not be judged: spec-drift: no sample is named `a`; did you mean `b`? A-5",
            "  next:",
            "    replay show runs/small-1 packets#20",
            "    replay explain 'my spec.toml' A-3",
            "    in 'my spec.toml':12 write `b` for `a`, if that is what is meant",
            "",
            "0 held, 4 broken, 1 inconclusive, 0 not-applicable: exit 1, broken without another explanation",
        ],
    );
}

#[test]
fn long_lists_are_counted() {
    let rows = (0..40).map(|row| late(&"x".repeat(200), row, &[&format!("packets#{row}")])).collect();
    let faults: Vec<FaultRow> = (0..40).map(|at_s| named(&format!("fault {at_s}"), at_s, &[])).collect();
    let places: Vec<usize> = (0..40).collect();
    let text = text(run(vec![broken("A-1", Attribution::Environment, &places, rows)], faults));
    assert!(text.contains("    and 28 more: --format json\n"), "{text}");
    assert!(text.contains("  cause: and 35 more: --format json\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 140), "{text}");
    assert!(text.lines().count() < 30, "{text}");
}

#[test]
fn a_fault_that_is_told_many_times_is_one_cause() {
    let faults = vec![
        named("it stood still", 40, &["stats#4"]),
        named("it stood still", 10, &["stats#1", "stats#2"]),
        named("it stood still", 20, &["stats#2"]),
        named("it burnt", 30, &["timeline#1"]),
        named("it rained", 5, &["timeline#2"]),
        named("it rained", 6, &["timeline#3"]),
        named("it stood still", 50, &["stats#9"]),
    ];
    let late = |place: i64| vec![late("ask", place, &["packets#8"])];
    let mut touched = held("A-5");
    touched.judgement.faults = vec![4, 5, 6];
    let assertions = vec![
        broken("A-1", Attribution::Environment, &[0], late(1)),
        broken("A-2", Attribution::Environment, &[1, 2], late(2)),
        broken("A-3", Attribution::Environment, &[2, 3], late(3)),
        broken("A-4", Attribution::Unknown, &[0, 1], late(4)),
        touched,
    ];
    let checked = of(run(assertions, faults));
    let text = written(&checked, Exit::Broken, false);
    let told: Vec<&str> =
        text.lines().filter(|line| !line.contains(" is well") && !line.contains("packets#")).collect();
    let still = "environment: it stood still: host, at";
    let twice_more = format!("  cause: {still} 10.0 s (stats#1, stats#2), and 2 more times");
    let once = format!("  cause: {still} 20.0 s (stats#2)");
    let beside = format!("        beside some of it, not all: {still} 10.0 s (stats#1, stats#2), and 1 more time");
    let expected = [
        twice_more.as_str(),
        "    explains 2 broken assertions:",
        once.as_str(),
        "  cause: environment: it burnt: host, at 30.0 s (timeline#1)",
        "    explains 1 broken assertion:",
        "  unexplained: 1 broken assertion",
        "    seen through tap:api:",
        beside.as_str(),
        "  evidence, the worst first:",
        "  1 held: A-5",
        "  seen, and nothing broke by it: environment: it rained: host, at 5.0 s (timeline#2), and 1 more time",
    ];
    assert_eq!(told[2..13], expected, "\n{text}");
    let json = crate::report::check_json(&checked);
    let cause = |says: &str, at_s: f64, evidence: &[&str], times: usize, explains: &[&str]| {
        serde_json::json!({
            "attribution": "environment", "says": says, "subject": "host", "at_s": at_s, "evidence": evidence,
            "times": times, "explains": explains,
        })
    };
    let still = cause("it stood still", 10.0, &["stats#1", "stats#2", "stats#4"], 3, &["A-1", "A-2", "A-3"]);
    let burnt = cause("it burnt", 30.0, &["timeline#1"], 1, &["A-3"]);
    assert_eq!(json["runs"][0]["causes"], serde_json::json!([still, burnt]));
}

#[test]
fn every_broken_assertion_is_listed_once() {
    let faults = || (0..3).map(|at_s| named(&format!("fault {at_s}"), at_s, &[])).collect::<Vec<_>>();
    let sets: [&[usize]; 5] = [&[0], &[0, 1], &[], &[2], &[0, 1]];
    let attribution = |set: &[usize]| if set.is_empty() { Attribution::Unknown } else { Attribution::Environment };
    let assertions: Vec<AssertionReport> = (1..)
        .zip(sets)
        .map(|(number, set)| broken(&format!("A-{number}"), attribution(set), set, vec![late("x", 1, &[])]))
        .collect();
    let text = text(run(assertions, faults()));
    for number in 1..=5 {
        assert_eq!(text.matches(&format!("A-{number} is well")).count(), 1, "{text}");
    }
    assert!(text.find("A-2 is well") < text.find("A-1 is well"), "what explains most comes first\n{text}");
}

#[test]
fn terminals_see_colours_and_nothing_else_of_a_recordings_own() {
    let bad = vec![late("ask\u{1b}[2J", 1, &["packets#1\u{1b}[0m"])];
    let run = || run(vec![broken("A-1", Attribution::Unknown, &[], bad.clone()), held("A-2")], vec![]);
    let exit = Exit::Broken;
    assert!(!written(&of(run()), exit, false).contains('\u{1b}'));
    let coloured = written(&of(run()), exit, true);
    assert!(coloured.contains("\u{1b}[31m      A-1  3 s"), "{coloured}");
    assert!(!coloured.contains("\u{1b}[2J"), "{coloured}");
}
