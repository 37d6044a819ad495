//! Verdicts for people: what got worse first, and by cause; what is stable in one line.

use std::fmt::Write;

use crate::exit::Exit;
use crate::report::{number, plain, stdout_has_colours};
use crate::verdicts::Verdicts;
use verdict::{Drift, Excuses, Kind, MOST_RUNS, Of, Opinion, Plan, Rate, Series, Verdict};

/// The verdicts in the order in which people want to read them.
const ORDER: [Verdict; 8] = [
    Verdict::Regression,
    Verdict::BrokenNoBaseline,
    Verdict::Environment,
    Verdict::Insufficient,
    Verdict::SpecChange,
    Verdict::Flaky,
    Verdict::Fixed,
    Verdict::Stable,
];

/// More names in one line are only counted.
const MOST_NAMES: usize = 8;

/// The answer of `replay judge` and `replay verdict`.
pub fn verdicts(verdicts: &Verdicts, exit: Exit) -> String {
    let mut text = String::new();
    for verdict in ORDER {
        let told =
            verdicts.history.series.iter().zip(&verdicts.opinions).filter(|(_, opinion)| opinion.verdict == verdict);
        if verdict == Verdict::Stable {
            stable(&mut text, &told.collect::<Vec<_>>());
            continue;
        }
        for (series, opinion) in told {
            section(&mut text, verdicts, series, opinion);
        }
    }
    for incident in verdicts.incidents.iter().filter(|incident| incident.len() > 1) {
        let names: Vec<&str> =
            incident.iter().map(|place| verdicts.history.series[*place].assertion.as_str()).collect();
        line(
            &mut text,
            &format!("1 cause explains {} failures, broken in the same runs: {}", names.len(), listed(&names)),
        );
    }
    line(&mut text, &format!("{}: exit {}, {}", counts(verdicts), exit.code(), exit.meaning_of_verdicts()));
    text
}

fn section(text: &mut String, verdicts: &Verdicts, series: &Series, opinion: &Opinion) {
    let head = format!("{}  {}", series.assertion, headline(opinion));
    coloured(text, &head, opinion.verdict);
    for says in said(verdicts, series, opinion) {
        line(text, &format!("    {says}"));
    }
}

/// A verdict in one line: what, of which kind, how sure.
pub fn headline(opinion: &Opinion) -> String {
    let kind = opinion.kind.map_or(String::new(), |kind| format!(" ({})", kind.name().replace('_', " ")));
    match opinion.verdict {
        Verdict::Insufficient => "insufficient evidence".to_owned(),
        verdict => format!("{}{kind}, {:.0} %", verdict.name().replace('_', " "), 100.0 * opinion.probability()),
    }
}

/// What stands behind a verdict, a line each.
pub fn said(verdicts: &Verdicts, series: &Series, opinion: &Opinion) -> Vec<String> {
    let name = |place: u32| verdicts.history.names.name(place);
    let mut says = Vec::new();
    if let Some(change) = &opinion.change {
        let others: Vec<&str> =
            change.among.iter().filter(|version| **version != change.after).map(|version| name(*version)).collect();
        let others = if others.is_empty() { String::new() } else { format!("; else {}", listed(&others)) };
        says.push(format!(
            "between {} and {} ({:.0} %{others})",
            name(change.before),
            name(change.after),
            100.0 * change.probability
        ));
    }
    if opinion.kind == Some(Kind::Resource) {
        says.push(format!(
            "broken beside faults in {} before, {} since",
            opinion.before.as_ref().map_or(String::new(), rate),
            rate(&opinion.since)
        ));
    } else {
        says.push(match &opinion.before {
            Some(before) => format!("broken in {} before, {} since", rate(before), rate(&opinion.since)),
            None => format!("broken in {}", rate(&opinion.since)),
        });
    }
    if let Some(shift) = &opinion.shift {
        says.push(format!("margin {} → {} (noise {})", number(shift.before), number(shift.after), number(shift.noise)));
    }
    says.extend(opinion.drift.iter().map(|found| drift(opinion, found)));
    says.extend(opinion.excuses.iter().flat_map(|excuses| excused(verdicts, opinion, excuses)));
    if opinion.verdict == Verdict::Insufficient {
        says.extend(undecided(verdicts, series, opinion));
    }
    says
}

/// The runs that faults spoilt, and what speaks against that as an excuse.
fn excused(verdicts: &Verdicts, opinion: &Opinion, excuses: &Excuses) -> Vec<String> {
    let runs = if excuses.runs == 1 { "1 run" } else { &format!("{} runs", excuses.runs) };
    if excuses.broken == 0 {
        return vec![format!("{runs} beside faults, none broken, left out")];
    }
    let mut says =
        vec![format!("{runs} beside faults, {} broken, left out: they say nothing about the product", excuses.broken)];
    if let Some(began) = &excuses.began {
        let version = verdicts.history.names.name(began.version);
        says.push(format!(
            "against: the faults began with {version}: none in {} runs before, {} in {} since; it may be what the product does to its environment",
            began.before, began.spoilt, began.since
        ));
    }
    if excuses.held > 0 {
        says.push(format!("against: in {} of {} such runs it held", excuses.held, excuses.runs));
    }
    if opinion.verdict == Verdict::Environment && says.len() == 1 {
        says.push("against: nothing was found".to_owned());
    }
    says
}

