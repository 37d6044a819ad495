//! The threads that relay. They do nothing else, so that no other work of the collector stands before the traffic; a
//! connection stays on one of them, so that no chunk is passed between threads on its way.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

const MOST: usize = 4;

/// The relay threads of one tap; they end when this is dropped.
pub(super) struct Threads {
    runtimes: Vec<Handle>,
    next: AtomicUsize,
    _stop: DropGuard,
}

impl Threads {
    pub(super) fn spawn(tap: &str) -> std::io::Result<Threads> {
        let count = thread::available_parallelism().map_or(1, usize::from).min(MOST);
        let stop = CancellationToken::new();
        let mut runtimes = Vec::new();
        for _ in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtimes.push(runtime.handle().clone());
            let stopped = stop.clone().cancelled_owned();
            thread::Builder::new().name(format!("relay-{tap}")).spawn(move || runtime.block_on(stopped))?;
        }
        Ok(Threads { runtimes, next: AtomicUsize::new(0), _stop: stop.drop_guard() })
    }

    /// Runs the work of one connection on the thread whose turn it is.
    pub(super) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.runtimes.len();
        self.runtimes[turn].spawn(work);
    }
}
