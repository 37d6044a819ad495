//! `replay sql --until-true`: the end of a run, told by a query on the growing journal.

use std::fs::File;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use recording::journal::Journal;
use recording::record::Sample;

use crate::build::{Builder, SECOND};
use crate::{replay, stderr};

/// Deadline for states that must come.
const SOON: Duration = Duration::from_secs(60);

fn wait_for(dir: &std::path::Path, query: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_replay"))
        .args(["sql", ".", query, "--until-true", "--every", "20ms"])
        .current_dir(dir)
        .spawn()
        .unwrap()
}

fn exit_of(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < SOON {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    None
}

fn sample(value: f64) -> Sample {
    Sample {
        target: "worker".into(),
        name: "done".into(),
        r#type: "gauge".into(),
        labels: "{}".into(),
        series: "done".into(),
        value,
        source_unix_ns: None,
    }
}

/// A recording that is being written: its lock and its journal.
fn running(folder: &std::path::Path) -> (std::path::PathBuf, File, Journal) {
    let dir = Builder::new("r").journal(folder);
    std::fs::remove_file(dir.join("journal")).unwrap();
    let lock = File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let journal = Journal::create(&dir.join("journal")).unwrap();
    (dir, lock, journal)
}

#[test]
fn it_ends_when_the_query_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, _lock, mut journal) = running(folder.path());
    let mut child = wait_for(&dir, "SELECT count(*) >= 3 FROM samples WHERE value = 1");
    for second in 0..3 {
        assert_eq!(child.try_wait().unwrap(), None, "it must wait");
        journal.push(second * SECOND, sample(0.0).into()).unwrap();
        journal.push(second * SECOND, sample(1.0).into()).unwrap();
        journal.write().unwrap();
    }
    assert_eq!(exit_of(&mut child), Some(0));
}

#[test]
fn it_ends_with_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, lock, mut journal) = running(folder.path());
    let mut child = wait_for(&dir, "SELECT max(value) FROM samples");
    journal.push(SECOND, sample(0.0).into()).unwrap();
    journal.write().unwrap();
    drop(lock);
    assert_eq!(exit_of(&mut child), Some(3));
}

#[test]
fn an_ended_recording_is_asked_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Builder::new("r").sample(SECOND, "done", 1.0).seal(folder.path());
    let exit = |query: &str| replay(&dir, &["sql", ".", query, "--until-true"]).status.code();
    assert_eq!(exit("SELECT max(value) FROM samples"), Some(0));
    assert_eq!(exit("SELECT value FROM samples WHERE value > 2"), Some(3));
    let output = replay(&dir, &["sql", ".", "SELECT nothing FROM samples", "--until-true"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
