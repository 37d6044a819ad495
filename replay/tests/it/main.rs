//! The program as a user runs it, on recordings made here.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod against;
mod answers;
mod build;
mod comparing;
mod coverage;
mod faults;
mod history;
mod judge;
mod mutate;
mod names;
mod outcomes;
mod refusals;
mod short;
mod speed;
mod waiting;

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a folder.
pub fn replay(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_replay")).args(args).current_dir(dir).env_remove("NO_COLOR").output().unwrap()
}

/// What it answered.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said beside.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the program and reads its JSON; what went wrong is in the message.
pub fn json(dir: &Path, args: &[&str], exit: i32) -> serde_json::Value {
    let args: Vec<&str> = args.iter().copied().chain(["--format", "json"]).collect();
    let output = replay(dir, &args);
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {}{}", stderr(&output), stdout(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}
