use super::*;

const S: i64 = 1_000_000_000;

/// A complete run of 60 s that a tap and a scraper watched from start to end.
pub fn facts() -> Facts {
    Facts {
        complete: true,
        end_ns: 60 * S,
        sources: vec![
            source("tap:api", &["packets", "connections"], Some(0), Some(60), SourceState::Ended),
            source("scrape:worker", &["scrapes", "samples"], Some(1), Some(59), SourceState::Ended),
            source("scrape:other", &["scrapes", "samples"], None, None, SourceState::Idle),
        ],
        gaps: Vec::new(),
        published_from_ns: Some(2 * S),
        published_until_ns: Some(58 * S),
        end_reached_ns: Some(59 * S),
        not_up_ns: None,
    }
}

fn source(name: &str, tables: &[&str], from_s: Option<i64>, to_s: Option<i64>, state: SourceState) -> Source {
    Source {
        name: name.into(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        from_ns: from_s.map(|from_s| from_s * S),
        to_ns: to_s.map(|to_s| to_s * S),
        state,
        answered: true,
        hollow: Vec::new(),
    }
}

pub fn gap(source: &str, from_s: i64, to_s: i64) -> Gap {
    Gap { from_ns: from_s * S, to_ns: to_s * S, source: source.into() }
}

pub fn row(observed: impl Into<Option<f64>>) -> Observation {
    Observation {
        subject: "x".into(),
        observed: observed.into().map_or(Observed::Missing, Observed::Number),
        from_ns: None,
        until_ns: None,
        evidence: Vec::new(),
        skipped: None,
    }
}

pub fn within(observed: impl Into<Option<f64>>, from_s: i64, until_s: i64) -> Observation {
    Observation { from_ns: Some(from_s * S), until_ns: Some(until_s * S), ..row(observed) }
}

fn shown(observed: f64) -> Observation {
    Observation { evidence: vec!["packets#1".into()], ..row(observed) }
}

pub fn text(observed: &str) -> Observation {
    Observation { observed: Observed::Text(observed.into()), ..row(None) }
}

pub fn skipped(observed: f64) -> Observation {
    Observation { skipped: Some("too short".into()), ..row(observed) }
}

/// What is asked, and of what.
pub struct Check {
    pub facts: Facts,
    pub bound: &'static str,
    pub needs: Vec<Need>,
    pub reads: Vec<String>,
    pub min_rows: usize,
    pub names: Names,
    pub faults: Vec<FaultRow>,
}

impl Default for Check {
    fn default() -> Check {
        let needs = vec![Need::Source("tap:api".into())];
        Check {
            facts: facts(),
            bound: "<= 10",
            needs,
            reads: vec!["packets".into()],
            min_rows: 1,
            names: Names::default(),
            faults: Vec::new(),
        }
    }
}

impl Check {
    fn judge(&self, rows: &[Observation]) -> Judgement {
        let bound = self.bound.parse().unwrap();
        let (min_rows, names) = (self.min_rows, &self.names);
        let case = Case { bound: &bound, needs: &self.needs, reads: &self.reads, min_rows, names };
        judge(&self.facts, &case, rows.to_vec(), &self.faults)
    }

    /// The outcome, and a word that its reason must contain.
    #[track_caller]
    fn gives(&self, rows: &[Observation], outcome: Outcome, reason: &str) -> Judgement {
        let judgement = self.judge(rows);
        assert_eq!(judgement.outcome, outcome, "{judgement:#?}");
        let said = judgement.reason.clone().unwrap_or_default();
        assert!(said.contains(reason) && (reason.is_empty() == said.is_empty()), "`{said}` should say `{reason}`");
        judgement
    }
}

use Outcome::{Broken, Held, Inconclusive};

#[test]
fn the_worst_row_decides() {
    let check = Check::default();
    check.gives(&[row(3.0), row(10.0)], Held, "");
    let judgement = check.gives(&[row(3.0), row(12.0), row(30.0)], Broken, "");
    assert_eq!(judgement.worst.as_ref().and_then(|worst| worst.margin), Some(-20.0));
    assert_eq!(judgement.violations.len(), 2);
    assert_eq!(judgement.violations[0].margin, Some(-20.0));
    let judgement = check.gives(&[row(30.0), row(None)], Broken, "");
    assert_eq!(judgement.worst.map(|worst| worst.observation.observed), Some(Observed::Missing));
    assert_eq!(check.judge(&[row(3.0), row(9.0)]).worst.and_then(|worst| worst.margin), Some(1.0));
}

#[test]
fn texts_have_no_margin() {
    let check = Check { bound: "in {success, partial}", ..Check::default() };
    check.gives(&[text("success")], Held, "");
    let judgement = check.gives(&[text("partial"), text("failed")], Broken, "");
    assert_eq!(judgement.violations[0].margin, None);
    assert_eq!(judgement.worst.map(|worst| worst.observation.observed), Some(Observed::Text("failed".into())));
}

#[test]
fn not_seen_is_broken_only_where_somebody_looked() {
    let check = Check::default();
    check.gives(&[row(None)], Broken, "");
    check.gives(&[within(None, 5, 15)], Broken, "");
    check.gives(&[within(None, 55, 65)], Inconclusive, "not seen by 65.0 s, but the recording ends at 60.0 s");
    let cut = Check { facts: Facts { complete: false, end_ns: 30 * S, ..facts() }, ..Check::default() };
    cut.gives(&[row(None)], Inconclusive, "cut off at 30.0 s");
    cut.gives(&[within(None, 5, 15)], Broken, "");
    cut.gives(&[within(None, 20, 30)], Inconclusive, "cut off at 30.0 s");
    cut.gives(&[within(None, 19, 29)], Broken, "");
    let gap = Check { facts: Facts { gaps: vec![gap("tap:api", 10, 11)], ..facts() }, ..Check::default() };
    gap.gives(&[within(None, 5, 15)], Inconclusive, "lost");
    gap.gives(&[within(None, 15, 25)], Broken, "");
}

#[test]
fn what_never_came_up_showed_nothing() {
    let check = |min_rows| Check {
        facts: Facts { not_up_ns: Some(20 * S), published_from_ns: None, ..facts() },
        min_rows,
        ..Check::default()
    };
    let reason = "the system did not come up";
    for observed in [row(None), row(12.0), within(None, 5, 25), within(None, 55, 65)] {
        check(1).gives(&[observed], Inconclusive, reason);
    }
    check(1).gives(&[], Inconclusive, reason);
    check(0).gives(&[], Inconclusive, reason);
    check(2).gives(&[within(12.0, 5, 15)], Inconclusive, reason);
    // What was to be seen before is judged, and so is what was seen.
    check(1).gives(&[within(None, 5, 20)], Broken, "");
    check(1).gives(&[shown(12.0)], Broken, "");
    check(1).gives(&[row(3.0)], Held, "");
    let mut nobody = check(1);
    nobody.facts.sources.clear();
    nobody.gives(&[row(3.0)], Inconclusive, reason);
}

#[test]
fn nothing_holds_without_evidence() {
    let check = Check::default();
    check.gives(&[], Inconclusive, "no rows");
    check.gives(&[skipped(3.0)], Inconclusive, "no rows");
    let judgement = check.gives(&[skipped(99.0), row(3.0)], Held, "");
    assert_eq!((judgement.rows, judgement.skipped), (1, 1));
    let three = Check { min_rows: 3, ..Check::default() };
    three.gives(&[row(1.0), row(1.0)], Inconclusive, "at least 3");
    three.gives(&[row(1.0), row(1.0), row(1.0)], Held, "");
}

#[test]
fn emptiness_holds_only_where_somebody_looked() {
    let empty = |facts| Check { min_rows: 0, facts, ..Check::default() };
    empty(facts()).gives(&[], Held, "");
    empty(Facts { complete: false, ..facts() }).gives(&[], Inconclusive, "cut off");
    empty(Facts { gaps: vec![gap("tap:api", 10, 11)], ..facts() }).gives(&[], Inconclusive, "lost");
    empty(Facts { sources: Vec::new(), ..facts() }).gives(&[], Inconclusive, "no source `tap:api`");
    empty(facts()).gives(&[row(12.0)], Broken, "");
}

#[test]
fn what_was_needed_must_have_been_live() {
    let live = |from_s, to_s, state| {
        let sources = vec![source("tap:api", &["packets"], from_s, to_s, state)];
        Check { facts: Facts { sources, ..facts() }, ..Check::default() }
    };
    for observed in [Some(3.0), Some(12.0), None] {
        live(None, None, SourceState::Idle).gives(&[row(observed)], Inconclusive, "never live");
        live(None, None, SourceState::Ended).gives(&[row(observed)], Inconclusive, "never live");
        live(Some(0), Some(30), SourceState::Failed).gives(&[row(observed)], Inconclusive, "failed at 30.0 s");
        live(Some(0), Some(30), SourceState::Ended).gives(&[row(observed)], Inconclusive, "ended at 30.0 s");
        live(Some(5), Some(60), SourceState::Ended).gives(&[row(observed)], Inconclusive, "live only from 5.0 s");
    }
    live(Some(1), Some(59), SourceState::Ended).gives(&[row(3.0)], Held, "");
    live(Some(1), Some(57), SourceState::Ended).gives(&[row(3.0)], Held, "");
    live(Some(1), Some(55), SourceState::Ended).gives(&[row(3.0)], Inconclusive, "ended at 55.0 s");
    live(Some(0), Some(1), SourceState::Ended).gives(&[row(3.0)], Held, "");
    live(Some(0), Some(1), SourceState::Failed).gives(&[row(3.0)], Inconclusive, "failed at 1.0 s");
    live(Some(0), Some(3), SourceState::Ended).gives(&[row(3.0)], Inconclusive, "ended at 3.0 s");
    live(Some(1), Some(56), SourceState::Live).gives(&[row(3.0)], Inconclusive, "ended at 56.0 s");
    live(Some(0), Some(59), SourceState::Failed).gives(&[row(3.0)], Inconclusive, "failed at 59.0 s");
    live(Some(0), Some(30), SourceState::Failed).gives(&[within(3.0, 5, 15)], Held, "");
    live(Some(0), Some(30), SourceState::Failed).gives(&[within(12.0, 5, 15)], Broken, "");
    live(Some(6), Some(60), SourceState::Ended).gives(&[within(3.0, 5, 15)], Inconclusive, "live only from 6.0 s");
    live(Some(0), Some(60), SourceState::Ended).gives(&[within(3.0, 55, 70)], Held, "");
}

/// The facts of a run in which a source never got an answer.
fn silent(name: &str) -> Facts {
    let mut facts = facts();
    facts.sources.iter_mut().filter(|source| source.name == name).for_each(|source| source.answered = false);
    facts
}

#[test]
fn a_tap_that_nothing_passed_tells_nothing() {
    let check = |min_rows| Check { facts: silent("tap:api"), min_rows, ..Check::default() };
    let reason = "nothing passed the tap `api`: is it in the path?";
    for observed in [row(3.0), row(12.0), shown(12.0), row(None), within(3.0, 5, 15)] {
        check(1).gives(&[observed], Inconclusive, reason);
    }
    check(1).gives(&[], Inconclusive, reason);
    check(0).gives(&[], Inconclusive, reason);
    let elsewhere = Check { needs: vec![Need::Source("scrape:worker".into())], ..check(1) };
    elsewhere.gives(&[row(12.0)], Broken, "");
}

#[test]
fn nothing_holds_by_a_source_that_never_answered() {
    let explicit = || vec![Need::Source("scrape:worker".into())];
    let inferred = || vec![Need::Writers { table: "samples".into(), only: Some(["worker".to_owned()].into()) }];
    for needs in [explicit(), inferred()] {
        let check =
            |min_rows| Check { facts: silent("scrape:worker"), needs: needs.clone(), min_rows, ..Check::default() };
        let reason = "the target `worker` never answered";
        check(1).gives(&[row(3.0)], Inconclusive, reason);
        check(1).gives(&[within(3.0, 5, 15)], Inconclusive, reason);
        check(1).gives(&[row(3.0), row(12.0)], Broken, "");
        check(1).gives(&[row(12.0)], Broken, "");
        check(1).gives(&[row(None)], Broken, "");
        check(1).gives(&[within(None, 5, 15)], Broken, "");
        check(1).gives(&[], Inconclusive, reason);
        check(0).gives(&[], Inconclusive, reason);
    }
    for (name, reason) in
        [("media:out", "the stream `out` was never joined"), ("process", "`process` recorded nothing")]
    {
        let mut facts = facts();
        facts.sources.push(Source { answered: false, ..source(name, &[], Some(0), Some(60), SourceState::Ended) });
        let needs = vec![Need::Source(name.into())];
        Check { facts, needs, ..Check::default() }.gives(&[row(3.0)], Inconclusive, reason);
    }
}

#[test]
fn rows_that_are_gone_are_no_sign() {
    let mut facts = facts();
    facts.sources[0].hollow = vec!["packets".into()];
    let reads = |table: &str| Check { facts: facts.clone(), reads: vec![table.into()], ..Check::default() };
    reads("packets").gives(&[row(3.0)], Inconclusive, "rows of `tap:api` are missing");
    reads("packets").gives(&[within(None, 5, 15)], Inconclusive, "rows of `tap:api` are missing");
    reads("packets").gives(&[row(12.0)], Broken, "");
    reads("connections").gives(&[row(3.0)], Held, "");
    Check { min_rows: 0, ..reads("packets") }.gives(&[], Inconclusive, "altered");
    let elsewhere = Check { needs: vec![Need::Source("scrape:worker".into())], ..reads("packets") };
    elsewhere.gives(&[row(3.0)], Held, "");
    facts.sources.push(Source {
        hollow: vec!["params".into()],
        ..source("run", &["params"], Some(0), Some(60), SourceState::Ended)
    });
    let recorder = Check { facts, reads: vec!["params".into()], ..Check::default() };
    recorder.gives(&[row(3.0)], Inconclusive, "rows of `run` are missing");
}

#[test]
fn windows_that_are_no_windows() {
    let cut = Check { facts: Facts { gaps: vec![gap("tap:api", 10, 11)], ..facts() }, ..Check::default() };
    cut.gives(&[within(3.0, 15, 5)], Inconclusive, "lost");
    cut.gives(&[within(3.0, 20, 15)], Held, "");
    Check::default().gives(&[within(None, -20, -10)], Broken, "");
    Check::default().gives(&[within(3.0, -20, 15)], Held, "");
    let late = Facts { sources: vec![source("tap:api", &[], Some(5), Some(60), SourceState::Ended)], ..facts() };
    Check { facts: late, ..Check::default() }.gives(&[within(3.0, -20, 15)], Inconclusive, "live only from 5.0 s");
    let fault = |from_s, until_s| {
        let row = within(None, from_s, until_s);
        vec![FaultRow { attribution: Attribution::Environment, says: "it burnt".into(), row, concerns: Vec::new() }]
    };
    let touched = |from_s, until_s, row: Observation| {
        !Check { faults: fault(from_s, until_s), ..Check::default() }.judge(&[row]).faults.is_empty()
    };
    assert!(touched(15, 5, within(12.0, 10, 11)) && !touched(15, 5, within(12.0, 16, 17)));
    assert!(touched(i64::MIN / S, 5, within(12.0, 0, 1)) && touched(5, i64::MAX / S, within(12.0, 50, 40)));
    assert!(touched(90, 95, Observation { until_ns: None, ..within(12.0, 90, 0) }));
    assert!(!touched(10, 11, Observation { until_ns: None, ..within(12.0, 90, 0) }));
}

#[test]
fn needs_are_found_by_what_sources_write() {
    let writers = |table: &str, only: &[&str]| {
        let only = (!only.is_empty()).then(|| only.iter().map(|name| (*name).to_owned()).collect());
        Check { needs: vec![Need::Writers { table: table.into(), only }], ..Check::default() }
    };
    writers("packets", &[]).gives(&[row(3.0)], Held, "");
    writers("packets", &["api"]).gives(&[row(3.0)], Held, "");
    writers("packets", &["web"]).gives(&[row(3.0)], Inconclusive, "no source `web` that writes `packets`");
    writers("samples", &["worker"]).gives(&[row(3.0)], Held, "");
    writers("samples", &["worker", "other"]).gives(&[row(3.0)], Inconclusive, "`scrape:other` was never live");
    writers("samples", &[]).gives(&[row(3.0)], Inconclusive, "`scrape:other` was never live");
    writers("probes", &[]).gives(&[row(3.0)], Inconclusive, "no source that writes `probes`");
    writers("timeline", &["run", "inject"]).gives(&[row(3.0)], Held, "");
    writers("timeline", &["publisher"]).gives(&[row(3.0)], Inconclusive, "no source `publisher`");
}

#[test]
fn a_gap_never_excuses_a_violation() {
    let gap = |source: &str| Check { facts: Facts { gaps: vec![gap(source, 10, 11)], ..facts() }, ..Check::default() };
    gap("tap:api").gives(&[row(3.0)], Inconclusive, "lost between 10.0 s and 11.0 s");
    gap("tap:api").gives(&[within(3.0, 11, 20)], Inconclusive, "lost");
    gap("tap:api").gives(&[within(3.0, 12, 20)], Held, "");
    gap("tap:api").gives(&[row(12.0)], Broken, "");
    gap("tap:api").gives(&[row(3.0), row(12.0)], Broken, "");
    gap("scrape:worker").gives(&[row(3.0)], Held, "");
    gap("recorder").gives(&[row(3.0)], Inconclusive, "lost");
}

#[test]
fn a_cut_off_run_is_judged_as_far_as_it_goes() {
    let cut = Check { facts: Facts { complete: false, end_ns: 30 * S, ..facts() }, ..Check::default() };
    cut.gives(&[within(3.0, 5, 15)], Held, "");
    cut.gives(&[within(12.0, 5, 15)], Broken, "");
    cut.gives(&[within(3.0, 25, 35)], Inconclusive, "cut off");
    cut.gives(&[within(12.0, 25, 35)], Inconclusive, "cut off");
    cut.gives(&[row(3.0)], Inconclusive, "cut off");
    cut.gives(&[row(12.0)], Inconclusive, "cut off");
    cut.gives(&[shown(12.0)], Broken, "");
    cut.gives(&[shown(3.0)], Inconclusive, "cut off");
}

#[test]
fn drift_asks_did_you_mean() {
    let names = |wanted: &[&str], recorded: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let samples = Vocabulary { wanted: set(wanted), recorded: set(recorded) };
        Check { names: Names { samples, ..Names::default() }, ..Check::default() }
    };
    use drift::Vocabulary;
    for rows in [vec![], vec![row(3.0)], vec![row(12.0)], vec![row(None)]] {
        let judgement = names(&["worker_delta_ms"], &["my_worker_delta_ms", "up"]).gives(
            &rows,
            Inconclusive,
            "did you mean `my_worker_delta_ms`",
        );
        assert_eq!(judgement.attribution, Some(Attribution::SpecDrift));
        assert!(judgement.violations.is_empty());
    }
    names(&["jobs_total"], &["job_total"]).gives(&[row(3.0)], Inconclusive, "did you mean `job_total`");
    names(&["jobs_total"], &["up", "down"]).gives(&[row(3.0)], Held, "");
    names(&["jobs_total"], &["jobs_total", "job_total"]).gives(&[row(3.0)], Held, "");
    names(&["jobs_total", "job_total"], &["job_total"]).gives(&[row(3.0)], Held, "");
    names(&["up"], &["ok"]).gives(&[row(None)], Broken, "");
    names(&["jobs_total"], &[]).gives(&[row(None)], Broken, "");
}

