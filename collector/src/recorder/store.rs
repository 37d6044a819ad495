//! Where the recorder keeps rows: the journal, as long as it is where it was made.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use recording::journal::Journal;
use recording::{Error, Row, Table};

/// What the recorder writes to. In tests also a disk that fails in a way of its own.
pub(super) trait Store: Send + 'static {
    /// As [`Journal::push`].
    fn push(&mut self, at_ns: i64, row: Row) -> Result<(), Error>;
    /// As [`Journal::write`].
    fn write(&mut self) -> Result<(), Error>;
    /// As [`Journal::sync`].
    fn sync(&mut self) -> Result<(), Error>;
    /// As [`Journal::rows`].
    fn rows(&self, table: Table) -> i64;
    /// As [`Journal::written_bytes`].
    fn written_bytes(&self) -> u64;
    /// Makes ready to write again after a failure, behind the last whole entry.
    fn resume(&mut self) -> Result<(), Error>;
}

/// The journal of a recording.
pub(super) struct JournalFile {
    journal: Journal,
    path: PathBuf,
    /// Device and number of the file that was made.
    made: (u64, u64),
}

impl JournalFile {
    /// Creates the journal.
    ///
    /// # Errors
    /// As [`Journal::create`].
    pub(super) fn create(path: PathBuf) -> Result<JournalFile, Error> {
        let journal = Journal::create(&path)?;
        let made = identity(&path)?;
        Ok(JournalFile { journal, path, made })
    }

    /// A file that was removed or moved can still be written to, and nobody would ever find it.
    fn must_be_in_place(&self) -> Result<(), Error> {
        if identity(&self.path)? == self.made {
            return Ok(());
        }
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "another file is in its place");
        Err(Error::File { doing: "find the journal", path: self.path.clone(), source })
    }
}

impl Store for JournalFile {
    fn push(&mut self, at_ns: i64, row: Row) -> Result<(), Error> {
        self.journal.push(at_ns, row).map(drop)
    }

    fn write(&mut self) -> Result<(), Error> {
        self.journal.write()
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.must_be_in_place()?;
        self.journal.sync()
    }

    fn rows(&self, table: Table) -> i64 {
        self.journal.rows(table)
    }

    fn written_bytes(&self) -> u64 {
        self.journal.written_bytes()
    }

    fn resume(&mut self) -> Result<(), Error> {
        self.must_be_in_place()?;
        self.journal = Journal::resume(&self.path)?;
        Ok(())
    }
}

fn identity(path: &Path) -> Result<(u64, u64), Error> {
    let found = std::fs::metadata(path);
    let found = found.map_err(|source| Error::File { doing: "find the journal", path: path.to_owned(), source })?;
    Ok((found.dev(), found.ino()))
}
