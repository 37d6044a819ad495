//! CPU time and memory of processes: those with a name, the collector, the collector's other children.
//!
//! What a look costs (dev profile, Linux, 132 processes on the machine): 5 ms of CPU for one at the whole machine,
//! 0.4 ms for one at twelve processes. So the whole machine is looked at every other second, to find new members, and only the
//! members in between: 0.4 % of one CPU with the host's numbers, measured over 20 s. A child that lives for less than
//! two seconds may be missed.
//!
//! Times are cumulative where the system tells them: in steps of 10 ms on Linux; on macOS for processes of the same
//! user. A platform that doesn't tell them gives 0.

use std::sync::Arc;

use recording::Table;
use recording::record::Stat;
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::family::{Families, Family, Id, Look, Use};
use super::waiting::Waits;
use super::{EVERY, Watched, stat};
use crate::intake::{Intake, Source};

/// Of so many looks, one is at the whole machine.
const WHOLE_MACHINE_EVERY: u64 = 2;

/// Measures processes once a second: `cpu/used_ns` (cumulative, descendants and ended ones included), `memory/rss`,
/// `processes`, `processes/stopped` (how many of them stand still after a SIGSTOP); of those with a name also
/// `cpu/waited_ns` (cumulative: how long their threads were ready to run and had no CPU), where the system tells. Rows have the source `process`,
/// `inject` or `command` and the process's name, or the source `collector` and the subject `collector` or `children`.
pub struct ProcessWatch {
    source: Source,
    observer: Option<Observer>,
}

impl ProcessWatch {
    /// A watch on `watched`, as the source `stats:process`. Nothing is measured before [`ProcessWatch::run`].
    pub fn new(intake: &Intake, watched: Arc<Watched>) -> ProcessWatch {
        let source = intake.source("stats:process", "stats", &[Table::Stats]);
        ProcessWatch { source, observer: Observer::new(watched) }
    }

    /// Measures until told to stop, and once more then. Fails, visibly, where the system doesn't let it.
    pub async fn run(&mut self, token: CancellationToken) {
        self.source.live();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopped = token.run_until_cancelled(ticks.tick()).await.is_none();
            if !self.look().await {
                return self.source.fail();
            }
            if stopped {
                return self.source.end();
            }
        }
    }

    /// Looks on a thread where it keeps no traffic waiting; whether that worked.
    async fn look(&mut self) -> bool {
        let Some(mut observer) = self.observer.take() else { return false };
        let looked = tokio::task::spawn_blocking(move || (observer.look(), observer));
        let Ok((stats, observer)) = looked.await else { return false };
        self.observer = Some(observer);
        let at_ns = self.source.clock().now_ns();
        for stat in stats {
            self.source.put(at_ns, stat);
        }
        true
    }
}

/// The part that asks the system.
struct Observer {
    watched: Arc<Watched>,
    system: System,
    families: Families,
    waits: Waits,
    roots_known: usize,
    looks: u64,
}

impl Observer {
    fn new(watched: Arc<Watched>) -> Option<Observer> {
        let families = Families::new(std::process::id());
        let (system, waits) = (System::new().ok()?, Waits::default());
        Some(Observer { watched, system, families, waits, roots_known: 0, looks: 0 })
    }

    fn look(&mut self) -> Vec<Stat> {
        let roots = self.watched.roots();
        if self.looks.is_multiple_of(WHOLE_MACHINE_EVERY) || roots.len() != self.roots_known {
            self.refresh(ProcessesToUpdate::All);
            self.families.assign(&self.seen(), &roots);
            self.roots_known = roots.len();
        } else {
            let pids: Vec<Pid> = self.families.pids().into_iter().map(Pid::from_u32).collect();
            self.refresh(ProcessesToUpdate::Some(&pids));
        }
        self.looks += 1;
        self.families.update(&self.seen());
        self.waits.look(&self.families.named());
        let uses = self.families.uses().into_iter();
        uses.flat_map(|(family, used)| rows(&family, used, self.waits.of(&family))).collect()
    }

    fn refresh(&mut self, which: ProcessesToUpdate<'_>) {
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
        self.system.refresh_processes_specifics(which, true, what);
    }

    fn seen(&self) -> Vec<Look> {
        self.system.processes().values().map(look_of).collect()
    }
}

fn look_of(process: &sysinfo::Process) -> Look {
    Look {
        id: Id { pid: process.pid().as_u32(), started_s: process.start_time() },
        parent: process.parent().map(Pid::as_u32),
        cpu_ns: process.accumulated_cpu_time() * 1_000_000,
        rss_bytes: process.memory(),
        running: !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead),
        stopped: process.status() == ProcessStatus::Stop,
    }
}

