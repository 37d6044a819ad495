use super::super::tests::{Check, facts, gap, row, skipped, text, within};
use super::*;

const S: i64 = 1_000_000_000;

fn told(run_id: &str, says: Says) -> Told {
    Told { run_id: run_id.into(), says }
}

fn value(run_id: &str, value: f64) -> Told {
    told(run_id, Says::Values([("x".to_owned(), Ok(value))].into()))
}

fn over(bound: &str, min_runs: usize, runs: &[Told]) -> OverRuns {
    judge_over(&bound.parse().unwrap(), min_runs, runs)
}

fn average(over: &OverRuns) -> Option<&Observed> {
    over.judgement.worst.as_ref().map(|worst| &worst.observation.observed)
}

#[test]
fn the_average_decides_and_runs_below_the_bound_show_it() {
    let runs: Vec<Told> = (0..20).map(|run| value(&format!("r{run}"), f64::from(u8::from(run != 7)))).collect();
    let held = over(">= 0.95", 20, &runs);
    assert_eq!((held.judgement.outcome, held.judgement.rows), (Outcome::Held, 20));
    assert_eq!(average(&held), Some(&Observed::Number(0.95)));
    assert_eq!((held.judgement.attribution, held.judgement.violations.len()), (None, 0));
    let broken = over(">= 0.96", 20, &runs);
    assert_eq!(broken.judgement.outcome, Outcome::Broken);
    assert_eq!(broken.judgement.attribution, Some(Attribution::Unknown));
    assert_eq!(broken.judgement.violations.len(), 1);
    assert_eq!(broken.judgement.violations[0].observation.subject, "r7");
    let few = over(">= 0.95", 21, &runs);
    assert_eq!(few.judgement.outcome, Outcome::Inconclusive);
    assert_eq!(few.judgement.reason.as_deref(), Some("20 runs count, at least 21 are needed"));
}

#[test]
fn the_worst_runs_come_first_and_are_at_most_ten() {
    let runs: Vec<Told> = (0..15).map(|run| value(&format!("r{run}"), f64::from(run))).collect();
    let over = over("<= 2", 1, &runs);
    let names: Vec<&str> = over.judgement.violations.iter().map(|run| run.observation.subject.as_str()).collect();
    assert_eq!((names.len(), names[0], names[9]), (10, "r14", "r5"));
}

#[test]
fn every_subject_has_an_average_and_runs_of_its_own() {
    let both = |run_id: &str, y: Result<f64, String>| {
        told(run_id, Says::Values([("x".to_owned(), Ok(1.0)), ("y".to_owned(), y)].into()))
    };
    let runs = [both("a", Ok(1.0)), both("b", Err("lost".into())), value("c", 1.0)];
    let few = over(">= 1", 2, &runs);
    assert_eq!((few.judgement.outcome, few.judgement.rows), (Outcome::Inconclusive, 3));
    assert_eq!(few.judgement.reason.as_deref(), Some("1 run counts, at least 2 are needed"));
    let reasons: Vec<&str> = few.left_out.iter().map(|run| run.reason.as_str()).collect();
    assert_eq!(reasons, ["lost", "it has no row of `y`"]);
    let broken = over(">= 1", 1, &[both("a", Ok(1.0)), both("b", Ok(0.0))]);
    assert_eq!(broken.judgement.violations[0].observation.subject, "b y");
}

#[test]
fn nothing_counts_nothing_holds() {
    let none = over(">= 0", 0, &[told("a", Says::Nothing("no rows".into())), told("b", Says::Values([].into()))]);
    assert_eq!((none.judgement.outcome, none.judgement.skipped), (Outcome::Inconclusive, 2));
    let missing = told("a", Says::Values([("x".to_owned(), Err("lost".to_owned()))].into()));
    let over_missing = over(">= 0", 0, &[missing]);
    assert_eq!(over_missing.judgement.outcome, Outcome::Inconclusive);
    assert_eq!(average(&over_missing), Some(&Observed::Missing));
    let not = over(">= 0", 0, &[told("a", Says::NotApplicable("other kind".into()))]);
    assert_eq!((not.judgement.outcome, not.judgement.reason.as_deref()), (Outcome::NotApplicable, Some("other kind")));
}

