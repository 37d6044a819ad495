//! Polls a page of any kind again and again, and keeps its text.

use std::time::Duration;

use recording::Table;
use recording::record;
use tokio_util::sync::CancellationToken;

use crate::fetch::{Answer, Fetcher, Pace};
use crate::intake::{Intake, Source};
use crate::redact::Redactor;

#[cfg(test)]
mod tests;

/// How much of a page is read.
pub(crate) const MAX_PAGE_BYTES: usize = 1 << 20;

/// Watches one page.
pub struct Poller {
    target: String,
    url: String,
    every: Duration,
    fetcher: Fetcher,
    source: Source,
}

impl Poller {
    /// A poller that is not yet running.
    pub fn new(target: &str, url: &str, every: Duration, fetcher: Fetcher, intake: &Intake) -> Poller {
        let source = intake.source(&format!("poll:{target}"), "poll", &[Table::Polls]);
        Poller { target: target.to_owned(), url: url.to_owned(), every, fetcher, source }
    }

    /// Polls at once and then at every interval, until the token is cancelled.
    pub async fn run(&self, token: CancellationToken) {
        self.source.live();
        let mut pace = Pace::new(self.every, token);
        while pace.step(self.once()).await {}
        self.source.end();
    }

    /// Polls once, now: the last look before teardown. Call it while [`Poller::run`] still runs.
    pub async fn once(&self) {
        let answer = self.fetcher.get(&self.url, "*/*", MAX_PAGE_BYTES).await;
        self.source.put(answer.at_ns, row(&self.target, answer, self.fetcher.redactor()));
    }
}

/// A page without secrets: in JSON they are known by their fields, elsewhere by their words.
fn redacted(page: &str, redactor: &Redactor) -> String {
    match serde_json::from_str::<serde_json::Value>(page) {
        Ok(mut value) if value.is_object() || value.is_array() => {
            let before = value.clone();
            redactor.json(&mut value);
            let unchanged = value == before;
            redactor.text(&if unchanged { page.to_owned() } else { value.to_string() })
        }
        _ => redactor.text(page),
    }
}

/// The row of one answer; its body is kept as text, redacted.
pub(crate) fn row(target: &str, answer: Answer, redactor: &Redactor) -> record::Poll {
    let body = answer.status.map(|_| redacted(&String::from_utf8_lossy(&answer.body), redactor));
    record::Poll {
        target: target.to_owned(),
        url: answer.url,
        status: answer.status,
        took_ms: answer.took_ms,
        content_type: answer.content_type,
        body,
        error: answer.error,
    }
}
