//! Packets and their attachments: complete, interrupted, never coming, across connections.

use super::*;

const V4: &str = "EIO=4&transport=websocket";
const HEADER: &str = r#"451-["b",{"_placeholder":true,"num":0}]"#;
const SHA_OF_123: &str = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";

fn attachment(direction: Direction, bytes: &[u8]) -> Burst {
    frame(direction, 0x82, bytes)
}

fn reference() -> String {
    format!(r#"[{{"$blob":"{SHA_OF_123}","bytes":3,"encoding":"binary"}}]"#)
}

#[test]
fn attachments_complete_a_packet_in_their_direction() {
    let line = |direction, bytes| {
        format!(
            "{direction} websocket sid=S message binary_event / \"b\" {} application/octet-streamx3 {bytes}B",
            reference()
        )
    };
    check_session(
        V4,
        vec![
            client(HEADER),
            server(HEADER),
            server("2"),
            attachment(Direction::Received, &[1, 2, 3]),
            client("3"),
            attachment(Direction::Sent, &[1, 2, 3]),
        ],
        &["received websocket sid=S ping 3B", &line("received", 46), "sent websocket sid=S pong 7B", &line("sent", 54)],
    );
}

#[test]
fn many_attachments() {
    let placeholders: Vec<Value> =
        (0..40).rev().map(|num| serde_json::json!({"_placeholder": true, "num": num})).collect();
    let mut bursts = upgrade(V4, "").to_vec();
    bursts.push(server(r#"0{"sid":"S"}"#));
    bursts.push(client(&format!("4640-7{}", Value::from(placeholders))));
    bursts.extend((0..40).map(|index| attachment(Direction::Sent, &vec![index; usize::from(index)])));
    let items = decode(&bursts, usize::MAX, small());
    let Item::Packet(packet) = &items[3] else { panic!("{items:?}") };
    assert_eq!((items.len(), packet.blobs.len()), (4, 40));
    assert_eq!((packet.packet_type, packet.ack_id), (Some(crate::wire::PacketType::BinaryAck), Some(7)));
    assert_eq!(packet.args.as_ref().unwrap()[0]["bytes"], 39);
    assert_eq!(packet.problem, None);
}

#[test]
fn what_interrupts_attachments_is_said() {
    let waiting = r#"sid=S message binary_event / "b" [{"_placeholder":true,"num":0}]"#;
    let raw = format!("raw: {HEADER:?}").replace("\"451-", "\"451-");
    check_session(
        V4,
        vec![server(HEADER), server("41")],
        &[
            &format!(
                "received websocket {waiting} 41B problem: text before its attachments: 0 of 1 came raw: {:?}",
                &HEADER
            ),
            "received websocket sid=S message disconnect / 4B",
        ],
    );
    check_session(
        V4,
        vec![server(HEADER), server("1")],
        &[
            "received websocket sid=S close 3B",
            &format!("received websocket {waiting} 41B problem: closed before its attachments: 0 of 1 came {raw}"),
        ],
    );
    check_session(
        V4,
        vec![server(HEADER)],
        &[&format!(
            "received websocket {waiting} 41B problem: the connection ended before its attachments: 0 of 1 came {raw}"
        )],
    );
    check_session(
        V4,
        vec![attachment(Direction::Sent, b"abc")],
        &["sent websocket sid=S message 9B problem: an attachment that no packet announced raw: \"abc\""],
    );
    check_session(
        V4,
        vec![client(r#"451-["b",{"_placeholder":true,"num":1}]"#), attachment(Direction::Sent, b"abc")],
        &[
            r#"sent websocket sid=S message binary_event / "b" [{"_placeholder":true,"num":1}] text/plainx3 54B problem: a placeholder names no attachment raw: "451-[\"b\",{\"_placeholder\":true,\"num\":1}]""#,
        ],
    );
}

#[test]
fn attachments_have_a_budget_and_are_counted_on() {
    check_session(
        V4,
        vec![
            client(r#"452-["b",{"_placeholder":true,"num":0}]"#),
            attachment(Direction::Sent, &[0; 60_000]),
            attachment(Direction::Sent, &[0; 60_000]),
            client("3"),
        ],
        &[
            r#"sent websocket sid=S message binary_event / "b" 120061B problem: budget: the packet and its attachments are too large raw: "452-[\"b\",{\"_placeholder\":true,\"num\":0}]""#,
            "sent websocket sid=S pong 7B",
        ],
    );
}

/// Feeds bursts of numbered connections that share their sessions.
fn decode_many(bursts: &[(usize, Burst)]) -> Vec<String> {
    let limits = small();
    let mut sessions = Sessions::new(&limits);
    let mut connections: Vec<Connection> = (0..4).map(|_| Connection::new(&limits)).collect();
    let mut lines = Vec::new();
    let out = &mut |item: Item| {
        if let Item::Packet(packet) = &item {
            lines.push(packet_line(packet));
        }
    };
    for (number, (direction, bytes)) in bursts {
        connections[*number].feed(*direction, 0, bytes, &mut sessions, out);
    }
    sessions.finish(out);
    assert_eq!(sessions.waiting(), 0);
    lines
}

fn post(body: &str) -> Burst {
    let length = body.len();
    sent(format!("POST /socket.io/?EIO=4&sid=S HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}"))
}

#[test]
fn attachments_cross_connections_and_transports() {
    let [request, response] = upgrade("EIO=4&transport=websocket&sid=S", "");
    let complete = |bytes| {
        format!("sent polling sid=S message binary_event / \"b\" {} application/octet-streamx3 {bytes}B", reference())
    };
    assert_eq!(decode_many(&[(0, post(HEADER)), (1, post("bAQID"))]), [complete(44)]);
    assert_eq!(
        decode_many(&[
            (0, post(HEADER)),
            (1, request),
            (1, response),
            (1, client("5")),
            (1, attachment(Direction::Sent, &[1, 2, 3])),
        ]),
        ["sent websocket sid=S upgrade 7B".to_owned(), complete(48)]
    );
}

#[test]
fn a_probe_that_ends_does_no_harm() {
    let [request, response] = upgrade("EIO=4&transport=websocket&sid=S", "");
    let limits = small();
    let mut sessions = Sessions::new(&limits);
    let mut polling = Connection::new(&limits);
    let mut probe = Connection::new(&limits);
    let mut items = Vec::new();
    let out = &mut |item| items.push(item);
    polling.feed(Direction::Sent, 1, &post(HEADER).1, &mut sessions, out);
    for (direction, bytes) in [request, response, client("2probe")] {
        probe.feed(direction, 2, &bytes, &mut sessions, out);
    }
    probe.end(Direction::Sent, 3, &mut sessions, out);
    probe.end(Direction::Received, 3, &mut sessions, out);
    assert_eq!(sessions.waiting(), 1);
    sessions.finish(out);
    assert!(line(items.last().unwrap()).contains("the recording ended before its attachments"));
}
