//! Against a real RTMP server and a real publisher: nginx with the RTMP module, and ffmpeg.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use recording::{Row, record};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{MediaTap, authority_of, path_of};
use crate::fetch::bench::{Bench, of, redactor, refusing};
use crate::paths::PathWatcher;
use crate::probe::tests::{make_stream, probe};

const MODULES: [&str; 3] = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"];

/// A child that dies with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// An RTMP server of this test alone.
struct MediaServer {
    rtmp: u16,
    http: u16,
    folder: TempDir,
    _nginx: Process,
}

impl MediaServer {
    async fn start() -> MediaServer {
        MediaServer::with("idle_streams off;").await
    }

    async fn with(settings: &str) -> MediaServer {
        let module =
            MODULES.iter().map(|folder| Path::new(folder).join("ngx_rtmp_module.so")).find(|file| file.exists());
        let module = module.expect("nginx-rtmp is needed: apt-get install nginx libnginx-mod-rtmp");
        let folder = tempfile::tempdir().unwrap();
        let (rtmp, http) = (refusing().port(), refusing().port());
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {at}/{name}; "))
            .concat();
        let config = format!(
            "load_module {};\ndaemon off; master_process off; pid {at}/pid; error_log {at}/log;\n\
             events {{}}\n\
             rtmp {{ access_log off; server {{ listen 127.0.0.1:{rtmp}; application live/abc {{ live on; \
             wait_key off; {settings} sync 10ms; }} }} }}\n\
             http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{http}; location /stat {{ rtmp_stat all; }} }} }}\n",
            module.display(),
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut nginx = Command::new("nginx");
        nginx.arg("-c").arg(folder.path().join("nginx.conf")).arg("-e").arg(folder.path().join("log"));
        let nginx = nginx.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx is needed");
        let server = MediaServer { rtmp, http, folder, _nginx: Process(nginx) };
        server.up().await;
        server
    }

    async fn up(&self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.http)).await.is_err() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(std::time::Instant::now() < deadline, "nginx is not up: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn url(&self) -> String {
        format!("rtmp://127.0.0.1:{}/live/abc/in", self.rtmp)
    }

    fn stream(&self, seconds: u32) -> PathBuf {
        let file = self.folder.path().join(format!("{seconds}.mp4"));
        make_stream(&file, seconds);
        file
    }

    /// Publishes a file at its own pace.
    fn publish(&self, file: &Path) -> Process {
        let mut publisher = Command::new("ffmpeg");
        publisher.args(["-nostdin", "-v", "quiet", "-re", "-i"]).arg(file).args(["-c", "copy", "-f", "flv"]);
        Process(publisher.arg(self.url()).stdin(Stdio::null()).spawn().expect("ffmpeg is needed"))
    }
}

/// A running tap and, where it has one, the watcher that tells it of paths.
struct Running {
    bench: Bench,
    token: CancellationToken,
    tap: JoinHandle<()>,
    folder: TempDir,
}

impl Running {
    fn start(url: &str, stat: Option<u16>) -> Running {
        let bench = Bench::new();
        let token = CancellationToken::new();
        let paths = stat.map(|port| {
            let url = format!("http://127.0.0.1:{port}/stat");
            let watcher = PathWatcher::new("m", &url, Duration::from_millis(50), bench.fetcher(), &bench.intake);
            let ready = watcher.ready();
            let token = token.clone();
            tokio::spawn(async move { watcher.run(token).await });
            ready
        });
        let folder = tempfile::tempdir().unwrap();
        let tap = MediaTap::new("in", url, folder.path().to_owned(), paths, redactor(), &bench.intake);
        let tap = tokio::spawn({
            let token = token.clone();
            async move { tap.run(token).await }
        });
        Running { bench, token, tap, folder }
    }

    async fn until_told(&mut self, event: &str, times: usize) -> Vec<Value> {
        self.bench.until(event, |rows| told(rows, event).len() >= times).await;
        told(self.bench.rows(), event)
    }

    async fn stop(&mut self) {
        self.token.cancel();
        tokio::time::timeout(Duration::from_secs(5), &mut self.tap).await.expect("it ends by itself").unwrap();
    }

    fn packets(&mut self, kind: &str) -> Vec<record::MediaPacket> {
        of!(self.bench.rows(), MediaPacket).into_iter().filter(|packet| packet.kind == kind).collect()
    }
}

/// The attributes of the events of a name, with their exit codes.
fn told(rows: &[(i64, Row)], event: &str) -> Vec<Value> {
    let events = of!(rows, Event).into_iter().filter(|row| row.event == event && row.subject == "in");
    events
        .map(|row| {
            let mut attributes: Value = serde_json::from_str(&row.attributes).unwrap();
            attributes["exit_code"] = row.exit_code.into();
            attributes
        })
        .collect()
}

