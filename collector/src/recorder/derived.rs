//! What is made of rows besides the journal, in the order in which they are recorded: spans, which are recorded too, and
//! sent to whoever receives them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use recording::record::{Run, Span};
use recording::{Row, Stamped};
use telemetry::otlp::Live;

use crate::spans::Deriver;
use crate::status::say;

/// Spans on their way.
pub struct Derived {
    /// `None` once it panicked: a recording without spans is better than none.
    deriver: Option<Deriver>,
    live: Option<Live>,
}

impl Derived {
    /// Derives spans, and hands each to `live` as it ends.
    pub fn new(deriver: Deriver, live: Option<Live>) -> Derived {
        Derived { deriver: Some(deriver), live }
    }

    pub(super) fn take(&mut self, at_ns: i64, seq: Option<i64>, row: &Row) {
        self.derive(|deriver| deriver.take(at_ns, seq, row));
    }

    fn derive(&mut self, step: impl FnOnce(&mut Deriver)) {
        let Some(deriver) = &mut self.deriver else { return };
        if catch_unwind(AssertUnwindSafe(|| step(deriver))).is_err() {
            say("collector: no more spans are derived, the rest is recorded: please report it");
            self.deriver = None;
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, run: &Run) {
        self.derive(|deriver| deriver.finish(end_ns, run));
    }

    /// The next span that has ended, to be recorded under this number.
    pub(super) fn next_span(&mut self, seq: i64) -> Option<(i64, Span)> {
        let (at_ns, row) = self.deriver.as_mut()?.next_span()?;
        if let Some(live) = &self.live {
            live.offer(Stamped { seq, at_ns, row: row.clone() });
        }
        Some((at_ns, row))
    }
}
