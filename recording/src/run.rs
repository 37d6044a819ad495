//! `run.json`: what the tables don't say about a run, and which files belong to it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::{Error, FORMAT};

/// The name of the file in a recording's folder.
pub const RUN_FILE: &str = "run.json";

/// How far a recording has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A collector is writing it.
    Running,
    /// It ended in order.
    Complete,
    /// It was cut off.
    Incomplete,
}

impl State {
    /// The word in `run.json` and in the table `run`.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Complete => "complete",
            State::Incomplete => "incomplete",
        }
    }
}

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// [`FORMAT`].
    pub format: u32,
    /// `<scenario>-<UTC yyyymmddThhmmssZ>-<4 base32>`.
    pub run_id: String,
    /// The scenario's name.
    pub scenario: String,
    /// `process`, `compose`, `attach`, `tap` or `import`.
    pub kind: String,
    /// The id of the spec named by the scenario.
    pub spec_id: Option<String>,
    /// The unique name of this run's stream.
    pub stream: String,
    /// How far the recording has come.
    pub state: State,
    /// Wall-clock time of `at_ns` = 0.
    pub started_unix_ns: i64,
    /// Length of the run; 0 while it lasts.
    pub duration_ns: i64,
    /// Labels given on the command line.
    pub labels: BTreeMap<String, String>,
    /// The version of the system under test.
    pub version: Option<Version>,
    /// Where it ran.
    pub environment: Environment,
    /// Hash of the file that was published, in hex.
    pub stimulus_sha256: Option<String>,
    /// What was redacted before writing.
    pub redaction: Vec<String>,
    /// The tables of an ended run; none while it lasts.
    pub tables: Vec<TableFile>,
}

/// The version of the system under test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Git commits or image digests.
    pub id: String,
    /// Where it stands among others.
    pub order: Option<i64>,
}

/// What the run's surroundings were; never the system itself, never measured load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Hash of `facts`, in hex.
    pub fingerprint: String,
    /// Host id, CPU model and count, memory, kernel, tool versions, configured limits.
    pub facts: BTreeMap<String, String>,
}

/// One table's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFile {
    /// The table.
    pub table: String,
    /// A plain file name in the recording's folder.
    pub file: String,
    /// Its rows.
    pub rows: i64,
    /// Its hash, in hex.
    pub sha256: String,
}

impl RunFile {
    /// Reads and checks the `run.json` of a recording.
    ///
    /// # Errors
    /// [`Error::NotARecording`] where there is none; [`Error::RunFile`] where it is of a newer format, not JSON, or
    /// names a file outside of the folder.
    pub fn read(dir: &Path) -> Result<RunFile, Error> {
        let path = dir.join(RUN_FILE);
        if !dir.is_dir() {
            return Err(Error::NotARecording { path: dir.to_owned(), problem: "there is no such folder".into() });
        }
        if !path.exists() {
            let problem = "it has no run.json (an empty folder, or the path of something else?)".to_owned();
            return Err(Error::NotARecording { path: dir.to_owned(), problem });
        }
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let wrong = |problem: String| Error::RunFile { path: path.clone(), problem };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format } = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if format > FORMAT {
            return Err(wrong(format!(
                "the recording has format {format}, this program reads up to {FORMAT}: use a newer Tapedeck"
            )));
        }
        let run: RunFile = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        match run.tables.iter().find(|table| !is_plain_name(&table.file)) {
            Some(table) => Err(wrong(format!(
                "table `{}` names `{}`: only plain file names inside the folder are read",
                table.table, table.file
            ))),
            None => Ok(run),
        }
    }

    /// Writes `run.json` so that a reader sees the old one or the new one, whole.
    ///
    /// # Errors
    /// [`Error::File`] where the folder can't be written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::RunFile { path: dir.join(RUN_FILE), problem: error.to_string() })?;
        text.push(b'\n');
        replace_file(dir, RUN_FILE, &text)
    }
}

fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

/// Writes a file of a recording by `.tmp`, sync, rename; readable by its owner only.
///
/// # Errors
/// [`Error::File`], naming the file.
pub fn replace_file(dir: &Path, name: &str, content: &[u8]) -> Result<(), Error> {
    let temporary = dir.join(format!("{name}.tmp"));
    let mut file = create_private(&temporary)?;
    file.write_all(content).map_err(Error::file("write", &temporary))?;
    file.sync_all().map_err(Error::file("sync", &temporary))?;
    publish_file(dir, &temporary, name)
}

/// Creates or empties a file that only its owner can read.
pub(crate) fn create_private(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(Error::file("create", path))
}

pub(crate) fn publish_file(dir: &Path, temporary: &Path, name: &str) -> Result<(), Error> {
    let path = dir.join(name);
    fs::rename(temporary, &path).map_err(Error::file("rename to", &path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::file("sync", dir))
}
