//! `replay mutate`: each kind of change, and who notices it.

use std::path::Path;

use recording::record::{Blob, Event, MediaPacket, MediaPath, Poll, Probe};
use serde_json::{Value, json};

use crate::build::{Builder, SECOND};
use crate::{json, replay, stderr, stdout};

const RUN: &str = "small-20261124T070000Z-aaaa";

/// A spec of these assertions: id, query, bound, and what follows.
fn spec(assertions: &[(&str, &str, &str, &str)]) -> String {
    let assertion = |(id, observe, bound, more): &(&str, &str, &str, &str)| {
        format!(
            "[[assertion]]\nid = \"{id}\"\nsays = \"it is so\"\nobserve = \"\"\"{observe}\"\"\"\nbound = \"{bound}\"\n{more}\n"
        )
    };
    format!("[spec]\nid = \"t\"\n{}", assertions.iter().map(assertion).collect::<String>())
}

fn folder(run: Builder, spec: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    run.seal(&folder.path().join("runs"));
    folder
}

fn mutated(folder: &tempfile::TempDir, more: &[&str]) -> Value {
    let args: Vec<&str> = ["mutate", RUN, "--spec", "spec.toml"].iter().chain(more).copied().collect();
    json(folder.path(), &args, 0)
}

/// What came of one change: how often it was tried, broke something, left something inconclusive, was not noticed.
fn outcome(answer: &Value, what: &str, how: &str, part: Option<&str>) -> [usize; 4] {
    let changes = answer["changes"].as_array().unwrap();
    let found =
        changes.iter().find(|change| change["what"] == what && change["how"] == how && change["part"] == json!(part));
    let change = found.unwrap_or_else(|| panic!("{what} {part:?} {how} was not tried: {answer:#}"));
    let number = |key: &str| usize::try_from(change[key].as_u64().unwrap()).unwrap();
    [number("tried"), number("broken"), number("inconclusive"), change["unnoticed"].as_array().unwrap().len()]
}

const ANSWERED: &str = "SELECT 'ask' AS subject, (b.at_ns - a.at_ns) / 1e9 AS observed, a.at_ns AS from_ns, b.at_ns AS until_ns,
  'packets#' || CAST(a.seq AS VARCHAR) AS evidence
  FROM packets a LEFT JOIN packets b ON b.event = 'answer' AND json_get_int(b.args, 0, 'id') = json_get_int(a.args, 0, 'id')
  WHERE a.event = 'ask'";

/// Five asks, answered after a second each; somebody says hello.
fn talk() -> Builder {
    let builder = Builder::new(RUN).packet(SECOND, "sent", "hello", &json!([{ "name": "x", "id": 0 }]));
    (1..=5).fold(builder, |builder, id| {
        let builder = builder.packet(5 * id * SECOND, "sent", "ask", &json!([{ "id": id, "mood": "good" }]));
        let answer = json!([{ "id": id, "text": format!("so {id}"), "deep": { "ok": true } }]);
        builder.packet((5 * id + 1) * SECOND, "received", "answer", &answer)
    })
}

