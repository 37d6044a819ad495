//! The matrix for people: a letter for each run, the newest on the right, never by colour alone.

use std::fmt::Write;

use super::{Cell, Matrix, Row};
use crate::judge::{Attribution, Outcome};
use crate::report::{self, plain, words};

/// The blocks of a sparkline, the smallest margin first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A sparkline shows the margins of so many runs.
const SPARKS: usize = 10;
/// Longer ids and margins are cut.
const ID_CHARACTERS: usize = 16;
const MARGIN_CHARACTERS: usize = 14;

/// Runs of one version beside each other.
struct Group {
    version: String,
    from: usize,
    until: usize,
}

/// The answer of `replay history`, in lines of at most `width` columns where that is possible.
pub fn matrix(matrix: &Matrix, width: u16, colours: bool) -> String {
    let rows: Vec<&Row> = matrix.rows.iter().filter(|row| row.cells.iter().flatten().any(applies)).collect();
    let id_width = rows.iter().map(|row| row.id.chars().count().min(ID_CHARACTERS)).max().unwrap_or(2);
    let margins: Vec<String> = rows.iter().map(|row| margin(row)).collect();
    let margin_width = margins.iter().map(|margin| margin.chars().count()).max().unwrap_or_default();
    let room = usize::from(width).saturating_sub(id_width + SPARKS + margin_width + 6).max(1);
    let groups = groups(matrix, room);
    let from = groups.first().map_or(0, |group| group.from);
    let mut text = String::new();
    let _ = writeln!(text, "{:id_width$}  {}", "", headings(&groups).trim_end());
    for (row, margin) in rows.iter().zip(&margins) {
        let id = words::cut(&plain(&row.id), ID_CHARACTERS);
        let line = format!("  {}  {margin}", sparkline(&row.cells[from..]));
        let _ = writeln!(text, "{id:id_width$}  {}{}", letters(row, &groups, colours), line.trim_end());
    }
    for group in &groups {
        let runs = group.until - group.from;
        let _ = writeln!(text, "version {}: {runs} {}", plain(&group.version), if runs == 1 { "run" } else { "runs" });
    }
    if from > 0 {
        let _ = writeln!(text, "{from} older runs don't fit: --width, or --format json");
    }
    text.push_str(&foot(matrix, &rows));
    text
}

fn foot(matrix: &Matrix, shown: &[&Row]) -> String {
    let mut text = String::new();
    let others: Vec<&str> = matrix.rows.iter().map(|row| row.id.as_str()).collect();
    let others: Vec<&str> = others.into_iter().filter(|id| !shown.iter().any(|row| row.id == *id)).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "not applicable to any of them: {}", plain(&others.join(" ")));
    }
    if let Some(newest) = matrix.columns.last() {
        let _ = writeln!(
            text,
            "the newest, on the right, is {}: its margins and attributions stand there",
            plain(&newest.run.run_id)
        );
    }
    text.push_str("H held  B broken  b broken by the environment or the harness  i inconclusive  . not applicable\n");
    text
}

fn applies(cell: &Cell) -> bool {
    cell.outcome != Outcome::NotApplicable
}

/// The newest runs that fit, by version; between versions there is a space.
fn groups(matrix: &Matrix, room: usize) -> Vec<Group> {
    let version = |place: usize| super::version(&matrix.columns[place]).unwrap_or_else(|| "unknown".to_owned());
    let mut groups: Vec<Group> = Vec::new();
    let mut used = 0;
    for place in (0..matrix.columns.len()).rev() {
        let version = version(place);
        let continues = groups.last().is_some_and(|group| group.version == version);
        used += if continues || groups.is_empty() { 1 } else { 2 };
        if used > room {
            break;
        }
        match groups.last_mut().filter(|_| continues) {
            Some(group) => group.from = place,
            None => groups.push(Group { version, from: place, until: place + 1 }),
        }
    }
    groups.reverse();
    groups
}

/// As much of each version as there is room for.
fn headings(groups: &[Group]) -> String {
    let heading = |group: &Group| {
        let runs = group.until - group.from;
        let version: String = plain(&group.version).chars().take(runs).collect();
        format!("{version:runs$}")
    };
    groups.iter().map(heading).collect::<Vec<_>>().join(" ")
}

fn letters(row: &Row, groups: &[Group], colours: bool) -> String {
    let letter = |cell: &Option<Cell>| match (cell.map(letter), colours) {
        (None, _) => " ".to_owned(),
        (Some((letter, _)), false) => letter.to_string(),
        (Some((letter, colour)), true) => format!("\x1b[{colour}m{letter}\x1b[0m"),
    };
    let group = |group: &Group| row.cells[group.from..group.until].iter().map(letter).collect::<String>();
    groups.iter().map(group).collect::<Vec<_>>().join(" ")
}

/// The letter of a cell, and its colour.
fn letter(cell: Cell) -> (char, &'static str) {
    match (cell.outcome, cell.attribution) {
        (Outcome::Held, _) => ('H', "32"),
        (Outcome::Broken, Some(Attribution::Environment | Attribution::Harness)) => ('b', "33"),
        (Outcome::Broken, _) => ('B', "31"),
        (Outcome::Inconclusive, _) => ('i', "33"),
        (Outcome::NotApplicable, _) => ('.', "2"),
    }
}

/// The margins of the newest runs, between the smallest and the largest of them; `·` where there is none.
fn sparkline(cells: &[Option<Cell>]) -> String {
    let newest = &cells[cells.len().saturating_sub(SPARKS)..];
    let margin = |cell: &Option<Cell>| cell.and_then(|cell| cell.margin);
    let known: Vec<f64> = newest.iter().filter_map(margin).collect();
    let least = known.iter().copied().fold(f64::INFINITY, f64::min);
    let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let block = |margin: f64| match most - least {
        range if range > 0.0 => BLOCKS[(((margin - least) / range * 7.0).round() as usize).min(7)],
        _ => BLOCKS[3],
    };
    let sparks: String = newest.iter().map(|cell| margin(cell).map_or('·', block)).collect();
    format!("{sparks:SPARKS$}")
}

/// The newest run's margin with its unit, and whom it blames.
fn margin(row: &Row) -> String {
    let Some(cell) = row.cells.last().copied().flatten() else { return String::new() };
    let unit = row.unit.as_ref().map_or(String::new(), |unit| format!(" {unit}"));
    let margin = cell.margin.map_or_else(|| "-".to_owned(), |margin| format!("{}{unit}", report::number(margin)));
    let margin = words::cut(&plain(&margin), MARGIN_CHARACTERS);
    match cell.attribution.filter(|_| cell.outcome == Outcome::Broken) {
        Some(attribution) => format!("{margin}  {}", attribution.name()),
        None => margin,
    }
}

#[cfg(test)]
mod tests;
