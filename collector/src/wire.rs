//! The decoders of the tap: bytes of a TCP connection in, packets and notices out.
//!
//! The order in which bytes meet the parts: [`Connection`] cuts the two directions of one TCP
//! connection into HTTP/1.1 messages (`http`, bodies: `polling`) and, after an upgrade,
//! WebSocket messages (`websocket`, `channel`); `engineio` takes the Engine.IO packets out of either; `socketio` reads the
//! Socket.IO packet inside; `payload` lifts large values out of its arguments; [`Sessions`] joins
//! packets with the attachments that follow them, whichever connection those arrive on.
//!
//! Nothing here does I/O, owns a clock or fails: time is an argument in nanoseconds, malformed
//! traffic is a [`Packet`] with a `problem`, and what can't be followed any further is
//! [`Item::Stopped`]. However a stream is cut into chunks, the items are the same, times apart.
//!
//! Names that need redaction (targets, headers, handshake payloads) leave here as they came.

mod assembly;
mod budget;
mod channel;
mod compression;
mod connection;
mod engineio;
mod exchange;
mod http;
mod media_type;
mod pages;
mod payload;
mod polling;
mod session;
mod socketio;
#[cfg(test)]
mod tests;
mod websocket;

pub use budget::Budget;
pub use connection::Connection;
pub(crate) use pages::{Missed, Page, Pages, is_request_head, is_response_head};
pub use session::Sessions;

use serde_json::Value;

/// How much of a malformed packet is kept, in bytes.
const RAW_BYTES: usize = 4096;

/// Which way bytes went through the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client to the server.
    Sent,
    /// From the server to the client.
    Received,
}

impl Direction {
    pub(crate) fn other(self) -> Direction {
        match self {
            Direction::Sent => Direction::Received,
            Direction::Received => Direction::Sent,
        }
    }

    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Sent => "sent",
            Direction::Received => "received",
        }
    }
}

/// What carried a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP bodies; also what is said of bytes that should have been HTTP and are not.
    Polling,
    /// WebSocket messages.
    WebSocket,
}

impl Transport {
    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        }
    }
}

/// The type of an Engine.IO packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum EngineType {
    Open,
    Close,
    Ping,
    Pong,
    Message,
    Upgrade,
    Noop,
}

impl EngineType {
    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            EngineType::Open => "open",
            EngineType::Close => "close",
            EngineType::Ping => "ping",
            EngineType::Pong => "pong",
            EngineType::Message => "message",
            EngineType::Upgrade => "upgrade",
            EngineType::Noop => "noop",
        }
    }
}

/// The type of a Socket.IO packet. `ConnectError` was called ERROR before protocol 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the protocol's")]
pub enum PacketType {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
    BinaryEvent,
    BinaryAck,
}

impl PacketType {
    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            PacketType::Connect => "connect",
            PacketType::Disconnect => "disconnect",
            PacketType::Event => "event",
            PacketType::Ack => "ack",
            PacketType::ConnectError => "connect_error",
            PacketType::BinaryEvent => "binary_event",
            PacketType::BinaryAck => "binary_ack",
        }
    }
}

/// What one connection, or the sessions of one tap, may hold in memory.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one message, before and after decompression.
    pub message_bytes: usize,
    /// JSON values in one packet's arguments.
    pub values: usize,
    /// Bytes of all messages that are being put together, packets that wait for attachments among them. A clone of
    /// the limits shares it.
    pub budget: Budget,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { message_bytes: 64 << 20, values: 1 << 20, budget: Budget::new(256 << 20) }
    }
}

/// What comes out of the decoders.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A row of `packets`, and its blobs.
    Packet(Box<Packet>),
    /// A row of `connections`.
    Notice(Notice),
    /// This direction can't be followed from here to the end of the connection; said once.
    Stopped {
        /// The direction that is decoded no longer.
        direction: Direction,
        /// Since when, in nanoseconds.
        at_ns: i64,
        /// Why.
        reason: String,
    },
}