/// What one run says of its only subject.
fn says(check: &Check, rows: &[Observation]) -> Result<f64, String> {
    let bound = check.bound.parse().unwrap();
    let case = Case { bound: &bound, needs: &check.needs, reads: &check.reads, min_rows: 1, names: &check.names };
    match tell(&check.facts, &case, rows, &check.faults) {
        Says::Values(values) => values["x"].clone(),
        Says::Nothing(reason) | Says::NotApplicable(reason) => Err(reason),
    }
}

#[track_caller]
fn is_left_out(check: &Check, rows: &[Observation], reason: &str) {
    let said = says(check, rows).unwrap_err();
    assert!(said.contains(reason), "`{said}` should say `{reason}`");
}

#[test]
fn a_run_counts_where_its_rows_are_evidence() {
    let check = Check::default();
    assert_eq!(says(&check, &[row(3.0)]), Ok(3.0));
    assert_eq!(says(&check, &[row(30.0), row(10.0), skipped(7.0)]), Ok(20.0));
    is_left_out(&check, &[row(None)], "not seen");
    is_left_out(&check, &[row(3.0), row(None)], "not seen");
    is_left_out(&check, &[skipped(7.0)], "too short");
    is_left_out(&check, &[text("a")], "no average");
    is_left_out(&check, &[], "no rows");
    is_left_out(&check, &[within(None, 55, 65)], "the recording ends at");
    let cut = Check { facts: Facts { complete: false, end_ns: 30 * S, ..facts() }, ..Check::default() };
    is_left_out(&cut, &[row(30.0)], "cut off");
    assert_eq!(says(&cut, &[within(3.0, 5, 10)]), Ok(3.0));
    let lost = Check { facts: Facts { gaps: vec![gap("tap:api", 10, 11)], ..facts() }, ..Check::default() };
    for value in [3.0, 30.0] {
        is_left_out(&lost, &[row(value)], "lost");
    }
}

#[test]
fn what_never_answered_counts_only_against() {
    let mut silent = Check { needs: vec![super::super::Need::Source("scrape:worker".into())], ..Check::default() };
    silent.facts.published_from_ns = None;
    silent.facts.sources[1].answered = false;
    is_left_out(&silent, &[row(3.0)], "never answered");
    assert_eq!(says(&silent, &[row(30.0)]), Ok(30.0));
    silent.facts.sources[1].state = super::super::SourceState::Idle;
    is_left_out(&silent, &[row(30.0)], "never live");
}

#[test]
fn a_run_of_a_broken_environment_says_nothing_whatever_it_observed() {
    let fault =
        |attribution, at: Observation| FaultRow { attribution, says: "it slept".into(), row: at, concerns: Vec::new() };
    let slept = fault(Attribution::Environment, within(None, 10, 11));
    let crashed = fault(Attribution::Product, within(None, 12, 13));
    let check = Check { faults: vec![slept.clone()], ..Check::default() };
    for value in [3.0, 30.0] {
        is_left_out(&check, &[row(value)], "environment: it slept");
    }
    assert_eq!(says(&check, &[within(3.0, 20, 30)]), Ok(3.0));
    let both = Check { faults: vec![slept.clone(), crashed.clone()], ..Check::default() };
    assert_eq!(says(&both, &[row(30.0)]), Ok(30.0));
    let about = |fault: &FaultRow| FaultRow { concerns: vec!["paths:server".into()], ..fault.clone() };
    assert_eq!(says(&Check { faults: vec![about(&slept)], ..Check::default() }, &[row(30.0)]), Ok(30.0));
    let crashed_elsewhere = Check { faults: vec![slept, about(&crashed)], ..Check::default() };
    is_left_out(&crashed_elsewhere, &[row(30.0)], "environment: it slept");
}
