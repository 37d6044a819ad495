//! The recorder: one thread that takes rows from the intake into the journal.
//!
//! It drains and writes every 80 ms and syncs every 250 ms; once a second it records the state of every
//! source and its own lag, drops and bytes. When the disk refuses, it says so once and drops what comes; whoever
//! carries traffic never learns of it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use recording::journal::Journal;
use recording::record::Stat;
use recording::{Row, Table};
use tokio_util::sync::CancellationToken;

use crate::intake::{Entry, Intake};

/// Less than the 100 ms that a kill may lose, since writing takes time too.
const WRITE_EVERY: Duration = Duration::from_millis(80);
const SYNC_EVERY: Duration = Duration::from_millis(250);
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What has been recorded so far.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Events of the taps, by name.
    pub events: BTreeMap<String, u64>,
    /// Rows per table, by the table's name.
    pub rows: BTreeMap<&'static str, u64>,
    /// Bytes in the journal.
    pub journal_bytes: u64,
    /// Rows that were refused.
    pub lost: i64,
    /// The longest time that a row of the last second waited for the journal, in ns.
    pub lag_ns: i64,
    /// When the last packet of a tap or a medium was seen.
    pub last_traffic_ns: i64,
    /// Why recording ended before the run did.
    pub failure: Option<String>,
}

/// A recorder at work.
pub struct Recorder {
    thread: JoinHandle<()>,
    progress: Arc<Mutex<Progress>>,
    failed: CancellationToken,
}

impl Recorder {
    /// Creates the journal and begins to record.
    ///
    /// # Errors
    /// Where the journal or the thread can't be created.
    pub fn spawn(intake: Intake, journal: PathBuf) -> Result<Recorder, recording::Error> {
        let journal = Journal::create(&journal)?;
        let progress = Arc::new(Mutex::new(Progress::default()));
        let failed = CancellationToken::new();
        let work = Work {
            intake,
            journal,
            blobs: HashSet::new(),
            progress: Arc::clone(&progress),
            failed: failed.clone(),
            lag_ns: 0,
            alive: true,
        };
        let thread =
            std::thread::Builder::new().name("recorder".into()).spawn(move || work.run()).map_err(|source| {
                recording::Error::File { doing: "start the thread that writes", path: "journal".into(), source }
            })?;
        Ok(Recorder { thread, progress, failed })
    }

    /// Tells what has been recorded so far, for as long as it is kept.
    pub fn progress_handle(&self) -> impl Fn() -> Progress + Send + Sync + use<> {
        let progress = Arc::clone(&self.progress);
        move || progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is cancelled when recording had to end before the run did.
    pub fn failed(&self) -> &CancellationToken {
        &self.failed
    }

    /// Waits until everything that came in before [`Intake::close`] is on the disk.
    pub fn finish(self) -> Progress {
        if self.thread.join().is_err() {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.failure.get_or_insert_with(|| "the recorder's thread died".to_owned());
        }
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Work {
    intake: Intake,
    journal: Journal,
    blobs: HashSet<String>,
    progress: Arc<Mutex<Progress>>,
    failed: CancellationToken,
    lag_ns: i64,
    alive: bool,
}

impl Work {
    fn run(mut self) {
        let mut entries = VecDeque::new();
        let (mut synced, mut reported) = (Instant::now(), Instant::now());
        loop {
            let drained = self.intake.drain(&mut entries);
            self.take(&mut entries, drained.lost);
            let due = |last: &mut Instant, every: Duration| {
                let due = drained.closed || last.elapsed() >= every;
                if due {
                    *last = Instant::now();
                }
                due
            };
            if due(&mut reported, REPORT_EVERY) {
                self.report(drained.closed);
            }
            self.attempt(Journal::write);
            if due(&mut synced, SYNC_EVERY) {
                self.attempt(|journal| journal.sync());
            }
            if drained.closed {
                return;
            }
            std::thread::sleep(WRITE_EVERY);
        }
    }

    fn attempt<T>(&mut self, step: impl FnOnce(&mut Journal) -> Result<T, recording::Error>) {
        if !self.alive {
            return;
        }
        if let Err(error) = step(&mut self.journal) {
            self.alive = false;
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.failure = Some(format!("{error}{source}"));
            drop(progress);
            self.failed.cancel();
        }
    }

    fn take(&mut self, entries: &mut VecDeque<Entry>, lost: i64) {
        let now_ns = self.intake.clock().now_ns();
        let progress = Arc::clone(&self.progress);
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = Vec::with_capacity(entries.len());
        for Entry { at_ns, row, .. } in entries.drain(..) {
            if let Row::Blob(blob) = &row
                && !self.blobs.insert(blob.sha256.clone())
            {
                continue;
            }
            self.lag_ns = self.lag_ns.max(now_ns - at_ns);
            count(&mut progress, at_ns, &row);
            kept.push((at_ns, row));
        }
        progress.lost = lost;
        progress.lag_ns = self.lag_ns;
        progress.journal_bytes = self.journal.written_bytes();
        drop(progress);
        for (at_ns, row) in kept {
            self.attempt(|journal| journal.push(at_ns, row));
        }
    }

    fn report(&mut self, last: bool) {
        let now_ns = self.intake.clock().now_ns();
        let numbers = [
            ("lag/max_ns", self.lag_ns as f64, "ns"),
            ("rows/dropped", self.progress.lock().unwrap_or_else(PoisonError::into_inner).lost as f64, "rows"),
            ("journal/bytes", self.journal.written_bytes() as f64, "bytes"),
        ];
        for (metric, value, unit) in numbers {
            let (source, subject) = ("recorder".to_owned(), "recorder".to_owned());
            let stat = Stat { source, subject, metric: metric.to_owned(), value, unit: unit.to_owned() };
            self.attempt(|journal| journal.push(now_ns, stat.into()));
        }
        self.lag_ns = 0;
        for mut row in self.intake.source_rows() {
            if row.state == "live" && !last {
                row.to_ns = Some(now_ns);
            }
            self.attempt(|journal| journal.push(now_ns, row.into()));
        }
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
