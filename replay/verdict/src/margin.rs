//! What numbers say before a colour changes: shifts of the margin from version to version, and its drift.
//!
//! Margins are cut into segments with a mean and a variance each (normal-inverse-gamma), in the same way and with the same hazards
//! as colours are; beside steps a steady slope is held possible, so that what creeps is not taken for what jumped.
//!
//! A. Gelman et al., "Bayesian Data Analysis", 3rd ed., 3.3 (the distribution); P. K. Sen, "Estimates of the regression
//! coefficient based on Kendall's tau" (1968); H. B. Mann, "Nonparametric tests against trend" (1945).

mod slope;

use std::rc::Rc;

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::gamma::ln_gamma;

use crate::priors::Priors;
use crate::segments::{Hazards, Step};
pub use slope::Drift;
use slope::{by_run, by_version, from_a_third, median, sen, trend_by_chance, values_of};

/// A median's absolute deviation, as a standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// A value further than this from the middle of those around it, in scale units, is moved there.
const SPIKE: f64 = 2.5;
/// The variance of assertions' autocorrelations.
const ALIKE_VARIES: f64 = 0.15;
/// A smaller shift, in scale units, is none.
const LEAST_SHIFT: f64 = 0.5;
/// With fewer margins nothing is said.
const LEAST_RUNS: usize = 5;
/// What a mean counts for before any run.
const MEAN_WEIGHT: f64 = 0.1;
/// Fewer margins after a change are no shift.
const LEAST_AFTER: usize = 1;
/// With fewer steps of its clock a slope is no other than a shift.
const LEAST_FOR_SLOPE: usize = 6;
/// Where chance explains the order as well as this, no slope is looked for.
const LOOK_AT_SLOPE: f64 = 0.1;

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
    /// That the last change was the product's at all.
    pub changed: f64,
    /// That it fell with that change, and that it rose, were both as likely beforehand.
    pub ways: [f64; 2],
    /// How much a margin resembles the one before it, as far as this history tells, and how much that counts.
    pub alike: (f64, f64),
    /// The new versions at which it could have shifted.
    pub versions: usize,
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

/// What margins say, in the order of a history.
pub fn margins(priors: &Priors, measured: &[Measured]) -> Margins {
    // In units of the largest, so that no square of one is beyond what numbers can be.
    let size = measured.iter().map(|run| run.margin.abs()).fold(0.0, f64::max);
    if size == 0.0 {
        return Margins::default();
    }
    let measured: Vec<Measured> = measured.iter().map(|run| Measured { margin: run.margin / size, ..*run }).collect();
    let mut margins = of_scaled(priors, &measured);
    margins.shift = margins.shift.map(|shift| Shift {
        before: shift.before * size,
        after: shift.after * size,
        noise: shift.noise * size,
    });
    margins.drift = margins.drift.map(|drift| Drift { per_run: drift.per_run * size, ..drift });
    margins
}

