//! The rules by which an event is unusual, one function each. SPEC.md says them in words.

use std::collections::{BTreeMap, BTreeSet};

use super::{Divergence, How};
use super::{Event, Key, Trace};
use crate::judge::Observed;

/// How many median absolute deviations beyond the maximum are unusual.
pub const SPREADS: f64 = 3.0;
/// Below so many held runs no number is told: the smallest would be above 5 %.
pub const FEWEST_FOR_P: usize = 19;
/// With fewer held values of an event, those of all events of its type tell how they spread.
const FEWEST_VALUES: usize = 5;
/// A latency is late only by this share of the longest, and by this many seconds: clocks and machines are not exact.
const LATE_SHARE: f64 = 0.25;
const LATE_S: f64 = 0.1;
/// The share where fewer than [`FEWEST_VALUES`] latencies tell how they spread.
const LATE_SHARE_OF_FEW: f64 = 0.5;

/// A type of which a usual run has more events than this that no other has, or lacks more that all others have, varies:
/// one more or less says nothing.
const MOST_TO_VARY: f64 = 0.5;

/// The held runs, and what they share.
pub struct Held<'t> {
    runs: Vec<&'t Trace>,
    in_all: BTreeSet<&'t Key>,
    varying: Varying<'t>,
    latencies: Values<'t>,
    numbers: Values<'t>,
}

/// Numbers by event and by type of event. Latencies are told apart by the type that the event follows, too.
#[derive(Default)]
struct Values<'t> {
    of_key: BTreeMap<(&'t Key, &'t str), Vec<f64>>,
    of_kind: BTreeMap<(&'t str, &'t str), Vec<f64>>,
}

impl<'t> Values<'t> {
    fn add(&mut self, key: &'t Key, after: &'t str, value: f64) {
        self.of_key.entry((key, after)).or_default().push(value);
        self.of_kind.entry((&key.kind, after)).or_default().push(value);
    }

    fn own<'a>(&'a self, key: &'a Key, after: &'a str) -> Option<&'a [f64]> {
        self.of_key.get(&(key, after)).map(Vec::as_slice)
    }

    /// The values to compare with: the event's own where there are enough of them, else those of its type.
    fn like<'a>(&'a self, key: &'a Key, after: &'a str) -> Option<&'a [f64]> {
        match self.own(key, after)? {
            own if own.len() >= FEWEST_VALUES => Some(own),
            _ => self.of_kind.get(&(key.kind.as_str(), after)).map(Vec::as_slice),
        }
    }
}

/// How many events of each type a further usual run would have that none of them has, and would lack that all have: by
/// those of which exactly one run differs from all others (I. J. Good, "The Population Frequencies of Species and the
/// Estimation of Population Parameters", Biometrika 1953).
#[derive(Default)]
struct Varying<'t> {
    extra: BTreeMap<&'t str, f64>,
    missing: BTreeMap<&'t str, f64>,
}

