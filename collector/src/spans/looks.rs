//! Spans of what the collector asked: every probe, and the scrapes and polls that were slow or failed.

use std::collections::{BTreeMap, VecDeque};

use recording::record::{Poll, Probe, Scrape};

use super::Ended;
use super::draft::{Draft, Handle};

/// A page that takes as long is worth a span, in ms.
const SLOW_MS: f64 = 500.0;

/// What is known of each source.
#[derive(Default)]
pub(super) struct Looks {
    sources: BTreeMap<String, Source>,
}

#[derive(Default)]
struct Source {
    /// How many spans it has, for subjects of their own.
    spans: u64,
    /// It answered once: from then on it is news that it doesn't.
    has_answered: bool,
    /// Since when it doesn't, and how often it was asked.
    silence: Option<(Draft, u64)>,
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

    fn draft(&self, subject: String, from_ns: i64, handle: Handle) -> Draft {
        let mut draft = Draft::new(subject, &self.source, "GET", from_ns).of_kind("client");
        draft.set("http.request.method", "GET");
        draft.set("url.full", self.url);
        draft.set("http.response.status_code", self.status);
        draft.made_of(handle);
        draft
    }

    fn problem(&self) -> Option<String> {
        match self.status {
            Some(status) if !(200..400).contains(&status) => Some(status.to_string()),
            _ => self.error.map(|_| "no answer".to_owned()),
        }
    }
}

impl Source {
    fn subject(&mut self, name: &str) -> String {
        self.spans += 1;
        format!("{name}/{}", self.spans)
    }
}

impl Looks {
    fn source(&mut self, name: &str) -> &mut Source {
        self.sources.entry(name.to_owned()).or_default()
    }

    /// A slow answer is a span, and so is a silence, from the first look without an answer to the next one with.
    pub(super) fn page(&mut self, at_ns: i64, handle: Handle, page: &Page<'_>, ended: &mut VecDeque<Ended>) {
        let from_ns = began(at_ns, page.took_ms);
        let source = self.source(&page.source);
        let Some(problem) = page.problem() else {
            source.has_answered = true;
            if let Some((mut draft, looks)) = source.silence.take() {
                draft.set("tapedeck.looks", looks);
                draft.made_of(handle);
                draft.end_ns = Some(from_ns);
                ended.push_back(Ended { at_ns, draft });
            }
            if page.took_ms >= SLOW_MS {
                let mut draft = page.draft(source.subject(&page.source), from_ns, handle);
                draft.end_ns = Some(at_ns);
                ended.push_back(Ended { at_ns, draft });
            }
            return;
        };
        if let Some((_, looks)) = &mut source.silence {
            *looks += 1;
        } else if source.has_answered {
            let mut draft = page.draft(source.subject(&page.source), from_ns, handle);
            draft.name = "no answer".to_owned();
            draft.failed(&problem);
            draft.exception(at_ns, &problem, page.error.unwrap_or(&problem));
            source.silence = Some((draft, 1));
        }
    }

    pub(super) fn finish(&mut self, end_ns: i64, ended: &mut VecDeque<Ended>) {
        for (mut draft, looks) in std::mem::take(&mut self.sources).into_values().filter_map(|source| source.silence) {
            draft.set("tapedeck.looks", looks);
            ended.push_back(Ended { at_ns: end_ns, draft });
        }
    }

    pub(super) fn probe(&mut self, at_ns: i64, handle: Handle, probe: &Probe, ended: &mut VecDeque<Ended>) {
        let source = format!("probe:{}", probe.target);
        let known = self.source(&source);
        let subject = known.subject(&source);
        known.has_answered |= probe.ok;
        let is_news = known.has_answered;
        let mut draft = Draft::new(subject, &source, "ffprobe", began(at_ns, probe.took_ms)).of_kind("client");
        draft.set("url.full", probe.url.as_str());
        draft.set("tapedeck.media.format", probe.format.clone());
        draft.set("tapedeck.media.video_codec", probe.video_codec.clone());
        draft.set("tapedeck.media.audio_codec", probe.audio_codec.clone());
        draft.set("tapedeck.media.duration_s", probe.duration_s);
        draft.made_of(handle);
        if !probe.ok {
            if is_news {
                draft.failed("unreadable");
            }
            draft.exception(at_ns, "unreadable", probe.error.as_deref().unwrap_or("ffprobe could not read it"));
        }
        draft.end_ns = Some(at_ns);
        ended.push_back(Ended { at_ns, draft });
    }
}

fn began(at_ns: i64, took_ms: f64) -> i64 {
    at_ns.saturating_sub((took_ms.max(0.0) * 1e6) as i64).max(0)
}
