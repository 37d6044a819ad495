//! `replay check --against`: the same recordings under two specs.

use serde_json::json;

use crate::build::{Builder, SECOND};
use crate::{json, replay, stderr, stdout};

const OLD: &str = r#"
[spec]
id = "t"

[views]
answers = "SELECT seq, at_ns FROM packets WHERE tap = 'api' AND event = 'answer'"

[[assertion]]
id = "T-1"
says = "something is answered"
observe = "SELECT 'answers' AS subject, count(*) AS observed, 'packets#0' AS evidence FROM answers"
bound = ">= 1"

[[assertion]]
id = "T-2"
says = "something is asked"
observe = "SELECT 'asks' AS subject, count(*) AS observed, 'packets#0' AS evidence FROM packets WHERE tap = 'api' AND event = 'ask'"
bound = ">= 1"
"#;

const OVER: &str = r#"
[[assertion]]
id = "T-3"
says = "runs answer"
observe = "SELECT 'runs' AS subject, CAST(count(*) AS DOUBLE) AS observed FROM answers"
bound = ">= 1"
needs = ["tap:api"]
over = "history"
"#;

fn id(run: usize) -> String {
    format!("small-20261124T07000{run}Z-aaaa")
}

/// A run that is answered so often.
fn run(run: usize, answers: i64) -> Builder {
    let builder = Builder::new(&id(run)).packet(10 * SECOND, "sent", "ask", &json!([{ "id": 1 }]));
    let answer = |builder: Builder, place| builder.packet((11 + place) * SECOND, "received", "answer", &json!([{}]));
    (0..answers).fold(builder, answer)
}

/// A folder with these runs, and both specs.
fn folder(runs: Vec<Builder>, old: &str, new: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old.toml"), old).unwrap();
    std::fs::write(folder.path().join("new.toml"), new).unwrap();
    runs.into_iter().for_each(|run| _ = run.seal(&folder.path().join("runs")));
    folder
}

const AGAINST: [&str; 6] = ["check", "runs", "--spec", "new.toml", "--against", "old.toml"];

#[test]
fn what_flips_with_no_new_run_is_a_change_of_the_spec() {
    let new = OLD.replacen(">= 1", ">= 2", 1);
    let folder = folder(vec![run(1, 1), run(2, 2), run(3, 1)], OLD, &new);
    let answer = json(folder.path(), &AGAINST, 3);
    assert_eq!(answer["runs"][0]["assertions"][0]["outcome"], "broken", "it is the answer under the new spec");
    let flip = |run| json!({ "id": "T-1", "run_id": id(run), "before": "held", "after": "broken" });
    assert_eq!(answer["against"]["spec"], "old.toml");
    assert_eq!(answer["against"]["flips"], json!([flip(1), flip(3)]));
    let assertions = json!([
        { "id": "T-1", "before": { "held": 3 }, "after": { "held": 1, "broken": 2 }, "flips": 2 },
        { "id": "T-2", "before": { "held": 3 }, "after": { "held": 3 }, "flips": 0 },
    ]);
    assert_eq!(answer["against"]["assertions"], assertions);
    let text = stdout(&replay(folder.path(), &AGAINST));
    for line in [
        "3 recordings under two specs, the old one old.toml: no run is new".to_owned(),
        "  T-1: 2 of 3 runs flip held → broken".to_owned(),
        format!("      {}, {}", id(1), id(3)),
        "      it says: something is answered".to_owned(),
        "1 assertion flips, 1 don't: exit 3, outcomes flip with the spec: no run is new".to_owned(),
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

#[test]
fn what_is_broken_under_both_is_broken() {
    let new = OLD.replace("'ask'", "'question'");
    let folder = folder(vec![run(1, 0), run(2, 1)], OLD, &new);
    let answer = json(folder.path(), &AGAINST, 1);
    assert_eq!(answer["against"]["assertions"][1]["flips"], 2);
    let text = stdout(&replay(folder.path(), &AGAINST));
    assert!(text.contains("  broken under both (recordings): T-1 (1)\n"), "{text}");
    // Under the new spec alone it is the same answer as without an old one.
    let alone = json(folder.path(), &AGAINST[..4], 1);
    assert_eq!((&alone["runs"], &alone["history"]), (&answer["runs"], &answer["history"]));
}

#[test]
fn what_only_one_spec_asks_flips_where_it_is_broken() {
    let (first, second) = OLD.split_at(OLD.rfind("[[assertion]]").unwrap());
    let new = format!("{first}{}", second.replace("T-2", "T-9").replace("'ask'", "'question'"));
    let folder = folder(vec![run(1, 1), run(2, 1)], OLD, &new);
    let answer = json(folder.path(), &AGAINST, 3);
    let flips: Vec<_> = answer["against"]["flips"].as_array().unwrap().iter().map(|flip| &flip["before"]).collect();
    assert_eq!(flips, [&json!(null), &json!(null)], "{:#}", answer["against"]);
    let gone = json!({ "id": "T-2", "before": { "held": 2 }, "after": null, "flips": 0 });
    assert_eq!(answer["against"]["assertions"][2], gone);
    let text = stdout(&replay(folder.path(), &AGAINST));
    for line in ["  T-9: 2 of 2 runs flip not there → broken", "  gone, and broke in none: T-2"] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    // The other way around what broke is gone.
    let back = ["check", "runs", "--spec", "old.toml", "--against", "new.toml"];
    let text = stdout(&replay(folder.path(), &back));
    assert!(text.contains("  T-9: 2 of 2 runs flip broken → gone\n"), "{text}");
}

#[test]
fn nothing_flips_between_a_spec_and_itself() {
    let folder = folder(vec![run(1, 1), run(2, 1)], OLD, OLD);
    let answer = json(folder.path(), &AGAINST, 0);
    assert_eq!(answer["against"]["flips"], json!([]));
    let text = stdout(&replay(folder.path(), &AGAINST));
    assert!(text.ends_with("nothing flips, 2 assertions: exit 0, everything that applies held\n"), "{text}");
}

#[test]
fn averages_over_the_runs_flip_too() {
    let old = format!("{OLD}{OVER}");
    let new = format!("{OLD}{}", OVER.replace(">= 1", ">= 2"));
    let folder = folder(vec![run(1, 1), run(2, 1)], &old, &new);
    let answer = json(folder.path(), &AGAINST, 3);
    let flip = json!({ "id": "T-3", "run_id": null, "before": "held", "after": "broken" });
    assert_eq!(answer["against"]["flips"], json!([flip]));
    let text = stdout(&replay(folder.path(), &AGAINST));
    assert!(text.contains("  T-3: over all runs together it flips held → broken\n"), "{text}");
}

#[test]
fn a_bad_old_spec_is_refused_with_its_line() {
    let folder = folder(vec![run(1, 1)], &OLD.replace(">= 1", ">> 1"), OLD);
    let output = replay(folder.path(), &AGAINST);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("old.toml:12"), "{}", stderr(&output));
}
