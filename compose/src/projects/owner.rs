//! Whose projects they are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::engine::{LABEL_HOST, LABEL_LOCK, LABEL_PROJECT};

/// Whose projects they are: they carry it as labels, so that a later start finds what a killed one left.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Begins the names that Compose is given; unique on the engine.
    pub prefix: String,
    /// This machine.
    pub host: String,
    /// A file that stays locked for as long as they may be up.
    pub lock: PathBuf,
}

impl Owner {
    /// What Compose calls a project of this owner.
    pub(super) fn id(&self, project: &str) -> String {
        let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '-' };
        let prefix: String = self.prefix.to_ascii_lowercase().chars().map(plain).collect();
        format!("tapedeck-{prefix}-{project}")
    }

    pub(super) fn labels(&self, project: &str) -> BTreeMap<String, String> {
        let lock = self.lock.display().to_string();
        let labels = [(LABEL_HOST, self.host.clone()), (LABEL_LOCK, lock), (LABEL_PROJECT, project.to_owned())];
        labels.map(|(name, value)| (name.to_owned(), value)).into()
    }
}