fn undecided(verdicts: &Verdicts, series: &Series, opinion: &Opinion) -> Vec<String> {
    let mut says = Vec::new();
    let held = opinion.informative - opinion.broken;
    if opinion.informative == 0 {
        says.push(format!("none of {} runs says anything about it", series.runs.len()));
    } else if !opinion.newest {
        says.push("no run of the newest version says anything about it".to_owned());
    } else if opinion.taken_back {
        says.push(
            "too unsure for one of several assertions: of regressions that are told at once one in twenty may be none"
                .to_owned(),
        );
    } else if opinion.broken == 1 && held > 1 {
        says.push(format!("one red among {held} green proves nothing"));
    }
    let (likeliest, share) = opinion.posterior.likeliest();
    let unseen = if likeliest == Verdict::Environment.name() { ", but nothing that was recorded shows it" } else { "" };
    says.push(format!("likeliest: {}, {:.0} %{unseen}", likeliest.replace('_', " "), 100.0 * share));
    says.extend(opinion.plan.as_ref().map(|plan| planned(verdicts, series, plan)));
    says
}

fn planned(verdicts: &Verdicts, series: &Series, plan: &Plan) -> String {
    let version = verdicts.version_of(series, plan.of).unwrap_or_default();
    let sure = 100.0 * plan.probability;
    match (plan.runs, plan.of) {
        (Some(runs), Of::Newest) => {
            format!("{runs} more of {version} would decide it with {sure:.0} %: collector record --repeat {runs}")
        }
        (Some(runs), Of::Before) => format!(
            "{runs} more of {version}, the version before, would decide it with {sure:.0} %: whether the product changed or what surrounds it"
        ),
        (None, _) => format!("not even {MOST_RUNS} more of {version} would decide it (with {sure:.0} %)"),
    }
}

fn drift(opinion: &Opinion, drift: &Drift) -> String {
    let way = if drift.per_run < 0.0 { "loses" } else { "gains" };
    // What is broken already will not break.
    let green = opinion.verdict != Verdict::Regression;
    let left = drift.runs_left.filter(|_| green).map_or(String::new(), |runs| {
        format!("; at this rate broken in {} more {}", number(runs), if runs == 1.0 { "run" } else { "runs" })
    });
    format!("drifts: {way} {} of its margin a run{left}", number(drift.per_run.abs()))
}

fn rate(rate: &Rate) -> String {
    match rate.broken {
        0 if rate.runs == 0 => "none of 0".to_owned(),
        0 => format!("0 of {} (at most {} %)", rate.runs, percent(rate.high)),
        broken => format!("{broken} of {} ({} to {} %)", rate.runs, percent(rate.low), percent(rate.high)),
    }
}

fn percent(share: f64) -> String {
    number((1000.0 * share).round() / 10.0)
}

fn stable(text: &mut String, told: &[(&Series, &Opinion)]) {
    for (series, opinion) in told.iter().filter(|(_, opinion)| opinion.drift.is_some()) {
        coloured(
            text,
            &format!("{}  stable, {:.0} %", series.assertion, 100.0 * opinion.probability()),
            Verdict::Stable,
        );
        opinion.drift.iter().for_each(|found| line(text, &format!("    {}", drift(opinion, found))));
    }
    let quiet: Vec<_> = told.iter().filter(|(_, opinion)| opinion.drift.is_none()).collect();
    if let Some(worst) = quiet.iter().map(|(_, opinion)| opinion.since.high).max_by(f64::total_cmp) {
        let names: Vec<&str> = quiet.iter().map(|(series, _)| series.assertion.as_str()).collect();
        let bound = format!("broken in at most {} % of runs", percent(worst));
        coloured(text, &format!("stable: {} ({bound})", listed(&names)), Verdict::Stable);
    }
}

/// How many of each verdict there are.
pub fn counts(verdicts: &Verdicts) -> String {
    let count = |verdict: Verdict| verdicts.opinions.iter().filter(|opinion| opinion.verdict == verdict).count();
    let counted: Vec<String> = ORDER
        .into_iter()
        .map(|verdict| (count(verdict), verdict))
        .filter(|(count, _)| *count > 0)
        .map(|(count, verdict)| format!("{count} {}", verdict.name().replace('_', " ")))
        .collect();
    if counted.is_empty() { "no runs".to_owned() } else { counted.join(", ") }
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn line(text: &mut String, says: &str) {
    text.push_str(plain(says).trim_end());
    text.push('\n');
}

fn coloured(text: &mut String, says: &str, verdict: Verdict) {
    let colour = match verdict {
        Verdict::Regression | Verdict::BrokenNoBaseline => "31",
        Verdict::Environment | Verdict::Insufficient | Verdict::SpecChange | Verdict::Flaky => "33",
        Verdict::Fixed | Verdict::Stable => "32",
    };
    match stdout_has_colours() {
        true => _ = writeln!(text, "\x1b[{colour}m{}\x1b[0m", plain(says)),
        false => line(text, says),
    }
}
