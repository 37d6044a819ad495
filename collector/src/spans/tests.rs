//! Rows in, spans out: what opens, closes, is sent again, answered twice or never.

mod races;

use std::path::Path;

use recording::record::{ConnectionRow, Event, Packet, Poll, Probe, Run, Scrape};
use serde_json::{Value, json};

use super::*;
use crate::scenario::written;

/// A run whose rows come one after another, a millisecond apart.
struct Rows {
    deriver: Deriver,
    at_ns: i64,
    seq: i64,
}

const PAIR: &str = r#"
name = "s"
kind = "attach"
[[pair]]
name = "job"
opens = "job:send"
closes = "job:done"
key = "$[0].id"
acks = ["job:ack"]
events = ["busy"]
errors = ["error"]
status = "$[0].status"
ok = ["fine"]
error = "$[0].why"
stages = "$[0].took"
attributes = { "job.size" = "$[0].size" }
"#;

impl Rows {
    fn new(scenario: &str) -> Rows {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.toml");
        std::fs::write(&path, scenario).expect("it can be written");
        let pairs = crate::scenario::pairs_in(&path).expect("its pairs are right");
        Rows { deriver: Deriver::new("r-1", "s", pairs), at_ns: 0, seq: 0 }
    }

    fn row(&mut self, row: impl Into<Row>) {
        self.at_ns += 1_000_000;
        self.deriver.take(self.at_ns, Some(self.seq), &row.into());
        self.seq += 1;
    }

    fn packet(&mut self, connection: i64, direction: &str, event: &str, args: Value) {
        self.packet_of(&format!("sid-{connection}"), "websocket", connection, direction, event, args);
    }

    fn packet_of(&mut self, sid: &str, transport: &str, connection: i64, direction: &str, event: &str, args: Value) {
        let packet = Packet { transport: transport.into(), ..self.made(sid, connection, direction, event, args) };
        self.row(packet);
    }

    /// The packet of an event, for those who change it before it is taken.
    fn made(&self, sid: &str, connection: i64, direction: &str, event: &str, args: Value) -> Packet {
        Packet {
            tap: "front".into(),
            connection,
            sid: Some(sid.into()),
            direction: direction.into(),
            transport: "websocket".into(),
            first_ns: self.at_ns + 1_000_000,
            engine_type: Some("message".into()),
            packet_type: Some("event".into()),
            namespace: Some("/".into()),
            event: Some(event.into()),
            args: Some(json!([args]).to_string()),
            wire_bytes: 10,
            ..Packet::default()
        }
    }

    fn send(&mut self, connection: i64, id: &str) {
        self.packet(connection, "sent", "job:send", json!({"id": id, "size": 3}));
    }

    fn done(&mut self, connection: i64, id: &str) {
        self.packet(connection, "received", "job:done", json!({"id": id, "status": "fine"}));
    }

    fn connection(&mut self, connection: i64, kind: &str) {
        let peer = Some("127.0.0.1:5".to_owned());
        self.row(ConnectionRow {
            tap: "front".into(),
            connection,
            kind: kind.into(),
            peer,
            ..ConnectionRow::default()
        });
    }

    fn event(&mut self, source: &str, subject: &str, event: &str, exit_code: Option<i64>) {
        let attributes = "{}".to_owned();
        let (source, subject, event) = (source.to_owned(), subject.to_owned(), event.to_owned());
        self.row(Event { source, subject, event, exit_code, attributes, source_unix_ns: None });
    }

    /// The spans of the run that ends now, by what is read of each.
    fn end<T>(mut self, read: impl Fn(&Told) -> T) -> Vec<T> {
        let run = Run { run_id: "r-1".into(), labels: "{}".into(), ..Run::default() };
        self.deriver.finish(self.at_ns + 1_000_000, &run);
        let spans: Vec<Told> =
            std::iter::from_fn(|| self.deriver.next_span()).map(|(_, span)| Told::new(span)).collect();
        let ids: std::collections::HashSet<&String> = spans.iter().map(|told| &told.span.span_id).collect();
        assert_eq!(ids.len(), spans.len(), "every span has an id of its own");
        for told in &spans {
            let parent = told.span.parent_span_id.as_ref();
            assert!(parent.is_none_or(|parent| ids.contains(parent)), "{told:?} has a parent that is there");
            let names = told.attributes.as_object().into_iter().flatten().map(|(name, _)| name);
            let is_pair = told.attributes["tapedeck.pair"].is_string();
            let strange = names.filter(|name| is_pair && !is_own(name) && *name != "job.size");
            assert_eq!(strange.count(), 0, "{told:?}");
        }
        spans.iter().map(read).collect()
    }

