//! Outcomes for people: one line each, then what speaks for them.

use std::fmt::Write;

use super::{AssertionReport, RunReport, number, plain, seconds, stdout_has_colours};
use crate::exit::Exit;
use crate::judge::{Judged, Observed, Outcome};

/// More violations of one assertion are only counted.
const MOST_VIOLATIONS: usize = 10;

/// The answer of `replay check`: a section for each run, and a last line that says how the program ends.
pub fn check(runs: &[RunReport], exit: Exit) -> String {
    let mut text = String::new();
    for run in runs {
        section(&mut text, run);
    }
    let all = || runs.iter().flat_map(|run| &run.assertions);
    let runs_counted = if runs.len() > 1 { format!("{} runs: ", runs.len()) } else { String::new() };
    let _ = writeln!(text, "{runs_counted}{}: exit {}, {}", counts(all()), exit.code(), exit.meaning());
    text
}

fn section(text: &mut String, run: &RunReport) {
    let version = run.version.as_ref().map_or(String::new(), |version| format!(", version {}", plain(version)));
    let _ = writeln!(text, "{} ({}, {}{version})", plain(&run.run_id), run.state.name(), seconds(run.end_ns));
    for remark in &run.remarks {
        let _ = writeln!(text, "  {}", plain(remark));
    }
    let rows: Vec<[String; 6]> = run.assertions.iter().map(cells).collect();
    let widths: Vec<usize> =
        (0..6).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()).collect();
    let colours = stdout_has_colours();
    for (row, report) in rows.iter().zip(&run.assertions) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "  {cell:width$}");
        }
        let line = coloured(line.trim_end(), report.judgement.outcome, colours);
        let _ = writeln!(text, "{line}");
        details(text, report);
    }
    text.push('\n');
}

fn cells(report: &AssertionReport) -> [String; 6] {
    let judgement = &report.judgement;
    let worst = judgement.worst.as_ref();
    [
        judgement.outcome.name().to_owned(),
        plain(&report.id),
        worst.map_or_else(|| "-".to_owned(), |worst| observed(worst, report)),
        plain(&report.bound),
        worst
            .and_then(|worst| worst.margin)
            .map_or(String::new(), |margin| format!("margin {}", with_unit(margin, report))),
        plain(&report.says),
    ]
}

fn observed(row: &Judged, report: &AssertionReport) -> String {
    match &row.observation.observed {
        Observed::Missing => "not seen".to_owned(),
        Observed::Number(value) => with_unit(*value, report),
        Observed::Text(value) => {
            let value = plain(value);
            if value.chars().count() > 40 { value.chars().take(39).chain(['…']).collect() } else { value }
        }
    }
}

fn with_unit(value: f64, report: &AssertionReport) -> String {
    match &report.unit {
        Some(unit) => format!("{} {}", number(value), plain(unit)),
        None => number(value),
    }
}

fn coloured(line: &str, outcome: Outcome, colours: bool) -> String {
    let colour = match outcome {
        Outcome::Held => "32",
        Outcome::Broken => "31",
        Outcome::Inconclusive => "33",
        Outcome::NotApplicable => "2",
    };
    if colours { format!("\x1b[{colour}m{line}\x1b[0m") } else { line.to_owned() }
}

/// What stands under an assertion's line.
fn details(text: &mut String, report: &AssertionReport) {
    let judgement = &report.judgement;
    let mut say = |line: String| {
        let _ = writeln!(text, "      {line}");
    };
    if let Some(reason) = &judgement.reason {
        say(plain(reason));
    }
    for row in judgement.violations.iter().take(MOST_VIOLATIONS) {
        let margin = row.margin.map_or(String::new(), |margin| format!(", margin {}", with_unit(margin, report)));
        let evidence = match row.observation.evidence.is_empty() {
            true => String::new(),
            false => format!(", see {}", plain(&row.observation.evidence.join(" "))),
        };
        say(format!("{}: {}{margin}{evidence}", plain(&row.observation.subject), observed(row, report)));
    }
    if judgement.violations.len() > MOST_VIOLATIONS {
        say(format!("and {} more of {} rows", judgement.violations.len() - MOST_VIOLATIONS, judgement.rows));
    }
    if judgement.skipped > 0 {
        say(format!("{} of {} rows were skipped", judgement.skipped, judgement.rows + judgement.skipped));
    }
    match judgement.attribution {
        Some(attribution) if judgement.outcome == Outcome::Broken => {
            say(format!("attribution: {}", attribution.name()))
        }
        _ => {}
    }
    for fault in &judgement.faults {
        say(plain(fault));
    }
}

fn counts<'a>(reports: impl Iterator<Item = &'a AssertionReport>) -> String {
    let mut counts = [0_usize; 4];
    const ORDER: [Outcome; 4] = [Outcome::Held, Outcome::Broken, Outcome::Inconclusive, Outcome::NotApplicable];
    for report in reports {
        for (count, outcome) in counts.iter_mut().zip(ORDER) {
            *count += usize::from(report.judgement.outcome == outcome);
        }
    }
    let words: Vec<String> =
        counts.iter().zip(ORDER).map(|(count, outcome)| format!("{count} {}", outcome.name())).collect();
    words.join(", ")
}
