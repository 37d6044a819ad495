//! The default faults, each on a run that shows it and on one that nearly does, under a spec that writes none.

use std::path::Path;

use recording::record::{Event, Gap, Stat};
use serde_json::{Value, json};

use crate::build::{Builder, SECOND};
use crate::{json as answer, replay, stdout};

const SPEC: &str = r#"
[spec]
id = "t"

[[assertion]]
id = "T-1"
says = "something is asked"
observe = "SELECT 'all' AS subject, count(*) AS observed FROM packets WHERE tap = 'api'"
bound = "= 1"
"#;

const WORKER: &str = "shop/worker";
const KILLED: &str = "environment: a service was killed from outside";
const FAILED: &str = "product: a service failed by itself";
const OOM: &str = "environment: a container was OOM-killed";
const FULL: &str = "environment: memory was at its limit";
const UNHEALTHY: &str = "product: a container was unhealthy";

/// A run of local processes in which one thing was asked.
fn run() -> Made {
    let builder = Builder::new("small-20261124T070000Z-aaaa").packet(10 * SECOND, "sent", "ask", &json!([]));
    Made(builder).live("stats:host", "stats").live("stats:process", "stats").live("process", "timeline")
}

/// A run on a Compose project `shop` that was up at 5 s and was asked to go at 58 s.
fn compose() -> Made {
    let mut made = run().live("container", "timeline").live("stats:container", "stats");
    made.0.run.kind = "compose".into();
    made.event(2.0, "project", "shop", "start", None, &json!({})).event(
        5.0,
        "project",
        "shop",
        "ready",
        None,
        &json!({}),
    )
}

struct Made(Builder);

impl Made {
    fn live(self, source: &str, table: &str) -> Made {
        Made(self.0.source(source, &[table], Some(0), Some(60 * SECOND), "ended"))
    }

    fn event(self, at_s: f64, source: &str, subject: &str, event: &str, exit_code: Option<i64>, more: &Value) -> Made {
        let row = Event {
            source: source.into(),
            subject: subject.into(),
            event: event.into(),
            exit_code,
            attributes: more.to_string(),
            source_unix_ns: None,
        };
        Made(self.0.row(ns(at_s), row))
    }

    fn process(self, at_s: f64, event: &str, exit_code: Option<i64>) -> Made {
        self.event(at_s, "process", "worker", event, exit_code, &json!({}))
    }

    fn container(self, at_s: f64, event: &str, more: Value) -> Made {
        self.event(at_s, "container", WORKER, event, None, &more)
    }

    fn die(self, at_s: f64, exit_code: i64, oom_killed: bool) -> Made {
        self.event(at_s, "container", WORKER, "die", Some(exit_code), &json!({ "oom_killed": oom_killed }))
    }

    fn not_up(self, at_s: f64, error: &str) -> Made {
        self.event(at_s, "run", "run", "not up", None, &json!({ "error": error }))
    }

    fn phase(self, at_s: f64, event: &str) -> Made {
        self.event(at_s, "run", "run", event, None, &json!({}))
    }

    fn stat(self, at_s: f64, source: &str, subject: &str, metric: &str, value: f64) -> Made {
        let row =
            Stat { source: source.into(), subject: subject.into(), metric: metric.into(), value, unit: "1".into() };
        Made(self.0.row(ns(at_s), row))
    }

    /// The same value once a second.
    fn level(self, range: std::ops::Range<i32>, source: &str, subject: &str, metric: &str, value: f64) -> Made {
        range.fold(self, |made, at_s| made.stat(at_s.into(), source, subject, metric, value))
    }

    /// A value that grows by `step` a second.
    fn growing(self, range: std::ops::Range<i32>, source: &str, subject: &str, metric: &str, step: f64) -> Made {
        range.fold(self, |made, at_s| made.stat(at_s.into(), source, subject, metric, step * f64::from(at_s)))
    }