    /// The same, of spans of pairs and unmatched answers only.
    fn end_of_pairs<T>(self, read: impl Fn(&Told) -> T) -> Vec<T> {
        let told = |told: &Told| told.span.name.contains("job:").then(|| read(told));
        self.end(told).into_iter().flatten().collect()
    }
}

#[derive(Debug)]
struct Told {
    span: Span,
    attributes: Value,
    events: Vec<String>,
}

impl Told {
    fn new(span: Span) -> Told {
        let attributes = serde_json::from_str(&span.attributes).expect("JSON");
        let events: Value = serde_json::from_str(&span.events).expect("JSON");
        let events = events.as_array().expect("a list").iter().map(|event| event["name"].as_str().unwrap_or("").into());
        Told { attributes, events: events.collect(), span }
    }

    fn ms(&self) -> (i64, Option<i64>) {
        (self.span.start_ns / 1_000_000, self.span.end_ns.map(|end| end / 1_000_000))
    }
}

#[test]
fn a_pair_is_one_span_with_its_acks_errors_and_stages() {
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.send(0, "a");
    rows.packet(0, "received", "job:ack", json!({"id": "a"}));
    rows.packet(0, "received", "job:ack", json!({"id": "another"}));
    rows.packet(0, "received", "busy", json!({"depth": 2}));
    rows.packet(0, "received", "error", json!({"id": "a", "code": "E1"}));
    let done = json!({"id": "a", "status": "fine", "took": {"first_ms": 1, "second_us": 500, "odd": "no number"}});
    rows.packet(0, "received", "job:done", done);
    // That the answer came is said behind it; too late, it is said of nothing.
    rows.packet(0, "sent", "job:ack", json!({"id": "a"}));
    rows.packet(0, "received", "busy", json!({}));
    rows.at_ns += 2_000_000_000;
    rows.packet(0, "sent", "job:ack", json!({"id": "a"}));
    let told = rows.end(|told| {
        let name = format!("{}:{}:{}", told.span.name, told.span.status, told.span.kind);
        (name, told.span.start_ns, told.span.end_ns, told.events.clone(), told.attributes.clone())
    });
    let (name, start_ns, end_ns, events, attributes) = &told[2];
    assert_eq!(name, "send job:send:ok:client");
    assert_eq!((*start_ns, *end_ns), (2_000_000, Some(7_000_000)));
    assert_eq!(*events, ["job:ack", "busy", "exception", "job:ack"]);
    assert_eq!(attributes["tapedeck.recorded_as"], json!(["packets#1", "packets#6"]));
    assert_eq!((&attributes["messaging.message.id"], &attributes["job.size"]), (&json!("a"), &json!(3)));
    let stages: Vec<_> = told[..2].iter().map(|(name, start, end, ..)| (name.as_str(), *start, *end)).collect();
    let (first, second) = ("first:unset:internal", "second:unset:internal");
    assert_eq!(stages, [(first, 5_500_000, Some(6_500_000)), (second, 6_500_000, Some(7_000_000))]);
}

#[test]
fn what_is_sent_again_is_a_span_of_its_own_that_follows_the_first() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    rows.send(0, "a");
    rows.done(0, "a");
    let told = rows.end_of_pairs(|told| {
        (
            told.attributes["tapedeck.attempt"].clone(),
            told.attributes["tapedeck.superseded"].clone(),
            told.ms(),
            told.span.links.clone(),
        )
    });
    let links = format!(
        "[{{\"span_id\":\"{}\",\"trace_id\":\"{}\"}}]",
        telemetry::ids::span_id("r-1", "pair/job/front/a/1"),
        telemetry::ids::trace_id("r-1")
    );
    assert_eq!(told[0], (Value::Null, json!(true), (1, Some(2)), "[]".to_owned()));
    assert_eq!(told[1], (json!(2), Value::Null, (2, Some(3)), links));
}

