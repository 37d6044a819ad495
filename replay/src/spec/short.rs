//! Short forms: what assertions often ask, in keys. Each lowers to the query that would otherwise be written under
//! `observe`; SPEC.md describes them, `replay explain` prints the query.
//!
//! From text to text: nothing here plans or runs a query. One rule is common to all: what was not seen is a row whose
//! `observed` is NULL, never no row, unless `empty = "held"` was written and rows that could have shown it were there.

mod budget;
mod count;
mod duration;
mod each;
mod language;
mod media;
mod metric;
mod probe;
mod provenance;
mod responds;
mod rows;
mod sql;

use super::document::Section;
use super::{View, quoted};
use crate::bound::{Bound, Point};
use crate::error::Error;

/// The short forms, by their keys.
pub const FORMS: [&str; 9] =
    ["count", "each", "responds", "metric", "probe", "media", "language", "provenance", "budget"];

/// Whether the run ended in order: then nothing could have come later.
const COMPLETE: &str = "(SELECT max(state) FROM run) = 'complete'";

/// What an assertion says beside its short form.
pub struct Asked<'s> {
    /// Its bound, where it is written.
    pub bound: Option<&'s Bound>,
    /// Whether no rows are a good sign.
    pub empty_held: bool,
    /// The spec's views, `names` among them.
    pub views: &'s [View],
}

/// The query that a short form stands for, and what it says about the assertion.
pub struct Lowered {
    /// The query.
    pub sql: String,
    /// The bound, where the form has one of its own.
    pub bound: Option<Bound>,
    /// The unit of its numbers.
    pub unit: Option<&'static str>,
    /// How many rows there must be.
    pub min_rows: usize,
}

impl Lowered {
    fn new(sql: String) -> Lowered {
        Lowered { sql, bound: None, unit: None, min_rows: 1 }
    }

    fn bound(self, bound: Bound) -> Lowered {
        Lowered { bound: Some(bound), ..self }
    }

    fn unit(self, unit: &'static str) -> Lowered {
        Lowered { unit: Some(unit), ..self }
    }
}

/// Lowers one of [`FORMS`].
///
/// # Errors
/// [`Error::Spec`] with the line of the key that can't be.
pub fn lower(form: &str, section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    match form {
        "count" => count::lower(section, asked),
        "each" => each::lower(section, asked),
        "responds" => responds::lower(section, asked),
        "metric" => metric::lower(section, asked),
        "probe" => probe::lower(section, asked),
        "media" => media::lower(section, asked),
        "language" => language::lower(section, asked),
        "provenance" => provenance::lower(section, asked),
        _ => budget::lower(section, asked),
    }
}

impl Asked<'_> {
    /// Refuses a written bound where the form says it.
    fn no_bound(&self, section: &Section<'_>, says: &str) -> Result<(), Error> {
        match self.bound {
            None => Ok(()),
            Some(_) => Err(section.wrong(section.at(), format!("the bound is {says} here: remove `bound`"))),
        }
    }

    /// The written bound, of a form that has none of its own.
    fn bound(&self, section: &Section<'_>) -> Result<&Bound, Error> {
        let missing =
            || section.wrong(section.at(), "the assertion has no `bound`: write one, as in `bound = \"<= 10\"`".into());
        self.bound.ok_or_else(missing)
    }

    /// Refuses `empty = "held"` where nothing seen can't be good.
    fn not_empty(&self, section: &Section<'_>, form: &str) -> Result<(), Error> {
        match self.empty_held {
            false => Ok(()),
            true => Err(section
                .wrong(section.at(), format!("`empty = \"held\"` can't be: `{form}` looks for what must be there"))),
        }
    }
}

/// The least number that satisfies a bound, or comes next to it; none where any small number does.
fn floor(bound: &Bound) -> Option<f64> {
    match bound {
        Bound::Is(point) => point.number,
        Bound::In(points) => points.iter().filter_map(|point| point.number).reduce(f64::min),
        Bound::Above(least) | Bound::AtLeast(least) | Bound::Within(least, _) => Some(*least),
        Bound::Below(_) | Bound::AtMost(_) | Bound::IsNot(_) => None,
    }
}

/// The greatest number that satisfies a bound; none where any great number does.
fn ceiling(bound: &Bound) -> Option<f64> {
    match bound {
        Bound::Is(point) => point.number,
        Bound::In(points) => points.iter().filter_map(|point| point.number).reduce(f64::max),
        Bound::Below(most) | Bound::AtMost(most) | Bound::Within(_, most) => Some(*most),
        Bound::Above(_) | Bound::AtLeast(_) | Bound::IsNot(_) => None,
    }
}

/// Evidence for a number that only grows while the run lasts: too small a one could have been mended by the rest of a
/// run that was cut off, and names none there.
fn evidence_of_growing(bound: &Bound, observed: &str, evidence: &str) -> String {
    match floor(bound) {
        Some(least) => format!("CASE WHEN {observed} >= {least:?} OR {COMPLETE} THEN {evidence} END"),
        None => evidence.to_owned(),
    }
}

/// `= text`, whatever the text reads as.
fn is_text(text: &str) -> Bound {
    Bound::Is(Point { text: text.to_owned(), number: None })
}

#[cfg(test)]
mod tests;
