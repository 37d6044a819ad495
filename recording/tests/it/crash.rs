//! A journal that ends anywhere is read up to its last whole entry, and sealing it changes nothing.

use std::fs;
use std::path::Path;

use recording::journal::Journal;
use recording::reader::Recording;
use recording::record::{Blob, Log, Packet, Run, SourceRow};
use recording::run::State;
use recording::seal::seal;

use crate::running;

fn lines(recording: &Recording) -> Vec<String> {
    recording.rows::<Log>().unwrap().into_iter().map(|log| log.row.line).collect()
}

#[test]
fn cut_anywhere_it_keeps_whole_entries_only() {
    let dir = tempfile::tempdir().unwrap();
    running(dir.path(), 40);
    let path = dir.path().join("journal");
    let whole = fs::read(&path).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..whole.len()).step_by(5).chain([whole.len()]) {
        fs::write(&path, &whole[..cut]).unwrap();
        let recording = Recording::open(dir.path()).unwrap();
        let lines = lines(&recording);
        assert!(lines.iter().enumerate().all(|(n, line)| *line == format!("line {n}")), "cut at {cut}");
        seen.insert(lines.len());
        let torn = recording.torn().map(|torn| torn.at_byte + torn.lost_bytes);
        assert!(torn.is_none_or(|end| end == cut as u64), "cut at {cut}: {torn:?}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 21, 40]);
}

#[test]
fn a_flipped_bit_ends_the_journal_there() {
    let dir = tempfile::tempdir().unwrap();
    running(dir.path(), 40);
    let path = dir.path().join("journal");
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut altered = whole.clone();
        altered[at] ^= 0x10;
        fs::write(&path, &altered).unwrap();
        let recording = Recording::open(dir.path()).unwrap();
        assert!(recording.torn().is_some(), "a flip at {at} went unnoticed");
        assert!(lines(&recording).len() < 41);
    }
}

/// Where each entry of a journal begins, and where the last one ends.
fn boundaries(journal: &[u8]) -> Vec<usize> {
    let mut found = vec![0];
    while let Some(header) = journal.get(found[found.len() - 1]..).filter(|rest| rest.len() >= 24) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        found.push(found[found.len() - 1] + 24 + length as usize);
    }
    assert_eq!(found.last(), Some(&journal.len()));
    found
}

/// Messages as the recorder writes them: the payload first, then the packet that refers to it.
fn messages(path: &Path, count: i64) {
    let mut journal = Journal::resume(path).unwrap();
    for number in 0..count {
        let blob = Blob { sha256: format!("hash {number}"), bytes: vec![number as u8; 300], ..Blob::default() };
        journal.push(100 + number, blob.into()).unwrap();
        journal.write().unwrap();
        let packet = Packet { args: Some(format!("hash {number}")), ..Packet::default() };
        journal.push(100 + number, packet.into()).unwrap();
        journal.write().unwrap();
        journal.sync().unwrap();
    }
}

/// The messages that can be read, each equal to what was written.
fn whole_messages(dir: &Path) -> usize {
    let recording = Recording::open(dir).unwrap();
    let (packets, blobs) = (recording.rows::<Packet>().unwrap(), recording.rows::<Blob>().unwrap());
    for (number, packet) in packets.iter().enumerate() {
        let expected = format!("hash {number}");
        assert_eq!((packet.seq, packet.row.args.as_deref()), (number as i64, Some(expected.as_str())));
        assert_eq!(blobs[number].row.sha256, expected, "a row never refers to a payload that is not there");
        assert_eq!(blobs[number].row.bytes, vec![number as u8; 300]);
    }
    packets.len()
}

#[test]
fn a_power_cut_costs_what_was_not_synced_and_nothing_before_it() {
    let dir = tempfile::tempdir().unwrap();
    running(dir.path(), 4);
    let path = dir.path().join("journal");
    messages(&path, 5);
    let whole = fs::read(&path).unwrap();
    let boundaries = boundaries(&whole);
    // Two messages are four entries.
    let from = boundaries[boundaries.len() - 5];
    for cut in from..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let entries = boundaries[boundaries.len() - 5..].iter().skip(1).filter(|end| **end <= cut).count();
        assert_eq!(whole_messages(dir.path()), 3 + entries / 2, "cut at {cut}");
        let torn = Recording::open(dir.path()).unwrap().torn().map(|torn| torn.at_byte as usize);
        assert_eq!(torn, (!boundaries.contains(&cut)).then(|| *boundaries.iter().rfind(|at| **at < cut).unwrap()));
    }
    for at in from..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1 << (at % 8);
        fs::write(&path, &altered).unwrap();
        let entries = boundaries[boundaries.len() - 5..].iter().skip(1).filter(|end| **end <= at).count();
        assert_eq!(whole_messages(dir.path()), 3 + entries / 2, "flipped at {at}");
    }
}

