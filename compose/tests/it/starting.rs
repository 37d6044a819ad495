//! Starting, readiness, and what is said when it fails.

use std::net::TcpListener;
use std::time::Duration;

use compose::{Error, Event, Happening};

use crate::scene::{Page, Seen, runs, shell, wait_until};

#[tokio::test]
async fn the_second_starts_when_the_first_is_ready_and_stops_before_it() {
    let (seen, page) = (Seen::default(), Page::answering(503));
    let mut processes = seen.processes();
    let mut first = shell("first", "echo up; exec sleep 600");
    first.ready = Some(page.url.clone());
    let in_time = async {
        seen.line("first", "up").await;
        assert_eq!(seen.story(), ["first started"], "not ready while the page answers 503");
        page.answer(200);
    };
    let (started, ()) = tokio::join!(processes.start(&first), in_time);
    assert!(runs(started.unwrap()));
    processes.start(&shell("second", "exec sleep 600")).await.unwrap();
    let ended = processes.stop().await;
    assert_eq!(ended.iter().map(|ended| &*ended.process).collect::<Vec<_>>(), ["second", "first"]);
    assert!(ended.iter().all(|ended| ended.exit_code == Some(143) && !ended.killed), "{ended:?}");
    let story = ["first started", "first ready", "second started"];
    let end = ["second stopping", "second exited", "first stopping", "first exited"];
    assert_eq!(seen.story(), [&story[..], &end[..]].concat());
    assert_eq!(processes.stop().await, [], "a second stop has nothing to do");
}

#[tokio::test]
async fn a_real_server_becomes_ready() {
    let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (seen, port) = (Seen::default(), at.port());
    let mut server = shell("server", &format!("exec python3 -u -m http.server --bind 127.0.0.1 {port}"));
    server.ready = Some(format!("http://{at}/"));
    let mut processes = seen.processes();
    let pid = processes.start(&server).await.unwrap();
    let owner = compose::port_owner(at).unwrap();
    assert!(owner.contains("python") && owner.ends_with(&format!("(pid {pid})")), "{owner}");
    let took = |event: &Event| match event.what {
        Happening::Ready { took } => Some(took),
        _ => None,
    };
    assert!(seen.until(took).await > Duration::ZERO);
    processes.stop().await;
}

#[tokio::test]
async fn not_ready_in_time_tells_the_last_answer() {
    let (seen, page) = (Seen::default(), Page::answering(503));
    let mut processes = seen.processes();
    let mut slow = shell("slow", "exec sleep 600");
    slow.ready = Some(page.url.clone());
    slow.ready_within = Duration::from_millis(450);
    let error = processes.start(&slow).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error:?}");
    let expected = format!("process `slow` was not ready within 0.45 s: {} answered 503", page.url);
    assert!(error.to_string().starts_with(&expected), "{error}");
    let ended = processes.stop().await;
    assert_eq!(ended.len(), 1, "what did not become ready is stopped all the same");
}

#[tokio::test]
async fn an_exit_before_readiness_tells_code_and_last_lines() {
    let (seen, page) = (Seen::default(), Page::answering(503));
    let mut processes = seen.processes();
    let mut broken = shell("broken", "i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo line $i >&2; done; exit 3");
    broken.ready = Some(page.url.clone());
    let error = processes.start(&broken).await.unwrap_err();
    let said = error.to_string();
    let Error::ExitedBeforeReady { exit_code: Some(3), last_lines, .. } = error else { panic!("{error:?}") };
    assert_eq!((last_lines.len(), &*last_lines[0], &*last_lines[19]), (20, "line 11", "line 30"));
    assert!(said.contains("exit code 3") && said.contains("its last line: line 30") && !said.contains('\n'), "{said}");
}

#[tokio::test]
async fn what_a_signal_ended_has_128_more() {
    let (seen, page) = (Seen::default(), Page::answering(503));
    let mut killed = shell("killed", "kill -9 $$");
    killed.ready = Some(page.url.clone());
    let error = seen.processes().start(&killed).await.unwrap_err();
    assert!(matches!(error, Error::ExitedBeforeReady { exit_code: Some(137), .. }), "{error:?}");
}

