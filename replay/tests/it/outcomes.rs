//! `replay check`: what becomes of a small spec on recordings that were tampered with.

use std::path::Path;

use recording::Row;
use recording::record::{Event, Gap};
use serde_json::{Value, json};

use crate::build::{Builder, SECOND};
use crate::{json, replay, stdout};

const SPEC: &str = r#"
[spec]
id = "t"
requirements = ["T-1..T-4"]
[expects]
events = ["answer"]

[views]
answers = "SELECT seq, at_ns, json_get_int(args, 0, 'id') AS id, json_get_str(args, 0, 'status') AS status FROM packets WHERE tap = 'api' AND event = 'answer'"

[[assertion]]
id = "T-1"
says = "every ask is answered within 2 s"
observe = """
SELECT 'ask ' || CAST(a.seq AS VARCHAR) AS subject, (min(b.at_ns) - a.at_ns) / 1e9 AS observed,
       a.at_ns AS from_ns, a.at_ns + 2000000000 AS until_ns, 'packets#' || CAST(a.seq AS VARCHAR) AS evidence
FROM packets a LEFT JOIN answers b ON b.id = json_get_int(a.args, 0, 'id')
WHERE a.tap = 'api' AND a.event = 'ask' GROUP BY a.seq, a.at_ns"""
bound = "<= 2"
unit = "s"

[[assertion]]
id = "T-2"
says = "answers are ok"
observe = "SELECT 'answer' AS subject, status AS observed, 'packets#' || CAST(seq AS VARCHAR) AS evidence FROM answers"
bound = "= ok"

[[assertion]]
id = "T-3"
says = "the delay stays small"
observe = "SELECT series AS subject, max(value) AS observed FROM samples WHERE target = 'worker' AND name = 'delay_ms' GROUP BY series"
bound = "0..100"
unit = "ms"

[[assertion]]
id = "T-4"
says = "nothing fails"
observe = "SELECT event AS subject, at_ns AS observed FROM packets WHERE tap = 'api' AND event = 'failure'"
bound = "< 0"
empty = "held"

[[assertion]]
id = "T-5"
says = "containers are well"
observe = "SELECT subject, exit_code AS observed FROM timeline WHERE source = 'container'"
bound = "= 0"
applies = "compose"

[[fault]]
attribution = "environment"
says = "the machine slept"
observe = "SELECT subject, at_ns AS from_ns, at_ns AS until_ns, 'timeline#' || CAST(seq AS VARCHAR) AS evidence FROM timeline WHERE source = 'mark' AND event = 'sleep'"
"#;

const IDS: [&str; 4] = ["T-1", "T-2", "T-3", "T-4"];

/// Four asks, answered after 1 s.
fn good(run_id: &str) -> Builder {
    let mut builder = Builder::new(run_id);
    for id in 0..4_i64 {
        let at_ns = (10 + 10 * id) * SECOND;
        builder = builder
            .packet(at_ns, "sent", "ask", &json!([{ "id": id }]))
            .packet(at_ns + SECOND, "received", "answer", &json!([{ "id": id, "status": "ok" }]))
            .scrape(at_ns)
            .sample(at_ns, "delay_ms", 40.0 + id as f64);
    }
    builder
}

fn assertions(dir: &Path, exit: i32) -> Vec<Value> {
    std::fs::write(dir.join("spec.toml"), SPEC).unwrap();
    let answer = json(dir, &["check", "latest", "--spec", "spec.toml"], exit);
    answer["runs"][0]["assertions"].as_array().unwrap().clone()
}

/// The outcomes of T-1 to T-4 on a sealed recording, in one line.
#[track_caller]
fn check(builder: Builder, exit: i32, outcomes: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    builder.seal(&folder.path().join("runs"));
    let assertions = assertions(folder.path(), exit);
    let found: Vec<&str> = IDS.iter().map(|id| outcome(&assertions, id)).collect();
    assert_eq!(found.join(" "), outcomes, "{assertions:#?}");
    assertions
}

fn outcome<'a>(assertions: &'a [Value], id: &str) -> &'a str {
    assertions.iter().find(|assertion| assertion["id"] == id).unwrap()["outcome"].as_str().unwrap()
}

const RUN: &str = "small-20261124T070000Z-aaaa";

#[test]
fn a_good_run_holds() {
    let assertions = check(good(RUN), 0, "held held held held");
    assert_eq!(assertions[0]["observed"], 1.0);
    assert_eq!(assertions[0]["margin"], 1.0);
    assert_eq!((&assertions[1]["observed"], &assertions[1]["margin"]), (&json!("ok"), &Value::Null));
    assert_eq!(
        (&assertions[2]["observed"], &assertions[2]["margin"], &assertions[2]["unit"]),
        (&json!(43.0), &json!(43.0), &json!("ms"))
    );
    assert_eq!(assertions[3]["observed"], Value::Null);
    assert_eq!((&assertions[4]["outcome"], &assertions[4]["violations"]), (&json!("not-applicable"), &json!([])));
}

