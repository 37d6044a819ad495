//! `replay judge` and `replay verdict`: verdicts over histories, and the forms that they are written in.

use std::path::Path;

use serde_json::Value;

use crate::{json, replay, stderr, stdout};

const HEAD: &str = "assertion,run,at,version,environment,outcome,margin,attribution,version_order\n";

/// A history of one assertion: `.` held, `x` broken, `e` broken with a fault, `?` inconclusive; versions are separated by spaces.
fn rows(assertion: &str, short: &str) -> String {
    let mut text = String::new();
    let mut run = 0;
    for (version, runs) in short.split(' ').enumerate() {
        for letter in runs.chars() {
            let (outcome, attribution) = match letter {
                '.' => ("held", ""),
                'x' => ("broken", ""),
                'e' => ("broken", "environment"),
                _ => ("inconclusive", ""),
            };
            run += 1;
            text += &format!("{assertion},r{run},{},v{version},e,{outcome},,{attribution},\n", 1_700_000_000 + run);
        }
    }
    text
}

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("h.csv"), text).unwrap();
    folder
}

fn one(dir: &Path, exit: i32) -> Value {
    let answer = json(dir, &["judge", "h.csv"], exit);
    answer["verdicts"][0].clone()
}

#[test]
fn each_verdict_has_its_exit_code() {
    for (short, verdict, exit) in [
        ("..........", "stable", 0),
        (".......... xxx", "regression", 1),
        ("xxxxxxxxxx", "broken_no_baseline", 1),
        ("..........ee", "environment", 4),
        (".............................. x", "insufficient", 3),
        ("????", "insufficient", 3),
        ("?", "insufficient", 3),
        (".", "stable", 0),
        ("xxxxxxxxxx ..........", "fixed", 0),
        ("..x...x...x..x...x..x. .x..x..x..x...x..x", "flaky", 0),
    ] {
        let folder = folder(&(HEAD.to_owned() + &rows("A", short)));
        assert_eq!(one(folder.path(), exit)["verdict"], verdict, "{short}");
    }
}

#[test]
fn flakes_fail_only_where_that_is_asked_for() {
    let folder = folder(&(HEAD.to_owned() + &rows("A", "..x...x...x..x...x..x. .x..x..x..x...x..x")));
    let output = replay(folder.path(), &["judge", "h.csv", "--fail-on", "flaky"]);
    assert_eq!(output.status.code(), Some(5), "{}", stdout(&output));
}

#[test]
fn what_is_not_decided_says_what_would_decide_it() {
    let folder = folder(&(HEAD.to_owned() + &rows("A", ".............................. x")));
    let verdict = one(folder.path(), 3);
    let runs = verdict["more_runs"].as_u64().unwrap();
    assert!((1..=3).contains(&runs) && verdict["plan"]["probability"].as_f64() >= Some(0.8), "{verdict:#}");
    assert_eq!((&verdict["plan"]["version"], &verdict["plan"]["control"]), (&"v1".into(), &false.into()));
    let text = stdout(&replay(folder.path(), &["judge", "h.csv"]));
    assert!(
        text.contains("one red among 30 green proves nothing")
            && text.contains(&format!("collector record --repeat {runs}")),
        "{text}"
    );
}

#[test]
fn the_posterior_has_the_same_keys_everywhere() {
    let text = [HEAD, &rows("A", "... xxx"), &rows("B", "??"), &rows("C", "......ee")].concat();
    let folder = folder(&text);
    let answer = json(folder.path(), &["judge", "h.csv"], 1);
    for verdict in answer["verdicts"].as_array().unwrap() {
        let posterior = verdict["posterior"].as_object().unwrap();
        let keys: Vec<&str> = posterior.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["regression", "fixed", "environment", "flaky", "stable", "broken_no_baseline", "spec_change"]
        );
        let sum: f64 = posterior.values().map(|share| share.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{verdict}");
    }
}

#[test]
fn bad_histories_are_exit_2_in_one_line() {
    for (text, says) in [
        ("", "it is empty"),
        ("assertion,run\nA,r\n", "the column `at` is missing"),
        (&format!("{HEAD}A,r,1,v,e,passed,,,\n"), "h.csv:2: `passed` is no outcome"),
        (&format!("{HEAD}A,r,1,v,e,held,inf,,\n"), "h.csv:2: margin `inf` is not finite"),
        (&format!("{HEAD}A,r,soon,v,e,held,,,\n"), "h.csv:2: at `soon` is no time"),
    ] {
        let folder = folder(text);
        let output = replay(folder.path(), &["judge", "h.csv"]);
        let error = stderr(&output);
        assert_eq!((output.status.code(), error.lines().count()), (Some(2), 1), "{error}");
        assert!(error.contains(says), "{error}");
    }
    let output = replay(folder("").path(), &["judge", "none.csv"]);
    assert!(stderr(&output).contains("read the history none.csv"), "{}", stderr(&output));
}

