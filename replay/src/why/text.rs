//! The explanation for people.

use std::fmt::Write;

use super::Explained;
use super::moments::MOST_ROWS;
use super::neighbours::Neighbour;
use crate::diff;
use crate::judge::{Attribution, Judged, Outcome, Reason};
use crate::report::{self, aligned, seconds, words};

/// More differences from held runs are only counted.
const MOST_DIFFERENCES: usize = 5;
/// Longer words of the timeline are cut.
const CHARACTERS: usize = 120;

/// The answer of `replay why`.
pub fn explained(explained: &Explained) -> String {
    let mut text = String::new();
    head(&mut text, explained);
    rows(&mut text, explained);
    timeline(&mut text, explained);
    attribution(&mut text, explained);
    compared(&mut text, explained);
    let next = explained.next();
    if !next.is_empty() {
        text.push_str("next:\n");
        next.iter().for_each(|command| _ = writeln!(text, "  {command}"));
    }
    report::plain_lines(&text)
}

fn head(text: &mut String, explained: &Explained) {
    let (run, report) = (&explained.run, explained.assertion());
    let version = run.version.as_ref().map_or(String::new(), |version| format!(", version {version}"));
    let _ = writeln!(text, "{}: {}, {}", report.id, outcome(explained), report.says);
    let _ = writeln!(text, "  run       {} ({}, {}{version})", run.run_id, run.state.name(), seconds(run.end_ns));
    for remark in &run.remarks {
        let _ = writeln!(text, "            {remark}");
    }
    let unit = report.unit.as_ref().map_or(String::new(), |unit| format!(" {unit}"));
    let _ = writeln!(text, "  required  {}{unit}", report.bound);
}

fn outcome(explained: &Explained) -> String {
    let judgement = explained.judgement();
    match judgement.attribution {
        Some(attribution) => format!("{} ({})", judgement.outcome.name(), attribution.name()),
        None => judgement.outcome.name().to_owned(),
    }
}

fn rows(text: &mut String, explained: &Explained) {
    let (report, judgement) = (explained.assertion(), explained.judgement());
    let Some(worst) = &judgement.worst else {
        let _ = writeln!(text, "  observed  nothing");
        return;
    };
    let counted = match judgement.skipped {
        0 => format!("the worst of {}", judgement.rows),
        skipped => format!("the worst of {}, {skipped} skipped", judgement.rows),
    };
    let margin = words::margin(Some(worst), report);
    let _ = writeln!(
        text,
        "  observed  {}  {margin}  ({counted}: {})",
        words::observed(worst, report),
        worst.observation.subject
    );
    if judgement.outcome != Outcome::Broken {
        return;
    }
    let _ = writeln!(text, "violations, the worst first:");
    let cells = |row: &Judged| {
        let observation = &row.observation;
        let when = words::when(observation.from_ns, observation.until_ns).unwrap_or_default();
        let subject = words::cut(&observation.subject, CHARACTERS);
        vec![subject, words::observed(row, report), when, observation.evidence.join(" ")]
    };
    let shown: Vec<Vec<String>> = judgement.violations.iter().take(MOST_ROWS).map(cells).collect();
    aligned(&shown).iter().for_each(|line| _ = writeln!(text, "  {line}"));
    if let Some(more) = judgement.violations.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more: --format json");
    }
}

fn timeline(text: &mut String, explained: &Explained) {
    let outcome = explained.judgement().outcome;
    let _ = writeln!(text, "what happened, in seconds since the start:");
    let cells = |moment: &super::Moment| {
        let at = moment.at_ns.map_or_else(|| "-".to_owned(), |at_ns| format!("{:.1}", at_ns as f64 / 1e9));
        let handle = moment.handle.clone().unwrap_or_default();
        vec![format!("{at:>6}"), moment.role.name(outcome).to_owned(), handle, words::cut(&moment.says, CHARACTERS)]
    };
    let shown: Vec<Vec<String>> = explained.moments.iter().map(cells).collect();
    aligned(&shown).iter().for_each(|line| _ = writeln!(text, "  {line}"));
}

fn attribution(text: &mut String, explained: &Explained) {
    let judgement = explained.judgement();
    let name = judgement.attribution.map_or("none", Attribution::name);
    let _ = writeln!(text, "attribution: {name}");
    let mut side = |word: &str, reasons: &[Reason]| {
        for reason in reasons {
            let shown =
                if reason.evidence.is_empty() { String::new() } else { format!(" ({})", reason.evidence.join(", ")) };
            let _ = writeln!(text, "  {word:7}  {}{shown}", reason.says);
        }
        if reasons.is_empty() {
            let _ = writeln!(text, "  {word:7}  nothing was found");
        }
    };
    side("for", &explained.reasons.supports);
    side("against", &explained.reasons.contradicts);
}

fn compared(text: &mut String, explained: &Explained) {
    let held: Vec<&Neighbour> = explained.held().collect();
    let Some(nearest) = held.first() else {
        let looked = match explained.neighbours.len() {
            0 => "no other run of this spec was looked at (--runs, --held)".to_owned(),
            1 => "the other run of this spec did not hold it".to_owned(),
            others => format!("none of the {others} other runs of this spec that were looked at held it"),
        };
        let _ = writeln!(text, "compared with no run: {looked}");
        return;
    };
    let runs = if held.len() == 1 { "1 run".to_owned() } else { format!("{} runs", held.len()) };
    let _ =
        writeln!(text, "compared with {runs} in which it held; the nearest is {}, {}", nearest.run_id, place(nearest));
    for change in explained.changes.iter().take(MOST_DIFFERENCES) {
        let value = |value: &Option<String>| words::cut(value.as_deref().unwrap_or("-"), 60);
        let _ = writeln!(text, "  {}: {} there, {} here", change.what, value(&change.before), value(&change.after));
    }
    if let Some(more) = explained.changes.len().checked_sub(MOST_DIFFERENCES).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more differences around them: replay diff");
    }
    divergences(text, explained, held.len());
}

fn place(nearest: &Neighbour) -> String {
    let seconds = nearest.before_ns.abs() / 1_000_000_000;
    let away = match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    };
    let side = if nearest.before_ns >= 0 { "before" } else { "after" };
    format!("{}, {away} {side}", nearest.nearness.says())
}

fn divergences(text: &mut String, explained: &Explained, held: usize) {
    let Some(lead) = &explained.lead else {
        let _ = writeln!(text, "  first divergence: none, what happened there happened here");
        return;
    };
    let unusual = match lead.p {
        Some(p) => format!("p = {}", report::number(p)),
        None => format!("unusual; {held} held runs are too few for a number"),
    };
    let _ = writeln!(text, "  first divergence: {} [{unusual}]", diff::words::placed(&lead.divergence));
    if let (shared, others @ 1..) = lead.shared {
        let _ = writeln!(text, "    the same in {shared} of {others} other runs in which it is broken");
    }
    let rest = explained.divergences.iter().filter(|one| **one != lead.divergence);
    let rest: Vec<_> = rest.collect();
    for one in rest.iter().take(MOST_DIFFERENCES - 1) {
        let _ = writeln!(text, "  {}", diff::words::placed(one));
    }
    if let Some(more) = (rest.len() + 1).checked_sub(MOST_DIFFERENCES).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more: replay diff");
    }
}
