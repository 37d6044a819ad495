//! WebSocket: frames, masks, continuations, control frames, permessage-deflate, violations.

use super::*;
use flate2::{Compress, Compression, FlushCompress};

const V4: &str = "EIO=4&transport=websocket";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn frames_of_the_rfc() {
    // RFC 6455, 5.7: masked and unmasked "Hello", which is no Engine.IO packet; ping and pong.
    check_session(
        V4,
        vec![
            received(hex("8105 48656c6c6f")),
            sent(hex("8185 37fa213d 7f9f4d5158")),
            received(hex("8905 48656c6c6f")),
            sent(hex("8a85 37fa213d 7f9f4d5158")),
            received(hex("0103 48656c")),
            received(hex("8002 6c6f")),
        ],
        &[
            "received websocket sid=S 7B problem: not an Engine.IO packet: unknown type raw: \"Hello\"",
            "sent websocket sid=S 11B problem: not an Engine.IO packet: unknown type raw: \"Hello\"",
            "received ws_ping sid=S Hello",
            "sent ws_pong sid=S Hello",
            "received websocket sid=S 9B problem: not an Engine.IO packet: unknown type raw: \"Hello\"",
        ],
    );
}

#[test]
fn continuations_may_be_empty_and_interrupted_by_control_frames() {
    let part = |first, text: &str| frame(Direction::Sent, first, text.as_bytes());
    check_session(
        V4,
        vec![
            part(0x01, ""),
            part(0x00, "42[\"é"),
            part(0x89, ""),
            part(0x00, ""),
            part(0x8a, "x"),
            part(0x80, "\"]"),
            server("3"),
        ],
        &[
            "sent ws_ping sid=S",
            "sent ws_pong sid=S x",
            "sent websocket sid=S message event / \"é\" [] 32B",
            "received websocket sid=S pong 3B",
        ],
    );
}

#[test]
fn close_frames_have_codes() {
    let close = |direction, payload: &[u8]| frame(direction, 0x88, payload);
    check_session(
        V4,
        vec![close(Direction::Received, b"\x03\xe8done"), close(Direction::Sent, b""), close(Direction::Sent, b"\x03")],
        &["received close sid=S 1000 done", "sent close sid=S", "sent close sid=S \u{3}"],
    );
}

#[test]
fn lengths_of_every_size() {
    for length in [0_usize, 1, 125, 126, 127, 32_764, 32_765, 45_000] {
        let text = format!("42[\"e\",\"{}\"]", "é".repeat(length));
        let items = decode(&[&upgrade(V4, "")[..], &[client(&text), server(&text)]].concat(), 997, small());
        for item in &items[2..] {
            let Item::Packet(packet) = item else { panic!("{item:?}") };
            let value = &packet.args.as_ref().unwrap()[0];
            let bytes = match value.as_str() {
                Some(text) => text.len(),
                None => packet.blobs[0].bytes.len(),
            };
            assert_eq!((&packet.problem, bytes), (&None, 2 * length));
        }
    }
}

#[test]
fn violations_end_the_direction() {
    let cases: [(&str, &str); 7] = [
        ("8301 30", "not WebSocket: opcode 3"),
        ("a101 30", "not WebSocket: a reserved bit is set"),
        ("c900", "not WebSocket: a reserved bit is set"),
        ("0900", "not WebSocket: a control frame is too long or not final"),
        ("897e 0100", "not WebSocket: a control frame is too long or not final"),
        ("817f 8000000000000000", "not WebSocket: a frame's length is negative"),
        ("8001 30", "a continuation of no message"),
    ];
    for (bytes, problem) in cases {
        let mut bursts = upgrade(V4, "").to_vec();
        bursts.extend([received(hex(bytes)), received("ignored"), client("3")]);
        let lines: Vec<String> = decode(&bursts, 1, small()).iter().skip(2).map(line).collect();
        assert!(lines[0].starts_with(&format!("received websocket 0B problem: {problem}")));
        assert_eq!(lines[1], format!("received stopped: {problem}"));
        assert_eq!(lines[2..], ["sent websocket pong 7B"]);
    }
}

#[test]
fn messages_can_be_wrong_only_in_themselves() {
    check_session(
        V4,
        vec![
            received(hex("8181 00000000 33")),
            sent(hex("8101 33")),
            received(hex("c101 33")),
            received(hex("8102 33ff")),
            received(hex("8100")),
            received(hex("8102 3339")),
            received(hex("0101 34")),
        ],
        &[
            "received websocket sid=S 7B problem: a server's frame is masked raw: \"3\"",
            "sent websocket sid=S 3B problem: a client's frame is not masked raw: \"3\"",
            "received websocket sid=S 3B compressed problem: compressed, although that was not agreed raw: \"3\"",
            "received websocket sid=S 4B problem: text not UTF-8: invalid utf-8 sequence of 1 bytes from index 1 raw: \"3\u{fffd}\"",
            "received websocket sid=S 2B problem: an Engine.IO packet without a type raw: \"\"",
            "received websocket sid=S pong [\"9\"] 4B",
            "received websocket sid=S 0B problem: the connection ended inside a WebSocket message raw: \"4\"",
        ],
    );
}