#[tokio::test]
async fn a_stream_is_read_from_its_beginning_to_its_end() {
    let server = MediaServer::start().await;
    let file = server.stream(4);
    let mut running = Running::start(&server.url(), Some(server.http));
    let _publisher = server.publish(&file);
    let join = running.until_told("media.join", 1).await.remove(0);
    let end = running.until_told("media.end", 1).await.remove(0);
    running.stop().await;
    assert_eq!((join["attempts"].as_i64(), join["file"].as_str()), (Some(1), Some("in.mkv")));
    assert!(join["joined_after_ms"].as_f64().unwrap() < 4000.0, "{join}");
    assert!(join["url"].as_str().unwrap().starts_with("rtmp://127.0.0.1:"), "{join}");
    assert_eq!((end["reason"].as_str(), end["exit_code"].as_i64()), (Some("ended"), Some(0)), "{end}");
    let (video, audio) = (running.packets("video"), running.packets("audio"));
    assert_eq!(end["packets"].as_i64(), Some((video.len() + audio.len()) as i64));
    let last = video.last().unwrap();
    let ends_s = last.pts_s.unwrap() + last.duration_s.unwrap();
    assert!((ends_s - 4.0).abs() < 0.1, "the stream is 4 s long and ends at {ends_s} s");
    assert!(video.windows(2).all(|pair| pair[0].dts_s < pair[1].dts_s), "in decoding order");
    assert!(video.iter().any(|packet| packet.key) && video.iter().any(|packet| !packet.key));
    assert!(audio.iter().all(|packet| packet.key && packet.bytes > 0));
    let first_s = video[0].pts_s.unwrap();
    assert!((video.len() as f64 / 30.0 - (4.0 - first_s)).abs() < 0.1, "no packet is missing after the first");
    let copy = probe(running.folder.path().join("in.mkv").to_str().unwrap()).await;
    assert_eq!((copy.video_codec.as_deref(), copy.audio_codec.as_deref()), (Some("h264"), Some("aac")));
    assert!((copy.duration_s.unwrap() - 4.0).abs() < 0.2, "{:?}", copy.duration_s);
}

#[tokio::test]
async fn the_end_of_the_run_finishes_the_copy() {
    use std::os::unix::fs::PermissionsExt;
    let server = MediaServer::start().await;
    let file = server.stream(15);
    let mut running = Running::start(&server.url(), Some(server.http));
    let _publisher = server.publish(&file);
    running.bench.until("some packets", |rows| of!(rows, MediaPacket).len() > 60).await;
    running.stop().await;
    let end = told(running.bench.rows(), "media.end").remove(0);
    assert_eq!(end["reason"].as_str(), Some("stopped"), "{end}");
    let copy = running.folder.path().join("in.mkv");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(probe(copy.to_str().unwrap()).await.duration_s.unwrap() > 0.5);
}

#[tokio::test]
async fn a_stream_that_comes_back_is_joined_again() {
    let server = MediaServer::start().await;
    let file = server.stream(2);
    let mut running = Running::start(&server.url(), Some(server.http));
    for times in 1..=2 {
        let _publisher = server.publish(&file);
        running.until_told("media.end", times).await;
    }
    running.stop().await;
    let files: Vec<_> = told(running.bench.rows(), "media.join").iter().map(|join| join["file"].clone()).collect();
    assert_eq!(files, ["in.mkv", "in-2.mkv"]);
    let kept = std::fs::read_dir(running.folder.path()).unwrap().count();
    assert_eq!(kept, 2, "attempts that brought nothing leave nothing");
}

#[tokio::test]
async fn a_server_that_keeps_readers_after_the_end_is_left() {
    let server = MediaServer::with("idle_streams on;").await;
    let file = server.stream(2);
    let mut running = Running::start(&server.url(), Some(server.http));
    let _publisher = server.publish(&file);
    let end = running.until_told("media.end", 1).await.remove(0);
    running.stop().await;
    assert_eq!(end["reason"].as_str(), Some("the path is gone"), "{end}");
    let last = running.packets("video").pop().unwrap();
    assert!((last.pts_s.unwrap() - 2.0).abs() < 0.2, "{last:?}");
}

#[tokio::test]
async fn without_a_list_of_paths_it_tries_until_there_is_a_stream() {
    let server = MediaServer::start().await;
    let file = server.stream(2);
    let mut running = Running::start(&server.url(), None);
    let refused = running.until_told("media.refused", 1).await.remove(0);
    assert!(refused["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{refused}");
    let _publisher = server.publish(&file);
    let join = running.until_told("media.join", 1).await.remove(0);
    assert!(join["joined_after_ms"].is_null() && join["attempts"].as_i64() >= Some(2), "{join}");
    running.until_told("media.end", 1).await;
    running.stop().await;
}

#[tokio::test]
async fn where_nothing_listens_nothing_is_started() {
    let url = format!("rtmp://{}/live/abc/in", refusing());
    let mut running = Running::start(&url, Some(refusing().port()));
    let polled = |rows: &[(i64, Row)]| !of!(rows, Poll).is_empty();
    running.bench.until("the list of paths is refused", polled).await;
    running.stop().await;
    assert!(of!(running.bench.rows(), Event).is_empty());
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtmp://{}/live/abc/in", silent.local_addr().unwrap());
    let mut running = Running::start(&url, None);
    let (_look, _) = silent.accept().await.unwrap();
    let (_connection, _) = silent.accept().await.unwrap();
    running.stop().await;
    assert_eq!(std::fs::read_dir(running.folder.path()).unwrap().count(), 0);
}

#[test]
fn urls_are_taken_apart() {
    assert_eq!(path_of("rtmp://127.0.0.1:1935/live/abc/out?key=x"), "live/abc/out");
    assert_eq!(path_of("rtmp://host"), "");
    assert_eq!(authority_of("rtmp://user:pw@host/live").as_deref(), Some("host:1935"));
    assert_eq!(authority_of("rtmp://127.0.0.1:19/live").as_deref(), Some("127.0.0.1:19"));
    assert_eq!(authority_of("/some/file.mp4"), None);
}
