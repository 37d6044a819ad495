//! Where changes lie, looking back from the end of a history: the backward half of [`segments`](super::segments).

use crate::priors::Priors;
use crate::segments::{BROKEN, HEALTHY, Hazards, LOW, Now, STATES, Segments, Step};

/// A continuation that is less likely than this share is left out.
const NEGLIGIBLE: f64 = 1e-10;

/// A history's runs as the smoother takes them: what changed before each, and whether it was broken.
pub type Stepped = [(Step, bool)];

/// What is expected to have happened in a history: sums of probabilities.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Histories that began in each state.
    pub start: [f64; STATES],
    /// Changes from each state to each.
    pub transition: [[f64; STATES]; STATES],
    /// Changes of the product, and the new versions at which there could have been one.
    pub product: [f64; 2],
    /// Outages that began, and the runs at which one could have.
    pub outage: [f64; 2],
    /// Outages that ended, and the runs at which one could have.
    pub outage_end: [f64; 2],
    /// Changes of the environment where it looks another, and the runs at which there could have been one.
    pub environment: [f64; 2],
}

/// What lies at each run, given all runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    /// The product changed for the worse just before it, and nothing has changed since.
    pub last_worse: f64,
    /// The product changed for the better just before it, and nothing has changed since.
    pub last_better: f64,
    /// The environment changed just before it, and nothing has changed since.
    pub last_environment: f64,
    /// Something lasting changed just before it.
    pub change: f64,
    /// An outage begins with it.
    pub outage_begins: f64,
}

/// A history, looked at from its end.
#[derive(Clone, Debug, Default)]
pub struct Smoothed {
    /// By run.
    pub at: Vec<At>,
    /// What is expected to have happened.
    pub counts: Counts,
}

/// Future probabilities of a beginning at each run, relative to what was expected before it.
struct Future {
    base: Vec<[f64; STATES]>,
    outage: Vec<[f64; STATES]>,
}

