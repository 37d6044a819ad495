//! The guardian: a process that ends the groups of the system under test when the collector is killed.
//!
//! Nothing inside a process can act on its own SIGKILL, so a second process holds the other end of a pipe. It reads
//! `+GROUP` and `-GROUP` lines; when the pipe closes, however that came about, it ends the groups that are still
//! listed, and itself.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::group::Group;
use crate::{Error, Signal};

/// How long groups have to end after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// This process's end of the pipe to a guardian. Dropped, the guardian ends; groups that it still knows end with it.
pub struct Guard {
    pipe: Mutex<Option<ChildStdin>>,
    child: Option<Child>,
}

impl Guard {
    /// Starts a guardian: `program` with `args` must call [`run`] on its standard input. It has a process group of
    /// its own, so that a Ctrl-C at the terminal does not reach it.
    ///
    /// # Errors
    /// [`Error::GuardSpawn`] where the program can't be started.
    pub fn spawn(program: &Path, args: &[&str]) -> Result<Guard, Error> {
        let spawned = Command::new(program)
            .args(args)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let failed = |source| Error::GuardSpawn { program: program.to_owned(), source };
        let mut child = spawned.map_err(failed)?;
        Ok(Guard { pipe: Mutex::new(child.stdin.take()), child: Some(child) })
    }

    /// Tells the guardian of a group to end.
    ///
    /// # Errors
    /// That of the pipe, where the guardian is gone.
    pub fn add(&self, group: u32) -> io::Result<()> {
        self.tell('+', group)
    }

    /// Tells the guardian that nothing of a group runs any more, and its id may become somebody else's. A guardian
    /// that is gone can't end it either, so that is no error.
    pub fn remove(&self, group: u32) {
        let _ = self.tell('-', group);
    }

    /// The guardian's process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// A line is far smaller than the pipe, and the guardian does nothing but read: this does not block.
    fn tell(&self, sign: char, group: u32) -> io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        match pipe.as_mut() {
            Some(pipe) => pipe.write_all(format!("{sign}{group}\n").as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        *self.pipe.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(mut child) = self.child.take() {
            // Collected aside: it takes as long as the groups do that it may have to end.
            std::thread::spawn(move || child.wait());
        }
    }
}

/// The guardian's whole life: reads until the pipe closes, ends what is listed, returns.
pub fn run(lines: impl BufRead) {
    let mut groups = BTreeSet::new();
    for line in lines.split(b'\n') {
        let Ok(line) = line else { break };
        let Some((sign, group)) = parse(&line) else { continue };
        match sign {
            b'+' => groups.insert(group.id()),
            _ => groups.remove(&group.id()),
        };
    }
    end(groups.into_iter().filter_map(|id| Group::new(id.unsigned_abs())).collect());
}

fn parse(line: &[u8]) -> Option<(u8, Group)> {
    let (&sign, group) = line.split_first()?;
    let group = Group::new(std::str::from_utf8(group).ok()?.parse().ok()?)?;
    matches!(sign, b'+' | b'-').then_some((sign, group))
}

fn end(mut groups: Vec<Group>) {
    groups.retain(|group| group.alive());
    groups.iter().for_each(|group| group.ask_to_end());
    let deadline = Instant::now() + GRACE;
    while !groups.is_empty() && Instant::now() < deadline {
        std::thread::sleep(POLL);
        groups.retain(|group| group.alive());
    }
    for group in groups {
        let _ = group.signal(Signal::Kill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_name_one_group_count() {
        assert_eq!(parse(b"+42").map(|(sign, group)| (sign, group.id())), Some((b'+', 42)));
        assert_eq!(parse(b"-42").map(|(sign, group)| (sign, group.id())), Some((b'-', 42)));
        for line in [&b""[..], b"+", b"42", b"+0", b"+1", b"+-1", b"*42", b"+4 2", b"+\xff", b"+99999999999"] {
            assert!(parse(line).is_none(), "{:?}", String::from_utf8_lossy(line));
        }
    }
}
