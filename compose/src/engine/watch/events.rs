//! Follows the engine's events and tells those of the watched containers, in their order.

mod missed;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as DockerError;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::life::{Life, Scene};
use super::logs::Log;
use super::rows::{self, Attributes};
use super::seam::Seam;
use super::stats::Stats;
use super::{Add, Now, Watched};
use crate::Error;
use crate::engine::container::subject;
use crate::engine::{COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE, Container};

/// The events that a recording holds.
const ACTIONS: [&str; 11] =
    ["create", "start", "health_status", "oom", "kill", "die", "stop", "restart", "pause", "unpause", "destroy"];
/// An engine without events for so long is asked whether it is still there: one that hangs ends no stream.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// An engine that takes longer does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Events of different containers may be published in another order than they were stamped, by far less than this.
const DISORDER_NS: i64 = 1_000_000_000;
/// Twice as many events as an engine remembers.
const REMEMBERED: usize = 512;

type EventStream = Pin<Box<dyn Stream<Item = Result<EventMessage, DockerError>> + Send>>;

/// Follows the engine's events.
pub(super) struct Events {
    scene: Scene,
    now: watch::Sender<Arc<Now>>,
    projects: Vec<Watched>,
    tracked: BTreeMap<String, Tracked>,
    /// The engine's time of the last event.
    last_unix_ns: i64,
    /// The last events: those of them that come again are not told again.
    told: VecDeque<(i64, String, String)>,
}

/// A container that is watched.
struct Tracked {
    /// The short name of its project.
    project: String,
    subject: String,
    /// As it was at its last event; `None` where it was gone before it could be looked at.
    container: Option<Container>,
    life: watch::Sender<Life>,
    /// Whether its end was found by looking at it: its event may still come.
    found_ended: bool,
}

/// An event of a watched container, taken apart.
struct Happened {
    id: String,
    /// Its name, without what follows a colon.
    action: String,
    /// What follows the colon.
    detail: String,
    attributes: HashMap<String, String>,
    unix_ns: i64,
}

impl Events {
    /// Will tell what happens from the engine's time `since_unix_ns` on.
    pub(super) fn new(scene: Scene, now: watch::Sender<Arc<Now>>, since_unix_ns: i64) -> Events {
        let (projects, tracked, told) = (Vec::new(), BTreeMap::new(), VecDeque::new());
        Events { scene, now, projects, tracked, last_unix_ns: since_unix_ns, told }
    }