#[tokio::test]
async fn a_page_that_answers_too_early_is_somebody_elses() {
    let (seen, page) = (Seen::default(), Page::answering(200));
    let mut second = shell("second", "exec sleep 600");
    second.ready = Some(page.url.clone());
    let error = seen.processes().start(&second).await.unwrap_err();
    let me = format!("(pid {})", std::process::id());
    assert!(matches!(error, Error::AlreadyAnswers { .. }) && error.to_string().contains(&me), "{error}");
    assert!(seen.story().is_empty(), "nothing was started");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let seen = Seen::default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "").unwrap();
    let check = async |command: &[&str], dir: &std::path::Path, says: &[&str]| {
        let mut spec = shell("it", "");
        spec.command = command.iter().map(ToString::to_string).collect();
        spec.dir = dir.to_owned();
        let error = seen.processes().start(&spec).await.unwrap_err().to_string();
        for part in says {
            assert!(error.contains(part), "`{part}` is not in: {error}");
        }
        assert!(!error.contains('\n'));
    };
    check(&["no-such-program"], folder.path(), &["`it`", "`no-such-program` not found", "PATH"]).await;
    check(&["./missing"], folder.path(), &["`./missing` not found", "there is no", "build it"]).await;
    check(&["./plain"], folder.path(), &["is not executable", "chmod"]).await;
    check(&[], folder.path(), &["`command` is empty"]).await;
    check(&["sh"], &folder.path().join("nowhere"), &["nowhere", "create it"]).await;
    check(&["sh"], &folder.path().join("plain"), &["plain", "create it"]).await;
    let mut spec = shell("it", "exec sleep 600");
    spec.ready = Some("localhost:80".to_owned());
    let error = seen.processes().start(&spec).await.unwrap_err();
    assert!(matches!(error, Error::ReadyUrl { .. }), "{error:?}");
    assert!(seen.story().is_empty(), "nothing was started");
}

#[tokio::test]
async fn a_relative_program_is_that_of_its_folder() {
    let seen = Seen::default();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/sh", folder.path().join("mine")).unwrap();
    let mut spec = shell("it", "echo \"$0\" \"$GREETING\"");
    spec.command[0] = "./mine".to_owned();
    spec.dir = folder.path().to_owned();
    spec.env.insert("GREETING".to_owned(), "hello".to_owned());
    let mut processes = seen.processes();
    processes.start(&spec).await.unwrap();
    seen.line("it", "./mine hello").await;
    processes.stop().await;
}

#[tokio::test]
async fn what_was_started_before_a_failure_is_stopped() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    let pid = processes.start(&shell("first", "exec sleep 600")).await.unwrap();
    assert!(matches!(processes.start(&shell("first", "true")).await, Err(Error::NameTaken { .. })));
    let mut broken = shell("broken", "");
    broken.command = vec!["no-such-program".to_owned()];
    processes.start(&broken).await.unwrap_err();
    assert!(runs(pid));
    assert_eq!(processes.stop().await.len(), 1);
    assert!(!runs(pid));
}

#[tokio::test]
async fn a_start_that_is_dropped_half_way_is_stopped() {
    let (seen, page) = (Seen::default(), Page::answering(503));
    let mut processes = seen.processes();
    let mut slow = shell("slow", "echo $$; exec sleep 600");
    slow.ready = Some(page.url.clone());
    let pid = tokio::select! {
        started = processes.start(&slow) => panic!("it can't be ready: {started:?}"),
        pid = seen.number("slow") => pid,
    };
    assert!(runs(pid));
    assert_eq!(processes.stop().await.len(), 1);
    assert!(!runs(pid));
}

#[tokio::test]
async fn nothing_outlives_a_set_that_is_dropped() {
    let seen = Seen::default();
    let mut processes = seen.processes();
    processes.start(&shell("family", "sleep 600 & echo $!; wait")).await.unwrap();
    let grandchild = seen.number("family").await;
    assert!(runs(grandchild));
    drop(processes);
    wait_until("the end of the whole group", || !runs(grandchild)).await;
}