#[test]
fn faults_attribute() {
    let fault = |attribution, from_s: i64, until_s: i64| FaultRow {
        attribution,
        says: "it burnt".into(),
        row: within(None, from_s, until_s),
        concerns: Vec::new(),
    };
    let with = |faults: Vec<FaultRow>| Check { faults, ..Check::default() };
    let environment = || fault(Attribution::Environment, 10, 11);
    let says = |check: Check, rows: &[Observation], attribution: Option<Attribution>| {
        assert_eq!(check.judge(rows).attribution, attribution);
    };
    says(with(vec![]), &[row(3.0)], None);
    says(with(vec![]), &[row(12.0)], Some(Attribution::Unknown));
    says(with(vec![environment()]), &[row(12.0)], Some(Attribution::Environment));
    says(with(vec![environment()]), &[row(3.0)], Some(Attribution::Environment));
    says(with(vec![environment()]), &[within(12.0, 20, 30)], Some(Attribution::Unknown));
    says(with(vec![environment()]), &[within(3.0, 20, 30)], None);
    says(with(vec![environment()]), &[within(12.0, 5, 15), within(12.0, 20, 30)], Some(Attribution::Unknown));
    says(with(vec![environment()]), &[within(12.0, 5, 15), within(3.0, 20, 30)], Some(Attribution::Environment));
    says(with(vec![environment(), fault(Attribution::Product, 12, 13)]), &[row(12.0)], Some(Attribution::Product));
    says(with(vec![fault(Attribution::Harness, 10, 11)]), &[row(12.0)], Some(Attribution::Harness));
    let judgement = with(vec![fault(Attribution::Harness, 40, 41), environment()]).judge(&[within(12.0, 5, 15)]);
    assert_eq!((judgement.faults, judgement.attribution), (vec![1], Some(Attribution::Environment)));
}

