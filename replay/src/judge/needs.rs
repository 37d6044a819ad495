//! Which sources must have been live for an assertion to be judged.

use std::collections::BTreeSet;

use super::{Facts, Source};

/// One thing that an assertion needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// This source, by its name.
    Source(String),
    /// Whoever writes this table under one of these names (of a tap or a target); all that write it where none is
    /// given.
    Writers {
        /// The table.
        table: String,
        /// Names after the colon, or kinds before it.
        only: Option<BTreeSet<String>>,
    },
}

/// Rows of `timeline`, `stats` and `logs` that the recorder writes about its own doing: no source stands behind them.
const OF_THE_RECORDER: [&str; 6] = ["run", "command", "inject", "mark", "recorder", "collector"];

impl Need {
    /// The sources that it means in a recording.
    ///
    /// # Errors
    /// Why the recording has none.
    pub fn sources<'f>(&self, facts: &'f Facts) -> Result<Vec<&'f Source>, String> {
        match self {
            Need::Source(name) => match facts.sources.iter().find(|source| source.name == *name) {
                Some(source) => Ok(vec![source]),
                None => Err(format!("the recording has no source `{name}`")),
            },
            Need::Writers { table, only: None } => writers(facts, table, None),
            Need::Writers { table, only: Some(names) } => {
                let mut found = Vec::new();
                for name in names.iter().filter(|name| !OF_THE_RECORDER.contains(&name.as_str())) {
                    found.extend(writers(facts, table, Some(name))?);
                }
                Ok(found)
            }
        }
    }
}

/// The names of the sources that are needed: those that the recording has, and those that were written and it doesn't
/// have.
pub fn names<'n>(facts: &'n Facts, needs: &'n [Need]) -> BTreeSet<&'n str> {
    let of = |need: &'n Need| match (need.sources(facts), need) {
        (Ok(sources), _) => sources.into_iter().map(|source| source.name.as_str()).collect(),
        (Err(_), Need::Source(name)) => vec![name.as_str()],
        (Err(_), Need::Writers { .. }) => Vec::new(),
    };
    needs.iter().flat_map(of).collect()
}

fn writers<'f>(facts: &'f Facts, table: &str, name: Option<&str>) -> Result<Vec<&'f Source>, String> {
    let writes = |source: &&Source| source.tables.iter().any(|written| written == table);
    let named = |source: &&Source| match (name, source.name.split_once(':')) {
        (None, _) => true,
        (Some(name), Some((kind, rest))) => name == kind || name == rest,
        (Some(name), None) => name == source.name,
    };
    let found: Vec<&Source> = facts.sources.iter().filter(writes).filter(named).collect();
    match (found.is_empty(), name) {
        (false, _) => Ok(found),
        (true, Some(name)) => Err(format!("the recording has no source `{name}` that writes `{table}`")),
        (true, None) => Err(format!("the recording has no source that writes `{table}`")),
    }
}
