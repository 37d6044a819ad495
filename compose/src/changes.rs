//! The one file that goes over a user's Compose files: labels by which what is left over is found again, and the
//! variables that a scenario changes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use tempfile::TempPath;

use crate::model::{Model, Resource};
use crate::project::ProjectSpec;

/// Such a file, as long as it is needed.
pub(crate) struct Changes {
    file: TempPath,
    /// The values that the file only names, for Compose's environment: they may be secrets.
    pub(crate) env: BTreeMap<String, String>,
}

impl Changes {
    /// Writes it for a project, with these labels on all that Compose creates.
    pub(crate) fn write(spec: &ProjectSpec, model: &Model, labels: &BTreeMap<String, String>) -> io::Result<Changes> {
        let labels: Map<String, Value> = labels.iter().map(|(name, value)| (name.clone(), literal(value))).collect();
        let mut env = BTreeMap::new();
        let mut services = Map::new();
        for name in model.services.keys() {
            let mut service = json!({"labels": labels});
            if let Some(change) = spec.services.get(name) {
                service["environment"] =
                    change.env.iter().map(|(name, value)| (name.clone(), held(&mut env, value))).collect();
            }
            services.insert(name.clone(), service);
        }
        let mut networks = labelled(&model.networks, &labels);
        if model.networks.is_empty() {
            // Compose 1.29 doesn't name the one that it will make.
            networks.insert("default".to_owned(), json!({"labels": labels}));
        }
        let mut whole = json!({
            "services": services,
            "networks": networks,
            "volumes": labelled(&model.volumes, &labels),
        });
        if let Some(version) = &model.version {
            whole["version"] = json!(version);
        }
        let mut file = tempfile::Builder::new().prefix("tapedeck-").suffix(".json").tempfile()?;
        file.write_all(whole.to_string().as_bytes())?;
        Ok(Changes { file: file.into_temp_path(), env })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file
    }
}

/// A text that Compose must not interpolate.
fn literal(text: &str) -> Value {
    json!(text.replace('$', "$$"))
}

/// The name by which a value is written, once it is in the environment.
fn held(env: &mut BTreeMap<String, String>, value: &str) -> Value {
    let name = format!("TAPEDECK_VALUE_{}", env.len());
    let written = json!(format!("${{{name}}}"));
    env.insert(name, value.to_owned());
    written
}

fn labelled(resources: &BTreeMap<String, Option<Resource>>, labels: &Map<String, Value>) -> Map<String, Value> {
    let ours = resources.iter().filter(|(_, resource)| !resource.as_ref().is_some_and(Resource::is_external));
    ours.map(|(name, _)| (name.clone(), json!({"labels": labels}))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::ServiceChange;

    #[test]
    fn all_that_is_created_is_labelled_and_values_stay_outside() {
        let model = r#"{"services":{"web":{"image":"x"},"db":{"image":"y"}},"networks":{"theirs":{"external":true},"default":null},"volumes":{"data":{}}}"#;
        let model = Model::parse(model).unwrap();
        let mut spec = ProjectSpec::new("shop", vec![]);
        let env = BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]);
        spec.services.insert("web".to_owned(), ServiceChange { env });
        let changes = Changes::write(&spec, &model, &BTreeMap::from([("run".to_owned(), "/a$b".to_owned())])).unwrap();
        let text = std::fs::read_to_string(changes.path()).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(file["services"]["db"], json!({"labels": {"run": "/a$$b"}}));
        assert_eq!(file["services"]["web"]["environment"]["TOKEN"], "${TAPEDECK_VALUE_0}");
        assert_eq!(changes.env["TAPEDECK_VALUE_0"], "hunter2");
        assert_eq!(file["networks"], json!({"default": {"labels": {"run": "/a$$b"}}}));
        assert_eq!(file["volumes"], json!({"data": {"labels": {"run": "/a$$b"}}}));
        assert!(!text.contains("hunter2"));
    }
}
