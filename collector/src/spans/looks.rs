//! Spans of what the collector asked: every probe, and the scrapes and polls that were slow or failed.

use std::collections::{BTreeMap, BTreeSet};

use recording::record::{Poll, Probe, Scrape};

use super::Ended;
use super::draft::{Draft, Handle};

/// A page that takes as long is worth a span, in ms.
const SLOW_MS: f64 = 500.0;

/// What is counted for each target.
#[derive(Default)]
pub(super) struct Looks {
    /// How many spans each source has, for subjects of their own.
    count: BTreeMap<String, u64>,
    /// Sources that answered once: from then on it is news that one doesn't.
    answered: BTreeSet<String>,
}

/// One GET of a page.
pub(super) struct Page<'a> {
    source: String,
    url: &'a str,
    status: Option<i64>,
    took_ms: f64,
    error: Option<&'a str>,
}

impl<'a> Page<'a> {
    pub(super) fn scrape(scrape: &'a Scrape) -> Page<'a> {
        let Scrape { target, url, status, took_ms, error, .. } = scrape;
        Page { source: format!("scrape:{target}"), url, status: *status, took_ms: *took_ms, error: error.as_deref() }
    }

    pub(super) fn poll(poll: &'a Poll) -> Page<'a> {
        let Poll { target, url, status, took_ms, error, .. } = poll;
        Page { source: format!("poll:{target}"), url, status: *status, took_ms: *took_ms, error: error.as_deref() }
    }

    fn problem(&self) -> Option<String> {
        match self.status {
            Some(status) if !(200..400).contains(&status) => Some(status.to_string()),
            _ => self.error.map(|_| "no answer".to_owned()),
        }
    }
}

impl Looks {
    fn next(&mut self, source: &str) -> String {
        let count = self.count.entry(source.to_owned()).or_default();
        *count += 1;
        format!("{source}/{count}")
    }

    pub(super) fn page(&mut self, at_ns: i64, handle: Handle, page: &Page<'_>, ended: &mut Vec<Ended>) {
        let problem = page.problem();
        let is_news = match problem {
            Some(_) => self.answered.contains(&page.source),
            None => {
                if !self.answered.contains(&page.source) {
                    self.answered.insert(page.source.clone());
                }
                false
            }
        };
        if !is_news && page.took_ms < SLOW_MS {
            return;
        }
        let subject = self.next(&page.source);
        let mut draft = Draft::new(subject, &page.source, "GET", began(at_ns, page.took_ms)).of_kind("client");
        draft.set("http.request.method", "GET");
        draft.set("url.full", page.url);
        draft.set("http.response.status_code", page.status);
        draft.from_row(handle);
        if let Some(problem) = problem {
            draft.failed(&problem);
            draft.exception(at_ns, &problem, page.error.unwrap_or(&problem));
        }
        draft.end_ns = Some(at_ns);
        ended.push(Ended { at_ns, draft });
    }

    pub(super) fn probe(&mut self, at_ns: i64, handle: Handle, probe: &Probe, ended: &mut Vec<Ended>) {
        let source = format!("probe:{}", probe.target);
        let subject = self.next(&source);
        let mut draft = Draft::new(subject, &source, "ffprobe", began(at_ns, probe.took_ms)).of_kind("client");
        draft.set("url.full", probe.url.as_str());
        draft.set("tapedeck.media.format", probe.format.clone());
        draft.set("tapedeck.media.video_codec", probe.video_codec.clone());
        draft.set("tapedeck.media.audio_codec", probe.audio_codec.clone());
        draft.set("tapedeck.media.duration_s", probe.duration_s);
        draft.from_row(handle);
        if !probe.ok {
            draft.failed("unreadable");
            draft.exception(at_ns, "unreadable", probe.error.as_deref().unwrap_or("ffprobe could not read it"));
        }
        draft.end_ns = Some(at_ns);
        ended.push(Ended { at_ns, draft });
    }
}

fn began(at_ns: i64, took_ms: f64) -> i64 {
    (at_ns - (took_ms * 1e6) as i64).max(0)
}
