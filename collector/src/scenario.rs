//! A scenario: what is run and what is watched. `SCENARIO.md` beside this crate is the law.
//!
//! A file is parsed as it was written ([`written`]), with what it extends beneath it (`extends`), then resolved into a [`Scenario`] that can't be wrong: names are
//! unique, addresses parse, paths exist, `${stream}` is filled in. That happens before anything is started.

mod duration;
mod error;
mod extends;
mod resolve;
mod upstream;
pub mod written;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use compose::{ProcessSpec, ProjectSpec};

pub use duration::parse as duration;
pub use error::Error;
pub use resolve::{listen_address, local_address};
pub use upstream::{Tls, Upstream};

use crate::spans::Pair;

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: the first part of a run id.
    pub name: String,
    /// How the system under test comes to be up.
    pub kind: Kind,
    /// The file that it was read from, with a text that says all of it, what it extends included.
    pub file: Option<(PathBuf, String)>,
    /// The spec that judges its recordings.
    pub spec: Option<PathBuf>,
    /// The file that is published.
    pub stimulus: Option<PathBuf>,
    /// The longest that a run may take.
    pub limit: Duration,
    /// This run's unique stream name.
    pub stream: String,
    /// Its parameters, as text.
    pub params: BTreeMap<String, String>,
    /// The system under test, in the order of its start.
    pub processes: Vec<Process>,
    /// The system under test as Docker Compose projects, in the order of their start.
    pub projects: Vec<Project>,
    /// The taps.
    pub taps: Vec<Tap>,
    /// Metrics pages.
    pub scrapes: Vec<Target>,
    /// Pages that are kept as they are.
    pub polls: Vec<Target>,
    /// Media servers' lists of paths.
    pub paths: Vec<Target>,
    /// Media that ffprobe looks at.
    pub probes: Vec<Target>,
    /// Media that are read for the whole run.
    pub media: Vec<Target>,
    /// Events that belong together.
    pub pairs: Vec<Pair>,
    /// Where the stimulus is published.
    pub publish: Option<Publish>,
    /// What ends the run.
    pub until: Option<Until>,
    /// Faults, by time.
    pub injects: Vec<Inject>,
    /// Words of its paths that are no secrets.
    pub literals: Vec<String>,
}

/// How the system under test comes to be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The collector starts local processes.
    Process,
    /// The collector brings up Docker Compose projects.
    Compose,
    /// It is up already.
    Attach,
    /// It is up already, and only the tap is wanted.
    Tap,
}

impl Kind {
    /// Whether the collector starts the system under test.
    pub fn starts_it(self) -> bool {
        matches!(self, Kind::Process | Kind::Compose)
    }

    /// The word in the table `run`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Process => "process",
            Kind::Compose => "compose",
            Kind::Attach => "attach",
            Kind::Tap => "tap",
        }
    }
}

/// One process of the system under test.
#[derive(Clone, Debug)]
pub struct Process {
    /// How to start it.
    pub spec: ProcessSpec,
    /// The command that prints its version.
    pub version: Option<Vec<String>>,
}

/// One Docker Compose project of the system under test.
#[derive(Clone, Debug)]
pub struct Project {
    /// How to bring it up.
    pub spec: ProjectSpec,
    /// What its version is; without, the images of all services that are built.
    pub version: Option<ProjectVersion>,
}

/// What the version of a project is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectVersion {
    /// Digests of the images of these services. Whether the project has such services is not known yet.
    Images(Vec<String>),
    /// The first line that a command prints.
    Command {
        /// The program and its arguments; a program that is named by a path is absolute.
        command: Vec<String>,
        /// Where it runs: the folder of the project's first Compose file.
        dir: PathBuf,
    },
}

/// A transparent proxy on one Socket.IO path.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Its name.
    pub name: String,
    /// Where clients connect.
    pub listen: Listen,
    /// The server.
    pub upstream: Upstream,
}

