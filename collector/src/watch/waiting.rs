//! How long the threads of watched processes have waited for a CPU: ready to run, and another one had it.
//!
//! Linux tells it for each thread, in `/proc/<pid>/task/<tid>/schedstat`. Where that can't be read (other systems,
//! a kernel that doesn't count it) nothing is known, which is not the same as no wait. The kernel adds a wait when it
//! ends, so a thread that waits still is seen late, and one that ends between two looks is seen only up to the first.
//!
//! A look costs 6 µs of CPU for each thread (dev profile): 0.25 ms for one at 41 threads.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::io::Errno;

use super::family::{Family, Id};

/// What each thread of a process has waited so far, in ns.
type Threads = HashMap<u32, u64>;

/// What families have waited, from one look to the next.
#[derive(Default)]
pub(super) struct Waits {
    processes: HashMap<Id, Threads>,
    /// Those whose waits are known. Only ever added to, so that what ends takes nothing away.
    families: BTreeMap<Family, u64>,
}

impl Waits {
    /// Asks the system about all processes that are watched; one that isn't among them is forgotten.
    pub(super) fn look(&mut self, members: &[(Family, Id)]) {
        let ids: HashSet<Id> = members.iter().map(|&(_, id)| id).collect();
        self.processes.retain(|id, _| ids.contains(id));
        for (family, id) in members {
            // What was seen before stays where a look fails: it would be counted twice after the next.
            if let Ok(threads) = threads_of(id.pid) {
                self.update(family, *id, threads);
            }
        }
    }

    /// Since the family's first process was started, in ns; `None` where the system doesn't tell.
    pub(super) fn of(&self, family: &Family) -> Option<u64> {
        self.families.get(family).copied()
    }

    fn update(&mut self, family: &Family, id: Id, threads: Threads) {
        if threads.is_empty() {
            return;
        }
        let before = self.processes.entry(id).or_default();
        let added = |(tid, &now): (&u32, &u64)| match before.get(tid) {
            Some(&before) if before <= now => now - before,
            // A new thread, maybe with the number of one that ended.
            _ => now,
        };
        *self.families.entry(family.clone()).or_default() += threads.iter().map(added).sum::<u64>();
        *before = threads;
    }
}

/// The threads of a process that have run; none where the kernel doesn't count.
fn threads_of(pid: u32) -> io::Result<Threads> {
    let mut threads = Threads::new();
    for entry in Path::new("/proc").join(pid.to_string()).join("task").read_dir()? {
        let entry = entry?;
        let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match waited_ns(&entry.path().join("schedstat")) {
            Ok(waited_ns) => threads.extend(waited_ns.map(|waited_ns| (tid, waited_ns))),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(threads)
}

fn waited_ns(schedstat: &Path) -> io::Result<Option<u64>> {
    // Three numbers of at most 20 digits; into a buffer of our own, as this is read for every thread.
    let mut buffer = [0; 64];
    let read = File::open(schedstat)?.read(&mut buffer)?;
    Ok(parse(&buffer[..read]))
}

/// The second of the three numbers: ns on a CPU, ns waited for one, times on one. `None` where all are 0: a thread
/// that hasn't run yet, or a kernel that doesn't count.
fn parse(schedstat: &[u8]) -> Option<u64> {
    let numbers = str::from_utf8(schedstat).ok()?.split_whitespace().map(|number| number.parse().ok());
    match numbers.collect::<Option<Vec<u64>>>()?[..] {
        [0, 0, 0] => None,
        [_, waited_ns, _] => Some(waited_ns),
        _ => None,
    }
}

fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: Id = Id { pid: 20, started_s: 1 };

    #[track_caller]
    fn check(looks: &[(Id, &[(u32, u64)])], expected: &[Option<u64>]) {
        let mut waits = Waits::default();
        let sums = looks.iter().map(|&(id, threads)| {
            waits.update(&Family::Children, id, threads.iter().copied().collect());
            waits.of(&Family::Children)
        });
        assert_eq!(sums.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_sum_grows_by_what_each_thread_waited_more() {
        check(&[(PROCESS, &[(20, 5)]), (PROCESS, &[(20, 7), (21, 10)])], &[Some(5), Some(17)]);
    }

    #[test]
    fn what_ended_threads_and_processes_waited_stays() {
        let other = Id { pid: 30, ..PROCESS };
        let looks: &[(Id, &[(u32, u64)])] =
            &[(PROCESS, &[(20, 5), (21, 10)]), (PROCESS, &[(20, 6)]), (other, &[(30, 1)])];
        check(looks, &[Some(15), Some(16), Some(17)]);
        let mut waits = Waits::default();
        waits.update(&Family::Children, PROCESS, Threads::from([(20, 5)]));
        waits.look(&[]);
        assert_eq!((waits.of(&Family::Children), waits.processes.len()), (Some(5), 0));
    }

    #[test]
    fn a_thread_with_an_old_number_is_a_new_one() {
        check(&[(PROCESS, &[(20, 5)]), (PROCESS, &[(20, 3)])], &[Some(5), Some(8)]);
        let stranger = Id { started_s: 2, ..PROCESS };
        check(&[(PROCESS, &[(20, 5)]), (stranger, &[(20, 7)])], &[Some(5), Some(12)]);
    }

    #[test]
    fn what_is_not_told_is_not_0() {
        check(&[(PROCESS, &[])], &[None]);
        check(&[(PROCESS, &[(20, 0)])], &[Some(0)]);
    }

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let cases: [(&[u8], _); 6] = [
            (b"46359 120 1\n", Some(120)),
            (b"46359 0 1\n", Some(0)),
            (b"0 0 0\n", None),
            (b"", None),
            (b"1 2\n", None),
            (b"1 x 3\n", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        assert!(threads_of(u32::MAX).is_err());
    }
}
