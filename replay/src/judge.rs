//! One assertion, one run or a set of them: what became of it. SPEC.md says every rule that is applied here.
//!
//! Pure: observations and facts go in, a judgement comes out. No I/O, no clock, no tables.

mod coverage;
mod drift;
mod faults;
mod history;
mod needs;

use crate::bound::Bound;
pub use coverage::{Facts, Gap, Source, SourceState};
pub use drift::{Drift, Names};
pub use faults::FaultRow;
pub use history::{LeftOut, Says, Told, judge_over, tell};
pub use needs::{Need, names as names_of_needs};
pub use verdict::{Attribution, Outcome};

/// One row of an assertion's query.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What was observed.
    pub subject: String,
    /// The value.
    pub observed: Observed,
    /// Where the row's window begins; the run's start where not said.
    pub from_ns: Option<i64>,
    /// Where the row's window ends; the run's end where not said.
    pub until_ns: Option<i64>,
    /// Handles of rows that show it.
    pub evidence: Vec<String>,
    /// Why the row is counted but not judged.
    pub skipped: Option<String>,
}

/// An observed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// Not seen by the end of the window.
    Missing,
    /// A finite or infinite number, never NaN.
    Number(f64),
    /// A text.
    Text(String),
}

/// What an assertion asks of its observations.
#[derive(Debug)]
pub struct Case<'a> {
    /// What each must satisfy.
    pub bound: &'a Bound,
    /// What must have been watched.
    pub needs: &'a [Need],
    /// The tables that it reads.
    pub reads: &'a [String],
    /// With fewer unskipped observations nothing can be said; 0: none are needed.
    pub min_rows: usize,
    /// The names that it looks for.
    pub names: &'a Names,
}

/// One row, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The row.
    pub observation: Observation,
    /// Its own outcome.
    pub outcome: Outcome,
    /// The signed distance to the bound; none for texts and what was not seen.
    pub margin: Option<f64>,
    /// Why it is inconclusive.
    pub reason: Option<String>,
}

/// An assertion on a run, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where there is something to say.
    pub attribution: Option<Attribution>,
    /// Why it is inconclusive or not applicable.
    pub reason: Option<String>,
    /// The worst of the rows that decide.
    pub worst: Option<Judged>,
    /// The rows that violate the bound, worst first.
    pub violations: Vec<Judged>,
    /// Rows judged.
    pub rows: usize,
    /// Rows skipped.
    pub skipped: usize,
    /// The faults inside its windows: places in the list that it was judged by.
    pub faults: Vec<usize>,
    /// The name that it looks for in vain, and the recorded one that may be meant.
    pub drift: Option<Drift>,
}

impl Judgement {
    /// A judgement without rows.
    pub fn without_rows(outcome: Outcome, reason: Option<String>) -> Judgement {
        Judgement {
            outcome,
            attribution: None,
            reason,
            worst: None,
            violations: vec![],
            rows: 0,
            skipped: 0,
            faults: vec![],
            drift: None,
        }
    }
}

/// Judges an assertion's observations on a run.
pub fn judge(facts: &Facts, case: &Case<'_>, observations: Vec<Observation>, faults: &[FaultRow]) -> Judgement {
    let (skipped, unskipped): (Vec<_>, Vec<_>) = observations.into_iter().partition(|row| row.skipped.is_some());
    let mut rows: Vec<Judged> = unskipped.into_iter().map(|row| judge_row(facts, case, row)).collect();
    rows.sort_by(|one, other| badness(one).total_cmp(&badness(other)));
    let (outcome, reason) = decide(facts, case, &rows);
    let mut judgement = Judgement {
        outcome,
        attribution: None,
        reason,
        worst: rows.iter().find(|row| row.outcome == outcome).or(rows.first()).cloned(),
        violations: rows.iter().filter(|row| row.outcome == Outcome::Broken).cloned().collect(),
        rows: rows.len(),
        skipped: skipped.len(),
        faults: Vec::new(),
        drift: case.names.drift(),
    };
    if let Some(drift) = &judgement.drift {
        judgement.outcome = Outcome::Inconclusive;
        judgement.reason = Some(drift.to_string());
        judgement.attribution = Some(Attribution::SpecDrift);
        judgement.violations.clear();
        return judgement;
    }
    faults::attribute(facts, case.needs, &mut judgement, &rows, faults);
    judgement
}

