//! What a reader of a failed check would type next.

use recording::Table;

use super::causes;
use super::{AssertionReport, HistoryReport, RunReport, plain};
use crate::exit::Exit;
use crate::judge::{Judged, Outcome};

/// The next commands, the most useful first; none where everything held.
pub fn next(run: &RunReport) -> Vec<String> {
    let dir = word(&run.dir.display().to_string());
    let mut next = Vec::new();
    if Exit::of(run.assertions.iter().map(|report| &report.judgement)) == Exit::Explained {
        next.push("record it again (a retry is reasonable)".to_owned());
    }
    next.extend(handle_of_worst(run).map(|handle| format!("replay show {dir} {handle}")));
    let without = causes::with(run, Outcome::Broken).find(|report| handles(report).next().is_none());
    next.extend(without.map(|report| format!("replay explain {} {}", spec(run), word(&report.id))));
    next.extend(drifts(run));
    if next.is_empty() && causes::with(run, Outcome::Inconclusive).next().is_some() {
        next.push(format!("replay info {dir}"));
    }
    next
}

/// The next command after what was judged over several runs: the worst of them.
pub fn next_of_history(history: &HistoryReport) -> Option<String> {
    let worst = history.assertion.judgement.violations.first()?.observation.subject.split(' ').next()?;
    let dir = word(&history.dirs.get(worst)?.display().to_string());
    let is_a_copy = history.dirs.values().any(|dir| history.spec.starts_with(dir));
    let spec = word(&history.spec.display().to_string());
    Some(if is_a_copy { format!("replay check {dir}") } else { format!("replay check {dir} --spec {spec}") })
}

/// The handle to look at first: of what is broken and unexplained, then of what explains the rest.
fn handle_of_worst(run: &RunReport) -> Option<String> {
    let unexplained = causes::unexplained(run).into_iter().flat_map(|(_, broken)| broken);
    let faults = causes::causes(run).into_iter().flat_map(|cause| cause.fault.evidence());
    let of_faults = faults.filter(|handle| is_handle(handle)).map(str::to_owned);
    let of_broken = causes::with(run, Outcome::Broken).flat_map(handles);
    unexplained.flat_map(handles).chain(of_faults).chain(of_broken).next()
}

fn handles(report: &AssertionReport) -> impl Iterator<Item = String> + '_ {
    let of = |row: &'_ Judged| row.observation.evidence.clone();
    report.judgement.violations.iter().flat_map(of).filter(|handle| is_handle(handle))
}

/// Which lines of the spec to change, each once.
fn drifts(run: &RunReport) -> Vec<String> {
    let mut lines = Vec::new();
    for report in &run.assertions {
        let Some(drift) = &report.judgement.drift else { continue };
        let line = report.drift_line.map_or(String::new(), |line| format!(":{line}"));
        let (wanted, near) = (plain(&drift.wanted), plain(&drift.near));
        let change = format!("in {}{line} write `{near}` for `{wanted}`, if that is what is meant", spec(run));
        if !lines.contains(&change) {
            lines.push(change);
        }
    }
    lines
}

fn spec(run: &RunReport) -> String {
    word(&run.spec.display().to_string())
}

/// Whether `replay show` would take it.
pub fn is_handle(text: &str) -> bool {
    text.split_once('#').is_some_and(|(table, seq)| Table::from_name(table).is_some() && seq.parse::<u64>().is_ok())
}

/// A text as one word of a shell's command.
pub fn word(text: &str) -> String {
    let text = plain(text);
    let is_safe = |character: char| character.is_ascii_alphanumeric() || "/._-:=@%+,".contains(character);
    match !text.is_empty() && !text.starts_with('-') && text.chars().all(is_safe) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (text, quoted) in [
            ("runs/a-1", "runs/a-1"),
            ("my runs/a", "'my runs/a'"),
            ("it's", "'it'\\''s'"),
            ("$(ls)", "'$(ls)'"),
            ("", "''"),
            ("a\nb\u{1b}", "'a b'"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }

    #[test]
    fn handles_are_what_show_takes() {
        assert!(is_handle("packets#0") && is_handle("timeline#21"));
        for text in ["packets", "packets#", "packets#-1", "packets#1;ls", "nothing#1", "#1"] {
            assert!(!is_handle(text), "{text}");
        }
    }
}
