//! `probe`: what ffprobe read, each time that it could read something.

use super::rows::expression;
use super::{Asked, Lowered, is_text, quoted};
use crate::error::Error;
use crate::spec::document::Section;

/// A row of `probes` in which there was something to read.
pub const READABLE: &str = "ok AND coalesce(video_streams, 0) + coalesce(audio_streams, 0) > 0";

/// Keys, the columns that they are held against, and how they are told.
const TEXTS: [(&str, &str, &str); 3] =
    [("format", "format", "format "), ("video", "video_codec", "video "), ("audio", "audio_codec", "audio ")];
const NUMBERS: [(&str, &str); 6] = [
    ("video_streams", " video streams"),
    ("audio_streams", " audio streams"),
    ("width", " wide"),
    ("height", " high"),
    ("sample_rate", " Hz"),
    ("channels", " channels"),
];

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.not_empty(section, "probe")?;
    let target = section.required_text("target")?.value;
    let (mut found, mut wanted) = (Vec::new(), Vec::new());
    for (key, column, called) in TEXTS {
        if let Some(text) = section.text(key)? {
            found.push(format!("{} || coalesce({column}, '?')", quoted(called)));
            wanted.push(format!("{called}{}", text.value));
        }
    }
    for (column, called) in NUMBERS {
        if let Some((number, _)) = section.integer(column)? {
            found.push(format!("coalesce(CAST({column} AS VARCHAR), '?') || {}", quoted(called)));
            wanted.push(format!("{number}{called}"));
        }
    }
    let (found, wanted) = match wanted.is_empty() {
        true => ("'readable'".to_owned(), "readable".to_owned()),
        false => (format!("concat_ws(', ', {})", found.join(", ")), wanted.join(", ")),
    };
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
