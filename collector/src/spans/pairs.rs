//! Correlated pairs: the event that opens one, and the event of the same key that closes it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use recording::record::Packet;
use serde_json::{Value, json};

use super::draft::{Draft, Handle};
use super::path::JsonPath;
use super::{Ended, Moment, sessions};

/// The most pairs that are kept open; the oldest then ends as one that was not closed.
const MAX_OPEN: usize = 10_000;
/// How long after a pair was closed an event of its key still belongs to it: that the answer came is said then.
const AFTER_NS: i64 = 2_000_000_000;
/// Rows come nearly in order of time; this much later none that belongs to it is still to come.
const SLACK_NS: i64 = 1_000_000_000;
/// Of how many keys it is remembered that they were opened before.
const MAX_KEYS: usize = 100_000;

/// `[[pair]]` of a scenario: two events that belong together. SCENARIO.md says what each key means.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Pair {
    pub name: String,
    pub tap: Option<String>,
    pub opens: String,
    /// `None`: the Socket.IO ack of the opening packet closes it.
    pub closes: Option<String>,
    pub key: Option<JsonPath>,
    pub acks: BTreeSet<String>,
    pub events: BTreeSet<String>,
    pub errors: BTreeSet<String>,
    pub status: Option<JsonPath>,
    pub ok: BTreeSet<String>,
    pub error: Option<JsonPath>,
    pub stages: Option<JsonPath>,
    pub attributes: Vec<(String, JsonPath)>,
}

impl Pair {
    /// Whether an event can have to do with this pair at all, so that most are never parsed.
    fn concerns(&self, tap: &str, event: &str) -> bool {
        let named = self.opens == event || self.closes.as_deref() == Some(event);
        self.tap.as_deref().is_none_or(|own| own == tap) && (named || self.role(event).is_some())
    }

    /// What an event is that neither opens nor closes.
    fn role(&self, event: &str) -> Option<Role> {
        let roles = [(&self.errors, Role::Error), (&self.acks, Role::Ack), (&self.events, Role::Event)];
        roles.into_iter().find(|(events, _)| events.contains(event)).map(|(_, role)| role)
    }
}

/// What one event is to a pair.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Ack,
    Event,
    Error,
}

/// A pair that is not closed yet.
struct Open {
    pair: usize,
    tap: String,
    key: String,
    connection: i64,
    direction: String,
    ack_id: Option<i64>,
    /// Whether its connection is gone; whoever comes back on another one may send it again.
    left: bool,
    draft: Draft,
}

/// A pair that is closed, and may still be acknowledged.
struct Closed {
    pair: usize,
    tap: String,
    key: String,
    connection: i64,
    at_ns: i64,
    draft: Draft,
}

/// Pairs as they open and close.
#[derive(Default)]
pub(super) struct Pairs {
    pairs: Vec<Pair>,
    open: VecDeque<Open>,
    closed: VecDeque<Closed>,
    /// How often each key was opened.
    attempts: HashMap<(usize, String, String), u64>,
    /// The keys of `attempts`, oldest first.
    keys: VecDeque<(usize, String, String)>,
    /// Closing events without an open pair.
    unmatched: u64,
    /// Opening events with nothing at the key's path, by pair.
    pub(super) keyless: HashMap<String, u64>,
}

/// A packet as pairs see it.
struct Seen<'a> {
    at_ns: i64,
    handle: Handle,
    packet: &'a Packet,
    event: &'a str,
    args: &'a Value,
}

/// What came of one packet.
pub(super) struct Out<'a> {
    pub(super) ended: &'a mut VecDeque<Ended>,
    pub(super) moments: &'a mut Vec<Moment>,
}

impl Pairs {
    pub(super) fn new(pairs: Vec<Pair>) -> Pairs {
        Pairs { pairs, ..Pairs::default() }
    }

