//! What can go wrong, always with the file or query concerned. Every one of these ends the program with exit 2.

use std::path::PathBuf;
use std::sync::Arc;

use crate::spec::Query;
use crate::views::QueryError;

/// Why a command could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A recording can't be found or read.
    #[error(transparent)]
    Recording(Arc<recording::Error>),
    /// A spec's file can't be read.
    #[error("read the spec {} (name one by --spec)", path.display())]
    ReadSpec {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A spec says something that it can't.
    #[error("{}:{line}: {problem}", path.display())]
    Spec {
        /// The spec's file.
        path: PathBuf,
        /// The line concerned, from 1.
        line: usize,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A history's file can't be read.
    #[error("read the history {}", path.display())]
    ReadHistory {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A history says something that it can't.
    #[error("{}{}: {problem}", path.display(), line.map_or(String::new(), |line| format!(":{line}")))]
    History {
        /// The history's file.
        path: PathBuf,
        /// The line concerned, from 1.
        line: Option<u64>,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// What is thought beforehand can't be read.
    #[error("read the priors {}: {problem} (--save-priors writes such a file)", path.display())]
    Priors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A query of the command line can't be answered.
    #[error("the query: {0}")]
    Sql(Box<QueryError>),
    /// Queries took longer than they may.
    #[error("{what} took longer than {limit_s} s: simplify it, or allow more by --time-limit")]
    TimeLimit {
        /// Whose queries.
        what: String,
        /// The limit in seconds.
        limit_s: f64,
    },
    /// The query engine gave up in a way that it shouldn't.
    #[error("{0}: the query engine failed; simplify the query")]
    Failed(String),
    /// The command line asks for what there isn't.
    #[error("{0}")]
    Usage(String),
    /// A recording has no spans.
    #[error("{0} has no spans: `collector spans {0}` derives them, with --scenario for its pairs", path.display())]
    NoSpans {
        /// The recording.
        path: PathBuf,
    },
    /// Spans can't be sent.
    #[error("send spans")]
    Telemetry(#[source] Box<telemetry::otlp::Error>),
    /// A query engine or thread could not be set up.
    #[error("start the query engine")]
    Engine(#[source] std::io::Error),
    /// An answer could not be written.
    #[error("write {to}")]
    Write {
        /// The file, or the standard output.
        to: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

impl From<recording::Error> for Error {
    fn from(error: recording::Error) -> Error {
        Error::Recording(Arc::new(error))
    }
}

impl Error {
    /// The error of a query that was given on the command line.
    pub fn of_query(error: QueryError) -> Error {
        match (error.recording, error.view) {
            (Some(error), _) => Error::Recording(error),
            (None, Some(view)) => view.error(error.at, &error.problem),
            (None, None) => Error::Sql(Box::new(QueryError { recording: None, view: None, ..error })),
        }
    }

    /// The error of a spec's query: it names the spec's file and line.
    pub fn of_spec(query: &Query, error: QueryError) -> Error {
        match (&error.recording, &error.view) {
            (None, None) => query.error(error.at, &error.problem),
            _ => Error::of_query(error),
        }
    }
}