#[test]
fn after_a_reconnect_it_is_sent_again_but_somebody_elses_key_is_not_mine() {
    let read = |told: &Told| {
        (
            told.attributes["tapedeck.connection"].as_i64(),
            told.attributes["tapedeck.retransmission"] == true,
            told.ms().1,
        )
    };
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.send(0, "a");
    rows.connection(0, "reset");
    rows.connection(1, "open");
    rows.send(1, "a");
    rows.done(1, "a");
    assert_eq!(rows.end_of_pairs(read), [(Some(0), false, Some(5)), (Some(1), true, Some(6))]);
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.connection(1, "open");
    rows.send(0, "a");
    rows.send(1, "a");
    rows.done(1, "a");
    rows.done(0, "a");
    assert_eq!(rows.end_of_pairs(read), [(Some(1), false, Some(5)), (Some(0), false, Some(6))]);
}

#[test]
fn an_answer_may_come_in_another_session_once_its_own_is_gone() {
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.send(0, "a");
    rows.done(1, "a");
    rows.connection(0, "close");
    rows.done(1, "a");
    let told = rows.end_of_pairs(|told| {
        (told.span.name.clone(), told.ms().1, told.attributes["tapedeck.reply.connection"].as_i64())
    });
    assert_eq!(told[0], ("receive job:done".to_owned(), Some(3), None));
    assert_eq!(told[1..], [("send job:send".to_owned(), Some(5), Some(1))]);
}

#[test]
fn what_nobody_answers_has_no_end_and_a_second_answer_is_told() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    rows.done(0, "a");
    rows.done(0, "a");
    rows.send(0, "b");
    rows.packet(0, "received", "job:done", json!({"status": "fine"}));
    let told = rows.end_of_pairs(|told| {
        (told.span.name.clone(), told.ms().1, told.span.status.clone(), told.attributes["tapedeck.unmatched"] == true)
    });
    assert_eq!(told[0], ("receive job:done".into(), Some(3), "unset".into(), true));
    assert_eq!(told[1], ("send job:send".into(), Some(2), "ok".into(), false));
    assert_eq!(told[2], ("send job:send".into(), None, "error".into(), false));
    assert_eq!(told.len(), 3);
}

#[test]
fn another_status_or_an_error_is_an_error() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    rows.packet(0, "received", "job:done", json!({"id": "a", "status": "failed"}));
    rows.send(0, "b");
    rows.packet(0, "received", "job:done", json!({"id": "b", "why": {"code": 7}}));
    let told = rows
        .end_of_pairs(|told| (told.span.status.clone(), told.attributes["error.type"].clone(), told.events.clone()));
    assert_eq!(told[0], ("error".into(), json!("failed"), vec![]));
    assert_eq!(told[1], ("error".into(), json!("error"), vec!["exception".into()]));
}

#[test]
fn an_ack_of_the_protocol_closes_a_pair_without_an_event_that_does() {
    let mut rows = Rows::new("name = 's'\nkind = 'attach'\n[[pair]]\nopens = 'job:ask'\n");
    let packet = |connection, namespace: &str, direction: &str, kind: &str, ack_id| Packet {
        tap: "front".into(),
        connection,
        direction: direction.into(),
        packet_type: Some(kind.into()),
        namespace: Some(namespace.into()),
        event: (kind == "event").then(|| "job:ask".into()),
        ack_id,
        args: Some("[]".into()),
        ..Packet::default()
    };
    // Two at a time, one in another namespace with the same number, and one that asks for no ack.
    rows.row(packet(0, "/", "sent", "event", Some(4)));
    rows.row(packet(0, "/", "sent", "event", Some(5)));
    rows.row(packet(0, "/b", "sent", "event", Some(4)));
    rows.row(packet(0, "/", "sent", "event", None));
    rows.row(packet(1, "/", "received", "ack", Some(4)));
    rows.row(packet(0, "/", "sent", "ack", Some(4)));
    rows.row(packet(0, "/", "received", "ack", Some(5)));
    rows.row(packet(0, "/b", "received", "ack", Some(4)));
    rows.row(packet(0, "/", "received", "ack", Some(4)));
    let told = rows.end_of_pairs(|told| {
        let is_plain = told.span.links == "[]" && told.attributes["tapedeck.attempt"].is_null();
        (told.attributes["messaging.destination.name"].clone(), told.ms().1, is_plain)
    });
    assert_eq!(told, [(json!("/"), Some(7), true), (json!("/b"), Some(8), true), (json!("/"), Some(9), true)]);
}

