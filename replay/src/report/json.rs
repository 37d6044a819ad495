//! Format 1 of SPEC.md.

use serde_json::{Value, json};

use super::causes::{self, Cause};
use super::{AssertionReport, RunReport, words};
use crate::judge::{FaultRow, Judged, Observed};

/// The answer of `replay check`.
pub fn check(runs: &[RunReport]) -> Value {
    json!({ "format": 1, "runs": runs.iter().map(run).collect::<Vec<_>>() })
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
    let fault = cause.fault;
    let mut value = json!({
        "attribution": fault.attribution.name(),
        "says": fault.says,
        "subject": fault.row.subject,
        "evidence": fault.row.evidence,
        "explains": cause.explains.iter().map(|report| &report.id).collect::<Vec<_>>(),
    });
    if let Some(from_ns) = fault.row.from_ns {
        value["at_s"] = json!(from_ns as f64 / 1e9);
    }
    value
}

fn assertion(report: &AssertionReport, faults: &[FaultRow]) -> Value {
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

fn observed(row: &Judged) -> Value {
    match &row.observation.observed {
        Observed::Missing => Value::Null,
        Observed::Number(number) => json!(number),
        Observed::Text(text) => json!(text),
    }
}
