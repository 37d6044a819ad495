//! One run, from its folder to its last `run.json`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use compose::Guard;
use recording::Table;
use recording::record::{Param, Run};
use recording::run::{RunFile, State, Version};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::events::Ground;
use super::faults::Faults;
use super::finished::{End, Finished};
use super::stage::Stage;
use super::system::System;
use super::telling::{Telling, Told};
use super::timeline::Timeline;
use super::watchers::Watchers;
use super::wrapped::Wrapped;
use super::{copies, facts, shown};
use crate::folder::{self, Folder};
use crate::intake::{Clock, Intake};
use crate::recorder::Recorder;
use crate::redact::{self, Redactor};
use crate::scenario::Scenario;
use crate::status::{self, say};
use crate::tap::Tap;
use crate::until::{self, Watch};
use crate::watch::{HostWatch, ProcessWatch, Watched};
use crate::wire::Limits;
use crate::{AnyError, chain, cli};

/// How long the last look at every page may take.
const LAST_LOOK: Duration = Duration::from_secs(6);

/// Everything that is decided before a run begins.
pub(super) struct Setup {
    pub(super) scenario: Scenario,
    pub(super) clock: Clock,
    pub(super) runs: PathBuf,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) keep_up: bool,
    /// A command to run beside the recording.
    pub(super) command: Vec<String>,
    /// The length asked for by `--for`.
    pub(super) duration: Option<Duration>,
    /// What `host-gateway` means.
    pub(super) host_gateway: IpAddr,
    /// The run that Compose projects are kept up for.
    pub(super) next: Option<String>,
    /// To whom the run is told.
    pub(super) telling: Telling,
}

impl Setup {
    pub(super) fn new(
        scenario: Scenario,
        clock: Clock,
        common: &cli::Common,
        telling: &cli::Telling,
    ) -> Result<Setup, AnyError> {
        let labels = folder::labels(&common.labels)?;
        Ok(Setup {
            scenario,
            clock,
            runs: common.runs.clone(),
            labels,
            keep_up: false,
            command: Vec::new(),
            duration: None,
            host_gateway: Ipv4Addr::LOCALHOST.into(),
            next: None,
            telling: Telling::new(telling)?,
        })
    }

    /// What `run.json` says of a run that begins, without secrets.
    async fn run_file(
        &self,
        redactor: &Redactor,
        version: Option<Version>,
        more: BTreeMap<String, String>,
    ) -> Result<RunFile, AnyError> {
        let scenario = &self.scenario;
        Ok(RunFile {
            format: recording::FORMAT,
            run_id: scenario.stream.clone(),
            scenario: scenario.name.clone(),
            kind: scenario.kind.name().to_owned(),
            spec_id: spec_id(scenario),
            stream: scenario.stream.clone(),
            state: State::Running,
            started_unix_ns: self.clock.unix_ns(0),
            duration_ns: 0,
            labels: self.labels.iter().map(|(name, value)| (name.clone(), redactor.named(name, value))).collect(),
            version: version.map(|version| Version { id: redactor.text(&version.id), ..version }),
            environment: facts::environment(scenario, more).await,
            stimulus_sha256: scenario.stimulus.as_deref().map(recording::seal::sha256_of_file).transpose()?,
            redaction: redact::RULES.map(str::to_owned).to_vec(),
            tables: Vec::new(),
        })
    }

    /// Whether Ctrl-C is the way this run is meant to end.
    fn ends_by_hand(&self) -> bool {
        !self.scenario.kind.starts_it() && self.duration.is_none() && self.scenario.until.is_none()
    }
}

struct Live {
    setup: Setup,
    folder: Folder,
    run_file: RunFile,
    /// By process or service: the version of each that is known.
    versions: BTreeMap<String, String>,
    redactor: Arc<Redactor>,
    intake: Intake,
    recorder: Recorder,
    told: Option<Told>,
    timeline: Timeline,
    watched: Arc<Watched>,
    problems: Vec<String>,
}

/// Records one run.
#[tracing::instrument(name = "run", skip_all, fields(tapedeck.run_id = setup.scenario.stream))]
pub(super) async fn run(
    setup: Setup,
    stage: Option<&mut Stage>,
    stop: &CancellationToken,
) -> Result<Finished, AnyError> {
    let mut live = Live::begin(setup, stage.as_deref()).await?;
    let taps = live.start_taps().await?;
    let progress = live.recorder.progress_handle();
    let (clock, shown_until) = (live.setup.clock, taps.token.child_token());
    taps.tracker.spawn(status::show(progress, clock, shown_until));
    let end = live.live(stage, stop).await?;
    taps.stop().await;
    let told = live.told.take();
    let mut finished = live.finish(end);
    // The recording is whole by now: whoever receives spans holds nothing up.
    if let Some(told) = told {
        finished.spans = Some(told.end(&finished.dir).await);
    }
    Ok(finished)
}

