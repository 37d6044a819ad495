//! `metric`: what a series of a metrics page was.

use super::COMPLETE;
use super::{Asked, Lowered, ceiling, evidence_of_growing, quoted};
use crate::bound::Bound;
use crate::error::Error;
use crate::spec::document::{Section, Text};
use crate::spec::near;

const TAKES: [&str; 4] = ["max", "min", "last", "increase"];

/// What stands for the run's own stream in a label.
const STREAM: &str = "${stream}";

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    let bound = asked.bound(section)?;
    let target = quoted(&section.required_text("target")?.value);
    let name = section.required_text("name")?.value;
    let labels = section.pairs("labels")?;
    let take = section.required_text("take")?;
    let value = taken(section, &take)?;
    let evidence = evidence(bound, &take.value, value);
    let mut conditions = format!("s.target = {target} AND s.name = {}", quoted(&name));
    for (label, value) in &labels {
        conditions.push_str(" AND ");
        conditions.push_str(&labelled(label, &value.value));
    }
    // No series is a good sign only where that was written, and only where the target answered.
    let none_is_good = if asked.empty_held { "\nWHERE m.series IS NOT NULL OR p.last_ns IS NULL" } else { "" };
    let sql = format!(
        "SELECT coalesce(m.series, {}) AS subject, m.observed, m.evidence\n\
         FROM (SELECT min(at_ns) AS first_ns, max(at_ns) AS last_ns FROM samples WHERE target = {target}) p\n\
         LEFT JOIN (SELECT series, {value} AS observed,\n                  {evidence} AS evidence\n           \
                    FROM (SELECT s.*, t.first_ns, t.last_ns, lag(s.value) OVER (PARTITION BY s.series ORDER BY s.seq) AS before\n                 \
                          FROM samples s\n                 \
                          CROSS JOIN (SELECT min(at_ns) AS first_ns, max(at_ns) AS last_ns FROM samples WHERE target = {target}) t\n                 \
                          WHERE {conditions})\n           \
                    GROUP BY series) m ON true{none_is_good}",
        quoted(&called(&name, &labels)),
    );
    Ok(Lowered::new(sql))
}

/// The aggregate over the samples of one series.
fn taken(section: &Section<'_>, take: &Text) -> Result<&'static str, Error> {
    Ok(match take.value.as_str() {
        "max" => "max(value)",
        "min" => "min(value)",
        "last" => "max(CASE WHEN at_ns = last_ns THEN value END)",
        // A counter that fell had begun anew; one that appears after the first page had been 0 before it.
        "increase" => {
            "CASE WHEN max(last_ns) > max(first_ns) THEN sum(CASE WHEN before IS NULL AND at_ns = first_ns THEN 0.0\n                  \
                WHEN value >= coalesce(before, 0.0) THEN value - coalesce(before, 0.0) ELSE value END) END"
        }
        other => {
            let problem = format!("`take` is one of {}, not `{other}`{}", TAKES.join(", "), near(other, TAKES));
            return Err(section.wrong(take.at, problem));
        }
    })
}

/// The sample that shows the value, where the rest of a run that was cut off could not have mended it.
fn evidence(bound: &Bound, take: &str, value: &str) -> String {
    let handle = |seq: &str| format!("'samples#' || CAST({seq} AS VARCHAR)");
    match (take, ceiling(bound)) {
        ("max", _) => evidence_of_growing(bound, "max(value)", &handle("first_value(seq ORDER BY value DESC, seq)")),
        ("increase", _) => evidence_of_growing(bound, &format!("({value})"), &handle("max(seq)")),
        ("min", Some(most)) => {
            format!(
                "CASE WHEN min(value) <= {most:?} OR {COMPLETE} THEN {} END",
                handle("first_value(seq ORDER BY value ASC, seq)")
            )
        }
        ("min", None) => handle("first_value(seq ORDER BY value ASC, seq)"),
        _ => format!("CASE WHEN {COMPLETE} THEN {} END", handle("max(CASE WHEN at_ns = last_ns THEN seq END)")),
    }
}

/// The label has the value; or the run's own stream is in it.
fn labelled(label: &str, value: &str) -> String {
    let found = format!("json_get_str(s.labels, {})", quoted(label));
    match value {
        STREAM => format!("strpos({found}, (SELECT max(stream) FROM run)) > 0"),
        _ => format!("{found} = {}", quoted(value)),
    }
}

/// As a metrics page would write what was looked for.
fn called(name: &str, labels: &[(String, Text)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", value.value)).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}
