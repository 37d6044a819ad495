//! HTTP/1.1: framing, pairing of requests and responses, what is not HTTP.

use super::*;
use std::io::Write;

const OPEN: &str = r#"0{"sid":"S","upgrades":[]}"#;

fn get(query: &str) -> Burst {
    sent(format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

fn ok(body: &str) -> Burst {
    let length = body.len();
    received(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"))
}

#[test]
fn other_traffic_gives_requests_and_responses_only() {
    check(
        &[
            sent("GET /health HTTP/1.1\r\n\r\nHEAD /metrics?a=1 HTTP/1.1\r\n\r\n"),
            received("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            received("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
            sent("\r\nPUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            received("HTTP/1.1 204 No Content\r\n\r\n"),
            sent("GET /last HTTP/1.0\r\n\r\n"),
            received("HTTP/1.0 404 Not Found\r\n\r\nuntil it closes"),
        ],
        &[
            "sent request GET /health",
            "sent request HEAD /metrics?a=1",
            "received response 200 GET /health OK",
            "received response 200 HEAD /metrics?a=1 OK",
            "sent request PUT /x",
            "received response 204 PUT /x No Content",
            "sent request GET /last",
            "received response 404 GET /last Not Found",
        ],
    );
}

#[test]
fn a_session_polls() {
    check(
        &[
            get("EIO=4&transport=polling"),
            ok(OPEN),
            sent("POST /socket.io/?EIO=4&transport=polling&sid=S HTTP/1.1\r\nContent-Length: 2\r\n\r\n40"),
            ok("ok"),
            get("EIO=4&transport=polling&sid=S"),
            ok("40{\"sid\":\"a\"}\u{1e}2\u{1e}42[\"hi\",1]"),
            get("EIO=4&transport=polling&sid=S"),
            received("HTTP/1.1 400 Bad Request\r\nContent-Length: 10\r\n\r\n{\"code\":1}"),
        ],
        &[
            "sent request GET /socket.io/?EIO=4&transport=polling",
            "received response 200 GET /socket.io/?EIO=4&transport=polling OK",
            r#"received polling sid=S open [{"sid":"S","upgrades":[]}] 26B"#,
            "sent request sid=S POST /socket.io/?EIO=4&transport=polling&sid=S",
            "sent polling sid=S message connect / 2B",
            "received response sid=S 200 POST /socket.io/?EIO=4&transport=polling&sid=S OK",
            "sent request sid=S GET /socket.io/?EIO=4&transport=polling&sid=S",
            "received response sid=S 200 GET /socket.io/?EIO=4&transport=polling&sid=S OK",
            r#"received polling sid=S message connect / [{"sid":"a"}] 13B"#,
            "received polling sid=S ping 1B",
            r#"received polling sid=S message event / "hi" [1] 10B"#,
            "sent request sid=S GET /socket.io/?EIO=4&transport=polling&sid=S",
            "received response sid=S 400 GET /socket.io/?EIO=4&transport=polling&sid=S Bad Request",
        ],
    );
}

/// The lines behind request and response of one poll that is answered by `head` and `body`.
#[track_caller]
fn check_body(head: &str, body: &[u8], expected: &[&str]) {
    let mut response = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes();
    response.extend_from_slice(body);
    let bursts = [get("EIO=4&sid=S"), received(response)];
    for step in [usize::MAX, 1] {
        let items = decode(&bursts, step, small());
        let lines: Vec<String> = items.iter().skip(2).map(line).collect();
        assert_eq!(lines, expected);
    }
}

#[test]
fn bodies_end_in_many_ways() {
    let noop = ["received polling sid=S noop 1B"];
    check_body("Content-Length: 1, 1", b"6", &noop);
    check_body("Connection: close", b"6", &noop);
    check_body(
        "Transfer-Encoding: chunked",
        b"00001;name=\"value\"\r\n6\r\n0;last\r\nTrailer: yes\r\nAnother: one\r\n\r\n",
        &noop,
    );
    check_body("Content-Length: 0", b"", &[]);
    check_body(
        "Content-Length: 5",
        b"42[",
        &["received polling sid=S 3B problem: the connection ended inside an HTTP message raw: \"42[\""],
    );
    check_body(
        "Transfer-Encoding: chunked",
        b"1\r\n6x\r\n",
        &[
            "received polling 0B problem: a chunk is longer than its size raw: \"x\\r\\n\"",
            "sent stopped: a chunk is longer than its size",
            "received stopped: a chunk is longer than its size",
        ],
    );
}

#[test]
fn bodies_are_decompressed() {
    let text = b"42[\"repeat\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]\x1e6";
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), level);
    for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut bare] {
        encoder.write_all(text).unwrap();
    }
    let bodies =
        [("gzip", gzip.finish().unwrap()), ("deflate", zlib.finish().unwrap()), ("deflate", bare.finish().unwrap())];
    for (name, body) in bodies {
        let head = format!("Content-Encoding: {name}\r\nContent-Length: {}", body.len());
        let share = body.len() * (text.len() - 2) / text.len();
        let event =
            format!("received polling sid=S message event / \"repeat\" [\"{}\"] {share}B compressed", "a".repeat(68));
        check_body(&head, &body, &[&event, "received polling sid=S noop 0B compressed"]);
    }
    check_body(
        "Content-Encoding: br\r\nContent-Length: 3",
        b"abc",
        &["received polling sid=S 3B compressed problem: content encoding `br` is not decoded raw: \"abc\""],
    );
    let bomb = gzip_of(&vec![b'x'; 200_000]);
    let head = format!("Content-Encoding: gzip\r\nContent-Length: {}", bomb.len());
    let items = decode(
        &[get("EIO=4"), received([format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes(), bomb].concat())],
        1000,
        small(),
    );
    assert!(line(&items[2]).contains("problem: budget: the message has more than 100000 bytes"));
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn jsonp_is_named_and_not_decoded() {
    check(
        &[get("EIO=3&transport=polling&j=0"), ok("___eio[0](\"6\");")],
        &[
            "sent request GET /socket.io/?EIO=3&transport=polling&j=0",
            "received response 200 GET /socket.io/?EIO=3&transport=polling&j=0 OK",
            "received polling 15B problem: polling by JSONP is not decoded raw: \"___eio[0](\\\"6\\\");\"",
        ],
    );
}

#[test]
fn a_response_may_be_seen_before_its_request() {
    let expected = [
        "sent request GET /socket.io/?EIO=4",
        "received response 200 GET /socket.io/?EIO=4 OK",
        "received polling noop 1B",
    ];
    check(&[get("EIO=4"), ok("6")], &expected);
    check(&[ok("6"), get("EIO=4")], &expected);
}

#[test]
fn a_response_without_a_request_is_told_at_the_end() {
    check(
        &[received("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")],
        &["received response 408 Request Timeout"],
    );
}

#[test]
fn an_interim_response_comes_before_the_upgrade() {
    let [request, response] = upgrade("EIO=4&transport=websocket", "");
    check(
        &[
            request,
            // The copy of the first frame overtakes the copy of the response.
            client("2probe"),
            received("HTTP/1.1 100 Continue\r\n\r\n"),
            response,
        ],
        &[
            "sent request GET /socket.io/?EIO=4&transport=websocket",
            "received response 100 GET /socket.io/?EIO=4&transport=websocket Continue",
            "received upgrade 101 GET /socket.io/?EIO=4&transport=websocket Switching Protocols",
            "sent websocket ping [\"probe\"] 12B",
        ],
    );
}

#[test]
fn a_refused_upgrade_leaves_http() {
    let [request, _] = upgrade("EIO=4&transport=websocket", "");
    check(
        &[
            request,
            sent("GET /health HTTP/1.1\r\n\r\n"),
            received("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
            received("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ],
        &[
            "sent request GET /socket.io/?EIO=4&transport=websocket",
            "received response 400 GET /socket.io/?EIO=4&transport=websocket Bad Request",
            "sent request GET /health",
            "received response 200 GET /health OK",
        ],
    );
}

#[test]
fn other_protocols_are_opaque() {
    check(
        &[sent("CONNECT a:1 HTTP/1.1\r\n\r\n"), received("HTTP/1.1 200 OK\r\n\r\n\0\0\0"), sent([0xff; 9])],
        &["sent request CONNECT a:1", "received response 200 CONNECT a:1 OK"],
    );
    let [request, response] = upgrade("any=thing", "");
    check(
        &[request, response, client("42[\"not Engine.IO\"]"), frame(Direction::Received, 0x89, b"ping")],
        &[
            "sent request GET /socket.io/?any=thing",
            "received upgrade 101 GET /socket.io/?any=thing Switching Protocols",
            "received ws_ping ping",
        ],
    );
}

#[test]
fn what_is_not_http_stops_the_connection() {
    check(
        &[sent("\x16\x03\x01 a TLS hello\r\n\r\n"), received("ignored")],
        &[
            "sent polling 0B problem: not an HTTP request: invalid token raw: \"\\u{16}\\u{3}\\u{1} a TLS hello\\r\\n\\r\\n\"",
            "sent stopped: not an HTTP request: invalid token",
            "received stopped: not an HTTP request: invalid token",
        ],
    );
    check(
        &[sent("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")],
        &[
            "sent request POST /",
            "sent polling 0B problem: the content length is not a number raw: \"\"",
            "sent stopped: the content length is not a number",
            "received stopped: the content length is not a number",
        ],
    );
    check(
        &[sent("GET / HT")],
        &["sent polling 0B problem: the connection ended inside an HTTP message raw: \"GET / HT\""],
    );
}

#[test]
fn a_head_has_a_limit() {
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(70_000));
    let items = decode(&[sent(endless)], 1000, small());
    assert!(line(&items[0]).contains("problem: an HTTP head of more than 65536 bytes"));
    assert_eq!(items.len(), 3);
}

#[test]
fn details_hold_headers_and_compression() {
    let [request, _] = upgrade("EIO=4&transport=websocket&token=t", "");
    let response = received(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=12\r\n\r\n",
    );
    let items = decode(&[request, response], 100, small());
    let details: Vec<String> = items
        .iter()
        .map(|item| match item {
            Item::Notice(notice) => notice.detail.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let target = "/socket.io/?EIO=4&transport=websocket&token=t";
    assert_eq!(
        details,
        [
            format!(
                r#"{{"method":"GET","target":"{target}","version":"1.1","headers":{{"host":"x","connection":"keep-alive, Upgrade","upgrade":"websocket"}}}}"#
            ),
            format!(
                r#"{{"method":"GET","target":"{target}","version":"1.1","reason":"Switching Protocols","headers":{{"upgrade":"WebSocket","set-cookie":"a, b","sec-websocket-extensions":"permessage-deflate; server_no_context_takeover; client_max_window_bits=12"}},"compression":{{"extension":"permessage-deflate","server_no_context_takeover":true,"client_max_window_bits":12}}}}"#
            ),
        ]
    );
}