/// Compresses as a peer does; without `reset` later messages refer to earlier ones.
fn deflate(stream: &mut Compress, text: &str, reset: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 1000);
    stream.compress_vec(text.as_bytes(), &mut bytes, FlushCompress::Sync).unwrap();
    assert!(bytes.ends_with(&[0, 0, 0xff, 0xff]));
    bytes.truncate(bytes.len() - 4);
    if reset {
        stream.reset();
    }
    bytes
}

#[test]
fn compression_with_and_without_context() {
    for (parameter, reset) in [("", false), ("; server_no_context_takeover", true)] {
        let header = format!("Sec-WebSocket-Extensions: permessage-deflate{parameter}\r\n");
        let mut stream = Compress::new(Compression::default(), false);
        let mut bursts = upgrade(V4, &header).to_vec();
        let text = "42[\"said twice\",\"the same words again and again\"]";
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let bytes = deflate(&mut stream, text, reset);
            // In two parts, with a ping between.
            let (head, tail) = bytes.split_at(3);
            bursts.push(frame(Direction::Received, 0x41, head));
            bursts.push(frame(Direction::Received, 0x89, b""));
            bursts.push(frame(Direction::Received, 0x80, tail));
            bursts.push(server("2"));
            sizes.push(bytes.len() + 4);
        }
        assert_eq!(sizes[1] < sizes[0], !reset, "the window is used");
        for step in [usize::MAX, 1] {
            let items = decode(&bursts, step, small());
            let packets: Vec<String> =
                items.iter().skip(2).filter(|item| matches!(item, Item::Packet(_))).map(line).collect();
            let expected = sizes.iter().flat_map(|size| {
                let event = r#"message event / "said twice" ["the same words again and again"]"#;
                [format!("received websocket {event} {size}B compressed"), "received websocket ping 3B".to_owned()]
            });
            assert_eq!(packets, expected.collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_message_over_budget_does_not_end_the_context() {
    let mut stream = Compress::new(Compression::default(), false);
    let mut bursts = upgrade(V4, "Sec-WebSocket-Extensions: permessage-deflate\r\n").to_vec();
    let long = format!("42[\"x\",\"{}\"]", "ab".repeat(100_000));
    for text in [&long, "42[\"abababab\"]"] {
        let bytes = deflate(&mut stream, text, false);
        bursts.push(frame(Direction::Received, 0xc1, &bytes));
    }
    for step in [usize::MAX, 1] {
        let items = decode(&bursts, step, small());
        let [Item::Packet(over), Item::Packet(fine)] = &items[2..] else { panic!("{items:?}") };
        let problem = "budget: the message has more than 100000 bytes";
        assert_eq!(over.problem.as_deref(), Some(problem));
        assert_eq!(over.raw.as_deref(), Some(&long.as_bytes()[..4096]));
        assert_eq!(fine.event.as_deref(), Some("abababab"));
    }
}

#[test]
fn what_cannot_be_inflated_is_shown_as_it_came() {
    let mut bursts = upgrade(V4, "Sec-WebSocket-Extensions: permessage-deflate\r\n").to_vec();
    bursts.push(frame(Direction::Received, 0xc1, b"\xff\xff garbage"));
    bursts.push(server("3"));
    for step in [usize::MAX, 1] {
        let items = decode(&bursts, step, small());
        assert_eq!(
            items.iter().skip(2).map(line).collect::<Vec<_>>(),
            [
                "received websocket 12B compressed problem: the message can't be decompressed raw: \"\u{fffd}\u{fffd} garbage\"",
                "received websocket pong 3B",
            ]
        );
    }
}

#[test]
fn an_uncompressed_message_over_budget_keeps_its_beginning() {
    let mut bursts = upgrade(V4, "").to_vec();
    bursts.extend([client(&"4".repeat(100_001)), client("3")]);
    for step in [usize::MAX, 5000, 1] {
        let items = decode(&bursts, step, small());
        let [Item::Packet(over), Item::Packet(fine)] = &items[2..] else { panic!("{items:?}") };
        assert_eq!(over.raw.as_deref(), Some(&[b'4'; 4096][..]));
        assert_eq!(over.wire_bytes, 100_001 + 14);
        assert_eq!(line(&Item::Packet(fine.clone())), "sent websocket pong 7B");
    }
}

#[test]
fn a_gap_is_said_once() {
    let limits = small();
    let mut lines = Vec::new();
    let out = &mut |item: Item| lines.push(line(&item));
    let (mut sessions, mut connection) = (Sessions::new(&limits), Connection::new(&limits));
    for (direction, bytes) in upgrade(V4, "") {
        connection.feed(direction, 1, &bytes, &mut sessions, out);
    }
    connection.gap(Direction::Sent, 2, 99, &mut sessions, out);
    connection.gap(Direction::Sent, 3, 1, &mut sessions, out);
    connection.feed(Direction::Sent, 4, &client("3").1, &mut sessions, out);
    connection.feed(Direction::Received, 5, &server("2").1, &mut sessions, out);
    connection.end(Direction::Sent, 6, &mut sessions, out);
    assert_eq!(lines[2..], ["sent stopped: 99 bytes were lost", "received websocket ping 3B"]);
}

#[test]
fn a_gap_in_http_stops_both_directions() {
    let limits = small();
    let mut lines = Vec::new();
    let out = &mut |item: Item| lines.push(line(&item));
    let (mut sessions, mut connection) = (Sessions::new(&limits), Connection::new(&limits));
    connection.feed(Direction::Sent, 1, b"GET / HTTP/1.1\r\n\r\n", &mut sessions, out);
    connection.gap(Direction::Received, 2, 5, &mut sessions, out);
    connection.feed(Direction::Sent, 3, b"GET / HTTP/1.1\r\n\r\n", &mut sessions, out);
    assert_eq!(
        lines,
        ["sent request GET /", "sent stopped: 5 bytes were lost", "received stopped: 5 bytes were lost",]
    );
}

#[test]
fn a_message_with_a_hole_is_lost_and_the_next_one_read() {
    let limits = Limits::default();
    let (mut sessions, mut connection) = (Sessions::new(&limits), Connection::new(&limits));
    let (mut lines, mut stopped) = (Vec::new(), 0);
    let out = &mut |item: Item| match &item {
        Item::Packet(packet) => lines.push(packet_line(packet)),
        Item::Stopped { .. } => stopped += 1,
        Item::Notice(_) => {}
    };
    for (direction, bytes) in upgrade("EIO=4&transport=websocket&sid=S", "") {
        connection.feed(direction, 0, &bytes, &mut sessions, out);
    }
    let (direction, whole) = client(&format!("42[\"a\",\"{}\"]", "x".repeat(1000)));
    connection.feed(direction, 0, &whole[..300], &mut sessions, out);
    connection.gap(direction, 0, 500, &mut sessions, out);
    connection.feed(direction, 0, &whole[800..], &mut sessions, out);
    connection.feed(direction, 0, &client("42[\"b\"]").1, &mut sessions, out);
    // Where the hole reaches beyond the message, nothing says what comes after it.
    connection.feed(direction, 0, &whole[..300], &mut sessions, out);
    connection.gap(direction, 0, 900, &mut sessions, out);
    assert!(lines[0].contains("problem: 500 bytes of it were lost"), "{lines:?}");
    assert!(lines[1].contains("event / \"b\"") && !lines[1].contains("problem"), "{lines:?}");
    assert_eq!((lines.len(), stopped), (2, 1));
}

#[test]
fn large_messages_share_one_budget_and_small_ones_always_have_room() {
    let limits = Limits { budget: Budget::new(1 << 20), ..Limits::default() };
    let mut sessions = Sessions::new(&limits);
    let mut connections: Vec<Connection> = (0..4).map(|_| Connection::new(&limits)).collect();
    let mut lines = Vec::new();
    let out = &mut |item: Item| {
        if let Item::Packet(packet) = &item {
            lines.push((packet.is_over_budget(), packet_line(packet)));
        }
    };
    let large = client(&format!("42[\"large\",\"{}\"]", "x".repeat(500_000))).1;
    let small = client("42[\"small\"]").1;
    for (direction, bytes) in upgrade("EIO=4&transport=websocket&sid=S", "") {
        connections.iter_mut().for_each(|connection| connection.feed(direction, 0, &bytes, &mut sessions, out));
    }
    let (begin, rest) = large.split_at(400_000);
    connections.iter_mut().take(3).for_each(|each| each.feed(Direction::Sent, 0, begin, &mut sessions, out));
    connections[3].feed(Direction::Sent, 0, &small, &mut sessions, out);
    connections.iter_mut().take(3).for_each(|each| each.feed(Direction::Sent, 0, rest, &mut sessions, out));
    assert_eq!(lines.iter().filter(|(over, _)| *over).count(), 1, "{lines:?}");
    assert!(lines[0].1.contains("small"));
    assert_eq!(lines.len(), 4);
    assert_eq!(limits.budget.taken(), 0);
}