#[test]
fn packets_are_deleted_duplicated_delayed_and_altered() {
    let ordered = "SELECT 'answers' AS subject, count(DISTINCT json_get_int(args, 0, 'id')) / CAST(count(*) AS DOUBLE) AS observed,
      'packets#0' AS evidence FROM packets WHERE event = 'answer'";
    let deep = "SELECT 'deep' AS subject, json_get_bool(args, 0, 'deep', 'ok') AS observed, at_ns AS from_ns, at_ns AS until_ns,
      'packets#0' AS evidence FROM packets WHERE event = 'answer'";
    let spec = spec(&[("T-1", ANSWERED, "<= 2", ""), ("T-2", ordered, "= 1", ""), ("T-3", deep, "= true", "")]);
    let folder = folder(talk(), &spec);
    let before = std::fs::read(folder.path().join("runs").join(RUN).join("packets.parquet")).unwrap();
    let answer = mutated(&folder, &[]);
    let of = |how, part| outcome(&answer, "api received answer", how, part);
    assert_eq!(of("deleted", None), [3, 3, 0, 0]);
    assert_eq!(of("duplicated", None), [3, 3, 0, 0]);
    assert_eq!(of("later", None), [3, 3, 0, 0]);
    assert_eq!(of("all deleted", None), [1, 1, 0, 0]);
    assert_eq!(of("doubled", Some("id")), [3, 3, 0, 0]);
    assert_eq!(of("as in another", Some("id")), [3, 3, 0, 0]);
    assert_eq!(of("removed", Some("deep.ok")), [3, 3, 0, 0]);
    assert_eq!(of("negated", Some("deep.ok")), [3, 3, 0, 0]);
    let hello = |how| outcome(&answer, "api sent hello", how, None);
    assert_eq!((hello("deleted"), hello("duplicated"), hello("later")), ([1, 0, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1]));
    let unread = answer["unread"].as_array().unwrap();
    for line in ["packets, api sent ask: mood", "packets, api sent hello: name", "packets, api received answer: text"] {
        assert!(unread.contains(&json!(line)), "{line}: {unread:?}");
    }
    let assertions = answer["assertions"].as_array().unwrap();
    assert_eq!((&assertions[2]["id"], &assertions[2]["reads"]), (&json!("T-3"), &json!(["packets"])));
    assert!(assertions.iter().all(|assertion| assertion["broken"].as_u64().unwrap() > 0), "{assertions:?}");
    let after = std::fs::read(folder.path().join("runs").join(RUN).join("packets.parquet")).unwrap();
    assert_eq!(before, after, "the recording is never changed");
}

