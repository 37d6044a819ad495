//! The tap's decoder: one thread that feeds copied chunks to the decoders of [`crate::wire`] and records what comes out.
//!
//! A decoder that panics costs its own connection a gap and nothing else.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;

use super::buffers::Buffers;
use super::priority;
use super::queue::{Lost, Observed, Queue};
use super::rows::Rows;
use crate::intake::Source;
use crate::redact::Redactor;
use crate::wire::{Connection, Direction, Item, Limits, Sessions};

/// How long the decoder sleeps between two looks at the queue: short while there is traffic, long while there is none.
/// Nobody wakes it, since that would cost the relay time.
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(20);

pub(super) fn spawn(
    tap: String,
    queue: Arc<Queue>,
    buffers: Arc<Buffers>,
    source: Source,
    redactor: Arc<Redactor>,
    limits: &Limits,
) -> std::io::Result<JoinHandle<()>> {
    let mut decoder = Decoder::new(tap.clone(), source, redactor, limits);
    std::thread::Builder::new().name(format!("tap-{tap}")).spawn(move || {
        priority::stand_back();
        let (mut items, mut pause) = (VecDeque::new(), LONG);
        loop {
            let closed = queue.drain(&mut items);
            pause = if items.is_empty() { (2 * pause).min(LONG) } else { SHORT };
            for (connection, observed) in items.drain(..) {
                if let Some(chunk) = decoder.take(connection, observed) {
                    queue.decoded(chunk.len());
                    buffers.reuse(chunk);
                }
            }
            if closed {
                decoder.finish(decoder.source.clock().now_ns());
                return;
            }
            std::thread::sleep(pause);
        }
    })
}

/// Makes rows of what was seen on the connections of one tap.
pub(crate) struct Decoder {
    rows: Rows,
    source: Source,
    sessions: Sessions,
    limits: Limits,
    /// `None` once a connection's decoder has failed.
    connections: HashMap<i64, Option<Connection>>,
    /// Connections that can't be followed any further: since when, and why.
    blind: HashMap<i64, (i64, String)>,
}

impl Decoder {
    /// A decoder that has seen nothing yet, and writes to this source.
    pub(crate) fn new(tap: String, source: Source, redactor: Arc<Redactor>, limits: &Limits) -> Decoder {
        Decoder {
            rows: Rows { tap, redactor },
            source,
            sessions: Sessions::new(limits),
            limits: limits.clone(),
            connections: HashMap::new(),
            blind: HashMap::new(),
        }
    }

    /// Takes what was seen on a connection, and gives back the chunk if it was one.
    pub(crate) fn take(&mut self, connection: i64, observed: Observed) -> Option<Bytes> {
        match observed {
            Observed::Note { at_ns, row } => self.source.put(at_ns, row),
            Observed::Bytes { direction, at_ns, bytes } => {
                self.decode(connection, at_ns, |decoder, sessions, out| {
                    decoder.feed(direction, at_ns, &bytes, sessions, &mut |item| out(item));
                });
                return Some(bytes);
            }
            Observed::HalfClose { direction, at_ns } => self.decode(connection, at_ns, |decoder, sessions, out| {
                decoder.end(direction, at_ns, sessions, &mut |item| out(item));
            }),
            Observed::Lost(lost) => self.lose(connection, lost),
            Observed::Gone { at_ns } => {
                for direction in [Direction::Sent, Direction::Received] {
                    self.decode(connection, at_ns, |decoder, sessions, out| {
                        decoder.end(direction, at_ns, sessions, &mut |item| out(item));
                    });
                }
                self.connections.remove(&connection);
                self.tell_blind(connection, at_ns);
            }
        }
        None
    }

    fn lose(&mut self, connection: i64, lost: Lost) {
        let reason = format!("the tap's queue was full: {} bytes of connection {connection}", lost.bytes);
        self.miss(connection, lost, &reason);
    }

    /// Some bytes are missing, for whatever reason.
    pub(crate) fn miss(&mut self, connection: i64, lost: Lost, reason: &str) {
        self.source.gap(lost.from_ns, lost.to_ns, lost.chunks, reason);
        self.decode(connection, lost.to_ns, |decoder, sessions, out| {
            decoder.gap(lost.direction, lost.to_ns, lost.bytes as u64, sessions, &mut |item| out(item));
        });
    }

    fn decode(
        &mut self,
        connection: i64,
        at_ns: i64,
        step: impl FnOnce(&mut Connection, &mut Sessions, &mut dyn FnMut(Item)),
    ) {
        let limits = &self.limits;
        let known = self.connections.entry(connection).or_insert_with(|| Some(Connection::new(limits)));
        let Some(decoder) = known else {
            return;
        };
        let mut items = Vec::new();
        let stepped =
            catch_unwind(AssertUnwindSafe(|| step(decoder, &mut self.sessions, &mut |item| items.push(item))));
        if stepped.is_err() {
            *known = None;
            self.lose_sight(connection, at_ns, format!("the decoder of connection {connection} failed"));
        }
        self.record(connection, items);
    }

    fn record(&mut self, connection: i64, items: Vec<Item>) {
        for item in items {
            match item {
                Item::Packet(packet) => {
                    if packet.is_over_budget() {
                        let reason = packet.problem.as_deref().unwrap_or_default();
                        self.source.gap(packet.first_ns, packet.last_ns, 1, reason);
                    }
                    let (blobs, (at_ns, row)) = self.rows.packet(connection, *packet);
                    for blob in blobs {
                        self.source.put(at_ns, blob);
                    }
                    self.source.put(at_ns, row);
                }
                Item::Notice(notice) => {
                    let (at_ns, row) = self.rows.notice(connection, notice);
                    self.source.put(at_ns, row);
                }
                Item::Stopped { direction, at_ns, reason } => self.stopped(connection, direction, at_ns, &reason),
            }
        }
    }

    /// A connection that can't be followed is found again: what comes next begins an HTTP request.
    pub(crate) fn restart(&mut self, connection: i64, at_ns: i64) {
        self.connections.remove(&connection);
        self.tell_blind(connection, at_ns);
    }

    /// The recording ends: packets that still wait for their attachments come out as they are.
    pub(crate) fn finish(&mut self, now_ns: i64) {
        for connection in self.blind.keys().copied().collect::<Vec<_>>() {
            self.tell_blind(connection, now_ns);
        }
        let mut items = Vec::new();
        self.sessions.finish(&mut |item| items.push(item));
        self.record(-1, items);
    }

    fn stopped(&mut self, connection: i64, direction: Direction, at_ns: i64, reason: &str) {
        let reason =
            format!("connection {connection} can't be followed any further ({}): {reason}", direction.as_str());
        self.lose_sight(connection, at_ns, reason);
    }

    /// Says at once that a connection is lost sight of; how long for is known when it ends.
    fn lose_sight(&mut self, connection: i64, at_ns: i64, reason: String) {
        if !self.blind.contains_key(&connection) {
            self.source.gap(at_ns, at_ns, 0, &reason);
            self.blind.insert(connection, (at_ns, reason));
        }
    }

    fn tell_blind(&mut self, connection: i64, to_ns: i64) {
        if let Some((from_ns, reason)) = self.blind.remove(&connection) {
            self.source.gap(from_ns, to_ns, 1, &reason);
        }
    }
}
