//! `replay show`: the rows that evidence names, as they were recorded.

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use recording::Table;
use recording::reader::Recording;
use recording::record::Blob;

use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::{self, rows};
use crate::runs;
use crate::spec::near;

/// Shows a table, a row of it, or saves a blob.
///
/// # Errors
/// [`Error::Usage`] where there is no such thing; [`Error::Recording`]; [`Error::Write`].
pub fn show(cli: &Cli, run: &str, what: &str, sha: Option<&str>, output: Option<&Path>) -> Result<Exit, Error> {
    let recording = runs::open(&cli.runs_dir, run)?;
    match (what, sha, output) {
        ("blob", Some(sha), Some(output)) => save_blob(&recording, sha, output),
        ("blob", _, _) => {
            Err(Error::Usage("write `replay show RUN blob SHA -o FILE` (hashes: `replay show RUN blobs`)".into()))
        }
        (_, None, None) => match what.split_once('#') {
            None => show_table(cli, &recording, table_named(what)?),
            Some((name, seq)) => show_row(cli, &recording, table_named(name)?, seq),
        },
        _ => Err(Error::Usage(format!("`{what}` takes neither a hash nor -o: only `blob` does"))),
    }
}

fn table_named(name: &str) -> Result<Table, Error> {
    let names = || Table::ALL.into_iter().map(Table::name);
    Table::from_name(name).ok_or_else(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        Error::Usage(format!(
            "there is no table `{name}`{} (tables are {known}; or write `blob SHA -o FILE`)",
            near(name, names())
        ))
    })
}

fn show_table(cli: &Cli, recording: &Recording, table: Table) -> Result<Exit, Error> {
    let batches = recording.table(table)?;
    match cli.format {
        Format::Text => report::print(&rows::table(&table.schema(), &batches).to_string()),
        Format::Json => report::print_json(&rows::objects(&batches).into()),
    }
}

fn show_row(cli: &Cli, recording: &Recording, table: Table, seq: &str) -> Result<Exit, Error> {
    let wrong = || Error::Usage(format!("`{table}#{seq}` is no row: after # a number must follow, as in {table}#0"));
    let seq: i64 = seq.parse().map_err(|_| wrong())?;
    let batches = recording.table(table)?;
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let found = batches.iter().find_map(|batch| {
        let numbers = batch.column_by_name("seq")?.as_primitive_opt::<Int64Type>()?;
        let row = numbers.values().iter().position(|number| *number == seq)?;
        Some(batch.slice(row, 1))
    });
    let Some(row) = found else {
        return Err(Error::Usage(format!("{table} has no row #{seq}: it has {total} rows, counted from 0")));
    };
    match cli.format {
        Format::Text => report::print(&rows::upright(&row, 0).to_string()),
        Format::Json => report::print_json(&rows::objects(&[row]).pop().unwrap_or_default()),
    }
}

fn save_blob(recording: &Recording, sha: &str, output: &Path) -> Result<Exit, Error> {
    let blobs = recording.rows::<Blob>()?;
    let mut found: Vec<&Blob> =
        blobs.iter().map(|stamped| &stamped.row).filter(|blob| blob.sha256.starts_with(sha)).collect();
    found.dedup_by(|one, other| one.sha256 == other.sha256);
    match found.as_slice() {
        [] => Err(Error::Usage(format!("no blob begins with `{sha}` (hashes: `replay show RUN blobs`)"))),
        [blob] => {
            std::fs::write(output, &blob.bytes)
                .map_err(|source| Error::Write { to: output.display().to_string(), source })?;
            report::warn(&format!("{} bytes of {} in {}", blob.length, blob.media_type, output.display()));
            Ok(Exit::Held)
        }
        several => Err(Error::Usage(format!("{} blobs begin with `{sha}`: give more of the hash", several.len()))),
    }
}
