//! `collector doctor`: can this scenario run here? One line each, with a remedy where it can't.
//!
//! The same checks, without the handshake, come before every run: what is wrong is said before anything is started or
//! written.

mod handshake;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;

use crate::record;
use crate::record::stage::{self, Stage};
use crate::redact::Redactor;
use crate::scenario::{self, Fault, Kind, ProjectVersion, Scenario};
use crate::status::answer;
use crate::{AnyError, chain, cli, media, probe, until};
use handshake::Scene;

/// Less free space than this and a run is likely to end early.
const ENOUGH_DISK_BYTES: u64 = 512 << 20;

/// One thing that a run needs.
struct Check {
    subject: String,
    found: Result<String, String>,
}

impl Check {
    fn new(subject: impl Into<String>, found: Result<String, String>) -> Check {
        Check { subject: subject.into(), found }
    }
}

/// `collector doctor`: prints every check; 0 where all is well, else 2.
///
/// # Errors
/// Where the scenario can't be read.
pub async fn doctor(command: &cli::Doctor) -> Result<ExitCode, AnyError> {
    let scenario = Scenario::read(&command.scenario, |name| format!("{name}-doctor"))?;
    let stop = record::stop_on_signals()?;
    answer(format_args!("ok    scenario: {} reads as kind {}", command.scenario.display(), scenario.kind.name()));
    let mut well = true;
    let mut tell = |check: Check| match check.found {
        Ok(found) => answer(format_args!("ok    {}: {found}", check.subject)),
        Err(problem) => {
            well = false;
            answer(format_args!("FAIL  {}: {problem}", check.subject));
        }
    };
    let mut stage = None;
    if scenario.kind == Kind::Compose {
        match Stage::cleared().await {
            Ok(found) => stage = Some(found),
            Err(error) => tell(Check::new("docker", Err(chain(&error)))),
        }
    }
    let host_gateway = match stage::host_gateway(&scenario, stage.as_ref().map(Stage::engine)).await {
        Ok(address) => Some(address),
        // Without an engine that has been said.
        Err(_) if scenario.kind == Kind::Compose && stage.is_none() => None,
        Err(error) => {
            tell(Check::new("host-gateway", Err(chain(&error))));
            None
        }
    };
    checks(&scenario, Path::new("."), host_gateway, stage.as_ref()).await.into_iter().for_each(&mut tell);
    if let Some(stage) = &stage {
        project_ports(&scenario, stage).await.into_iter().for_each(&mut tell);
    }
    if let (Some(host_gateway), true) = (host_gateway, stage.is_some() || scenario.kind != Kind::Compose) {
        let scene = Scene::new(&scenario, host_gateway, stage.as_mut())?;
        scene.handshakes(&stop).await.into_iter().for_each(&mut tell);
    }
    Ok(ExitCode::from(if well { 0 } else { 2 }))
}

/// Refuses a run that can't succeed, before anything is started or written.
///
/// # Errors
/// The first check that failed.
pub(crate) async fn must_be_able(
    scenario: &Scenario,
    runs: &Path,
    host_gateway: IpAddr,
    stage: Option<&Stage>,
) -> Result<(), AnyError> {
    for check in checks(scenario, runs, Some(host_gateway), stage).await {
        if let Err(problem) = check.found {
            return Err(format!("{}: {problem}", check.subject).into());
        }
    }
    Ok(())
}

async fn checks(scenario: &Scenario, runs: &Path, host_gateway: Option<IpAddr>, stage: Option<&Stage>) -> Vec<Check> {
    let mut checks = tools(scenario).await;
    if let Some(stage) = stage {
        checks.extend(projects(scenario, stage).await);
    }
    for process in &scenario.processes {
        let program = process.spec.program().map(|path| path.display().to_string());
        checks.push(Check::new(format!("process {}", process.spec.name), program.map_err(|error| chain(&error))));
    }
    for inject in &scenario.injects {
        if let Fault::Program { spec, .. } = &inject.fault {
            let program = spec.program().map(|path| path.display().to_string());
            checks.push(Check::new(format!("inject {}", spec.name), program.map_err(|error| chain(&error))));
        }
    }
    for tap in &scenario.taps {
        if let Some(host_gateway) = host_gateway {
            checks.push(port(format!("tap {}", tap.name), tap.listen.address(host_gateway)));
        }
        if let Some(tls) = &tap.upstream.tls {
            let trusted = crate::tap::authorities(tls).map(|count| format!("{count} authorities are trusted"));
            checks.push(Check::new(format!("tap {}: TLS", tap.name), trusted.map_err(|error| chain(&error))));
        }
    }
    if scenario.kind == Kind::Process {
        let ready = scenario.processes.iter().filter_map(|process| {
            Some((format!("process {}", process.spec.name), scenario::local_address(process.spec.ready.as_ref()?)?))
        });
        let publish =
            scenario.publish.iter().filter_map(|to| Some(("publish".to_owned(), scenario::local_address(&to.url)?)));
        checks.extend(ready.chain(publish).map(|(subject, address)| port(subject, address)));
    }
    let key = Redactor::open([]).map(|_| "the key is there".to_owned());
    checks.push(Check::new("redaction", key.map_err(|error| chain(&error))));
    checks.push(disk(runs));
    checks
}

