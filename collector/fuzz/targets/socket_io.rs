//! Messages of an open session, 0xff between them; one that begins with `B` is an attachment.
#![no_main]

use fuzz::wire::Direction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((first, messages)) = input.split_first() else { return };
    let revision = if first & 1 == 0 { 4 } else { 3 };
    let mut bursts = fuzz::upgraded(revision, "");
    for message in messages.split(|byte| *byte == 0xff) {
        let (kind, payload) = match (message, revision) {
            ([b'B', data @ ..], 3) => (0x82, [&[4], data].concat()),
            ([b'B', data @ ..], _) => (0x82, data.to_vec()),
            (text, _) => (0x81, [b"4", text].concat()),
        };
        bursts.push((Direction::Received, fuzz::frame(kind, &payload)));
    }
    fuzz::check(&bursts, first >> 1);
});
