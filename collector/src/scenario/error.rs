//! Why a scenario can't be run.

use std::path::PathBuf;

/// A scenario that can't be run, and why: one line with file, place and remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("read the scenario {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// It is not TOML, or has keys that no scenario has.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong, with a remedy.
        problem: String,
    },
    /// Its parts don't fit together.
    #[error("{}: {place}: {problem}", path.display())]
    Meaning {
        /// The file.
        path: PathBuf,
        /// The table or key concerned.
        place: String,
        /// What is wrong, with a remedy.
        problem: String,
    },
}
