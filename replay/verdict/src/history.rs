//! A history from anywhere: a table of outcomes, as CSV or JSON lines.
//!
//! Whatever order its rows are in, the histories are the same.

mod rows;

use std::collections::HashMap;
use std::io::BufRead;

use crate::{Outcome, Run, Series};
pub use rows::{Failure, Form, Row};

/// Many assertions' histories.
#[derive(Debug, Default)]
pub struct History {
    /// Every assertion's runs, by the assertions' names.
    pub series: Vec<Series>,
    /// The names that runs point at.
    pub names: Names,
}

/// Names of runs, versions and environments, each kept once.
#[derive(Debug, Default)]
pub struct Names {
    places: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Names {
    /// The place of a name, which is often the one asked for last.
    fn place_after(&mut self, last: &mut u32, name: &str) -> u32 {
        if self.names.get(*last as usize).is_none_or(|known| **known != *name) {
            *last = self.place(name);
        }
        *last
    }

    /// The place of a name.
    pub fn place(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.places.insert(name.into(), place);
        self.names.push(name.into());
        place
    }

    /// The same in the order of the alphabet, and the new places by the old ones: whatever order rows were in, names have the same.
    fn sorted(self) -> (Names, Vec<u32>) {
        let mut sorted: Vec<(Box<str>, usize)> = self.names.into_iter().zip(0..).collect();
        sorted.sort();
        let mut numbers = vec![0; sorted.len()];
        let mut names = Names::default();
        for (name, old) in sorted {
            numbers[old] = names.place(&name);
        }
        (names, numbers)
    }

    /// The name at a place.
    pub fn name(&self, place: u32) -> &str {
        self.names.get(place as usize).map_or("", |name| name)
    }
}

/// An assertion's rows, with the order of their versions where that is told.
#[derive(Default)]
struct Gathered {
    runs: Vec<(Option<f64>, Run)>,
}

/// Builds histories, row by row.
#[derive(Default)]
pub struct Gatherer {
    names: Names,
    places: HashMap<Box<str>, usize>,
    gathered: Vec<(Box<str>, Gathered)>,
    last: usize,
    last_version: u32,
    last_environment: u32,
}

impl Gatherer {
    /// Takes in what one run says about one assertion.
    pub fn add(&mut self, row: &Row<'_>) {
        let known = self.gathered.get(self.last).is_some_and(|(name, _)| **name == *row.assertion);
        if !known {
            let next = self.gathered.len();
            self.last = *self.places.entry(row.assertion.into()).or_insert(next);
            if self.last == next {
                self.gathered.push((row.assertion.into(), Gathered::default()));
            }
        }
        let run = Run {
            run: self.names.place(row.run),
            at_ns: row.at_ns,
            version: self.names.place_after(&mut self.last_version, row.version),
            environment: self.names.place_after(&mut self.last_environment, row.environment),
            outcome: row.outcome,
            attribution: row.attribution,
            margin: row.margin,
        };
        if let Some((_, gathered)) = self.gathered.get_mut(self.last) {
            gathered.runs.push((row.version_order, run));
        }
    }

    /// The histories, in order. Versions come in one order in all assertions that tell of the same runs.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn history(self) -> Result<History, String> {
        let Gatherer { names, mut gathered, .. } = self;
        gathered.sort_by(|one, other| one.0.cmp(&other.0));
        let (names, numbers) = names.sorted();
        gathered.iter_mut().for_each(|(_, gathered)| gathered.renumber(&numbers));
        let suites = suites(&gathered);
        let mut ranks: HashMap<usize, Ranks> = HashMap::new();
        for ((assertion, gathered), suite) in gathered.iter().zip(&suites) {
            gathered
                .rank(&names, ranks.entry(*suite).or_default())
                .map_err(|problem| format!("{assertion}: {problem}"))?;
        }
        let orders: HashMap<usize, HashMap<u32, usize>> =
            ranks.into_iter().map(|(suite, ranks)| (suite, order(ranks))).collect();
        let mut series = Vec::with_capacity(gathered.len());
        for ((assertion, gathered), suite) in gathered.into_iter().zip(suites) {
            let runs = gathered.in_order(&orders[&suite], names.places.get("").copied());
            if !runs.is_empty() {
                series.push(Series { assertion: assertion.into(), runs });
            }
        }
        Ok(History { series, names })
    }
}

