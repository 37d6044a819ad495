//! Series and their present values. One that is known is found without allocating anything; one too many is refused, and counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};

use super::known::{Known, Since};
use super::text;

/// What sort of number a metric family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Unknown,
}

/// What a series is within its family, in the order in which a page has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    Plain,
    Bucket(f64),
    Quantile(f64),
    Count,
    Sum,
    Created,
}

impl Part {
    /// Where it stands among the parts of its group.
    pub(crate) fn place(self) -> (u8, f64) {
        match self {
            Part::Plain => (0, 0.0),
            Part::Bucket(bound) => (1, bound),
            Part::Quantile(share) => (2, share),
            Part::Count => (3, 0.0),
            Part::Sum => (4, 0.0),
            Part::Created => (5, 0.0),
        }
    }
}

/// How long a value is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Life {
    /// Until there is another.
    Kept,
    /// For [`FRESH_NS`]: what it is measured of may be gone.
    Fresh,
    /// Until its target is scraped again: the number of the target.
    OfScrape(usize),
    /// The value is the time since it was set.
    Elapsing,
    /// No more.
    Ended,
}

/// A number that is measured each second, and was not for so long, is not told any more.
const FRESH_NS: i64 = 5_000_000_000;

/// The name of samples.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// The family that it says it belongs to.
    pub(crate) family: String,
    pub(crate) kind: Kind,
    /// Empty for what was recorded from somebody's page.
    pub(crate) help: &'static str,
}

/// An observation behind a bucket.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) value: f64,
    pub(crate) at_ns: i64,
}

#[derive(Debug)]
pub(crate) struct Series {
    /// A place among the names.
    pub(crate) name: usize,
    /// As written, but without those that its part says.
    pub(crate) labels: Box<str>,
    pub(crate) part: Part,
    pub(crate) since: Since,
    pub(crate) life: Life,
    pub(crate) value: f64,
    pub(crate) at_ns: i64,
    pub(crate) exemplar: Option<Box<Exemplar>>,
}

/// What a series is to be that is not there yet.
pub(crate) struct New {
    pub(crate) name: Name,
    pub(crate) labels: String,
    pub(crate) part: Part,
    pub(crate) since: Since,
    pub(crate) life: Life,
}

/// All series of a run.
#[derive(Debug)]
pub(crate) struct Store {
    /// The labels that every series has.
    shared: String,
    pub(crate) names: Vec<Name>,
    pub(crate) series: Vec<Series>,
    limit: usize,
    /// Values that were left out.
    pub(crate) refused: u64,
    /// When each scraped target was scraped last.
    pub(crate) scraped: Vec<(String, i64)>,
    // Keys are hashes with a random seed: nobody can make two of them the same, and by chance they are not.
    hasher: RandomState,
    by_key: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    by_identity: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
}

impl Store {
    pub(crate) fn new(run_id: &str, scenario: &str, limit: usize) -> Store {
        let mut shared = String::new();
        text::push_label(&mut shared, "run", run_id);
        text::push_label(&mut shared, "scenario", scenario);
        Store {
            shared,
            names: Vec::new(),
            series: Vec::new(),
            limit,
            refused: 0,
            scraped: Vec::new(),
            hasher: RandomState::new(),
            by_key: HashMap::default(),
            by_identity: HashMap::default(),
        }
    }

    /// The labels that every series has, to put others behind.
    pub(crate) fn shared(&self) -> String {
        self.shared.clone()
    }

