//! A process that is kept running is started again when it ends by itself, and never once it is to stop.

use std::time::Duration;

use compose::{Event, Happening, ProcessSpec, Restart, Signal};

use crate::scene::{Page, Seen, runs, shell, wait_until};

fn kept(name: &str, line: &str) -> ProcessSpec {
    ProcessSpec { restart: Restart::Always, ..shell(name, line) }
}

fn start_number(number: u32) -> impl Fn(&Event) -> Option<u32> + Send + 'static {
    move |event| match event.what {
        Happening::Started { pid, restarts } if restarts == number => Some(pid),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_comes_again_and_can_be_signalled_again() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let first = processes.start(&kept("a", "sleep 1000 & echo $!; wait")).await.unwrap();
    let child = seen.number("a").await;
    processes.signal("a", Signal::Kill).unwrap();
    let second = seen.until(start_number(1)).await;
    assert!(second != first && !runs(child), "what it left is gone before it starts again");
    wait_until("the new one is the one that is meant", || processes.get("a").unwrap().pid() == second).await;
    processes.signal("a", Signal::Kill).unwrap();
    let third = seen.until(start_number(2)).await;
    let ended = processes.stop().await;
    assert_eq!((ended.len(), &*ended[0].process), (1, "a"));
    assert!(!runs(third));
    // What it left may still be ending, and is asked to.
    let story: Vec<String> = seen.story().into_iter().filter(|what| what != "a stopping").collect();
    assert_eq!(story[..4], ["a started", "a exited", "a started", "a exited"], "{story:?}");
    assert_eq!(story.iter().filter(|what| *what == "a started").count(), 3, "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_again_once_it_is_to_stop() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let folder = tempfile::tempdir().unwrap();
    // The second takes a while to end, since something in its group is deaf. The first ends meanwhile.
    let deaf = "echo $$ > pid; trap 'exit 0' TERM; (trap '' TERM; echo up; while :; do sleep 0.05; done) & wait";
    let follows = "until [ -s pid ] && ! kill -0 $(cat pid) 2>/dev/null; do sleep 0.01; done; echo over";
    let dir = folder.path().to_owned();
    let first = ProcessSpec { dir: dir.clone(), ..kept("first", follows) };
    let second = ProcessSpec { dir, grace: Duration::from_secs(1), ..kept("second", deaf) };
    processes.start(&first).await.unwrap();
    processes.start(&second).await.unwrap();
    seen.line("second", "up").await;
    processes.stop().await;
    assert_eq!(seen.lines("first"), ["over"], "it ended by itself");
    let story = seen.story();
    assert_eq!(story.iter().filter(|what| what.ends_with("started")).count(), 2, "{story:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_told_again_and_a_process_that_never_lasts_is_tried_ever_more_slowly() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let page = Page::answering(503);
    let ready = Some(page.url.clone());
    let spec = ProcessSpec { ready, ready_within: Duration::from_secs(20), ..kept("a", "sleep 1000") };
    let started = async { processes.start(&spec).await.unwrap() };
    let answers = async {
        seen.until(start_number(0)).await;
        page.answer(200);
    };
    tokio::join!(started, answers);
    processes.signal("a", Signal::Kill).unwrap();
    seen.until(start_number(1)).await;
    let told = || seen.story().iter().filter(|what| *what == "a ready").count();
    wait_until("it is ready again", || told() == 2).await;
    processes.stop().await;

    let before = std::time::Instant::now();
    processes = seen.processes();
    processes.start(&kept("b", "exit 3")).await.unwrap();
    seen.until(start_number(3)).await;
    assert!(before.elapsed() >= Duration::from_millis(200 + 400 + 800), "{:?}", before.elapsed());
    processes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_not_up_yet_does_not_come_again() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let spec = ProcessSpec { ready: Some("http://127.0.0.1:9/".to_owned()), ..kept("a", "exit 3") };
    let error = processes.start(&spec).await.unwrap_err().to_string();
    assert!(error.contains("exit code 3 before it was ready"), "{error}");
    processes.stop().await;
    assert_eq!(seen.story(), ["a started", "a exited"]);
}
