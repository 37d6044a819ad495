//! Watches processes and the host, once a second, into `stats`.
//!
//! [`Watched`] is the list of processes under test, and others with a name, filled by whoever starts them · [`ProcessWatch`] measures them,
//! the collector itself, and the collector's other children apart · [`HostWatch`] measures the machine, and
//! [`host::facts`] says what machine it is. Nothing here reads what a process says or does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use recording::record::Stat;

mod family;
pub mod host;
mod process;
mod waiting;

pub use host::HostWatch;
pub use process::ProcessWatch;

/// How often everything is measured.
const EVERY: Duration = Duration::from_secs(1);

/// The processes that are watched by name: shared between whoever starts them and [`ProcessWatch`].
#[derive(Debug, Default)]
pub struct Watched {
    roots: Mutex<Vec<Root>>,
}

/// A process that is watched by name; its descendants belong to it.
#[derive(Clone, Debug)]
struct Root {
    subject: Subject,
    pid: u32,
}

/// Whose numbers they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Subject {
    source: &'static str,
    name: Arc<str>,
}

impl Watched {
    /// Makes a process known. It should be told as soon as the process runs: what a process uses before counts among
    /// the collector's own children. A process that was started again is told again, under the same name.
    ///
    /// `source` is that of its rows: `process` for what is under test, `inject` for a fault, `command` for the wrapped
    /// command.
    pub fn add(&self, source: &'static str, name: &str, pid: u32) {
        let root = Root { subject: Subject { source, name: name.into() }, pid };
        self.roots.lock().unwrap_or_else(PoisonError::into_inner).push(root);
    }

    fn roots(&self) -> Vec<Root> {
        self.roots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn stat(source: &str, subject: &str, metric: &str, value: f64, unit: &str) -> Stat {
    let [source, subject, metric, unit] = [source, subject, metric, unit].map(str::to_owned);
    Stat { source, subject, metric, value, unit }
}
