//! Which recordings a user means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use recording::reader::{self, Recording};
use recording::run::RUN_FILE;

use crate::error::Error;

/// What a name on the command line stands for.
pub enum Named {
    /// One recording.
    Run(PathBuf),
    /// A folder of recordings, oldest first, at least one.
    Runs(Vec<PathBuf>),
}

/// Recordings that were met: what several names, or paths, stand for is one.
#[derive(Default)]
pub struct Once(BTreeSet<PathBuf>);

impl Once {
    /// Whether a recording is met for the first time.
    pub fn is_new(&mut self, path: &Path) -> bool {
        self.0.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }
}

/// A recording's path, `latest`, the beginning of a run id in `runs`, or a folder of recordings.
///
/// # Errors
/// [`Error::Recording`], [`Error::Usage`]: it is none of these.
pub fn named(runs: &Path, name: &str) -> Result<Named, Error> {
    let path = reader::resolve(runs, name)?;
    if path.join(RUN_FILE).is_file() || reader::list(&path)?.is_empty() {
        return Ok(Named::Run(path));
    }
    Ok(Named::Runs(reader::list(&path)?))
}

/// All recordings that some names stand for.
///
/// # Errors
/// As [`named`].
pub fn all(runs: &Path, names: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for name in names {
        match named(runs, name)? {
            Named::Run(path) => paths.push(path),
            Named::Runs(more) => paths.extend(more),
        }
    }
    Ok(paths)
}

/// The one recording that a name stands for.
///
/// # Errors
/// As [`named`], and where it is a folder of several.
pub fn open(runs: &Path, name: &str) -> Result<Recording, Error> {
    match named(runs, name)? {
        Named::Run(path) => Ok(Recording::open(&path)?),
        Named::Runs(paths) => {
            let problem = format!(
                "{name} is a folder of {} recordings: name one of them (see `replay list {name}`)",
                paths.len()
            );
            Err(Error::Usage(problem))
        }
    }
}