/// What runs from before the system is up until after it is down.
struct Background {
    tracker: TaskTracker,
    token: CancellationToken,
}

impl Background {
    async fn stop(self) {
        self.token.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Live {
    #[tracing::instrument(name = "start recording", skip_all)]
    async fn begin(setup: Setup, stage: Option<&Stage>) -> Result<Live, AnyError> {
        let Setup { scenario, clock, .. } = &setup;
        let redactor = Arc::new(Redactor::open(scenario.literals.clone())?);
        let (versions, mut problems) = facts::versions(scenario).await;
        let more = stage.map(Stage::facts).unwrap_or_default();
        let run_file = setup.run_file(&redactor, facts::version(&versions), more).await?;
        let run_id = run_file.run_id.clone();
        let folder = Folder::create(&setup.runs, &run_id)?;
        let intake = Intake::new(*clock);
        let (derived, told) = setup.telling.begin(scenario, *clock)?;
        // The journal before run.json: whatever has a run.json can be recovered.
        let recorder = Recorder::spawn(intake.clone(), folder.journal(), derived)?;
        run_file.write(folder.dir())?;
        problems.extend(copy_texts(scenario, &folder, &redactor)?);
        let source = intake.source("run", "run", &[Table::Run, Table::Params, Table::Timeline]);
        source.live();
        let timeline = Timeline { source, run_id };
        let watched = Arc::new(Watched::default());
        let live =
            Live { setup, folder, run_file, versions, redactor, intake, recorder, told, timeline, watched, problems };
        live.put_run();
        for (name, value) in &live.setup.scenario.params {
            let param = Param { name: name.clone(), value: live.redactor.named(name, value) };
            live.timeline.source.put(live.setup.clock.now_ns(), param);
        }
        live.timeline.phase("start", serde_json::json!({}));
        say(format_args!("recording {}", shown(live.folder.dir()).display()));
        Ok(live)
    }

    /// Notes the row of `run` as it stands; the last one counts.
    fn put_run(&self) {
        self.timeline.source.put(self.setup.clock.now_ns(), self.run_row());
    }

    fn run_row(&self) -> Run {
        let file = &self.run_file;
        Run {
            run_id: file.run_id.clone(),
            scenario: file.scenario.clone(),
            kind: file.kind.clone(),
            spec_id: file.spec_id.clone(),
            stream: file.stream.clone(),
            version: file.version.as_ref().map(|version| version.id.clone()),
            version_order: file.version.as_ref().and_then(|version| version.order),
            environment: Some(file.environment.fingerprint.clone()),
            state: file.state.name().to_owned(),
            started_unix_ns: file.started_unix_ns,
            duration_ns: file.duration_ns,
            labels: serde_json::json!(file.labels).to_string(),
        }
    }

    #[tracing::instrument(name = "start taps", skip_all)]
    async fn start_taps(&self) -> Result<Background, AnyError> {
        let background = Background { tracker: TaskTracker::new(), token: CancellationToken::new() };
        // One set of limits: what the taps put together in memory is bounded for all of them.
        let limits = Limits::default();
        for tap in &self.setup.scenario.taps {
            let listen = tap.listen.address(self.setup.host_gateway);
            let tap = Tap::bind(tap, listen, &self.intake, Arc::clone(&self.redactor), &limits).await?;
            say(format_args!("tap {tap}"));
            background.tracker.spawn(tap.run(background.token.clone()));
        }
        let mut processes = ProcessWatch::new(&self.intake, Arc::clone(&self.watched));
        let token = background.token.clone();
        background.tracker.spawn(async move { processes.run(token).await });
        let mut host = HostWatch::new(&self.intake, self.folder.dir());
        let token = background.token.clone();
        background.tracker.spawn(async move { host.run(token).await });
        let (failed, token) = (self.recorder.failed().clone(), background.token.clone());
        let progress = self.recorder.progress_handle();
        background.tracker.spawn(async move {
            tokio::select! {
                () = failed.cancelled() => {
                    let failure = progress().failure.unwrap_or_default();
                    say(format_args!("collector: recording has ended, traffic goes on: {failure}"));
                }
                () = token.cancelled() => {}
            }
        });
        Ok(background)
    }

    async fn live(&mut self, stage: Option<&mut Stage>, stop: &CancellationToken) -> Result<End, AnyError> {
        let scenario = self.setup.scenario.clone();
        let watchers = Watchers::start(&scenario, &self.folder.media(), &self.redactor, &self.intake)?;
        let ground = self.ground()?;
        let mut system = System::new(&ground, stage)?;
        let faults = Faults::new(&scenario, &ground, self.timeline.clone());
        let (command, dir) = (&self.setup.command, self.folder.dir());
        let mut wrapped = Wrapped::new(command, &scenario.stream, dir, &ground, self.timeline.clone());
        let end = self.bring_up_and_wait(&scenario, &mut system, &watchers, &faults, wrapped.as_mut(), stop).await;
        self.timeline.phase("end reached", serde_json::json!({"by": end.name()}));
        if let Some(wrapped) = &mut wrapped {
            self.problems.extend(wrapped.stop().await);
        }
        if tokio::time::timeout(LAST_LOOK, watchers.look_once_more()).await.is_err() {
            self.problems.push("a page did not answer the last look".to_owned());
        }
        watchers.stop().await;
        if self.setup.keep_up && end != End::NotUp {
            system.stay_up(stop).await;
        }
        self.timeline.phase("teardown", serde_json::json!({}));
        faults.stop().await;
        let goes_on = !matches!(end, End::Stopped | End::NotUp) && !stop.is_cancelled();
        let next = self.setup.next.as_deref().filter(|_| goes_on);
        self.problems.extend(system.stop(next).await);
        self.timeline.phase("end", serde_json::json!({}));
        Ok(end)
    }

    fn ground(&self) -> Result<Ground, compose::Error> {
        let program = std::env::current_exe().unwrap_or_else(|_| "collector".into());
        Ok(Ground {
            intake: self.intake.clone(),
            redactor: Arc::clone(&self.redactor),
            watched: Arc::clone(&self.watched),
            guard: Arc::new(Guard::spawn(&program, &["guard"])?),
        })
    }

    #[tracing::instrument(name = "system up", skip_all)]
    async fn bring_up_and_wait(
        &mut self,
        scenario: &Scenario,
        system: &mut System<'_>,
        watchers: &Watchers,
        faults: &Faults,
        wrapped: Option<&mut Wrapped>,
        stop: &CancellationToken,
    ) -> End {
        let up = async {
            system.start(scenario).await?;
            watchers.stimulus_seen().await;
            Ok::<(), AnyError>(())
        };
        let started = tokio::select! {
            started = up => started,
            () = stop.cancelled() => return End::Stopped,
        };
        self.learn(scenario, system.stage()).await;
        if let Err(error) = started.and_then(|()| Ok(system.publish(scenario)?)) {
            let problem = self.redactor.text(&chain(&*error));
            let last_lines = error.downcast_ref::<compose::Error>().map(compose::Error::last_lines).unwrap_or_default();
            last_lines.iter().for_each(|line| say(format_args!("  | {}", self.redactor.text(line))));
            self.timeline.phase("not up", serde_json::json!({"error": problem}));
            self.problems.push(problem);
            return End::NotUp;
        }
        self.timeline.phase("up", serde_json::json!({}));
        let from_ns = self.setup.clock.now_ns();
        let injects = async {
            faults.run(&scenario.injects, from_ns, self.setup.clock, system).await;
            std::future::pending::<End>().await
        };
        let (end, problem) = tokio::select! {
            ended = self.wait(scenario, wrapped) => ended,
            end = injects => (end, None),
            () = stop.cancelled() => (End::Stopped, None),
            () = tokio::time::sleep(scenario.limit) => (End::Limit, None),
        };
        self.problems.extend(problem);
        end
    }

    /// What is known only once containers are there: the images under test, the limits of all.
    #[tracing::instrument(name = "learn versions", skip_all)]
    async fn learn(&mut self, scenario: &Scenario, stage: Option<&Stage>) {
        let Some(stage) = stage else { return };
        let images = stage.images(scenario).await;
        self.run_file.environment = facts::with(&self.run_file.environment, stage.surroundings(&images).await);
        self.versions.extend(images);
        let version = facts::version(&self.versions);
        self.run_file.version = version.map(|version| Version { id: self.redactor.text(&version.id), ..version });
        self.put_run();
    }

    /// Waits for what ends the run by itself.
    #[tracing::instrument(name = "wait", skip_all)]
    async fn wait(&self, scenario: &Scenario, wrapped: Option<&mut Wrapped>) -> (End, Option<String>) {
        if let Some(wrapped) = wrapped {
            return (End::Command, wrapped.run().await);
        }
        if let Some(duration) = self.setup.duration {
            tokio::time::sleep(duration).await;
            return (End::Duration, None);
        }
        let Some(until) = &scenario.until else {
            return std::future::pending().await;
        };
        if let Err(problem) = self.until_true(&until.sql).await {
            // The run still has its limit; ending it here would cut off what it was recorded for.
            let problem = format!("[until] can't be asked: {problem}");
            say(format_args!("collector: {problem}; the run goes on to its limit"));
            self.timeline.phase("until failed", serde_json::json!({"error": problem}));
            return std::future::pending().await;
        }
        self.timeline.phase("until", serde_json::json!({}));
        self.quiet(until.quiet).await;
        (End::Until, None)
    }

    async fn until_true(&self, sql: &str) -> Result<(), String> {
        let replay = until::replay_program().ok_or("there is no `replay` beside this program or on PATH")?;
        let mut watch = Watch::start(&replay, self.folder.dir(), sql).map_err(|error| error.to_string())?;
        watch.wait().await
    }

    /// Waits until neither a tap nor a medium has brought anything for that long.
    async fn quiet(&self, quiet: Duration) {
        let progress = self.recorder.progress_handle();
        let quiet_ns = quiet.as_nanos() as i64;
        let since_ns = self.setup.clock.now_ns();
        loop {
            let last_ns = progress().last_traffic_ns.max(since_ns);
            let left_ns = last_ns + quiet_ns - self.setup.clock.now_ns();
            if left_ns <= 0 {
                return;
            }
            tokio::time::sleep(Duration::from_nanos(left_ns as u64)).await;
        }
    }

    #[tracing::instrument(name = "seal", skip_all)]
    fn finish(mut self, end: End) -> Finished {
        self.intake.close();
        let recorder = self.recorder.end();
        let by_hand = end == End::Stopped && self.setup.ends_by_hand();
        self.run_file.duration_ns = self.setup.clock.now_ns();
        self.run_file.state = match end {
            End::Stopped if !by_hand => State::Incomplete,
            _ if recorder.has_failed() => State::Incomplete,
            _ => State::Complete,
        };
        let progress = recorder.close(self.run_file.duration_ns, self.run_row());
        let mut problems = std::mem::take(&mut self.problems);
        if end == End::Limit && self.setup.scenario.until.is_some() {
            problems.push("the limit was reached before [until] was true".to_owned());
        }
        if let Some(failure) = &progress.failure {
            self.run_file.state = State::Incomplete;
            problems.push(format!("not all was recorded, {} records are lost: {failure}", progress.lost));
        }
        if let Err(error) = self.folder.seal(&self.run_file, self.run_file.state) {
            problems.push(self.unsealed(&error));
            self.run_file.state = State::Incomplete;
        }
        Finished {
            dir: shown(self.folder.dir()),
            problems,
            end,
            has_until: self.setup.scenario.until.is_some(),
            state: self.run_file.state,
            duration_ns: self.run_file.duration_ns,
            progress,
            spans: None,
        }
    }

    /// What became of a recording that could not be sealed, and what to do.
    fn unsealed(&self, error: &recording::Error) -> String {
        let (dir, error) = (shown(self.folder.dir()), chain(error));
        let dir = dir.display();
        match self.folder.journal().exists() {
            true => format!("not sealed: {error}; the journal stays: make room, then `collector recover {dir}`"),
            false => format!("the journal of {dir} is gone: `collector recover` it from where it was moved to"),
        }
    }
}

fn spec_id(scenario: &Scenario) -> Option<String> {
    let text = std::fs::read_to_string(scenario.spec.as_ref()?).ok()?;
    let table: toml::Table = text.parse().ok()?;
    Some(table.get("spec")?.get("id")?.as_str()?.to_owned())
}

/// Copies scenario and spec; says so where a spec is no longer what it was.
fn copy_texts(scenario: &Scenario, folder: &Folder, redactor: &Redactor) -> Result<Option<String>, AnyError> {
    if let Some((_, text)) = &scenario.file {
        folder.write("scenario.toml", &copies::scenario(text, redactor))?;
    }
    let Some(spec) = &scenario.spec else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(spec).map_err(|error| format!("read the spec {}: {error}", spec.display()))?;
    let copy = redactor.text(&text);
    folder.write("spec.toml", &copy)?;
    let changed = format!("redaction changed the copy of the spec: judge with --spec {}", spec.display());
    Ok((copy != text).then_some(changed))
}
