//! Faults on purpose, each when its time has come.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use compose::{Process, ProcessSpec};
use futures_util::future::join_all;

use super::events::{Events, Ground};
use super::system::System;
use super::timeline::Timeline;
use crate::intake::Clock;
use crate::scenario::{ContainerFault, Fault, Inject, Scenario};

/// The faults of one run: what they are, and the programs among them that were started.
pub(super) struct Faults {
    /// Only where there is a program among them: signals are the run's own doing.
    events: Option<Events>,
    timeline: Timeline,
    running: Mutex<Vec<Arc<tokio::sync::Mutex<Process>>>>,
}

/// Faults at one moment, in the order of the scenario.
struct Moment {
    clock: Clock,
    from_ns: i64,
}

impl Moment {
    async fn come(&self, after: Duration) {
        let at_ns = self.from_ns.saturating_add(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX));
        let wait_ns = at_ns.saturating_sub(self.clock.now_ns());
        tokio::time::sleep(Duration::from_nanos(u64::try_from(wait_ns).unwrap_or_default())).await;
    }
}

impl Faults {
    pub(super) fn new(scenario: &Scenario, ground: &Ground, timeline: Timeline) -> Faults {
        let programs = scenario.injects.iter().any(|inject| matches!(inject.fault, Fault::Program { .. }));
        let events = programs.then(|| Events::new(ground, "inject", "inject"));
        if let Some(events) = &events {
            events.source().live();
        }
        Faults { events, timeline, running: Mutex::default() }
    }

    /// Does each fault in its time; `from_ns` is time 0. Ends when the last was done, which a program without a
    /// length never is before it ends.
    pub(super) async fn run(&self, injects: &[Inject], from_ns: i64, clock: Clock, system: &System<'_>) {
        let moment = Moment { clock, from_ns };
        let signals = async {
            // One after the other: two of the same moment keep their order.
            for inject in injects {
                if let Fault::Signal { signal: sent, process } = &inject.fault {
                    moment.come(inject.at).await;
                    let error = system.signal(process, *sent).err().map(|error| error.to_string());
                    let attributes = serde_json::json!({"signal": sent.to_string(), "error": error});
                    self.timeline.note("inject", process, "signal", attributes);
                }
            }
        };
        let programs = injects.iter().filter_map(|inject| match &inject.fault {
            Fault::Program { spec, lasts } => Some(self.program(&moment, inject.at, spec, *lasts)),
            Fault::Signal { .. } | Fault::Container { .. } => None,
        });
        let containers = injects.iter().filter_map(|inject| match &inject.fault {
            Fault::Container { container, what } => Some(self.container(&moment, inject.at, container, *what, system)),
            Fault::Signal { .. } | Fault::Program { .. } => None,
        });
        tokio::join!(signals, join_all(programs), join_all(containers));
    }

    async fn container(&self, moment: &Moment, at: Duration, name: &str, what: ContainerFault, system: &System<'_>) {
        moment.come(at).await;
        let note = |event: &str, mut attributes: serde_json::Value, done: Result<(), compose::Error>| {
            attributes["error"] = serde_json::json!(done.err().map(|error| crate::chain(&error)));
            self.timeline.note("inject", name, event, attributes);
        };
        match what {
            ContainerFault::Signal(sent) => {
                let done = system.signal_container(name, sent).await;
                note("signal", serde_json::json!({"signal": sent.to_string()}), done);
            }
            ContainerFault::Pause(lasts) => {
                note("pause", serde_json::json!({}), system.pause(name).await);
                moment.come(at.saturating_add(lasts)).await;
                note("unpause", serde_json::json!({}), system.unpause(name).await);
            }
        }
    }

    async fn program(&self, moment: &Moment, at: Duration, spec: &ProcessSpec, lasts: Option<Duration>) {
        let Some(events) = &self.events else { return };
        moment.come(at).await;
        let process = match events.start(spec, |_| {}) {
            Ok(process) => process,
            Err(error) => {
                let attributes = serde_json::json!({"line": events.line(spec), "error": error.to_string()});
                return self.timeline.note("inject", &spec.name, "not started", attributes);
            }
        };
        let process = Arc::new(tokio::sync::Mutex::new(process));
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&process));
        if let Some(lasts) = lasts {
            moment.come(at.saturating_add(lasts)).await;
            process.lock().await.stop().await;
        }
    }

    /// Ends what still runs.
    pub(super) async fn stop(&self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(running.iter().map(|process| async { process.lock().await.stop().await })).await;
        if let Some(events) = &self.events {
            events.source().end();
        }
    }
}
