//! The images of a project, before its clock runs.

use tokio::time::Instant;

use super::{Answer, Projects, Up};
use crate::Error;
use crate::model::Model;

/// The project that images are built for.
const BUILDER: &str = "tapedeck";

impl Projects {
    /// Builds what is built, and pulls what is not here.
    pub(super) async fn images<'m>(&self, up: &Up, model: &'m Model) -> Result<(), Error> {
        // Compose writes the project's name into an image. One that the files name is to be the same in every run; one that
        // they don't name, or name after the project, belongs to this run.
        let is_named = |image: &Option<&str>| image.is_some_and(|image| !image.contains(&up.id));
        let (named, unnamed): (Vec<_>, Vec<_>) = model.built().partition(|(_, image)| is_named(image));
        let mut pulled = Vec::new();
        for (service, image) in model.pulled() {
            if self.engine.image_id(image).await?.is_none() {
                pulled.push(service);
            }
        }
        if named.is_empty() && unnamed.is_empty() && pulled.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        self.tell(&up.spec.name, "build", None, serde_json::json!({}));
        let build =
            |services: Vec<(&'m str, Option<&'m str>)>| services.into_iter().map(|(service, _)| service).collect();
        let all: [(&'static str, &str, Vec<&str>); 3] =
            [("pull", &up.id, pulled), ("build", BUILDER, build(named)), ("build", &up.id, build(unnamed))];
        for (operation, id, services) in all {
            if !services.is_empty() {
                let words: Vec<&str> = [operation].into_iter().chain(services).collect();
                self.must(up, id, operation, &words).await?;
            }
        }
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tell(&up.spec.name, "built", None, serde_json::json!({"took_ms": took}));
        Ok(())
    }

    async fn must(&self, up: &Up, id: &str, operation: &'static str, words: &[&str]) -> Result<(), Error> {
        let Answer { exit_code, last_lines } = self.run_as(up, id, words).await?;
        match exit_code {
            Some(0) => Ok(()),
            _ => Err(Error::Compose { project: up.spec.name.clone(), operation, exit_code, last_lines }),
        }
    }
}