    pub(super) fn packet(&mut self, at_ns: i64, handle: Handle, packet: &Packet, out: &mut Out<'_>) {
        if self.pairs.is_empty() {
            return;
        }
        if matches!(packet.packet_type.as_deref(), Some("ack" | "binary_ack")) {
            return self.protocol_ack(at_ns, handle, packet, out);
        }
        let Some(event) = packet.event.as_deref() else { return };
        let mut parsed_args = None;
        for number in 0..self.pairs.len() {
            if self.pairs[number].concerns(&packet.tap, event) {
                let args = parsed_args.get_or_insert_with(|| parsed(packet));
                self.event(number, &Seen { at_ns, handle, packet, event, args }, out);
            }
        }
    }

    fn event(&mut self, number: usize, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { packet, event, args, .. } = *seen;
        let pair = &self.pairs[number];
        let key = pair.key.as_ref().map_or_else(|| Some(String::new()), |path| path.text(args));
        let opens = pair.opens == event && (pair.closes.as_deref() != Some(event) || packet.direction == "sent");
        if opens {
            let name = pair.name.clone();
            return match key {
                Some(key) => self.opened(number, key, seen, out),
                None => *self.keyless.entry(name).or_default() += 1,
            };
        }
        if pair.closes.as_deref() == Some(event)
            && let Some(key) = &key
        {
            return match self.find(number, packet, Some(key)) {
                Some(at) => self.closed(at, seen, out),
                None => self.unmatched(number, key, seen, out),
            };
        }
        if let Some(role) = self.pairs[number].role(event) {
            self.noted(number, key.as_deref(), seen, role, out);
        }
    }

    fn opened(&mut self, number: usize, key: String, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { at_ns, handle, packet, args, .. } = *seen;
        let before = self.find_again(number, packet, &key);
        let attempt = self.attempt(number, &packet.tap, &key);
        let pair = &self.pairs[number];
        let mut draft = Draft::new(
            subject(pair, packet, &key, attempt),
            &packet.tap,
            format!("send {}", pair.opens),
            packet.first_ns,
        )
        .of_kind(if packet.direction == "sent" { "client" } else { "server" });
        if let Some(sid) = &packet.sid {
            draft = draft.below(&sessions::subject(&packet.tap, sid));
        }
        message(&mut draft, packet, &pair.opens, "send");
        draft.set("tapedeck.pair", pair.name.as_str());
        draft.set("messaging.message.id", Some(key.as_str()).filter(|key| !key.is_empty()));
        for (name, path) in &pair.attributes {
            if let Some(value) = path.find(args).filter(|value| !value.is_object() && !value.is_array()) {
                draft.set(name, value.clone());
            }
        }
        draft.from_row(handle);
        out.moments.push(Moment::Opened { pair: pair.name.clone() });
        if attempt > 1 {
            draft.set("tapedeck.attempt", attempt);
        }
        let is_again = before.is_some() || (attempt > 1 && !self.is_open(number, &packet.tap, &key));
        if is_again {
            draft.set("tapedeck.retransmission", true);
            draft.link(&subject(pair, packet, &key, attempt - 1));
            out.moments.push(Moment::Retransmitted { pair: pair.name.clone() });
        }
        if let Some(at) = before {
            self.superseded(at, at_ns, out);
        }
        if self.open.len() >= MAX_OPEN {
            self.unclosed(at_ns, "too many were open", out);
        }
        self.open.push_back(Open {
            pair: number,
            tap: packet.tap.clone(),
            key,
            connection: packet.connection,
            direction: packet.direction.clone(),
            ack_id: packet.ack_id,
            left: false,
            draft,
        });
    }

    /// Which opening of its key this is, from 1.
    fn attempt(&mut self, number: usize, tap: &str, key: &str) -> u64 {
        let whole = (number, tap.to_owned(), key.to_owned());
        if let Some(attempts) = self.attempts.get_mut(&whole) {
            *attempts += 1;
            return *attempts;
        }
        if self.keys.len() >= MAX_KEYS
            && let Some(oldest) = self.keys.pop_front()
        {
            self.attempts.remove(&oldest);
        }
        self.keys.push_back(whole.clone());
        self.attempts.insert(whole, 1);
        1
    }

