//! `replay diff`, `why` and `history` on small recordings.

use std::path::Path;

use recording::record::Gap;
use recording::run::{Environment, Version};
use serde_json::{Value, json};

use crate::build::{Builder, SECOND};
use crate::{json, replay, stderr, stdout};

const SPEC: &str = r#"
[spec]
id = "t"

[[assertion]]
id = "T-1"
says = "every ask is answered with ok"
observe = """
SELECT 'ask ' || json_get_str(a.args, 0, 'id') AS subject, json_get_str(b.args, 0, 'status') AS observed,
       a.at_ns AS from_ns, a.at_ns + 5000000000 AS until_ns, 'packets#' || CAST(b.seq AS VARCHAR) AS evidence
FROM packets a LEFT JOIN packets b ON b.tap = 'api' AND b.event = 'answer' AND json_get_str(b.args, 0, 'id') = json_get_str(a.args, 0, 'id')
WHERE a.tap = 'api' AND a.event = 'ask'"""
bound = "= ok"

[diff]
events = """
SELECT direction || ' ' || event AS type, json_get_str(args, 0, 'id') AS entity, at_ns,
       CASE WHEN event = 'answer' THEN 'sent ask#' || json_get_str(args, 0, 'id') END AS parent,
       json_get_str(args, 0, 'status') AS value, 'packets#' || CAST(seq AS VARCHAR) AS evidence
FROM packets WHERE tap = 'api'"""
"#;

/// Four asks, each answered after 1 s with what is given; nothing where that is empty.
fn run(run_id: &str, answers: [&str; 4]) -> Builder {
    let mut builder = Builder::new(run_id);
    for (id, answer) in answers.into_iter().enumerate() {
        let at_ns = (10 + 10 * id as i64) * SECOND;
        builder = builder.packet(at_ns, "sent", "ask", &json!([{ "id": id.to_string(), "session": run_id }]));
        if !answer.is_empty() {
            let answer = json!([{ "id": id.to_string(), "status": answer }]);
            builder = builder.packet(at_ns + SECOND, "received", "answer", &answer);
        }
    }
    builder
}

fn id(number: usize) -> String {
    format!("small-20261124T07000{number}Z-aaaa")
}

const OK: [&str; 4] = ["ok"; 4];

/// A folder with these runs, the first the oldest, and the spec.
fn folder(runs: impl IntoIterator<Item = Builder>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.toml"), SPEC).unwrap();
    for (number, mut run) in runs.into_iter().enumerate() {
        run.run.run_id = id(number);
        run.run.stream = format!("stream-{number}");
        run.run.started_unix_ns += number as i64 * 60 * SECOND;
        run.seal(&folder.path().join("runs"));
    }
    folder
}

fn diff(dir: &Path, before: usize, after: usize) -> Value {
    json(dir, &["diff", &id(before), &id(after), "--spec", "s.toml"], 0)
}

fn why(dir: &Path, number: usize) -> Value {
    json(dir, &["why", &id(number), "T-1", "--spec", "s.toml"], 0)
}

