//! What the recorder's thread does.

use std::collections::{HashSet, VecDeque};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use recording::record::{Run, Stat};
use recording::{Error, Row, Table};

use super::derived::Derived;
use super::loss::Loss;
use super::pace::{self, Pace};
use super::store::Store;
use super::{Progress, Shown};
use crate::chain;
use crate::intake::{Entry, Intake};

/// A row that waited longer is told with the next write, so that whoever reads a cut-off journal knows of it.
const LATE_NS: i64 = 100_000_000;

pub(super) struct Work {
    intake: Intake,
    store: Box<dyn Store>,
    derived: Derived,
    blobs: HashSet<String>,
    shown: Shown,
    loss: Loss,
    pace: Pace,
    /// Rows that the intake had no room for.
    refused: i64,
    lag_ns: i64,
    alive: bool,
    closed: bool,
}

impl Work {
    pub(super) fn new(intake: Intake, store: Box<dyn Store>, derived: Derived, shown: Shown) -> Work {
        let (blobs, loss, pace) = (HashSet::new(), Loss::default(), Pace::new(Instant::now()));
        Work { intake, store, derived, blobs, shown, loss, pace, refused: 0, lag_ns: 0, alive: true, closed: false }
    }

    /// Records until the intake is closed and empty. After a failure it goes on to take rows in, which then are only
    /// counted: the memory that they hold is not this machine's to keep.
    pub(super) fn run(&mut self) {
        let mut entries = VecDeque::new();
        loop {
            let before = self.store.written_bytes();
            let passed = catch_unwind(AssertUnwindSafe(|| self.pass(&mut entries, Instant::now())));
            if passed.is_err() {
                self.fail("the recorder panicked: please report it; a new recording works again".to_owned());
            }
            self.show();
            if self.closed {
                return;
            }
            std::thread::sleep(pace::rest(self.store.written_bytes().saturating_sub(before)));
        }
    }

    fn pass(&mut self, entries: &mut VecDeque<Entry>, now: Instant) {
        let sources = self.intake.source_rows();
        let drained = self.intake.drain(entries);
        (self.closed, self.refused) = (drained.closed, drained.lost);
        self.take(entries);
        if self.pace.report_is_due(now) || self.closed {
            self.report();
        } else if self.lag_ns > LATE_NS {
            self.report_lag();
        }
        self.attempt(|store| store.write());
        if self.alive {
            self.loss.mark(&sources);
        }
        if self.pace.sync_is_due(now) || self.closed {
            self.attempt(|store| store.sync());
        }
    }

    fn show(&self) {
        let mut progress = self.shown.lock();
        progress.journal_bytes = self.store.written_bytes();
        progress.unwritten = if self.alive { 0 } else { self.loss.rows };
        progress.lost = self.refused + progress.unwritten;
        progress.lag_ns = self.lag_ns;
    }

    fn attempt(&mut self, step: impl FnOnce(&mut dyn Store) -> Result<(), Error>) {
        if self.alive
            && let Err(error) = step(&mut *self.store)
        {
            self.fail(format!("{} ({})", chain(&error), remedy(&error)));
        }
    }

    /// From now on nothing is recorded. The first reason stays.
    fn fail(&mut self, why: String) {
        self.alive = false;
        self.shown.lock().failure.get_or_insert(why);
        self.shown.failed.cancel();
    }

    fn take(&mut self, entries: &mut VecDeque<Entry>) {
        let now_ns = self.intake.clock().now_ns();
        let (mut blobs, mut kept) = (Vec::new(), Vec::with_capacity(entries.len()));
        let shown = self.shown.clone();
        let mut progress = shown.lock();
        for Entry { at_ns, row, .. } in entries.drain(..) {
            if let Row::Blob(blob) = &row
                && !self.blobs.insert(blob.sha256.clone())
            {
                continue;
            }
            self.lag_ns = self.lag_ns.max(now_ns - at_ns);
            count(&mut progress, at_ns, &row);
            self.loss.add(at_ns, &row);
            match row {
                Row::Blob(_) if !self.alive => {}
                Row::Blob(_) => {
                    self.derived.count(at_ns, &row);
                    blobs.push((at_ns, row));
                }
                _ => kept.push((at_ns, row)),
            }
        }
        drop(progress);
        // Blobs first: however a journal is cut, no row refers to one that is not there.
        let has_blobs = !blobs.is_empty();
        blobs.into_iter().for_each(|(at_ns, row)| self.attempt(|store| store.push(at_ns, row)));
        if has_blobs {
            self.attempt(|store| store.write());
        }
        for (at_ns, row) in kept {
            let seq = self.alive.then(|| self.store.rows(row.table()));
            self.derived.take(at_ns, seq, &row);
            self.attempt(|store| store.push(at_ns, row));
            self.keep_spans();
        }
    }

