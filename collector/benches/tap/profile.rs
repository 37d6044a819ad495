//! Where a tap spends its time: perf watches it under load.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use collector::AnyError;

use crate::message::Messages;
use crate::peers::{Candidate, Peer};
use crate::round::{Cell, Pace, run};

/// Records into that file.
pub fn profile(
    file: &Path,
    (bytes, connections): (usize, usize),
    length: Duration,
    full: bool,
    scratch: &Path,
) -> Result<(), AnyError> {
    let echo = Peer::echo(scratch)?;
    let cell = Cell { messages: Arc::new(Messages::new(bytes)), connections, echo: echo.port };
    let quiet = &mut |_| Ok(());
    let pace = match full {
        true => Pace::Closed,
        false => Pace::Open(run(&cell, Candidate::Direct, Pace::Closed, length, scratch, quiet)?.rate / 2.0),
    };
    let mut perf: Option<Child> = None;
    let outcome = run(&cell, Candidate::Tap, pace, length, scratch, &mut |pid| {
        let pid = pid.ok_or("a tap is a process")?.to_string();
        let mut command = Command::new("perf");
        // 997: not in step with anything that happens each millisecond.
        command.args(["record", "--quiet", "-F", "997", "--call-graph", "dwarf,8192", "-p", &pid, "-o"]).arg(file);
        perf = Some(command.spawn().map_err(|error| format!("perf can't be started: {error}"))?);
        Ok(())
    })?;
    // perf ends with the process that it watches.
    let ended = perf.ok_or("perf was not started")?.wait()?;
    eprintln!(
        "{pace:?}: {:.0} messages/s, p50 {:.0} µs, {}; perf {ended}",
        outcome.rate,
        outcome.p50_ns / 1e3,
        if outcome.is_complete() { "complete" } else { "with gaps" }
    );
    Ok(())
}
