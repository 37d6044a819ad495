use super::*;
use crate::judge::Observed;

mod seeded;

const SECOND: i64 = 1_000_000_000;

/// An event at a time in seconds, `kind#entity`, after another one.
fn event(name: &str, at_s: f64, parent: &str) -> Event {
    let (kind, entity) = name.split_once('#').unwrap();
    Event {
        kind: kind.into(),
        entity: (!entity.is_empty()).then(|| entity.into()),
        at_ns: Some((at_s * 1e9) as i64),
        parent: (!parent.is_empty()).then(|| parent.into()),
        value: Observed::Missing,
        evidence: vec![format!("packets#{}", (at_s * 10.0) as i64)],
    }
}

fn saying(name: &str, at_s: f64, value: Observed) -> Event {
    Event { value, ..event(name, at_s, "") }
}

fn trace(events: Vec<Event>) -> Trace {
    Trace::new(events, true, 100 * SECOND, vec![])
}

/// Five asks, 6 s apart, each answered after some seconds.
fn asks(answered_s: [f64; 5]) -> Vec<Event> {
    let mut events = vec![event("open#1", 1.0, "")];
    for (place, answered_s) in answered_s.into_iter().enumerate() {
        let asked_s = 2.0 + 6.0 * place as f64;
        let before = if place == 0 { "open#1".to_owned() } else { format!("ask#{}", place - 1) };
        events.push(event(&format!("ask#{place}"), asked_s, &before));
        events.push(event(&format!("answer#{place}"), asked_s + answered_s, &format!("ask#{place}")));
    }
    events
}

fn usual() -> Vec<Event> {
    asks([0.5, 0.6, 0.5, 0.7, 0.6])
}

/// What a run differs in from one that held: at which second, how, what.
fn told(run: Vec<Event>, held: &[Vec<Event>]) -> Vec<String> {
    let held: Vec<Trace> = held.iter().cloned().map(trace).collect();
    let held: Vec<&Trace> = held.iter().collect();
    let at = |one: &Divergence| one.at_ns.map_or("-".into(), |at_ns| format!("{:.1}", at_ns as f64 / 1e9));
    diverge(&trace(run), &held).iter().map(|one| format!("{} {} {}", at(one), one.how.name(), one.key)).collect()
}

fn without(events: Vec<Event>, kinds: &[&str], entity: &str) -> Vec<Event> {
    let is_dropped = |event: &Event| kinds.contains(&event.kind.as_str()) && event.entity.as_deref() == Some(entity);
    events.into_iter().filter(|event| !is_dropped(event)).collect()
}

#[test]
fn nothing_differs_from_itself_or_from_noise() {
    assert!(told(usual(), &[usual()]).is_empty());
    assert!(told(asks([0.55, 0.65, 0.6, 0.75, 0.5]), &[usual()]).is_empty());
    assert!(told(usual(), &[]).is_empty());
}

#[test]
fn the_clock_and_the_order_of_rows_say_nothing() {
    let mut later: Vec<Event> = usual();
    later.iter_mut().for_each(|event| event.at_ns = event.at_ns.map(|at_ns| at_ns + 20 * SECOND));
    later.reverse();
    assert!(told(later, &[usual()]).is_empty());
}

#[test]
fn what_is_missing_was_due_and_what_follows_it_is_no_second_thing() {
    // Asks are 6 s apart: the third was due at 8 s + 6 s.
    assert_eq!(told(without(usual(), &["ask", "answer"], "2"), &[usual()]), ["14.0 missing ask#2"]);
    assert_eq!(told(without(usual(), &["answer"], "2"), &[usual()]), ["14.5 missing answer#2"]);
}

#[test]
fn what_only_some_held_runs_have_is_not_missed() {
    let held = [usual(), without(usual(), &["answer"], "2")];
    assert!(told(without(usual(), &["answer"], "2"), &held).is_empty());
    assert!(told(usual(), &held).is_empty());
}

