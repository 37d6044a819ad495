//! The media tap: reads a live stream for the whole run, keeps a copy and the time of every packet.
//!
//! A live stream has no duration and no beginning that can be asked for later, so the tap joins as soon as the media
//! server has the path, and again whenever it was cut off. How late it joined is part of the recording
//! (`media.join`), so that a short copy is not taken for a short stream.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use recording::Table;
use recording::record;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::intake::{Intake, Source};
use crate::paths::{Ready, Told};
use crate::probe::{self, ToolError};
use crate::redact::Redactor;

mod ffmpeg;
mod packets;
#[cfg(test)]
mod tests;

use ffmpeg::Ffmpeg;
use packets::{Framecrc, Packet};

/// The pause between two attempts where it is not known whether the path is ready.
const BLIND_PAUSE: Duration = Duration::from_millis(500);
/// The pause between two looks whether the server listens at all, which cost next to nothing.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// The pause between two attempts where the path is said to be ready.
const READY_PAUSE: Duration = Duration::from_millis(100);
/// How long a reader of a path that is gone may hang on without a packet.
const GONE: Duration = Duration::from_secs(3);
/// The same refusal is recorded again only after so long.
const REFUSAL_ROWS_EVERY_NS: i64 = 5_000_000_000;

/// The version of ffmpeg.
///
/// # Errors
/// [`ToolError`] where it is missing or can't be run.
pub async fn version() -> Result<String, ToolError> {
    probe::tool_version("ffmpeg").await
}

/// Reads one stream.
pub struct MediaTap {
    target: String,
    url: String,
    folder: PathBuf,
    paths: Option<watch::Receiver<Ready>>,
    redactor: Arc<Redactor>,
    source: Source,
}

/// What one run of the tap keeps between two attempts to join.
#[derive(Default)]
struct Progress {
    /// See [`ffmpeg::has_nodelay`].
    nodelay: bool,
    /// Attempts since the last join.
    attempts: i64,
    /// Copies made.
    files: i64,
    refusal: Option<(String, i64)>,
}

/// One time that the tap was in the stream.
struct Joined {
    packets: i64,
    reason: &'static str,
}

impl MediaTap {
    /// A tap that is not yet running. `url` is the stream, `folder` the recording's `media`, which must be there.
    /// `paths` (see [`crate::paths::PathWatcher::ready`]) tells when there is something to join.
    pub fn new(
        target: &str,
        url: &str,
        folder: PathBuf,
        paths: Option<watch::Receiver<Ready>>,
        redactor: Arc<Redactor>,
        intake: &Intake,
    ) -> MediaTap {
        let source = intake.source(&format!("media:{target}"), "media", &[Table::MediaPackets, Table::Timeline]);
        MediaTap { target: target.to_owned(), url: url.to_owned(), folder, paths, redactor, source }
    }

    /// Joins the stream, again and again, until the token is cancelled; then finishes the copy (2 s at most).
    pub async fn run(&self, token: CancellationToken) {
        self.source.live();
        let nodelay = token.run_until_cancelled(ffmpeg::has_nodelay()).await.unwrap_or_default();
        let mut progress = Progress { nodelay, ..Progress::default() };
        let mut paths = self.paths.clone();
        let mut earliest = Instant::now();
        loop {
            let ready = token.run_until_cancelled(self.joinable(&mut paths, earliest)).await;
            let Some(ready_ns) = ready else { break };
            let pause = if ready_ns.is_some() { READY_PAUSE } else { BLIND_PAUSE };
            earliest = Instant::now() + pause;
            self.attempt(ready_ns, &mut paths, &mut progress, &token).await;
        }
        self.source.end();
    }

