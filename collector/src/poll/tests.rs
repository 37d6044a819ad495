use std::time::Duration;

use recording::record;

use super::{MAX_PAGE_BYTES, Poller};
use crate::fetch::bench::{Bench, Server, of, ok, refusing, with_head};

async fn poll(url: &str) -> record::Poll {
    let mut bench = Bench::new();
    let poller = Poller::new("t", url, Duration::from_secs(1), bench.fetcher(), &bench.intake);
    poller.once().await;
    let polls = of!(bench.rows(), Poll);
    assert_eq!(polls.len(), 1);
    polls[0].clone()
}

#[tokio::test]
async fn the_body_is_kept_redacted() {
    let body = r#"{"status":"ok","token":"abcdefgh12345"}"#;
    let server = Server::start(ok("application/json", body)).await;
    let poll = poll(&server.url("/health?key=s3cret-value")).await;
    assert_eq!((poll.status, poll.error), (Some(200), None));
    let kept = poll.body.unwrap();
    assert!(kept.contains(r#""status":"ok""#) && !kept.contains("abcdefgh12345"), "{kept}");
    assert!(!poll.url.contains("s3cret-value"), "{}", poll.url);
}

#[tokio::test]
async fn a_page_that_is_too_long_is_cut_and_says_so() {
    let server = Server::start(ok("text/plain", vec![b'x'; MAX_PAGE_BYTES + 1])).await;
    let poll = poll(&server.url("/")).await;
    assert_eq!(poll.body.unwrap().len(), MAX_PAGE_BYTES);
    assert!(poll.error.unwrap().contains("longer than 1048576 bytes"));
}

#[tokio::test]
async fn an_error_page_is_kept_with_its_status() {
    let server = Server::start(with_head("HTTP/1.1 500 Internal Server Error", b"worker \xff down")).await;
    let failed = poll(&server.url("/")).await;
    assert_eq!((failed.status, failed.body.as_deref()), (Some(500), Some("worker \u{fffd} down")));
    assert!(failed.error.unwrap().contains("500"));
    let refused = poll(&format!("http://{}/", refusing())).await;
    assert_eq!((refused.status, refused.body), (None, None));
    assert!(refused.error.is_some());
}
