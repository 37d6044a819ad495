//! Streams in, lines of items out; streams of real peers; any chunking; any bytes.

mod engine;
mod frames;
mod http;
mod lifting;
mod peers;
mod robust;
mod sessions;
mod smuggling;

use serde_json::Value;

use super::{Budget, Connection, Direction, Item, Limits, Packet, Sessions};

/// Bytes of one direction.
type Burst = (Direction, Vec<u8>);

fn sent(bytes: impl AsRef<[u8]>) -> Burst {
    (Direction::Sent, bytes.as_ref().to_vec())
}

fn received(bytes: impl AsRef<[u8]>) -> Burst {
    (Direction::Received, bytes.as_ref().to_vec())
}

/// Decodes one connection, each burst in chunks of `step` bytes, one nanosecond apart.
fn decode(bursts: &[Burst], step: usize, limits: Limits) -> Vec<Item> {
    let mut items = Vec::new();
    let mut sessions = Sessions::new(&limits);
    let mut connection = Connection::new(&limits);
    let mut at_ns = 0;
    let out = &mut |item| items.push(item);
    for (direction, bytes) in bursts {
        for chunk in bytes.chunks(step) {
            at_ns += 1;
            connection.feed(*direction, at_ns, chunk, &mut sessions, out);
        }
    }
    for direction in [Direction::Sent, Direction::Received] {
        connection.end(direction, at_ns, &mut sessions, out);
    }
    sessions.finish(out);
    items
}

/// The items as lines, whole and byte by byte.
#[track_caller]
fn check(bursts: &[Burst], expected: &[&str]) {
    for step in [usize::MAX, 7, 1] {
        let lines: Vec<String> = decode(bursts, step, small()).iter().map(line).collect();
        assert_eq!(lines, expected, "in chunks of {step} bytes");
    }
}

/// Limits that a test can exceed.
fn small() -> Limits {
    Limits { message_bytes: 100_000, values: 1000, budget: Budget::new(200_000) }
}

fn line(item: &Item) -> String {
    match item {
        Item::Packet(packet) => packet_line(packet),
        Item::Stopped { direction, reason, .. } => format!("{} stopped: {reason}", direction.as_str()),
        Item::Notice(notice) => {
            let mut words = vec![notice.direction.as_str().to_owned(), notice.kind.as_str().to_owned()];
            words.extend(notice.sid.as_ref().map(|sid| format!("sid={sid}")));
            words.extend(notice.status.map(|status| status.to_string()));
            words.extend(notice.close_code.map(|code| code.to_string()));
            for name in ["method", "target", "payload", "reason"] {
                words.extend(notice.detail[name].as_str().map(str::to_owned));
            }
            if !notice.detail["compression"].is_null() {
                words.push(notice.detail["compression"].to_string());
            }
            words.join(" ")
        }
    }
}

fn packet_line(packet: &Packet) -> String {
    let mut words = vec![packet.direction.as_str().to_owned(), packet.transport.as_str().to_owned()];
    words.extend(packet.sid.as_ref().map(|sid| format!("sid={sid}")));
    words.extend(packet.engine_type.map(|kind| kind.as_str().to_owned()));
    words.extend(packet.packet_type.map(|kind| kind.as_str().to_owned()));
    words.extend(packet.namespace.clone());
    words.extend(packet.ack_id.map(|id| format!("ack={id}")));
    words.extend(packet.event.as_ref().map(|event| format!("{event:?}")));
    words.extend(packet.args.as_ref().map(Value::to_string));
    words.extend(packet.blobs.iter().map(|blob| format!("{}x{}", blob.media_type, blob.bytes.len())));
    words.push(format!("{}B", packet.wire_bytes));
    words.extend(packet.compressed.then(|| "compressed".to_owned()));
    words.extend(packet.problem.as_ref().map(|problem| format!("problem: {problem}")));
    let raw = packet.raw.as_deref().map(|raw| String::from_utf8_lossy(raw).into_owned());
    words.extend(raw.map(|raw| format!("raw: {raw:?}")));
    words.join(" ")
}

/// A WebSocket upgrade, request and response, for Engine.IO `revision` with or without a session.
fn upgrade(query: &str, extensions: &str) -> [Burst; 2] {
    let request = format!(
        "GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\n\r\n"
    );
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {extensions}\r\n"
    );
    [sent(request), received(response)]
}

/// A frame as a client or a server writes it. `first` is its first byte.
fn frame(direction: Direction, first: u8, payload: &[u8]) -> Burst {
    let is_masked = direction == Direction::Sent;
    let flag = if is_masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(flag | length as u8),
        length @ 126..=0xffff => {
            bytes.push(flag | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(flag | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    if is_masked {
        let mask = [0x11, 0xa7, 0x03, 0xfe];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        bytes.extend(payload);
    }
    (direction, bytes)
}

fn client(text: &str) -> Burst {
    frame(Direction::Sent, 0x81, text.as_bytes())
}

fn server(text: &str) -> Burst {
    frame(Direction::Received, 0x81, text.as_bytes())
}

/// An upgraded connection with an open session `S`, then `bursts`: the lines after the handshake.
#[track_caller]
fn check_session(query: &str, bursts: Vec<Burst>, expected: &[&str]) {
    let mut all = upgrade(query, "").to_vec();
    all.push(server(r#"0{"sid":"S"}"#));
    all.extend(bursts);
    for step in [usize::MAX, 7, 1] {
        let items = decode(&all, step, small());
        let lines: Vec<String> = items.iter().skip(3).map(line).collect();
        assert_eq!(lines, expected, "in chunks of {step} bytes");
    }
}
