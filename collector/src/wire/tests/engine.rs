//! Engine.IO and Socket.IO: packets of both protocols' versions, and what is wrong with some.

use super::*;

const V4: &str = "EIO=4&transport=websocket";
const V3: &str = "EIO=3&transport=websocket";

/// What the server's text `text` becomes, without the envelope and the problem's raw bytes.
#[track_caller]
fn check_text(query: &str, text: &str, expected: &str) {
    let mut bursts = upgrade(query, "").to_vec();
    bursts.push(server(text));
    let items = decode(&bursts, usize::MAX, small());
    let found = line(&items[2]);
    let found = found.strip_prefix("received websocket ").unwrap();
    let found = found.split(" raw: ").next().unwrap();
    let size = format!("{}B", bursts[2].1.len());
    let found: Vec<&str> = found.split(' ').filter(|word| *word != size).collect();
    assert_eq!(found.join(" "), expected);
}

#[test]
fn packets_of_engine_io() {
    check_text(V4, r#"0{"sid":"x"}"#, r#"sid=x open [{"sid":"x"}]"#);
    check_text(V4, "1", "close");
    check_text(V4, "2", "ping");
    check_text(V4, "2probe", r#"ping ["probe"]"#);
    check_text(V4, "3probe", r#"pong ["probe"]"#);
    check_text(V4, "5", "upgrade");
    check_text(V4, "6", "noop");
    check_text(V4, "7", "problem: not an Engine.IO packet: unknown type");
    check_text(V4, "é", "problem: an Engine.IO packet without a type");
    check_text(V4, "0{", "open problem: not JSON: EOF while parsing an object at line 1 column 1");
    check_text(V4, "4", "message problem: not a Socket.IO packet: it is empty");
}

#[test]
fn packets_of_socket_io() {
    for (text, expected) in [
        ("40", "message connect /"),
        (r#"40{"token":"t"}"#, r#"message connect / [{"token":"t"}]"#),
        (r#"40/admin,{"sid":"a"}"#, r#"message connect /admin [{"sid":"a"}]"#),
        ("40/admin", "message connect /admin"),
        ("40/más?x,", "message connect /más?x"),
        ("41", "message disconnect /"),
        ("41/admin,", "message disconnect /admin"),
        (r#"42["a"]"#, r#"message event / "a" []"#),
        (r#"42["a",1,[2]]"#, r#"message event / "a" [1,[2]]"#),
        (r#"427["a"]"#, r#"message event / ack=7 "a" []"#),
        (r#"42/x,70["a:b 😀\n"]"#, r#"message event /x ack=70 "a:b 😀\n" []"#),
        ("42[5,6]", r#"message event / "5" [6]"#),
        (r#"43/x,70["ok",null]"#, r#"message ack /x ack=70 ["ok",null]"#),
        ("4312[]", "message ack / ack=12 []"),
        (r#"44{"message":"no"}"#, r#"message connect_error / [{"message":"no"}]"#),
        (r#"450-["a"]"#, r#"message binary_event / "a" []"#),
    ] {
        check_text(V4, text, expected);
    }
}

#[test]
fn packets_of_older_socket_io() {
    for (text, expected) in [
        ("40/admin?token=abc&x,", r#"message connect /admin [{"token":"abc","x":""}]"#),
        (r#"44/admin,"Not authorized""#, r#"message connect_error /admin ["Not authorized"]"#),
        (r#"42/admin,1["a"]"#, r#"message event /admin ack=1 "a" []"#),
    ] {
        check_text(V3, text, expected);
    }
}

#[test]
fn malformed_packets_say_what_is_wrong() {
    for (text, expected) in [
        ("42", "message event / problem: a packet without arguments"),
        ("42[]", "message event / [] problem: an event without a name"),
        ("42[null,1]", "message event / [null,1] problem: an event without a name"),
        ("42{}", "message event / [{}] problem: an event without a name"),
        ("433{}", "message ack / ack=3 [{}] problem: an ack that is no list"),
        ("42[1", "message event / problem: not JSON: EOF while parsing a list at line 1 column 2"),
        ("42[1]x", "message event / problem: not JSON: trailing characters at line 1 column 4"),
        ("4299999999999999999999[1]", "message event / problem: an ack id of more than 63 bits"),
        ("49", "message problem: not a Socket.IO packet: unknown type"),
        ("45[\"a\"]", "message binary_event problem: a binary packet without its number of attachments"),
        ("451-[\"a\"]", "message binary_event / \"a\" [] problem: attachments without a session"),
    ] {
        check_text(V4, text, expected);
    }
}

#[test]
fn depth_and_number_of_values_are_limited() {
    let deep = format!("42[\"a\",{}{}]", "[".repeat(5000), "]".repeat(5000));
    check_text(V4, &deep, "message event / problem: not JSON: recursion limit exceeded at line 1 column 132");
    let many = format!("42[\"a\"{}]", ",0".repeat(999));
    check_text(V4, &many, "message event / problem: budget: the JSON has more than 1000 values");
}

/// The packets in a polling body of the server.
#[track_caller]
fn check_payload(query: &str, body: &[u8], expected: &[&str]) {
    let request = format!("GET /socket.io/?{query}&sid=S HTTP/1.1\r\n\r\n");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let bursts = [sent(request), received([head.as_bytes(), body].concat())];
    for step in [usize::MAX, 1] {
        let items = decode(&bursts, step, small());
        let lines: Vec<String> =
            items.iter().skip(2).map(|item| line(item).replace("received polling sid=S ", "")).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn payloads_of_protocol_4() {
    check_payload(
        "EIO=4",
        "42[\"€\"]\u{1e}451-[\"b\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQID\u{1e}6".as_bytes(),
        &[
            "message event / \"€\" [] 9B",
            "message binary_event / \"b\" [{\"$blob\":\"039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81\",\"bytes\":3,\"encoding\":\"binary\"}] application/octet-streamx3 44B",
            "noop 1B",
        ],
    );
    check_payload("EIO=4", b"6\x1e", &["noop 1B"]);
    check_payload("EIO=4", b"\x1e6", &["0B problem: an Engine.IO packet without a type raw: \"\"", "noop 1B"]);
    check_payload(
        "EIO=4",
        b"bA*",
        &["3B problem: binary data that is not base64: Invalid symbol 42, offset 1. raw: \"bA*\""],
    );
    check_payload(
        "EIO=4",
        b"6\x1e\xff",
        &[
            "3B problem: a polling body not UTF-8: invalid utf-8 sequence of 1 bytes from index 2 raw: \"6\\u{1e}\u{fffd}\"",
        ],
    );
}

#[test]
fn payloads_of_protocol_3_as_text() {
    // Lengths count UTF-16 units: the emoji is two of them, the euro sign one.
    check_payload(
        "EIO=3",
        "9:42[\"€😀\"]1:639:451-[\"b\",{\"_placeholder\":true,\"num\":0}]6:b4AQID".as_bytes(),
        &[
            "message event / \"€😀\" [] 13B",
            "noop 1B",
            "message binary_event / \"b\" [{\"$blob\":\"039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81\",\"bytes\":3,\"encoding\":\"binary\"}] application/octet-streamx3 45B",
        ],
    );
    let short = "a polling body shorter than its packet";
    let none = "a polling body without a packet's length";
    check_payload("EIO=3", b"3:6", &[&format!("3B problem: {short} raw: \"3:6\"")]);
    check_payload("EIO=3", "1:😀".as_bytes(), &[&format!("6B problem: {short} raw: \"1:😀\"")]);
    check_payload("EIO=3", b"1:6x", &["noop 1B", &format!("1B problem: {none} raw: \"x\"")]);
    check_payload(
        "EIO=3",
        b"99999999999999999999999:6",
        &[&format!("25B problem: {none} raw: \"99999999999999999999999:6\"")],
    );
    check_payload("EIO=3", b"<html>", &[&format!("6B problem: {none} raw: \"<html>\"")]);
}

#[test]
fn payloads_of_protocol_3_as_bytes() {
    let event = r#"451-["b",{"_placeholder":true,"num":0}]"#;
    let mut body = vec![0, 1, 0xff, b'6', 0, 3, 9, 0xff];
    body.extend(event.bytes());
    body.extend([1, 4, 0xff, 4, 1, 2, 3]);
    check_payload(
        "EIO=3",
        &body,
        &[
            "noop 1B",
            "message binary_event / \"b\" [{\"$blob\":\"039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81\",\"bytes\":3,\"encoding\":\"binary\"}] application/octet-streamx3 43B",
        ],
    );
    let short = "a polling body shorter than its packet";
    check_payload("EIO=3", &[0, 2, 0xff, b'6'], &[&format!("4B problem: {short} raw: \"\\0\\u{{2}}\u{fffd}6\"")]);
    check_payload("EIO=3", &[1, 0xff], &["0B problem: binary data that is no message raw: \"\""]);
}

#[test]
fn binary_messages_of_protocol_3_begin_with_their_type() {
    let event = r#"451-["b",{"_placeholder":true,"num":0}]"#;
    check_session(
        V3,
        vec![server(event), frame(Direction::Received, 0x82, &[4, 1, 2, 3]), frame(Direction::Received, 0x82, &[2, 1])],
        &[
            "received websocket sid=S message binary_event / \"b\" [{\"$blob\":\"039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81\",\"bytes\":3,\"encoding\":\"binary\"}] application/octet-streamx3 47B",
            "received websocket sid=S 4B problem: binary data that is no message raw: \"\\u{2}\\u{1}\"",
        ],
    );
}