    /// Memory of the worker in shares of its limit, for the samples in the range.
    fn memory(self, range: std::ops::Range<i32>, share: f64) -> Made {
        self.level(0..1, "container", WORKER, "memory/limit", 1e9).level(
            range,
            "container",
            WORKER,
            "memory/used",
            share * 1e9,
        )
    }

    /// What the assertion is told of faults, under the spec with more text behind it.
    fn told_under(self, more: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        self.0.seal(&folder.path().join("runs"));
        std::fs::write(folder.path().join("spec.toml"), format!("{SPEC}{more}")).unwrap();
        let output = replay(folder.path(), &["check", "latest", "--spec", "spec.toml", "--format", "json"]);
        let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let faults = report["runs"][0]["assertions"][0]["faults"].as_array().unwrap();
        faults.iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }

    /// What is told, in the order of the defaults: each begins so, and names its evidence.
    #[track_caller]
    fn tells(self, expected: &[&str]) -> Vec<String> {
        let told = self.told_under("");
        let as_expected = told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected));
        assert!(as_expected && told.len() == expected.len(), "{told:#?}\n{expected:#?}");
        assert!(told.iter().all(|told| told.contains("#") && told.ends_with(')')), "no evidence: {told:#?}");
        told
    }
}

fn ns(at_s: f64) -> i64 {
    (at_s * SECOND as f64) as i64
}

#[test]
fn a_run_that_went_well_tells_of_none() {
    let made = run().process(1.0, "start", None).process(2.0, "ready", None).phase(58.0, "teardown");
    made.process(58.1, "stop", None).process(58.2, "exit", Some(143)).tells(&[]);
    let made =
        compose().container(3.0, "start", json!({})).container(4.9, "health_status", json!({ "status": "healthy" }));
    let made = made.phase(57.9, "teardown").event(58.0, "project", "shop", "stop", None, &json!({}));
    made.container(58.1, "kill", json!({ "signal": "15" })).die(58.2, 137, false).tells(&[]);
}

#[test]
fn a_publisher_that_died() {
    let publisher = |exit_code| run().event(30.0, "publisher", "s1", "exit", Some(exit_code), &json!({}));
    let died = "harness: the publisher died before its end: s1, exit code";
    publisher(137).tells(&[died]);
    publisher(139).tells(&[died]);
    publisher(0).tells(&[]);
    publisher(1).tells(&[]);
    let stopped = run().event(29.0, "publisher", "s1", "stop", None, &json!({}));
    stopped.event(30.0, "publisher", "s1", "exit", Some(143), &json!({})).tells(&[]);
    let signal = run().event(29.0, "inject", "publisher", "signal", None, &json!({ "signal": "TERM", "error": null }));
    signal.event(30.0, "publisher", "s1", "exit", Some(255), &json!({})).tells(&[died]);
}

#[test]
fn rows_that_the_recorder_lost() {
    let lost = |source: &str| {
        let gap =
            Gap { from_ns: 5 * SECOND, to_ns: 6 * SECOND, source: source.into(), lost: 3, reason: "queue full".into() };
        Made(run().0.row(6 * SECOND, gap))
    };
    lost("tap:api").tells(&["harness: the recorder lost rows: tap:api, queue full"]);
    lost("scrape:worker").tells(&[]);
}

#[test]
fn a_process_that_was_killed_or_failed() {
    let ended = |exit_code| run().process(1.0, "start", None).process(30.0, "exit", Some(exit_code));
    for code in [129, 130, 137, 143] {
        ended(code).tells(&[KILLED]);
    }
    let again = ended(137).process(30.1, "start", None).process(33.0, "ready", None).tells(&[KILLED]);
    assert!(again[0].contains("worker, exit code 137, up again at 33.0 s, 30.0 s to 33.0 s (timeline#2)"), "{again:?}");
    for code in [1, 2, 139] {
        ended(code).tells(&[FAILED]);
    }
    ended(0).tells(&[]);
    let stopped = |stop_s: f64| run().process(1.0, "start", None).process(stop_s, "stop", None);
    stopped(29.0).process(30.0, "exit", Some(137)).tells(&[]);
    stopped(29.0).process(30.0, "exit", Some(1)).tells(&[]);
    stopped(20.0).process(21.0, "start", None).process(30.0, "exit", Some(137)).tells(&[KILLED]);
    run().phase(29.0, "teardown").process(30.0, "exit", Some(137)).tells(&[]);
}