/// The rules about the rows as a whole, before those about each.
fn decide(facts: &Facts, case: &Case<'_>, rows: &[Judged]) -> (Outcome, Option<String>) {
    if rows.len() < case.min_rows {
        let missing = coverage::never_up(facts, &facts.whole_run())
            .or_else(|| coverage::unwatched(facts, case.needs, &facts.whole_run()))
            .or_else(|| coverage::unanswered(facts, case.needs));
        let reason = match (missing, rows.len()) {
            (Some(missing), _) => missing,
            (None, 0) => "no rows: nothing was observed".to_owned(),
            (None, some) => format!("{some} observations, at least {} are needed", case.min_rows),
        };
        return (Outcome::Inconclusive, Some(reason));
    }
    if rows.is_empty() {
        let whole_run = facts.whole_run();
        let reason = coverage::never_up(facts, &whole_run)
            .or_else(|| coverage::unwatched(facts, case.needs, &whole_run))
            .or_else(|| coverage::unanswered(facts, case.needs))
            .or_else(|| coverage::lost(facts, case.needs, &whole_run))
            .or_else(|| coverage::contradicted(facts, case))
            .or_else(|| coverage::cut_off(facts, &whole_run));
        let outcome = if reason.is_some() { Outcome::Inconclusive } else { Outcome::Held };
        return (outcome, reason);
    }
    for outcome in [Outcome::Broken, Outcome::Inconclusive] {
        if let Some(row) = rows.iter().find(|row| row.outcome == outcome) {
            return (outcome, row.reason.clone());
        }
    }
    (Outcome::Held, None)
}

fn judge_row(facts: &Facts, case: &Case<'_>, row: Observation) -> Judged {
    let window = facts.window(row.from_ns, row.until_ns);
    let (satisfied, margin) = match &row.observed {
        Observed::Missing => (None, None),
        Observed::Number(number) => {
            let (satisfied, margin) = case.bound.number(*number);
            (Some(satisfied), Some(margin).filter(|margin| margin.is_finite()))
        }
        Observed::Text(text) => (Some(case.bound.text(text).unwrap_or(false)), None),
    };
    let unwatched = || coverage::unwatched(facts, case.needs, &window);
    let unanswered = || coverage::unanswered(facts, case.needs);
    let lost = || coverage::lost(facts, case.needs, &window).or_else(|| coverage::contradicted(facts, case));
    let cut_off = || coverage::cut_off(facts, &window);
    let never_up = || coverage::never_up(facts, &window);
    let reason = match satisfied {
        Some(true) => unwatched().or_else(unanswered).or_else(lost).or_else(cut_off),
        Some(false) if row.evidence.is_empty() => unwatched().or_else(never_up).or_else(cut_off),
        Some(false) => unwatched(),
        None => unwatched().or_else(lost).or_else(never_up).or_else(|| coverage::not_reached(facts, &window)),
    };
    // That nobody watched what was not there is no second reason.
    let reason = reason.map(|reason| never_up().unwrap_or(reason));
    let outcome = match (&reason, satisfied) {
        (Some(_), _) => Outcome::Inconclusive,
        (None, Some(true)) => Outcome::Held,
        (None, Some(false) | None) => Outcome::Broken,
    };
    Judged { observation: row, outcome, margin, reason }
}

/// Orders rows from the worst: not seen, then text that violates, then by margin.
fn badness(row: &Judged) -> f64 {
    match (&row.observation.observed, row.outcome, row.margin) {
        (Observed::Missing, _, _) => f64::NEG_INFINITY,
        (_, _, Some(margin)) => margin,
        (_, Outcome::Held, None) => f64::MAX,
        (_, _, None) => f64::MIN,
    }
}

#[cfg(test)]
mod tests;
