//! What numbers say before a colour changes: shifts of the margin from version to version, and its drift.
//!
//! Margins are cut into segments with a mean and a variance each (normal-inverse-gamma), in the same way and with the same hazards
//! as colours are; beside steps a steady slope is held possible, so that what creeps is not taken for what jumped.
//!
//! A. Gelman et al., "Bayesian Data Analysis", 3rd ed., 3.3 (the distribution); P. K. Sen, "Estimates of the regression
//! coefficient based on Kendall's tau" (1968); H. B. Mann, "Nonparametric tests against trend" (1945).

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::gamma::ln_gamma;

use super::priors::Priors;
use super::segments::{Hazards, Step};

/// A median's absolute deviation, as a standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// A value further than this from both neighbours, in scale units, is a spike.
const SPIKE: f64 = 6.0;
/// A smaller shift, in scale units, is none.
const LEAST_SHIFT: f64 = 0.5;
/// With fewer margins nothing is said.
const LEAST_RUNS: usize = 5;
/// With fewer margins the autocorrelation is not known.
const LEAST_FOR_AUTOCORRELATION: usize = 30;
/// Fewer margins after a change are no shift.
const LEAST_AFTER: usize = 2;
/// That a history has a slope.
const SLOPED: f64 = 0.05;
/// A slope that chance explains as well as this is none.
const CHANCE: f64 = 0.005;

/// A margin, and what changed before it.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Its place in the history.
    pub place: usize,
    /// What changed since the margin before.
    pub step: Step,
    /// The margin, in the assertion's unit.
    pub margin: f64,
}

/// What the margins say.
#[derive(Clone, Debug, Default)]
pub struct Margins {
    /// That the last change was the product's, and for the worse.
    pub regression: f64,
    /// By place in the history: that this last change for the worse lies just before it.
    pub at: Vec<(usize, f64)>,
    /// The likeliest shift.
    pub shift: Option<Shift>,
    /// What is lost or won with every run.
    pub drift: Option<Drift>,
}

/// A step of the margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The mean before, in the assertion's unit.
    pub before: f64,
    /// The mean after.
    pub after: f64,
    /// The noise of a run, one standard deviation.
    pub noise: f64,
}

/// A margin that creeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The change with every run, in the assertion's unit; negative towards the bound.
    pub per_run: f64,
    /// At this rate the bound is crossed after so many further runs; none where it moves away or is crossed.
    pub runs_left: Option<f64>,
}

/// What margins say, in the order of a history.
pub fn margins(priors: &Priors, measured: &[Measured]) -> Margins {
    let Some(scale) = Scale::of(measured) else { return Margins::default() };
    let kept = without_spikes(measured, &scale);
    let values: Vec<f64> = kept.iter().map(|run| (run.margin - scale.middle) / scale.noise).collect();
    let steps: Vec<Step> = kept.iter().map(|run| run.step).collect();
    let level = shifts(priors, &steps, &values, scale.temper);
    let slope = sen(&values);
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let straight: Vec<f64> =
        values.iter().enumerate().map(|(place, value)| value - slope * (place as f64 - middle)).collect();
    let sloped = shifts(priors, &steps, &straight, scale.temper);
    // A slope of unknown size costs as much as any parameter does (Schwarz 1978).
    let occam = 0.5 * (values.len() as f64).ln();
    let odds = (sloped.log_evidence - occam - level.log_evidence).exp() * SLOPED / (1.0 - SLOPED);
    let creeps = if odds.is_finite() { odds / (1.0 + odds) } else { 1.0 };
    let mix = |level: f64, sloped: f64| (1.0 - creeps) * level + creeps * sloped;
    let best = if creeps > 0.5 { &sloped } else { &level };
    Margins {
        regression: mix(level.worse, sloped.worse),
        at: best.at.iter().filter_map(|(place, mass)| Some((kept.get(*place)?.place, *mass))).collect(),
        shift: best.best.map(|(before, after)| Shift {
            before: before * scale.noise + scale.middle,
            after: after * scale.noise + scale.middle,
            noise: scale.noise,
        }),
        drift: drift(&kept, creeps),
    }
}

/// How a history's margins are scaled.
struct Scale {
    middle: f64,
    noise: f64,
    /// How much a run counts where it resembles the one before it.
    temper: f64,
}

impl Scale {
    fn of(measured: &[Measured]) -> Option<Scale> {
        if measured.len() < LEAST_RUNS {
            return None;
        }
        let values: Vec<f64> = measured.iter().map(|run| run.margin).collect();
        let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let from_differences =
            MAD_TO_SIGMA * median(differences.iter().map(|difference| difference.abs()).collect()) / 2f64.sqrt();
        let noise = from_differences.max(resolution(&values)? / 12f64.sqrt());
        let alike = autocorrelation(&differences, noise);
        let noise = noise / (1.0 - alike).sqrt();
        Some(Scale { middle: median(values), noise, temper: (1.0 - alike) / (1.0 + alike) })
    }
}