    /// Records the spans that have ended, behind the rows that they were derived from.
    fn keep_spans(&mut self) {
        while let Some((at_ns, span)) = self.derived.next_span(self.store.rows(Table::Spans)) {
            *self.shown.lock().rows.entry(Table::Spans.name()).or_default() += 1;
            self.attempt(|store| store.push(at_ns, span.into()));
        }
    }

    fn report(&mut self) {
        self.report_lag();
        let now_ns = self.intake.clock().now_ns();
        self.tell(now_ns, "rows/dropped", self.refused as f64, "rows");
        self.tell(now_ns, "journal/bytes", self.store.written_bytes() as f64, "bytes");
        self.tell_sources(now_ns);
    }

    fn report_lag(&mut self) {
        self.tell(self.intake.clock().now_ns(), "lag/max_ns", self.lag_ns as f64, "ns");
        self.lag_ns = 0;
    }

    fn tell(&mut self, now_ns: i64, metric: &str, value: f64, unit: &str) {
        let (source, subject) = ("recorder".to_owned(), "recorder".to_owned());
        let stat = Stat { source, subject, metric: metric.to_owned(), value, unit: unit.to_owned() };
        let row = stat.into();
        self.derived.count(now_ns, &row);
        self.attempt(|store| store.push(now_ns, row));
    }

    fn tell_sources(&mut self, now_ns: i64) {
        for mut row in self.intake.source_rows() {
            if row.state == "live" {
                row.to_ns = Some(now_ns);
            }
            let row = row.into();
            self.derived.count(now_ns, &row);
            self.attempt(|store| store.push(now_ns, row));
        }
    }

    /// Writes how the run ended. After a failure this is a second and last attempt: the journal is taken up behind its
    /// last whole entry, and says what is missing, where there is room for as little as that.
    pub(super) fn close(&mut self, at_ns: i64, run: Run) {
        let why = self.shown.lock().failure.clone();
        if let Some(why) = why {
            self.alive = true;
            self.attempt(|store| store.resume());
            for gap in self.loss.gaps(&self.intake.source_rows(), at_ns, &format!("recording ended: {why}")) {
                self.attempt(|store| store.push(at_ns, gap.into()));
            }
            self.tell_sources(at_ns);
        }
        self.derived.finish(at_ns, &run);
        self.keep_spans();
        self.attempt(|store| store.write());
        self.attempt(|store| store.push(at_ns, run.into()));
        self.attempt(|store| store.write());
        self.attempt(|store| store.sync());
        self.shown.lock().journal_bytes = self.store.written_bytes();
    }
}

fn remedy(error: &Error) -> &'static str {
    match error {
        Error::File { source, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, then begin a new recording",
            ErrorKind::NotFound => "leave a recording's folder where it is while it is written; begin a new recording",
            _ => "look after the disk, then begin a new recording",
        },
        _ => "please report it",
    }
}

fn count(progress: &mut Progress, at_ns: i64, row: &Row) {
    let table = row.table();
    *progress.rows.entry(table.name()).or_default() += 1;
    if matches!(table, Table::Packets | Table::MediaPackets) {
        progress.last_traffic_ns = progress.last_traffic_ns.max(at_ns);
    }
    if let Row::Packet(packet) = row
        && let Some(event) = &packet.event
    {
        match progress.events.get_mut(event) {
            Some(count) => *count += 1,
            None => {
                progress.events.insert(event.clone(), 1);
            }
        }
    }
}
