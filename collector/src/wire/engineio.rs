//! Engine.IO packets, protocol 4 and 3: out of a WebSocket message or a polling body.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::EngineType;

/// The protocol's number decides the framing of polling bodies and of binary data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// `EIO=3` and older.
    V3,
    /// `EIO=4`.
    V4,
}

/// What an Engine.IO packet carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    Text(&'a str),
    Binary(Cow<'a, [u8]>),
}

/// An Engine.IO packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EnginePacket<'a> {
    pub kind: EngineType,
    pub data: Data<'a>,
}

/// A packet or what is wrong with it.
pub(super) type Read<'a> = Result<EnginePacket<'a>, String>;

/// Reads a packet that came as text.
pub(super) fn text(revision: Revision, bytes: &[u8]) -> Read<'_> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("text not UTF-8: {error}"))?;
    let Some(rest) = text.get(1..) else {
        return Err("an Engine.IO packet without a type".to_owned());
    };
    if let Some(base64) = text.strip_prefix('b') {
        return match revision {
            Revision::V4 => base64_data(base64),
            Revision::V3 => match base64.strip_prefix('4') {
                Some(base64) => base64_data(base64),
                None => Err("binary data that is no message".to_owned()),
            },
        };
    }
    Ok(EnginePacket { kind: engine_type(bytes[0].wrapping_sub(b'0'))?, data: Data::Text(rest) })
}

/// Reads a packet that came as binary data.
pub(super) fn binary(revision: Revision, bytes: &[u8]) -> Read<'_> {
    let data = match (revision, bytes) {
        (Revision::V4, data) => data,
        (Revision::V3, [4, data @ ..]) => data,
        (Revision::V3, _) => return Err("binary data that is no message".to_owned()),
    };
    Ok(EnginePacket { kind: EngineType::Message, data: Data::Binary(Cow::Borrowed(data)) })
}

fn base64_data(base64: &str) -> Read<'_> {
    match STANDARD.decode(base64) {
        Ok(bytes) => Ok(EnginePacket { kind: EngineType::Message, data: Data::Binary(Cow::Owned(bytes)) }),
        Err(error) => Err(format!("binary data that is not base64: {error}")),
    }
}

fn engine_type(number: u8) -> Result<EngineType, String> {
    Ok(match number {
        0 => EngineType::Open,
        1 => EngineType::Close,
        2 => EngineType::Ping,
        3 => EngineType::Pong,
        4 => EngineType::Message,
        5 => EngineType::Upgrade,
        6 => EngineType::Noop,
        _ => return Err("not an Engine.IO packet: unknown type".to_owned()),
    })
}

/// One packet of a polling body, with the bytes it was read from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub raw: &'a [u8],
    pub packet: Read<'a>,
}

/// The packets of a polling body. After a framing that can't be read nothing more comes.
pub(super) struct Payload<'a> {
    revision: Revision,
    rest: &'a [u8],
}

impl<'a> Payload<'a> {
    pub(super) fn new(revision: Revision, body: &'a [u8]) -> Payload<'a> {
        Payload { revision, rest: body }
    }

    /// `packet 0x1e packet 0x1e packet`
    fn separated(&mut self) -> Result<Part<'a>, String> {
        let body = std::str::from_utf8(self.rest).map_err(|error| format!("a polling body not UTF-8: {error}"))?;
        let end = body.find('\u{1e}').unwrap_or(body.len());
        let raw = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        let packet = text(self.revision, raw);
        Ok(Part { raw, packet })
    }

    /// `length:packet`, the length counted in UTF-16 units.
    fn counted(&mut self) -> Result<Part<'a>, String> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (length, rest) = self.rest.split_at(digits);
        let units = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
        let (Some(units), Some((b':', rest))) = (units, rest.split_first()) else {
            return Err("a polling body without a packet's length".to_owned());
        };
        let end = utf16_bytes(rest, units).ok_or("a polling body shorter than its packet")?;
        let (raw, rest) = rest.split_at(end);
        self.rest = rest;
        let packet = text(self.revision, raw);
        Ok(Part { raw, packet })
    }

    /// `0 or 1, digits as bytes, 0xff, packet`, the length counted in bytes.
    fn binary(&mut self) -> Result<Part<'a>, String> {
        let digits = self.rest[1..].iter().take_while(|byte| **byte < 10);
        let (mut units, mut count) = (0_usize, 0);
        for digit in digits {
            units = units.saturating_mul(10).saturating_add(usize::from(*digit));
            count += 1;
        }
        let Some((0xff, rest)) = self.rest[1 + count..].split_first() else {
            return Err("a polling body without a packet's length".to_owned());
        };
        let raw = rest.get(..units).ok_or("a polling body shorter than its packet")?;
        let packet = match self.rest[0] {
            0 => text(self.revision, raw),
            _ => binary(self.revision, raw),
        };
        self.rest = &rest[units..];
        Ok(Part { raw, packet })
    }
}

impl<'a> Iterator for Payload<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let part = match (self.revision, self.rest.first()?) {
            (Revision::V4, _) => self.separated(),
            (Revision::V3, 0 | 1) => self.binary(),
            (Revision::V3, _) => self.counted(),
        };
        Some(part.unwrap_or_else(|problem| Part { raw: std::mem::take(&mut self.rest), packet: Err(problem) }))
    }
}

/// How many bytes the first `units` UTF-16 units of `text` are.
fn utf16_bytes(text: &[u8], units: usize) -> Option<usize> {
    if text.get(..units)?.is_ascii() {
        return Some(units);
    }
    // A unit is at most three bytes, so no more than these are looked at.
    let text = &text[..text.len().min(units.saturating_mul(3))];
    let valid = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).ok()?,
    };
    let (mut left, mut bytes) = (units, 0);
    for character in valid.chars() {
        if left == 0 {
            break;
        }
        left = left.checked_sub(character.len_utf16())?;
        bytes += character.len_utf8();
    }
    (left == 0).then_some(bytes)
}
