//! `probe`: what ffprobe read, each time that it could read something.

use super::rows::expression;
use super::{Asked, Lowered, is_text, quoted};
use crate::error::Error;
use crate::spec::document::Section;

/// A row of `probes` in which there was something to read.
pub const READABLE: &str = "ok AND coalesce(video_streams, 0) + coalesce(audio_streams, 0) > 0";

/// Keys and the columns that they are held against.
const TEXTS: [(&str, &str); 3] = [("format", "format"), ("video", "video_codec"), ("audio", "audio_codec")];
const NUMBERS: [&str; 6] = ["video_streams", "audio_streams", "width", "height", "sample_rate", "channels"];

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.not_empty(section, "probe")?;
    let target = section.required_text("target")?.value;
    let (found, wanted) = found_and_wanted(section)?;
    let value = expression(section, "value")?;
    let (observed, bound) = match value {
        None => {
            asked.no_bound(section, "that the medium is as the other keys say")?;
            ("p.found".to_owned(), Some(is_text(&wanted)))
        }
        Some(_) => {
            asked.bound(section)?;
            (format!("CASE WHEN p.found = {} THEN p.value END", quoted(&wanted)), None)
        }
    };
    let value = value.map_or_else(String::new, |value| format!(", {value} AS value"));
    let sql = format!(
        "SELECT concat_ws(': ', {}, p.found) AS subject, {observed} AS observed,\n       \
                p.at_ns AS from_ns, p.at_ns AS until_ns, 'probes#' || CAST(p.seq AS VARCHAR) AS evidence\n\
         FROM (VALUES (1)) one(row)\n\
         LEFT JOIN (SELECT seq, at_ns, {found} AS found{value}\n           \
                    FROM probes WHERE target = {} AND {READABLE}) p ON true",
        quoted(&target),
        quoted(&target),
    );
    Ok(Lowered { bound, ..Lowered::new(sql) })
}

/// SQL that says what a row of `probes` found under the keys that are given, and what it says where all is as wanted.
fn found_and_wanted(section: &mut Section<'_>) -> Result<(String, String), Error> {
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    let shown = |key: &str, column: &str| format!("'{key} ' || coalesce(CAST({column} AS VARCHAR), '?')");
    for (key, column) in TEXTS {
        if let Some(text) = section.text(key)? {
            found.push(shown(key, column));
            wanted.push(format!("{key} {}", text.value));
        }
    }
    for key in NUMBERS {
        if let Some((number, _)) = section.integer(key)? {
            found.push(shown(key, key));
            wanted.push(format!("{key} {number}"));
        }
    }
    Ok(match wanted.is_empty() {
        true => ("'readable'".to_owned(), "readable".to_owned()),
        false => (format!("concat_ws(', ', {})", found.join(", ")), wanted.join(", ")),
    })
}
