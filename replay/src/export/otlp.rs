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
    for Spans { run_id, started_unix_ns, rows } in spans::read_all(cli, &asked.runs, asked.spec.as_deref())? {
        let count = rows.len();
        let refused_before = rejected.spans();
        runtime.block_on(async {
            let mut sender = Sender::new(&target, &run_id, started_unix_ns).map_err(sending)?;
            send(&mut sender, rows).await.map_err(|(left, problem)| {
                let done = count - left;
                Error::Usage(format!("{} took {done} of {count} spans of {run_id}: {problem}", target.shown()))
            })
        })?;
        let refused = rejected.spans() - refused_before;
        if refused > 0 {
            return Err(Error::Usage(format!("{} refused {refused} of {count} spans of {run_id}", target.shown())));
        }
        let trace = telemetry::ids::trace_id(&run_id);
        report::print(&format!("{run_id}  {count} spans  trace {trace}\n"))?;
    }
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
