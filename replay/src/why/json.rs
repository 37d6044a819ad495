//! The explanation for programs: format 1 of SPEC.md.

use serde_json::{Value, json};

use super::Explained;
use crate::diff;
use crate::judge::Reason;
use crate::report;

/// Divergences beyond these are left to `replay diff`.
const MOST_DIVERGENCES: usize = 5;

/// The answer of `replay why`.
pub fn explained(explained: &Explained) -> Value {
    let run = &explained.run;
    json!({
        "format": 1,
        "run": {
            "run_id": run.run_id,
            "path": run.dir.display().to_string(),
            "state": run.state.name(),
            "version": run.version,
            "remarks": run.remarks,
        },
        "assertion": report::assertion_json(explained.assertion(), &run.faults),
        "timeline": timeline(explained),
        "attribution": {
            "name": explained.judgement().attribution.map(|attribution| attribution.name()),
            "for": explained.reasons.supports.iter().map(reason).collect::<Vec<_>>(),
            "against": explained.reasons.contradicts.iter().map(reason).collect::<Vec<_>>(),
        },
        "compared": compared(explained),
        "next": explained.next(),
    })
}

fn timeline(explained: &Explained) -> Value {
    let outcome = explained.judgement().outcome;
    let moment = |moment: &super::Moment| {
        json!({
            "at_s": moment.at_ns.map(|at_ns| at_ns as f64 / 1e9),
            "role": moment.role.name(outcome),
            "handle": moment.handle,
            "says": moment.says,
        })
    };
    explained.moments.iter().map(moment).collect()
}

fn reason(reason: &Reason) -> Value {
    json!({ "says": reason.says, "evidence": reason.evidence })
}

/// Null where the assertion held in no other run.
fn compared(explained: &Explained) -> Value {
    let Some(nearest) = explained.held().next() else { return Value::Null };
    let lead = explained.lead.as_ref();
    json!({
        "nearest": {
            "run_id": nearest.run_id,
            "path": nearest.dir.display().to_string(),
            "version": nearest.version,
            "nearness": nearest.nearness.says(),
        },
        "held": explained.held().map(|neighbour| &neighbour.run_id).collect::<Vec<_>>(),
        "environment": explained.changes.iter().map(diff::change_json).collect::<Vec<_>>(),
        "first_divergence": lead.map(|lead| diff::divergence_json(&lead.divergence)),
        "p": lead.and_then(|lead| lead.p),
        "shared_by_broken": lead.map(|lead| lead.shared.0),
        "broken": lead.map(|lead| lead.shared.1),
        "divergences": explained.divergences.iter().take(MOST_DIVERGENCES).map(diff::divergence_json).collect::<Vec<_>>(),
    })
}
