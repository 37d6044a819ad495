//! Bad input: one clear line with file, place and remedy, and exit 2.

use std::path::Path;

use crate::build::{Builder, SECOND};
use crate::{replay, stderr};

const RUN: &str = "small-20261124T070000Z-aaaa";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Builder::new(RUN).sample(SECOND, "up", 1.0).seal(&folder.path().join("runs"));
    folder
}

/// Exit 2, and one line that says all of these.
#[track_caller]
fn refused(dir: &Path, args: &[&str], says: &[&str]) {
    let output = replay(dir, args);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    for part in says {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[track_caller]
fn spec_refused(spec: &str, says: &[&str]) {
    let folder = folder();
    std::fs::write(folder.path().join("s.toml"), spec).unwrap();
    refused(folder.path(), &["check", "latest", "--spec", "s.toml"], says);
}

fn assertion(keys: &str) -> String {
    format!("[spec]\nid = \"t\"\n[[assertion]]\nid = \"A\"\nsays = \"a\"\n{keys}")
}

const OBSERVE: &str = "observe = \"SELECT name AS subject, value AS observed FROM samples\"\n";

#[test]
fn specs_that_say_what_they_cannot() {
    spec_refused("[spec\nid = 1", &["s.toml:1: not TOML"]);
    spec_refused("", &["s.toml:1: the spec has no `spec`"]);
    spec_refused("[spec]\nid = \"t\"\n", &["s.toml:1: the spec has no assertion", "write an `[[assertion]]`"]);
    spec_refused("[spec]\nid = 3\n", &["s.toml:2: `id` in [spec] must be a text, not integer"]);
    spec_refused(
        "[spec]\nid = \"t\"\n[asertion]\n",
        &["s.toml:3: unknown key `asertion`", "did you mean `assertion`?"],
    );
    spec_refused(
        &assertion("obsreve = \"SELECT 1\"\nbound = \"= 1\"\n"),
        &["s.toml:6: unknown key `obsreve` in [[assertion]]; did you mean `observe`?"],
    );
    spec_refused(&assertion(&format!("{OBSERVE}bound = \"=< 1\"\n")), &["s.toml:7: `=< 1` is no bound: write"]);
    spec_refused(&assertion(OBSERVE), &["s.toml:3: [[assertion]] has no `bound`"]);
    spec_refused(
        &assertion(&format!("{OBSERVE}bound = \"= 1\"\nmin_rows = 0\n")),
        &["s.toml:8: `min_rows` must be 1 or more"],
    );
    spec_refused(
        &assertion(&format!("{OBSERVE}bound = \"= 1\"\nempty = \"hold\"\n")),
        &["s.toml:8: `empty` can only be \"held\""],
    );
    spec_refused(&assertion(&format!("{OBSERVE}bound = \"= 1\"\nneeds = []\n")), &["s.toml", "`needs = []`"]);
    spec_refused(
        &assertion(&format!("{OBSERVE}bound = \"= 1\"\napplies = \"docker\"\n")),
        &["s.toml:8: `applies` is one of"],
    );
    spec_refused(
        &assertion(&format!("{OBSERVE}bound = \"= 1\"\n[[unassertable]]\nid = \"A\"\nwhy = \"w\"\n")),
        &["s.toml:9: the id `A` is taken"],
    );
    spec_refused(
        "[spec]\nid = \"t\"\n[views]\npackets = \"SELECT 1\"\n",
        &["s.toml:4: the view `packets` has the name of a recorded table"],
    );
    spec_refused(
        "[spec]\nid = \"t\"\n[views]\nnames = \"SELECT 1\"\n",
        &["s.toml:4: the view `names` has the name of what [names] says"],
    );
    spec_refused("[spec]\nid = \"t\"\n[names]\nengine = 3\n", &["s.toml:4: `engine` in [names] must be a text"]);
    spec_refused("[spec]\nid = \"t\"\n[names]\nengine = \" \"\n", &["s.toml:4: `engine` in [names] is empty"]);
    spec_refused(
        "[spec]\nid = \"t\"\n[[fault]]\nattribution = \"enviroment\"\nsays = \"s\"\nobserve = \"SELECT 1\"\n",
        &["s.toml:4", "did you mean `environment`?"],
    );
    spec_refused(
        "[spec]\nid = \"t\"\nrequirements = [\"A-1..A-3\", \"A-2\"]\n",
        &["s.toml:3: the requirement `A-2` is named twice"],
    );
    spec_refused("[spec]\nid = \"t\"\nrequirements = [\"FR-5..FR-1\"]\n", &["s.toml:3: `FR-5..FR-1` is no id"]);
}

#[test]
fn bad_sql_in_a_spec_has_a_place() {
    let bad = |observe: &str| assertion(&format!("bound = \"= 1\"\nobserve = {observe}\n"));
    spec_refused(
        &bad("\"SELECT 'a' AS subject, 1 AS observed FORM samples\""),
        &["s.toml:7: [[assertion]] A:", "column "],
    );
    spec_refused(
        &bad("\"\"\"\nSELECT 'a' AS subject,\n  valeu AS observed\nFROM samples\"\"\""),
        &["s.toml:9: [[assertion]] A:", "valeu", "(column 3)"],
    );
    spec_refused(
        &bad("\"SELECT 'a' AS subject, 1 AS observed FROM sample\""),
        &["no table or view `sample`", "did you mean `samples`?"],
    );
    spec_refused(
        &bad("\"SELECT 'a' AS subject, 1 AS observd FROM samples\""),
        &["the column `observd`", "did you mean `observed`?"],
    );
    spec_refused(&bad("\"SELECT name AS subject FROM samples\""), &["no column `observed`"]);
    spec_refused(
        &bad("\"SELECT name AS subject, value AS observed, 'scrape:worker' AS concerns FROM samples\""),
        &["the column `concerns` is none of subject, observed, from_ns, until_ns, evidence, skipped"],
    );
    spec_refused(&bad("\"SELECT 'a' AS subject, 1 AS observed\""), &["reads no table"]);
    spec_refused(&bad("\"DELETE FROM samples\""), &["only a query is allowed"]);
    spec_refused(
        &assertion("bound = \"<= 1\"\nobserve = \"SELECT name AS subject, name AS observed FROM samples\"\n"),
        &["[[assertion]] A: `observed` is of type Utf8, which `<= 1` can't be compared with"],
    );
    let views = "[spec]\nid = \"t\"\n[views]\na = \"SELECT * FROM b\"\nb = \"SELECT * FROM a\"\n[[assertion]]\nid = \"A\"\nsays = \"a\"\nbound = \"= 1\"\nobserve = \"SELECT * FROM a\"\n";
    spec_refused(views, &["s.toml:", "reads itself"]);
    let view = "[spec]\nid = \"t\"\n[views]\na = \"SELECT nam FROM samples\"\n[[assertion]]\nid = \"A\"\nsays = \"a\"\nbound = \"= 1\"\nobserve = \"SELECT * FROM a\"\n";
    spec_refused(view, &["s.toml:4: [views] a:", "nam", "(column 13)"]);
}

/// What the default faults can't read is said of the spec's own view, not of theirs.
#[test]
fn the_view_of_what_faults_concern_has_two_columns() {
    let folder = tempfile::tempdir().unwrap();
    let explained = |sql: &str| {
        let spec = assertion(&format!("{OBSERVE}bound = \"= 1\"\n[views]\nfault_concerns = \"{sql}\"\n"));
        std::fs::write(folder.path().join("s.toml"), spec).unwrap();
        let output = replay(folder.path(), &["explain", "s.toml"]);
        (output.status.code(), stderr(&output))
    };
    assert_eq!(explained("SELECT 'a' AS subject, NULL AS concerns").0, Some(0));
    for sql in ["SELECT 'a' AS subject", "SELECT 1 AS subject, 'b' AS concerns"] {
        let (code, problem) = explained(sql);
        assert_eq!(code, Some(2), "{problem}");
        assert!(problem.contains("s.toml:"), "{problem}");
        assert!(
            problem.contains("`fault_concerns` needs the columns `subject` and `concerns`, both texts"),
            "{problem}"
        );
    }
}

/// A fault may say what it concerns; what it can't say is found without a recording.
#[test]
fn the_columns_of_a_fault_are_explained() {
    let folder = folder();
    let with = |column: &str| {
        let observe = format!("SELECT name AS subject, 'scrape:worker' AS {column} FROM samples");
        let fault = format!("[[fault]]\nattribution = \"product\"\nsays = \"f\"\nobserve = \"{observe}\"\n");
        let spec = assertion(&format!("{OBSERVE}bound = \"= 1\"\n{fault}"));
        std::fs::write(folder.path().join("s.toml"), spec).unwrap();
    };
    with("concerns");
    assert_eq!(replay(folder.path(), &["explain", "s.toml"]).status.code(), Some(0));
    with("concern");
    refused(folder.path(), &["explain", "s.toml"], &["[[fault]] f: the column `concern`", "did you mean `concerns`?"]);
}

#[test]
fn recordings_that_are_none() {
    let folder = folder();
    let dir = folder.path();
    std::fs::write(dir.join("s.toml"), assertion(&format!("{OBSERVE}bound = \"= 1\"\n"))).unwrap();
    let check = |run: &str, says: &[&str]| refused(dir, &["check", run, "--spec", "s.toml"], says);
    check("nobody", &["no recording in runs begins with `nobody`"]);
    std::fs::create_dir(dir.join("empty")).unwrap();
    check("empty", &["empty is not a recording", "run.json"]);
    refused(dir, &["check", "latest"], &["read the spec", "spec.toml", "--spec"]);
    refused(dir, &["info", "runs"], &["name one of them"]);
    refused(dir, &["list", "nowhere"], &["nowhere"]);
    refused(dir, &["--runs", "nowhere", "info", "latest"], &["nowhere"]);
}

#[test]
fn recordings_that_are_damaged() {
    let damage = |file: &str, change: &dyn Fn(String) -> String, says: &[&str]| {
        let folder = folder();
        let path = folder.path().join("runs").join(RUN).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
        refused(folder.path(), &["info", "latest"], says);
    };
    damage(
        "run.json",
        &|text| text.replace("\"format\": 1", "\"format\": 9"),
        &["run.json", "format 9", "newer Tapedeck"],
    );
    damage(
        "run.json",
        &|text| text.replace("samples.parquet", "../samples.parquet"),
        &["run.json", "../samples.parquet", "plain file names"],
    );
    damage("run.json", &|text| text[..text.len() / 2].to_owned(), &["run.json"]);
    let folder = folder();
    let path = folder.path().join("runs").join(RUN).join("samples.parquet");
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&path, &content[..content.len() / 2]).unwrap();
    refused(folder.path(), &["info", "latest"], &["samples.parquet", "cut short"]);
    refused(folder.path(), &["sql", "latest", "SELECT * FROM samples"], &["samples.parquet", "cut short"]);
    std::fs::remove_file(&path).unwrap();
    refused(folder.path(), &["sql", "latest", "SELECT * FROM samples"], &["samples.parquet"]);
}

#[test]
fn only_queries_are_let_in() {
    let folder = folder();
    let dir = folder.path();
    std::fs::write(dir.join("x.csv"), "a,b\n1,2\n").unwrap();
    let sql = |query: &str, says: &[&str]| refused(dir, &["sql", "latest", query], says);
    for statement in [
        "COPY samples TO 'out.csv'",
        "COPY (SELECT 1) TO 'out.parquet'",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x.csv'",
        "INSERT INTO samples SELECT * FROM samples",
        "DROP TABLE samples",
        "SET datafusion.execution.batch_size = 1",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "PREPARE p AS SELECT 1",
        "SELECT 1 INTO t",
    ] {
        sql(statement, &["quer"]);
        assert!(!dir.join("out.csv").exists() && !dir.join("out.parquet").exists());
    }
    sql("SELECT 1; SELECT 2", &["only one query"]);
    sql("", &["empty"]);
    sql("SELECT * FROM 'x.csv'", &["no table or view"]);
    sql("SELECT * FROM \"x.csv\"", &["no table or view"]);
    sql("SELECT * FROM information_schema.tables", &["no table or view"]);
    for call in ["read_csv('x.csv')", "generate_series(1, 10)", "range(1, 10)", "parquet_metadata('x')"] {
        sql(&format!("SELECT * FROM {call}"), &["the query:"]);
    }
    sql("SELECT\n  valeu FROM samples", &["valeu", "(line 2, column 3)"]);
    sql("SELECT seq FORM samples x", &["(line 1, column 17)"]);
}

#[test]
fn queries_that_want_too_much_are_ended() {
    let folder = folder();
    let endless =
        "WITH RECURSIVE n AS (SELECT CAST(1 AS DOUBLE) AS i UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";
    refused(folder.path(), &["sql", "latest", endless, "--time-limit", "1"], &["longer than 1 s", "--time-limit"]);
}

/// The memory limit doesn't count what functions make, and the stack nothing.
#[test]
fn queries_too_large_to_be_planned_are_not_let_in() {
    let folder = folder();
    let sql = |query: &str, says: &[&str]| refused(folder.path(), &["sql", "latest", query], says);
    sql(&format!("SELECT 1{}", "+1".repeat(30_000)), &["30001 keywords and operators", "at most 2000"]);
    sql(&format!("SELECT '{}'", "x".repeat(65_536)), &["longer than 64 KiB"]);
    sql(&format!("SELECT {}1{}", "(".repeat(900), ")".repeat(900)), &["nests too deeply: simplify it"]);
    for call in [
        "repeat('a', 300000000)",
        "lpad('a', 900000000)",
        "rpad('a', 900000000)",
        "array_repeat(1, 300000000)",
        "list_repeat(1, 300000000)",
        "array_resize([1], 300000000, 1)",
        "range(1, 300000000)",
        "generate_series(1, 300000000)",
    ] {
        sql(&format!("SELECT {call}"), &["Invalid function"]);
    }
    let long = format!("SELECT 1{} AS x", "+1".repeat(30_000));
    let with_view = format!(
        "[spec]\nid = \"t\"\n[views]\nv = \"{long}\"\n[[assertion]]\nid = \"A\"\nsays = \"a\"\nbound = \"= 1\"\nobserve = \"SELECT * FROM v\"\n"
    );
    spec_refused(&with_view, &["s.toml:4: [views] v: it has 30002 keywords"]);
    spec_refused(
        &assertion(&format!("bound = \"= 1\"\nobserve = \"{long}\"\n")),
        &["s.toml:7: [[assertion]] A: it has 30002"],
    );
}

#[test]
fn the_largest_queries_let_in_are_answered() {
    let folder = folder();
    for query in [
        format!("SELECT 1{}", "+1".repeat(1_990)),
        format!("SELECT 1{}", "::int".repeat(990)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(150)),
        format!("SELECT count(*) FROM samples WHERE name IN ('up'{})", ", 'up'".repeat(5_000)),
    ] {
        let output = replay(folder.path(), &["sql", "latest", &query]);
        assert_eq!(output.status.code(), Some(0), "{}: {}", &query[..40], stderr(&output));
    }
}

#[test]
fn time_limits_that_no_clock_knows() {
    let folder = folder();
    for limit in ["1e19", "86401", "0", "-1", "NaN"] {
        let output = replay(folder.path(), &["sql", "latest", "SELECT 1", &format!("--time-limit={limit}")]);
        assert_eq!(output.status.code(), Some(2), "{limit}: {}", stderr(&output));
    }
}

#[test]
fn rows_that_are_not_there() {
    let folder = folder();
    let show = |what: &[&str], says: &[&str]| {
        let args: Vec<&str> = ["show", "latest"].iter().chain(what).copied().collect();
        refused(folder.path(), &args, says);
    };
    show(&["sample"], &["no table `sample`", "did you mean `samples`?"]);
    show(&["samples#9"], &["no row #9", "it has 1 rows"]);
    show(&["samples#x"], &["after # a number must follow"]);
    show(&["blob", "ff"], &["-o FILE"]);
    show(&["blob", "ff", "-o", "x"], &["no blob begins with `ff`"]);
}
