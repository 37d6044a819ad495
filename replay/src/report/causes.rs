//! What broke, by what explains it: the order in which people want to read a failed check.

use std::collections::BTreeSet;

use super::{AssertionReport, RunReport};
use crate::judge::{Attribution, FaultRow, Outcome};

/// A fault of the spec, as often as it happened.
pub struct Happened<'r> {
    /// The first time.
    pub first: &'r FaultRow,
    /// The other times, the earliest first.
    pub again: Vec<&'r FaultRow>,
}

/// A fault that explains something broken.
pub struct Cause<'r> {
    /// The fault.
    pub fault: Happened<'r>,
    /// The broken assertions that it explains, in the spec's order.
    pub explains: Vec<&'r AssertionReport>,
}

/// Broken assertions that the same faults explain, whenever these happened.
pub struct Group<'r> {
    /// The faults, in the spec's order.
    pub faults: Vec<Happened<'r>>,
    /// The assertions, in the spec's order.
    pub broken: Vec<&'r AssertionReport>,
}

impl<'r> Happened<'r> {
    /// The handles of every time, each once.
    pub fn evidence(&self) -> Vec<&'r str> {
        let mut known = BTreeSet::new();
        let rows = std::iter::once(self.first).chain(self.again.iter().copied());
        let handles = rows.flat_map(|row| &row.row.evidence).map(String::as_str);
        handles.filter(|handle| known.insert(*handle)).collect()
    }
}

/// Every fault that explains something broken, in the spec's order.
pub fn causes<'r>(run: &'r RunReport) -> Vec<Cause<'r>> {
    let explained: Vec<(Vec<usize>, &AssertionReport)> =
        broken(run).map(|report| (explaining(run, report), report)).collect();
    let places: BTreeSet<usize> = explained.iter().flat_map(|(places, _)| places).copied().collect();
    let cause = |fault: Happened<'r>| {
        let by_it = |places: &[usize]| rows(run, places).any(|row| key(row) == key(fault.first));
        let explains = explained.iter().filter(|(places, _)| by_it(places)).map(|(_, report)| *report).collect();
        Cause { explains, fault }
    };
    happened(run, places).into_iter().map(cause).collect()
}

/// What is broken and explained, by what explains it: what explains most first.
pub fn explained(run: &RunReport) -> Vec<Group<'_>> {
    let keyed = broken(run).map(|report| {
        let places = explaining(run, report);
        (rows(run, &places).map(key).collect::<BTreeSet<_>>(), (places, report))
    });
    let mut groups = gathered(keyed.filter(|(keys, _)| !keys.is_empty()));
    groups.sort_by_key(|(_, broken)| std::cmp::Reverse(broken.len()));
    let group = |(places, broken): (Vec<Vec<usize>>, _)| {
        let places: BTreeSet<usize> = places.into_iter().flatten().collect();
        Group { faults: happened(run, places), broken }
    };
    groups.into_iter().map(|(_, broken)| group(broken.into_iter().unzip())).collect()
}

/// What is broken and nothing explains, by the sources through which it was seen, in the spec's order.
pub fn unexplained(run: &RunReport) -> Vec<(&[String], Vec<&AssertionReport>)> {
    let unexplained = broken(run).filter(|report| explaining(run, report).is_empty());
    gathered(unexplained.map(|report| (report.sources.as_slice(), report)))
}

/// The faults that touch something, but at no time anything that is broken, in the spec's order.
pub fn harmless(run: &RunReport) -> Vec<Happened<'_>> {
    let places: BTreeSet<usize> = run.assertions.iter().flat_map(|report| &report.judgement.faults).copied().collect();
    let harmful: BTreeSet<_> = broken(run).flat_map(|report| rows(run, &report.judgement.faults)).map(key).collect();
    happened(run, places).into_iter().filter(|fault| !harmful.contains(&key(fault.first))).collect()
}

/// The faults at these places, each once, in the order of the places.
pub fn happened<'r>(run: &'r RunReport, places: impl IntoIterator<Item = usize>) -> Vec<Happened<'r>> {
    let keyed = places.into_iter().filter_map(|place| run.faults.get(place)).map(|row| (key(row), row));
    let fault = |(_, mut rows): (_, Vec<&'r FaultRow>)| {
        rows.sort_by_key(|row| row.row.from_ns);
        let mut rows = rows.into_iter();
        Some(Happened { first: rows.next()?, again: rows.collect() })
    };
    gathered(keyed).into_iter().filter_map(fault).collect()
}

/// What makes two rows the same fault: whom it speaks for or against, and what it says.
fn key(row: &FaultRow) -> (Attribution, &str) {
    (row.attribution, &row.says)
}

fn rows<'r>(run: &'r RunReport, places: &[usize]) -> impl Iterator<Item = &'r FaultRow> {
    places.iter().filter_map(move |place| run.faults.get(*place))
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
