//! Metrics pages and other pages that the capture overheard, as rows like those of pages that were fetched.

use std::sync::Arc;

use super::flows::Ends;
use super::targets::{Kind, PageTarget};
use crate::fetch::Answer;
use crate::intake::Source;
use crate::redact::Redactor;
use crate::wire::{Direction, Missed, Page, Pages};
use crate::{poll, scrape};

/// The pages of one port.
pub(super) struct PageSink {
    pub(super) targets: Vec<(PageTarget, Source)>,
    pub(super) redactor: Arc<Redactor>,
}

impl PageSink {
    pub(super) fn feed(&self, pages: &mut Pages, ends: Ends, direction: Direction, at_ns: i64, bytes: &[u8]) {
        if !self.targets.is_empty() {
            let wanted = |target: &str| self.limit(target);
            pages.feed(direction, at_ns, bytes, &wanted, &mut |page| self.put(ends, page));
        }
    }

    pub(super) fn end(&self, pages: &mut Pages, ends: Ends, direction: Direction, at_ns: i64) {
        pages.end(direction, at_ns, &mut |page| self.put(ends, page));
    }

    /// Bytes are missing: each page that may have been in them is a gap of its target.
    pub(super) fn gap(&self, pages: &mut Pages, direction: Direction, from_ns: i64, to_ns: i64, bytes: u64) {
        if self.targets.is_empty() {
            return;
        }
        let missed = pages.gap(direction);
        let reason = format!("{bytes} bytes of a connection ({}) are not in the capture", direction.as_str());
        for (target, source) in &self.targets {
            let is_hit = match &missed {
                Missed::Unknown => true,
                Missed::Targets(targets) => targets.iter().any(|asked| target.matches(asked)),
            };
            if is_hit {
                source.gap(from_ns, to_ns, 1, &reason);
            }
        }
    }

    /// Nobody listens. Which page was meant is only known where there is one.
    pub(super) fn refused(&self, ends: Ends, at_ns: i64, why: &str) {
        if let [(target, source)] = self.targets.as_slice() {
            let page = Page { target: target.path.clone(), at_ns, problem: Some(why.to_owned()), ..Page::default() };
            self.record(target, source, Page { asked_ns: at_ns, ..page }, ends);
        }
    }

    fn limit(&self, asked: &str) -> Option<usize> {
        let matching = self.targets.iter().filter(|(target, _)| target.matches(asked));
        matching.map(|(target, _)| target.limit()).max()
    }

    fn put(&self, ends: Ends, page: Page) {
        for (target, source) in self.targets.iter().filter(|(target, _)| target.matches(&page.target)) {
            self.record(target, source, page.clone(), ends);
        }
    }

    fn record(&self, target: &PageTarget, source: &Source, page: Page, ends: Ends) {
        let answer = self.answer(page, ends, target.limit());
        match target.kind {
            Kind::Scrape => scrape::record(&target.name, answer, &self.redactor, source),
            Kind::Poll => source.put(answer.at_ns, poll::row(&target.name, answer, &self.redactor)),
        }
    }

    fn answer(&self, page: Page, ends: Ends, limit: usize) -> Answer {
        let host = page.host.unwrap_or_else(|| ends.server.to_string());
        let status = page.status.and_then(|status| reqwest::StatusCode::from_u16(status).ok());
        let refusal = status.filter(|status| !status.is_success()).map(|status| format!("HTTP status {status}"));
        let mut body = page.body;
        let mut problem = page.problem.or(refusal);
        if body.len() > limit {
            body.truncate(limit);
            problem = Some(format!("the page is longer than {limit} bytes: the rest is not kept"));
        }
        Answer {
            at_ns: page.at_ns,
            url: self.redactor.url(&format!("http://{host}{}", page.target)),
            status: page.status.map(i64::from),
            took_ms: (page.at_ns - page.asked_ns) as f64 / 1e6,
            content_type: page.content_type,
            body,
            error: problem.map(|problem| self.redactor.text(&problem)),
        }
    }
}