    fn is_open(&self, number: usize, tap: &str, key: &str) -> bool {
        self.open.iter().any(|open| open.pair == number && open.tap == tap && open.key == key)
    }

    /// The open pair that an opening packet repeats: of the same connection, or of one that is gone. Somebody else's
    /// pair on a connection of its own may well have the same key.
    fn find_again(&self, number: usize, packet: &Packet, key: &str) -> Option<usize> {
        self.open.iter().rposition(|open| {
            let same = open.pair == number && open.tap == packet.tap && open.key == key;
            same && open.direction == packet.direction && (open.connection == packet.connection || open.left)
        })
    }

    /// The open pair that an answer belongs to: first one of its own connection.
    fn find(&self, number: usize, packet: &Packet, key: Option<&str>) -> Option<usize> {
        let fits = |open: &Open| {
            open.pair == number
                && open.tap == packet.tap
                && open.direction != packet.direction
                && key.is_none_or(|key| open.key == key)
        };
        let own = self.open.iter().position(|open| fits(open) && open.connection == packet.connection);
        own.or_else(|| self.open.iter().position(|open| fits(open) && open.left))
    }

    fn protocol_ack(&mut self, at_ns: i64, handle: Handle, packet: &Packet, out: &mut Out<'_>) {
        let found = self.open.iter().position(|open| {
            let same = open.ack_id.is_some() && open.ack_id == packet.ack_id && open.connection == packet.connection;
            same && open.tap == packet.tap && open.direction != packet.direction
        });
        let Some(at) = found else { return };
        if self.pairs[self.open[at].pair].closes.is_none() {
            let seen = Seen { at_ns, handle, packet, event: "", args: &parsed(packet) };
            return self.closed(at, &seen, out);
        }
        let open = &mut self.open[at];
        open.draft.event("ack", at_ns, json!({"tapedeck.pair.role": "ack", "tapedeck.direction": packet.direction}));
        out.moments.push(Moment::Acknowledged { pair: self.pairs[open.pair].name.clone() });
    }

    /// An event on the way. Without a key it is about everything that is open on its connection.
    fn noted(&mut self, number: usize, key: Option<&str>, seen: &Seen<'_>, role: Role, out: &mut Out<'_>) {
        let Seen { at_ns, packet, event, args, .. } = *seen;
        let name = &self.pairs[number].name;
        let told = match args {
            Value::Array(args) if args.len() == 1 => args[0].to_string(),
            args => args.to_string(),
        };
        let is_its = |pair: usize, tap: &str, connection: i64, of: &str| {
            let same = pair == number && tap == packet.tap && connection == packet.connection;
            same && key.is_none_or(|key| of == key)
        };
        let open = self.open.iter_mut().filter(|open| is_its(open.pair, &open.tap, open.connection, &open.key));
        let open = open.map(|open| &mut open.draft);
        // Without a key it is about what is open.
        let closed = self.closed.iter_mut().filter(|closed| {
            let in_time = key.is_some() && (closed.at_ns..=closed.at_ns + AFTER_NS).contains(&at_ns);
            in_time && is_its(closed.pair, &closed.tap, closed.connection, &closed.key)
        });
        for draft in open.chain(closed.map(|closed| &mut closed.draft)) {
            let direction = packet.direction.as_str();
            match role {
                Role::Error => draft.exception(at_ns, event, &told),
                Role::Ack | Role::Event => {
                    let word = if role == Role::Ack { "ack" } else { "event" };
                    let attributes =
                        json!({"tapedeck.pair.role": word, "tapedeck.direction": direction, "tapedeck.args": told});
                    draft.event(event, at_ns, attributes);
                }
            }
            if role == Role::Ack {
                out.moments.push(Moment::Acknowledged { pair: name.clone() });
            }
        }
    }

