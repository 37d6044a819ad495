//! What happens to the processes of a run, on its way into the recording.

use std::sync::Arc;

use compose::{Event, Guard, Happening, Process, ProcessSpec, Sink};
use recording::{Row, Table};

use crate::intake::{Intake, Source};
use crate::redact::Redactor;
use crate::watch::Watched;

/// What everything that starts processes for a run needs.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) intake: Intake,
    pub(super) redactor: Arc<Redactor>,
    pub(super) watched: Arc<Watched>,
    pub(super) guard: Arc<Guard>,
}

/// The events of one source: their rows go to `timeline` and `logs`, and whoever starts is watched.
#[derive(Clone)]
pub(super) struct Events {
    ground: Ground,
    source: Source,
    name: &'static str,
    /// The source that what the processes use is counted under.
    counted_as: &'static str,
}

impl Events {
    /// Those of a new source, which is not yet live.
    pub(super) fn new(ground: &Ground, name: &'static str, counted_as: &'static str) -> Events {
        let source = ground.intake.source(name, name, &[Table::Timeline, Table::Logs]);
        Events { ground: ground.clone(), source, name, counted_as }
    }

    /// The source.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Records events as they come.
    pub(super) fn sink(&self) -> Sink {
        let events = self.clone();
        Arc::new(move |event| events.record(event, None))
    }

    /// Starts a program that is no part of the system under test. Its start tells its command line; `show` is given
    /// each line that it writes, as it came.
    pub(super) fn start(
        &self,
        spec: &ProcessSpec,
        show: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Process, compose::Error> {
        let (events, line) = (self.clone(), self.line(spec));
        let sink: Sink = Arc::new(move |event| {
            if let Happening::Output { line, .. } = &event.what {
                show(line);
            }
            events.record(event, Some(&line));
        });
        Process::start(spec, &sink, Some(&self.ground.guard))
    }

    /// The command line of a program, without secrets.
    pub(super) fn line(&self, spec: &ProcessSpec) -> String {
        self.ground.redactor.text(&spec.command.join(" "))
    }

    fn record(&self, mut event: Event, command_line: Option<&str>) {
        let redactor = &self.ground.redactor;
        let mut pid = None;
        match &mut event.what {
            Happening::Started { pid: started, .. } => {
                self.ground.watched.add(self.counted_as, &event.process, *started);
                pid = Some(*started);
            }
            Happening::Output { line, .. } => *line = redactor.text(line),
            Happening::NotStarted { error } => *error = redactor.text(error),
            _ => {}
        }
        let mut row = event.row(self.name);
        if let (Row::Event(row), Some(pid), Some(line)) = (&mut row, pid, command_line) {
            row.attributes = serde_json::json!({"line": line, "pid": pid}).to_string();
        }
        self.source.put(self.source.clock().now_ns(), row);
    }
}
