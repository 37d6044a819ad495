//! What is known of a run before it begins: the system's version, and the environment it runs in.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use recording::run::{Environment, Version};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::scenario::{ProjectVersion, Scenario};
use crate::{media, probe, watch};

const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// What the version commands of processes and projects print, by their names, and which of them failed.
pub(super) async fn versions(scenario: &Scenario) -> (BTreeMap<String, String>, Vec<String>) {
    let processes = scenario
        .processes
        .iter()
        .filter_map(|process| Some((&process.spec.name, process.version.as_ref()?, &process.spec.dir)));
    let projects = scenario.projects.iter().filter_map(|project| match &project.version {
        Some(ProjectVersion::Command { command, dir }) => Some((&project.spec.name, command, dir)),
        _ => None,
    });
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, command, dir) in processes.chain(projects) {
        match first_line(command, dir).await {
            Ok(line) => drop(found.insert(name.clone(), line)),
            Err(error) => problems.push(format!("the version of {name} is not known: {error}")),
        }
    }
    (found, problems)
}

/// The version of the system under test, made of those of its parts.
pub(super) fn version(parts: &BTreeMap<String, String>) -> Option<Version> {
    let distinct: std::collections::BTreeSet<&String> = parts.values().collect();
    let id = match distinct.len() {
        0 => return None,
        1 => distinct.into_iter().cloned().collect(),
        _ => parts.iter().map(|(name, line)| format!("{name}={line}")).collect::<Vec<_>>().join(","),
    };
    Some(Version { id, order: None })
}

async fn first_line(command: &[String], dir: &Path) -> Result<String, String> {
    let (program, arguments) = command.split_first().ok_or("its version command is empty")?;
    let mut child = Command::new(program);
    child.args(arguments).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(VERSION_LIMIT, child.output()).await;
    let output =
        output.map_err(|_| format!("`{program}` took too long"))?.map_err(|error| format!("`{program}`: {error}"))?;
    let line = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
    if !output.status.success() || line.is_empty() {
        return Err(format!("`{}` ended with {}", command.join(" "), output.status));
    }
    Ok(line)
}

/// Where the run takes place; `more` is known already.
pub(super) async fn environment(scenario: &Scenario, more: BTreeMap<String, String>) -> Environment {
    let mut facts = watch::host::facts();
    facts.extend(more);
    if !scenario.media.is_empty() || !scenario.probes.is_empty() || scenario.publish.is_some() {
        // A tool that is missing is a fact as well; whoever needs it has checked.
        facts.insert("ffmpeg".to_owned(), media::version().await.unwrap_or_else(|error| error.to_string()));
        facts.insert("ffprobe".to_owned(), probe::version().await.unwrap_or_else(|error| error.to_string()));
    }
    facts.insert("collector".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    of(facts)
}

/// The same place, of which more is known.
pub(super) fn with(environment: &Environment, more: BTreeMap<String, String>) -> Environment {
    let mut facts = environment.facts.clone();
    facts.extend(more);
    of(facts)
}

/// The environment that these facts make.
pub(crate) fn of(facts: BTreeMap<String, String>) -> Environment {
    let mut hash = Sha256::new();
    for (name, value) in &facts {
        hash.update(format!("{name}={value}\n"));
    }
    Environment { fingerprint: format!("{:x}", hash.finalize()), facts }
}