    fn closed(&mut self, at: usize, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { at_ns, handle, packet, args, .. } = *seen;
        let Some(Open { pair: number, tap, key, connection, mut draft, .. }) = self.open.remove(at) else { return };
        let pair = &self.pairs[number];
        draft.end_ns = Some(at_ns);
        draft.from_row(handle);
        draft.set("tapedeck.reply.event", packet.event.clone().or_else(|| packet.packet_type.clone()));
        draft.set("tapedeck.reply.size", packet.wire_bytes);
        if connection != packet.connection {
            draft.set("tapedeck.reply.connection", packet.connection);
        }
        if let Some(status) = pair.status.as_ref().and_then(|path| path.text(args)) {
            draft.set("tapedeck.reply.status", status.as_str());
            match pair.ok.contains(&status) {
                true => draft.status = "ok",
                false if pair.ok.is_empty() => {}
                false => draft.failed(&status),
            }
        }
        if let Some(error) = pair.error.as_ref().and_then(|path| path.find(args)) {
            let told = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            if draft.status != "error" {
                draft.failed("error");
            }
            draft.exception(at_ns, "error", &told);
        }
        let stages = pair.stages.as_ref().and_then(|path| path.find(args));
        for stage in stages.map(|stages| stages_of(&draft, stages, packet)).unwrap_or_default() {
            out.ended.push_back(Ended { at_ns, draft: stage });
        }
        out.moments.push(Moment::closed(pair.name.clone(), &draft));
        self.closed.push_back(Closed { pair: number, tap, key, connection: packet.connection, at_ns, draft });
    }

    /// Gives the spans of pairs that were closed so long ago that nothing more is said of them.
    pub(super) fn settle(&mut self, now_ns: i64, ended: &mut VecDeque<Ended>) {
        while let Some(closed) = self.closed.front()
            && closed.at_ns + AFTER_NS + SLACK_NS < now_ns
            && let Some(Closed { at_ns, draft, .. }) = self.closed.pop_front()
        {
            ended.push_back(Ended { at_ns, draft });
        }
    }

    /// An answer that nobody waits for: to something that was answered, given up, or never asked.
    fn unmatched(&mut self, number: usize, key: &str, seen: &Seen<'_>, out: &mut Out<'_>) {
        let Seen { at_ns, handle, packet, event, .. } = *seen;
        self.unmatched += 1;
        let pair = &self.pairs[number];
        let subject = format!("unmatched/{}/{}", pair.name, self.unmatched);
        let mut draft =
            Draft::new(subject, &packet.tap, format!("receive {event}"), packet.first_ns).of_kind("consumer");
        if let Some(sid) = &packet.sid {
            draft = draft.below(&sessions::subject(&packet.tap, sid));
        }
        message(&mut draft, packet, event, "receive");
        draft.set("messaging.message.id", Some(key).filter(|key| !key.is_empty()));
        draft.set("tapedeck.unmatched", true);
        let attempts = self.attempts.get(&(number, packet.tap.clone(), key.to_owned()));
        if let Some(attempts) = attempts {
            draft.link(&self::subject(pair, packet, key, *attempts));
        }
        draft.from_row(handle);
        draft.end_ns = Some(at_ns);
        out.ended.push_back(Ended { at_ns, draft });
    }

    fn superseded(&mut self, at: usize, at_ns: i64, out: &mut Out<'_>) {
        let Some(Open { pair, mut draft, .. }) = self.open.remove(at) else { return };
        draft.event("retransmitted", at_ns, json!({}));
        draft.set("tapedeck.superseded", true);
        draft.end_ns = Some(at_ns);
        out.moments.push(Moment::closed(self.pairs[pair].name.clone(), &draft));
        out.ended.push_back(Ended { at_ns, draft });
    }

