//! What real peers said to each other, and what they themselves logged of it.
//!
//! A `.stream` has a line per read: connection, direction, nanoseconds, base64 (none: the end).
//! The `.events` beside it is the server's own log: direction, namespace, event, arguments.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::{Blob, Connection, Direction, Item, Limits, Packet, PacketType, Sessions};

macro_rules! data {
    ($name:literal, $kind:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/wire/", $name, ".", $kind))
    };
}

fn replay(stream: &str, step: usize) -> Vec<Item> {
    let limits = Limits::default();
    let (mut sessions, mut connections) = (Sessions::new(&limits), BTreeMap::new());
    let mut items = Vec::new();
    let out = &mut |item| items.push(item);
    for line in stream.lines() {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let connection = connections.entry(word()).or_insert_with(|| Connection::new(&limits));
        let direction = match word() {
            "sent" => Direction::Sent,
            _ => Direction::Received,
        };
        let at_ns = word().parse().unwrap();
        let bytes = STANDARD.decode(word()).unwrap();
        for chunk in bytes.chunks(step) {
            connection.feed(direction, at_ns, chunk, &mut sessions, out);
        }
        if bytes.is_empty() {
            connection.end(direction, at_ns, &mut sessions, out);
        }
    }
    sessions.finish(out);
    items
}

/// The way back from references to values, as the logs write them.
fn restore(value: &Value, blobs: &[Blob]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| restore(item, blobs)).collect(),
        Value::Object(fields) => match fields.get("$blob") {
            Some(sha256) => {
                let blob = blobs.iter().find(|blob| *sha256 == blob.sha256.as_str()).unwrap();
                assert_eq!(value["bytes"], blob.bytes.len());
                match value["encoding"].as_str().unwrap() {
                    "base64" => Value::from(STANDARD.encode(&blob.bytes)),
                    "utf8" => Value::from(std::str::from_utf8(&blob.bytes).unwrap()),
                    _ => {
                        let hex: String = blob.bytes.iter().map(|b| format!("{b:02x}")).collect();
                        json!({"bin": hex})
                    }
                }
            }
            None => {
                let name = |key: &String| match key.ends_with("$blob") {
                    true => key[1..].to_owned(),
                    false => key.clone(),
                };
                fields.iter().map(|(key, item)| (name(key), restore(item, blobs))).collect()
            }
        },
        other => other.clone(),
    }
}

fn logged(packet: &Packet) -> Option<Value> {
    let event = match packet.packet_type? {
        PacketType::Event | PacketType::BinaryEvent => packet.event.as_deref()?,
        PacketType::Connect if packet.direction == Direction::Sent => "connect",
        _ => return None,
    };
    let args = restore(packet.args.as_ref().unwrap_or(&json!([])), &packet.blobs);
    Some(json!([packet.direction.as_str(), packet.namespace, event, args]))
}

#[track_caller]
fn check(stream: &str, events: &str, counts: &[(&str, usize)]) {
    let expected: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has_connects = expected.iter().any(|line| line[2] == "connect");
    for step in [usize::MAX, 1000, 1] {
        let items = replay(stream, step);
        let packets = || {
            items.iter().filter_map(|item| match item {
                Item::Packet(packet) => Some(&**packet),
                Item::Stopped { reason, .. } => panic!("stopped: {reason}"),
                Item::Notice(_) => None,
            })
        };
        for packet in packets() {
            assert_eq!(packet.problem, None, "{packet:?}");
            assert!(packet.sid.is_some(), "{packet:?}");
            assert!(packet.first_ns <= packet.last_ns, "{packet:?}");
        }
        let found: Vec<Value> =
            packets().filter_map(logged).filter(|line| has_connects || line[2] != "connect").collect();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
        for (name, count) in counts {
            let kinds = packets().flat_map(|packet| {
                [
                    packet.engine_type.map(|kind| kind.as_str()),
                    packet.packet_type.map(|kind| kind.as_str()),
                    Some(packet.transport.as_str()),
                    packet.compressed.then_some("compressed"),
                ]
            });
            let notices = items.iter().map(|item| match item {
                Item::Notice(notice) => Some(notice.kind.as_str()),
                _ => None,
            });
            let found = kinds.chain(notices).filter(|kind| *kind == Some(*name)).count();
            assert_eq!(found, *count, "{name}");
        }
    }
}

#[test]
fn python_socketio_5_upgrades() {
    let events = data!("python-socketio-5-upgrade", "events");
    check(
        data!("python-socketio-5-upgrade", "stream"),
        events,
        &[("upgrade", 2), ("ack", 2), ("binary_event", 4), ("compressed", 0)],
    );
}

#[test]
fn socket_io_4_upgrades_with_deflate() {
    let events = data!("socket.io-4-upgrade-deflate", "events");
    check(data!("socket.io-4-upgrade-deflate", "stream"), events, &[("upgrade", 2), ("ack", 6)]);
}

#[test]
fn socket_io_2_upgrades_with_deflate() {
    let events = data!("socket.io-2-upgrade-deflate", "events");
    check(data!("socket.io-2-upgrade-deflate", "stream"), events, &[("upgrade", 2), ("ack", 6)]);
}

#[test]
fn socket_io_2_polls() {
    let events = data!("socket.io-2-polling", "events");
    check(data!("socket.io-2-polling", "stream"), events, &[("upgrade", 0), ("ack", 6), ("websocket", 0)]);
}

/// A session of each protocol and transport.
pub(super) const SESSIONS: [&str; 4] = [
    data!("socket.io-4-upgrade-deflate", "stream"),
    data!("socket.io-2-upgrade-deflate", "stream"),
    data!("socket.io-2-polling", "stream"),
    data!("python-socketio-5-upgrade", "stream"),
];

/// The bytes of a session's longest connection.
pub(super) fn main_connection(session: usize) -> Vec<(Direction, Vec<u8>)> {
    let mut by_connection: BTreeMap<&str, Vec<(Direction, Vec<u8>)>> = BTreeMap::new();
    for line in SESSIONS[session].lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let direction = match words[1] {
            "sent" => Direction::Sent,
            _ => Direction::Received,
        };
        let bytes = words.get(3).map(|text| STANDARD.decode(text).unwrap());
        let bursts = by_connection.entry(words[0]).or_default();
        bursts.push((direction, bytes.unwrap_or_default()));
    }
    let longest = by_connection.into_values().max_by_key(Vec::len);
    longest.unwrap()
}