impl<'t> Varying<'t> {
    fn of(runs: &[&'t Trace]) -> Varying<'t> {
        let mut counts: BTreeMap<&Key, usize> = BTreeMap::new();
        for (key, _) in runs.iter().flat_map(|run| run.events()) {
            *counts.entry(key).or_default() += 1;
        }
        let mut varying = Varying::default();
        // One run differs from itself in nothing, and from others nobody knows.
        for (key, count) in counts.into_iter().filter(|_| runs.len() > 1) {
            let each = 1.0 / runs.len() as f64;
            if count == 1 {
                *varying.extra.entry(&key.kind).or_default() += each;
            }
            if count + 1 == runs.len() {
                *varying.missing.entry(&key.kind).or_default() += each;
            }
        }
        varying
    }

    fn says_nothing(expected: &BTreeMap<&str, f64>, key: &Key) -> bool {
        expected.get(key.kind.as_str()).is_some_and(|expected| *expected > MOST_TO_VARY)
    }
}

impl<'t> Held<'t> {
    /// Looks at the held runs.
    pub fn new(runs: &[&'t Trace]) -> Held<'t> {
        let (mut latencies, mut numbers) = (Values::default(), Values::default());
        for run in runs {
            for (key, event) in run.events() {
                if let (Some((after, _)), Some(latency_s)) = (run.parent(key, event), run.latency_s(key, event)) {
                    latencies.add(key, &after.kind, latency_s);
                }
                if let Observed::Number(number) = event.value {
                    numbers.add(key, "", number);
                }
            }
        }
        let of_first = runs.first().into_iter().flat_map(|run| run.events()).map(|(key, _)| key);
        let in_all = of_first.filter(|key| runs.iter().all(|run| run.get(key).is_some())).collect();
        Held { varying: Varying::of(runs), runs: runs.to_vec(), in_all, latencies, numbers }
    }

    /// What all held runs have and this one lacks, though what it follows is there and there was time for it.
    pub fn missing(&self, run: &Trace) -> Vec<Divergence> {
        let missing = self.in_all.iter().filter(|key| run.get(key).is_none());
        let missing = missing.filter(|key| !Varying::says_nothing(&self.varying.missing, key));
        missing.filter_map(|key| self.is_missing(run, key)).collect()
    }

    fn is_missing(&self, run: &Trace, key: &Key) -> Option<Divergence> {
        let (held, event) = self.runs.iter().find_map(|held| Some((held, held.get(key)?)))?;
        let Some((parent, _)) = held.parent(key, event) else {
            let due_ns = median_ns(self.runs.iter().filter_map(|held| held.get(key)?.at_ns));
            return due_ns.is_none_or(|due_ns| run.reaches(due_ns)).then(|| Divergence {
                in_gap: run.lost(0, i64::MAX),
                ..divergence(key, How::Missing { after: None }, due_ns, Vec::new())
            });
        };
        // Where what it follows is missing as well, that is the thing to tell.
        let (parent, its) = run.get(parent).map(|event| (parent, event))?;
        let longest_s = self.latencies.own(key, &parent.kind).and_then(maximum);
        let due_ns = its.at_ns.zip(longest_s).map(|(at_ns, longest_s)| at_ns + nanoseconds(longest_s));
        if due_ns.is_some_and(|due_ns| !run.reaches(due_ns)) {
            return None;
        }
        let how = How::Missing { after: longest_s.map(|longest_s| (parent.clone(), longest_s)) };
        Some(Divergence {
            in_gap: its.at_ns.is_some_and(|at_ns| run.lost(at_ns, due_ns.unwrap_or(i64::MAX))),
            ..divergence(key, how, due_ns, its.evidence.clone())
        })
    }

    /// What no held run has, where what it follows is not extra itself.
    pub fn extra(&self, run: &Trace) -> Vec<Divergence> {
        let is_extra = |key: &Key| self.runs.iter().all(|held| held.get(key).is_none());
        let follows = |key: &Key, event: &Event| {
            run.parent(key, event).is_some_and(|(parent, _)| parent != key && is_extra(parent))
        };
        let extra = run.events().filter(|(key, event)| is_extra(key) && !follows(key, event));
        let extra = extra.filter(|(key, _)| !Varying::says_nothing(&self.varying.extra, key));
        extra.map(|(key, event)| divergence(key, How::Extra, event.at_ns, event.evidence.clone())).collect()
    }

    /// What came later after what it follows than in any held run.
    pub fn late(&self, run: &Trace) -> Vec<Divergence> {
        let mut found = Vec::new();
        for (key, event) in run.events() {
            let Some((after, parent)) = run.parent(key, event) else { continue };
            let (Some(latency_s), Some(parent_ns)) = (run.latency_s(key, event), parent.at_ns) else { continue };
            let Some(like) = self.latencies.like(key, &after.kind) else { continue };
            let Some(longest_s) = maximum(like) else { continue };
            let share = if like.len() < FEWEST_VALUES { LATE_SHARE_OF_FEW } else { LATE_SHARE };
            let slack_s = (SPREADS * deviation(like)).max(share * longest_s.abs()).max(LATE_S);
            let limit_s = longest_s + slack_s;
            if latency_s > limit_s {
                let how = How::Late { after: after.clone(), latency_s, longest_s, limit_s };
                let due_ns = parent_ns + nanoseconds(limit_s);
                found.push(divergence(key, how, Some(due_ns), event.evidence.clone()));
            }
        }
        found
    }

    /// What came before something of the same type that it follows in every held run. Neighbours are compared: where two
    /// changed places, some neighbours did.
    pub fn early(&self, run: &Trace) -> Vec<Divergence> {
        let Some(first) = self.runs.first() else { return Vec::new() };
        let mut kinds: BTreeMap<&str, Vec<(i64, &Key)>> = BTreeMap::new();
        for key in self.in_all.iter().copied() {
            let at_ns = first.get(key).and_then(|event| event.at_ns);
            if let (Some(at_ns), Some(_)) = (at_ns, run.get(key)) {
                kinds.entry(&key.kind).or_default().push((at_ns, key));
            }
        }
        let mut found = Vec::new();
        for mut keys in kinds.into_values() {
            keys.sort_unstable();
            for pair in keys.windows(2) {
                let [(_, before), (_, after)] = pair else { continue };
                let in_order = |run: &&Trace| Some(run.get(before)?.at_ns? < run.get(after)?.at_ns?);
                if self.runs.iter().all(|held| in_order(held) == Some(true)) && in_order(&run) == Some(false) {
                    let event = run.get(after);
                    let evidence = event.map(|event| event.evidence.clone()).unwrap_or_default();
                    let how = How::Early { first: (*before).clone() };
                    found.push(divergence(after, how, event.and_then(|event| event.at_ns), evidence));
                }
            }
        }
        found
    }

    /// What says something else than in held runs.
    pub fn values(&self, run: &Trace) -> Vec<Divergence> {
        let of_run = run.events().filter(|(key, _)| self.in_all.contains(key));
        let told = of_run.filter_map(|(key, event)| {
            let how = match &event.value {
                Observed::Number(found) => self.beyond(key, *found),
                Observed::Text(found) => self.another(key, Some(found)),
                Observed::Missing => self.another(key, None),
            };
            Some(divergence(key, how?, event.at_ns, event.evidence.clone()))
        });
        told.collect()
    }

    fn beyond(&self, key: &Key, found: f64) -> Option<How> {
        let like = self.numbers.like(key, "")?;
        let (least, most) = (minimum(like)?, maximum(like)?);
        let slack = SPREADS * deviation(like);
        let limit = if found > most { most + slack } else { least - slack };
        let is_beyond = found > most + slack || found < least - slack;
        is_beyond.then_some(How::Number { found, usual: (least, most), limit })
    }

    /// Texts on which the held runs differ are free: nothing can be said about them.
    fn another(&self, key: &Key, found: Option<&str>) -> Option<How> {
        let text = |held: &&Trace| match &held.get(key)?.value {
            Observed::Text(text) => Some(text.clone()),
            Observed::Number(_) | Observed::Missing => None,
        };
        let usual = self.runs.first().and_then(text)?;
        let agreed = self.runs.iter().all(|held| text(held).as_ref() == Some(&usual));
        let differs = found != Some(usual.as_str());
        (agreed && differs).then(|| How::Text { found: found.map(str::to_owned), usual })
    }
}

fn divergence(key: &Key, how: How, at_ns: Option<i64>, evidence: Vec<String>) -> Divergence {
    Divergence { key: key.clone(), how, at_ns, in_gap: false, evidence, usual_evidence: Vec::new() }
}

fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}

fn maximum(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

fn minimum(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

/// The median absolute deviation from the median.
fn deviation(values: &[f64]) -> f64 {
    let middle = median(values.to_vec());
    median(values.iter().map(|value| (value - middle).abs()).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.get(values.len() / 2), values.len() % 2) {
        (Some(upper), 0) => f64::midpoint(values[values.len() / 2 - 1], *upper),
        (Some(middle), _) => *middle,
        (None, _) => 0.0,
    }
}

fn median_ns(times: impl Iterator<Item = i64>) -> Option<i64> {
    let mut times: Vec<i64> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}
