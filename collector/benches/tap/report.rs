//! The tables, and what they say against the targets. Of several rounds the median stands, with the least and the most.

use std::fmt::Write;

use crate::peers::Candidate;
use crate::plan::{Found, Rounds};
use crate::round::Outcome;
use crate::sizes::Size;

/// The most that the 99th percentile may be, times HAProxy's.
const P99_TARGET: f64 = 1.25;
/// The least that the tap may forward, times mitmproxy's.
const MITMPROXY_TARGET: f64 = 20.0;

/// All tables that there is something for.
pub fn tables(found: &[Found], sizes: &[Size]) -> String {
    let mut text = String::new();
    if found.iter().any(|found| !found.half.is_empty()) {
        half(&mut text, found);
    }
    if found.iter().any(|found| !found.saturated.is_empty()) {
        saturated(&mut text, found);
    }
    if found.iter().any(|found| found.gap_free.is_some()) {
        gap_free(&mut text, found);
    }
    if !sizes.is_empty() {
        recorded(&mut text, sizes);
    }
    text
}

fn half(text: &mut String, found: &[Found]) {
    let percent = found.first().map_or(50.0, |found| 100.0 * found.asked / found.direct_max);
    line(text, &format!("### At {percent:.1} % of direct's highest rate\n"));
    line(
        text,
        "Latency counts from when a message was meant to leave. Ratios are of rounds of one run, median (least..most); \"direct again\" against direct is the machine's noise.\n",
    );
    line(
        text,
        "| message, connections | candidate | rate /s | p50 µs | p99 µs | p50 / direct | p50 / HAProxy | p99 / HAProxy | relay's CPU µs/message | recording's CPU ms/MB | peak MB | events recorded | verdict |",
    );
    line(text, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|---|");
    for found in found {
        for (candidate, outcomes) in &found.half {
            let against = |other, of: fn(&Outcome) -> f64| ratio(&found.half, *candidate, other, of);
            let (p50, p99) = (|outcome: &Outcome| outcome.p50_ns, |outcome: &Outcome| outcome.p99_ns);
            line(
                text,
                &format!(
                    "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                    cell(found),
                    candidate.name(),
                    number(median(outcomes, |outcome| outcome.rate)),
                    number(median(outcomes, p50) / 1e3),
                    number(median(outcomes, p99) / 1e3),
                    spread(&against(Candidate::Direct, p50)),
                    spread(&against(Candidate::Haproxy, p50)),
                    spread(&against(Candidate::Haproxy, p99)),
                    of_relay(*candidate, median(outcomes, |outcome| outcome.relay_us)),
                    of_tap(*candidate, format!("{:.1}", median(outcomes, |outcome| outcome.recording_ms_per_mb))),
                    of_relay(*candidate, median(outcomes, |outcome| outcome.peak_rss as f64 / 1e6)),
                    of_tap(*candidate, completeness(outcomes)),
                    verdict(*candidate, found, outcomes),
                ),
            );
        }
    }
    line(text, "");
}

/// Where a candidate can't keep the rate, its latency grows with the length of the round: that is said first.
fn verdict(candidate: Candidate, found: &Found, outcomes: &[Outcome]) -> String {
    let kept = candidate == Candidate::Mitmproxy || median(outcomes, |outcome| outcome.rate) > 0.97 * found.asked;
    let mut said = if kept { Vec::new() } else { vec![format!("can't keep {}/s", number(found.asked))] };
    said.extend((candidate == Candidate::Tap).then(|| half_verdict(found)));
    said.join("; ")
}

fn half_verdict(found: &Found) -> String {
    let Some(tap) = found.half.get(&Candidate::Tap) else { return String::new() };
    let against = |of: fn(&Outcome) -> f64| middle(&ratio(&found.half, Candidate::Tap, Candidate::Haproxy, of));
    let p50_target = if found.bytes < 10_000 { 1.05 } else { 0.70 };
    let checks = [
        ("p50", against(|outcome| outcome.p50_ns), p50_target),
        ("p99", against(|outcome| outcome.p99_ns), P99_TARGET),
        ("CPU", against(|outcome| outcome.relay_us), 1.0),
    ];
    let mut said: Vec<String> = checks.iter().filter_map(|(what, is, most)| judged(what, *is, *most)).collect();
    said.push(if tap.iter().all(Outcome::is_complete) { "0 gaps".to_owned() } else { "**gaps**".to_owned() });
    said.join(", ")
}

/// `p50 ≤ 0.70` where it holds, `**p50 0.81 > 0.70**` where not; nothing where there is nothing to compare with.
fn judged(what: &str, is: f64, most: f64) -> Option<String> {
    let held = is <= most;
    (!is.is_nan()).then(|| if held { format!("{what} ≤ {most:.2}") } else { format!("**{what} {is:.2} > {most:.2}**") })
}

fn saturated(text: &mut String, found: &[Found]) {
    line(text, "### At full speed\n");
    line(text, "One message under way on each connection. Gaps are counted, not avoided.\n");
    line(
        text,
        "| message, connections | candidate | messages /s | MB/s each way | / direct | tap / it | relay's CPU µs/message | recording's CPU ms/MB | peak MB | events recorded | verdict |",
    );
    line(text, "|---|---|--:|--:|--:|--:|--:|--:|--:|---|---|");
    for found in found {
        for (candidate, outcomes) in &found.saturated {
            let rate = median(outcomes, |outcome| outcome.rate);
            let of_rate = |outcome: &Outcome| outcome.rate;
            let tap_over = ratio(&found.saturated, Candidate::Tap, *candidate, of_rate);
            let least = match candidate {
                Candidate::Haproxy | Candidate::Nginx => Some(1.0),
                Candidate::Mitmproxy => Some(MITMPROXY_TARGET),
                _ => None,
            };
            let verdict = least.filter(|_| !tap_over.is_empty()).map(|least| match middle(&tap_over) >= least {
                true => format!("tap ≥ {least:.0} times"),
                false => format!("**tap {:.2} < {least:.0} times**", middle(&tap_over)),
            });
            line(
                text,
                &format!(
                    "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                    cell(found),
                    candidate.name(),
                    number(rate),
                    number(rate * found.bytes as f64 / 1e6),
                    spread(&ratio(&found.saturated, *candidate, Candidate::Direct, of_rate)),
                    spread(&tap_over),
                    of_relay(*candidate, median(outcomes, |outcome| outcome.relay_us)),
                    of_tap(*candidate, format!("{:.1}", median(outcomes, |outcome| outcome.recording_ms_per_mb))),
                    of_relay(*candidate, median(outcomes, |outcome| outcome.peak_rss as f64 / 1e6)),
                    of_tap(*candidate, completeness(outcomes)),
                    verdict.unwrap_or_default(),
                ),
            );
        }
    }
    line(text, "");
}

fn gap_free(text: &mut String, found: &[Found]) {
    line(text, "### The highest rate without gaps\n");
    line(text, "| message, connections | messages /s | MB/s each way | of direct's highest |  |");
    line(text, "|---|--:|--:|--:|---|");
    for found in found {
        let Some((rate, limited)) = found.gap_free else { continue };
        let (megabytes, share) = (rate * found.bytes as f64 / 1e6, rate / found.direct_max * 100.0);
        let how = if limited { "found by halving, to an eighth" } else { "full speed: no gap at all" };
        line(text, &format!("| {} | {} | {} | {share:.0} % | {how} |", cell(found), number(rate), number(megabytes)));
    }
    line(text, "");
}

fn recorded(text: &mut String, sizes: &[Size]) {
    line(text, "### Size of the sealed recording\n");
    line(text, "| traffic | wire MB | folder MB | share | target | verdict |");
    line(text, "|---|--:|--:|--:|--:|---|");
    for size in sizes {
        let share = size.folder as f64 / size.wire as f64;
        let verdict = if share <= size.target { "held" } else { "**missed**" };
        line(
            text,
            &format!(
                "| {} | {:.1} | {:.1} | {:.1} % | ≤ {:.0} % | {verdict} |",
                size.what,
                size.wire as f64 / 1e6,
                size.folder as f64 / 1e6,
                share * 100.0,
                size.target * 100.0
            ),
        );
    }
    line(text, "");
}

fn cell(found: &Found) -> String {
    let size = if found.bytes < 10_000 { format!("{} B", found.bytes) } else { format!("{} kB", found.bytes / 1000) };
    format!("{size}, {}", found.connections)
}

/// Empty where there is no process to speak of.
fn of_relay(candidate: Candidate, value: f64) -> String {
    let direct = matches!(candidate, Candidate::Direct | Candidate::Again);
    if direct { String::new() } else { number(value) }
}

fn of_tap(candidate: Candidate, value: String) -> String {
    if candidate == Candidate::Tap { value } else { String::new() }
}

fn completeness(outcomes: &[Outcome]) -> String {
    let taped = outcomes.iter().filter_map(|outcome| outcome.taped.as_ref());
    let (events, gaps, lost) = taped
        .fold((0, 0, 0), |(events, gaps, lost), taped| (events + taped.events, gaps + taped.gaps, lost + taped.lost));
    let of: u64 = outcomes.iter().map(|outcome| 2 * outcome.sent).sum();
    match gaps {
        0 => format!("{events} of {of}, 0 gaps"),
        _ => format!("{events} of {of}, {gaps} gaps, {lost} lost"),
    }
}

/// What one candidate had over what another had, round by round, sorted.
fn ratio(rounds: &Rounds, one: Candidate, other: Candidate, of: fn(&Outcome) -> f64) -> Vec<f64> {
    let (Some(one), Some(other)) = (rounds.get(&one), rounds.get(&other)) else { return Vec::new() };
    let mut ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| of(one) / of(other)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

fn median(outcomes: &[Outcome], of: fn(&Outcome) -> f64) -> f64 {
    let mut values: Vec<f64> = outcomes.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    middle(&values)
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(sorted: &[f64]) -> String {
    match (sorted.first(), sorted.last()) {
        (Some(least), Some(most)) if sorted.len() > 1 => format!("{:.2} ({least:.2}..{most:.2})", middle(sorted)),
        (Some(only), _) => format!("{only:.2}"),
        _ => String::new(),
    }
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value {
        _ if value < 10.0 => format!("{value:.2}"),
        _ if value < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a String can't fail.
    writeln!(text, "{line}").unwrap_or(());
}
