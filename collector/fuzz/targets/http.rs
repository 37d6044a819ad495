//! HTTP heads, bodies and their pairing: what a client says, a NUL, what a server says.
#![no_main]

use fuzz::wire::Direction;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((step, input)) = input.split_first() else { return };
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default().to_vec();
    let (sent, received) = (part(), part());
    fuzz::check(&[(Direction::Sent, sent), (Direction::Received, received)], *step);
});
