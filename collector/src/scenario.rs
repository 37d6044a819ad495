//! A scenario: what is run and what is watched. `SCENARIO.md` beside this crate is the law.
//!
//! A file is parsed as it was written ([`written`]), with what it extends beneath it (`extends`), then resolved into a [`Scenario`] that can't be wrong: names are
//! unique, addresses parse, paths exist, `${stream}` is filled in. That happens before anything is started.

mod duration;
mod extends;
mod resolve;
pub mod written;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compose::ProcessSpec;

pub use duration::parse as duration;
pub use resolve::{local_address, upstream};

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: the first part of a run id.
    pub name: String,
    /// `process`, `attach` or `tap`.
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
    /// It is up already.
    Attach,
    /// It is up already, and only the tap is wanted.
    Tap,
}

impl Kind {
    /// The word in the table `run`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Process => "process",
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

/// A transparent proxy on one Socket.IO path.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Its name.
    pub name: String,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// `host:port` of the server.
    pub upstream: String,
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
    /// A program that does harm.
    Program {
        /// How to start it; its name is that of its file.
        spec: ProcessSpec,
        /// How long it runs; without, until it or the run ends.
        lasts: Option<Duration>,
    },
}

/// The name under which a signal reaches whoever publishes.
pub const PUBLISHER: &str = "publisher";

