//! Bytes of one message while it arrives, as many as the limit allows.

use super::RAW_BYTES;

/// Grows up to its limit; past it only the beginning is kept, for the problem's row.
pub(super) struct Assembly {
    bytes: Vec<u8>,
    limit: usize,
    over: bool,
}

impl Assembly {
    pub(super) fn new(limit: usize) -> Assembly {
        Assembly { bytes: Vec::new(), limit, over: false }
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        if !self.over && more.len() > self.limit - self.bytes.len() {
            self.over = true;
            self.bytes.truncate(RAW_BYTES);
            self.bytes.shrink_to_fit();
        }
        let room = if self.over { RAW_BYTES.saturating_sub(self.bytes.len()) } else { more.len() };
        self.bytes.extend_from_slice(&more[..room.min(more.len())]);
    }

    /// All the bytes, or the first of them and the problem.
    pub(super) fn finish(self) -> Result<Vec<u8>, (Vec<u8>, String)> {
        if self.over { Err((self.bytes, over_budget(self.limit))) } else { Ok(self.bytes) }
    }

    /// What there is, complete or not.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// What is said of a message that is too large to be kept.
pub(super) fn over_budget(limit: usize) -> String {
    format!("budget: the message has more than {limit} bytes")
}
