//! Verdicts, as cases.

use verdict::{Opinion, Outcome, Series, Verdict};

use super::{Case, Cause, Status, Told};
use crate::exit::Exit;
use crate::report::verdicts::{counts, headline, said};
use crate::verdicts::Verdicts;

/// All that verdicts tell.
pub fn told(verdicts: &Verdicts, exit: Exit) -> Told {
    let pairs: Vec<(&Series, &Opinion)> = verdicts.history.series.iter().zip(&verdicts.opinions).collect();
    let cases = pairs.iter().map(|(series, opinion)| case(verdicts, series, opinion)).collect();
    let mut together = vec![false; pairs.len()];
    let mut causes = Vec::new();
    for incident in verdicts.incidents.iter().filter(|incident| incident.len() > 1) {
        let members: Vec<(&Series, &Opinion)> = incident.iter().map(|place| pairs[*place]).collect();
        if members.iter().any(|(_, opinion)| opinion.verdict != Verdict::Regression) {
            continue;
        }
        incident.iter().for_each(|place| together[*place] = true);
        causes.push(Cause {
            status: Status::Failed,
            title: format!("1 cause explains {} failures", members.len()),
            lines: members
                .iter()
                .map(|(series, opinion)| format!("{}: {}", series.assertion, headline(opinion)))
                .collect(),
            file: None,
        });
    }
    for ((series, opinion), _) in pairs.iter().zip(together).filter(|(_, together)| !together) {
        if matches!(status(opinion.verdict), Status::Failed | Status::Undecided) {
            causes.push(Cause {
                status: status(opinion.verdict),
                title: format!("{}: {}", series.assertion, headline(opinion)),
                lines: said(verdicts, series, opinion),
                file: None,
            });
        }
    }
    causes.sort_by_key(|cause| cause.status != Status::Failed);
    Told { cases, causes, summary: format!("{}: {}", counts(verdicts), exit.meaning_of_verdicts()) }
}

fn status(verdict: Verdict) -> Status {
    match verdict {
        Verdict::Stable | Verdict::Fixed => Status::Passed,
        Verdict::Flaky => Status::Flaky,
        Verdict::Regression | Verdict::BrokenNoBaseline => Status::Failed,
        Verdict::Environment | Verdict::SpecChange | Verdict::Insufficient => Status::Undecided,
    }
}

fn case(verdicts: &Verdicts, series: &Series, opinion: &Opinion) -> Case {
    let since = opinion.change.as_ref().map_or(0, |change| change.place);
    let broken = series.runs.iter().skip(since).filter(|run| run.outcome == Outcome::Broken && !run.is_excused());
    let names = broken.map(|run| verdicts.history.names.name(run.run).to_owned());
    let told =
        matches!(opinion.verdict, Verdict::Regression | Verdict::BrokenNoBaseline | Verdict::Flaky | Verdict::Fixed);
    Case {
        suite: "history".to_owned(),
        name: series.assertion.clone(),
        // Mended, but not for good.
        status: if opinion.verdict == Verdict::Fixed && opinion.since.broken > 0 {
            Status::Flaky
        } else {
            status(opinion.verdict)
        },
        word: opinion.verdict.name().to_owned(),
        message: headline(opinion),
        details: said(verdicts, series, opinion),
        broken_runs: if told { names.collect() } else { Vec::new() },
    }
}
