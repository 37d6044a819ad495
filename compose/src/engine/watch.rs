//! Watches the containers of some Compose projects: what happens to them, what they write, what they use.
//!
//! One task follows the engine's events and tells them in order; each container has one task for its log and one for
//! its stats. Nothing is asked again and again: the engine pushes all of it. If it goes away, that is a row; once it
//! answers again, everything goes on where it was, without loss and without repetition as far as the engine remembers.

mod events;
mod life;
mod logs;
mod rows;
mod seam;
mod stats;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use recording::Row;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::{Container, Engine};
use crate::Error;
use events::Events;
use life::{Scene, Told};

/// Receives every row, on the task that saw it: the place to stamp it. It must not block.
pub type Rows = Arc<dyn Fn(Row) + Send + Sync>;

/// A project to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its short name, which the rows' subjects begin with.
    pub name: String,
    /// The name by which Compose knows it.
    pub compose: String,
}

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Now {
    /// By the short name of the project: its containers, sorted by service and number. They are as they were at their
    /// last event: what a health check wrote since, [`Engine::containers`] tells.
    pub containers: BTreeMap<String, Vec<Container>>,
    /// Why the engine can't be asked, while that is so.
    pub lost: Option<String>,
}

/// Watches containers until it is stopped or dropped.
pub struct ContainerWatch {
    engine: Engine,
    now: watch::Receiver<Arc<Now>>,
    told: Told,
    commands: mpsc::Sender<Add>,
    projects: Mutex<Vec<Watched>>,
    tasks: TaskTracker,
    end: CancellationToken,
    _end_on_drop: DropGuard,
}

/// A project to watch from now on; what is already there is answered for before `done`.
struct Add {
    project: Watched,
    done: oneshot::Sender<Result<(), Error>>,
}

/// How long the last rows may take to arrive when the watch is stopped.
const LAST_ROWS_WITHIN: Duration = Duration::from_secs(2);

impl ContainerWatch {
    /// Begins to follow the engine's events. Nothing is told until there is a project to watch.
    pub async fn start(engine: &Engine, rows: Rows) -> Result<ContainerWatch, Error> {
        let (commands, received) = mpsc::channel(8);
        let (now, now_of) = watch::channel(Arc::new(Now::default()));
        let (told, end, tasks) = (Told::default(), CancellationToken::new(), TaskTracker::new());
        let since_ns = engine.now_unix_ns().await?;
        let scene = Scene { engine: engine.clone(), rows, told: told.clone(), end: end.clone(), tasks: tasks.clone() };
        tasks.spawn(Events::new(scene, now, since_ns).run(received));
        let projects = Mutex::new(Vec::new());
        let _end_on_drop = end.clone().drop_guard();
        Ok(ContainerWatch { engine: engine.clone(), now: now_of, told, commands, projects, tasks, end, _end_on_drop })
    }

    /// Watches a project from now on, before or after its containers exist. Of containers that are already there a row
    /// `running` tells, and their log is read from here on.
    pub async fn add(&self, project: Watched) -> Result<(), Error> {
        let (done, answer) = oneshot::channel();
        self.projects.lock().unwrap_or_else(PoisonError::into_inner).push(project.clone());
        let lost = |project: &Watched| Error::WatchEnded { project: project.name.clone() };
        self.commands.send(Add { project: project.clone(), done }).await.map_err(|_| lost(&project))?;
        answer.await.unwrap_or_else(|_| Err(lost(&project)))
    }

    /// How things stand, updated with each event.
    pub fn now(&self) -> watch::Receiver<Arc<Now>> {
        self.now.clone()
    }

    /// Waits until everything is told of those containers of a project that have ended: their end, and their log to
    /// its last line; of removed ones, that they were removed. `false` where that takes longer than `within`.
    ///
    /// `project` is its short name. To be called after the containers were stopped and before they are removed: a
    /// removed container's log is gone.
    pub async fn settled(&self, project: &str, within: Duration) -> bool {
        let projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(watched) = projects.into_iter().find(|watched| watched.name == project) else { return true };
        let deadline = Instant::now() + within;
        let Ok(Ok(there)) = timeout_at(deadline, self.engine.containers(&watched.compose)).await else { return false };
        timeout_at(deadline, self.told.all_of(&watched.compose, &there)).await.is_ok()
    }

    /// Tells what is left to be told, and ends.
    pub async fn stop(self) {
        let projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let deadline = Instant::now() + LAST_ROWS_WITHIN;
        for project in projects {
            self.settled(&project.name, deadline.saturating_duration_since(Instant::now())).await;
        }
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
