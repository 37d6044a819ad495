use super::*;
use crate::{Learned, judge};

const HEAD: &str = "assertion,run,at,version,environment,outcome,margin,attribution,version_order";

fn csv(rows: &[&str]) -> Result<History, Failure> {
    let text = format!("{HEAD}\n{}\n", rows.join("\n"));
    read(text.as_bytes(), Form::Csv)
}

fn problem(read: Result<History, Failure>) -> String {
    match read {
        Err(Failure::Says(line, problem)) => format!("{}: {problem}", line.unwrap_or_default()),
        Err(Failure::Read(error)) => panic!("{error}"),
        Ok(history) => panic!("{history:?}"),
    }
}

#[test]
fn bad_rows_are_named() {
    let good = "A,r1,2026-11-24T07:00:00Z,v1,e,held,1.5,,";
    for (row, says) in [
        ("A,r2,2026-11-24T07:00:00Z,v1,e,passed,1,,", "3: `passed` is no outcome"),
        ("A,r2,2026-11-24T07:00:00Z,v1,e,held,inf,,", "3: margin `inf` is not finite"),
        ("A,r2,2026-11-24T07:00:00Z,v1,e,held,NaN,,", "3: margin `NaN` is not finite"),
        ("A,r2,2026-11-24T07:00:00Z,v1,e,held,much,,", "3: margin `much` is not a number"),
        ("A,r2,yesterday,v1,e,held,1,,", "3: at `yesterday` is no time"),
        ("A,r2,2026-11-24T07:00:00Z,v1,e,held,1,fate,", "3: `fate` is no attribution"),
        ("A,r2,2026-11-24T07:00:00Z,v1,e,held,1,,first", "3: version_order `first` is not a number"),
        (",r2,2026-11-24T07:00:00Z,v1,e,held,1,,", "3: `assertion` is empty"),
        ("A,r2,2026-11-24T07:00:00Z,,e,held,1,,", "3: `version` is empty"),
        ("A,r2", "3: 2 cells"),
        ("A,r2,2026-11-24T07:00:00Z,v1,e,held,1,,7", "0: A: version `v1` has more than one version_order"),
        ("A,r2,2026-11-24T07:00:00Z,v2,e,held,1,,7", "0: A: some versions have a version_order and some have none"),
    ] {
        let said = problem(csv(&[good, row]));
        assert!(said.starts_with(says), "{row}: {said}");
    }
}

#[test]
fn a_missing_column_is_named() {
    let said = problem(read("assertion,run,at,version,outcome,margin\n".as_bytes(), Form::Csv));
    assert_eq!(said, "1: the column `environment` is missing; there are assertion, run, at, version, outcome, margin");
    assert!(problem(read("".as_bytes(), Form::Csv)).contains("it is empty"));
    let said = problem(read("{\"assertion\":\"A\",\"run\":\"r\"}\n".as_bytes(), Form::JsonLines));
    assert!(said.starts_with("1: the key `at` is missing"), "{said}");
    let said = problem(read("assertion,run,at,version,environment,outcome,margin,outcome\n".as_bytes(), Form::Csv));
    assert_eq!(said, "1: the column `outcome` is there twice");
    assert!(problem(read("[]\n".as_bytes(), Form::JsonLines)).contains("not a JSON object"));
}

#[test]
fn both_forms_say_the_same() {
    let lines = r#"{"assertion":"A","run":"r1","at":1763967600,"version":"v1","environment":"e","outcome":"held","margin":1.5}
{"assertion":"A","run":"r2","at":"2025-11-24T07:00:01Z","version":"v1","environment":"e","outcome":"broken","margin":null,"attribution":"environment"}"#;
    let lines = read(lines.as_bytes(), Form::JsonLines).expect("it is a history");
    let table = csv(&["A,r1,2025-11-24T07:00:00Z,v1,e,held,1.5,,", "A,r2,1763967601000,v1,e,broken,,environment,"]);
    assert_eq!(lines.series, table.expect("it is a history").series);
}

