//! Encoded bytes become samples. Decoding never fails loudly: what can't be decoded is `None`, and a stream that breaks
//! off is what was decoded up to there.

use std::io::Cursor;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats::{AdtsReader, IsoMp4Reader, MpaReader, WavReader};

use super::sniff;

/// Spectra need no more than this; what is above is thinned out, by halves.
const KEPT_RATE_HZ: u32 = 8_000;
/// Spectra are taken of this much and no more, so that a payload that unpacks to hours can't fill the memory.
const KEPT_SECONDS: usize = 120;

/// Raw PCM, which has no header to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RawPcm {
    /// Hz.
    pub(super) rate: u32,
    pub(super) channels: u32,
}

impl RawPcm {
    /// Raw 16-bit little-endian PCM, where that is what the sender claims and the bytes don't say otherwise.
    pub(super) fn claimed(
        bytes: &[u8],
        format: Option<&str>,
        rate: Option<i64>,
        channels: Option<i64>,
    ) -> Option<RawPcm> {
        let is_raw = matches!(format?, "pcm_s16le" | "s16le" | "pcm") && sniff::codec(bytes).is_none();
        let rate = u32::try_from(rate?).ok().filter(|rate| (1000..=384_000).contains(rate))?;
        let channels = u32::try_from(channels?).ok().filter(|channels| (1..=32).contains(channels))?;
        is_raw.then_some(RawPcm { rate, channels })
    }
}

/// Decoded audio.
#[derive(Debug)]
pub(super) struct Samples {
    /// Hz, as the bytes say.
    pub(super) rate: u32,
    pub(super) channels: u32,
    /// Samples per channel.
    pub(super) frames: u64,
    /// Of all channels; 1 is a full-scale square wave.
    pub(super) mean_square: f64,
    /// The mean of the channels, thinned out, of the first two minutes.
    pub(super) mono: Vec<f32>,
    /// Samples of `mono` in a second.
    pub(super) mono_rate: f64,
}

/// Decodes `bytes` by what they are, or as raw PCM where that is given.
pub(super) fn decode(bytes: &[u8], raw: Option<RawPcm>) -> Option<Samples> {
    let samples = match raw {
        Some(raw) => decode_raw(bytes, raw),
        None => decode_apart(bytes)?,
    };
    (samples.frames > 0).then_some(samples)
}

fn decode_raw(bytes: &[u8], raw: RawPcm) -> Samples {
    let mut mixer = Mixer::default();
    mixer.begin(raw.rate, raw.channels);
    for block in bytes.chunks(4096 * raw.channels as usize) {
        let samples = block.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0);
        mixer.add(&samples.collect::<Vec<f32>>());
    }
    mixer.finish()
}

/// Symphonia's readers meet whatever a stranger's recording holds, and its MP4 reader is known to assert on offsets that
/// point nowhere (0.6.1, `seek_buffered`). In a thread of its own that costs one blob, not the whole judgement.
fn decode_apart(bytes: &[u8]) -> Option<Samples> {
    std::thread::scope(|scope| {
        let decoder = std::thread::Builder::new().name("decode".to_owned());
        decoder.spawn_scoped(scope, || decode_container(bytes)).ok()?.join().ok()?
    })
}

fn decode_container(bytes: &[u8]) -> Option<Samples> {
    let mut reader = open(bytes)?;
    let track = reader.default_track(TrackType::Audio)?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref()?.audio()?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).ok()?;
    let mut mixer = Mixer::default();
    // Any error of the reader is the end: of the stream, or of what can be understood of it.
    while let Ok(Some(packet)) = reader.next_packet() {
        if packet.track_id == track_id && !take(decoder.as_mut(), &packet, &mut mixer) {
            break;
        }
    }
    Some(mixer.finish())
}

/// Decodes one packet into the mixer; false where the decoder can't go on.
fn take(decoder: &mut dyn AudioDecoder, packet: &symphonia::core::packet::Packet, mixer: &mut Mixer) -> bool {
    match decoder.decode(packet) {
        Ok(audio) => {
            mixer.begin(audio.spec().rate(), audio.spec().channels().count() as u32);
            mixer.add_decoded(&audio)
        }
        Err(Error::DecodeError(_) | Error::IoError(_)) => true,
        Err(_) => false,
    }
}

fn open(bytes: &[u8]) -> Option<Box<dyn FormatReader + '_>> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let options = FormatOptions::default();
    match sniff::codec(bytes)? {
        "aac" if !bytes.starts_with(b"ID3") => Some(Box::new(AdtsReader::try_new(stream, options).ok()?)),
        "mp3" if !bytes.starts_with(b"ID3") => Some(Box::new(MpaReader::try_new(stream, options).ok()?)),
        "m4a" => Some(Box::new(IsoMp4Reader::try_new(stream, options).ok()?)),
        "wav" => Some(Box::new(WavReader::try_new(stream, options).ok()?)),
        "aac" | "mp3" => {
            let probe = symphonia::default::get_probe();
            probe.probe(&Hint::new(), stream, options, MetadataOptions::default()).ok()
        }
        _ => None,
    }
}

/// Sums up what is decoded, block by block.
#[derive(Default)]
struct Mixer {
    rate: u32,
    channels: u32,
    /// Frames that become one sample of `mono`: a power of two, as the blocks of every codec hold whole ones of.
    thinning: usize,
    frames: u64,
    squares: f64,
    mono: Vec<f32>,
    block: Vec<f32>,
}

impl Mixer {
    /// The first block decides; a stream that changes its rate later is measured by the first one.
    fn begin(&mut self, rate: u32, channels: u32) {
        if self.rate == 0 {
            (self.rate, self.channels) = (rate, channels.max(1));
            self.thinning = 1 << (rate / KEPT_RATE_HZ).max(1).ilog2();
        }
    }

    fn add_decoded(&mut self, audio: &symphonia::core::audio::GenericAudioBufferRef<'_>) -> bool {
        if audio.spec().rate() != self.rate || audio.spec().channels().count() as u32 != self.channels {
            return false;
        }
        let mut block = std::mem::take(&mut self.block);
        audio.copy_to_vec_interleaved(&mut block);
        self.add(&block);
        self.block = block;
        true
    }

    fn add(&mut self, interleaved: &[f32]) {
        let channels = self.channels as usize;
        self.frames += (interleaved.len() / channels) as u64;
        self.squares += interleaved.iter().fold(0.0, |sum, sample| sum + f64::from(sample * sample));
        let room = (self.rate as usize / self.thinning * KEPT_SECONDS).saturating_sub(self.mono.len());
        let group = channels * self.thinning;
        let groups = interleaved.chunks_exact(group).take(room);
        self.mono.extend(groups.map(|group_of| group_of.iter().sum::<f32>() / group as f32));
    }

    fn finish(self) -> Samples {
        let count = self.frames as f64 * f64::from(self.channels);
        Samples {
            rate: self.rate,
            channels: self.channels,
            frames: self.frames,
            mean_square: if count > 0.0 { self.squares / count } else { 0.0 },
            mono: self.mono,
            mono_rate: f64::from(self.rate) / self.thinning.max(1) as f64,
        }
    }
}
