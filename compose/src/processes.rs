//! The processes of the system under test as one ordered set.

use std::sync::Arc;

use crate::process::{Ended, Process, ProcessSpec};
use crate::ready::Readiness;
use crate::{Error, Guard, Signal, Sink};

/// Processes started one after the other, each once the one before is ready, and stopped in reverse order.
///
/// Dropped without [`Processes::stop`], it kills every group at once: nothing survives a panic.
pub struct Processes {
    sink: Sink,
    guard: Option<Arc<Guard>>,
    readiness: Readiness,
    running: Vec<Process>,
}

impl Processes {
    /// An empty set whose events go to `sink`. With a guard, its processes don't survive a SIGKILL of this one.
    ///
    /// # Errors
    /// [`Error::Client`] where no HTTP client can be set up.
    pub fn new(sink: Sink, guard: Option<Arc<Guard>>) -> Result<Processes, Error> {
        Ok(Processes { sink, guard, readiness: Readiness::new()?, running: Vec::new() })
    }

    /// Starts one process and waits until it is ready; gives its process id.
    ///
    /// Whatever happens, [`Processes::stop`] ends what was started: after an error, and also where this future was
    /// dropped half-way.
    ///
    /// # Errors
    /// Those of [`Process::start`]; [`Error::NameTaken`], [`Error::AlreadyAnswers`], [`Error::ReadyUrl`];
    /// [`Error::ExitedBeforeReady`], [`Error::NotReady`].
    pub async fn start(&mut self, spec: &ProcessSpec) -> Result<u32, Error> {
        if self.get(&spec.name).is_some() {
            return Err(Error::NameTaken { process: spec.name.clone() });
        }
        self.readiness.must_be_silent(spec).await?;
        let process = Process::start(spec, &self.sink, self.guard.as_ref())?;
        let pid = process.pid();
        let process = self.running.push_mut(process);
        self.readiness.wait(process, spec).await?;
        Ok(pid)
    }

    /// Ends every process in reverse order, each before the next, and says how each ended, in that order. A second
    /// call has nothing left to do; one that was dropped half-way is taken up again.
    pub async fn stop(&mut self) -> Vec<Ended> {
        let mut ended = Vec::with_capacity(self.running.len());
        while let Some(process) = self.running.last_mut() {
            ended.push(process.stop().await);
            self.running.pop();
        }
        ended
    }

    /// Sends a signal to the whole group of a process.
    ///
    /// # Errors
    /// [`Error::UnknownProcess`], and those of [`Process::signal`].
    pub fn signal(&self, name: &str, signal: Signal) -> Result<(), Error> {
        match self.get(name) {
            Some(process) => process.signal(signal),
            None => Err(Error::UnknownProcess { process: name.to_owned(), known: self.names() }),
        }
    }

    /// A process of the set, ended ones included.
    pub fn get(&self, name: &str) -> Option<&Process> {
        self.iter().find(|process| process.name() == name)
    }

    /// The processes in the order they were started, ended ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.running.iter()
    }

    fn names(&self) -> String {
        self.iter().map(Process::name).collect::<Vec<_>>().join(", ")
    }
}
