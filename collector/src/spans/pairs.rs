//! Correlated pairs: the event that opens one, and the event of the same key that closes it.

mod early;
mod pair;
mod shelf;
mod stages;

use std::collections::{BTreeMap, HashMap, VecDeque};

use recording::record::Packet;
use serde_json::{Value, json};

use super::draft::{Draft, Handle, message, short};
use super::{Ended, Moment, hash};
use early::{Closes, Early, Waiting};
pub use pair::Pair;
use pair::{Role, subject};
use shelf::{Entry, Place, Shelf};
use stages::stages_of;

/// The most pairs that are kept open; the oldest then ends as one that was not closed. As many closed ones are kept.
const MAX_OPEN: usize = 4_096;
/// How long after a pair was closed an event of its key still belongs to it: that the answer came is said then.
const AFTER_NS: i64 = 2_000_000_000;
/// Rows come nearly in order of time; this much later none that belongs to it is still to come.
const SLACK_NS: i64 = 1_000_000_000;
/// Of how many open pairs an event without a key is told: the newest.
const MAX_TOLD: usize = 32;

/// Pairs as they open and close.
#[derive(Default)]
pub(super) struct Pairs {
    pairs: Vec<Pair>,
    shelf: Shelf,
    /// Answers without a question: on another connection it may have been first, and be recorded behind.
    early: Waiting,
    /// How often each key was opened, by hash. None is forgotten: what is opened again has another subject, which its
    /// stages and links say before its own span does.
    attempts: HashMap<u64, u64>,
    /// Closing events without an open pair.
    unmatched: u64,
    /// Opening events, by pair.
    openings: BTreeMap<usize, u64>,
    /// Opening events with nothing at the key's path, by pair.
    pub(super) keyless: BTreeMap<String, u64>,
}

/// A packet as pairs see it.
struct Seen<'a> {
    at_ns: i64,
    handle: Handle,
    packet: &'a Packet,
    /// The span that a pair stands below, where its session has one.
    parent: Option<&'a str>,
    /// Whose packet it is: the Engine.IO session, or the connection where there is none.
    session: String,
    event: &'a str,
    args: &'a Value,
}

/// What came of one packet.
pub(super) struct Out<'a> {
    pub(super) ended: &'a mut VecDeque<Ended>,
    pub(super) moments: &'a mut Vec<Moment>,
}

/// A connection in the place of a session.
pub(super) fn sessionless(connection: i64) -> String {
    format!("#{connection}")
}

impl Pairs {
    pub(super) fn new(pairs: Vec<Pair>) -> Pairs {
        Pairs { pairs, ..Pairs::default() }
    }

    /// Which pairs may not be what their scenario means.
    pub(super) fn doubts(&self) -> Vec<String> {
        let doubt = |(number, pair): (usize, &Pair)| {
            let Pair { name, opens, .. } = pair;
            let at = pair.tap.as_ref().map(|tap| format!(" at tap {tap}")).unwrap_or_default();
            let (all, keyless) = (self.openings.get(&number), self.keyless.get(name));
            match (all, keyless) {
                (None, _) => Some(format!("pair {name}: no event {opens} was seen{at}")),
                (Some(all), Some(keyless)) => {
                    Some(format!("pair {name}: {keyless} of {all} events {opens} have nothing at its key"))
                }
                (Some(_), None) => None,
            }
        };
        self.pairs.iter().enumerate().filter_map(doubt).collect()
    }

    pub(super) fn packet(
        &mut self,
        at_ns: i64,
        handle: Handle,
        packet: &Packet,
        parent: impl FnOnce() -> Option<String>,
        out: &mut Out<'_>,
    ) {
        let is_ack = matches!(packet.packet_type.as_deref(), Some("ack" | "binary_ack"));
        let event = packet.event.as_deref().unwrap_or_default();
        let concerned = |pair: &Pair| is_ack || (packet.event.is_some() && pair.concerns(&packet.tap, event));
        let concerned: Vec<usize> = (0..self.pairs.len()).filter(|number| concerned(&self.pairs[*number])).collect();
        if concerned.is_empty() {
            return;
        }
        let (args, parent) = (parsed(packet), parent());
        let session = packet.sid.clone().unwrap_or_else(|| sessionless(packet.connection));
        let seen = Seen { at_ns, handle, packet, parent: parent.as_deref(), session, event, args: &args };
        if is_ack {
            return self.protocol_ack(&seen, out);
        }
        concerned.into_iter().for_each(|number| self.event(number, &seen, out));
    }

