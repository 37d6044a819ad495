//! The `collector` program as its users meet it, with real processes.
#![cfg(test)]

mod containers;
mod faults;
mod harmless;
mod memory;
mod refusals;
mod runs;
mod secrets;
mod traffic;
mod wrapped;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use recording::reader::Recording;
use recording::record::Event;
use tempfile::TempDir;

/// A folder with a scenario in it, and the place where its recordings land.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new(scenario: &str) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("scenario.toml"), scenario).unwrap();
        Scene { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_collector"));
        command.args(arguments);
        self.here(command)
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.here(command)
    }

    fn here(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).env("XDG_STATE_HOME", self.path("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn record(&self, more: &[&str]) -> Output {
        let arguments = [&["record", "scenario.toml", "--runs", "runs"], more].concat();
        self.command(&arguments).output().unwrap()
    }

    fn start(&self) -> Child {
        self.command(&["record", "scenario.toml", "--runs", "runs"]).spawn().unwrap()
    }

    /// Records until something holds of the journal. The scenario must be one that goes on until then.
    fn record_until(&self, what: &str, holds: impl Fn(&Recording) -> bool) -> Output {
        let command = "until [ -e done ]; do sleep 0.01; done";
        let arguments = ["record", "scenario.toml", "--runs", "runs", "--", "sh", "-c", command];
        let collector = self.command(&arguments).spawn().unwrap();
        wait_for(what, || holds(&Recording::open(&self.run_dir()?).ok()?).then_some(()));
        std::fs::write(self.path("done"), "").unwrap();
        let output = collector.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// A program beside the scenario.
    fn program(&self, name: &str, line: &str) {
        use std::os::unix::fs::OpenOptionsExt;
        let mut file =
            std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o755).open(self.path(name));
        std::io::Write::write_all(file.as_mut().unwrap(), format!("#!/bin/sh\n{line}\n").as_bytes()).unwrap();
    }

    /// The folder of the one recording.
    fn run_dir(&self) -> Option<PathBuf> {
        std::fs::read_dir(self.path("runs")).ok()?.next().map(|entry| entry.unwrap().path())
    }

    fn recording(&self) -> Recording {
        Recording::open(&self.run_dir().unwrap()).unwrap()
    }
}

/// Waits until there is something.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The pid that a process of the scenario wrote down.
fn pid_in(file: &Path) -> Option<rustix::process::Pid> {
    let pid = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    rustix::process::Pid::from_raw(pid)
}

/// Fails where a process that wrote its pid down still runs. What nobody has collected yet runs no more.
fn must_end(scene: &Scene, name: &str) {
    let pid = pid_in(&scene.path(name)).unwrap().as_raw_nonzero().to_string();
    wait_for(&format!("{name} is gone"), || {
        let state = Command::new("ps").args(["-o", "stat=", "-p", &pid]).output().unwrap().stdout;
        matches!(state.first(), None | Some(b'Z' | b'X')).then_some(())
    });
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// What the timeline says of a subject, as its source tells it: "event exit code".
fn story(recording: &Recording, source: &str, subject: &str) -> Vec<String> {
    let events = timeline(recording).into_iter().filter(|event| event.source == source && event.subject == subject);
    let code = |event: &Event| event.exit_code.map_or_else(String::new, |code| format!(" {code}"));
    events.map(|event| format!("{}{}", event.event, code(&event))).collect()
}

/// The lines that a source recorded.
fn lines(recording: &Recording, source: &str) -> Vec<recording::record::Log> {
    let logs = recording.rows::<recording::record::Log>().unwrap().into_iter().map(|stamped| stamped.row);
    logs.filter(|log| log.source == source).collect()
}

fn timeline(recording: &Recording) -> Vec<Event> {
    recording.rows::<Event>().unwrap().into_iter().map(|stamped| stamped.row).collect()
}
