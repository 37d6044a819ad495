//! Observations and faults in words.

use super::causes::Happened;
use super::{AssertionReport, number, plain, seconds};
use crate::judge::{FaultRow, Judged, Observed};

/// Longer texts are cut in lines for people.
const VALUE_CHARACTERS: usize = 40;

/// A fault: whom it speaks for or against, what happened to whom, when, and where to look.
pub fn fault(fault: &FaultRow) -> String {
    let when = when(fault.row.from_ns, fault.row.until_ns).map_or(String::new(), |when| format!(", {when}"));
    let evidence =
        if fault.row.evidence.is_empty() { String::new() } else { format!(" ({})", fault.row.evidence.join(", ")) };
    format!("{}: {}: {}{when}{evidence}", fault.attribution.name(), fault.says, fault.row.subject)
}

/// A fault's first time in full, the others counted.
pub fn happened(fault: &Happened<'_>) -> String {
    let first = self::fault(fault.first);
    match fault.again.len() {
        0 => first,
        1 => format!("{first}, and 1 more time"),
        times => format!("{first}, and {times} more times"),
    }
}

/// A window; `None` for the whole run.
pub fn when(from_ns: Option<i64>, until_ns: Option<i64>) -> Option<String> {
    let tenth = |ns: i64| ns / 100_000_000;
    match (from_ns, until_ns) {
        (Some(from_ns), Some(until_ns)) if tenth(from_ns) == tenth(until_ns) => {
            Some(format!("at {}", seconds(from_ns)))
        }
        (Some(from_ns), Some(until_ns)) => Some(format!("{} to {}", seconds(from_ns), seconds(until_ns))),
        (Some(from_ns), None) => Some(format!("from {} on", seconds(from_ns))),
        (None, Some(until_ns)) => Some(format!("until {}", seconds(until_ns))),
        (None, None) => None,
    }
}

/// What a row observed, with its unit.
pub fn observed(row: &Judged, report: &AssertionReport) -> String {
    match &row.observation.observed {
        Observed::Missing => "not seen".to_owned(),
        Observed::Number(value) => with_unit(*value, report),
        Observed::Text(value) => cut(&plain(value), VALUE_CHARACTERS),
    }
}

/// A text of at most so many characters.
pub fn cut(text: &str, characters: usize) -> String {
    match text.chars().count() > characters {
        true => text.chars().take(characters - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// A row's margin, with a word before it; empty where there is none.
pub fn margin(row: Option<&Judged>, report: &AssertionReport) -> String {
    let margin = row.and_then(|row| row.margin);
    margin.map_or(String::new(), |margin| format!("margin {}", with_unit(margin, report)))
}

fn with_unit(value: f64, report: &AssertionReport) -> String {
    match &report.unit {
        Some(unit) => format!("{} {}", number(value), plain(unit)),
        None => number(value),
    }
}
