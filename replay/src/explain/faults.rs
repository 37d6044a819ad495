//! The faults of a spec, the defaults among them: in one line each, or one with its query.

use std::fmt::Write;

use serde_json::json;

use crate::report;
use crate::spec::{Fault, Origin, View};

/// What stands behind a fault.
pub struct ExplainedFault<'s> {
    /// The fault.
    pub fault: &'s Fault,
    /// The views that it reads.
    pub views: Vec<View>,
}

/// What the command line calls a fault: `fault:ID`. One without an id can't be named.
pub fn handle(fault: &Fault) -> Option<String> {
    fault.id.as_ref().map(|id| format!("fault:{id}"))
}

/// Each in one line, in the order in which they attribute.
pub fn overview(faults: &[Fault]) -> String {
    let mut table = report::Table::new(&["fault", "attribution", "of", "says"]);
    for fault in faults {
        let handle = handle(fault).unwrap_or_else(|| "-".to_owned());
        table.row(vec![handle, fault.attribution.name().to_owned(), of(fault).to_owned(), fault.says.clone()]);
    }
    table.to_string()
}

/// How many there are of the spec, and how many beside.
pub fn counts(faults: &[Fault]) -> (usize, usize) {
    let defaults = faults.iter().filter(|fault| fault.origin == Origin::Default).count();
    (faults.len() - defaults, defaults)
}

fn of(fault: &Fault) -> &'static str {
    match fault.origin {
        Origin::Spec => "the spec",
        Origin::Replacement => "the spec, in place of a default",
        Origin::Default => "default",
    }
}

/// One with all that is known of it.
pub fn text(explained: &ExplainedFault<'_>) -> String {
    let ExplainedFault { fault, views } = explained;
    let mut text = format!("{}: {}\n", handle(fault).unwrap_or_default(), fault.says);
    let _ = writeln!(text, "of           {}", of(fault));
    let _ = writeln!(text, "attribution  {}", fault.attribution.name());
    let when = if fault.when.is_empty() { "always".to_owned() } else { fault.when.join(", or ") };
    let _ = writeln!(text, "when         {when}");
    for View { name, query } in views {
        let _ = writeln!(text, "\n-- view {name}\n{}", query.sql.trim());
    }
    let _ = writeln!(text, "\n-- observe\n{}", fault.query.sql.trim());
    text
}

/// The same for programs.
pub fn json(explained: &ExplainedFault<'_>) -> serde_json::Value {
    let ExplainedFault { fault, views } = explained;
    json!({
        "id": fault.id,
        "says": fault.says,
        "attribution": fault.attribution.name(),
        "default": fault.origin == Origin::Default,
        "when": fault.when,
        "views": super::sql_by_name(views),
        "observe": fault.query.sql,
    })
}
