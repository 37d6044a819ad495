//! A recording's spans as they are told to others: those of its table, and on them what its spec found broken.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use recording::Table;
use recording::reader::Recording;
use recording::record::Span;
use serde_json::{Value, json};
use telemetry::otlp::Row;

use crate::check;
use crate::cli::Cli;
use crate::error::Error;
use crate::judge::{Judged, Observed, Outcome};
use crate::report::{self, AssertionReport, RunReport};
use crate::runs::{self, Named, Once};
use crate::spec::Spec;
use crate::views::Engine;

/// So many spans are handed over together, at least.
const PART: usize = 8_192;
/// Of how many violations one span is told.
const MOST_FAILED: usize = 64;

/// A recording's spans, not read yet.
pub struct Spans {
    recording: Recording,
    /// How many there are.
    pub count: usize,
    broken: Option<Broken>,
}

impl Spans {
    /// Judges a recording by `spec`, or by its own copy where it has one.
    ///
    /// # Errors
    /// [`Error::NoSpans`] where it has none, and anything that keeps it from being read or judged.
    pub fn open(cli: &Cli, path: &Path, spec: Option<&Path>) -> Result<Spans, Error> {
        let recording = Recording::open(path)?;
        let count = recording.columns(Table::Spans, &["seq"])?.iter().map(RecordBatch::num_rows).sum();
        if count == 0 {
            return Err(Error::NoSpans { path: path.to_owned() });
        }
        let Some(spec) = spec_of(path, spec) else {
            let run = path.display();
            report::warn(&format!("{run} has no spec of its own: assertions are not shown (--spec FILE)"));
            return Ok(Spans { recording, count, broken: None });
        };
        let spec = Arc::new(Spec::read(&spec)?);
        let engine = Engine::start(cli.time_limit)?;
        let judged = check::run(&engine, recording.clone(), &spec, None);
        engine.abandon();
        let mut broken = Broken::new(&judged?);
        if let Some(broken) = &mut broken {
            recording.each_rows(|rows| {
                broken.look_for_evidence(&rows);
                Ok::<_, Error>(())
            })?;
        }
        Ok(Spans { recording, count, broken })
    }

    /// The run.
    pub fn run_id(&self) -> &str {
        &self.recording.run().run_id
    }

    /// Wall-clock time of its start.
    pub fn started_unix_ns(&self) -> i64 {
        self.recording.run().started_unix_ns
    }

    /// Hands all spans over, part by part: no more of them are in memory at once than one part has.
    ///
    /// # Errors
    /// Where the recording can't be read, and whatever `take` returns.
    pub fn each(&self, mut take: impl FnMut(Vec<Row>) -> Result<(), Error>) -> Result<(), Error> {
        let mut part = Vec::new();
        self.recording.each_rows(|mut rows| {
            if let Some(broken) = &self.broken {
                rows.iter_mut().for_each(|row| broken.mark(&mut row.row));
            }
            part.append(&mut rows);
            // A journal has them in many small pieces.
            if part.len() < PART { Ok(()) } else { take(std::mem::take(&mut part)) }
        })?;
        take(part)
    }
}

