//! A metrics page. The first byte says which content type it claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const TYPES: [Option<&str>; 4] = [
    None,
    Some("text/plain; version=0.0.4"),
    Some("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    Some("text/html"),
];

fuzz_target!(|input: &[u8]| {
    let Some((first, page)) = input.split_first() else { return };
    let found = fuzz::exposition::parse(page, TYPES[usize::from(first & 3)]);
    for sample in &found.samples {
        assert!(serde_json::from_str::<Value>(&sample.labels_json()).is_ok_and(|labels| labels.is_object()));
        assert!(!sample.series().is_empty());
    }
});