#[test]
fn the_order_of_rows_is_nothing() {
    let rows: Vec<String> = (0..24)
        .map(|run| {
            let (version, outcome) = (run / 4, if run > 15 { "broken" } else { "held" });
            format!("A,r{run:02},2026-11-24T07:00:{run:02}Z,v{version},e,{outcome},{}.5,,", run % 3)
        })
        .collect();
    let of = |rows: &[String]| {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let history = csv(&rows).expect("it is a history");
        let opinion = judge(&Learned::from(&history.series), &history.series[0]);
        let change = opinion.change.as_ref().map(|change| history.names.name(change.after).to_owned());
        (opinion.verdict, opinion.posterior, change)
    };
    let first = of(&rows);
    assert_eq!(first.2.as_deref(), Some("v4"));
    for stride in [5, 7, 11, 23] {
        let shuffled: Vec<String> = (0..24).map(|place| rows[place * stride % 24].clone()).collect();
        assert_eq!(of(&shuffled), first);
    }
}

#[test]
fn a_row_that_is_there_twice_counts_once() {
    let row = "A,r1,2026-11-24T07:00:00Z,v1,e,held,1.5,,";
    assert_eq!(csv(&[row, row]).expect("it is a history").series[0].runs.len(), 1);
}

#[test]
fn versions_come_by_their_order_or_their_first_run() {
    let order = |rows: &[&str]| {
        let history = csv(rows).expect("it is a history");
        let runs = history.series[0].runs.iter();
        runs.map(|run| history.names.name(run.run).to_owned()).collect::<Vec<_>>().join(" ")
    };
    let told = ["A,r1,2026-11-24T07:00:00Z,new,e,held,,,2", "A,r2,2026-11-24T08:00:00Z,old,e,held,,,1"];
    assert_eq!(order(&told), "r2 r1");
    let untold = [
        "A,r3,2026-11-24T09:00:00Z,a,e,held,,,",
        "A,r1,2026-11-24T07:00:00Z,b,e,held,,,",
        "A,r4,2026-11-24T10:00:00Z,b,e,held,,,",
    ];
    assert_eq!(order(&untold), "r1 r4 r3");
}

fn verdict_of(rows: &[String], assertion: &str) -> &'static str {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let history = csv(&rows).expect("it is a history");
    let series = history.series.iter().find(|series| series.assertion == assertion).expect("it is there");
    judge(&Learned::default(), series).verdict.name()
}

fn row(assertion: &str, run: usize, version: &str, environment: &str, outcome: &str) -> String {
    format!("{assertion},r{run:02},{},{version},{environment},{outcome},,,", 1_700_000_000 + run)
}

#[test]
fn an_unknown_environment_is_no_change_of_it() {
    let broken = |environment: &str| -> Vec<String> {
        let held = (0..10).map(|run| row("A", run, "v1", "a", "held"));
        held.chain((10..14).map(|run| row("A", run, "v2", environment, "broken"))).collect()
    };
    assert_eq!(verdict_of(&broken(""), "A"), "regression");
    assert_eq!(verdict_of(&broken("b"), "A"), "insufficient");
}

#[test]
fn control_runs_of_an_old_version_come_where_it_does() {
    let mut rows: Vec<String> = (0..5).map(|run| row("A", run, "v1", "e", "held")).collect();
    for run in 5..10 {
        rows.push(row("A", run, "v2", "e", "held"));
        rows.push(row("NEW", run, "v2", "e", "broken"));
    }
    for run in 10..18 {
        rows.push(row("A", run, "v1", "e", "held"));
        rows.push(row("NEW", run, "v1", "e", "held"));
    }
    assert_eq!(verdict_of(&rows, "NEW"), "regression");
}

#[test]
fn what_applies_nowhere_has_no_verdict() {
    let rows = [row("A", 1, "v1", "e", "not-applicable"), row("B", 1, "v1", "e", "held")];
    let history = csv(&[&rows[0], &rows[1]]).expect("it is a history");
    assert_eq!(history.series.iter().map(|series| series.assertion.as_str()).collect::<Vec<_>>(), ["B"]);
}
