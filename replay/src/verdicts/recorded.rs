//! A history of recordings: each judged against one spec.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recording::reader::Recording;
use verdict::history::{Gatherer, History, Row};
use verdict::{Posterior, Verdict};

use super::Verdicts;
use crate::check;
use crate::cli::{self, Cli};
use crate::error::Error;
use crate::judge::Outcome;
use crate::report::{self, Progress, RunReport};
use crate::runs;
use crate::spec::Spec;
use crate::views::Engine;

/// Where no run tells its version they are taken for one: then nothing of them is a change of the product.
const NO_VERSION: &str = "unknown";

/// What recordings give.
pub struct Recorded {
    /// Under the spec.
    pub history: History,
    /// What is another under an old one, where there is one.
    pub change: Option<Change>,
}

/// The same recordings under an old spec.
pub struct Change {
    /// What came of them.
    pub before: History,
    /// Assertions and runs whose outcome flips between the two.
    pub flips: Flips,
    /// Assertions that judged something, and judge nothing any more.
    pub gone: BTreeSet<String>,
}

/// The runs that flip, by assertion.
pub type Flips = BTreeMap<String, BTreeSet<String>>;

/// Judges recordings.
///
/// # Errors
/// Anything that keeps one of them from being judged.
pub fn read(cli: &Cli, asked: &cli::Verdict) -> Result<Recorded, Error> {
    let paths: BTreeSet<PathBuf> = runs::all(&cli.runs_dir, &asked.runs)?.into_iter().collect();
    let recordings = paths.iter().map(|path| Recording::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut recordings = versioned(recordings);
    recordings.sort_by_key(|recording| recording.run().started_unix_ns);
    let spec = read_spec(asked.spec.as_deref(), recordings.last())?;
    let old = asked.against.as_deref().map(|path| read_spec(Some(path), None)).transpose()?;
    let ordered = recordings.iter().all(|recording| order(recording).is_some());
    let (mut after, mut before) = (Gatherer::default(), Gatherer::default());
    let (mut flips, mut judged_before, mut judged_now) = (Flips::new(), BTreeSet::new(), BTreeSet::new());
    let progress = Progress::new("recordings", recordings.len());
    for (done, recording) in recordings.into_iter().enumerate() {
        progress.show(done);
        let recording = if old.is_some() { recording.held()? } else { recording };
        let told = judged(cli, recording.clone(), &spec)?;
        gather(&mut after, &recording, &told, ordered);
        judged_now.extend(asked_of(&told));
        if let Some(old) = &old {
            let earlier = judged(cli, recording.clone(), old)?;
            for id in flipped(&earlier, &told) {
                flips.entry(id).or_default().insert(told.run_id.clone());
            }
            gather(&mut before, &recording, &earlier, ordered);
            judged_before.extend(asked_of(&earlier));
        }
    }
    drop(progress);
    let gone = judged_before.difference(&judged_now).cloned().collect();
    let before = old.map(|_| before.history()).transpose().map_err(Error::Usage)?;
    let change = before.map(|before| Change { before, flips, gone });
    Ok(Recorded { history: after.history().map_err(Error::Usage)?, change })
}

/// A history of recordings that were judged already, all by one spec.
///
/// # Errors
/// [`Error::Usage`]: they make no history.
pub fn history(told: &[(&Recording, &RunReport)]) -> Result<History, Error> {
    let mut recordings = versioned(told.iter().map(|(recording, _)| (*recording).clone()).collect());
    recordings.sort_by_key(|recording| recording.run().started_unix_ns);
    let ordered = recordings.iter().all(|recording| order(recording).is_some());
    let mut gatherer = Gatherer::default();
    for recording in &recordings {
        let report = told.iter().find(|(other, _)| other.dir() == recording.dir()).map(|(_, report)| report);
        report.into_iter().for_each(|report| gather(&mut gatherer, recording, report, ordered));
    }
    gatherer.history().map_err(Error::Usage)
}

/// The recordings whose version is known, or all where none is: a run of an unknown version may be of any.
fn versioned(recordings: Vec<Recording>) -> Vec<Recording> {
    let all = recordings.len();
    let (known, unknown): (Vec<_>, Vec<_>) =
        recordings.into_iter().partition(|recording| recording.run().version.is_some());
    if known.is_empty() {
        return unknown;
    }
    if !unknown.is_empty() {
        report::warn(&format!("{} of {all} recordings tell no version, and are left out", unknown.len()));
    }
    known
}

fn asked_of(told: &RunReport) -> impl Iterator<Item = String> + '_ {
    let asked = told.assertions.iter().filter(|report| report.judgement.outcome != Outcome::NotApplicable);
    asked.map(|report| report.id.clone())
}

