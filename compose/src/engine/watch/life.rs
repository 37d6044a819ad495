//! What the tasks of a watch share: whom to ask and tell, the life of each container, and what has been told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bollard::Docker;
use recording::Row;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Rows;
use crate::engine::{Container, Engine};

/// Whom the tasks ask and tell, and when they end.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) rows: Rows,
    pub(super) told: Told,
    pub(super) end: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Scene {
    pub(super) fn docker(&self) -> &Docker {
        &self.engine.docker
    }

    pub(super) fn tell(&self, row: impl Into<Row>) {
        (self.rows)(row.into());
    }
}

/// Where a container stands between its starts and ends, as its events tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// How often it was started.
    pub(super) starts: u32,
    /// Whether the last of these runs has ended.
    pub(super) ended: bool,
    /// Whether it is removed.
    pub(super) gone: bool,
    /// How often the engine went away and came back.
    pub(super) losses: u32,
}

impl Life {
    pub(super) fn is_up(self) -> bool {
        self.starts > 0 && !self.ended && !self.gone
    }
}

/// What was told of each container, by its id: those who wait until it is everything are woken.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<watch::Sender<BTreeMap<String, ToldOf>>>);

#[derive(Default)]
struct ToldOf {
    /// The name by which Compose knows its project.
    project: String,
    /// How often it was started.
    starts: u32,
    /// The engine's time of the last end that was told.
    ended_unix_ns: i64,
    /// Runs whose log was read to its end.
    logs: u32,
    /// Whether its removal was told.
    gone: bool,
}

impl Told {
    pub(super) fn seen(&self, id: &str, project: &str) {
        self.of(id, |told| project.clone_into(&mut told.project));
    }

    pub(super) fn start(&self, id: &str) {
        self.of(id, |told| told.starts += 1);
    }

    pub(super) fn end(&self, id: &str, at_unix_ns: i64) {
        self.of(id, |told| told.ended_unix_ns = told.ended_unix_ns.max(at_unix_ns));
    }

    pub(super) fn log(&self, id: &str, runs: u32) {
        self.of(id, |told| told.logs = told.logs.max(runs));
    }

    pub(super) fn gone(&self, id: &str) {
        self.of(id, |told| told.gone = true);
    }

    fn of(&self, id: &str, change: impl FnOnce(&mut ToldOf)) {
        self.0.send_modify(|all| change(all.entry(id.to_owned()).or_default()));
    }

    /// Waits until everything is told of what has ended, `there` being what the engine has now.
    pub(super) async fn all_of(&self, project: &str, there: &[Container]) {
        let mut told = self.0.subscribe();
        let is_all = |all: &BTreeMap<String, ToldOf>| {
            let mut ended = there.iter().filter(|container| container.has_ended());
            let mut removed =
                all.iter().filter(|(id, told)| told.project == project && !there.iter().any(|c| c.id == **id));
            ended.all(|container| all.get(&container.id).is_some_and(|told| told.end_of(container)))
                && removed.all(|(_, told)| told.gone && told.logs >= told.starts)
        };
        // The sender lives as long as `self`: there is no error.
        let _ = told.wait_for(is_all).await;
    }
}

impl ToldOf {
    fn end_of(&self, container: &Container) -> bool {
        container.finished_unix_ns.is_some_and(|finished| self.ended_unix_ns >= finished) && self.logs >= self.starts
    }
}
