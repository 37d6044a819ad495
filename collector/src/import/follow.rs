//! What a connection of the capture means: its bytes go to the tap's decoder, to the pages, or to both.
//!
//! A connection that was joined in the middle, or that has lost bytes, is followed again from the first thing that begins
//! an HTTP request; a WebSocket offers none, and stays a gap.

use std::net::SocketAddr;

use recording::record::ConnectionRow;

use super::flows::{Ends, Event};
use super::pages::PageSink;
use crate::intake::Source;
use crate::tap::decoder::Decoder;
use crate::tap::queue::{Lost, Observed};
use crate::wire::{Direction, is_request_head, is_response_head};

/// The Socket.IO traffic of one port.
pub(super) struct TapSink {
    pub(super) name: String,
    pub(super) decoder: Decoder,
    pub(super) source: Source,
    /// Connections so far.
    pub(super) connections: i64,
}

impl TapSink {
    fn note(&mut self, number: i64, at_ns: i64, kind: &str, peer: SocketAddr, detail: serde_json::Value) {
        let row = ConnectionRow {
            tap: self.name.clone(),
            connection: number,
            kind: kind.to_owned(),
            peer: Some(peer.to_string()),
            detail: Some(detail.to_string()),
            ..ConnectionRow::default()
        };
        self.decoder.take(number, Observed::Note { at_ns, row });
    }
}

/// What one port is for.
pub(super) struct Port {
    pub(super) tap: Option<TapSink>,
    pub(super) pages: PageSink,
}

/// How far a connection is understood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// All bytes go on to the decoders.
    Following,
    /// Nothing that begins a request has been seen.
    Searching,
    /// A request has been seen, the beginning of its response has not.
    AwaitingResponse,
}

/// Bytes that nobody could be given.
#[derive(Clone, Copy)]
struct Skipped {
    from_ns: i64,
    bytes: u64,
}

/// One connection to a port.
pub(super) struct Follower {
    /// Its number at the tap.
    number: i64,
    sync: Sync,
    skipped: Option<Skipped>,
    /// By direction: whether bytes were lost since the decoders began.
    torn: [bool; 2],
    /// What was lost after the first loss.
    more: Option<Skipped>,
    pages: crate::wire::Pages,
}

impl Follower {
    /// A connection to this port of which nothing is known.
    pub(super) fn new(port: &mut Port) -> Follower {
        let number = port.tap.as_mut().map_or(0, |tap| {
            tap.connections += 1;
            tap.connections - 1
        });
        Follower {
            number,
            sync: Sync::Following,
            skipped: None,
            torn: [false; 2],
            more: None,
            pages: crate::wire::Pages::new(),
        }
    }

    /// Takes what happened; true where nothing more will.
    pub(super) fn take(&mut self, port: &mut Port, ends: Ends, at_ns: i64, event: Event) -> bool {
        match event {
            Event::Open { is_joined } => {
                if is_joined {
                    self.sync = Sync::Searching;
                    self.skipped = Some(Skipped { from_ns: at_ns, bytes: 0 });
                }
                let mut detail = serde_json::json!({"upstream": ends.server.to_string()});
                if is_joined {
                    detail = serde_json::json!({"joined": "in the middle", "upstream": ends.server.to_string()});
                }
                self.note(port, at_ns, "open", ends, detail);
            }
            Event::Refused { why } => {
                self.note(port, at_ns, "refused", ends, serde_json::json!({"error": why}));
                port.pages.refused(ends, at_ns, why);
                return true;
            }
            Event::Bytes { direction, bytes } => self.bytes(port, ends, direction, at_ns, &bytes),
            Event::Gap { direction, from_ns, bytes } => self.gap(port, direction, from_ns, at_ns, bytes),
            Event::HalfClose { direction } => self.half_close(port, ends, direction, at_ns),
            Event::Reset { by } => {
                let detail = serde_json::json!({"error": format!("connection reset by {by}")});
                self.gone(port, ends, at_ns, "reset", detail);
                return true;
            }
            Event::Close { by } => {
                self.gone(port, ends, at_ns, "close", serde_json::json!({"by": by}));
                return true;
            }
        }
        false
    }

    fn note(&self, port: &mut Port, at_ns: i64, kind: &str, ends: Ends, detail: serde_json::Value) {
        if let Some(tap) = &mut port.tap {
            tap.note(self.number, at_ns, kind, ends.client, detail);
        }
    }

