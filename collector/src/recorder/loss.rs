//! What a recorder that can't write any more has lost, by source.

use std::collections::BTreeMap;

use recording::Row;
use recording::record::{Gap, SourceRow};

/// Rows that are not known to be in the journal.
#[derive(Default)]
pub(super) struct Loss {
    /// How many.
    pub(super) rows: i64,
    /// The earliest of them.
    from_ns: Option<i64>,
    /// Rows that each source had written when the journal was last known to be whole.
    whole: BTreeMap<String, i64>,
    /// What sources said they had lost themselves, which is lost as well.
    told: BTreeMap<String, i64>,
}

impl Loss {
    /// Notes what each source has put in so far. What comes later is not known to be written.
    pub(super) fn mark(&mut self, sources: &[SourceRow]) {
        self.whole = sources.iter().map(|source| (source.source.clone(), source.rows)).collect();
        (self.rows, self.from_ns) = (0, None);
        self.told.clear();
    }

    /// Counts a row that is not written yet, or will never be.
    pub(super) fn add(&mut self, at_ns: i64, row: &Row) {
        if let Row::Gap(gap) = row {
            *self.told.entry(gap.source.clone()).or_default() += gap.lost;
        } else {
            self.rows += 1;
        }
        self.from_ns = Some(self.from_ns.map_or(at_ns, |from_ns| from_ns.min(at_ns)));
    }

    /// One gap per source that lost something.
    pub(super) fn gaps(&self, sources: &[SourceRow], to_ns: i64, reason: &str) -> Vec<Gap> {
        let from_ns = self.from_ns.unwrap_or(to_ns);
        let gap = |source: &SourceRow| {
            let whole = self.whole.get(&source.source).copied().unwrap_or_default();
            let lost = source.rows - whole + self.told.get(&source.source).copied().unwrap_or_default();
            let source = source.source.clone();
            (lost > 0).then(|| Gap { from_ns, to_ns, source, lost, reason: reason.to_owned() })
        };
        sources.iter().filter_map(gap).collect()
    }
}
