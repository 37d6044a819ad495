//! The events of one run, by what they are.

use std::collections::BTreeMap;
use std::fmt;

use crate::judge::Observed;

/// What an event is, the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What happened.
    pub kind: String,
    /// To whom.
    pub entity: String,
    /// How often it had happened to it before.
    pub again: usize,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.kind, self.entity)?;
        match self.again {
            0 => Ok(()),
            again => write!(f, " (time {})", again + 1),
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub kind: String,
    /// To whom; `None`: it is told apart by how often it happened.
    pub entity: Option<String>,
    /// When, in ns since the run's start; `None`: at no moment, only its value counts.
    pub at_ns: Option<i64>,
    /// Kind and entity of the event that it follows, with `#` between them.
    pub parent: Option<String>,
    /// What it says.
    pub value: Observed,
    /// Handles of rows that show it.
    pub evidence: Vec<String>,
}

/// The events of one run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    events: BTreeMap<Key, Event>,
    complete: bool,
    end_ns: i64,
    gaps: Vec<(i64, i64)>,
}

impl Trace {
    /// The events of a run of some length; `gaps` are the stretches in which records were lost.
    pub fn new(mut events: Vec<Event>, complete: bool, end_ns: i64, gaps: Vec<(i64, i64)>) -> Trace {
        events.sort_by_key(|event| (event.at_ns.is_none(), event.at_ns));
        let mut counts: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
        let mut keyed = BTreeMap::new();
        for event in events {
            let count = counts.entry((event.kind.clone(), event.entity.clone())).or_default();
            let key = match &event.entity {
                Some(entity) => Key { kind: event.kind.clone(), entity: entity.clone(), again: *count },
                None => Key { kind: event.kind.clone(), entity: (*count + 1).to_string(), again: 0 },
            };
            *count += 1;
            // An entity that is written as a number may be the number of another event of its kind: the first stays.
            keyed.entry(key).or_insert(event);
        }
        Trace { events: keyed, complete, end_ns, gaps }
    }

    /// Every event.
    pub fn events(&self) -> impl Iterator<Item = (&Key, &Event)> {
        self.events.iter()
    }

    /// The event of a key.
    pub fn get(&self, key: &Key) -> Option<&Event> {
        self.events.get(key)
    }

    /// The event that another one follows: the same time of it, else the last time before, else the first.
    pub fn parent(&self, key: &Key, event: &Event) -> Option<(&Key, &Event)> {
        let named = self.named(event.parent.as_deref()?);
        let mut first = None;
        let mut before = None;
        for (parent, its) in named {
            if parent.again == key.again {
                return Some((parent, its));
            }
            first = first.or(Some((parent, its)));
            if its.at_ns.is_some() && its.at_ns <= event.at_ns {
                before = Some((parent, its));
            }
        }
        before.or(first)
    }

    fn named<'t>(&'t self, name: &str) -> impl Iterator<Item = (&'t Key, &'t Event)> + use<'t> {
        let (kind, entity) = name.rsplit_once('#').unwrap_or((name, "1"));
        let first = Key { kind: kind.to_owned(), entity: entity.to_owned(), again: 0 };
        let last = Key { again: usize::MAX, ..first.clone() };
        self.events.range(first..=last)
    }

    /// Seconds from what the event follows; `None` where that is not there or one of them has no moment.
    pub fn latency_s(&self, key: &Key, event: &Event) -> Option<f64> {
        let (_, parent) = self.parent(key, event)?;
        Some((event.at_ns? - parent.at_ns?) as f64 / 1e9)
    }

    /// Whether the run was still there at a moment, so that what did not happen by then was missing.
    pub fn reaches(&self, at_ns: i64) -> bool {
        self.complete || at_ns <= self.end_ns
    }

    /// Whether records were lost within a stretch.
    pub fn lost(&self, from_ns: i64, until_ns: i64) -> bool {
        self.gaps.iter().any(|(gap_from_ns, gap_to_ns)| *gap_from_ns <= until_ns && *gap_to_ns >= from_ns)
    }
}
