//! Where spans go, in calls of which size, and what a queue does that nobody empties.

use super::*;

fn target(given: &str, vars: &[(&str, &str)]) -> Result<(String, Protocol), String> {
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let target = Target::with(given, var).map_err(|error| error.to_string())?;
    Ok((target.url, target.protocol))
}

#[test]
fn a_target_is_what_was_given_and_what_the_variables_say() {
    let is = |url: &str, protocol| Ok((url.to_owned(), protocol));
    let (grpc, http) = (Protocol::Grpc, Protocol::HttpProtobuf);
    assert_eq!(target("http://127.0.0.1:4317", &[]), is("http://127.0.0.1:4317", grpc));
    assert_eq!(target("http://127.0.0.1:4318", &[]), is("http://127.0.0.1:4318/v1/traces", http));
    assert_eq!(target("https://a.b/otlp/v1/traces", &[]), is("https://a.b/otlp/v1/traces", http));
    let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    assert_eq!(target("http://a.b:9/", &[protocol]), is("http://a.b:9/v1/traces", http));
    assert_eq!(
        target("http://a.b:4318", &[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"), protocol]),
        is("http://a.b:4318", grpc)
    );
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a.b/base");
    assert_eq!(target("env", &[endpoint]), is("http://a.b/base/v1/traces", http));
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c.d/mine");
    assert_eq!(target("env", &[endpoint, traces]), is("http://c.d/mine", http));
    assert_eq!(target("http://x:1", &[endpoint]), is("http://x:1", grpc));
    assert_eq!(target("http://a.b:4318/?key=1", &[]), is("http://a.b:4318/v1/traces?key=1", http));
}

#[test]
fn what_is_no_receiver_is_refused_with_a_remedy() {
    for wrong in ["127.0.0.1:4317", "localhost", "ftp://a.b", "http://", ""] {
        let problem = target(wrong, &[]).expect_err("it is none");
        assert!(problem.contains("write http://127.0.0.1:4317 (gRPC) or"), "{wrong}: {problem}");
    }
    assert!(target("env", &[]).expect_err("nothing is set").contains("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let json = [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")];
    assert!(target("http://a.b", &json).expect_err("it is not spoken").contains("use grpc or http/protobuf"));
}

#[test]
fn what_is_shown_of_a_target_has_no_secret() {
    let target = Target::with("http://me:hunter2@a.b:4318/x?key=hunter2#hunter2", |_| None).expect("an address");
    assert_eq!(target.shown(), "http://a.b:4318/x");
}

fn row(bytes: usize) -> Row {
    Row { seq: 0, at_ns: 0, row: Span { attributes: "x".repeat(bytes), service: "s".into(), ..Span::default() } }
}

#[test]
fn calls_are_cut_by_number_and_by_size() {
    let sizes = |rows: Vec<Row>| batches(rows).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(Vec::new()), [0; 0]);
    assert_eq!(sizes((0..1_025).map(|_| row(0)).collect()), [512, 512, 1]);
    assert_eq!(sizes((0..5).map(|_| row(900_000)).collect()), [2, 2, 1]);
    assert_eq!(sizes(vec![row(0), row(3 << 20), row(0)]), [1, 1, 1]);
}

#[tokio::test]
async fn a_queue_that_nobody_empties_is_bounded_and_counts_what_it_lost() {
    // The port of nobody: it was free, and is closed again.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let target = Target::with(&format!("http://{free}"), |_| None).expect("an address");
    let sender = Sender::new(&target, "r", 0).expect("a sender");
    let (live, sending) = Live::spawn(sender, |_| {});
    (0..20_000).for_each(|_| live.offer(row(0)));
    let stands = live.stands();
    assert_eq!((stands.sent, stands.waiting, stands.lost), (0, 16_384, 3_616));
    let large: usize = 33 << 20;
    live.offer(row(large));
    assert_eq!(live.stands().lost, 3_617);
    let ended = sending.end(Duration::ZERO).await;
    assert_eq!((ended.sent, ended.waiting, ended.lost), (0, 0, 20_001));
    let before = live.stands().lost;
    live.offer(row(0));
    assert_eq!(live.stands().lost, before + 1, "nothing comes in behind the end");
}

#[tokio::test]
async fn what_is_in_a_call_is_lost_only_when_it_was_not_answered_in_the_end() {
    // Connections are taken by the kernel, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = Target::with(&format!("http://{}", silent.local_addr().expect("an address")), |_| None);
    let sender = Sender::new(&target.expect("an address"), "r", 0).expect("a sender");
    let (live, sending) = Live::spawn(sender, |_| {});
    (0..10).for_each(|_| live.offer(row(0)));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while live.calling() == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing is sent");
        tokio::task::yield_now().await;
    }
    let stands = live.stands();
    assert_eq!((stands.sent, stands.waiting, stands.lost), (0, 10, 0));
    let ended = sending.end(Duration::from_millis(200)).await;
    assert_eq!((ended.sent, ended.waiting, ended.lost), (0, 0, 10));
    assert_eq!(ended.problem.as_deref(), Some("no answer within 0.2 s"));
}
