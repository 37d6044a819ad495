//! `[names]`: what a specification names, and what a run used in its place.

use recording::record::Param;
use serde_json::json;

use crate::build::{Builder, SECOND};
use crate::{json, replay, stdout};

const SPEC: &str = r#"
[spec]
id = "t"
[names]
engine = "Engine 3"
owner = "O'Neill's \\ \"x\""

[views]
replaced = "SELECT * FROM names WHERE used <> value"

[[assertion]]
id = "N-1"
says = "the engine is one of those that count as Engine 3"
observe = "SELECT name || ': ' || used AS subject, used AS observed FROM names WHERE name = 'engine'"
bound = "in {Engine 3, engine-3-lite}"

[[assertion]]
id = "N-2"
says = "nothing is replaced"
observe = "SELECT 'replaced' AS subject, count(*) AS observed FROM replaced"
bound = "= 0"
"#;

fn run(run_id: &str, params: &[(&str, &str)]) -> Builder {
    let mut builder = Builder::new(run_id).sample(SECOND, "up", 1.0);
    for (name, value) in params {
        builder = builder.row(1, Param { name: (*name).into(), value: (*value).into() });
    }
    builder
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.toml"), SPEC).unwrap();
    let runs = folder.path().join("runs");
    run("small-20261124T070000Z-aaaa", &[("segment_s", "6")]).seal(&runs);
    run("small-20261124T080000Z-bbbb", &[("engine", "engine-3-lite")]).seal(&runs);
    run("small-20261124T090000Z-cccc", &[("engine", "toy")]).seal(&runs);
    folder
}

#[test]
fn a_runs_parameter_stands_in_its_place() {
    let folder = folder();
    let outcomes = |run: &str, exit| {
        let answer = json(folder.path(), &["check", run, "--spec", "s.toml"], exit);
        let assertions = answer["runs"][0]["assertions"].as_array().unwrap().clone();
        assertions.into_iter().map(|assertion| json!([assertion["outcome"], assertion["observed"]])).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("small-20261124T07", 0), [json!(["held", "Engine 3"]), json!(["held", 0.0])]);
    assert_eq!(outcomes("small-20261124T08", 1), [json!(["held", "engine-3-lite"]), json!(["broken", 1.0])]);
    assert_eq!(outcomes("small-20261124T09", 1), [json!(["broken", "toy"]), json!(["broken", 1.0])]);
}

#[test]
fn queries_read_names_on_one_run_and_on_many() {
    let folder = folder();
    let sql = |run: &str, query: &str| json(folder.path(), &["sql", run, query, "--spec", "s.toml"], 0);
    let expected = json!([
        { "name": "engine", "value": "Engine 3", "used": "engine-3-lite" },
        { "name": "owner", "value": "O'Neill's \\ \"x\"", "used": "O'Neill's \\ \"x\"" },
    ]);
    assert_eq!(sql("small-20261124T08", "SELECT * FROM names ORDER BY name"), expected);
    let expected = json!([
        { "run_id": "small-20261124T070000Z-aaaa", "used": "Engine 3" },
        { "run_id": "small-20261124T080000Z-bbbb", "used": "engine-3-lite" },
        { "run_id": "small-20261124T090000Z-cccc", "used": "toy" },
    ]);
    assert_eq!(sql("runs", "SELECT run_id, used FROM names WHERE name = 'engine' ORDER BY run_id"), expected);
}

#[test]
fn a_spec_without_names_has_the_relation_all_the_same() {
    let folder = folder();
    let spec = "[spec]\nid = \"t\"\n[[assertion]]\nid = \"N\"\nsays = \"n\"\nbound = \"= 0\"\nobserve = \"SELECT 'n' AS subject, count(*) AS observed FROM names\"\n";
    std::fs::write(folder.path().join("none.toml"), spec).unwrap();
    let none = |run| json(folder.path(), &["sql", run, "SELECT * FROM names", "--spec", "none.toml"], 0);
    assert_eq!((none("latest"), none("runs")), (json!([]), json!([])));
    let text = stdout(&replay(folder.path(), &["explain", "none.toml", "N"]));
    assert!(text.contains("needs     nothing but the recorder"), "{text}");
    let text = stdout(&replay(folder.path(), &["explain", "s.toml", "N-2"]));
    let (names, replaced) = (text.find("-- view names\nSELECT").unwrap(), text.find("-- view replaced").unwrap());
    assert!(names < replaced, "{text}");
}
