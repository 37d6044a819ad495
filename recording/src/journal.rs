//! The journal: what keeps a running recording through a crash.
//!
//! One append-only file of entries, each the rows that one table got since the last write:
//!
//! ```text
//! "TDJ1" | payload length u32 | crc32c u32 | table u8, 3 zero bytes | first seq u64 | payload: an Arrow IPC stream
//! ```
//!
//! Integers are little-endian; the checksum covers table, seq and payload. A reader takes whole entries and stops at
//! the first that is not: how a journal ends is a fact about the run, not an error.

mod resume;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::record::AnyRows;
use crate::{Error, Row, Table};

const MAGIC: [u8; 4] = *b"TDJ1";
const HEADER_BYTES: usize = 24;
/// An encoding buffer of more than this is not kept for the next write.
const KEPT_BYTES: usize = 32 << 20;
/// Rows of one table that hold more than this are written at once, so that no entry grows without bound.
const LARGE_BYTES: usize = 8 << 20;

/// Writes a journal. Rows wait in memory until [`Journal::write`].
pub struct Journal {
    path: PathBuf,
    file: File,
    waiting: Vec<AnyRows>,
    /// What is written next, kept so that the operating system need not find its memory anew each time.
    entries: Vec<u8>,
    large_bytes: usize,
    next_seq: [i64; Table::ALL.len()],
    written_bytes: u64,
}

impl Journal {
    /// Creates the journal of a new recording, readable by its owner only.
    ///
    /// # Errors
    /// [`Error::File`] where it exists already or can't be created.
    pub fn create(path: &Path) -> Result<Journal, Error> {
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(Error::file("create the journal", path))?;
        Ok(Journal::on(path, file, [0; Table::ALL.len()], 0))
    }

    fn on(path: &Path, file: File, next_seq: [i64; Table::ALL.len()], written_bytes: u64) -> Journal {
        let waiting = Table::ALL.into_iter().map(AnyRows::new).collect();
        Journal { path: path.to_owned(), file, waiting, entries: Vec::new(), large_bytes: 0, next_seq, written_bytes }
    }

    /// Takes one row and gives it the next `seq` of its table.
    ///
    /// # Errors
    /// [`Error::File`] where waiting rows had to be written and could not be.
    pub fn push(&mut self, at_ns: i64, row: Row) -> Result<i64, Error> {
        let number = usize::from(row.table().number());
        let seq = self.next_seq[number];
        self.next_seq[number] += 1;
        if let Row::Blob(blob) = &row {
            self.large_bytes += blob.bytes.len();
        }
        self.waiting[number].push(seq, at_ns, row);
        if self.large_bytes > LARGE_BYTES {
            self.write()?;
        }
        Ok(seq)
    }

    /// Hands everything that waits to the operating system: from here on it survives the death of this process.
    ///
    /// # Errors
    /// [`Error::File`] where the disk is full or gone; [`Error::Encode`] never in practice.
    pub fn write(&mut self) -> Result<(), Error> {
        self.entries.clear();
        self.entries.shrink_to(KEPT_BYTES);
        for (table, rows) in Table::ALL.into_iter().zip(&mut self.waiting) {
            if rows.len() == 0 {
                continue;
            }
            let first_seq = self.next_seq[usize::from(table.number())] - rows.len() as i64;
            append_entry(&mut self.entries, table, first_seq, rows)
                .map_err(|source| Error::Encode { table: table.name(), source: source.into() })?;
        }
        self.large_bytes = 0;
        if !self.entries.is_empty() {
            self.file.write_all(&self.entries).map_err(Error::file("append to", &self.path))?;
            self.written_bytes += self.entries.len() as u64;
        }
        Ok(())
    }

    /// Hands everything written to the disk: from here on it survives a power cut.
    ///
    /// # Errors
    /// [`Error::File`] where the disk refuses.
    pub fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::file("sync", &self.path))
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Rows that a table got so far.
    pub fn rows(&self, table: Table) -> i64 {
        self.next_seq[usize::from(table.number())]
    }
}

