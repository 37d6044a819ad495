//! What a run's metrics were, with their times.

use std::collections::BTreeMap;

use recording::Row;

use super::known::Known;
use super::page::{self, Sheet};
use super::pairs::Moment;
use super::series::{Exemplar, Life};
use super::{Metrics, Table};

/// A stored run may have more series than one that lasts: nobody waits for it.
const MOST_SERIES: usize = 1_000_000;

/// The metrics of a run that is over, in the making.
#[derive(Debug)]
pub struct History {
    metrics: Metrics,
    /// The wall-clock time of the run's start, or the one that it is shown at.
    pub(crate) start_unix_ns: i64,
    /// When everything was looked at.
    pub(crate) snapshots: Vec<i64>,
    /// The values of each series with their times.
    pub(crate) points: Vec<Vec<(i64, f64)>>,
    /// What is behind a bucket's value, by series and time.
    pub(crate) exemplars: BTreeMap<(usize, i64), Exemplar>,
}

impl History {
    /// Of a run whose start is shown at this time.
    pub fn new(run_id: &str, scenario: &str, start_unix_ns: i64) -> History {
        let metrics = Metrics::with_limit(run_id, scenario, MOST_SERIES);
        History { metrics, start_unix_ns, snapshots: Vec::new(), points: Vec::new(), exemplars: BTreeMap::new() }
    }

    /// A row was recorded; a sample is remembered at its own time.
    pub fn take(&mut self, at_ns: i64, row: &Row) {
        let Row::Sample(sample) = row else { return self.metrics.take(at_ns, row) };
        self.metrics.counted(Table::Samples);
        if let Some(id) = self.metrics.sample(at_ns, sample) {
            self.remember(id, at_ns, sample.value);
        }
    }

    /// A row of a table was recorded; what stands in it is not asked.
    pub fn counted(&mut self, table: Table) {
        self.metrics.counted(table);
    }

    /// A source is live, or not (any more).
    pub fn source_live(&mut self, source: &str, live: bool) {
        self.metrics.source_live(source, live);
    }

    /// Something happened to a pair.
    pub fn take_moment(&mut self, at_ns: i64, moment: &Moment) {
        self.metrics.take_moment(at_ns, moment);
    }

    /// Remembers what everything is now; all that happened until now was taken.
    pub fn snapshot(&mut self, now_ns: i64) {
        self.metrics.settle();
        let last_ns = self.snapshots.last().copied().unwrap_or(i64::MIN);
        for id in 0..self.metrics.store.series.len() {
            let series = &self.metrics.store.series[id];
            if matches!(series.life, Life::OfScrape(_)) {
                continue;
            }
            if let Some(exemplar) = series.exemplar.as_deref().filter(|exemplar| exemplar.at_ns > last_ns) {
                self.exemplars.insert((id, now_ns), exemplar.clone());
            }
            if let Some(value) = self.metrics.store.value(id, now_ns) {
                self.remember(id, now_ns, value);
            }
        }
        self.snapshots.push(now_ns);
    }

    /// What became of an assertion.
    pub fn assertion(&mut self, at_ns: i64, id: &str, outcome: &str, attribution: &str, version: &str) {
        self.judged(at_ns, Known::AssertionOutcome, &[id, outcome, attribution, version], 1.0);
    }

    /// An assertion's margin.
    pub fn margin(&mut self, at_ns: i64, id: &str, unit: &str, version: &str, margin: f64) {
        self.judged(at_ns, Known::AssertionMargin, &[id, unit, version], margin);
    }

    /// An observation violates an assertion's bound.
    pub fn failed(&mut self, at_ns: i64, id: &str, subject: &str) {
        self.judged(at_ns, Known::AssertionFailed, &[id, subject], 1.0);
    }

    /// How probable a verdict over several runs is.
    pub fn verdict(&mut self, at_ns: i64, id: &str, verdict: &str, version: &str, probability: f64) {
        self.judged(at_ns, Known::VerdictProbability, &[id, verdict, version], probability);
    }

    fn judged(&mut self, at_ns: i64, known: Known, values: &[&str], value: f64) {
        // It is told at this time only: no snapshot has it.
        if let Some(id) = self.metrics.store.known(known, values, Life::Ended) {
            self.remember(id, at_ns, value);
        }
    }

    fn remember(&mut self, id: usize, at_ns: i64, value: f64) {
        if self.points.len() <= id {
            self.points.resize_with(id + 1, Vec::new);
        }
        self.points[id].push((at_ns, value));
    }

    fn sheet(&self) -> Sheet<'_> {
        Sheet::past(&self.metrics.store, self)
    }
}

/// Some runs as OpenMetrics 1.0 with time stamps, family by family; together they are a page.
pub fn pages(histories: &[History]) -> impl Iterator<Item = String> {
    let sheets: Vec<Sheet<'_>> = histories.iter().map(History::sheet).collect();
    page::families(&sheets)
}