    fn event(&mut self, number: usize, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { packet, event, .. } = *seen;
        let pair = &self.pairs[number];
        let opens = pair.opens == event && (pair.closes.as_deref() != Some(event) || packet.direction == "sent");
        let key = pair.key_of(seen, opens);
        if opens {
            let name = pair.name.clone();
            *self.openings.entry(number).or_default() += 1;
            return match key {
                Some(key) => self.opened(number, key, seen, out),
                None => *self.keyless.entry(name).or_default() += 1,
            };
        }
        if pair.closes.as_deref() == Some(event)
            && let Some(key) = &key
        {
            return match self.find(number, seen, key) {
                Some(place) => self.closed(place, seen, out),
                None => self.wait(Early::new(Some(self.closes(number, key, seen)), seen), out),
            };
        }
        if let Some(role) = self.pairs[number].role(event) {
            self.noted(number, key.as_deref(), seen, role, out);
        }
    }

    fn opened(&mut self, number: usize, key: String, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { at_ns, packet, .. } = *seen;
        let before = self.find_again(number, seen, &key);
        let attempt = self.attempt(number, &packet.tap, &key);
        let is_again = before.is_some() || (attempt > 1 && !self.is_open(number, &packet.tap, &key));
        let first = before.and_then(|place| self.shelf.get(place)).map(|entry| entry.draft.subject.clone());
        let pair = &self.pairs[number];
        let mut draft = pair.draft(seen, &key, attempt);
        out.moments.push(Moment::Opened { pair: pair.name.clone() });
        if attempt > 1 {
            draft.set("tapedeck.attempt", attempt);
        }
        // An ack's number comes again in another session, and says nothing again.
        if is_again && pair.key.is_some() {
            draft.set("tapedeck.retransmission", true);
            draft.link(&first.unwrap_or_else(|| subject(pair, packet, &key, attempt - 1)));
            out.moments.push(Moment::Retransmitted { pair: pair.name.clone() });
        }
        if let Some(place) = before {
            self.superseded(place, at_ns, out);
        }
        if self.shelf.open() >= MAX_OPEN {
            self.unclosed(at_ns, "too many were open", out);
        }
        let place = self.shelf.put(Entry {
            pair: number,
            key,
            tap: packet.tap.clone(),
            session: seen.session.clone(),
            namespace: packet.namespace.clone(),
            connection: packet.connection,
            direction: packet.direction.clone(),
            ack_id: packet.ack_id,
            left: false,
            opened_ns: at_ns,
            closed_ns: None,
            draft,
        });
        for early in self.shelf.get(place).map(|entry| self.early.take(entry)).into_iter().flatten() {
            let args = parsed(&early.packet);
            match early.closes {
                Some(_) => self.closed(place, &early.seen(&args), out),
                None => self.protocol_ack(&early.seen(&args), out),
            }
        }
    }

    /// What an answer closes that nothing is open for.
    fn closes(&self, pair: usize, key: &str, seen: &Seen<'_>) -> Closes {
        let attempts = self.attempts.get(&hash((pair, seen.packet.tap.as_str(), key)));
        let asked = attempts.map(|attempts| subject(&self.pairs[pair], seen.packet, key, *attempts));
        Closes { pair, key: key.to_owned(), asked }
    }

    /// Keeps an answer whose question may still come.
    fn wait(&mut self, early: Early, out: &mut Out<'_>) {
        if let Some(early) = self.early.put(early) {
            self.give_up(&early, out.ended);
        }
    }

    /// Tells answers that came before this time, and whose question does not come any more.
    fn given_up(&mut self, before_ns: i64, ended: &mut VecDeque<Ended>) {
        while let Some(early) = self.early.pop_before(before_ns) {
            self.give_up(&early, ended);
        }
    }

    /// An ack that nobody waits for is none of any pair's.
    fn give_up(&mut self, early: &Early, ended: &mut VecDeque<Ended>) {
        if let Some(closes) = &early.closes {
            self.unmatched(closes, &early.seen(&Value::Null), ended);
        }
    }

    /// Which opening of its key this is, from 1.
    fn attempt(&mut self, number: usize, tap: &str, key: &str) -> u64 {
        let attempts = self.attempts.entry(hash((number, tap, key))).or_default();
        *attempts += 1;
        *attempts
    }

