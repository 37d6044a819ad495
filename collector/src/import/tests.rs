use std::net::SocketAddr;

use recording::reader::Recording;
use recording::record::{ConnectionRow, Gap, Packet, Poll, Scrape};
use tempfile::TempDir;

use super::targets::{Kind, PageTarget, TapPort};
use super::*;
use crate::wire::Direction::{self, Received, Sent};

const MS: i64 = 1_000_000;

/// One segment of a conversation; `seq` and `ack` count from each side's first byte.
#[derive(Clone, Copy)]
struct Line<'a> {
    at_ms: i64,
    direction: Direction,
    flags: &'a str,
    seq: u32,
    ack: u32,
    bytes: &'a [u8],
}

fn line<'a>(at_ms: i64, direction: Direction, flags: &'a str, seq: u32, ack: u32, bytes: &'a [u8]) -> Line<'a> {
    Line { at_ms, direction, flags, seq, ack, bytes }
}

/// What the lines leave, imported for a tap `t`, a scrape `m` and a poll `h` on port 80.
struct Imported {
    _runs: TempDir,
    recording: Recording,
}

fn import(lines: &[Line<'_>]) -> Imported {
    let runs = tempfile::tempdir().unwrap();
    let common = cli::Common { runs: runs.path().to_owned(), labels: Vec::new() };
    let redactor = Arc::new(Redactor::with_key(vec![5; 32], []));
    let page = |kind, name: &str, path: &str| PageTarget { kind, name: name.into(), port: 80, path: path.into() };
    let targets = Targets {
        taps: vec![TapPort { name: "t".to_owned(), port: 80 }],
        pages: vec![page(Kind::Scrape, "m", "/metrics"), page(Kind::Poll, "h", "/health")],
    };
    let book = Book::begin(&common, 0, &[], &redactor).unwrap();
    let mut import = Import::new(book, &targets, 0, &redactor);
    for line in lines {
        import.end_ns = line.at_ms * MS;
        import.segment(&segment(line), line.at_ms * MS).unwrap();
    }
    let done = import.finish(Path::new("x.pcap"), None).unwrap();
    let recording = Recording::open(&runs.path().join(Path::new(&done.dir).file_name().unwrap())).unwrap();
    Imported { _runs: runs, recording }
}

fn segment<'a>(line: &Line<'a>) -> Segment<'a> {
    let client: SocketAddr = "10.0.0.1:40000".parse().unwrap();
    let server: SocketAddr = "10.0.0.2:80".parse().unwrap();
    let (source, destination) = if line.direction == Sent { (client, server) } else { (server, client) };
    // The client's numbers wrap around early.
    let (mine, theirs) = if line.direction == Sent { (u32::MAX - 9, 5000) } else { (5000, u32::MAX - 9) };
    let syn = line.flags.contains('S');
    Segment {
        source,
        destination,
        seq: mine.wrapping_add(line.seq).wrapping_sub(u32::from(syn)),
        ack: line.flags.contains('A').then(|| theirs.wrapping_add(line.ack)),
        syn,
        fin: line.flags.contains('F'),
        rst: line.flags.contains('R'),
        payload: line.bytes,
        length: line.bytes.len(),
    }
}

impl Imported {
    fn events(&self) -> Vec<String> {
        let packets = self.recording.rows::<Packet>().unwrap().into_iter().map(|stamped| stamped.row);
        packets
            .map(|packet| match packet.problem {
                Some(problem) => problem,
                None => format!("{} {}", packet.direction, packet.event.or(packet.engine_type).unwrap_or_default()),
            })
            .collect()
    }

    fn connections(&self) -> Vec<String> {
        let rows = self.recording.rows::<ConnectionRow>().unwrap().into_iter().map(|stamped| stamped.row);
        rows.map(|row| format!("{} {}", row.connection, row.kind)).collect()
    }

    /// Gaps as `source from..to ms`, with their reasons.
    fn gaps(&self) -> Vec<String> {
        let rows = self.recording.rows::<Gap>().unwrap().into_iter().map(|stamped| stamped.row);
        rows.map(|gap| format!("{} {}..{}: {}", gap.source, gap.from_ns / MS, gap.to_ns / MS, gap.reason)).collect()
    }

