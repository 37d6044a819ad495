use super::*;

fn cell(letter: char, margin: f64) -> Option<Cell> {
    let (outcome, attribution) = match letter {
        'H' => (Outcome::Held, None),
        'B' => (Outcome::Broken, Some(Attribution::Unknown)),
        'b' => (Outcome::Broken, Some(Attribution::Environment)),
        'i' => (Outcome::Inconclusive, None),
        '.' => (Outcome::NotApplicable, None),
        _ => return None,
    };
    Some(Cell { outcome, attribution, margin: matches!(letter, 'H' | 'B' | 'b').then_some(margin) })
}

fn column(version: &str, number: i64) -> crate::matrix::Column {
    let text = serde_json::json!({
        "format": 1, "run_id": format!("run-{number}"), "scenario": "s", "kind": "process", "spec_id": "t",
        "stream": "s", "state": "complete", "started_unix_ns": number, "duration_ns": 1, "labels": {},
        "version": {"id": version, "order": null}, "environment": {"fingerprint": "e", "facts": {}},
        "stimulus_sha256": null, "redaction": [], "tables": []
    });
    let run: recording::run::RunFile = serde_json::from_value(text).unwrap();
    let report = crate::report::RunReport {
        run_id: run.run_id.clone(),
        dir: "runs".into(),
        spec: "s.toml".into(),
        state: run.state,
        end_ns: 1,
        version: None,
        remarks: vec![],
        faults: vec![],
        assertions: vec![],
    };
    crate::matrix::Column { run, report }
}

fn of(versions: &[&str], rows: &[(&str, &str)]) -> Matrix {
    let columns = versions.iter().enumerate().map(|(number, version)| column(version, number as i64)).collect();
    let row = |(id, letters): &(&str, &str)| Row {
        id: (*id).into(),
        says: "something".into(),
        unit: Some("s".into()),
        cells: letters.chars().enumerate().map(|(place, letter)| cell(letter, place as f64)).collect(),
    };
    Matrix { columns, rows: rows.iter().map(row).collect() }
}

const VERSIONS: [&str; 5] = ["abcdef", "abcdef", "abcdef", "x", "x"];

#[test]
fn letters_stand_under_their_versions() {
    let text =
        matrix(&of(&VERSIONS, &[("A-1", "HHBHH"), ("A-2", "Hbi.b"), ("A-3", "....."), ("B", " HHHB")]), 80, false);
    assert_eq!(
        text,
        "     abc x\n\
         A-1  HHB HH  ▁▃▅▆█       4 s\n\
         A-2  Hbi .b  ▁▃··█       4 s  environment\n\
         B    \u{20}HH HB  ·▁▃▆█       4 s  unknown\n\
         version abcdef: 3 runs\n\
         version x: 2 runs\n\
         not applicable to any of them: A-3\n\
         the newest, on the right, is run-4: its margins and attributions stand there\n\
         H held  B broken  b broken by the environment or the harness  i inconclusive  . not applicable\n"
    );
}

#[test]
fn the_newest_runs_fit() {
    let versions = vec!["v"; 300];
    let letters = "H".repeat(299) + "B";
    let text = matrix(&of(&versions, &[("A-1", &letters)]), 60, false);
    let widest = text.lines().take(2).map(|line| line.chars().count()).max().unwrap();
    assert!((50..=60).contains(&widest), "{text}");
    assert!(text.contains("older runs don't fit") && text.lines().nth(1).unwrap().contains("HB  "), "{text}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let runs = of(&VERSIONS, &[("A-1", "HBbi.")]);
    let letters = |text: &str| text.lines().nth(1).unwrap().to_owned();
    assert!(letters(&matrix(&runs, 80, true)).contains("\x1b[31mB\x1b[0m"));
    assert!(!matrix(&runs, 80, false).contains('\x1b'));
}

#[test]
fn margins_that_are_all_the_same() {
    assert_eq!(sparkline(&[cell('H', 2.0), cell('H', 2.0), cell('i', 0.0)]), "▄▄·       ");
}

#[test]
fn nothing_at_all() {
    assert!(matrix(&of(&[], &[]), 80, false).ends_with("not applicable\n"));
}
