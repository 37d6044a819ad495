//! What the decoders say, as rows, without secrets.

use std::sync::Arc;

use recording::record::{Blob, ConnectionRow, Packet};
use serde_json::Value;

use crate::redact::Redactor;
use crate::wire::{self, Direction, PacketType};

pub(super) struct Rows {
    pub(super) tap: String,
    pub(super) redactor: Arc<Redactor>,
}

impl Rows {
    pub(super) fn packet(&self, connection: i64, packet: wire::Packet) -> (Vec<Blob>, (i64, Packet)) {
        let mut args = packet.args;
        if let Some(args) = &mut args {
            // What a client says when it connects is its `auth`.
            if packet.packet_type == Some(PacketType::Connect) && packet.direction == Direction::Sent {
                self.redactor.all_strings(args);
            }
            self.redactor.json(args);
        }
        let blobs = packet.blobs.into_iter().map(|blob| Blob {
            length: blob.bytes.len() as i64,
            sha256: blob.sha256,
            bytes: blob.bytes,
            media_type: blob.media_type.to_owned(),
        });
        let row = Packet {
            tap: self.tap.clone(),
            connection,
            sid: packet.sid,
            direction: packet.direction.as_str().to_owned(),
            transport: packet.transport.as_str().to_owned(),
            first_ns: packet.first_ns,
            engine_type: packet.engine_type.map(|kind| kind.as_str().to_owned()),
            packet_type: packet.packet_type.map(|kind| kind.as_str().to_owned()),
            namespace: packet.namespace,
            ack_id: packet.ack_id,
            event: packet.event,
            args: args.map(|args| args.to_string()),
            wire_bytes: packet.wire_bytes,
            compressed: packet.compressed,
            problem: packet.problem,
            raw: packet.raw.map(|raw| self.raw(raw)),
        };
        (blobs.collect(), (packet.last_ns, row))
    }

    /// Malformed bytes are kept for people to look at; what reads as text may hold a secret like any other.
    fn raw(&self, raw: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(raw) {
            Ok(text) => self.redactor.text(&text).into_bytes(),
            Err(error) => error.into_bytes(),
        }
    }

    pub(super) fn notice(&self, connection: i64, notice: wire::Notice) -> (i64, ConnectionRow) {
        let mut detail = notice.detail;
        if let Some(headers) = detail.get_mut("headers") {
            self.redactor.headers(headers);
        }
        if let Some(Value::String(target)) = detail.get_mut("target") {
            *target = self.redactor.target(target);
        }
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("direction".to_owned(), notice.direction.as_str().into());
        }
        let row = ConnectionRow {
            tap: self.tap.clone(),
            connection,
            sid: notice.sid,
            kind: notice.kind.as_str().to_owned(),
            peer: None,
            status: notice.status,
            close_code: notice.close_code,
            detail: Some(detail.to_string()),
        };
        (notice.at_ns, row)
    }
}
