//! Scrapes a metrics page again and again: one row per GET, one row per sample.

use std::time::Duration;

use recording::Table;
use recording::record;
use tokio_util::sync::CancellationToken;

use crate::exposition;
use crate::fetch::{Answer, Fetcher, Pace};
use crate::intake::{Intake, Source};
use crate::redact::Redactor;

#[cfg(test)]
mod tests;

/// How much of a page is read.
pub(crate) const MAX_PAGE_BYTES: usize = 32 << 20;

/// Watches one metrics page.
pub struct Scraper {
    target: String,
    url: String,
    every: Duration,
    fetcher: Fetcher,
    source: Source,
}

impl Scraper {
    /// A scraper that is not yet running; `url` is the whole URL of the page.
    pub fn new(target: &str, url: &str, every: Duration, fetcher: Fetcher, intake: &Intake) -> Scraper {
        let source = intake.source(&format!("scrape:{target}"), "scrape", &[Table::Scrapes, Table::Samples]);
        Scraper { target: target.to_owned(), url: url.to_owned(), every, fetcher, source }
    }

    /// Scrapes at once and then at every interval, until the token is cancelled.
    pub async fn run(&self, token: CancellationToken) {
        self.source.live();
        let mut pace = Pace::new(self.every, token);
        while pace.step(self.once()).await {}
        self.source.end();
    }

    /// Scrapes once, now: the last look before teardown. Call it while [`Scraper::run`] still runs.
    pub async fn once(&self) {
        let answer = self.fetcher.get(&self.url, exposition::ACCEPT, MAX_PAGE_BYTES).await;
        record(&self.target, answer, self.fetcher.redactor(), &self.source);
    }
}

/// Records one answer of a target, and the samples in it.
pub(crate) fn record(target: &str, answer: Answer, redactor: &Redactor, source: &Source) {
    let succeeded = answer.status.is_some_and(|status| (200..300).contains(&status));
    let page = if succeeded { answer.body.as_slice() } else { &[] };
    let page = exposition::parse(page, answer.content_type.as_deref());
    let loss = if succeeded { page.loss() } else { None };
    let loss = loss.map(|loss| redactor.text(&loss));
    source.put(
        answer.at_ns,
        record::Scrape {
            target: target.to_owned(),
            url: answer.url,
            status: answer.status,
            took_ms: answer.took_ms,
            samples: page.samples.len() as i64,
            content_type: answer.content_type,
            error: answer.error.or(loss),
        },
    );
    for sample in &page.samples {
        source.put(
            answer.at_ns,
            record::Sample {
                target: target.to_owned(),
                name: sample.name.as_ref().to_owned(),
                r#type: sample.kind.as_str().to_owned(),
                labels: sample.labels_json(),
                series: sample.series(),
                value: sample.value,
                source_unix_ns: sample.source_unix_ns,
            },
        );
    }
}
