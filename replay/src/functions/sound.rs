//! Everything that is measured of one piece of audio, measured once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::decode::{self, RawPcm, Samples};
use super::similarity::{Shape, similarity};
use super::spectrum::Spectrum;

/// Where digital silence ends up, so that its loudness is a number too.
const SILENCE_DBFS: f64 = -120.0;
/// Sounds that are remembered, and comparisons; 6 s of audio take about 25 kB.
const REMEMBERED: usize = 1024;

/// What is known of a piece of audio that could be decoded.
#[derive(Debug)]
pub(super) struct Sound {
    key: Key,
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
    fn of(key: Key, samples: &Samples) -> Sound {
        let spectrum = Spectrum::of(samples);
        Sound {
            key,
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
    compared: Mutex<HashMap<(Key, Key), Option<f64>>>,
}

type Key = ([u8; 32], Option<RawPcm>);

impl Sounds {
    /// The sound of these bytes; `None` where they can't be decoded.
    pub(super) fn get(&self, bytes: &[u8], raw: Option<RawPcm>) -> Option<Arc<Sound>> {
        let key = (Sha256::digest(bytes).into(), raw);
        if let Some(sound) = lock(&self.known).get(&key) {
            return sound.clone();
        }
        let sound = decode::decode(bytes, raw).map(|samples| Arc::new(Sound::of(key, &samples)));
        remember(&self.known, key, sound.clone());
        sound
    }

    /// How much two sounds are the same, as [`similarity`] says of their shapes.
    pub(super) fn similarity(&self, a: &Sound, b: &Sound) -> Option<f64> {
        let key = (a.key, b.key);
        if let Some(similarity) = lock(&self.compared).get(&key) {
            return *similarity;
        }
        let similarity = similarity(&a.shape, &b.shape);
        remember(&self.compared, key, similarity);
        similarity
    }
}

fn remember<K: Eq + Hash, V>(known: &Mutex<HashMap<K, V>>, key: K, value: V) {
    let mut known = lock(known);
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, value);
}

// Nothing is half-done under a lock, so what a panicked thread left is whole.
fn lock<K, V>(known: &Mutex<HashMap<K, V>>) -> MutexGuard<'_, HashMap<K, V>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
