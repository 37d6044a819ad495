//! `budget`: how long it is from one event of the timeline to another.

use super::rows::required;
use super::{Asked, Lowered, duration};
use crate::bound::Bound;
use crate::error::Error;
use crate::spec::document::Section;
use crate::spec::quoted;

pub fn lower(section: &mut Section<'_>, asked: &Asked<'_>) -> Result<Lowered, Error> {
    asked.not_empty(section, "budget")?;
    asked.no_bound(section, "what `within` says")?;
    let (from, to) = (required(section, "from")?, required(section, "to")?);
    let text = section.required_text("within")?;
    let ns = duration::parse(&text.value).ok_or_else(|| {
        section.wrong(text.at, format!("`within` is a duration as in `300s` or `5m`, not `{}`", text.value))
    })?;
    let sql = format!(
        "SELECT {} AS subject, (e.at_ns - s.at_ns) / 1e9 AS observed,\n       \
                s.at_ns AS from_ns, s.at_ns + {ns} AS until_ns, concat_ws(',', s.evidence, e.evidence) AS evidence\n\
         FROM (VALUES (1)) one(row)\n\
         LEFT JOIN (SELECT min(at_ns) AS at_ns, 'timeline#' || CAST(min(seq) AS VARCHAR) AS evidence\n           \
                    FROM timeline WHERE ({from})) s ON true\n\
         LEFT JOIN (SELECT at_ns, 'timeline#' || CAST(seq AS VARCHAR) AS evidence FROM timeline WHERE ({to})) e ON e.at_ns >= s.at_ns\n\
         ORDER BY e.at_ns ASC NULLS LAST LIMIT 1",
        quoted(&format!("{from} … {to}")),
    );
    Ok(Lowered::new(sql).bound(Bound::AtMost(duration::seconds(ns))).unit("s"))
}