#[test]
fn what_is_appended_again_stands_behind_the_last_whole_entry() {
    let dir = tempfile::tempdir().unwrap();
    running(dir.path(), 4);
    let path = dir.path().join("journal");
    messages(&path, 2);
    let whole = fs::read(&path).unwrap();
    let last = boundaries(&whole)[boundaries(&whole).len() - 2];
    for cut in [last, last + 1, last + 24, whole.len() - 1, whole.len()] {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut journal = Journal::resume(&path).unwrap();
        for number in [1, 2] {
            let blob = Blob { sha256: format!("hash {number}"), bytes: vec![number; 300], ..Blob::default() };
            let packet = Packet { args: Some(format!("hash {number}")), ..Packet::default() };
            if number == 2 {
                journal.push(200, blob.into()).unwrap();
            }
            if number == 2 || cut < whole.len() {
                journal.push(200, packet.into()).unwrap();
            }
        }
        journal.write().unwrap();
        assert_eq!(whole_messages(dir.path()), 3, "cut at {cut}");
        assert!(Recording::open(dir.path()).unwrap().torn().is_none());
    }
}

#[test]
fn a_run_whose_end_is_the_last_thing_written_was_complete() {
    let dir = tempfile::tempdir().unwrap();
    let run = running(dir.path(), 4);
    let path = dir.path().join("journal");
    let end = |state: &str| {
        let mut journal = Journal::resume(&path).unwrap();
        let row = Run { run_id: run.run_id.clone(), state: state.to_owned(), duration_ns: 77, ..Run::default() };
        journal.push(77, row.into()).unwrap();
        journal.write().unwrap();
    };
    let found = || {
        let recording = Recording::open(dir.path()).unwrap();
        let runs = recording.rows::<Run>().unwrap();
        (recording.state(), runs[0].row.state.clone(), runs[0].row.duration_ns)
    };
    assert_eq!(found(), (State::Incomplete, "incomplete".to_owned(), 13));
    end("complete");
    assert_eq!(found(), (State::Complete, "complete".to_owned(), 77));
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(found(), (State::Incomplete, "incomplete".to_owned(), 13));
    end("incomplete");
    assert_eq!(found(), (State::Incomplete, "incomplete".to_owned(), 77));
}

#[test]
fn journal_and_parquet_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let run = running(dir.path(), 40);
    let before = Recording::open(dir.path()).unwrap();
    assert_eq!(before.state(), State::Incomplete);
    let (logs, sources, runs) =
        (before.rows::<Log>().unwrap(), before.rows::<SourceRow>().unwrap(), before.rows::<Run>().unwrap());
    seal(dir.path(), &run, State::Incomplete).unwrap();
    let after = Recording::open(dir.path()).unwrap();
    assert!(!after.is_journal());
    assert_eq!(after.state(), State::Incomplete);
    assert_eq!(after.end_ns(), before.end_ns());
    assert_eq!(after.rows::<Log>().unwrap(), logs);
    assert_eq!(after.rows::<SourceRow>().unwrap(), sources);
    assert_eq!(after.rows::<Run>().unwrap(), runs);
    assert_eq!(sources.len(), 1);
    assert_eq!((sources[0].row.state.as_str(), sources[0].row.to_ns), ("live", Some(49)));
    assert_eq!((runs[0].row.state.as_str(), runs[0].row.duration_ns), ("incomplete", 49));
}

#[test]
fn a_journal_beside_tables_wins() {
    let dir = tempfile::tempdir().unwrap();
    let run = running(dir.path(), 4);
    let journal = fs::read(dir.path().join("journal")).unwrap();
    seal(dir.path(), &run, State::Complete).unwrap();
    fs::write(dir.path().join("journal"), journal).unwrap();
    assert!(Recording::open(dir.path()).unwrap().is_journal());
}

#[test]
fn while_its_writer_holds_the_lock_a_recording_is_running() {
    let dir = tempfile::tempdir().unwrap();
    running(dir.path(), 4);
    let lock = fs::File::create(dir.path().join("lock")).unwrap();
    lock.try_lock().unwrap();
    assert_eq!(Recording::open(dir.path()).unwrap().state(), State::Running);
    drop(lock);
    assert_eq!(Recording::open(dir.path()).unwrap().state(), State::Incomplete);
}
