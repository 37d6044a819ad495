//! The memory that all messages of a run may take while they are put together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How the problem begins of a packet whose content was not kept for want of memory.
pub(super) const OVER: &str = "budget: ";

/// So much of each message is not counted, so that small ones always have room beside large ones.
const FREE_BYTES: usize = 64 << 10;

/// A number of bytes, shared by all connections that it was cloned for.
#[derive(Clone, Debug)]
pub struct Budget {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes, none of them taken.
    pub fn new(bytes: usize) -> Budget {
        Budget { taken: Arc::default(), bytes }
    }

    /// Bytes that are taken now.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One message's part of a budget, given back when it is dropped.
pub(super) struct Share {
    budget: Budget,
    taken: usize,
}

impl Share {
    pub(super) fn new(budget: &Budget) -> Share {
        Share { budget: budget.clone(), taken: 0 }
    }

    /// Makes it the share of a message that holds so many bytes; false where there is no room for them.
    pub(super) fn grow(&mut self, message_bytes: usize) -> bool {
        let more = message_bytes.saturating_sub(FREE_BYTES).saturating_sub(self.taken);
        if more == 0 {
            return true;
        }
        let Budget { taken, bytes } = &self.budget;
        if taken.fetch_add(more, Ordering::Relaxed) > bytes.saturating_sub(more) {
            taken.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.taken += more;
        true
    }

    /// What a message says that found no room.
    pub(super) fn problem(&self) -> String {
        format!("{OVER}more than {} bytes of large messages were arriving at the same time", self.budget.bytes)
    }

    pub(super) fn give_back(&mut self) {
        self.budget.taken.fetch_sub(std::mem::take(&mut self.taken), Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back() {
        let budget = Budget::new(1000);
        let (mut large, mut small) = (Share::new(&budget), Share::new(&budget));
        assert!(large.grow(FREE_BYTES + 900) && large.grow(FREE_BYTES + 1000));
        assert_eq!(budget.taken(), 1000);
        assert!(small.grow(FREE_BYTES), "small messages always have room");
        assert!(!small.grow(FREE_BYTES + 1) && !large.grow(usize::MAX));
        drop(large);
        assert!(small.grow(FREE_BYTES + 1));
        assert_eq!(budget.taken(), 1);
    }
}
