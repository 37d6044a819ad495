//! Opens a recording, whatever became of it: ended (Parquet), running or cut off (journal).

mod held;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use crate::batch::{Record, Rows, Stamped, stamps};
use crate::journal::{Entries, Torn};
use crate::record::{Run, SourceRow};
use crate::run::{RUN_FILE, RunFile, State};
use crate::{Error, Table};

/// The journal's name in a recording's folder.
pub const JOURNAL_FILE: &str = "journal";
/// The name of the file that the writing collector holds locked.
pub const LOCK_FILE: &str = "lock";

/// An open recording.
#[derive(Clone, Debug)]
pub struct Recording {
    dir: PathBuf,
    run: RunFile,
    state: State,
    end_ns: i64,
    journal: Option<Arc<Entries>>,
    /// What is not read again.
    held: BTreeMap<Table, Vec<RecordBatch>>,
}

impl Recording {
    /// Opens a recording's folder.
    ///
    /// # Errors
    /// [`Error::NotARecording`], [`Error::RunFile`], [`Error::File`]: it is none, or damaged. A torn journal is no
    /// error.
    pub fn open(dir: &Path) -> Result<Recording, Error> {
        let run = RunFile::read(dir)?;
        let path = dir.join(JOURNAL_FILE);
        let journal = if path.exists() { Some(Arc::new(Entries::open(&path)?)) } else { None };
        let Some(journal) = journal else {
            if run.tables.is_empty() {
                let problem = "it has neither tables nor a journal".to_owned();
                return Err(Error::NotARecording { path: dir.to_owned(), problem });
            }
            let (state, end_ns) = (run.state, run.duration_ns);
            return Ok(Recording { dir: dir.to_owned(), run, state, end_ns, journal: None, held: BTreeMap::new() });
        };
        let end_ns = end_ns(&journal)?;
        let state = if is_running(dir) { State::Running } else { ended_as(&journal)? };
        Ok(Recording { dir: dir.to_owned(), run, state, end_ns, journal: Some(journal), held: BTreeMap::new() })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The content of `run.json`, as it stands there.
    pub fn run(&self) -> &RunFile {
        &self.run
    }

    /// How far the recording has come, as found: a run whose collector is gone is incomplete, unless the last thing it
    /// wrote was that the run is complete; then only sealing was cut off.
    pub fn state(&self) -> State {
        self.state
    }

    /// The run's length, or of an unfinished one the last time recorded, in ns since its start.
    pub fn end_ns(&self) -> i64 {
        self.end_ns
    }

    /// How the journal of an unfinished run ends, where not with a whole entry.
    pub fn torn(&self) -> Option<&Torn> {
        self.journal.as_deref().and_then(Entries::torn)
    }

    /// Whether the tables still are a journal.
    pub fn is_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// All rows of a table, in order of `seq`.
    ///
    /// # Errors
    /// [`Error::Parquet`] or [`Error::File`] where the table's file is missing, cut short or altered.
    pub fn table(&self, table: Table) -> Result<Vec<RecordBatch>, Error> {
        if let Some(batches) = self.held.get(&table) {
            return Ok(batches.clone());
        }
        let mut batches = Vec::new();
        self.each_batch(table, |batch| {
            batches.push(batch);
            Ok::<_, Error>(())
        })?;
        Ok(batches)
    }

    /// The same part by part: no more of the table is in memory at once than is taken.
    ///
    /// # Errors
    /// As [`Recording::table`], and whatever `take` returns.
    pub fn each_batch<E: From<Error>>(
        &self,
        table: Table,
        mut take: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(batches) = self.held.get(&table) {
            return batches.iter().cloned().try_for_each(take);
        }
        let Some(entries) = &self.journal else {
            return self.parquet(table, None)?.try_for_each(|batch| take(batch?));
        };
        match settled(table, entries, self.end_ns)? {
            Some(batch) => take(batch),
            None => entries.each_batch(table, take),
        }
    }

    /// Some columns of all rows of a table, in the table's order of columns. What is not asked for is not decoded.
    ///
    /// # Errors
    /// As [`Recording::table`].
    pub fn columns(&self, table: Table, names: &[&str]) -> Result<Vec<RecordBatch>, Error> {
        if self.journal.is_none() && !self.held.contains_key(&table) {
            return self.parquet(table, Some(names))?.collect();
        }
        let wanted = |batch: RecordBatch| {
            let schema = batch.schema();
            let fields = schema.fields().iter().enumerate();
            let indices: Vec<usize> =
                fields.filter(|(_, field)| names.contains(&field.name().as_str())).map(|(index, _)| index).collect();
            batch.project(&indices).map_err(|source| Error::Encode { table: table.name(), source: source.into() })
        };
        self.table(table)?.into_iter().map(wanted).collect()
    }

    /// All rows of a table as its structs.
    ///
    /// # Errors
    /// As [`Recording::table`].
    pub fn rows<R: Record>(&self) -> Result<Vec<Stamped<R>>, Error> {
        let mut rows = Vec::new();
        self.each_rows(|more| {
            rows.extend(more);
            Ok::<_, Error>(())
        })?;
        Ok(rows)
    }

    /// The same part by part, as [`Recording::each_batch`].
    ///
    /// # Errors
    /// As [`Recording::table`], and whatever `take` returns.
    pub fn each_rows<R: Record, E: From<Error>>(
        &self,
        mut take: impl FnMut(Vec<Stamped<R>>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_batch(R::TABLE, |batch| {
            let rows = R::from_batch(&batch).ok_or_else(|| Error::RunFile {
                path: self.dir.join(R::TABLE.file_name()),
                problem: "its columns are not those of FORMAT.md".into(),
            })?;
            take(rows)
        })
    }

    fn parquet(
        &self,
        table: Table,
        columns: Option<&[&str]>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, Error>>, Error> {
        let named = self.run.tables.iter().find(|file| file.table == table.name());
        let file = named.map_or_else(|| table.file_name(), |file| file.file.clone());
        let path = self.dir.join(file);
        let content = Bytes::from(fs::read(&path).map_err(Error::file("read", &path))?);
        let damaged = {
            let path = path.clone();
            move |source| Error::Parquet { table: table.name(), path: path.clone(), source }
        };
        let mut builder =
            ParquetRecordBatchReaderBuilder::try_new(content.clone()).map_err(&damaged)?.with_batch_size(8192);
        let rows = builder.metadata().file_metadata().num_rows();
        if let Some(columns) = columns {
            let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(mask);
        }
        let reader = builder.build().map_err(&damaged)?;
        if named.is_some_and(|file| file.sha256 != format!("{:x}", Sha256::digest(&content))) {
            return Err(Error::RunFile {
                path,
                problem: "its sha256 is not the one in run.json: it was altered".into(),
            });
        }
        if let Some(file) = named.filter(|file| file.rows != rows) {
            let problem = format!("it has {rows} rows, {} by run.json: it was altered", file.rows);
            return Err(Error::RunFile { path, problem });
        }
        Ok(reader.map(move |batch| batch.map_err(|error| damaged(error.into()))))
    }
}

/// Whether a collector is writing the recording at this moment.
pub fn is_running(dir: &Path) -> bool {
    File::open(dir.join(LOCK_FILE))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// The last time in any entry.
pub(crate) fn end_ns(entries: &Entries) -> Result<i64, Error> {
    let mut end_ns = 0;
    for table in Table::ALL {
        entries.each_batch(table, |batch| {
            let last = stamps(&batch).and_then(|(_, at_ns)| at_ns.into_iter().max());
            end_ns = end_ns.max(last.unwrap_or_default());
            Ok::<_, Error>(())
        })?;
    }
    Ok(end_ns)
}

/// What a journal that nobody writes any more says of its run. Its writer notes the run's end behind everything else.
fn ended_as(entries: &Entries) -> Result<State, Error> {
    if entries.last_table() != Some(Table::Run) {
        return Ok(State::Incomplete);
    }
    let last = last_rows::<Run>(&entries.batches(Table::Run)?).pop();
    let is_complete = last.is_some_and(|stamped| stamped.row.state == State::Complete.name());
    Ok(if is_complete { State::Complete } else { State::Incomplete })
}

pub(crate) fn settled(table: Table, entries: &Entries, end_ns: i64) -> Result<Option<RecordBatch>, Error> {
    match table {
        Table::Run | Table::Sources => settle(table, &entries.batches(table)?, end_ns),
        _ => Ok(None),
    }
}

/// `run` and `sources` as a journal's rows make them: it gets a row of them at each change, the tables have the last.
/// `None` for every other table.
///
/// # Errors
/// [`Error::Encode`].
pub fn settle(table: Table, batches: &[RecordBatch], end_ns: i64) -> Result<Option<RecordBatch>, Error> {
    let encoded = |batch: Result<RecordBatch, arrow::error::ArrowError>| {
        batch.map(Some).map_err(|source| Error::Encode { table: table.name(), source: source.into() })
    };
    match table {
        Table::Run => {
            let mut rows = Rows::default();
            if let Some(Stamped { at_ns, mut row, .. }) = last_rows::<Run>(batches).pop() {
                if row.state == State::Running.name() {
                    row.state = State::Incomplete.name().to_owned();
                    row.duration_ns = end_ns;
                }
                rows.push(0, at_ns, row);
            }
            encoded(rows.take_batch())
        }
        Table::Sources => {
            let mut latest: Vec<Stamped<SourceRow>> = Vec::new();
            for stamped in last_rows::<SourceRow>(batches) {
                match latest.iter_mut().find(|known| known.row.source == stamped.row.source) {
                    Some(known) => *known = stamped,
                    None => latest.push(stamped),
                }
            }
            let mut rows = Rows::default();
            for (seq, mut stamped) in latest.into_iter().enumerate() {
                if stamped.row.state == "live" {
                    stamped.row.to_ns = Some(end_ns);
                }
                rows.push(seq as i64, stamped.at_ns, stamped.row);
            }
            encoded(rows.take_batch())
        }
        _ => Ok(None),
    }
}

fn last_rows<R: Record>(batches: &[RecordBatch]) -> Vec<Stamped<R>> {
    batches.iter().filter_map(R::from_batch).flatten().collect()
}

/// The recordings in a folder, oldest first (by the time in their names).
///
/// # Errors
/// [`Error::File`] where the folder can't be read.
pub fn list(runs: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(runs).map_err(Error::file("read the folder", runs))? {
        let path = entry.map_err(Error::file("read the folder", runs))?.path();
        if path.join(RUN_FILE).is_file() {
            found.push(path);
        }
    }
    found.sort_by_key(|path| (started_in_name(path), path.clone()));
    Ok(found)
}

fn started_in_name(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit('-').nth(1).unwrap_or_default().to_owned()
}

/// The recording that a user means: a path, `latest`, or any unique prefix of a run id in `runs`.
///
/// # Errors
/// [`Error::Unresolved`] where none or several answer to the name.
pub fn resolve(runs: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let unresolved = |problem: String| Err(Error::Unresolved { problem });
    // What has a `/` is no run id.
    if name.contains('/') {
        let problem = if path.exists() { format!("{name} is no folder") } else { format!("there is no {name}") };
        return unresolved(problem);
    }
    if !runs.is_dir() {
        return unresolved(format!("no recording `{name}`: {} is no folder (name another by --runs)", runs.display()));
    }
    let mut known = list(runs)?;
    if name == "latest" {
        return known.pop().map_or_else(|| unresolved(format!("{} holds no recording yet", runs.display())), Ok);
    }
    known.retain(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)));
    match known.as_slice() {
        [one] => Ok(one.clone()),
        [] => unresolved(format!("no recording in {} begins with `{name}`: see `replay list`", runs.display())),
        several => unresolved(format!("{} recordings begin with `{name}`: give more of its name", several.len())),
    }
}
