//! A spec: TOML that was typed, resolved into types that can't be wrong. SPEC.md is its law.
//!
//! What is not checked here is the SQL: a query is only known to be good when it is planned against the tables.

mod document;
mod near;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::bound::Bound;
use crate::error::Error;
use crate::judge::Attribution;
use document::{Document, Section};
pub use near::near;

/// The keys of each section, as SPEC.md lists them.
pub const KEYS: [(&str, &[&str]); 7] = [
    ("", &["spec", "expects", "views", "assertion", "fault", "unassertable"]),
    ("[spec]", &["id", "requirements"]),
    ("[expects]", &["samples", "events"]),
    ("[views]", &[]),
    (
        "[[assertion]]",
        &["id", "says", "observe", "bound", "unit", "needs", "min_rows", "empty", "applies", "covers", "over"],
    ),
    ("[[fault]]", &["attribution", "says", "observe"]),
    ("[[unassertable]]", &["id", "why"]),
];

/// A spec's file, understood.
#[derive(Debug)]
pub struct Spec {
    /// Where it was read.
    pub path: PathBuf,
    /// `[spec] id`.
    pub id: String,
    /// The ids that the spec answers for, ranges written out.
    pub requirements: Vec<String>,
    /// Names that the views read, for drift.
    pub expects: Expects,
    /// The system's own words, in SQL, in the order of the file.
    pub views: Vec<View>,
    /// What must be so.
    pub assertions: Vec<Assertion>,
    /// What explains that something is not so.
    pub faults: Vec<Fault>,
    /// What no recording can show.
    pub unassertable: Vec<Unassertable>,
}

/// `[expects]`.
#[derive(Debug, Default)]
pub struct Expects {
    /// Names of `samples`.
    pub samples: Vec<String>,
    /// Names of events in `packets`.
    pub events: Vec<String>,
}

/// One of `[views]`.
#[derive(Debug)]
pub struct View {
    /// Its name in other queries.
    pub name: String,
    /// Its content.
    pub query: Query,
}

/// SQL with its place in the spec.
#[derive(Clone, Debug)]
pub struct Query {
    /// The text.
    pub sql: String,
    /// Whose query it is, as in "[[assertion]] FR-016".
    pub owner: String,
    line: usize,
    column: usize,
    path: PathBuf,
}

impl Query {
    /// A query of the spec that can't be answered: the error with file and line. `at` is the place within the SQL,
    /// from 1.
    pub fn error(&self, at: Option<(usize, usize)>, problem: &str) -> Error {
        let (line, column) = at.unwrap_or((1, 1));
        let column = if line == 1 { column + self.column - 1 } else { column };
        let place = if at.is_some() { format!(" (column {column})") } else { String::new() };
        Error::Spec {
            path: self.path.clone(),
            line: self.line + line - 1,
            problem: format!("{}: {problem}{place}", self.owner),
        }
    }
}

/// One of `[[assertion]]`: a query that yields observations, and the bound that each must satisfy.
#[derive(Debug)]
pub struct Assertion {
    /// The requirement's id.
    pub id: String,
    /// The requirement in plain words.
    pub says: String,
    /// What is observed.
    pub query: Query,
    /// What each observation must satisfy.
    pub bound: Bound,
    /// The unit of observed values, bound and margin.
    pub unit: Option<String>,
    /// The sources that must have been live; inferred where not given.
    pub needs: Option<Vec<String>>,
    /// With fewer observations the assertion is inconclusive.
    pub min_rows: usize,
    /// To which runs it applies.
    pub applies: Option<Vec<Applies>>,
    /// Further ids whose whole text this assertion checks.
    pub covers: Vec<String>,
    /// Whether it judges a set of runs rather than one.
    pub over_history: bool,
}

/// A kind of run, or runs with a wrapped command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applies {
    /// Runs of this kind.
    Kind(String),
    /// Runs that wrapped a command.
    Command,
}

/// One of `[[fault]]`.
#[derive(Debug)]
pub struct Fault {
    /// Whom it speaks for or against.
    pub attribution: Attribution,
    /// What happened, in plain words.
    pub says: String,
    /// Where and when it happened.
    pub query: Query,
}