#[test]
fn violations_name_their_evidence() {
    let late = good(RUN).packet(55 * SECOND, "sent", "ask", &json!([{ "id": 9 }]));
    let assertions = check(late, 1, "broken held held held");
    let expected = json!([{ "subject": "ask 8", "observed": null, "margin": null, "evidence": ["packets#8"] }]);
    assert_eq!(assertions[0]["violations"], expected);
    assert_eq!(assertions[0]["attribution"], "unknown");
    let failed = good(RUN).packet(55 * SECOND, "received", "answer", &json!([{ "id": 9, "status": "failed" }]));
    check(failed, 1, "held broken held held");
}

#[test]
fn a_fault_attributes() {
    let sleep = Event {
        source: "mark".into(),
        subject: "laptop".into(),
        event: "sleep".into(),
        attributes: "{}".into(),
        ..Event::default()
    };
    let late = good(RUN).packet(55 * SECOND, "sent", "ask", &json!([{ "id": 9 }])).row(56 * SECOND, sleep);
    let assertions = check(late, 4, "broken held held held");
    assert_eq!(assertions[0]["attribution"], "environment");
    assert_eq!(assertions[0]["faults"], json!(["environment: the machine slept: laptop, at 56.0 s (timeline#1)"]));
}

#[test]
fn nothing_holds_by_emptiness() {
    let no_packets = good(RUN).without(|row| matches!(row, Row::Packet(_)));
    check(no_packets, 3, "inconclusive inconclusive held inconclusive");
    let no_samples = good(RUN).without(|row| matches!(row, Row::Sample(_)));
    check(no_samples, 3, "held held inconclusive held");
    let no_tap = good(RUN).without(|row| matches!(row, Row::SourceRow(source) if source.kind == "tap"));
    check(no_tap, 3, "inconclusive inconclusive held inconclusive");
    let idle = good(RUN).without(|row| matches!(row, Row::SourceRow(source) if source.kind == "tap"));
    check(idle.source("tap:api", &["packets"], None, None, "idle"), 3, "inconclusive inconclusive held inconclusive");
    let no_sources = good(RUN).without(|row| matches!(row, Row::SourceRow(_)));
    check(no_sources, 3, "inconclusive inconclusive inconclusive inconclusive");
}

/// A connection of a client that was refused, and nothing else.
fn refused() -> recording::record::ConnectionRow {
    recording::record::ConnectionRow { tap: "api".into(), kind: "refused".into(), ..Default::default() }
}

#[test]
fn nothing_holds_without_one_answer() {
    let mute = || good(RUN).without(|row| matches!(row, Row::Packet(_)));
    let assertions = check(mute(), 3, "inconclusive inconclusive held inconclusive");
    for place in [0, 1, 3] {
        assert_eq!(assertions[place]["reason"], "nothing passed the tap `api`: is it in the path?");
    }
    check(mute().row(5 * SECOND, refused()), 3, "inconclusive inconclusive held held");
    let scrape = |status, error: &str, samples| recording::record::Scrape {
        target: "worker".into(),
        status,
        samples,
        error: Some(error.to_owned()).filter(|error| !error.is_empty()),
        ..Default::default()
    };
    let deaf = || good(RUN).without(|row| matches!(row, Row::Scrape(_)));
    for page in [scrape(None, "refused", 0), scrape(Some(503), "", 0), scrape(Some(200), "not a metrics page", 0)] {
        let assertions = check(deaf().row(SECOND, page), 3, "held held inconclusive held");
        assert_eq!(assertions[2]["reason"], "the target `worker` never answered");
    }
    check(deaf().row(SECOND, scrape(Some(200), "line 3: no value", 4)), 0, "held held held held");
    check(deaf().sample(SECOND, "delay_ms", 300.0), 1, "held held broken held");
}

#[test]
fn a_table_emptied_behind_its_sources_back_is_no_sign() {
    let counted = |rows| recording::record::SourceRow {
        source: "tap:api".into(),
        kind: "tap".into(),
        tables: "[\"packets\",\"connections\"]".into(),
        from_ns: Some(0),
        to_ns: Some(60 * SECOND),
        rows,
        state: "ended".into(),
    };
    let opened = || good(RUN).row(5 * SECOND, refused());
    let emptied = |rows| opened().without(|row| matches!(row, Row::Packet(_))).row(60 * SECOND, counted(rows));
    check(opened().row(60 * SECOND, counted(9)), 0, "held held held held");
    check(emptied(1), 3, "inconclusive inconclusive held held");
    let assertions = check(emptied(9), 3, "inconclusive inconclusive held inconclusive");
    assert!(assertions[3]["reason"].as_str().unwrap().contains("rows of `tap:api` are missing"), "{}", assertions[3]);
}

