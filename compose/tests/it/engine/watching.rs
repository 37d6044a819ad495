//! What a watch tells of containers.

use std::sync::Arc;
use std::time::Duration;

use compose::engine::{Now, State};
use compose::{Container, ContainerWatch, Signal};
use tokio::time::timeout;

use super::stage::{DEADLINE, Seen, check, host, on_engine};

const WITHIN: Duration = Duration::from_secs(10);

fn attributes(event: &recording::record::Event) -> serde_json::Value {
    serde_json::from_str(&event.attributes).unwrap()
}

/// Waits until the one container makes `pick` give something.
async fn when<T>(watch: &ContainerWatch, pick: impl Fn(&Container) -> Option<T>) -> T {
    let mut now = watch.now();
    let pick = |now: &Arc<Now>| now.containers["one"].first().and_then(&pick);
    let found = timeout(DEADLINE, now.wait_for(|now| pick(now).is_some())).await.expect("it never was so").unwrap();
    pick(&found).unwrap()
}

#[test]
fn a_life_is_told_in_order_with_the_engines_times() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let id = stage.create("echo", "exec sleep 1000", |body| body.healthcheck = Some(check("echo fine"))).await;
        stage.start_created(&id).await;
        let now = watch.now();
        when(&watch, |container| (container.health.as_ref()?.status == "healthy").then_some(())).await;
        stage.engine.signal(&id, Signal::Kill).await.unwrap();
        seen.event("one/echo", "die").await;
        stage.engine.remove(&stage.project).await.unwrap();
        watch.stop().await;

        let events = seen.events("one/echo");
        let names: Vec<&str> = events.iter().map(|event| &*event.event).collect();
        assert_eq!(names, ["create", "start", "health_status", "kill", "die", "destroy"]);
        assert!(events.iter().all(|event| event.source == "container"));
        assert!(events.is_sorted_by_key(|event| event.source_unix_ns.unwrap()), "{events:?}");
        assert_eq!(events[2].attributes, r#"{"output":"fine","status":"healthy"}"#);
        assert_eq!(events[3].attributes, r#"{"signal":"9"}"#);
        assert_eq!(events[4].attributes, r#"{"error":"","oom_killed":false,"restart_count":0}"#);
        assert_eq!(
            events.iter().map(|event| event.exit_code).collect::<Vec<_>>(),
            [None, None, None, None, Some(137), None]
        );
        assert!(now.borrow().containers["one"].is_empty());
    });
}

#[test]
fn a_failing_health_check_says_why() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let health = Some(check("echo no such stream; exit 1"));
        let id = stage.create("echo", "exec sleep 1000", |body| body.healthcheck = health).await;
        stage.start_created(&id).await;
        let event = seen.event("one/echo", "health_status").await;
        assert_eq!(event.attributes, r#"{"output":"no such stream","status":"unhealthy"}"#);
        let container =
            when(&watch, |container| container.health.as_ref()?.failing_streak.ge(&2).then(|| container.clone())).await;
        assert_eq!((container.state, &*container.health.unwrap().status), (State::Running, "unhealthy"));
    });
}

#[test]
fn running_out_of_memory_gives_two_signs() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let limit = 16 * 1024 * 1024;
        let id = stage.create("greedy", "exec tail /dev/zero", |body| host(body).memory = Some(limit)).await;
        stage.start_created(&id).await;
        let die = seen.event("one/greedy", "die").await;
        seen.event("one/greedy", "oom").await;
        assert_eq!(die.exit_code, Some(137));
        assert_eq!(attributes(&die)["oom_killed"], true);
        assert!(watch.settled("one", WITHIN).await);
    });
}

#[test]
fn every_line_is_told_once_and_in_order_down_to_the_last() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let id = stage.start("writer", "seq 10000; echo oh >&2; printf 'the end'").await;
        stage.ended(&id).await;
        assert!(watch.settled("one", WITHIN).await, "{:?}", seen.events("one/writer"));
        stage.engine.remove(&stage.project).await.unwrap();
        watch.stop().await;

        let (errors, lines): (Vec<_>, Vec<_>) =
            seen.lines("one/writer").into_iter().partition(|(stream, ..)| stream == "stderr");
        assert_eq!(errors.iter().map(|(_, line, _)| &**line).collect::<Vec<_>>(), ["oh"]);
        let texts: Vec<&str> = lines.iter().map(|(_, line, _)| &**line).collect();
        let expected: Vec<String> =
            (1..=10_000).map(|number| number.to_string()).chain(["the end".to_owned()]).collect();
        assert_eq!(texts, expected);
        assert!(lines.is_sorted_by_key(|(.., unix_ns)| unix_ns.unwrap()));
    });
}

