//! Assertions that judge a set of runs, where several were named.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Asked;
use super::facts::RunFacts;
use crate::error::Error;
use crate::judge::{self, FaultRow, Observed, Says, Told};
use crate::report::{AssertionReport, HistoryReport};
use crate::spec::{Assertion, Spec};
use crate::views::QueryError;

/// What assertions over a history hear of one run, by their ids.
pub type ByAssertion = BTreeMap<String, Says>;

/// The runs that were judged against one spec.
pub struct Set {
    spec: Arc<Spec>,
    dirs: BTreeMap<String, PathBuf>,
    told: BTreeMap<String, Vec<Told>>,
}

/// Sets of runs, by the text of their specs: a recording has a copy of its own.
#[derive(Default)]
pub struct Sets {
    sets: Vec<Set>,
}

impl Sets {
    /// Adds what a run says by assertion. A recording that was named twice counts once.
    pub fn add(&mut self, spec: &Arc<Spec>, run_id: &str, dir: PathBuf, says: ByAssertion) {
        let place = self.sets.iter().position(|set| set.spec.text == spec.text).unwrap_or(self.sets.len());
        if place == self.sets.len() {
            self.sets.push(Set { spec: Arc::clone(spec), dirs: BTreeMap::new(), told: BTreeMap::new() });
        }
        let Some(set) = self.sets.get_mut(place) else { return };
        if set.dirs.insert(run_id.to_owned(), dir).is_some() {
            return;
        }
        for (id, says) in says {
            set.told.entry(id).or_default().push(Told { run_id: run_id.to_owned(), says });
        }
    }

    /// Judges every set of more than one run.
    pub fn judged(&self) -> Vec<HistoryReport> {
        self.sets.iter().filter(|set| set.dirs.len() > 1).flat_map(Set::judged).collect()
    }
}

impl Set {
    fn judged(&self) -> Vec<HistoryReport> {
        let over = self.spec.assertions.iter().filter(|assertion| assertion.over_history);
        let judged = |assertion: &Assertion| {
            let runs = self.told.get(&assertion.id).map(Vec::as_slice).unwrap_or_default();
            let over = judge::judge_over(&assertion.bound, assertion.min_rows, runs);
            HistoryReport {
                spec: self.spec.path.clone(),
                dirs: self.dirs.clone(),
                assertion: AssertionReport::new(assertion, over.judgement),
                left_out: over.left_out,
            }
        };
        over.map(judged).collect()
    }
}

/// What one run says about an assertion over several: nothing where it wasn't asked.
///
/// # Errors
/// [`Error::Spec`]: it observes texts.
pub fn tell(
    facts: &RunFacts,
    assertion: &Assertion,
    asked: Option<&Asked>,
    faults: &[FaultRow],
) -> Result<Says, Error> {
    let Some(asked) = asked else {
        return Ok(Says::NotApplicable(facts.is_not_about(assertion).unwrap_or_default()));
    };
    if asked.observations.iter().any(|row| matches!(row.observed, Observed::Text(_))) {
        let problem = "`observed` is a text, and over a history numbers are averaged: \
                       write `CASE WHEN … THEN 1.0 ELSE 0.0 END AS observed`";
        return Err(Error::of_spec(&assertion.query, QueryError::new(problem.into())));
    }
    Ok(judge::tell(&facts.watched, &asked.case(assertion), &asked.observations, faults))
}
