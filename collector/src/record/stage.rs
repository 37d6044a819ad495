//! The Compose projects that one run plays on, or several in a row.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use compose::engine::Rows;
use compose::{Checked, Compose, Container, Engine, Guard, Owner, Projects};
use recording::record::Event;
use recording::{Row, Table};

use super::events::Ground;
use crate::intake::{Clock, Source};
use crate::redact::Redactor;
use crate::scenario::{Listen, Project, ProjectVersion, Scenario};
use crate::status::say;
use crate::{AnyError, folder, watch};

/// The engine, and the projects that are up on it.
pub(crate) struct Stage {
    engine: Engine,
    compose: Compose,
    guard: Arc<Guard>,
    door: Arc<Mutex<Door>>,
    projects: Option<Up>,
}

struct Up {
    projects: Projects,
    lock: PathBuf,
    _lock: File,
}

/// The way of the projects' rows into the recording of the run that is on.
#[derive(Default)]
struct Door {
    run: Option<Recording>,
    /// How the projects came up, and the wall-clock times of it: told again in each run that they serve.
    earlier: Vec<(Event, i64)>,
}

struct Recording {
    clock: Clock,
    redactor: Arc<Redactor>,
    project: Source,
    container: Source,
    stats: Source,
    /// Since when the engine does not answer.
    lost_ns: Option<i64>,
    /// The last time that it sent numbers, and since when none came, from a loss on.
    stats_ns: i64,
    no_stats_ns: Option<i64>,
}

impl Stage {
    /// Finds the engine and Compose.
    ///
    /// # Errors
    /// Where one of them is missing.
    pub(crate) async fn find() -> Result<Stage, compose::Error> {
        let (engine, compose) = (Engine::connect().await?, Compose::find().await?);
        let program = std::env::current_exe().unwrap_or_else(|_| "collector".into());
        let guard = Arc::new(Guard::spawn(&program, &["guard"])?);
        Ok(Stage { engine, compose, guard, door: Arc::default(), projects: None })
    }

    /// The same, with nothing on the engine that killed collectors left.
    ///
    /// # Errors
    /// Those of [`Stage::find`] and [`Stage::remove_leftovers`].
    pub(crate) async fn cleared() -> Result<Stage, compose::Error> {
        let stage = Stage::find().await?;
        stage.remove_leftovers().await?;
        Ok(stage)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What engine and Compose it is, for `run.json`.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let about = self.engine.about();
        let facts = [("docker", about.version.clone()), ("compose", self.compose.version().to_owned())];
        facts.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Removes what killed collectors of this machine left on the engine, after saying so.
    ///
    /// # Errors
    /// Where the engine refuses.
    pub(crate) async fn remove_leftovers(&self) -> Result<(), compose::Error> {
        let host = watch::host::id();
        if host.is_empty() {
            return Ok(());
        }
        for leftover in self.engine.leftovers(&host).await? {
            if is_free(&leftover.lock) {
                let (project, containers) = (&leftover.project, leftover.containers);
                say(format_args!("removing what a killed collector left: project {project}, {containers} containers"));
                self.engine.remove(project).await?;
                std::fs::remove_file(&leftover.lock).ok();
            }
        }
        Ok(())
    }

    /// From here on, rows go into the recording of this run.
    pub(super) fn open(&self, ground: &Ground) {
        let source = |name: &str, kind: &str, tables: &[Table]| {
            let source = ground.intake.source(name, kind, tables);
            source.live();
            source
        };
        let recording = Recording {
            clock: ground.intake.clock(),
            redactor: Arc::clone(&ground.redactor),
            project: source("project", "project", &[Table::Timeline, Table::Logs]),
            container: source("container", "container", &[Table::Timeline, Table::Logs]),
            stats: source("stats:container", "stats", &[Table::Stats]),
            lost_ns: None,
            stats_ns: ground.intake.clock().now_ns(),
            no_stats_ns: None,
        };
        self.door().run = Some(recording);
    }

    /// Brings every project up in order, or tells how they came up where they are up already.
    ///
    /// # Errors
    /// That of the first project that does not come up.
    pub(crate) async fn start(&mut self, scenario: &Scenario) -> Result<(), AnyError> {
        if let Some(up) = &self.projects {
            self.door().tell_again(&up.projects);
            return Ok(());
        }
        self.door().earlier.clear();
        for project in &scenario.projects {
            self.start_one(project, &scenario.stream).await?;
        }
        Ok(())
    }

    /// Brings one more project up; `prefix` begins their names on the engine.
    ///
    /// # Errors
    /// Where it does not come up.
    pub(crate) async fn start_one(&mut self, project: &Project, prefix: &str) -> Result<(), AnyError> {
        let up = match &mut self.projects {
            Some(up) => up,
            none => {
                let rows = rows(&self.door);
                none.insert(Up::new(&self.engine, &self.compose, &self.guard, rows, prefix).await?)
            }
        };
        say(format_args!("bringing up project {}", project.spec.name));
        up.projects.start(&project.spec).await?;
        say(format_args!("project {} is healthy", project.spec.name));
        Ok(())
    }

    /// Whether Compose understands a project's files, and what it made of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) async fn check(&self, project: &Project) -> Result<Checked, compose::Error> {
        Projects::check(&self.compose, &project.spec).await
    }

