//! What processes have used, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The kernel counts a process's CPU time in hundredths of a second for everybody who asks.
const TICKS_PER_S: f64 = 100.0;

/// CPU time and memory of a process and its children.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// CPU time of its living threads, by their names.
    pub threads: BTreeMap<String, Duration>,
    /// The most memory that it ever held, in bytes.
    pub peak_rss: u64,
}

impl Usage {
    /// Of this process and everything below it.
    pub fn of(pid: u32) -> Usage {
        let mut usage = Usage::default();
        for pid in family(pid) {
            usage.peak_rss += peak_rss(pid);
            for thread in numbers_in(Path::new(&format!("/proc/{pid}/task"))) {
                let dir = format!("/proc/{pid}/task/{thread}");
                let name = fs::read_to_string(format!("{dir}/comm")).unwrap_or_default();
                *usage.threads.entry(name.trim().to_owned()).or_default() += cpu_of_thread(&dir);
            }
        }
        usage
    }

    /// What was used since an earlier look, by thread.
    pub fn since(&self, before: &Usage) -> BTreeMap<String, Duration> {
        let gone = |name: &str| before.threads.get(name).copied().unwrap_or_default();
        self.threads.iter().map(|(name, cpu)| (name.clone(), cpu.saturating_sub(gone(name)))).collect()
    }
}

/// The CPU time of the threads that relay: those named so, or else the runtime's; everything where neither is found.
pub fn relaying(threads: &BTreeMap<String, Duration>) -> Duration {
    for prefix in ["relay", "tokio-", ""] {
        let mut found = threads.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, cpu)| *cpu).peekable();
        if found.peek().is_some() {
            return found.sum();
        }
    }
    Duration::ZERO
}

/// The process, its children, theirs, and so on.
pub fn family(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = numbers_in(Path::new("/proc"))
        .into_iter()
        .filter_map(|pid| Some((pid, stat(&format!("/proc/{pid}"))?.get(1)?.parse().ok()?)))
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

/// CPU time of all threads that the process ever had; known until it was waited for.
pub fn cpu_of_process(pid: u32) -> Duration {
    cpu_in_ticks(&format!("/proc/{pid}"))
}

/// Whether the process is over, waited for or not.
pub fn has_ended(pid: u32) -> bool {
    stat(&format!("/proc/{pid}")).is_none_or(|fields| fields.first().is_some_and(|state| state == "Z"))
}

/// Whether anybody listens on that port, asked without connecting.
pub fn listens(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let ours = format!(":{port:04X}");
    sockets.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&ours)) && fields.nth(1) == Some("0A")
    })
}

/// In nanoseconds where the kernel counts them.
fn cpu_of_thread(dir: &str) -> Duration {
    let counted = fs::read_to_string(format!("{dir}/schedstat")).unwrap_or_default();
    let nanos = counted.split_whitespace().next().and_then(|text| text.parse().ok()).filter(|nanos| *nanos > 0);
    nanos.map_or_else(|| cpu_in_ticks(dir), Duration::from_nanos)
}

fn cpu_in_ticks(dir: &str) -> Duration {
    let fields = stat(dir).unwrap_or_default();
    let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_S)
}

/// The fields of `stat` after the name, which may hold spaces itself.
fn stat(dir: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("{dir}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn peak_rss(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}

fn numbers_in(dir: &Path) -> Vec<u32> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
