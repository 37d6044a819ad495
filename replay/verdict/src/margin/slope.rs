//! What creeps: slopes of margins, and whether they are more than chance.

use statrs::distribution::{ContinuousCDF, Normal};

use super::Measured;
use crate::segments::Step;

/// A slope that chance explains as well as this is none.
const CHANCE: f64 = 0.005;

/// A margin that creeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The change with every run, in the assertion's unit; negative towards the bound.
    pub per_run: f64,
    /// At this rate the bound is crossed after so many further runs; none where it moves away or is crossed.
    pub runs_left: Option<f64>,
}

/// How many different values a clock has.
pub fn values_of(clock: &[f64]) -> usize {
    clock.chunk_by(|one, other| one == other).count()
}

/// Runs, one after the other.
pub fn by_run(steps: &[Step]) -> Vec<f64> {
    (0..steps.len()).map(|place| place as f64).collect()
}

/// Runs, one after the other, from a third of all on or from two thirds: what creeps had a beginning.
pub fn from_a_third(steps: &[Step], thirds: usize) -> Vec<f64> {
    (0..steps.len()).map(|place| place.saturating_sub(thirds * steps.len() / 3) as f64).collect()
}

/// Versions, one after the other.
pub fn by_version(steps: &[Step]) -> Vec<f64> {
    let mut version = 0.0;
    let next = |step: &Step| {
        version += f64::from(u8::from(step.version));
        version
    };
    steps.iter().map(next).collect()
}

/// Sen's slope: the median of all slopes, of a sample of pairs where there are many.
pub fn sen(clock: &[f64], values: &[f64]) -> f64 {
    let apart = values.len().div_ceil(64).max(1);
    let mut slopes = Vec::new();
    for first in (0..values.len()).step_by(apart) {
        for second in first + 1..values.len() {
            if clock[second] > clock[first] {
                slopes.push((values[second] - values[first]) / (clock[second] - clock[first]));
            }
        }
    }
    median(slopes)
}

/// The drift of the last versions, where Mann's test sees one and it is no step.
pub fn drift(kept: &[Measured], creeps: f64) -> Option<Drift> {
    if creeps < 0.5 {
        return None;
    }
    let values: Vec<f64> = kept.iter().map(|run| run.margin).collect();
    if trend_by_chance(&values) > CHANCE {
        return None;
    }
    let clock: Vec<f64> = (0..values.len()).map(|place| place as f64).collect();
    let per_run = sen(&clock, &values);
    if per_run == 0.0 {
        return None;
    }
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let level =
        median(values.iter().enumerate().map(|(place, value)| value - per_run * (place as f64 - middle)).collect());
    let now = level + per_run * middle;
    let runs_left = (per_run < 0.0 && now > 0.0).then(|| (now / -per_run).ceil());
    Some(Drift { per_run, runs_left })
}

/// How probable so much order would be by chance, both sides, with ties.
pub fn trend_by_chance(values: &[f64]) -> f64 {
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

/// The middle of some values; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
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
