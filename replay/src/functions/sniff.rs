//! What a payload is, by its first bytes. What a sender claims is never asked here.

/// The name of what the bytes hold: `aac` (ADTS), `m4a` (MP4 with audio or not), `mp3`, `wav`, `flac`, `ogg`; `None`
/// for everything without a signature, raw PCM among it.
///
/// ADTS and MP3 have a sync word of 11 or 12 bits, which noise hits often: both are believed only where a second
/// header follows at the distance that the first one tells, or the bytes end exactly there.
pub(super) fn codec(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        return Some("wav");
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some("m4a");
    }
    if bytes.starts_with(b"fLaC") {
        return Some("flac");
    }
    if bytes.starts_with(b"OggS") {
        return Some("ogg");
    }
    let sound = after_id3(bytes);
    if repeats(sound, adts_frame_length) {
        return Some("aac");
    }
    if repeats(sound, mp3_frame_length) {
        return Some("mp3");
    }
    None
}

/// The sizes of ADTS frames without their headers, as other containers carry them, each with a space before and the last
/// with one behind: a stretch of sound found in another place by the sizes of its packets. `None` for all but ADTS.
pub(super) fn frame_sizes(bytes: &[u8]) -> Option<String> {
    let mut sizes = String::new();
    for frame in adts_frames(bytes)? {
        let header = if frame[1] & 1 == 1 { 7 } else { 9 };
        sizes.push(' ');
        sizes.push_str(&frame.len().saturating_sub(header).to_string());
    }
    sizes.push(' ');
    Some(sizes)
}

/// The whole ADTS frames, each at least a header of 7 bytes. `None` for all but ADTS.
pub fn adts_frames(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    if codec(bytes)? != "aac" {
        return None;
    }
    let (mut rest, mut frames) = (after_id3(bytes), Vec::new());
    while let Some((frame, after)) = adts_frame_length(rest).and_then(|length| rest.split_at_checked(length)) {
        frames.push(frame);
        rest = after;
    }
    Some(frames)
}

/// The bytes after an ID3v2 tag, which both MP3 files and ADTS segments of HLS carry.
fn after_id3(bytes: &[u8]) -> &[u8] {
    let Some([b'I', b'D', b'3', _, _, _, a, b, c, d]) = bytes.first_chunk::<10>() else { return bytes };
    let size = [a, b, c, d].iter().fold(0, |size, part| size << 7 | usize::from(*part & 0x7f));
    bytes.get(10 + size..).unwrap_or_default()
}

fn repeats(bytes: &[u8], frame_length: fn(&[u8]) -> Option<usize>) -> bool {
    let Some(length) = frame_length(bytes) else { return false };
    match bytes.get(length..) {
        Some([]) => true,
        Some(rest) => frame_length(rest).is_some(),
        None => false,
    }
}

fn adts_frame_length(bytes: &[u8]) -> Option<usize> {
    let [0xff, sync, rate, a, b, c, _] = bytes.first_chunk::<7>()? else { return None };
    let layer_and_sync = sync & 0xf6;
    let rate_index = rate >> 2 & 0xf;
    let length = usize::from(a & 3) << 11 | usize::from(*b) << 3 | usize::from(c >> 5);
    (layer_and_sync == 0xf0 && rate_index < 13 && length > 7).then_some(length)
}

fn mp3_frame_length(bytes: &[u8]) -> Option<usize> {
    const KBPS_MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const KBPS_MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    const RATES: [usize; 3] = [44100, 48000, 32000];
    let [0xff, second, third, _] = bytes.first_chunk::<4>()? else { return None };
    let layer_three = second & 0xe6 == 0xe2;
    let (kbps, samples, divisor) = match second >> 3 & 3 {
        3 => (KBPS_MPEG1, 144, 1),
        2 => (KBPS_MPEG2, 72, 2),
        0 => (KBPS_MPEG2, 72, 4),
        _ => return None,
    };
    let bit_rate = 1000 * kbps.get(usize::from(third >> 4))?;
    let rate = RATES.get(usize::from(third >> 2 & 3))? / divisor;
    let padding = usize::from(third >> 1 & 1);
    (layer_three && bit_rate > 0).then(|| samples * bit_rate / rate + padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_headers_make_a_stream_and_one_makes_noise() {
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0];
        assert_eq!(adts_frame_length(&frame), Some(8));
        assert_eq!(codec(&frame), Some("aac"), "one frame that ends with the bytes");
        assert_eq!(codec(&[frame, frame].concat()), Some("aac"));
        assert_eq!(codec(&[frame, [7; 8]].concat()), None, "noise that begins like a header");
        assert_eq!(codec(&frame[..7]), None, "a frame that is cut off");
    }

    #[test]
    fn an_id3_tag_is_passed_over() {
        let tag = [b'I', b'D', b'3', 4, 0, 0, 0, 0, 0, 2, 9, 9];
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0];
        assert_eq!(codec(&[&tag[..], &frame, &frame].concat()), Some("aac"));
        assert_eq!(codec(&tag), None, "a tag and nothing after it");
    }

    #[test]
    fn frames_are_sized_without_their_headers() {
        let frame = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0];
        let with_checksum = [0xff, 0xf0, 0x50, 0x80, 0x01, 0x7f, 0xfc, 9, 9, 0, 0];
        assert_eq!(frame_sizes(&[&frame[..], &with_checksum, &frame].concat()).as_deref(), Some(" 1 2 1 "));
        assert_eq!(frame_sizes(&[&frame[..], &frame, &frame[..7]].concat()).as_deref(), Some(" 1 1 "), "a cut-off one");
        assert_eq!(frame_sizes(b"RIFF\0\0\0\0WAVEfmt "), None);
    }

    #[test]
    fn containers_go_by_their_magic() {
        assert_eq!(codec(b"RIFF\0\0\0\0WAVEfmt "), Some("wav"));
        assert_eq!(codec(b"\0\0\0\x1cftypM4A "), Some("m4a"));
        assert_eq!(codec(b"OggS\0"), Some("ogg"));
        assert_eq!(codec(b"fLaC\0"), Some("flac"));
        assert_eq!(codec(b""), None);
        assert_eq!(codec(b"{\"not\": \"audio\"}"), None);
    }
}
