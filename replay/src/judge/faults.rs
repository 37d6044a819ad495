//! Faults that the spec knows, as evidence about an assertion's windows.

use std::collections::BTreeSet;

use super::coverage::Window;
use super::{Attribution, Facts, Judged, Judgement, Need, Observation, Outcome, needs};

/// One row of a fault's query.
#[derive(Clone, Debug)]
pub struct FaultRow {
    /// Whom it speaks for or against.
    pub attribution: Attribution,
    /// What happened.
    pub says: String,
    /// Where and when.
    pub row: Observation,
    /// The names of the sources that it is about; none: whatever is seen through any.
    pub concerns: Vec<String>,
}

impl FaultRow {
    /// Whether it speaks of what is seen through one of these sources.
    pub fn is_about(&self, needed: &BTreeSet<&str>) -> bool {
        self.concerns.is_empty() || self.concerns.iter().any(|name| needed.contains(name.as_str()))
    }
}

/// How many rows of an assertion lie beside a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    /// Those that violate the bound.
    pub violations: usize,
    /// Those that held.
    pub held: usize,
}

/// Sets the attribution: by the faults inside the windows of the rows that decide and about a source that is needed. A
/// broken assertion is only excused where every one of its violations lies beside a fault.
pub fn attribute(facts: &Facts, needs: &[Need], judgement: &mut Judgement, rows: &[Judged], faults: &[FaultRow]) {
    let deciding: Vec<&Judged> = match judgement.outcome {
        Outcome::Broken => judgement.violations.iter().collect(),
        _ => rows.iter().collect(),
    };
    let windows: Vec<Window> = match deciding.is_empty() {
        true => vec![facts.whole_run()],
        false => deciding.iter().map(|row| facts.window(row.observation.from_ns, row.observation.until_ns)).collect(),
    };
    let needed = needs::names(facts, needs);
    let touches = |fault: &FaultRow, window: &Window| touches(facts, fault, window);
    let near = |fault: &FaultRow| fault.is_about(&needed) && windows.iter().any(|window| touches(fault, window));
    let relevant: Vec<(usize, &FaultRow)> = faults.iter().enumerate().filter(|(_, fault)| near(fault)).collect();
    let every_window = windows.iter().all(|window| relevant.iter().any(|(_, fault)| touches(fault, window)));
    let product = relevant.iter().any(|(_, fault)| fault.attribution == Attribution::Product);
    judgement.attribution = match (judgement.outcome, relevant.first()) {
        (_, Some(_)) if product => Some(Attribution::Product),
        (Outcome::Broken, Some((_, first))) if every_window => Some(first.attribution),
        (Outcome::Broken, _) => Some(Attribution::Unknown),
        (_, first) => first.map(|(_, fault)| fault.attribution),
    };
    judgement.faults = relevant.iter().map(|(place, _)| *place).collect();
    judgement.touches = relevant.iter().map(|(_, fault)| touch(facts, fault, rows)).collect();
}

fn touch(facts: &Facts, fault: &FaultRow, rows: &[Judged]) -> Touch {
    let window = |row: &Judged| facts.window(row.observation.from_ns, row.observation.until_ns);
    let beside =
        |outcome| rows.iter().filter(|row| row.outcome == outcome && touches(facts, fault, &window(row))).count();
    Touch { violations: beside(Outcome::Broken), held: beside(Outcome::Held) }
}

/// The fault that takes the blame for whatever is seen in a window: of the environment or the harness, where none of
/// the product touches it too.
pub fn excuse<'f>(facts: &Facts, window: &Window, faults: &[&'f FaultRow]) -> Option<&'f FaultRow> {
    let mut relevant = faults.iter().copied().filter(|fault| touches(facts, fault, window)).peekable();
    let first = relevant.peek().copied()?;
    (!relevant.any(|fault| fault.attribution == Attribution::Product)).then_some(first)
}

fn touches(facts: &Facts, fault: &FaultRow, window: &Window) -> bool {
    let (from_ns, until_ns) = facts.bounds(window);
    let (fault_from_ns, fault_until_ns) = facts.bounds(&facts.window(fault.row.from_ns, fault.row.until_ns));
    fault.row.skipped.is_none() && fault_from_ns <= until_ns && fault_until_ns >= from_ns
}
