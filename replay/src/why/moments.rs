//! What happened around an assertion's rows, by time, with the handles that show it.

use std::collections::BTreeSet;

use recording::Stamped;
use recording::reader::Recording;
use recording::record::{Event, Gap};

use crate::error::Error;
use crate::evidence::{self, Shown};
use crate::judge::{FaultRow, Judged, Judgement, Observed, Outcome};
use crate::report::{self, RunReport};

/// More rows of the assertion than these are only counted.
pub const MOST_ROWS: usize = 10;
/// So many handles of one row.
const HANDLES_OF_A_ROW: usize = 3;
/// Sources of the timeline whose rows are told whatever is asked: they are few, and everything lies between them.
const ALWAYS: [&str; 5] = ["run", "publisher", "inject", "mark", "command"];
/// Rows of other sources are told where they are as near as this to a row of the assertion or of a fault that touches it.
const NEAR_NS: i64 = 5_000_000_000;

/// Why a moment is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A row of the assertion.
    Row,
    /// A fault that touches it.
    Fault,
    /// A fault that doesn't.
    OtherFault,
    /// Records were lost.
    Gap,
    /// What the run, its processes and containers did.
    Run,
}

impl Role {
    /// The word in reports; rows of the assertion are called by its outcome.
    pub fn name(self, outcome: Outcome) -> &'static str {
        match self {
            Role::Row => outcome.name(),
            Role::Fault => "fault",
            Role::OtherFault => "elsewhere",
            Role::Gap => "gap",
            Role::Run => "run",
        }
    }
}

/// One moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// In ns since the run's start; `None` where it has none.
    pub at_ns: Option<i64>,
    /// Why it is told.
    pub role: Role,
    /// What `replay show` takes; none where no row shows it.
    pub handle: Option<String>,
    /// What happened.
    pub says: String,
}

/// The moments around an assertion, by time.
///
/// # Errors
/// [`Error::Recording`].
pub fn around(recording: &Recording, run: &RunReport, judgement: &Judgement) -> Result<Vec<Moment>, Error> {
    let deciding = deciding(judgement);
    let faults: Vec<(Role, &FaultRow)> = faults(run, judgement);
    let of_rows = deciding.iter().flat_map(|row| handles(&row.observation.evidence));
    let of_faults = faults.iter().flat_map(|(_, fault)| handles(&fault.row.evidence));
    let shown = evidence::rows(recording, of_rows.chain(of_faults))?;
    let mut moments: Vec<Moment> = Vec::new();
    for row in &deciding {
        moments.extend(of_row(row, |handle| shown.get(handle)));
    }
    for (role, fault) in &faults {
        let first = fault.row.evidence.iter().find(|handle| report::is_handle(handle)).cloned();
        let seen_ns = first.as_ref().and_then(|handle| shown.get(handle)).map(|shown| shown.at_ns);
        let at_ns = fault.row.from_ns.or(seen_ns);
        let says = format!("{}: {}: {}", fault.attribution.name(), fault.says, fault.row.subject);
        moments.push(Moment { at_ns, role: *role, handle: first, says });
    }
    let near: Vec<i64> =
        moments.iter().filter(|one| one.role != Role::OtherFault).filter_map(|one| one.at_ns).collect();
    let known: BTreeSet<String> = moments.iter().filter_map(|one| one.handle.clone()).collect();
    moments.extend(of_timeline(recording, &near, &known)?);
    moments.extend(of_gaps(recording)?);
    moments.sort_by_key(|one| (one.at_ns.is_none(), one.at_ns, one.role, one.handle.clone()));
    Ok(moments)
}

/// When the evidence of each violation was recorded, at first; in the order of the violations.
///
/// # Errors
/// [`Error::Recording`].
pub fn first_seen(recording: &Recording, judgement: &Judgement) -> Result<Vec<Option<i64>>, Error> {
    let evidence = |row: &Judged| row.observation.evidence.clone();
    let all: Vec<Vec<String>> = judgement.violations.iter().map(evidence).collect();
    let shown = evidence::rows(recording, all.iter().flatten().map(String::as_str))?;
    let first =
        |handles: &Vec<String>| handles.iter().filter_map(|handle| shown.get(handle)).map(|row| row.at_ns).min();
    Ok(all.iter().map(first).collect())
}