    /// Whether there are projects that a run before left as they should be; takes down what is not so.
    pub(crate) async fn is_kept_well(&mut self) -> bool {
        match &self.projects {
            Some(up) if up.projects.are_well() => true,
            // Something ended between two runs: nobody's recording tells how, so no run begins with it.
            _ => {
                self.take_down().await;
                false
            }
        }
    }

    /// The projects that are up.
    pub(crate) fn projects(&self) -> Option<&Projects> {
        self.projects.as_ref().map(|up| &up.projects)
    }

    /// Keeps the projects up for the next run where they are well, else takes them down; ends the recording of rows.
    /// Says what could not be taken down.
    pub(crate) async fn close(&mut self, next: Option<&str>) -> Vec<String> {
        let mut problems = Vec::new();
        match (&self.projects, next) {
            (Some(up), Some(next)) if up.projects.are_well() => {
                for project in up.projects.names() {
                    self.door().project(project, "kept", serde_json::json!({"for": next}));
                }
            }
            _ => problems = self.take_down().await,
        }
        self.door().end();
        problems
    }

    async fn take_down(&mut self) -> Vec<String> {
        let Some(mut up) = self.projects.take() else { return Vec::new() };
        let gone = up.projects.stop().await;
        std::fs::remove_file(&up.lock).ok();
        let left = gone.into_iter().filter_map(|gone| Some((gone.project, gone.left?)));
        let remedy = "the next `collector record` or `collector doctor` removes what is left";
        left.map(|(project, left)| format!("project {project} is not gone: {left}: {remedy}")).collect()
    }

    fn door(&self) -> std::sync::MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the system under test: digests of images, by container.
    pub(crate) async fn images(&self, scenario: &Scenario) -> BTreeMap<String, String> {
        let Some(projects) = self.projects() else { return BTreeMap::new() };
        let is_tested = |name: &str, container: &Container| {
            let project = scenario.projects.iter().find(|project| project.spec.name == name);
            match project.map(|project| &project.version) {
                Some(Some(ProjectVersion::Images(services))) => services.contains(&container.service),
                Some(None) => projects.builds(name, &container.service),
                _ => false,
            }
        };
        let tested = projects.containers().into_iter().filter(|(project, container)| is_tested(project, container));
        let mut images = BTreeMap::new();
        for (project, container) in tested {
            images.insert(container.subject(&project), self.digest(&container).await);
        }
        images
    }

    /// What an image is, in as many digits as `docker images` shows; its id where the engine doesn't tell more.
    async fn digest(&self, container: &Container) -> String {
        let digest = self.engine.image_digest(&container.image_id).await.ok().flatten();
        short(&digest.unwrap_or_else(|| container.image_id.clone()))
    }

    /// Limits of all containers, and the images of those that are not under test.
    pub(crate) async fn surroundings(&self, tested: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::new();
        for (project, container) in self.projects().map(Projects::containers).unwrap_or_default() {
            let subject = container.subject(&project);
            if let Some(cpus) = container.cpus {
                facts.insert(format!("limit {subject} cpus"), cpus.to_string());
            }
            if let Some(memory) = container.memory {
                facts.insert(format!("limit {subject} memory"), memory.to_string());
            }
            if !tested.contains_key(&subject) {
                facts.insert(format!("image {subject}"), self.digest(&container).await);
            }
        }
        facts
    }
}

impl Up {
    async fn new(
        engine: &Engine,
        compose: &Compose,
        guard: &Arc<Guard>,
        rows: Rows,
        prefix: &str,
    ) -> Result<Up, AnyError> {
        let folder = folder::state().join("projects");
        let lock = folder.join(format!("{prefix}.lock"));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder).and_then(|()| File::create(&lock));
        let file = made.and_then(|file| file.try_lock().map_err(Into::into).map(|()| file));
        let file = file.map_err(|error| format!("lock {}: {error}", lock.display()))?;
        let owner = Owner { prefix: prefix.to_owned(), host: watch::host::id(), lock: lock.clone() };
        let projects = Projects::new(engine.clone(), compose.clone(), owner, rows, Some(Arc::clone(guard))).await?;
        Ok(Up { projects, lock, _lock: file })
    }
}

