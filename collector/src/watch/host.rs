//! The machine that a run takes place on: what it is, and how it fares.
//!
//! A measurement costs less than 0.1 ms of CPU (dev profile, Linux).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use recording::Table;
use recording::record::Stat;
use sha2::{Digest, Sha256};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, System};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{EVERY, stat};
use crate::intake::{Clock, Intake, Source};

/// Measures the host once a second, with the source and subject `host`: `cpu/busy_ratio` (0 to 1, of all CPUs),
/// `cpu/count`, `load/1m`, `memory/available`, `memory/total`, `memory/limit` (of the control groups that we run in,
/// where one is set), `disk/free` (of the recording's folder), `clock/wall_offset_ns` (how far the wall clock has moved
/// against the run's clock: a step shows when it was set).
pub struct HostWatch {
    source: Source,
    gauge: Option<Gauge>,
}

impl HostWatch {
    /// A watch on the host and on the disk of `folder`, as the source `stats:host`.
    pub fn new(intake: &Intake, folder: &Path) -> HostWatch {
        let source = intake.source("stats:host", "stats", &[Table::Stats]);
        HostWatch { source, gauge: Gauge::new(folder) }
    }

    /// Measures until told to stop, and once more then. Fails, visibly, where the system doesn't let it.
    pub async fn run(&mut self, token: CancellationToken) {
        let Some(gauge) = &mut self.gauge else { return self.source.fail() };
        self.source.live();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopped = token.run_until_cancelled(ticks.tick()).await.is_none();
            let clock = self.source.clock();
            let at_ns = clock.now_ns();
            for stat in gauge.read(&clock) {
                self.source.put(at_ns, stat);
            }
            if stopped {
                return self.source.end();
            }
        }
    }
}

struct Gauge {
    system: System,
    folder: PathBuf,
    /// Whether there was a look before: the share of busy time is that between two looks.
    cpu_since: bool,
    memory_limit: Option<u64>,
}

impl Gauge {
    fn new(folder: &Path) -> Option<Gauge> {
        let system = System::new().ok()?;
        Some(Gauge { system, folder: folder.to_owned(), cpu_since: false, memory_limit: memory_limit() })
    }

    fn read(&mut self, clock: &Clock) -> Vec<Stat> {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let mut stats = vec![
            host("memory/available", self.system.available_memory() as f64, "bytes"),
            host("memory/total", self.system.total_memory() as f64, "bytes"),
            host("clock/wall_offset_ns", wall_offset_ns(clock), "ns"),
            host("cpu/count", self.system.cpus().len() as f64, "cpus"),
        ];
        stats.extend(self.memory_limit.map(|limit| host("memory/limit", limit as f64, "bytes")));
        if std::mem::replace(&mut self.cpu_since, true) {
            stats.push(host("cpu/busy_ratio", f64::from(self.system.global_cpu_usage()) / 100.0, "ratio"));
        }
        stats.extend(System::load_average().ok().map(|load| host("load/1m", load.one, "processes")));
        stats.extend(free_bytes(&self.folder).map(|free| host("disk/free", free as f64, "bytes")));
        stats
    }
}

fn host(metric: &str, value: f64, unit: &str) -> Stat {
    stat("host", "host", metric, value, unit)
}

fn wall_offset_ns(clock: &Clock) -> f64 {
    let wall = SystemTime::now();
    let expected_ns = clock.unix_ns(clock.now_ns());
    let wall_ns = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i64;
    (wall_ns - expected_ns) as f64
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

/// What machine this is, as facts that don't change from run to run. It is told apart from others by a hash, not by
/// its name. Facts that the system doesn't tell are left out.
///
/// Takes some milliseconds; it asks the operating system, not the network.
pub fn facts() -> BTreeMap<String, String> {
    let mut system = System::new().ok();
    if let Some(system) = &mut system {
        system.refresh_cpu_list(CpuRefreshKind::nothing());
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    }
    let cpus = system.as_ref().map(System::cpus).unwrap_or_default();
    let model = cpus.first().map(|cpu| cpu.brand().trim().to_owned());
    let memory = system.as_ref().map(|system| gib(system.total_memory()));
    let facts = [
        ("arch", Some(std::env::consts::ARCH.to_owned())),
        ("cpu_count", Some(cpus.len()).filter(|&count| count > 0).map(|count| count.to_string())),
        ("cpu_limit", limit("cpu.max")),
        ("cpu_model", model),
        ("host_id", Some(id())),
        ("kernel", System::kernel_version().ok()),
        ("memory_gib", memory),
        ("memory_limit", limit("memory.max")),
        ("os", System::long_os_version().ok()),
    ];
    let told = facts.into_iter().filter_map(|(name, fact)| Some((name, fact.filter(|fact| !fact.is_empty())?)));
    told.map(|(name, fact)| (name.to_owned(), fact)).collect()
}

/// Whole GiB: what a kernel keeps for itself differs by megabytes from version to version.
fn gib(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / f64::from(1 << 30))
}