fn rows(family: &Family, used: Use, waited_ns: Option<u64>) -> Vec<Stat> {
    let (source, subject) = match family {
        Family::Named(subject) => (subject.source, &*subject.name),
        Family::Collector => ("collector", "collector"),
        Family::Children => ("collector", "children"),
    };
    let waited = waited_ns.map(|waited_ns| stat(source, subject, "cpu/waited_ns", waited_ns as f64, "ns"));
    let rows = [
        stat(source, subject, "cpu/used_ns", used.cpu_ns as f64, "ns"),
        stat(source, subject, "memory/rss", used.rss_bytes as f64, "bytes"),
        stat(source, subject, "processes", used.processes as f64, "processes"),
        stat(source, subject, "processes/stopped", used.stopped as f64, "processes"),
    ];
    rows.into_iter().chain(waited).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn shell(line: &str) -> Child {
        Command::new("sh").args(["-c", line]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    fn value(stats: &[Stat], subject: &str, metric: &str) -> Option<f64> {
        let wanted = |stat: &&Stat| stat.subject == subject && stat.metric == metric;
        stats.iter().find(wanted).map(|stat| stat.value)
    }

    /// Looks until something holds of what was seen.
    fn look_until(observer: &mut Observer, holds: impl Fn(&[Stat]) -> bool) -> Vec<Stat> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let stats = observer.look();
            if holds(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "never seen; last: {stats:?}");
        }
    }

    #[test]
    fn real_processes_are_measured_and_keep_what_they_used() {
        let watched = Arc::new(Watched::default());
        let mut observer = Observer::new(watched.clone()).unwrap();
        let mut tested = shell("(while :; do :; done) & read stop; kill $!");
        let mut other = shell("read stop");
        watched.add("process", "tested", tested.id());
        let busy = |stats: &[Stat]| {
            value(stats, "tested", "cpu/used_ns") >= Some(5e7)
                && value(stats, "tested", "processes") == Some(2.0)
                && value(stats, "children", "processes") >= Some(1.0)
        };
        let stats = look_until(&mut observer, busy);
        let used_ns = value(&stats, "tested", "cpu/used_ns").unwrap();
        assert!(value(&stats, "tested", "memory/rss").unwrap() > 1e5);
        assert!(value(&stats, "collector", "cpu/used_ns").is_some());
        assert_eq!(value(&stats, "collector", "processes"), Some(1.0));
        let stop = |signal| rustix::process::kill_process(rustix::process::Pid::from_child(&tested), signal).unwrap();
        stop(rustix::process::Signal::STOP);
        look_until(&mut observer, |stats| value(stats, "tested", "processes/stopped") == Some(1.0));
        stop(rustix::process::Signal::CONT);
        look_until(&mut observer, |stats| value(stats, "tested", "processes/stopped") == Some(0.0));
        drop((tested.stdin.take(), other.stdin.take()));
        tested.wait().unwrap();
        other.wait().unwrap();
        let stats = look_until(&mut observer, |stats| value(stats, "tested", "processes") == Some(0.0));
        assert!(value(&stats, "tested", "cpu/used_ns").unwrap() >= used_ns);
        assert_eq!(value(&stats, "tested", "memory/rss"), Some(0.0));
    }

    #[test]
    fn processes_that_share_too_few_cpus_have_waited_for_one() {
        let told = std::fs::read_to_string("/proc/self/schedstat").is_ok_and(|line| line.trim() != "0 0 0");
        let watched = Arc::new(Watched::default());
        let mut observer = Observer::new(watched.clone()).unwrap();
        let loops = std::thread::available_parallelism().unwrap().get() + 1;
        let line =
            format!("pids=; {} read stop; kill $pids", "(while :; do :; done) & pids=\"$pids $!\"; ".repeat(loops));
        let mut starved = shell(&line);
        watched.add("process", "starved", starved.id());
        let known = |stats: &[Stat]| value(stats, "starved", "cpu/used_ns") >= Some(5e7);
        let waited_ns = |stats: &[Stat]| value(stats, "starved", "cpu/waited_ns");
        let before = waited_ns(&look_until(&mut observer, known));
        assert_eq!(before.is_some(), told, "{before:?}");
        let grown = |stats: &[Stat]| !told || waited_ns(stats) >= before.map(|before| before + 5e7);
        let before = waited_ns(&look_until(&mut observer, grown));
        drop(starved.stdin.take());
        starved.wait().unwrap();
        let stats = look_until(&mut observer, |stats| value(stats, "starved", "processes") == Some(0.0));
        assert!(waited_ns(&stats) >= before, "{stats:?}");
        assert_eq!(value(&stats, "collector", "cpu/waited_ns"), None);
    }

    #[tokio::test]
    async fn a_watch_that_is_stopped_has_looked_once() {
        let intake = Intake::new(crate::intake::Clock::start());
        let token = CancellationToken::new();
        let mut watch = ProcessWatch::new(&intake, Arc::default());
        token.cancel();
        watch.run(token).await;
        let mut entries = std::collections::VecDeque::new();
        intake.drain(&mut entries);
        assert_eq!(entries.len(), 8, "four rows of the collector, four of its children");
        assert_eq!(intake.source_rows()[0].state, "ended");
    }
}