fn append_entry(entries: &mut Vec<u8>, table: Table, first_seq: i64, rows: &mut AnyRows) -> Result<(), ArrowError> {
    let start = entries.len();
    entries.extend_from_slice(&[0; HEADER_BYTES]);
    let batch = rows.take_batch()?;
    let mut writer = StreamWriter::try_new(&mut *entries, &batch.schema())?;
    writer.write(&batch)?;
    writer.finish()?;
    drop(writer);
    let length = (entries.len() - start - HEADER_BYTES) as u32;
    let entry = &mut entries[start..];
    entry[0..4].copy_from_slice(&MAGIC);
    entry[4..8].copy_from_slice(&length.to_le_bytes());
    entry[12] = table.number();
    entry[16..24].copy_from_slice(&first_seq.to_le_bytes());
    let checksum = crc32c::crc32c(&entry[12..]);
    entry[8..12].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// The whole entries of a journal, found and checked once.
#[derive(Debug)]
pub struct Entries {
    path: PathBuf,
    entries: Vec<Entry>,
    torn: Option<Torn>,
}

#[derive(Debug)]
struct Entry {
    table: Table,
    payload_at: u64,
    length: u32,
}

/// Where a journal ceases to make sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The byte at which the first bad entry begins.
    pub at_byte: u64,
    /// The bytes from there to the end of the file.
    pub lost_bytes: u64,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Entries {
    /// Reads a journal from the beginning to its end or its first bad entry.
    ///
    /// # Errors
    /// [`Error::File`] where it can't be read. A torn end is no error.
    pub fn open(path: &Path) -> Result<Entries, Error> {
        let file = File::open(path).map_err(Error::file("open the journal", path))?;
        let size = file.metadata().map_err(Error::file("look at", path))?.len();
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut entries = Vec::new();
        let mut at_byte = 0;
        let mut payload = Vec::new();
        let mut torn = None;
        while at_byte < size {
            match next_entry(&mut reader, size - at_byte, &mut payload).map_err(Error::file("read", path))? {
                Ok((table, length)) => {
                    let payload_at = at_byte + HEADER_BYTES as u64;
                    entries.push(Entry { table, payload_at, length });
                    at_byte = payload_at + u64::from(length);
                }
                Err(problem) => {
                    torn = Some(Torn { at_byte, lost_bytes: size - at_byte, problem });
                    break;
                }
            }
        }
        Ok(Entries { path: path.to_owned(), entries, torn })
    }

    /// How the journal ends: `None` with its last whole entry.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Calls `take` with each batch of a table, in order.
    ///
    /// # Errors
    /// [`Error::File`] where the journal can't be read again, and whatever `take` returns.
    pub fn each_batch<E: From<Error>>(
        &self,
        table: Table,
        mut take: impl FnMut(RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.entries.iter().all(|entry| entry.table != table) {
            return Ok(());
        }
        let mut file = File::open(&self.path).map_err(Error::file("open the journal", &self.path))?;
        let unreadable = unreadable(&self.path);
        for entry in self.entries.iter().filter(|entry| entry.table == table) {
            file.seek(SeekFrom::Start(entry.payload_at)).map_err(Error::file("read", &self.path))?;
            let mut payload = vec![0; entry.length as usize];
            file.read_exact(&mut payload).map_err(Error::file("read", &self.path))?;
            for batch in StreamReader::try_new(payload.as_slice(), None).map_err(&unreadable)? {
                take(batch.map_err(&unreadable)?)?;
            }
        }
        Ok(())
    }

    /// Every batch of a table.
    ///
    /// # Errors
    /// As [`Entries::each_batch`].
    pub fn batches(&self, table: Table) -> Result<Vec<RecordBatch>, Error> {
        let mut batches = Vec::new();
        self.each_batch(table, |batch| {
            batches.push(batch);
            Ok::<_, Error>(())
        })?;
        Ok(batches)
    }
}

/// Follows a journal while it is written: each read gives what was appended since the last.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: File,
    at_byte: u64,
}

impl Tail {
    /// Opens a journal at its beginning.
    ///
    /// # Errors
    /// [`Error::File`] where it can't be opened.
    pub fn open(path: &Path) -> Result<Tail, Error> {
        let file = File::open(path).map_err(Error::file("open the journal", path))?;
        Ok(Tail { path: path.to_owned(), file, at_byte: 0 })
    }

    /// The batches of some tables in the whole entries that are new; other tables are passed over unread. An entry that
    /// is not whole yet is left for the next read.
    ///
    /// # Errors
    /// [`Error::File`] where the journal can't be read.
    pub fn read(&mut self, wanted: &[Table]) -> Result<Vec<(Table, RecordBatch)>, Error> {
        let size = self.file.metadata().map_err(Error::file("look at", &self.path))?.len();
        let mut batches = Vec::new();
        let mut payload = Vec::new();
        while let Some((table, length)) = self.header(size)? {
            if wanted.contains(&table) {
                self.file.seek(SeekFrom::Start(self.at_byte)).map_err(Error::file("read", &self.path))?;
                let entry = next_entry(&mut self.file, size - self.at_byte, &mut payload);
                if entry.map_err(Error::file("read", &self.path))?.is_err() {
                    break;
                }
                for batch in StreamReader::try_new(payload.as_slice(), None).map_err(unreadable(&self.path))? {
                    batches.push((table, batch.map_err(unreadable(&self.path))?));
                }
            }
            self.at_byte += HEADER_BYTES as u64 + u64::from(length);
        }
        Ok(batches)
    }

    /// Table and payload length of the entry that begins here, if all of it is in the file.
    fn header(&mut self, size: u64) -> Result<Option<(Table, u32)>, Error> {
        let left = size.saturating_sub(self.at_byte);
        let mut header = [0; HEADER_BYTES];
        if left < HEADER_BYTES as u64 {
            return Ok(None);
        }
        self.file.read_exact_at(&mut header, self.at_byte).map_err(Error::file("read", &self.path))?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let whole = header[0..4] == MAGIC && u64::from(length) <= left - HEADER_BYTES as u64;
        Ok(Table::from_number(header[12]).filter(|_| whole).map(|table| (table, length)))
    }
}

fn unreadable(path: &Path) -> impl Fn(ArrowError) -> Error + '_ {
    |problem| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, problem);
        Error::File { doing: "read an entry of", path: path.to_owned(), source }
    }
}

type Checked = Result<(Table, u32), &'static str>;

fn next_entry(reader: &mut impl Read, left: u64, payload: &mut Vec<u8>) -> std::io::Result<Checked> {
    if left < HEADER_BYTES as u64 {
        return Ok(Err("the header is cut short"));
    }
    let mut header = [0; HEADER_BYTES];
    reader.read_exact(&mut header)?;
    let field = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if header[0..4] != MAGIC {
        return Ok(Err("the entry has no magic number"));
    }
    let length = field(4);
    if u64::from(length) > left - HEADER_BYTES as u64 {
        return Ok(Err("the payload is cut short"));
    }
    payload.resize(length as usize, 0);
    reader.read_exact(payload)?;
    if crc32c::crc32c_append(crc32c::crc32c(&header[12..]), payload) != field(8) {
        return Ok(Err("the checksum differs"));
    }
    Ok(Table::from_number(header[12]).map(|table| (table, length)).ok_or("the table is unknown"))
}
