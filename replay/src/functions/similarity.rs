//! Whether two sounds are the same one.
//!
//! Compared are the shapes of the spectra over time: every band as a logarithm, less the frame's mean (so that loudness
//! drops out) and less the band's mean over the sound (so that what all speech has in common drops out). The answer is
//! the largest normalised cross-correlation over all shifts up to [`MAX_SHIFT_SECONDS`].

use super::spectrum::{BANDS, HOP_SECONDS, Spectrum};

/// How far one sound may lie behind the other and still be the same.
const MAX_SHIFT_SECONDS: f64 = 1.2;
/// Quieter bands than this part of the mean are all alike, so that silence and codec noise have no shape.
const FLOOR: f32 = 1e-3;
/// Shapes that vary less than this (nepers squared per band) stand still, and are compared as they stand.
const STILL: f32 = 0.02;

/// The shape of a sound over time, without its loudness.
#[derive(Debug)]
pub(super) struct Shape {
    frames: Vec<[f32; BANDS]>,
    /// The square of each frame.
    squares: Vec<f32>,
    /// The mean over time that was taken out of every frame.
    mean: [f32; BANDS],
    silent: bool,
}

impl Shape {
    pub(super) fn of(spectrum: &Spectrum) -> Shape {
        let count = (spectrum.bands.len() * BANDS).max(1) as f32;
        let level = spectrum.bands.iter().flatten().sum::<f32>() / count;
        let mut frames: Vec<_> = spectrum.bands.iter().map(|bands| logarithms(bands, level * FLOOR)).collect();
        let mut mean = [0.0; BANDS];
        for frame in &frames {
            add(&mut mean, frame, 1.0 / spectrum.bands.len() as f32);
        }
        for frame in &mut frames {
            add(frame, &mean, -1.0);
        }
        let squares = frames.iter().map(|frame| dot(frame, frame)).collect();
        Shape { frames, squares, mean, silent: level <= f32::MIN_POSITIVE }
    }

    fn is_still(&self) -> bool {
        self.squares.iter().sum::<f32>() < STILL * (self.frames.len() * BANDS) as f32
    }
}

/// 1 for the same sound, near 0 for unrelated ones, never below 0; `None` where one of them is shorter than a frame.
pub(super) fn similarity(a: &Shape, b: &Shape) -> Option<f64> {
    if a.frames.is_empty() || b.frames.is_empty() {
        return None;
    }
    match (a.silent, b.silent) {
        (true, true) => return Some(1.0),
        (false, false) => {}
        _ => return Some(0.0),
    }
    if a.is_still() && b.is_still() {
        return Some(cosine(dot(&a.mean, &b.mean), dot(&a.mean, &a.mean), dot(&b.mean, &b.mean)));
    }
    let shortest = a.frames.len().min(b.frames.len());
    let furthest = ((MAX_SHIFT_SECONDS / HOP_SECONDS) as usize).min(shortest / 2);
    let later_b = (0..=furthest).map(|shift| overlap(a, 0, b, shift));
    let later_a = (1..=furthest).map(|shift| overlap(a, shift, b, 0));
    Some(later_b.chain(later_a).fold(0.0, f64::max))
}

/// The correlation of what both have, where `a` begins at frame `from_a` and `b` at `from_b`.
fn overlap(a: &Shape, from_a: usize, b: &Shape, from_b: usize) -> f64 {
    let product = a.frames[from_a..].iter().zip(&b.frames[from_b..]).map(|(a, b)| dot(a, b)).sum();
    let length = (a.frames.len() - from_a).min(b.frames.len() - from_b);
    let square_a = a.squares[from_a..][..length].iter().sum();
    let square_b = b.squares[from_b..][..length].iter().sum();
    cosine(product, square_a, square_b)
}

fn cosine(product: f32, square_a: f32, square_b: f32) -> f64 {
    let norm = f64::from(square_a).sqrt() * f64::from(square_b).sqrt();
    if norm > 0.0 { (f64::from(product) / norm).clamp(0.0, 1.0) } else { 0.0 }
}

/// The bands as logarithms, less their mean.
fn logarithms(bands: &[f32; BANDS], floor: f32) -> [f32; BANDS] {
    let logs = bands.map(|power| (power + floor).max(f32::MIN_POSITIVE).ln());
    let mean = logs.iter().sum::<f32>() / BANDS as f32;
    logs.map(|log| log - mean)
}

fn add(to: &mut [f32; BANDS], what: &[f32; BANDS], times: f32) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what * times;
    }
}

fn dot(a: &[f32; BANDS], b: &[f32; BANDS]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
