//! A history from anywhere: a table of outcomes, as CSV or JSON lines.
//!
//! Whatever order its rows are in, the histories are the same.

mod rows;

use std::collections::HashMap;
use std::io::BufRead;

use crate::{Run, Series};
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

    /// The histories, in order.
    ///
    /// # Errors
    /// What contradicts itself.
    pub fn history(self) -> Result<History, String> {
        let Gatherer { names, mut gathered, .. } = self;
        gathered.sort_by(|one, other| one.0.cmp(&other.0));
        let mut series = Vec::with_capacity(gathered.len());
        for (assertion, gathered) in gathered {
            let runs = gathered.in_order(&names).map_err(|problem| format!("{assertion}: {problem}"))?;
            series.push(Series { assertion: assertion.into(), runs });
        }
        Ok(History { series, names })
    }
}

/// When a version comes, by its told order or its first run.
#[derive(Clone, Copy)]
struct Rank {
    order: Option<f64>,
    first_ns: i64,
}

impl Gathered {
    /// The runs in the order of their versions, then of time. A row that is there twice counts once.
    fn in_order(self, names: &Names) -> Result<Vec<Run>, String> {
        let mut ranks: HashMap<u32, Rank> = HashMap::new();
        for (order, run) in &self.runs {
            let rank = ranks.entry(run.version).or_insert(Rank { order: *order, first_ns: run.at_ns });
            if rank.order != *order {
                let name = names.name(run.version);
                return Err(format!("version `{name}` has more than one version_order, or only sometimes one"));
            }
            rank.first_ns = rank.first_ns.min(run.at_ns);
        }
        if ranks.values().any(|rank| rank.order.is_none()) && ranks.values().any(|rank| rank.order.is_some()) {
            return Err("some versions have a version_order and some have none".to_owned());
        }
        let mut versions: Vec<(u32, Rank)> = ranks.into_iter().collect();
        versions.sort_by(|(one, first), (other, second)| {
            let order = |rank: &Rank| rank.order.unwrap_or(0.0);
            order(first)
                .total_cmp(&order(second))
                .then(first.first_ns.cmp(&second.first_ns))
                .then_with(|| names.name(*one).cmp(names.name(*other)))
        });
        let places: HashMap<u32, usize> =
            versions.iter().enumerate().map(|(place, (version, _))| (*version, place)).collect();
        let mut runs: Vec<(usize, Run)> = self.runs.into_iter().map(|(_, run)| (places[&run.version], run)).collect();
        runs.sort_by(|(first, one), (second, other)| {
            first
                .cmp(second)
                .then(one.at_ns.cmp(&other.at_ns))
                .then_with(|| names.name(one.run).cmp(names.name(other.run)))
                .then_with(|| one.outcome.name().cmp(other.outcome.name()))
                .then_with(|| one.margin.unwrap_or(0.0).total_cmp(&other.margin.unwrap_or(0.0)))
                .then_with(|| one.attribution.cmp(&other.attribution))
                .then_with(|| names.name(one.environment).cmp(names.name(other.environment)))
        });
        let mut runs: Vec<Run> = runs.into_iter().map(|(_, run)| run).collect();
        runs.dedup();
        Ok(runs)
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
