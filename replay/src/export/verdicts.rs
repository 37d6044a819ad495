//! What became of the assertions, beside what was recorded.

use std::path::Path;
use std::sync::Arc;

use recording::reader::Recording;
use telemetry::metrics::History;

use crate::check;
use crate::cli::{Cli, Judging};
use crate::error::Error;
use crate::judge::{Judged, Observed, Outcome};
use crate::report::RunReport;
use crate::spec::Spec;
use crate::verdicts::{Verdicts, recorded};
use crate::views::Engine;

/// The spec that a recording is judged by, where there is one that asks something.
///
/// # Errors
/// [`Error::ReadSpec`], [`Error::Spec`].
pub fn spec_of(recording: &Recording, named: Option<&Arc<Spec>>) -> Result<Option<Arc<Spec>>, Error> {
    let own = recording.dir().join("spec.toml");
    match named {
        Some(spec) => Ok(Some(Arc::clone(spec))),
        None if own.is_file() => Ok(Some(Arc::new(Spec::read(&own)?)).filter(|spec| !spec.assertions.is_empty())),
        None => Ok(None),
    }
}

/// Judges a recording.
///
/// # Errors
/// Anything that keeps it from being judged.
pub fn judged(cli: &Cli, recording: &Recording, spec: &Arc<Spec>) -> Result<RunReport, Error> {
    let engine = Engine::start(cli.time_limit)?;
    let told = check::run(&engine, recording.clone(), spec, None);
    engine.abandon();
    told
}

/// Lets a run's history know what became of its assertions.
pub fn tell(history: &mut History, told: &RunReport) {
    let end_ns = told.end_ns;
    let version = told.version.as_deref().unwrap_or_default();
    for report in &told.assertions {
        let judgement = &report.judgement;
        let attribution = judgement.attribution.map_or("", |attribution| attribution.name());
        history.assertion(end_ns, &report.id, judgement.outcome.name(), attribution, version);
        if let Some(margin) = judgement.worst.as_ref().and_then(|worst| worst.margin) {
            history.margin(end_ns, &report.id, report.unit.as_deref().unwrap_or_default(), version, margin);
        }
        if judgement.outcome == Outcome::Broken {
            for row in &judgement.violations {
                history.failed(moment(row, end_ns), &report.id, &row.observation.subject);
            }
        }
    }
}

/// When a violation was seen; of what was not seen, when it no longer could have been.
fn moment(row: &Judged, end_ns: i64) -> i64 {
    let observation = &row.observation;
    match observation.observed {
        Observed::Missing => observation.until_ns.unwrap_or(end_ns),
        Observed::Number(_) | Observed::Text(_) => observation.from_ns.unwrap_or_default(),
    }
}

/// One run with what became of it.
pub struct Told {
    /// The recording.
    pub recording: Recording,
    /// Its metrics.
    pub history: History,
    /// What it was judged by, and what became of it.
    pub judged: Option<(Arc<Spec>, RunReport)>,
}

/// Lets the history of the last of several runs know what all of them mean together, by one spec: that of the last one.
///
/// # Errors
/// Anything that keeps one of them from being judged.
pub fn tell_together(cli: &Cli, runs: &mut [Told]) -> Result<(), Error> {
    let last_spec = runs.last().and_then(|run| run.judged.as_ref()).map(|(spec, _)| Arc::clone(spec));
    let Some(spec) = last_spec.filter(|_| runs.len() > 1) else { return Ok(()) };
    for run in runs.iter_mut() {
        if !run.judged.as_ref().is_some_and(|(other, _)| is_same(&other.path, &spec.path)) {
            run.judged = Some((Arc::clone(&spec), judged(cli, &run.recording, &spec)?));
        }
    }
    let judged = runs.iter().filter_map(|run| Some((&run.recording, &run.judged.as_ref()?.1)));
    let history = recorded::history(&judged.collect::<Vec<_>>())?;
    let verdicts = Verdicts::of(history, &Judging { priors: None, save_priors: None, fail_on: None })?;
    let Some(last) = runs.last_mut() else { return Ok(()) };
    let end_ns = last.recording.end_ns();
    for (series, opinion) in verdicts.history.series.iter().zip(&verdicts.opinions) {
        let version = series.runs.last().map_or("", |run| verdicts.history.names.name(run.version));
        for (verdict, probability) in opinion.posterior.named() {
            last.history.verdict(end_ns, &series.assertion, verdict, version, probability);
        }
    }
    Ok(())
}

/// Whether two specs say the same.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || std::fs::read(one).ok().zip(std::fs::read(other).ok()).is_some_and(|(one, other)| one == other)
}
