//! The rows that tell of containers and of the engine. No I/O here.

use std::collections::BTreeMap;

use bollard::models::ContainerStatsResponse;
use recording::record::{Event, Log, Stat};
use serde_json::Value;

use crate::Stream;
use crate::engine::Container;

/// Attributes sort by their keys.
pub(super) type Attributes = BTreeMap<&'static str, Value>;

const SOURCE: &str = "container";

pub(super) fn event(
    subject: &str,
    event: &str,
    exit_code: Option<i64>,
    attributes: Attributes,
    unix_ns: Option<i64>,
) -> Event {
    let attributes = serde_json::to_string(&attributes).unwrap_or_else(|_| "{}".to_owned());
    let [source, subject, event] = [SOURCE, subject, event].map(str::to_owned);
    Event { source, subject, event, exit_code, attributes, source_unix_ns: unix_ns }
}

pub(super) fn engine(what: &str, attributes: Attributes) -> Event {
    Event { source: "engine".to_owned(), ..event("docker", what, None, attributes, None) }
}

/// What the engine knows of an end beside the exit code.
pub(super) fn end_of(container: &Container) -> Attributes {
    BTreeMap::from([
        ("error", container.error.clone().unwrap_or_default().into()),
        ("oom_killed", container.oom_killed.into()),
        ("restart_count", container.restart_count.into()),
    ])
}

/// What a container is, told once of those that were there before the watch.
pub(super) fn identity(container: &Container) -> Attributes {
    let health = container.health.as_ref().map_or("none", |health| &health.status);
    let image = if container.image_id.is_empty() { &container.image } else { &container.image_id };
    BTreeMap::from([
        ("health", health.into()),
        ("image", image.as_str().into()),
        ("name", container.name.as_str().into()),
    ])
}

pub(super) fn log(subject: &str, stream: Stream, line: String, unix_ns: Option<i64>) -> Log {
    let [source, subject, stream] = [SOURCE, subject, stream.name()].map(str::to_owned);
    Log { source, subject, stream, line, source_unix_ns: unix_ns }
}

/// The numbers of one sample; none where the engine had none to give yet.
pub(super) fn stats(subject: &str, cpus: Option<f64>, sample: &ContainerStatsResponse) -> Vec<Stat> {
    let mut stats = Vec::new();
    let mut stat = |metric: &str, value: Option<f64>, unit: &str| {
        let Some(value) = value else { return };
        let [source, subject, metric, unit] = [SOURCE, subject, metric, unit].map(str::to_owned);
        stats.push(Stat { source, subject, metric, value, unit });
    };
    let cpu = sample.cpu_stats.as_ref();
    let used_ns = cpu.and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage).filter(|&used_ns| used_ns > 0);
    // A container that is about to start, or has just ended, has no control group to read: all is zero.
    let Some(used_ns) = used_ns else { return stats };
    let number = |value: Option<u64>| value.map(|value| value as f64);
    stat("cpu/used_ns", Some(used_ns as f64), "ns");
    stat("cpu/limit", cpus, "cpus");
    let throttling = cpu.and_then(|cpu| cpu.throttling_data.as_ref());
    stat("cpu/periods", number(throttling.and_then(|data| data.periods)), "periods");
    stat("cpu/throttled_periods", number(throttling.and_then(|data| data.throttled_periods)), "periods");
    stat("cpu/throttled_ns", number(throttling.and_then(|data| data.throttled_time)), "ns");
    let memory = sample.memory_stats.as_ref();
    stat("memory/used", number(memory.and_then(used_bytes)), "bytes");
    stat("memory/max", number(memory.and_then(|memory| memory.max_usage).filter(|&max| max > 0)), "bytes");
    stat("memory/limit", number(memory.and_then(|memory| memory.limit).filter(|&limit| limit > 0)), "bytes");
    stat("processes", number(sample.pids_stats.as_ref().and_then(|pids| pids.current)), "processes");
    stats
}

/// Memory without the page cache that the kernel could drop, as `docker stats` counts it.
fn used_bytes(memory: &bollard::models::ContainerMemoryStats) -> Option<u64> {
    let usage = memory.usage?;
    // The first name is that of control groups version 1, the second that of version 2.
    let cache = ["total_inactive_file", "inactive_file"].iter().find_map(|name| memory.stats.as_ref()?.get(*name));
    Some(cache.filter(|&&cache| cache < usage).map_or(usage, |cache| usage - cache))
}
