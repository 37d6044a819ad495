//! What a blob is, by its first bytes; what its sender claims doesn't matter.

use serde::de::IgnoredAny;

const MAGIC: [(usize, &[u8], &str); 10] = [
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (8, b"WAVE", "audio/wav"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"%PDF-", "application/pdf"),
];

/// How far control characters are looked for.
const TEXT_BYTES: usize = 4096;

/// The media type of `bytes`; `application/octet-stream` where nothing fits.
pub(super) fn sniff(bytes: &[u8]) -> &'static str {
    for (offset, magic, name) in MAGIC {
        if bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic)) {
            return name;
        }
    }
    if is_adts(bytes) {
        return "audio/aac";
    }
    if is_mpeg_audio(bytes) {
        return "audio/mpeg";
    }
    sniff_text(bytes)
}

/// One ADTS frame, and where there is more, another one behind it: raw PCM can begin like one.
fn is_adts(bytes: &[u8]) -> bool {
    let begins = |at: &[u8]| at[0] == 0xff && at[1] & 0xf6 == 0xf0;
    let Some(head) = bytes.first_chunk::<7>() else {
        return false;
    };
    let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5]) >> 5;
    begins(head) && length >= 7 && bytes.get(length..length + 2).is_none_or(begins)
}

/// An MPEG audio frame header without the reserved values.
fn is_mpeg_audio(bytes: &[u8]) -> bool {
    let Some([sync, version, rate, _]) = bytes.first_chunk::<4>() else {
        return false;
    };
    *sync == 0xff
        && version & 0xe0 == 0xe0
        && version & 0x18 != 0x08
        && version & 0x06 != 0
        && rate & 0xf0 != 0xf0
        && rate & 0x0c != 0x0c
}

fn sniff_text(bytes: &[u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.bytes().take(TEXT_BYTES).any(is_control) => "application/octet-stream",
        Ok(text) if text.trim_start().starts_with(['{', '[']) && is_json(text) => "application/json",
        Ok(_) => "text/plain",
        Err(_) => "application/octet-stream",
    }
}

/// Small numbers are valid UTF-8, too.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !byte.is_ascii_whitespace() && byte != b'\x1b'
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