fn of_scaled(priors: &Priors, measured: &[Measured]) -> Margins {
    let Some(scale) = Scale::of(priors, measured) else { return Margins::default() };
    let values: Vec<f64> =
        near(measured, scale.noise).iter().map(|value| (value - scale.middle) / scale.noise).collect();
    let steps: Vec<Step> = measured.iter().map(|run| run.step).collect();
    let model = Model::new(priors, values.len(), scale.temper);
    let mut told = vec![(1.0 - 4.0 * priors.sloped, model.shifts(&steps, &values))];
    // A slope of unknown size costs as much as any parameter does (G. Schwarz 1978).
    let occam = (values.len() as f64).powf(-0.5);
    let ordered = trend_by_chance(&values) < LOOK_AT_SLOPE;
    let clocks = [by_run(&steps), by_version(&steps), from_a_third(&steps, 1), from_a_third(&steps, 2)];
    for clock in clocks.into_iter().filter(|clock| ordered && values_of(clock) >= LEAST_FOR_SLOPE) {
        let slope = sen(&clock, &values);
        let middle = median(clock.clone());
        let straight: Vec<f64> = values.iter().zip(&clock).map(|(value, at)| value - slope * (at - middle)).collect();
        told.push((priors.sloped * occam, model.shifts(&steps, &straight)));
    }
    let most = told.iter().map(|(_, shifts)| shifts.log_evidence).fold(f64::NEG_INFINITY, f64::max);
    told.iter_mut().for_each(|(weight, shifts)| *weight *= (shifts.log_evidence - most).exp());
    let total: f64 = told.iter().map(|(weight, _)| weight).sum();
    if total <= 0.0 || !total.is_finite() {
        return Margins::default();
    }
    let mix =
        |of: &dyn Fn(&Shifts) -> f64| told.iter().map(|(weight, shifts)| weight * of(shifts)).sum::<f64>() / total;
    let creeps = told[1..].iter().map(|(weight, _)| weight).sum::<f64>() / total;
    let best = told.iter().max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, shifts)| shifts);
    let at = best.map_or(Vec::new(), |best| best.at.clone());
    Margins {
        regression: mix(&|shifts| shifts.worse),
        changed: mix(&|shifts| shifts.changed),
        ways: [mix(&|shifts| shifts.fell), mix(&|shifts| shifts.rose)],
        alike: scale.alike,
        versions: steps.iter().filter(|step| step.version).count(),
        at: at.iter().filter_map(|(place, mass)| Some((measured.get(*place)?.place, *mass))).collect(),
        shift: best.and_then(|best| best.best).map(|(before, after)| Shift {
            before: before * scale.noise + scale.middle,
            after: after * scale.noise + scale.middle,
            noise: scale.noise,
        }),
        drift: slope::drift(measured, creeps),
    }
}

/// How a history's margins are scaled.
struct Scale {
    middle: f64,
    noise: f64,
    /// How much a run counts where it resembles the one before it.
    temper: f64,
    /// What the history itself tells about that, and how much it counts beside the project's.
    alike: (f64, f64),
}

