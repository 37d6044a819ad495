//! What a scenario's `[[pair]]` makes of an event: whether it is one of the pair's, by which key, and what it tells.

use std::collections::BTreeSet;

use recording::record::Packet;
use serde_json::Value;

use super::super::draft::{Draft, message};
use super::super::path::JsonPath;
use super::Seen;

/// The longest key, in bytes: what is longer is no key.
const MAX_KEY: usize = 512;

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
    pub(super) fn concerns(&self, tap: &str, event: &str) -> bool {
        let named = self.opens == event || self.closes.as_deref() == Some(event);
        self.tap.as_deref().is_none_or(|own| own == tap) && (named || self.role(event).is_some())
    }

    /// What makes an event one of this pair. Without a path, that is the ack that the opening packet asks for.
    pub(super) fn key_of(&self, seen: &Seen<'_>, opens: bool) -> Option<String> {
        match &self.key {
            Some(path) => path.text(seen.args).filter(|key| key.len() <= MAX_KEY),
            None => {
                let namespace = seen.packet.namespace.as_deref().unwrap_or("/");
                let id = seen.packet.ack_id.filter(|_| opens)?;
                Some(format!("{}{namespace}#{id}", seen.session))
            }
        }
    }

    /// The span of a pair that is opened.
    pub(super) fn draft(&self, seen: &Seen<'_>, key: &str, attempt: u64) -> Draft {
        let Seen { packet, args, .. } = *seen;
        let name = format!("send {}", self.opens);
        let mut draft = Draft::new(subject(self, packet, key, attempt), &packet.tap, name, packet.first_ns)
            .of_kind(if packet.direction == "sent" { "client" } else { "server" });
        if let Some(parent) = seen.parent {
            draft = draft.below(parent);
        }
        message(&mut draft, packet, &self.opens, "send");
        draft.set("tapedeck.pair", self.name.as_str());
        draft.set("messaging.message.id", key);
        for (name, path) in &self.attributes {
            if let Some(value) = path.find(args).filter(|value| !value.is_object() && !value.is_array()) {
                draft.set(name, value.clone());
            }
        }
        draft.made_of(seen.handle);
        draft
    }

    /// What the closing event says of how it went.
    pub(super) fn judge(&self, draft: &mut Draft, args: &Value, at_ns: i64) {
        if let Some(status) = self.status.as_ref().and_then(|path| path.text(args)) {
            draft.set("tapedeck.reply.status", status.as_str());
            match self.ok.contains(&status) {
                true => draft.status = "ok",
                false if self.ok.is_empty() => {}
                false => draft.failed(&status),
            }
        }
        if let Some(error) = self.error.as_ref().and_then(|path| path.find(args)) {
            let told = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            if draft.status != "error" {
                draft.failed("error");
            }
            draft.exception(at_ns, "error", &told);
        }
    }

    /// What an event is that neither opens nor closes.
    pub(super) fn role(&self, event: &str) -> Option<Role> {
        let roles = [(&self.errors, Role::Error), (&self.acks, Role::Ack), (&self.events, Role::Event)];
        roles.into_iter().find(|(events, _)| events.contains(event)).map(|(_, role)| role)
    }
}

/// What one event is to a pair.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    Ack,
    Event,
    Error,
}

/// What the span of a pair is called: no other has the name.
pub(super) fn subject(pair: &Pair, packet: &Packet, key: &str, attempt: u64) -> String {
    format!("pair/{}/{}/{key}/{attempt}", pair.name, packet.tap)
}
