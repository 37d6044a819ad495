//! The Socket.IO packet in an Engine.IO message, protocol 5 and older.

use serde_json::{Map, Value};

use super::engineio::Revision;
use super::{Packet, PacketType, payload};

/// Reads `text` into `packet`; what is wrong with it comes back. `Ok` holds the number of
/// attachments that are to follow.
pub(super) fn read(packet: &mut Packet, text: &str, revision: Revision, max_values: usize) -> Result<u64, String> {
    let kind = packet_type(text)?;
    packet.packet_type = Some(kind);
    let mut rest = &text[1..];
    let mut attachments = 0;
    if matches!(kind, PacketType::BinaryEvent | PacketType::BinaryAck) {
        let (digits, after) = split_digits(rest);
        let count = digits.parse().ok().zip(after.strip_prefix('-'));
        (attachments, rest) = count.ok_or("a binary packet without its number of attachments")?;
    }
    let mut query = None;
    (packet.namespace, rest) = namespace(rest);
    if let Some(name) = &mut packet.namespace
        && revision == Revision::V3
        && let Some((path, text)) = name.split_once('?')
    {
        query = Some(text.to_owned());
        *name = path.to_owned();
    }
    let (digits, data) = split_digits(rest);
    if !digits.is_empty() {
        let id = digits.parse().map_err(|_| "an ack id of more than 63 bits")?;
        packet.ack_id = Some(id);
    }
    if let Some(query) = query.filter(|_| data.is_empty()) {
        packet.args = Some(Value::Array(vec![query_object(&query)]));
    }
    read_data(packet, kind, data, max_values)?;
    Ok(attachments)
}

fn packet_type(text: &str) -> Result<PacketType, String> {
    Ok(match text.as_bytes().first() {
        Some(b'0') => PacketType::Connect,
        Some(b'1') => PacketType::Disconnect,
        Some(b'2') => PacketType::Event,
        Some(b'3') => PacketType::Ack,
        Some(b'4') => PacketType::ConnectError,
        Some(b'5') => PacketType::BinaryEvent,
        Some(b'6') => PacketType::BinaryAck,
        Some(_) => return Err("not a Socket.IO packet: unknown type".to_owned()),
        None => return Err("not a Socket.IO packet: it is empty".to_owned()),
    })
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

fn namespace(rest: &str) -> (Option<String>, &str) {
    if !rest.starts_with('/') {
        return (Some("/".to_owned()), rest);
    }
    let (name, rest) = rest.split_once(',').unwrap_or((rest, ""));
    (Some(name.to_owned()), rest)
}

/// What an old client says when it connects to a namespace, where newer ones send an object.
fn query_object(query: &str) -> Value {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let fields: Map<String, Value> = pairs.map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    Value::Object(fields)
}

fn read_data(packet: &mut Packet, kind: PacketType, data: &str, max_values: usize) -> Result<(), String> {
    let is_list = !matches!(kind, PacketType::Connect | PacketType::Disconnect | PacketType::ConnectError);
    if data.is_empty() {
        return match is_list {
            true => Err("a packet without arguments".to_owned()),
            false => Ok(()),
        };
    }
    let (value, blobs) = payload::parse(data, max_values)?;
    packet.blobs = blobs;
    let mut items = match value {
        Value::Array(items) if is_list => items,
        value => vec![value],
    };
    let mut problem = None;
    if matches!(kind, PacketType::Event | PacketType::BinaryEvent) {
        match items.first() {
            Some(Value::String(name)) => packet.event = Some(name.clone()),
            Some(Value::Number(name)) => packet.event = Some(name.to_string()),
            _ => problem = Some("an event without a name"),
        }
        if problem.is_none() {
            items.remove(0);
        }
    } else if is_list && !data.starts_with('[') {
        problem = Some("an ack that is no list");
    }
    packet.args = Some(Value::Array(items));
    problem.map_or(Ok(()), |problem| Err(problem.to_owned()))
}