#[test]
fn a_process_that_ends_its_own_way_after_a_signal() {
    let after = |signal: &str, at_s| {
        let sent = run().event(at_s, "inject", "worker", "signal", None, &json!({ "signal": signal, "error": null }));
        sent.process(30.0, "exit", Some(1))
    };
    let told = after("TERM", 29.0).tells(&[KILLED]);
    assert!(told[0].contains("timeline#2, timeline#1"), "{told:?}");
    after("CONT", 29.0).tells(&[FAILED]);
    after("TERM", 10.0).tells(&[FAILED]);
}

#[test]
fn a_process_that_stood_still() {
    let stopped = |value| {
        let made = run().level(0..10, "process", "worker", "processes/stopped", 0.0);
        let made = made.level(10..20, "process", "worker", "processes/stopped", value);
        made.level(20..30, "process", "worker", "processes/stopped", 0.0)
    };
    let told = stopped(1.0).tells(&["environment: a service was stopped (SIGSTOP) and did nothing: worker"]);
    assert!(told[0].contains("9.0 s to 20.0 s"), "{told:?}");
    stopped(0.0).tells(&[]);
}

#[test]
fn an_oom_kill_has_its_signs() {
    let oom = || compose().container(29.0, "oom", json!({}));
    let kill = |made: Made| made.container(29.5, "kill", json!({ "signal": "9" }));
    compose().die(30.0, 137, false).tells(&[KILLED]);
    let told = oom().die(30.0, 137, true).tells(&[OOM]);
    assert!(told[0].contains("exit code 137, never up again (an oom event, its state)"), "{told:?}");
    oom().die(30.0, 137, false).tells(&[OOM]);
    oom().die(30.0, 1, false).tells(&[OOM]);
    compose().die(30.0, 1, true).tells(&[OOM]);
    compose().memory(26..30, 0.99).die(30.0, 137, false).tells(&[OOM, FULL]);
    compose().memory(26..30, 0.9).die(30.0, 137, false).tells(&[KILLED]);
    kill(compose().memory(26..30, 0.99)).die(30.0, 137, false).tells(&[KILLED, FULL]);
    compose().memory(26..30, 0.99).die(30.0, 1, false).tells(&[FULL, FAILED]);
    let told = kill(oom()).die(30.0, 137, false).tells(&[KILLED, OOM]);
    assert!(told[1].contains("an oom event, and it ended otherwise"), "{told:?}");
    let told = oom().tells(&[OOM]);
    assert!(told[0].contains("which went on (an oom event)"), "{told:?}");
    compose().container(10.0, "oom", json!({})).die(30.0, 3, false).tells(&[OOM, FAILED]);
}

#[test]
fn a_container_that_was_killed_restarted_or_failed() {
    let kill = |signal: &str| compose().container(29.0, "kill", json!({ "signal": signal }));
    kill("15").die(30.0, 0, false).tells(&[KILLED]);
    kill("10").die(30.0, 1, false).tells(&[FAILED]);
    compose().die(30.0, 143, false).tells(&[KILLED]);
    compose().die(30.0, 3, false).tells(&[FAILED]);
    compose().die(30.0, 0, false).tells(&[]);
    let restarted = "environment: a container was restarted from outside";
    let told =
        kill("15").die(30.0, 143, false).container(31.0, "start", json!({})).container(31.1, "restart", json!({}));
    let told = told.tells(&[restarted]);
    assert!(told[0].contains("up again at 31.0 s"), "{told:?}");
    kill("15").die(30.0, 143, false).container(31.0, "start", json!({})).tells(&[KILLED]);
}

