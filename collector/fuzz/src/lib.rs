//! What the fuzz targets share: the decoders themselves, and ways to them through their one door, [`wire::Connection`].
//!
//! A target never looks at what the items say, only at what must hold for any bytes: no panic, and the same items however the
//! bytes are cut into chunks.

/// The collector's own source.
#[path = "../../src"]
mod decoders {
    pub mod exposition;
    pub mod wire;
}

pub use decoders::{exposition, wire};

use wire::{Budget, Connection, Direction, Item, Limits, Sessions};

/// Bytes of one direction; none: its end.
pub type Burst = (Direction, Vec<u8>);

/// Limits that an input of a few kB can exceed.
fn limits() -> Limits {
    Limits { message_bytes: 2000, values: 100, budget: Budget::new(3000) }
}

fn decode(bursts: &[Burst], step: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let limits = limits();
    let mut sessions = Sessions::new(&limits);
    let mut connection = Connection::new(&limits);
    let out = &mut |item| items.push(timeless(item));
    for (direction, bytes) in bursts {
        if bytes.is_empty() {
            connection.end(*direction, 0, &mut sessions, out);
        }
        for chunk in bytes.chunks(step) {
            connection.feed(*direction, 0, chunk, &mut sessions, out);
        }
    }
    for direction in [Direction::Sent, Direction::Received] {
        connection.end(direction, 0, &mut sessions, out);
    }
    sessions.finish(out);
    items
}

/// Whole messages are timed by their chunks: without that, items do not depend on how they were cut.
fn timeless(mut item: Item) -> Item {
    match &mut item {
        Item::Packet(packet) => (packet.first_ns, packet.last_ns) = (0, 0),
        Item::Notice(notice) => notice.at_ns = 0,
        Item::Stopped { at_ns, .. } => *at_ns = 0,
    }
    item
}

/// Decodes one connection whole, byte by byte, and in chunks of `step` bytes; all must give the same.
pub fn check(bursts: &[Burst], step: u8) {
    let whole = decode(bursts, usize::MAX);
    for step in [1, usize::from(step).max(2)] {
        assert_eq!(decode(bursts, step), whole, "in chunks of {step} bytes");
    }
}

/// An upgraded connection in the session `S`.
pub fn upgraded(revision: u8, extensions: &str) -> Vec<Burst> {
    let request =
        format!("GET /socket.io/?EIO={revision}&sid=S HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let response = format!("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n{extensions}\r\n");
    vec![(Direction::Sent, request.into_bytes()), (Direction::Received, response.into_bytes())]
}

/// A server's frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 127];
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The bursts of an input: a byte whose lowest bit is the direction, two with the length, then the bytes.
pub fn bursts(mut input: &[u8]) -> Vec<Burst> {
    let mut found = Vec::new();
    while let Some(([first, low, high], rest)) = input.split_first_chunk::<3>() {
        let direction = if first & 1 == 0 { Direction::Sent } else { Direction::Received };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        found.push((direction, bytes.to_vec()));
        input = rest;
    }
    found
}
