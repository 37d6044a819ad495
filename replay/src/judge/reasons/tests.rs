use super::*;
use crate::judge::{Judged, Observation, Observed, Touch};

const SECOND: i64 = 1_000_000_000;

fn row(subject: &str, from_s: Option<i64>, evidence: &str) -> Observation {
    Observation {
        subject: subject.into(),
        observed: Observed::Missing,
        from_ns: from_s.map(|from_s| from_s * SECOND),
        until_ns: None,
        evidence: vec![evidence.into()],
        skipped: None,
    }
}

fn fault(attribution: Attribution, says: &str) -> FaultRow {
    FaultRow { attribution, says: says.into(), row: row("worker", Some(30), "timeline#9"), concerns: vec![] }
}

fn broken(attribution: Attribution, touches: &[(usize, Touch)]) -> Judgement {
    let violation = |number: i64| Judged {
        observation: row(&format!("ask {number}"), None, &format!("packets#{number}")),
        outcome: Outcome::Broken,
        margin: None,
        reason: None,
    };
    Judgement {
        attribution: Some(attribution),
        violations: (1..=3).map(violation).collect(),
        faults: touches.iter().map(|(place, _)| *place).collect(),
        touches: touches.iter().map(|(_, touch)| *touch).collect(),
        ..Judgement::without_rows(Outcome::Broken, None)
    }
}

fn about<'a>(judgement: &'a Judgement, faults: &'a [FaultRow], elsewhere: &'a [Elsewhere]) -> About<'a> {
    About { judgement, faults, others: vec![], evidence_ns: vec![Some(40 * SECOND); 3], elsewhere, diverged: None }
}

fn says(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| format!("{} [{}]\n", reason.says, reason.evidence.join(" "))).collect()
}

fn run(run_id: &str, outcome: Outcome, faults: &[&str]) -> Elsewhere {
    let faults = faults.iter().map(|says| (Attribution::Environment, (*says).to_owned())).collect();
    Elsewhere { run_id: run_id.into(), outcome, faults, is_alike: true }
}

const ALL: Touch = Touch { violations: 3, held: 0 };

#[test]
fn an_excuse_without_anything_against_it() {
    let faults = [fault(Attribution::Environment, "it was killed")];
    let judgement = broken(Attribution::Environment, &[(0, ALL)]);
    let reasons = weigh(&about(&judgement, &faults, &[run("h1", Outcome::Held, &[]), run("h2", Outcome::Held, &[])]));
    assert_eq!(
        says(&reasons.supports),
        "environment: it was killed: worker, from 30.0 s on: beside 3 of 3 violations [timeline#9]\n\
         2 runs of the same version and environment held, none with this fault []\n"
    );
    assert_eq!(reasons.contradicts, []);
}

#[test]
fn what_does_not_fit_an_excuse() {
    let faults = [fault(Attribution::Environment, "it was killed"), fault(Attribution::Harness, "it was stopped")];
    let judgement = broken(Attribution::Environment, &[(0, Touch { violations: 2, held: 4 }), (1, ALL)]);
    let held = Judgement { faults: vec![0], ..Judgement::without_rows(Outcome::Held, None) };
    let untouched = Judgement::without_rows(Outcome::Held, None);
    let elsewhere = [
        run("b1", Outcome::Broken, &[]),
        run("h1", Outcome::Held, &["it was killed"]),
        Elsewhere { is_alike: false, ..run("old", Outcome::Broken, &[]) },
    ];
    let about = About {
        others: vec![("A-1", &held), ("A-2", &untouched), ("A-3", &held)],
        evidence_ns: vec![Some(12 * SECOND), Some(31 * SECOND), None],
        diverged: Some((9 * SECOND, "missing answer#1".into(), vec!["packets#3".into()])),
        ..about(&judgement, &faults, &elsewhere)
    };
    assert_eq!(
        says(&weigh(&about).contradicts),
        "only 2 of 3 violations lie beside it []\n\
         it began at 30.0 s, and the evidence of 1 of 3 violations was recorded before: ask 1 at 12.0 s [packets#1]\n\
         the run had gone another way before it began (30.0 s): at 9.0 s, missing answer#1 [packets#3]\n\
         4 observations of this assertion lay beside it too, and held []\n\
         2 other assertions lay beside it too, and held: A-1, A-3 []\n\
         it is broken without this fault too, in 1 other run of the same version and environment: b1 []\n\
         it held with this fault, in 1 run of the same version and environment: h1 []\n\
         harness: it was stopped: worker touches it too [timeline#9]\n"
    );
}

