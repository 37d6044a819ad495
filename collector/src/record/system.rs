//! The system under test, and the publisher that feeds it: started in order, watched, always taken down.

use std::sync::Arc;

use compose::{Event, Guard, Happening, Process, ProcessSpec, Processes, Sink};
use tokio_util::sync::CancellationToken;

use super::timeline::Timeline;
use crate::intake::{Clock, Intake, Source};
use crate::redact::Redactor;
use crate::scenario::{Inject, Scenario};
use crate::watch::Watched;
use recording::{Row, Table};

/// Who can say what happens to the system, and where it goes.
pub(super) struct System {
    processes: Processes,
    publisher: Option<Process>,
    publisher_sink: Sink,
    guard: Option<Arc<Guard>>,
    sources: [Source; 2],
}

impl System {
    /// A system that is not yet up.
    ///
    /// # Errors
    /// Where the guardian or the HTTP client can't be set up.
    pub(super) fn new(
        intake: &Intake,
        redactor: &Arc<Redactor>,
        watched: Arc<Watched>,
    ) -> Result<System, compose::Error> {
        let program = std::env::current_exe().unwrap_or_else(|_| "collector".into());
        let guard = Arc::new(Guard::spawn(&program, &["guard"])?);
        let process = intake.source("process", "process", &[Table::Timeline, Table::Logs]);
        let publisher = intake.source("publisher", "publisher", &[Table::Timeline, Table::Logs]);
        let sink = |source: &Source, name: &'static str| -> Sink {
            let (source, redactor, watched) = (source.clone(), Arc::clone(redactor), Arc::clone(&watched));
            Arc::new(move |event| {
                if let Happening::Started { pid } = event.what {
                    watched.add(&event.process, pid);
                }
                record(&source, name, &redactor, event);
            })
        };
        Ok(System {
            processes: Processes::new(sink(&process, "process"), Some(Arc::clone(&guard)))?,
            publisher: None,
            publisher_sink: sink(&publisher, "publisher"),
            guard: Some(guard),
            sources: [process, publisher],
        })
    }

    /// Starts every process, each once the one before is ready.
    ///
    /// # Errors
    /// That of the first process that doesn't come up.
    pub(super) async fn start(&mut self, scenario: &Scenario) -> Result<(), compose::Error> {
        self.sources[0].live();
        for process in &scenario.processes {
            self.processes.start(&process.spec).await?;
            eprintln!("{} is ready", process.spec.name);
        }
        Ok(())
    }

    /// Begins to publish the stimulus, at the pace of its own time stamps.
    ///
    /// # Errors
    /// Where ffmpeg can't be started.
    pub(super) fn publish(&mut self, scenario: &Scenario) -> Result<(), compose::Error> {
        let (Some(stimulus), Some(url)) = (&scenario.stimulus, &scenario.publish) else {
            return Ok(());
        };
        let arguments = ["-hide_banner", "-nostdin", "-loglevel", "warning", "-re", "-i"];
        let mut command = vec!["ffmpeg".to_owned()];
        command.extend(arguments.map(str::to_owned));
        command.push(stimulus.display().to_string());
        command.extend(["-c", "copy", "-f", "flv"].map(str::to_owned));
        command.push(url.clone());
        let folder = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
        self.sources[1].live();
        let spec = ProcessSpec::new(scenario.stream.clone(), command, folder);
        self.publisher = Some(Process::start(&spec, &self.publisher_sink, self.guard.as_ref())?);
        Ok(())
    }

    /// Sends each injected signal when its time has come; `from_ns` is time 0.
    pub(super) async fn inject(&self, injects: &[Inject], from_ns: i64, clock: Clock, timeline: &Timeline) {
        for inject in injects {
            let at_ns = from_ns + inject.at.as_nanos() as i64;
            let wait_ns = at_ns.saturating_sub(clock.now_ns()).max(0);
            tokio::time::sleep(std::time::Duration::from_nanos(wait_ns as u64)).await;
            let sent = self.processes.signal(&inject.process, inject.signal);
            let error = sent.err().map(|error| error.to_string());
            let attributes = serde_json::json!({"signal": inject.signal.to_string(), "error": error});
            timeline.note("inject", &inject.process, "signal", attributes);
        }
    }

    /// Ends the publisher, then every process in reverse order; whole groups, whatever state they are in.
    pub(super) async fn stop(&mut self) {
        if let Some(publisher) = &mut self.publisher {
            publisher.stop().await;
        }
        self.publisher = None;
        self.processes.stop().await;
        for source in &self.sources {
            source.end();
        }
    }

    /// Leaves the system up until told to stop.
    pub(super) async fn stay_up(&mut self, stop: &CancellationToken) {
        eprintln!("the system stays up until Ctrl-C");
        stop.cancelled().await;
    }
}

fn record(source: &Source, name: &str, redactor: &Redactor, event: Event) {
    let mut row = event.row(name);
    if let Row::Log(log) = &mut row {
        log.line = redactor.text(&log.line);
    }
    source.put(source.clock().now_ns(), row);
}
