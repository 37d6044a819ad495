//! A recording's trace to a receiver of OTLP, with the ids that it had, or would have had, while the run was recorded.

use std::time::Duration;

use telemetry::otlp::{Outcome, Rejected, Row, Sender, Target};
use tracing_subscriber::layer::SubscriberExt;

use crate::cli::{Cli, Export};
use crate::error::Error;
use crate::exit::Exit;
use crate::report;
use crate::spans::{self, Spans};

/// How often what a receiver did not take is sent again, and how long between two attempts at first.
const ATTEMPTS: u32 = 5;
const REST: Duration = Duration::from_millis(250);
/// The receiver where none is named.
const RECEIVER: &str = "http://127.0.0.1:4317";
/// What the problem says where nobody is at the address.
const NOBODY: [&str; 3] = ["Connection refused", "tcp connect error", "lookup address"];

/// Sends every span of every named recording.
///
/// # Errors
/// Anything that keeps a recording from being read or judged, and where the receiver does not take it all.
pub(super) fn export(cli: &Cli, asked: &Export) -> Result<Exit, Error> {
    let sending = |error| Error::Telemetry(Box::new(error));
    let target = Target::parse(asked.otlp.as_deref().unwrap_or(RECEIVER)).map_err(sending)?;
    let rejected = Rejected::default();
    // Only here does anybody listen to what the exporter has to say.
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(rejected.layer()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Engine)?;
    spans::for_each(cli, &asked.runs, |path| {
        let spans = Spans::open(cli, path, asked.spec.as_deref())?;
        let (run_id, count, refused_before) = (spans.run_id(), spans.count, rejected.spans());
        let sender = async { Sender::new(&target, run_id, spans.started_unix_ns()) };
        let mut sender = runtime.block_on(sender).map_err(sending)?;
        let (mut left, mut problem, mut is_down) = (0, None, false);
        spans.each(|rows| {
            if is_down {
                left += rows.len();
                return Ok(());
            }
            let outcome = runtime.block_on(send(&mut sender, rows));
            left += outcome.left.len();
            is_down = !outcome.left.is_empty() && !outcome.refused;
            problem = outcome.problem.or(problem.take());
            Ok(())
        })?;
        let to = target.shown();
        if left > 0 {
            let (taken, problem) = (count - left, problem.unwrap_or_default());
            let is_nobody_there = NOBODY.iter().any(|words| problem.contains(words));
            let remedy = if is_nobody_there { ": is a receiver there? replay traces is one" } else { "" };
            return Err(Error::Usage(format!("{to} took {taken} of {count} spans of {run_id}: {problem}{remedy}")));
        }
        let refused = rejected.spans() - refused_before;
        if refused > 0 {
            return Err(Error::Usage(format!("{to} refused {refused} of {count} spans of {run_id}")));
        }
        let trace = telemetry::ids::trace_id(run_id);
        report::print(&format!("{run_id}  {count} spans  trace {trace}\n"))?;
        Ok(())
    })?;
    Ok(Exit::Held)
}

/// Sends until all is taken or patience ends.
async fn send(sender: &mut Sender, rows: Vec<Row>) -> Outcome {
    let mut outcome = sender.send(rows).await;
    let mut rest = REST;
    for _ in 1..ATTEMPTS {
        if outcome.left.is_empty() {
            break;
        }
        tokio::time::sleep(rest).await;
        rest *= 2;
        outcome = sender.send(outcome.left).await;
    }
    outcome
}
