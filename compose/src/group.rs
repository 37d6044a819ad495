//! A process group: the unit in which processes of the system under test are signalled and ended.

use std::fmt;
use std::io;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Pid, kill_process_group, test_kill_process_group};

use crate::Error;

/// A signal that can be sent to a process of the system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the signal of its own name")]
pub enum Signal {
    Abrt,
    Cont,
    Hup,
    Int,
    Kill,
    Quit,
    Stop,
    Term,
    Usr1,
    Usr2,
}

impl Signal {
    const ALL: [Signal; 10] = {
        use Signal::{Abrt, Cont, Hup, Int, Kill, Quit, Stop, Term, Usr1, Usr2};
        [Abrt, Cont, Hup, Int, Kill, Quit, Stop, Term, Usr1, Usr2]
    };

    /// The names that [`Signal::from_str`] knows, with or without a leading `SIG`.
    pub const NAMES: [&'static str; 10] =
        ["ABRT", "CONT", "HUP", "INT", "KILL", "QUIT", "STOP", "TERM", "USR1", "USR2"];

    fn raw(self) -> rustix::process::Signal {
        use rustix::process::Signal as Raw;
        match self {
            Signal::Abrt => Raw::ABORT,
            Signal::Cont => Raw::CONT,
            Signal::Hup => Raw::HUP,
            Signal::Int => Raw::INT,
            Signal::Kill => Raw::KILL,
            Signal::Quit => Raw::QUIT,
            Signal::Stop => Raw::STOP,
            Signal::Term => Raw::TERM,
            Signal::Usr1 => Raw::USR1,
            Signal::Usr2 => Raw::USR2,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(Signal::NAMES[*self as usize])
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(name: &str) -> Result<Signal, Error> {
        let short = name.strip_prefix("SIG").unwrap_or(name);
        let found = Signal::ALL.into_iter().find(|signal| signal.to_string() == short);
        found.ok_or_else(|| Error::UnknownSignal { name: name.to_owned() })
    }
}

/// A process group by its id, which is the process id of the one that began it.
///
/// The id can't be given to another process while the group has a member, so a group that is [alive](Group::alive)
/// is the one that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Group(Pid);

impl Group {
    /// `None` for ids that mean something else to `kill`: 0 is our own group, 1 is everything.
    pub(crate) fn new(id: u32) -> Option<Group> {
        let id = i32::try_from(id).ok().filter(|&id| id > 1)?;
        Pid::from_raw(id).map(Group)
    }

    pub(crate) fn id(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        Ok(kill_process_group(self.0, signal.raw())?)
    }

    /// SIGTERM, which a stopped process only sees when it goes on.
    pub(crate) fn ask_to_end(self) {
        let _ = self.signal(Signal::Term);
        let _ = self.signal(Signal::Cont);
    }

    /// Whether a process of the group still runs. What has ended and only waits to be collected by its parent does
    /// not count: it can't be ended any further.
    pub(crate) fn alive(self) -> bool {
        match test_kill_process_group(self.0) {
            Ok(()) => living_member(self.id()).unwrap_or(true),
            // EPERM: macOS answers so for a group that only waits to be collected; elsewhere nothing we may end.
            Err(Errno::SRCH | Errno::PERM) => false,
            Err(_) => true,
        }
    }
}

/// Looks through `/proc`; `None` where there is none.
fn living_member(group: i32) -> Option<bool> {
    let mut entries = std::fs::read_dir("/proc").ok()?.peekable();
    entries.peek()?;
    let is_living = |entry: io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        path.file_name()?.to_str()?.parse::<u32>().ok()?;
        let stat = std::fs::read(path.join("stat")).ok()?;
        let (state, of) = state_and_group(&String::from_utf8_lossy(&stat))?;
        Some(of == group && !matches!(state, 'Z' | 'X'))
    };
    Some(entries.any(|entry| is_living(entry).unwrap_or(false)))
}

/// The state and the group in a line of `/proc/PID/stat`: `PID (NAME) STATE PARENT GROUP …`; a name may hold anything.
fn state_and_group(stat: &str) -> Option<(char, i32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_they_are_read_by() {
        for signal in Signal::ALL {
            assert_eq!(signal.to_string().parse::<Signal>().unwrap(), signal);
            assert_eq!(format!("SIG{signal}").parse::<Signal>().unwrap(), signal);
        }
        let wrong = "kil".parse::<Signal>().unwrap_err().to_string();
        assert!(wrong.contains("`kil`") && wrong.contains("KILL"), "{wrong}");
    }

    #[test]
    fn ids_that_mean_more_than_one_group_are_refused() {
        assert_eq!([0, 1, u32::MAX].map(Group::new), [None; 3]);
        assert_eq!(Group::new(2).map(Group::id), Some(2));
    }

    #[test]
    fn a_process_name_may_hold_anything() {
        assert_eq!(state_and_group("7 (a) Z 1 (x) S 3 42 42 0 -1"), Some(('S', 42)));
        assert_eq!(state_and_group("nonsense"), None);
    }
}
