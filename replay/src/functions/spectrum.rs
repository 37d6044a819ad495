//! What a sound looks like over time: a small picture of bands and frames, and how much of it stands still.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::decode::Samples;

/// Frames begin this often. Two recordings of the same sound lie at most half of it apart.
pub(super) const HOP_SECONDS: f64 = 0.02;
const WINDOW_SECONDS: f64 = 0.08;
/// Speech lives here, and every codec and sample rate in use keeps it.
const BAND_EDGES_HZ: (f64, f64) = (120.0, 3800.0);
/// Bands of a frame, equally wide in mel.
pub(super) const BANDS: usize = 20;
/// Frames this far (in power) under the loudest are silence.
const SILENCE: f32 = 1e-4;
/// What stationary noise reaches in [`steadiness`]: the geometric over the arithmetic mean of an exponential
/// distribution, e^-γ.
const NOISE_STEADINESS: f64 = 0.561_459_483_6;

/// The spectral picture of a sound.
#[derive(Debug, Default)]
pub(super) struct Spectrum {
    /// Power in each band of each frame, one frame after the other.
    pub(super) bands: Vec<[f32; BANDS]>,
    /// 1 for a constant tone or chord, about 0 for noise and speech.
    pub(super) tonality: f64,
}

impl Spectrum {
    pub(super) fn of(samples: &Samples) -> Spectrum {
        let powers = Frames::new(samples).powers(&samples.mono);
        let loudest = powers.iter().map(|frame| frame.total).fold(0.0, f32::max);
        if loudest <= f32::MIN_POSITIVE {
            return Spectrum { bands: vec![[0.0; BANDS]; powers.len()], tonality: 0.0 };
        }
        let heard: Vec<&Frame> = powers.iter().filter(|frame| frame.total > loudest * SILENCE).collect();
        let tonality = ((steadiness(&heard) - NOISE_STEADINESS) / (1.0 - NOISE_STEADINESS)).clamp(0.0, 1.0);
        Spectrum { tonality, bands: powers.iter().map(|frame| frame.bands).collect() }
    }
}

struct Frame {
    total: f32,
    bins: Vec<f32>,
    bands: [f32; BANDS],
}

/// How the frames of one sample rate are cut and banded.
struct Frames {
    window: Vec<f32>,
    hop: usize,
    /// The first bin of each band, and the end of the last.
    edges: Vec<usize>,
}

impl Frames {
    fn new(samples: &Samples) -> Frames {
        let rate = samples.mono_rate;
        let length = 2 * (rate * WINDOW_SECONDS / 2.0).round().max(8.0) as usize;
        let hann = |i: usize| 0.5 - 0.5 * (std::f64::consts::TAU * i as f64 / length as f64).cos();
        let bin_of = |hz: f64| (hz * length as f64 / rate).round() as usize;
        let (low, high) = (mel(BAND_EDGES_HZ.0), mel(BAND_EDGES_HZ.1));
        let edge = |i: usize| bin_of(hz(low + (high - low) * i as f64 / BANDS as f64)).min(length / 2);
        Frames {
            window: (0..length).map(|i| hann(i) as f32).collect(),
            hop: (rate * HOP_SECONDS).round().max(1.0) as usize,
            edges: (0..=BANDS).map(edge).collect(),
        }
    }

    fn powers(&self, mono: &[f32]) -> Vec<Frame> {
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(self.window.len());
        let (mut input, mut output) = (fft.make_input_vec(), fft.make_output_vec());
        let mut frames = Vec::new();
        for start in (0..mono.len().saturating_sub(self.window.len())).step_by(self.hop) {
            for ((slot, sample), weight) in input.iter_mut().zip(&mono[start..]).zip(&self.window) {
                *slot = sample * weight;
            }
            // The lengths are those that the plan gave, so it can't refuse.
            if fft.process(&mut input, &mut output).is_ok() {
                frames.push(self.frame(&output));
            }
        }
        frames
    }

    fn frame(&self, spectrum: &[Complex<f32>]) -> Frame {
        // The lowest bins hold the offset and the rumble that a codec may drop.
        let bins: Vec<f32> = spectrum[2..].iter().map(|bin| bin.re * bin.re + bin.im * bin.im).collect();
        let mut bands = [0.0; BANDS];
        for (band, edge) in bands.iter_mut().zip(self.edges.windows(2)) {
            let range = edge[0].saturating_sub(2)..edge[1].saturating_sub(2);
            *band = bins.get(range).unwrap_or_default().iter().sum();
        }
        Frame { total: bins.iter().sum(), bins, bands }
    }
}

/// How much of the energy stays where it is from frame to frame: over each bin the geometric by the arithmetic mean of
/// its share in the frame, weighted by that share. Loudness that comes and goes doesn't matter; pitch that does, does.
fn steadiness(frames: &[&Frame]) -> f64 {
    let Some(first) = frames.first() else { return 0.0 };
    let mut logs = vec![0.0_f32; first.bins.len()];
    for frame in frames {
        let scale = 1.0 / frame.total;
        for (log, power) in logs.iter_mut().zip(&frame.bins) {
            *log += (power * scale).max(1e-9).ln();
        }
    }
    let count = frames.len() as f32;
    logs.iter().map(|log| f64::from((log / count).exp())).sum()
}

fn mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn hz(mel: f64) -> f64 {
    700.0 * (10_f64.powf(mel / 2595.0) - 1.0)
}
