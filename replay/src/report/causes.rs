//! What broke, by what explains it: the order in which people want to read a failed check.

use std::collections::{BTreeMap, BTreeSet};

use super::{AssertionReport, RunReport};
use crate::judge::{Attribution, FaultRow, Outcome};

/// A fault that explains something broken.
pub struct Cause<'r> {
    /// The fault.
    pub fault: &'r FaultRow,
    /// The broken assertions that it explains, in the spec's order.
    pub explains: Vec<&'r AssertionReport>,
}

/// Broken assertions that the same faults explain; none, where nothing does.
pub struct Group<'r> {
    /// The faults, in the spec's order.
    pub faults: Vec<&'r FaultRow>,
    /// The assertions, in the spec's order.
    pub broken: Vec<&'r AssertionReport>,
}

/// Every fault that explains something broken, in the spec's order.
pub fn causes(run: &RunReport) -> Vec<Cause<'_>> {
    let mut explains: BTreeMap<usize, Vec<&AssertionReport>> = BTreeMap::new();
    for report in broken(run) {
        explaining(run, report).into_iter().for_each(|place| explains.entry(place).or_default().push(report));
    }
    let cause = |(place, explains)| Some(Cause { fault: run.faults.get(place)?, explains });
    explains.into_iter().filter_map(cause).collect()
}

/// What is broken and explained, by what explains it: what explains most first.
pub fn explained(run: &RunReport) -> Vec<Group<'_>> {
    let keyed = broken(run).map(|report| (explaining(run, report), report));
    let mut groups = gathered(keyed.filter(|(places, _)| !places.is_empty()));
    groups.sort_by_key(|(_, broken)| std::cmp::Reverse(broken.len()));
    let faults = |places: Vec<usize>| places.into_iter().filter_map(|place| run.faults.get(place)).collect();
    groups.into_iter().map(|(places, broken)| Group { faults: faults(places), broken }).collect()
}

/// What is broken and nothing explains, by the sources through which it was seen, in the spec's order.
pub fn unexplained(run: &RunReport) -> Vec<(&[String], Vec<&AssertionReport>)> {
    let unexplained = broken(run).filter(|report| explaining(run, report).is_empty());
    gathered(unexplained.map(|report| (report.sources.as_slice(), report)))
}

/// The faults that touch something, but nothing that is broken, in the spec's order.
pub fn harmless(run: &RunReport) -> Vec<&FaultRow> {
    let mut places: BTreeSet<usize> =
        run.assertions.iter().flat_map(|report| report.judgement.faults.clone()).collect();
    broken(run).flat_map(|report| &report.judgement.faults).for_each(|place| _ = places.remove(place));
    places.into_iter().filter_map(|place| run.faults.get(place)).collect()
}

/// The assertions with an outcome, in the spec's order.
pub fn with(run: &RunReport, outcome: Outcome) -> impl Iterator<Item = &AssertionReport> {
    run.assertions.iter().filter(move |report| report.judgement.outcome == outcome)
}

fn broken(run: &RunReport) -> impl Iterator<Item = &AssertionReport> {
    with(run, Outcome::Broken)
}

/// The faults that give a broken assertion its attribution, in the spec's order.
fn explaining(run: &RunReport, report: &AssertionReport) -> Vec<usize> {
    let judgement = &report.judgement;
    let attribution = judgement.attribution.filter(|attribution| *attribution != Attribution::Unknown);
    let places = judgement.faults.iter().copied();
    places.filter(|place| run.faults.get(*place).map(|fault| fault.attribution) == attribution).collect()
}

/// Values under equal keys together, in the order of their first.
pub fn gathered<K: PartialEq, V>(keyed: impl IntoIterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in keyed {
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}
