//! `list`, `info`, `show`, `explain`, `sql`, `completions`.

use recording::record::{Blob, Stat};
use serde_json::json;

use crate::build::{Builder, SECOND};
use crate::{json, replay, stderr, stdout};

fn runs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let stat = |subject: &str, metric: &str, value| Stat {
        source: "collector".into(),
        subject: subject.into(),
        metric: metric.into(),
        value,
        unit: "ns".into(),
    };
    Builder::new("small-20261124T080000Z-bbbb")
        .packet(SECOND, "sent", "ask", &json!([{ "id": 1 }]))
        .packet(2 * SECOND, "received", "answer", &json!([{ "id": 1 }]))
        .row(0, stat("collector", "cpu/used_ns", 1e9))
        .row(10 * SECOND, stat("collector", "cpu/used_ns", 1.2e9))
        .row(10 * SECOND, stat("collector", "memory/rss", 50e6))
        .row(11 * SECOND, stat("collector", "memory/rss", 40e6))
        .row(
            3 * SECOND,
            Blob { sha256: "3f2a00".into(), bytes: b"payload".to_vec(), length: 7, media_type: "text/plain".into() },
        )
        .seal(&folder.path().join("runs"));
    Builder::new("small-20261124T070000Z-aaaa").sample(SECOND, "up", 1.0).seal(&folder.path().join("runs"));
    folder
}

#[test]
fn list() {
    let folder = runs();
    let answer = json(folder.path(), &["list", "runs"], 0);
    let runs = answer["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    let expected = json!({
        "run_id": "small-20261124T070000Z-aaaa", "path": "runs/small-20261124T070000Z-aaaa", "scenario": "small",
        "state": "complete", "started_at": "2025-11-24T07:00:16Z", "duration_s": 60.0, "version": "abc123",
    });
    assert_eq!(runs[0], expected);
    assert!(stdout(&replay(folder.path(), &["list"])).contains("small-20261124T080000Z-bbbb  small"));
}

#[test]
fn info() {
    let folder = runs();
    let answer = json(folder.path(), &["info", "latest"], 0);
    assert_eq!(answer["tables"]["packets"], 2);
    assert_eq!(answer["sources"][0]["source"], "tap:api");
    let cost = &answer["cost"][0];
    assert!((cost["cpu_percent"].as_f64().unwrap() - 2.0).abs() < 1e-9, "{cost}");
    assert_eq!(cost["max_rss_bytes"], 50e6);
    let text = stdout(&replay(folder.path(), &["info", "latest"]));
    for part in ["collector  2.0 %            50 MB", "state       complete", "packets        2", "tap:api"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn show() {
    let folder = runs();
    let shown = |args: &[&str]| stdout(&replay(folder.path(), args));
    assert!(shown(&["show", "latest", "packets"]).starts_with("seq  at_ns       tap  connection"));
    assert!(shown(&["show", "latest", "packets#1"]).contains("event        answer"));
    let row = json(folder.path(), &["show", "latest", "packets#1"], 0);
    assert_eq!((&row["seq"], &row["event"], &row["compressed"]), (&json!(1), &json!("answer"), &json!(false)));
    let output = replay(folder.path(), &["show", "latest", "blob", "3f2a", "-o", "out.txt"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(std::fs::read(folder.path().join("out.txt")).unwrap(), b"payload");
}

#[test]
fn sql() {
    let folder = runs();
    let answer = json(
        folder.path(),
        &["sql", "latest", "SELECT event, count(*) AS n FROM packets GROUP BY event ORDER BY event"],
        0,
    );
    assert_eq!(answer, json!([{ "event": "answer", "n": 1 }, { "event": "ask", "n": 1 }]));
    let answer = json(
        folder.path(),
        &["sql", "runs", "SELECT run_id, count(*) AS n FROM sources GROUP BY run_id ORDER BY run_id"],
        0,
    );
    assert_eq!(answer[1], json!({ "run_id": "small-20261124T080000Z-bbbb", "n": 3 }));
    let answer = json(folder.path(), &["sql", "runs", "SELECT run_id, scenario FROM run ORDER BY run_id"], 0);
    assert_eq!(answer.as_array().unwrap().len(), 2);
    let text = stdout(&replay(folder.path(), &["sql", "latest", "SELECT seq, event FROM packets ORDER BY seq"]));
    assert_eq!(text, "seq  event\n0    ask\n1    answer\n");
}

#[test]
fn explain() {
    let folder = tempfile::tempdir().unwrap();
    let spec = "[spec]\nid = \"t\"\n[views]\nasks = \"SELECT seq FROM packets WHERE tap = 'api' AND event = 'ask'\"\n\
                [[assertion]]\nid = \"T-1\"\nsays = \"asks\"\nbound = \">= 1\"\nobserve = \"SELECT 'all' AS subject, count(*) AS observed FROM asks\"\n\
                [[unassertable]]\nid = \"T-2\"\nwhy = \"it is a feeling\"\n";
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    let text = stdout(&replay(folder.path(), &["explain", "spec.toml", "T-1"]));
    for part in [
        "T-1: asks",
        "bound     >= 1",
        "needs     the sources `api` that write packets",
        "-- view asks",
        "-- observe\nSELECT 'all'",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(stdout(&replay(folder.path(), &["explain", "spec.toml", "T-2"])).contains("it is a feeling"));
    assert!(
        stdout(&replay(folder.path(), &["explain", "spec.toml"])).contains("1 assertions, 0 faults, 1 unassertable")
    );
    let answer = json(folder.path(), &["explain", "spec.toml", "T-1"], 0);
    assert_eq!(answer["assertions"][0]["bound"], ">= 1");
}

#[test]
fn completions_and_help() {
    let folder = tempfile::tempdir().unwrap();
    assert!(stdout(&replay(folder.path(), &["completions", "bash"])).contains("_replay"));
    let help = stdout(&replay(folder.path(), &["--help"]));
    assert!(help.contains("Examples:") && help.contains("Exit codes"), "{help}");
    let help = stdout(&replay(folder.path(), &["check", "--help"]));
    assert!(help.contains("over = \"history\"") && help.contains("replay check runs/ --spec"), "{help}");
}
