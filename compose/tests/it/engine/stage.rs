//! What the tests on a real engine stand on: containers as Compose would make them, the rows that they led to.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::docker::BOX;
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions, WaitContainerOptions};
use compose::engine::{ContainerWatch, Engine, Rows, Watched};
use futures_util::StreamExt as _;
use recording::Row;
use recording::record::{Event, Stat};
use tokio::sync::watch;
use tokio::time::timeout;

/// Far beyond what anything here takes; a test that comes to it has failed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A Compose project of one test; whatever is left of it in the end is removed.
pub struct Stage {
    pub engine: Engine,
    pub docker: Docker,
    /// The name by which Compose would know it.
    pub project: String,
}

/// Runs a test on a real engine, or says aloud that there is none.
pub fn on_engine<F: Future<Output = ()>>(test: impl FnOnce(Stage) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(engine) = crate::docker::engine().await {
            test(Stage::build(engine).await).await;
        }
    });
}

impl Stage {
    async fn build(engine: Engine) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let docker = Docker::connect_with_defaults().unwrap().negotiate_version().await.unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Stage { engine, docker, project: format!("tapedeck-test-e-{}-{number}", std::process::id()) }
    }

    pub fn watched(&self) -> Watched {
        Watched { name: "one".to_owned(), compose: self.project.clone() }
    }

    /// Watches the project through an engine, from before anything of it is there.
    pub async fn watch(&self, engine: &Engine, seen: &Seen) -> ContainerWatch {
        let watch = ContainerWatch::start(engine, seen.rows()).await.unwrap();
        watch.add(self.watched()).await.unwrap();
        watch
    }

    /// A container of a service that runs a line of shell, created and not started.
    pub async fn create(&self, service: &str, line: &str, change: impl FnOnce(&mut ContainerCreateBody)) -> String {
        let labels = [
            ("com.docker.compose.project", self.project.as_str()),
            ("com.docker.compose.service", service),
            ("com.docker.compose.container-number", "1"),
            ("tapedeck.test", "e"),
        ];
        let mut body = ContainerCreateBody {
            image: Some(BOX.to_owned()),
            entrypoint: Some(["/bin/sh", "-c", line].map(str::to_owned).to_vec()),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            // Its network takes longer than all the rest.
            host_config: Some(HostConfig { network_mode: Some("none".to_owned()), ..Default::default() }),
            ..Default::default()
        };
        change(&mut body);
        let name = Some(format!("{}-{service}-1", self.project));
        let options = CreateContainerOptions { name, ..Default::default() };
        self.docker.create_container(Some(options), body).await.unwrap().id
    }

    pub async fn start(&self, service: &str, line: &str) -> String {
        let id = self.create(service, line, |_| {}).await;
        self.start_created(&id).await;
        id
    }

    pub async fn start_created(&self, id: &str) {
        self.docker.start_container(id, None::<StartContainerOptions>).await.unwrap();
    }

    /// Waits until a container has ended.
    pub async fn ended(&self, id: &str) {
        let options = WaitContainerOptions { condition: "not-running".to_owned() };
        let mut ended = self.docker.wait_container(id, Some(options));
        // The exit code comes as an error where it is not 0.
        timeout(DEADLINE, ended.next()).await.expect("the container goes on");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let project = self.project.clone();
        let remove = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Engine::connect().await.unwrap().remove(&project).await })
        };
        if let Err(error) = std::thread::spawn(remove).join().unwrap() {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
        }
    }
}

pub fn host(body: &mut ContainerCreateBody) -> &mut HostConfig {
    body.host_config.get_or_insert_default()
}

/// A health check by a line of shell, often.
pub fn check(line: &str) -> HealthConfig {
    let test = Some(["CMD-SHELL", line].map(str::to_owned).to_vec());
    HealthConfig { test, interval: Some(200_000_000), retries: Some(2), ..Default::default() }
}

/// Every row so far.
#[derive(Clone)]
pub struct Seen(Arc<watch::Sender<Vec<Row>>>);

impl Seen {
    pub fn new() -> Seen {
        Seen(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub fn rows(&self) -> Rows {
        let Seen(seen) = self.clone();
        Arc::new(move |row| seen.send_modify(|rows| rows.push(row)))
    }

    /// Waits until the rows so far make `pick` give something.
    pub async fn until<T>(&self, pick: impl Fn(&[Row]) -> Option<T>) -> T {
        let mut seen = self.0.subscribe();
        let found = timeout(DEADLINE, seen.wait_for(|rows| pick(rows).is_some())).await;
        let all = || self.0.borrow().iter().take(200).map(|row| format!("{row:?}\n")).collect::<String>();
        assert!(found.is_ok(), "what was waited for is not in\n{}", all());
        drop(found);
        pick(&self.0.borrow()).unwrap()
    }

    /// Waits for an event of a subject.
    pub async fn event(&self, subject: &str, event: &str) -> Event {
        self.until(|rows| events(rows, subject).into_iter().find(|row| row.event == event)).await
    }

    /// Waits for a line of a subject.
    pub async fn line(&self, subject: &str, line: &str) {
        self.until(|rows| lines(rows, subject).into_iter().find(|(_, found, _)| found == line)).await;
    }

    pub fn events(&self, subject: &str) -> Vec<Event> {
        events(&self.0.borrow(), subject)
    }

    /// Stream, line and time of what a subject wrote.
    pub fn lines(&self, subject: &str) -> Vec<(String, String, Option<i64>)> {
        lines(&self.0.borrow(), subject)
    }

    /// The texts of what a subject wrote.
    pub fn texts(&self, subject: &str) -> Vec<String> {
        self.lines(subject).into_iter().map(|(_, line, _)| line).collect()
    }

    /// Waits for the stats of a subject of which `enough` says so, by metric.
    pub async fn stats(&self, subject: &str, enough: impl Fn(&HashMap<String, Stat>) -> bool) -> HashMap<String, Stat> {
        let of_subject = |rows: &[Row]| {
            let stats = rows.iter().filter_map(|row| match row {
                Row::Stat(stat) if stat.subject == subject => Some((stat.metric.clone(), stat.clone())),
                _ => None,
            });
            Some(stats.collect::<HashMap<_, _>>()).filter(|stats| enough(stats))
        };
        self.until(of_subject).await
    }
}

fn events(rows: &[Row], subject: &str) -> Vec<Event> {
    let event = |row: &Row| match row {
        Row::Event(event) if event.subject == subject => Some(event.clone()),
        _ => None,
    };
    rows.iter().filter_map(event).collect()
}

fn lines(rows: &[Row], subject: &str) -> Vec<(String, String, Option<i64>)> {
    let line = |row: &Row| match row {
        Row::Log(log) if log.subject == subject => Some((log.stream.clone(), log.line.clone(), log.source_unix_ns)),
        _ => None,
    };
    rows.iter().filter_map(line).collect()
}