/// A history is judged by one spec: where none is named, by that of the newest run.
fn read_spec(named: Option<&Path>, newest: Option<&Recording>) -> Result<Arc<Spec>, Error> {
    let path = match (named, newest) {
        (Some(path), _) => path.to_owned(),
        (None, Some(newest)) => newest.dir().join("spec.toml"),
        (None, None) => return Err(Error::Usage("there are no recordings".into())),
    };
    check::read_once(&mut BTreeMap::new(), path)
}

fn judged(cli: &Cli, recording: Recording, spec: &Arc<Spec>) -> Result<RunReport, Error> {
    let engine = Engine::start(cli.time_limit)?;
    let told = check::run(&engine, recording, spec, None);
    engine.abandon();
    told
}

fn order(recording: &Recording) -> Option<f64> {
    recording.run().version.as_ref().and_then(|version| version.order).map(|order| order as f64)
}

fn gather(gatherer: &mut Gatherer, recording: &Recording, told: &RunReport, ordered: bool) {
    let run = recording.run();
    for report in &told.assertions {
        gatherer.add(&Row {
            assertion: &report.id,
            run: &run.run_id,
            at_ns: run.started_unix_ns,
            version: run.version.as_ref().map_or(NO_VERSION, |version| &version.id),
            environment: &run.environment.fingerprint,
            outcome: report.judgement.outcome,
            margin: report.judgement.worst.as_ref().and_then(|worst| worst.margin),
            attribution: report.judgement.attribution,
            version_order: order(recording).filter(|_| ordered),
        });
    }
}

fn flipped<'r>(before: &'r RunReport, after: &'r RunReport) -> impl Iterator<Item = String> + 'r {
    let outcome =
        |id: &str| before.assertions.iter().find(|report| report.id == id).map(|report| report.judgement.outcome);
    let flips = move |id: &str, now: Outcome| outcome(id).is_some_and(|then| then != now);
    after
        .assertions
        .iter()
        .filter(move |report| flips(&report.id, report.judgement.outcome))
        .map(|report| report.id.clone())
}

/// Calls what is so only because the spec is another by its name: under the old one the verdict was another, and the runs that
/// make it what it is are among those that flip. What else flips is said.
pub fn spec_changes(verdicts: &mut Verdicts, before: &Verdicts, flips: &Flips, gone: &BTreeSet<String>) {
    for (series, opinion) in verdicts.history.series.iter().zip(&mut verdicts.opinions) {
        let Some(flipped) = flips.get(&series.assertion) else { continue };
        let mut known = before.history.series.iter().zip(&before.opinions);
        let then = known.find(|(old, _)| old.assertion == series.assertion).map(|(_, opinion)| opinion.verdict);
        let since = opinion.change.as_ref().map_or(0, |change| change.place);
        let is_bad = matches!(opinion.verdict, Verdict::Regression | Verdict::BrokenNoBaseline);
        let mut carrying = series.runs.iter().skip(since).filter(|run| !is_bad || run.outcome == Outcome::Broken);
        let carried = carrying.any(|run| flipped.contains(verdicts.history.names.name(run.run)));
        if carried && then != Some(opinion.verdict) {
            opinion.verdict = Verdict::SpecChange;
            opinion.posterior = Posterior { spec_change: 1.0, ..Posterior::default() };
            (opinion.kind, opinion.change, opinion.plan) = (None, None, None);
        } else {
            report::warn(&format!("{}: {} runs flip between the specs", series.assertion, flipped.len()));
        }
    }
    for id in gone {
        report::warn(&format!("{id}: judged by the old spec, and by nothing in the new one"));
    }
    let told: BTreeSet<usize> =
        (0..verdicts.opinions.len()).filter(|place| verdicts.opinions[*place].verdict == Verdict::Regression).collect();
    verdicts.incidents.iter_mut().for_each(|incident| incident.retain(|place| told.contains(place)));
    verdicts.incidents.retain(|incident| !incident.is_empty());
}
