//! `media`: how long a live stream lasted and where it had holes, told from its packets.

use super::probe::READABLE;
use super::{Asked, Lowered, evidence_of_growing, floor, quoted};
use crate::bound::Bound;
use crate::error::Error;
use crate::spec::document::Section;
use crate::spec::near;

const KINDS: [&str; 2] = ["video", "audio"];
const MEASURES: [&str; 4] = ["duration", "hole", "stall", "packets"];

/// A reader that joined later than this after the path was ready, and whose first packet is not the stream's first, can't
/// tell a short stream from a long one.
const LATE_MS: u32 = 500;

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.not_empty(section, "media")?;
    let bound = asked.bound(section)?;
    let target = quoted(&section.required_text("target")?.value);
    let kinds = kinds(section)?;
    let measure = chosen(section, "measure", &MEASURES)?;
    let tracks = tracks(&target, measure, bound);
    // Only what is measured from beginning to end is less for a late reader. Nothing else reads the timeline: its
    // sources would be needed for nothing.
    let (skipped, with_join) = match (measure, floor(bound)) {
        ("duration" | "packets", Some(least)) => late(&target, least),
        _ => ("CAST(NULL AS VARCHAR)".to_owned(), String::new()),
    };
    let codec = section.text("codec")?.map(|codec| codec.value);
    let (with_codec, observed, of_codec) = match &codec {
        None => (String::new(), "m.value".to_owned(), ""),
        Some(codec) => {
            (probed(&target), format!("CASE WHEN c.codec = {} THEN m.value END", quoted(codec)), ", c.codec")
        }
    };
    let values: Vec<String> = kinds.iter().map(|kind| format!("('{kind}')")).collect();
    let sql = format!(
        "SELECT concat_ws(', ', {target}, k.kind{of_codec}) || coalesce(' (stream ' || CAST(m.stream AS VARCHAR) || ')', '') AS subject,\n       \
                {observed} AS observed, m.evidence,\n       {skipped} AS skipped\n\
         FROM (VALUES {}) k(kind)\n\
         LEFT JOIN ({tracks}) m ON m.kind = k.kind{with_codec}{with_join}",
        values.join(", "),
    );
    let unit = if measure == "packets" { None } else { Some("s") };
    Ok(Lowered { unit, min_rows: kinds.len(), ..Lowered::new(sql) })
}

/// Each track of the target with its measure and the packet that shows it.
fn tracks(target: &str, measure: &str, bound: &Bound) -> String {
    let (value, shown_by) = match measure {
        "duration" => ("max(pts_s + coalesce(duration_s, 0)) - min(pts_s)", "max(seq)"),
        "hole" => ("max(step_s)", "first_value(seq ORDER BY step_s DESC NULLS LAST, seq)"),
        "stall" => ("max(wait_s)", "first_value(seq ORDER BY wait_s DESC NULLS LAST, seq)"),
        _ => ("count(*)", "max(seq)"),
    };
    let shown_by = format!("'media_packets#' || CAST({shown_by} AS VARCHAR)");
    let evidence = evidence_of_growing(bound, &format!("({value})"), &shown_by);
    format!(
        "SELECT kind, stream, {value} AS value,\n                  {evidence} AS evidence\n           \
         FROM (SELECT *, pts_s - lag(pts_s) OVER (PARTITION BY kind, stream ORDER BY pts_s) AS step_s,\n                        \
                      (at_ns - lag(at_ns) OVER (PARTITION BY kind, stream ORDER BY seq)) / 1e9 AS wait_s\n                 \
               FROM media_packets WHERE target = {target})\n           \
         GROUP BY kind, stream"
    )
}

/// Why a short stream is not judged, and the join that tells. The reader is late, not a track of what it reads: sound
/// that begins after the picture was there from the stream's beginning is as short as it looks.
fn late(target: &str, least: f64) -> (String, String) {
    let skipped = format!(
        "CASE WHEN m.value < {least:?} AND f.first_s > 0.5 AND coalesce(j.joined_after_ms, 1e9) > {LATE_MS}\n            \
         THEN 'the reader joined too late: ' || coalesce(CAST(round(j.joined_after_ms) AS VARCHAR), '?') || ' ms after the path was ready' END"
    );
    let join = format!(
        "\nLEFT JOIN (SELECT min(pts_s) AS first_s FROM media_packets WHERE target = {target}) f ON true\n\
         LEFT JOIN (SELECT min(json_get_float(attributes, 'joined_after_ms')) AS joined_after_ms\n           \
                   FROM timeline WHERE source = 'media' AND event = 'media.join' AND subject = {target}) j ON true"
    );
    (skipped, join)
}

/// What ffprobe called the codecs of the same target; it is the only one that can tell.
fn probed(target: &str) -> String {
    let of = |kind: &str| {
        format!(
            "SELECT '{kind}' AS kind, max({kind}_codec) AS codec FROM probes WHERE target = {target} AND {READABLE}"
        )
    };
    format!("\nLEFT JOIN ({}\n           UNION ALL {}) c ON c.kind = k.kind", of("video"), of("audio"))
}

fn kinds(section: &mut Section<'_>) -> Result<Vec<&'static str>, Error> {
    if section.has("kind") { Ok(vec![chosen(section, "kind", &KINDS)?]) } else { Ok(KINDS.to_vec()) }
}

fn chosen(section: &mut Section<'_>, key: &str, known: &[&'static str]) -> Result<&'static str, Error> {
    let text = section.required_text(key)?;
    let found = known.iter().find(|known| **known == text.value);
    found.copied().ok_or_else(|| {
        let near = near(&text.value, known.iter().copied());
        section.wrong(text.at, format!("`{key}` is one of {}, not `{}`{near}", known.join(", "), text.value))
    })
}