/// One of `[[unassertable]]`.
#[derive(Debug)]
pub struct Unassertable {
    /// The requirement's id.
    pub id: String,
    /// Why no recording can show it.
    pub why: String,
}

impl Spec {
    /// Reads and resolves a spec.
    ///
    /// # Errors
    /// [`Error::ReadSpec`]; [`Error::Spec`] with the line, where it says what a spec can't say.
    pub fn read(path: &Path) -> Result<Spec, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadSpec { path: path.to_owned(), source })?;
        Spec::parse(path, &text)
    }

    /// Resolves a spec's text; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Spec`].
    pub fn parse(path: &Path, text: &str) -> Result<Spec, Error> {
        let document = Document::new(path, text);
        let mut root = document.root()?;
        let mut head = root.table("spec")?.ok_or_else(|| root.missing("spec", "`[spec]` with its `id`"))?;
        let mut spec = Spec {
            path: path.to_owned(),
            id: head.required_text("id")?.value,
            requirements: requirements(&mut head)?,
            expects: expects(root.table("expects")?)?,
            views: views(root.table("views")?)?,
            assertions: Vec::new(),
            faults: Vec::new(),
            unassertable: Vec::new(),
        };
        let mut ids = BTreeSet::new();
        for mut section in root.tables("assertion")? {
            spec.assertions.push(assertion(&mut section, &mut ids)?);
        }
        for mut section in root.tables("fault")? {
            spec.faults.push(fault(&mut section)?);
        }
        for mut section in root.tables("unassertable")? {
            let id = unique_id(&mut section, &mut ids)?;
            spec.unassertable.push(Unassertable { id, why: section.required_text("why")?.value });
        }
        Ok(spec)
    }
}

fn requirements(head: &mut Section<'_>) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for text in head.texts("requirements")?.unwrap_or_default() {
        let wrong = || head.wrong(text.at, format!("`{}` is no id and no range of ids: write `FR-001` or `FR-001..FR-026`", text.value));
        match text.value.split_once("..") {
            None if text.value.trim().is_empty() => return Err(wrong()),
            None => ids.push(text.value.clone()),
            Some((first, last)) => ids.extend(id_range(first, last).ok_or_else(wrong)?),
        }
    }
    Ok(ids)
}

/// `FR-001`, `FR-003` are three ids; the number keeps its width.
fn id_range(first: &str, last: &str) -> Option<Vec<String>> {
    let split = |id: &str| {
        let digits = id.len() - id.trim_end_matches(|character: char| character.is_ascii_digit()).len();
        let (stem, number) = id.split_at(id.len() - digits);
        number.parse::<u32>().ok().map(|number| (stem.to_owned(), number, digits))
    };
    let ((stem, from, width), (last_stem, to, _)) = (split(first)?, split(last)?);
    if stem != last_stem || from > to || to - from > 10_000 {
        return None;
    }
    Some((from..=to).map(|number| format!("{stem}{number:0width$}")).collect())
}

fn expects(section: Option<Section<'_>>) -> Result<Expects, Error> {
    let Some(mut section) = section else { return Ok(Expects::default()) };
    let mut names = |key| -> Result<Vec<String>, Error> {
        Ok(section.texts(key)?.unwrap_or_default().into_iter().map(|text| text.value).collect())
    };
    Ok(Expects { samples: names("samples")?, events: names("events")? })
}

fn views(section: Option<Section<'_>>) -> Result<Vec<View>, Error> {
    let Some(mut section) = section else { return Ok(Vec::new()) };
    let mut views = Vec::new();
    for (name, at) in section.names() {
        if recording::Table::from_name(&name).is_some() {
            return Err(section.wrong(at, format!("the view `{name}` has the name of a recorded table: choose another")));
        }
        let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
        if !name.chars().all(plain) || name.starts_with(|character: char| character.is_ascii_digit()) {
            return Err(section.wrong(at, format!("the view's name `{name}` must be lower-case letters, digits and `_`")));
        }
        let query = section.required_query(&name, format!("[views] {name}"))?;
        views.push(View { name, query });
    }
    Ok(views)
}

fn unique_id(section: &mut Section<'_>, ids: &mut BTreeSet<String>) -> Result<String, Error> {
    let id = section.required_text("id")?;
    if ids.insert(id.value.clone()) {
        Ok(id.value)
    } else {
        Err(section.wrong(id.at, format!("the id `{}` is taken by an assertion or unassertable above", id.value)))
    }
}

