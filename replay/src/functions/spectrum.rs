//! What a sound looks like over time: a small picture of bands and frames, and how much of it stands still.

use symphonia::core::dsp::complex::Complex;
use symphonia::core::dsp::fft::Fft;

use super::decode::Samples;

/// Frames begin this often. Two recordings of the same sound lie at most half of it apart.
pub(super) const HOP_SECONDS: f64 = 0.02;
/// At least so long is a frame: the next power of two samples.
const WINDOW_SECONDS: f64 = 0.08;
/// Speech lives here, and every codec and sample rate in use keeps it.
const BAND_EDGES_HZ: (f64, f64) = (120.0, 3800.0);
/// Bands of a frame, equally wide in mel.
pub(super) const BANDS: usize = 20;
/// One frame in so many is looked at bin by bin; these frames hardly overlap.
const LOOK_EVERY: usize = 4;
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
        let (bands, looks) = Frames::new(samples).of(&samples.mono);
        let loudest = looks.iter().map(Look::total).fold(0.0, f32::max);
        if loudest <= f32::MIN_POSITIVE {
            return Spectrum { bands, tonality: 0.0 };
        }
        let heard: Vec<&Look> = looks.iter().filter(|look| look.total() > loudest * SILENCE).collect();
        let tonality = ((steadiness(&heard) - NOISE_STEADINESS) / (1.0 - NOISE_STEADINESS)).clamp(0.0, 1.0);
        Spectrum { bands, tonality }
    }
}

/// The power of every bin in one frame.
struct Look(Vec<f32>);

impl Look {
    fn of(spectrum: &[Complex<f32>]) -> Look {
        // The lowest bins hold the offset and the rumble that a codec may drop.
        Look(spectrum[2..].iter().map(Complex::norm_sqr).collect())
    }

    fn total(&self) -> f32 {
        self.0.iter().sum()
    }
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
        let length = 1_usize << (rate * WINDOW_SECONDS).log2().ceil().clamp(5.0, 12.0) as u32;
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

    /// The bands of every frame, and a closer look at every [`LOOK_EVERY`]th.
    fn of(&self, mono: &[f32]) -> (Vec<[f32; BANDS]>, Vec<Look>) {
        let length = self.window.len();
        let mut fft = Fft::new(length);
        let mut spectrum = vec![Complex::default(); length];
        let (mut bands, mut looks) = (Vec::new(), Vec::new());
        for start in (0..mono.len().saturating_sub(length)).step_by(self.hop) {
            let frame = &mono[start..start + length];
            for (i, bin) in spectrum.iter_mut().enumerate() {
                *bin = Complex::new(frame[i] * self.window[i], 0.0);
            }
            fft.fft_inplace(&mut spectrum);
            if bands.len() % LOOK_EVERY == 0 {
                looks.push(Look::of(&spectrum[..length / 2]));
            }
            bands.push(self.bands(&spectrum));
        }
        (bands, looks)
    }

    fn bands(&self, spectrum: &[Complex<f32>]) -> [f32; BANDS] {
        let mut bands = [0.0; BANDS];
        for (band, edge) in bands.iter_mut().zip(self.edges.windows(2)) {
            *band = spectrum[edge[0]..edge[1]].iter().map(Complex::norm_sqr).sum();
        }
        bands
    }
}

/// How much of the energy stays where it is from frame to frame: over each bin the geometric by the arithmetic mean of
/// its share in the frame, weighted by that share. Loudness that comes and goes doesn't matter; pitch that does, does.
fn steadiness(looks: &[&Look]) -> f64 {
    let Some(first) = looks.first() else { return 0.0 };
    let mut logs = vec![0.0_f32; first.0.len()];
    for look in looks {
        let scale = 1.0 / look.total();
        for (log, power) in logs.iter_mut().zip(&look.0) {
            *log += (power * scale).max(1e-9).ln();
        }
    }
    let count = looks.len() as f32;
    logs.iter().map(|log| f64::from((log / count).exp())).sum()
}

fn mel(hz: f64) -> f64 {
    2595.0 * (1.0 + hz / 700.0).log10()
}

fn hz(mel: f64) -> f64 {
    700.0 * (10_f64.powf(mel / 2595.0) - 1.0)
}