    /// The pairs of a key that are open, oldest first.
    fn open_of(&self, number: usize, tap: &str, key: &str) -> Vec<(Place, &Entry)> {
        let places = self.shelf.of_key(number, tap, key).into_iter();
        let entries = places.filter_map(|place| Some((place, self.shelf.get(place)?)));
        entries.filter(|(_, entry)| entry.closed_ns.is_none()).collect()
    }

    fn is_open(&self, number: usize, tap: &str, key: &str) -> bool {
        !self.open_of(number, tap, key).is_empty()
    }

    /// The open pair that an opening packet repeats: of the same session, or of one that is gone. Somebody else's pair
    /// in a session of its own may well have the same key.
    fn find_again(&self, number: usize, seen: &Seen<'_>, key: &str) -> Option<Place> {
        let open = self.open_of(number, &seen.packet.tap, key).into_iter().rev();
        let mut same = open.filter(|(_, entry)| {
            entry.direction == seen.packet.direction && (entry.session == seen.session || entry.left)
        });
        same.next().map(|(place, _)| place)
    }

    /// The open pair that an answer belongs to: first one of its own session.
    fn find(&self, number: usize, seen: &Seen<'_>, key: &str) -> Option<Place> {
        let mut open = self.open_of(number, &seen.packet.tap, key);
        open.retain(|(_, entry)| entry.direction != seen.packet.direction && entry.opened_ns <= seen.at_ns);
        let own = open.iter().find(|(_, entry)| entry.session == seen.session);
        own.or_else(|| open.iter().find(|(_, entry)| entry.left)).map(|(place, _)| *place)
    }

    fn protocol_ack(&mut self, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { at_ns, packet, .. } = *seen;
        let found = self.shelf.of_ack(&seen.session, packet);
        let Some(place) = found else { return self.wait(Early::new(None, seen), out) };
        let Some(entry) = self.shelf.get_mut(place) else { return };
        let pair = &self.pairs[entry.pair];
        match pair.closes {
            None if entry.closed_ns.is_none() && entry.hears(at_ns) => return self.closed(place, seen, out),
            Some(_) if entry.hears(at_ns) => {}
            _ => return,
        }
        entry.draft.event("ack", at_ns, json!({"tapedeck.pair.role": "ack", "tapedeck.direction": packet.direction}));
        out.moments.push(Moment::Acknowledged { pair: pair.name.clone() });
    }

    /// An event on the way. Without a key it is about what is open in its session.
    fn noted(&mut self, number: usize, key: Option<&str>, seen: &Seen<'_>, role: Role, out: &mut Out<'_>) {
        let Seen { at_ns, packet, event, args, .. } = *seen;
        let told = match args {
            Value::Array(args) if args.len() == 1 => short(&args[0].to_string()),
            args => short(&args.to_string()),
        };
        let concerned: Vec<Place> = match key {
            Some(key) => self.shelf.of_key(number, &packet.tap, key),
            None => {
                let open = self.shelf.of_session(&packet.tap, &seen.session);
                open.filter(|place| self.shelf.get(*place).is_some_and(|entry| entry.pair == number))
                    .take(MAX_TOLD)
                    .collect()
            }
        };
        for place in concerned {
            let Some(entry) = self.shelf.get_mut(place).filter(|entry| entry.session == seen.session) else { continue };
            if !entry.hears(at_ns) {
                continue;
            }
            let word = if role == Role::Ack { "ack" } else { "event" };
            let attributes =
                json!({"tapedeck.pair.role": word, "tapedeck.direction": packet.direction, "tapedeck.args": told});
            match role {
                Role::Error => entry.draft.exception(at_ns, event, &told),
                Role::Ack | Role::Event => entry.draft.event(event, at_ns, attributes),
            }
            if role == Role::Ack {
                out.moments.push(Moment::Acknowledged { pair: self.pairs[number].name.clone() });
            }
        }
    }