    /// The oldest open pair will not be closed any more.
    fn unclosed(&mut self, at_ns: i64, why: &str, out: &mut Out<'_>) {
        let Some(Open { pair, mut draft, .. }) = self.open.pop_front() else { return };
        draft.event("not closed", at_ns, json!({"tapedeck.reason": why}));
        draft.failed("not_closed");
        out.moments.push(Moment::closed(self.pairs[pair].name.clone(), &draft));
        out.ended.push_back(Ended { at_ns, draft });
    }

    /// A connection is gone; what is open on it may still be answered on another one.
    pub(super) fn left(&mut self, at_ns: i64, tap: &str, connection: i64) {
        for open in self.open.iter_mut().filter(|open| open.tap == tap && open.connection == connection && !open.left) {
            open.left = true;
            open.draft.event("connection closed", at_ns, json!({}));
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, out: &mut Out<'_>) {
        self.settle(i64::MAX, out.ended);
        while !self.open.is_empty() {
            self.unclosed(end_ns, "the run ended", out);
        }
    }
}

fn parsed(packet: &Packet) -> Value {
    packet.args.as_deref().and_then(|args| serde_json::from_str(args).ok()).unwrap_or_default()
}

fn subject(pair: &Pair, packet: &Packet, key: &str, attempt: u64) -> String {
    format!("pair/{}/{}/{key}/{attempt}", pair.name, packet.tap)
}

/// What OpenTelemetry's conventions say of a message.
pub(super) fn message(draft: &mut Draft, packet: &Packet, event: &str, operation: &str) {
    draft.set("messaging.system", "socket.io");
    draft.set("messaging.operation.name", operation);
    draft.set("messaging.operation.type", operation);
    draft.set("messaging.destination.name", packet.namespace.clone());
    draft.set("messaging.socket.io.event_name", event);
    draft.set("messaging.message.body.size", packet.wire_bytes);
    draft.set("network.transport", "tcp");
    draft.set("network.protocol.name", if packet.transport == "websocket" { "websocket" } else { "http" });
    draft.set("session.id", packet.sid.clone());
    draft.set("tapedeck.connection", packet.connection);
    draft.set("tapedeck.direction", packet.direction.as_str());
}

/// The stages that an answer tells of, one after another, so that the last ends where the answer begins. Only their
/// lengths are told; where they don't fit between question and answer, they stand where the question ended.
fn stages_of(pair: &Draft, stages: &Value, packet: &Packet) -> Vec<Draft> {
    let Value::Object(stages) = stages else { return Vec::new() };
    let told: Vec<(&str, i64)> = stages.iter().filter_map(|(name, value)| stage(name, value)).collect();
    let whole_ns: i64 = told.iter().map(|(_, took_ns)| took_ns).sum();
    let mut at_ns = (packet.first_ns - whole_ns).max(pair.start_ns);
    let mut drafts = Vec::new();
    for (name, took_ns) in told {
        let mut draft = Draft::new(format!("{}/{name}", pair.subject), &packet.tap, name, at_ns).below(&pair.subject);
        draft.set("tapedeck.placed", "by duration");
        at_ns += took_ns;
        draft.end_ns = Some(at_ns);
        drafts.push(draft);
    }
    drafts
}

/// A stage's name without its unit, and its length in ns; without a unit it is told in ms.
fn stage<'a>(name: &'a str, value: &Value) -> Option<(&'a str, i64)> {
    let units = [("_ns", 1.0), ("_us", 1e3), ("_ms", 1e6), ("_s", 1e9)];
    let unit = units.into_iter().find_map(|(unit, ns)| Some((name.strip_suffix(unit)?, ns)));
    let (name, ns) = unit.unwrap_or((name, 1e6));
    let took = value.as_f64().filter(|took| took.is_finite() && *took >= 0.0)?;
    Some((name, (took * ns) as i64))
}
