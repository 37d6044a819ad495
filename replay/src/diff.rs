//! `replay diff`: two runs beside each other, aligned by what happened and to whom, never by the wall clock.

pub mod events;
mod json;
mod noise;
mod surroundings;
mod text;
pub mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use recording::reader::Recording;

use crate::check;
use crate::cli::{self, Cli, Format};
use crate::error::Error;
use crate::exit::Exit;
use crate::judge::divergence::{self, Divergence, Trace};
use crate::report::{self, AssertionReport};
use crate::runs;
use crate::spec::Spec;
use crate::views::Engine;
pub use json::{change as change_json, divergence as divergence_json};
pub use surroundings::{Change, changes};

/// One of the two runs.
pub struct Side {
    /// Its id.
    pub run_id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// How far it came.
    pub state: &'static str,
    /// Its length in ns.
    pub end_ns: i64,
    /// The version of the system under test.
    pub version: Option<String>,
}

/// Two runs, compared.
pub struct Compared {
    /// The run that counts as usual.
    pub before: Side,
    /// The run that is compared with it.
    pub after: Side,
    /// The spec, where there is one.
    pub spec: Option<Arc<Spec>>,
    /// What differs around the runs.
    pub changes: Vec<Change>,
    /// Where the second went another way, by time.
    pub divergences: Vec<Divergence>,
    /// The assertions whose outcome is another one.
    pub outcomes: Vec<(AssertionReport, AssertionReport)>,
}

/// Compares two recordings.
///
/// # Errors
/// Anything that keeps one of them, or the spec, from being read, and queries that can't be answered.
pub fn diff(cli: &Cli, asked: &cli::Diff) -> Result<Exit, Error> {
    let [before, after] = asked.runs.as_slice() else { return report::print(&text::rules()) };
    if asked.rules {
        return report::print(&text::rules());
    }
    let spec = spec_of(runs::open(&cli.runs_dir, after)?, asked.spec.as_deref())?;
    let open = |name: &str| runs::open(&cli.runs_dir, name);
    let (before, after) = (open(before)?, open(after)?);
    let compared = Compared {
        changes: changes(&before, &after)?,
        before: Side::of(&before),
        after: Side::of(&after),
        divergences: {
            let (before, after) = (trace(cli, &before, spec.as_deref())?, trace(cli, &after, spec.as_deref())?);
            divergence::diverge(&after, &[&before])
        },
        outcomes: outcomes(cli, before, after, spec.as_ref())?,
        spec,
    };
    match cli.format {
        Format::Text => report::print(&text::compared(&compared)),
        Format::Json => report::print_json(&json::compared(&compared)),
    }
}

/// The spec that was named, else the run's own copy; none where it has none.
fn spec_of(recording: Recording, named: Option<&Path>) -> Result<Option<Arc<Spec>>, Error> {
    let own = recording.dir().join("spec.toml");
    match named {
        Some(path) => Spec::read(path).map(Arc::new).map(Some),
        None if own.is_file() => Spec::read(&own).map(Arc::new).map(Some),
        None => Ok(None),
    }
}

fn trace(cli: &Cli, recording: &Recording, spec: Option<&Spec>) -> Result<Trace, Error> {
    let recording = Recording::open(recording.dir())?;
    Engine::during(cli.time_limit, |engine| events::trace(engine, recording, spec))
}

fn outcomes(
    cli: &Cli,
    before: Recording,
    after: Recording,
    spec: Option<&Arc<Spec>>,
) -> Result<Vec<(AssertionReport, AssertionReport)>, Error> {
    let Some(spec) = spec else { return Ok(Vec::new()) };
    let judged = |recording| Engine::during(cli.time_limit, |engine| check::run(engine, recording, spec, None));
    let (before, after) = (judged(before)?, judged(after)?);
    let pairs = before.assertions.into_iter().zip(after.assertions);
    Ok(pairs.filter(|(before, after)| before.judgement.outcome != after.judgement.outcome).collect())
}

impl Side {
    fn of(recording: &Recording) -> Side {
        Side {
            run_id: recording.run().run_id.clone(),
            dir: recording.dir().to_owned(),
            state: recording.state().name(),
            end_ns: recording.end_ns(),
            version: recording.run().version.as_ref().map(|version| version.id.clone()),
        }
    }
}

impl Compared {
    /// How the runs were aligned.
    fn aligned_by(&self) -> String {
        match self.spec.as_ref().filter(|spec| spec.diff.is_some()) {
            Some(spec) => format!("[diff] of {}", spec.path.display()),
            None => "the number of each event among those of its name".to_owned(),
        }
    }

    /// What a reader would type next.
    fn next(&self) -> Vec<String> {
        let dir = |side: &Side| report::word(&side.dir.display().to_string());
        let show = |side: &Side, handles: &[String]| {
            let handle = handles.iter().find(|handle| report::is_handle(handle))?;
            Some(format!("replay show {} {handle}", dir(side)))
        };
        let mut next = Vec::new();
        if let Some((first, _)) = divergence::lead(&[&self.divergences]) {
            next.extend(show(&self.after, &first.evidence));
            next.extend(show(&self.before, &first.usual_evidence));
        }
        let changed = self.outcomes.iter().find(|(_, after)| after.judgement.outcome == crate::judge::Outcome::Broken);
        if let (Some((_, broken)), Some(spec)) = (changed, &self.spec) {
            let spec = report::word(&spec.path.display().to_string());
            next.push(format!("replay why {} {} --spec {spec}", dir(&self.after), report::word(&broken.id)));
        }
        next
    }
}
