//! To whom a run is told while it is recorded: a receiver of its spans, and Prometheus.

use std::path::Path;
use std::time::Duration;

use telemetry::otlp::{Ended, Live, Rejected, Sender, Sending, Target};

use crate::intake::Clock;
use crate::metrics::{Page, Shown};
use crate::recorder::Derived;
use crate::scenario::Scenario;
use crate::spans::Deriver;
use crate::status::{say, warn};
use crate::{AnyError, cli};

/// How long a receiver has for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(10);

/// What was asked for.
pub(super) struct Telling {
    otlp: Option<Target>,
    rejected: Rejected,
    /// Where metrics are served.
    pub(super) metrics: Option<Page>,
}

impl Telling {
    /// Reads where spans go; [`Telling::metrics`] is for whoever listens for several runs.
    pub(super) fn new(asked: &cli::Telling) -> Result<Telling, AnyError> {
        let otlp = asked.otlp.as_deref().map(Target::parse).transpose()?;
        Ok(Telling { otlp, rejected: asked.rejected.clone(), metrics: None })
    }

    /// Begins to tell a run.
    pub(super) fn begin(&self, scenario: &Scenario, clock: Clock) -> Result<(Derived, Option<Told>), AnyError> {
        let run_id = &scenario.stream;
        let (live, told) = self.send(run_id, clock)?.unzip();
        let counted = self.metrics.as_ref().map(|page| {
            let counted = Shown::new(run_id, &scenario.name, clock, live.clone());
            page.show(counted.clone());
            counted
        });
        let deriver = Deriver::new(run_id, &scenario.name, scenario.pairs.clone());
        Ok((Derived::new(deriver, live, counted), told))
    }

    fn send(&self, run_id: &str, clock: Clock) -> Result<Option<(Live, Told)>, AnyError> {
        let Some(target) = &self.otlp else { return Ok(None) };
        let sender = Sender::new(target, run_id, clock.unix_ns(0))?;
        let to = target.shown();
        let takes_none = move |problem| {
            warn(format_args!(
                "collector: {to} takes no spans ({problem}): tried again until the end; the run goes on"
            ));
        };
        let (live, sending) = Live::spawn(sender, takes_none);
        let (rejected, before) = (self.rejected.clone(), self.rejected.spans());
        let run_id = run_id.to_owned();
        Ok(Some((live, Told { run_id, target: target.clone(), sending, rejected, before })))
    }
}

/// A run whose spans are sent.
pub(super) struct Told {
    run_id: String,
    target: Target,
    sending: Sending,
    rejected: Rejected,
    /// What was refused before this run.
    before: u64,
}

impl Told {
    /// Gives the receiver its last chance, and says what became of the spans. It is no part of the exit code: they are
    /// recorded.
    pub(super) async fn end(self, recording: &Path) -> String {
        let Ended { waiting, problem, .. } = self.sending.stands();
        if waiting > 0 && problem.is_some() {
            let (to, seconds) = (self.target.shown(), LAST_SPANS.as_secs());
            say(format_args!("the run is recorded; {to} gets {seconds} s at most for the last {waiting} spans"));
        }
        let mut ended = self.sending.end(LAST_SPANS).await;
        ended.refused(self.rejected.spans() - self.before);
        let Ended { sent, lost, problem, .. } = ended;
        let (to, recording) = (self.target.shown(), recording.display());
        let trace = telemetry::ids::trace_id(&self.run_id);
        if lost == 0 {
            return format!("{sent} spans sent to {to}, trace {trace}");
        }
        let why = problem.unwrap_or_else(|| "the queue was full".to_owned());
        let remedy = format!("`replay export {recording} --to otlp --otlp {to}` sends them all");
        format!("{sent} spans sent to {to}, trace {trace}; {lost} were not taken ({why}): {remedy}")
    }
}
