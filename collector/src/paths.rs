//! Asks a media server which paths it has: one row per path and poll, and a signal for the media tap.
//!
//! What is no list of paths (refused, an HTML page with status 200) is a row of `polls`, when that begins and every
//! [`ERROR_ROWS_EVERY_NS`] while it lasts.

use std::collections::BTreeMap;
use std::time::Duration;

use recording::Table;
use recording::record;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::fetch::{Answer, Fetcher, Pace};
use crate::intake::{Intake, Source};
use crate::poll;

mod list;
#[cfg(test)]
mod tests;

use list::{Path, Since};

const MAX_PAGE_BYTES: usize = 4 << 20;
const ERROR_ROWS_EVERY_NS: i64 = 5_000_000_000;
/// How much of an answer that is no list of paths is kept.
const ERROR_BODY_BYTES: usize = 4096;

/// What the media server said last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// What came of the last poll.
    pub told: Told,
    /// The paths that somebody publishes to, each with the time since when, in ns since the run's start.
    pub since_ns: BTreeMap<String, i64>,
}

/// What came of a poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// There was none yet.
    #[default]
    NotYet,
    /// Something else than a list of paths: what is ready is not known now.
    Nonsense,
    /// A list of paths.
    Paths,
}

/// Watches the paths of one media server.
pub struct PathWatcher {
    target: String,
    url: String,
    every: Duration,
    fetcher: Fetcher,
    source: Source,
    ready: watch::Sender<Ready>,
    last: Mutex<Last>,
}

/// What the poll before this one brought.
#[derive(Default)]
struct Last {
    at_ns: i64,
    error: Option<String>,
    error_row_ns: Option<i64>,
    paths: Vec<String>,
}

impl PathWatcher {
    /// A watcher that is not yet running; `url` is MediaMTX's `/v3/paths/list` or nginx-rtmp's `/stat`.
    pub fn new(target: &str, url: &str, every: Duration, fetcher: Fetcher, intake: &Intake) -> PathWatcher {
        let source = intake.source(&format!("paths:{target}"), "paths", &[Table::MediaPaths, Table::Polls]);
        let (ready, _) = watch::channel(Ready::default());
        let (target, url) = (target.to_owned(), url.to_owned());
        PathWatcher { target, url, every, fetcher, source, ready, last: Mutex::default() }
    }

    /// Which paths are ready, as it changes.
    pub fn ready(&self) -> watch::Receiver<Ready> {
        self.ready.subscribe()
    }

    /// Polls at once and then at every interval, until the token is cancelled.
    pub async fn run(&self, token: CancellationToken) {
        self.source.live();
        let mut pace = Pace::new(self.every, token);
        while pace.step(self.once()).await {}
        self.source.end();
    }

    /// Polls once, now: the last look before teardown. Call it while [`PathWatcher::run`] still runs.
    pub async fn once(&self) {
        let mut answer = self.fetcher.get(&self.url, "application/json, application/xml;q=0.9", MAX_PAGE_BYTES).await;
        let mut last = self.last.lock().await;
        let list = match answer.error.take() {
            Some(error) => Err(error),
            None => list::read(&answer.body),
        };
        match list {
            Ok(list) => {
                self.record(&answer, list.paths, &mut last);
                self.note(answer, list.problem, &mut last);
            }
            Err(error) => {
                self.ready
                    .send_if_modified(|ready| std::mem::replace(&mut ready.told, Told::Nonsense) != Told::Nonsense);
                self.note(answer, Some(error), &mut last);
            }
        }
    }

    /// A row of `polls` where the error changes, and from time to time while it lasts.
    fn note(&self, mut answer: Answer, error: Option<String>, last: &mut Last) {
        let changed = last.error_row_ns.is_none() || last.error != error;
        let due = last.error_row_ns.is_none_or(|at_ns| answer.at_ns - at_ns >= ERROR_ROWS_EVERY_NS);
        let at_ns = answer.at_ns;
        last.at_ns = at_ns;
        if !(changed || due && error.is_some()) {
            return;
        }
        last.error = error.clone();
        last.error_row_ns = Some(at_ns);
        answer.error = error;
        answer.body.truncate(ERROR_BODY_BYTES);
        self.source.put(at_ns, poll::row(&self.target, answer, self.fetcher.redactor()));
    }

    fn record(&self, answer: &Answer, paths: Vec<Path>, last: &mut Last) {
        for gone in last.paths.iter().filter(|name| paths.iter().all(|path| path.name != **name)) {
            let path = Path { name: gone.clone(), ..Path::default() };
            self.source.put(answer.at_ns, self.row(&path));
        }
        for path in &paths {
            self.source.put(answer.at_ns, self.row(path));
        }
        self.ready.send_if_modified(|ready| {
            let since_ns = paths.iter().filter(|path| path.ready).map(|path| {
                let known = ready.since_ns.get(&path.name).copied();
                (path.name.clone(), known.unwrap_or_else(|| self.since_ns(path, answer.at_ns, last.at_ns)))
            });
            let now = Ready { told: Told::Paths, since_ns: since_ns.collect() };
            let changed = *ready != now;
            *ready = now;
            changed
        });
        last.paths = paths.into_iter().map(|path| path.name).collect();
    }

    /// Since when a path is ready that was not at the poll before: as the server says, where that is plausible.
    fn since_ns(&self, path: &Path, now_ns: i64, last_ns: i64) -> i64 {
        let told = match path.since {
            Since::Unknown => now_ns,
            Since::Before(duration_ns) => now_ns - duration_ns,
            Since::UnixNs(unix_ns) => unix_ns - self.source.clock().unix_ns(0),
        };
        told.clamp(last_ns.min(now_ns), now_ns)
    }

    fn row(&self, path: &Path) -> record::MediaPath {
        const SCHEME: &str = "rtmp://-/";
        let redacted = self.fetcher.redactor().url(&format!("{SCHEME}{}", path.name));
        record::MediaPath {
            target: self.target.clone(),
            path: redacted.strip_prefix(SCHEME).unwrap_or(&redacted).to_owned(),
            ready: path.ready,
            bytes_received: path.bytes_received,
            readers: path.readers,
        }
    }
}
