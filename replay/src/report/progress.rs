//! How far long work has come, for whoever watches.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Work that is shorter than this is not spoken of.
const QUIET: Duration = Duration::from_secs(2);

/// A line on the error output that tells how much is done, where that is a terminal. It is gone in the end.
pub struct Progress {
    of_what: &'static str,
    all: usize,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// `all` pieces of work are to be done.
    pub fn new(of_what: &'static str, all: usize) -> Progress {
        Progress { of_what, all, since: Instant::now(), shown: io::stderr().is_terminal() }
    }

    /// Tells how many are done.
    pub fn show(&self, done: usize) {
        if self.shown && self.since.elapsed() > QUIET {
            // Where the error output is closed nobody watches.
            let _ = write!(io::stderr(), "\r\x1b[K{done} of {} {}", self.all, self.of_what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.since.elapsed() > QUIET {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
