//! One direction of a TCP connection: segments in any order in, the bytes in their own order out.
//!
//! Where two segments disagree the first one counts, as most receivers have it. A hole is waited for as long as it may
//! still be filled; then it comes out as one, and the stream goes on behind it.

use std::collections::{BTreeMap, VecDeque};

/// Once the receiver has acknowledged a hole, its bytes can only be late by what capturing itself mixes up.
const LATE_NS: i64 = 100_000_000;
/// What one direction may hold back behind a hole, in bytes, with the cost of each part.
const HELD_BYTES: usize = 8 << 20;
const PART_BYTES: usize = 64;

/// What a stream has next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Bytes { at_ns: i64, bytes: Vec<u8> },
    Gap { from_ns: i64, to_ns: i64, bytes: u64 },
    End { at_ns: i64 },
}

struct Part {
    at_ns: i64,
    bytes: Vec<u8>,
}

/// One direction. Positions count its bytes from where it was first seen.
#[derive(Default)]
pub(super) struct Stream {
    /// The sequence number at which it was first seen.
    first_seq: Option<u32>,
    /// The sequence number of the position `next`.
    next_seq: u32,
    next: u64,
    held: BTreeMap<u64, Part>,
    held_bytes: usize,
    /// The furthest position that is known to exist, captured or not.
    seen: u64,
    acked: u64,
    /// Since when something that is not there has been acknowledged.
    acked_ns: Option<i64>,
    end: Option<(u64, i64)>,
    has_ended: bool,
    last_ns: i64,
}

impl Stream {
    /// Says which sequence number comes first, if that is not known yet.
    pub(super) fn start(&mut self, seq: u32, at_ns: i64) {
        if self.first_seq.is_none() {
            self.first_seq = Some(seq);
            self.next_seq = seq;
            self.last_ns = at_ns;
        }
    }

    pub(super) fn first_seq(&self) -> Option<u32> {
        self.first_seq
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether a segment that ends at `seq` brings nothing that has not come out already.
    pub(super) fn is_past(&self, seq: u32) -> bool {
        self.first_seq.is_some() && seq.wrapping_sub(self.next_seq) as i32 <= 1
    }

    /// Takes a segment of `length` bytes, of which `bytes` were captured.
    pub(super) fn push(&mut self, seq: u32, bytes: &[u8], length: usize, at_ns: i64) {
        self.start(seq, at_ns);
        let (from, skipped) = self.position(seq);
        self.seen = self.seen.max((from + length as u64).saturating_sub(skipped));
        let bytes = bytes.get(usize::try_from(skipped).unwrap_or(usize::MAX)..).unwrap_or_default();
        if bytes.is_empty() || self.has_ended {
            return;
        }
        for (at, bytes) in self.unknown(from, bytes) {
            self.held_bytes += bytes.len() + PART_BYTES;
            self.held.insert(at, Part { at_ns, bytes: bytes.to_vec() });
        }
    }

    /// Everything before `seq` has reached the other side.
    pub(super) fn ack(&mut self, seq: u32, at_ns: i64) {
        self.start(seq, at_ns);
        if let (position, 0) = self.position(seq) {
            // The end counts as one more than the bytes do.
            let position = self.end.map_or(position, |(end, _)| position.min(end));
            self.acked = self.acked.max(position);
        }
    }

    /// There is nothing behind `seq`.
    pub(super) fn finish(&mut self, seq: u32, at_ns: i64) {
        self.start(seq, at_ns);
        if let ((position, 0), None) = (self.position(seq), self.end) {
            self.end = Some((position, at_ns));
            self.acked = self.acked.min(position);
            self.seen = self.seen.max(position);
        }
    }

    /// What comes next, as of `now_ns`. `is_over`: nothing more will be captured, holes are holes.
    pub(super) fn next(&mut self, now_ns: i64, is_over: bool) -> Option<Next> {
        if let Some((&at, _)) = self.held.first_key_value()
            && at == self.next
        {
            let part = self.held.pop_first()?.1;
            self.held_bytes -= part.bytes.len() + PART_BYTES;
            self.advance(part.bytes.len() as u64);
            self.last_ns = self.last_ns.max(part.at_ns);
            return Some(Next::Bytes { at_ns: self.last_ns, bytes: part.bytes });
        }
        if let Some((end, at_ns)) = self.end
            && end == self.next
        {
            let is_news = !std::mem::replace(&mut self.has_ended, true);
            return is_news.then(|| Next::End { at_ns: at_ns.max(self.last_ns) });
        }
        self.hole(now_ns, is_over)
    }

    /// The hole before what is there or known to be, once it is not waited for any longer.
    fn hole(&mut self, now_ns: i64, is_over: bool) -> Option<Next> {
        if self.acked <= self.next {
            self.acked_ns = None;
        }
        let held = self.held.first_key_value().map(|(at, part)| (*at, part.at_ns));
        let is_late = self.acked > self.next && now_ns - *self.acked_ns.get_or_insert(now_ns) > LATE_NS;
        let until = match held {
            Some((at, _)) if is_over || self.held_bytes > HELD_BYTES => at,
            Some((at, _)) if is_late => at.min(self.acked),
            None if is_over => self.seen.max(self.acked),
            None if is_late => self.acked,
            _ => return None,
        };
        if until <= self.next {
            return None;
        }
        let bytes = until - self.next;
        self.advance(bytes);
        let to_ns = held.filter(|(at, _)| *at == until).map_or(now_ns, |(_, at_ns)| at_ns).max(self.last_ns);
        Some(Next::Gap { from_ns: self.last_ns, to_ns, bytes })
    }

    fn advance(&mut self, bytes: u64) {
        self.next += bytes;
        self.next_seq = self.next_seq.wrapping_add(bytes as u32);
    }

    /// The position of a sequence number that is still to come out, or the next one, and how far behind it the number lies.
    fn position(&self, seq: u32) -> (u64, u64) {
        // Of two ways around the circle of sequence numbers the shorter one is meant.
        let distance = i64::from(seq.wrapping_sub(self.next_seq) as i32);
        match u64::try_from(distance) {
            Ok(ahead) => (self.next + ahead, 0),
            Err(_) => (self.next, distance.unsigned_abs()),
        }
    }

    /// The parts of `bytes`, which begin at `from`, that are not held already.
    fn unknown<'a>(&self, from: u64, bytes: &'a [u8]) -> VecDeque<(u64, &'a [u8])> {
        let to = from + bytes.len() as u64;
        let before = self.held.range(..=from).next_back();
        let known = before.into_iter().chain(self.held.range(from + 1..to));
        let (mut parts, mut at) = (VecDeque::new(), from);
        for (&start, part) in known {
            if start > at {
                parts.push_back((at, &bytes[(at - from) as usize..(start - from) as usize]));
            }
            at = at.max(start + part.bytes.len() as u64).min(to);
        }
        if at < to {
            parts.push_back((at, &bytes[(at - from) as usize..]));
        }
        parts
    }
}

#[cfg(test)]
mod tests;