#[test]
fn a_container_that_was_paused() {
    let told = compose().container(20.0, "pause", json!({})).container(30.0, "unpause", json!({}));
    let told = told.tells(&["environment: a container was paused and did nothing: shop/worker"]);
    assert!(told[0].contains("20.0 s to 31.0 s (timeline#3, timeline#4)"), "{told:?}");
    compose().phase(19.0, "teardown").container(20.0, "pause", json!({})).tells(&[]);
}

#[test]
fn an_engine_that_was_lost() {
    let engine = |made: Made, at_s, what| made.event(at_s, "engine", "docker", what, None, &json!({}));
    let lost = engine(engine(compose().die(30.0, 137, false), 31.0, "lost"), 35.0, "back");
    lost.tells(&["environment: the container engine did not answer: 1 containers ended with it, back at 35.0 s"]);
    let before = engine(engine(compose().die(5.0, 137, false), 31.0, "lost"), 35.0, "back");
    let told = "environment: the container engine did not answer: no container is known to have ended";
    before.tells(&[KILLED, told]);
}

#[test]
fn a_container_at_its_cpu_limit() {
    let held_back = |range, share| {
        let made = compose().growing(10..40, "container", WORKER, "cpu/periods", 10.0);
        made.growing(range, "container", WORKER, "cpu/throttled_periods", 10.0 * share)
    };
    held_back(10..40, 0.9).tells(&["environment: a container was held back at its CPU limit: shop/worker, in 90 % of"]);
    held_back(10..40, 0.4).tells(&[]);
    held_back(20..25, 0.9).tells(&[]);
}

#[test]
fn a_container_that_was_unhealthy() {
    let health =
        |made: Made, at_s, status| made.container(at_s, "health_status", json!({ "status": status, "output": "no" }));
    health(compose(), 30.0, "unhealthy").tells(&[UNHEALTHY]);
    let told = health(health(compose(), 30.0, "unhealthy"), 40.0, "healthy").tells(&[UNHEALTHY]);
    assert!(told[0].contains("shop/worker: no, 30.0 s to 40.0 s"), "{told:?}");
    health(compose(), 4.0, "unhealthy").tells(&[]);
    health(compose().phase(29.0, "teardown"), 30.0, "unhealthy").tells(&[]);
    let paused = compose().container(20.0, "pause", json!({}));
    health(paused, 30.0, "unhealthy").tells(&["environment: a container was paused"]);
}

#[test]
fn cpus_that_went_elsewhere() {
    let hog = |busy, used_ns, waited_s: Option<f64>| {
        let made =
            run().level(0..40, "host", "host", "cpu/count", 2.0).level(0..40, "host", "host", "cpu/busy_ratio", busy);
        let made = made.growing(0..40, "process", "worker", "cpu/used_ns", used_ns);
        waited_s.into_iter().fold(made, |made, s| made.growing(0..40, "process", "worker", "cpu/waited_ns", s * 1e9))
    };
    let starved = "environment: other programs took the CPUs, and services were kept waiting";
    let told = hog(0.95, 2e8, Some(0.8)).tells(&[starved]);
    assert!(told[0].contains("worker waited 80.0 % of its time; 87.0 % of 2.0 CPUs"), "{told:?}");
    hog(0.95, 2e8, Some(0.3)).tells(&[]);
    hog(0.5, 2e8, Some(0.8)).tells(&[]);
    hog(0.95, 2e8, None).tells(&[]);
    let told = hog(0.95, 2e7, None).tells(&[starved]);
    assert!(told[0].contains(": 94.0 % of 2.0 CPUs"), "{told:?}");
}

