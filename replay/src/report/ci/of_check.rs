//! What `check` says, as cases.

use super::{Case, Cause, Status, Told};
use crate::exit::Exit;
use crate::judge::{Attribution, Judged, Outcome};
use crate::report::text::counts;
use crate::report::{AssertionReport, CheckReport, RunReport, causes, words};

/// More rows of evidence are only counted.
const MOST_ROWS: usize = 10;
/// More names in one line are only counted.
const MOST_NAMES: usize = 12;

/// All that `check` has to tell.
pub fn told(report: &CheckReport, exit: Exit) -> Told {
    let of_runs = report.runs.iter().flat_map(|run| run.assertions.iter().map(|one| case(&run.run_id, one)));
    let over = report.history.iter().map(|history| case("all runs", &history.assertion));
    let mut causes: Vec<Cause> = report.runs.iter().flat_map(causes_of).collect();
    causes.extend(report.history.iter().filter_map(|history| alone("all runs", &history.assertion)));
    causes.sort_by_key(|cause| cause.status != Status::Failed);
    let summary = format!("{}: {}", counts(report.assertions()), exit.meaning());
    Told { cases: of_runs.chain(over).collect(), causes, summary }
}

fn status(report: &AssertionReport) -> Status {
    match (report.judgement.outcome, report.judgement.attribution) {
        (Outcome::Held, _) => Status::Passed,
        (Outcome::Broken, Some(Attribution::Environment | Attribution::Harness)) | (Outcome::Inconclusive, _) => {
            Status::Undecided
        }
        (Outcome::Broken, _) => Status::Failed,
        (Outcome::NotApplicable, _) => Status::Skipped,
    }
}

fn case(suite: &str, report: &AssertionReport) -> Case {
    let judgement = &report.judgement;
    let attribution = judgement.attribution.filter(|_| judgement.outcome != Outcome::Held);
    let word = match attribution {
        Some(attribution) => format!("{} ({})", judgement.outcome.name(), attribution.name()),
        None => judgement.outcome.name().to_owned(),
    };
    Case {
        suite: suite.to_owned(),
        name: report.id.clone(),
        status: status(report),
        word,
        message: message(report),
        details: details(report),
        broken_runs: Vec::new(),
    }
}

/// What was required, and what was observed or is missing.
fn message(report: &AssertionReport) -> String {
    let judgement = &report.judgement;
    let observed = judgement.worst.as_ref().filter(|_| judgement.outcome == Outcome::Broken);
    match (observed, &judgement.reason) {
        (Some(worst), _) => format!("{}: {}, required {}", report.says, words::observed(worst, report), report.bound),
        (None, Some(reason)) => format!("{}: {reason}", report.says),
        (None, None) => report.says.clone(),
    }
}

fn details(report: &AssertionReport) -> Vec<String> {
    let row = |row: &Judged| {
        let evidence = row.observation.evidence.join(", ");
        let shown = if evidence.is_empty() { String::new() } else { format!(" ({evidence})") };
        format!("{}: {}{shown}", row.observation.subject, words::observed(row, report))
    };
    let violations = &report.judgement.violations;
    let mut lines: Vec<String> = violations.iter().take(MOST_ROWS).map(row).collect();
    if let Some(more) = violations.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// What is not good in one run, by cause.
fn causes_of(run: &RunReport) -> Vec<Cause> {
    let file = Some(run.spec.display().to_string());
    let mut told = Vec::new();
    for group in causes::explained(run) {
        let worst = group.broken.iter().any(|report| status(report) == Status::Failed);
        let faults = group.faults.iter().map(words::happened).collect::<Vec<_>>().join("; ");
        told.push(Cause {
            status: if worst { Status::Failed } else { Status::Undecided },
            title: format!("1 cause explains {} broken in {}", group.broken.len(), run.run_id),
            lines: [vec![faults], group.broken.iter().map(|report| line(report)).collect()].concat(),
            file: file.clone(),
        });
    }
    for (sources, broken) in causes::unexplained(run) {
        let through = if sources.is_empty() { String::new() } else { format!(", seen through {}", sources.join(", ")) };
        told.push(Cause {
            status: Status::Failed,
            title: format!("{} broken in {}{through}", named(&broken), run.run_id),
            lines: broken.iter().map(|report| line(report)).collect(),
            file: file.clone(),
        });
    }
    let unjudged: Vec<&AssertionReport> = causes::with(run, Outcome::Inconclusive).collect();
    if !unjudged.is_empty() {
        told.push(Cause {
            status: Status::Undecided,
            title: format!("{} could not be judged in {}", named(&unjudged), run.run_id),
            lines: unjudged.iter().map(|report| line(report)).collect(),
            file,
        });
    }
    told
}

fn alone(suite: &str, report: &AssertionReport) -> Option<Cause> {
    let bad = matches!(status(report), Status::Failed | Status::Undecided);
    bad.then(|| Cause {
        status: status(report),
        title: format!("{} {} over {suite}", report.id, report.judgement.outcome.name()),
        lines: vec![line(report)],
        file: None,
    })
}

fn line(report: &AssertionReport) -> String {
    format!("{}: {}", report.id, message(report))
}

fn named(reports: &[&AssertionReport]) -> String {
    let names: Vec<&str> = reports.iter().take(MOST_NAMES).map(|report| report.id.as_str()).collect();
    match reports.len().checked_sub(MOST_NAMES).filter(|more| *more > 0) {
        Some(more) => format!("{} and {more} more", names.join(", ")),
        None => names.join(", "),
    }
}