/// What `host-gateway` means, where a tap of the scenario listens there; else this machine's own address.
///
/// # Errors
/// Where no engine can be asked.
pub(crate) async fn host_gateway(scenario: &Scenario, engine: Option<&Engine>) -> Result<IpAddr, compose::Error> {
    if !scenario.taps.iter().any(|tap| matches!(tap.listen, Listen::HostGateway(_))) {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    match engine {
        Some(engine) => engine.host_gateway().await,
        None => Engine::connect().await?.host_gateway().await,
    }
}

/// Whether nobody who holds this lock is at work. What can't be found out is left alone.
fn is_free(lock: &Path) -> bool {
    match File::open(lock) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// As many digits as `docker images` shows.
fn short(image: &str) -> String {
    let digits = image.trim_start_matches("sha256:");
    format!("sha256:{}", digits.get(..12).unwrap_or(digits))
}

fn rows(door: &Arc<Mutex<Door>>) -> Rows {
    let door = Arc::clone(door);
    Arc::new(move |row| door.lock().unwrap_or_else(PoisonError::into_inner).put(row))
}

impl Door {
    fn put(&mut self, row: Row) {
        let Some(run) = &mut self.run else { return };
        let now_ns = run.clock.now_ns();
        if let Row::Event(event) = &row
            && event.source == "project"
            && matches!(&*event.event, "start" | "ready")
        {
            self.earlier.push((event.clone(), run.clock.unix_ns(now_ns)));
        }
        run.put(now_ns, row);
    }

    fn project(&mut self, project: &str, event: &str, attributes: serde_json::Value) {
        self.put(row("project", project, event, attributes).into());
    }

    /// Tells a run that comes later what the first one saw, with the times at which it was.
    fn tell_again(&mut self, projects: &Projects) {
        let Some(run) = &mut self.run else { return };
        for (event, unix_ns) in &self.earlier {
            let mut attributes: serde_json::Value = serde_json::from_str(&event.attributes).unwrap_or_default();
            attributes["earlier"] = true.into();
            attributes.sort_all_objects();
            let event = Event { attributes: attributes.to_string(), source_unix_ns: Some(*unix_ns), ..event.clone() };
            run.put(run.clock.now_ns(), event.into());
        }
        for (project, container) in projects.containers().into_iter().filter(|(_, container)| container.is_up()) {
            let health = container.health.as_ref().map(|health| health.status.clone());
            let attributes = serde_json::json!({"health": health, "image": container.image, "name": container.name});
            let event = row("container", &container.subject(&project), "running", attributes);
            run.put(run.clock.now_ns(), event.into());
        }
    }

    fn end(&mut self) {
        if let Some(mut run) = self.run.take() {
            let now_ns = run.clock.now_ns();
            run.engine_is_back(now_ns);
            run.stats_are_back(now_ns);
            [run.project, run.container, run.stats].iter().for_each(Source::end);
        }
    }
}

impl Recording {
    fn put(&mut self, now_ns: i64, mut row: Row) {
        match &mut row {
            Row::Stat(_) => {
                self.stats_are_back(now_ns);
                self.stats_ns = now_ns;
                return self.stats.put(now_ns, row);
            }
            Row::Log(log) => log.line = self.redactor.text(&log.line),
            Row::Event(event) => {
                event.attributes = without_secrets(&event.attributes, &self.redactor);
                match (&*event.source, &*event.event) {
                    ("engine", "lost") => {
                        // One that hangs is noticed late: the last numbers say since when.
                        self.lost_ns.get_or_insert(self.stats_ns);
                        self.no_stats_ns.get_or_insert(self.stats_ns);
                    }
                    ("engine", "back") => self.engine_is_back(now_ns),
                    ("project", "unread") => {
                        self.container.gap(now_ns, now_ns, 1, "a log was not read to its end in time");
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        let source = match &row {
            Row::Log(log) => &log.source,
            Row::Event(event) => &event.source,
            _ => return,
        };
        let source = if source == "project" { &self.project } else { &self.container };
        source.put(now_ns, row);
    }

    /// What containers did meanwhile is asked for again, but an engine may have forgotten some of it.
    fn engine_is_back(&mut self, now_ns: i64) {
        if let Some(from_ns) = self.lost_ns.take() {
            self.container.gap(from_ns, now_ns, 1, "the Docker engine did not answer");
        }
    }

    fn stats_are_back(&mut self, now_ns: i64) {
        if let Some(from_ns) = self.no_stats_ns.take() {
            self.stats.gap(from_ns, now_ns, 1, "the Docker engine did not answer");
        }
    }
}

/// What containers say of themselves may hold anything; ids and names are the engine's own.
fn without_secrets(attributes: &str, redactor: &Redactor) -> String {
    let Ok(mut attributes) = serde_json::from_str::<serde_json::Value>(attributes) else {
        return "{}".to_owned();
    };
    for name in ["error", "output"] {
        if let Some(serde_json::Value::String(text)) = attributes.get_mut(name) {
            *text = redactor.text(text);
        }
    }
    attributes.to_string()
}

fn row(source: &str, subject: &str, event: &str, mut attributes: serde_json::Value) -> Event {
    attributes.sort_all_objects();
    let [source, subject, event] = [source, subject, event].map(str::to_owned);
    Event { source, subject, event, exit_code: None, attributes: attributes.to_string(), source_unix_ns: None }
}
