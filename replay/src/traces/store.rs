//! The spans that were received, as Jaeger's query API tells them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use otlp_embedded::proto::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use otlp_embedded::proto::resource::v1::Resource;
use otlp_embedded::proto::trace::v1::{ResourceSpans, Span};
use serde_json::{Value, json};

use super::wanted::Wanted;

/// What is kept, in bytes of memory, roughly; the oldest traces go first.
const MAX_BYTES: usize = 1 << 30;

/// All traces.
#[derive(Default)]
pub(super) struct Store {
    traces: BTreeMap<String, Trace>,
    /// Trace ids, oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

/// One trace.
#[derive(Default)]
struct Trace {
    /// By span id, with their bytes: what comes again takes the place of what came first, since it may say more.
    spans: BTreeMap<String, (Value, usize)>,
    /// By process id.
    processes: BTreeMap<String, Value>,
    bytes: usize,
}

impl Store {
    /// Keeps spans of one resource. `Err` with how many found no room.
    pub(super) fn take(&mut self, received: ResourceSpans) -> Result<(), usize> {
        let resource = received.resource.unwrap_or_default();
        let (id, process) = process(&resource);
        let mut refused = 0;
        for scope in received.scope_spans {
            let name = scope.scope.map(|scope| scope.name).unwrap_or_default();
            for span in scope.spans {
                refused += usize::from(!self.keep(span, &name, &id, &process));
            }
        }
        if refused == 0 { Ok(()) } else { Err(refused) }
    }

    fn keep(&mut self, span: Span, scope: &str, process_id: &str, process: &Value) -> bool {
        let (trace_id, span_id) = (hex(&span.trace_id), hex(&span.span_id));
        let span = told(span, scope, process_id);
        // A value is larger than its text.
        let bytes = 4 * span.to_string().len();
        while self.bytes + bytes > MAX_BYTES {
            match self.order.front() {
                Some(oldest) if *oldest != trace_id => self.forget_oldest(),
                _ => return false,
            }
        }
        if !self.traces.contains_key(&trace_id) {
            self.order.push_back(trace_id.clone());
        }
        let trace = self.traces.entry(trace_id).or_default();
        let before = trace.spans.insert(span_id, (span, bytes)).map_or(0, |(_, before)| before);
        trace.bytes -= before;
        self.bytes -= before;
        trace.processes.entry(process_id.to_owned()).or_insert_with(|| process.clone());
        trace.bytes += bytes;
        self.bytes += bytes;
        true
    }

    fn forget_oldest(&mut self) {
        let oldest = self.order.pop_front().and_then(|oldest| self.traces.remove(&oldest));
        self.bytes -= oldest.map_or(0, |trace| trace.bytes);
    }

    /// A trace by its id in hex.
    pub(super) fn trace(&self, id: &str) -> Option<Value> {
        // Jaeger leaves leading zeros out.
        let id = format!("{:0>32}", id.to_lowercase());
        Some(self.traces.get(&id)?.told(&id))
    }

    /// Traces with a span that is as wanted, the newest first.
    pub(super) fn search(&self, wanted: &Wanted) -> Vec<Value> {
        let newest = self.order.iter().rev().filter_map(|id| Some((id, self.traces.get(id)?)));
        let fits =
            newest.filter(|(_, trace)| trace.spans_and_processes().any(|(span, process)| wanted.fits(span, process)));
        fits.take(wanted.limit).map(|(id, trace)| trace.told(id)).collect()
    }

    /// Every service.
    pub(super) fn services(&self) -> BTreeSet<&str> {
        let processes = self.traces.values().flat_map(|trace| trace.processes.values());
        processes.filter_map(|process| process["serviceName"].as_str()).collect()
    }

    /// Every operation of a service, with its kind.
    pub(super) fn operations<'a>(&'a self, service: &'a str) -> BTreeSet<(&'a str, &'a str)> {
        let spans = self.traces.values().flat_map(|trace| trace.spans_of(service));
        spans.filter_map(|span| Some((span["operationName"].as_str()?, kind_of(span)))).collect()
    }
}

impl Trace {
    fn spans_and_processes(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.spans.values().filter_map(|(span, _)| Some((span, self.processes.get(span["processID"].as_str()?)?)))
    }

    fn spans_of<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Value> {
        let of_service = self.spans_and_processes().filter(move |(_, process)| process["serviceName"] == service);
        of_service.map(|(span, _)| span)
    }

    fn told(&self, id: &str) -> Value {
        let spans: Vec<&Value> = self.spans.values().map(|(span, _)| span).collect();
        json!({"traceID": id, "spans": spans, "processes": self.processes, "warnings": null})
    }
}

