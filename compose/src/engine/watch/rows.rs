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

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample as the engine writes it.
    fn stats_of(json: Value) -> Vec<(String, f64)> {
        let sample = serde_json::from_value(json).unwrap();
        stats("one/echo", Some(0.5), &sample).into_iter().map(|stat| (stat.metric, stat.value)).collect()
    }

    fn value(stats: &[(String, f64)], metric: &str) -> Option<f64> {
        stats.iter().find(|(name, _)| name == metric).map(|&(_, value)| value)
    }

    #[test]
    fn memory_is_without_the_cache_in_both_versions_of_control_groups() {
        let sample = |memory: Value| {
            let cpu = serde_json::json!({"cpu_usage": {"total_usage": 5}, "throttling_data": {"periods": 2}});
            stats_of(serde_json::json!({"cpu_stats": cpu, "memory_stats": memory, "pids_stats": {"current": 3}}))
        };
        let first = sample(serde_json::json!({
            "usage": 100, "max_usage": 120, "limit": 200, "stats": {"total_inactive_file": 30, "inactive_file": 1}
        }));
        assert_eq!(value(&first, "memory/used"), Some(70.0));
        assert_eq!((value(&first, "memory/max"), value(&first, "memory/limit")), (Some(120.0), Some(200.0)));
        assert_eq!((value(&first, "cpu/periods"), value(&first, "processes")), (Some(2.0), Some(3.0)));
        let second = sample(serde_json::json!({"usage": 100, "limit": 200, "stats": {"inactive_file": 40}}));
        assert_eq!((value(&second, "memory/used"), value(&second, "memory/max")), (Some(60.0), None));
        let odd = sample(serde_json::json!({"usage": 100, "stats": {"inactive_file": 400}}));
        assert_eq!((value(&odd, "memory/used"), value(&odd, "memory/limit")), (Some(100.0), None));
    }

    #[test]
    fn a_sample_of_nothing_is_no_stats() {
        assert!(stats_of(serde_json::json!({"cpu_stats": {"cpu_usage": {"total_usage": 0}}})).is_empty());
        assert!(stats_of(serde_json::json!({"memory_stats": {"usage": 7}})).is_empty());
    }

    #[test]
    fn attributes_are_sorted() {
        let row = event("one/echo", "die", Some(1), BTreeMap::from([("b", 1.into()), ("a", 2.into())]), Some(9));
        assert_eq!((&*row.attributes, row.exit_code, row.source_unix_ns), (r#"{"a":2,"b":1}"#, Some(1), Some(9)));
        assert_eq!(engine("back", Attributes::new()).source, "engine");
    }
}