    fn closed(&mut self, place: Place, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { at_ns, packet, args, .. } = *seen;
        let Some(Entry { pair, connection, draft, .. }) = self.shelf.get_mut(place) else { return };
        let pair = &self.pairs[*pair];
        draft.end_ns = Some(at_ns);
        draft.made_of(seen.handle);
        draft.set("tapedeck.reply.event", packet.event.clone().or_else(|| packet.packet_type.clone()));
        draft.set("tapedeck.reply.size", packet.wire_bytes);
        if *connection != packet.connection {
            draft.set("tapedeck.reply.connection", packet.connection);
        }
        pair.judge(draft, args, at_ns);
        let stages = pair.stages.as_ref().and_then(|path| path.find(args));
        for stage in stages.map(|stages| stages_of(draft, stages, packet)).unwrap_or_default() {
            out.ended.push_back(Ended { at_ns, draft: stage });
        }
        out.moments.push(Moment::closed(pair.name.clone(), draft));
        self.shelf.close(place, at_ns);
        if self.shelf.closed() > MAX_OPEN {
            self.settle_before(i64::MAX, 1, out.ended);
        }
    }

    /// Gives the spans of pairs that were closed so long ago that nothing more is said of them.
    pub(super) fn settle(&mut self, now_ns: i64, ended: &mut VecDeque<Ended>) {
        self.given_up(now_ns.saturating_sub(SLACK_NS), ended);
        self.settle_before(now_ns.saturating_sub(AFTER_NS + SLACK_NS), usize::MAX, ended);
    }

    fn settle_before(&mut self, before_ns: i64, many: usize, ended: &mut VecDeque<Ended>) {
        for _ in 0..many {
            let Some(Entry { closed_ns, draft, .. }) = self.shelf.take_closed(before_ns) else { return };
            ended.push_back(Ended { at_ns: closed_ns.unwrap_or_default(), draft });
        }
    }

    /// An answer that nobody waits for: to something that was answered, given up, or never asked.
    fn unmatched(&mut self, closes: &Closes, seen: &Seen<'_>, ended: &mut VecDeque<Ended>) {
        let Seen { at_ns, packet, event, .. } = *seen;
        self.unmatched += 1;
        let subject = format!("unmatched/{}/{}", self.pairs[closes.pair].name, self.unmatched);
        let mut draft =
            Draft::new(subject, &packet.tap, format!("receive {event}"), packet.first_ns).of_kind("consumer");
        if let Some(parent) = seen.parent {
            draft = draft.below(parent);
        }
        message(&mut draft, packet, event, "receive");
        draft.set("messaging.message.id", closes.key.as_str());
        draft.set("tapedeck.unmatched", true);
        if let Some(asked) = &closes.asked {
            draft.link(asked);
        }
        draft.made_of(seen.handle);
        draft.end_ns = Some(at_ns);
        ended.push_back(Ended { at_ns, draft });
    }

    fn superseded(&mut self, place: Place, at_ns: i64, out: &mut Out<'_>) {
        let Some(Entry { pair, mut draft, .. }) = self.shelf.take(place) else { return };
        draft.event("retransmitted", at_ns, json!({}));
        draft.set("tapedeck.superseded", true);
        // Nothing answered it: how long it waited is no latency.
        out.moments.push(Moment::closed(self.pairs[pair].name.clone(), &draft));
        draft.end_ns = Some(at_ns);
        out.ended.push_back(Ended { at_ns, draft });
    }

    /// The oldest open pair will not be closed any more.
    fn unclosed(&mut self, at_ns: i64, why: &str, out: &mut Out<'_>) {
        let oldest = self.shelf.oldest().and_then(|place| self.shelf.take(place));
        let Some(Entry { pair, mut draft, .. }) = oldest else { return };
        draft.last_event("not closed", at_ns, json!({"tapedeck.reason": why}));
        draft.failed("not_closed");
        out.moments.push(Moment::closed(self.pairs[pair].name.clone(), &draft));
        out.ended.push_back(Ended { at_ns, draft });
    }

    /// A session is gone; what is open in it may still be answered in another one.
    pub(super) fn left(&mut self, at_ns: i64, tap: &str, session: &str) {
        let places: Vec<Place> = self.shelf.of_session(tap, session).collect();
        for place in places {
            if let Some(entry) = self.shelf.get_mut(place).filter(|entry| !entry.left) {
                entry.left = true;
                entry.draft.event("session ended", at_ns, json!({}));
            }
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, out: &mut Out<'_>) {
        self.given_up(i64::MAX, out.ended);
        self.settle_before(i64::MAX, usize::MAX, out.ended);
        while self.shelf.open() > 0 {
            self.unclosed(end_ns, "the run ended", out);
        }
    }
}

fn parsed(packet: &Packet) -> Value {
    packet.args.as_deref().and_then(|args| serde_json::from_str(args).ok()).unwrap_or_default()
}
