//! Starts a process again whenever it ends by itself, after a pause.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::process::{Process, ProcessSpec};
use crate::ready::Readiness;
use crate::{Guard, Happening, Sink};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A process that ends again and again is not started more often than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// One that ran for so long begins with the first pause again.
const STEADY: Duration = Duration::from_secs(10);

/// What is needed to start a process again.
pub(crate) struct Again {
    pub(crate) spec: ProcessSpec,
    pub(crate) sink: Sink,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) readiness: Readiness,
    /// Cancelled when processes are to end: nothing is started from then on.
    pub(crate) stopping: CancellationToken,
}

/// A process that is kept running. Dropped, its group is killed.
pub(crate) struct Kept {
    current: Arc<Mutex<Handle>>,
    task: JoinHandle<Process>,
}

impl Kept {
    /// Keeps a process that is up.
    pub(crate) fn new(process: Process, again: Again) -> Kept {
        let current = Arc::new(Mutex::new(process.handle().clone()));
        let task = tokio::spawn(keep(process, again, current.clone()));
        Kept { current, task }
    }

    /// The process as it runs now, or ran last.
    pub(crate) fn handle(&self) -> Handle {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the process back once its token is cancelled; `None` where that failed, and it was killed. May be
    /// dropped and called again.
    pub(crate) async fn taken_back(&mut self) -> Option<Process> {
        (&mut self.task).await.ok()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(mut process: Process, again: Again, current: Arc<Mutex<Handle>>) -> Process {
    let (mut pause, mut restarts, mut ran_before) = (FIRST_PAUSE, 0, true);
    let stopping = again.stopping.clone();
    loop {
        let ended = stopping.run_until_cancelled(async {
            process.handle().exited().await;
            if ran_before && process.age() >= STEADY {
                pause = FIRST_PAUSE;
            }
            // What it left in its group may hold its ports.
            process.stop().await;
            sleep(pause).await;
        });
        if ended.await.is_none() {
            return process;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        restarts += 1;
        let started = Process::start_again(&again.spec, &again.sink, again.guard.as_ref(), restarts);
        ran_before = started.is_ok();
        match started {
            Ok(started) => {
                *current.lock().unwrap_or_else(PoisonError::into_inner) = started.handle().clone();
                process = started;
                // Whether it becomes ready is told; it goes on either way.
                let ready = again.readiness.wait(&mut process, &again.spec);
                stopping.run_until_cancelled(ready).await;
            }
            Err(error) => process.tell(Happening::NotStarted { error: error.to_string() }),
        }
    }
}
