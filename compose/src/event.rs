//! What happens to a process, as one stream of events.

use std::sync::Arc;
use std::time::Duration;

use recording::Row;
use recording::record;

/// Receives every event, on the task that saw it: the place to stamp it. It must not block, since a process whose
/// output waits to be read stands still.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Something that happened to a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The process's name.
    pub process: Arc<str>,
    /// What happened.
    pub what: Happening,
}

/// What can happen to a process.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// It runs.
    Started {
        /// Its process id, which is also that of its process group.
        pid: u32,
        /// How often it had been started again by then, this time included.
        restarts: u32,
    },
    /// It ended, and could not be started again. It will be tried once more.
    NotStarted {
        /// Why.
        error: String,
    },
    /// Its page answered 200.
    Ready {
        /// Since its start.
        took: Duration,
    },
    /// It wrote a line.
    Output {
        /// Where to.
        stream: Stream,
        /// The line without its end; of a line beyond 64 KiB the beginning, and how much is left out.
        line: String,
    },
    /// It is asked to end.
    Stopping,
    /// It ended. Lines that it wrote before may follow.
    Exited {
        /// 128 + signal where a signal ended it; `None` where the system did not tell.
        exit_code: Option<i64>,
    },
}

/// One of the two streams that a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`, as in the table `logs`.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

impl Event {
    /// The row of a recording that says it: output belongs to `logs`, all else to `timeline`.
    ///
    /// `source` is the rows' source, such as `process` or `publisher`. Lines are not redacted here.
    pub fn row(self, source: &str) -> Row {
        let (event, exit_code, attributes) = match self.what {
            Happening::Output { stream, line } => {
                let stream = stream.name().to_owned();
                let subject = self.process.to_string();
                return record::Log { source: source.to_owned(), subject, stream, line, source_unix_ns: None }.into();
            }
            Happening::Started { pid, restarts: 0 } => ("start", None, format!("{{\"pid\":{pid}}}")),
            Happening::Started { pid, restarts } => {
                ("start", None, format!("{{\"pid\":{pid},\"restart\":{restarts}}}"))
            }
            Happening::NotStarted { error } => ("not started", None, serde_json::json!({"error": error}).to_string()),
            Happening::Ready { took } => ("ready", None, format!("{{\"took_ms\":{}}}", took.as_millis())),
            Happening::Stopping => ("stop", None, "{}".to_owned()),
            Happening::Exited { exit_code } => ("exit", exit_code, "{}".to_owned()),
        };
        record::Event {
            source: source.to_owned(),
            subject: self.process.to_string(),
            event: event.to_owned(),
            exit_code,
            attributes,
            source_unix_ns: None,
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: Happening) -> Row {
        Event { process: "media".into(), what }.row("process")
    }

    #[test]
    fn output_becomes_a_log_and_all_else_a_timeline_row() {
        let Row::Log(log) = row(Happening::Output { stream: Stream::Stderr, line: "oh".to_owned() }) else {
            panic!("output must become a row of `logs`");
        };
        assert_eq!((&*log.source, &*log.subject, &*log.stream, &*log.line), ("process", "media", "stderr", "oh"));
        let Row::Event(exit) = row(Happening::Exited { exit_code: Some(137) }) else {
            panic!("an exit must become a row of `timeline`");
        };
        assert_eq!((&*exit.event, exit.exit_code, &*exit.subject), ("exit", Some(137), "media"));
        let Row::Event(ready) = row(Happening::Ready { took: Duration::from_millis(1500) }) else {
            panic!("readiness must become a row of `timeline`");
        };
        assert_eq!(ready.attributes, "{\"took_ms\":1500}");
        let Row::Event(again) = row(Happening::Started { pid: 7, restarts: 2 }) else {
            panic!("a start must become a row of `timeline`");
        };
        assert_eq!((&*again.event, &*again.attributes), ("start", "{\"pid\":7,\"restart\":2}"));
    }
}
