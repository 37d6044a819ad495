//! Pairs whose packets come early, late, twice or from two sides at once, and numbers that nobody expects.

use super::*;

/// A pair that the ack of its opening packet closes.
const ASK: &str = "name = 's'\nkind = 'attach'\n[[pair]]\nopens = 'job:ask'\n";
const MS: i64 = 1_000_000;

impl Rows {
    /// An event that asks for an ack.
    fn ask(&mut self, direction: &str, event: &str, args: Value, ack_id: i64) {
        let packet = self.made("sid-0", 0, direction, event, args);
        self.row(Packet { ack_id: Some(ack_id), ..packet });
    }

    fn ack(&mut self, direction: &str, ack_id: i64) {
        let packet = self.made("sid-0", 0, direction, "", json!([]));
        self.row(Packet { packet_type: Some("ack".into()), event: None, ack_id: Some(ack_id), ..packet });
    }

    /// An answer that tells of stages.
    fn done_in(&mut self, id: &str, took: Value) {
        self.packet(0, "received", "job:done", json!({"id": id, "status": "fine", "took": took}));
    }

    fn closed(&mut self) -> Vec<Option<i64>> {
        let took = |moment| match moment {
            Moment::Closed { took_ns, .. } => Some(took_ns),
            _ => None,
        };
        self.deriver.moments().filter_map(took).collect()
    }

    fn acknowledged(&mut self) -> usize {
        self.deriver.moments().filter(|moment| matches!(moment, Moment::Acknowledged { .. })).count()
    }
}

fn linked(told: &Told) -> Vec<String> {
    let links: Value = serde_json::from_str(&told.span.links).expect("JSON");
    links.as_array().into_iter().flatten().map(|link| link["span_id"].as_str().unwrap_or_default().to_owned()).collect()
}

fn pair_id(key: &str, attempt: u64) -> String {
    telemetry::ids::span_id("r-1", &format!("pair/job/front/{key}/{attempt}"))
}

#[test]
fn a_number_that_can_be_no_length_is_no_stage() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    let epoch_ms = 1_764_000_000_000_i64;
    let took = json!({
        "queued": epoch_ms, "begun": epoch_ms, "read": epoch_ms, "made": epoch_ms, "written": epoch_ms,
        "ended": epoch_ms * 1000, "huge_s": 1e300, "true": 1, "whole": 86_400_000,
    });
    rows.done_in("a", took);
    let mut told = rows.end(|told| (told.span.name.clone(), told.ms()));
    told.sort();
    let is = |name: &str, from, to| (name.to_owned(), (from, Some(to)));
    let day_ms = 86_400_000;
    let (first, second) = (told[3].clone(), told[4].clone());
    assert_eq!([first, second], [is("true", 1, 2), is("whole", 2, 2 + day_ms)]);
    assert_eq!(told.len(), 5);
}

#[test]
fn many_stages_are_bounded() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    let took: serde_json::Map<String, Value> =
        (0..200_000).map(|number| (format!("{number:06}"), json!(86_400_000))).collect();
    rows.done_in("a", Value::Object(took));
    let stages = rows.end(|told| told.attributes["tapedeck.placed"] == "by duration");
    assert_eq!(stages.into_iter().filter(|is_stage| *is_stage).count(), 128);
}

#[test]
fn times_at_the_edge_of_what_can_be_written_are_survived() {
    let mut rows = Rows::new(PAIR);
    rows.row(Probe { target: "out".into(), ok: true, took_ms: -1e300, ..Probe::default() });
    rows.row(Probe { target: "out".into(), ok: true, took_ms: 1e300, ..Probe::default() });
    let mut packet = rows.made("sid-0", 0, "sent", "job:send", json!({"id": "a"}));
    packet.first_ns = i64::MIN;
    rows.row(packet);
    rows.at_ns = i64::MAX - 2 * MS;
    let mut packet = rows.made("sid-0", 0, "received", "job:done", json!({"id": "a", "took": {"x": 1}}));
    packet.first_ns = i64::MIN;
    rows.row(packet);
    rows.at_ns -= MS;
    rows.packet(0, "sent", "job:ack", json!({"id": "a"}));
    let told = rows.end(|told| (told.span.name.clone(), told.ms().0, told.events.len()));
    assert_eq!(told[..2], [("ffprobe".into(), 1, 0), ("ffprobe".into(), 0, 0)]);
    assert!(told.iter().any(|(name, _, events)| name == "send job:send" && *events == 1), "{told:?}");
}

#[test]
fn what_is_sent_again_was_not_answered() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    rows.send(0, "a");
    rows.done(0, "a");
    assert_eq!(rows.closed(), [None, Some(MS)]);
    assert_eq!(rows.end_of_pairs(Told::ms), [(1, Some(2)), (2, Some(3))]);
}

