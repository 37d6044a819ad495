//! What would decide a history that doesn't: how many more runs, and of which version.
//!
//! All colours that further runs may have are gone through, each weighed by its probability under the model, but those of
//! less than 3 in 1,000, which count as undecided; a branch ends where it is decided.

use crate::priors::Priors;
use crate::segments::{Segments, Step};

/// No more runs than these are proposed.
pub const MOST_RUNS: usize = 8;
/// A plan decides with this probability.
pub const SURE: f64 = 0.8;
/// Branches that are less likely than this are left undecided.
const UNLIKELY: f64 = 3e-3;
/// For plans, beginnings with less than this share of the mass don't count.
const FORGOTTEN: f64 = 1e-3;

/// Which version the further runs are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The newest.
    Newest,
    /// The one before: control runs, to see whether it is the product that changed.
    Before,
}

/// What would decide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Of which version.
    pub of: Of,
    /// How many runs; none where [`MOST_RUNS`] don't suffice.
    pub runs: Option<usize>,
    /// That they decide.
    pub probability: f64,
}

/// Runs of the newest version: `step` leads from the last run to the next.
pub fn newest(priors: &Priors, segments: &Segments, step: Step, decided: &dyn Fn(&Segments) -> bool) -> Plan {
    let mut start = segments.clone();
    start.forget(FORGOTTEN);
    let mut by_run = [0.0; MOST_RUNS];
    grow(priors, &start, step, 1.0, 0, &mut by_run, decided);
    smallest(Of::Newest, &by_run)
}

/// Control runs of the version before: `history` is all before the newest version, and `newest` its runs, once more.
pub fn before(
    priors: &Priors,
    history: &Segments,
    step: Step,
    newest: &[(Step, bool)],
    decided: &dyn Fn(&Segments) -> bool,
) -> Plan {
    let mut start = history.clone();
    start.forget(FORGOTTEN);
    let mut by_run = [0.0; MOST_RUNS];
    let then = |segments: &Segments| {
        let mut segments = segments.clone();
        for (place, (step, broken)) in newest.iter().enumerate() {
            // The control runs were made in today's environment: the step to the newest version is the version's alone.
            let step = if place == 0 { Step { version: true, environment: false } } else { *step };
            segments.push(priors, step, *broken);
        }
        let weight = (segments.log_evidence - history.log_evidence).exp();
        (decided(&segments), weight)
    };
    let mut open = vec![start];
    for (runs, share) in by_run.iter_mut().enumerate() {
        let mut next = Vec::new();
        let (mut decisive, mut all) = (0.0, 0.0);
        for segments in &open {
            for broken in [false, true] {
                let mut segments: Segments = segments.clone();
                segments.push(priors, if runs == 0 { step } else { Step::default() }, broken);
                let (decided, weight) = then(&segments);
                all += weight;
                decisive += if decided { weight } else { 0.0 };
                next.push((weight, segments));
            }
        }
        *share = if all > 0.0 { decisive / all } else { 0.0 };
        next.retain(|(weight, _)| *weight > UNLIKELY * all);
        let next = next.into_iter().map(|(_, segments)| segments).collect();
        if *share >= SURE {
            break;
        }
        open = next;
    }
    smallest(Of::Before, &by_run)
}

fn grow(
    priors: &Priors,
    segments: &Segments,
    step: Step,
    probability: f64,
    depth: usize,
    by_run: &mut [f64; MOST_RUNS],
    decided: &dyn Fn(&Segments) -> bool,
) {
    if depth == MOST_RUNS || probability < UNLIKELY {
        return;
    }
    for broken in [false, true] {
        let mut next = segments.clone();
        let chance = probability * next.push(priors, step, broken);
        if decided(&next) {
            by_run[depth..].iter_mut().for_each(|share| *share += chance);
        } else {
            grow(priors, &next, Step::default(), chance, depth + 1, by_run, decided);
        }
    }
}

fn smallest(of: Of, by_run: &[f64; MOST_RUNS]) -> Plan {
    let runs = by_run.iter().position(|share| *share >= SURE);
    let probability = by_run[runs.unwrap_or(MOST_RUNS - 1)];
    Plan { of, runs: runs.map(|place| place + 1), probability }
}
