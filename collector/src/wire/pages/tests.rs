use super::Direction::{Received, Sent};
use super::*;

/// What comes of a conversation: `target status body problem` of each page. At the time of each line's place.
fn pages(lines: &[(Direction, &str)]) -> Vec<String> {
    let (mut pages, mut found) = (Pages::new(), Vec::new());
    let wanted = |target: &str| target.starts_with("/w").then_some(8);
    let mut out = |page: Page| {
        let body = String::from_utf8_lossy(&page.body).into_owned();
        let status = page.status.unwrap_or_default();
        let problem = page.problem.unwrap_or_default();
        found.push(format!("{} {status} {body} {}..{} {problem}", page.target, page.asked_ns, page.at_ns));
    };
    for (at_ns, (direction, text)) in lines.iter().enumerate() {
        match text.is_empty() {
            true => pages.end(*direction, at_ns as i64, &mut out),
            false => pages.feed(*direction, at_ns as i64, text.as_bytes(), &wanted, &mut out),
        }
    }
    found
}

const ASK: &str = "GET /w HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn answers_are_paired_with_their_requests() {
    let other = "POST /w HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /x HTTP/1.1\r\n\r\nHEAD /w HTTP/1.1\r\n\r\n";
    let answers = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nPHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nXHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    let found = pages(&[
        (Sent, other),
        (Received, answers),
        (Sent, ASK),
        (Received, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nn"),
        (Received, "o"),
    ]);
    assert_eq!(found, ["/w 503 no 2..4 "]);
}

#[test]
fn an_answer_that_is_seen_first_waits_for_its_request() {
    assert_eq!(pages(&[(Received, "HTTP/1.1 204 None\r\n\r\n"), (Sent, ASK)]), ["/w 204  1..0 "]);
}

#[test]
fn bodies_have_limits_and_ends() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(pages(&[(Sent, ASK), (Received, chunked)]), ["/w 200 abcde 0..1 "]);
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789";
    let said = "the page is longer than 8 bytes: the rest is not kept";
    assert_eq!(pages(&[(Sent, ASK), (Received, long)]), [format!("/w 200 12345678 0..1 {said}")]);
    let until_close = "HTTP/1.1 200 OK\r\n\r\nabc";
    assert_eq!(pages(&[(Sent, ASK), (Received, until_close), (Received, "")]), ["/w 200 abc 0..2 "]);
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123";
    let said = "the connection ended inside an HTTP message";
    assert_eq!(pages(&[(Sent, ASK), (Received, short), (Received, "")]), [format!("/w 200 123 0..2 {said}")]);
}

#[test]
fn what_is_no_answer_is_one_with_a_problem() {
    let found = pages(&[(Sent, ASK), (Received, "220 smtp ready\r\n\r\n")]);
    assert!(found.len() == 1 && found[0].contains("/w 0  0..1 not an HTTP response"), "{found:?}");
    assert_eq!(pages(&[(Sent, ASK), (Received, "")]), ["/w 0  0..1 the connection ended without an answer"]);
}

#[test]
fn another_protocol_has_no_pages() {
    let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    let found = pages(&[(Sent, ASK), (Received, switched), (Sent, ASK), (Received, "HTTP/1.1 204 None\r\n\r\n")]);
    assert_eq!(found, [] as [&str; 0]);
}

#[test]
fn a_gap_takes_what_it_can_have_held() {
    let wanted = |_: &str| Some(8);
    let mut out = |page: Page| panic!("{page:?}");
    let missed = |lines: &[(Direction, &str)], direction| {
        let mut pages = Pages::new();
        lines.iter().for_each(|(way, text)| pages.feed(*way, 0, text.as_bytes(), &wanted, &mut |_| {}));
        pages.gap(direction)
    };
    assert_eq!(missed(&[], Sent), Missed::Unknown);
    assert_eq!(missed(&[], Received), Missed::Unknown);
    assert_eq!(missed(&[(Sent, ASK)], Received), Missed::Targets(vec!["/w".to_owned()]));
    assert_eq!(missed(&[(Sent, ASK)], Sent), Missed::Unknown);
    let half = (Received, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123");
    assert_eq!(missed(&[(Sent, ASK), half], Received), Missed::Targets(vec!["/w".to_owned()]));
    let switched = (Received, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    assert_eq!(missed(&[(Sent, ASK), switched], Sent), Missed::Targets(Vec::new()));
    let mut pages = Pages::new();
    pages.gap(Sent);
    pages.feed(Sent, 0, ASK.as_bytes(), &wanted, &mut out);
    assert_eq!(pages.gap(Received), Missed::Unknown, "it is not followed any more");
}

#[test]
fn heads_are_known_by_their_first_line() {
    for head in ["GET / HTTP/1.1\r\n", "PRI-VATE / HTTP/1.1\r\n", "POST /a?b=c HTTP/1.0\n"] {
        assert_eq!(is_request_head(head.as_bytes()), !head.contains('-'), "{head}");
    }
    for text in ["", "GET /", "GET / HTTP/2\r\n", "get / HTTP/1.1\r\n", "GET /a b HTTP/1.1\r\n", "\u{81}\u{85}abcd\r\n"]
    {
        assert!(!is_request_head(text.as_bytes()), "{text}");
    }
    assert!(
        is_response_head(b"HTTP/1.1 200 OK\r\n") && !is_response_head(b"HTTP/1.1 200") && !is_response_head(b"x\n")
    );
}
