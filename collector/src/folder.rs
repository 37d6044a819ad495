//! The folder of a recording that is being made: its name, its lock, `run.json` and the copies beside it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use recording::reader::{JOURNAL_FILE, LOCK_FILE};
use recording::run::{RunFile, State, replace_file};

/// A folder that can't be made or locked.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct Error {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl Error {
    fn at(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error { doing, path, source }
    }
}

/// A recording's folder, locked by this process.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes `runs/<run_id>`, readable by its owner only, and locks it.
    ///
    /// # Errors
    /// [`Error`] where `runs` can't be written.
    pub fn create(runs: &Path, run_id: &str) -> Result<Folder, Error> {
        let dir = std::path::absolute(runs).map_err(Error::at("find", runs))?.join(run_id);
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(true).create(runs).map_err(Error::at("create", runs))?;
        // Not recursive: a folder that is there already belongs to another run.
        builder.recursive(false).create(&dir).map_err(Error::at("create", &dir))?;
        builder.create(dir.join("media")).map_err(Error::at("create", &dir))?;
        Folder::lock(dir)
    }

    /// Locks the folder of a recording that exists.
    ///
    /// # Errors
    /// [`Error`] where another collector holds it.
    pub fn lock(dir: PathBuf) -> Result<Folder, Error> {
        let path = dir.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(Error::at("open", &path))?;
        file.try_lock().map_err(|error| Error { doing: "lock", path, source: error.into() })?;
        Ok(Folder { dir, _lock: file })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        self.dir.join(JOURNAL_FILE)
    }

    /// Where media files go.
    pub fn media(&self) -> PathBuf {
        self.dir.join("media")
    }

    /// Writes a file beside the tables.
    ///
    /// # Errors
    /// Where the folder can't be written.
    pub fn write(&self, name: &str, content: &str) -> Result<(), recording::Error> {
        replace_file(&self.dir, name, content.as_bytes())
    }

    /// Turns the journal into Parquet and writes the last `run.json`.
    ///
    /// # Errors
    /// Where the disk refuses; the journal stays.
    pub fn seal(&self, run: &RunFile, state: State) -> Result<RunFile, recording::Error> {
        recording::seal::seal(&self.dir, run, state)
    }
}

/// Where the collector keeps what is not part of a recording.
pub fn state() -> PathBuf {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        home.join(".local/state")
    });
    state.join("tapedeck")
}

/// `<scenario>-<UTC yyyymmddThhmmssZ>-<4 base32>`.
pub fn run_id(scenario: &str, started_unix_ns: i64) -> String {
    let started = chrono::DateTime::from_timestamp_nanos(started_unix_ns);
    let mut random = [0; 4];
    // Without randomness two runs of one second collide, and the second says so when it makes its folder.
    if File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).is_err() {
        random = std::process::id().to_le_bytes();
    }
    const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let suffix: String = random.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)])).collect();
    format!("{scenario}-{}-{suffix}", started.format("%Y%m%dT%H%M%SZ"))
}

/// The labels of a command line, `K=V` each.
///
/// # Errors
/// The first that is none.
pub fn labels(given: &[String]) -> Result<BTreeMap<String, String>, String> {
    given
        .iter()
        .map(|label| match label.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("--label {label}: write NAME=VALUE")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_tells_scenario_and_time() {
        let id = run_id("021-process", 1_790_000_000_000_000_000);
        let (rest, suffix) = id.rsplit_once('-').expect("it has a suffix");
        assert_eq!(rest, "021-process-20260921T141320Z");
        assert!(suffix.len() == 4 && suffix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }

    #[test]
    fn a_folder_is_private_and_can_be_locked_once() {
        use std::os::unix::fs::PermissionsExt;
        let runs = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(runs.path(), "r-1").expect("it can be made");
        let mode = std::fs::metadata(folder.dir()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(Folder::lock(folder.dir().to_owned()).is_err());
    }
}