    /// Waits until there is reason to join: since when the path is ready, or `None` where nobody can tell.
    async fn joinable(&self, paths: &mut Option<watch::Receiver<Ready>>, earliest: Instant) -> Option<i64> {
        sleep_until(earliest).await;
        loop {
            if let Some(receiver) = paths {
                let ready = receiver.borrow_and_update().clone();
                let since_ns = ready.since_ns.get(path_of(&self.url)).copied();
                if ready.told == Told::Paths && since_ns.is_some() {
                    return since_ns;
                }
                if ready.told != Told::Nonsense {
                    if receiver.changed().await.is_err() {
                        *paths = None;
                    }
                    continue;
                }
            }
            if self.listens().await {
                return None;
            }
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Whether something listens where the URL points; true where that can't be told.
    async fn listens(&self) -> bool {
        match authority_of(&self.url) {
            Some(address) => matches!(timeout(LOOK_PAUSE, TcpStream::connect(address)).await, Ok(Ok(_))),
            None => true,
        }
    }

    async fn attempt(
        &self,
        ready_ns: Option<i64>,
        paths: &mut Option<watch::Receiver<Ready>>,
        progress: &mut Progress,
        token: &CancellationToken,
    ) {
        progress.attempts += 1;
        let number = progress.files + 1;
        let name = if number == 1 { format!("{}.mkv", self.target) } else { format!("{}-{number}.mkv", self.target) };
        let file = self.folder.join(&name);
        let mut child = match Ffmpeg::start(&self.url, &file, progress.nodelay) {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.refused(progress, &ToolError::Missing { tool: "ffmpeg" }.to_string());
            }
            Err(error) => return self.refused(progress, &format!("start ffmpeg for {name}: {error}")),
        };
        let joined = self.read(&mut child, ready_ns, paths, progress, &name, token).await;
        let ended = child.end().await;
        let message = ended.message.map(|text| self.redactor.text(&text));
        if joined.packets == 0 {
            ffmpeg::remove_if_empty(&file);
            if joined.reason == "stopped" {
                return;
            }
            return self.refused(progress, message.as_deref().unwrap_or("ffmpeg ended without a packet"));
        }
        progress.files = number;
        let attributes = json!({
            "file": name, "message": message, "packets": joined.packets, "reason": joined.reason,
        });
        self.tell("media.end", ended.exit_code, &attributes);
    }

    /// Reads packets until the stream ends, the run ends, or the path is gone.
    async fn read(
        &self,
        child: &mut Ffmpeg,
        ready_ns: Option<i64>,
        paths: &mut Option<watch::Receiver<Ready>>,
        progress: &mut Progress,
        file: &str,
        token: &CancellationToken,
    ) -> Joined {
        let mut reader = Framecrc::default();
        let mut joined = Joined { packets: 0, reason: "ended" };
        let last_ns = AtomicI64::new(self.source.clock().now_ns());
        let mut deadline: Option<Instant> = None;
        // Made once and not per line: there are hundreds of lines a second.
        let mut stop = pin!(token.cancelled());
        let mut gone = pin!(self.gone(paths, &last_ns));
        loop {
            let stopped = deadline.is_some();
            let line = tokio::select! {
                biased;
                () = &mut stop, if !stopped => Next::Stop("stopped"),
                () = &mut gone, if !stopped => Next::Stop("the path is gone"),
                line = next_line(child, deadline) => Next::Line(line),
            };
            match line {
                Next::Stop(reason) => {
                    joined.reason = reason;
                    deadline = Some(Instant::now() + ffmpeg::FINISH);
                    child.interrupt();
                }
                Next::Line(None) => return joined,
                Next::Line(Some(line)) => {
                    let Some(packet) = reader.line(&line) else { continue };
                    let now_ns = self.source.clock().now_ns();
                    last_ns.store(now_ns, Ordering::Relaxed);
                    if joined.packets == 0 {
                        self.tell_join(ready_ns, progress, file, &packet);
                    }
                    joined.packets += 1;
                    self.put(now_ns, &packet);
                }
            }
        }
    }

    /// Waits until the media server says that the path is gone, and no packet came for a while.
    async fn gone(&self, paths: &mut Option<watch::Receiver<Ready>>, last_ns: &AtomicI64) {
        let path = path_of(&self.url);
        let absent = |ready: &Ready| ready.told == Told::Paths && !ready.since_ns.contains_key(path);
        loop {
            let Some(receiver) = paths else { return std::future::pending().await };
            if receiver.wait_for(absent).await.is_err() {
                return std::future::pending().await;
            }
            let silent_ns = self.source.clock().now_ns() - last_ns.load(Ordering::Relaxed);
            match GONE.checked_sub(Duration::from_nanos(silent_ns.max(0) as u64)) {
                None | Some(Duration::ZERO) => return,
                Some(left) => sleep(left).await,
            }
        }
    }

    fn put(&self, at_ns: i64, packet: &Packet) {
        self.source.put(
            at_ns,
            record::MediaPacket {
                target: self.target.clone(),
                kind: packet.kind.to_owned(),
                stream: packet.stream,
                pts_s: packet.pts_s,
                dts_s: packet.dts_s,
                duration_s: packet.duration_s,
                bytes: packet.bytes,
                key: packet.key,
            },
        );
    }

    fn tell_join(&self, ready_ns: Option<i64>, progress: &mut Progress, file: &str, first: &Packet) {
        let now_ns = self.source.clock().now_ns();
        let joined_after_ms = ready_ns.map(|ready_ns| (now_ns - ready_ns) as f64 / 1e6);
        let attributes = json!({
            "attempts": progress.attempts,
            "file": file,
            "first_pts_s": first.pts_s,
            "joined_after_ms": joined_after_ms,
            "ready_ns": ready_ns,
            "url": self.redactor.url(&self.url),
        });
        progress.attempts = 0;
        progress.refusal = None;
        self.tell("media.join", None, &attributes);
    }

    /// An attempt that brought nothing: recorded where the reason is new, and from time to time.
    fn refused(&self, progress: &mut Progress, reason: &str) {
        let now_ns = self.source.clock().now_ns();
        if let Some((last, at_ns)) = &progress.refusal
            && last == reason
            && now_ns - at_ns < REFUSAL_ROWS_EVERY_NS
        {
            return;
        }
        progress.refusal = Some((reason.to_owned(), now_ns));
        self.tell("media.refused", None, &json!({ "attempts": progress.attempts, "reason": reason }));
    }

    fn tell(&self, event: &str, exit_code: Option<i64>, attributes: &serde_json::Value) {
        self.source.put(
            self.source.clock().now_ns(),
            record::Event {
                source: "media".to_owned(),
                subject: self.target.clone(),
                event: event.to_owned(),
                exit_code,
                attributes: attributes.to_string(),
                source_unix_ns: None,
            },
        );
    }
}

enum Next {
    Stop(&'static str),
    Line(Option<String>),
}

/// The next line; none after the deadline, where there is one.
async fn next_line(child: &mut Ffmpeg, deadline: Option<Instant>) -> Option<String> {
    match deadline {
        Some(deadline) => timeout_at(deadline, child.line()).await.ok().flatten(),
        None => child.line().await,
    }
}

/// `live/abc/out` of `rtmp://host:1935/live/abc/out?key=…`.
fn path_of(url: &str) -> &str {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    path.split(['?', '#']).next().unwrap_or_default().trim_matches('/')
}

/// `host:1935` of an RTMP URL, with its default port.
fn authority_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("rtmp://")?;
    let authority = rest.split(['/', '?']).next()?.rsplit('@').next()?;
    let port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if port { authority.to_owned() } else { format!("{authority}:1935") })
}
