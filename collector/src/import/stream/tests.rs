use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

/// Everything that comes out: bytes joined, gaps as `<n>`, the end as `$`.
fn all(stream: &mut Stream, now_ns: i64, is_over: bool) -> String {
    let mut text = String::new();
    while let Some(next) = stream.next(now_ns, is_over) {
        match next {
            Next::Bytes { bytes, .. } => text.push_str(&String::from_utf8(bytes).unwrap()),
            Next::Gap { bytes, .. } => text.push_str(&format!("<{bytes}>")),
            Next::End { .. } => text.push('$'),
        }
    }
    text
}

fn stream(first_seq: u32) -> Stream {
    let mut stream = Stream::default();
    stream.start(first_seq, 0);
    stream
}

fn push(stream: &mut Stream, seq: u32, text: &str, at_ns: i64) {
    stream.push(seq, text.as_bytes(), text.len(), at_ns);
}

#[test]
fn segments_come_out_in_order() {
    let mut stream = stream(100);
    push(&mut stream, 103, "def", 1);
    assert_eq!(all(&mut stream, 1, false), "");
    push(&mut stream, 100, "abc", 2);
    assert_eq!(
        [stream.next(2, false), stream.next(2, false)],
        [
            Some(Next::Bytes { at_ns: 2, bytes: b"abc".to_vec() }),
            Some(Next::Bytes { at_ns: 2, bytes: b"def".to_vec() })
        ],
        "what was early is readable only now"
    );
    push(&mut stream, 100, "abcdef", 3);
    assert_eq!(all(&mut stream, 3, true), "", "a retransmission brings nothing");
}

#[test]
fn the_first_bytes_win() {
    let mut stream = stream(0);
    push(&mut stream, 2, "cd", 1);
    push(&mut stream, 6, "gh", 1);
    push(&mut stream, 1, "XXXXXXXXX", 2);
    assert_eq!(all(&mut stream, 2, false), "");
    push(&mut stream, 0, "aYY", 3);
    assert_eq!(all(&mut stream, 3, false), "aXcdXXghXX");
    push(&mut stream, 8, "ZZZZ", 4);
    assert_eq!(all(&mut stream, 4, false), "ZZ");
}

#[test]
fn sequence_numbers_wrap_around() {
    let mut stream = stream(u32::MAX - 1);
    push(&mut stream, 1, "def", 1);
    push(&mut stream, u32::MAX - 1, "abc", 1);
    stream.finish(4, 1);
    assert_eq!(all(&mut stream, 1, false), "abcdef$");
    assert!(stream.has_ended() && stream.is_past(4) && !stream.is_past(4000));
}

#[test]
fn a_hole_becomes_a_gap_once_it_was_acknowledged() {
    let mut stream = stream(0);
    push(&mut stream, 0, "ab", 1);
    push(&mut stream, 5, "fg", 2);
    assert_eq!(all(&mut stream, SECOND, false), "ab", "it may still be sent again");
    stream.ack(7, SECOND);
    assert_eq!(all(&mut stream, SECOND, false), "", "it may have been captured late");
    push(&mut stream, 2, "c", SECOND);
    assert_eq!(stream.next(SECOND, false), Some(Next::Bytes { at_ns: SECOND, bytes: b"c".to_vec() }));
    assert_eq!(all(&mut stream, SECOND, false), "");
    assert_eq!(all(&mut stream, SECOND + LATE_NS + 1, false), "<2>fg");
    push(&mut stream, 3, "de", SECOND + LATE_NS + 2);
    assert_eq!(all(&mut stream, 3 * SECOND, true), "", "what comes too late stays out");
}

#[test]
fn what_was_acknowledged_and_never_seen_is_a_gap_as_well() {
    let mut stream = stream(0);
    stream.ack(10, 1);
    assert_eq!(all(&mut stream, 1, false), "");
    assert_eq!(all(&mut stream, SECOND, false), "<10>");
    push(&mut stream, 10, "k", SECOND);
    assert_eq!(all(&mut stream, SECOND, false), "k");
}

#[test]
fn a_segment_that_was_cut_off_has_a_hole_at_its_end() {
    let mut stream = stream(0);
    stream.push(0, b"abcd", 10, 1);
    stream.push(10, b"klmn", 10, 2);
    assert_eq!(all(&mut stream, 2, false), "abcd");
    stream.ack(20, 2);
    assert_eq!(all(&mut stream, 2, false), "");
    assert_eq!(all(&mut stream, SECOND, false), "<6>klmn<6>");
    stream.push(20, b"u", 2, SECOND);
    assert_eq!(all(&mut stream, SECOND, true), "u<1>");
}

