//! One process of the system under test, in a process group of its own, from start to the end of the last of its
//! group.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::command::find_program;
use crate::group::Group;
use crate::handle::{Exit, Handle, OwnGroup};
use crate::lines::Lines;
use crate::{Error, Event, Guard, Happening, Signal, Sink, Stream};

/// How many of a process's last lines an error carries.
const LAST_LINES: usize = 20;
/// How long the lines of an ended process are waited for: others may hold its pipes open for ever.
const LAST_LINES_WAIT: Duration = Duration::from_millis(500);
/// How often an ending group is looked at.
const ENDING_POLL: Duration = Duration::from_millis(20);
/// How often what a leader left behind is looked at, at most: it may stay for the whole run.
const LEFTOVER_POLL: Duration = Duration::from_secs(1);

/// What to start, and how to know that it is ready.
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    /// Its name in events, errors and recordings.
    pub name: String,
    /// The program and its arguments; no shell. A relative path is taken from `dir`.
    pub command: Vec<String>,
    /// Variables on top of the environment that this process has.
    pub env: BTreeMap<String, String>,
    /// Variables that it does not get from the environment that this process has.
    pub unset: Vec<String>,
    /// The folder that it starts in.
    pub dir: PathBuf,
    /// A URL that answers 200 when it is ready; without one it is ready as soon as it runs.
    pub ready: Option<String>,
    /// How long it may take to be ready.
    pub ready_within: Duration,
    /// How long it has to end after SIGTERM, before SIGKILL.
    pub grace: Duration,
    /// What follows where it ends by itself, as one of several [`Processes`](crate::Processes).
    pub restart: Restart,
}

/// What follows when a process that was up ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// It is started again, until it is to stop.
    Always,
}

impl ProcessSpec {
    /// A process with the usual limits: ready within 60 s, 5 s to end.
    pub fn new(name: impl Into<String>, command: Vec<String>, dir: impl Into<PathBuf>) -> ProcessSpec {
        ProcessSpec {
            name: name.into(),
            command,
            env: BTreeMap::new(),
            unset: Vec::new(),
            dir: dir.into(),
            ready: None,
            ready_within: Duration::from_secs(60),
            grace: Duration::from_secs(5),
            restart: Restart::No,
        }
    }

    /// The program that would be started, for a check before the run.
    ///
    /// # Errors
    /// [`Error::NoCommand`], [`Error::Dir`] or [`Error::CommandNotFound`].
    pub fn program(&self) -> Result<PathBuf, Error> {
        find_program(self)
    }
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its name.
    pub process: String,
    /// 128 + signal where a signal ended it; `None` where the system did not tell.
    pub exit_code: Option<i64>,
    /// Whether its group outlived the grace and had to be killed.
    pub killed: bool,
}

/// A started process. Its output is read for as long as anybody writes it. Dropped, its group is killed at once:
/// [`Process::stop`] is the polite way.
pub struct Process {
    handle: Handle,
    grace: Duration,
    started: Instant,
    sink: Sink,
    tail: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a process; must be called inside a tokio runtime. It need not be ready.
    ///
    /// # Errors
    /// Those of [`ProcessSpec::program`], [`Error::Spawn`] and [`Error::GuardGone`]; nothing is left running then.
    pub fn start(spec: &ProcessSpec, sink: &Sink, guard: Option<&Arc<Guard>>) -> Result<Process, Error> {
        Process::start_again(spec, sink, guard, 0)
    }

