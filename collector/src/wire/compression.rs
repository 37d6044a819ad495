//! Both compressions: content encodings of HTTP bodies, permessage-deflate of WebSocket messages.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::{Decompress, FlushDecompress, Status};

use super::assembly::{Assembly, over_budget};

const INFLATE_BYTES: usize = 16 << 10;

/// Undoes a content encoding, up to `limit` bytes.
pub(super) fn decode_body(bytes: &[u8], encoding: &str, limit: usize) -> Result<Vec<u8>, String> {
    match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(bytes.to_vec()),
        "gzip" | "x-gzip" => read_all(MultiGzDecoder::new(bytes), limit),
        // Named `deflate`, meant as zlib; some peers send the bare stream all the same.
        "deflate" if bytes.first().is_some_and(|byte| byte & 0x0f == 8) => read_all(ZlibDecoder::new(bytes), limit),
        "deflate" => read_all(DeflateDecoder::new(bytes), limit),
        other => Err(format!("content encoding `{other}` is not decoded")),
    }
}

fn read_all(decoder: impl Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("the body can't be decompressed: {error}"))?;
    if bytes.len() > limit {
        return Err(over_budget(limit));
    }
    Ok(bytes)
}

/// What the two sides agreed on for one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deflate {
    /// Whether a message may refer to the ones before it.
    pub takeover: bool,
}

/// The inflating half of permessage-deflate. It reads on when a message is over its budget, as
/// later messages may refer to it.
pub(super) struct Inflater {
    stream: Decompress,
    takeover: bool,
    is_broken: bool,
    buffer: Vec<u8>,
}

impl Inflater {
    pub(super) fn new(deflate: Deflate) -> Inflater {
        Inflater {
            stream: Decompress::new(false),
            takeover: deflate.takeover,
            is_broken: false,
            buffer: vec![0; INFLATE_BYTES],
        }
    }

    pub(super) fn push(&mut self, mut input: &[u8], into: &mut Assembly) -> Result<(), String> {
        let problem = || Err("the message can't be decompressed".to_owned());
        while !self.is_broken {
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let flush = FlushDecompress::Sync;
            let status = self.stream.decompress(input, &mut self.buffer, flush);
            let read = (self.stream.total_in() - read) as usize;
            let written = (self.stream.total_out() - written) as usize;
            input = input.get(read..).unwrap_or_default();
            into.push(&self.buffer[..written]);
            match status {
                // A final block inside a message: allowed, and what follows starts anew.
                Ok(Status::StreamEnd) => self.stream.reset(false),
                Ok(_) => {}
                Err(_) => self.is_broken = true,
            }
            if input.is_empty() && written < self.buffer.len() {
                return if self.is_broken { problem() } else { Ok(()) };
            }
            // No progress: the decompressor wants what will never come.
            self.is_broken |= read == 0 && written == 0;
        }
        problem()
    }

    /// Some of the input is missing: what follows can't be understood, as long as it may refer to what was before.
    pub(super) fn lose(&mut self) {
        self.is_broken = true;
    }

    pub(super) fn finish(&mut self, into: &mut Assembly) -> Result<(), String> {
        let result = self.push(&[0, 0, 0xff, 0xff], into);
        if !self.takeover {
            self.stream.reset(false);
            self.is_broken = false;
        }
        result
    }
}
