//! The body of a poll, of either revision and either direction.
#![no_main]

use fuzz::wire::Direction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    let revision = if first & 1 == 0 { 4 } else { 3 };
    let length = body.len();
    let target = format!("/socket.io/?EIO={revision}&transport=polling&sid=S");
    let (mut sent, mut received) = match first & 2 {
        0 => (format!("POST {target} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n").into_bytes(), Vec::new()),
        _ => (
            format!("GET {target} HTTP/1.1\r\n\r\n").into_bytes(),
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes(),
        ),
    };
    if first & 2 == 0 {
        sent.extend(body)
    } else {
        received.extend(body)
    }
    fuzz::check(&[(Direction::Sent, sent), (Direction::Received, received)], first >> 2);
});
