//! When a project is ready: `up` has ended, its containers are healthy, its health URLs answer.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::{Answer, Projects, Up};
use crate::engine::State;
use crate::{Container, Error};

/// How long the engine may take to say how containers stand.
const ASK_WITHIN: Duration = Duration::from_secs(5);

/// How a project's containers stand.
enum Standing {
    Ready,
    /// The first that is not ready.
    Waiting(Option<Container>),
    Dead(Container),
}

impl Standing {
    fn of(containers: &[Container]) -> Standing {
        if let Some(dead) = containers.iter().find(|container| is_dead(container)) {
            return Standing::Dead(dead.clone());
        }
        match containers.iter().find(|container| !is_ready(container)) {
            None if !containers.is_empty() => Standing::Ready,
            waiting => Standing::Waiting(waiting.cloned()),
        }
    }
}

/// Whether a project is ready, as far as its containers say it.
pub(super) fn all_ready(containers: &[Container]) -> bool {
    matches!(Standing::of(containers), Standing::Ready)
}

/// A container without a health check is ready as soon as it runs, and when it has done what it was for.
fn is_ready(container: &Container) -> bool {
    match &container.health {
        Some(health) => container.state == State::Running && health.status == "healthy",
        None => container.state == State::Running || is_done(container),
    }
}

fn is_done(container: &Container) -> bool {
    container.state == State::Exited && container.exit_code == Some(0) && container.health.is_none()
}

fn is_dead(container: &Container) -> bool {
    matches!(container.state, State::Exited | State::Dead) && !is_done(container)
}

impl Projects {
    /// Starts the containers and waits until all is well with them, for as long as the project may take.
    pub(super) async fn bring_up(&self, up: &Up, started: Instant) -> Result<(), Error> {
        let deadline = started + up.spec.ready_within;
        // Images are here by now: what is asked for is that nothing is built or pulled behind the clock.
        let answer = timeout_at(deadline, self.run(up, &["up", "--detach", "--no-build"])).await;
        let answer = match answer {
            Ok(answer) => answer?,
            Err(_) => return Err(self.too_late(up).await),
        };
        if answer.exit_code != Some(0) {
            return Err(self.up_failed(up, answer).await);
        }
        self.healthy(up, deadline).await?;
        for url in &up.spec.health {
            tokio::select! {
                answer = self.readiness.wait_for(url, deadline) => answer.map_err(|last_answer| self.url_failed(up, url, last_answer))?,
                dead = self.dead(up) => return Err(self.died(up, &dead).await),
            }
        }
        Ok(())
    }

    async fn healthy(&self, up: &Up, deadline: Instant) -> Result<(), Error> {
        let mut changes = self.watch.now();
        loop {
            match Standing::of(&self.now(up)) {
                Standing::Ready => return Ok(()),
                Standing::Dead(container) => return Err(self.died(up, &container).await),
                Standing::Waiting(_) => {}
            }
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return Err(self.too_late(up).await);
            }
        }
    }

    /// Waits for a container that ends although it should run.
    async fn dead(&self, up: &Up) -> Container {
        let mut changes = self.watch.now();
        loop {
            if let Standing::Dead(container) = Standing::of(&self.now(up)) {
                return container;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Why `up` failed: Compose's own words, unless a container says more.
    async fn up_failed(&self, up: &Up, answer: Answer) -> Error {
        // Compose may have seen an end that was not told here yet.
        self.read_to_the_end(up).await;
        let containers = self.now(up);
        if let Some(dead) = containers.iter().find(|container| is_dead(container)) {
            return self.died(up, dead).await;
        }
        let unhealthy =
            |container: &&Container| container.health.as_ref().is_some_and(|health| health.status == "unhealthy");
        if containers.iter().any(|container| unhealthy(&container)) {
            return self.too_late(up).await;
        }
        let Answer { exit_code, last_lines } = answer;
        Error::Compose { project: up.spec.name.clone(), operation: "up", exit_code, last_lines }
    }

    async fn too_late(&self, up: &Up) -> Error {
        let (project, within) = (up.spec.name.clone(), up.spec.ready_within);
        // What a check printed since its last event, only the engine knows.
        let fresh = timeout(ASK_WITHIN, self.engine.containers(&up.id)).await;
        let containers = fresh.ok().and_then(Result::ok).unwrap_or_else(|| self.now(up));
        let (service, last_check) = match Standing::of(&containers) {
            Standing::Waiting(Some(container)) | Standing::Dead(container) => {
                (container.service, container.health.map(|health| health.last_output))
            }
            _ => (format!("project {project}"), None),
        };
        Error::Unhealthy { project, service, within, last_check }
    }

    async fn died(&self, up: &Up, container: &Container) -> Error {
        self.read_to_the_end(up).await;
        Error::Died {
            project: up.spec.name.clone(),
            service: container.service.clone(),
            exit_code: container.exit_code,
            oom_killed: container.oom_killed,
            last_lines: self.tails.of(&container.subject(&up.spec.name)),
        }
    }

    fn url_failed(&self, up: &Up, url: &str, last_answer: String) -> Error {
        let (project, url, within) = (up.spec.name.clone(), url.to_owned(), up.spec.ready_within);
        Error::HealthUrl { project, url, within, last_answer }
    }
}
