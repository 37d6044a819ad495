//! Format 1 of SPEC.md.

use serde_json::{Value, json};

use super::causes::{self, Cause};
use super::{AssertionReport, CheckReport, HistoryReport, RunReport, words};
use crate::judge::{FaultRow, Judged, Observed};

/// A cause names no more handles than these.
const MOST_HANDLES: usize = 20;

/// The answer of `replay check`.
pub fn check(report: &CheckReport) -> Value {
    json!({
        "format": 1,
        "runs": report.runs.iter().map(run).collect::<Vec<_>>(),
        "history": report.history.iter().map(history).collect::<Vec<_>>(),
    })
}

fn history(history: &HistoryReport) -> Value {
    let mut value = assertion(&history.assertion, &[]);
    let left_out = history.left_out.iter().map(|run| json!({ "run_id": run.run_id, "reason": run.reason }));
    value["runs"] = json!(history.dirs.len());
    value["left_out"] = left_out.collect();
    value
}

fn run(run: &RunReport) -> Value {
    json!({
        "run_id": run.run_id,
        "state": run.state.name(),
        "version": run.version,
        "remarks": run.remarks,
        "causes": causes::causes(run).iter().map(cause).collect::<Vec<_>>(),
        "assertions": run.assertions.iter().map(|report| assertion(report, &run.faults)).collect::<Vec<_>>(),
    })
}

fn cause(cause: &Cause<'_>) -> Value {
    let first = cause.fault.first;
    let mut evidence = cause.fault.evidence();
    evidence.truncate(MOST_HANDLES);
    let mut value = json!({
        "attribution": first.attribution.name(),
        "says": first.says,
        "subject": first.row.subject,
        "evidence": evidence,
        "times": 1 + cause.fault.again.len(),
        "explains": cause.explains.iter().map(|report| &report.id).collect::<Vec<_>>(),
    });
    if let Some(from_ns) = first.row.from_ns {
        value["at_s"] = json!(from_ns as f64 / 1e9);
    }
    value
}

/// One assertion on a run, whose faults these are.
pub fn assertion(report: &AssertionReport, faults: &[FaultRow]) -> Value {
    let judgement = &report.judgement;
    json!({
        "id": report.id,
        "says": report.says,
        "outcome": judgement.outcome.name(),
        "observed": judgement.worst.as_ref().map_or(Value::Null, observed),
        "bound": report.bound,
        "margin": judgement.worst.as_ref().and_then(|worst| worst.margin),
        "unit": report.unit,
        "attribution": judgement.attribution.map(|attribution| attribution.name()),
        "reason": judgement.reason,
        "rows": judgement.rows,
        "skipped": judgement.skipped,
        "faults": judgement.faults.iter().filter_map(|place| faults.get(*place)).map(words::fault).collect::<Vec<_>>(),
        "violations": judgement.violations.iter().map(violation).collect::<Vec<_>>(),
    })
}

fn violation(row: &Judged) -> Value {
    json!({
        "subject": row.observation.subject,
        "observed": observed(row),
        "margin": row.margin,
        "evidence": row.observation.evidence,
    })
}

/// What a row observed.
pub fn observed(row: &Judged) -> Value {
    match &row.observation.observed {
        Observed::Missing => Value::Null,
        Observed::Number(number) => json!(number),
        Observed::Text(text) => json!(text),
    }
}
