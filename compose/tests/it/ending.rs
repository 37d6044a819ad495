//! Output, signals, and the end of whole groups.

use std::time::Duration;

use compose::{Error, Process, Signal};

use crate::scene::{Seen, runs, shell};

#[tokio::test]
async fn both_streams_are_read_to_the_end() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let line = "echo out; echo err >&2; printf 'a\\377b\\n'; head -c 70000 /dev/zero | tr '\\0' x; echo; printf last";
    processes.start(&shell("talker", line)).await.unwrap();
    processes.get("talker").unwrap().exited().await;
    processes.stop().await;
    let lines = seen.lines("talker");
    for line in ["out", "err", "a\u{fffd}b", "last"] {
        assert!(lines.iter().any(|it| it == line), "`{line}` is missing");
    }
    let long = lines.iter().find(|line| line.len() > 60_000).unwrap();
    assert!(long.ends_with("(4464 bytes more)"), "{}", &long[65_530..]);
}

#[tokio::test]
async fn a_flood_does_not_stand_still() {
    let seen = Seen::default();
    let flood = shell("flood", "yes 0123456789 | head -n 200000 >&2; echo done");
    let mut process = Process::start(&flood, &seen.sink(), None).unwrap();
    assert_eq!(process.handle().exited().await, Some(0));
    process.stop().await;
    assert_eq!(seen.lines("flood").len(), 200_001);
}

#[tokio::test]
async fn what_a_leader_leaves_behind_is_ended_too() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    processes.start(&shell("leader", "sleep 600 & echo $!; exit 7")).await.unwrap();
    assert_eq!(seen.exit("leader").await, Some(7));
    let grandchild = seen.number("leader").await;
    assert!(runs(grandchild), "an exit alone ends nobody else: that would be our doing, not the system's");
    let ended = processes.stop().await;
    assert_eq!((ended[0].exit_code, ended[0].killed), (Some(7), false));
    assert!(!runs(grandchild));
}

#[tokio::test]
async fn what_ignores_the_request_is_killed() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let mut deaf = shell("deaf", "trap '' TERM; (while :; do sleep 0.05; done) & echo $!; wait");
    deaf.grace = Duration::from_millis(200);
    let pid = processes.start(&deaf).await.unwrap();
    let grandchild = seen.number("deaf").await;
    let ended = processes.stop().await;
    assert_eq!((ended[0].exit_code, ended[0].killed), (Some(137), true));
    assert!(!runs(pid) && !runs(grandchild));
}

#[tokio::test]
async fn a_deaf_grandchild_is_killed_after_its_leader() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let mut leader =
        shell("leader", "(trap '' TERM; echo deaf; while :; do sleep 0.05; done) & echo $!; exec sleep 600");
    leader.grace = Duration::from_millis(200);
    processes.start(&leader).await.unwrap();
    seen.line("leader", "deaf").await;
    let grandchild = seen.number("leader").await;
    let ended = processes.stop().await;
    assert_eq!((ended[0].exit_code, ended[0].killed), (Some(143), true));
    assert!(!runs(grandchild));
}

#[tokio::test]
async fn a_frozen_process_is_ended_without_force() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    processes.start(&shell("frozen", "exec sleep 600")).await.unwrap();
    processes.signal("frozen", "STOP".parse().unwrap()).unwrap();
    let ended = processes.stop().await;
    assert_eq!((ended[0].exit_code, ended[0].killed), (Some(143), false));
}

#[tokio::test]
async fn a_signal_reaches_the_whole_group() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    processes.start(&shell("family", "sleep 600 & echo $!; wait")).await.unwrap();
    let grandchild = seen.number("family").await;
    processes.signal("family", Signal::Kill).unwrap();
    assert_eq!(seen.exit("family").await, Some(137));
    let ended = processes.stop().await;
    assert_eq!((ended[0].exit_code, ended[0].killed), (Some(137), false));
    assert!(!runs(grandchild));
}

#[tokio::test]
async fn a_signal_to_nobody_says_so() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    processes.start(&shell("short", "exit 0")).await.unwrap();
    processes.get("short").unwrap().exited().await;
    let error = processes.signal("short", Signal::Kill).unwrap_err();
    assert_eq!(error.to_string(), "send KILL to process `short`: it has ended");
    let error = processes.signal("shrt", Signal::Kill).unwrap_err();
    assert_eq!(error.to_string(), "no process is named `shrt`; there are: short");
    assert!(matches!(error, Error::UnknownProcess { .. }));
    assert!(!processes.get("short").unwrap().is_running());
}

#[tokio::test]
async fn a_process_apart_from_the_set_has_the_same_events() {
    let seen = Seen::default();
    let mut process = Process::start(&shell("publisher", "exec sleep 600"), &seen.sink(), None).unwrap();
    assert!(runs(process.handle().pid()));
    let ended = process.stop().await;
    assert_eq!((&*ended.process, ended.exit_code), ("publisher", Some(143)));
    assert_eq!(seen.story(), ["publisher started", "publisher stopping", "publisher exited"]);
}
