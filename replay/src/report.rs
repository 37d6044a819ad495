//! Results for people and for programs. Whatever comes from a recording passes [`plain`] on its way to a terminal.

pub mod against;
mod causes;
pub mod ci;
mod json;
pub mod mutate;
mod next;
mod progress;
pub mod rows;
mod text;
mod verdicts;
pub mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use recording::run::State;

use crate::error::Error;
use crate::exit::Exit;
use crate::judge::{FaultRow, Judgement, LeftOut};
use crate::spec::Assertion;
pub use json::{assertion as assertion_json, check as check_json, observed as observed_json};
pub use next::{is_handle, word};
pub use progress::Progress;
pub use text::{aligned, check as check_text};
pub use verdicts::verdicts;

/// One recording, judged.
pub struct RunReport {
    /// Its id.
    pub run_id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// The spec's file.
    pub spec: PathBuf,
    /// How far it came.
    pub state: State,
    /// Its length in ns.
    pub end_ns: i64,
    /// The version of the system under test.
    pub version: Option<String>,
    /// What the recording itself says about its limits.
    pub remarks: Vec<String>,
    /// What the spec's faults found, in the spec's order: judgements name places in this list.
    pub faults: Vec<FaultRow>,
    /// Each assertion of the spec, in its order.
    pub assertions: Vec<AssertionReport>,
}

/// One assertion on it.
pub struct AssertionReport {
    /// Its id.
    pub id: String,
    /// What it says.
    pub says: String,
    /// Its bound, as written in SPEC.md.
    pub bound: String,
    /// The unit of its numbers.
    pub unit: Option<String>,
    /// The sources that it needs, as far as the recording has them.
    pub sources: Vec<String>,
    /// The line of the spec that looks for a name which has changed.
    pub drift_line: Option<usize>,
    /// What became of it.
    pub judgement: Judgement,
}

/// One assertion over a set of runs.
pub struct HistoryReport {
    /// The spec's file.
    pub spec: PathBuf,
    /// The folders of the runs, by their ids.
    pub dirs: BTreeMap<String, PathBuf>,
    /// The assertion and what became of it.
    pub assertion: AssertionReport,
    /// The runs that say nothing, and why.
    pub left_out: Vec<LeftOut>,
}

/// The answer of `replay check`.
pub struct CheckReport {
    /// Each recording.
    pub runs: Vec<RunReport>,
    /// What was judged over several of them.
    pub history: Vec<HistoryReport>,
}

impl CheckReport {
    /// Every assertion, of each run and over them.
    pub fn assertions(&self) -> impl Iterator<Item = &AssertionReport> {
        let of_runs = self.runs.iter().flat_map(|run| &run.assertions);
        of_runs.chain(self.history.iter().map(|history| &history.assertion))
    }
}

impl AssertionReport {
    /// An assertion and what became of it.
    pub fn new(assertion: &Assertion, judgement: Judgement) -> AssertionReport {
        AssertionReport {
            id: assertion.id.clone(),
            says: assertion.says.clone(),
            bound: assertion.bound.to_string(),
            unit: assertion.unit.clone(),
            sources: Vec::new(),
            drift_line: None,
            judgement,
        }
    }
}

/// Writes an answer to the standard output. A reader that has seen enough is no error.
///
/// # Errors
/// [`Error::Write`].
pub fn print(text: &str) -> Result<Exit, Error> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Write { to: "the answer".into(), source })
        }
        _ => Ok(Exit::Held),
    }
}

/// Writes an answer as JSON. What JSON lets through raw and a terminal obeys is escaped.
///
/// # Errors
/// [`Error::Write`].
pub fn print_json(value: &serde_json::Value) -> Result<Exit, Error> {
    let written = format!("{value:#}\n");
    // Nearly always there is nothing to escape, and then nothing is gone through letter by letter.
    if written.bytes().all(|byte| byte == b'\n' || (b' '..0x7f).contains(&byte)) {
        return print(&written);
    }
    let mut text = String::new();
    for character in written.chars() {
        match character {
            '\n' => text.push('\n'),
            character if is_control(character) => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            character => text.push(character),
        }
    }
    print(&text)
}

/// Says something beside the answer.
pub fn warn(text: &str) {
    // Where the error output is closed there is nobody to warn.
    let _ = writeln!(io::stderr(), "replay: {}", plain(text));
}

/// Whether `NO_COLOR` leaves colours allowed.
pub fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the answer is coloured: it goes to a terminal, and `NO_COLOR` allows it.
pub fn stdout_has_colours() -> bool {
    colours_wanted() && io::stdout().is_terminal()
}

/// Control characters, and those that turn the direction of text around.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text on one line that no terminal obeys.
pub fn plain(text: &str) -> String {
    let space = |character| if matches!(character, '\n' | '\t' | '\r') { ' ' } else { character };
    text.chars().map(space).filter(|character| !is_control(*character)).collect()
}

/// The same for texts of several lines.
pub fn plain_lines(text: &str) -> String {
    text.lines().map(|line| plain(line) + "\n").collect()
}

/// A number with as many digits as people read.
pub fn number(number: f64) -> String {
    let rounded = format!("{number:.3}");
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    match number.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => format!("{number:.2e}"),
        size if size >= 1e15 => format!("{number:e}"),
        _ => short.to_owned(),
    }
}

/// Nanoseconds as seconds.
pub fn seconds(ns: i64) -> String {
    format!("{:.1} s", ns as f64 / 1e9)
}

/// A wall-clock time, as `2026-11-24T07:06:56Z`.
pub fn utc(unix_ns: i64) -> String {
    let unix_s = unix_ns.div_euclid(1_000_000_000);
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The civil date of a day since 1970 (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Rows under a heading, in columns as wide as they need.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Table {
        Table { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(1_763_967_616_000_000_000), "2025-11-24T07:00:16Z");
        assert_eq!(utc(1_709_208_000_999_999_999), "2024-02-29T12:00:00Z");
        assert_eq!(utc(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn terminals_are_not_obeyed() {
        assert_eq!(plain("a\x1b[31mb\n\u{9b}c\u{202e}d\0"), "a[31mb cd");
    }

    #[test]
    fn numbers_for_people() {
        for (value, shown) in [
            (60.003_96, "60.004"),
            (10.0, "10"),
            (-2.5, "-2.5"),
            (0.0, "0"),
            (-0.0, "0"),
            (0.000_12, "1.20e-4"),
            (100.0, "100"),
        ] {
            assert_eq!(number(value), shown);
        }
    }
}