    /// The same for a process that was started so many times before.
    pub(crate) fn start_again(
        spec: &ProcessSpec,
        sink: &Sink,
        guard: Option<&Arc<Guard>>,
        restarts: u32,
    ) -> Result<Process, Error> {
        let program = find_program(spec)?;
        let started = Instant::now();
        let mut command = Command::new(&program);
        for name in &spec.unset {
            command.env_remove(name);
        }
        let spawned = command
            .arg0(&spec.command[0])
            .args(&spec.command[1..])
            .envs(&spec.env)
            .current_dir(&spec.dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let failed = |source| Error::Spawn { process: spec.name.clone(), program, source };
        let child = spawned.map_err(failed)?;
        Process::watch(spec, child, started, sink, guard, restarts)
    }

    fn watch(
        spec: &ProcessSpec,
        mut child: Child,
        started: Instant,
        sink: &Sink,
        guard: Option<&Arc<Guard>>,
        restarts: u32,
    ) -> Result<Process, Error> {
        let name: Arc<str> = spec.name.as_str().into();
        // A child that was not collected yet has an id, and it is neither 0 nor 1.
        let (pid, id) = child.id().and_then(|pid| Some((pid, Group::new(pid)?))).ok_or_else(|| Error::Spawn {
            process: spec.name.clone(),
            program: spec.dir.clone(),
            source: std::io::Error::other("the system gave it no process id"),
        })?;
        let group = Arc::new(OwnGroup::new(id, guard.cloned()));
        let tail = Arc::new(Mutex::new(VecDeque::with_capacity(LAST_LINES)));
        sink(Event { process: name.clone(), what: Happening::Started { pid, restarts } });
        let reader = |stream| Reader { process: name.clone(), stream, sink: sink.clone(), tail: tail.clone() };
        let readers = [
            child.stdout.take().map(|pipe| tokio::spawn(reader(Stream::Stdout).read(pipe))),
            child.stderr.take().map(|pipe| tokio::spawn(reader(Stream::Stderr).read(pipe))),
        ];
        let readers = readers.into_iter().flatten().collect();
        let (told, exit) = watch::channel(None);
        tokio::spawn(collect(child, name.clone(), sink.clone(), group.clone(), told));
        let handle = Handle { name, pid, group, exit };
        let process = Process { handle, grace: spec.grace, started, sink: sink.clone(), tail, readers };
        if let Some(guard) = guard {
            guard.add(pid).map_err(|source| Error::GuardGone { process: spec.name.clone(), source })?;
        }
        Ok(process)
    }

    /// What others may hold of it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the whole group: SIGTERM, the specification's grace, SIGKILL. Returns when nothing of it runs and what
    /// it wrote is with the sink. May be dropped and called again.
    pub async fn stop(&mut self) -> Ended {
        let mut killed = false;
        if !self.handle.group.is_gone() {
            self.tell(Happening::Stopping);
            self.handle.group.id.ask_to_end();
            if timeout(self.grace, self.ended()).await.is_err() {
                killed = true;
                let _ = self.handle.group.id.signal(Signal::Kill);
                // Only a process in the kernel's hands outlives this; it must not hold up the others' end.
                let _ = timeout(self.grace, self.ended()).await;
            }
        }
        self.drain().await;
        let exit_code = self.handle.exit.borrow().and_then(|exit| exit.0);
        Ended { process: self.handle.name.to_string(), exit_code, killed }
    }

    /// Since its start.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn tell(&self, what: Happening) {
        (self.sink)(Event { process: self.handle.name.clone(), what });
    }

    /// Its last lines, of both streams as they came.
    pub(crate) async fn last_lines(&mut self) -> Vec<String> {
        self.drain().await;
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    async fn ended(&self) {
        self.handle.exited().await;
        while !self.handle.group.is_gone() {
            sleep(ENDING_POLL).await;
        }
    }

    /// Waits for the readers to come to the end of what an ended process wrote.
    async fn drain(&mut self) {
        let deadline = Instant::now() + LAST_LINES_WAIT;
        for reader in &mut self.readers {
            if !reader.is_finished() {
                let _ = tokio::time::timeout_at(deadline, reader).await;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.handle.group.is_gone() {
            let _ = self.handle.group.id.signal(Signal::Kill);
        }
    }
}

/// Collects the process when it ends, then watches what it may have left in its group.
async fn collect(
    mut child: Child,
    process: Arc<str>,
    sink: Sink,
    group: Arc<OwnGroup>,
    told: watch::Sender<Option<Exit>>,
) {
    let exit_code = child.wait().await.ok().and_then(exit_code);
    let mut gone = group.is_gone();
    sink(Event { process, what: Happening::Exited { exit_code } });
    told.send_replace(Some(Exit(exit_code)));
    let mut pause = ENDING_POLL;
    while !gone {
        sleep(pause).await;
        pause = (pause * 2).min(LEFTOVER_POLL);
        gone = group.is_gone();
    }
}

fn exit_code(status: ExitStatus) -> Option<i64> {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).map(i64::from)
}

/// Reads one pipe until nobody can write to it.
struct Reader {
    process: Arc<str>,
    stream: Stream,
    sink: Sink,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Reader {
    async fn read(self, mut pipe: impl AsyncRead + Unpin) {
        let mut lines = Lines::default();
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            lines.push(&buffer[..read], |line| self.give(line));
        }
        if let Some(line) = lines.finish() {
            self.give(line);
        }
    }

    fn give(&self, line: String) {
        {
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == LAST_LINES {
                tail.pop_front();
            }
            tail.push_back(line.clone());
        }
        let what = Happening::Output { stream: self.stream, line };
        (self.sink)(Event { process: self.process.clone(), what });
    }
}
