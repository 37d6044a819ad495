//! `replay list`.

use std::path::Path;

use recording::reader::{self, Recording};
use serde_json::json;

use crate::cli::{Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::{self, Table};

/// Lists the recordings in a folder, oldest first; what can't be opened is said on the error output.
///
/// # Errors
/// [`Error::Recording`] where the folder can't be read.
pub fn list(cli: &Cli, folder: Option<&Path>) -> Result<Exit, Error> {
    let mut runs = Vec::new();
    for path in reader::list(folder.unwrap_or(&cli.runs_dir))? {
        match Recording::open(&path) {
            Ok(recording) => runs.push(recording),
            Err(error) => report::warn(&format!("left out: {error}")),
        }
    }
    match cli.format {
        Format::Text => report::print(&text(&runs)),
        Format::Json => report::print_json(&json!({ "format": 1, "runs": runs.iter().map(json).collect::<Vec<_>>() })),
    }
}

fn text(runs: &[Recording]) -> String {
    let mut table = Table::new(&["run", "scenario", "state", "started", "duration", "version"]);
    for recording in runs {
        let run = recording.run();
        table.row(vec![
            run.run_id.clone(),
            run.scenario.clone(),
            recording.state().name().to_owned(),
            report::utc(run.started_unix_ns),
            report::seconds(recording.end_ns()),
            run.version.as_ref().map(|version| version.id.clone()).unwrap_or_default(),
        ]);
    }
    if runs.is_empty() { "no recordings\n".to_owned() } else { table.to_string() }
}

fn json(recording: &Recording) -> serde_json::Value {
    let run = recording.run();
    json!({
        "run_id": run.run_id,
        "path": recording.dir().display().to_string(),
        "scenario": run.scenario,
        "state": recording.state().name(),
        "started_at": report::utc(run.started_unix_ns),
        "duration_s": recording.end_ns() as f64 / 1e9,
        "version": run.version.as_ref().map(|version| &version.id),
    })
}