/// The rows to tell: the violations, else the worst.
fn deciding(judgement: &Judgement) -> Vec<&Judged> {
    match judgement.violations.is_empty() {
        true => judgement.worst.iter().collect(),
        false => judgement.violations.iter().take(MOST_ROWS).collect(),
    }
}

fn handles(evidence: &[String]) -> impl Iterator<Item = &str> {
    evidence.iter().take(HANDLES_OF_A_ROW).map(String::as_str)
}

fn of_row<'s>(row: &Judged, shown: impl Fn(&str) -> Option<&'s Shown>) -> Vec<Moment> {
    let observation = &row.observation;
    let observed = match &observation.observed {
        Observed::Missing => "not seen".to_owned(),
        Observed::Number(number) => report::number(*number),
        Observed::Text(text) => text.clone(),
    };
    let told = format!("{}: {observed}", observation.subject);
    let of_handle = |handle: &str| {
        let shown = shown(handle)?;
        let says = format!("{told} · {}", shown.says);
        Some(Moment { at_ns: Some(shown.at_ns), role: Role::Row, handle: Some(handle.to_owned()), says })
    };
    let found: Vec<Moment> = handles(&observation.evidence).filter_map(of_handle).collect();
    match (found.is_empty(), &observation.observed) {
        (false, _) => found,
        (true, Observed::Missing) => {
            vec![Moment { at_ns: observation.until_ns, role: Role::Row, handle: None, says: format!("{told} by now") }]
        }
        (true, _) => vec![Moment { at_ns: observation.from_ns, role: Role::Row, handle: None, says: told }],
    }
}

/// The faults that touch the assertion, then the others.
fn faults<'r>(run: &'r RunReport, judgement: &Judgement) -> Vec<(Role, &'r FaultRow)> {
    let role = |place: usize| if judgement.faults.contains(&place) { Role::Fault } else { Role::OtherFault };
    let mut faults: Vec<(Role, &FaultRow)> =
        run.faults.iter().enumerate().map(|(place, fault)| (role(place), fault)).collect();
    faults.sort_by_key(|(role, _)| *role);
    faults.truncate(2 * MOST_ROWS);
    faults
}

fn of_timeline(recording: &Recording, near: &[i64], known: &BTreeSet<String>) -> Result<Vec<Moment>, Error> {
    let is_near = |at_ns: i64| near.iter().any(|other| other.abs_diff(at_ns) <= NEAR_NS.unsigned_abs());
    let rows = recording.rows::<Event>()?.into_iter();
    let told = rows.filter(|stamped| {
        let source = stamped.row.source.as_str();
        ALWAYS.contains(&source) || stamped.row.event != "media.refused" && is_near(stamped.at_ns)
    });
    let moment = |stamped: Stamped<Event>| {
        let Event { source, subject, event, exit_code, .. } = stamped.row;
        let exit_code = exit_code.map_or(String::new(), |code| format!(", exit code {code}"));
        let says =
            if source == "run" { format!("run {event}") } else { format!("{source} {subject} {event}{exit_code}") };
        Moment { at_ns: Some(stamped.at_ns), role: Role::Run, handle: Some(format!("timeline#{}", stamped.seq)), says }
    };
    Ok(told.map(moment).filter(|one| one.handle.as_ref().is_none_or(|handle| !known.contains(handle))).collect())
}

fn of_gaps(recording: &Recording) -> Result<Vec<Moment>, Error> {
    let moment = |stamped: Stamped<Gap>| {
        let Gap { from_ns, to_ns, source, lost, reason } = stamped.row;
        let until = report::seconds(to_ns);
        let says = format!("{lost} records of {source} lost until {until}: {reason}");
        Moment { at_ns: Some(from_ns), role: Role::Gap, handle: Some(format!("gaps#{}", stamped.seq)), says }
    };
    Ok(recording.rows::<Gap>()?.into_iter().take(2 * MOST_ROWS).map(moment).collect())
}