fn events(compared: &Value) -> Vec<String> {
    let divergences = compared["divergences"].as_array().unwrap().iter();
    divergences.map(|one| one["says"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn runs_differ_in_what_happened_and_not_in_their_names() {
    let folder = folder([run("a", OK), run("b", OK), run("c", ["ok", "ok", "", "failed"])]);
    let same = diff(folder.path(), 0, 1);
    assert_eq!((&same["first_divergence"], &same["divergences"]), (&json!(null), &json!([])), "{same:#}");
    let other = diff(folder.path(), 0, 2);
    let missing = "missing: received answer#2, due 1 s after sent ask#2";
    assert_eq!(events(&other), [missing, "value: received answer#3 says failed, usually ok"]);
    assert_eq!(other["first_divergence"]["evidence"], json!(["packets#4"]));
    assert_eq!(other["first_divergence"]["usual_evidence"], json!(["packets#5"]));
    let outcome = &other["outcomes"][0];
    assert_eq!((&outcome["id"], &outcome["after"]["outcome"]), (&json!("T-1"), &json!("broken")));
    assert_eq!(other["aligned_by"], "[diff] of s.toml");
}

#[test]
fn without_a_spec_the_events_of_any_run_are_compared() {
    let folder = folder([run("a", OK), run("b", ["ok", "ok", "ok", ""])]);
    let compared = json(folder.path(), &["diff", &id(0), &id(1)], 0);
    assert_eq!(events(&compared), ["missing: api received answer#4, due 10 s after api received answer#3"]);
    assert_eq!(compared["outcomes"], json!([]));
}

#[test]
fn what_was_lost_proves_nothing() {
    let gap =
        Gap { from_ns: 30 * SECOND, to_ns: 32 * SECOND, source: "tap:api".into(), lost: 1, reason: "full".into() };
    let folder = folder([run("a", OK), run("b", ["ok", "ok", "", "ok"]).row(32 * SECOND, gap)]);
    let compared = diff(folder.path(), 0, 1);
    assert_eq!(compared["first_divergence"], json!(null));
    assert_eq!(compared["divergences"][0]["in_gap"], json!(true), "{compared:#}");
    let text = stdout(&replay(folder.path(), &["diff", &id(0), &id(1), "--spec", "s.toml"]));
    assert!(text.contains("records were lost there, so it proves nothing"), "{text}");
}

#[test]
fn why_finds_the_runs_around() {
    let mut elsewhere = run("b", OK);
    elsewhere.run.environment = Environment { fingerprint: "e2".into(), ..elsewhere.run.environment };
    let folder = folder([run("a", OK), run("c", ["ok", "", "ok", "ok"]), elsewhere, run("d", ["ok", "", "ok", "ok"])]);
    let told = why(folder.path(), 3);
    assert_eq!(told["compared"]["nearest"]["run_id"], id(0), "the same environment comes before the same hour");
    assert_eq!(told["compared"]["held"], json!([id(0), id(2)]));
    assert_eq!((&told["compared"]["shared_by_broken"], &told["compared"]["broken"]), (&json!(1), &json!(1)));
    assert_eq!(told["compared"]["first_divergence"]["says"], "missing: received answer#1, due 1 s after sent ask#1");
    assert_eq!(told["attribution"]["name"], "unknown");
    let supports = told["attribution"]["for"].to_string();
    assert!(supports.contains("no fault that the spec knows was found beside it"), "{supports}");
    assert!(told["timeline"].as_array().unwrap().iter().any(|one| one["says"] == "ask 1: not seen by now"), "{told:#}");
}

#[test]
fn why_looks_at_another_version_where_none_of_the_same_held() {
    let of_version = |version: &str, mut builder: Builder| {
        builder.run.version = Some(Version { id: version.into(), order: None });
        builder
    };
    let broken = ["ok", "", "ok", "ok"];
    let runs = [of_version("v1", run("a", OK)), of_version("v2", run("b", OK)), of_version("v3", run("c", broken))];
    let folder = folder(runs.into_iter().chain([of_version("v3", run("d", broken))]));
    let told = why(folder.path(), 3);
    assert_eq!(told["compared"]["held"], json!([id(1)]));
    assert_eq!(told["compared"]["nearest"]["nearness"], "of another version: none of the same held");
    assert_eq!(told["compared"]["environment"][0], json!({ "what": "version", "before": "v2", "after": "v3" }));
}

#[test]
fn why_stands_alone_where_nothing_is_around() {
    let folder = folder([run("a", ["ok", "", "ok", "ok"])]);
    let text = stdout(&replay(folder.path(), &["why", "latest", "T-1", "--spec", "s.toml"]));
    assert!(text.contains("compared with no run: no other run of this spec was looked at"), "{text}");
    assert!(text.contains("against  nothing was found"), "{text}");
}

#[test]
fn history_puts_versions_in_their_order() {
    let of_version = |version: &str, order: i64, answers| {
        let mut builder = run("a", answers);
        builder.run.version = Some(Version { id: version.into(), order: Some(order) });
        builder
    };
    let broken = ["ok", "", "ok", "ok"];
    let folder = folder([of_version("v2", 2, broken), of_version("v1", 1, OK), of_version("v2", 2, OK)]);
    let told = json(folder.path(), &["history", "runs", "--spec", "s.toml"], 0);
    let runs: Vec<&Value> = told["runs"].as_array().unwrap().iter().map(|run| &run["run_id"]).collect();
    assert_eq!(runs, [&json!(id(1)), &json!(id(0)), &json!(id(2))]);
    assert_eq!(told["assertions"][0]["outcomes"], json!(["held", "broken", "held"]));
    assert_eq!(told["assertions"][0]["attributions"], json!([null, "unknown", null]));
    let text = stdout(&replay(folder.path(), &["history", "runs", "--spec", "s.toml"]));
    assert!(text.contains("T-1  H BH "), "{text}");
    // A run that is named twice is shown once.
    let twice = json(folder.path(), &["history", "runs", "latest", "--spec", "s.toml"], 0);
    assert_eq!(twice["runs"].as_array().unwrap().len(), 3);
}

#[test]
fn terminals_are_not_obeyed() {
    let folder = folder([run("a", OK), run("b", ["ok", "\u{1b}[31mred\u{202e}", "ok", "ok"])]);
    for args in [vec!["why", "latest", "T-1"], vec!["diff", &id(0), &id(1)], vec!["history", "runs"]] {
        let args: Vec<&str> = args.into_iter().chain(["--spec", "s.toml"]).collect();
        let output = replay(folder.path(), &args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = stdout(&output);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{args:?}: {text}");
    }
}

#[test]
fn rules_are_told_without_runs() {
    let folder = folder([]);
    let text = stdout(&replay(folder.path(), &["diff", "--rules"]));
    for part in ["${stream}", "${uuid}", "missing", "PARTITION BY tap, direction, event"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(replay(folder.path(), &["diff"]).status.code(), Some(2));
    assert_eq!(replay(folder.path(), &["diff", "one"]).status.code(), Some(2));
    assert_eq!(replay(folder.path(), &["history", "runs", "--width", "10"]).status.code(), Some(2));
}
