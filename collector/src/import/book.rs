//! The recording that an import writes: a journal, which waits for the disk and so loses nothing, and then Parquet.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use recording::journal::Journal;
use recording::record::{Event, Run};
use recording::run::{RunFile, State};
use recording::{Row, Table};

use crate::folder::Folder;
use crate::intake::{Clock, Entry, Intake, Source};
use crate::redact::{self, Redactor};
use crate::spans::Deriver;
use crate::{AnyError, cli, folder, record};

/// Rows that wait before they are handed to the operating system.
const ROWS_AT_ONCE: usize = 4096;
/// The scenario that an imported run has for want of another.
const SCENARIO: &str = "import";

/// A recording in the making.
pub(super) struct Book {
    folder: Folder,
    run: RunFile,
    journal: Journal,
    intake: Intake,
    source: Source,
    blobs: HashSet<String>,
    entries: VecDeque<Entry>,
    deriver: Deriver,
    waiting: usize,
}

impl Book {
    /// Makes the folder of a run that began at this time.
    pub(super) fn begin(
        common: &cli::Common,
        started_unix_ns: i64,
        facts: &[(&'static str, String)],
        redactor: &Arc<Redactor>,
    ) -> Result<Book, AnyError> {
        let run = run_file(common, started_unix_ns, facts, redactor)?;
        let folder = Folder::create(&common.runs, &run.run_id)?;
        run.write(folder.dir())?;
        let journal = Journal::create(&folder.journal())?;
        // Nothing asks this clock for the time: rows bring theirs from the capture.
        let intake = Intake::new(Clock::start());
        let source = intake.source("run", "run", &[Table::Run, Table::Timeline]);
        let (blobs, entries) = (HashSet::new(), VecDeque::new());
        let deriver = Deriver::new(&run.run_id, &run.scenario, Vec::new());
        let mut book = Book { folder, run, journal, intake, source, blobs, entries, deriver, waiting: 0 };
        book.put_run(0)?;
        Ok(book)
    }

    pub(super) fn intake(&self) -> &Intake {
        &self.intake
    }

    pub(super) fn dir(&self) -> &Path {
        self.folder.dir()
    }

    /// Notes what became of the run.
    pub(super) fn note(&self, at_ns: i64, event: &str, mut attributes: serde_json::Value) {
        attributes.sort_all_objects();
        let row = Event {
            source: "run".to_owned(),
            subject: self.run.run_id.clone(),
            event: event.to_owned(),
            exit_code: None,
            attributes: attributes.to_string(),
            source_unix_ns: None,
        };
        self.source.put(at_ns, row);
    }

    /// Takes what the sources have put so far. Called so often that they never find the door shut.
    pub(super) fn drain(&mut self) -> Result<(), recording::Error> {
        self.intake.drain(&mut self.entries);
        for Entry { at_ns, row, .. } in self.entries.drain(..) {
            if let Row::Blob(blob) = &row
                && !self.blobs.insert(blob.sha256.clone())
            {
                continue;
            }
            self.deriver.take(at_ns, Some(self.journal.rows(row.table())), &row);
            self.journal.push(at_ns, row)?;
            while let Some((at_ns, span)) = self.deriver.next_span() {
                self.journal.push(at_ns, span.into())?;
            }
            self.waiting += 1;
        }
        if self.waiting >= ROWS_AT_ONCE {
            self.waiting = 0;
            self.journal.write()?;
        }
        Ok(())
    }

    /// Rows that a table has got.
    pub(super) fn rows(&self, table: Table) -> i64 {
        self.journal.rows(table)
    }

    /// How many rows each source has brought, by its name.
    pub(super) fn source_rows(&self) -> impl Iterator<Item = (String, i64)> {
        self.intake.source_rows().into_iter().map(|row| (row.source, row.rows))
    }

    /// Ends the recording and makes tables of it. Every source saw as much as the capture did.
    pub(super) fn finish(mut self, end_ns: i64, state: State) -> Result<RunFile, recording::Error> {
        self.intake.close();
        self.drain()?;
        self.run.duration_ns = end_ns;
        self.run.state = state;
        self.deriver.finish(end_ns, &self.run_row());
        while let Some((at_ns, span)) = self.deriver.next_span() {
            self.journal.push(at_ns, span.into())?;
        }
        self.put_run(end_ns)?;
        for mut row in self.intake.source_rows() {
            (row.from_ns, row.to_ns) = (Some(0), Some(end_ns));
            row.state = "ended".to_owned();
            self.journal.push(end_ns, row.into())?;
        }
        self.journal.write()?;
        self.journal.sync()?;
        drop(self.journal);
        self.folder.seal(&self.run, state)
    }

    /// The row of `run` as it stands; the last one counts.
    fn put_run(&mut self, at_ns: i64) -> Result<(), recording::Error> {
        let row = self.run_row();
        self.journal.push(at_ns, row.into()).map(drop)
    }

    fn run_row(&self) -> Run {
        let file = &self.run;
        Run {
            run_id: file.run_id.clone(),
            scenario: file.scenario.clone(),
            kind: file.kind.clone(),
            spec_id: None,
            stream: file.stream.clone(),
            version: None,
            version_order: None,
            environment: Some(file.environment.fingerprint.clone()),
            state: file.state.name().to_owned(),
            started_unix_ns: file.started_unix_ns,
            duration_ns: file.duration_ns,
            labels: serde_json::json!(file.labels).to_string(),
        }
    }
}

fn run_file(
    common: &cli::Common,
    started_unix_ns: i64,
    facts: &[(&'static str, String)],
    redactor: &Redactor,
) -> Result<RunFile, AnyError> {
    let run_id = folder::run_id(SCENARIO, started_unix_ns);
    let labels = folder::labels(&common.labels)?;
    // This machine need not be the one that the run was on: only what the capture says of that counts.
    let known = facts.iter().map(|(name, value)| ((*name).to_owned(), redactor.text(value)));
    let collector = ("collector".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    Ok(RunFile {
        format: recording::FORMAT,
        run_id: run_id.clone(),
        scenario: SCENARIO.to_owned(),
        kind: "import".to_owned(),
        spec_id: None,
        stream: run_id,
        state: State::Running,
        started_unix_ns,
        duration_ns: 0,
        labels: labels.iter().map(|(name, value)| (name.clone(), redactor.named(name, value))).collect(),
        version: None,
        environment: record::facts::of(known.chain([collector]).collect()),
        stimulus_sha256: None,
        redaction: redact::RULES.map(str::to_owned).to_vec(),
        tables: Vec::new(),
    })
}