#[test]
fn acks_of_both_sides_may_have_one_number() {
    let mut rows = Rows::new(ASK);
    rows.ask("sent", "job:ask", json!({}), 4);
    rows.ask("received", "job:ask", json!({}), 4);
    rows.ack("received", 4);
    rows.ack("sent", 4);
    let told = rows.end_of_pairs(|told| (told.span.kind.clone(), told.ms()));
    assert_eq!(told, [("client".to_owned(), (1, Some(3))), ("server".to_owned(), (2, Some(4)))]);
}

#[test]
fn what_is_sent_again_follows_its_own_first_and_not_somebody_elses() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "k");
    rows.send(1, "k");
    rows.send(0, "k");
    rows.done(0, "k");
    rows.done(1, "k");
    let told = rows.end_of_pairs(|told| (told.span.span_id.clone(), linked(told)));
    let links = |attempt| told.iter().find(|(id, _)| *id == pair_id("k", attempt)).map(|(_, links)| links.clone());
    assert_eq!((links(1), links(2), links(3)), (Some(vec![]), Some(vec![]), Some(vec![pair_id("k", 1)])));
}

#[test]
fn an_answer_that_nobody_waits_for_follows_no_question_that_came_later() {
    let mut rows = Rows::new(PAIR);
    rows.done(0, "a");
    rows.send(0, "a");
    rows.send(0, "b");
    rows.done(0, "b");
    rows.done(0, "b");
    rows.send(0, "b");
    let told = rows.end_of_pairs(|told| (told.span.name.clone(), linked(told)));
    let unmatched: Vec<_> = told.into_iter().filter(|(name, _)| name == "receive job:done").collect();
    let is = |links: Vec<String>| ("receive job:done".to_owned(), links);
    assert_eq!(unmatched, [is(vec![]), is(vec![pair_id("b", 1)])]);
}

#[test]
fn what_was_seen_before_the_questions_last_byte_is_not_its_answer() {
    let told = |answer_first: bool| {
        let mut rows = Rows::new(PAIR);
        for is_answer in [answer_first, !answer_first] {
            rows.at_ns = if is_answer { 4 * MS } else { 9 * MS };
            match is_answer {
                true => rows.done(0, "a"),
                false => {
                    let packet = rows.made("sid-0", 0, "sent", "job:send", json!({"id": "a"}));
                    rows.row(Packet { first_ns: MS, ..packet });
                }
            }
        }
        rows.end_of_pairs(|told| (told.span.name.clone(), told.ms()))
    };
    let wanted = [("receive job:done".to_owned(), (5, Some(5))), ("send job:send".to_owned(), (1, None))];
    assert_eq!(told(true), wanted);
    assert_eq!(told(false), wanted);
}

#[test]
fn however_much_happened_it_is_told_that_a_pair_was_not_closed() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    (0..300).for_each(|_| rows.packet(0, "received", "busy", json!({})));
    let told = rows.end_of_pairs(|told| {
        (told.events.len(), told.events.last().cloned(), told.attributes["tapedeck.events_left_out"].clone())
    });
    assert_eq!(told, [(128, Some("not closed".to_owned()), json!(173))]);
}

#[test]
fn an_ack_of_the_protocol_behind_the_answer_still_is_one() {
    let mut rows = Rows::new(PAIR);
    rows.ask("sent", "job:send", json!({"id": "a"}), 7);
    rows.done(0, "a");
    rows.ack("received", 7);
    assert_eq!(rows.acknowledged(), 1);
    rows.at_ns += 2_000 * MS;
    rows.ack("received", 7);
    assert_eq!(rows.acknowledged(), 0);
    assert_eq!(rows.end_of_pairs(|told| (told.ms(), told.events.clone())), [((1, Some(2)), vec!["ack".to_owned()])]);
}

#[test]
fn an_ack_and_an_answer_may_both_be_recorded_before_their_question() {
    let mut rows = Rows::new(PAIR);
    rows.at_ns = 5 * MS;
    rows.ack("received", 7);
    rows.done(0, "a");
    rows.at_ns = 3 * MS;
    rows.ask("sent", "job:send", json!({"id": "a"}), 7);
    assert_eq!(rows.end_of_pairs(|told| (told.ms(), told.events.clone())), [((4, Some(7)), vec!["ack".to_owned()])]);
}

#[test]
fn a_pair_that_an_ack_closed_takes_no_second_one() {
    let mut rows = Rows::new(ASK);
    rows.ask("sent", "job:ask", json!({}), 7);
    rows.ack("received", 7);
    rows.ack("received", 7);
    assert_eq!(rows.closed(), [Some(MS)]);
    assert_eq!(rows.end_of_pairs(|told| (told.ms(), told.events.len())), [((1, Some(2)), 0)]);
}