#[test]
fn what_a_run_used_instead_is_said_first() {
    let folder = tempfile::tempdir().unwrap();
    let param = |name: &str, value: &str| recording::record::Param { name: name.into(), value: value.into() };
    let run = good(RUN).row(1, param("voice", "pico\u{1b}[2J")).row(1, param("model", "tiny")).row(1, param("x", "y"));
    run.seal(&folder.path().join("runs"));
    let names = "[names]\nvoice = \"Coqui\"\nmodel = \"tiny\"\nother = \"O\"\n[expects]";
    std::fs::write(folder.path().join("spec.toml"), SPEC.replace("[expects]", names)).unwrap();
    let answer = json(folder.path(), &["check", "latest", "--spec", "spec.toml"], 0);
    assert_eq!(answer["runs"][0]["remarks"], json!(["voice: pico\u{1b}[2J in place of Coqui"]));
    let text = stdout(&replay(folder.path(), &["check", "latest", "--spec", "spec.toml"]));
    assert!(text.lines().nth(1).is_some_and(|line| line == "  voice: pico[2J in place of Coqui"), "{text}");
}

#[test]
fn causes_say_what_they_explain() {
    let event = |source: &str, subject: &str, event: &str| Event {
        source: source.into(),
        subject: subject.into(),
        event: event.into(),
        attributes: "{}".into(),
        ..Event::default()
    };
    let late = good(RUN)
        .packet(55 * SECOND, "sent", "ask", &json!([{ "id": 9 }]))
        .row(56 * SECOND, event("mark", "laptop", "sleep"))
        .row(59 * SECOND, event("mark", "tower", "sleep"));
    let folder = tempfile::tempdir().unwrap();
    late.seal(&folder.path().join("runs"));
    std::fs::write(folder.path().join("spec.toml"), SPEC).unwrap();
    let answer = json(folder.path(), &["check", "latest", "--spec", "spec.toml"], 4);
    let cause = json!({
        "attribution": "environment", "says": "the machine slept", "subject": "laptop", "at_s": 56.0,
        "evidence": ["timeline#1"], "times": 1, "explains": ["T-1"],
    });
    assert_eq!(answer["runs"][0]["causes"], json!([cause]));
}

#[test]
fn a_fault_explains_what_is_seen_through_what_it_concerns() {
    let folder = tempfile::tempdir().unwrap();
    let sleep = Event {
        source: "mark".into(),
        subject: "laptop".into(),
        event: "sleep".into(),
        attributes: "{}".into(),
        ..Event::default()
    };
    let late = good(RUN).packet(55 * SECOND, "sent", "ask", &json!([{ "id": 9 }])).row(56 * SECOND, sleep);
    late.seal(&folder.path().join("runs"));
    for (concerns, exit) in [
        ("NULL", 4),
        ("''", 4),
        ("'tap:api'", 4),
        ("'scrape:worker, tap:api'", 4),
        ("(SELECT array_agg(name) FROM (VALUES ('scrape:worker'), ('tap:api')) n(name))", 4),
        ("'scrape:worker'", 1),
        ("(SELECT array_agg(name) FROM (VALUES ('scrape:worker')) n(name))", 1),
        ("'paths:nowhere'", 1),
    ] {
        let fault = format!("observe = \"SELECT {concerns} AS concerns, subject, at_ns AS from_ns, at_ns AS until_ns");
        let spec = SPEC.replace("observe = \"SELECT subject, at_ns AS from_ns, at_ns AS until_ns", &fault);
        std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
        let answer = json(folder.path(), &["check", "latest", "--spec", "spec.toml"], exit);
        let faults = answer["runs"][0]["assertions"][0]["faults"].as_array().map(Vec::len);
        assert_eq!(faults, Some(usize::from(exit == 4)), "{concerns}");
    }
}

#[test]
fn a_gap_turns_held_into_inconclusive() {
    let gap = |from_s: i64| Gap {
        from_ns: from_s * SECOND,
        to_ns: (from_s + 1) * SECOND,
        source: "tap:api".into(),
        lost: 3,
        reason: "full".into(),
    };
    check(good(RUN).row(30 * SECOND, gap(5)), 3, "held inconclusive held inconclusive");
    check(good(RUN).row(30 * SECOND, gap(10)), 3, "inconclusive inconclusive held inconclusive");
}