#[test]
fn what_nobody_notices_is_told_with_who_saw_it() {
    let some = "SELECT 'answers' AS subject, count(*) AS observed, 'packets#0' AS evidence FROM packets WHERE event = 'answer'";
    let never = "SELECT 'runs' AS subject, 1 AS observed FROM packets WHERE seq = 0";
    let folder = folder(talk(), &spec(&[("T-1", some, ">= 3", ""), ("T-2", never, "= 1", "empty = \"held\"")]));
    let answer = mutated(&folder, &[]);
    assert_eq!(outcome(&answer, "api received answer", "deleted", None), [3, 0, 0, 3]);
    assert_eq!(outcome(&answer, "api received answer", "all deleted", None), [1, 1, 0, 0]);
    assert_eq!(answer["never_broken"], json!(["T-2"]));
    let text = stdout(&replay(folder.path(), &["mutate", RUN, "--spec", "spec.toml"]));
    for line in [
        &format!("{RUN} by spec.toml: one fact changed at a time"),
        "  packets, api received answer: deleted (3 of 3), duplicated (3 of 3)",
        "      seen by: T-1",
        "never broken by any change",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    let last = text.lines().last().unwrap();
    assert!(last.contains(" changes: 1 break something, 0 leave something inconclusive; not noticed: "), "{last}");
}

#[test]
fn series_are_deleted_frozen_and_altered() {
    let last = "SELECT 'done' AS subject, CASE WHEN max(at_ns) >= 40000000000 THEN max(value) END AS observed FROM samples WHERE name = 'done'";
    let run = (1..=4).fold(Builder::new(RUN), |run, place| {
        run.scrape(10 * place * SECOND).sample(10 * place * SECOND, "done", place as f64).sample(
            10 * place * SECOND,
            "other",
            1.0,
        )
    });
    let folder = folder(run, &spec(&[("T-1", last, "= 4", "")]));
    let answer = mutated(&folder, &[]);
    let hows = [
        "deleted",
        "all 0",
        "1 more than doubled",
        "1000 more than a thousandfold",
        "stuck at its first value",
        "missing at the end",
    ];
    for how in hows {
        assert_eq!(outcome(&answer, "worker done", how, None), [1, 1, 0, 0], "{how}");
    }
    assert_eq!(outcome(&answer, "worker done", "later", None), [1, 0, 0, 1]);
    assert!(answer["unread"].as_array().unwrap().contains(&json!("samples: other")), "{answer:#}");
    assert!(answer["changes"].as_array().unwrap().iter().all(|change| change["what"] != "worker other"));
}

#[test]
fn pages_refuse_paths_are_never_ready_and_probes_see_something_else() {
    let mut run = Builder::new(RUN)
        .source("poll:health", &["polls"], Some(0), Some(60 * SECOND), "ended")
        .source("paths:server", &["media_paths"], Some(0), Some(60 * SECOND), "ended")
        .source("probe:out", &["probes"], Some(0), Some(60 * SECOND), "ended");
    for at_s in [10, 20, 30, 40, 50] {
        run = run
            .row(at_s * SECOND, Poll { target: "health".into(), status: Some(200), ..Poll::default() })
            .row(
                at_s * SECOND,
                MediaPath { target: "server".into(), path: "out".into(), ready: true, ..MediaPath::default() },
            )
            .row(
                at_s * SECOND,
                Probe { target: "out".into(), ok: true, video_codec: Some("h264".into()), ..Probe::default() },
            );
    }
    let spec = spec(&[
        (
            "POLL",
            "SELECT 'health' AS subject, max(status) AS observed, 'polls#0' AS evidence FROM polls WHERE target = 'health'",
            "= 200",
            "",
        ),
        (
            "PATH",
            "SELECT 'out' AS subject, min(at_ns) / 1e9 AS observed FROM media_paths WHERE ready AND target = 'server'",
            "<= 20",
            "",
        ),
        (
            "CODEC",
            "SELECT 'out' AS subject, video_codec AS observed, 'probes#0' AS evidence FROM probes WHERE ok AND target = 'out'",
            "= h264",
            "",
        ),
    ]);
    let folder = folder(run, &spec);
    let answer = mutated(&folder, &[]);
    assert_eq!(outcome(&answer, "health 200", "answered with 503", None), [3, 3, 0, 0]);
    assert_eq!(outcome(&answer, "health 200", "deleted", None), [3, 0, 0, 3]);
    assert_eq!(outcome(&answer, "server out ready", "never ready", None), [1, 1, 0, 0]);
    assert_eq!(outcome(&answer, "server out ready", "ready later", None), [1, 1, 0, 0]);
    assert_eq!(outcome(&answer, "server out ready", "negated", Some("ready"))[1], 0, "the next row is in time");
    assert_eq!(outcome(&answer, "out read", "another text", Some("video_codec")), [3, 3, 0, 0]);
    assert_eq!(outcome(&answer, "out read", "removed", Some("video_codec")), [3, 3, 0, 0]);
    assert_eq!(outcome(&answer, "out read", "all deleted", None), [1, 0, 1, 0], "nothing is left to be judged");
}

#[test]
fn exit_codes_and_media_are_altered() {
    let exit = Event { source: "process".into(), subject: "worker".into(), event: "exit".into(), ..Event::default() };
    let mut run = Builder::new(RUN)
        .source("process", &["timeline"], Some(0), Some(60 * SECOND), "ended")
        .source("media:out", &["media_packets"], Some(0), Some(60 * SECOND), "ended")
        .row(
            50 * SECOND,
            Event { exit_code: Some(0), attributes: json!({ "asked": true, "pid": 7 }).to_string(), ..exit },
        );
    for at_s in 10..30 {
        let pts_s = Some((at_s - 10) as f64);
        let packet = MediaPacket {
            target: "out".into(),
            kind: "audio".into(),
            pts_s,
            duration_s: Some(1.0),
            bytes: 9,
            ..MediaPacket::default()
        };
        run = run.row(at_s * SECOND, packet);
    }
    let spec = spec(&[
        (
            "EXIT",
            "SELECT subject, exit_code AS observed, 'timeline#0' AS evidence FROM timeline WHERE source = 'process' AND json_get_bool(attributes, 'asked')",
            "= 0",
            "",
        ),
        (
            "LONG",
            "SELECT target AS subject, max(pts_s) - min(pts_s) AS observed, 'media_packets#0' AS evidence FROM media_packets WHERE target = 'out' GROUP BY target",
            ">= 19",
            "",
        ),
        (
            "SIZE",
            "SELECT target AS subject, sum(bytes) AS observed, 'media_packets#0' AS evidence FROM media_packets WHERE target = 'out' GROUP BY target",
            "= 180",
            "",
        ),
    ]);
    let folder = folder(run, &spec);
    let answer = mutated(&folder, &[]);
    assert_eq!(outcome(&answer, "process worker exit", "1", Some("exit_code")), [1, 1, 0, 0]);
    assert_eq!(outcome(&answer, "process worker exit", "negated", Some("asked")), [1, 0, 1, 0], "no row is left");
    assert_eq!(outcome(&answer, "out audio", "other content", None), [3, 3, 0, 0]);
    assert_eq!(outcome(&answer, "out audio", "cut off in the middle", None), [1, 1, 0, 0]);
    assert_eq!(outcome(&answer, "out audio", "all moved by 0.3 s", None), [1, 0, 0, 1]);
    let all = mutated(&folder, &["--all", "--assertion", "LONG"]);
    assert_eq!(outcome(&all, "out audio", "deleted", None), [20, 2, 0, 18], "only the ends make it shorter");
}

#[test]
fn payloads_are_emptied_silenced_and_cut() {
    let data = |name: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap();
    let sound = data("spanish.aac");
    let reference = json!([{ "sound": { "$blob": "abc", "bytes": sound.len(), "encoding": "base64" } }]);
    let run = Builder::new(RUN).packet(SECOND, "received", "answer", &reference);
    let blob = Blob { sha256: "abc".into(), length: sound.len() as i64, bytes: sound, media_type: "audio/aac".into() };
    let spec = spec(&[
        (
            "LOUD",
            "SELECT sha256 AS subject, loudness(bytes) AS observed, 'blobs#0' AS evidence FROM blobs",
            ">= -50",
            "",
        ),
        (
            "LONG",
            "SELECT sha256 AS subject, audio_seconds(bytes) AS observed, 'blobs#0' AS evidence FROM blobs",
            ">= 2",
            "",
        ),
    ]);
    let folder = folder(run.row(SECOND, blob), &spec);
    let answer = mutated(&folder, &[]);
    let of = |how| outcome(&answer, "payload of api received answer", how, None);
    assert_eq!((of("emptied"), of("made silent")), ([1, 1, 0, 0], [1, 1, 0, 0]));
    let changes = answer["changes"].as_array().unwrap();
    let silent = changes.iter().find(|change| change["how"] == "made silent").unwrap();
    assert_eq!(silent["noticed_by"], json!({ "LOUD": 1 }), "as long as before, and silent");
    assert_eq!(of("stuck at one frame")[0], 1);
}

#[test]
fn one_assertion_is_asked_alone_and_unknown_ones_are_refused() {
    let folder = folder(talk(), &spec(&[("T-1", ANSWERED, "<= 2", ""), ("T-2", ANSWERED, "<= 100", "")]));
    let answer = mutated(&folder, &["--assertion", "T-2"]);
    assert_eq!(answer["assertions"].as_array().unwrap().len(), 1);
    assert_eq!(outcome(&answer, "api received answer", "later", None), [3, 0, 0, 3]);
    let refused = replay(folder.path(), &["mutate", RUN, "--spec", "spec.toml", "--assertion", "T-3"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("no assertion `T-3`; did you mean"), "{}", stderr(&refused));
}

#[test]
fn what_is_broken_already_is_told_apart() {
    let folder = folder(talk(), &spec(&[("T-1", ANSWERED, "<= 0.5", "")]));
    let answer = mutated(&folder, &[]);
    assert_eq!((&answer["broken"], &answer["never_broken"]), (&json!(0), &json!([])));
    let text = stdout(&replay(folder.path(), &["mutate", RUN, "--spec", "spec.toml"]));
    assert!(text.contains("not held without any change: T-1\n"), "{text}");
}

#[test]
fn a_query_that_fails_on_a_changed_fact_is_told() {
    let cast = "SELECT 'x' AS subject, CAST(json_get_str(args, 0, 'text') AS BIGINT) AS observed FROM packets WHERE event = 'say'";
    let run = Builder::new(RUN).packet(SECOND, "received", "say", &json!([{ "text": "12" }]));
    let folder = folder(run, &spec(&[("T-1", cast, "= 12", "")]));
    let answer = mutated(&folder, &[]);
    assert_eq!(answer["failed"], 2, "emptied, and another text: {answer:#}");
    let text = stdout(&replay(folder.path(), &["mutate", RUN, "--spec", "spec.toml"]));
    assert!(text.contains("a query can't be answered any more (2)"), "{text}");
}

#[test]
fn nothing_to_ask_is_refused() {
    let elsewhere = "SELECT 'x' AS subject, 1 AS observed FROM packets";
    let folder = folder(talk(), &spec(&[("T-1", elsewhere, "= 1", "applies = \"compose\"")]));
    let output = replay(folder.path(), &["mutate", RUN, "--spec", "spec.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nothing could notice"), "{}", stderr(&output));
}
