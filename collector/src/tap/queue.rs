//! Copies of chunks on their way from the relay to the decoder: bounded in number and in bytes, never waited for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use recording::record::ConnectionRow;

use crate::wire::Direction;

const MAX_CHUNKS: usize = 65_536;
/// One of the largest messages that are decoded, each way.
const MAX_BYTES: usize = 128 << 20;

/// What the relay saw.
pub(crate) enum Observed {
    /// Bytes of one read.
    Bytes { direction: Direction, at_ns: i64, bytes: Bytes },
    /// Chunks that were relayed but not copied.
    Lost(Lost),
    /// One side will send no more.
    HalfClose { direction: Direction, at_ns: i64 },
    /// Something that is a row already.
    Note { at_ns: i64, row: ConnectionRow },
    /// The connection is over.
    Gone { at_ns: i64 },
}

/// A stretch of one direction that was not copied.
#[derive(Clone, Copy)]
pub(crate) struct Lost {
    pub(crate) direction: Direction,
    pub(crate) from_ns: i64,
    pub(crate) to_ns: i64,
    pub(crate) chunks: i64,
    pub(crate) bytes: i64,
}

/// The queue of one tap.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Of all chunks that have not been decoded yet.
    bytes: AtomicUsize,
}

#[derive(Default)]
struct State {
    items: VecDeque<(i64, Observed)>,
    lost: BTreeMap<(i64, Direction), Lost>,
    closed: bool,
}

impl Queue {
    /// Takes a copy of a chunk, or counts its loss where there is no room.
    pub(super) fn push_bytes(&self, connection: i64, direction: Direction, at_ns: i64, bytes: Bytes) {
        let mut state = self.lock();
        let held = self.bytes.load(Ordering::Relaxed);
        if state.items.len() >= MAX_CHUNKS || held + bytes.len() > MAX_BYTES {
            let none = Lost { direction, from_ns: at_ns, to_ns: at_ns, chunks: 0, bytes: 0 };
            let lost = state.lost.entry((connection, direction)).or_insert(none);
            lost.to_ns = at_ns;
            lost.chunks += 1;
            lost.bytes += bytes.len() as i64;
            return;
        }
        state.tell_lost(connection, direction);
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        state.items.push_back((connection, Observed::Bytes { direction, at_ns, bytes }));
    }

    /// Takes what is no bytes; there is always room, for it is little and there are few.
    pub(super) fn push(&self, connection: i64, observed: Observed) {
        let mut state = self.lock();
        for direction in [Direction::Sent, Direction::Received] {
            state.tell_lost(connection, direction);
        }
        state.items.push_back((connection, observed));
    }

    /// Takes everything that waits; true when nothing will follow.
    pub(super) fn drain(&self, into: &mut VecDeque<(i64, Observed)>) -> bool {
        let mut state = self.lock();
        std::mem::swap(&mut state.items, into);
        state.closed
    }

    /// So many bytes of what was drained have been decoded.
    pub(super) fn decoded(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell_lost(&mut self, connection: i64, direction: Direction) {
        if let Some(lost) = self.lost.remove(&(connection, direction)) {
            self.items.push_back((connection, Observed::Lost(lost)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_told_before_what_comes_next() {
        let queue = Queue::default();
        let chunk = Bytes::from(vec![0; MAX_BYTES / 2 + 1]);
        queue.push_bytes(3, Direction::Sent, 10, chunk.clone());
        queue.push_bytes(3, Direction::Sent, 11, chunk.clone());
        queue.push_bytes(3, Direction::Sent, 12, chunk);
        queue.push(3, Observed::Gone { at_ns: 13 });
        let mut items = VecDeque::new();
        assert!(!queue.drain(&mut items));
        let kinds = items.iter().map(|(_, observed)| match observed {
            Observed::Bytes { .. } => "bytes",
            Observed::Lost(lost) if (lost.from_ns, lost.to_ns, lost.chunks) == (11, 12, 2) => "lost",
            Observed::Gone { .. } => "gone",
            _ => "other",
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["bytes", "lost", "gone"]);
    }
}
