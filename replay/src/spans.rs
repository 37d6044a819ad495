//! A recording's spans as they are told to others: those of its table, and on them what its spec found broken.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recording::reader::Recording;
use recording::record::Span;
use serde_json::{Value, json};
use telemetry::otlp::Row;

use crate::check;
use crate::cli::Cli;
use crate::error::Error;
use crate::judge::{Judged, Observed, Outcome};
use crate::report::{self, AssertionReport, RunReport};
use crate::runs::{self, Named};
use crate::spec::Spec;
use crate::views::Engine;

/// Of how many violations one span is told.
const MOST_FAILED: usize = 64;

/// The spans of one run.
pub struct Spans {
    /// The run.
    pub run_id: String,
    /// Wall-clock time of its start.
    pub started_unix_ns: i64,
    /// Its spans.
    pub rows: Vec<Row>,
}

/// Reads the spans of some recordings. One of a folder that has none is left out, with a warning.
///
/// # Errors
/// As [`read`].
pub fn read_all(cli: &Cli, names: &[String], spec: Option<&Path>) -> Result<Vec<Spans>, Error> {
    let mut all = Vec::new();
    for name in names {
        match runs::named(&cli.runs_dir, name)? {
            Named::Run(path) => all.push(read(cli, &path, spec)?),
            Named::Runs(paths) => {
                for path in paths {
                    match read(cli, &path, spec) {
                        Err(Error::NoSpans { path }) => report::warn(&Error::NoSpans { path }.to_string()),
                        read => all.push(read?),
                    }
                }
            }
        }
    }
    Ok(all)
}

/// Reads the spans of a recording, and judges it by `spec`, or its own copy where it has one.
///
/// # Errors
/// Anything that keeps it from being read or judged, and where it has no spans.
fn read(cli: &Cli, path: &Path, spec: Option<&Path>) -> Result<Spans, Error> {
    let recording = Recording::open(path)?;
    let (run_id, started_unix_ns) = (recording.run().run_id.clone(), recording.run().started_unix_ns);
    let mut rows = recording.rows::<Span>()?;
    if rows.is_empty() {
        return Err(Error::NoSpans { path: path.to_owned() });
    }
    if let Some(spec) = spec_of(path, spec) {
        let spec = Arc::new(Spec::read(&spec)?);
        let engine = Engine::start(cli.time_limit)?;
        let judged = check::run(&engine, recording, &spec, None);
        engine.abandon();
        mark(&mut rows, &judged?);
    }
    Ok(Spans { run_id, started_unix_ns, rows })
}

fn spec_of(path: &Path, asked: Option<&Path>) -> Option<PathBuf> {
    let own = path.join("spec.toml");
    asked.map(Path::to_owned).or_else(|| own.is_file().then_some(own))
}

/// Notes each violation on the spans that its evidence made, else on the run's own.
fn mark(rows: &mut [Row], report: &RunReport) {
    let is_broken = report.assertions.iter().any(|assertion| assertion.judgement.outcome == Outcome::Broken);
    for root in rows.iter_mut().filter(|row| is_broken && row.row.parent_span_id.is_none()) {
        root.row.status = "error".to_owned();
        let mut attributes: Value = serde_json::from_str(&root.row.attributes).unwrap_or_default();
        attributes["error.type"] = "assertion_failed".into();
        attributes["tapedeck.outcome"] = Outcome::Broken.name().into();
        root.row.attributes = attributes.to_string();
    }
    let root = rows.iter().position(|row| row.row.parent_span_id.is_none());
    let from = by_handle(rows);
    let mut events: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for assertion in &report.assertions {
        for violation in &assertion.judgement.violations {
            let evidence = violation.observation.evidence.iter();
            let mut concerned: BTreeSet<usize> =
                evidence.filter_map(|handle| from.get(handle)).flatten().copied().collect();
            if concerned.is_empty() {
                concerned.extend(root);
            }
            for row in concerned {
                let events = events.entry(row).or_default();
                // Those that come first are the worst.
                if events.len() < MOST_FAILED {
                    events.push(event(report, assertion, violation));
                }
            }
        }
    }
    for (row, more) in events {
        let own = &mut rows[row].row.events;
        let mut list: Vec<Value> = serde_json::from_str(own).unwrap_or_default();
        list.extend(more);
        *own = Value::Array(list).to_string();
    }
}

/// The spans that each recorded row made.
fn by_handle(rows: &[Row]) -> HashMap<String, Vec<usize>> {
    let mut from: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        let attributes: Value = serde_json::from_str(&row.row.attributes).unwrap_or_default();
        let handles = attributes["tapedeck.recorded_as"].as_array().into_iter().flatten();
        for handle in handles.filter_map(Value::as_str) {
            from.entry(handle.to_owned()).or_default().push(number);
        }
    }
    from
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
