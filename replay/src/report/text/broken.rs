//! What is broken: by cause, then the rows that show it.

use std::collections::BTreeSet;

use super::{MOST_FAULTS, Page, cells, skipped};
use crate::judge::{Attribution, Judged, Outcome};
use crate::report::causes::{Happened, explained, happened, unexplained};
use crate::report::{AssertionReport, RunReport, plain, words};

/// More rows of evidence are only counted.
const MOST_EVIDENCE: usize = 12;

/// Longer subjects are cut in the list of evidence.
const SUBJECT_CHARACTERS: usize = 80;

/// Each cause with the broken assertions that it explains, then those that nothing explains.
pub fn causes(page: &mut Page<'_>, run: &RunReport) {
    // All of them in the same columns, though they stand in several lists.
    let rows: Vec<Vec<String>> = in_order(run).into_iter().map(cells).collect();
    let mut lines = super::aligned(&rows).into_iter();
    for group in explained(run) {
        faults(page, "  cause: ", &group.faults);
        page.line(&format!("    explains {} broken {}:", group.broken.len(), assertions(group.broken.len())));
        list(page, run, &group.broken, &mut lines);
    }
    let unexplained = unexplained(run);
    let count: usize = unexplained.iter().map(|(_, broken)| broken.len()).sum();
    if count > 0 {
        page.line(&format!("  unexplained: {count} broken {}", assertions(count)));
    }
    for (sources, broken) in unexplained {
        if !sources.is_empty() {
            page.line(&format!("    seen through {}:", sources.join(", ")));
        }
        list(page, run, &broken, &mut lines);
    }
}

fn assertions(count: usize) -> &'static str {
    if count == 1 { "assertion" } else { "assertions" }
}

fn faults(page: &mut Page<'_>, before: &str, faults: &[Happened<'_>]) {
    for fault in faults.iter().take(MOST_FAULTS) {
        page.line(&format!("{before}{}", words::happened(fault)));
    }
    if let Some(more) = faults.len().checked_sub(MOST_FAULTS).filter(|more| *more > 0) {
        page.line(&format!("{before}and {more} more: --format json"));
    }
}

fn list(page: &mut Page<'_>, run: &RunReport, reports: &[&AssertionReport], lines: &mut impl Iterator<Item = String>) {
    for (report, line) in reports.iter().zip(lines) {
        page.coloured(&format!("      {line}"), Outcome::Broken);
        skipped(page, report);
        if report.judgement.attribution == Some(Attribution::Unknown) {
            let beside = happened(run, report.judgement.faults.iter().copied());
            faults(page, "        beside some of it, not all: ", &beside);
        }
    }
}

/// The rows that violate, of every assertion the worst first, each handle once.
pub fn evidence(page: &mut Page<'_>, run: &RunReport) {
    let broken: Vec<&AssertionReport> = in_order(run);
    let deepest = broken.iter().map(|report| report.judgement.violations.len()).max().unwrap_or_default();
    let mut known = BTreeSet::new();
    let (mut rows, mut more) = (Vec::new(), 0);
    for rank in 0..deepest {
        for report in &broken {
            let Some(row) = report.judgement.violations.get(rank) else { continue };
            match new_handle(row, &mut known) {
                _ if rows.len() == MOST_EVIDENCE => more += 1,
                Some(handle) => rows.push(shown(row, report, handle)),
                None => {}
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    page.line("  evidence, the worst first:");
    page.columns("    ", &rows, Outcome::Broken);
    if more > 0 {
        page.line(&format!("    and {more} more: --format json"));
    }
}

/// The broken assertions in the order of the list above.
fn in_order(run: &RunReport) -> Vec<&AssertionReport> {
    let explained = explained(run).into_iter().flat_map(|group| group.broken);
    explained.chain(unexplained(run).into_iter().flat_map(|(_, broken)| broken)).collect()
}

/// A handle that was not shown yet, empty where the row has none at all; `None` where all of them were.
fn new_handle<'r>(row: &'r Judged, known: &mut BTreeSet<&'r str>) -> Option<&'r str> {
    let handles = &row.observation.evidence;
    let new = handles.iter().find(|handle| !known.contains(handle.as_str()));
    known.extend(new.map(String::as_str));
    match new {
        Some(handle) => Some(handle),
        None if handles.is_empty() => Some(""),
        None => None,
    }
}

fn shown(row: &Judged, report: &AssertionReport, handle: &str) -> Vec<String> {
    let observation = &row.observation;
    let more = observation.evidence.len().saturating_sub(1);
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    vec![
        format!("{}{more}", plain(handle)),
        plain(&report.id),
        format!("{}: {}", words::cut(&plain(&observation.subject), SUBJECT_CHARACTERS), words::observed(row, report)),
        words::when(observation.from_ns, observation.until_ns).unwrap_or_default(),
    ]
}