/// Which assertions tell of the same runs: the place of the first of them.
fn suites(gathered: &[(Box<str>, Gathered)]) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..gathered.len()).collect();
    let mut first: HashMap<(u32, u32, i64), usize> = HashMap::new();
    for (place, (_, gathered)) in gathered.iter().enumerate() {
        for (_, run) in &gathered.runs {
            let known = *first.entry((run.run, run.version, run.at_ns)).or_insert(place);
            if known != place {
                let (one, other) = (root(&mut parent, place), root(&mut parent, known));
                parent[one.max(other)] = one.min(other);
            }
        }
    }
    (0..gathered.len()).map(|place| root(&mut parent, place)).collect()
}

/// The first of those that a place belongs together with.
pub(crate) fn root(parent: &mut [usize], mut place: usize) -> usize {
    while parent[place] != place {
        parent[place] = parent[parent[place]];
        place = parent[place];
    }
    place
}

type Ranks = HashMap<u32, Rank>;

/// The places of versions, from the first.
fn order(ranks: Ranks) -> HashMap<u32, usize> {
    let mut versions: Vec<(u32, Rank)> = ranks.into_iter().collect();
    versions.sort_by(|(one, first), (other, second)| {
        let order = |rank: &Rank| rank.order.unwrap_or(0.0);
        order(first).total_cmp(&order(second)).then(first.first_ns.cmp(&second.first_ns)).then(one.cmp(other))
    });
    versions.into_iter().enumerate().map(|(place, (version, _))| (version, place)).collect()
}

/// When a version comes, by its told order or its first run.
#[derive(Clone, Copy)]
struct Rank {
    order: Option<f64>,
    first_ns: i64,
}

impl Gathered {
    fn renumber(&mut self, numbers: &[u32]) {
        for (_, run) in &mut self.runs {
            for place in [&mut run.run, &mut run.version, &mut run.environment] {
                *place = numbers[*place as usize];
            }
        }
    }

    /// Adds what is told of the order of its versions.
    fn rank(&self, names: &Names, ranks: &mut Ranks) -> Result<(), String> {
        for (order, run) in &self.runs {
            let rank = ranks.entry(run.version).or_insert(Rank { order: *order, first_ns: run.at_ns });
            if rank.order != *order {
                let name = names.name(run.version);
                return Err(format!("version `{name}` has more than one version_order, or only sometimes one"));
            }
            rank.first_ns = rank.first_ns.min(run.at_ns);
        }
        match ranks.values().any(|rank| rank.order.is_none()) && ranks.values().any(|rank| rank.order.is_some()) {
            true => Err("some versions have a version_order and some have none".to_owned()),
            false => Ok(()),
        }
    }

    /// The runs that it applies to, in the order of their versions, then of time. A row that is there twice counts once.
    fn in_order(self, order: &HashMap<u32, usize>, unknown: Option<u32>) -> Vec<Run> {
        let mut runs: Vec<(usize, Run)> = self.runs.into_iter().map(|(_, run)| (order[&run.version], run)).collect();
        runs.sort_by(|(first, one), (second, other)| {
            let margin = |run: &Run| (run.margin.is_some(), run.margin.unwrap_or(0.0));
            let ((one_has, one_margin), (other_has, other_margin)) = (margin(one), margin(other));
            first
                .cmp(second)
                .then(one.at_ns.cmp(&other.at_ns))
                .then(one.run.cmp(&other.run))
                .then_with(|| one.outcome.name().cmp(other.outcome.name()))
                .then(one_has.cmp(&other_has))
                .then(one_margin.total_cmp(&other_margin))
                .then(one.attribution.cmp(&other.attribution))
                .then(one.environment.cmp(&other.environment))
        });
        let mut runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
        runs.dedup();
        runs.retain(|run| run.outcome != Outcome::NotApplicable);
        know(&mut runs, unknown);
        runs
    }
}

/// Where the environment isn't known it is taken for the last known one: nothing shows that it changed.
fn know(runs: &mut [Run], unknown: Option<u32>) {
    let known = |run: &&Run| Some(run.environment) != unknown;
    let Some(mut last) = runs.iter().find(known).map(|run| run.environment) else { return };
    for run in runs {
        match Some(run.environment) == unknown {
            true => run.environment = last,
            false => last = run.environment,
        }
    }
}

/// Reads a history.
///
/// # Errors
/// What keeps it from being one, with the line.
pub fn read(input: impl BufRead, form: Form) -> Result<History, Failure> {
    let mut gatherer = Gatherer::default();
    rows::each(input, form, |row| gatherer.add(row))?;
    gatherer.history().map_err(|problem| Failure::Says(None, problem))
}

#[cfg(test)]
mod tests;
