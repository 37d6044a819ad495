//! `replay check` of several recordings: what is asked over a history.

use recording::record::{Event, Gap};
use serde_json::json;

use crate::build::{Builder, SECOND};
use crate::{json, replay, stderr, stdout};

const SPEC: &str = r#"
[spec]
id = "t"

[[assertion]]
id = "T-1"
says = "something is asked"
observe = "SELECT 'asks' AS subject, count(*) AS observed FROM packets WHERE tap = 'api' AND event = 'ask'"
bound = ">= 1"

[[assertion]]
id = "T-2"
says = "most runs answer (share of runs)"
observe = "SELECT 'runs' AS subject, CASE WHEN count(*) > 0 THEN 1.0 ELSE 0.0 END AS observed FROM packets WHERE tap = 'api' AND event = 'answer'"
bound = ">= 0.6"
min_rows = 3
over = "history"

[[fault]]
attribution = "environment"
says = "the machine slept"
observe = "SELECT subject, at_ns AS from_ns, at_ns AS until_ns FROM timeline WHERE source = 'mark' AND event = 'sleep'"
"#;

fn id(run: usize) -> String {
    format!("small-20261124T07000{run}Z-aaaa")
}

fn run(run: usize, answers: bool) -> Builder {
    let builder = Builder::new(&id(run)).packet(10 * SECOND, "sent", "ask", &json!([{ "id": 1 }]));
    match answers {
        true => builder.packet(11 * SECOND, "received", "answer", &json!([{ "id": 1 }])),
        false => builder,
    }
}

fn slept(builder: Builder) -> Builder {
    let row = Event { source: "mark".into(), subject: "laptop".into(), event: "sleep".into(), ..Event::default() };
    builder.row(30 * SECOND, Event { attributes: "{}".into(), ..row })
}

fn lost(builder: Builder) -> Builder {
    let row =
        Gap { source: "tap:api".into(), reason: "full".into(), from_ns: 20 * SECOND, to_ns: 21 * SECOND, lost: 3 };
    builder.row(21 * SECOND, row)
}

/// A folder with these recordings in `runs`, and the spec.
fn folder(runs: Vec<Builder>, spec: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("spec.toml"), spec).unwrap();
    runs.into_iter().for_each(|run| _ = run.seal(&folder.path().join("runs")));
    folder
}

const CHECK: [&str; 4] = ["check", "runs", "--spec", "spec.toml"];

#[test]
fn the_average_over_the_runs_that_say_something() {
    let runs = vec![run(1, true), run(2, true), run(3, false), slept(run(4, false)), lost(run(5, false))];
    let folder = folder(runs, SPEC);
    // T-1 is not sure of the run that lost records.
    let answer = json(folder.path(), &CHECK, 3);
    let history = &answer["history"][0];
    assert_eq!((&history["id"], &history["outcome"], &history["runs"]), (&json!("T-2"), &json!("held"), &json!(5)));
    assert!((history["observed"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9, "{history:#}");
    assert_eq!((&history["rows"], &history["skipped"], &history["violations"]), (&json!(3), &json!(2), &json!([])));
    let left_out = history["left_out"].as_array().unwrap();
    assert_eq!(left_out[0], json!({ "run_id": id(4), "reason": "environment: the machine slept" }));
    assert_eq!(left_out[1]["run_id"], id(5));
    assert!(left_out[1]["reason"].as_str().unwrap().contains("lost"), "{history:#}");
    for run in answer["runs"].as_array().unwrap() {
        assert_eq!(run["assertions"][1]["outcome"], "not-applicable");
    }
}

#[test]
fn a_broken_average_names_its_runs_and_what_to_type() {
    let folder = folder(vec![run(1, true), run(2, false), run(3, false), slept(run(4, true))], SPEC);
    let history = &json(folder.path(), &CHECK, 1)["history"][0];
    assert_eq!((&history["outcome"], &history["attribution"]), (&json!("broken"), &json!("unknown")));
    let names: Vec<&str> =
        history["violations"].as_array().unwrap().iter().map(|run| run["subject"].as_str().unwrap()).collect();
    assert_eq!(names, [id(2), id(3)]);
    let text = stdout(&replay(folder.path(), &CHECK));
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "over 4 runs broken T-2 0.333 >= 0.6 margin -0.267 most runs answer (share of runs)",
        "the runs that pull it down, the worst first: small-20261124T070002Z-aaaa 0 small-20261124T070003Z-aaaa 0",
        "3 of 4 runs count, left out: environment: the machine slept: small-20261124T070004Z-aaaa",
        "next: replay check runs/small-20261124T070002Z-aaaa --spec spec.toml 4 runs: 4 held, 1 broken, 0 inconclusive",
    ] {
        assert!(squeezed.contains(line), "{line}\n{text}");
    }
}

#[test]
fn too_few_runs_are_inconclusive_and_one_is_no_history() {
    let folder = folder(vec![run(1, true), run(2, true)], SPEC);
    let history = &json(folder.path(), &CHECK, 3)["history"][0];
    assert_eq!(history["reason"], "2 runs count, at least 3 are needed");
    let (one, two) = (format!("runs/{}", id(1)), format!("runs/{}", id(2)));
    for runs in [vec![&one], vec![&one, &one]] {
        let args: Vec<&str> =
            ["check", "--spec", "spec.toml"].into_iter().chain(runs.into_iter().map(String::as_str)).collect();
        assert_eq!(json(folder.path(), &args, 0)["history"], json!([]), "{args:?}");
    }
    // The same run twice makes no third one.
    let answer = json(folder.path(), &["check", &one, &two, &one, "--spec", "spec.toml"], 3);
    assert_eq!(answer["history"][0]["runs"], 2);
}

#[test]
fn copies_of_one_spec_make_one_history() {
    let folder = folder(vec![run(1, true), run(2, true), run(3, true), run(4, true)], SPEC);
    let copy =
        |run: usize, spec: &str| std::fs::write(folder.path().join("runs").join(id(run)).join("spec.toml"), spec);
    (1..=3).for_each(|run| copy(run, SPEC).unwrap());
    copy(4, &SPEC.replace("min_rows = 3", "min_rows = 1")).unwrap();
    let history = json(folder.path(), &["check", "runs"], 0)["history"].clone();
    assert_eq!(history.as_array().unwrap().len(), 1, "{history:#}");
    assert_eq!((&history[0]["runs"], &history[0]["outcome"]), (&json!(3), &json!("held")));
}

#[test]
fn texts_have_no_average() {
    let folder = folder(
        vec![run(1, true), run(2, true)],
        &SPEC
            .replace("CASE WHEN count(*) > 0 THEN 1.0 ELSE 0.0 END AS observed", "'yes' AS observed")
            .replace(">= 0.6", "= yes"),
    );
    let output = replay(folder.path(), &CHECK);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("T-2") && said.contains("CASE WHEN"), "{said}");
}
