//! Format 1 of SPEC.md.

use serde_json::{Map, Value, json};

use crate::verdicts::Verdicts;
use verdict::{Change, Excuses, Of, Opinion, Plan, Rate, Series};

/// The answer of `replay judge` and `replay verdict`.
pub fn verdicts(verdicts: &Verdicts) -> Value {
    let assertions = verdicts.history.series.iter().zip(&verdicts.opinions);
    let incident = |incident: &Vec<usize>| {
        let names = incident.iter().filter_map(|place| verdicts.history.series.get(*place)).map(|one| &one.assertion);
        json!({ "assertions": names.collect::<Vec<_>>() })
    };
    json!({
        "format": 1,
        "verdicts": assertions.map(|(series, opinion)| one(verdicts, series, opinion)).collect::<Vec<_>>(),
        "incidents": verdicts.incidents.iter().map(incident).collect::<Vec<_>>(),
    })
}

fn one(verdicts: &Verdicts, series: &Series, opinion: &Opinion) -> Value {
    let name = |place: u32| verdicts.history.names.name(place);
    let posterior: Map<String, Value> =
        opinion.posterior.named().into_iter().map(|(word, share)| (word.to_owned(), json!(share))).collect();
    let change = |change: &Change| {
        json!({
            "before": name(change.before),
            "after": name(change.after),
            "probability": change.probability,
            "among": change.among.iter().map(|version| name(*version)).collect::<Vec<_>>(),
        })
    };
    let plan = |plan: &Plan| {
        json!({
            "version": verdicts.version_of(series, plan.of),
            "control": plan.of == Of::Before,
            "runs": plan.runs,
            "probability": plan.probability,
        })
    };
    let excuses = |excuses: &Excuses| {
        json!({
            "runs": excuses.runs,
            "broken": excuses.broken,
            "held": excuses.held,
            "began": excuses.began.map(|began| json!({
                "version": name(began.version),
                "before": began.before,
                "since": began.since,
                "spoilt": began.spoilt,
            })),
        })
    };
    json!({
        "assertion": series.assertion,
        "verdict": opinion.verdict.name(),
        "kind": opinion.kind.map(|kind| kind.name()),
        "probability": opinion.probability(),
        "posterior": posterior,
        "change": opinion.change.as_ref().map(change),
        "before": opinion.before.as_ref().map(rate),
        "since": rate(&opinion.since),
        "shift": opinion.shift.map(|shift| json!({ "before": shift.before, "after": shift.after, "noise": shift.noise })),
        "drift": opinion.drift.map(|drift| json!({ "per_run": drift.per_run, "runs_left": drift.runs_left })),
        "runs": series.runs.len(),
        "informative": opinion.informative,
        "broken": opinion.broken,
        "excused": opinion.excuses.map_or(0, |excuses| excuses.runs),
        "excuses": opinion.excuses.as_ref().map(excuses),
        "more_runs": opinion.plan.and_then(|plan| plan.runs),
        "plan": opinion.plan.as_ref().map(plan),
        "taken_back": opinion.taken_back,
    })
}

fn rate(rate: &Rate) -> Value {
    json!({ "runs": rate.runs, "broken": rate.broken, "low": rate.low, "high": rate.high })
}