#[test]
fn memory_at_its_limit() {
    let told = compose().memory(10..13, 0.97).memory(40..43, 0.98).tells(&[FULL, FULL]);
    assert!(
        told[0].contains("97 % of its limit, 10.0 s to 12.0 s") && told[1].contains("40.0 s to 42.0 s"),
        "{told:?}"
    );
    compose().memory(10..12, 0.97).memory(40..42, 0.97).tells(&[]);
    let host = |bytes| {
        run().stat(1.0, "host", "host", "memory/total", 1e10).stat(9.0, "host", "host", "memory/available", bytes)
    };
    host(2e8).tells(&["environment: memory was at its limit: the host, 200.0 MB left"]);
    host(4e8).tells(&[]);
    let all = |worker| {
        let made =
            run().stat(1.0, "host", "host", "memory/limit", 1e9).stat(9.0, "process", "worker", "memory/rss", worker);
        made.stat(9.0, "collector", "collector", "memory/rss", 1e8)
    };
    all(8.8e8).tells(&["environment: memory was at its limit: all that runs here, 98 % of its limit"]);
    all(8.5e8).tells(&[]);
    // Two looks in one second are not twice the memory.
    all(5e8).stat(9.4, "process", "worker", "memory/rss", 5e8).tells(&[]);
}

#[test]
fn a_full_disk_and_a_clock_that_was_set() {
    let disk = |bytes| run().stat(9.0, "host", "host", "disk/free", bytes);
    disk(1e6).tells(&["environment: the disk was full: 1.0 MB left"]);
    disk(3e7).tells(&[]);
    let twice = disk(1e6).stat(10.0, "host", "host", "disk/free", 1e9).stat(30.0, "host", "host", "disk/free", 1e6);
    let told = twice.tells(&["environment: the disk was full"; 2]);
    assert!(told[0].contains("at 9.0 s") && told[1].contains("at 30.0 s"), "{told:?}");
    let clock = |step| {
        let before = run().level(0..20, "host", "host", "clock/wall_offset_ns", 1e6);
        before.level(20..30, "host", "host", "clock/wall_offset_ns", 1e6 + step)
    };
    let told = clock(2e9).tells(&["environment: the wall clock was set, or the machine slept: by 2.0 s"]);
    assert!(told[0].contains("19.0 s to 20.0 s"), "{told:?}");
    clock(-2e9).tells(&["environment: the wall clock was set"]);
    clock(3e8).tells(&[]);
}

#[test]
fn starts_that_failed() {
    let failed = |error: &str| compose().not_up(20.0, error);
    failed("project `shop`: port 80 is in use, by python3: stop it")
        .tells(&["environment: a port that the system needs"]);
    failed("project `shop`: pull failed with exit code 18; its last line: no such host").tells(&["harness: an image"]);
    let late = "project `shop`: worker was not healthy within 30 s; its last health check: no";
    let told = failed(late).tells(&["product: a service was not ready in time"]);
    assert!(told[0].contains("2.0 s to 20.0 s (timeline#3)"), "{told:?}");
    let paused = compose().container(10.0, "pause", json!({})).not_up(20.0, late);
    paused.tells(&["environment: a container was paused"]);
    failed("project `shop`: worker ended with exit code 3; its last line: port 80 is in use").tells(&[]);
    compose().tells(&[]);
}

#[test]
fn a_spec_says_which_sources_show_what_becomes_of_whom() {
    let killed = || compose().die(30.0, 137, false);
    let concerns =
        |rows: &str| format!("[views]\nfault_concerns = \"SELECT * FROM (VALUES {rows}) s(subject, concerns)\"\n");
    assert_eq!(killed().told_under(&concerns("('shop/worker', 'scrape:worker, tap:api')")).len(), 1);
    assert_eq!(killed().told_under(&concerns("('shop/worker', 'scrape:worker')")).len(), 0);
    assert_eq!(killed().told_under(&concerns("('shop/other', 'tap:api')")).len(), 0);
    assert_eq!(killed().told_under(&concerns("('worker', 'scrape:worker')")).len(), 1);
    let process = || run().process(30.0, "exit", Some(137));
    assert_eq!(process().told_under(&concerns("('worker', 'tap:api')")).len(), 1);
    assert_eq!(process().told_under(&concerns("('other', 'tap:api')")).len(), 0);
    let publisher = run().level(10..20, "process", "s1", "processes/stopped", 1.0);
    assert_eq!(publisher.told_under(&concerns("('other', 'tap:api')")).len(), 1);
}

