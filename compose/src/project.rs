//! A Docker Compose project of the system under test: what it is made of, and what is changed about it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What to bring up, and how to know that it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSpec {
    /// Its short name in events, errors and recordings. Compose is given a longer one, unique on the engine.
    pub name: String,
    /// Its Compose files, absolute, in the order that `docker compose -f` takes them.
    pub files: Vec<PathBuf>,
    /// Variables that the Compose files may name.
    pub env: BTreeMap<String, String>,
    /// By service: what goes over the Compose files.
    pub services: BTreeMap<String, ServiceChange>,
    /// URLs that answer 200 when it is ready, beside its containers' own health checks.
    pub health: Vec<String>,
    /// How long it may take from `up` until it is ready.
    pub ready_within: Duration,
}

/// What is changed about one service of the user's Compose files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceChange {
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
}

impl ProjectSpec {
    /// A project with the usual limit: ready within 60 s.
    pub fn new(name: impl Into<String>, files: Vec<PathBuf>) -> ProjectSpec {
        ProjectSpec {
            name: name.into(),
            files,
            env: BTreeMap::new(),
            services: BTreeMap::new(),
            health: Vec::new(),
            ready_within: Duration::from_secs(60),
        }
    }
}