/// Does something with each recording that is named, once. One of a folder that has no spans is left out, with a warning.
///
/// # Errors
/// Where a name stands for nothing, and whatever `act` returns.
pub fn for_each(cli: &Cli, names: &[String], mut act: impl FnMut(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let named = names.iter().map(|name| runs::named(&cli.runs_dir, name)).collect::<Result<Vec<Named>, Error>>()?;
    let mut once = Once::default();
    for named in named {
        match named {
            Named::Run(path) if once.is_new(&path) => act(&path)?,
            Named::Run(_) => {}
            Named::Runs(paths) => {
                for path in paths.into_iter().filter(|path| once.is_new(path)) {
                    match act(&path) {
                        Err(Error::NoSpans { path }) => report::warn(&Error::NoSpans { path }.to_string()),
                        done => done?,
                    }
                }
            }
        }
    }
    Ok(())
}

fn spec_of(path: &Path, asked: Option<&Path>) -> Option<PathBuf> {
    let own = path.join("spec.toml");
    asked.map(Path::to_owned).or_else(|| own.is_file().then_some(own))
}

/// What a spec found broken, as it is noted on the spans that the evidence made, else on the run's own.
struct Broken {
    /// One for each violation; of an assertion's, those that come first are the worst.
    events: Vec<Value>,
    /// Whose evidence a recorded row is.
    by_handle: HashMap<String, Vec<usize>>,
    /// Those whose evidence made no span.
    without_span: BTreeSet<usize>,
}

impl Broken {
    fn new(report: &RunReport) -> Option<Broken> {
        let is_broken = |assertion: &&AssertionReport| assertion.judgement.outcome == Outcome::Broken;
        report.assertions.iter().find(is_broken)?;
        let mut broken = Broken { events: Vec::new(), by_handle: HashMap::new(), without_span: BTreeSet::new() };
        for assertion in report.assertions.iter().filter(is_broken) {
            for violation in &assertion.judgement.violations {
                let number = broken.events.len();
                for handle in &violation.observation.evidence {
                    broken.by_handle.entry(handle.clone()).or_default().push(number);
                }
                broken.without_span.insert(number);
                broken.events.push(event(report, assertion, violation));
            }
        }
        Some(broken)
    }

    fn look_for_evidence(&mut self, rows: &[Row]) {
        for row in rows {
            for number in self.concerning(&attributes(&row.row)) {
                self.without_span.remove(&number);
            }
        }
    }

    /// The violations of whose evidence a span is.
    fn concerning(&self, attributes: &Value) -> BTreeSet<usize> {
        let handles = attributes["tapedeck.recorded_as"].as_array().into_iter().flatten().filter_map(Value::as_str);
        handles.filter_map(|handle| self.by_handle.get(handle)).flatten().copied().collect()
    }

    fn mark(&self, span: &mut Span) {
        let mut attributes = attributes(span);
        let mut concerning = self.concerning(&attributes);
        if span.parent_span_id.is_none() {
            concerning.extend(&self.without_span);
            span.status = "error".to_owned();
            attributes["error.type"] = "assertion_failed".into();
            attributes["tapedeck.outcome"] = Outcome::Broken.name().into();
            span.attributes = attributes.to_string();
        }
        if !concerning.is_empty() {
            let mut events: Vec<Value> = serde_json::from_str(&span.events).unwrap_or_default();
            events.extend(concerning.into_iter().take(MOST_FAILED).map(|number| self.events[number].clone()));
            span.events = Value::Array(events).to_string();
        }
    }
}

fn attributes(span: &Span) -> Value {
    serde_json::from_str(&span.attributes).unwrap_or_default()
}

fn event(report: &RunReport, assertion: &AssertionReport, violation: &Judged) -> Value {
    let row = &violation.observation;
    let last_ns = row.until_ns.unwrap_or(report.end_ns);
    let at_ns = if row.observed == Observed::Missing { last_ns } else { row.from_ns.unwrap_or(last_ns) };
    let mut attributes = json!({
        "tapedeck.assertion": assertion.id,
        "tapedeck.assertion.attribution": assertion.judgement.attribution.map(|attribution| attribution.name()),
        "tapedeck.assertion.bound": assertion.bound,
        "tapedeck.assertion.evidence": row.evidence,
        "tapedeck.assertion.margin": violation.margin,
        "tapedeck.assertion.observed": report::observed_json(violation),
        "tapedeck.assertion.says": assertion.says,
        "tapedeck.assertion.subject": row.subject,
        "tapedeck.assertion.unit": assertion.unit,
    });
    if let Some(members) = attributes.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    json!({"at_ns": at_ns.clamp(0, report.end_ns), "attributes": attributes, "name": "assertion failed"})
}
