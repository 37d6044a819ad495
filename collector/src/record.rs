//! `collector record`, `attach` and `tap`: from a scenario to a recording.
//!
//! A run starts the recorder, the taps and the watchers, then the system under test, then the publisher; it waits for
//! its end; it looks once more at every target; and it takes everything down in reverse order, whatever happened.

mod copies;
mod events;
pub(crate) mod facts;
mod faults;
mod finished;
mod run;
pub(crate) mod stage;
mod system;
mod telling;
mod timeline;
mod watchers;
mod wrapped;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use compose::Engine;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::intake::Clock;
use crate::metrics::Page;
use crate::scenario::{Kind, Scenario, Upstream};
use crate::status::say;
use crate::{AnyError, cli, doctor, folder, scenario};
use finished::Finished;
use run::Setup;
use stage::Stage;

/// `collector record`.
///
/// # Errors
/// What keeps a run from starting; what happens later is recorded.
pub async fn record(command: cli::Record) -> Result<ExitCode, AnyError> {
    let stop = stop_on_signals()?;
    let mut stage = None;
    let code = runs(&command, &mut stage, &stop).await;
    if let Some(stage) = &mut stage {
        // Ctrl-C may have come between two runs, or a run could not begin.
        stage.close(None).await.iter().for_each(|problem| say(format_args!("collector: {problem}")));
    }
    Ok(ExitCode::from(code?))
}

/// One run after another; those of kind `compose` on one stage.
async fn runs(command: &cli::Record, stage: &mut Option<Stage>, stop: &CancellationToken) -> Result<u8, AnyError> {
    let (mut code, mut ids) = (0, Ids::default());
    let page = metrics_page(&command.telling).await?;
    for number in 1..=command.repeat {
        if stop.is_cancelled() {
            break;
        }
        if let Some(stage) = stage
            && !stage.is_kept_well().await
        {
            // What comes up anew is told another stream.
            ids = Ids::default();
        }
        let clock = Clock::start();
        let scenario = Scenario::read(&command.scenario, |name| ids.of(name, number, clock))?;
        match scenario.kind {
            Kind::Process => ids = Ids::default(),
            Kind::Compose if stage.is_none() => *stage = Some(Stage::cleared().await?),
            Kind::Compose => {}
            Kind::Attach | Kind::Tap => {
                let path = command.scenario.display();
                return Err(format!("{path}: kind `attach` starts nothing: use `collector attach`").into());
            }
        }
        let mut setup = Setup::new(scenario, clock, &command.common, &command.telling)?;
        setup.command.clone_from(&command.command);
        setup.telling.metrics.clone_from(&page);
        setup.keep_up = command.keep_up;
        setup.next = ids.next(number).filter(|_| number < command.repeat);
        code = code.max(one(setup, stage.as_mut(), stop).await?);
    }
    Ok(code)
}

/// The run ids of runs that share what is up: the first one's, then with `-2`, `-3`.
#[derive(Default)]
struct Ids {
    first: Option<String>,
}

impl Ids {
    fn of(&mut self, scenario: &str, number: u32, clock: Clock) -> String {
        match &self.first {
            Some(first) => format!("{first}-{number}"),
            None => self.first.insert(folder::run_id(scenario, clock.unix_ns(0))).clone(),
        }
    }

    fn next(&self, number: u32) -> Option<String> {
        self.first.as_ref().map(|first| format!("{first}-{}", number + 1))
    }
}

/// `collector attach`.
///
/// # Errors
/// As [`record`].
pub async fn attach(command: cli::Attach) -> Result<ExitCode, AnyError> {
    let stop = stop_on_signals()?;
    let clock = Clock::start();
    let mut scenario = Scenario::read(&command.scenario, |name| folder::run_id(name, clock.unix_ns(0)))?;
    scenario.kind = Kind::Attach;
    scenario.processes.clear();
    scenario.projects.clear();
    scenario.injects.clear();
    let mut setup = Setup::new(scenario, clock, &command.common, &command.telling)?;
    setup.telling.metrics = metrics_page(&command.telling).await?;
    setup.duration = given_duration(command.duration.as_deref())?;
    if setup.duration.is_some() || setup.scenario.until.is_none() {
        // What was asked for on the command line, or Ctrl-C, ends it; the limit is for what ends by itself.
        setup.scenario.limit = Duration::MAX;
    }
    Ok(ExitCode::from(one(setup, None, &stop).await?))
}

/// `collector tap`.
///
/// # Errors
/// As [`record`].
pub async fn tap(command: cli::TapOnly) -> Result<ExitCode, AnyError> {
    let stop = stop_on_signals()?;
    let clock = Clock::start();
    let upstream = Upstream::parse(&command.upstream, command.ca)?;
    let run_id = folder::run_id("tap", clock.unix_ns(0));
    let scenario = Scenario::tap_only(command.listen, upstream, &run_id);
    let mut setup = Setup::new(scenario, clock, &command.common, &command.telling)?;
    setup.telling.metrics = metrics_page(&command.telling).await?;
    setup.duration = given_duration(command.duration.as_deref())?;
    Ok(ExitCode::from(one(setup, None, &stop).await?))
}

/// Where Prometheus finds the runs of this command; with `host-gateway` also one in a container.
async fn metrics_page(telling: &cli::Telling) -> Result<Option<Page>, AnyError> {
    let Some(given) = &telling.metrics else { return Ok(None) };
    let wrong = || {
        format!("--metrics {given}: no address: write 127.0.0.1:9464, or host-gateway:9464 where containers connect")
    };
    let address = match given.strip_prefix("host-gateway:") {
        Some(port) => {
            SocketAddr::new(Engine::connect().await?.host_gateway().await?, port.parse().map_err(|_| wrong())?)
        }
        None => scenario::listen_address(given).ok_or_else(wrong)?,
    };
    let page = Page::serve(address).await?;
    say(format_args!("metrics at http://{}/metrics", page.address));
    Ok(Some(page))
}

fn given_duration(text: Option<&str>) -> Result<Option<Duration>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    scenario::duration(text).map(Some).ok_or_else(|| format!("--for {text}: write 300ms, 90s, 2m or 1h"))
}

async fn one(mut setup: Setup, stage: Option<&mut Stage>, stop: &CancellationToken) -> Result<u8, AnyError> {
    let engine = stage.as_ref().map(|stage| stage.engine());
    setup.host_gateway = stage::host_gateway(&setup.scenario, engine).await?;
    doctor::must_be_able(&setup.scenario, &setup.runs, setup.host_gateway, stage.as_deref()).await?;
    let finished = run::run(setup, stage, stop).await?;
    report(&finished);
    Ok(finished.exit_code())
}

fn report(finished: &Finished) {
    for problem in &finished.problems {
        say(format_args!("collector: {problem}"));
    }
    say(finished.summary());
    finished.spans.iter().for_each(say);
    // Whoever reads nothing any more is no reason to end in another way.
    writeln!(std::io::stdout(), "{}", finished.dir.display()).unwrap_or_default();
}

/// The first SIGINT or SIGTERM ends the run in order, a second one at once: the guardian ends what processes are left, and the
/// next collector removes what containers are.
pub(crate) fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if told.is_cancelled() {
                say(
                    "collector: ended at once; `collector recover` makes a recording of what was written; containers stay until the next start",
                );
                std::process::exit(3);
            }
            say("collector: ending the run (once more to end at once)");
            told.cancel();
        }
    });
    Ok(stop)
}

/// A path as a person would type it.
pub(crate) fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