#[test]
fn a_renamed_name_is_drift() {
    let mut renamed = Builder::new(RUN);
    for second in 0..4 {
        renamed = renamed
            .scrape(second * SECOND)
            .sample(second * SECOND, "worker_delay_ms", 1.0)
            .packet(second * SECOND, "sent", "ask", &json!([{ "id": second }]))
            .packet(second * SECOND, "received", "answers", &json!([{ "id": second, "status": "ok" }]));
    }
    let assertions = check(renamed, 3, "inconclusive inconclusive inconclusive held");
    assert_eq!(assertions[2]["attribution"], "spec-drift");
    assert!(assertions[2]["reason"].as_str().unwrap().contains("did you mean `worker_delay_ms`?"), "{}", assertions[2]);
    assert!(assertions[0]["reason"].as_str().unwrap().contains("did you mean `answers`?"), "{}", assertions[0]);
}

#[test]
fn a_journal_is_judged_like_the_sealed_recording() {
    let folder = tempfile::tempdir().unwrap();
    let dir = good(RUN).journal(&folder.path().join("runs"));
    let from_journal = assertions(folder.path(), 3);
    let run = recording::run::RunFile::read(&dir).unwrap();
    recording::seal::seal(&dir, &run, recording::run::State::Incomplete).unwrap();
    assert_eq!(from_journal, assertions(folder.path(), 3));
    assert_eq!(outcome(&from_journal, "T-1"), "held");
    assert_eq!(outcome(&from_journal, "T-2"), "inconclusive");
}

#[test]
fn a_journal_cut_anywhere_is_judged_like_its_sealed_rest() {
    let whole = tempfile::tempdir().unwrap();
    let whole = std::fs::read(good(RUN).journal(whole.path()).join("journal")).unwrap();
    for part in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let dir = good(RUN).journal(&folder.path().join("runs"));
        let length = whole.len() * part / 8 + part;
        std::fs::write(dir.join("journal"), &whole[..length]).unwrap();
        let from_journal = assertions(folder.path(), 3);
        let run = recording::run::RunFile::read(&dir).unwrap();
        recording::seal::seal(&dir, &run, recording::run::State::Incomplete).unwrap();
        assert_eq!(from_journal, assertions(folder.path(), 3), "cut at byte {length}");
    }
}

#[test]
fn people_see_a_table_and_what_the_exit_means() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    good(RUN).seal(&runs);
    good("small-20261124T080000Z-bbbb")
        .packet(55 * SECOND, "received", "answer", &json!([{ "id": 9, "status": "bad\u{1b}[31m" }]))
        .seal(&runs);
    std::fs::write(folder.path().join("spec.toml"), SPEC).unwrap();
    let output = replay(folder.path(), &["check", "runs", "--spec", "spec.toml"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    for line in [
        "small-20261124T070000Z-aaaa (complete, 60.0 s, version abc123)",
        "held  T-1  1 s  <= 2    margin 1 s    every ask is answered within 2 s",
        "unexplained: 1 broken assertion seen through tap:api: T-2 bad[31m = ok answers are ok",
        "evidence, the worst first: packets#8 T-2 answer: bad[31m 3 held: T-1 T-3 T-4",
        "not applicable: T-5 (it applies to runs of kind compose, this run is of kind process)",
        "next: replay show runs/small-20261124T080000Z-bbbb packets#8 2 runs:",
        "2 runs: 7 held, 1 broken, 0 inconclusive, 2 not-applicable: exit 1, broken without another explanation",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&text).contains(&squeezed(line)), "{line}\n{text}");
    }
}

#[test]
fn the_recordings_own_spec_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let dir = good(RUN).seal(&folder.path().join("runs"));
    std::fs::write(dir.join("spec.toml"), SPEC).unwrap();
    let answer = json(folder.path(), &["check", "small"], 0);
    assert_eq!(answer["format"], 1);
    assert_eq!(
        (&answer["runs"][0]["run_id"], &answer["runs"][0]["state"], &answer["runs"][0]["version"]),
        (&json!(RUN), &json!("complete"), &json!("abc123"))
    );
    let answer = json(folder.path(), &["check", dir.to_str().unwrap()], 0);
    assert_eq!(answer["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn nothing_judged_is_not_held() {
    let folder = tempfile::tempdir().unwrap();
    good(RUN).seal(&folder.path().join("runs"));
    let assertion = SPEC.split("[[assertion]]").find(|part| part.contains("T-5")).unwrap();
    let assertion = assertion.split("[[fault]]").next().unwrap();
    std::fs::write(folder.path().join("spec.toml"), format!("[spec]\nid = \"t\"\n[[assertion]]{assertion}")).unwrap();
    let output = replay(folder.path(), &["check", "latest", "--spec", "spec.toml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).contains("exit 3, nothing was judged: no assertion applies"), "{}", stdout(&output));
}
