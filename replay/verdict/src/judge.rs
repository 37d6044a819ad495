//! One history, one verdict.

use crate::margin::{self, Drift, Margins};
use crate::opinion::{Change, Kind, Opinion, Posterior, Verdict};
use crate::plan::{self, Plan};
use crate::priors::{Learned, Pace, Priors};
use crate::segments::{self, BROKEN, HEALTHY, LOW, Segments, Step};
use crate::smoothing::{self, Smoothed};
use crate::{Colours, Excuses, Outcome, Run, Series, rates, step};

const SURE_OF_REGRESSION: f64 = 0.85;
/// One red run proves nothing, whatever was thought beforehand.
const LEAST_BROKEN: usize = 2;
/// Below this nobody thinks that faults began with a version.
const UNSURE_OF_RESOURCE: f64 = 0.15;
const SURE_OF_MARGIN: f64 = 0.80;
const SURE_OF_FIX: f64 = 0.85;
const SURE_OF_ENVIRONMENT: f64 = 0.80;
const SURE_OF_RATE: f64 = 0.80;
const SURE_OF_BROKEN: f64 = 0.90;

/// What an assertion's history means.
pub fn judge(learned: &Learned, series: &Series) -> Opinion {
    let priors = &learned.of_length(series);
    let mut colours = Colours::of(series);
    let segments = run_through(priors, &colours);
    let margins = margin::margins(priors, &measured(series));
    let resource = resource(priors, series);
    let excuse = excuse(priors, series, &segments);
    let mut posterior = by_colours(priors, &segments);
    posterior.give(margins.regression);
    posterior.blame(excuse);
    posterior.give(resource);
    let newest = series.runs.last().map(|run| run.version);
    let seen = Seen {
        margins: &margins,
        resource,
        excuse,
        broken: colours.broken(),
        runs: colours.runs.len(),
        newest: colours.places.last().map(|place| series.runs[*place].version) == newest,
    };
    let broken_now = colours.runs.last().is_some_and(|(_, broken)| *broken);
    let mut verdict = decide(&posterior, &seen);
    let mut smoothed = Smoothed::default();
    if matches!(verdict, Verdict::Regression | Verdict::Fixed | Verdict::Environment) {
        smoothed = smoothing::smooth(priors, &colours.runs);
    }
    if verdict == Verdict::Environment
        && excuse < SURE_OF_ENVIRONMENT
        && !shows_environment(series, &colours, &smoothed)
    {
        verdict = Verdict::Insufficient;
    }
    let change = match verdict {
        Verdict::Regression if resource >= SURE_OF_REGRESSION => {
            colours = Colours::of_evidence(series);
            smoothed = smoothing::smooth(&of_evidence(priors), &colours.runs);
            located(series, &colours, places(&colours, &smoothed, |at| at.last_worse))
        }
        Verdict::Regression => {
            let mut mass = places(&colours, &smoothed, |at| at.last_worse);
            add(&mut mass, &margins.at);
            located(series, &colours, mass)
        }
        Verdict::Fixed => located(series, &colours, places(&colours, &smoothed, |at| at.last_better)),
        _ => None,
    };
    let (before, since) = rates::around(&colours, &smoothed, change.as_ref().map(|change| change.place));
    Opinion {
        kind: (verdict == Verdict::Regression).then(|| kind(&seen, &segments)),
        plan: match verdict {
            Verdict::Insufficient if resource > UNSURE_OF_RESOURCE => Some(planned_of_evidence(priors, series)),
            Verdict::Insufficient => planned(priors, series, &colours, &segments),
            _ => None,
        },
        shift: margins.shift.filter(|_| margins.regression >= SURE_OF_MARGIN),
        drift: margins.drift.map(|drift| Drift { runs_left: drift.runs_left.filter(|_| !broken_now), ..drift }),
        newest: seen.newest,
        taken_back: false,
        informative: seen.runs,
        broken: seen.broken,
        excuses: Excuses::of(series),
        verdict,
        posterior,
        change,
        before,
        since,
    }
}

/// What a verdict stands on, beside the posterior.
struct Seen<'a> {
    margins: &'a Margins,
    resource: f64,
    excuse: f64,
    broken: usize,
    runs: usize,
    /// Whether the newest version was seen at all.
    newest: bool,
}

