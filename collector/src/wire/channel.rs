//! A WebSocket connection: what its messages and control frames mean.

use serde_json::{Map, Value};

use super::connection::Sink;
use super::engineio;
use super::exchange::Peer;
use super::websocket::{Message, Step};
use super::{Direction, EngineType, Notice, NoticeKind, Packet, Transport};

/// The two directions of an upgraded connection.
pub(super) struct Channel {
    /// None: not Engine.IO; only control frames are told.
    peer: Option<Peer>,
    /// Whether the session lives here; a connection that only probes may end without harm.
    carries: bool,
}

impl Channel {
    pub(super) fn new(peer: Option<Peer>) -> Channel {
        Channel { peer, carries: false }
    }

    /// Takes what was read from one direction.
    pub(super) fn take(&mut self, direction: Direction, at_ns: i64, step: Step, sink: &mut Sink<'_>) {
        match step {
            Step::Message(message) => self.message(direction, at_ns, message, sink),
            Step::Ping(payload) => self.notice(direction, at_ns, NoticeKind::WsPing, &payload, sink),
            Step::Pong(payload) => self.notice(direction, at_ns, NoticeKind::WsPong, &payload, sink),
            Step::Close(payload) => self.notice(direction, at_ns, NoticeKind::Close, &payload, sink),
            Step::Broken(problem, raw) => {
                let mut packet = Packet::new(direction, Transport::WebSocket, at_ns, at_ns);
                packet.sid = self.sid();
                sink.packet(packet.with_problem(problem, &raw));
            }
        }
    }

    /// This direction ended.
    pub(super) fn end(&self, direction: Direction, sink: &mut Sink<'_>) {
        if let Some(sid) = self.sid().filter(|_| self.carries) {
            let why = "the connection ended before its attachments";
            sink.sessions.abandon(&sid, direction, why, sink.out);
        }
    }

    fn sid(&self) -> Option<String> {
        self.peer.as_ref()?.sid.clone()
    }

    fn message(&mut self, direction: Direction, at_ns: i64, message: Message, sink: &mut Sink<'_>) {
        let Some(peer) = &mut self.peer else {
            return;
        };
        let mut packet = Packet::new(direction, Transport::WebSocket, message.first_ns, at_ns);
        packet.sid = peer.sid.clone();
        packet.wire_bytes = message.wire_bytes;
        packet.compressed = message.compressed;
        let raw = &message.payload;
        if let Some(problem) = message.problem {
            return sink.packet(packet.with_problem(problem, raw));
        }
        let read = match message.is_text {
            true => engineio::text(peer.revision, raw),
            false => engineio::binary(peer.revision, raw),
        };
        self.carries |= read
            .as_ref()
            .is_ok_and(|read| matches!(read.kind, EngineType::Open | EngineType::Message | EngineType::Upgrade));
        let announced = sink.sessions.accept(packet, peer.revision, raw, read, &mut *sink.out);
        peer.sid = announced.or(peer.sid.take());
    }

    fn notice(&self, direction: Direction, at_ns: i64, kind: NoticeKind, payload: &[u8], sink: &mut Sink<'_>) {
        let (code, text) = match (kind, payload.split_first_chunk::<2>()) {
            (NoticeKind::Close, Some((code, reason))) => (Some(i64::from(u16::from_be_bytes(*code))), reason),
            _ => (None, payload),
        };
        let mut detail = Map::new();
        detail.insert("direction".to_owned(), Value::from(direction.as_str()));
        if !text.is_empty() {
            let name = if code.is_some() { "reason" } else { "payload" };
            detail.insert(name.to_owned(), Value::from(String::from_utf8_lossy(text)));
        }
        (sink.out)(super::Item::Notice(Notice {
            direction,
            at_ns,
            kind,
            sid: self.sid(),
            status: None,
            close_code: code,
            detail: Value::Object(detail),
        }));
    }
}