#[test]
fn a_type_that_varies_among_held_runs_says_nothing() {
    let notes = |entities: &[&str]| -> Vec<Event> {
        entities.iter().map(|entity| event(&format!("note#{entity}"), 3.0, "")).chain(usual()).collect()
    };
    // Each has a note that no other has: so would a further one.
    let held = [notes(&["0", "1"]), notes(&["0", "2"]), notes(&["0", "3"])];
    assert!(told(notes(&["0", "4"]), &held).is_empty());
    // Each lacks one that all others have: a further one may lack what all have.
    let held = [notes(&["0", "1", "2"]), notes(&["0", "2", "3"]), notes(&["0", "1", "3"])];
    assert!(told(notes(&["1", "2", "3"]), &held).is_empty());
    // Nothing else is hidden by that.
    assert_eq!(told(without(notes(&["1"]), &["answer"], "2"), &held), ["14.5 missing answer#2"]);
    // One difference among many runs does not make a type vary.
    let held: Vec<Vec<Event>> = (0..10).map(|run| if run == 3 { notes(&["1"]) } else { notes(&["1", "2"]) }).collect();
    assert_eq!(told(notes(&["2"]), &held), ["3.0 missing note#1"]);
}

#[test]
fn a_run_that_was_cut_off_misses_nothing_later() {
    let held = trace(usual());
    let cut = |end_s: i64| Trace::new(usual()[..6].to_vec(), false, end_s * SECOND, vec![]);
    assert_eq!(diverge(&cut(14), &[&held]), []);
    assert_eq!(diverge(&cut(15), &[&held])[0].key.to_string(), "answer#2");
}

#[test]
fn a_gap_proves_nothing_and_does_not_lead() {
    let held = trace(usual());
    let events = without(without(usual(), &["answer"], "1"), &["answer"], "3");
    let run = Trace::new(events, true, 100 * SECOND, vec![(8 * SECOND, 9 * SECOND)]);
    let found = diverge(&run, &[&held]);
    let gaps: Vec<(String, bool)> = found.iter().map(|one| (one.key.to_string(), one.in_gap)).collect();
    assert_eq!(gaps, [("answer#3".to_owned(), false), ("answer#1".to_owned(), true)]);
    assert_eq!(lead(&[&found]).unwrap().0.key.to_string(), "answer#3");
}

#[test]
fn what_is_extra_is_told_without_what_follows_it() {
    let mut run = usual();
    run.extend([event("ask#2", 16.0, "ask#1"), event("answer#2", 16.5, "ask#2"), event("reset#1", 15.5, "")]);
    assert_eq!(told(run, &[usual()]), ["15.5 extra reset#1", "16.0 extra ask#2 (time 2)"]);
}

#[test]
fn a_late_event_is_told_when_it_was_due() {
    let found = told(asks([0.5, 0.6, 5.0, 0.7, 0.6]), &[usual()]);
    // 0.7 s at most, and 3 deviations of 0.1 s: due at 14 s + 1 s.
    assert_eq!(found, ["15.0 late answer#2"]);
}

#[test]
fn few_latencies_tell_little_about_their_spread() {
    let started = |ready_s: f64| vec![event("start#1", 1.0, ""), event("ready#1", 1.0 + ready_s, "start#1")];
    assert!(told(started(2.9), &[started(2.0)]).is_empty());
    assert_eq!(told(started(3.1), &[started(2.0)]), ["4.0 late ready#1"]);
    assert!(told(started(1.0), &[started(2.0)]).is_empty());
}

#[test]
fn what_follows_something_else_is_not_late() {
    let held = vec![event("up#1", 1.0, ""), event("until#1", 60.0, "up#1"), event("end#1", 62.0, "until#1")];
    let run = vec![event("up#1", 1.0, ""), event("end#1", 62.0, "up#1")];
    assert_eq!(told(run, &[held]), ["60.0 missing until#1"]);
}

#[test]
fn answers_that_changed_places() {
    let held = [usual(), asks([0.6; 5])];
    let mut run = usual();
    let place = run.iter().position(|event| event.kind == "answer" && event.entity.as_deref() == Some("1")).unwrap();
    run[place].at_ns = Some(15 * SECOND);
    let found = told(run, &held);
    assert_eq!(found, ["8.9 late answer#1", "14.5 early answer#2"]);
}

