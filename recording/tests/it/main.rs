//! The format as others see it: its document, its crash-proof journal, its readers' refusals.
#![cfg(test)]

mod crash;
mod format;
mod refusals;

use std::path::Path;

use recording::journal::Journal;
use recording::record::{Log, Run, SourceRow};
use recording::run::{Environment, RunFile, State};

/// A folder with a running recording of `logs` log lines, written in two writes.
fn running(dir: &Path, logs: i64) -> RunFile {
    let run = RunFile {
        format: recording::FORMAT,
        run_id: "test-20260101T000000Z-aaaa".to_owned(),
        scenario: "test".to_owned(),
        kind: "process".to_owned(),
        spec_id: None,
        stream: "s".to_owned(),
        state: State::Running,
        started_unix_ns: 1,
        duration_ns: 0,
        labels: Default::default(),
        version: None,
        environment: Environment::default(),
        stimulus_sha256: None,
        redaction: Vec::new(),
        tables: Vec::new(),
    };
    run.write(dir).unwrap();
    let mut journal = Journal::create(&dir.join("journal")).unwrap();
    let row = Run { run_id: run.run_id.clone(), state: "running".to_owned(), ..Run::default() };
    journal.push(0, row.into()).unwrap();
    for state in ["idle", "live"] {
        let source = SourceRow { source: "process".to_owned(), state: state.to_owned(), ..SourceRow::default() };
        journal.push(1, source.into()).unwrap();
    }
    for line in 0..logs {
        let log = Log { line: format!("line {line}"), ..Log::default() };
        journal.push(10 + line, log.into()).unwrap();
        if line == logs / 2 {
            journal.write().unwrap();
        }
    }
    journal.write().unwrap();
    journal.sync().unwrap();
    run
}
