//! A recording's trace to a receiver of OTLP, with the ids that it had, or would have had, while the run was recorded.

use std::time::Duration;

use telemetry::otlp::{Rejected, Row, Sender, Target};
use tracing_subscriber::layer::SubscriberExt;

use crate::cli::{Cli, Export};
use crate::error::Error;
use crate::exit::Exit;
use crate::report;
use crate::spans::{self, Spans};

/// How often what a receiver did not take is sent again, and how long between two attempts at first.
const ATTEMPTS: u32 = 5;
const REST: Duration = Duration::from_millis(250);

/// Sends every span of every named recording.
///
/// # Errors
/// Anything that keeps a recording from being read or judged, and where the receiver does not take it all.
pub(super) fn export(cli: &Cli, asked: &Export) -> Result<Exit, Error> {
    let sending = |error| Error::Telemetry(Box::new(error));
    let target = Target::parse(&asked.otlp).map_err(sending)?;
    let rejected = Rejected::default();
    // Only here does anybody listen to what the exporter has to say.
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(rejected.layer()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Engine)?;
    spans::for_each(cli, &asked.runs, |path| {
        let spans = Spans::open(cli, path, asked.spec.as_deref())?;
        let (run_id, refused_before) = (spans.run_id(), rejected.spans());
        let sender = async { Sender::new(&target, run_id, spans.started_unix_ns()) };
        let mut sender = runtime.block_on(sender).map_err(sending)?;
        let mut taken = 0;
        let count = spans.each(|rows| {
            let offered = taken + rows.len();
            let sent = runtime.block_on(send(&mut sender, rows));
            taken = offered - sent.as_ref().map_or_else(|(left, _)| *left, |()| 0);
            sent.map_err(|(_, problem)| {
                Error::Usage(format!("{} took {taken} spans of {run_id} and no more: {problem}", target.shown()))
            })
        })?;
        let refused = rejected.spans() - refused_before;
        if refused > 0 {
            return Err(Error::Usage(format!("{} refused {refused} of {count} spans of {run_id}", target.shown())));
        }
        let trace = telemetry::ids::trace_id(run_id);
        report::print(&format!("{run_id}  {count} spans  trace {trace}\n"))?;
        Ok(())
    })?;
    Ok(Exit::Held)
}

/// Sends until all is taken; else says how many were left, and why.
async fn send(sender: &mut Sender, mut rows: Vec<Row>) -> Result<(), (usize, String)> {
    let mut rest = REST;
    for attempt in 1..=ATTEMPTS {
        let outcome = sender.send(rows).await;
        rows = outcome.left;
        if rows.is_empty() {
            return Ok(());
        }
        if attempt == ATTEMPTS {
            return Err((rows.len(), outcome.problem.unwrap_or_default()));
        }
        tokio::time::sleep(rest).await;
        rest *= 2;
    }
    Ok(())
}
