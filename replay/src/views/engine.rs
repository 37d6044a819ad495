//! The query engine: how it is set up, and the threads on which it runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use datafusion::common::config::Dialect;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::QueryError;
use crate::error::Error;

/// What all queries on a recording may hold at once.
const MEMORY_BYTES: usize = 1 << 30;
/// Plans nest; unoptimised builds of the engine need much stack for each level.
pub const STACK_BYTES: usize = 64 << 20;
const THREADS: usize = 2;
/// Functions whose result is as large as a number says: the memory limit doesn't count what functions make.
pub const UNBOUNDED: [&str; 7] = ["repeat", "lpad", "rpad", "array_repeat", "array_resize", "range", "generate_series"];

/// A context that knows our functions and no table, no file system and no table function.
pub fn context() -> Result<SessionContext, QueryError> {
    let mut config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.sql_parser.dialect = Dialect::Generic;
    options.execution.collect_statistics = false;
    // Planning is most of what a check costs; further passes over such small plans find next to nothing.
    options.optimizer.max_passes = 1;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY_BYTES)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
        .map_err(QueryError::of)?;
    let mut state = SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).with_default_features();
    state.table_functions().get_or_insert_default().clear();
    let context = SessionContext::new_with_state(state.build());
    for name in UNBOUNDED {
        context.deregister_udf(name);
    }
    crate::functions::register(&context).map_err(QueryError::of)?;
    Ok(context)
}

/// The threads on which queries run, and how long they may.
pub struct Engine {
    runtime: tokio::runtime::Runtime,
    limit: Duration,
}

/// Why a task has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The time limit passed.
    Limit,
    /// It panicked.
    Failed,
}

impl Cut {
    /// The error to report; `what` is whose task it was.
    pub fn error(self, what: &str, engine: &Engine) -> Error {
        match self {
            Cut::Limit => Error::TimeLimit { what: what.to_owned(), limit_s: engine.limit.as_secs_f64() },
            Cut::Failed => Error::Failed(what.to_owned()),
        }
    }
}

impl Engine {
    /// Threads for queries that together may take `limit`.
    ///
    /// # Errors
    /// [`Error::Engine`] where no thread can be had.
    pub fn start(limit: Duration) -> Result<Engine, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_stack_size(STACK_BYTES)
            .build()
            .map_err(Error::Engine)?;
        Ok(Engine { runtime, limit })
    }

    /// Lends fresh threads to some work, and leaves them afterwards.
    ///
    /// # Errors
    /// [`Error::Engine`], and those of the work.
    pub fn during<T>(limit: Duration, work: impl FnOnce(&Engine) -> Result<T, Error>) -> Result<T, Error> {
        let engine = Engine::start(limit)?;
        let done = work(&engine);
        engine.abandon();
        done
    }

    /// Runs tasks side by side and gives their results in order.
    ///
    /// The waiting is done here, outside of the engine's threads: a query that never yields can't escape the limit.
    pub fn run_all<T, F>(&self, tasks: Vec<F>) -> Vec<Result<T, Cut>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let deadline = Instant::now() + self.limit;
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut results: Vec<Result<T, Cut>> = tasks.iter().map(|_| Err(Cut::Failed)).collect();
        for (index, task) in tasks.into_iter().enumerate() {
            let sender = sender.clone();
            self.runtime.spawn(async move {
                let result = task.await;
                // Nobody listens once the limit has passed: the result is no longer wanted.
                let _ = sender.send((index, result));
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((index, result)) => results[index] = Ok(result),
                Err(RecvTimeoutError::Disconnected) => return results,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        results.into_iter().map(|result| result.map_err(|_| Cut::Limit)).collect()
    }

    /// Runs one task.
    ///
    /// # Errors
    /// [`Cut`] where it has no result.
    pub fn run<T, F>(&self, task: F) -> Result<T, Cut>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.run_all(vec![task]).pop().unwrap_or(Err(Cut::Failed))
    }

    /// Leaves threads that are still busy to the end of the process.
    pub fn abandon(self) {
        self.runtime.shutdown_background();
    }
}
