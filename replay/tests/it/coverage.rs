//! `replay coverage`: what checks each requirement, and where nothing does.

use serde_json::json;

use crate::{json, replay, stderr, stdout};

fn spec(requirements: &str, more: &str) -> String {
    let assertion = |id: &str, keys: &str| {
        format!(
            "[[assertion]]\nid = \"{id}\"\nsays = \"s\"\nbound = \">= 1\"\nobserve = \"SELECT 'n' AS subject, count(*) AS observed FROM samples\"\n{keys}\n"
        )
    };
    [
        &format!("[spec]\nid = \"t\"\nrequirements = [{requirements}]\n"),
        &assertion("US1-1", "covers = [\"EC-1\", \"US1-3\"]"),
        &assertion("US1-2", "applies = [\"compose\"]"),
        &assertion("EC-2", "applies = [\"command\"]"),
        &assertion("EC-3", "over = \"history\""),
        &assertion("OWN-1", ""),
        "[[unassertable]]\nid = \"US1-4\"\nwhy = \"it is a feeling\"\n",
        more,
    ]
    .concat()
}

fn folder(spec: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.toml"), spec).unwrap();
    folder
}

const ALL: &str = "\"US1-1..US1-4\", \"EC-1..EC-3\"";

#[test]
fn every_requirement_names_what_checks_it() {
    let folder = folder(&spec(ALL, ""));
    let output = replay(folder.path(), &["coverage", "s.toml"]);
    let expected = "requirement  checked by\nUS1-1        US1-1\nUS1-2        US1-2, only in runs of kind compose\n\
        US1-3        US1-1\nUS1-4        unassertable: it is a feeling\nEC-1         US1-1\nEC-2         EC-2, only around a command\n\
        EC-3         EC-3, only over a history\nthe spec's own: OWN-1\n\
        7 requirements: 3 asserted, 1 only around a command, 1 only in runs of kind compose, 1 only over a history, \
        1 unassertable, 0 holes: exit 0\n";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let answer = json(folder.path(), &["coverage", "s.toml"], 0);
    let expected = json!({ "id": "US1-2", "unassertable": null,
        "assertions": [{ "id": "US1-2", "applies": ["compose"], "over": null }] });
    assert_eq!(answer["requirements"][1], expected);
    assert_eq!((&answer["holes"], &answer["own"], &answer["spec"]), (&json!([]), &json!(["OWN-1"]), &json!("t")));
}

#[test]
fn a_hole_is_exit_1() {
    let folder = folder(&spec(&format!("{ALL}, \"FR-009..FR-010\""), ""));
    let output = replay(folder.path(), &["coverage", "s.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("FR-010       NOTHING: a hole") && text.contains("2 holes: exit 1"), "{text}");
    assert_eq!(json(folder.path(), &["coverage", "s.toml"], 1)["holes"], json!(["FR-009", "FR-010"]));
}

#[test]
fn what_is_no_requirement_is_warned_about() {
    let folder = folder(&spec("\"US1-1\", \"US1-2\", \"US1-4\", \"EC-1..EC-3\"", ""));
    let output = replay(folder.path(), &["coverage", "s.toml"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains("US1-1 covers `US1-3`, which is no requirement of the spec"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn sql_that_cannot_run_covers_nothing() {
    let bad =
        "[[fault]]\nattribution = \"product\"\nsays = \"f\"\nobserve = \"SELECT nothing AS subject FROM samples\"\n";
    let folder_bad = folder(&spec(ALL, bad));
    let output = replay(folder_bad.path(), &["coverage", "s.toml"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(stderr(&output).contains("[[fault]] f: "), "{}", stderr(&output));
    let none = folder("[spec]\nid = \"t\"\n");
    let output = replay(none.path(), &["coverage", "s.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("names no requirements"), "{}", stderr(&output));
}