/// A name for this machine that tells nothing of it: made of its own id where it has one, since a container's host name
/// is another one each time. Empty where the machine can't be told from others.
pub fn id() -> String {
    let id = std::fs::read_to_string("/etc/machine-id").ok().filter(|id| !id.trim().is_empty());
    let Some(id) = id.or_else(|| System::host_name().ok()) else { return String::new() };
    let hash = format!("{:x}", Sha256::digest(format!("host {}", id.trim())));
    hash[..16].to_owned()
}

/// A limit of the control group that we run in, where one is set.
fn limit(name: impl AsRef<Path>) -> Option<String> {
    let limit = std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(name)).ok()?;
    let limit = limit.trim();
    (!limit.starts_with("max")).then(|| limit.to_owned())
}

/// The least memory that a control group above us may use. Only version 2 is asked, and only Linux has it.
fn memory_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let above = Path::new(own).ancestors().map(|group| limit(group.join("memory.max")));
    above.flatten().filter_map(|limit| limit.parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(stats: &[Stat]) -> BTreeMap<&str, f64> {
        stats.iter().map(|stat| (&*stat.metric, stat.value)).collect()
    }

    #[test]
    fn a_host_is_measured() {
        let clock = Clock::start();
        let mut gauge = Gauge { memory_limit: Some(1 << 30), ..Gauge::new(&std::env::temp_dir()).unwrap() };
        let first = gauge.read(&clock);
        assert!(!metrics(&first).contains_key("cpu/busy_ratio"), "one look gives no share");
        let stats = gauge.read(&clock);
        let metrics = metrics(&stats);
        let names = "clock/wall_offset_ns cpu/busy_ratio cpu/count disk/free load/1m memory/available memory/limit memory/total";
        assert_eq!(metrics.keys().copied().collect::<Vec<_>>().join(" "), names);
        assert!(metrics["cpu/count"] >= 1.0 && metrics["memory/limit"] == f64::from(1 << 30), "{metrics:?}");
        assert!((0.0..=1.0).contains(&metrics["cpu/busy_ratio"]), "{metrics:?}");
        assert!(metrics["disk/free"] > 0.0 && metrics["memory/available"] <= metrics["memory/total"], "{metrics:?}");
        // A second is far more than the time between two readings, and far less than a step anybody would look for.
        assert!(metrics["clock/wall_offset_ns"].abs() < 1e9, "{metrics:?}");
    }

    #[test]
    fn facts_are_the_same_twice_and_name_no_machine() {
        let told = facts();
        assert_eq!(told, facts());
        for name in ["arch", "cpu_count", "host_id", "kernel", "memory_gib", "os"] {
            assert!(told.contains_key(name), "{name} is missing in {told:?}");
        }
        assert!(told["host_id"].len() == 16 && told["host_id"].bytes().all(|byte| byte.is_ascii_hexdigit()));
        let name = System::host_name().unwrap();
        assert!(!told.values().any(|fact| *fact == name));
        assert_eq!((gib(25_200_000_000), gib(16 << 30)), ("23".to_owned(), "16".to_owned()));
    }

    #[tokio::test]
    async fn a_watch_that_is_stopped_has_looked_once() {
        let intake = Intake::new(Clock::start());
        let token = CancellationToken::new();
        token.cancel();
        HostWatch::new(&intake, &std::env::temp_dir()).run(token).await;
        let mut entries = std::collections::VecDeque::new();
        intake.drain(&mut entries);
        let of_a_group = usize::from(memory_limit().is_some());
        assert_eq!(entries.len(), 6 + of_a_group, "all but the share of busy time, which needs two looks");
        assert_eq!(intake.source_rows()[0].state, "ended");
    }
}
