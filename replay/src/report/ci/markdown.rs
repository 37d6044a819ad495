//! Markdown, as for GitHub's job summary.

use std::collections::BTreeMap;

use super::github::shortened;
use super::{Case, Status, Told};
use crate::report::plain;

/// GitHub takes no more for one step: 1 MiB, less what is added to say so.
const MOST_BYTES: usize = 1_000_000;
/// More good assertions are only counted.
const MOST_NAMES: usize = 50;

/// The summary: what is not good by cause, a table of the assertions, what is good in one line.
pub fn summary(told: &Told) -> String {
    let mut text = format!("### {}\n\n", escaped(&told.summary));
    for cause in &told.causes {
        text.push_str(&format!("- {} **{}**\n", sign(cause.status), escaped(&cause.title)));
        cause.lines.iter().for_each(|line| text.push_str(&format!("  - {}\n", escaped(line))));
    }
    let (good, bad): (Vec<&Case>, Vec<&Case>) =
        told.cases.iter().partition(|case| matches!(case.status, Status::Passed | Status::Skipped));
    if !bad.is_empty() {
        text.push_str("\n| | assertion | in | is | |\n| --- | --- | --- | --- | --- |\n");
    }
    for case in bad {
        let cells = [&case.name, &case.suite, &case.word, &case.message].map(|cell| escaped(cell));
        text.push_str(&format!("| {} | {} |\n", sign(case.status), cells.join(" | ")));
    }
    let mut by_word: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in good {
        by_word.entry(&case.word).or_default().push(case);
    }
    for (word, cases) in by_word {
        let mut names: Vec<String> = cases.iter().take(MOST_NAMES).map(|case| escaped(&case.name)).collect();
        names.dedup();
        let more = if cases.len() > MOST_NAMES { ", …" } else { "" };
        text.push_str(&format!("\n{} {word}: {}{more}\n", cases.len(), names.join(", ")));
    }
    let mut text = shortened(&text, MOST_BYTES);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn sign(status: Status) -> &'static str {
    match status {
        Status::Passed => "✅",
        Status::Flaky => "🎲",
        Status::Failed => "❌",
        Status::Undecided => "❔",
        Status::Skipped => "➖",
    }
}

/// A text that no Markdown or HTML is read in.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in plain(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '#' | '~' | '@' => escaped.extend(['\\', character]),
            character => escaped.push(character),
        }
    }
    escaped
}
