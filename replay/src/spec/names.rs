//! `[names]`: what the specification calls something that a run may replace. Queries read them as the relation
//! `names`: what the spec says beside what the run, by a parameter of that name, used in its place.

use std::fmt::Write;

use super::document::Section;
use super::{Query, View};
use crate::error::Error;

/// What queries call the relation. No view may be called so.
pub const RELATION: &str = "names";

/// One of `[names]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What it stands for: a parameter of that name in `params` says what a run used in its place.
    pub name: String,
    /// What the specification calls it.
    pub value: String,
}

/// `[names]`, and the view that shows them to queries.
#[derive(Debug)]
pub struct Names {
    /// In the order of the file.
    pub entries: Vec<Name>,
    place: Query,
}

/// Whether the recordings behind a query are one, or several whose tables begin with `run_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// One, or none.
    One,
    /// Several.
    Several,
}

impl Names {
    /// What the section says; `place` is a query at its place, for messages.
    pub fn resolve(section: Option<Section<'_>>, place: Query) -> Result<Names, Error> {
        let Some(mut section) = section else { return Ok(Names { entries: Vec::new(), place }) };
        let mut entries = Vec::new();
        for (name, at) in section.names() {
            if name.trim().is_empty() {
                return Err(section.wrong(at, "a name in [names] is empty: write what it stands for, `tts = …`".into()));
            }
            let value = section.required_text(&name)?.value;
            entries.push(Name { name, value });
        }
        Ok(Names { entries, place })
    }

    /// The relation `names`. It reads `params`, which the recorder writes itself: it needs no source.
    pub fn view(&self, runs: Runs) -> View {
        let (from, same_run, run_id) = match runs {
            Runs::One => ("", "", ""),
            Runs::Several => ("run r CROSS JOIN ", " AND p.run_id = r.run_id", "r.run_id, "),
        };
        let mut rows = String::new();
        for Name { name, value } in &self.entries {
            let comma = if rows.is_empty() { "" } else { ", " };
            let _ = write!(rows, "{comma}({}, {})", super::quoted(name), super::quoted(value));
        }
        let sql = match rows.is_empty() {
            true => {
                let run_id = run_id.trim_start_matches("r.");
                format!("SELECT {run_id}name, value, value AS used FROM params WHERE false")
            }
            false => format!(
                "SELECT {run_id}n.name, n.value, coalesce(p.value, n.value) AS used\n\
                 FROM {from}(VALUES {rows}) n(name, value) LEFT JOIN params p ON p.name = n.name{same_run}"
            ),
        };
        View { name: RELATION.to_owned(), query: Query { sql, ..self.place.clone() } }
    }
}