fn assertion(section: &mut Section<'_>, ids: &mut BTreeSet<String>) -> Result<Assertion, Error> {
    let id = unique_id(section, ids)?;
    let bound = section.required_text("bound")?;
    let texts = |texts: Option<Vec<document::Text>>| texts.map(|texts| texts.into_iter().map(|text| text.value).collect());
    Ok(Assertion {
        query: section.required_query("observe", format!("[[assertion]] {id}"))?,
        says: section.required_text("says")?.value,
        bound: bound.value.parse().map_err(|error| section.wrong(bound.at, format!("{error}")))?,
        unit: section.text("unit")?.map(|unit| unit.value),
        needs: needs(section)?,
        min_rows: min_rows(section)?,
        applies: applies(section)?,
        covers: texts(section.texts("covers")?).unwrap_or_default(),
        over_history: over_history(section)?,
        id,
    })
}

fn needs(section: &mut Section<'_>) -> Result<Option<Vec<String>>, Error> {
    let Some(needs) = section.texts("needs")? else { return Ok(None) };
    if let Some(bad) = needs.iter().find(|need| !need.value.contains(|character: char| character.is_alphanumeric())) {
        return Err(section.wrong(bad.at, "`needs` names sources, as in `tap:api` (see `replay info`)".into()));
    }
    if needs.is_empty() {
        let at = section.at();
        return Err(section.wrong(at, "`needs = []` would let the assertion hold without evidence: name a source, or leave it out".into()));
    }
    Ok(Some(needs.into_iter().map(|need| need.value).collect()))
}

fn min_rows(section: &mut Section<'_>) -> Result<usize, Error> {
    let rows = section.integer("min_rows")?;
    let empty = section.text("empty")?;
    match (rows, empty) {
        (None, None) => Ok(1),
        (Some((rows, at)), None) => usize::try_from(rows)
            .ok()
            .filter(|rows| *rows > 0)
            .ok_or_else(|| section.wrong(at, "`min_rows` must be 1 or more; to hold without rows write `empty = \"held\"`".into())),
        (None, Some(empty)) if empty.value == "held" => Ok(0),
        (None, Some(empty)) => Err(section.wrong(empty.at, "`empty` can only be \"held\"".into())),
        (Some(_), Some(empty)) => Err(section.wrong(empty.at, "`empty` and `min_rows` contradict each other: write one".into())),
    }
}

fn applies(section: &mut Section<'_>) -> Result<Option<Vec<Applies>>, Error> {
    const KINDS: [&str; 6] = ["process", "compose", "attach", "tap", "import", "command"];
    let Some(texts) = section.texts("applies")? else { return Ok(None) };
    let mut applies = Vec::new();
    for text in texts {
        applies.push(match text.value.as_str() {
            "command" => Applies::Command,
            kind if KINDS.contains(&kind) => Applies::Kind(text.value),
            other => return Err(section.wrong(text.at, format!("`applies` is one of {}, not `{other}`{}", KINDS.join(", "), near(other, KINDS)))),
        });
    }
    Ok(Some(applies))
}

fn over_history(section: &mut Section<'_>) -> Result<bool, Error> {
    match section.text("over")? {
        None => Ok(false),
        Some(over) if over.value == "history" => Ok(true),
        Some(over) => Err(section.wrong(over.at, "`over` can only be \"history\"; without it one run is judged".into())),
    }
}

fn fault(section: &mut Section<'_>) -> Result<Fault, Error> {
    let attribution = section.required_text("attribution")?;
    let says = section.required_text("says")?.value;
    Ok(Fault {
        attribution: match attribution.value.as_str() {
            "product" => Attribution::Product,
            "environment" => Attribution::Environment,
            "harness" => Attribution::Harness,
            other => {
                let known = ["product", "environment", "harness"];
                let problem = format!("a fault's `attribution` is one of {}, not `{other}`{}", known.join(", "), near(other, known));
                return Err(section.wrong(attribution.at, problem));
            }
        },
        query: section.required_query("observe", format!("[[fault]] {says}"))?,
        says,
    })
}

#[cfg(test)]
mod tests;
