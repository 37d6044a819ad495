//! The program that owns the meaning of Compose files: `docker compose`, else `docker-compose`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::Error;
use crate::model::Model;
use crate::process::ProcessSpec;
use crate::project::ProjectSpec;

/// How long a question that starts nothing may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const CANDIDATES: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

/// The Compose that is installed here.
#[derive(Clone, Debug)]
pub struct Compose {
    command: &'static [&'static str],
    version: String,
    /// Whether `docker` has BuildKit's client.
    buildx: bool,
}

impl Compose {
    /// Looks for `docker compose`, then for `docker-compose`.
    ///
    /// # Errors
    /// [`Error::NoCompose`] where neither answers.
    pub async fn find() -> Result<Compose, Error> {
        for command in CANDIDATES {
            if let Some(version) = answer(&[command, &["version", "--short"]].concat()).await {
                let buildx = answer(&["docker", "buildx", "version"]).await.is_some();
                return Ok(Compose { command, version, buildx });
            }
        }
        Err(Error::NoCompose)
    }

    /// Its version, as it says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it is the one that is written in Python and ended with 1.29: it knows no JSON.
    fn is_old(&self) -> bool {
        self.version.trim_start_matches('v').starts_with("1.")
    }

    /// Reads the files of a project that is called `id` on the engine as Compose itself does, with all that is interpolated and merged.
    ///
    /// # Errors
    /// [`Error::ComposeFile`] with what Compose says: the file and, where it tells, the line.
    pub(crate) async fn model(&self, spec: &ProjectSpec, id: &str) -> Result<Model, Error> {
        let wrong = |problem: String| Error::ComposeFile { project: spec.name.clone(), problem };
        if let Some(missing) = spec.files.iter().find(|file| !file.is_file()) {
            return Err(wrong(format!("there is no file {}: correct `files`", missing.display())));
        }
        let mut asked = start(self.command);
        asked.args(["-p", id]).args(files(&spec.files)).arg("config").envs(&spec.env);
        if !self.is_old() {
            asked.args(["--format", "json"]);
        }
        let answer = tokio::time::timeout(ANSWER_WITHIN, asked.output()).await;
        let answer =
            answer.map_err(|_| wrong(format!("`{} config` did not end within 30 s", self.command.join(" "))))?;
        let answer = answer.map_err(|error| wrong(error.to_string()))?;
        if !answer.status.success() {
            return Err(wrong(complaint(&answer.stderr, &spec.files)));
        }
        Model::parse(&String::from_utf8_lossy(&answer.stdout)).map_err(wrong)
    }

    /// One invocation on a project that is called `id` on the engine.
    pub(crate) fn invocation(&self, spec: &ProjectSpec, id: &str, changes: &Path, words: &[&str]) -> ProcessSpec {
        let plain = ["--ansi", "never", "-p", id].map(OsStr::new);
        let files: Vec<&OsStr> = files(spec.files.iter().map(|file| file.as_path()).chain([changes])).collect();
        let words = words.iter().map(OsStr::new);
        let all = self.command.iter().map(OsStr::new).chain(plain).chain(files).chain(words);
        let command = all.map(|word| word.to_string_lossy().into_owned()).collect();
        let mut invocation = ProcessSpec::new(spec.name.clone(), command, ".");
        invocation.env = spec.env.clone();
        if self.is_old() && self.buildx {
            // It builds by itself otherwise, and knows not half of today's Dockerfiles.
            let build = ["DOCKER_BUILDKIT", "COMPOSE_DOCKER_CLI_BUILD"].map(|name| (name.to_owned(), "1".to_owned()));
            invocation.env.extend(build);
        }
        invocation.unset = inherited().collect();
        invocation
    }
}

/// What a program prints, where it ends well.
async fn answer(command: &[&str]) -> Option<String> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, start(command).output()).await.ok()?.ok()?;
    answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

fn start(command: &[&str]) -> Command {
    let mut started = Command::new(command[0]);
    started.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in inherited() {
        started.env_remove(name);
    }
    started
}

/// What would change a project behind the scenario's back.
fn inherited() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| name.starts_with("COMPOSE_"))
}

fn files<'f>(files: impl IntoIterator<Item = &'f (impl AsRef<Path> + ?Sized + 'f)>) -> impl Iterator<Item = &'f OsStr> {
    files.into_iter().flat_map(|file| [OsStr::new("-f"), file.as_ref().as_os_str()])
}

/// What Compose says of files that it refuses, in one line. It names the file only for some mistakes.
fn complaint(stderr: &[u8], files: &[std::path::PathBuf]) -> String {
    let said = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = lines.join("; ");
    let named = files.iter().any(|file| said.contains(&*file.to_string_lossy()));
    let names = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    if named { said } else { format!("{names}: {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_one_line_that_names_the_file() {
        let files = ["/x/a.yaml".into()];
        assert_eq!(complaint(b"yaml: line 4: did not\n\n", &files), "/x/a.yaml: yaml: line 4: did not");
        let named = b"validating /x/a.yaml: services.web Additional property imag is not allowed\n";
        assert_eq!(
            complaint(named, &files),
            "validating /x/a.yaml: services.web Additional property imag is not allowed"
        );
    }
}
