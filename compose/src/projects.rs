//! The Compose projects of the system under test as one ordered set.

mod images;
mod owner;
mod readiness;
mod tails;
mod teardown;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

pub use owner::Owner;
use recording::record;
use tails::Tails;
pub use teardown::Gone;
use tokio::time::Instant;

use crate::changes::Changes;
use crate::cli::Compose;
use crate::engine::{ContainerWatch, Engine, Rows, Watched};
use crate::model::Model;
use crate::process::Process;
use crate::project::ProjectSpec;
use crate::ready::Readiness;
use crate::{Container, Error, Guard, Happening, Signal, Sink, port_owner};

/// Compose goes to the engine that is watched, whatever `docker context` says.
const DOCKER_HOST: &str = "DOCKER_HOST";

/// Compose projects started one after the other, each once the one before is healthy, and taken down in reverse
/// order with their volumes.
///
/// Dropped without [`Projects::stop`], it takes them down before the drop returns: nothing survives a panic.
pub struct Projects {
    engine: Engine,
    compose: Compose,
    rows: Rows,
    guard: Option<Arc<Guard>>,
    readiness: Readiness,
    watch: ContainerWatch,
    owner: Owner,
    tails: Tails,
    up: Vec<Up>,
}

/// A project of which something may be on the engine.
struct Up {
    spec: ProjectSpec,
    id: String,
    changes: Changes,
    /// The services whose images are built.
    built: Vec<String>,
    /// Whether it was told that it starts.
    started: bool,
    /// The containers, by id, that had done what they were for when it was ready.
    done: Vec<String>,
}

/// What Compose made of a project's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The TCP addresses of this machine that its containers will listen on.
    pub listens: Vec<SocketAddr>,
    /// Its services.
    pub services: Vec<String>,
}

/// What one invocation of Compose came to.
struct Answer {
    exit_code: Option<i64>,
    last_lines: Vec<String>,
}

impl Projects {
    /// An empty set. All that happens to its projects and their containers goes to `rows`: rows of `timeline`, `logs`
    /// and `stats`, as they come and not redacted. With a guard, no Compose survives a SIGKILL of this process.
    ///
    /// # Errors
    /// [`Error::Client`] where no HTTP client can be set up, [`Error::AskEngine`].
    pub async fn new(
        engine: Engine,
        compose: Compose,
        owner: Owner,
        rows: Rows,
        guard: Option<Arc<Guard>>,
    ) -> Result<Projects, Error> {
        let (readiness, tails) = (Readiness::new()?, Tails::default());
        let watch = ContainerWatch::start(&engine, tails.before(Arc::clone(&rows))).await?;
        Ok(Projects { engine, compose, rows, guard, readiness, watch, owner, tails, up: Vec::new() })
    }

    /// Reads a project's files as Compose does, before anything is started.
    ///
    /// # Errors
    /// [`Error::ComposeFile`], [`Error::UnknownService`], [`Error::NamedVolume`].
    pub async fn check(compose: &Compose, spec: &ProjectSpec) -> Result<Checked, Error> {
        let model = model(compose, spec, "tapedeck-check").await?;
        Ok(Checked { listens: model.listens().collect(), services: model.services.into_keys().collect() })
    }

    /// Brings up one project: builds or pulls its images, starts its containers and waits until all are healthy.
    ///
    /// Whatever happens, [`Projects::stop`] takes down what was started: after an error, and also where this future
    /// was dropped half-way.
    ///
    /// # Errors
    /// Those of [`Projects::check`]; [`Error::NameTaken`], [`Error::PortTaken`], [`Error::HealthAnswers`],
    /// [`Error::Changes`], [`Error::Compose`], [`Error::Died`], [`Error::Unhealthy`], [`Error::HealthUrl`].
    pub async fn start(&mut self, spec: &ProjectSpec) -> Result<(), Error> {
        if self.up.iter().any(|up| up.spec.name == spec.name) {
            return Err(Error::NameTaken { process: spec.name.clone() });
        }
        let id = self.owner.id(&spec.name);
        let model = model(&self.compose, spec, &id).await?;
        let changes = Changes::write(spec, &model, &self.owner.labels(&spec.name));
        let changes = changes.map_err(|source| Error::Changes { project: spec.name.clone(), source })?;
        let built = model.built().map(|(service, _)| service.to_owned()).collect();
        self.up.push(Up { spec: spec.clone(), id, changes, built, started: false, done: Vec::new() });
        self.start_last(&model).await
    }

    async fn start_last(&mut self, model: &Model) -> Result<(), Error> {
        let Some(up) = self.up.last() else { return Ok(()) };
        self.images(up, model).await?;
        self.ports_must_be_free(&up.spec, model).await?;
        self.pages_must_be_silent(&up.spec).await?;
        self.watch.add(Watched { name: up.spec.name.clone(), compose: up.id.clone() }).await?;
        self.tell(&up.spec.name, "start", None, serde_json::json!({"compose": up.id}));
        if let Some(up) = self.up.last_mut() {
            up.started = true;
        }
        let Some(up) = self.up.last() else { return Ok(()) };
        let started = Instant::now();
        self.bring_up(up, started).await?;
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tell(&up.spec.name, "ready", None, serde_json::json!({"took_ms": took}));
        let done =
            self.now(up).into_iter().filter(|container| !container.is_up()).map(|container| container.id).collect();
        if let Some(up) = self.up.last_mut() {
            up.done = done;
        }
        Ok(())
    }