/// Where a tap listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At an address of this machine.
    Address(SocketAddr),
    /// At this port of the address that containers reach as `host-gateway`, which the Docker engine says.
    HostGateway(u16),
}

impl Listen {
    /// The address to bind, where `host-gateway` is this one.
    pub fn address(self, host_gateway: IpAddr) -> SocketAddr {
        match self {
            Listen::Address(address) => address,
            Listen::HostGateway(port) => SocketAddr::new(host_gateway, port),
        }
    }
}

/// As it is written in a scenario.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Address(address) => write!(f, "{address}"),
            Listen::HostGateway(port) => write!(f, "host-gateway:{port}"),
        }
    }
}

/// Something that is looked at again and again.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// How often it is looked at.
    pub every: Duration,
}

/// Where the stimulus goes.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The address.
    pub url: String,
    /// Whether it is sent again and again, without end.
    pub repeat: bool,
}

/// The condition that ends a run.
#[derive(Clone, Debug)]
pub struct Until {
    /// A query whose first value becomes true.
    pub sql: String,
    /// How long the taps and media must then be still.
    pub quiet: Duration,
}

/// A fault on purpose.
#[derive(Clone, Debug)]
pub struct Inject {
    /// Time since the stimulus began to be published (since the run's start where nothing is published).
    pub at: Duration,
    /// What is done.
    pub fault: Fault,
}

/// What a fault is.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A signal to a whole process group.
    Signal {
        /// The signal.
        signal: compose::Signal,
        /// The process, or [`PUBLISHER`].
        process: String,
    },
    /// Something that is done to a container.
    Container {
        /// `PROJECT/SERVICE`; the project is one of the scenario's.
        container: String,
        /// What is done to it.
        what: ContainerFault,
    },
    /// A program that does harm.
    Program {
        /// How to start it; its name is that of its file.
        spec: ProcessSpec,
        /// How long it runs; without, until it or the run ends.
        lasts: Option<Duration>,
    },
}

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerFault {
    /// A signal to its first process.
    Signal(compose::Signal),
    /// All its processes stand still for so long.
    Pause(Duration),
}

/// The name under which a signal reaches whoever publishes.
pub const PUBLISHER: &str = "publisher";

impl Scenario {
    /// Reads a scenario for one run; `stream` makes the run's stream name from the scenario's name.
    ///
    /// # Errors
    /// [`Error`]: one line that says where and what to do.
    pub fn read(path: &Path, stream: impl FnOnce(&str) -> String) -> Result<Scenario, Error> {
        let extends::Source { file, text } = extends::read(path)?;
        let stream = stream(&file.name);
        resolve::resolve(path, text, file, &stream)
    }

    /// A scenario of one tap and nothing else.
    pub fn tap_only(listen: SocketAddr, upstream: Upstream, stream: &str) -> Scenario {
        let tap = Tap { name: "tap".to_owned(), listen: Listen::Address(listen), upstream };
        Scenario {
            name: "tap".to_owned(),
            kind: Kind::Tap,
            file: None,
            spec: None,
            stimulus: None,
            limit: Duration::MAX,
            stream: stream.to_owned(),
            params: BTreeMap::new(),
            processes: Vec::new(),
            projects: Vec::new(),
            taps: vec![tap],
            scrapes: Vec::new(),
            polls: Vec::new(),
            paths: Vec::new(),
            probes: Vec::new(),
            media: Vec::new(),
            pairs: Vec::new(),
            publish: None,
            until: None,
            injects: Vec::new(),
            literals: Vec::new(),
        }
    }
}

/// The pairs of a scenario file, whatever else is in it and wherever it is: a recording's copy is far from the files that
/// it names.
///
/// # Errors
/// As [`Scenario::read`], for its syntax and its pairs.
pub fn pairs_in(path: &Path) -> Result<Vec<Pair>, Error> {
    let extends::Source { file, .. } = extends::read(path)?;
    resolve::pairs(path, file)
}

fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
