//! One assertion over a set of runs: the average of what each of them observed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attribution, Case, Facts, FaultRow, Judged, Judgement, Observation, Observed, Outcome};
use super::{coverage, faults, needs};
use crate::bound::Bound;

/// More runs that pull an average down are not named.
const MOST_VIOLATIONS: usize = 10;

/// One run of the set.
#[derive(Clone, Debug)]
pub struct Told {
    /// Its id.
    pub run_id: String,
    /// What it says.
    pub says: Says,
}

/// What a run says about an assertion.
#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    /// The assertion is not about it: why.
    NotApplicable(String),
    /// Nothing can be said: why.
    Nothing(String),
    /// By subject the run's own average, or why it has none.
    Values(BTreeMap<String, Result<f64, String>>),
}

/// An assertion over a set of runs, judged.
#[derive(Debug)]
pub struct OverRuns {
    /// What became of it: a row is a run that counts, skipped is one that was left out.
    pub judgement: Judgement,
    /// The runs that were left out, in the order of the set.
    pub left_out: Vec<LeftOut>,
}

/// A run that says nothing, about one subject at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its id.
    pub run_id: String,
    /// Why.
    pub reason: String,
}

/// What one run says. Texts can't be averaged: the caller refuses them.
pub fn tell(facts: &Facts, case: &Case<'_>, observations: &[Observation], faults: &[FaultRow]) -> Says {
    if let Some(drift) = case.names.drift() {
        return Says::Nothing(format!("{}: {drift}", Attribution::SpecDrift.name()));
    }
    if observations.is_empty() {
        let reason = coverage::unwatched(facts, case.needs, &facts.whole_run())
            .or_else(|| coverage::unanswered(facts, case.needs));
        return Says::Nothing(reason.unwrap_or_else(|| "no rows: nothing was observed".to_owned()));
    }
    let mut rows: BTreeMap<&str, Vec<&Observation>> = BTreeMap::new();
    for row in observations {
        rows.entry(&row.subject).or_default().push(row);
    }
    let needed = needs::names(facts, case.needs);
    let faults: Vec<&FaultRow> = faults.iter().filter(|fault| fault.is_about(&needed)).collect();
    let value = |rows: Vec<&Observation>| average_of_rows(facts, case, &rows, &faults);
    Says::Values(rows.into_iter().map(|(subject, rows)| (subject.to_owned(), value(rows))).collect())
}

fn average_of_rows(facts: &Facts, case: &Case<'_>, rows: &[&Observation], faults: &[&FaultRow]) -> Result<f64, String> {
    let unskipped = rows.iter().filter(|row| row.skipped.is_none());
    let values = unskipped.map(|row| value(facts, case, row, faults)).collect::<Result<Vec<f64>, String>>()?;
    match (values.is_empty(), rows.first().and_then(|row| row.skipped.clone())) {
        (true, skipped) => Err(skipped.unwrap_or_else(|| "every row was skipped".to_owned())),
        (false, _) => Ok(mean(&values)),
    }
}

/// What a row observed, or why that is no evidence. Other than where one run is judged, what speaks against a value
/// does so whether it satisfies the bound or not: else the average would lean to one side.
fn value(facts: &Facts, case: &Case<'_>, row: &Observation, faults: &[&FaultRow]) -> Result<f64, String> {
    let window = facts.window(row.from_ns, row.until_ns);
    if let Some(fault) = faults::excuse(facts, &window, faults) {
        return Err(format!("{}: {}", fault.attribution.name(), fault.says));
    }
    let reason = coverage::unwatched(facts, case.needs, &window)
        .or_else(|| coverage::lost(facts, case.needs, &window))
        .or_else(|| coverage::contradicted(facts, case))
        .or_else(|| coverage::cut_off(facts, &window));
    match (reason, &row.observed) {
        (Some(reason), _) => Err(reason),
        (None, Observed::Number(value)) => match coverage::unanswered(facts, case.needs) {
            // That something was not delivered is no less true where nothing came at all.
            Some(reason) if case.bound.number(*value).0 => Err(reason),
            _ => Ok(*value),
        },
        (None, Observed::Missing) => {
            Err(coverage::not_reached(facts, &window).unwrap_or_else(|| "it was not seen".to_owned()))
        }
        (None, Observed::Text(_)) => Err("a text has no average".to_owned()),
    }
}

