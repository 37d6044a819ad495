//! What the connections of one tap share: packets that wait for their attachments.
//!
//! An Engine.IO session can use several connections, so a packet may come on one and its
//! attachments on another. Everything else that a connection needs to know stands in its request.

use std::collections::BTreeMap;

use serde_json::Value;

use super::budget::{OVER, Share};
use super::engineio::{Data, EnginePacket, Read, Revision};
use super::{Direction, EngineType, Item, Limits, Packet, first_bytes, payload, socketio};

/// Cost of a waiting packet or an attachment beside its bytes.
const ENTRY_BYTES: usize = 256;

/// The sessions of one tap, passed to each of its connections.
#[derive(Default)]
pub struct Sessions {
    limits: Limits,
    waiting: BTreeMap<(String, Direction), Waiting>,
}

/// A packet whose attachments are still to come.
struct Waiting {
    packet: Packet,
    expected: u64,
    arrived: u64,
    references: Vec<Value>,
    held_bytes: usize,
    share: Share,
    raw: Vec<u8>,
    /// Why nothing more of it is kept.
    over: Option<String>,
}

impl Sessions {
    /// No session yet.
    pub fn new(limits: &Limits) -> Sessions {
        Sessions { limits: limits.clone(), ..Sessions::default() }
    }

    /// Packets whose attachments haven't come yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The recording ends: what still waits comes out with its problem.
    pub fn finish(&mut self, out: &mut impl FnMut(Item)) {
        while let Some((key, _)) = self.waiting.first_key_value() {
            let (sid, direction) = key.clone();
            self.abandon(&sid, direction, "the recording ended before its attachments", out);
        }
    }

    /// Completes an Engine.IO packet whose envelope is `packet` and hands it out, or keeps it
    /// until its attachments are there. Returns the sid that an open packet announces.
    pub(super) fn accept(
        &mut self,
        mut packet: Packet,
        revision: Revision,
        raw: &[u8],
        read: Read<'_>,
        out: &mut dyn FnMut(Item),
    ) -> Option<String> {
        let EnginePacket { kind, data } = match read {
            Ok(read) => read,
            Err(problem) => {
                out(packet.with_problem(problem, raw).into_item());
                return None;
            }
        };
        packet.engine_type = Some(kind);
        match (kind, data) {
            (EngineType::Message, Data::Text(text)) => {
                self.message(packet, revision, raw, text, out);
                None
            }
            (_, Data::Binary(bytes)) => {
                self.attachment(packet, &bytes, out);
                None
            }
            (_, Data::Text(text)) => self.control(packet, kind, raw, text, out),
        }
    }

    /// A session's end, or that of the part which carried it: nothing follows any more.
    pub(super) fn abandon(&mut self, sid: &str, direction: Direction, why: &str, out: &mut dyn FnMut(Item)) {
        if let Some(waiting) = self.waiting.remove(&(sid.to_owned(), direction)) {
            out(waiting.into_packet(Some(why)).into_item());
        }
    }

    /// Everything that is not a message. Handshakes and probes are shown as arguments.
    fn control(
        &mut self,
        mut packet: Packet,
        kind: EngineType,
        raw: &[u8],
        text: &str,
        out: &mut dyn FnMut(Item),
    ) -> Option<String> {
        let mut announced = None;
        if kind == EngineType::Open {
            match payload::parse(text, self.limits.values) {
                Ok((handshake, blobs)) => {
                    announced = handshake["sid"].as_str().map(str::to_owned);
                    packet.sid = announced.clone().or(packet.sid);
                    packet.args = Some(Value::Array(vec![handshake]));
                    packet.blobs = blobs;
                }
                Err(problem) => packet = packet.with_problem(problem, raw),
            }
        } else if text.len() > super::RAW_BYTES {
            packet = packet.with_problem("a control packet of more than 4 KiB", raw);
        } else if !text.is_empty() {
            packet.args = Some(Value::Array(vec![Value::from(text)]));
        }
        let sid = packet.sid.clone().filter(|_| kind == EngineType::Close);
        out(packet.into_item());
        for direction in [Direction::Sent, Direction::Received] {
            if let Some(sid) = &sid {
                self.abandon(sid, direction, "closed before its attachments", out);
            }
        }
        announced
    }

