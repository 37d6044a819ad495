//! The comparison for programs: format 1 of SPEC.md.

use serde_json::{Value, json};

use super::noise::RULES;
use super::{Change, Compared, Side, words};
use crate::judge::divergence::{self, Divergence};
use crate::report::{self, AssertionReport};

/// The answer of `replay diff`.
pub fn compared(compared: &Compared) -> Value {
    let first = divergence::lead(&[&compared.divergences]);
    json!({
        "format": 1,
        "before": side(&compared.before),
        "after": side(&compared.after),
        "aligned_by": compared.aligned_by(),
        "environment": compared.changes.iter().map(change).collect::<Vec<_>>(),
        "first_divergence": first.map(|(one, _)| divergence(one)),
        "divergences": compared.divergences.iter().map(divergence).collect::<Vec<_>>(),
        "outcomes": compared.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "rules": RULES.iter().map(|rule| json!({ "written": rule.written, "says": rule.says })).collect::<Vec<_>>(),
        "next": compared.next(),
    })
}

fn side(side: &Side) -> Value {
    json!({
        "run_id": side.run_id,
        "path": side.dir.display().to_string(),
        "state": side.state,
        "version": side.version,
        "duration_s": side.end_ns as f64 / 1e9,
    })
}

/// One thing that differs around two runs.
pub fn change(change: &Change) -> Value {
    json!({ "what": change.what, "before": change.before, "after": change.after })
}

/// One divergence.
pub fn divergence(one: &Divergence) -> Value {
    json!({
        "how": one.how.name(),
        "type": one.key.kind,
        "entity": one.key.entity,
        "again": one.key.again,
        "at_s": one.at_ns.map(|at_ns| at_ns as f64 / 1e9),
        "says": words::divergence(one),
        "in_gap": one.in_gap,
        "evidence": one.evidence,
        "usual_evidence": one.usual_evidence,
    })
}

fn outcome((before, after): &(AssertionReport, AssertionReport)) -> Value {
    let told = |report: &AssertionReport| {
        let worst = report.judgement.worst.as_ref();
        json!({
            "outcome": report.judgement.outcome.name(),
            "observed": worst.map_or(Value::Null, report::observed_json),
            "margin": worst.and_then(|worst| worst.margin),
        })
    };
    json!({ "id": after.id, "says": after.says, "bound": after.bound, "before": told(before), "after": told(after) })
}
