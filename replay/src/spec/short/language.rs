//! `language`: in which language texts are.

use super::rows::{Rows, required};
use super::{Asked, Lowered, quoted};
use crate::bound::Bound;
use crate::error::Error;
use crate::spec::document::Section;
use crate::spec::near;

/// As `language_confidence` knows them.
const CODES: [&str; 6] = ["en", "es", "fr", "de", "it", "pt"];
/// Where a spec doesn't say how sure is sure.
const SURE: f64 = 0.5;
/// Shorter texts can't tell their language.
const SHORT: i64 = 24;

/// Short texts are left out and counted. All texts as one are never left out: short ones can't hide one by one.
pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.not_empty(section, "language")?;
    let rows = Rows::of(section, "of", true, asked)?;
    let described = rows.described(section)?;
    let column = required(section, "column")?;
    let code = section.required_text("code")?;
    if !CODES.contains(&code.value.as_str()) {
        let near = near(&code.value, CODES);
        let problem = format!("`code` is one of {}, not `{}`{near}", CODES.join(", "), code.value);
        return Err(section.wrong(code.at, problem));
    }
    let short = match section.integer("short")? {
        Some((short, at)) if short < 0 => {
            return Err(section.wrong(at, "`short` is a number of letters, 0 or more".into()));
        }
        short => short.map_or(SHORT, |(short, _)| short),
    };
    let code = quoted(&code.value);
    let sql = format!(
        "SELECT {} AS subject, language_confidence({column}, {code}) AS observed,\n       {} AS from_ns, {} AS until_ns, {} AS evidence,\n       \
                coalesce({}, CASE WHEN character_length({column}) < {short} THEN 'too short to tell its language' END) AS skipped\n\
         {from_where}\n\
         UNION ALL\n\
         SELECT 'all as one text', language_confidence(string_agg({column}, ' '), {code}), NULL, NULL, NULL, NULL\n\
         {from_where}",
        described.subject,
        described.from_ns,
        described.until_ns,
        described.evidence,
        described.skipped,
        from_where = rows.from_where,
    );
    let bound = asked.bound.is_none().then_some(Bound::AtLeast(SURE));
    Ok(Lowered { bound, ..Lowered::new(sql) })
}
