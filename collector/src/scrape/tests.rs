//! Against a real server that behaves and misbehaves.

use std::io::Write as _;
use std::time::Duration;

use recording::record;
use tokio_util::sync::CancellationToken;

use super::Scraper;
use crate::fetch::bench::{Bench, Reply, Server, of, ok, refusing, with_head};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const EVERY: Duration = Duration::from_millis(20);

/// Scrapes once; the rows that it left.
async fn scrape(url: &str) -> (record::Scrape, Vec<record::Sample>) {
    let mut bench = Bench::new();
    let scraper = Scraper::new("t", url, EVERY, bench.fetcher(), &bench.intake);
    scraper.once().await;
    let rows = bench.rows();
    let scrapes = of!(rows, Scrape);
    assert_eq!(scrapes.len(), 1, "{rows:?}");
    assert!(of!(rows, Gap).is_empty(), "a target that fails is no gap: {rows:?}");
    assert!(rows.iter().all(|(at_ns, _)| *at_ns == rows[0].0), "one answer has one time");
    (scrapes[0].clone(), of!(rows, Sample))
}

#[tokio::test]
async fn a_page_becomes_a_scrape_and_its_samples() {
    let body = "# TYPE a counter\na_total{z=\"1\",b=\"2\"} 3 1.5\n# TYPE b gauge\nb -Inf\n# EOF\n";
    let server = Server::start(ok(OPENMETRICS, body)).await;
    let (scrape, samples) = scrape(&server.url("/metrics")).await;
    assert_eq!((scrape.status, scrape.samples, scrape.error), (Some(200), 2, None));
    assert_eq!(scrape.content_type.as_deref(), Some(OPENMETRICS));
    assert_eq!(scrape.url, server.url("/metrics"));
    assert!(scrape.took_ms > 0.0);
    assert_eq!((samples[0].name.as_str(), samples[0].r#type.as_str(), samples[0].value), ("a_total", "counter", 3.0));
    assert_eq!(samples[0].labels, r#"{"b":"2","z":"1"}"#);
    assert_eq!(samples[0].series, r#"a_total{b="2",z="1"}"#);
    assert_eq!(samples[0].source_unix_ns, Some(1_500_000_000));
    assert_eq!(samples[1].value, f64::NEG_INFINITY);
    let asked = server.requests()[0].to_ascii_lowercase();
    let accept = asked.lines().find(|line| line.starts_with("accept:")).unwrap();
    assert!(accept.contains("openmetrics") && accept.contains("text/plain"), "{accept}");
    assert!(asked.contains("accept-encoding: gzip"), "{asked}");
}

#[tokio::test]
async fn a_gzipped_page_is_read() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"a 1\n").unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip";
    let server = Server::start(with_head(head, encoder.finish().unwrap())).await;
    assert_eq!(scrape(&server.url("/")).await.1.len(), 1);
}

#[tokio::test]
async fn a_redirect_is_followed_and_recorded() {
    let there = Server::start(ok("text/plain", "a 1\n")).await;
    let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {}", there.url("/metrics/"));
    let here = Server::start(with_head(&head, "")).await;
    let (scrape, samples) = scrape(&here.url("/metrics")).await;
    assert_eq!((scrape.url, samples.len()), (there.url("/metrics/"), 1));
}

#[tokio::test]
async fn every_failure_is_a_row_with_its_error() {
    let (refused, _) = scrape(&format!("http://{}/metrics", refusing())).await;
    assert_eq!((refused.status, refused.samples), (None, 0));
    assert!(refused.error.unwrap().contains("refused"));

    let server = Server::start(Reply::Silence).await;
    let (silent, _) = scrape(&server.url("/")).await;
    assert_eq!(silent.error.as_deref(), Some("no answer within 0.3 s"));
    assert!(silent.took_ms >= 300.0);

    server.reply(with_head("HTTP/1.1 503 Service Unavailable", "a 1\n"));
    let (unavailable, samples) = scrape(&server.url("/")).await;
    assert_eq!((unavailable.status, samples.len()), (Some(503), 0));
    assert_eq!(unavailable.error.as_deref(), Some("HTTP status 503 Service Unavailable"));

    server.reply(Reply::Bytes(b"nonsense\r\n\r\n".to_vec()));
    assert!(scrape(&server.url("/")).await.0.error.is_some());

    server.reply(Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na 1\nb".to_vec()));
    let (cut, samples) = scrape(&server.url("/")).await;
    assert_eq!((cut.status, samples.len()), (Some(200), 1), "{:?}", cut.error);
    assert!(cut.error.is_some());
}

#[tokio::test]
async fn a_page_that_is_none_says_so() {
    let server = Server::start(ok("text/html", "<!DOCTYPE html>\n<html></html>\n")).await;
    let (scrape, samples) = scrape(&server.url("/")).await;
    assert_eq!((scrape.status, samples.len()), (Some(200), 0));
    assert!(scrape.error.unwrap().starts_with("line 1 of the page: "));
}

#[tokio::test]
async fn it_scrapes_at_once_and_again_and_ends_at_once() {
    let server = Server::start(ok("text/plain", "a 1\n")).await;
    let mut bench = Bench::new();
    let scraper = Scraper::new("t", &server.url("/"), EVERY, bench.fetcher(), &bench.intake);
    let token = CancellationToken::new();
    let running = tokio::spawn({
        let token = token.clone();
        async move { scraper.run(token).await }
    });
    bench.until("three scrapes", |rows| of!(rows, Scrape).len() >= 3).await;
    server.reply(Reply::Silence);
    let asked = server.requests().len();
    bench.until("a request that hangs", |_| server.requests().len() > asked).await;
    token.cancel();
    tokio::time::timeout(Duration::from_millis(250), running).await.unwrap().unwrap();
    let source = &bench.intake.source_rows()[0];
    assert_eq!((source.source.as_str(), source.state.as_str()), ("scrape:t", "ended"));
    assert!(source.from_ns.unwrap() < source.to_ns.unwrap());
}
