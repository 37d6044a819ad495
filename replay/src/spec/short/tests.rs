use std::path::Path;

use super::{FORMS, duration, sql};
use crate::spec::{KEYS, Spec, View};

fn spec(keys: &str) -> Spec {
    let text = format!(
        "[spec]\nid = \"t\"\n[views]\nasks = \"SELECT seq, at_ns, 1 AS id, 'x' AS evidence FROM packets\"\n\
         [[assertion]]\nid = \"A\"\nsays = \"a\"\n{keys}\n"
    );
    Spec::parse(Path::new("spec.toml"), &text).unwrap()
}

/// The lowered query, its white space squeezed.
fn lowered(keys: &str) -> String {
    spec(keys).assertions[0].query.sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_form_has_its_keys() {
    for form in FORMS {
        assert!(KEYS.iter().any(|(title, _)| *title == form), "{form}");
    }
}

#[test]
fn a_count_is_the_query_that_a_hand_would_write() {
    let keys = "count = { of = \"asks\", where = \"id > 0\", distinct = \"id\" }\nbound = \"<= 3\"";
    let one = "CASE WHEN id > 0 THEN evidence END";
    assert_eq!(
        lowered(keys),
        format!(
            "SELECT 'distinct id of asks' AS subject, \
             CASE WHEN count(*) > 0 THEN count(DISTINCT CASE WHEN id > 0 THEN id END) END AS observed, \
             CASE WHEN count({one}) <= 20 THEN string_agg({one}, ',') ELSE concat_ws(',', min({one}), max({one})) END AS evidence \
             FROM asks"
        )
    );
    let held = lowered(&format!("{keys}\nempty = \"held\""));
    assert!(held.ends_with("FROM asks HAVING count(*) > 0"), "{held}");
}

#[test]
fn each_takes_the_columns_that_are_there() {
    assert_eq!(
        lowered("each = { of = \"asks\", where = \"id > 0\", holds = \"id < 9\" }"),
        "SELECT 'asks ' || CAST(row_number() OVER () AS VARCHAR) AS subject, (id < 9) AS observed, \
         CAST(at_ns AS BIGINT) AS from_ns, CAST(at_ns AS BIGINT) AS until_ns, evidence AS evidence, \
         CAST(NULL AS VARCHAR) AS skipped FROM asks WHERE (id > 0)"
    );
    assert_eq!(
        lowered(
            "each = { of = \"polls\", value = \"status\", skip = \"false\", why = \"it's so\" }\nbound = \"= 200\""
        ),
        "SELECT 'polls#' || CAST(seq AS VARCHAR) AS subject, status AS observed, CAST(at_ns AS BIGINT) AS from_ns, \
         CAST(at_ns AS BIGINT) AS until_ns, 'polls#' || CAST(seq AS VARCHAR) AS evidence, \
         CASE WHEN false THEN 'it''s so' END AS skipped FROM polls"
    );
}

#[test]
fn a_response_is_the_nearest_row_of_the_same_key() {
    assert_eq!(
        lowered("responds = { to = \"asks\", with = \"polls\", key = \"seq\", within = \"1.5s\" }"),
        "SELECT subject, (response_ns - from_ns) / 1e9 AS observed, from_ns, from_ns + limit_ns AS until_ns, \
         concat_ws(',', asked, answered) AS evidence, skipped \
         FROM (SELECT a.*, b.response_ns, b.answered, \
         row_number() OVER (PARTITION BY a.ask ORDER BY b.response_ns ASC NULLS LAST) AS nearest \
         FROM (SELECT 'asks ' || CAST(row_number() OVER () AS VARCHAR) AS subject, CAST(at_ns AS BIGINT) AS from_ns, \
         CAST(1500000000 AS BIGINT) AS limit_ns, evidence AS asked, CAST(NULL AS VARCHAR) AS skipped, seq AS key_0, \
         row_number() OVER () AS ask FROM asks) a \
         LEFT JOIN (SELECT seq AS key_0, CAST(at_ns AS BIGINT) AS response_ns, \
         'polls#' || CAST(seq AS VARCHAR) AS answered FROM polls) b \
         ON b.key_0 = a.key_0 AND b.response_ns >= a.from_ns) WHERE nearest = 1"
    );
}

#[test]
fn a_budget_is_between_two_events() {
    assert_eq!(
        lowered("budget = { from = \"event = 'a'\", to = \"event = 'b'\", within = \"5m\" }"),
        "SELECT 'event = ''a'' … event = ''b''' AS subject, (e.at_ns - s.at_ns) / 1e9 AS observed, s.at_ns AS from_ns, \
         s.at_ns + 300000000000 AS until_ns, concat_ws(',', s.evidence, e.evidence) AS evidence \
         FROM (VALUES (1)) one(row) LEFT JOIN (SELECT min(at_ns) AS at_ns, 'timeline#' || CAST(min(seq) AS VARCHAR) AS evidence \
         FROM timeline WHERE (event = 'a')) s ON true \
         LEFT JOIN (SELECT at_ns, 'timeline#' || CAST(seq AS VARCHAR) AS evidence FROM timeline WHERE (event = 'b')) e \
         ON e.at_ns >= s.at_ns ORDER BY e.at_ns ASC NULLS LAST LIMIT 1"
    );
}

#[test]
fn bounds_and_units_of_the_forms_own() {
    let told = |keys: &str| {
        let spec = spec(keys);
        format!("{} {:?}", spec.assertions[0].bound, spec.assertions[0].unit)
    };
    assert_eq!(told("budget = { from = \"true\", to = \"true\", within = \"500ms\" }"), "<= 0.5 Some(\"s\")");
    let codecs = "probe = { target = \"out\", video = \"h264\", audio = \"aac\" }";
    assert_eq!(told(codecs), "= \"video h264, audio aac\" None");
    let sure = "language = { of = \"logs\", column = \"line\", code = \"en\" }";
    assert_eq!(told(sure), ">= 0.5 None");
    assert_eq!(told(&format!("{sure}\nbound = \">= 0.9\"\nunit = \"p\"")), ">= 0.9 Some(\"p\")");
    assert_eq!(spec("media = { target = \"o\", measure = \"hole\" }\nbound = \"< 1\"").assertions[0].min_rows, 2);
    assert_eq!(
        spec("media = { target = \"o\", measure = \"hole\" }\nbound = \"< 1\"\nmin_rows = 1").assertions[0].min_rows,
        1
    );
}

#[test]
fn columns_are_told_from_the_text() {
    let views = spec("observe = \"SELECT 1\"\nbound = \"= 1\"").views;
    let more = |name: &str, sql: &str| View {
        name: name.to_owned(),
        query: crate::spec::Query { sql: sql.to_owned(), ..views[0].query.clone() },
    };
    let views = vec![
        more("asks", "SELECT seq, at_ns, 1 AS Id, 'x' AS evidence FROM packets"),
        more("all_of_it", "WITH w AS (SELECT * FROM asks) SELECT w.*, p.target, count(*) FROM w JOIN polls p ON true"),
        more("circle", "SELECT * FROM circle"),
        more("both", "SELECT 1 AS a UNION ALL SELECT 2 FROM asks"),
    ];
    let columns = |relation: &str| sql::columns(relation, &views).join(" ");
    assert_eq!(columns("asks"), "seq at_ns id evidence");
    assert_eq!(columns("all_of_it"), "seq at_ns id evidence target");
    assert_eq!(columns("(SELECT a.id, b.a AS \"B\" FROM asks a, both b) x"), "id B");
    assert_eq!(columns("asks JOIN (VALUES (1)) v(evidence) ON true"), "seq at_ns id");
    assert_eq!(columns("params"), "seq at_ns name value");
    for unknown in ["nothing", "circle", "SELECT"] {
        assert_eq!(columns(unknown), "", "{unknown}");
    }
}

#[test]
fn a_comment_swallows_nothing() {
    let sql = |keys: &str| spec(keys).assertions[0].query.sql.clone();
    let count = sql("count = { of = \"asks -- of today\" }\nbound = \"= 1\"\nempty = \"held\"");
    assert!(count.contains("FROM asks -- of today\n"), "{count}");
    let filtered = sql("each = { of = \"asks -- all\", where = \"id > 0 -- some\", holds = \"true\" }");
    assert!(filtered.contains("FROM asks -- all\n") && filtered.contains("(id > 0 -- some\n)"), "{filtered}");
    let responds = sql("responds = { to = \"asks -- a\", with = \"polls -- b\", key = \"seq\", within = \"1s\" }");
    for comment in ["-- a\n", "-- b\n"] {
        assert!(responds.contains(comment), "{responds}");
    }
}

#[test]
fn what_is_no_single_expression_is_refused() {
    for good in ["a = 'b'", "CASE WHEN a THEN b END -- why", "a IN (SELECT b FROM c)"] {
        assert_eq!(sql::expression(good), Ok(()));
    }
    for bad in ["", "a, b", "a) OR (b", "a; DROP TABLE b", "a AS b", "'open"] {
        assert!(sql::expression(bad).is_err(), "{bad}");
    }
    for bad in ["", "a WHERE b", "a GROUP BY b", "a; b", "(SELECT 1"] {
        assert!(sql::relation(bad).is_err(), "{bad}");
    }
    assert!(sql::expression(&format!("1{}", "+1".repeat(30_000))).is_err());
    assert!(sql::expression(&"(".repeat(5_000)).is_err());
}

#[test]
fn durations() {
    for (text, ns) in
        [("500ms", 500_000_000), ("15s", 15_000_000_000), ("1.5s", 1_500_000_000), ("2m", 120_000_000_000)]
    {
        assert_eq!(duration::parse(text), Some(ns));
    }
    for wrong in ["", "5", "s", "-1s", "1 day", "1.2.3s", "0s", "1e3s", "NaNs", "infs", "1000h"] {
        assert_eq!(duration::parse(wrong), None, "{wrong}");
    }
}