/// The smallest step between different values; none where all are equal.
fn resolution(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let size = sorted.iter().fold(0f64, |most, value| most.max(value.abs()));
    let steps = sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 1e-12 * size);
    steps.min_by(f64::total_cmp)
}

/// How much a margin resembles the one before it, as far as that is sure, from differences: shifts don't count for it.
fn autocorrelation(differences: &[f64], noise: f64) -> f64 {
    if differences.len() + 1 < LEAST_FOR_AUTOCORRELATION || noise <= 0.0 {
        return 0.0;
    }
    let most = 3.0 * noise * 2f64.sqrt();
    let clipped: Vec<f64> = differences.iter().map(|difference| difference.clamp(-most, most)).collect();
    let power: f64 = clipped.iter().map(|difference| difference * difference).sum();
    let product: f64 = clipped.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if power <= 0.0 {
        return 0.0;
    }
    let error = 2.0 / (clipped.len() as f64).sqrt();
    (1.0 + 2.0 * product / power - 2.0 * error).clamp(0.0, 0.9)
}

fn without_spikes(measured: &[Measured], scale: &Scale) -> Vec<Measured> {
    let far = |one: f64, other: f64| (one - other).abs() > SPIKE * scale.noise;
    let mut kept: Vec<Measured> = Vec::with_capacity(measured.len());
    let mut pending = Step::default();
    for (place, run) in measured.iter().enumerate() {
        let spike = match (place.checked_sub(1).and_then(|before| measured.get(before)), measured.get(place + 1)) {
            (Some(before), Some(after)) => {
                far(run.margin, before.margin)
                    && far(run.margin, after.margin)
                    && (run.margin > before.margin) == (run.margin > after.margin)
            }
            _ => false,
        };
        let step = Step {
            version: run.step.version || pending.version,
            environment: run.step.environment || pending.environment,
        };
        pending = if spike { step } else { Step::default() };
        if !spike {
            kept.push(Measured { step, ..*run });
        }
    }
    kept
}

/// A segment's mean and variance, as known (normal-inverse-gamma).
#[derive(Clone, Copy, Debug)]
struct Known {
    mean: f64,
    weight: f64,
    shape: f64,
    rate: f64,
}

impl Known {
    /// Nearly nothing: a mean somewhere near the middle, a variance about that of the differences.
    const NOTHING: Known = Known { mean: 0.0, weight: 0.1, shape: 2.0, rate: 2.0 };

    /// The logarithm of the density of a value, and what is known with it. A value that counts as less than one is worth as much less.
    fn with(self, value: f64, temper: f64) -> (f64, Known) {
        let freedom = 2.0 * self.shape;
        let variance = self.rate * (self.weight + 1.0) / (self.shape * self.weight);
        let off = value - self.mean;
        let density = ln_gamma((freedom + 1.0) / 2.0)
            - ln_gamma(freedom / 2.0)
            - 0.5 * (freedom * std::f64::consts::PI * variance).ln()
            - (freedom + 1.0) / 2.0 * (off * off / (freedom * variance)).ln_1p();
        let weight = self.weight + temper;
        let known = Known {
            mean: self.mean + temper * off / weight,
            weight,
            shape: self.shape + temper / 2.0,
            rate: self.rate + temper * self.weight * off * off / (2.0 * weight),
        };
        (temper * density, known)
    }

    /// The variance of its mean.
    fn of_mean(&self) -> f64 {
        self.rate / (self.shape * self.weight)
    }
}

/// That one mean is more than `least` above another (Welch's degrees of freedom).
fn above(high: &Known, low: &Known, least: f64) -> f64 {
    let (first, second) = (high.of_mean(), low.of_mean());
    let freedom = (first + second).powi(2) / (first.powi(2) / (2.0 * high.shape) + second.powi(2) / (2.0 * low.shape));
    let t = (high.mean - low.mean - least) / (first + second).sqrt();
    StudentsT::new(0.0, 1.0, freedom).map_or(0.0, |student| student.cdf(t))
}

/// Segments of margins.
struct Shifts {
    log_evidence: f64,
    worse: f64,
    /// By place: that the last change lies just before it, and was for the worse.
    at: Vec<(usize, f64)>,
    /// The means before and after the likeliest change.
    best: Option<(f64, f64)>,
}

/// A beginning of a segment that is still possible.
struct Beginning {
    place: usize,
    /// The share of all paths that are in it.
    mass: f64,
    known: Known,
    /// That it began with a change of the product, not of the environment.
    product: f64,
    /// The segments that it may have followed, with their shares.
    before: Vec<(f64, Known)>,
}