/// Judges the averages over runs. An average of fewer than `min_runs` runs says nothing.
pub fn judge_over(bound: &Bound, min_runs: usize, runs: &[Told]) -> OverRuns {
    let applicable: Vec<&Told> = runs.iter().filter(|run| !matches!(run.says, Says::NotApplicable(_))).collect();
    let subjects: BTreeSet<&str> =
        runs.iter().flat_map(|run| run.values().into_iter().flat_map(BTreeMap::keys)).map(String::as_str).collect();
    let left_out = left_out(runs, &subjects);
    let counting = |run: &&Told| run.values().is_some_and(|values| values.values().any(Result::is_ok));
    let rows = runs.iter().filter(counting).count();
    let skipped = runs.len() - rows;
    let without = |outcome, reason| Judgement { rows, skipped, ..Judgement::without_rows(outcome, reason) };
    if applicable.is_empty() {
        let reason = left_out.first().map(|run| run.reason.clone());
        return OverRuns { judgement: without(Outcome::NotApplicable, reason), left_out };
    }
    let mut judged: Vec<(Judged, Vec<Judged>)> =
        subjects.iter().map(|subject| judge_subject(bound, min_runs, runs, subject, subjects.len() > 1)).collect();
    judged.sort_by(|(one, _), (other, _)| super::badness(one).total_cmp(&super::badness(other)));
    let with = |outcome| judged.iter().map(|(row, _)| row).find(|row| row.outcome == outcome);
    let deciding = with(Outcome::Broken).or_else(|| with(Outcome::Inconclusive)).or_else(|| with(Outcome::Held));
    let Some(worst) = deciding.cloned() else {
        let judgement = without(Outcome::Inconclusive, Some(too_few(0, min_runs)));
        return OverRuns { judgement, left_out };
    };
    let broken = worst.outcome == Outcome::Broken;
    let mut violations: Vec<Judged> =
        judged.iter().filter(|(row, _)| row.outcome == Outcome::Broken).flat_map(|(_, runs)| runs.clone()).collect();
    violations.sort_by(|one, other| super::badness(one).total_cmp(&super::badness(other)));
    violations.truncate(MOST_VIOLATIONS);
    let judgement = Judgement {
        attribution: broken.then_some(Attribution::Unknown),
        violations,
        worst: Some(worst.clone()),
        ..without(worst.outcome, worst.reason)
    };
    OverRuns { judgement, left_out }
}

/// The average of one subject, judged, and the runs that violate the bound on their own.
fn judge_subject(
    bound: &Bound,
    min_runs: usize,
    runs: &[Told],
    subject: &str,
    is_one_of_several: bool,
) -> (Judged, Vec<Judged>) {
    let of_subject = |run: &Told| run.values()?.get(subject)?.as_ref().ok().copied();
    let values: Vec<(&str, f64)> =
        runs.iter().filter_map(|run| Some((run.run_id.as_str(), of_subject(run)?))).collect();
    let named = |run_id: &str| if is_one_of_several { format!("{run_id} {subject}") } else { run_id.to_owned() };
    let pulling = values.iter().map(|(run_id, value)| judged(bound, named(run_id), *value));
    let pulling = pulling.filter(|run| run.outcome == Outcome::Broken).collect();
    let numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    if numbers.len() >= min_runs.max(1) {
        return (judged(bound, subject.to_owned(), mean(&numbers)), pulling);
    }
    let seen = match numbers.is_empty() {
        true => Judged {
            observation: observation(subject.to_owned(), Observed::Missing),
            margin: None,
            ..judged(bound, String::new(), 0.0)
        },
        false => judged(bound, subject.to_owned(), mean(&numbers)),
    };
    (Judged { outcome: Outcome::Inconclusive, reason: Some(too_few(numbers.len(), min_runs)), ..seen }, pulling)
}

fn judged(bound: &Bound, subject: String, value: f64) -> Judged {
    let (satisfied, margin) = bound.number(value);
    Judged {
        observation: observation(subject, Observed::Number(value)),
        outcome: if satisfied { Outcome::Held } else { Outcome::Broken },
        margin: Some(margin).filter(|margin| margin.is_finite()),
        reason: None,
    }
}

fn observation(subject: String, observed: Observed) -> Observation {
    Observation { subject, observed, from_ns: None, until_ns: None, evidence: Vec::new(), skipped: None }
}

fn too_few(runs: usize, min_runs: usize) -> String {
    let count = if runs == 1 { "run counts" } else { "runs count" };
    format!("{runs} {count}, at least {} are needed", min_runs.max(1))
}

/// Every run that says nothing about a subject, once for each reason.
fn left_out(runs: &[Told], subjects: &BTreeSet<&str>) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    for run in runs {
        let mut leave = |reason: String| {
            let one = LeftOut { run_id: run.run_id.clone(), reason };
            if !left_out.contains(&one) {
                left_out.push(one);
            }
        };
        match &run.says {
            Says::NotApplicable(reason) | Says::Nothing(reason) => leave(reason.clone()),
            Says::Values(values) => {
                for subject in subjects {
                    match values.get(*subject) {
                        Some(Ok(_)) => {}
                        Some(Err(reason)) => leave(reason.clone()),
                        None => leave(format!("it has no row of `{subject}`")),
                    }
                }
            }
        }
    }
    left_out
}

impl Told {
    fn values(&self) -> Option<&BTreeMap<String, Result<f64, String>>> {
        match &self.says {
            Says::Values(values) => Some(values),
            Says::NotApplicable(_) | Says::Nothing(_) => None,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests;
