//! Docker Compose projects: `[[project]]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use compose::{ProjectSpec, ServiceChange};

use super::super::{Error, Project, ProjectVersion, written};
use super::{EMPTY_COMMAND, Resolver};

/// Variables by which Compose would look for another project, or on another engine, than the one that is watched.
const REFUSED: [(&str, &str); 4] = [
    ("COMPOSE_PROJECT_NAME", "the collector gives each project a name of its own: leave it out"),
    ("COMPOSE_FILE", "say it in `files`"),
    ("DOCKER_HOST", "set it where the collector is started: it asks the same engine"),
    ("DOCKER_CONTEXT", "set DOCKER_HOST where the collector is started: it asks the same engine"),
];

impl Resolver<'_> {
    pub(super) fn projects(&self, written: Vec<written::Project>) -> Result<Vec<Project>, Error> {
        let mut projects: Vec<Project> = Vec::new();
        for project in written {
            let place = format!("[[project]] {}", project.name);
            if !is_name(&project.name) {
                let problem = "use small letters, digits, `-` and `_`, a letter or digit first: \
                               it becomes part of the name that Docker Compose is told";
                return Err(self.error(place, problem));
            }
            if projects.iter().any(|known| known.spec.name == project.name) {
                return Err(self.error(place, "this name is taken: give each project one of its own"));
            }
            projects.push(self.project(&place, project)?);
        }
        Ok(projects)
    }

    fn project(&self, place: &str, written: written::Project) -> Result<Project, Error> {
        let files = self.compose_files(place, &written.files)?;
        if let Some((name, remedy)) = REFUSED.iter().find(|(name, _)| written.env.contains_key(*name)) {
            return Err(self.error(format!("{place}: env"), format!("{name}: {remedy}")));
        }
        let version = written.version.map(|version| self.project_version(place, version, &files)).transpose()?;
        let services = written.services.into_iter();
        let limit = format!("{place}: ready_within");
        let spec = ProjectSpec {
            env: self.variables(written.env),
            services: services.map(|(name, of)| (name, ServiceChange { env: self.variables(of.env) })).collect(),
            health: written.health.iter().map(|url| self.health(place, url)).collect::<Result<_, _>>()?,
            ready_within: self.duration(&limit, written.ready_within.as_deref(), Duration::from_secs(60))?,
            ..ProjectSpec::new(written.name, files)
        };
        Ok(Project { spec, version })
    }

    fn compose_files(&self, place: &str, written: &[String]) -> Result<Vec<PathBuf>, Error> {
        if written.is_empty() {
            return Err(self.error(place, "`files` is empty: name at least one Compose file"));
        }
        let place = format!("{place}: files");
        let files = written.iter().map(|name| self.existing_file(&place, Some(name)));
        Ok(files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn variables(&self, written: BTreeMap<String, String>) -> BTreeMap<String, String> {
        written.into_iter().map(|(name, value)| (name, self.fill(&value))).collect()
    }

    fn health(&self, place: &str, url: &str) -> Result<String, Error> {
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(self.error(place, format!("health: `{url}` does not begin with http://")));
        }
        Ok(self.fill(url))
    }

    fn project_version(
        &self,
        place: &str,
        written: written::ProjectVersion,
        files: &[PathBuf],
    ) -> Result<ProjectVersion, Error> {
        let place = format!("{place}: version");
        match (written.images, written.command) {
            (Some(services), None) if services.is_empty() || services.iter().any(String::is_empty) => {
                Err(self
                    .error(place, "`images` names nothing: name services, or leave `version` out: all that are built"))
            }
            (Some(services), None) => Ok(ProjectVersion::Images(services)),
            (None, Some(mut command)) => {
                let program = command.first_mut().filter(|program| !program.is_empty());
                let program = program.ok_or_else(|| self.error(place, EMPTY_COMMAND))?;
                if program.contains('/') {
                    *program = self.folder().join(&*program).display().to_string();
                }
                let dir = files.first().and_then(|file| file.parent());
                Ok(ProjectVersion::Command { command, dir: dir.map_or_else(|| self.folder(), Path::to_owned) })
            }
            _ => Err(self.error(place, "write either `images` or `command`")),
        }
    }
}

/// Whether it can be part of a project's name as Compose takes them.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().next().is_some_and(plain) && name.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
}
