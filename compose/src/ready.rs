//! Waits until a page answers 200.

use std::error::Error as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use tokio::time::{Instant, sleep, timeout_at};

use crate::process::{Process, ProcessSpec};
use crate::{Error, Happening, port_owner};

const POLL: Duration = Duration::from_millis(100);
/// A page that takes longer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks pages whether processes are ready.
#[derive(Clone)]
pub(crate) struct Readiness {
    client: Client,
}

impl Readiness {
    pub(crate) fn new() -> Result<Readiness, Error> {
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        Ok(Readiness { client: client.map_err(|source| Error::Client { source })? })
    }

    /// Refuses a page that answers before its process was started: it would tell of somebody else's readiness.
    pub(crate) async fn must_be_silent(&self, spec: &ProcessSpec) -> Result<(), Error> {
        let Some(url) = &spec.ready else { return Ok(()) };
        match self.ask(url).await {
            Answer::Ready => {
                let owner = listener(url);
                Err(Error::AlreadyAnswers { process: spec.name.clone(), url: url.clone(), owner })
            }
            Answer::NotAUrl(source) => Err(Error::ReadyUrl { process: spec.name.clone(), url: url.clone(), source }),
            Answer::NotReady(_) => Ok(()),
        }
    }

    /// Waits for 200, the end of the process or the limit; says [`Happening::Ready`].
    pub(crate) async fn wait(&self, process: &mut Process, spec: &ProcessSpec) -> Result<(), Error> {
        let Some(url) = &spec.ready else { return Ok(()) };
        let mut last_answer = "was never asked".to_owned();
        let outcome = tokio::select! {
            biased;
            exit_code = process.handle().exited() => Outcome::Exited(exit_code),
            outcome = self.poll(url, Instant::now() + spec.ready_within, &mut last_answer) => outcome,
        };
        match outcome {
            Outcome::Ready => process.tell(Happening::Ready { took: process.age() }),
            Outcome::Exited(exit_code) => {
                let last_lines = process.last_lines().await;
                return Err(Error::ExitedBeforeReady { process: spec.name.clone(), exit_code, last_lines });
            }
            Outcome::TimedOut => {
                let (process, url, within) = (spec.name.clone(), url.clone(), spec.ready_within);
                return Err(Error::NotReady { process, url, within, last_answer });
            }
        }
        Ok(())
    }

    /// Whether a URL answers 200 now.
    pub(crate) async fn answers(&self, url: &str) -> bool {
        matches!(self.ask(url).await, Answer::Ready)
    }

    /// Waits for 200 at a URL, not longer than until the deadline; else what the page said last.
    pub(crate) async fn wait_for(&self, url: &str, deadline: Instant) -> Result<(), String> {
        let mut last_answer = "was never asked".to_owned();
        match self.poll(url, deadline, &mut last_answer).await {
            Outcome::Ready => Ok(()),
            Outcome::Exited(_) | Outcome::TimedOut => Err(last_answer),
        }
    }

    async fn poll(&self, url: &str, deadline: Instant, last_answer: &mut String) -> Outcome {
        loop {
            match timeout_at(deadline, self.ask(url)).await {
                Ok(Answer::Ready) => return Outcome::Ready,
                Ok(Answer::NotReady(answer)) => *last_answer = answer,
                Ok(Answer::NotAUrl(_)) => {}
                // It was cut short here: what was answered before, if anything, says more.
                Err(_) => return Outcome::TimedOut,
            }
            if Instant::now() + POLL >= deadline {
                return Outcome::TimedOut;
            }
            sleep(POLL).await;
        }
    }

    async fn ask(&self, url: &str) -> Answer {
        match self.client.get(url).send().await {
            Ok(answer) if answer.status() == StatusCode::OK => Answer::Ready,
            Ok(answer) => Answer::NotReady(format!("answered {}", answer.status())),
            Err(error) if error.is_builder() => Answer::NotAUrl(error),
            Err(error) if error.is_timeout() => Answer::NotReady(format!("did not answer within {ANSWER_WITHIN:?}")),
            Err(error) => Answer::NotReady(format!("could not be asked ({})", innermost(&error))),
        }
    }
}

enum Answer {
    Ready,
    NotReady(String),
    NotAUrl(reqwest::Error),
}

enum Outcome {
    Ready,
    Exited(Option<i64>),
    TimedOut,
}

fn innermost(error: &reqwest::Error) -> String {
    let mut source = error.source();
    while let Some(deeper) = source.and_then(|source| source.source()) {
        source = Some(deeper);
    }
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

/// Who listens where a URL of this machine points to.
pub(crate) fn listener(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let ip = if host == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { host.parse() };
    port_owner(SocketAddr::new(ip.ok()?, url.port_or_known_default()?))
}