/// Whether the engine is there, and Compose understands the projects' files.
async fn projects(scenario: &Scenario, stage: &Stage) -> Vec<Check> {
    let facts = stage.facts().into_iter().map(|(name, version)| Check::new(name, Ok(version)));
    let mut checks: Vec<Check> = facts.collect();
    for project in &scenario.projects {
        let found = stage.check(project).await.map_err(|error| chain(&error));
        let found = found.and_then(|checked| match unknown_service(scenario, project, &checked.services) {
            None => Ok(format!("Compose understands {}", files(project))),
            Some(unknown) => Err(format!("{unknown}; there are: {}", checked.services.join(", "))),
        });
        checks.push(Check::new(format!("project {}", project.spec.name), found));
    }
    checks
}

fn files(project: &scenario::Project) -> String {
    project.spec.files.iter().map(|file| shown(file)).collect::<Vec<_>>().join(", ")
}

/// Where the scenario names a service that the project does not have.
fn unknown_service(scenario: &Scenario, project: &scenario::Project, services: &[String]) -> Option<String> {
    let images = match &project.version {
        Some(ProjectVersion::Images(images)) => images.as_slice(),
        _ => &[],
    };
    let images = images.iter().map(|service| ("version", service.as_str()));
    let faults = scenario.injects.iter().filter_map(|inject| match &inject.fault {
        Fault::Container { container, .. } => container.strip_prefix(&project.spec.name)?.strip_prefix('/'),
        _ => None,
    });
    let named = images.chain(faults.map(|service| ("[[inject]]", service)));
    let mut unknown = named.filter(|(_, service)| !services.iter().any(|known| known == service));
    unknown.next().map(|(place, service)| format!("{place}: no service is named `{service}`"))
}

/// A file as a person would type it, without the way that a scenario goes to it.
fn shown(file: &Path) -> String {
    let found = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    found.strip_prefix(here).unwrap_or(&found).display().to_string()
}

/// Whether the ports that projects publish are free. `record` finds out in its time, and records it.
async fn project_ports(scenario: &Scenario, stage: &Stage) -> Vec<Check> {
    let mut checks = Vec::new();
    for project in &scenario.projects {
        // What can't be understood has been said.
        for address in stage.check(project).await.map(|checked| checked.listens).unwrap_or_default() {
            let mut check = port(format!("project {}", project.spec.name), address);
            if check.found.is_err()
                && let Ok(Some(holder)) = stage.engine().publisher(address).await
            {
                check.found =
                    Err(format!("port {} is in use by {holder}: stop it, or use another port", address.port()));
            }
            checks.push(check);
        }
    }
    checks
}

async fn tools(scenario: &Scenario) -> Vec<Check> {
    let mut checks = Vec::new();
    if scenario.publish.is_some() || !scenario.media.is_empty() {
        checks.push(Check::new("ffmpeg", media::version().await.map_err(|error| error.to_string())));
    }
    if scenario.stimulus.is_some() || !scenario.probes.is_empty() {
        checks.push(Check::new("ffprobe", probe::version().await.map_err(|error| error.to_string())));
    }
    if let (Some(spec), Some(replay)) = (&scenario.spec, until::replay_program()) {
        checks.push(Check::new("spec", explain(&replay, spec).await));
    }
    if scenario.until.is_some() {
        let replay = until::replay_program().map(|path| path.display().to_string());
        let remedy = "[until] is asked by `replay`: put it beside this program or on PATH (cargo build builds both)";
        checks.push(Check::new("replay", replay.ok_or_else(|| remedy.to_owned())));
    }
    checks
}

/// Whether `replay` can plan every query of a spec: a run that can't be judged is not worth recording.
async fn explain(replay: &Path, spec: &Path) -> Result<String, String> {
    let mut command = tokio::process::Command::new(replay);
    let output = command.arg("explain").arg(spec).stdin(std::process::Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| format!("{}: {error}", replay.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(format!("{}: every query can be planned", shown(spec))),
        false => {
            Err(said.lines().last().unwrap_or("`replay explain` failed").trim_start_matches("replay: ").to_owned())
        }
    }
}

/// Whether an address is free to be listened on.
fn port(subject: String, address: SocketAddr) -> Check {
    let free = TcpListener::bind(address).map(|_| format!("{address} is free"));
    Check::new(
        subject,
        free.map_err(|error| match compose::port_owner(address) {
            Some(owner) => format!("port {} is in use by {owner}: stop it, or use another port", address.port()),
            None => format!("can't listen on {address}: {error}"),
        }),
    )
}

fn disk(runs: &Path) -> Check {
    let existing = runs.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let found = match rustix::fs::statvfs(existing) {
        Ok(space) => {
            let free = space.f_bavail * space.f_frsize;
            let text = format!("{:.1} GB free", free as f64 / 1e9);
            if free < ENOUGH_DISK_BYTES { Err(format!("only {text}: make room or use --runs")) } else { Ok(text) }
        }
        Err(error) => Err(format!("{}: {error}", existing.display())),
    };
    Check::new("disk", found)
}
