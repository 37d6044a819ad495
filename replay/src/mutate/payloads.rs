//! Payloads that are no longer what they were: nothing, half of it, silence, one frame again and again.

use arrow::array::RecordBatch;

use super::facts::Group;
use super::rows::text;
use crate::functions::adts_frames;

/// A frame of silence of AAC-LC without its header, for one channel and for two: all-zero spectra.
const SILENT_MONO: [u8; 6] = [0x00, 0xc8, 0x00, 0x80, 0x23, 0x80];
const SILENT_STEREO: [u8; 9] = [0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];
const HEADER_BYTES: usize = 7;

/// Payloads by what first carries them.
pub fn groups(blobs: &RecordBatch, packets: &RecordBatch) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in 0..blobs.num_rows() {
        let hash = format!("\"{}\"", text(blobs, "sha256", row));
        let carrier = (0..packets.num_rows()).find(|packet| text(packets, "args", *packet).contains(&hash));
        let Some(carrier) = carrier else { continue };
        let words = ["tap", "direction", "event"].map(|column| text(packets, column, carrier));
        let what = format!("payload of {}", words.join(" "));
        match groups.iter_mut().find(|group| group.what == what) {
            Some(group) => group.facts.push(vec![row]),
            None => groups.push(Group { what, facts: vec![vec![row]] }),
        }
    }
    groups
}

/// What a payload may be instead, each with the word for it.
pub fn instead(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut instead = vec![("emptied", Vec::new()), ("cut to its first half", bytes[..bytes.len() / 2].to_vec())];
    instead.extend(silent(bytes).map(|silent| ("made silent", silent)));
    instead.extend(stuck(bytes).map(|stuck| ("stuck at one frame", stuck)));
    instead.retain(|(_, other)| other != bytes);
    instead
}

/// As long as before, and silent: ADTS and WAV stay what they are, and of other bytes, raw PCM among them, all are 0.
fn silent(bytes: &[u8]) -> Option<Vec<u8>> {
    if let Some(frames) = adts_frames(bytes) {
        return frames.into_iter().map(silent_frame).collect::<Option<Vec<_>>>().map(|frames| frames.concat());
    }
    let sound_at = match bytes.starts_with(b"RIFF") {
        true => bytes.windows(4).position(|window| window == b"data")? + 8,
        false => 0,
    };
    let (header, sound) = bytes.split_at_checked(sound_at)?;
    Some([header, &vec![0; sound.len()]].concat())
}

/// The frame with silence in it, without a checksum. `None` for more channels than two.
fn silent_frame(frame: &[u8]) -> Option<Vec<u8>> {
    let mut header: [u8; HEADER_BYTES] = *frame.first_chunk()?;
    let channels = (header[2] & 1) << 2 | header[3] >> 6;
    let silence: &[u8] = match channels {
        1 => &SILENT_MONO,
        2 => &SILENT_STEREO,
        _ => return None,
    };
    let length = HEADER_BYTES + silence.len();
    header[1] |= 1;
    header[3] = header[3] & 0xfc | (length >> 11) as u8 & 3;
    header[4] = (length >> 3) as u8;
    header[5] = (length << 5) as u8 | header[5] & 0x1f;
    Some([&header, silence].concat())
}

/// Its frame in the middle again and again, or a second of what has no frames.
fn stuck(bytes: &[u8]) -> Option<Vec<u8>> {
    let frames = adts_frames(bytes)?;
    let frame = frames.get(frames.len() / 2)?;
    Some(frame.repeat(frames.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of AAC-LC at 44.1 kHz, stereo, of so many bytes each.
    fn adts(sizes: &[usize]) -> Vec<u8> {
        let frame = |size: &usize| {
            let length = size + HEADER_BYTES;
            let (high, middle, low) = ((length >> 11) as u8, (length >> 3) as u8, (length << 5) as u8);
            [vec![0xff, 0xf1, 0x50, 0x80 | high, middle, low | 0x1f, 0xfc], vec![*size as u8; *size]].concat()
        };
        sizes.iter().flat_map(frame).collect()
    }

    #[test]
    fn silence_has_as_many_frames_as_the_sound() {
        let silent = silent(&adts(&[40, 300, 50])).unwrap_or_default();
        assert_eq!(
            silent,
            adts(&[9; 3]).chunks(16).map(|frame| [&frame[..7], &SILENT_STEREO].concat()).collect::<Vec<_>>().concat()
        );
        assert_eq!(adts_frames(&silent).map(|frames| frames.len()), Some(3));
    }

    #[test]
    fn a_wav_keeps_its_header() {
        let wav = [b"RIFF....WAVEfmt ....data....".as_slice(), &[1, 2, 3, 4]].concat();
        assert_eq!(silent(&wav), Some([&wav[..28], &[0; 4]].concat()));
        assert_eq!(silent(&[1, 2, 3]), Some(vec![0; 3]), "raw");
    }

    #[test]
    fn every_payload_that_comes_instead_is_another() {
        let words: Vec<&str> = instead(&adts(&[40, 300, 50])).into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ["emptied", "cut to its first half", "made silent", "stuck at one frame"]);
        assert_eq!(instead(&[0, 0]).len(), 2, "it is silent already");
        assert!(instead(&[]).is_empty());
    }
}
