//! What others may hold of a started process: to wait for its end, and to signal it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::group::Group;
use crate::{Error, Guard, Signal};

/// A started process, without its life: that is in the hands of whoever started it.
#[derive(Clone)]
pub struct Handle {
    pub(crate) name: Arc<str>,
    pub(crate) pid: u32,
    pub(crate) group: Arc<OwnGroup>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
}

/// That the process was collected, and what the system told.
#[derive(Clone, Copy)]
pub(crate) struct Exit(pub(crate) Option<i64>);

impl Handle {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the process itself was not yet seen to end.
    pub fn is_running(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Waits until the process itself ends: 128 + signal where a signal ended it, `None` where the system did not
    /// tell. May be called again, and dropped at any time.
    pub async fn exited(&self) -> Option<i64> {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| exit.as_ref()?.0)
    }

    /// Sends a signal to its whole group.
    ///
    /// # Errors
    /// [`Error::HasEnded`], and [`Error::Signal`] where the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let process = self.name.to_string();
        if self.group.is_gone() {
            return Err(Error::HasEnded { process, signal });
        }
        self.group.id.signal(signal).map_err(|source| Error::Signal { process, signal, source })
    }
}

/// The group of one process, until nothing of it runs. From then on its id may be somebody else's, so it is never
/// signalled again, and the guardian forgets it.
pub(crate) struct OwnGroup {
    pub(crate) id: Group,
    gone: AtomicBool,
    guard: Option<Arc<Guard>>,
}

impl OwnGroup {
    pub(crate) fn new(id: Group, guard: Option<Arc<Guard>>) -> OwnGroup {
        OwnGroup { id, gone: AtomicBool::new(false), guard }
    }

    pub(crate) fn is_gone(&self) -> bool {
        if self.gone.load(Ordering::Acquire) {
            return true;
        }
        if self.id.alive() {
            return false;
        }
        if !self.gone.swap(true, Ordering::AcqRel)
            && let Some(guard) = &self.guard
        {
            guard.remove(self.id.id().unsigned_abs());
        }
        true
    }
}