impl Scale {
    fn of(priors: &Priors, measured: &[Measured]) -> Option<Scale> {
        if measured.len() < LEAST_RUNS {
            return None;
        }
        let values: Vec<f64> = measured.iter().map(|run| run.margin).collect();
        let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let from_differences =
            MAD_TO_SIGMA * median(differences.iter().map(|difference| difference.abs()).collect()) / 2f64.sqrt();
        let noise = from_differences.max(resolution(&values)? / 12f64.sqrt());
        let own = autocorrelation(&differences, noise);
        let alike = ((own.0 * own.1 + priors.autocorrelation) / (own.1 + 1.0)).clamp(0.0, 0.9);
        let noise = noise / (1.0 - alike).sqrt();
        Some(Scale { middle: median(values), noise, temper: (1.0 - alike) / (1.0 + alike), alike: own })
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

/// How much a margin resembles the one before it, from differences: shifts don't count for it. What few runs can't tell, the
/// project's other assertions do.
fn autocorrelation(differences: &[f64], noise: f64) -> (f64, f64) {
    let most = 3.0 * noise * 2f64.sqrt();
    let clipped: Vec<f64> = differences.iter().map(|difference| difference.clamp(-most, most)).collect();
    let power: f64 = clipped.iter().map(|difference| difference * difference).sum();
    let product: f64 = clipped.windows(2).map(|pair| pair[0] * pair[1]).sum();
    if power <= 0.0 {
        return (0.0, 0.0);
    }
    let own = (1.0 + 2.0 * product / power).clamp(-0.5, 1.0);
    (own, clipped.len() as f64 / 4.0 * ALIKE_VARIES)
}

/// The margins, those that lie far from all around them moved near: one run alone shows no shift.
fn near(measured: &[Measured], noise: f64) -> Vec<f64> {
    let values: Vec<f64> = measured.iter().map(|run| run.margin).collect();
    let around = |place: usize| {
        let from = place.saturating_sub(2).min(values.len().saturating_sub(5));
        median(values[from..(from + 5).min(values.len())].to_vec())
    };
    values
        .iter()
        .enumerate()
        .map(|(place, value)| {
            let middle = around(place);
            value.clamp(middle - SPIKE * noise, middle + SPIKE * noise)
        })
        .collect()
}

/// Segments of margins, and what is thought of their scatter beforehand.
struct Model<'a> {
    priors: &'a Priors,
    /// How much a run counts.
    temper: f64,
    /// Half the degrees of freedom of the variance, before any run.
    shape: f64,
    /// By number of runs: the part of a density's logarithm that only depends on it.
    constants: Vec<f64>,
}

/// A segment's mean and variance, as known (normal-inverse-gamma).
#[derive(Clone, Copy, Debug)]
struct Known {
    runs: usize,
    mean: f64,
    weight: f64,
    rate: f64,
}

impl<'a> Model<'a> {
    fn new(priors: &'a Priors, runs: usize, temper: f64) -> Model<'a> {
        // The differences of many runs tell the variance well; those of few hardly.
        let shape = 2.0 + (runs as f64 / 8.0).min(8.0);
        let constant = |runs: usize| {
            let freedom = 2.0 * shape + temper * runs as f64;
            ln_gamma((freedom + 1.0) / 2.0) - ln_gamma(freedom / 2.0) - 0.5 * (freedom * std::f64::consts::PI).ln()
        };
        Model { priors, temper, shape, constants: (0..=runs).map(constant).collect() }
    }

    /// Nearly nothing is known: a mean somewhere near `mean`, a variance about that of the differences.
    fn nothing(&self, mean: f64, weight: f64) -> Known {
        Known { runs: 0, mean, weight, rate: self.shape }
    }

    fn shape_of(&self, known: &Known) -> f64 {
        self.shape + self.temper * known.runs as f64 / 2.0
    }

    /// The density of a value, and what is known with it. A value that counts as less than one is worth as much less.
    fn with(&self, known: &Known, value: f64) -> (f64, Known) {
        let shape = self.shape_of(known);
        let variance = known.rate * (known.weight + 1.0) / (shape * known.weight);
        let off = value - known.mean;
        let tail = (shape + 0.5) * (off * off / (2.0 * shape * variance)).ln_1p();
        let density = self.constants[known.runs] - 0.5 * variance.ln() - tail;
        let weight = known.weight + self.temper;
        let next = Known {
            runs: known.runs + 1,
            mean: known.mean + self.temper * off / weight,
            weight,
            rate: known.rate + self.temper * known.weight * off * off / (2.0 * weight),
        };
        ((self.temper * density).exp(), next)
    }

    /// That one mean is more than `least` above another (Welch's degrees of freedom).
    fn above(&self, high: &Known, low: &Known, least: f64) -> f64 {
        let (first, second) = (2.0 * self.shape_of(high), 2.0 * self.shape_of(low));
        let (of_high, of_low) = (2.0 * high.rate / (first * high.weight), 2.0 * low.rate / (second * low.weight));
        let both = of_high + of_low;
        let freedom = both.powi(2) / (of_high.powi(2) / first + of_low.powi(2) / second);
        let t = (high.mean - low.mean - least) / both.sqrt();
        StudentsT::new(0.0, 1.0, freedom).map_or(0.0, |student| student.cdf(t))
    }
}

/// What segments of margins say.
struct Shifts {
    log_evidence: f64,
    worse: f64,
    fell: f64,
    rose: f64,
    /// That the product changed at all.
    changed: f64,
    /// By place: that the last change lies just before it, and was for the worse.
    at: Vec<(usize, f64)>,
    /// The means before and after the likeliest change.
    best: Option<(f64, f64)>,
}

/// A way in which the runs so far may be cut: where the last segment begins, and whether an outage hides it now.
#[derive(Clone)]
struct Path {
    place: usize,
    /// The share of all ways that it is.
    mass: f64,
    known: Known,
    outage: Option<Known>,
    /// That the segment began with a change of the product, not of the environment.
    product: f64,
    /// The segments that it may have followed, with their shares.
    before: Rc<[(f64, Known)]>,
}

/// A way with less than this share is left out.
const FORGOTTEN: f64 = 1e-4;
/// From a way with less than this share no other comes.
const BARREN: f64 = 5e-3;
/// How far below its usual level a margin lies in an outage, in scale units, give or take half of it.
const OUTAGE_DEPTH: f64 = 4.0;

impl Model<'_> {
    fn shifts(&self, steps: &[Step], values: &[f64]) -> Shifts {
        let mut paths: Vec<Path> = Vec::new();
        let mut log_evidence = 0.0;
        for (place, (step, value)) in steps.iter().zip(values).enumerate() {
            if place == 0 {
                let known = self.nothing(0.0, MEAN_WEIGHT);
                paths.push(Path { place, mass: 1.0, known, outage: None, product: 0.0, before: Rc::new([]) });
            } else {
                self.advance(&mut paths, place, *step);
            }
            let mut total = 0.0;
            for path in &mut paths {
                let hidden = path.outage.as_mut();
                let seen = hidden.unwrap_or(&mut path.known);
                let (density, next) = self.with(seen, *value);
                *seen = next;
                path.mass *= density;
                total += path.mass;
            }
            if total <= 0.0 || !total.is_finite() {
                return Shifts {
                    log_evidence: f64::NEG_INFINITY,
                    worse: 0.0,
                    fell: 0.0,
                    rose: 0.0,
                    changed: 0.0,
                    at: vec![],
                    best: None,
                };
            }
            log_evidence += total.ln();
            paths.iter_mut().for_each(|path| path.mass /= total);
            paths.retain(|path| path.mass > FORGOTTEN);
        }
        self.told(log_evidence, &paths, values.len())
    }