/// One Engine.IO packet, with the Socket.IO packet inside it and its attachments.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Which way it went.
    pub direction: Direction,
    /// What carried it (a packet with attachments: its first part).
    pub transport: Transport,
    /// The Engine.IO session, once known.
    pub sid: Option<String>,
    /// The time of the first byte, in nanoseconds (polling: of the body).
    pub first_ns: i64,
    /// The time of the last byte, in nanoseconds (polling: of the body).
    pub last_ns: i64,
    /// None where not even that could be read.
    pub engine_type: Option<EngineType>,
    /// None unless `engine_type` is a message.
    pub packet_type: Option<PacketType>,
    /// The Socket.IO namespace.
    pub namespace: Option<String>,
    /// The id that asks for an ack, or is one.
    pub ack_id: Option<i64>,
    /// The event's name.
    pub event: Option<String>,
    /// JSON array: the arguments after the event's name; of an ack, its arguments; of any other
    /// packet its payload as the only element. Large values are references to `blobs`.
    pub args: Option<Value>,
    /// What was lifted out of `args`.
    pub blobs: Vec<Blob>,
    /// Bytes on the wire, WebSocket framing included, attachments too. In a polling body: the
    /// packet's own bytes, or its share of a compressed body.
    pub wire_bytes: i64,
    /// Whether permessage-deflate or a content encoding was applied.
    pub compressed: bool,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Its first 4 KiB, where there is a problem.
    pub raw: Option<Vec<u8>>,
}

impl Packet {
    fn new(direction: Direction, transport: Transport, first_ns: i64, last_ns: i64) -> Packet {
        Packet {
            direction,
            transport,
            sid: None,
            first_ns,
            last_ns,
            engine_type: None,
            packet_type: None,
            namespace: None,
            ack_id: None,
            event: None,
            args: None,
            blobs: Vec::new(),
            wire_bytes: 0,
            compressed: false,
            problem: None,
            raw: None,
        }
    }

    /// The same packet with what is wrong with it; the first problem stays.
    fn with_problem(mut self, problem: impl Into<String>, raw: &[u8]) -> Packet {
        if self.problem.is_none() {
            self.problem = Some(problem.into());
            self.raw = Some(first_bytes(raw).to_vec());
        }
        self
    }

    /// Whether its content was not kept for want of memory, which is a gap.
    pub fn is_over_budget(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.starts_with(budget::OVER))
    }

    fn into_item(self) -> Item {
        Item::Packet(Box::new(self))
    }
}

/// A large value, lifted out of a packet's arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of `bytes`, in lower-case hex.
    pub sha256: String,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// Sniffed from the bytes, not as claimed.
    pub media_type: &'static str,
}

/// What a [`Notice`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// The head of an HTTP request.
    Request,
    /// The head of an HTTP response.
    Response,
    /// A response 101: the connection changed its protocol.
    Upgrade,
    /// A WebSocket ping frame.
    WsPing,
    /// A WebSocket pong frame.
    WsPong,
    /// A WebSocket close frame.
    Close,
}

impl NoticeKind {
    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::Request => "request",
            NoticeKind::Response => "response",
            NoticeKind::Upgrade => "upgrade",
            NoticeKind::WsPing => "ws_ping",
            NoticeKind::WsPong => "ws_pong",
            NoticeKind::Close => "close",
        }
    }
}

/// Something that happened on a connection, beside its packets.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Which way it went.
    pub direction: Direction,
    /// When its last byte went through, in nanoseconds.
    pub at_ns: i64,
    /// What it is.
    pub kind: NoticeKind,
    /// The Engine.IO session, once known.
    pub sid: Option<String>,
    /// HTTP status.
    pub status: Option<i64>,
    /// WebSocket close code.
    pub close_code: Option<i64>,
    /// JSON object, not redacted. HTTP: `method`, `target` (also on the response), `version`,
    /// `reason`, `headers` (lower-case names, repeated ones joined by `, `), on an upgrade
    /// `compression`. WebSocket: `direction`, `payload` or `reason` where there is one.
    pub detail: Value,
}

fn first_bytes(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(RAW_BYTES)]
}
