//! Requests and responses that two readers can cut differently. The bytes pass in any case; the decoder must not go on with a
//! guess, which would pair a response with the wrong request.

use super::*;

/// A request with `head`, and behind it what one reader takes for a second request.
fn request(head: &str, body: &str) -> Vec<Burst> {
    vec![
        sent(format!("POST /a HTTP/1.1\r\n{head}\r\n\r\n{body}GET /smuggled HTTP/1.1\r\n\r\n")),
        received("HTTP/1.1 200 A\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 B\r\nContent-Length: 0\r\n\r\n"),
    ]
}

/// Both directions stop with `problem`, and no response is paired.
#[track_caller]
fn stops(bursts: &[Burst], problem: &str) {
    for step in [usize::MAX, 7, 1] {
        let items = decode(bursts, step, small());
        let lines: Vec<String> = items.iter().map(line).collect();
        let stopped = |word: &str| format!("{word} stopped: {problem}");
        assert!(lines.contains(&stopped("sent")) && lines.contains(&stopped("received")), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("smuggled") || line.contains(" B")), "{lines:#?}");
    }
}

#[test]
fn lengths_that_contradict_each_other_are_not_followed() {
    let both = "both a transfer encoding and a content length";
    stops(&request("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), both);
    stops(&request("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), both);
    let length = "the content length is not a number";
    for lengths in [
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 0, 5",
        "Content-Length: 0, 0, 5",
        "Content-Length: +0",
    ] {
        stops(&request(lengths, ""), length);
    }
    for length in ["Content-Length: 0x0", "Content-Length: -0", "Content-Length: 0 0", "Content-Length:"] {
        stops(&request(length, ""), "the content length is not a number");
    }
}

#[test]
fn transfer_encodings_but_chunked_are_not_followed() {
    for coding in ["xchunked", "chunked, identity", "identity, chunked", "gzip, chunked", "\"chunked\"", "chunked;q=1"]
    {
        let problem = format!("transfer encoding `{coding}` can't be followed");
        stops(&request(&format!("Transfer-Encoding: {coding}"), "0\r\n\r\n"), &problem);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow";
    stops(&request(twice, "0\r\n\r\n"), "transfer encoding `chunked, cow` can't be followed");
    let old = sent("POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n");
    stops(&[old], "a transfer encoding in HTTP/1.0");
}

#[test]
fn heads_that_readers_disagree_on_are_not_followed() {
    let name = "not an HTTP request: invalid header name";
    let value = "not an HTTP request: invalid header value";
    stops(&request("Transfer-Encoding : chunked", "0\r\n\r\n"), name);
    stops(&request("X: a\r\n Transfer-Encoding: chunked", ""), name);
    stops(&request("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n"), value);
    stops(&request("Transfer-Encoding: chunked\u{b}", "0\r\n\r\n"), value);
    stops(&request("X: a\rTransfer-Encoding: chunked", ""), value);
    stops(&request("X: a\0\r\nContent-Length: 5", ""), value);
    let bare = "a line of HTTP that ends without CR";
    stops(&request("X: a\nContent-Length: 5", ""), bare);
    stops(&request("Content-Length: 0\r\n\nX: y", ""), bare);
    stops(&[sent("GET /a HTTP/1.1\n\nGET /smuggled HTTP/1.1\r\n\r\n")], bare);
}

#[test]
fn chunks_that_readers_disagree_on_are_not_followed() {
    let size = "a chunk's size is not a number";
    for line in ["+0", "0x0", "-0", "", " 0", "0_0", "fffffffffffffffff", "0;a\rb", "0 0"] {
        stops(&request("Transfer-Encoding: chunked", &format!("{line}\r\n\r\n")), size);
    }
    let bare = "a line of HTTP that ends without CR";
    stops(&request("Transfer-Encoding: chunked", "0;a\n\r\n"), bare);
    stops(&request("Transfer-Encoding: chunked", "0\n\n"), bare);
    stops(&request("Transfer-Encoding: chunked", "1\r\nx\n0\r\n\r\n"), bare);
    stops(&request("Transfer-Encoding: chunked", "1\r\nxy\r\n0\r\n\r\n"), "a chunk is longer than its size");
}

#[test]
fn responses_that_readers_disagree_on_are_not_followed() {
    let ask = || sent("GET /a HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n");
    let both =
        "HTTP/1.1 200 A\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 B\r\n\r\n";
    let items = decode(&[ask(), received(both)], 3, small());
    let lines: Vec<String> = items.iter().map(line).collect();
    assert!(!lines.iter().any(|line| line.contains(" B")), "{lines:#?}");
    assert!(lines.contains(&"received stopped: both a transfer encoding and a content length".to_owned()));
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_not_followed() {
    let problem = "an upgrade that no request asked for";
    let answer = received("HTTP/1.1 101 A\r\nUpgrade: websocket\r\n\r\n\u{81}\u{1}2");
    stops(&[sent("GET /socket.io/?EIO=4 HTTP/1.1\r\n\r\n"), answer], problem);
}

#[test]
fn what_is_plain_is_followed() {
    let bursts = [
        sent(
            "POST /a HTTP/1.1\r\nTransfer-Encoding: \tChunked \r\n\r\n0 \t;a=\"b\";c\tx\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        ),
        received("HTTP/1.1 200 A\r\nContent-Length: 0, 0, 0\r\n\r\n\r\nHTTP/1.1 200 B\r\nContent-Length: 0\r\n\r\n"),
    ];
    let expected = ["sent request POST /a", "received response 200 POST /a A"];
    let later = ["sent request GET /b", "received response 200 GET /b B"];
    for step in [usize::MAX, 1] {
        let lines: Vec<String> = decode(&bursts, step, small()).iter().map(line).collect();
        assert_eq!(lines.len(), 4);
        assert!(expected.iter().chain(&later).all(|line| lines.iter().any(|have| have == line)), "{lines:#?}");
    }
}
