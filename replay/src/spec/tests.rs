use std::path::Path;

use super::*;

const LAW: &str = include_str!("../../SPEC.md");

fn parse(text: &str) -> Result<Spec, Error> {
    Spec::parse(Path::new("spec.toml"), text)
}

#[test]
fn the_law_lists_every_key_column_and_function() {
    for key in KEYS.iter().flat_map(|(_, keys)| *keys) {
        assert!(
            LAW.contains(&format!("`{key}`")) || LAW.contains(&format!("[{key}]")),
            "SPEC.md doesn't mention `{key}`"
        );
    }
    for column in crate::measure::COLUMNS_OF_FAULTS.into_iter().chain(crate::measure::events::COLUMNS_OF_EVENTS) {
        assert!(LAW.contains(&format!("`{column}`")), "SPEC.md doesn't mention the column `{column}`");
    }
    let functions = include_str!("../functions.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut found = 0;
    for function in functions {
        let name = &function[..function.find('(').unwrap()];
        assert!(LAW.contains(&format!("`{name}(")), "SPEC.md doesn't mention the function `{name}`");
        found += 1;
    }
    assert!(found > 5, "functions.rs lists its functions another way now");
}

#[test]
fn the_law_quotes_the_events_that_any_run_has() {
    for sql in [crate::diff::events::OF_PACKETS, crate::diff::events::OF_TIMELINE] {
        assert!(LAW.contains(sql.trim()), "SPEC.md has another query than\n{sql}");
    }
}

#[test]
fn the_laws_examples_are_specs() {
    let mut examples = 0;
    for block in LAW.split("```toml\n").skip(1) {
        let example = block.split("```").next().unwrap();
        parse(example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        examples += 1;
    }
    assert!(examples > 0);
}

#[test]
fn the_laws_json_has_the_reports_keys() {
    let block = LAW.split("```json\n").nth(1).and_then(|block| block.split("```").next()).unwrap();
    let law: serde_json::Value = serde_json::from_str(block).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let spec =
        parse("[spec]\nid = \"t\"\n[[assertion]]\nid = \"A\"\nsays = \"a\"\nbound = \"= 1\"\nobserve = \"SELECT\"\n")
            .unwrap();
    let judgement = crate::judge::Judgement {
        attribution: Some(Attribution::Environment),
        faults: vec![0],
        ..crate::judge::Judgement::without_rows(crate::judge::Outcome::Broken, None)
    };
    let row = crate::judge::Observation {
        subject: "laptop".into(),
        observed: crate::judge::Observed::Missing,
        from_ns: Some(30_100_000_000),
        until_ns: Some(30_100_000_000),
        evidence: vec!["timeline#21".into()],
        skipped: None,
    };
    let fault = crate::judge::FaultRow {
        attribution: Attribution::Environment,
        says: "the machine slept".into(),
        row,
        concerns: Vec::new(),
    };
    let run = crate::report::RunReport {
        run_id: String::new(),
        dir: "runs/a".into(),
        spec: spec.path.clone(),
        state: recording::run::State::Complete,
        end_ns: 0,
        version: None,
        remarks: Vec::new(),
        faults: vec![fault],
        assertions: vec![crate::report::AssertionReport::new(&spec.assertions[0], judgement)],
    };
    let history = crate::report::HistoryReport {
        spec: spec.path.clone(),
        dirs: [(String::new(), "runs/a".into())].into(),
        assertion: crate::report::AssertionReport::new(
            &spec.assertions[0],
            crate::judge::Judgement::without_rows(crate::judge::Outcome::Held, None),
        ),
        left_out: vec![crate::judge::LeftOut { run_id: String::new(), reason: String::new() }],
    };
    let report = crate::report::check_json(&crate::report::CheckReport { runs: vec![run], history: vec![history] });
    assert_eq!(keys(&law["history"][0]), keys(&report["history"][0]));
    assert_eq!(keys(&law["history"][0]["left_out"][0]), keys(&report["history"][0]["left_out"][0]));
    assert_eq!(keys(&law), keys(&report));
    assert_eq!(keys(&law["runs"][0]), keys(&report["runs"][0]));
    assert_eq!(law["runs"][0]["causes"], {
        let mut causes = report["runs"][0]["causes"].clone();
        causes[0]["explains"] = serde_json::json!(["FR-001"]);
        causes
    });
    assert_eq!(law["runs"][0]["assertions"][0]["faults"], report["runs"][0]["assertions"][0]["faults"]);
    assert_eq!(keys(&law["runs"][0]["assertions"][0]), keys(&report["runs"][0]["assertions"][0]));
}

#[test]
fn requirements_are_written_out() {
    let spec = parse("[spec]\nid = \"t\"\nrequirements = [\"FR-009..FR-011\", \"SC-1\"]\n").unwrap();
    assert_eq!(spec.requirements, ["FR-009", "FR-010", "FR-011", "SC-1"]);
}

#[test]
fn places_in_sql_are_places_in_the_file() {
    let spec =
        parse("[spec]\nid = \"t\"\n[views]\na = \"SELECT x\"\nb = \"\"\"\nSELECT\n  y\"\"\"\nc = '''SELECT z'''\n")
            .unwrap();
    let place = |view: usize, at| spec.views[view].query.error(Some(at), "bad").to_string();
    assert_eq!(place(0, (1, 8)), "spec.toml:4: [views] a: bad (column 13)");
    assert_eq!(place(1, (2, 3)), "spec.toml:7: [views] b: bad (column 3)");
    assert_eq!(place(2, (1, 8)), "spec.toml:8: [views] c: bad (column 15)");
}

const SMALLEST: &str = "[spec]\nid = \"t\"\n";

fn fault(id: &str) -> String {
    format!("[[fault]]\nid = \"{id}\"\nattribution = \"product\"\nsays = \"mine\"\nobserve = \"SELECT 1 AS subject\"\n")
}

fn ids(spec: &Spec) -> Vec<&str> {
    spec.faults.iter().filter_map(|fault| fault.id.as_deref()).collect()
}

#[test]
fn the_law_lists_the_default_faults() {
    let spec = parse(SMALLEST).unwrap();
    let (_, law) = LAW.split_once("## Default faults").unwrap();
    let law = law.split("\n## ").next().unwrap();
    for fault in &spec.faults {
        let row = format!("| `{}` | {} |", fault.id.as_deref().unwrap(), fault.attribution.name());
        assert!(law.contains(&row), "SPEC.md has no row {row}");
        assert_eq!(fault.origin, Origin::Default);
    }
    assert_eq!(law.matches("\n| `").count(), spec.faults.len());
    let reserved = |view: &View| view.name.starts_with("fault_");
    assert!(!spec.views.is_empty() && spec.views.iter().all(reserved));
}

#[test]
fn a_fault_of_a_defaults_id_replaces_it() {
    let all = parse(SMALLEST).unwrap();
    let spec = parse(&format!("{SMALLEST}{}{}", fault("mine"), fault("disk-full"))).unwrap();
    let mut expected = vec!["mine", "disk-full"];
    expected.extend(ids(&all).into_iter().filter(|id| *id != "disk-full"));
    assert_eq!(ids(&spec), expected);
    let origins: Vec<Origin> = spec.faults.iter().take(3).map(|fault| fault.origin).collect();
    assert_eq!(origins, [Origin::Spec, Origin::Replacement, Origin::Default]);
    assert_eq!(spec.faults[1].says, "mine");
}

#[test]
fn a_spec_can_be_without_default_faults() {
    let without = format!("[spec]\nid = \"t\"\ndefault_faults = false\n{}", fault("disk-full"));
    let spec = parse(&without).unwrap();
    assert_eq!((ids(&spec), spec.faults[0].origin), (vec!["disk-full"], Origin::Spec));
    let with = parse(&without.replace("false", "true")).unwrap();
    assert_eq!(with.faults.len(), parse(SMALLEST).unwrap().faults.len());
}

#[test]
fn a_view_of_a_spec_says_what_a_fault_concerns_and_hides_no_other() {
    let view = |name: &str| parse(&format!("{SMALLEST}[views]\n{name} = \"SELECT 1 AS one\"\n"));
    let spec = view("fault_concerns").unwrap();
    let found: Vec<&View> = spec.views.iter().filter(|view| view.name == "fault_concerns").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].query.sql, "SELECT 1 AS one");
    for name in ["fault_deaths", "fault_mine"] {
        let problem = view(name).unwrap_err().to_string();
        assert!(problem.starts_with(&format!("spec.toml:4: the view `{name}` begins with `fault_`")), "{problem}");
    }
}

#[test]
fn a_fault_that_says_too_little_or_the_same_twice_is_refused() {
    let refused = |text: &str, what: &str| {
        let problem = parse(&format!("{SMALLEST}{text}")).unwrap_err().to_string();
        assert!(problem.contains(what), "{problem}");
    };
    refused(&format!("{}{}", fault("a"), fault("a")), "spec.toml:9: the id `a` is taken by a fault above");
    refused(&fault(" "), "`id` in [[fault]] is empty");
    refused(&format!("{}when = []\n", fault("a")), "`when` names sources or events");
    refused(&format!("{}when = [\"\"]\n", fault("a")), "`when` names sources or events");
    refused("default_faults = 1\n", "`default_faults` in [spec] must be true or false, not integer");
}