    fn scrapes(&self) -> Vec<(i64, Option<i64>, i64, Option<String>)> {
        let rows = self.recording.rows::<Scrape>().unwrap();
        rows.into_iter().map(|row| (row.at_ns / MS, row.row.status, row.row.samples, row.row.error)).collect()
    }
}

const UPGRADE: &[u8] = b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
const UPGRADED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nup 1\nok 2\n";

fn frame(is_masked: bool, text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, text.len() as u8 | if is_masked { 0x80 } else { 0 }];
    if is_masked {
        frame.extend([0; 4]);
    }
    frame.extend(text.as_bytes());
    frame
}

/// A whole WebSocket: the client says `a` to `c`, the server `x` to `z`.
struct Talk {
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

impl Talk {
    fn new() -> Talk {
        let events = |names: [&str; 3], is_masked| names.map(|name| frame(is_masked, &format!("42[\"{name}\"]")));
        let sent = [&[UPGRADE.to_vec()], events(["a", "b", "c"], true).as_slice()].concat();
        let received = [&[UPGRADED.to_vec()], events(["x", "y", "z"], false).as_slice()].concat();
        Talk { sent, received }
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let mut lines =
            vec![line(0, Sent, "S", 0, 0, b""), line(1, Received, "SA", 0, 0, b""), line(1, Sent, "A", 0, 0, b"")];
        let (mut seq, mut ack) = (0, 0);
        for (number, (sent, received)) in self.sent.iter().zip(&self.received).enumerate() {
            let at_ms = 10 + number as i64 * 200;
            lines.push(line(at_ms, Sent, "A", seq, ack, sent));
            seq += sent.len() as u32;
            lines.push(line(at_ms + 1, Received, "A", ack, seq, received));
            ack += received.len() as u32;
            lines.push(line(at_ms + 2, Sent, "A", seq, ack, b""));
        }
        lines.push(line(1000, Sent, "FA", seq, ack, b""));
        lines.push(line(1001, Received, "FA", ack, seq + 1, b""));
        lines.push(line(1002, Sent, "A", seq + 1, ack + 1, b""));
        lines
    }
}

const ALL_EVENTS: [&str; 6] = ["sent a", "received x", "sent b", "received y", "sent c", "received z"];

#[test]
fn a_conversation_becomes_packets() {
    let talk = Talk::new();
    let imported = import(&talk.lines());
    assert_eq!(imported.events(), ALL_EVENTS);
    assert_eq!(imported.connections(), ["0 open", "0 request", "0 upgrade", "0 close"]);
    assert_eq!(imported.gaps(), [] as [&str; 0]);
    assert_eq!(imported.scrapes(), []);
    let run = imported.recording.run();
    assert_eq!((run.kind.as_str(), run.state, run.duration_ns), ("import", State::Complete, 1002 * MS));
}

#[test]
fn what_was_captured_twice_or_out_of_order_is_the_same() {
    let talk = Talk::new();
    let mut lines: Vec<Line<'_>> = talk.lines().into_iter().flat_map(|line| [line, line]).collect();
    let count = lines.len();
    for at in (7..count - 12).step_by(3) {
        lines.swap(at, at + 2);
    }
    let imported = import(&lines);
    let mut events = imported.events();
    events.sort();
    let mut expected = ALL_EVENTS.to_vec();
    expected.sort_unstable();
    assert_eq!(events, expected);
    assert_eq!(imported.connections(), ["0 open", "0 request", "0 upgrade", "0 close"]);
    assert_eq!(imported.gaps(), [] as [&str; 0]);
}

#[test]
fn a_lost_segment_of_a_websocket_is_a_gap_of_its_direction() {
    let talk = Talk::new();
    let lines: Vec<Line<'_>> = talk.lines().into_iter().filter(|line| line.bytes != talk.received[1]).collect();
    let imported = import(&lines);
    let events = imported.events();
    assert_eq!(events, ["sent a", "sent b", "sent c"].map(str::to_owned), "the first loss ends that direction");
    let gaps = imported.gaps();
    let bytes = talk.received[1].len();
    assert!(gaps[0].contains(&format!("{bytes} bytes of connection 0 (received) are not in the capture")), "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.starts_with("tap:t ")), "no page can have been in it: {gaps:?}");
}

#[test]
fn a_websocket_that_was_joined_in_the_middle_is_a_gap() {
    let talk = Talk::new();
    let imported = import(&talk.lines()[7..]);
    assert_eq!(imported.events(), [] as [&str; 0]);
    assert_eq!(imported.connections(), ["0 open", "0 close"]);
    let gaps = imported.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].contains("connection 0 was joined in the middle: none of its"), "{gaps:?}");
}

