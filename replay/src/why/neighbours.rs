//! Other runs of the same spec, the nearest first, and what became of the assertion there.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recording::reader::{self, Recording};
use recording::run::RunFile;

use crate::check::{self, Only};
use crate::cli::Cli;
use crate::diff::events;
use crate::error::Error;
use crate::judge::divergence::Trace;
use crate::judge::{Elsewhere, Outcome};
use crate::report;
use crate::spec::Spec;
use crate::views::Engine;

/// However many are wanted, no more are judged.
const MOST_JUDGED: usize = 60;

/// How near a run is, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// Version and environment are the same.
    Alike,
    /// The version is the same.
    SameVersion,
    /// The version is another one.
    OtherVersion,
}

impl Nearness {
    /// For people.
    pub fn says(self) -> &'static str {
        match self {
            Nearness::Alike => "of the same version and environment",
            Nearness::SameVersion => "of the same version, in another environment",
            Nearness::OtherVersion => "of another version: none of the same held",
        }
    }
}

/// Another run, judged.
pub struct Neighbour {
    /// Its id.
    pub run_id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Its version.
    pub version: Option<String>,
    /// How near it is.
    pub nearness: Nearness,
    /// How many ns before the run it began; negative: after.
    pub before_ns: i64,
    /// What became of the assertion.
    elsewhere: Elsewhere,
    /// Its events.
    pub trace: Trace,
}

impl Neighbour {
    /// Whether the assertion held there.
    pub fn held(&self) -> bool {
        self.elsewhere.outcome == Outcome::Held
    }

    /// Whether it is broken there.
    pub fn broken(&self) -> bool {
        self.elsewhere.outcome == Outcome::Broken
    }

    /// What judging needs of it.
    pub fn elsewhere(&self) -> Elsewhere {
        self.elsewhere.clone()
    }
}

/// A run that may be looked at.
struct Candidate {
    dir: PathBuf,
    run: RunFile,
    nearness: Nearness,
}

/// Judges the assertion in the nearest runs, with the faults that matter to it, until enough of them held. Another version is only looked at where none of the
/// same held, and then one.
///
/// # Errors
/// [`Error::Engine`]. What can't be read or judged is warned about and left out.
pub fn find(
    cli: &Cli,
    own: &Recording,
    spec: &Arc<Spec>,
    only: Only<'_>,
    most_held: usize,
) -> Result<Vec<Neighbour>, Error> {
    let mut found: Vec<Neighbour> = Vec::new();
    let held = |found: &[Neighbour]| found.iter().filter(|neighbour| neighbour.held()).count();
    let mut other_version: Option<Option<String>> = None;
    for candidate in candidates(cli, own).into_iter().take(MOST_JUDGED) {
        if held(&found) >= most_held {
            break;
        }
        let version = candidate.run.version.as_ref().map(|version| version.id.clone());
        if candidate.nearness == Nearness::OtherVersion {
            let nearer = found.iter().any(|neighbour| neighbour.held() && neighbour.nearness != Nearness::OtherVersion);
            if nearer || other_version.as_ref().is_some_and(|other| *other != version) {
                continue;
            }
        }
        let run_id = candidate.run.run_id.clone();
        match judged(cli, own, candidate, spec, only) {
            Ok(neighbour) => {
                if neighbour.held() && neighbour.nearness == Nearness::OtherVersion {
                    other_version = Some(version);
                }
                found.push(neighbour);
            }
            Err(error) => report::warn(&format!("{run_id} is left out: {error}")),
        }
    }
    Ok(found)
}

/// Runs of the same kind and spec in --runs and beside the recording, the nearest in version, environment and time
/// first.
fn candidates(cli: &Cli, own: &Recording) -> Vec<Candidate> {
    let folders =
        [Some(cli.runs_dir.clone()), beside(own.dir())].into_iter().flatten().filter(|folder| folder.is_dir());
    let mut known = BTreeSet::from([own.run().run_id.clone()]);
    let mut candidates = Vec::new();
    for dir in folders.filter_map(|folder| reader::list(&folder).ok()).flatten() {
        match RunFile::read(&dir) {
            Ok(run) => {
                let fits = run.kind == own.run().kind && run.spec_id == own.run().spec_id;
                if fits && known.insert(run.run_id.clone()) {
                    candidates.push(Candidate { nearness: nearness(&run, own.run()), dir, run });
                }
            }
            Err(error) => report::warn(&format!("left out: {error}")),
        }
    }
    let started_ns = own.run().started_unix_ns;
    let away_ns = |candidate: &Candidate| candidate.run.started_unix_ns.abs_diff(started_ns);
    candidates.sort_by_key(|candidate| (candidate.nearness, away_ns(candidate), Reverse(candidate.run.run_id.clone())));
    candidates
}

/// The folder that a recording lies in.
fn beside(dir: &Path) -> Option<PathBuf> {
    match (dir.file_name(), dir.parent()) {
        (Some(_), Some(parent)) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        (Some(_), Some(parent)) => Some(parent.to_owned()),
        _ => dir.canonicalize().ok()?.parent().map(Path::to_owned),
    }
}

fn nearness(run: &RunFile, own: &RunFile) -> Nearness {
    let version = |run: &RunFile| run.version.as_ref().map(|version| version.id.clone());
    match (version(run) == version(own), run.environment.fingerprint == own.environment.fingerprint) {
        (true, true) => Nearness::Alike,
        (true, false) => Nearness::SameVersion,
        (false, _) => Nearness::OtherVersion,
    }
}

fn judged(
    cli: &Cli,
    own: &Recording,
    candidate: Candidate,
    spec: &Arc<Spec>,
    only: Only<'_>,
) -> Result<Neighbour, Error> {
    let Candidate { dir, run, nearness } = candidate;
    let (report, trace) = Engine::during(cli.time_limit, |engine| {
        let report = check::run(engine, Recording::open(&dir)?, spec, Some(only))?;
        Ok((report, events::trace(engine, Recording::open(&dir)?, Some(spec))?))
    })?;
    let judgement = report.assertions.first().map(|assertion| &assertion.judgement);
    let places = judgement.map(|judgement| judgement.faults.as_slice()).unwrap_or_default();
    let faults = places.iter().filter_map(|place| report.faults.get(*place));
    Ok(Neighbour {
        version: run.version.map(|version| version.id),
        nearness,
        before_ns: own.run().started_unix_ns - run.started_unix_ns,
        elsewhere: Elsewhere {
            outcome: judgement.map_or(Outcome::NotApplicable, |judgement| judgement.outcome),
            faults: faults.map(|fault| (fault.attribution, fault.says.clone())).collect(),
            is_alike: nearness == Nearness::Alike,
            run_id: run.run_id.clone(),
        },
        run_id: run.run_id,
        dir,
        trace,
    })
}
