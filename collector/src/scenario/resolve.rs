//! From what was written to what can be run.

mod faults;
mod pairs;
mod projects;

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use compose::{ProcessSpec, Restart};

use super::{
    Error, Kind, Listen, PUBLISHER, Pair, Process, Publish, Scenario, Tap, Target, Until, Upstream, duration, written,
};

const DEFAULT_LIMIT: Duration = Duration::from_secs(300);
const EMPTY_COMMAND: &str = "`command` is empty: name the program and its arguments";

struct Resolver<'a> {
    path: &'a Path,
    stream: &'a str,
}

/// Resolves a parsed file for one run on `stream`.
///
/// # Errors
/// [`Error::Meaning`] for the first part that doesn't fit.
pub(super) fn resolve(path: &Path, text: String, file: written::File, stream: &str) -> Result<Scenario, Error> {
    let resolver = Resolver { path, stream };
    resolver.check_name(&file)?;
    let kind = resolver.kind(&file)?;
    let literals = literals(&file, stream);
    let seconds = |s| Duration::from_secs(s);
    let mut scenario = Scenario {
        kind,
        spec: resolver.spec(file.spec.as_deref())?,
        stimulus: resolver.existing_file("stimulus", file.stimulus.as_deref())?,
        limit: resolver.duration("limit", file.limit.as_deref(), DEFAULT_LIMIT)?,
        stream: stream.to_owned(),
        params: file.params.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        processes: resolver.processes(file.processes)?,
        projects: resolver.projects(file.projects)?,
        taps: resolver.taps(kind, file.taps)?,
        scrapes: resolver.targets("scrape", file.scrapes, seconds(1), &["http", "https"])?,
        polls: resolver.targets("poll", file.polls, seconds(1), &["http", "https"])?,
        paths: resolver.targets("paths", file.paths, Duration::from_millis(200), &["http", "https"])?,
        probes: resolver.targets("probe", file.probes, seconds(10), &[])?,
        media: resolver.targets("media", file.media, seconds(1), &[])?,
        pairs: Vec::new(),
        publish: file
            .publish
            .map(|publish| Publish { url: resolver.fill(&publish.url), repeat: publish.r#loop.unwrap_or(false) }),
        until: resolver.until(file.until)?,
        injects: Vec::new(),
        literals,
        name: file.name,
        file: Some((path.to_owned(), text)),
    };
    let taps: Vec<String> = scenario.taps.iter().map(|tap| tap.name.clone()).collect();
    scenario.pairs = resolver.pairs(file.pairs, &taps)?;
    scenario.injects = resolver.injects(file.injects, &scenario)?;
    resolver.check_whole(&scenario)?;
    Ok(scenario)
}

/// The pairs of a parsed file, and nothing else of it.
///
/// # Errors
/// [`Error::Meaning`] for the first that doesn't fit.
pub(super) fn pairs(path: &Path, file: written::File) -> Result<Vec<Pair>, Error> {
    let taps: Vec<String> = file.taps.into_iter().map(|tap| tap.name).collect();
    Resolver { path, stream: "" }.pairs(file.pairs, &taps)
}

/// The path segments of the media that the scenario itself names: they stand in its file, so they are no secrets.
fn literals(file: &written::File, stream: &str) -> Vec<String> {
    let targets = file.media.iter().chain(&file.probes).map(|target| target.url.as_str());
    let urls = targets.chain(file.publish.iter().map(|publish| publish.url.as_str()));
    let paths = urls.filter_map(|url| url.split_once("://")?.1.split_once('/')).map(|(_, path)| path);
    let segments = paths.flat_map(|path| path.split(['?', '#']).next().unwrap_or_default().split('/'));
    let own = [stream.to_owned(), "${stream}".to_owned(), String::new()];
    segments.filter(|segment| !segment.contains('$')).map(str::to_owned).chain(own).collect()
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The address behind a local URL such as `http://127.0.0.1:3000/health`; `None` where it is not on this machine.
pub fn local_address(url: &str) -> Option<SocketAddr> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?']).next()?;
    let address = authority.to_socket_addrs().ok()?.next()?;
    address.ip().is_loopback().then_some(address)
}

impl Resolver<'_> {
    fn error(&self, place: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Meaning { path: self.path.to_owned(), place: place.into(), problem: problem.into() }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("${stream}", self.stream)
    }

    fn check_name(&self, file: &written::File) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if file.name.is_empty() || !file.name.chars().all(plain) || file.name.starts_with('.') {
            return Err(self.error("name", "use letters, digits, `-`, `_` and `.`: it begins the name of a folder"));
        }
        Ok(())
    }

    fn kind(&self, file: &written::File) -> Result<Kind, Error> {
        let (processes, projects) = (!file.processes.is_empty(), !file.projects.is_empty());
        let refused = match file.kind.as_str() {
            "process" | "attach" if projects => ("project", "Docker Compose projects are for kind `compose`"),
            "compose" if processes => {
                ("process", "kind `compose` starts containers: use kind `process`, or [[project]]")
            }
            "attach" if processes => ("process", "a scenario of kind `attach` starts nothing: use kind `process`"),
            "process" if !processes => {
                ("kind", "kind `process` needs at least one [[process]]; where all is up already, use `attach`")
            }
            "compose" if !projects => {
                ("kind", "kind `compose` needs at least one [[project]]; where all is up already, use `attach`")
            }
            "process" => return Ok(Kind::Process),
            "compose" => return Ok(Kind::Compose),
            "attach" => return Ok(Kind::Attach),
            other => {
                let problem = format!("`{other}` is none: use `process`, `compose` or `attach`");
                return Err(self.error("kind", problem));
            }
        };
        Err(self.error(refused.0, refused.1))
    }

    fn folder(&self) -> PathBuf {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
    }

    fn existing_file(&self, place: &str, name: Option<&str>) -> Result<Option<PathBuf>, Error> {
        let Some(name) = name else {
            return Ok(None);
        };
        let path = self.folder().join(name);
        if path.is_file() {
            return Ok(Some(path));
        }
        Err(self.error(place, format!("there is no file {} (paths begin at the scenario's folder)", path.display())))
    }

    /// A spec that is no TOML is refused before anything runs; what it asks is `replay`'s to check.
    fn spec(&self, name: Option<&str>) -> Result<Option<PathBuf>, Error> {
        let Some(path) = self.existing_file("spec", name)? else {
            return Ok(None);
        };
        let wrong = |problem: String| self.error("spec", format!("{}: {problem}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        text.parse::<toml::Table>().map_err(|error| wrong(error.message().replace('\n', " ")))?;
        Ok(Some(path))
    }

    fn duration(&self, place: &str, text: Option<&str>, default: Duration) -> Result<Duration, Error> {
        let Some(text) = text else {
            return Ok(default);
        };
        duration::parse(text)
            .filter(|duration| !duration.is_zero())
            .ok_or_else(|| self.error(place, format!("`{text}` is no duration: write 300ms, 1s, 2m or 1h")))
    }

    fn processes(&self, written: Vec<written::Process>) -> Result<Vec<Process>, Error> {
        let mut names = BTreeSet::new();
        let mut processes = Vec::new();
        for process in written {
            let place = format!("[[process]] {}", process.name);
            if !names.insert(process.name.clone()) {
                return Err(self.error(place, "this name is taken: give each process one of its own"));
            }
            if process.name == PUBLISHER {
                return Err(self.error(place, "this name is that of whoever publishes the stimulus: take another one"));
            }
            if process.command.is_empty() {
                return Err(self.error(place, EMPTY_COMMAND));
            }
            let restart = self.restart(&place, process.restart.as_deref())?;
            let limit = format!("{place}: ready_within");
            let command = process.command.iter().map(|word| self.fill(word)).collect();
            let dir = self.folder().join(process.dir.as_deref().unwrap_or("."));
            processes.push(Process {
                spec: ProcessSpec {
                    env: process.env.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect(),
                    ready: process.ready.map(|url| self.fill(&url)),
                    ready_within: self.duration(&limit, process.ready_within.as_deref(), Duration::from_secs(60))?,
                    restart,
                    ..ProcessSpec::new(process.name, command, dir)
                },
                version: process.version.map(|version| version.command),
            });
        }
        Ok(processes)
    }

    fn restart(&self, place: &str, written: Option<&str>) -> Result<Restart, Error> {
        match written {
            None | Some("no") => Ok(Restart::No),
            Some("always") => Ok(Restart::Always),
            Some(other) => Err(self.error(place, format!("restart = `{other}` is neither `no` nor `always`"))),
        }
    }

    fn taps(&self, kind: Kind, written: Vec<written::Tap>) -> Result<Vec<Tap>, Error> {
        let mut taps: Vec<Tap> = Vec::new();
        for tap in written {
            let place = format!("[[tap]] {}", tap.name);
            if taps.iter().any(|known| known.name == tap.name) {
                return Err(self.error(place, "this name is taken: give each tap one of its own"));
            }
            let listen = listen(&tap.listen, kind).map_err(|problem| self.error(&place, problem))?;
            let ca = self.existing_file(&place, tap.ca.as_deref())?;
            let upstream = Upstream::parse(&tap.upstream, ca).map_err(|problem| self.error(&place, problem))?;
            taps.push(Tap { name: tap.name, listen, upstream });
        }
        Ok(taps)
    }

    fn targets(
        &self,
        table: &str,
        written: Vec<written::Target>,
        every: Duration,
        schemes: &[&str],
    ) -> Result<Vec<Target>, Error> {
        let mut targets: Vec<Target> = Vec::new();
        for target in written {
            let place = format!("[[{table}]] {}", target.name);
            if target.name.is_empty() || target.name.contains(['/', '\\']) || target.name.starts_with('.') {
                return Err(self.error(place, "a name is one word without `/`: it may name a file"));
            }
            if targets.iter().any(|known| known.name == target.name) {
                return Err(self.error(place, "this name is taken: give each target one of its own"));
            }
            let scheme = target.url.split_once("://").map(|(scheme, _)| scheme);
            if !schemes.is_empty() && !scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
                return Err(self.error(place, format!("url = `{}` does not begin with http://", target.url)));
            }
            targets.push(Target {
                url: self.fill(&target.url),
                every: self.duration(&format!("{place}: every"), target.every.as_deref(), every)?,
                name: target.name,
            });
        }
        Ok(targets)
    }

    fn until(&self, written: Option<written::Until>) -> Result<Option<Until>, Error> {
        let Some(until) = written else {
            return Ok(None);
        };
        let quiet = self.duration("until.quiet", until.quiet.as_deref(), Duration::from_secs(2))?;
        Ok(Some(Until { sql: self.fill(&until.sql), quiet }))
    }

    fn check_whole(&self, scenario: &Scenario) -> Result<(), Error> {
        if scenario.publish.is_some() && scenario.stimulus.is_none() {
            return Err(self.error("stimulus", "[publish] needs one: name the file that is published"));
        }
        Ok(())
    }
}

/// An address of this machine, as `127.0.0.1:3100`; `localhost` is the one that everybody looks at first.
pub fn listen_address(written: &str) -> Option<SocketAddr> {
    match written.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => written.parse().ok(),
    }
}

/// Where a tap listens, in a scenario of this kind.
fn listen(written: &str, kind: Kind) -> Result<Listen, String> {
    let Some(port) = written.strip_prefix("host-gateway:") else {
        let address = listen_address(written).map(Listen::Address);
        return address.ok_or_else(|| format!("listen = `{written}` is no address: write 127.0.0.1:3100"));
    };
    if !matches!(kind, Kind::Compose | Kind::Attach) {
        return Err(format!("listen = `{written}` is where containers connect: write 127.0.0.1:3100"));
    }
    // Clients are told the port, so it can't be any that is free.
    let port = port.parse().ok().filter(|port| *port != 0);
    let port = port.ok_or_else(|| format!("listen = `{written}` has no port from 1 to 65535: write host-gateway:3100"));
    port.map(Listen::HostGateway)
}
