//! Spans, derived once, from recorded rows: what is stored in the table `spans` is what is exported.
//!
//! A [`Deriver`] is given rows in the order in which they are recorded and gives spans as they end: `lives` the run's
//! phases and what lives in it, `sessions` those of Engine.IO, `pairs` the correlated events that a scenario names,
//! `looks` what the collector asked. It does no I/O and owns no clock, so that a recording's rows give the same spans
//! again, with the same ids. `recording/telemetry/SPANS.md` is the law.

mod draft;
mod lives;
mod looks;
mod own;
mod pairs;
mod path;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use recording::Row;
use recording::record::{Run, Span};

use draft::Draft;
use lives::Lives;
use looks::{Looks, Page};
pub use own::is_own;
pub use pairs::Pair;
use pairs::{Out, Pairs};
pub use path::JsonPath;
use sessions::Sessions;

/// A span that has ended, and when that was known.
struct Ended {
    at_ns: i64,
    draft: Draft,
}

/// What happened to a correlated pair, for whoever counts.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "SPANS.md says what a pair is, and when it does what")]
pub enum Moment {
    Opened { pair: String },
    Acknowledged { pair: String },
    Retransmitted { pair: String },
    Closed { pair: String, status: &'static str, took_ns: Option<i64>, subject: String },
}

impl Moment {
    fn closed(pair: String, draft: &Draft) -> Moment {
        let took_ns = draft.end_ns.map(|end_ns| end_ns.saturating_sub(draft.start_ns));
        Moment::Closed { pair, status: draft.status, took_ns, subject: draft.subject.clone() }
    }
}

/// Rows in, spans out.
pub struct Deriver {
    run_id: String,
    lives: Lives,
    sessions: Sessions,
    pairs: Pairs,
    looks: Looks,
    ended: VecDeque<Ended>,
    /// The subjects that have had a span, by hash: what lives again after its end gets another subject.
    told: HashSet<u64>,
    moments: Vec<Moment>,
}

impl Deriver {
    /// Derives the spans of one run.
    pub fn new(run_id: &str, scenario: &str, pairs: Vec<Pair>) -> Deriver {
        Deriver {
            run_id: run_id.to_owned(),
            lives: Lives::new(scenario),
            sessions: Sessions::default(),
            pairs: Pairs::new(pairs),
            looks: Looks::default(),
            ended: VecDeque::new(),
            told: HashSet::new(),
            moments: Vec::new(),
        }
    }

    /// Takes a row that was recorded as number `seq` of its table, or, where recording has ended, as none.
    pub fn take(&mut self, at_ns: i64, seq: Option<i64>, row: &Row) {
        let handle = seq.map(|seq| (row.table(), seq));
        self.pairs.settle(at_ns, &mut self.ended);
        match row {
            Row::Packet(packet) => {
                self.sessions.packet(at_ns, handle, packet, &mut self.ended);
                let parent = || {
                    let sid = packet.sid.as_deref().filter(|sid| self.sessions.is_told(&packet.tap, sid))?;
                    Some(sessions::subject(&packet.tap, sid))
                };
                let mut out = Out { ended: &mut self.ended, moments: &mut self.moments };
                self.pairs.packet(at_ns, handle, packet, parent, &mut out);
                self.leave(at_ns);
            }
            Row::ConnectionRow(row) => {
                self.sessions.connection(at_ns, handle, row, &mut self.ended);
                self.leave(at_ns);
            }
            Row::Event(event) => self.lives.event(at_ns, handle, event, &mut self.ended),
            Row::Probe(probe) => self.looks.probe(at_ns, handle, probe, &mut self.ended),
            Row::Scrape(scrape) => self.looks.page(at_ns, handle, &Page::scrape(scrape), &mut self.ended),
            Row::Poll(poll) => self.looks.page(at_ns, handle, &Page::poll(poll), &mut self.ended),
            Row::Gap(gap) => self.lives.gap(at_ns, gap),
            _ => {}
        }
    }

    fn leave(&mut self, at_ns: i64) {
        for (tap, session) in self.sessions.left() {
            self.pairs.left(at_ns, &tap, &session);
        }
    }

    /// What whoever wrote the scenario should look at, before the end.
    pub fn doubts(&self) -> Vec<String> {
        self.pairs.doubts()
    }

    /// Ends what is still open: the run is over, and this is what became of it.
    pub fn finish(&mut self, end_ns: i64, run: &Run) {
        for (pair, events) in std::mem::take(&mut self.pairs.keyless) {
            let told = serde_json::json!({"tapedeck.pair": pair, "tapedeck.count": events});
            self.lives.root.event("no key", end_ns, told);
        }
        self.pairs.finish(end_ns, &mut Out { ended: &mut self.ended, moments: &mut self.moments });
        self.sessions.finish(end_ns, &mut self.ended);
        self.looks.finish(end_ns, &mut self.ended);
        self.lives.finish(end_ns, run, &mut self.ended);
    }

    /// The next span that has ended, with the time at which that was known.
    pub fn next_span(&mut self) -> Option<(i64, Span)> {
        let Ended { at_ns, mut draft } = self.ended.pop_front()?;
        let (subject, mut lives) = (draft.subject.clone(), 1);
        while !self.told.insert(hash(&draft.subject)) {
            lives += 1;
            draft.subject = format!("{subject}/{lives}");
        }
        Some((at_ns, draft.row(&self.run_id)))
    }

    /// What happened to pairs since the last call.
    pub fn moments(&mut self) -> impl Iterator<Item = Moment> + use<'_> {
        self.moments.drain(..)
    }
}

fn hash(what: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(what)
}
