//! A journal that ends anywhere is read up to its last whole entry, and sealing it changes nothing.

use std::fs;

use recording::reader::Recording;
use recording::record::{Log, Run, SourceRow};
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