#[test]
fn by_polling_question_and_answer_come_on_any_connection() {
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.connection(1, "open");
    rows.packet_of("s", "polling", 0, "sent", "job:send", json!({"id": "a"}));
    rows.packet_of("s", "polling", 1, "received", "job:ack", json!({"id": "a"}));
    rows.connection(0, "close");
    rows.connection(2, "open");
    rows.packet_of("s", "websocket", 2, "received", "job:done", json!({"id": "a", "status": "fine"}));
    rows.connection(1, "close");
    rows.packet_of("s", "websocket", 2, "sent", "job:ack", json!({"id": "a"}));
    rows.connection(2, "close");
    rows.packet_of("s", "websocket", 2, "sent", "job:ack", json!({"id": "b"}));
    let told = rows.end(|told| (told.span.name.clone(), told.ms(), told.events.clone()));
    let names = |events: &[&str]| events.iter().map(|event| (*event).to_owned()).collect::<Vec<_>>();
    assert_eq!(told[0], ("session".into(), (1, Some(10)), names(&["websocket"])));
    assert_eq!(told[1], ("send job:send".into(), (3, Some(7)), names(&["job:ack", "job:ack"])));
    assert_eq!(told.len(), 3);
}

#[test]
fn an_answer_that_is_recorded_before_its_question_still_is_its_answer() {
    let mut rows = Rows::new(PAIR);
    rows.at_ns = 5_000_000;
    rows.done(0, "a");
    rows.done(0, "b");
    rows.at_ns = 3_000_000;
    rows.send(0, "a");
    // This one was asked later than the other was answered.
    rows.at_ns = 9_000_000;
    rows.send(0, "b");
    let told = rows.end_of_pairs(|told| (told.span.name.clone(), told.ms()));
    let is = |name: &str, ms| (name.to_owned(), ms);
    let wanted =
        [is("receive job:done", (7, Some(7))), is("send job:send", (4, Some(6))), is("send job:send", (10, None))];
    assert_eq!(told, wanted);
}

#[test]
fn many_open_pairs_cost_no_more_than_few_and_are_bounded() {
    let mut rows = Rows::new(PAIR);
    for number in 0..5_000 {
        rows.send(0, &format!("{number}"));
    }
    (0..10).for_each(|_| rows.packet(0, "received", "busy", json!({})));
    let told = rows.end_of_pairs(|told| (told.events.len(), told.events.last().cloned().unwrap_or_default()));
    assert_eq!(told.len(), 5_000);
    assert!(told.iter().all(|(_, last)| last == "not closed"));
    // Those that had to give way, the many that an event without a key is not told of, and the newest.
    assert_eq!(told.iter().filter(|(events, _)| *events == 1).count(), 5_000 - 32);
    assert_eq!(told.iter().filter(|(events, _)| *events == 11).count(), 32);
}