#[test]
fn pages_of_a_connection_that_was_joined_are_found() {
    let (asked, page) = (METRICS.len() as u32, PAGE.len() as u32);
    let imported = import(&[
        line(0, Received, "A", 0, 0, b"the rest of an answer"),
        line(10, Sent, "A", 0, 21, METRICS),
        line(15, Received, "A", 21, asked, PAGE),
        line(20, Sent, "A", asked, 21 + page, METRICS),
        line(26, Received, "A", 21 + page, 2 * asked, PAGE),
    ]);
    assert_eq!(imported.scrapes(), [(15, Some(200), 2, None), (26, Some(200), 2, None)]);
    let gaps = imported.gaps();
    assert_eq!(gaps.len(), 1, "of the tap only: {gaps:?}");
    assert!(gaps[0].starts_with("tap:t 0..15: 21 bytes") || gaps[0].starts_with("tap:t 0..10: 21 bytes"), "{gaps:?}");
}

#[test]
fn a_lost_answer_is_a_gap_and_the_next_one_is_found() {
    let (asked, page) = (METRICS.len() as u32, PAGE.len() as u32);
    let imported = import(&[
        line(0, Sent, "S", 0, 0, b""),
        line(1, Received, "SA", 0, 0, b""),
        line(10, Sent, "A", 0, 0, METRICS),
        line(15, Received, "A", 0, asked, &PAGE[..20]),
        line(16, Sent, "A", asked, page, b""),
        line(1000, Sent, "A", asked, page, METRICS),
        line(1005, Received, "A", page, 2 * asked, PAGE),
    ]);
    assert_eq!(imported.scrapes(), [(1005, Some(200), 2, None)]);
    let gaps = imported.gaps();
    assert!(gaps.iter().any(|gap| gap.starts_with("scrape:m 15..1000: ")), "{gaps:?}");
    assert!(!gaps.iter().any(|gap| gap.starts_with("poll:h")), "it was not asked for: {gaps:?}");
    assert!(gaps.iter().any(|gap| gap.starts_with("tap:t ")), "{gaps:?}");
}

#[test]
fn a_lost_request_may_have_been_any_page() {
    let asked = METRICS.len() as u32;
    let imported = import(&[
        line(0, Sent, "S", 0, 0, b""),
        line(1, Received, "SA", 0, 0, b""),
        line(15, Received, "A", 0, asked, PAGE),
        line(900, Sent, "A", asked, PAGE.len() as u32, METRICS),
    ]);
    assert_eq!(imported.scrapes(), []);
    let gaps = imported.gaps();
    for source in ["tap:t", "scrape:m", "poll:h"] {
        assert!(gaps.iter().any(|gap| gap.starts_with(source)), "{source}: {gaps:?}");
    }
}

#[test]
fn an_answer_that_never_came_is_a_row_with_its_error() {
    let asked = METRICS.len() as u32;
    let imported = import(&[
        line(0, Sent, "S", 0, 0, b""),
        line(1, Received, "SA", 0, 0, b""),
        line(10, Sent, "A", 0, 0, METRICS),
        line(15, Received, "RA", 0, asked, b""),
    ]);
    let error = Some("the connection ended without an answer".to_owned());
    assert_eq!(imported.scrapes(), [(15, None, 0, error)]);
    assert_eq!(imported.connections(), ["0 open", "0 request", "0 reset"]);
    assert_eq!(imported.gaps(), [] as [&str; 0]);
    assert_eq!(imported.recording.rows::<Poll>().unwrap(), []);
}

#[test]
fn the_same_ports_can_be_used_again() {
    let talk = Talk::new();
    let again: Vec<Line<'_>> = talk.lines();
    let mut lines = vec![line(0, Sent, "S", 70, 0, b""), line(1, Received, "RA", 0, 70, b"")];
    lines.extend(again);
    let imported = import(&lines);
    assert_eq!(imported.events(), ALL_EVENTS);
    assert_eq!(imported.connections(), ["0 refused", "1 open", "1 request", "1 upgrade", "1 close"]);
}
