//! `count`: how many rows there are.

use super::rows::{Rows, expression};
use super::{Asked, Lowered, evidence_of_growing, quoted};
use crate::error::Error;
use crate::spec::document::Section;

/// Rows that don't satisfy `where` count as seen: none of ten is 0, none of none is not seen.
pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    let bound = asked.bound(section)?;
    let rows = Rows::of(section, "of", false, asked)?;
    let condition = expression(section, "where")?;
    let what = expression(section, "distinct")?;
    let chosen = |value: &str| match &condition {
        Some(condition) => format!("CASE WHEN {condition} THEN {value} END"),
        None => value.to_owned(),
    };
    let counted = match &what {
        Some(what) => format!("count(DISTINCT {})", chosen(what)),
        None => format!("count({})", chosen("1")),
    };
    let evidence = match expression(section, "evidence")?.or_else(|| rows.evidence()) {
        None => "CAST(NULL AS VARCHAR)".to_owned(),
        Some(evidence) => {
            let one = chosen(&evidence);
            let some = format!(
                "CASE WHEN count({one}) <= 20 THEN string_agg({one}, ',') ELSE concat_ws(',', min({one}), max({one})) END"
            );
            evidence_of_growing(bound, &counted, &some)
        }
    };
    let called = match &what {
        Some(what) => format!("distinct {what} of {}", rows.called),
        None if rows.called == "rows" => rows.called.clone(),
        None => format!("rows of {}", rows.called),
    };
    // No row at all is a good sign only where that was written.
    let none_is_good = if asked.empty_held { "\nHAVING count(*) > 0" } else { "" };
    let sql = format!(
        "SELECT {} AS subject,\n       CASE WHEN count(*) > 0 THEN {counted} END AS observed,\n       {evidence} AS evidence\n{}{none_is_good}",
        quoted(&called),
        rows.from_where
    );
    Ok(Lowered::new(sql))
}
