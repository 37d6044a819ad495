//! Bytes of one message while it arrives, as many as the limit and the budget allow.

use super::budget::{OVER, Share};
use super::{Limits, RAW_BYTES};

/// How much is asked for at once where a message is said to be large.
const EXPECTED_BYTES: usize = 1 << 20;

/// Grows up to its limit; past it only the beginning is kept, for the problem's row.
pub(super) struct Assembly {
    bytes: Vec<u8>,
    limit: usize,
    share: Share,
    problem: Option<String>,
}

impl Assembly {
    pub(super) fn new(limits: &Limits) -> Assembly {
        Assembly { bytes: Vec::new(), limit: limits.message_bytes, share: Share::new(&limits.budget), problem: None }
    }

    /// One that keeps no more than what a problem's row shows.
    pub(super) fn beginning(limits: &Limits) -> Assembly {
        Assembly { limit: 0, ..Assembly::new(limits) }
    }

    /// So many bytes are said to come.
    pub(super) fn expect(&mut self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.bytes.reserve(bytes.min(self.limit.saturating_sub(self.bytes.len())).min(EXPECTED_BYTES));
    }

    pub(super) fn push(&mut self, more: &[u8]) {
        self.push_with(more, |_| {});
    }

    /// Takes bytes and changes them in place.
    pub(super) fn push_with(&mut self, more: &[u8], change: impl FnOnce(&mut [u8])) {
        if self.problem.is_none() {
            let length = self.bytes.len().saturating_add(more.len());
            if length > self.limit {
                self.give_up(over_budget(self.limit));
            } else if !self.share.grow(length) {
                self.give_up(self.share.problem());
            }
        }
        let room = if self.problem.is_some() { RAW_BYTES.saturating_sub(self.bytes.len()) } else { more.len() };
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&more[..room.min(more.len())]);
        change(&mut self.bytes[begin..]);
    }

    /// Keeps no more of it, and says why.
    pub(super) fn give_up(&mut self, problem: String) {
        self.bytes.truncate(RAW_BYTES);
        self.bytes.shrink_to_fit();
        self.share.give_back();
        self.problem.get_or_insert(problem);
    }

    /// All the bytes, or the first of them and the problem.
    pub(super) fn finish(self) -> Result<Vec<u8>, (Vec<u8>, String)> {
        match self.problem {
            Some(problem) => Err((self.bytes, problem)),
            None => Ok(self.bytes),
        }
    }

    /// What there is, complete or not.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// What is said of a message that is too large to be kept.
pub(super) fn over_budget(limit: usize) -> String {
    format!("{OVER}the message has more than {limit} bytes")
}
