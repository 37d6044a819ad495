//! Where an export goes: the standard output, or a file that is there when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Where an export goes.
pub struct Output {
    to: Box<dyn Write>,
    name: String,
    unfinished: Option<Unfinished>,
}

/// A file under another name, which is gone unless it becomes whole.
struct Unfinished {
    temporary: PathBuf,
    path: PathBuf,
    is_whole: bool,
}

impl Output {
    /// The file, readable by its owner only; the standard output where there is none.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn open(path: Option<&Path>) -> Result<Output, Error> {
        let Some(path) = path else {
            let to = Box::new(BufWriter::new(io::stdout().lock()));
            return Ok(Output { to, name: "the answer".into(), unfinished: None });
        };
        let name = path.display().to_string();
        let failed = |source| Error::Write { to: name.clone(), source };
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        // Nothing is put in the place of a device or a pipe.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let file = options.open(path).map_err(failed)?;
            return Ok(Output { to: Box::new(BufWriter::new(file)), name, unfinished: None });
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let file = options.create_new(true).open(&temporary).map_err(failed)?;
        let unfinished = Unfinished { temporary, path: path.to_owned(), is_whole: false };
        Ok(Output { to: Box::new(BufWriter::with_capacity(1 << 18, file)), name, unfinished: Some(unfinished) })
    }

    /// Writes some more; `false` where nobody reads any further.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&mut self, content: &[u8]) -> Result<bool, Error> {
        let written = self.to.write_all(content);
        self.outcome(written)
    }

    /// Ends it: the file has its name only now.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<(), Error> {
        let written = self.to.flush();
        self.outcome(written)?;
        if let Some(unfinished) = &mut self.unfinished {
            let renamed = File::open(&unfinished.temporary)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(&unfinished.temporary, &unfinished.path));
            renamed.map_err(|source| Error::Write { to: self.name.clone(), source })?;
            unfinished.is_whole = true;
        }
        Ok(())
    }

    fn outcome(&self, written: io::Result<()>) -> Result<bool, Error> {
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && self.unfinished.is_none() => Ok(false),
            Err(source) => Err(Error::Write { to: self.name.clone(), source }),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_whole {
            // What can't be taken away is seen by its name to be half of something.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}
