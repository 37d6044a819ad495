//! The Compose projects of the system under test as one ordered set.

mod images;
mod owner;
mod readiness;
mod tails;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use owner::Owner;
use recording::record;
use tails::Tails;
use tokio::time::{Instant, timeout};

use crate::changes::Changes;
use crate::cli::Compose;
use crate::engine::{ContainerWatch, Engine, Now, Rows, Watched};
use crate::model::Model;
use crate::process::Process;
use crate::project::ProjectSpec;
use crate::ready::Readiness;
use crate::{Container, Ended, Error, Guard, Happening, Signal, Sink, port_owner};

/// How long containers have to end after SIGTERM, before SIGKILL, as Compose takes it.
const GRACE: &str = "10";
/// How long the last lines of ended containers are waited for.
const LAST_LINES_WAIT: Duration = Duration::from_secs(5);
/// How long an engine that does not answer is waited for, before what is up is left to a later start.
const ENGINE_WAIT: Duration = Duration::from_secs(30);

/// With the images that belong to this run alone.
const DOWN: [&str; 7] = ["down", "--volumes", "--remove-orphans", "--rmi", "local", "--timeout", "1"];

/// Compose goes to the engine that is watched, whatever `docker context` says.
const HOST: &str = "DOCKER_HOST";

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

    /// Reads a project's files as Compose does, before anything is started; gives the TCP addresses of this machine
    /// that its containers will listen on.
    ///
    /// # Errors
    /// [`Error::ComposeFile`], [`Error::UnknownService`].
    pub async fn check(compose: &Compose, spec: &ProjectSpec) -> Result<Vec<SocketAddr>, Error> {
        Ok(model(compose, spec).await?.listens().collect())
    }

    /// Brings up one project: builds or pulls its images, starts its containers and waits until all are healthy.
    ///
    /// Whatever happens, [`Projects::stop`] takes down what was started: after an error, and also where this future
    /// was dropped half-way.
    ///
    /// # Errors
    /// Those of [`Projects::check`]; [`Error::NameTaken`], [`Error::PortTaken`], [`Error::Changes`],
    /// [`Error::Compose`], [`Error::Died`], [`Error::Unhealthy`], [`Error::HealthUrl`].
    pub async fn start(&mut self, spec: &ProjectSpec) -> Result<(), Error> {
        if self.up.iter().any(|up| up.spec.name == spec.name) {
            return Err(Error::NameTaken { process: spec.name.clone() });
        }
        let model = model(&self.compose, spec).await?;
        let changes = Changes::write(spec, &model, &self.owner.labels(&spec.name));
        let changes = changes.map_err(|source| Error::Changes { project: spec.name.clone(), source })?;
        let built = model.built().map(|(service, _)| service.to_owned()).collect();
        let up = Up { spec: spec.clone(), id: self.owner.id(&spec.name), changes, built };
        self.images(&up, &model).await?;
        self.ports_must_be_free(spec, &model).await?;
        self.watch.add(Watched { name: spec.name.clone(), compose: up.id.clone() }).await?;
        self.tell(&spec.name, "start", None, serde_json::json!({"compose": up.id}));
        self.up.push(up);
        let started = Instant::now();
        if let Some(up) = self.up.last() {
            self.bring_up(up, started).await?;
        }
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tell(&spec.name, "ready", None, serde_json::json!({"took_ms": took}));
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

    /// Takes every project down in reverse order, with its volumes, and says how `down` ended, in that order. A second
    /// call has nothing left to do; one that was dropped half-way is taken up again.
    ///
    /// Where `down` fails, the engine is asked directly to remove what is left.
    pub async fn stop(&mut self) -> Vec<Ended> {
        let mut ended = Vec::with_capacity(self.up.len());
        while let Some(up) = self.up.last() {
            self.tell(&up.spec.name, "stop", None, serde_json::json!({}));
            let exit_code = self.down(up).await;
            self.tell(&up.spec.name, "exit", exit_code, serde_json::json!({"volumes": true}));
            ended.push(Ended { process: up.spec.name.clone(), exit_code, killed: exit_code != Some(0) });
            self.up.pop();
        }
        ended
    }

    /// Stops the containers, reads what they wrote last, and only then removes them.
    async fn down(&self, up: &Up) -> Option<i64> {
        let answers = |now: &Arc<Now>| now.lost.is_none();
        // Where it stays away, the attempt below says so.
        timeout(ENGINE_WAIT, self.watch.now().wait_for(answers)).await.map(drop).ok();
        let _ = self.run(up, &["stop", "--timeout", GRACE]).await;
        self.watch.settled(&up.spec.name, LAST_LINES_WAIT).await;
        let down = self.run(up, &DOWN).await;
        let exit_code = down.ok().and_then(|down| down.exit_code);
        if exit_code != Some(0) {
            let _ = self.engine.remove(&up.id).await;
        }
        self.watch.settled(&up.spec.name, LAST_LINES_WAIT).await;
        exit_code
    }

    /// Whether the image of a service is built from the project's own files.
    pub fn builds(&self, project: &str, service: &str) -> bool {
        let up = self.up.iter().find(|up| up.spec.name == project);
        up.is_some_and(|up| up.built.iter().any(|built| built == service))
    }

    /// Whether every container is as it was when its project was ready.
    pub fn are_well(&self) -> bool {
        self.up.iter().all(|up| readiness::all_ready(&self.now(up)))
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
        invocation.env.insert(HOST.to_owned(), self.engine.address().to_owned());
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

impl Drop for Projects {
    fn drop(&mut self) {
        for up in self.up.drain(..).rev() {
            let down = self.compose.invocation(&up.spec, &up.id, up.changes.path(), &DOWN);
            let (program, arguments) = (&down.command[0], &down.command[1..]);
            let mut command = std::process::Command::new(program);
            for name in &down.unset {
                command.env_remove(name);
            }
            command
                .args(arguments)
                .envs(&down.env)
                .envs(&up.changes.env)
                .env(HOST, self.engine.address())
                .stdin(std::process::Stdio::null());
            // Nobody is left to be told; what stays has its labels, and goes at the next start.
            let _ = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
        }
    }
}

async fn model(compose: &Compose, spec: &ProjectSpec) -> Result<Model, Error> {
    let model = compose.model(spec).await?;
    match spec.services.keys().find(|service| !model.services.contains_key(*service)) {
        None => Ok(model),
        Some(unknown) => {
            let known = model.services.keys().cloned().collect::<Vec<_>>().join(", ");
            Err(Error::UnknownService { project: spec.name.clone(), service: unknown.clone(), known })
        }
    }
}
