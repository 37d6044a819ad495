//! What is made of rows besides the journal, in the order in which they are recorded: spans, which are recorded too and
//! sent to whoever receives them, and metrics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use recording::record::{Run, Span};
use recording::{Row, Stamped};
use telemetry::otlp::Live;

use crate::metrics::Shown;
use crate::spans::Deriver;
use crate::status::{say, warn};

/// Spans and metrics on their way.
pub struct Derived {
    /// `None` once it panicked: a recording without spans is better than none.
    deriver: Option<Deriver>,
    live: Option<Live>,
    metrics: Option<Shown>,
}

impl Derived {
    /// Derives spans, hands each to `live` as it ends, and keeps `metrics` up to date.
    pub fn new(deriver: Deriver, live: Option<Live>, metrics: Option<Shown>) -> Derived {
        Derived { deriver: Some(deriver), live, metrics }
    }

    pub(super) fn take(&mut self, at_ns: i64, seq: Option<i64>, row: &Row) {
        self.count(at_ns, row);
        self.derive(at_ns, |deriver| deriver.take(at_ns, seq, row));
    }

    /// Counts a row that is recorded without having come through the intake, too.
    pub(super) fn count(&mut self, at_ns: i64, row: &Row) {
        let Some(metrics) = &self.metrics else { return };
        if catch_unwind(AssertUnwindSafe(|| metrics.with(|metrics| metrics.take(at_ns, row)))).is_err() {
            say("collector: metrics are not counted any more, the run is recorded: please report it");
            self.metrics = None;
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, run: &Run) {
        self.deriver.iter().flat_map(Deriver::doubts).for_each(|doubt| warn(format_args!("collector: {doubt}")));
        self.derive(end_ns, |deriver| deriver.finish(end_ns, run));
    }

    fn derive(&mut self, at_ns: i64, step: impl FnOnce(&mut Deriver)) {
        let Some(deriver) = &mut self.deriver else { return };
        if catch_unwind(AssertUnwindSafe(|| step(deriver))).is_err() {
            say("collector: no more spans are derived, the rest is recorded: please report it");
            self.deriver = None;
            return;
        }
        let moments = deriver.moments();
        if let Some(metrics) = &self.metrics {
            metrics.moments(at_ns, moments);
        }
    }

    /// The next span that has ended, to be recorded under this number.
    pub(super) fn next_span(&mut self, seq: i64) -> Option<(i64, Span)> {
        let (at_ns, row) = self.deriver.as_mut()?.next_span()?;
        tracing::debug!(service = row.service, status = row.status, span_id = row.span_id, "{}", row.name);
        if let Some(live) = &self.live {
            live.offer(Stamped { seq, at_ns, row: row.clone() });
        }
        if let Some(metrics) = &self.metrics {
            metrics.with(|metrics| metrics.counted(recording::Table::Spans));
        }
        Some((at_ns, row))
    }
}
