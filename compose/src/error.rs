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
    /// Neither `docker compose` nor `docker-compose` is installed.
    #[error(
        "Docker Compose is missing: install its plugin (Debian: docker-compose), so that `docker compose version` answers"
    )]
    NoCompose,
    /// Compose refuses a project's files.
    #[error("project `{project}`: {problem}")]
    ComposeFile {
        /// The project concerned.
        project: String,
        /// What is wrong: file and, where Compose tells, line.
        problem: String,
    },
    /// The scenario changes a service that the project does not have.
    #[error("project `{project}`: no service is named `{service}`; there are: {known}")]
    UnknownService {
        /// The project concerned.
        project: String,
        /// What was asked for.
        service: String,
        /// The names that there are.
        known: String,
    },
    /// The file with labels and changes could not be written.
    #[error("project `{project}`: write the file that goes over its Compose files")]
    Changes {
        /// The project concerned.
        project: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A volume would be removed although its name is not the project's own.
    #[error(
        "project `{project}`: volume `{volume}` is named {name}, which may be somebody else's, and would be removed with the project: say `external: true`, or leave its `name` out"
    )]
    NamedVolume {
        /// The project concerned.
        project: String,
        /// Its key in the Compose file.
        volume: String,
        /// Its name on the engine.
        name: String,
    },
    /// A health URL answers before the project was started.
    #[error("project `{project}`: {url} answers 200 before the project was started{}: stop what is left of an earlier run, or use another port", held_by(.owner))]
    HealthAnswers {
        /// The project concerned.
        project: String,
        /// The URL.
        url: String,
        /// Who listens there, where that can be found out.
        owner: Option<String>,
    },
    /// A port that the project publishes is in use.
    #[error("project `{project}`: port {} is in use{}: stop it, or use another port", addr.port(), held_by(.owner))]
    PortTaken {
        /// The project concerned.
        project: String,
        /// The address.
        addr: std::net::SocketAddr,
        /// Who listens there, where that can be found out.
        owner: Option<String>,
    },
    /// Images could not be built or pulled, or containers could not be started.
    #[error("project `{project}`: {operation} failed with exit code {}; {}: try `docker compose {operation}` by hand", code(.exit_code), last_said(.last_lines))]
    Compose {
        /// The project concerned.
        project: String,
        /// `build`, `pull` or `up`.
        operation: &'static str,
        /// That of Compose.
        exit_code: Option<i64>,
        /// Its last lines, at most 20.
        last_lines: Vec<String>,
    },
    /// A container ended before it was healthy.
    #[error("project `{project}`: {service} ended with exit code {} before it was healthy{}; {}: run its image by hand to see more", code(.exit_code), oom(.oom_killed), last_said(.last_lines))]
    Died {
        /// The project concerned.
        project: String,
        /// The service.
        service: String,
        /// 128 + signal where a signal ended it.
        exit_code: Option<i64>,
        /// Whether the engine says that it had no memory left.
        oom_killed: bool,
        /// Its last lines, at most 20.
        last_lines: Vec<String>,
    },
    /// A container was not healthy in time.
    #[error("project `{project}`: {service} was not healthy within {} s; {}: look at its log, or raise `ready_within`", within.as_secs_f64(), check_said(.last_check))]
    Unhealthy {
        /// The project concerned.
        project: String,
        /// The service.
        service: String,
        /// The time that it had.
        within: Duration,
        /// What its last health check printed, where it has one.
        last_check: Option<String>,
    },
    /// A health URL was not 200 in time.
    #[error("project `{project}`: {url} was not 200 within {} s: {last_answer}: look at the log of its service, or raise `ready_within`", within.as_secs_f64())]
    HealthUrl {
        /// The project concerned.
        project: String,
        /// The URL.
        url: String,
        /// The time that it had.
        within: Duration,
        /// What the page said last, as in "answered 503".
        last_answer: String,
    },
    /// No container of the projects is named so.
    #[error("no container is named `{container}`; there are: {known}")]
    UnknownContainer {
        /// What was asked for, as PROJECT/SERVICE.
        container: String,
        /// The names that there are.
        known: String,
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

impl Error {
    /// What a process, container or Compose wrote last, where that is the reason: at most 20 lines.
    pub fn last_lines(&self) -> &[String] {
        match self {
            Error::ExitedBeforeReady { last_lines, .. }
            | Error::Compose { last_lines, .. }
            | Error::Died { last_lines, .. } => last_lines,
            _ => &[],
        }
    }
}

/// Lines that only draw are nobody's words.
fn last_said(lines: &[String]) -> String {
    match lines.iter().rev().find(|line| line.contains(char::is_alphanumeric)) {
        Some(line) => format!("its last line: {}", line.trim()),
        None => "it wrote nothing".to_owned(),
    }
}

fn check_said(output: &Option<String>) -> String {
    match output.as_deref().map(str::trim) {
        Some("") => "its health check printed nothing".to_owned(),
        Some(output) => format!("its last health check: {}", output.lines().last().unwrap_or_default()),
        None => "it has no health check".to_owned(),
    }
}

fn oom(killed: &bool) -> &'static str {
    if *killed { " (killed: out of memory)" } else { "" }
}

fn last_words(lines: &[String]) -> String {
    match lines.iter().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("its last line: {}: run its command by hand to see more", line.trim()),
        None => "it wrote nothing: run its command by hand".to_owned(),
    }
}
