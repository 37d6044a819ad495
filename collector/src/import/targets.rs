//! What the command line asks for: which port is what.

use std::collections::BTreeSet;

use crate::{cli, poll, scrape};

/// The Socket.IO traffic of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TapPort {
    pub(super) name: String,
    pub(super) port: u16,
}

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scrape,
    Poll,
}

/// A page that somebody asked for again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageTarget {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl PageTarget {
    /// The name of its source.
    pub(super) fn source(&self) -> String {
        format!("{}:{}", self.kind.word(), self.name)
    }

    /// Whether a request asks for it. A query counts only where the target has one too.
    pub(super) fn matches(&self, target: &str) -> bool {
        let path = if self.path.contains('?') { target } else { target.split('?').next().unwrap_or_default() };
        path == self.path
    }

    /// How much of a page is kept, in bytes: as much as of one that was fetched.
    pub(super) fn limit(&self) -> usize {
        match self.kind {
            Kind::Scrape => scrape::MAX_PAGE_BYTES,
            Kind::Poll => poll::MAX_PAGE_BYTES,
        }
    }
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Scrape => "scrape",
            Kind::Poll => "poll",
        }
    }
}

/// Everything that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) taps: Vec<TapPort>,
    pub(super) pages: Vec<PageTarget>,
}

impl Targets {
    /// # Errors
    /// What is wrong, and what to write.
    pub(super) fn parse(command: &cli::Import) -> Result<Targets, String> {
        let several = command.socketio.len() > 1;
        let taps = command.socketio.iter().map(|text| tap(text, several)).collect::<Result<Vec<_>, _>>()?;
        let scrapes = command.scrapes.iter().map(|text| page(Kind::Scrape, text));
        let polls = command.polls.iter().map(|text| page(Kind::Poll, text));
        let pages = scrapes.chain(polls).collect::<Result<Vec<_>, _>>()?;
        if taps.is_empty() && pages.is_empty() {
            return Err(
                "nothing to import: give --socketio PORT, --scrape NAME=PORT/PATH or --poll NAME=PORT/PATH".to_owned()
            );
        }
        let targets = Targets { taps, pages };
        targets.check()?;
        Ok(targets)
    }

    fn check(&self) -> Result<(), String> {
        let (mut sources, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for TapPort { name, port } in &self.taps {
            if !sources.insert(format!("tap:{name}")) {
                return Err(format!("--socketio {name}={port}: the name {name} is given twice"));
            }
            if !ports.insert(*port) {
                return Err(format!("--socketio {port}: the port is given twice"));
            }
        }
        for page in &self.pages {
            if !sources.insert(page.source()) {
                let PageTarget { kind, name, port, path } = page;
                return Err(format!("--{} {name}={port}{path}: the name {name} is given twice", kind.word()));
            }
        }
        Ok(())
    }

    /// Every port that is asked for.
    pub(super) fn ports(&self) -> BTreeSet<u16> {
        self.taps.iter().map(|tap| tap.port).chain(self.pages.iter().map(|page| page.port)).collect()
    }
}

fn tap(text: &str, several: bool) -> Result<TapPort, String> {
    let (name, port) = match text.split_once('=') {
        Some((name, port)) => (Some(name), port),
        None => (None, text),
    };
    match (name, port_number(port)) {
        (Some(name), Some(port)) if !name.is_empty() => Ok(TapPort { name: name.to_owned(), port }),
        (None, Some(port)) if several => Ok(TapPort { name: format!("socketio-{port}"), port }),
        (None, Some(port)) => Ok(TapPort { name: "socketio".to_owned(), port }),
        _ => Err(format!("--socketio {text}: write the server's port, as in 3000, or NAME=PORT")),
    }
}

fn page(kind: Kind, text: &str) -> Result<PageTarget, String> {
    let parsed = text.split_once('=').and_then(|(name, rest)| {
        let (port, path) = rest.split_at(rest.find('/')?);
        let is_whole = !name.is_empty() && !path.contains(char::is_whitespace);
        is_whole.then_some((name, port_number(port)?, path))
    });
    let Some((name, port, path)) = parsed else {
        let (word, example) = match kind {
            Kind::Scrape => ("scrape", "service=8080/metrics"),
            Kind::Poll => ("poll", "service=8080/health"),
        };
        return Err(format!("--{word} {text}: write NAME=PORT/PATH, as in {example}"));
    };
    Ok(PageTarget { kind, name: name.to_owned(), port, path: path.to_owned() })
}

fn port_number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(socketio: &[&str], scrapes: &[&str], polls: &[&str]) -> Result<Targets, String> {
        let owned = |given: &[&str]| given.iter().map(|text| (*text).to_owned()).collect();
        Targets::parse(&cli::Import {
            capture: "x.pcap".into(),
            socketio: owned(socketio),
            scrapes: owned(scrapes),
            polls: owned(polls),
            common: cli::Common { runs: "runs".into(), labels: Vec::new() },
        })
    }

    #[test]
    fn ports_names_and_paths() {
        let targets = parse(&["3000"], &["a=8080/metrics"], &["b=8080/v1/health?full=1"]).unwrap();
        assert_eq!(targets.taps, [TapPort { name: "socketio".to_owned(), port: 3000 }]);
        assert_eq!(targets.pages[0].source(), "scrape:a");
        assert!(targets.pages[0].matches("/metrics") && targets.pages[0].matches("/metrics?x=1"));
        assert!(!targets.pages[0].matches("/metrics/") && !targets.pages[0].matches("/"));
        assert!(targets.pages[1].matches("/v1/health?full=1") && !targets.pages[1].matches("/v1/health"));
        assert_eq!(targets.ports().into_iter().collect::<Vec<_>>(), [3000, 8080]);
        let names = parse(&["3000", "main=4000"], &[], &[]).unwrap().taps;
        assert_eq!(names.iter().map(|tap| tap.name.as_str()).collect::<Vec<_>>(), ["socketio-3000", "main"]);
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        for (given, expected) in [
            (parse(&["x"], &[], &[]), "--socketio x: write the server's port, as in 3000, or NAME=PORT"),
            (parse(&["0"], &[], &[]), "--socketio 0: write the server's port"),
            (parse(&["=3000"], &[], &[]), "--socketio =3000: write the server's port"),
            (parse(&[], &["a"], &[]), "--scrape a: write NAME=PORT/PATH, as in service=8080/metrics"),
            (parse(&[], &["a=8080"], &[]), "--scrape a=8080: write NAME=PORT/PATH"),
            (parse(&[], &[], &["a=99999/x"]), "--poll a=99999/x: write NAME=PORT/PATH, as in service=8080/health"),
            (parse(&[], &[], &[]), "nothing to import: give --socketio PORT"),
            (parse(&["1", "1"], &[], &[]), "the name socketio-1 is given twice"),
            (parse(&["a=1", "b=1"], &[], &[]), "--socketio 1: the port is given twice"),
            (parse(&[], &["a=1/x", "a=2/x"], &[]), "--scrape a=2/x: the name a is given twice"),
        ] {
            let problem = given.expect_err(expected);
            assert!(problem.starts_with(expected) || problem.contains(expected), "{problem}");
        }
    }
}
