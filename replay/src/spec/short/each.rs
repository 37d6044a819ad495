//! `each`: something that every row must satisfy.

use super::rows::{Rows, expression};
use super::{Asked, Lowered, is_text};
use crate::error::Error;
use crate::spec::document::Section;

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    let rows = Rows::of(section, "of", true, asked)?;
    let described = rows.described(section)?;
    let (observed, bound) = match (expression(section, "holds")?, expression(section, "value")?) {
        (Some(holds), None) => {
            asked.no_bound(section, "that `holds` is true")?;
            (format!("({holds})"), Some(is_text("true")))
        }
        (None, Some(value)) => {
            asked.bound(section)?;
            (value, None)
        }
        _ => {
            return Err(
                section.missing("holds", "`holds`, a condition, or `value` and the assertion's `bound`; not both")
            );
        }
    };
    let sql = format!(
        "SELECT {} AS subject, {observed} AS observed,\n       {} AS from_ns, {} AS until_ns,\n       {} AS evidence, {} AS skipped\n{}",
        described.subject,
        described.from_ns,
        described.until_ns,
        described.evidence,
        described.skipped,
        rows.from_where
    );
    Ok(Lowered { bound, ..Lowered::new(sql) })
}
