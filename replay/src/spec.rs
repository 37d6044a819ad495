//! A spec: TOML that was typed, resolved into types that can't be wrong. SPEC.md is its law.
//!
//! What is not checked here is the SQL: a query is only known to be good when it is planned against the tables.

mod defaults;
mod document;
mod names;
mod near;
mod resolve;
mod short;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::bound::Bound;
use crate::error::Error;
use crate::judge::Attribution;
pub use defaults::CONCERNS;
use defaults::Defaults;
use document::{Document, Section};
pub use names::{Names, Runs};
pub use near::near;

/// The keys of each section, as SPEC.md lists them.
pub const KEYS: [(&str, &[&str]); 18] = [
    ("", &["spec", "names", "expects", "views", "assertion", "fault", "diff", "unassertable"]),
    ("[spec]", &["id", "requirements", "default_faults"]),
    ("[names]", &[]),
    ("[expects]", &["samples", "events"]),
    ("[views]", &[]),
    (
        "[[assertion]]",
        &[
            "id",
            "says",
            "observe",
            "bound",
            "unit",
            "needs",
            "min_rows",
            "empty",
            "applies",
            "covers",
            "over",
            "count",
            "each",
            "responds",
            "metric",
            "probe",
            "media",
            "language",
            "provenance",
            "budget",
        ],
    ),
    ("count", &["of", "where", "distinct", "evidence"]),
    ("each", &["of", "where", "holds", "value", "subject", "from", "until", "evidence", "skip", "why"]),
    ("responds", &["to", "where", "with", "key", "within", "at", "subject", "from", "evidence", "skip", "why"]),
    ("metric", &["target", "name", "labels", "take"]),
    (
        "probe",
        &[
            "target",
            "format",
            "video",
            "audio",
            "video_streams",
            "audio_streams",
            "width",
            "height",
            "sample_rate",
            "channels",
            "value",
        ],
    ),
    ("media", &["target", "kind", "measure", "codec"]),
    ("language", &["of", "where", "column", "code", "short", "subject", "from", "until", "evidence", "skip", "why"]),
    (
        "provenance",
        &[
            "of",
            "where",
            "input",
            "output",
            "alike",
            "models",
            "forbidden",
            "subject",
            "from",
            "until",
            "evidence",
            "skip",
            "why",
        ],
    ),
    ("budget", &["from", "to", "within"]),
    ("[[fault]]", &["id", "attribution", "says", "when", "observe"]),
    ("[diff]", &["events"]),
    ("[[unassertable]]", &["id", "why"]),
];

/// A spec's file, understood.
#[derive(Debug)]
pub struct Spec {
    /// Where it was read.
    pub path: PathBuf,
    /// What was read: specs of the same text are one spec.
    pub text: String,
    /// `[spec] id`.
    pub id: String,
    /// The ids that the spec answers for, ranges written out.
    pub requirements: Vec<String>,
    /// What the specification calls things that a run may replace.
    pub names: Names,
    /// Names that the views read, for drift.
    pub expects: Expects,
    /// The system's own words, in SQL, in the order of the file; then the views behind the default faults.
    pub views: Vec<View>,
    /// What must be so.
    pub assertions: Vec<Assertion>,
    /// What explains that something is not so: the spec's own, then the defaults.
    pub faults: Vec<Fault>,
    /// The events by which runs are aligned; `None`: those of the packets, counted.
    pub diff: Option<Query>,
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
#[derive(Clone, Debug)]
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
    place: Place,
    path: PathBuf,
}

/// Where a query's text is in the spec, from 1.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// It begins there, letter by letter.
    Typed { line: usize, column: usize },
    /// It was made of what stands there: its own lines and columns are not the spec's.
    Made { line: usize },
}

impl Query {
    /// A query of the spec that can't be answered: the error with file and line. `at` is the place within the SQL,
    /// from 1.
    pub fn error(&self, at: Option<(usize, usize)>, problem: &str) -> Error {
        let (line, column) = match (self.place, at) {
            (Place::Made { line } | Place::Typed { line, .. }, None) | (Place::Made { line }, Some(_)) => (line, None),
            (Place::Typed { line, column }, Some((1, within))) => (line, Some(column + within - 1)),
            (Place::Typed { line, .. }, Some((below, within))) => (line + below - 1, Some(within)),
        };
        let column = column.map_or_else(String::new, |column| format!(" (column {column})"));
        Error::Spec { path: self.path.clone(), line, problem: format!("{}: {problem}{column}", self.owner) }
    }
}

/// A text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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
    /// Its name; every default has one.
    pub id: Option<String>,
    /// Who wrote it.
    pub origin: Origin,
    /// Whom it speaks for or against.
    pub attribution: Attribution,
    /// What happened, in plain words.
    pub says: String,
    /// What a run must have for it to be asked, one of them: a source's name, or `SOURCE EVENT` or `SOURCE EVENT STATUS`
    /// of the timeline. None: it is asked of every run.
    pub when: Vec<String>,
    /// Where and when it happened.
    pub query: Query,
}

/// Who wrote a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The spec.
    Spec,
    /// The spec, in place of a default.
    Replacement,
    /// Nobody: every spec has it.
    Default,
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
        let defaults = Defaults::read()?;
        let mut spec = Spec {
            path: path.to_owned(),
            text: text.to_owned(),
            id: head.required_text("id")?.value,
            requirements: resolve::requirements(&mut head)?,
            names: resolve::names(&mut root)?,
            expects: resolve::expects(root.table("expects")?)?,
            views: defaults.behind_views(views(&mut root)?),
            assertions: Vec::new(),
            faults: Vec::new(),
            diff: resolve::diff(root.table("diff")?)?,
            unassertable: Vec::new(),
        };
        let known: Vec<View> = [spec.names.view(Runs::One)].into_iter().chain(spec.views.iter().cloned()).collect();
        let mut ids = BTreeSet::new();
        for mut section in root.tables("assertion")? {
            spec.assertions.push(resolve::assertion(&mut section, &mut ids, &known)?);
        }
        let mut fault_ids = BTreeSet::new();
        for mut section in root.tables("fault")? {
            spec.faults.push(resolve::fault(&mut section, &mut fault_ids)?);
        }
        if head.boolean("default_faults")?.unwrap_or(true) {
            spec.faults = defaults.behind_faults(spec.faults);
        }
        for mut section in root.tables("unassertable")? {
            let id = resolve::unique_id(&mut section, &mut ids)?;
            spec.unassertable.push(Unassertable { id, why: section.required_text("why")?.value });
        }
        Ok(spec)
    }
}

fn views(root: &mut Section<'_>) -> Result<Vec<View>, Error> {
    let views = root.table("views")?;
    views.as_ref().map_or(Ok(()), defaults::refuse_reserved)?;
    resolve::views(views)
}

#[cfg(test)]
mod tests;
