//! Frames of one direction; the first byte says which, and whether permessage-deflate was agreed.
#![no_main]

use fuzz::wire::Direction;
use libfuzzer_sys::fuzz_target;

const DEFLATE: [&str; 4] = [
    "",
    "",
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, frames)) = input.split_first() else { return };
    let direction = if first & 1 == 0 { Direction::Sent } else { Direction::Received };
    let mut bursts = fuzz::upgraded(4, DEFLATE[usize::from(first >> 1 & 3)]);
    bursts.push((direction, frames.to_vec()));
    fuzz::check(&bursts, first >> 3);
});
