//! Any chunking gives the same items; any bytes give rows and no panic; large messages are fast.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const EXTENSION: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// Items without their times.
fn timeless(mut items: Vec<Item>) -> Vec<Item> {
    for item in &mut items {
        match item {
            Item::Packet(packet) => (packet.first_ns, packet.last_ns) = (0, 0),
            Item::Notice(notice) => notice.at_ns = 0,
            Item::Stopped { at_ns, .. } => *at_ns = 0,
        }
    }
    items
}

/// Cuts bursts into chunks whose sizes repeat.
fn cut(bursts: &[Burst], sizes: &[usize]) -> Vec<Burst> {
    let mut sizes = sizes.iter().cycle();
    let mut chunks = Vec::new();
    for (direction, bytes) in bursts {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
            chunks.push((*direction, rest[..size].to_vec()));
            rest = &rest[size..];
        }
    }
    chunks
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Sent), Just(Direction::Received)]
}

/// What the decoders meet, and things near it.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        "[0-6b][0-6][0-9]{0,2}-?(/[a-zé]{1,3},)?[0-9]{0,2}(\\[\"[a-z€]{0,4}\"(,[0-9]{1,3})?\\])?",
        Just(r#"452-["e",{"_placeholder":true,"num":0}]"#.to_owned()),
        Just(r#"0{"sid":"S"}"#.to_owned()),
        "\\PC{0,40}",
    ];
    let opcode = prop_oneof![
        Just(0x81_u8),
        Just(0x81),
        Just(0x82),
        Just(0x01),
        Just(0x80),
        Just(0x89),
        Just(0x88),
        Just(0xc1),
        any::<u8>()
    ];
    prop_oneof![
        8 => (direction(), opcode, text.clone()).prop_map(|(direction, opcode, text)| frame(direction, opcode, text.as_bytes()).1),
        2 => text.prop_map(|body| format!("POST /?EIO=3&sid=S HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()),
        2 => "[0-9]{1,2}:\\PC{0,12}".prop_map(|body| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()),
        1 => Just(b"GET /?EIO=3&sid=S HTTP/1.1\r\n\r\n".to_vec()),
        1 => Just(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n".to_vec()),
        1 => vec(any::<u8>(), 0..60),
    ]
}

fn bursts() -> impl Strategy<Value = Vec<Burst>> {
    let start = prop_oneof![
        4 => Just(upgrade("EIO=4&sid=S", EXTENSION).to_vec()),
        2 => Just(upgrade("EIO=3", "").to_vec()),
        2 => Just(Vec::new()),
    ];
    (start, vec((direction(), piece()), 0..12)).prop_map(|(mut start, pieces)| {
        start.extend(pieces);
        start
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same_items(bursts in bursts(), sizes in vec(1..30_usize, 1..8)) {
        let whole = timeless(decode(&bursts, usize::MAX, small()));
        let cut = timeless(decode(&cut(&bursts, &sizes), usize::MAX, small()));
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn no_bytes_panic(start in 0..3_usize, pieces in vec((direction(), vec(any::<u8>(), 0..200)), 0..8)) {
        let mut bursts = match start {
            0 => Vec::new(),
            1 => upgrade("EIO=4", EXTENSION).to_vec(),
            _ => upgrade("EIO=3&sid=S", "").to_vec(),
        };
        bursts.extend(pieces);
        decode(&bursts, 50, small());
    }

    #[test]
    fn no_polling_body_panics(revision in 3..5, body in vec(prop_oneof![any::<u8>(), 0..10_u8, b'0'..b':', Just(0xff), Just(0x1e)], 0..100)) {
        let head = format!("POST /?EIO={revision}&sid=S HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        decode(&[sent([head.into_bytes(), body].concat())], usize::MAX, small());
    }

    #[test]
    fn base64_is_taken_only_where_the_way_back_is_known(bytes in vec(any::<u8>(), 3100..3200), change in any::<(u16, char)>()) {
        let mut text: Vec<char> = STANDARD.encode(bytes).chars().collect();
        let at = usize::from(change.0) % text.len();
        text[at] = change.1;
        let text: String = text.into_iter().collect();
        let json = Value::from(text.as_str()).to_string();
        let (value, blobs) = crate::wire::payload::parse(&json, 10).unwrap();
        let back = match value["encoding"].as_str() {
            Some("base64") => STANDARD.encode(&blobs[0].bytes),
            _ => String::from_utf8(blobs[0].bytes.clone()).unwrap(),
        };
        prop_assert_eq!(back, text);
    }
}

/// 20 MB in reads of 64 KiB: some seconds at most, however slow the machine. Quadratic work would
/// take minutes.
#[test]
fn large_messages_take_linear_time() {
    let base64 = STANDARD.encode(vec![0x5a; 15_000_000]);
    let text = format!("42[\"audio\",{{\"data_base64\":\"{base64}\"}}]");
    let begin = Instant::now();
    let mut bursts = upgrade("EIO=4&transport=websocket", "").to_vec();
    bursts.push(client(&text));
    let items = decode(&bursts, 65_536, Limits::default());
    let Item::Packet(packet) = &items[2] else { panic!("a packet") };
    assert_eq!((packet.problem.as_ref(), packet.blobs[0].bytes.len()), (None, 15_000_000));
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_real_stream_is_decoded_the_same_in_any_chunks(
        session in 0..super::peers::SESSIONS.len(),
        damage in vec((any::<u16>(), any::<u8>()), 0..4),
        sizes in vec(1..90_usize, 1..8),
    ) {
        let mut bursts = super::peers::main_connection(session);
        for (at, byte) in damage {
            let index = usize::from(at) % bursts.len();
            let bytes = &mut bursts[index].1;
            if let Some(target) = bytes.len().checked_sub(1).map(|last| usize::from(at) % (last + 1)) {
                bytes[target] = byte;
            }
        }
        let whole = timeless(decode(&bursts, usize::MAX, small()));
        let cut = timeless(decode(&cut(&bursts, &sizes), usize::MAX, small()));
        prop_assert_eq!(whole, cut);
    }
}
