//! Everything that is measured of one piece of audio, measured once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::decode::{self, RawPcm, Samples};
use super::similarity::Shape;
use super::spectrum::Spectrum;

/// Where digital silence ends up, so that its loudness is a number too.
const SILENCE_DBFS: f64 = -120.0;
/// Sounds that are remembered; 6 s of audio take about 25 kB.
const REMEMBERED: usize = 1024;

/// What is known of a piece of audio that could be decoded.
#[derive(Debug)]
pub(super) struct Sound {
    /// Hz.
    pub(super) rate: u32,
    pub(super) channels: u32,
    pub(super) seconds: f64,
    /// RMS over all channels, in dB; 0 is a full-scale square wave, a full-scale sine is -3.
    pub(super) loudness_dbfs: f64,
    /// See [`Spectrum::tonality`].
    pub(super) tonality: f64,
    pub(super) shape: Shape,
}

impl Sound {
    fn of(samples: &Samples) -> Sound {
        let spectrum = Spectrum::of(samples);
        Sound {
            rate: samples.rate,
            channels: samples.channels,
            seconds: samples.frames as f64 / f64::from(samples.rate),
            loudness_dbfs: (10.0 * samples.mean_square.log10()).max(SILENCE_DBFS),
            tonality: spectrum.tonality,
            shape: Shape::of(&spectrum),
        }
    }
}

/// Sounds by the hash of their bytes: every query of a spec asks for the same few again and again.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    known: Mutex<HashMap<Key, Option<Arc<Sound>>>>,
}

type Key = ([u8; 32], Option<RawPcm>);

impl Sounds {
    /// The sound of these bytes; `None` where they can't be decoded.
    pub(super) fn get(&self, bytes: &[u8], raw: Option<RawPcm>) -> Option<Arc<Sound>> {
        let key = (Sha256::digest(bytes).into(), raw);
        if let Some(sound) = self.lock().get(&key) {
            return sound.clone();
        }
        let sound = decode::decode(bytes, raw).map(|samples| Arc::new(Sound::of(&samples)));
        let mut known = self.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, sound.clone());
        sound
    }

    // Nothing is half-done under the lock, so what a panicked thread left is whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Option<Arc<Sound>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
