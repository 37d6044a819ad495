//! A history of recordings: each judged against one spec.

use std::collections::BTreeSet;
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

/// Runs of a system that doesn't tell its version are all of one: then nothing of them is a change of the product.
const NO_VERSION: &str = "unknown";

/// What recordings give.
pub struct Recorded {
    /// Under the spec.
    pub history: History,
    /// Under the old one, where there is one.
    pub before: Option<History>,
    /// The assertions whose outcome flips between the two in a recording.
    pub flipped: BTreeSet<String>,
}

/// Judges recordings.
///
/// # Errors
/// Anything that keeps one of them from being judged.
pub fn read(cli: &Cli, asked: &cli::Verdict) -> Result<Recorded, Error> {
    let paths: BTreeSet<PathBuf> = runs::all(&cli.runs_dir, &asked.runs)?.into_iter().collect();
    let mut recordings = paths.iter().map(|path| Recording::open(path)).collect::<Result<Vec<_>, _>>()?;
    recordings.sort_by_key(|recording| recording.run().started_unix_ns);
    let spec = read_spec(asked.spec.as_deref(), recordings.last())?;
    let old = asked.against.as_deref().map(|path| read_spec(Some(path), None)).transpose()?;
    let ordered = recordings.iter().all(|recording| order(recording).is_some());
    let (mut after, mut before, mut flipped) = (Gatherer::default(), Gatherer::default(), BTreeSet::new());
    let progress = Progress::new("recordings", recordings.len());
    for (done, recording) in recordings.into_iter().enumerate() {
        progress.show(done);
        let recording = if old.is_some() { recording.held()? } else { recording };
        let told = judged(cli, recording.clone(), &spec)?;
        gather(&mut after, &recording, &told, ordered);
        if let Some(old) = &old {
            let earlier = judged(cli, recording.clone(), old)?;
            flipped.extend(flips(&earlier, &told));
            gather(&mut before, &recording, &earlier, ordered);
        }
    }
    drop(progress);
    let contradiction = Error::Usage;
    Ok(Recorded {
        history: after.history().map_err(contradiction)?,
        before: old.map(|_| before.history()).transpose().map_err(contradiction)?,
        flipped,
    })
}

/// A history is judged by one spec: where none is named, by that of the newest run.
fn read_spec(named: Option<&Path>, newest: Option<&Recording>) -> Result<Arc<Spec>, Error> {
    let path = match (named, newest) {
        (Some(path), _) => path.to_owned(),
        (None, Some(newest)) => newest.dir().join("spec.toml"),
        (None, None) => return Err(Error::Usage("there are no recordings".into())),
    };
    check::read_once(&mut std::collections::BTreeMap::new(), path)
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
    for report in told.assertions.iter().filter(|report| report.judgement.outcome != Outcome::NotApplicable) {
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

fn flips<'r>(before: &'r RunReport, after: &'r RunReport) -> impl Iterator<Item = String> + 'r {
    let outcome =
        |id: &str| before.assertions.iter().find(|report| report.id == id).map(|report| report.judgement.outcome);
    let flips = move |id: &str, now: Outcome| outcome(id).is_some_and(|then| then != now);
    after
        .assertions
        .iter()
        .filter(move |report| flips(&report.id, report.judgement.outcome))
        .map(|report| report.id.clone())
}

/// Calls what is new only because the spec is so by its name: the same recordings flip, and the verdict was another.
pub fn spec_changes(verdicts: &mut Verdicts, before: &Verdicts, flipped: &BTreeSet<String>) {
    for (series, opinion) in verdicts.history.series.iter().zip(&mut verdicts.opinions) {
        let mut known = before.history.series.iter().zip(&before.opinions);
        let then = known.find(|(old, _)| old.assertion == series.assertion).map(|(_, opinion)| opinion.verdict);
        if flipped.contains(&series.assertion) && then != Some(opinion.verdict) {
            opinion.verdict = Verdict::SpecChange;
            opinion.posterior = Posterior { spec_change: 1.0, ..Posterior::default() };
            (opinion.kind, opinion.change, opinion.plan) = (None, None, None);
        } else if flipped.contains(&series.assertion) {
            report::warn(&format!("{}: outcomes flip between the specs, the verdict doesn't", series.assertion));
        }
    }
    let told: BTreeSet<usize> =
        (0..verdicts.opinions.len()).filter(|place| verdicts.opinions[*place].verdict == Verdict::Regression).collect();
    verdicts.incidents.iter_mut().for_each(|incident| incident.retain(|place| told.contains(place)));
    verdicts.incidents.retain(|incident| !incident.is_empty());
}
