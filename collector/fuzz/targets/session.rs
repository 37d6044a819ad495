//! A whole connection, both directions as they took turns. The first byte is the size of chunks, then see `fuzz::bursts`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((step, input)) = input.split_first() {
        fuzz::check(&fuzz::bursts(input), *step);
    }
});
