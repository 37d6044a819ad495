use std::fmt::Write;

use recording::record::{
    ConnectionRow, Event, Gap, MediaPacket, MediaPath, Packet, Poll, Probe, Run, Sample, Scrape, SourceRow, Span, Stat,
};
use recording::{Row, Stamped};
use serde_json::json;

use super::known::Known;
use super::series::Kind;
use super::*;

const SECOND: i64 = 1_000_000_000;

fn metrics() -> Metrics {
    Metrics::new("r", "s")
}

/// A page's samples without what each of them has.
fn samples(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.replace("run=\"r\",scenario=\"s\",", "").replace("{run=\"r\",scenario=\"s\"}", "")).collect()
}

/// The samples of those names only.
fn only(page: &str, names: &[&str]) -> Vec<String> {
    let wanted = |sample: &String| names.iter().any(|name| sample.starts_with(name));
    samples(page).into_iter().filter(wanted).collect()
}

fn packet(tap: &str, event: Option<&str>, sid: &str) -> Packet {
    let packet_type = event.map(|_| "event".to_owned());
    let (event, sid) = (event.map(str::to_owned), Some(sid.to_owned()));
    Packet { tap: tap.into(), direction: "sent".into(), packet_type, event, sid, ..Packet::default() }
}

fn sample(target: &str, name: &str, kind: &str, labels: &str, value: f64) -> Row {
    let series = format!("{name}{labels}");
    let (target, name, r#type, labels) = (target.to_owned(), name.to_owned(), kind.to_owned(), labels.to_owned());
    Sample { target, name, r#type, labels, series, value, source_unix_ns: None }.into()
}

fn stat(source: &str, subject: &str, metric: &str, value: f64, unit: &str) -> Row {
    let (source, subject, metric, unit) = (source.into(), subject.into(), metric.into(), unit.into());
    Stat { source, subject, metric, value, unit }.into()
}

fn media(target: &str, kind: &str, bytes: i64, duration_s: Option<f64>) -> Row {
    MediaPacket { target: target.into(), kind: kind.into(), bytes, duration_s, ..MediaPacket::default() }.into()
}

fn event(source: &str, subject: &str, event: &str) -> Row {
    Event { source: source.into(), subject: subject.into(), event: event.into(), ..Event::default() }.into()
}

#[test]
fn rows_become_series() {
    let mut metrics = metrics();
    metrics.take(0, &Run { kind: "process".into(), stream: "x".into(), ..Run::default() }.into());
    metrics.take(1, &packet("t", Some("hello"), "a").into());
    metrics.take(2, &packet("t", Some("hello"), "b").into());
    metrics.take(3, &Packet { problem: Some("bad".into()), ..packet("t", None, "a") }.into());
    metrics.take(3, &ConnectionRow { tap: "t".into(), kind: "open".into(), ..ConnectionRow::default() }.into());
    let path = MediaPath { target: "m".into(), path: "p".into(), ready: true, ..MediaPath::default() };
    metrics.take(4, &MediaPath { bytes_received: Some(7), readers: Some(2), ..path }.into());
    metrics.take(5, &Scrape { target: "x".into(), status: Some(200), took_ms: 20.0, ..Scrape::default() }.into());
    let refused = Some("refused".to_owned());
    metrics.take(
        5,
        &Poll { target: "y".into(), status: Some(200), error: refused, took_ms: 1.0, ..Poll::default() }.into(),
    );
    metrics.take(6, &Probe { target: "z".into(), ok: true, took_ms: 1500.0, ..Probe::default() }.into());
    metrics.take(7, &Gap { source: "tap:t".into(), lost: 5, ..Gap::default() }.into());
    metrics.take(8, &SourceRow { source: "tap:t".into(), state: "live".into(), ..SourceRow::default() }.into());
    metrics.take(9, &event("container", "a/b", "die"));
    let trace_id = ids::trace_id("r");
    let info =
        format!("tapedeck_run_info{{kind=\"process\",stream=\"x\",version=\"\",spec=\"\",trace_id=\"{trace_id}\"}} 1");
    let page = metrics.page(2 * SECOND + SECOND / 2);
    let rows = |sample: &String| sample.starts_with("tapedeck_recorder_rows_total");
    assert_eq!(
        samples(&page).into_iter().filter(|sample| !rows(sample)).collect::<Vec<_>>(),
        [
            r#"tapedeck_connections_total{tap="t",kind="open"} 1"#,
            r#"tapedeck_events_total{tap="t",direction="sent",event="hello"} 2"#,
            r#"tapedeck_gap_rows_total{source="tap:t"} 5"#,
            r#"tapedeck_packet_problems_total{tap="t"} 1"#,
            r#"tapedeck_path_bytes_received_total{target="m",path="p"} 7"#,
            r#"tapedeck_path_readers{target="m",path="p"} 2"#,
            r#"tapedeck_path_ready{target="m",path="p"} 1"#,
            r#"tapedeck_poll_seconds{target="y"} 0.001"#,
            r#"tapedeck_poll_up{target="y"} 0"#,
            r#"tapedeck_probe_seconds{target="z"} 1.5"#,
            r#"tapedeck_probe_success{target="z"} 1"#,
            "tapedeck_run_elapsed_seconds 2.5",
            &info,
            r#"tapedeck_scrape_seconds{target="x"} 0.02"#,
            r#"tapedeck_scrape_up{target="x"} 1"#,
            "tapedeck_series_refused_total 0",
            r#"tapedeck_sessions_total{tap="t"} 2"#,
            r#"tapedeck_source_live{source="tap:t"} 1"#,
            r#"tapedeck_timeline_events_total{source="container",subject="a/b",event="die"} 1"#,
        ]
    );
    assert!(samples(&page).contains(&r#"tapedeck_recorder_rows_total{table="packets"} 3"#.to_owned()));
    assert!(page.contains("# TYPE tapedeck_events counter\n") && page.ends_with("# EOF\n"));
}

#[test]
fn a_run_has_one_info() {
    let mut metrics = metrics();
    let run = |version: Option<&str>| Row::from(Run { version: version.map(str::to_owned), ..Run::default() });
    for version in [None, Some("1"), None, Some("2")] {
        metrics.take(0, &run(version));
        let page = metrics.page(0);
        let infos = only(&page, &["tapedeck_run_info"]);
        assert_eq!(infos.len(), 1, "{infos:?}");
        assert!(infos[0].contains(&format!("version=\"{}\"", version.unwrap_or_default())), "{infos:?}");
    }
}

#[test]
fn numbers_get_their_units() {
    let mut metrics = metrics();
    for (source, metric, value, unit) in [
        ("container", "cpu/used_ns", 2.5e9, "ns"),
        ("container", "cpu/limit", 4.0, "cpus"),
        ("container", "cpu/throttled_periods", 3.0, "periods"),
        ("process", "memory/rss", 9.0, "bytes"),
        ("host", "cpu/busy_ratio", 0.5, "ratio"),
        ("host", "load/1m", 1.5, "processes"),
        ("host", "clock/wall_offset_ns", -1e9, "ns"),
        ("tap", "relay/bytes", 12.0, "bytes"),
        ("tap", "relay/added_max_ns", 5e5, "ns"),
        ("recorder", "lag/max_ns", 5e8, "ns"),
        ("recorder", "journal/bytes", 8.0, "bytes"),
    ] {
        metrics.take(0, &stat(source, "x", metric, value, unit));
    }
    let page = metrics.page(0);
    let told = |prefix: &str| only(&page, &[prefix]).join(" ");
    assert_eq!(told("tapedeck_container_cpu_used"), r#"tapedeck_container_cpu_used_seconds_total{subject="x"} 2.5"#);
    assert_eq!(told("tapedeck_container_cpu_limit"), r#"tapedeck_container_cpu_limit_cpus{subject="x"} 4"#);
    assert_eq!(told("tapedeck_container_cpu_thr"), r#"tapedeck_container_cpu_throttled_periods_total{subject="x"} 3"#);
    assert_eq!(told("tapedeck_process"), r#"tapedeck_process_memory_rss_bytes{subject="x"} 9"#);
    assert_eq!(told("tapedeck_host_cpu"), r#"tapedeck_host_cpu_busy_ratio{subject="x"} 0.5"#);
    assert_eq!(told("tapedeck_host_load"), r#"tapedeck_host_load_1m{subject="x"} 1.5"#);
    assert_eq!(told("tapedeck_host_clock"), r#"tapedeck_host_clock_wall_offset_seconds{subject="x"} -1"#);
    assert_eq!(told("tapedeck_tap_bytes"), r#"tapedeck_tap_bytes_total{tap="x"} 12"#);
    assert_eq!(told("tapedeck_tap_added_max"), r#"tapedeck_tap_added_max_seconds{tap="x"} 0.0005"#);
    assert_eq!(told("tapedeck_recorder_lag"), "tapedeck_recorder_lag_seconds 0.5");
    assert_eq!(told("tapedeck_recorder_journal"), "tapedeck_recorder_journal_bytes_total 8");
    assert!(page.contains(
        "# TYPE tapedeck_container_cpu_used_seconds counter\n# UNIT tapedeck_container_cpu_used_seconds seconds\n"
    ));
    let later = metrics.page(6 * SECOND);
    assert_eq!(
        only(&later, &["tapedeck_container", "tapedeck_host"]),
        [""; 0],
        "what is not measured any more is not told"
    );
    assert_eq!(only(&later, &["tapedeck_tap_bytes"]).len(), 1);
}

#[test]
fn what_a_tap_adds_is_a_histogram() {
    let mut metrics = metrics();
    for (metric, value) in [
        ("relay/added_le/0.001", 7.0),
        ("relay/added_le/+Inf", 9.0),
        ("relay/added_le/0.00005", 4.0),
        ("relay/added_sum_ns", 2e6),
        ("relay/added_le/x", 1.0),
    ] {
        metrics.take(0, &stat("tap", "t", metric, value, "chunks"));
    }
    let page = metrics.page(0);
    assert!(page.contains("# TYPE tapedeck_tap_added_latency_seconds histogram"));
    assert_eq!(
        only(&page, &["tapedeck_tap_added_latency"]),
        [
            r#"tapedeck_tap_added_latency_seconds_bucket{tap="t",le="5e-5"} 4"#,
            r#"tapedeck_tap_added_latency_seconds_bucket{tap="t",le="0.001"} 7"#,
            r#"tapedeck_tap_added_latency_seconds_bucket{tap="t",le="+Inf"} 9"#,
            r#"tapedeck_tap_added_latency_seconds_count{tap="t"} 9"#,
            r#"tapedeck_tap_added_latency_seconds_sum{tap="t"} 0.002"#,
        ]
    );
}

#[test]
fn media_and_their_silence() {
    let mut metrics = metrics();
    let silence = |metrics: &mut Metrics, at_s: i64| only(&metrics.page(at_s * SECOND), &["tapedeck_media_silence"]);
    assert_eq!(silence(&mut metrics, 1), [""; 0]);
    metrics.take(SECOND, &media("out", "audio", 10, Some(0.5)));
    metrics.take(2 * SECOND, &media("out", "audio", 11, None));
    assert_eq!(silence(&mut metrics, 5), [r#"tapedeck_media_silence_seconds{target="out",kind="audio"} 3"#]);
    assert_eq!(
        only(&metrics.page(0), &["tapedeck_media_bytes", "tapedeck_media_packets", "tapedeck_media_seconds"]),
        [
            r#"tapedeck_media_bytes_total{target="out",kind="audio"} 21"#,
            r#"tapedeck_media_packets_total{target="out",kind="audio"} 2"#,
            r#"tapedeck_media_seconds_total{target="out",kind="audio"} 0.5"#,
        ]
    );
    metrics.take(6 * SECOND, &event("media", "in", "media.end"));
    assert_eq!(silence(&mut metrics, 7).len(), 1, "another medium ended");
    metrics.take(7 * SECOND, &event("media", "out", "media.end"));
    assert_eq!(silence(&mut metrics, 8), [""; 0]);
    metrics.take(9 * SECOND, &media("out", "audio", 1, None));
    assert_eq!(silence(&mut metrics, 10).len(), 1);
}

#[test]
fn pairs_open_and_close() {
    let (trace, span) = ("0123456789abcdef0123456789abcdef", "0123456789abcdef");
    let mut metrics = metrics();
    metrics.pair_opened("p");
    metrics.pair_opened("p");
    metrics.pair_opened("p");
    metrics.pair_acknowledged("p");
    metrics.pair_retransmitted("p");
    metrics.pair_closed(SECOND, "p", "ok", Some(0.25), trace, span);
    metrics.pair_closed(SECOND, "p", "error", None, trace, span);
    let page = metrics.page(SECOND);
    assert_eq!(
        only(&page, &["tapedeck_pair_"]).into_iter().filter(|sample| !sample.contains("_bucket")).collect::<Vec<_>>(),
        [
            r#"tapedeck_pair_acknowledged_total{pair="p"} 1"#,
            r#"tapedeck_pair_closed_total{pair="p",status="error"} 1"#,
            r#"tapedeck_pair_closed_total{pair="p",status="ok"} 1"#,
            r#"tapedeck_pair_closed_total{pair="p",status="unset"} 0"#,
            r#"tapedeck_pair_in_flight{pair="p"} 1"#,
            r#"tapedeck_pair_latency_seconds_count{pair="p"} 1"#,
            r#"tapedeck_pair_latency_seconds_sum{pair="p"} 0.25"#,
            r#"tapedeck_pair_opened_total{pair="p"} 3"#,
            r#"tapedeck_pair_retransmitted_total{pair="p"} 1"#,
        ]
    );
    let buckets = only(&page, &["tapedeck_pair_latency_seconds_bucket"]);
    assert_eq!(buckets.len(), LATENCY_S.len() + 1);
    assert_eq!(buckets[1], r#"tapedeck_pair_latency_seconds_bucket{pair="p",le="0.1"} 0"#);
    let exemplar = format!("# {{trace_id=\"{trace}\",span_id=\"{span}\"}} 0.25");
    assert_eq!(buckets[2], format!("tapedeck_pair_latency_seconds_bucket{{pair=\"p\",le=\"0.25\"}} 1 {exemplar}"));
    assert_eq!(buckets[12], r#"tapedeck_pair_latency_seconds_bucket{pair="p",le="+Inf"} 1"#);
}

fn span(
    start_s: i64,
    end_s: Option<i64>,
    status: &str,
    attributes: serde_json::Value,
    events: serde_json::Value,
) -> Span {
    Span {
        trace_id: "0123456789abcdef0123456789abcdef".into(),
        span_id: "0123456789abcdef".into(),
        start_ns: start_s * SECOND,
        end_ns: end_s.map(|end_s| end_s * SECOND),
        status: status.into(),
        attributes: attributes.to_string(),
        events: events.to_string(),
        ..Span::default()
    }
}

#[test]
fn spans_tell_of_pairs() {
    let ack = |at_s: i64| json!({"name": "x", "at_ns": at_s * SECOND, "attributes": {"tapedeck.pair.role": "ack"}});
    let other = json!({"name": "x", "at_ns": 0, "attributes": {"tapedeck.pair.role": "event"}});
    let given_up = json!({"name": "not closed", "at_ns": 9 * SECOND, "attributes": {}});
    let spans = [
        span(2, Some(4), "ok", json!({"tapedeck.pair": "p"}), json!([ack(3), other])),
        span(1, None, "error", json!({"tapedeck.pair": "p", "tapedeck.retransmission": true}), json!([given_up])),
        span(5, None, "unset", json!({"tapedeck.pair": "p"}), json!([])),
        span(0, Some(9), "ok", json!({"other": 1}), json!([ack(1)])),
    ];
    let spans: Vec<Stamped<Span>> =
        spans.into_iter().zip(0..).map(|(row, seq)| Stamped { seq, at_ns: 0, row }).collect();
    let mut told = String::new();
    let mut history = History::new("r", "s", 1_000 * SECOND);
    for (at_ns, moment) in pairs::moments(&spans) {
        let word = match &moment {
            pairs::Moment::Opened { again: true, .. } => "opened again",
            pairs::Moment::Opened { .. } => "opened",
            pairs::Moment::Acknowledged { .. } => "acknowledged",
            pairs::Moment::Closed { status, .. } => status,
        };
        let _ = write!(told, "{} {word}, ", at_ns / SECOND);
        history.take_moment(at_ns, &moment);
    }
    assert_eq!(told, "1 opened again, 2 opened, 3 acknowledged, 4 ok, 5 opened, 9 error, ");
    history.snapshot(9 * SECOND);
    let page: String = history::pages(&[history]).collect();
    assert_eq!(only(&page, &["tapedeck_pair_in_flight"]), [r#"tapedeck_pair_in_flight{pair="p"} 1 1009.000000"#]);
    let exemplar = r#"# {trace_id="0123456789abcdef0123456789abcdef",span_id="0123456789abcdef"} 2 1004.000000"#;
    let bucket = format!("tapedeck_pair_latency_seconds_bucket{{pair=\"p\",le=\"2.0\"}} 1 1009.000000 {exemplar}");
    assert!(samples(&page).contains(&bucket), "{page}");
}

#[test]
fn a_history_has_times_and_begins_with_nothing() {
    let mut history = History::new("r", "s", 100 * SECOND);
    history.snapshot(0);
    history.snapshot(SECOND);
    history.take(SECOND + 1, &packet("t", Some("e"), "a").into());
    history.take(SECOND + 2, &stat("tap", "t", "relay/bytes", 5.0, "bytes"));
    history.take(SECOND + 500_000_000, &sample("x", "up", "gauge", "{}", 1.0));
    history.snapshot(2 * SECOND);
    history.snapshot(2 * SECOND + 100);
    history.failed(SECOND / 4, "A", "it");
    let page: String = history::pages(&[history]).collect();
    assert_eq!(
        only(&page, &["tapedeck_events", "tapedeck_tap", "up", "tapedeck_assertion"]),
        [
            r#"tapedeck_assertion_failed{assertion="A",subject="it"} 1 100.250000"#,
            r#"tapedeck_events_total{tap="t",direction="sent",event="e"} 0 100.000000"#,
            r#"tapedeck_events_total{tap="t",direction="sent",event="e"} 0 101.000000"#,
            r#"tapedeck_events_total{tap="t",direction="sent",event="e"} 1 102.000000"#,
            r#"tapedeck_tap_bytes_total{tap="t"} 5 102.000000"#,
            r#"up{target="x"} 1 101.500000"#,
        ],
        "the last snapshot is at the same millisecond as the one before"
    );
}

#[test]
fn a_page_shows_what_was_scraped_last() {
    let mut metrics = metrics();
    let scrape = |target: &str| Row::from(Scrape { target: target.into(), status: Some(200), ..Scrape::default() });
    metrics.take(1, &scrape("x"));
    metrics.take(1, &sample("x", "a", "gauge", r#"{"run":"own","target":"t","exported_run":"e"}"#, 1.0));
    metrics.take(1, &sample("x", "b", "gauge", "{}", 2.0));
    metrics.take(2, &sample("x", "b", "gauge", "{}", 3.0));
    metrics.take(2, &scrape("x"));
    let page = metrics.page(5);
    assert_eq!(only(&page, &["a{", "b{"]), [r#"b{target="x"} 3"#]);
    metrics.take(3, &scrape("y"));
    metrics.take(3, &sample("x", "a", "gauge", r#"{"run":"own","target":"t","exported_run":"e"}"#, 1.0));
    let labels = r#"target="x",exported_exported_run="own",exported_target="t",exported_run="e""#;
    assert_eq!(only(&metrics.page(5), &["a{"]), [format!("a{{{labels}}} 1")]);
}

/// Families and their types, as a page of these samples tells them.
fn typed(samples: &[(&str, &str, &str, f64)]) -> Vec<String> {
    let mut metrics = metrics();
    for (name, kind, labels, value) in samples {
        metrics.take(0, &sample("x", name, kind, labels, *value));
    }
    let page = metrics.page(0);
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter(|line| !line.starts_with("tapedeck_")).map(str::to_owned).collect()
}

#[test]
fn types_that_fit_are_kept() {
    assert_eq!(typed(&[("a_total", "counter", "{}", 1.0), ("a_created", "gauge", "{}", 5.0)]), ["a counter"]);
    let histogram = |count: f64| {
        typed(&[
            ("h_bucket", "histogram", r#"{"le":"1"}"#, 2.0),
            ("h_bucket", "histogram", r#"{"le":"+Inf"}"#, 3.0),
            ("h_count", "histogram", "{}", count),
            ("h_sum", "histogram", "{}", 3.0),
        ])
    };
    assert_eq!(histogram(3.0), ["h histogram"]);
    assert_eq!(histogram(4.0), ["h_bucket unknown", "h_count unknown", "h_sum unknown"]);
    let summary = [("q", "summary", r#"{"quantile":"0.5"}"#, 2.0), ("q_count", "summary", "{}", 1.0)];
    assert_eq!(typed(&summary), ["q summary"]);
}

#[test]
fn types_that_do_not_fit_are_unknown() {
    for (samples, types) in [
        (vec![("a", "counter", "{}", 1.0)], vec!["a unknown"]),
        (vec![("a_total", "counter", "{}", -1.0)], vec!["a_total unknown"]),
        (vec![("a_total", "counter", "{}", f64::NAN)], vec!["a_total unknown"]),
        (vec![("a_total", "counter", "{}", 1.0), ("a", "gauge", "{}", 1.0)], vec!["a gauge", "a_total unknown"]),
        (vec![("a_created", "counter", "{}", 1.0)], vec!["a_created unknown"]),
        (vec![("a", "gauge", "{}", 1.0), ("a", "untyped", "{}", 2.0)], vec!["a unknown"]),
        (vec![("h_bucket", "histogram", r#"{"le":"1"}"#, 2.0)], vec!["h_bucket unknown"]),
        (vec![("h_bucket", "histogram", "{}", 2.0)], vec!["h_bucket unknown"]),
        (vec![("i_info", "info", "{}", 1.0)], vec!["i_info unknown"]),
    ] {
        assert_eq!(typed(&samples), types, "{samples:?}");
    }
}

#[test]
fn nobody_elses_names_are_ours_and_none_breaks_the_page() {
    let mut metrics = metrics();
    metrics.take(0, &sample("x", "tapedeck_run_elapsed_seconds", "gauge", "{}", 5.0));
    metrics.take(0, &sample("x\n\"", "ü.1", "gauge", r#"{"a.b":"\"\n\\# EOF"}"#, 5.0));
    metrics.take(0, &stat("pro cess", "x", "a/b c", 1.0, "bytes"));
    metrics.take(0, &packet("t\n", Some("# EOF\n} 1"), "s").into());
    let page = metrics.page(0);
    assert_eq!(page.matches("\n# EOF").count(), 1);
    let samples = samples(&page);
    for expected in [
        r#"exported_tapedeck_run_elapsed_seconds{target="x"} 5"#,
        r#"U___fc__2e_1{target="x\n\"",U__a_2e_b="\"\n\\# EOF"} 5"#,
        r#"U__tapedeck__pro_20_cess__a__b_20_c__bytes{subject="x"} 1"#,
        r##"tapedeck_events_total{tap="t\n",direction="sent",event="# EOF\n} 1"} 1"##,
    ] {
        assert!(samples.iter().any(|sample| sample == expected), "{expected} is not in {samples:#?}");
    }
}

#[test]
fn too_many_series_are_refused_and_counted() {
    let mut metrics = Metrics::with_limit("r", "s", 10);
    for round in 0..3 {
        for number in 0..100 {
            metrics.take(round, &packet("t", Some(&format!("e{number}")), "sid").into());
        }
    }
    metrics.pair_opened("p");
    let page = metrics.page(0);
    // Names of events have half as much room again as what is scraped, and what is known beforehand as much again: beside the elapsed
    // time, what was refused, the counts of rows and of sessions there are 11 events, and 89 are refused in each round; of the pair
    // 5 series find room, and 3 don't.
    assert_eq!(samples(&page).len(), 20, "{page}");
    let refused = only(&page, &["tapedeck_series_refused_total"]);
    assert_eq!(refused, ["tapedeck_series_refused_total 270"], "{page}");
    assert_eq!(
        only(&page, &[r#"tapedeck_events_total{tap="t",direction="sent",event="e0"}"#])[0].chars().last(),
        Some('3')
    );
}

#[test]
fn the_same_series_twice_is_one() {
    let mut history = History::new("r", "s", 0);
    for (name, at_ns) in [("a/b", 1), ("a_b", 2)] {
        history.take(at_ns, &stat("process", "x", name, at_ns as f64, "things"));
    }
    history.take(0, &sample("x", "h_bucket", "histogram", r#"{"le":"1"}"#, 1.0));
    history.take(0, &sample("x", "h_bucket", "histogram", r#"{"le":"1.0"}"#, 2.0));
    history.take(1, &sample("x", "g", "gauge", "{}", 1.0));
    history.take(999_999, &sample("x", "g", "gauge", "{}", 2.0));
    history.take(1_000_000, &sample("x", "g", "gauge", "{}", 3.0));
    history.snapshot(2);
    let page: String = history::pages(&[history]).collect();
    assert_eq!(
        only(&page, &["h_", "g", "tapedeck_process"]),
        [
            r#"g{target="x"} 1 0.000000"#,
            r#"g{target="x"} 3 0.001000"#,
            r#"h_bucket{target="x",le="1.0"} 1 0.000000"#,
            r#"tapedeck_process_a_b{subject="x"} 2 0.000000"#,
        ]
    );
}

#[test]
fn runs_are_written_together() {
    let history = |run: &str, kind: &str| {
        let mut history = History::new(run, "s", 0);
        history.take(0, &sample("x", "a", kind, "{}", 1.0));
        history.take(0, &sample("x", "b_total", "counter", "{}", 1.0));
        history.snapshot(0);
        history
    };
    let page: String = history::pages(&[history("one", "gauge"), history("two", "unknown")]).collect();
    for (line, count) in [
        ("# TYPE a unknown", 1),
        ("# TYPE b counter", 1),
        ("# TYPE tapedeck_run_elapsed_seconds gauge", 1),
        ("a{run=\"one\"", 1),
        ("a{run=\"two\"", 1),
        ("# EOF", 1),
    ] {
        assert_eq!(page.matches(line).count(), count, "{line} in {page}");
    }
}

#[test]
fn known_names_say_what_they_are() {
    for known in Known::ALL {
        let name = known.name();
        assert!(name.starts_with("tapedeck_"), "{name}");
        assert_eq!(name.ends_with("_total"), known.kind() == Kind::Counter, "{name}");
        assert!(known.help().ends_with('.') && !known.help().contains(['\\', '\n']), "{name}");
        let names = Known::ALL.iter().filter(|other| other.name() == name).count();
        assert_eq!(names, 1, "{name}");
    }
}