#[test]
fn a_run_that_went_well_until_the_fault_speaks_for_it() {
    let faults = [fault(Attribution::Environment, "it was killed")];
    let judgement = broken(Attribution::Environment, &[(0, ALL)]);
    let diverged = Some((31 * SECOND, "missing answer#4".into(), vec![]));
    let reasons =
        weigh(&About { diverged, ..about(&judgement, &faults, &[run("b1", Outcome::Broken, &["it was killed"])]) });
    assert!(
        says(&reasons.supports).contains("until it began (30.0 s) the run went as runs that held; then, at 31.0 s")
    );
    assert!(says(&reasons.supports).contains("broken with this fault in 1 other run"));
    assert_eq!(reasons.contradicts, []);
}

#[test]
fn a_divergence_that_is_the_fault_does_not_come_before_it() {
    let faults = [fault(Attribution::Environment, "it was killed"), fault(Attribution::Environment, "it was full")];
    let judgement = broken(Attribution::Environment, &[(0, ALL), (1, ALL)]);
    let diverged = |at_s: i64, handle: &str| Some((at_s * SECOND, "extra exit#1".into(), vec![handle.into()]));
    let against = |diverged| says(&weigh(&About { diverged, ..about(&judgement, &faults, &[]) }).contradicts);
    assert_eq!(against(diverged(20, "timeline#9")), "");
    assert_eq!(against(diverged(29, "timeline#8")), "");
    assert_eq!(
        against(diverged(20, "timeline#8")),
        "the run had gone another way before \"it was killed\" began (30.0 s): at 20.0 s, extra exit#1 [timeline#8]\n\
         the run had gone another way before \"it was full\" began (30.0 s): at 20.0 s, extra exit#1 [timeline#8]\n"
    );
}

#[test]
fn nothing_found_is_said() {
    let judgement = broken(Attribution::Unknown, &[]);
    let reasons = weigh(&about(&judgement, &[], &[run("b1", Outcome::Broken, &[]), run("h1", Outcome::Held, &[])]));
    assert_eq!(
        says(&reasons.supports),
        "no fault that the spec knows was found beside it []\n\
         it is broken in 1 other run of the same version and environment too: b1 []\n"
    );
    assert_eq!(
        says(&reasons.contradicts),
        "it held in 1 run of the same version and environment: it does not always break []\n"
    );
}

#[test]
fn a_fault_beside_a_part_is_no_excuse_and_no_secret() {
    let faults = [fault(Attribution::Environment, "it was killed")];
    let judgement = broken(Attribution::Unknown, &[(0, Touch { violations: 1, held: 0 })]);
    let reasons = weigh(&about(&judgement, &faults, &[]));
    assert_eq!(says(&reasons.supports), "no fault lies beside every one of the 3 violations []\n");
    let against = "environment: it was killed: worker lies beside 1 of 3 violations [timeline#9]\n";
    assert_eq!(says(&reasons.contradicts), against);
}

#[test]
fn what_held_or_could_not_be_judged() {
    let faults = [fault(Attribution::Environment, "it was killed")];
    let held = Judgement {
        faults: vec![0],
        touches: vec![Touch { violations: 0, held: 2 }],
        ..Judgement::without_rows(Outcome::Held, None)
    };
    assert_eq!(
        says(&weigh(&about(&held, &faults, &[])).supports),
        "environment: it was killed: worker touches it [timeline#9]\n"
    );
    let unseen = Judgement::without_rows(Outcome::Inconclusive, Some("nobody watched".into()));
    assert_eq!(says(&weigh(&about(&unseen, &[], &[])).supports), "nobody watched []\n");
}