    /// A page that answers now would tell of somebody else's health.
    async fn pages_must_be_silent(&self, spec: &ProjectSpec) -> Result<(), Error> {
        for url in &spec.health {
            if self.readiness.answers(url).await {
                let owner = crate::ready::listener(url);
                return Err(Error::HealthAnswers { project: spec.name.clone(), url: url.clone(), owner });
            }
        }
        Ok(())
    }

    /// Compose would say so too, but not by whom the port is held.
    async fn ports_must_be_free(&self, spec: &ProjectSpec, model: &Model) -> Result<(), Error> {
        for addr in model.listens() {
            if std::net::TcpListener::bind(addr).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse) {
                // The engine's own proxy holds it for the container that people know.
                let container = self.engine.publisher(addr).await?;
                let owner = container.or_else(|| port_owner(addr));
                return Err(Error::PortTaken { project: spec.name.clone(), addr, owner });
            }
        }
        Ok(())
    }

    /// Whether the image of a service is built from the project's own files.
    pub fn builds(&self, project: &str, service: &str) -> bool {
        let up = self.up.iter().find(|up| up.spec.name == project);
        up.is_some_and(|up| up.built.iter().any(|built| built == service))
    }

    /// Whether the engine answers, and every container is as it was when its project was ready.
    pub fn are_well(&self) -> bool {
        let answers = self.watch.now().borrow().lost.is_none();
        let is_well = |up: &Up, container: &Container| container.is_up() || up.done.contains(&container.id);
        let all = |up: &Up| {
            let containers = self.now(up);
            readiness::all_ready(&containers) && containers.iter().all(|container| is_well(up, container))
        };
        answers && self.up.iter().all(all)
    }

    /// The containers of all projects, by the project's name, as they stand.
    pub fn containers(&self) -> Vec<(String, Container)> {
        let of = |up: &Up| self.now(up).into_iter().map(|found| (up.spec.name.clone(), found)).collect::<Vec<_>>();
        self.up.iter().flat_map(of).collect()
    }

    /// The projects that are up, or may be, in the order of their start.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.up.iter().map(|up| up.spec.name.as_str())
    }

    /// Sends a signal to the first process of a container, named PROJECT/SERVICE.
    ///
    /// # Errors
    /// [`Error::UnknownContainer`], and what the engine says.
    pub async fn signal(&self, container: &str, signal: Signal) -> Result<(), Error> {
        self.engine.signal(&self.find(container)?.id, signal).await
    }

    /// Stops all of a container's processes, without a signal that they could see.
    ///
    /// # Errors
    /// As [`Projects::signal`].
    pub async fn pause(&self, container: &str) -> Result<(), Error> {
        self.engine.pause(&self.find(container)?.id).await
    }

    /// Lets a paused container go on.
    ///
    /// # Errors
    /// As [`Projects::signal`].
    pub async fn unpause(&self, container: &str) -> Result<(), Error> {
        self.engine.unpause(&self.find(container)?.id).await
    }

    /// A project's containers as they stand.
    fn now(&self, up: &Up) -> Vec<Container> {
        self.watch.now().borrow().containers.get(&up.spec.name).cloned().unwrap_or_default()
    }

    fn find(&self, name: &str) -> Result<Container, Error> {
        let all = self.containers().into_iter().map(|(project, found)| (found.subject(&project), found));
        let all: BTreeMap<String, Container> = all.collect();
        let known = all.keys().cloned().collect::<Vec<_>>().join(", ");
        all.get(name).cloned().ok_or_else(|| Error::UnknownContainer { container: name.to_owned(), known })
    }

    fn tell(&self, project: &str, event: &str, exit_code: Option<i64>, attributes: serde_json::Value) {
        let row = record::Event {
            source: "project".to_owned(),
            subject: project.to_owned(),
            event: event.to_owned(),
            exit_code,
            attributes: attributes.to_string(),
            source_unix_ns: None,
        };
        (self.rows)(row.into());
    }

    async fn run(&self, up: &Up, words: &[&str]) -> Result<Answer, Error> {
        self.run_as(up, &up.id, words).await
    }

    /// One invocation of Compose, whose lines are recorded.
    async fn run_as(&self, up: &Up, id: &str, words: &[&str]) -> Result<Answer, Error> {
        let mut invocation = self.compose.invocation(&up.spec, id, up.changes.path(), words);
        invocation.env.extend(up.changes.env.clone());
        invocation.env.insert(DOCKER_HOST.to_owned(), self.engine.address().to_owned());
        let rows = Arc::clone(&self.rows);
        let sink: Sink = Arc::new(move |event| {
            if matches!(event.what, Happening::Output { .. }) {
                rows(event.row("project"));
            }
        });
        let mut process = Process::start(&invocation, &sink, self.guard.as_ref())?;
        let exit_code = process.handle().exited().await;
        Ok(Answer { exit_code, last_lines: process.last_lines().await })
    }
}

async fn model(compose: &Compose, spec: &ProjectSpec, id: &str) -> Result<Model, Error> {
    let model = compose.model(spec, id).await?;
    let project = || spec.name.clone();
    if let Some(unknown) = spec.services.keys().find(|service| !model.services.contains_key(*service)) {
        let known = model.services.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(Error::UnknownService { project: project(), service: unknown.clone(), known });
    }
    match model.named_volume(id) {
        Some((volume, name)) => Err(Error::NamedVolume { project: project(), volume, name }),
        None => Ok(model),
    }
}