#[test]
fn a_container_that_is_started_again_is_told_on() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let id = stage.start("again", "echo run; exit 3").await;
        stage.ended(&id).await;
        assert!(watch.settled("one", WITHIN).await);
        stage.start_created(&id).await;
        stage.ended(&id).await;
        assert!(watch.settled("one", WITHIN).await);
        assert_eq!(seen.texts("one/again"), ["run", "run"]);
        let exits: Vec<_> = seen.events("one/again").iter().filter_map(|event| event.exit_code).collect();
        assert_eq!(exits, [3, 3]);
    });
}

#[test]
fn a_pause_is_told() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let id = stage.start("still", "exec sleep 1000").await;
        stage.engine.pause(&id).await.unwrap();
        seen.event("one/still", "pause").await;
        when(&watch, |container| (container.state == State::Paused).then_some(())).await;
        stage.engine.unpause(&id).await.unwrap();
        seen.event("one/still", "unpause").await;
        let refused = stage.engine.unpause(&id).await.unwrap_err();
        assert!(refused.to_string().starts_with("Docker: let container"), "{refused}");
    });
}

#[test]
fn stats_come_with_their_limits() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let _watch = stage.watch(&stage.engine, &seen).await;
        let change = |body: &mut bollard::models::ContainerCreateBody| {
            host(body).memory = Some(64 << 20);
            host(body).nano_cpus = Some(250_000_000);
        };
        let id = stage.create("busy", "while true; do :; done", change).await;
        stage.start_created(&id).await;
        let throttled = |stats: &std::collections::HashMap<String, recording::record::Stat>| {
            stats.get("cpu/throttled_ns").is_some_and(|stat| stat.value > 0.0) && stats.contains_key("processes")
        };
        let stats = seen.stats("one/busy", throttled).await;
        let value = |metric: &str| (stats[metric].value, &*stats[metric].unit);
        assert_eq!((value("cpu/limit"), value("memory/limit")), ((0.25, "cpus"), ((64 << 20) as f64, "bytes")));
        assert_eq!(value("processes"), (1.0, "processes"));
        assert!(value("cpu/used_ns").0 > 1e6 && value("cpu/throttled_periods").0 > 0.0, "{stats:?}");
        let used = value("memory/used").0;
        assert!(used > 4096.0 && used < (64 << 20) as f64, "{stats:?}");
    });
}

#[test]
fn what_is_there_before_the_watch_is_told_as_running() {
    on_engine(async |stage| {
        let id = stage.start("early", "echo before; read _ < /tmp/gate; echo after").await;
        stage.ended(&id).await;
        let gate = "mkfifo /tmp/gate; echo before; cat /tmp/gate; echo after";
        let id = stage.start("open", gate).await;
        let first = Seen::new();
        let watch = stage.watch(&stage.engine, &first).await;
        let running = first.event("one/open", "running").await;
        assert_eq!(attributes(&running)["name"], format!("{}-open-1", stage.project));
        assert_eq!(attributes(&running)["health"], "none");
        assert!(attributes(&running)["image"].as_str().unwrap().starts_with("sha256:"));
        stage.engine.signal(&id, Signal::Kill).await.unwrap();
        first.event("one/open", "die").await;
        assert!(watch.settled("one", WITHIN).await);
        assert!(first.events("one/early").is_empty());
        assert!(first.texts("one/early").is_empty());
    });
}

#[test]
fn a_terminals_output_is_lines_too() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let id = stage.create("screen", "seq 100; printf end", |body| body.tty = Some(true)).await;
        stage.start_created(&id).await;
        stage.ended(&id).await;
        assert!(watch.settled("one", WITHIN).await);
        let expected: Vec<String> = (1..=100).map(|number| number.to_string()).chain(["end".to_owned()]).collect();
        assert_eq!(seen.texts("one/screen"), expected);
    });
}

#[test]
fn a_log_that_nobody_keeps_is_said_once() {
    on_engine(async |stage| {
        let seen = Seen::new();
        let watch = stage.watch(&stage.engine, &seen).await;
        let none = bollard::models::HostConfigLogConfig { typ: Some("none".to_owned()), config: None };
        let id = stage.create("mute", "echo unheard", |body| host(body).log_config = Some(none)).await;
        stage.start_created(&id).await;
        stage.ended(&id).await;
        assert!(watch.settled("one", WITHIN).await);
        let texts = seen.texts("one/mute");
        assert!(texts.len() == 1 && texts[0].contains("the log can't be read"), "{texts:?}");
    });
}
