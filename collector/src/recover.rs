//! `collector recover`: the journal of a cut-off recording becomes Parquet.

use std::process::ExitCode;

use recording::reader::{Recording, resolve};
use recording::run::State;

use crate::AnyError;
use crate::cli;
use crate::folder::Folder;

/// Recovers one recording; 0 also where there was nothing to do.
///
/// # Errors
/// Where it is none, is being written, or can't be written.
pub fn recover(command: &cli::Recover) -> Result<ExitCode, AnyError> {
    let dir = resolve(&command.runs, &command.run)?;
    let recording = Recording::open(&dir)?;
    if !recording.is_journal() {
        eprintln!("{} is sealed already: nothing to recover", dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    if recording.state() == State::Running {
        return Err(recording::Error::Locked { path: dir }.into());
    }
    if let Some(torn) = recording.torn() {
        eprintln!("the journal ends at byte {}: {} ({} bytes left out)", torn.at_byte, torn.problem, torn.lost_bytes);
    }
    let folder = Folder::lock(dir.clone())?;
    let sealed = folder.seal(recording.run(), State::Incomplete)?;
    let rows: i64 = sealed.tables.iter().map(|table| table.rows).sum();
    eprintln!("recovered {}: {rows} rows, {:.1} s, state incomplete", dir.display(), sealed.duration_ns as f64 / 1e9);
    Ok(ExitCode::SUCCESS)
}