/// A beginning, or a segment before one, with less than this share is left out.
const FORGOTTEN: f64 = 1e-5;

fn shifts(priors: &Priors, steps: &[Step], values: &[f64], temper: f64) -> Shifts {
    let mut open: Vec<Beginning> = Vec::new();
    let mut log_evidence = 0.0;
    for (place, (step, value)) in steps.iter().zip(values).enumerate() {
        let mut beginning = Beginning { place, mass: 1.0, known: Known::NOTHING, product: 0.0, before: Vec::new() };
        if place > 0 {
            let hazards = Hazards::of(priors, *step);
            let changes = hazards.product + hazards.environment;
            beginning.mass = changes;
            beginning.product = hazards.product / changes;
            let likely = open.iter().filter(|segment| segment.mass > 1e-3);
            beginning.before = likely.map(|segment| (segment.mass, segment.known)).collect();
            for segment in &mut open {
                segment.mass *= 1.0 - changes;
            }
        }
        open.push(beginning);
        let mut total = 0.0;
        for segment in &mut open {
            let (density, known) = segment.known.with(*value, temper);
            segment.mass *= density.exp();
            segment.known = known;
            total += segment.mass;
        }
        if total <= 0.0 {
            return Shifts { log_evidence: f64::NEG_INFINITY, worse: 0.0, at: vec![], best: None };
        }
        log_evidence += total.ln();
        for segment in &mut open {
            segment.mass /= total;
        }
        open.retain(|segment| segment.mass > FORGOTTEN);
    }
    told(log_evidence, &open, values.len())
}

fn told(log_evidence: f64, open: &[Beginning], runs: usize) -> Shifts {
    let mut shifts = Shifts { log_evidence, worse: 0.0, at: Vec::new(), best: None };
    let mut most = 0.0;
    for segment in open.iter().filter(|segment| runs - segment.place >= LEAST_AFTER) {
        let total: f64 = segment.before.iter().map(|(mass, _)| mass).sum();
        if total <= 0.0 {
            continue;
        }
        let over = |chance: &dyn Fn(&Known) -> f64| {
            segment.before.iter().map(|(mass, before)| mass * chance(before)).sum::<f64>() / total
        };
        let share = segment.mass * segment.product;
        let worse = share * over(&|before| above(before, &segment.known, LEAST_SHIFT));
        shifts.worse += worse;
        shifts.at.push((segment.place, worse));
        if worse > most {
            most = worse;
            shifts.best = Some((over(&|before| before.mean), segment.known.mean));
        }
    }
    shifts
}

/// Sen's slope: the median of all slopes, of a sample of pairs where there are many.
fn sen(values: &[f64]) -> f64 {
    let apart = values.len().div_ceil(64).max(1);
    let mut slopes = Vec::new();
    for (first, one) in values.iter().enumerate().step_by(apart) {
        for (second, other) in values.iter().enumerate().skip(first + 1) {
            slopes.push((other - one) / (second - first) as f64);
        }
    }
    median(slopes)
}

/// The drift of the last versions, where Mann's test sees one and it is no step.
fn drift(kept: &[Measured], creeps: f64) -> Option<Drift> {
    if creeps < 0.5 {
        return None;
    }
    let values: Vec<f64> = kept.iter().map(|run| run.margin).collect();
    if trend_by_chance(&values) > CHANCE {
        return None;
    }
    let per_run = sen(&values);
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let level =
        median(values.iter().enumerate().map(|(place, value)| value - per_run * (place as f64 - middle)).collect());
    let now = level + per_run * middle;
    let runs_left = (per_run < 0.0 && now > 0.0).then(|| (now / -per_run).ceil());
    Some(Drift { per_run, runs_left })
}

/// How probable so much order would be by chance, both sides, with ties.
fn trend_by_chance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mut order = 0.0;
    for (place, one) in values.iter().enumerate() {
        for other in values.iter().skip(place + 1) {
            order += (other - one).signum() * f64::from(u8::from(other != one));
        }
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted
        .chunk_by(|one, other| one == other)
        .map(|tie| tie.len() as f64)
        .map(|t| t * (t - 1.0) * (2.0 * t + 5.0))
        .sum();
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0;
    if variance <= 0.0 {
        return 1.0;
    }
    let z = (order.abs() - 1.0).max(0.0) / variance.sqrt();
    Normal::new(0.0, 1.0).map_or(1.0, |normal| 2.0 * normal.sf(z))
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let (even, middle) = (values.len().is_multiple_of(2), values.len() / 2);
    let (low, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match low.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if even => f64::midpoint(lower, *upper),
        _ => *upper,
    }
}
