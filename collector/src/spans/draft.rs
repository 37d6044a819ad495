//! A span in the making, under the names that people gave things; ids come last.

use std::collections::BTreeMap;

use recording::Table;
use recording::record::{Packet, Span};
use serde_json::{Value, json};
use telemetry::ids;

/// The most events that one span keeps; more are counted.
const MAX_EVENTS: usize = 128;
/// The longest text that an attribute keeps of what was recorded, in characters.
const MAX_TEXT: usize = 512;

/// A row of a recording, where it was recorded.
pub(super) type Handle = Option<(Table, i64)>;

/// A row as evidence names it: `packets#118`.
pub(super) fn shown(handle: Handle) -> Option<String> {
    handle.map(|(table, seq)| format!("{table}#{seq}"))
}

/// A span in the making.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) subject: String,
    parent: Option<String>,
    service: String,
    kind: &'static str,
    pub(super) name: String,
    pub(super) start_ns: i64,
    pub(super) end_ns: Option<i64>,
    pub(super) status: &'static str,
    attributes: BTreeMap<String, Value>,
    events: Vec<Value>,
    left_out: usize,
    links: Vec<String>,
    recorded_as: Vec<String>,
}

impl Draft {
    /// A span of the subject, below the run's own.
    pub(super) fn new(subject: impl Into<String>, service: &str, name: impl Into<String>, start_ns: i64) -> Draft {
        Draft {
            subject: subject.into(),
            parent: Some(ids::ROOT.to_owned()),
            service: service.to_owned(),
            kind: "internal",
            name: name.into(),
            start_ns,
            end_ns: None,
            status: "unset",
            attributes: BTreeMap::new(),
            events: Vec::new(),
            left_out: 0,
            links: Vec::new(),
            recorded_as: Vec::new(),
        }
    }

    /// The first span of a trace.
    pub(super) fn root(service: &str) -> Draft {
        Draft { parent: None, ..Draft::new(ids::ROOT, service, "run", 0) }
    }

    pub(super) fn below(mut self, parent: &str) -> Draft {
        self.parent = Some(parent.to_owned());
        self
    }

    pub(super) fn of_kind(mut self, kind: &'static str) -> Draft {
        self.kind = kind;
        self
    }

    /// Sets an attribute; what is not known is not said.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        match value.into() {
            Value::Null => {}
            Value::String(text) => {
                self.attributes.insert(name.to_owned(), short(&text).into());
            }
            value => {
                self.attributes.insert(name.to_owned(), value);
            }
        }
    }

    /// Names a row that the span was derived from.
    pub(super) fn made_of(&mut self, handle: Handle) {
        self.recorded_as.extend(shown(handle));
    }

    /// Something that happened on the way.
    pub(super) fn event(&mut self, name: &str, at_ns: i64, attributes: Value) {
        match self.events.len() < MAX_EVENTS {
            true => self.events.push(json!({"name": name, "at_ns": at_ns, "attributes": known(attributes)})),
            false => self.left_out += 1,
        }
    }

    /// The same, of what has to be told: where there is no room, the event before gives way.
    pub(super) fn last_event(&mut self, name: &str, at_ns: i64, attributes: Value) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop();
            self.left_out += 1;
        }
        self.event(name, at_ns, attributes);
    }

    /// An error, as OpenTelemetry's conventions tell it.
    pub(super) fn exception(&mut self, at_ns: i64, kind: &str, message: &str) {
        self.event("exception", at_ns, json!({"exception.type": kind, "exception.message": short(message)}));
    }

    /// Follows another span, without being a part of it.
    pub(super) fn link(&mut self, subject: &str) {
        self.links.push(subject.to_owned());
    }

    /// What went wrong, in a word or two.
    pub(super) fn failed(&mut self, kind: &str) {
        self.status = "error";
        self.set("error.type", kind);
    }

    /// The row of the table `spans`.
    pub(super) fn row(mut self, run_id: &str) -> Span {
        if !self.recorded_as.is_empty() {
            self.attributes.insert("tapedeck.recorded_as".to_owned(), json!(self.recorded_as));
        }
        if self.left_out > 0 {
            self.set("tapedeck.events_left_out", self.left_out);
        }
        let trace_id = ids::trace_id(run_id);
        let links =
            self.links.iter().map(|subject| json!({"span_id": ids::span_id(run_id, subject), "trace_id": trace_id}));
        let links = Value::Array(links.collect()).to_string();
        let mut events = Value::Array(self.events);
        events.sort_all_objects();
        Span {
            span_id: ids::span_id(run_id, &self.subject),
            parent_span_id: self.parent.map(|parent| ids::span_id(run_id, &parent)),
            service: self.service,
            kind: self.kind.to_owned(),
            name: self.name,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            status: self.status.to_owned(),
            attributes: json!(self.attributes).to_string(),
            events: events.to_string(),
            links,
            trace_id,
        }
    }
}

/// The members of an object that are not null; nested values as JSON text, since an attribute holds none.
fn known(attributes: Value) -> Value {
    let Value::Object(members) = attributes else {
        return json!({});
    };
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    members
        .map(|(name, value)| match value {
            Value::String(text) => (name, short(&text).into()),
            Value::Object(_) | Value::Array(_) => (name, short(&value.to_string()).into()),
            value => (name, value),
        })
        .collect()
}

/// The beginning of a long text.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
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