#[test]
fn no_runs_are_no_pass() {
    let folder = folder(HEAD);
    let output = replay(folder.path(), &["judge", "h.csv"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(3), "no runs: exit 3, the history has no runs that were judged\n")
    );
}

#[test]
fn priors_are_kept_and_checked() {
    let folder = folder(&(HEAD.to_owned() + &rows("A", ".......... xxx")));
    let learned = json(folder.path(), &["judge", "h.csv", "--save-priors", "p.json"], 1);
    let again = json(folder.path(), &["judge", "h.csv", "--priors", "p.json"], 1);
    let probability = |answer: &Value| answer["verdicts"][0]["probability"].as_f64().unwrap();
    assert!((probability(&again) - probability(&learned)).abs() < 1e-12, "{again:#}");
    let text = std::fs::read_to_string(folder.path().join("p.json")).unwrap();
    for (from, to) in [("\"outage_end\": 0.", "\"outage_end\": 7."), ("\"priors\"", "\"prior\""), ("{", "")] {
        std::fs::write(folder.path().join("bad.json"), text.replacen(from, to, 1)).unwrap();
        let output = replay(folder.path(), &["judge", "h.csv", "--priors", "bad.json"]);
        assert_eq!(output.status.code(), Some(2), "{to}");
        assert!(stderr(&output).contains("read the priors bad.json"), "{}", stderr(&output));
    }
}

#[test]
fn one_cause_is_one_annotation() {
    let text =
        [HEAD, &rows("A", ".......... xxx"), &rows("B", ".......... xxx"), &rows("C", "..........  ...")].concat();
    let folder = folder(&text);
    let output = stdout(&replay(folder.path(), &["judge", "h.csv", "--format", "github"]));
    assert_eq!(output.lines().filter(|line| line.starts_with("::error")).count(), 1, "{output}");
    assert!(output.contains("1 cause explains 2 failures"), "{output}");
    let text = stdout(&replay(folder.path(), &["judge", "h.csv"]));
    assert!(text.contains("1 cause explains 2 failures, broken in the same runs: A, B"), "{text}");
    let xml = stdout(&replay(folder.path(), &["judge", "h.csv", "--format", "junit"]));
    assert_eq!((xml.matches("<rerunFailure").count(), xml.matches("<testcase").count()), (6, 3), "{xml}");
    let refused = replay(folder.path(), &["list", "--format", "junit"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn recordings_are_judged_together_and_a_new_spec_is_no_news() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let spec = root.join("fixtures/histories/spec.toml");
    let (spec, runs) = (spec.to_str().unwrap(), root.join("fixtures/histories/recordings"));
    let runs = runs.to_str().unwrap();
    let folder = folder("");
    let answer = json_of_any(folder.path(), &["verdict", runs, "--spec", spec]);
    let verdicts = answer["verdicts"].as_array().unwrap();
    assert!(verdicts.len() > 10, "{answer:#}");
    assert!(verdicts.iter().all(|verdict| verdict["runs"].as_u64() > Some(1)), "{answer:#}");
    let strict = std::fs::read_to_string(spec).unwrap().replace("bound = \"<= 1.15\"", "bound = \"<= 0.001\"");
    std::fs::write(folder.path().join("strict.toml"), strict).unwrap();
    let (one, other) = (format!("{runs}/held"), format!("{runs}/dropped"));
    let answer = json_of_any(folder.path(), &["verdict", &one, &other, "--spec", "strict.toml", "--against", spec]);
    let quick =
        answer["verdicts"].as_array().unwrap().iter().find(|verdict| verdict["assertion"] == "QUICK-1").unwrap();
    assert_eq!(
        (&quick["verdict"], &quick["posterior"]["spec_change"]),
        (&"spec_change".into(), &1.0.into()),
        "{quick:#}"
    );
}

fn json_of_any(dir: &Path, args: &[&str]) -> Value {
    let output = replay(dir, &[args, &["--format", "json"]].concat());
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}