    pub(crate) fn key(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// The series of a key, made where there is none and there is room.
    pub(crate) fn find(&mut self, key: u64, new: impl FnOnce(&Store) -> New) -> Option<usize> {
        self.find_within(self.limit, key, new)
    }

    fn find_within(&mut self, limit: usize, key: u64, new: impl FnOnce(&Store) -> New) -> Option<usize> {
        if let Some(id) = self.by_key.get(&key) {
            return Some(*id);
        }
        if self.series.len() >= limit || self.by_key.len() >= 2 * limit {
            self.refused += 1;
            return None;
        }
        let new = new(self);
        let id = self.insert(new);
        self.by_key.insert(key, id);
        Some(id)
    }

    /// The first of the series of a histogram's group: its buckets, the last of which has no bound, its count and its sum.
    pub(crate) fn histogram(&mut self, known: Known, values: &[&str], bounds: &[f64]) -> Option<usize> {
        let key = self.key((known as u16, values));
        if let Some(id) = self.by_key.get(&key) {
            return Some(*id);
        }
        if self.series.len() + bounds.len() + 3 > self.limit_of(known) {
            self.refused += 1;
            return None;
        }
        let buckets = bounds.iter().copied().chain([f64::INFINITY]).map(Part::Bucket);
        let first = self.series.len();
        for part in buckets.chain([Part::Count, Part::Sum]) {
            let new = self.of_known(known, values, part, Life::Kept);
            self.insert(new);
        }
        self.by_key.insert(key, first);
        Some(first)
    }

    /// A series of those known beforehand.
    pub(crate) fn known(&mut self, known: Known, values: &[&str], life: Life) -> Option<usize> {
        let key = self.key((known as u16, values));
        self.find_within(self.limit_of(known), key, |store| store.of_known(known, values, Part::Plain, life))
    }

    /// A page that somebody else serves must not crowd out what is counted here, nor names that come over the wire what
    /// is known beforehand.
    fn limit_of(&self, known: Known) -> usize {
        match known {
            Known::Events => self.limit + self.limit / 2,
            _ => 2 * self.limit,
        }
    }

    pub(crate) fn of_known(&self, known: Known, values: &[&str], part: Part, life: Life) -> New {
        let mut labels = self.shared();
        for (label, value) in known.labels().iter().zip(values) {
            text::push_label(&mut labels, label, value);
        }
        let family = match known.kind() {
            Kind::Counter => known.name().trim_end_matches("_total"),
            _ => known.name(),
        };
        let suffix = match part {
            Part::Bucket(_) => "_bucket",
            Part::Count => "_count",
            Part::Sum => "_sum",
            _ => "",
        };
        let name = Name {
            text: format!("{}{suffix}", known.name()),
            family: family.to_owned(),
            kind: known.kind(),
            help: known.help(),
        };
        New { name, labels, part, since: known.since(), life }
    }

    /// Puts in a series, unless one with the same name and labels is there: then that one it is.
    fn insert(&mut self, new: New) -> usize {
        let (place, bound) = new.part.place();
        let identity = self.key((&new.name.text, new.name.kind, &new.labels, place, bound.to_bits()));
        if let Some(id) = self.by_identity.get(&identity) {
            return *id;
        }
        let same = |name: &Name| name.text == new.name.text && name.kind == new.name.kind;
        let known = self.names.iter().rposition(same);
        let name = known.unwrap_or_else(|| {
            self.names.push(new.name);
            self.names.len() - 1
        });
        let id = self.series.len();
        self.series.push(Series {
            name,
            labels: new.labels.into(),
            part: new.part,
            since: new.since,
            life: new.life,
            value: 0.0,
            at_ns: 0,
            exemplar: None,
        });
        self.by_identity.insert(identity, id);
        id
    }

    pub(crate) fn add(&mut self, known: Known, values: &[&str], by: f64) {
        if let Some(id) = self.known(known, values, Life::Kept) {
            self.series[id].value += by;
        }
    }

    pub(crate) fn set(&mut self, known: Known, values: &[&str], value: f64) {
        if let Some(id) = self.known(known, values, Life::Kept) {
            self.series[id].value = value;
        }
    }

    /// Where a target stands among those scraped.
    pub(crate) fn target(&mut self, target: &str) -> usize {
        let known = self.scraped.iter().position(|(known, _)| known == target);
        known.unwrap_or_else(|| {
            self.scraped.push((target.to_owned(), i64::MIN));
            self.scraped.len() - 1
        })
    }

    /// A series' value at a time; `None` where it has none.
    pub(crate) fn value(&self, id: usize, now_ns: i64) -> Option<f64> {
        let series = &self.series[id];
        let is_one = match series.life {
            Life::Kept => true,
            Life::Fresh => now_ns.saturating_sub(series.at_ns) <= FRESH_NS,
            Life::OfScrape(target) => self.scraped.get(target).is_none_or(|(_, last_ns)| series.at_ns >= *last_ns),
            Life::Elapsing => return Some(now_ns.saturating_sub(series.at_ns).max(0) as f64 / 1e9),
            Life::Ended => false,
        };
        is_one.then_some(series.value)
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
