//! What ends a run: a query that becomes true.
//!
//! The collector has no SQL of its own. `replay` follows the growing journal in a process beside it, so that the query
//! means the same while recording and afterwards, and what it costs is not paid on the way of the traffic.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// The `replay` program: the one beside this program, else the one on `PATH`.
pub fn replay_program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("replay")));
    beside.filter(|path| path.is_file()).or_else(|| on_path("replay"))
}

/// Where a program is found by its name.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A query that is asked again and again until its first value is true.
pub struct Watch {
    child: Child,
}

impl Watch {
    /// Begins to ask.
    ///
    /// # Errors
    /// Where `replay` can't be started.
    pub fn start(replay: &Path, recording: &Path, sql: &str) -> std::io::Result<Watch> {
        let child = Command::new(replay)
            .arg("sql")
            .arg(recording)
            .arg(sql)
            .args(["--until-true", "--every", "1s"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Watch { child })
    }

    /// Waits until the query is true.
    ///
    /// # Errors
    /// What `replay` said, where the query can't be asked.
    pub async fn wait(&mut self) -> Result<(), String> {
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // What can't be read is only missing in a message.
            if let Err(error) = stderr.read_to_string(&mut said).await {
                said = error.to_string();
            }
        }
        match self.child.wait().await {
            Ok(status) if ExitStatus::success(&status) => Ok(()),
            Ok(status) => Err(said.lines().last().map_or_else(|| status.to_string(), str::to_owned)),
            Err(error) => Err(error.to_string()),
        }
    }
}