fn decide(posterior: &Posterior, seen: &Seen<'_>) -> Verdict {
    let by_margin = seen.margins.regression >= SURE_OF_MARGIN && seen.excuse == 0.0;
    let by_colours = posterior.regression >= SURE_OF_REGRESSION
        && (seen.broken >= LEAST_BROKEN || seen.resource >= SURE_OF_REGRESSION);
    if seen.runs == 0 && seen.excuse == 0.0 {
        Verdict::Insufficient
    } else if by_colours || by_margin {
        Verdict::Regression
    } else if posterior.environment >= SURE_OF_ENVIRONMENT {
        Verdict::Environment
    } else if !seen.newest {
        // What earlier versions did is no evidence for this one.
        Verdict::Insufficient
    } else if posterior.fixed >= SURE_OF_FIX {
        Verdict::Fixed
    } else if seen.broken < seen.runs && posterior.flaky + posterior.stable >= SURE_OF_RATE {
        if posterior.flaky > posterior.stable { Verdict::Flaky } else { Verdict::Stable }
    } else if seen.broken == 0 && seen.excuse == 0.0 {
        Verdict::Stable
    } else if posterior.broken_no_baseline >= SURE_OF_BROKEN {
        Verdict::BrokenNoBaseline
    } else {
        Verdict::Insufficient
    }
}

fn kind(seen: &Seen<'_>, segments: &Segments) -> Kind {
    let worse = segments.now().base.map(|row| row[segments::PRODUCT_WORSE]);
    let colours: f64 = worse[LOW..].iter().sum();
    if seen.resource >= SURE_OF_REGRESSION {
        Kind::Resource
    } else if colours < 0.5 {
        Kind::Margin
    } else if worse[BROKEN] > 0.5 * colours {
        Kind::Broken
    } else {
        Kind::FlakeRate
    }
}

fn run_through(priors: &Priors, colours: &Colours) -> Segments {
    let mut segments = Segments::default();
    for (step, broken) in &colours.runs {
        segments.push(priors, *step, *broken);
    }
    segments
}

/// That faults of the environment began with a version: then they are no excuse.
fn resource(priors: &Priors, series: &Series) -> f64 {
    let evidence = Colours::of_evidence(series);
    if evidence.broken() < 2 {
        return 0.0;
    }
    let priors = of_evidence(priors);
    by_colours(&priors, &run_through(&priors, &evidence)).regression
}

/// What is thought of faults: they come by themselves at least as often as a version brings them, and go again.
fn of_evidence(priors: &Priors) -> Priors {
    let pace = Pace { outage: priors.pace.product, ..priors.pace };
    Priors { pace, outage_returns: 1.0, ..priors.clone() }
}

/// What would decide whether faults began with a version.
fn planned_of_evidence(priors: &Priors, series: &Series) -> Plan {
    let priors = of_evidence(priors);
    let segments = run_through(&priors, &Colours::of_evidence(series));
    let decided = |segments: &Segments| {
        let regression = by_colours(&priors, segments).regression;
        !(UNSURE_OF_RESOURCE..SURE_OF_REGRESSION).contains(&regression)
    };
    plan::newest(&priors, &segments, Step::default(), &decided)
}

fn by_colours(priors: &Priors, segments: &Segments) -> Posterior {
    let mut posterior = Posterior::default();
    let now = segments.now();
    posterior.environment = now.outage_by_state().iter().sum();
    for (state, row) in now.base.iter().enumerate() {
        for (label, mass) in row.iter().enumerate() {
            let share = match (label, state) {
                (segments::PRODUCT_BETTER, HEALTHY..LOW) => &mut posterior.fixed,
                (segments::PRODUCT_WORSE, LOW..=BROKEN) => &mut posterior.regression,
                (segments::ENVIRONMENT_WORSE, LOW..=BROKEN) => &mut posterior.environment,
                (_, HEALTHY) => &mut posterior.stable,
                (_, BROKEN) => &mut posterior.broken_no_baseline,
                _ => &mut posterior.flaky,
            };
            *share += mass;
        }
    }
    if segments.is_empty() {
        posterior.stable = priors.start[HEALTHY];
        posterior.broken_no_baseline = priors.start[BROKEN];
        posterior.flaky = 1.0 - posterior.stable - posterior.broken_no_baseline;
    }
    let sum: f64 = posterior.named().iter().map(|(_, share)| share).sum();
    posterior.keep(1.0 / sum);
    posterior
}

/// How much of a last run that is broken and excused the excuse explains: the fraction of failures under it that would not
/// have been without it (the attributable fraction among the exposed; M. L. Levin 1953).
fn excuse(priors: &Priors, series: &Series, segments: &Segments) -> f64 {
    let judged = |run: &&Run| matches!(run.outcome, Outcome::Held | Outcome::Broken);
    let last = series.runs.iter().rev().find(judged);
    if !last.is_some_and(|run| run.is_excused() && run.outcome == Outcome::Broken) {
        return 0.0;
    }
    let excused = series.runs.iter().filter(judged).filter(|run| run.is_excused());
    let runs = excused.clone().count() as f64;
    let broken = excused.filter(|run| run.outcome == Outcome::Broken).count() as f64;
    let with = (broken + 1.0) / (runs + 1.25);
    let without = segments.predict(priors, Step::default());
    (1.0 - without / with).max(0.0)
}

