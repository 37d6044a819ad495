//! The comparison for people.

use std::fmt::Write;

use super::noise::RULES;
use super::{Change, Compared, Side, events, words};
use crate::judge::divergence::{self, SPREADS};
use crate::report::{self, AssertionReport, plain, seconds, words as observed};

/// More of them are only counted.
const MOST_DIVERGENCES: usize = 20;
const MOST_OUTCOMES: usize = 30;

/// The answer of `replay diff`.
pub fn compared(compared: &Compared) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "usual     {}", side(&compared.before));
    let _ = writeln!(text, "compared  {}", side(&compared.after));
    let _ = writeln!(text, "aligned by {}", compared.aligned_by());
    text.push_str(&surroundings(&compared.changes));
    text.push_str(&divergences(&compared.divergences));
    if compared.spec.is_some() {
        text.push_str(&outcomes(&compared.outcomes));
    }
    text.push_str("noise is left out by rules: replay diff --rules\n");
    let next = compared.next();
    if !next.is_empty() {
        text.push_str("next:\n");
        next.iter().for_each(|command| _ = writeln!(text, "  {command}"));
    }
    report::plain_lines(&text)
}

fn side(side: &Side) -> String {
    let version = side.version.as_ref().map_or(String::new(), |version| format!(", version {version}"));
    format!("{} ({}, {}{version})", side.run_id, side.state, seconds(side.end_ns))
}

/// What differs around the runs.
pub fn surroundings(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "around them: nothing differs (version, environment, scenario, parameters)\n".to_owned();
    }
    let value = |value: &Option<String>| observed::cut(value.as_deref().unwrap_or("-"), 60);
    let row = |change: &Change| vec![change.what.clone(), value(&change.before), "->".to_owned(), value(&change.after)];
    let mut text = String::from("around them:\n");
    for line in report::aligned(&changes.iter().map(row).collect::<Vec<_>>()) {
        let _ = writeln!(text, "  {}", plain(&line));
    }
    text
}

fn divergences(divergences: &[divergence::Divergence]) -> String {
    let lead = divergence::lead(&[divergences]).map(|(lead, _)| lead);
    let Some(lead) = lead.or(divergences.first()) else {
        return "first divergence: none: what happened in the one happened in the other\n".to_owned();
    };
    let mut text = format!("first divergence: {}\n", words::placed(lead));
    let rest: Vec<_> = divergences.iter().filter(|one| *one != lead).collect();
    if !rest.is_empty() {
        text.push_str("then:\n");
    }
    for one in rest.iter().take(MOST_DIVERGENCES) {
        let _ = writeln!(text, "  {}", words::placed(one));
    }
    if let Some(more) = rest.len().checked_sub(MOST_DIVERGENCES).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more: --format json");
    }
    text
}

fn outcomes(outcomes: &[(AssertionReport, AssertionReport)]) -> String {
    if outcomes.is_empty() {
        return "outcomes: the same\n".to_owned();
    }
    let cell = |report: &AssertionReport| {
        let worst = report.judgement.worst.as_ref();
        let worst = worst.map_or(String::new(), |worst| format!(" {}", observed::observed(worst, report)));
        format!("{}{worst}", report.judgement.outcome.name())
    };
    let row = |(before, after): &(AssertionReport, AssertionReport)| {
        vec![after.id.clone(), cell(before), "->".to_owned(), cell(after), after.bound.clone(), after.says.clone()]
    };
    let mut text = String::from("outcomes that differ:\n");
    for line in report::aligned(&outcomes.iter().take(MOST_OUTCOMES).map(row).collect::<Vec<_>>()) {
        let _ = writeln!(text, "  {}", plain(&line));
    }
    if let Some(more) = outcomes.len().checked_sub(MOST_OUTCOMES).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {more} more: --format json");
    }
    text
}

/// What is compared how, and what is no difference.
pub fn rules() -> String {
    let mut text = String::from("Never compared, because it differs between any two runs:\n");
    let own = [("${stream}", "the run's own stream"), ("${run}", "the run's own id")];
    let listed = own.into_iter().chain(RULES.iter().map(|rule| (rule.written, rule.says)));
    for (written, says) in listed {
        let _ = writeln!(text, "  {written:9}  {says}");
    }
    let _ = write!(
        text,
        "A text is compared with these in place of what they stand for; times only as seconds after another event.\n\
         An event is the same in both runs if type and entity are. It is\n\
         \x20 missing  if every usual run has it, and it is not there by the longest time after what it follows\n\
         \x20 extra    if no usual run has it, or not as often\n\
         \x20 late     if it comes later after what it follows than the longest + {SPREADS} median absolute deviations\n\
         \x20          (and by at least 0.1 s and a quarter of it, half of it where fewer than 5 are known)\n\
         \x20 early    if it comes before one of its type that it follows in every usual run\n\
         \x20 value    if it says a text that no usual run says and these agree, or a number beyond theirs + {SPREADS} deviations\n\
         What follows something missing or extra is not told again. What was due where records were lost proves nothing.\n\
         Events are those of the spec's [diff], else these of the packets:{}\n\
         and always these of the timeline:{}\n",
        events::OF_PACKETS,
        events::OF_TIMELINE
    );
    text
}