/// Looks back over a history.
pub fn smooth(priors: &Priors, runs: &Stepped) -> Smoothed {
    let (mut before, mut chances) = (Vec::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
    let mut segments = Segments::default();
    for (step, broken) in runs {
        before.push(segments.now());
        chances.push(segments.push(priors, *step, *broken));
    }
    let any = future(priors, runs, &chances, true);
    let last = future(priors, runs, &chances, false);
    let mut smoothed = Smoothed { at: vec![At::default(); runs.len()], counts: Counts::default() };
    if let Some(first) = any.base.first() {
        for (state, count) in smoothed.counts.start.iter_mut().enumerate() {
            *count = priors.start[state] * first[state];
        }
    }
    for (place, now) in before.iter().enumerate().skip(1) {
        look_at(priors, &mut smoothed, place, runs[place].0, now, &any, &last);
    }
    smoothed
}

/// What lies between a run and the one before.
fn look_at(priors: &Priors, smoothed: &mut Smoothed, place: usize, step: Step, now: &Now, any: &Future, last: &Future) {
    let hazards = Hazards::of(priors, step);
    let (base, outage) = (now.base_by_state(), now.outage_by_state());
    let lasting = priors.outage_end * (1.0 - priors.outage_returns);
    let (at, counts) = (&mut smoothed.at[place], &mut smoothed.counts);
    for from in 0..STATES {
        for to in (0..STATES).filter(|to| *to != from) {
            let chance = priors.transition[from][to];
            let product = hazards.product * chance * base[from];
            let environment = (hazards.environment * base[from] + lasting * outage[from]) * chance;
            let happened = (product + environment) * any.base[place][to];
            counts.transition[from][to] += happened;
            counts.product[0] += product * any.base[place][to];
            counts.environment[0] += if step.environment { environment * any.base[place][to] } else { 0.0 };
            at.change += happened;
            at.last_environment += environment * last.base[place][to];
            if to < from {
                at.last_better += product * last.base[place][to];
            } else if to >= LOW {
                at.last_worse += product * last.base[place][to];
            }
        }
        let begins = hazards.outage * base[from] * any.outage[place][from];
        at.outage_begins += begins;
        counts.outage[0] += begins;
        let returns = priors.outage_end * priors.outage_returns * outage[from] * any.base[place][from];
        let elsewhere: f64 = (HEALTHY..=BROKEN).map(|to| priors.transition[from][to] * any.base[place][to]).sum();
        counts.outage_end[0] += returns + lasting * outage[from] * elsewhere;
    }
    let within_outage: f64 = outage.iter().sum();
    counts.outage[1] += 1.0 - within_outage;
    counts.outage_end[1] += within_outage;
    if step.environment {
        counts.environment[1] += 1.0 - within_outage;
    }
    if step.version {
        counts.product[1] += 1.0 - within_outage;
    }
}

/// The probability of all runs from each on, if something begins with it; with `changes`, or with outages alone.
fn future(priors: &Priors, runs: &Stepped, chances: &[f64], changes: bool) -> Future {
    let mut future = Future { base: vec![[0.0; STATES]; runs.len()], outage: vec![[0.0; STATES]; runs.len()] };
    // What a segment in each state, or an outage over it, is worth if it ends just before a run.
    let mut ending = vec![([0.0; STATES], [0.0; STATES]); runs.len()];
    for begin in (0..runs.len()).rev() {
        let (base, outage) = from(priors, runs, chances, begin, &ending);
        (future.base[begin], future.outage[begin]) = (base, outage);
        ending[begin] = ended(priors, runs[begin].0, changes, &base, &outage);
    }
    future
}

/// What is to be expected at a run if a segment in each state, or an outage over each, ends before it.
fn ended(
    priors: &Priors,
    step: Step,
    changes: bool,
    base: &[f64; STATES],
    outage: &[f64; STATES],
) -> ([f64; STATES], [f64; STATES]) {
    let hazards = Hazards::of(priors, step);
    let (mut of_base, mut of_outage) = ([0.0; STATES], [0.0; STATES]);
    for from in 0..STATES {
        let elsewhere: f64 = priors.transition[from].iter().zip(base).map(|(chance, base)| chance * base).sum();
        let elsewhere = if changes { elsewhere } else { 0.0 };
        of_base[from] = (hazards.product + hazards.environment) * elsewhere + hazards.outage * outage[from];
        of_outage[from] =
            priors.outage_end * (priors.outage_returns * base[from] + (1.0 - priors.outage_returns) * elsewhere);
    }
    (of_base, of_outage)
}

/// The future of a segment in each state that begins with a run, and of an outage over each.
fn from(
    priors: &Priors,
    runs: &Stepped,
    chances: &[f64],
    begin: usize,
    ending: &[([f64; STATES], [f64; STATES])],
) -> ([f64; STATES], [f64; STATES]) {
    let (mut base, mut outage) = ([0.0; STATES], [0.0; STATES]);
    let (mut base_since, mut outage_since) = ([1.0; STATES], 1.0);
    let (mut seen, mut failed) = (0.0, 0.0);
    for (place, (step, broken)) in runs.iter().enumerate().skip(begin) {
        if place > begin {
            for state in 0..STATES {
                base[state] += base_since[state] * ending[place].0[state];
                outage[state] += outage_since * ending[place].1[state];
            }
            let none = Hazards::of(priors, *step).none();
            base_since = base_since.map(|since| since * none);
            outage_since *= 1.0 - priors.outage_end;
        }
        for (since, health) in base_since.iter_mut().zip(&priors.health) {
            *since *= health.of_next(*broken, seen, failed) / chances[place];
        }
        outage_since *= priors.outage.of_next(*broken, seen, failed) / chances[place];
        seen += 1.0;
        failed += f64::from(u8::from(*broken));
        if base_since.iter().sum::<f64>() + outage_since < NEGLIGIBLE {
            return (base, outage);
        }
    }
    for state in 0..STATES {
        base[state] += base_since[state];
        outage[state] += outage_since;
    }
    (base, outage)
}
