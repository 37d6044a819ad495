//! What many assertions of the same runs say together.
//!
//! Assertions that break in the same runs have one cause; and of all regressions that are told at once at most one in twenty may
//! be none (P. Müller, G. Parmigiani, K. Rice, "FDR and Bayesian multiple comparisons rules", 2006).

use std::collections::{BTreeMap, HashMap};

use crate::history::root;
use crate::{Opinion, Outcome, Series, Verdict};

/// Assertions with as much of their broken runs in common have one cause.
const ALIKE: f64 = 0.6;
/// With more incidents than these an assertion is not compared.
const MOST_NEAR: usize = 50;
/// The share of told regressions that may be none.
const FALSE_DISCOVERIES: f64 = 0.05;

/// Places of assertions with one cause.
pub type Incident = Vec<usize>;

/// Groups what is worse than it was by cause, and takes back regressions that are too unsure beside the others.
pub fn together(series: &[Series], opinions: &mut [Opinion]) -> Vec<Incident> {
    let incidents = incidents(series, opinions);
    let suites = suites(series);
    let mut by_suite: BTreeMap<usize, Vec<&Incident>> = BTreeMap::new();
    for incident in &incidents {
        if let Some(first) = incident.first() {
            by_suite.entry(suites[*first]).or_default().push(incident);
        }
    }
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    for suite in &suites {
        *sizes.entry(*suite).or_default() += 1;
    }
    for (suite, mut incidents) in by_suite {
        if sizes[&suite] < 2 {
            continue;
        }
        let sure = |incident: &Incident| {
            incident.iter().map(|place| opinions[*place].posterior.regression).fold(0.0, f64::max)
        };
        incidents.sort_by(|one, other| sure(other).total_cmp(&sure(one)));
        let (mut wrong, mut told) = (0.0, 0.0);
        let mut taken_back = Vec::new();
        for incident in incidents {
            wrong += 1.0 - sure(incident);
            told += 1.0;
            if wrong / told > FALSE_DISCOVERIES {
                taken_back.extend(incident.iter().copied());
            }
        }
        for place in taken_back {
            opinions[place].verdict = Verdict::Insufficient;
            opinions[place].taken_back = true;
            opinions[place].kind = None;
        }
    }
    let mut incidents = incidents;
    incidents.retain(|incident| incident.iter().all(|place| opinions[*place].verdict == Verdict::Regression));
    incidents
}

/// Regressions by what broke together.
fn incidents(series: &[Series], opinions: &[Opinion]) -> Vec<Incident> {
    let mut incidents: Vec<(Incident, Vec<u32>)> = Vec::new();
    let mut by_run: HashMap<u32, Vec<usize>> = HashMap::new();
    for (place, opinion) in opinions.iter().enumerate() {
        if opinion.verdict != Verdict::Regression {
            continue;
        }
        let broken = broken_since(&series[place], opinion);
        // Sets so much alike have one of their first members in common.
        let first = broken.len() - (ALIKE * broken.len() as f64).ceil() as usize + 1;
        let first = &broken[..first.min(broken.len())];
        let mut near: Vec<usize> = Vec::new();
        for known in first.iter().filter_map(|run| by_run.get(run)).flatten() {
            if near.len() < MOST_NEAR && !near.contains(known) {
                near.push(*known);
            }
        }
        match near.into_iter().find(|near| alike(&incidents[*near].1, &broken)) {
            Some(known) => incidents[known].0.push(place),
            None => {
                for run in first {
                    by_run.entry(*run).or_default().push(incidents.len());
                }
                incidents.push((vec![place], broken));
            }
        }
    }
    incidents.into_iter().map(|(incident, _)| incident).collect()
}

/// The runs in which it was broken since it changed; of what is still green, all of them since then.
fn broken_since(series: &Series, opinion: &Opinion) -> Vec<u32> {
    let since = opinion.change.as_ref().map_or(0, |change| change.place);
    let runs = series.runs.iter().skip(since);
    let mut broken: Vec<u32> = runs.clone().filter(|run| run.outcome == Outcome::Broken).map(|run| run.run).collect();
    if broken.is_empty() {
        broken = runs.map(|run| run.run).collect();
    }
    broken.sort_unstable();
    broken
}

/// Jaccard's index of two sorted sets.
fn alike(one: &[u32], other: &[u32]) -> bool {
    let common = one.iter().filter(|run| other.binary_search(run).is_ok()).count();
    common as f64 >= ALIKE * (one.len() + other.len() - common) as f64 && common > 0
}

/// Which assertions are about the same runs: the place of the first of them.
fn suites(series: &[Series]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..series.len()).collect();
    let runs = series.iter().flat_map(|one| &one.runs).map(|run| run.run as usize + 1).max().unwrap_or(0);
    let mut first = vec![usize::MAX; runs];
    for (place, one) in series.iter().enumerate() {
        for run in &one.runs {
            let known = &mut first[run.run as usize];
            if *known == usize::MAX {
                *known = place;
            }
            let (one, other) = (root(&mut parent, place), root(&mut parent, *known));
            parent[one.max(other)] = one.min(other);
        }
    }
    (0..series.len()).map(|place| root(&mut parent, place)).collect()
}
