use std::path::PathBuf;

/// What can go wrong with a recording on disk: which file, doing what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be created, read, written, synced or renamed.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried, as in "read".
        doing: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A table's Parquet file is damaged, or not Parquet.
    #[error("read table `{table}` from {} (damaged or cut short: restore it, or run `collector recover` where a journal is left)", path.display())]
    Parquet {
        /// The table's name.
        table: &'static str,
        /// The Parquet file.
        path: PathBuf,
        /// What the Parquet reader found.
        source: parquet::errors::ParquetError,
    },
    /// Rows could not be encoded as Arrow or Parquet.
    #[error("encode rows of table `{table}`")]
    Encode {
        /// The table's name.
        table: &'static str,
        /// What the encoder found.
        source: parquet::errors::ParquetError,
    },
    /// `run.json` is not what FORMAT.md says.
    #[error("{}: {problem}", path.display())]
    RunFile {
        /// The `run.json` concerned.
        path: PathBuf,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A folder holds neither Parquet tables nor a journal.
    #[error("{} is not a recording: {problem}", path.display())]
    NotARecording {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// No recording, or more than one, answers to a name.
    #[error("{problem}")]
    Unresolved {
        /// What was looked for, where, and what would do.
        problem: String,
    },
    /// A collector is still writing this recording.
    #[error("{} is being written by a collector at this moment; let it end first", path.display())]
    Locked {
        /// The recording's folder.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { doing, path, source }
    }
}
