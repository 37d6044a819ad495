//! A journal becomes Parquet: at the end of a run, or when a cut-off one is recovered. Both go through [`seal`], so
//! that judging the journal and judging the sealed recording can't differ.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use crate::batch::{Record, Rows};
use crate::journal::Entries;
use crate::reader::{JOURNAL_FILE, settled};
use crate::run::{RunFile, State, TableFile, create_private, publish_file};
use crate::{Error, Table};

/// Writes every table of the folder's journal as Parquet, then `run.json` with `run`'s content and `state`, then
/// removes the journal. Whoever calls this holds the folder's lock.
///
/// # Errors
/// [`Error::File`], [`Error::Encode`]; the journal stays, and sealing can be tried again.
pub fn seal(dir: &Path, run: &RunFile, state: State) -> Result<RunFile, Error> {
    let journal = dir.join(JOURNAL_FILE);
    let entries = Entries::open(&journal)?;
    let end_ns = crate::reader::end_ns(&entries)?;
    let mut sealed = RunFile { state, tables: Vec::new(), ..run.clone() };
    if sealed.duration_ns == 0 {
        sealed.duration_ns = end_ns;
    }
    for table in Table::ALL {
        // A full disk has better use for the room than half a table.
        let half = |_: &Error| fs::remove_file(dir.join(temporary_name(table))).unwrap_or_default();
        sealed.tables.push(write_table(dir, table, &entries, end_ns).inspect_err(half)?);
    }
    sealed.write(dir)?;
    fs::remove_file(&journal).map_err(Error::file("remove", &journal))?;
    Ok(sealed)
}

/// Replaces the rows of one table of a sealed recording, and says so in `run.json`. Whoever calls this holds the
/// folder's lock.
///
/// # Errors
/// [`Error::File`], [`Error::Encode`].
pub fn replace<R: Record>(dir: &Path, run: &RunFile, rows: Vec<(i64, R)>) -> Result<RunFile, Error> {
    let mut waiting = Rows::<R>::default();
    for (seq, (at_ns, row)) in rows.into_iter().enumerate() {
        waiting.push(seq as i64, at_ns, row);
    }
    let encode = |source| Error::Encode { table: R::TABLE.name(), source: ParquetError::from(source) };
    let batch = waiting.take_batch().map_err(encode)?;
    let file = write_file(dir, R::TABLE, |take| take(batch))?;
    let mut replaced = run.clone();
    replaced.tables.retain(|known| known.table != file.table);
    let at = Table::ALL.iter().take_while(|table| **table != R::TABLE).count();
    replaced.tables.insert(at.min(replaced.tables.len()), file);
    replaced.write(dir)?;
    Ok(replaced)
}

fn temporary_name(table: Table) -> String {
    format!("{}.tmp", table.file_name())
}

fn write_table(dir: &Path, table: Table, entries: &Entries, end_ns: i64) -> Result<TableFile, Error> {
    write_file(dir, table, |take| match settled(table, entries, end_ns)? {
        Some(batch) => take(batch),
        None => entries.each_batch(table, take),
    })
}

type Take<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<(), Error>;

fn write_file(dir: &Path, table: Table, give: impl FnOnce(Take<'_>) -> Result<(), Error>) -> Result<TableFile, Error> {
    let name = table.file_name();
    let temporary = dir.join(temporary_name(table));
    let encode = |source: ParquetError| Error::Encode { table: table.name(), source };
    let file = create_private(&temporary)?;
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties(table))).map_err(encode)?;
    let mut rows = 0;
    let mut take = |batch: RecordBatch| {
        rows += batch.num_rows() as i64;
        writer.write(&batch).map_err(encode)
    };
    give(&mut take)?;
    let file = writer.into_inner().map_err(encode)?;
    file.sync_all().map_err(Error::file("sync", &temporary))?;
    publish_file(dir, &temporary, &name)?;
    let sha256 = sha256_of_file(&dir.join(&name))?;
    Ok(TableFile { table: table.name().to_owned(), file: name, rows, sha256 })
}

/// The hash of a file's content, in hex.
///
/// # Errors
/// [`Error::File`], naming the file.
pub fn sha256_of_file(path: &Path) -> Result<String, Error> {
    let mut file = File::open(path).map_err(Error::file("open", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(Error::file("read", path))? {
            0 => return Ok(format!("{:x}", hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// Times and `seq` shrink by their differences, measured values by splitting their bytes; what is compressed already
/// (blobs) still goes through zstd, which notices and costs little.
fn properties(table: Table) -> WriterProperties {
    let level = ZstdLevel::try_new(3).unwrap_or_default();
    let mut properties = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    for field in table.schema().fields() {
        let column = ColumnPath::from(field.name().as_str());
        let encoding = match field.name().as_str() {
            name if name == "seq" || name.ends_with("_ns") => Encoding::DELTA_BINARY_PACKED,
            "value" if table != Table::Params => Encoding::BYTE_STREAM_SPLIT,
            "bytes" if table == Table::Blobs => Encoding::PLAIN,
            _ => continue,
        };
        properties =
            properties.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, encoding);
    }
    properties.build()
}