#[test]
fn a_fault_explains_only_what_is_seen_through_what_it_concerns() {
    let fault = |concerns: &[&str]| FaultRow {
        attribution: Attribution::Environment,
        says: "it burnt".into(),
        row: within(None, 10, 11),
        concerns: concerns.iter().map(|name| (*name).to_owned()).collect(),
    };
    let writers = |table: &str, only: Option<&str>| Need::Writers {
        table: table.into(),
        only: only.map(|name| [name.to_owned()].into()),
    };
    let written = |name: &str| Need::Source(name.into());
    let is_touched = |concerns: &[&str], needs: Vec<Need>, facts: Facts| {
        let judgement = Check { faults: vec![fault(concerns)], needs, facts, ..Check::default() }.judge(&[row(12.0)]);
        let excused = judgement.attribution == Some(Attribution::Environment);
        assert_eq!(!judgement.faults.is_empty(), excused, "{judgement:#?}");
        excused
    };
    let cases: [(&[&str], bool); 7] = [
        (&[], true),
        (&["tap:api"], true),
        (&["paths:server", "tap:api"], true),
        (&["paths:server"], false),
        (&["scrape:worker"], false),
        (&["api"], false),
        (&["tap"], false),
    ];
    for (concerns, touched) in cases {
        for need in [written("tap:api"), writers("packets", None), writers("packets", Some("api"))] {
            assert_eq!(is_touched(concerns, vec![need.clone()], facts()), touched, "{concerns:?} {need:?}");
        }
    }
    let both = vec![written("tap:api"), written("scrape:worker")];
    assert!(is_touched(&["scrape:worker"], both, facts()));
    // What only the recorder tells is seen through no source.
    let of_the_recorder = || vec![writers("timeline", Some("run"))];
    assert!(!is_touched(&["tap:api"], of_the_recorder(), facts()) && is_touched(&[], of_the_recorder(), facts()));
    // A source that is not there leaves nothing to judge, but what happened to it says why.
    let absent = Check { faults: vec![fault(&["tap:web"])], needs: vec![written("tap:web")], ..Check::default() };
    let judgement = absent.gives(&[row(12.0)], Inconclusive, "no source `tap:web`");
    assert_eq!(judgement.attribution, Some(Attribution::Environment));
}

