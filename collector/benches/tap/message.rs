//! The messages of the load: Socket.IO events in WebSocket frames, all payloads distinct, made for less than sending costs.
//!
//! A payload is 64 fresh letters and a window of one large buffer of random base64 letters, at another place each time:
//! to a recorder it looks like base64 of compressed audio, and its hash is its own.

use std::io::IoSlice;

/// What is unlike in every message: `42["echo",`, ten digits, `,"` and 64 letters.
const FRESH: usize = 86;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BUFFER: usize = 8 << 20;
const KEY: [u8; 4] = [0x3d, 0xa6, 0x51, 0xf8];

/// The number of the first message: all numbers have ten digits.
pub const FIRST: u64 = 1_000_000_000;

/// Makes the messages of one length.
pub struct Messages {
    /// The bytes of a message: a whole number of groups of four base64 letters and what is around them.
    bytes: usize,
    /// Random letters, masked with [`KEY`].
    masked: Vec<u8>,
}

/// One frame on its way: masked, as it goes onto the wire.
pub struct Frame {
    head: [u8; 14 + FRESH],
    head_bytes: usize,
    window: (usize, usize),
    tail: [u8; 2],
    written: usize,
}

impl Messages {
    /// Messages of about that many bytes.
    pub fn new(bytes: usize) -> Messages {
        let payload = (bytes - 24) / 4 * 4;
        let mut masked = Vec::with_capacity(BUFFER);
        for group in 0..BUFFER as u64 / 8 {
            masked.extend(letters(mix(group ^ 0x7a7e_dec4)));
        }
        masked.iter_mut().zip(KEY.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        Messages { bytes: payload + 24, masked }
    }

    /// The bytes of one message.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The frame of the message with that number.
    pub fn frame(&self, number: u64) -> Frame {
        let length = self.bytes - FRESH - 2;
        let from = (mix(number) % (BUFFER - length) as u64) as usize;
        let mut frame =
            Frame { head: [0; 14 + FRESH], head_bytes: 0, window: (from, from + length), tail: *b"\"]", written: 0 };
        // The buffer is masked already: the key is turned so that it fits where the window falls.
        let key: [u8; 4] = std::array::from_fn(|at| KEY[(at + from + 4 - FRESH % 4) % 4]);
        let mut header = frame_header(self.bytes, Some(key));
        frame.head_bytes = header.len() + FRESH;
        header.extend(fresh(number).iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        frame.head[..header.len()].copy_from_slice(&header);
        let tail_at = self.bytes - 2;
        frame.tail.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= key[(tail_at + at) % 4]);
        frame
    }
}

/// The first bytes of the message with that number, as its echo must have them.
pub fn fresh(number: u64) -> [u8; FRESH] {
    let mut bytes = [0; FRESH];
    bytes[..10].copy_from_slice(b"42[\"echo\",");
    bytes[10..20].copy_from_slice(number.to_string().as_bytes());
    bytes[20..22].copy_from_slice(b",\"");
    for group in 0..8 {
        bytes[22 + group * 8..30 + group * 8].copy_from_slice(&letters(mix(number * 8 + group as u64)));
    }
    bytes
}

impl Frame {
    /// What is still to be written, in up to three parts.
    pub fn rest<'a>(&'a self, messages: &'a Messages, parts: &mut [IoSlice<'a>; 3]) -> usize {
        let all = [&self.head[..self.head_bytes], &messages.masked[self.window.0..self.window.1], &self.tail[..]];
        let (mut skip, mut count) = (self.written, 0);
        for part in all {
            let gone = skip.min(part.len());
            skip -= gone;
            if gone < part.len() {
                parts[count] = IoSlice::new(&part[gone..]);
                count += 1;
            }
        }
        count
    }

    /// Notes that so many bytes more were written; true when that was all.
    pub fn advance(&mut self, bytes: usize) -> bool {
        self.written += bytes;
        self.written == self.head_bytes + (self.window.1 - self.window.0) + self.tail.len()
    }
}

/// The header of a final text frame; with a key it is a client's.
pub fn frame_header(bytes: usize, key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut header = vec![0x81];
    match bytes {
        0..126 => header.push(mask | bytes as u8),
        126..65_536 => {
            header.push(mask | 126);
            header.extend((bytes as u16).to_be_bytes());
        }
        _ => {
            header.push(mask | 127);
            header.extend((bytes as u64).to_be_bytes());
        }
    }
    header.extend(key.into_iter().flatten());
    header
}

/// The length of a frame's header and of its payload, once enough of it is there.
pub fn frame_lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (header, payload) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= header + mask).then_some((header + mask, payload))
}

/// Masks or unmasks, eight bytes at a time.
pub fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let word = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut words = bytes.chunks_exact_mut(8);
    for chunk in &mut words {
        let masked = u64::from_ne_bytes(std::array::from_fn(|at| chunk[at])) ^ word;
        chunk.copy_from_slice(&masked.to_ne_bytes());
    }
    words.into_remainder().iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

/// SplitMix64: numbers that follow each other become numbers that don't.
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn letters(random: u64) -> [u8; 8] {
    std::array::from_fn(|at| LETTERS[(random >> (6 * at)) as usize & 63])
}
