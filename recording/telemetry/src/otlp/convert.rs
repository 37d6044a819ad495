//! From a row of the table `spans` to what an exporter of the SDK takes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use serde_json::Value as Json;

use super::Row;

/// `None` where the ids are none: no span then, rather than one in nobody's trace.
pub(super) fn span_data(row: &Row, started_unix_ns: i64) -> Option<SpanData> {
    let span = &row.row;
    let at = |ns: i64| time(started_unix_ns.saturating_add(ns));
    let attributes: Json = serde_json::from_str(&span.attributes).unwrap_or_default();
    let error = attributes["error.type"].as_str().unwrap_or_default().to_owned();
    let mut events = SpanEvents::default();
    events.events = list(&span.events).iter().map(|event| self::event(event, &at)).collect();
    let mut links = SpanLinks::default();
    links.links = list(&span.links).iter().filter_map(link).collect();
    Some(SpanData {
        span_context: context(&span.trace_id, &span.span_id)?,
        parent_span_id: match &span.parent_span_id {
            Some(parent) => SpanId::from_hex(parent).ok()?,
            None => SpanId::INVALID,
        },
        parent_span_is_remote: false,
        span_kind: kind(&span.kind),
        name: span.name.clone().into(),
        start_time: at(span.start_ns),
        // What was not seen to end was open for as long as anybody looked.
        end_time: at(span.end_ns.unwrap_or(row.at_ns.max(span.start_ns))),
        attributes: key_values(&attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match span.status.as_str() {
            "ok" => Status::Ok,
            "error" => Status::error(error),
            _ => Status::Unset,
        },
        instrumentation_scope: InstrumentationScope::builder("tapedeck")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    })
}

fn context(trace_id: &str, span_id: &str) -> Option<SpanContext> {
    let (trace_id, span_id) = (TraceId::from_hex(trace_id).ok()?, SpanId::from_hex(span_id).ok()?);
    Some(SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default()))
}

fn kind(word: &str) -> SpanKind {
    match word {
        "client" => SpanKind::Client,
        "server" => SpanKind::Server,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn event(event: &Json, at: &impl Fn(i64) -> SystemTime) -> Event {
    let name = event["name"].as_str().unwrap_or_default().to_owned();
    Event::new(name, at(event["at_ns"].as_i64().unwrap_or_default()), key_values(&event["attributes"]), 0)
}

fn link(link: &Json) -> Option<Link> {
    Some(Link::new(context(link["trace_id"].as_str()?, link["span_id"].as_str()?)?, Vec::new(), 0))
}

fn list(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap_or_default()
}

fn key_values(attributes: &Json) -> Vec<KeyValue> {
    let members = attributes.as_object().into_iter().flatten();
    members.map(|(name, value)| KeyValue::new(name.clone(), attribute(value))).collect()
}

fn attribute(value: &Json) -> Value {
    match value {
        Json::String(text) => text.clone().into(),
        Json::Bool(truth) => (*truth).into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Json::Array(items) => {
            let text = |item: &Json| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            Value::Array(Array::String(items.iter().map(|item| StringValue::from(text(item))).collect()))
        }
        other => other.to_string().into(),
    }
}

fn time(unix_ns: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(unix_ns).unwrap_or_default())
}
