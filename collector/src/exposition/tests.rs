//! The rules that no corpus file shows, and what the samples look like.

use super::{Exposition, Format, Kind, parse};

const OPENMETRICS: &str = "application/openmetrics-text";
const TEXT: &str = "text/plain; version=0.0.4";

fn openmetrics(body: &str) -> Exposition<'_> {
    parse(body.as_bytes(), Some(OPENMETRICS))
}

fn text(body: &str) -> Exposition<'_> {
    parse(body.as_bytes(), Some(TEXT))
}

#[track_caller]
fn valid(page: &Exposition<'_>) {
    assert!(page.is_valid(), "{:?}", page.problems);
}

#[test]
fn a_sample_is_sorted_unescaped_and_typed() {
    let page = text("# TYPE a counter\na{z=\"1\",b=\"x\\\"y\\\\\\nz\"} 2.5 1700000000123\n");
    valid(&page);
    let sample = &page.samples[0];
    assert_eq!(sample.labels_json(), r#"{"b":"x\"y\\\nz","z":"1"}"#);
    assert_eq!(sample.series(), r#"a{b="x\"y\\\nz",z="1"}"#);
    assert_eq!((sample.kind, sample.value), (Kind::Counter, 2.5));
    assert_eq!(sample.source_unix_ns, Some(1_700_000_000_123_000_000));
}

#[test]
fn labels_json_is_json() {
    let page = text("a{b=\"\u{1}\t\u{7f}é\"} 1\n");
    let json: serde_json::Value = serde_json::from_str(&page.samples[0].labels_json()).unwrap();
    assert_eq!(json["b"], "\u{1}\t\u{7f}é");
    assert_eq!(text("a 1\n").samples[0].labels_json(), "{}");
}

#[test]
fn time_stamps_are_nanoseconds() {
    let page = openmetrics("a 1 1700000000.123456789\n# EOF\n");
    valid(&page);
    assert_eq!(page.samples[0].source_unix_ns, Some(1_700_000_000_123_456_789));
    assert_eq!(openmetrics("a 1 -1.5\n# EOF\n").samples[0].source_unix_ns, Some(-1_500_000_000));
    assert_eq!(openmetrics("a 1 1.5e3\n# EOF\n").samples[0].source_unix_ns, Some(1_500_000_000_000));
    assert_eq!(openmetrics("a 1 99999999999999999999\n# EOF\n").samples[0].source_unix_ns, None);
    assert_eq!(text("a 1 9223372036854775807\n").samples[0].source_unix_ns, None);
}

#[test]
fn quoted_names_are_read_and_written() {
    for page in [
        text("# HELP \"my.metric\" help\n# TYPE \"my.metric\" gauge\n{\"my.metric\",\"a.b\"=\"c\"} 1\n"),
        openmetrics("# TYPE \"my.metric\" gauge\n{\"my.metric\",\"a.b\"=\"c\"} 1\n# EOF\n"),
    ] {
        valid(&page);
        assert_eq!(page.samples[0].name, "my.metric");
        assert_eq!(page.samples[0].kind, Kind::Gauge);
        assert_eq!(page.samples[0].series(), r#"{"my.metric","a.b"="c"}"#);
    }
    let page = text("{label=\"value\", \"a\\\"b\\n\\\\\"} 1\n{\"plain\"} 2\n");
    valid(&page);
    assert_eq!(page.samples[0].name, "a\"b\n\\");
    assert_eq!(page.samples[1].series(), "plain");
}

#[test]
fn one_bad_line_never_loses_a_page() {
    let page = text("a 1\n<html>\nb{c=\"d} 2\ne 3\n");
    assert_eq!(page.samples.len(), 2);
    assert_eq!(page.lost, 2);
    assert_eq!(page.problems[0].line, 2);
    assert!(page.loss().unwrap().contains("line 2"), "{:?}", page.loss());
    let page = openmetrics("a 1\n\nb x\ne 3\n# EOF\n");
    assert_eq!((page.samples.len(), page.lost, page.problem_count), (2, 1, 2));
}

#[test]
fn a_sample_that_breaks_a_rule_is_kept() {
    let page = openmetrics("# TYPE a counter\na_total NaN\n# EOF\n");
    assert!(!page.is_valid());
    assert_eq!((page.samples.len(), page.lost, page.loss()), (1, 0, None));
    assert!(page.samples[0].value.is_nan());
}

#[test]
fn line_ends_of_windows_cost_validity_and_no_sample() {
    for page in [text("a 1\r\nb 2\r\n"), openmetrics("a 1\r\n# EOF\r\n")] {
        assert!(!page.is_valid());
        assert_eq!(page.lost, 0);
        assert!(!page.samples.is_empty());
    }
}

#[test]
fn the_page_decides_where_the_content_type_does_not() {
    let body = b"# TYPE a unknown\na 1 1.5\n# EOF\n";
    for declared in [None, Some("application/json"), Some(TEXT), Some("")] {
        let page = parse(body, declared);
        assert_eq!(page.format, Format::OpenMetrics, "{declared:?}");
        valid(&page);
    }
    let page = parse(b"a  1 1500\n", Some(OPENMETRICS));
    assert_eq!((page.format, page.samples.len()), (Format::Text, 1));
    assert!(!page.is_valid());
    valid(&parse(b"a 1\n", None));
}

#[test]
fn invalid_utf8_costs_its_line() {
    let page = parse(b"a{b=\"\xbd\"} 1\nc 2\n# HELP c \xff\n", Some(TEXT));
    assert_eq!((page.samples.len(), page.lost, page.problem_count), (1, 1, 1));
    for body in [&b"# TYPE \xffa counter\n"[..], b"# TYPE a counter\xff\n", b"# HELP a\xff b\n"] {
        assert!(!parse(body, Some(TEXT)).is_valid(), "{body:?}");
    }
    let page = parse(b"# HELP c \xff\nc 2\n# EOF\n", Some(OPENMETRICS));
    assert_eq!((page.samples.len(), page.is_valid()), (1, false));
}

#[test]
fn the_text_format_allows() {
    for body in [
        "",
        "\n",
        "  \t\n",
        "  \t",
        "a NaN\n",
        "a nan\n",
        "a +inf\n",
        "a -Infinity\n",
        "a .5\n",
        "a 5.\n",
        "a +1E+3\n",
        "a\t1\t+5\n",
        "a{}1\n",
        "a {b=\"c\",} 1\n",
        "a{b=\"\"} 1\n",
        "a:b:c 1\n",
        ":a 1\n",
        "# EOF\na 1\n",
        "# UNIT a b\na 1\n",
        "#TYPE a counter\na 1\n",
        "# TYPE a COUNTER\na 1\n",
        "# TYPE a untyped\na 1\n",
        "# HELP a b\na 1\n# TYPE b counter\n",
        "a 1\na 1\n",
        "a 1\nb 1\na 2\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 3\na_bucket{le=\"+Inf\"} 1\na 4\n",
        "# TYPE a summary\na{quantile=\"7\"} -3\na_count -1\n",
        "# TYPE a gaugehistogram\na_bucket{le=\"1\"} 3\n",
        "# HELP a it's \\\"quoted\\\" and \"quoted\"\n",
        "# HELP a\n# HELP a\n",
        "a{__x__=\"b\"} 1\n",
    ] {
        let page = text(body);
        assert!(page.is_valid(), "{body:?}: {:?}", page.problems);
    }
}

#[test]
fn the_text_format_refuses() {
    for body in [
        "a 1",
        "# a comment without an end",
        "a\n",
        "a 1 \n",
        "a 1 1 \n",
        "a 1_000\n",
        "a 0x1p3\n",
        "a 1e999\n",
        "a -nan\n",
        "a 1 1e3\n",
        "a 1 9223372036854775808\n",
        "a{b=\"c\",,} 1\n",
        "a{,} 1\n",
        "a{,b=\"c\"} 1\n",
        "a{b=\"c\" d=\"e\"} 1\n",
        "a{b=\"c\",b=\"d\"} 1\n",
        "a{b=\"\\x\"} 1\n",
        "a{b:c=\"d\"} 1\n",
        "a{\"x\",b=\"c\"} 1\n",
        "a{b=\"c\"\n",
        "a-b 1\n",
        "é 1\n",
        "{} 1\n",
        "{\"a\",\"b\"} 1\n",
        "{\"\"} 1\n",
        "{\"a\".b=\"c\"} 1\n",
        "{\"a\\t\"} 1\n",
        "# TYPE a info\n",
        "# TYPE a counter \n",
        "# TYPE 0a counter\n",
        "# HELP a\\b c\n",
        "# HELP a \\x\n",
        "# TYPE a summary\na_count 1\n# TYPE a_count counter\n",
        "# TYPE a histogram\na_count -1\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} -1\n",
        "# TYPE a histogram\na_bucket{le=\"0x1\"} 1\n",
    ] {
        assert!(!text(body).is_valid(), "{body:?} is not refused");
    }
}

#[test]
fn openmetrics_allows() {
    for body in [
        "",
        "a inf\n",
        "a -INFINITY\n",
        "a .5\n",
        "a 1.\n",
        "a +1e-3 +5\n",
        "a{} 1\n",
        "a{b=\"\\q\"} 1\n",
        "a{b=\"\0\"} 1\n",
        "# TYPE a gauge\na_total 1\n",
        "# TYPE a counter\na_total 1\na_created 2\n",
        "# TYPE a counter\na_created 2\na_total 1\n",
        "# TYPE a counter\na_total{b=\"1\"} 1\na_created{b=\"1\"} 1\na_total{b=\"2\"} 1\n",
        "# TYPE a stateset\na{a=\"x\",b=\"1\"} 1\na{a=\"y\",b=\"1\"} 0\na{a=\"x\",b=\"2\"} 1\n",
        "# TYPE a info\na_info{b=\"1\"} 1\na_info{b=\"2\"} 1.0\n",
        "# TYPE a summary\na_created 5\na{quantile=\"0\"} 1\n",
        "# TYPE a unknown\na -1\n",
        "# UNIT a_b_c b_c\n",
        "# UNIT a \n",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\na_created 1\n",
        "# TYPE a histogram\na_bucket{le=\"1e0\"} 1 1\na_bucket{le=\"+Inf\"} 1 1\na_bucket{le=\"1e0\"} 2 2\na_bucket{le=\"+Inf\"} 2 2\n",
        "# TYPE a counter\na_total 1 # {} 0.5\n",
        "# TYPE a counter\na_total 1 # {b=\"c\"} -Inf 0.5\n",
        "a{b=\"1\"} 1 1\na{b=\"1\"} 1 2\na{b=\"2\"} 1 0\n",
        "# HELP a \\\n",
    ] {
        let page_text = format!("{body}# EOF\n");
        let page = openmetrics(&page_text);
        assert!(page.is_valid(), "{body:?}: {:?}", page.problems);
    }
}

#[test]
fn openmetrics_refuses() {
    for body in [
        "\n",
        "#\n",
        "# comment\n",
        "#TYPE a gauge\n",
        "#  TYPE a gauge\n",
        "# TYPE  a gauge\n",
        "# TYPE a  gauge\n",
        "# type a gauge\n",
        "# TYPE a Gauge\n",
        "# EOF\n",
        " a 1\n",
        "a\t1\n",
        "a 1 \n",
        "a {b=\"c\"} 1\n",
        "a{b=\"c\"}  1\n",
        "a{ b=\"c\"} 1\n",
        "a{b =\"c\"} 1\n",
        "a{b=\"c\", d=\"e\"} 1\n",
        "a{b=\"c\",} 1\n",
        "a{,} 1\n",
        "a{__name__=\"b\"} 1\n",
        "a{__b=\"c\"} 1\n",
        "a{b:c=\"d\"} 1\n",
        "\"a\" 1\n",
        "{a} 1\n",
        "{\"\"} 1\n",
        "a -nan\n",
        "a 1e\n",
        "a e1\n",
        "a .\n",
        "a 1 1 1\n",
        "a 1 # {} 1 1\n",
        "# TYPE a counter\na 1\n",
        "# TYPE a_total counter\na_total 1\n",
        "# TYPE a counter\n# TYPE a_total gauge\n",
        "a 1\nb 1\na 2\n",
        "a 1\na 1\n",
        "a{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 2\n",
        "# TYPE a counter\na_total{b=\"1\"} 1\na_total{b=\"2\"} 1\na_created{b=\"1\"} 1\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 1.5\n",
        "# TYPE a histogram\na_bucket{le=\"inf\"} 1\n",
        "# TYPE a histogram\na_bucket{le=\"NaN\"} 1\na_bucket{le=\"+Inf\"} 1\n",
        "# TYPE a histogram\na_created 1\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"1.0\"} 1\na_bucket{le=\"+Inf\"} 1\n",
        "# TYPE a summary\na_count 1.5\n",
        "# TYPE a summary\na{quantile=\"0.5\",b=\"1\"} 1\na{quantile=\"0.5\",b=\"2\"} 1\na_sum{b=\"1\"} 1\n",
        "# TYPE a stateset\na{b=\"x\"} 1\n",
        "# TYPE a_b info\n# UNIT a_b b\n",
        "# UNIT ab b\n",
        "# TYPE a counter\na_total 1 # {b=\"c\"}\n",
        "# TYPE a counter\na_total 1 # {b=\"c\",} 1\n",
        "# TYPE a counter\na_total 1 # {b=\"c\"} 1 1 1\n",
        "# TYPE a counter\na_total 1  # {b=\"c\"} 1\n",
        "# HELP 0a b\n",
        "# HELP a-b c\n",
    ] {
        let page_text = format!("{body}# EOF\n");
        assert!(!openmetrics(&page_text).is_valid(), "{body:?} is not refused");
    }
}
