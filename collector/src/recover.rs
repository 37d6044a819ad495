//! `collector recover`: the journal of a cut-off recording becomes Parquet.

use std::process::ExitCode;

use recording::journal::Journal;
use recording::reader::{Recording, resolve};
use recording::record::Run;
use recording::run::{RunFile, State};

use crate::folder::Folder;
use crate::status::say;
use crate::{AnyError, cli, rederive};

/// Recovers one recording; 0 also where there was nothing to do.
///
/// # Errors
/// Where it is none, is being written, or can't be written.
pub fn recover(command: &cli::Recover) -> Result<ExitCode, AnyError> {
    let dir = resolve(&command.runs, &command.run)?;
    let recording = Recording::open(&dir)?;
    if !recording.is_journal() {
        say(format_args!("{} is sealed already: nothing to recover", dir.display()));
        return Ok(ExitCode::SUCCESS);
    }
    if recording.state() == State::Running {
        return Err(recording::Error::Locked { path: dir }.into());
    }
    if let Some(torn) = recording.torn() {
        say(format_args!(
            "the journal ends at byte {}: {} ({} bytes left out)",
            torn.at_byte, torn.problem, torn.lost_bytes
        ));
    }
    let folder = Folder::lock(dir.clone())?;
    let spans = rederive::missing(&recording);
    if !spans.is_empty() {
        let mut journal = Journal::resume(&folder.journal())?;
        for (at_ns, span) in spans {
            journal.push(at_ns, span.into())?;
        }
        journal.write()?;
        journal.sync()?;
    }
    // What the table `run` says of the run's length, run.json says too.
    let told = recording.rows::<Run>()?.pop().map(|stamped| stamped.row.duration_ns);
    let run = RunFile { duration_ns: told.unwrap_or_default(), ..recording.run().clone() };
    let sealed = folder.seal(&run, recording.state())?;
    let rows: i64 = sealed.tables.iter().map(|table| table.rows).sum();
    let (seconds, state) = (sealed.duration_ns as f64 / 1e9, sealed.state.name());
    say(format_args!("recovered {}: {rows} rows, {seconds:.1} s, state {state}", dir.display()));
    Ok(ExitCode::SUCCESS)
}