    /// Follows until the watch ends.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Add>) {
        let end = self.scene.end.clone();
        end.run_until_cancelled(self.follow(&mut commands)).await;
    }

    async fn follow(&mut self, commands: &mut mpsc::Receiver<Add>) {
        let mut events = self.events(self.last_unix_ns, None);
        loop {
            let error = tokio::select! {
                biased;
                Some(Add { project, done }) = commands.recv() => {
                    // Whoever asked may have gone away meanwhile.
                    let _ = done.send(self.add(project).await);
                    continue;
                }
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        self.take(event).await;
                        continue;
                    }
                    Some(Err(error)) => chain(&error),
                    None => "its event stream ended".to_owned(),
                },
                () = tokio::time::sleep(SILENT_FOR) => match timeout(ANSWER_WITHIN, self.scene.docker().ping()).await {
                    Ok(Ok(_)) => continue,
                    Ok(Err(error)) => chain(&error),
                    Err(_) => format!("it did not answer within {} s", ANSWER_WITHIN.as_secs()),
                },
            };
            self.come_back(error, commands).await;
            events = self.events(self.last_unix_ns - DISORDER_NS, None);
        }
    }

    /// The engine's events from one time to another, or without end.
    fn events(&self, since_unix_ns: i64, until_unix_ns: Option<i64>) -> EventStream {
        let seconds = |unix_ns: i64| format!("{}.{:09}", unix_ns / 1_000_000_000, unix_ns % 1_000_000_000);
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![COMPOSE_PROJECT.to_owned()]),
            ("event".to_owned(), ACTIONS.map(str::to_owned).to_vec()),
        ]);
        let (since, until) = (Some(seconds(since_unix_ns)), until_unix_ns.map(seconds));
        let docker = self.scene.docker().clone();
        Box::pin(docker.events(Some(EventsOptions { since, until, filters: Some(filters) })))
    }

    async fn add(&mut self, project: Watched) -> Result<(), Error> {
        if self.projects.contains(&project) {
            return Ok(());
        }
        let there = self.scene.engine.containers(&project.compose).await?;
        let now_unix_ns = if there.is_empty() { 0 } else { self.scene.engine.now_unix_ns().await? };
        self.projects.push(project.clone());
        for container in there {
            self.adopt(&project, container, now_unix_ns);
        }
        self.publish(None);
        Ok(())
    }

    /// Watches a container whose creation was not seen; its log from a time on.
    fn adopt(&mut self, project: &Watched, container: Container, from_unix_ns: i64) {
        if self.tracked.contains_key(&container.id) {
            return;
        }
        let id = container.id.clone();
        let subject = subject(&project.name, &container.service, container.number);
        if container.is_up() {
            let started = container.started_unix_ns;
            self.scene.tell(rows::event(&subject, "running", None, rows::identity(&container), started));
        }
        let (is_up, ended) = (container.is_up(), container.finished_unix_ns);
        self.track(&id, project, subject, Some(container), from_unix_ns);
        if is_up {
            self.live(&id, |life| life.starts = 1);
        } else if let Some(ended_unix_ns) = ended {
            self.scene.told.end(&id, ended_unix_ns);
        }
    }

    fn track(&mut self, id: &str, project: &Watched, subject: String, container: Option<Container>, from_unix_ns: i64) {
        let (life, of_it) = watch::channel(Life::default());
        let tty = container.as_ref().is_some_and(|container| container.tty);
        let cpus = container.as_ref().and_then(|container| container.cpus);
        let (scene, id, project_name) = (self.scene.clone(), id.to_owned(), project.name.clone());
        scene.told.seen(&id, &project.compose);
        let seam = Seam::new(tty, from_unix_ns);
        let log = Log { scene: scene.clone(), id: id.clone(), subject: subject.clone(), seam, life: of_it.clone() };
        let stats = Stats { scene: scene.clone(), id: id.clone(), subject: subject.clone(), cpus, life: of_it };
        scene.tasks.spawn(log.run());
        scene.tasks.spawn(stats.run());
        let tracked = Tracked { project: project_name, subject, container, life, found_ended: false };
        self.tracked.insert(id, tracked);
    }

    /// Changes where a container stands in its life, as its tasks and those who wait for it see it.
    fn live(&mut self, id: &str, change: impl FnOnce(&mut Life)) {
        let Some(tracked) = self.tracked.get(id) else { return };
        let before = *tracked.life.borrow();
        tracked.life.send_modify(change);
        let after = *tracked.life.borrow();
        for _ in before.starts..after.starts {
            self.scene.told.start(id);
        }
    }

    async fn take(&mut self, event: EventMessage) {
        let Some((project, happened)) = self.taken_apart(event) else { return };
        let is_new = !self.tracked.contains_key(&happened.id);
        let looked = if is_new || happened.changes_state() { self.look(&happened.id).await } else { None };
        if is_new {
            self.track(&happened.id, &project, happened.subject(&project.name), looked.clone(), 0);
        } else if let (Some(tracked), Some(looked)) = (self.tracked.get_mut(&happened.id), &looked) {
            tracked.container = Some(looked.clone());
        }
        self.tell(&happened, looked.as_ref());
        self.publish(None);
    }

    /// An event that is to be told, and was not told before.
    fn taken_apart(&mut self, event: EventMessage) -> Option<(Watched, Happened)> {
        let (unix_ns, actor, action) = (event.time_nano?, event.actor?, event.action?);
        let (id, attributes) = (actor.id?, actor.attributes.unwrap_or_default());
        let key = (unix_ns, id, action);
        if self.told.contains(&key) {
            return None;
        }
        self.last_unix_ns = self.last_unix_ns.max(unix_ns);
        self.told.push_back(key.clone());
        if self.told.len() > REMEMBERED {
            self.told.pop_front();
        }
        let (_, id, action) = key;
        let (action, detail) = action.split_once(": ").unwrap_or((&action, ""));
        let compose = attributes.get(COMPOSE_PROJECT)?;
        let project = self.projects.iter().find(|project| project.compose == *compose)?.clone();
        let [action, detail] = [action, detail].map(str::to_owned);
        ACTIONS.contains(&&*action).then_some((project, Happened { id, action, detail, attributes, unix_ns }))
    }

    /// Tells an event, with what the container was found to be after it.
    fn tell(&mut self, happened: &Happened, looked: Option<&Container>) {
        let Some(tracked) = self.tracked.get_mut(&happened.id) else { return };
        let ends = happened.action == "die";
        if ends && std::mem::take(&mut tracked.found_ended) {
            return;
        }
        let exit_code = happened.attributes.get("exitCode").and_then(|code| code.parse().ok()).filter(|_| ends);
        let attributes = happened.told_attributes(looked);
        let unix_ns = Some(happened.unix_ns);
        self.scene.tell(rows::event(&tracked.subject, &happened.action, exit_code, attributes, unix_ns));
        let id = &happened.id;
        match &*happened.action {
            "start" => {
                tracked.found_ended = false;
                self.live(id, |life| (life.starts, life.ended) = (life.starts + 1, false));
            }
            "die" => {
                self.scene.told.end(id, happened.unix_ns);
                self.live(id, |life| life.ended = true);
            }
            "destroy" => self.forget(id),
            _ => {}
        }
    }

    fn forget(&mut self, id: &str) {
        self.live(id, |life| life.gone = true);
        self.tracked.remove(id);
        self.scene.told.gone(id);
    }

    async fn look(&self, id: &str) -> Option<Container> {
        // What can't be had is left out of its row; that the engine is lost, its event stream tells.
        timeout(ANSWER_WITHIN, self.scene.engine.container(id)).await.ok()?.ok()?
    }

    fn publish(&self, lost: Option<String>) {
        let mut containers: BTreeMap<String, Vec<Container>> =
            self.projects.iter().map(|project| (project.name.clone(), Vec::new())).collect();
        for tracked in self.tracked.values() {
            containers.entry(tracked.project.clone()).or_default().extend(tracked.container.clone());
        }
        for of_project in containers.values_mut() {
            of_project.sort_by(|a, b| (&a.service, a.number).cmp(&(&b.service, b.number)));
        }
        self.now.send_replace(Arc::new(Now { containers, lost }));
    }
}

impl Happened {
    fn subject(&self, project: &str) -> String {
        let label = |name| self.attributes.get(name).map_or("", String::as_str);
        subject(project, label(COMPOSE_SERVICE), label(COMPOSE_NUMBER).parse().unwrap_or(1))
    }

    /// Whether the container is to be looked at after it.
    fn changes_state(&self) -> bool {
        !matches!(&*self.action, "oom" | "kill" | "stop" | "destroy")
    }

    fn told_attributes(&self, looked: Option<&Container>) -> Attributes {
        match (&*self.action, looked) {
            ("kill", _) => {
                let signal = self.attributes.get("signal").map_or("", String::as_str);
                BTreeMap::from([("signal", signal.into())])
            }
            ("health_status", _) => {
                let output = looked.and_then(|container| Some(container.health.as_ref()?.last_output.as_str()));
                BTreeMap::from([("output", output.unwrap_or("").into()), ("status", self.detail.as_str().into())])
            }
            ("die", Some(container)) => rows::end_of(container),
            _ => Attributes::new(),
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
        source = error.source();
    }
    text
}
