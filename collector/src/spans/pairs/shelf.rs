//! Pairs that are open, and those that were closed so lately that something may still be said of them. All ways to one
//! are short, however many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use recording::record::Packet;

use super::super::draft::Draft;
use super::AFTER_NS;

/// A pair that was opened.
pub(super) struct Entry {
    /// Which one of the scenario's.
    pub(super) pair: usize,
    pub(super) key: String,
    pub(super) tap: String,
    /// Whose it is: the Engine.IO session, or the connection where there is none.
    pub(super) session: String,
    pub(super) namespace: Option<String>,
    pub(super) connection: i64,
    pub(super) direction: String,
    pub(super) ack_id: Option<i64>,
    /// Whether its session is gone; whoever comes back with another one may send it again.
    pub(super) left: bool,
    /// When the last byte of the opening packet passed: what passed before knows nothing of it.
    pub(super) opened_ns: i64,
    pub(super) closed_ns: Option<i64>,
    pub(super) draft: Draft,
}

impl Entry {
    /// Whether what was seen then is still about it, however late it was recorded.
    pub(super) fn hears(&self, at_ns: i64) -> bool {
        let until_ns = self.closed_ns.map_or(i64::MAX, |closed_ns| closed_ns.saturating_add(AFTER_NS));
        (self.opened_ns..=until_ns).contains(&at_ns)
    }

    fn by_key(&self) -> (usize, String, String) {
        (self.pair, self.tap.clone(), self.key.clone())
    }

    fn by_session(&self) -> (String, String) {
        (self.tap.clone(), self.session.clone())
    }

    fn by_ack(&self) -> Option<Ack> {
        let Entry { tap, session, namespace, direction, .. } = self;
        Some((tap.clone(), session.clone(), namespace.clone(), direction.clone(), self.ack_id?))
    }
}

/// Each side counts from 0, so an ack's number means nothing without the direction of what asked for it.
type Ack = (String, String, Option<String>, String, i64);

/// Where a pair stands: pairs that were opened later stand behind.
pub(super) type Place = u64;

#[derive(Default)]
pub(super) struct Shelf {
    entries: BTreeMap<Place, Entry>,
    next: Place,
    open: BTreeSet<Place>,
    closed: VecDeque<Place>,
    by_key: HashMap<(usize, String, String), Vec<Place>>,
    /// Open ones only.
    by_session: HashMap<(String, String), BTreeSet<Place>>,
    by_ack: HashMap<Ack, Place>,
}

impl Shelf {
    pub(super) fn put(&mut self, entry: Entry) -> Place {
        let place = self.next;
        self.next += 1;
        self.open.insert(place);
        self.by_key.entry(entry.by_key()).or_default().push(place);
        self.by_session.entry(entry.by_session()).or_default().insert(place);
        if let Some(ack) = entry.by_ack() {
            self.by_ack.insert(ack, place);
        }
        self.entries.insert(place, entry);
        place
    }

    /// Keeps a pair for what is still said of it.
    pub(super) fn close(&mut self, place: Place, at_ns: i64) {
        self.no_longer_open(place);
        if let Some(entry) = self.entries.get_mut(&place) {
            entry.closed_ns = Some(at_ns);
            self.closed.push_back(place);
        }
    }

    /// Takes an open pair away.
    pub(super) fn take(&mut self, place: Place) -> Option<Entry> {
        self.no_longer_open(place);
        let entry = self.entries.remove(&place)?;
        if let Some(ack) = entry.by_ack()
            && self.by_ack.get(&ack) == Some(&place)
        {
            self.by_ack.remove(&ack);
        }
        let by_key = entry.by_key();
        if let Some(places) = self.by_key.get_mut(&by_key) {
            places.retain(|known| *known != place);
            if places.is_empty() {
                self.by_key.remove(&by_key);
            }
        }
        Some(entry)
    }

    /// Takes the pair away that was closed first, where that is before this time.
    pub(super) fn take_closed(&mut self, before_ns: i64) -> Option<Entry> {
        let place = *self.closed.front()?;
        let closed_ns = self.entries.get(&place).and_then(|entry| entry.closed_ns);
        if closed_ns.is_some_and(|closed_ns| closed_ns >= before_ns) {
            return None;
        }
        self.closed.pop_front();
        self.take(place)
    }

    fn no_longer_open(&mut self, place: Place) {
        self.open.remove(&place);
        let Some(entry) = self.entries.get(&place) else { return };
        let by_session = entry.by_session();
        if let Some(places) = self.by_session.get_mut(&by_session) {
            places.remove(&place);
            if places.is_empty() {
                self.by_session.remove(&by_session);
            }
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    pub(super) fn closed(&self) -> usize {
        self.closed.len()
    }

    pub(super) fn oldest(&self) -> Option<Place> {
        self.open.first().copied()
    }

    pub(super) fn get(&self, place: Place) -> Option<&Entry> {
        self.entries.get(&place)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Entry> {
        self.entries.get_mut(&place)
    }

    /// Pairs of a key, closed ones included, oldest first.
    pub(super) fn of_key(&self, pair: usize, tap: &str, key: &str) -> Vec<Place> {
        self.by_key.get(&(pair, tap.to_owned(), key.to_owned())).cloned().unwrap_or_default()
    }

    /// Open pairs of a session, newest first.
    pub(super) fn of_session(&self, tap: &str, session: &str) -> impl Iterator<Item = Place> + '_ {
        self.by_session.get(&(tap.to_owned(), session.to_owned())).into_iter().flatten().rev().copied()
    }

    /// The pair that asked for this ack from the other side; it may be closed.
    pub(super) fn of_ack(&self, session: &str, ack: &Packet) -> Option<Place> {
        let asked = if ack.direction == "sent" { "received" } else { "sent" };
        let (tap, session, namespace) = (ack.tap.clone(), session.to_owned(), ack.namespace.clone());
        self.by_ack.get(&(tap, session, namespace, asked.to_owned(), ack.ack_id?)).copied()
    }
}
