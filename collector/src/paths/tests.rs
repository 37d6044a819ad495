use std::time::Duration;

use super::list::{self, Path, Since};
use super::{PathWatcher, Ready, Told};
use crate::fetch::bench::{Bench, Server, of, ok, with_head};

const MEDIAMTX: &str = r#"{"itemCount":2,"pageCount":1,"items":[
    {"name":"live/abc/in","confName":"all_others","source":{"type":"rtmpConn","id":"x"},"ready":true,
     "readyTime":"2026-11-24T07:00:00.5+01:00","tracks":["H264","MPEG-4 Audio"],"bytesReceived":1234,"bytesSent":7,
     "readers":[{"type":"rtmpConn","id":"y"}]},
    {"name":"live/abc/out","source":null,"ready":false,"readyTime":null,"bytesReceived":0,"readers":[]}]}"#;

const NGINX: &str = r#"<?xml version="1.0" encoding="utf-8" ?>
<?xml-stylesheet type="text/xsl" href="stat.xsl" ?>
<rtmp><nginx_version>1.22.1</nginx_version><server><application><name>live/abc</name><live>
<stream><name>in</name><time>2033</time><bw_in>0</bw_in><bytes_in>533629</bytes_in>
<client><id>4</id><address>127.0.0.1</address><time>2207</time><publishing/><active/></client>
<client><id>5</id><address>127.0.0.1</address><time>100</time><active/></client>
<nclients>2</nclients><publishing/><active/></stream>
<stream><name>out</name><time>0</time><client><id>9</id></client><nclients>1</nclients></stream>
<nclients>3</nclients></live></application></server></rtmp>"#;

const EMPTY: &str = r#"{"itemCount":0,"pageCount":0,"items":[]}"#;

#[test]
fn both_servers_tell_the_same() {
    let list = list::read(MEDIAMTX.as_bytes()).unwrap();
    assert_eq!(list.problem, None);
    let input = &list.paths[0];
    assert_eq!((input.name.as_str(), input.ready, input.bytes_received), ("live/abc/in", true, Some(1234)));
    assert_eq!(input.readers, Some(1));
    assert_eq!(input.since, Since::UnixNs(1_795_500_000_500_000_000));
    assert_eq!((list.paths[1].name.as_str(), list.paths[1].ready), ("live/abc/out", false));

    let list = list::read(NGINX.as_bytes()).unwrap();
    let input = &list.paths[0];
    assert_eq!((input.name.as_str(), input.ready, input.bytes_received), ("live/abc/in", true, Some(533_629)));
    assert_eq!((input.readers, input.since), (Some(1), Since::Before(2_033_000_000)));
    let waiting = Path { bytes_received: None, readers: Some(1), ..Path::default() };
    assert_eq!(list.paths[1], Path { name: "live/abc/out".to_owned(), since: Since::Before(0), ..waiting });
}

#[test]
fn what_is_no_list_says_what_it_is() {
    for (body, found) in [
        ("<!DOCTYPE html><html><body>It works!</body></html>", "an HTML page"),
        ("<html><head></head></html>", "an HTML page"),
        ("<other/>", "markup"),
        ("{\"status\":\"ok\"}", "JSON"),
        ("{\"items\":3}", "JSON"),
        ("OK", "text"),
        ("", "an empty page"),
    ] {
        let error = list::read(body.as_bytes()).unwrap_err();
        assert!(error.starts_with(found), "{body:?}: {error}");
    }
    assert!(list::read(b"\xff").is_err());
    let paged = list::read(br#"{"pageCount":3,"items":[]}"#).unwrap();
    assert!(paged.problem.unwrap().contains("3 pages"));
}

async fn watcher(bench: &Bench, server: &Server) -> PathWatcher {
    PathWatcher::new("m", &server.url("/"), Duration::from_millis(200), bench.fetcher(), &bench.intake)
}

#[tokio::test]
async fn a_row_per_path_and_poll_and_a_last_one_when_it_is_gone() {
    let server = Server::start(ok("text/xml", NGINX)).await;
    let mut bench = Bench::new();
    let watcher = watcher(&bench, &server).await;
    let ready = watcher.ready();
    watcher.once().await;
    watcher.once().await;
    assert_eq!(ready.borrow().since_ns.keys().collect::<Vec<_>>(), ["live/abc/in"]);
    server.reply(ok("application/json", EMPTY));
    watcher.once().await;
    watcher.once().await;
    assert_eq!(*ready.borrow(), Ready { told: Told::Paths, ..Ready::default() });
    let rows = of!(bench.rows(), MediaPath);
    let told: Vec<_> = rows.iter().map(|row| (row.path.as_str(), row.ready)).collect();
    let (input, output) = (("live/abc/in", true), ("live/abc/out", false));
    assert_eq!(told, [input, output, input, output, ("live/abc/in", false), output]);
    assert_eq!(of!(bench.rows(), Poll).len(), 1, "one row that the list is there");
}

#[tokio::test]
async fn what_is_no_list_is_a_poll_row_once_per_change() {
    let server = Server::start(ok("text/html", "<html>It works!</html>")).await;
    let mut bench = Bench::new();
    let watcher = watcher(&bench, &server).await;
    let ready = watcher.ready();
    assert_eq!(ready.borrow().told, Told::NotYet);
    watcher.once().await;
    watcher.once().await;
    assert_eq!(ready.borrow().told, Told::Nonsense);
    server.reply(with_head("HTTP/1.1 401 Unauthorized", "who?"));
    watcher.once().await;
    server.reply(ok("application/json", MEDIAMTX));
    watcher.once().await;
    watcher.once().await;
    assert_eq!(ready.borrow().told, Told::Paths);
    server.reply(ok("application/json", "{}"));
    watcher.once().await;
    let now = ready.borrow().clone();
    assert!(now.told == Told::Nonsense && now.since_ns.contains_key("live/abc/in"), "{now:?}");
    let polls = of!(bench.rows(), Poll);
    let errors: Vec<_> = polls.iter().map(|poll| poll.error.as_deref().unwrap_or("none")).collect();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors[0].starts_with("an HTML page") && errors[1].contains("401"), "{errors:?}");
    assert!(errors[2] == "none" && errors[3].starts_with("JSON"), "{errors:?}");
    assert_eq!(polls[0].body.as_deref(), Some("<html>It works!</html>"));
}

#[tokio::test]
async fn since_when_a_path_is_ready_lies_between_two_polls() {
    let server = Server::start(ok("application/json", EMPTY)).await;
    let mut bench = Bench::new();
    let watcher = watcher(&bench, &server).await;
    watcher.once().await;
    let before_ns = bench.intake.clock().now_ns();
    server.reply(ok("text/xml", NGINX));
    watcher.once().await;
    let since_ns = watcher.ready().borrow().since_ns["live/abc/in"];
    assert!(since_ns <= before_ns && since_ns > 0, "{since_ns}: not before the poll that did not have it");
    bench.rows();
}

#[tokio::test]
async fn a_foreign_stream_key_is_redacted_in_rows_only() {
    let body = MEDIAMTX.replace("live/abc/in", "live/s3cret-key/in");
    let server = Server::start(ok("application/json", body)).await;
    let mut bench = Bench::new();
    let watcher = watcher(&bench, &server).await;
    watcher.once().await;
    let row = &of!(bench.rows(), MediaPath)[0];
    assert!(row.path.starts_with("live/redacted:") && row.path.ends_with("/in"), "{}", row.path);
    assert!(watcher.ready().borrow().since_ns.contains_key("live/s3cret-key/in"));
}
