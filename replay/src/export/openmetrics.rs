//! `--to openmetrics`: the metrics of a live run, of stored ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use recording::reader::Recording;
use telemetry::metrics::{History, history};

use super::facts;
use super::output::Output;
use super::verdicts::{self, Told};
use crate::check;
use crate::cli::{Cli, Export};
use crate::error::Error;
use crate::exit::Exit;
use crate::report::Progress;
use crate::runs::{self, Once};
use crate::spec::Spec;

/// Where all runs begin that are laid over one another: 2001-01-01T00:00:00Z.
const COMMON_START_UNIX_NS: i64 = 978_307_200_000_000_000;

/// Writes the metrics of some runs.
///
/// # Errors
/// Anything that keeps one of them from being read, judged or written.
pub fn export(cli: &Cli, asked: &Export) -> Result<Exit, Error> {
    let recordings = recordings(cli, &asked.runs)?;
    let spec = asked.spec.clone().map(|path| check::read_once(&mut BTreeMap::new(), path)).transpose()?;
    let progress = Progress::new("recordings", recordings.len());
    let mut runs = Vec::new();
    for (done, recording) in recordings.into_iter().enumerate() {
        progress.show(done);
        runs.push(told(cli, recording, asked.rebase, spec.as_ref())?);
    }
    if !asked.rebase {
        verdicts::tell_together(cli, &mut runs)?;
    }
    drop(progress);
    let histories: Vec<History> = runs.into_iter().map(|run| run.history).collect();
    let mut output = Output::open(asked.file())?;
    for family in history::pages(&histories) {
        if !output.write(family.as_bytes())? {
            return Ok(Exit::Held);
        }
    }
    output.finish()?;
    Ok(Exit::Held)
}

/// The recordings meant, oldest first.
fn recordings(cli: &Cli, names: &[String]) -> Result<Vec<Recording>, Error> {
    let mut once = Once::default();
    let paths = runs::all(&cli.runs_dir, names)?.into_iter().filter(|path| once.is_new(path));
    let mut recordings = paths.map(|path| Recording::open(&path)).collect::<Result<Vec<_>, _>>()?;
    recordings.sort_by_key(|recording| (recording.run().started_unix_ns, recording.run().run_id.clone()));
    let twice = recordings.windows(2).find(|pair| pair[0].run().run_id == pair[1].run().run_id);
    match twice {
        Some([one, other]) => Err(Error::Usage(format!(
            "{} and {} are the same run, {}: name one of them",
            one.dir().display(),
            other.dir().display(),
            one.run().run_id
        ))),
        _ => Ok(recordings),
    }
}

fn told(cli: &Cli, recording: Recording, rebase: bool, spec: Option<&Arc<Spec>>) -> Result<Told, Error> {
    let run = recording.run();
    let start_unix_ns = if rebase { COMMON_START_UNIX_NS } else { run.started_unix_ns };
    let mut history = History::new(&run.run_id, &run.scenario, start_unix_ns);
    facts::tell(&mut history, &recording)?;
    let spec = verdicts::spec_of(&recording, spec)?;
    let judged = spec.map(|spec| Ok::<_, Error>((Arc::clone(&spec), verdicts::judged(cli, &recording, &spec)?)));
    let judged = judged.transpose()?;
    if let Some((_, report)) = &judged {
        verdicts::tell(&mut history, report);
    }
    Ok(Told { recording, history, judged })
}
