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
        let args = args.map(|args| args.to_string());
        // A secret that was large enough to be a blob is no longer referred to, and so not kept.
        let kept = |blob: &wire::Blob| args.as_ref().is_some_and(|args| args.contains(&blob.sha256));
        let blobs: Vec<Blob> = packet
            .blobs
            .into_iter()
            .filter(kept)
            .map(|blob| Blob {
                length: blob.bytes.len() as i64,
                sha256: blob.sha256,
                bytes: blob.bytes,
                media_type: blob.media_type.to_owned(),
            })
            .collect();
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
            args,
            wire_bytes: packet.wire_bytes,
            compressed: packet.compressed,
            problem: packet.problem,
            raw: packet.raw.map(|raw| self.raw(raw)),
        };
        (blobs, (packet.last_ns, row))
    }

    /// Malformed bytes are kept for people to look at; what reads as text may hold a secret like any other.
    fn raw(&self, raw: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&raw);
        let redacted = self.redactor.text(&text);
        if redacted == text { raw } else { redacted.into_bytes() }
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
        detail.sort_all_objects();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Connection, Item, Limits, Sessions};

    /// The packets of one WebSocket connection whose client sends `messages`.
    fn packets(messages: &[&str]) -> Vec<(Vec<Blob>, Packet)> {
        let rows = Rows { tap: "t".to_owned(), redactor: Arc::new(Redactor::with_key(vec![3; 32], [])) };
        let (mut connection, mut sessions) = (Connection::new(&Limits::default()), Sessions::new(&Limits::default()));
        let mut found = Vec::new();
        let mut out = |item: Item| {
            if let Item::Packet(packet) = item {
                let (blobs, (_, row)) = rows.packet(0, *packet);
                found.push((blobs, row));
            }
        };
        let request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let response = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        connection.feed(Direction::Sent, 1, request.as_bytes(), &mut sessions, &mut out);
        connection.feed(Direction::Received, 2, response.as_bytes(), &mut sessions, &mut out);
        for message in messages {
            let mut frame = vec![0x81, 0x80 | 127];
            frame.extend_from_slice(&(message.len() as u64).to_be_bytes());
            frame.extend_from_slice(&[0; 4]);
            frame.extend_from_slice(message.as_bytes());
            connection.feed(Direction::Sent, 3, &frame, &mut sessions, &mut out);
        }
        found
    }

    #[test]
    fn auth_and_secret_fields_are_gone_however_large() {
        let large = "hunter2".repeat(1000);
        let found = packets(&[
            r#"40{"token":"hunter2"}"#,
            &format!(r#"40{{"token":"{large}"}}"#),
            &format!(r#"42["login",{{"password":"{large}","note":"kept"}}]"#),
        ]);
        assert_eq!(found.len(), 3);
        for (blobs, packet) in &found {
            assert!(blobs.is_empty(), "{blobs:?}");
            let args = packet.args.as_deref().unwrap_or_default();
            assert!(args.contains("redacted:") && !args.contains("hunter2"), "{args}");
        }
        assert!(found[2].1.args.as_deref().is_some_and(|args| args.contains("kept")));
    }

    #[test]
    fn what_is_no_secret_is_kept_as_a_blob() {
        let found = packets(&[&format!(r#"42["talk","{}"]"#, "hello ".repeat(1000))]);
        assert_eq!(found[0].0.len(), 1);
        assert!(found[0].1.args.as_deref().is_some_and(|args| args.contains(&found[0].0[0].sha256)));
    }
}
