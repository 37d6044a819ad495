//! Outcomes for people. Where everything held, a line for each; where not, what could be pasted into a report of a bug:
//! the cause first, then what it explains, then evidence with handles, then what to type next.

mod broken;
mod history;

use std::fmt::Write;

use super::causes::{gathered, harmless, with};
use super::{AssertionReport, CheckReport, RunReport, next, plain, seconds, stdout_has_colours, words};
use crate::exit::Exit;
use crate::judge::Outcome;

/// More faults in one place are only counted.
const MOST_FAULTS: usize = 5;

/// The answer of `replay check`: a section for each run, one for what was judged over several, and a last line that says
/// how the program ends.
pub fn check(report: &CheckReport, exit: Exit) -> String {
    written(report, exit, stdout_has_colours())
}

fn written(report: &CheckReport, exit: Exit, colours: bool) -> String {
    let mut text = String::new();
    let mut page = Page { text: &mut text, colours };
    report.runs.iter().for_each(|run| section(&mut page, run));
    history::sections(&mut page, &report.history);
    let runs = report.runs.len();
    let runs_counted = if runs > 1 { format!("{runs} runs: ") } else { String::new() };
    let _ = writeln!(text, "{runs_counted}{}: exit {}, {}", counts(report.assertions()), exit.code(), exit.meaning());
    text
}

/// Where lines are written, and whether in colour.
struct Page<'t> {
    text: &'t mut String,
    colours: bool,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(plain(line).trim_end());
        self.text.push('\n');
    }

    /// A line in the colour of an outcome.
    fn coloured(&mut self, line: &str, outcome: Outcome) {
        let colour = match outcome {
            Outcome::Held => "32",
            Outcome::Broken => "31",
            Outcome::Inconclusive => "33",
            Outcome::NotApplicable => "2",
        };
        match self.colours {
            true => _ = writeln!(self.text, "\x1b[{colour}m{}\x1b[0m", plain(line).trim_end()),
            false => self.line(line),
        }
    }

    /// Rows in columns as wide as they need.
    fn columns(&mut self, indent: &str, rows: &[Vec<String>], outcome: Outcome) {
        for line in aligned(rows) {
            self.coloured(&format!("{indent}{line}"), outcome);
        }
    }
}

/// The widest that a column gets for one cell's sake, in characters.
const WIDEST: usize = 40;

/// Rows as lines with their cells under each other.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let length = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
    // A longer cell moves the rest of its own row only.
    let width = |column| {
        let lengths = rows.iter().map(|row| length(row, column));
        lengths.clone().filter(|length| *length <= WIDEST).max().or_else(|| lengths.max()).unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn section(page: &mut Page<'_>, run: &RunReport) {
    let version = run.version.as_ref().map_or(String::new(), |version| format!(", version {version}"));
    page.line(&format!("{} ({}, {}{version})", run.run_id, run.state.name(), seconds(run.end_ns)));
    for remark in &run.remarks {
        page.line(&format!("  {remark}"));
    }
    let failed =
        run.assertions.iter().any(|report| !matches!(report.judgement.outcome, Outcome::Held | Outcome::NotApplicable));
    if failed {
        broken::causes(page, run);
        broken::evidence(page, run);
        could_not_be_judged(page, run);
        held_in_short(page, run);
    } else {
        held(page, run);
    }
    not_applicable(page, run);
    seen(page, run);
    let next = next::next(run);
    if !next.is_empty() {
        page.line("  next:");
        next.iter().for_each(|command| page.line(&format!("    {command}")));
    }
    page.text.push('\n');
}

/// A line for each assertion, with what it observed and how far from its bound that is.
fn held(page: &mut Page<'_>, run: &RunReport) {
    let reports: Vec<&AssertionReport> = with(run, Outcome::Held).collect();
    let row = |report: &&AssertionReport| [vec!["held".to_owned()], cells(report)].concat();
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    for (line, report) in aligned(&rows).iter().zip(&reports) {
        page.coloured(&format!("  {line}"), Outcome::Held);
        skipped(page, report);
    }
}

/// An assertion as cells: id, worst value, bound, margin, what it says.
fn cells(report: &AssertionReport) -> Vec<String> {
    let worst = report.judgement.worst.as_ref();
    vec![
        plain(&report.id),
        worst.map_or_else(|| "-".to_owned(), |worst| words::observed(worst, report)),
        plain(&report.bound),
        words::margin(worst, report),
        plain(&report.says),
    ]
}

fn skipped(page: &mut Page<'_>, report: &AssertionReport) {
    let judgement = &report.judgement;
    if judgement.skipped > 0 {
        let all = judgement.rows + judgement.skipped;
        page.line(&format!("      {} of {all} rows were skipped", judgement.skipped));
    }
}

/// What is inconclusive, by its reason.
fn could_not_be_judged(page: &mut Page<'_>, run: &RunReport) {
    let reason = |report: &AssertionReport| report.judgement.reason.clone().unwrap_or_default();
    for (reason, reports) in gathered(with(run, Outcome::Inconclusive).map(|report| (reason(report), report))) {
        let drifted = reports.iter().any(|report| report.judgement.drift.is_some());
        let drift = if drifted { "spec-drift: " } else { "" };
        let colon = if reason.ends_with('?') { "" } else { ":" };
        let line = format!("  {} could not be judged: {drift}{reason}{colon} {}", reports.len(), ids(&reports));
        page.coloured(&line, Outcome::Inconclusive);
    }
}

fn held_in_short(page: &mut Page<'_>, run: &RunReport) {
    let reports: Vec<&AssertionReport> = with(run, Outcome::Held).collect();
    if !reports.is_empty() {
        page.coloured(&format!("  {} held: {}", reports.len(), ids(&reports)), Outcome::Held);
    }
}

fn not_applicable(page: &mut Page<'_>, run: &RunReport) {
    let reason = |report: &AssertionReport| report.judgement.reason.clone().unwrap_or_default();
    let groups = gathered(with(run, Outcome::NotApplicable).map(|report| (reason(report), report)));
    let group = |(reason, reports): &(String, Vec<_>)| match reason.is_empty() {
        true => ids(reports),
        false => format!("{} ({reason})", ids(reports)),
    };
    let groups: Vec<String> = groups.iter().map(group).collect();
    if !groups.is_empty() {
        page.coloured(&format!("  not applicable: {}", groups.join(", ")), Outcome::NotApplicable);
    }
}

/// Faults that did no harm.
fn seen(page: &mut Page<'_>, run: &RunReport) {
    let harmless = harmless(run);
    for fault in harmless.iter().take(MOST_FAULTS) {
        page.line(&format!("  seen, and nothing broke by it: {}", words::happened(fault)));
    }
    if let Some(more) = harmless.len().checked_sub(MOST_FAULTS).filter(|more| *more > 0) {
        page.line(&format!("  and {more} more that nothing broke by"));
    }
}

fn ids(reports: &[&AssertionReport]) -> String {
    reports.iter().map(|report| report.id.as_str()).collect::<Vec<_>>().join(" ")
}

pub fn counts<'a>(reports: impl Iterator<Item = &'a AssertionReport>) -> String {
    let mut counts = [0_usize; 4];
    for report in reports {
        for (count, outcome) in counts.iter_mut().zip(Outcome::ALL) {
            *count += usize::from(report.judgement.outcome == outcome);
        }
    }
    let words: Vec<String> =
        counts.iter().zip(Outcome::ALL).map(|(count, outcome)| format!("{count} {}", outcome.name())).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
