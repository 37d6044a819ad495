use std::path::PathBuf;
use std::time::Duration;

/// What can go wrong with a process of the system under test: which process, doing what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The specification has no command.
    #[error("process `{process}`: `command` is empty: name the program to start")]
    NoCommand {
        /// The process concerned.
        process: String,
    },
    /// There is no such program.
    #[error("process `{process}`: command `{command}` not found: {remedy}")]
    CommandNotFound {
        /// The process concerned.
        process: String,
        /// The program as it was written.
        command: String,
        /// What to install or where it was looked for.
        remedy: String,
    },
    /// The folder to start in can't be used.
    #[error("process `{process}`: folder {} can't be used: create it, or correct `dir`", dir.display())]
    Dir {
        /// The process concerned.
        process: String,
        /// The folder.
        dir: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The program is there, but could not be started.
    #[error("process `{process}`: start {}", program.display())]
    Spawn {
        /// The process concerned.
        process: String,
        /// The program.
        program: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Two processes of one set have the same name.
    #[error("process `{process}` is already running: give each process a name of its own")]
    NameTaken {
        /// The process concerned.
        process: String,
    },
    /// The page that is to tell readiness answers before the process was started.
    #[error("process `{process}`: {url} answers 200 before the process was started{}: stop what is left of an earlier run, or use another port", held_by(.owner))]
    AlreadyAnswers {
        /// The process concerned.
        process: String,
        /// The page.
        url: String,
        /// Who listens there, where that can be found out.
        owner: Option<String>,
    },
    /// The process ended before it was ready.
    #[error("process `{process}` ended with exit code {} before it was ready; {}", code(.exit_code), last_words(.last_lines))]
    ExitedBeforeReady {
        /// The process concerned.
        process: String,
        /// 128 + signal where a signal ended it.
        exit_code: Option<i64>,
        /// Its last lines, at most 20.
        last_lines: Vec<String>,
    },
    /// The process did not become ready in time.
    #[error("process `{process}` was not ready within {} s: {url} {last_answer}: look at its log, or raise its time limit", within.as_secs_f64())]
    NotReady {
        /// The process concerned.
        process: String,
        /// The page that never answered 200.
        url: String,
        /// The time that it had.
        within: Duration,
        /// What the page said last, as in "answered 503".
        last_answer: String,
    },
    /// The page that is to tell readiness can't be asked for.
    #[error("process `{process}`: `ready` = \"{url}\" is not a URL that can be asked: write http://HOST:PORT/PATH")]
    ReadyUrl {
        /// The process concerned.
        process: String,
        /// What was written.
        url: String,
        /// What is wrong with it.
        source: reqwest::Error,
    },
    /// No HTTP client could be set up for health pages.
    #[error("set up the HTTP client that asks for readiness")]
    Client {
        /// What the client says.
        source: reqwest::Error,
    },
    /// No process of the set has this name.
    #[error("no process is named `{process}`; there are: {known}")]
    UnknownProcess {
        /// What was asked for.
        process: String,
        /// The names that there are.
        known: String,
    },
    /// The process can't be signalled.
    #[error("send {signal} to process `{process}`")]
    Signal {
        /// The process concerned.
        process: String,
        /// The signal.
        signal: crate::Signal,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The process and its whole group have ended.
    #[error("send {signal} to process `{process}`: it has ended")]
    HasEnded {
        /// The process concerned.
        process: String,
        /// The signal.
        signal: crate::Signal,
    },
    /// No signal has this name.
    #[error("no signal is named `{name}`; there are: {}", crate::Signal::NAMES.join(", "))]
    UnknownSignal {
        /// What was written.
        name: String,
    },
    /// No Docker engine answers.
    #[error("Docker can't be reached at {address}: {remedy}")]
    Engine {
        /// Where it was looked for.
        address: String,
        /// What to do about it.
        remedy: &'static str,
        /// What the attempt met.
        source: bollard::errors::Error,
    },
    /// The Docker engine refused something, or did not answer.
    #[error("Docker: {what}")]
    AskEngine {
        /// What was to be done, as in "pause container 0123456789ab".
        what: String,
        /// The engine's answer.
        source: bollard::errors::Error,
    },
    /// There is no bridge between containers and this host.
    #[error(
        "Docker has no network `bridge` with a gateway, so `host-gateway` means nothing: start Docker without `bridge: none`, or give the tap an address that containers reach"
    )]
    NoBridge,
    /// A container that was to look at something took too long.
    #[error("a container of image {image} did not end within {} s: try its command by hand", within.as_secs_f64())]
    OnceTime {
        /// The image.
        image: String,
        /// The time that it had.
        within: Duration,
    },
    /// The containers of a project can't be watched any more.
    #[error("project {project}: its containers can't be watched: the watch has ended")]
    WatchEnded {
        /// The project's short name.
        project: String,
    },
    /// The engine went away before a project could be watched.
    #[error("project {project}: its containers can't be watched: Docker does not answer ({error}): start it again")]
    WatchLost {
        /// The project's short name.
        project: String,
        /// How it went away.
        error: String,
    },
    /// The guardian could not be started.
    #[error("start the guardian {}", program.display())]
    GuardSpawn {
        /// The program.
        program: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The guardian can't be told of a process; it was ended by somebody.
    #[error("tell the guardian of process `{process}`: it was ended from outside; start again")]
    GuardGone {
        /// The process concerned.
        process: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

fn code(exit_code: &Option<i64>) -> String {
    exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string())
}

fn held_by(owner: &Option<String>) -> String {
    owner.as_ref().map_or_else(String::new, |owner| format!(", by {owner}"))
}

fn last_words(lines: &[String]) -> String {
    match lines.iter().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("its last line: {}: run its command by hand to see more", line.trim()),
        None => "it wrote nothing: run its command by hand".to_owned(),
    }
}
