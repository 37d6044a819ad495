//! The recorder: one thread that takes rows from the intake into the journal.
//!
//! It drains and writes every 60 ms and syncs within 250 ms; once a second it records the state of every source and its
//! own lag, drops and bytes. What is derived of the rows (spans) is recorded behind them. When it can't record any more (the disk refuses, the journal is gone, a panic), it says so
//! once, at once, and from then on only counts what comes; whoever carries traffic never learns of it.

mod derived;
mod loss;
mod pace;
mod store;
#[cfg(test)]
mod tests;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use recording::record::Run;
use tokio_util::sync::CancellationToken;

use crate::intake::Intake;
pub use derived::Derived;
use store::{JournalFile, Store};
use work::Work;

/// What has been recorded so far.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Events of the taps, by name.
    pub events: BTreeMap<String, u64>,
    /// Rows per table that came to the recorder, by the table's name.
    pub rows: BTreeMap<&'static str, u64>,
    /// Bytes in the journal.
    pub journal_bytes: u64,
    /// Rows that were refused, or came when nothing could be recorded any more.
    pub lost: i64,
    /// Those of `rows` that are among the lost.
    pub unwritten: i64,
    /// The longest time that a row of the last second waited for the journal, in ns.
    pub lag_ns: i64,
    /// When the last packet of a tap or a medium was seen.
    pub last_traffic_ns: i64,
    /// Why recording ended before the run did, and what to do about it.
    pub failure: Option<String>,
}

/// What the recorder's thread shows to others.
#[derive(Clone, Default)]
struct Shown {
    progress: Arc<Mutex<Progress>>,
    failed: CancellationToken,
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A recorder at work.
pub struct Recorder {
    /// `None` once it was waited for.
    thread: Option<JoinHandle<Work>>,
    shown: Shown,
}

impl Recorder {
    /// Creates the journal and begins to record.
    ///
    /// # Errors
    /// Where the journal or the thread can't be created.
    pub fn spawn(intake: Intake, journal: PathBuf, derived: Derived) -> Result<Recorder, recording::Error> {
        Recorder::with_store(intake, Box::new(JournalFile::create(journal)?), derived)
    }

    fn with_store(intake: Intake, store: Box<dyn Store>, derived: Derived) -> Result<Recorder, recording::Error> {
        let shown = Shown::default();
        let mut work = Work::new(intake, store, derived, shown.clone());
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || {
            work.run();
            work
        });
        let thread = thread.map_err(|source| recording::Error::File {
            doing: "start the thread that writes",
            path: "journal".into(),
            source,
        })?;
        Ok(Recorder { thread: Some(thread), shown })
    }

    /// Tells what has been recorded so far, for as long as it is kept.
    pub fn progress_handle(&self) -> impl Fn() -> Progress + Send + Sync + use<> {
        let shown = self.shown.clone();
        move || shown.lock().clone()
    }

    /// Is cancelled when recording had to end before the run did.
    pub fn failed(&self) -> &CancellationToken {
        &self.shown.failed
    }

    /// Waits until everything that came in before [`Intake::close`] is on the disk.
    pub fn end(&mut self) -> Ended {
        let work = self.thread.take().and_then(|thread| thread.join().ok());
        if work.is_none() {
            self.shown.lock().failure.get_or_insert_with(|| "the recorder's thread died".to_owned());
        }
        Ended { work, shown: self.shown.clone() }
    }
}

/// A recorder that has written everything but how the run ended.
pub struct Ended {
    work: Option<Work>,
    shown: Shown,
}

impl Ended {
    /// Whether recording had to end before the run did.
    pub fn has_failed(&self) -> bool {
        self.shown.lock().failure.is_some()
    }

    /// Writes how the run ended, which is the last thing in a journal. Where recording had failed and the disk takes
    /// something again by now, also what is missing.
    pub fn close(self, at_ns: i64, run: Run) -> Progress {
        if let Some(mut work) = self.work {
            work.close(at_ns, run);
        }
        self.shown.lock().clone()
    }
}