#[test]
fn events_of_different_types_may_change_places() {
    let held = vec![event("a#1", 1.0, ""), event("b#1", 1.1, "")];
    let run = vec![event("a#1", 1.1, ""), event("b#1", 1.0, "")];
    assert!(told(run, &[held]).is_empty());
}

#[test]
fn texts_and_numbers() {
    let text = |text: &str| Observed::Text(text.into());
    let run = |value| vec![saying("status#1", 1.0, value)];
    assert_eq!(told(run(text("failed")), &[run(text("ok")), run(text("ok"))]), ["1.0 value status#1"]);
    assert_eq!(told(run(Observed::Missing), &[run(text("ok"))]), ["1.0 value status#1"]);
    // Held runs that don't agree tell nothing.
    assert!(told(run(text("c")), &[run(text("a")), run(text("b"))]).is_empty());
    let held: Vec<Vec<Event>> = [10.0, 11.0, 12.0, 10.5, 11.5].map(|number| run(Observed::Number(number))).to_vec();
    // The median is 11, the deviations 1, 0, 1, 0.5, 0.5: 12 + 3 * 0.5.
    assert!(told(run(Observed::Number(13.4)), &held).is_empty());
    assert_eq!(told(run(Observed::Number(13.6)), &held), ["1.0 value status#1"]);
    assert_eq!(told(run(Observed::Number(8.4)), &held), ["1.0 value status#1"]);
}

#[test]
fn events_without_an_entity_are_counted() {
    let pings = |count: i32| (0..count).map(|at_s| event("ping#", f64::from(at_s), "")).collect::<Vec<_>>();
    assert_eq!(told(pings(4), &[pings(3)]), ["3.0 extra ping#4"]);
    assert_eq!(told(pings(2), &[pings(3)]), ["2.0 missing ping#3"]);
}

#[test]
fn what_all_broken_runs_share_leads() {
    let held = trace(usual());
    let first = diverge(&trace(without(without(usual(), &["answer"], "1"), &["answer"], "3")), &[&held]);
    let second = diverge(&trace(without(usual(), &["answer"], "3")), &[&held]);
    let told = |broken: &[&[Divergence]]| lead(broken).map(|(one, runs)| (one.key.to_string(), runs));
    assert_eq!(told(&[&first]), Some(("answer#1".into(), 1)));
    assert_eq!(told(&[&first, &second]), Some(("answer#3".into(), 2)));
    // Where nothing is shared by all, the first of the first run leads.
    assert_eq!(told(&[&first, &second, &[]]), Some(("answer#1".into(), 1)));
    assert_eq!(lead(&[&[]]), None);
}

/// Held runs that differ a little, each in its own way.
fn twenty() -> Vec<Trace> {
    let wobble = |run: usize, place: usize| 0.5 + 0.01 * ((run * 7 + place * 3) % 20) as f64;
    (0..20).map(|run| trace(asks(std::array::from_fn(|place| wobble(run, place))))).collect()
}

#[test]
fn a_number_is_told_from_nineteen_held_runs_on() {
    let held = twenty();
    let held: Vec<&Trace> = held.iter().collect();
    let run = trace(without(usual(), &["answer"], "2"));
    let one = diverge(&run, &held).remove(0);
    assert_eq!(p_value(&one, &held), Some(1.0 / 21.0));
    assert_eq!(p_value(&one, &held[..19]), Some(1.0 / 20.0));
    assert_eq!(p_value(&one, &held[..18]), None);
}

#[test]
fn held_runs_that_are_as_extreme_count() {
    let mut held = twenty();
    // Each of these lacks an answer that all others have: so does the broken run, and that is not so rare.
    for (run, entity) in [(3, "0"), (7, "4")] {
        held[run] = trace(without(usual(), &["answer"], entity));
    }
    let held: Vec<&Trace> = held.iter().collect();
    let run = trace(without(usual(), &["answer"], "2"));
    let one = diverge(&run, &held).remove(0);
    assert_eq!(one.key.to_string(), "answer#2");
    assert_eq!(p_value(&one, &held), Some(3.0 / 21.0));
}