fn kind_of(span: &Value) -> &str {
    let tags = span["tags"].as_array();
    let kind = tags.into_iter().flatten().find(|tag| tag["key"] == "span.kind");
    kind.and_then(|tag| tag["value"].as_str()).unwrap_or_default()
}

/// A resource as Jaeger's process, and an id that tells it from others of its trace.
fn process(resource: &Resource) -> (String, Value) {
    let text = |name: &str| {
        let found = resource.attributes.iter().find(|attribute| attribute.key == name)?;
        match found.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => Some(text.clone()),
            _ => None,
        }
    };
    let service = text("service.name").unwrap_or_else(|| "unknown".to_owned());
    let id = text("service.instance.id").unwrap_or_else(|| service.clone());
    let others = resource.attributes.iter().filter(|attribute| attribute.key != "service.name");
    let tags: Vec<Value> = others.map(tag).collect();
    (id, json!({"serviceName": service, "tags": tags}))
}

fn told(span: Span, scope: &str, process_id: &str) -> Value {
    let trace_id = hex(&span.trace_id);
    let reference = |kind: &str, trace_id: &str, span_id: &[u8]| json!({"refType": kind, "traceID": trace_id, "spanID": hex(span_id)});
    // The first one is what the page takes for the parent.
    let parent = (!span.parent_span_id.is_empty()).then(|| reference("CHILD_OF", &trace_id, &span.parent_span_id));
    let links = span.links.iter().map(|link| reference("FOLLOWS_FROM", &hex(&link.trace_id), &link.span_id));
    let references: Vec<Value> = parent.into_iter().chain(links).collect();
    let logs: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            let name = json!({"key": "event", "type": "string", "value": event.name});
            let fields: Vec<Value> = std::iter::once(name).chain(event.attributes.iter().map(tag)).collect();
            json!({"timestamp": event.time_unix_nano / 1000, "fields": fields})
        })
        .collect();
    let mut tags: Vec<Value> = span.attributes.iter().map(tag).collect();
    tags.extend(tags_of(&span, scope));
    json!({
        "traceID": trace_id,
        "spanID": hex(&span.span_id),
        "operationName": span.name,
        "references": references,
        "startTime": span.start_time_unix_nano / 1000,
        "duration": span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) / 1000,
        "tags": tags,
        "logs": logs,
        "processID": process_id,
        "warnings": null,
    })
}

/// What Jaeger tells as tags, since it has no place of its own for it.
fn tags_of(span: &Span, scope: &str) -> Vec<Value> {
    let text = |key: &str, value: &str| json!({"key": key, "type": "string", "value": value});
    let kind = match span.kind {
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "internal",
    };
    let mut tags = vec![text("span.kind", kind)];
    if !scope.is_empty() {
        tags.push(text("otel.scope.name", scope));
    }
    match span.status.as_ref().map(|status| (status.code, status.message.as_str())) {
        Some((1, _)) => tags.push(text("otel.status_code", "OK")),
        Some((2, message)) => {
            tags.extend([text("otel.status_code", "ERROR"), json!({"key": "error", "type": "bool", "value": true})]);
            if !message.is_empty() {
                tags.push(text("otel.status_description", message));
            }
        }
        _ => {}
    }
    tags
}

fn tag(attribute: &KeyValue) -> Value {
    let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
    let (kind, value) = match value {
        Some(Any::BoolValue(truth)) => ("bool", json!(truth)),
        Some(Any::IntValue(number)) => ("int64", json!(number)),
        Some(Any::DoubleValue(number)) => ("float64", json!(number)),
        Some(Any::StringValue(text)) => ("string", json!(text)),
        Some(other) => ("string", json!(plain(other).to_string())),
        None => ("string", json!("")),
    };
    json!({"key": attribute.key, "type": kind, "value": value})
}

fn plain(value: &Any) -> Value {
    let inner = |value: &AnyValue| value.value.as_ref().map_or(Value::Null, plain);
    match value {
        Any::StringValue(text) => json!(text),
        Any::BoolValue(truth) => json!(truth),
        Any::IntValue(number) => json!(number),
        Any::DoubleValue(number) => json!(number),
        Any::BytesValue(bytes) => json!(hex(bytes)),
        Any::ArrayValue(array) => array.values.iter().map(inner).collect(),
        Any::KvlistValue(list) => {
            let member = |member: &KeyValue| (member.key.clone(), member.value.as_ref().map_or(Value::Null, inner));
            list.values.iter().map(member).collect()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
