//! The guardian, with a collector that is really killed.
//!
//! Two of these tests are other programs when a variable tells them so: the guardian, and the collector to be killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use compose::{Error, Guard, Process, Processes};

use crate::scene::{Seen, runs, shell, wait_until};

const ROLE: &str = "COMPOSE_TEST_ROLE";
const GUARDIAN: [&str; 2] = ["guarding::guardian", "--exact"];

#[test]
fn guardian() {
    if std::env::var_os(ROLE).is_some() {
        compose::guard::run(std::io::stdin().lock());
    }
}

/// Starts two groups under a guardian, tells their ids, and waits to be killed.
#[tokio::test]
async fn collector() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let guard = Arc::new(Guard::spawn(&std::env::current_exe().unwrap(), &GUARDIAN).unwrap());
    let seen = Seen::default();
    let mut processes = Processes::new(seen.sink(), Some(guard.clone())).unwrap();
    processes.start(&shell("polite", "sleep 600 & echo $!; wait")).await.unwrap();
    processes.start(&shell("deaf", "trap '' TERM; echo $$; while :; do sleep 0.05; done")).await.unwrap();
    let (polite, deaf) = (seen.number("polite").await, seen.number("deaf").await);
    eprintln!("ids {} {polite} {deaf}", guard.pid().unwrap());
    std::future::pending().await
}

#[tokio::test]
async fn nothing_outlives_a_collector_that_is_killed() {
    let mut collector = Command::new(std::env::current_exe().unwrap())
        .args(["guarding::collector", "--exact", "--nocapture"])
        .env(ROLE, "collector")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(collector.stderr.take().unwrap()).lines().map_while(Result::ok);
    let ids = told.filter_map(|line| line.strip_prefix("ids ").map(str::to_owned)).next().unwrap();
    let ids: Vec<u32> = ids.split(' ').map(|id| id.parse().unwrap()).collect();
    assert!(ids.iter().all(|&id| runs(id)), "all three run");
    collector.kill().unwrap();
    collector.wait().unwrap();
    wait_until("the end of guardian, polite grandchild and deaf process", || !ids.iter().any(|&id| runs(id))).await;
}

#[tokio::test]
async fn the_guardian_is_told_of_start_and_end() {
    let (seen, folder) = (Seen::default(), tempfile::tempdir().unwrap());
    let told = folder.path().join("told");
    let script = format!("exec cat > '{}'", told.display());
    let guard = Arc::new(Guard::spawn(Path::new("sh"), &["-c", &script]).unwrap());
    let read = || std::fs::read_to_string(&told).unwrap_or_default();

    let mut short = Process::start(&shell("short", "exit 0"), &seen.sink(), Some(&guard)).unwrap();
    short.handle().exited().await;
    let id = short.handle().pid();
    wait_until("start and end", || read() == format!("+{id}\n-{id}\n")).await;
    short.stop().await;

    let family = shell("family", "sleep 600 & echo $!; exit 0");
    let mut family = Process::start(&family, &seen.sink(), Some(&guard)).unwrap();
    family.handle().exited().await;
    let listed = format!("+{id}\n-{id}\n+{}\n", family.handle().pid());
    wait_until("the family's start", || read() == listed).await;
    assert!(runs(seen.number("family").await), "it stays listed while a member runs");
    family.stop().await;
    wait_until("the family's end", || read() == format!("{listed}-{}\n", family.handle().pid())).await;

    let guardian = guard.pid().unwrap();
    drop((short, family, guard));
    wait_until("the guardian's end", || !runs(guardian)).await;
}

#[tokio::test]
async fn nothing_is_started_without_the_guardian() {
    let seen = Seen::default();
    let guard = Arc::new(Guard::spawn(Path::new("true"), &[]).unwrap());
    wait_until("the guardian's end", || !runs(guard.pid().unwrap())).await;
    let started = Process::start(&shell("bold", "exec sleep 600"), &seen.sink(), Some(&guard));
    assert!(matches!(started.err(), Some(Error::GuardGone { .. })));
    assert_eq!(seen.exit("bold").await, Some(137));
    let missing = Guard::spawn(Path::new("no-such-guardian"), &[]).err();
    assert!(matches!(missing, Some(Error::GuardSpawn { .. })));
}