#[test]
fn an_end_waits_for_what_is_before_it() {
    let mut stream = stream(0);
    stream.finish(3, 1);
    stream.ack(4, 1);
    assert_eq!(all(&mut stream, 1, false), "");
    push(&mut stream, 0, "abc", 2);
    assert_eq!(all(&mut stream, 2, false), "abc$");
    stream.finish(3, 3);
    assert_eq!(all(&mut stream, 3, true), "", "it ends once");
}

#[test]
fn an_end_behind_a_hole_comes_after_the_gap() {
    let mut stream = stream(0);
    stream.finish(3, 1);
    assert_eq!(all(&mut stream, 2, true), "<3>$");
}

#[test]
fn what_waits_behind_a_hole_is_bounded() {
    let mut stream = stream(0);
    let large = vec![b'x'; 60_000];
    let mut gaps = Vec::new();
    for number in 0..1000 {
        stream.push(1 + number * 60_000, &large, large.len(), 1);
        while let Some(next) = stream.next(1, false) {
            gaps.extend(match next {
                Next::Gap { bytes, .. } => Some((number, bytes)),
                _ => None,
            });
        }
        assert!(stream.held_bytes() < HELD_BYTES + 2 * large.len());
    }
    assert_eq!(gaps.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [1]);
    assert!(gaps[0].0 > 100, "{gaps:?}");
}

/// What a stream has brought: bytes where they were, `None` where they are missing.
fn positions(stream: &mut Stream) -> Vec<Option<u8>> {
    let mut found = Vec::new();
    while let Some(next) = stream.next(1, true) {
        match next {
            Next::Bytes { bytes, .. } => found.extend(bytes.into_iter().map(Some)),
            Next::Gap { bytes, .. } => found.extend((0..bytes).map(|_| None)),
            Next::End { .. } => {}
        }
    }
    found
}

proptest! {
    /// Any order, repetition and overlap of segments that leave nothing out gives the same bytes.
    #[test]
    fn however_segments_come_the_bytes_are_the_same(
        text in vec(any::<u8>(), 1..400),
        first_seq in any::<u32>(),
        cuts in vec((0..400usize, 1..60usize), 0..60),
        order in any::<u64>(),
    ) {
        let mut segments: Vec<(usize, usize)> = (0..text.len()).step_by(17).map(|at| (at, 17)).collect();
        segments.extend(cuts);
        shuffle(&mut segments, order);
        let mut stream = stream(first_seq);
        let mut found = Vec::new();
        for (at, length) in segments {
            let Some(bytes) = text.get(at..(at + length).min(text.len())) else { continue };
            stream.push(first_seq.wrapping_add(at as u32), bytes, bytes.len(), 1);
            while let Some(next) = stream.next(1, false) {
                match next {
                    Next::Bytes { bytes, .. } => found.extend(bytes),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
        prop_assert_eq!(found, text);
        prop_assert_eq!(stream.held_bytes(), 0);
    }

    /// What was never captured is a gap exactly there, and nothing else is wrong.
    #[test]
    fn a_loss_is_a_gap_and_never_wrong_bytes(
        text in vec(any::<u8>(), 1..400),
        first_seq in any::<u32>(),
        segments in vec((0..400usize, 1..60usize), 0..30),
        acks in vec(0..400usize, 0..10),
    ) {
        let mut stream = stream(first_seq);
        let mut expected = vec![None; text.len()];
        for (at, length) in segments {
            let to = (at + length).min(text.len());
            let Some(bytes) = text.get(at..to) else { continue };
            expected[at..to].iter_mut().zip(bytes).for_each(|(place, byte)| *place = Some(*byte));
            stream.push(first_seq.wrapping_add(at as u32), bytes, bytes.len(), 1);
        }
        for at in acks.iter().filter(|at| **at <= text.len()) {
            stream.ack(first_seq.wrapping_add(*at as u32), 1);
        }
        stream.finish(first_seq.wrapping_add(text.len() as u32), 1);
        prop_assert_eq!(positions(&mut stream), expected);
        prop_assert!(stream.has_ended());
    }
}

fn shuffle<T>(items: &mut [T], mut state: u64) {
    for at in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(at, (state >> 33) as usize % (at + 1));
    }
}