    fn advance(&self, paths: &mut Vec<Path>, place: usize, step: Step) {
        let hazards = Hazards::of(self.priors, step);
        let product = if step.version { self.priors.pace.margin } else { 0.0 };
        let Priors { outage_end, outage_returns, .. } = *self.priors;
        let open: f64 = paths.iter().filter(|path| path.outage.is_none()).map(|path| path.mass).sum();
        let hidden = 1.0 - open;
        let environment = hazards.environment * open + outage_end * (1.0 - outage_returns) * hidden;
        let mass = product * open + environment;
        let likely = paths.iter().filter(|path| path.mass > BARREN).map(|path| (path.mass, path.known));
        let next = Path {
            place,
            mass,
            known: self.nothing(0.0, MEAN_WEIGHT),
            outage: None,
            product: product * open / mass,
            before: likely.collect(),
        };
        let mut more = vec![next];
        for path in paths.iter_mut() {
            let share = if path.outage.is_some() { outage_end * outage_returns } else { hazards.outage };
            if path.mass > BARREN {
                let outage = match path.outage {
                    Some(_) => None,
                    None => Some(self.nothing(path.known.mean - OUTAGE_DEPTH, 4.0 / OUTAGE_DEPTH.powi(2))),
                };
                more.push(Path { mass: path.mass * share, outage, ..path.clone() });
            }
            path.mass *= if path.outage.is_some() {
                1.0 - outage_end
            } else {
                1.0 - product - hazards.environment - hazards.outage
            };
        }
        paths.append(&mut more);
    }

    fn told(&self, log_evidence: f64, paths: &[Path], runs: usize) -> Shifts {
        let mut shifts =
            Shifts { log_evidence, worse: 0.0, fell: 0.0, rose: 0.0, changed: 0.0, at: Vec::new(), best: None };
        let mut most = 0.0;
        for path in paths.iter().filter(|path| path.outage.is_none()) {
            let total: f64 = path.before.iter().map(|(mass, _)| mass).sum();
            if total <= 0.0 {
                continue;
            }
            let over = |chance: &dyn Fn(&Known) -> f64| {
                path.before.iter().map(|(mass, before)| mass * chance(before)).sum::<f64>() / total
            };
            let share = path.mass * path.product;
            shifts.changed += share;
            if runs - path.place < LEAST_AFTER || share < FORGOTTEN {
                continue;
            }
            let fell = over(&|before| self.above(before, &path.known, LEAST_SHIFT));
            let rose = over(&|before| self.above(&path.known, before, LEAST_SHIFT));
            shifts.fell += share * fell;
            shifts.rose += share * rose;
            // Whether margins rather fall than rise in this project.
            let [fall, rise] = [self.priors.margin_falls, 1.0 - self.priors.margin_falls].map(|share| 2.0 * share);
            let worse =
                share * fall * fell / (fall * fell + rise * rose + (1.0 - fell - rose).max(0.0)).max(f64::MIN_POSITIVE);
            shifts.worse += worse;
            shifts.at.push((path.place, worse));
            if worse > most {
                most = worse;
                shifts.best = Some((over(&|before| before.mean), path.known.mean));
            }
        }
        shifts
    }
}
