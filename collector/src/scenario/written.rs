//! A scenario file, key by key, as it was written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::Error;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct File {
    pub name: String,
    pub kind: String,
    pub spec: Option<String>,
    pub stimulus: Option<String>,
    pub limit: Option<String>,
    #[serde(default)]
    pub params: BTreeMap<String, toml::Value>,
    #[serde(default, rename = "process")]
    pub processes: Vec<Process>,
    #[serde(default, rename = "project")]
    pub projects: Vec<Project>,
    #[serde(default, rename = "tap")]
    pub taps: Vec<Tap>,
    #[serde(default, rename = "scrape")]
    pub scrapes: Vec<Target>,
    #[serde(default, rename = "probe")]
    pub probes: Vec<Target>,
    #[serde(default)]
    pub media: Vec<Target>,
    #[serde(default)]
    pub paths: Vec<Target>,
    #[serde(default, rename = "poll")]
    pub polls: Vec<Target>,
    #[serde(default, rename = "pair")]
    pub pairs: Vec<Pair>,
    pub publish: Option<Publish>,
    pub until: Option<Until>,
    #[serde(default, rename = "inject")]
    pub injects: Vec<Inject>,
    /// Gone once the files are merged.
    pub extends: Option<String>,
}

/// `[[process]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Process {
    pub name: String,
    pub command: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub dir: Option<String>,
    pub ready: Option<String>,
    pub ready_within: Option<String>,
    pub restart: Option<String>,
    pub version: Option<Version>,
}

/// `[[project]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Project {
    pub name: String,
    pub files: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub health: Vec<String>,
    pub ready_within: Option<String>,
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    pub version: Option<ProjectVersion>,
}

/// `services = { SERVICE = { env = {..} } }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Service {
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// `version = { images = [..] }`, or `{ command = [..] }`, of a project
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct ProjectVersion {
    pub images: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
}

/// `version = { command = [..] }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Version {
    pub command: Vec<String>,
}

/// `[[tap]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Tap {
    pub name: String,
    pub listen: String,
    pub upstream: String,
    pub ca: Option<String>,
}

/// `[[scrape]]`, `[[probe]]`, `[[media]]`, `[[paths]]`, `[[poll]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Target {
    pub name: String,
    pub url: String,
    pub every: Option<String>,
}

/// `[[pair]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Pair {
    pub name: Option<String>,
    pub tap: Option<String>,
    pub opens: String,
    pub closes: Option<String>,
    pub key: Option<String>,
    #[serde(default)]
    pub acks: Vec<String>,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub errors: Vec<String>,
    pub status: Option<String>,
    #[serde(default)]
    pub ok: Vec<String>,
    pub error: Option<String>,
    pub stages: Option<String>,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// `[publish]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Publish {
    pub url: String,
    pub r#loop: Option<bool>,
}

/// `[until]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Until {
    pub sql: String,
    pub quiet: Option<String>,
}

/// `[[inject]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "SCENARIO.md says what each key means")]
pub struct Inject {
    pub at: String,
    pub signal: Option<String>,
    pub process: Option<String>,
    pub container: Option<String>,
    pub pause: Option<String>,
    pub command: Option<Vec<String>>,
    pub r#for: Option<String>,
}

/// Parses the text of a scenario file.
///
/// # Errors
/// [`Error::Syntax`] with line, column and, where a key is unknown, the one that was probably meant.
pub fn parse(path: &Path, text: &str) -> Result<File, Error> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        syntax(path, text, at, error.message())
    })
}

/// What the parser says about a place of a text, in bytes from its beginning.
pub(super) fn syntax(path: &Path, text: &str, at: usize, message: &str) -> Error {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Error::Syntax { path: path.to_owned(), line, column, problem: with_suggestion(message) }
}

/// Adds "did you mean" to serde's "unknown field `x`, expected one of `a`, `b`".
fn with_suggestion(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let Some(rest) = message.strip_prefix("unknown field `") else {
        return message;
    };
    let mut quoted = rest.split('`').step_by(2);
    let unknown = quoted.next().unwrap_or_default().to_owned();
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    let nearest = known.iter().min_by_key(|known| strsim::osa_distance(known, &unknown));
    match nearest {
        Some(near) if strsim::osa_distance(near, &unknown) <= 2 => {
            format!("unknown key `{unknown}`: did you mean `{near}`?")
        }
        _ => format!("unknown key `{unknown}`: known here are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(Path::new("s.toml"), text).map(|_| ()).expect_err("it is wrong").to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_place_and_remedy() {
        let text = "name = 'x'\nkind = 'process'\n[[tap]]\nname = 'sio'\nlisten = ''\nupstrem = ''\n";
        assert_eq!(problem(text), "s.toml:6:1: unknown key `upstrem`: did you mean `upstream`?");
        assert!(
            problem("name = 'x'\nkind = 'process'\nzzz = 1").contains("unknown key `zzz`: known here are name, kind")
        );
        assert!(problem("name = ").starts_with("s.toml:1:"));
        assert!(problem("name = 'x'\nkind = 3").starts_with("s.toml:2:8: invalid type"));
    }
}