    fn message(&mut self, mut packet: Packet, revision: Revision, raw: &[u8], text: &str, out: &mut dyn FnMut(Item)) {
        if let Some(sid) = &packet.sid {
            self.abandon(sid, packet.direction, "text before its attachments", out);
        }
        match socketio::read(&mut packet, text, revision, self.limits.values) {
            Ok(0) => out(packet.into_item()),
            Ok(expected) => self.wait(packet, expected, raw, out),
            Err(problem) => out(packet.with_problem(problem, raw).into_item()),
        }
    }

    fn wait(&mut self, packet: Packet, expected: u64, raw: &[u8], out: &mut dyn FnMut(Item)) {
        let Some(sid) = packet.sid.clone() else {
            out(packet.with_problem("attachments without a session", raw).into_item());
            return;
        };
        let mut waiting = Waiting {
            expected,
            arrived: 0,
            references: Vec::new(),
            held_bytes: 0,
            share: Share::new(&self.limits.budget),
            raw: first_bytes(raw).to_vec(),
            over: None,
            packet,
        };
        waiting.hold(raw.len() + ENTRY_BYTES, self.limits.message_bytes);
        self.waiting.insert((sid, waiting.packet.direction), waiting);
    }

    fn attachment(&mut self, packet: Packet, bytes: &[u8], out: &mut dyn FnMut(Item)) {
        let key = packet.sid.clone().map(|sid| (sid, packet.direction));
        let Some(waiting) = key.as_ref().and_then(|key| self.waiting.get_mut(key)) else {
            let problem = "an attachment that no packet announced";
            out(packet.with_problem(problem, bytes).into_item());
            return;
        };
        waiting.attach(&packet, bytes, self.limits.message_bytes);
        if waiting.arrived == waiting.expected
            && let Some(waiting) = key.and_then(|key| self.waiting.remove(&key))
        {
            out(waiting.into_packet(None).into_item());
        }
    }
}

impl Waiting {
    /// Counts `bytes` against the limit and the budget; past them nothing more is kept.
    fn hold(&mut self, bytes: usize, message_bytes: usize) {
        let held_bytes = self.held_bytes + bytes;
        self.over = if held_bytes > message_bytes.saturating_add(ENTRY_BYTES) {
            Some(format!("{OVER}the packet and its attachments are too large"))
        } else if !self.share.grow(held_bytes) {
            Some(self.share.problem())
        } else {
            None
        };
        if self.over.is_some() {
            self.share.give_back();
            self.packet.args = None;
            self.packet.blobs = Vec::new();
            self.references = Vec::new();
            self.held_bytes = 0;
        } else {
            self.held_bytes = held_bytes;
        }
    }

    fn attach(&mut self, packet: &Packet, bytes: &[u8], message_bytes: usize) {
        self.arrived += 1;
        self.packet.last_ns = packet.last_ns;
        self.packet.wire_bytes = self.packet.wire_bytes.saturating_add(packet.wire_bytes);
        self.packet.compressed |= packet.compressed;
        if self.over.is_none() {
            self.hold(bytes.len() + ENTRY_BYTES, message_bytes);
        }
        if self.over.is_none() {
            let (reference, blob) = payload::lift(bytes.to_vec(), "binary");
            self.references.push(reference);
            self.packet.blobs.push(blob);
        }
    }

    fn into_packet(mut self, why: Option<&str>) -> Packet {
        if let Some(problem) = self.over {
            return self.packet.with_problem(problem, &self.raw);
        }
        let attached = match &mut self.packet.args {
            Some(args) => payload::attach(args, &self.references),
            None => Ok(()),
        };
        match (why, attached) {
            (Some(why), _) => {
                let problem = format!("{why}: {} of {} came", self.arrived, self.expected);
                self.packet.with_problem(problem, &self.raw)
            }
            (None, Err(problem)) => self.packet.with_problem(problem, &self.raw),
            (None, Ok(())) => self.packet,
        }
    }
}