    fn bytes(&mut self, port: &mut Port, ends: Ends, direction: Direction, at_ns: i64, bytes: &[u8]) {
        let is_lost = self.sync != Sync::Following || self.torn != [false; 2];
        match direction {
            Direction::Sent if self.sync != Sync::AwaitingResponse && is_lost && is_request_head(bytes) => {
                self.restart(port, at_ns);
            }
            Direction::Received if self.sync == Sync::AwaitingResponse && is_response_head(bytes) => {
                self.tell_skipped(port, at_ns, true);
                self.sync = Sync::Following;
            }
            _ => {}
        }
        let is_skipped = match self.sync {
            Sync::Following => false,
            Sync::Searching => true,
            Sync::AwaitingResponse => direction == Direction::Received,
        };
        if is_skipped {
            self.skip(at_ns, bytes.len() as u64);
            return;
        }
        if let Some(tap) = &mut port.tap {
            tap.decoder.take(self.number, Observed::Bytes { direction, at_ns, bytes: bytes.to_vec().into() });
        }
        port.pages.feed(&mut self.pages, ends, direction, at_ns, bytes);
    }

    /// From here on it is understood again.
    fn restart(&mut self, port: &mut Port, at_ns: i64) {
        self.tell_skipped(port, at_ns, true);
        self.tell_more(port, at_ns);
        if let Some(tap) = &mut port.tap {
            tap.decoder.restart(self.number, at_ns);
        }
        self.pages = crate::wire::Pages::new();
        self.torn = [false; 2];
        self.sync = Sync::AwaitingResponse;
    }

    fn gap(&mut self, port: &mut Port, direction: Direction, from_ns: i64, to_ns: i64, bytes: u64) {
        let is_handed_on = match self.sync {
            Sync::Following => true,
            Sync::Searching => false,
            Sync::AwaitingResponse => direction == Direction::Sent,
        };
        if !is_handed_on {
            return self.skip(from_ns, bytes);
        }
        if std::mem::replace(&mut self.torn[direction as usize], true) {
            self.more.get_or_insert(Skipped { from_ns, bytes: 0 }).bytes += bytes;
            return;
        }
        let way = direction.as_str();
        let reason = format!("{bytes} bytes of connection {} ({way}) are not in the capture", self.number);
        if let Some(tap) = &mut port.tap {
            let lost = Lost { direction, from_ns, to_ns, chunks: 1, bytes: i64::try_from(bytes).unwrap_or(i64::MAX) };
            tap.decoder.miss(self.number, lost, &reason);
        }
        port.pages.gap(&mut self.pages, direction, from_ns, to_ns, bytes);
    }

    fn half_close(&mut self, port: &mut Port, ends: Ends, direction: Direction, at_ns: i64) {
        if self.sync == Sync::Searching {
            return;
        }
        if let Some(tap) = &mut port.tap {
            tap.decoder.take(self.number, Observed::HalfClose { direction, at_ns });
        }
        port.pages.end(&mut self.pages, ends, direction, at_ns);
    }

    fn gone(&mut self, port: &mut Port, ends: Ends, at_ns: i64, kind: &str, detail: serde_json::Value) {
        self.tell_skipped(port, at_ns, self.sync != Sync::Searching);
        self.tell_more(port, at_ns);
        if kind == "reset" && self.sync != Sync::Searching {
            port.pages.end(&mut self.pages, ends, Direction::Received, at_ns);
        }
        self.note(port, at_ns, kind, ends, detail);
        if let Some(tap) = &mut port.tap {
            tap.decoder.take(self.number, Observed::Gone { at_ns });
        }
    }

    fn skip(&mut self, at_ns: i64, bytes: u64) {
        self.skipped.get_or_insert(Skipped { from_ns: at_ns, bytes: 0 }).bytes += bytes;
    }

    /// What went by before a request that was seen, if there was one.
    fn tell_skipped(&mut self, port: &mut Port, to_ns: i64, is_found: bool) {
        let Some(Skipped { from_ns, bytes }) = self.skipped.take().filter(|skipped| skipped.bytes > 0) else {
            return;
        };
        let number = self.number;
        let reason = match is_found {
            true => format!("{bytes} bytes of connection {number} belong to a request that is not in the capture"),
            false => {
                format!("connection {number} was joined in the middle: none of its {bytes} bytes begins a request")
            }
        };
        if let Some(tap) = &port.tap {
            tap.source.gap(from_ns, to_ns, 1, &reason);
        }
    }

    /// What was lost where nothing could be told apart anyway.
    fn tell_more(&mut self, port: &mut Port, to_ns: i64) {
        if let Some(Skipped { from_ns, bytes }) = self.more.take() {
            let reason = format!("{bytes} more bytes of connection {} are not in the capture", self.number);
            if let Some(tap) = &port.tap {
                tap.source.gap(from_ns, to_ns, 1, &reason);
            }
            port.pages.gap(&mut self.pages, Direction::Sent, from_ns, to_ns, bytes);
        }
    }
}