#[test]
fn an_opening_without_a_key_is_told_once() {
    let mut rows = Rows::new(PAIR);
    rows.packet(0, "sent", "job:send", json!({"no": "id"}));
    rows.packet(0, "sent", "job:send", json!({"id": null}));
    let told = rows.end(|told| (told.span.name.clone(), told.span.events.clone()));
    let root = told.last().expect("a root");
    assert!(
        root.1.contains(r#"{"at_ns":3000000,"attributes":{"tapedeck.count":2,"tapedeck.pair":"job"},"name":"no key"}"#),
        "{root:?}"
    );
}

#[test]
fn phases_and_lives_come_from_the_timeline() {
    let mut rows = Rows::new(PAIR);
    rows.event("run", "r-1", "start", None);
    rows.event("process", "server", "start", None);
    rows.event("process", "server", "ready", None);
    rows.event("run", "r-1", "up", None);
    rows.event("publisher", "r-1", "start", None);
    rows.event("inject", "server", "signal", None);
    rows.event("process", "server", "exit", Some(137));
    rows.event("publisher", "r-1", "exit", Some(0));
    rows.event("process", "server", "start", None);
    rows.event("run", "r-1", "until", None);
    rows.event("run", "r-1", "end reached", None);
    rows.event("run", "r-1", "teardown", None);
    rows.event("process", "server", "exit", Some(143));
    rows.event("run", "r-1", "end", None);
    let told = rows.end(|told| format!("{} {:?} {}", told.span.name, told.ms(), told.span.status));
    let wanted = [
        "ready server (2, Some(3)) unset",
        "start up (1, Some(4)) unset",
        "process (2, Some(7)) error",
        "publish (5, Some(8)) unset",
        "wait (4, Some(10)) unset",
        "drain (10, Some(12)) unset",
        "ready server (9, Some(13)) error",
        "process (9, Some(13)) unset",
        "tear down (12, Some(14)) unset",
        "run (0, Some(15)) unset",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_session_lasts_from_its_connection_to_its_end() {
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.send(0, "a");
    rows.connection(0, "reset");
    rows.connection(1, "refused");
    rows.connection(2, "refused");
    rows.connection(3, "open");
    rows.send(3, "b");
    let told = rows.end(|told| (told.span.name.clone(), told.ms(), told.span.status.clone()));
    let is = |name: &str, ms, status: &str| (name.to_owned(), ms, status.to_owned());
    assert_eq!(told[0], is("session", (1, Some(3)), "error"));
    assert_eq!(told[1], is("connect", (4, Some(6)), "error"));
    assert!(told.contains(&is("session", (6, None), "unset")), "{told:?}");
}

#[test]
fn a_silence_is_one_span_and_begins_only_after_an_answer() {
    let mut rows = Rows::new(PAIR);
    let scrape = |status, took_ms, error: Option<&str>| Scrape {
        target: "server".into(),
        status,
        took_ms,
        error: error.map(str::to_owned),
        ..Scrape::default()
    };
    rows.row(scrape(None, 0.0, Some("refused")));
    rows.row(scrape(Some(200), 0.0, None));
    rows.row(scrape(None, 0.0, Some("refused")));
    rows.row(scrape(Some(503), 0.0, None));
    rows.row(scrape(Some(200), 0.0, None));
    rows.row(scrape(Some(200), 900.0, None));
    rows.row(Poll { target: "page".into(), status: Some(200), ..Poll::default() });
    rows.row(Probe { target: "out".into(), ok: false, took_ms: 2.0, ..Probe::default() });
    let told = rows.end(|told| {
        (told.span.service.clone(), told.ms(), told.span.status.clone(), told.attributes["tapedeck.looks"].clone())
    });
    assert_eq!(told[0], ("scrape:server".into(), (3, Some(5)), "error".into(), json!(2)));
    assert_eq!(told[1], ("scrape:server".into(), (0, Some(6)), "unset".into(), Value::Null));
    assert_eq!(told[2], ("probe:out".into(), (6, Some(8)), "unset".into(), Value::Null));
    assert_eq!(told.len(), 4);
}

#[test]
fn events_of_a_span_are_bounded_and_counted() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    (0..300).for_each(|_| rows.packet(0, "received", "busy", json!({})));
    rows.done(0, "a");
    let told = rows.end_of_pairs(|told| (told.events.len(), told.attributes["tapedeck.events_left_out"].clone()));
    assert_eq!(told, [(128, json!(172))]);
}

#[test]
fn a_pair_that_can_not_be_is_refused_with_its_place() {
    let problem = |pair: &str| {
        let text = format!(
            "name = 's'\nkind = 'attach'\n[[tap]]\nname = 'front'\nlisten = '127.0.0.1:1'\nupstream = 'http://127.0.0.1:2'\n[[pair]]\n{pair}"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.toml");
        std::fs::write(&path, text).expect("it can be written");
        let problem = crate::scenario::pairs_in(&path).map(|_| ()).expect_err("it is wrong").to_string();
        problem.replace(&path.display().to_string(), "s.toml")
    };
    assert!(problem("opens = 'a'\ntap = 'fornt'").contains("[[pair]] a: there is no [[tap]] fornt"));
    assert!(problem("opens = 'a'\ncloses = 'b'").contains("`closes` needs a `key`"));
    assert!(problem("opens = 'a'\nkey = 'id'").contains("`id` is no path: write `$[0].id`"));
    assert!(problem("opens = 'a'\nkey = '$.id'").contains("`$.id` is no path: write `$[0].id`"));
    assert!(problem("opens = ''").contains("an event's name is empty"));
    assert!(problem("opens = 'a'\nacks = ['a']").contains("`a` stands twice"));
    assert!(problem("opens = 'a'\nattributes = { 'tapedeck.pair' = '$[0]' }").contains("a `tapedeck.pair` of its own"));
    assert!(problem("opens = 'a'\nok = ['x']").contains("`ok` needs `status`"));
    assert!(problem("opens = 'a'\nclose = 'b'").contains("did you mean `closes`?"));
    assert!(written::parse(Path::new("s.toml"), PAIR).is_ok());
}
