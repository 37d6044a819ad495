//! What a search asks for, as the form of Jaeger's UI sends it. What can't be read is refused: a filter that is left out
//! would be a wrong answer.

use std::collections::BTreeMap;

use serde_json::Value;

/// How many traces a search gives where it is not said.
const LIMIT: usize = 20;
/// Go's units of time, in ns.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// What one span of a trace must be like, and how many traces are wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    service: Option<String>,
    operation: Option<String>,
    tags: Vec<(String, String)>,
    min_ns: u64,
    max_ns: u64,
    pub(super) limit: usize,
}

impl Wanted {
    /// Reads a query. `Err` says what is wrong with it.
    pub(super) fn read(asked: &[(String, String)]) -> Result<Wanted, String> {
        let all = |name: &'static str| {
            asked.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
        };
        let one = |name: &'static str| all(name).next();
        let mut tags = Vec::new();
        for tag in all("tag") {
            let (key, value) = tag.split_once(':').ok_or_else(|| format!("tag={tag}: write key:value"))?;
            tags.push((key.to_owned(), value.to_owned()));
        }
        for object in all("tags") {
            let read: BTreeMap<String, String> = serde_json::from_str(object).map_err(|error| {
                format!("tags={object}: no JSON object of texts such as {{\"error\":\"true\"}}: {error}")
            })?;
            tags.extend(read);
        }
        let duration = |name: &'static str, otherwise| match one(name) {
            Some(text) => {
                nanoseconds(text).ok_or_else(|| format!("{name}={text}: write a duration such as 1.2s, 100ms or 500us"))
            }
            None => Ok(otherwise),
        };
        let limit = one("limit").map(|text| text.parse().map_err(|_| format!("limit={text}: write a number")));
        Ok(Wanted {
            service: one("service").map(str::to_owned),
            operation: one("operation").filter(|operation| *operation != "all").map(str::to_owned),
            tags,
            min_ns: duration("minDuration", 0)?,
            max_ns: duration("maxDuration", u64::MAX)?,
            limit: limit.transpose()?.unwrap_or(LIMIT),
        })
    }

    /// Whether a span is like that; as in Jaeger, a tag may also be one of its process, or of one of its logs.
    pub(super) fn fits(&self, span: &Value, process: &Value) -> bool {
        let is = |wanted: &Option<String>, value: &Value| wanted.as_ref().is_none_or(|wanted| value == wanted);
        let took_ns = span["duration"].as_u64().unwrap_or_default().saturating_mul(1000);
        is(&self.service, &process["serviceName"])
            && is(&self.operation, &span["operationName"])
            && (self.min_ns..=self.max_ns).contains(&took_ns)
            && self.tags.iter().all(|wanted| has_tag(span, process, wanted))
    }
}

fn has_tag(span: &Value, process: &Value, (key, value): &(String, String)) -> bool {
    let logs = span["logs"].as_array().into_iter().flatten().map(|log| &log["fields"]);
    let tags = [&span["tags"], &process["tags"]].into_iter().chain(logs).filter_map(Value::as_array).flatten();
    tags.into_iter().any(|tag| tag["key"] == *key && text(&tag["value"]) == *value)
}

/// A tag's value as the page shows it, where 2.0 is 2.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// A duration as Go writes it: 1.2s, 100ms, 1m30s.
fn nanoseconds(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text, 0.0);
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, behind) =
            behind.split_at(behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len()));
        let (_, unit_ns) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        sum += number.parse::<f64>().ok()? * unit_ns;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum.round() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Wanted, String> {
        Wanted::read(&query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn durations_are_go_s() {
        let durations = [
            ("1.2s", 1_200_000_000),
            ("100ms", 100_000_000),
            ("500us", 500_000),
            ("500µs", 500_000),
            ("7ns", 7),
            ("1m30s", 90_000_000_000),
            ("1h.5s", 3_600_500_000_000),
        ];
        for (text, ns) in durations {
            assert_eq!(nanoseconds(text), Some(ns), "{text}");
        }
        for text in ["", "70", "s", "1.2.3s", "-1s", "1 s", "1e3s", "1d", "."] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_can_t_be_read_is_refused() {
        let unreadable = [
            ("tags", "{error:true}"),
            ("tags", r#"{"error":true}"#),
            ("tags", "[]"),
            ("tag", "error"),
            ("minDuration", "fast"),
            ("maxDuration", "70"),
            ("limit", "many"),
            ("limit", "-1"),
        ];
        for (name, value) in unreadable {
            let problem = read(&[("service", "desk"), (name, value)]).unwrap_err();
            assert!(problem.starts_with(&format!("{name}={value}: ")), "{problem}");
        }
        assert_eq!(read(&[("limit", ""), ("tags", ""), ("minDuration", "")]).unwrap().limit, LIMIT);
    }

    #[test]
    fn one_span_must_be_all_that_is_wanted() {
        let tag = |key: &str, value: Value| json!({"key": key, "value": value});
        let process = json!({"serviceName": "desk", "tags": [tag("host", json!("a"))]});
        let span = json!({
            "operationName": "send", "duration": 1_200,
            "tags": [tag("error", json!(true)), tag("count", json!(2)), tag("share", json!(2.0)), tag("to", json!("b:c"))],
            "logs": [{"fields": [tag("event", json!("late"))]}],
        });
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("service", "desk"), ("operation", "send")], true),
            (&[("service", "door")], false),
            (&[("operation", "receive")], false),
            (&[("operation", "all")], true),
            (&[("tags", r#"{"error":"true","count":"2","share":"2","host":"a","event":"late"}"#)], true),
            (&[("tags", r#"{"error":"true","count":"3"}"#)], false),
            (&[("tag", "to:b:c"), ("tag", "error:true")], true),
            (&[("tag", "to:b:c"), ("tag", "error:false")], false),
            (&[("tag", "service:desk")], false),
            (&[("minDuration", "1.2ms"), ("maxDuration", "1.2ms")], true),
            (&[("minDuration", "1201us")], false),
            (&[("maxDuration", "1199us")], false),
        ];
        for (query, fits) in cases {
            assert_eq!(read(query).unwrap().fits(&span, &process), *fits, "{query:?}");
        }
    }
}