#[test]
fn a_spec_replaces_a_default_or_leaves_all_out() {
    let killed = || run().process(30.0, "exit", Some(137));
    let mine = "[[fault]]\nid = \"process-killed\"\nattribution = \"harness\"\nsays = \"we killed it\"\nwhen = [\"WHEN\"]\n\
                observe = \"SELECT subject, at_ns AS from_ns, evidence FROM fault_endings WHERE killed\"\n";
    let under = |when: &str| killed().told_under(&mine.replace("WHEN", when));
    assert_eq!(under("process exit"), ["harness: we killed it: worker, from 30.0 s on (timeline#1)"]);
    assert_eq!(under("stats:process").len(), 1);
    assert_eq!(under("process start").len(), 0);
    let folder = tempfile::tempdir().unwrap();
    killed().0.seal(&folder.path().join("runs"));
    let without = SPEC.replace("id = \"t\"", "id = \"t\"\ndefault_faults = false");
    std::fs::write(folder.path().join("spec.toml"), without).unwrap();
    let report = answer(folder.path(), &["check", "latest", "--spec", "spec.toml"], 0);
    assert_eq!(report["runs"][0]["assertions"][0]["faults"], json!([]));
}

#[test]
fn a_broken_assertion_is_attributed_without_a_word_in_the_spec() {
    let folder = tempfile::tempdir().unwrap();
    let killed = run().process(30.0, "exit", Some(137));
    killed.0.seal(&folder.path().join("runs"));
    std::fs::write(folder.path().join("spec.toml"), SPEC.replace("= 1", "= 2")).unwrap();
    let report = answer(folder.path(), &["check", "latest", "--spec", "spec.toml"], 4);
    let cause = &report["runs"][0]["causes"][0];
    assert_eq!((&cause["evidence"], &cause["explains"]), (&json!(["timeline#1"]), &json!(["T-1"])));
}

fn explain(folder: &Path, spec: &str, id: &[&str]) -> String {
    std::fs::write(folder.join("spec.toml"), spec).unwrap();
    stdout(&replay(folder, &[&["explain", "spec.toml"], id].concat()))
}

#[test]
fn explain_lists_the_defaults_and_prints_one() {
    let folder = tempfile::tempdir().unwrap();
    let mine = "[[fault]]\nid = \"disk-full\"\nattribution = \"harness\"\nsays = \"mine\"\nobserve = \"SELECT 1 AS subject\"\n";
    let text = explain(folder.path(), &format!("{SPEC}{mine}"), &[]);
    let line = |begin: &str| text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("fault:disk-full ").ends_with("the spec, in place of a default  mine"), "{text}");
    assert!(line("fault:container-oom ").contains("environment  default"), "{text}");
    assert!(text.contains("1 assertions, 1 faults, 0 unassertable; 19 default faults"), "{text}");
    let text = explain(folder.path(), SPEC, &["fault:container-paused"]);
    for part in
        ["did nothing\nof           default", "when         container pause", "-- view fault_pauses", "-- observe"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let near = replay(folder.path(), &["explain", "spec.toml", "fault:container-pause"]);
    assert!(crate::stderr(&near).contains("did you mean `fault:container-paused`?"), "{}", crate::stderr(&near));
    let one = answer(folder.path(), &["explain", "spec.toml", "fault:disk-full"], 0);
    assert_eq!((&one["assertions"], &one["faults"][0]["default"]), (&json!([]), &json!(true)));
    assert_eq!(one["faults"].as_array().unwrap().len(), 1);
}