#[test]
fn what_came_before_the_answer_may_be_recorded_behind_it() {
    let mut rows = Rows::new(PAIR);
    rows.at_ns = 2 * MS;
    rows.send(0, "a");
    rows.at_ns = 9 * MS;
    rows.done(0, "a");
    rows.at_ns = 4 * MS;
    rows.packet(0, "received", "job:ack", json!({"id": "a"}));
    // This one was seen before the question, so it is not about it.
    rows.at_ns = MS;
    rows.packet(0, "received", "job:ack", json!({"id": "a"}));
    let told = rows.end_of_pairs(|told| (told.ms(), told.events.clone()));
    assert_eq!(told, [((3, Some(10)), vec!["job:ack".to_owned()])]);
}

#[test]
fn openings_without_a_key_are_told_in_one_order() {
    let names = ["e", "b", "h", "a", "g", "d", "c", "f"];
    let pairs = names.map(|name| format!("[[pair]]\nname = '{name}'\nopens = '{name}'\nkey = '$[0].id'\n")).concat();
    let mut rows = Rows::new(&format!("name = 's'\nkind = 'attach'\n{pairs}"));
    names.iter().for_each(|name| rows.packet(0, "sent", name, json!({})));
    let events = rows.end(|told| told.span.events.clone()).pop().expect("a root");
    let events: Value = serde_json::from_str(&events).expect("JSON");
    let told = events.as_array().expect("a list").iter().map(|event| event["attributes"]["tapedeck.pair"].clone());
    assert_eq!(told.collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f", "g", "h"]);
}

#[test]
fn who_closed_its_websocket_is_gone_before_its_connection_is() {
    let mut rows = Rows::new(PAIR);
    rows.connection(0, "open");
    rows.send(0, "a");
    // The frame is told without a peer.
    rows.row(ConnectionRow { tap: "front".into(), kind: "close".into(), ..ConnectionRow::default() });
    rows.connection(1, "open");
    rows.send(1, "a");
    rows.connection(0, "close");
    rows.done(1, "a");
    let told = rows.end_of_pairs(|told| (told.attributes["tapedeck.retransmission"] == true, told.ms()));
    assert_eq!(told, [(false, (2, Some(5))), (true, (5, Some(7)))]);
}

#[test]
fn a_pair_that_its_scenario_may_say_wrong_is_doubted() {
    let tap = "[[tap]]\nname = 'front'\nlisten = '127.0.0.1:1'\nupstream = 'http://127.0.0.1:2'";
    let more = format!("[[pair]]\nopens = 'typo'\n[[pair]]\nopens = 'ask'\ntap = 'front'\n{tap}");
    let mut rows = Rows::new(&format!("{PAIR}{more}"));
    rows.send(0, "a");
    assert_eq!(
        rows.deriver.doubts(),
        ["pair typo: no event typo was seen", "pair ask: no event ask was seen at tap front"]
    );
    rows.packet(0, "sent", "job:send", json!({}));
    assert_eq!(rows.deriver.doubts()[0], "pair job: 1 of 2 events job:send have nothing at its key");
}

#[test]
fn acks_of_what_is_no_pair_push_no_answer_out() {
    let mut rows = Rows::new(PAIR);
    rows.at_ns = 5 * MS;
    rows.done(0, "a");
    (0..300).for_each(|number| rows.ack("received", number));
    rows.at_ns = 3 * MS;
    rows.send(0, "a");
    assert_eq!(rows.end_of_pairs(|told| (told.span.name.clone(), told.ms())), [("send job:send".into(), (4, Some(6)))]);
}

#[test]
fn a_key_that_comes_again_after_very_many_others_is_counted_on() {
    let mut rows = Rows::new(PAIR);
    rows.send(0, "a");
    rows.done(0, "a");
    (0..100_001).for_each(|number| rows.send(0, &format!("{number}")));
    rows.send(0, "a");
    rows.done_in("a", json!({"stage": 1}));
    let told = rows.end(|told| {
        (
            told.span.name.clone(),
            told.span.parent_span_id.clone(),
            told.attributes["tapedeck.attempt"].clone(),
            linked(told),
        )
    });
    let stage = told.iter().find(|(name, ..)| name == "stage").expect("a stage");
    assert_eq!(stage.1, Some(pair_id("a", 2)));
    let again: Vec<_> = told.iter().filter(|(_, _, attempt, _)| *attempt == 2).collect();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].3, [pair_id("a", 1)]);
}
