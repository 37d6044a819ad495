//! What is lifted out of arguments, what it is taken for, and the way back.

use super::*;
use crate::wire::payload::{attach, parse};
use crate::wire::{media_type, payload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

fn encoding(text: &str) -> (String, usize) {
    let (value, blobs) = parse(&json!({"deep": [text]}).to_string(), 100).unwrap();
    let reference = &value["deep"][0];
    assert_eq!(reference["$blob"], blobs[0].sha256.as_str());
    let bytes = usize::try_from(reference["bytes"].as_u64().unwrap()).unwrap();
    assert_eq!(bytes, blobs[0].bytes.len());
    (reference["encoding"].as_str().unwrap().to_owned(), bytes)
}

#[test]
fn large_strings_are_lifted() {
    let below = "x".repeat(4095);
    let (value, blobs) = parse(&json!([below]).to_string(), 100).unwrap();
    assert_eq!((value, blobs), (json!([below]), vec![]));

    let base64 = STANDARD.encode([7; 3200]);
    assert_eq!(encoding(&base64), ("base64".to_owned(), 3200));
    // Not the one text that encoding gives: without its padding, with stray bits, URL-safe.
    assert_eq!(encoding(base64.trim_end_matches('=')).0, "utf8");
    assert_eq!(encoding(&base64.replace("Bwc=", "Bwd=")).0, "utf8");
    assert_eq!(encoding(&"_-AA".repeat(1024)).0, "utf8");
    assert_eq!(encoding(&"é\n\"".repeat(2000)), ("utf8".to_owned(), 8000));
}

#[test]
fn keys_that_look_like_references_are_escaped() {
    let text = r#"{"$blob":{"$$blob":1},"$blobs":2,"blob":3,"x$blob":4}"#;
    let escaped = r#"{"$$blob":{"$$$blob":1},"$blobs":2,"blob":3,"x$blob":4}"#;
    assert_eq!(parse(text, 100).unwrap().0.to_string(), escaped);
}

#[test]
fn values_come_out_as_they_went_in() {
    for text in [r#"{"z":1,"a":[true,false,null,-1,18446744073709551615,1.5,"\u0000é😀"],"":{}}"#, "[]", "\"x\""] {
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text, 100).unwrap().0.to_string(), plain.to_string());
    }
}

#[test]
fn placeholders_become_references() {
    let mut value = json!([{"_placeholder": true, "num": 1}, {"a": {"num": 0, "_placeholder": true}}]);
    let result = attach(&mut value, &[json!("first"), json!("second")]);
    assert_eq!((value, result), (json!(["second", {"a": "first"}]), Ok(())));

    let mut value = json!([{"_placeholder": true, "num": 9}, {"_placeholder": true, "num": 0}]);
    assert!(attach(&mut value, &[json!("first")]).is_err());
    assert_eq!(value[1], "first");
    for other in [json!({"_placeholder": false}), json!({"_placeholder": 1, "num": 0})] {
        let mut value = other.clone();
        assert!(attach(&mut value, &[json!("first")]).is_ok());
        assert_eq!(value, other);
    }
}

#[test]
fn hashes_are_sha_256() {
    let (reference, blob) = payload::lift(b"abc".to_vec(), "binary");
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(blob.sha256, sha256);
    assert_eq!(reference, json!({"$blob": sha256, "bytes": 3, "encoding": "binary"}));
}

#[test]
fn media_types_are_sniffed() {
    let adts = [b"\xff\xf1\x50\x80\x01\x1f\xfc\0".as_slice(), b"\xff\xf1"].concat();
    let adts_then_noise = [b"\xff\xf1\x50\x80\x01\x1f\xfc\0".as_slice(), b"\0\0"].concat();
    for (bytes, expected) in [
        (adts.as_slice(), "audio/aac"),
        (&adts_then_noise, "application/octet-stream"),
        (b"\xff\xfb\x90\x64\0\0", "audio/mpeg"),
        (b"ID3\x04\0\0", "audio/mpeg"),
        (b"\0\0\0\x20ftypM4A \0\0", "audio/mp4"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"OggS\0\x02", "audio/ogg"),
        (b"fLaC\0", "audio/flac"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x1f\x8b\x08\0", "application/gzip"),
        (b" {\"a\": [1]}\n", "application/json"),
        (b"{not json}", "text/plain"),
        ("Grüße".as_bytes(), "text/plain"),
        (b"a\0b", "application/octet-stream"),
        (b"\xff\xfe\xfd", "application/octet-stream"),
        (b"", "text/plain"),
    ] {
        assert_eq!(media_type::sniff(bytes), expected, "{bytes:?}");
    }
}
