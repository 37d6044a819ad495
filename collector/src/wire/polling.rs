//! Long-polling: the HTTP bodies that carry Engine.IO packets.

use super::assembly::Assembly;
use super::compression::decode_body;
use super::connection::Sink;
use super::engineio::Payload;
use super::exchange::{Exchange, Peer};
use super::http::{Head, Start};
use super::{Direction, Limits, Packet, Transport};

/// The body of a POST, or of the response to a GET, while it arrives.
pub(super) struct Body {
    direction: Direction,
    peer: Peer,
    encoding: Option<String>,
    bytes: Assembly,
    wire_bytes: u64,
    first_ns: Option<i64>,
    last_ns: i64,
}

impl Body {
    /// None where the body behind this head carries no packets.
    pub(super) fn new(head: &Head, exchange: &Exchange, at_ns: i64, limits: &Limits) -> Option<Body> {
        let (direction, carries) = match &head.start {
            Start::Request { .. } => (Direction::Sent, exchange.method == "POST"),
            Start::Response { status, .. } => (Direction::Received, exchange.method == "GET" && *status == 200),
        };
        let peer = exchange.peer.clone().filter(|_| carries)?;
        Some(Body {
            direction,
            peer,
            encoding: head.header("content-encoding").map(str::to_owned),
            bytes: Assembly::new(limits),
            wire_bytes: 0,
            first_ns: None,
            last_ns: at_ns,
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8], at_ns: i64) {
        self.bytes.push(bytes);
        self.wire_bytes += bytes.len() as u64;
        self.first_ns.get_or_insert(at_ns);
        self.last_ns = at_ns;
    }

    /// The body is complete: its packets.
    pub(super) fn finish(mut self, limits: &Limits, sink: &mut Sink<'_>) {
        let envelope = self.envelope();
        let bytes = std::mem::replace(&mut self.bytes, Assembly::beginning(limits));
        let body = match self.decode(bytes, limits) {
            Ok(body) => body,
            Err((raw, problem)) => return sink.packet(envelope.with_problem(problem, &raw)),
        };
        let decoded = body.len() as u64;
        for part in Payload::new(self.peer.revision, &body) {
            let mut packet = envelope.clone();
            packet.sid = self.peer.sid.clone();
            packet.wire_bytes = share(self.wire_bytes, part.raw.len() as u64, decoded);
            let revision = self.peer.revision;
            let announced = sink.sessions.accept(packet, revision, part.raw, part.packet, &mut *sink.out);
            self.peer.sid = announced.or(self.peer.sid);
        }
    }

    /// The connection ended before the body did.
    pub(super) fn cut_off(self, problem: String, sink: &mut Sink<'_>) {
        let envelope = self.envelope();
        sink.packet(envelope.with_problem(problem, &self.bytes.into_bytes()));
    }

    fn decode(&self, bytes: Assembly, limits: &Limits) -> Result<Vec<u8>, (Vec<u8>, String)> {
        let bytes = bytes.finish()?;
        if self.peer.is_jsonp {
            return Err((bytes, "polling by JSONP is not decoded".to_owned()));
        }
        let Some(encoding) = &self.encoding else {
            return Ok(bytes);
        };
        decode_body(&bytes, encoding, limits.message_bytes).map_err(|problem| (bytes, problem))
    }

    /// What all packets of the body have in common.
    fn envelope(&self) -> Packet {
        let first_ns = self.first_ns.unwrap_or(self.last_ns);
        let mut packet = Packet::new(self.direction, Transport::Polling, first_ns, self.last_ns);
        packet.sid = self.peer.sid.clone();
        packet.wire_bytes = i64::try_from(self.wire_bytes).unwrap_or(i64::MAX);
        packet.compressed = self.encoding.is_some();
        packet
    }
}

/// A packet's share of a body's bytes on the wire: its own bytes, if nothing was compressed.
fn share(wire: u64, own: u64, decoded: u64) -> i64 {
    let bytes = u128::from(wire) * u128::from(own) / u128::from(decoded.max(1));
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
