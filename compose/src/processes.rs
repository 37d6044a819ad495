//! The processes of the system under test as one ordered set.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::keeper::{Again, Kept};
use crate::process::{Ended, Process, ProcessSpec, Restart};
use crate::ready::Readiness;
use crate::{Error, Guard, Signal, Sink};

/// Processes started one after the other, each once the one before is ready, and stopped in reverse order. Those whose
/// specification says so are started again where they end by themselves.
///
/// Dropped without [`Processes::stop`], it kills every group at once: nothing survives a panic.
pub struct Processes {
    sink: Sink,
    guard: Option<Arc<Guard>>,
    readiness: Readiness,
    running: Vec<Member>,
    stopping: CancellationToken,
}

enum Member {
    Once(Process),
    Kept(Kept),
}

impl Member {
    fn handle(&self) -> Handle {
        match self {
            Member::Once(process) => process.handle().clone(),
            Member::Kept(kept) => kept.handle(),
        }
    }
}

impl Processes {
    /// An empty set whose events go to `sink`. With a guard, its processes don't survive a SIGKILL of this one.
    ///
    /// # Errors
    /// [`Error::Client`] where no HTTP client can be set up.
    pub fn new(sink: Sink, guard: Option<Arc<Guard>>) -> Result<Processes, Error> {
        let (readiness, stopping) = (Readiness::new()?, CancellationToken::new());
        Ok(Processes { sink, guard, readiness, running: Vec::new(), stopping })
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
        let pid = process.handle().pid();
        if let Member::Once(process) = self.running.push_mut(Member::Once(process)) {
            self.readiness.wait(process, spec).await?;
        }
        if spec.restart == Restart::Always {
            self.keep_last(spec);
        }
        Ok(pid)
    }

    /// From here on, the process that was started last is kept running.
    fn keep_last(&mut self, spec: &ProcessSpec) {
        let member = self.running.pop().map(|member| match member {
            Member::Once(process) => Member::Kept(Kept::new(process, self.again(spec))),
            kept => kept,
        });
        self.running.extend(member);
    }

    fn again(&self, spec: &ProcessSpec) -> Again {
        Again {
            spec: spec.clone(),
            sink: self.sink.clone(),
            guard: self.guard.clone(),
            readiness: self.readiness.clone(),
            stopping: self.stopping.clone(),
        }
    }

    /// Ends every process in reverse order, each before the next, and says how each ended, in that order. A second
    /// call has nothing left to do; one that was dropped half-way is taken up again. Nothing is started again from
    /// here on.
    pub async fn stop(&mut self) -> Vec<Ended> {
        self.stopping.cancel();
        let mut ended = Vec::with_capacity(self.running.len());
        while let Some(member) = self.running.last_mut() {
            if let Member::Kept(kept) = member
                && let Some(process) = kept.taken_back().await
            {
                *member = Member::Once(process);
            }
            if let Member::Once(process) = member {
                ended.push(process.stop().await);
            }
            self.running.pop();
        }
        ended
    }

    /// Sends a signal to the whole group of a process.
    ///
    /// # Errors
    /// [`Error::UnknownProcess`], and those of [`Handle::signal`].
    pub fn signal(&self, name: &str, signal: Signal) -> Result<(), Error> {
        match self.get(name) {
            Some(process) => process.signal(signal),
            None => Err(Error::UnknownProcess { process: name.to_owned(), known: self.names() }),
        }
    }

    /// A process of the set, ended ones included; of one that was started again, the last.
    pub fn get(&self, name: &str) -> Option<Handle> {
        self.running.iter().map(Member::handle).find(|process| process.name() == name)
    }

    fn names(&self) -> String {
        self.running.iter().map(|member| member.handle().name().to_owned()).collect::<Vec<_>>().join(", ")
    }
}
