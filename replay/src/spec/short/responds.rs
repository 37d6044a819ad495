//! `responds`: to each row another with the same key comes, in time.

use super::rows::{Rows, list, required};
use super::{Asked, Lowered, duration, sql};
use crate::bound::Bound;
use crate::error::Error;
use crate::spec::document::Section;

/// How long a response may take.
enum Within {
    /// The same for all: observed is how long it took.
    Fixed(i64),
    /// As each row says, in seconds: observed is what was left.
    Of(String),
}

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.no_bound(section, "what `within` says")?;
    let to = Rows::of(section, "to", true, asked)?;
    let with = Rows::of(section, "with", false, asked)?;
    if to.from_where == with.from_where {
        let problem = "`to` and `with` are the same rows: each would respond to itself";
        return Err(section.wrong(section.at(), problem.into()));
    }
    let (keys, same) = keys(section)?;
    let within = within(section)?;
    let asks = to.described(section)?;
    let at = match section.has("at") {
        true => required(section, "at")?,
        false => with.column(&["at_ns"]).map(str::to_owned).ok_or_else(|| {
            section.missing("at", "`at = \"…\"`, the column of `with` that says when the response was there")
        })?,
    };
    let answered = with.evidence().unwrap_or_else(|| "CAST(NULL AS VARCHAR)".to_owned());
    let limit = match &within {
        Within::Fixed(ns) => format!("CAST({ns} AS BIGINT)"),
        Within::Of(seconds) => format!("CAST(({seconds}) * 1e9 AS BIGINT)"),
    };
    let (observed, bound) = match within {
        Within::Fixed(ns) => ("(response_ns - from_ns) / 1e9", Bound::AtMost(duration::seconds(ns))),
        Within::Of(_) => ("(limit_ns - (response_ns - from_ns)) / 1e9", Bound::AtLeast(0.0)),
    };
    let sql = format!(
        "SELECT subject, {observed} AS observed, from_ns, from_ns + limit_ns AS until_ns,\n       \
                concat_ws(',', asked, answered) AS evidence, skipped\n\
         FROM (SELECT a.*, b.response_ns, b.answered,\n             \
                      row_number() OVER (PARTITION BY a.ask ORDER BY b.response_ns ASC NULLS LAST) AS nearest\n      \
               FROM (SELECT {} AS subject, {} AS from_ns, {limit} AS limit_ns,\n                   \
                            {} AS asked, {} AS skipped, {keys}, row_number() OVER () AS ask\n            {}) a\n      \
               LEFT JOIN (SELECT {keys}, CAST({at} AS BIGINT) AS response_ns, {answered} AS answered\n            {}) b\n          \
                   ON {} AND b.response_ns >= a.from_ns)\n\
         WHERE nearest = 1",
        asks.subject, asks.from_ns, asks.evidence, asks.skipped, to.from_where, with.from_where, same,
    );
    Ok(Lowered::new(sql).bound(bound).unit("s"))
}

/// What a row and its response have in common: as columns of both, and as the condition that they are the same.
fn keys(section: &mut Section<'_>) -> Result<(String, String), Error> {
    let key = list(section, "key")?;
    if key.is_empty() {
        return Err(section.missing("key", "`key = \"…\"`, what a row and its response have in common"));
    }
    let columns: Vec<String> = key.iter().enumerate().map(|(index, key)| format!("{key} AS key_{index}")).collect();
    let same: Vec<String> = (0..key.len()).map(|index| format!("b.key_{index} = a.key_{index}")).collect();
    Ok((columns.join(", "), same.join(" AND ")))
}

fn within(section: &mut Section<'_>) -> Result<Within, Error> {
    let text = section.required_text("within")?;
    if let Some(ns) = duration::parse(&text.value) {
        return Ok(Within::Fixed(ns));
    }
    let begins_as_number = text.value.trim_start().starts_with(|character: char| character.is_ascii_digit());
    match sql::expression(&text.value) {
        Ok(()) if !begins_as_number => Ok(Within::Of(text.value)),
        _ => {
            let problem = format!(
                "`within` is a duration as in `15s` or `500ms`, or a column of `to` in seconds, not `{}`",
                text.value
            );
            Err(section.wrong(text.at, problem))
        }
    }
}
