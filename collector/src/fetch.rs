//! One HTTP GET, which never fails: what went wrong is part of the [`Answer`]. And the pace at which targets are
//! looked at.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::intake::Clock;
use crate::redact::Redactor;

#[cfg(test)]
pub(crate) mod bench;

/// The longest that one GET may take, redirects included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("set up the HTTP client")]
pub struct ClientError {
    source: reqwest::Error,
}

/// What one GET brought.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// When the last byte was there, or when it was given up: ns since the run's start.
    pub at_ns: i64,
    /// The URL that answered (the last one, where there were redirects), redacted.
    pub url: String,
    /// The HTTP status, where there was one.
    pub status: Option<i64>,
    /// Milliseconds from the request to the last byte.
    pub took_ms: f64,
    /// As claimed.
    pub content_type: Option<String>,
    /// Uncompressed, cut at the limit.
    pub body: Vec<u8>,
    /// Why there is no answer, or why it is none that counts. Redacted.
    pub error: Option<String>,
}

/// Fetches pages; cheap to clone, one connection pool for all.
#[derive(Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    redactor: Arc<Redactor>,
    clock: Clock,
    limit: Duration,
}

impl Fetcher {
    /// # Errors
    /// [`ClientError`] where TLS can't be initialised.
    pub fn new(redactor: Arc<Redactor>, clock: Clock) -> Result<Fetcher, ClientError> {
        Self::with_timeout(redactor, clock, TIMEOUT)
    }

    fn with_timeout(redactor: Arc<Redactor>, clock: Clock, limit: Duration) -> Result<Fetcher, ClientError> {
        let client = reqwest::Client::builder()
            .timeout(limit)
            .gzip(true)
            // What is watched is near; a proxy meant for the internet would only be in the way.
            .no_proxy()
            .user_agent(concat!("tapedeck-collector/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| ClientError { source })?;
        Ok(Fetcher { client, redactor, clock, limit })
    }

    /// The redactor that its answers went through.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// GETs a page of at most `max_bytes`; what is longer is cut, and the answer says so.
    pub async fn get(&self, url: &str, accept: &str, max_bytes: usize) -> Answer {
        let asked_ns = self.clock.now_ns();
        let mut answer = Answer { url: self.redactor.url(url), ..Answer::default() };
        if let Err(error) = self.fill(&mut answer, url, accept, max_bytes).await {
            answer.error = Some(self.redactor.text(&self.describe(error)));
        }
        answer.at_ns = self.clock.now_ns();
        answer.took_ms = (answer.at_ns - asked_ns) as f64 / 1e6;
        answer
    }

    async fn fill(&self, answer: &mut Answer, url: &str, accept: &str, max_bytes: usize) -> reqwest::Result<()> {
        let mut response = self.client.get(url).header(ACCEPT, accept).send().await?;
        answer.url = self.redactor.url(response.url().as_str());
        answer.status = Some(i64::from(response.status().as_u16()));
        let content_type = response.headers().get(CONTENT_TYPE);
        answer.content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if !response.status().is_success() {
            answer.error = Some(format!("HTTP status {}", response.status()));
        }
        while let Some(chunk) = response.chunk().await? {
            let room = max_bytes - answer.body.len();
            answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                answer.error = Some(format!("the page is longer than {max_bytes} bytes: the rest is not kept"));
                break;
            }
        }
        Ok(())
    }

    /// The error and its causes in one line, without the URL, which has a column of its own.
    fn describe(&self, error: reqwest::Error) -> String {
        if error.is_timeout() {
            return format!("no answer within {} s", self.limit.as_secs_f64());
        }
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// Says when to look next: at once, and then in equal steps until the run ends. A step that is missed is left out.
pub(crate) struct Pace {
    steps: Interval,
    token: CancellationToken,
}

impl Pace {
    pub(crate) fn new(every: Duration, token: CancellationToken) -> Pace {
        let mut steps = interval(every.max(Duration::from_millis(10)));
        steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Pace { steps, token }
    }

    /// Waits for the next step, and then for the job; false as soon as the run ends.
    pub(crate) async fn step(&mut self, job: impl Future<Output = ()>) -> bool {
        let steps = &mut self.steps;
        let stepped = async {
            steps.tick().await;
            job.await;
        };
        self.token.run_until_cancelled(stepped).await.is_some()
    }
}