#[test]
fn exits() {
    use crate::exit::Exit;
    let judgement = |outcome, attribution| Judgement { attribution, ..Judgement::without_rows(outcome, None) };
    let held = || judgement(Held, None);
    let broken = |attribution| judgement(Broken, Some(attribution));
    let unsure = || judgement(Inconclusive, None);
    let exit = |judgements: &[Judgement]| Exit::of(judgements);
    assert_eq!(exit(&[]), Exit::NothingJudged);
    assert_eq!(exit(&[judgement(Outcome::NotApplicable, None)]), Exit::NothingJudged);
    assert_eq!((Exit::NothingJudged.code(), Exit::Inconclusive.code()), (3, 3));
    assert_eq!(exit(&[held(), judgement(Outcome::NotApplicable, None)]), Exit::Held);
    assert_eq!(exit(&[held(), unsure()]), Exit::Inconclusive);
    assert_eq!(exit(&[unsure(), broken(Attribution::Environment), broken(Attribution::Harness)]), Exit::Explained);
    assert_eq!(exit(&[broken(Attribution::Environment), broken(Attribution::Unknown)]), Exit::Broken);
    assert_eq!(exit(&[broken(Attribution::Product), unsure()]), Exit::Broken);
    assert_eq!(exit(&[judgement(Held, Some(Attribution::Environment))]), Exit::Held);
}
