//! Finds the program that a command names, before anything is started.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::process::ProcessSpec;

/// The program of a specification: a path is taken from the folder it starts in, a bare name from its `PATH`.
pub(crate) fn find_program(spec: &ProcessSpec) -> Result<PathBuf, Error> {
    let process = || spec.name.clone();
    let command = spec.command.first().filter(|command| !command.is_empty());
    let command = command.ok_or_else(|| Error::NoCommand { process: process() })?;
    must_be_folder(&spec.dir).map_err(|source| Error::Dir { process: process(), dir: spec.dir.clone(), source })?;
    let not_found = |remedy| Error::CommandNotFound { process: process(), command: command.clone(), remedy };
    if command.contains('/') {
        let program = spec.dir.join(command);
        return match (is_executable(&program), program.exists()) {
            (true, _) => absolute(program, spec),
            (false, true) => Err(not_found(format!("{} is not executable: chmod +x", program.display()))),
            (false, false) => {
                Err(not_found(format!("there is no {}: build it, or correct `command`", program.display())))
            }
        };
    }
    let path = spec.env.get("PATH").map(|path| OsStr::new(path).to_owned()).or_else(|| std::env::var_os("PATH"));
    let found = std::env::split_paths(&path.unwrap_or_default())
        .map(|folder| spec.dir.join(folder).join(command))
        .find(|program| is_executable(program));
    match found {
        Some(program) => absolute(program, spec),
        None => Err(not_found("install it, or put its folder on PATH".to_owned())),
    }
}

fn must_be_folder(path: &Path) -> std::io::Result<()> {
    match std::fs::metadata(path)?.is_dir() {
        true => Ok(()),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    }
}

/// What `exec` looks up must not depend on whether the folder was changed before.
fn absolute(program: PathBuf, spec: &ProcessSpec) -> Result<PathBuf, Error> {
    std::path::absolute(&program).map_err(|source| Error::Spawn { process: spec.name.clone(), program, source })
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