/// Whether something recorded speaks for the environment: its fingerprint changed where things became worse, or faults were
/// seen since then.
fn shows_environment(series: &Series, colours: &Colours, smoothed: &Smoothed) -> bool {
    let since = smoothed.at.iter().rposition(|at| at.last_environment > 0.5 || at.outage_begins > 0.5);
    let Some(since) = since else { return false };
    let place = colours.places[since];
    let before = since.checked_sub(1).map_or(0, |before| colours.places[before]);
    colours.runs[since].0.environment || series.runs[before..=place].iter().any(Run::is_excused)
}

pub fn measured(series: &Series) -> Vec<margin::Measured> {
    let mut measured = Vec::new();
    let mut before: Option<&Run> = None;
    let green = |run: &Run| run.is_informative() && run.outcome == Outcome::Held;
    for (place, run) in series.runs.iter().enumerate().filter(|(_, run)| green(run)) {
        if let Some(margin) = run.margin {
            measured.push(margin::Measured { place, step: step(before, run), margin });
            before = Some(run);
        }
    }
    measured
}

fn places(colours: &Colours, smoothed: &Smoothed, mass: impl Fn(&smoothing::At) -> f64) -> Vec<(usize, f64)> {
    colours.places.iter().copied().zip(smoothed.at.iter().map(mass)).collect()
}

fn add(mass: &mut Vec<(usize, f64)>, more: &[(usize, f64)]) {
    for (place, more) in more {
        match mass.iter_mut().find(|(known, _)| known == place) {
            Some((_, mass)) => *mass += more,
            None => mass.push((*place, *more)),
        }
    }
}

/// Where the last change of the product lies, by the mass of each place.
fn located(series: &Series, colours: &Colours, mass: Vec<(usize, f64)>) -> Option<Change> {
    let total: f64 = mass.iter().map(|(_, mass)| mass).sum();
    let mut by_version: Vec<(usize, f64)> = Vec::new();
    for (place, mass) in mass {
        let version = series.runs[place].version;
        match by_version.iter_mut().find(|(known, _)| series.runs[*known].version == version) {
            Some((_, known)) => *known += mass,
            None => by_version.push((place, mass)),
        }
    }
    by_version.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    let (place, most) = *by_version.first().filter(|(_, mass)| *mass > 0.0)?;
    let after = series.runs[place].version;
    let place = series.runs.iter().position(|run| run.version == after)?;
    // Versions that said nothing lie between, and may be the first with it.
    let earlier = colours.places.iter().rev().find(|earlier| **earlier < place)?;
    let before = series.runs[*earlier].version;
    let silent = series.runs[*earlier..place].iter().map(|run| run.version).filter(|version| *version != before);
    let mut covered = 0.0;
    let needed = by_version.iter().take_while(|(_, mass)| {
        let short = covered < 0.95 * total;
        covered += mass;
        short
    });
    let mut among: Vec<u32> = needed.map(|(place, _)| series.runs[*place].version).collect();
    for version in silent {
        if !among.contains(&version) {
            among.push(version);
        }
    }
    Some(Change { place, before, after, probability: most / total, among })
}

/// What would decide a history: runs of the newest version, or, where these don't, of the one before it.
fn planned(priors: &Priors, series: &Series, colours: &Colours, segments: &Segments) -> Option<Plan> {
    let last = series.runs.last()?;
    let shown = colours.runs.iter().any(|(step, _)| step.environment) || series.runs.iter().any(Run::is_excused);
    let decided = |segments: &Segments| {
        let posterior = by_colours(priors, segments);
        let none = Margins::default();
        let (broken, runs) = (LEAST_BROKEN, LEAST_BROKEN + 1);
        let seen = Seen { margins: &none, resource: 0.0, excuse: 0.0, broken, runs, newest: true };
        match decide(&posterior, &seen) {
            Verdict::Insufficient => false,
            Verdict::Environment => shown,
            _ => true,
        }
    };
    let seen = colours.places.last().and_then(|place| series.runs.get(*place));
    let newest = plan::newest(priors, segments, step(seen, last), &decided);
    if newest.runs.is_some() {
        return Some(newest);
    }
    let control = || {
        let cut = colours.places.iter().position(|place| series.runs[*place].version == last.version)?;
        let before = colours.places.get(cut.checked_sub(1)?)?;
        let history = run_through(priors, &Colours { runs: colours.runs[..cut].to_vec(), places: vec![] });
        let control = Step { version: false, environment: series.runs[*before].environment != last.environment };
        Some(plan::before(priors, &history, control, &colours.runs[cut..], &decided))
    };
    Some(control().filter(|control| control.runs.is_some()).unwrap_or(newest))
}