/// A scenario that can't be run, and why: one line with file, place and remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("read the scenario {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// It is not TOML, or has keys that no scenario has.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong, with a remedy.
        problem: String,
    },
    /// Its parts don't fit together.
    #[error("{}: {place}: {problem}", path.display())]
    Meaning {
        /// The file.
        path: PathBuf,
        /// The table or key concerned.
        place: String,
        /// What is wrong, with a remedy.
        problem: String,
    },
}

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
    pub fn tap_only(listen: SocketAddr, upstream: String, stream: &str) -> Scenario {
        let tap = Tap { name: "tap".to_owned(), listen, upstream };
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
            taps: vec![tap],
            scrapes: Vec::new(),
            polls: Vec::new(),
            paths: Vec::new(),
            probes: Vec::new(),
            media: Vec::new(),
            publish: None,
            until: None,
            injects: Vec::new(),
            literals: Vec::new(),
        }
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: &str = include_str!("../SCENARIO.md");

    /// The example in SCENARIO.md, as a file whose neighbours exist.
    fn example(folder: &Path) -> PathBuf {
        let start = LAW.find("```toml\n").expect("there is an example") + 8;
        let text = &LAW[start..start + LAW[start..].find("```").expect("it ends")];
        for neighbour in ["specs/shop.toml", "streams/talk.mp4"] {
            let path = folder.join(neighbour);
            std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
            std::fs::write(path, "").expect("it can be written");
        }
        let path = folder.join("scenarios/shop.toml");
        std::fs::create_dir_all(folder.join("scenarios")).expect("it can be made");
        std::fs::write(&path, text).expect("it can be written");
        path
    }

    #[test]
    fn the_documents_example_resolves() {
        let folder = tempfile::tempdir().expect("a folder");
        let scenario = Scenario::read(&example(folder.path()), |name| format!("{name}-1")).expect("it is right");
        assert_eq!(scenario.media[0].url, "rtmp://127.0.0.1:1935/live/shop-1/out");
        assert_eq!(scenario.injects[0].at, Duration::from_secs(30));
        let Fault::Program { spec, lasts } = &scenario.injects[1].fault else {
            panic!("the second is a program: {:?}", scenario.injects);
        };
        assert_eq!((&*spec.name, *lasts), ("hog", Some(Duration::from_secs(20))));
        assert!(scenario.publish.is_some_and(|publish| !publish.repeat));
        assert!(scenario.literals.contains(&"live".to_owned()));
    }

    #[test]
    fn the_documents_second_example_goes_over_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = example(folder.path());
        let start = LAW.find("```toml\nextends").expect("there is a second example") + 8;
        let text = &LAW[start..start + LAW[start..].find("```").expect("it ends")];
        let path = folder.path().join("scenarios/faults/kill.toml");
        std::fs::create_dir_all(folder.path().join("scenarios/faults")).expect("it can be made");
        std::fs::write(&path, text).expect("it can be written");
        let scenario = Scenario::read(&path, str::to_owned).expect("it is right");
        let base = Scenario::read(&base, str::to_owned).expect("it is right");
        assert_eq!((scenario.name.as_str(), scenario.processes.len()), ("shop-kill", base.processes.len()));
        assert_eq!(scenario.processes[0].spec.env["MODE"], "slow");
        assert_eq!(scenario.processes[0].spec.env["PORT"], base.processes[0].spec.env["PORT"]);
    }

    #[test]
    fn a_signal_reaches_the_publisher_where_there_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = example(folder.path());
        let text = std::fs::read_to_string(&path).expect("it is there");
        let text = text.replace("process = \"chat\"", "process = \"publisher\"");
        std::fs::write(&path, &text).expect("it can be written");
        let scenario = Scenario::read(&path, str::to_owned).expect("it is right");
        assert!(matches!(&scenario.injects[0].fault, Fault::Signal { process, .. } if process == PUBLISHER));
        let start = text.find("[publish]").expect("it publishes");
        let end = text.find("[until]").expect("it ends");
        std::fs::write(&path, format!("{}{}", &text[..start], &text[end..])).expect("it can be written");
        let error = Scenario::read(&path, str::to_owned).expect_err("nobody publishes").to_string();
        assert!(error.contains("nobody publishes: there is no [publish]"), "{error}");
    }

    #[test]
    fn the_document_names_every_key() {
        let written = include_str!("scenario/written.rs");
        let keys = written.lines().filter_map(|line| line.strip_prefix("    pub ")?.split(':').next());
        let tables = written.lines().filter_map(|line| line.split("rename = \"").nth(1)?.split('"').next());
        let plural = ["processes", "taps", "scrapes", "probes", "polls", "injects", "media", "paths"];
        for key in keys.map(|key| key.trim_start_matches("r#")).filter(|key| !plural.contains(key)) {
            assert!(LAW.contains(&format!("`{key}`")), "SCENARIO.md does not mention `{key}`");
        }
        for table in tables {
            assert!(LAW.contains(&format!("[[{table}]]")), "SCENARIO.md does not mention [[{table}]]");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_place_and_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = example(folder.path());
        let text = std::fs::read_to_string(&path).expect("it is there");
        for (from, to, problem) in [
            ("listen = \"127.0.0.1:3100\"", "listen = \"3100\"", "[[tap]] chat: listen = `3100` is no address"),
            ("\"../streams/talk.mp4\"", "\"../gone.mp4\"", "stimulus: there is no file"),
            ("kind = \"process\"", "kind = \"compose\"", "kind: `compose` is none"),
            ("signal = \"KILL\"", "signal = \"NOPE\"", "signal `NOPE` is none of"),
            ("signal = \"KILL\"", "", "[[inject]] 30s: `signal` and `process` go together"),
            (
                "signal = \"KILL\"",
                "signal = \"KILL\"\ncommand = [\"x\"]",
                "either `signal` and `process`, or `command`",
            ),
            ("signal = \"KILL\"", "signal = \"KILL\"\nfor = \"1s\"", "`for` belongs to `command`"),
            ("at = \"30s\"", "at = \"30s\"\ncommand = []", "either `signal` and `process`, or `command`"),
            ("command = [\"../hog\", \"--all\"]", "command = []", "`command` is empty"),
            ("command = [\"../hog\", \"--all\"]", "", "say what is done: `signal` and `process`, or `command`"),
            ("for = \"20s\"", "for = \"20\"", "`20` is no duration"),
            ("restart = \"no\"", "restart = \"on-failure\"", "restart = `on-failure` is neither `no` nor `always`"),
            ("name = \"chat\"\ncommand", "name = \"publisher\"\ncommand", "this name is that of whoever publishes"),
            ("process = \"chat\"", "process = \"gone\"", "there is no [[process]] named `gone`"),
            ("limit = \"300s\"", "limit = \"300\"", "limit: `300` is no duration"),
            ("\"http://127.0.0.1:3000\"", "\"https://x\"", "[[tap]] chat: upstream = `https://x`"),
            ("quiet = \"2s\"", "quite = \"2s\"", "unknown key `quite`: did you mean `quiet`?"),
        ] {
            assert!(text.contains(from), "{from}");
            std::fs::write(&path, text.replace(from, to)).expect("it can be written");
            let error = Scenario::read(&path, |name| name.to_owned()).expect_err(to).to_string();
            assert!(error.contains("shop.toml") && error.contains(problem), "{error}");
        }
    }
}
