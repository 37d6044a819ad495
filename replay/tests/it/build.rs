//! Recordings made of a few rows, for tests.

use std::path::{Path, PathBuf};

use recording::Row;
use recording::journal::Journal;
use recording::record::{Event, Packet, Run, Sample, Scrape, SourceRow};
use recording::run::{Environment, RunFile, State, Version};
use recording::seal::seal;
use serde_json::json;

pub const SECOND: i64 = 1_000_000_000;

/// A recording in the making.
pub struct Builder {
    pub run: RunFile,
    rows: Vec<(i64, Row)>,
}

impl Builder {
    /// A run of 60 s in which a tap `api` and a scraper of `worker` watched from start to end.
    pub fn new(run_id: &str) -> Builder {
        let run = RunFile {
            format: recording::FORMAT,
            run_id: run_id.into(),
            scenario: "small".into(),
            kind: "process".into(),
            spec_id: Some("t".into()),
            stream: "s1".into(),
            state: State::Running,
            started_unix_ns: 1_763_967_616_000_000_000,
            duration_ns: 0,
            labels: [("branch".to_owned(), "main".to_owned())].into(),
            version: Some(Version { id: "abc123".into(), order: Some(7) }),
            environment: Environment { fingerprint: "e1".into(), facts: Default::default() },
            stimulus_sha256: None,
            redaction: Vec::new(),
            tables: Vec::new(),
        };
        let builder = Builder { run, rows: Vec::new() };
        builder
            .source("tap:api", &["packets", "connections", "blobs"], Some(0), Some(60 * SECOND), "ended")
            .source("scrape:worker", &["scrapes", "samples"], Some(0), Some(60 * SECOND), "ended")
            .source("publisher", &["timeline"], Some(0), Some(60 * SECOND), "ended")
            .row(
                1,
                Event {
                    source: "run".into(),
                    subject: "run".into(),
                    event: "start".into(),
                    attributes: "{}".into(),
                    ..Event::default()
                },
            )
    }

    /// A page of `worker` that answered.
    pub fn scrape(self, at_ns: i64) -> Builder {
        let row = Scrape { target: "worker".into(), status: Some(200), samples: 1, ..Scrape::default() };
        self.row(at_ns, row)
    }

    pub fn row(mut self, at_ns: i64, row: impl Into<Row>) -> Builder {
        self.rows.push((at_ns, row.into()));
        self
    }

    pub fn source(self, name: &str, tables: &[&str], from_ns: Option<i64>, to_ns: Option<i64>, state: &str) -> Builder {
        let row = SourceRow {
            source: name.into(),
            kind: name.split(':').next().unwrap_or_default().into(),
            tables: json!(tables).to_string(),
            from_ns,
            to_ns,
            rows: 0,
            state: state.into(),
        };
        self.row(0, row)
    }

    pub fn sample(self, at_ns: i64, name: &str, value: f64) -> Builder {
        let row = Sample {
            target: "worker".into(),
            name: name.into(),
            r#type: "gauge".into(),
            labels: "{}".into(),
            series: name.into(),
            value,
            source_unix_ns: None,
        };
        self.row(at_ns, row)
    }

    pub fn packet(self, at_ns: i64, direction: &str, event: &str, args: &serde_json::Value) -> Builder {
        let row = Packet {
            tap: "api".into(),
            connection: 1,
            direction: direction.into(),
            transport: "websocket".into(),
            first_ns: at_ns,
            engine_type: Some("message".into()),
            packet_type: Some("event".into()),
            namespace: Some("/".into()),
            event: Some(event.into()),
            args: Some(args.to_string()),
            wire_bytes: 100,
            ..Packet::default()
        };
        self.row(at_ns, row)
    }

    /// Drops rows, as if they never had been recorded.
    pub fn without(mut self, unwanted: impl Fn(&Row) -> bool) -> Builder {
        self.rows.retain(|(_, row)| !unwanted(row));
        self
    }

    /// The recording as a collector that is still writing, or was killed, leaves it.
    pub fn journal(self, runs: &Path) -> PathBuf {
        self.write("running", runs)
    }

    fn write(self, state: &str, runs: &Path) -> PathBuf {
        let dir = runs.join(&self.run.run_id);
        std::fs::create_dir_all(&dir).unwrap();
        self.run.write(&dir).unwrap();
        let mut journal = Journal::create(&dir.join("journal")).unwrap();
        let mut written_ns = 0;
        for (at_ns, row) in self.rows {
            if at_ns - written_ns > SECOND / 10 {
                journal.write().unwrap();
                written_ns = at_ns;
            }
            journal.push(at_ns, row).unwrap();
        }
        journal.write().unwrap();
        let end_ns = 60 * SECOND;
        journal.push(end_ns, run_row(&self.run, state, end_ns).into()).unwrap();
        journal.write().unwrap();
        dir
    }

    /// The recording of a run that ended in order, 60 s long.
    pub fn seal(self, runs: &Path) -> PathBuf {
        let run = RunFile { duration_ns: 60 * SECOND, ..self.run.clone() };
        let dir = self.write("complete", runs);
        seal(&dir, &run, State::Complete).unwrap();
        dir
    }
}

fn run_row(run: &RunFile, state: &str, duration_ns: i64) -> Run {
    Run {
        run_id: run.run_id.clone(),
        scenario: run.scenario.clone(),
        kind: run.kind.clone(),
        spec_id: run.spec_id.clone(),
        stream: run.stream.clone(),
        version: run.version.as_ref().map(|version| version.id.clone()),
        version_order: run.version.as_ref().and_then(|version| version.order),
        environment: Some(run.environment.fingerprint.clone()),
        state: state.into(),
        started_unix_ns: run.started_unix_ns,
        duration_ns,
        labels: "{}".into(),
    }
}
