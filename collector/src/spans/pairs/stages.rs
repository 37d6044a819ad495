//! The stages that an answer tells of, as spans below its pair's.

use recording::record::Packet;
use serde_json::Value;

use super::super::draft::Draft;

/// A number that is longer is no length, but a time of day or a mistake.
const MAX_STAGE_NS: f64 = 24.0 * 3600.0 * 1e9;
/// The most stages that an answer tells of.
const MAX_STAGES: usize = 128;

/// The stages that an answer tells of, one after another, so that the last ends where the answer begins. Only their
/// lengths are told; where they don't fit between question and answer, they stand where the question ended.
pub(super) fn stages_of(pair: &Draft, stages: &Value, packet: &Packet) -> Vec<Draft> {
    let Value::Object(stages) = stages else { return Vec::new() };
    let told: Vec<(&str, i64)> =
        stages.iter().filter_map(|(name, value)| stage(name, value)).take(MAX_STAGES).collect();
    let whole_ns: i64 = told.iter().map(|(_, took_ns)| took_ns).sum();
    let mut at_ns = packet.first_ns.saturating_sub(whole_ns).max(pair.start_ns);
    let mut drafts = Vec::new();
    for (name, took_ns) in told {
        let mut draft = Draft::new(format!("{}/{name}", pair.subject), &packet.tap, name, at_ns).below(&pair.subject);
        draft.set("tapedeck.placed", "by duration");
        at_ns = at_ns.saturating_add(took_ns);
        draft.end_ns = Some(at_ns);
        drafts.push(draft);
    }
    drafts
}

/// A stage's name without its unit, and its length in ns; without a unit it is told in ms.
fn stage<'a>(name: &'a str, value: &Value) -> Option<(&'a str, i64)> {
    let units = [("_ns", 1.0), ("_us", 1e3), ("_ms", 1e6), ("_s", 1e9)];
    let unit = units.into_iter().find_map(|(unit, ns)| Some((name.strip_suffix(unit)?, ns)));
    let (name, ns) = unit.unwrap_or((name, 1e6));
    let took_ns = value.as_f64().map(|took| took * ns).filter(|took_ns| (0.0..=MAX_STAGE_NS).contains(took_ns))?;
    Some((name, took_ns as i64))
}
