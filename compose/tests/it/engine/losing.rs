//! An engine that goes away and comes back.

use std::path::PathBuf;
use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptions, RemoveImageOptions, TagImageOptions};
use compose::{Engine, Signal};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::stage::{DEADLINE, Seen, on_engine};
use crate::docker::{BOX, skipped};

/// What becomes of connections to the engine.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Through,
    Cut,
    Hangs,
}

/// Stands between the watch and the engine; what goes through can be cut, or left hanging, and let through again.
struct Proxy {
    folder: tempfile::TempDir,
    way: watch::Sender<Way>,
}

impl Proxy {
    /// `None` where the engine is not at a socket of this machine.
    fn start() -> Option<Proxy> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let host = if host.is_empty() { "unix:///var/run/docker.sock" } else { &host };
        let engine = PathBuf::from(host.strip_prefix("unix://")?);
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let (way, of_pass) = watch::channel(Way::Through);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, engine.clone(), of_pass.clone()));
            }
        });
        Some(Proxy { folder, way })
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }
}

async fn pass(mut client: UnixStream, engine: PathBuf, mut way: watch::Receiver<Way>) {
    let mut engine = UnixStream::connect(engine).await.unwrap();
    tokio::select! {
        biased;
        _ = way.wait_for(|&way| way != Way::Through) => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut engine) => {}
    }
    // Nothing goes through any more, and no end of a connection either.
    let _ = way.wait_for(|&way| way != Way::Hangs).await;
}

#[test]
fn nothing_is_lost_and_nothing_told_twice_when_the_engine_comes_back() {
    on_engine(async |stage| {
        let Some(proxy) = Proxy::start() else { return skipped("the engine is not at a socket") };
        let engine = Engine::connect_to(&proxy.address()).await.unwrap();
        let seen = Seen::new();
        let watch = stage.watch(&engine, &seen).await;
        let counts = "i=0; while true; do i=$((i+1)); echo $i; echo err $i >&2; sleep 0.01; done";
        let counting = stage.start("counting", counts).await;
        let short = stage.start("short", "exec sleep 1000").await;
        seen.line("one/counting", "20").await;
        seen.event("one/short", "start").await;

        proxy.way.send_replace(Way::Cut);
        let lost = seen.event("docker", "lost").await;
        assert!(lost.source == "engine" && lost.attributes.starts_with(r#"{"error":""#), "{lost:?}");
        let mut now = watch.now();
        timeout(DEADLINE, now.wait_for(|now| now.lost.is_some())).await.expect("it is not said to be lost").unwrap();
        stage.engine.signal(&short, Signal::Kill).await.unwrap();
        stage.ended(&short).await;
        let late = stage.start("late", "echo while nobody looked").await;
        stage.ended(&late).await;
        proxy.way.send_replace(Way::Through);

        seen.event("docker", "back").await;
        seen.event("one/short", "die").await;
        seen.line("one/late", "while nobody looked").await;
        let count = seen.texts("one/counting").len();
        seen.until(|rows| (rows.len() > count + 200).then_some(())).await;
        stage.engine.signal(&counting, Signal::Kill).await.unwrap();
        stage.ended(&counting).await;
        assert!(watch.settled("one", Duration::from_secs(10)).await);
        watch.stop().await;
        assert_eq!(now.borrow_and_update().lost, None);

        let names = |subject: &str| seen.events(subject).into_iter().map(|event| event.event).collect::<Vec<_>>();
        assert_eq!(names("docker"), ["lost", "back"]);
        assert_eq!(names("one/short"), ["create", "start", "kill", "die"]);
        assert_eq!(names("one/late"), ["create", "start", "die"]);
        assert_eq!(names("one/counting"), ["create", "start", "kill", "die"]);
        let (errors, lines): (Vec<_>, Vec<_>) =
            seen.texts("one/counting").into_iter().partition(|line| line.starts_with("err"));
        let expected: Vec<String> = (1..=lines.len()).map(|number| number.to_string()).collect();
        assert_eq!(lines, expected);
        let expected: Vec<String> = (1..=errors.len()).map(|number| format!("err {number}")).collect();
        assert_eq!(errors, expected);
    });
}

#[test]
fn an_engine_that_hangs_is_lost_too() {
    on_engine(async |stage| {
        let Some(proxy) = Proxy::start() else { return skipped("the engine is not at a socket") };
        let engine = Engine::connect_to(&proxy.address()).await.unwrap();
        let seen = Seen::new();
        let watch = stage.watch(&engine, &seen).await;
        let id = stage.start("counting", "i=0; while true; do i=$((i+1)); echo $i; sleep 0.05; done").await;
        seen.line("one/counting", "5").await;
        proxy.way.send_replace(Way::Hangs);
        let lost = seen.event("docker", "lost").await;
        assert_eq!(lost.attributes, r#"{"error":"it did not answer within 5 s"}"#);
        proxy.way.send_replace(Way::Through);
        seen.event("docker", "back").await;
        let count = seen.texts("one/counting").len();
        seen.line("one/counting", &(count + 50).to_string()).await;
        stage.engine.signal(&id, Signal::Kill).await.unwrap();
        stage.ended(&id).await;
        assert!(watch.settled("one", Duration::from_secs(10)).await);
        let lines = seen.texts("one/counting");
        assert_eq!(lines, (1..=lines.len()).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}

/// As many events as make an engine forget all before.
const FORGOTTEN_AFTER: usize = 300;

#[test]
fn what_the_engine_has_forgotten_is_found_by_looking() {
    on_engine(async |stage| {
        let Some(proxy) = Proxy::start() else { return skipped("the engine is not at a socket") };
        let engine = Engine::connect_to(&proxy.address()).await.unwrap();
        let seen = Seen::new();
        let watch = stage.watch(&engine, &seen).await;
        let killed = stage.start("killed", "echo here; exec sleep 1000").await;
        let removed = stage.start("removed", "echo here; exec sleep 1000").await;
        let again = stage.start("again", "echo here; exec sleep 1000").await;
        for subject in ["one/killed", "one/removed", "one/again"] {
            seen.line(subject, "here").await;
        }
        proxy.way.send_replace(Way::Cut);
        seen.event("docker", "lost").await;
        for id in [&killed, &again] {
            stage.engine.signal(id, Signal::Kill).await.unwrap();
            stage.ended(id).await;
        }
        stage.start_created(&again).await;
        let force = RemoveContainerOptions { force: true, ..Default::default() };
        stage.docker.remove_container(&removed, Some(force)).await.unwrap();
        stage.start("late", "echo here; exec sleep 1000").await;
        let tag = TagImageOptions { repo: Some("tapedeck/box".to_owned()), tag: Some(stage.project.clone()) };
        for _ in 0..FORGOTTEN_AFTER {
            stage.docker.tag_image(BOX, Some(tag.clone())).await.unwrap();
        }
        proxy.way.send_replace(Way::Through);

        seen.event("one/late", "running").await;
        seen.line("one/late", "here").await;
        seen.until(|_| (seen.texts("one/again").len() == 2).then_some(())).await;
        assert!(watch.settled("one", Duration::from_secs(10)).await);
        let told = |subject: &str| {
            let told = seen.events(subject).into_iter().map(|event| (event.event, event.exit_code));
            told.skip(2).collect::<Vec<_>>()
        };
        let event = |event: &str, exit_code| (event.to_owned(), exit_code);
        assert_eq!(told("one/killed"), [event("die", Some(137))]);
        assert_eq!(told("one/removed"), [event("die", None), event("destroy", None)]);
        assert_eq!(told("one/again"), [event("die", None), event("start", None)]);
        assert_eq!(seen.texts("one/killed"), ["here"]);
        let name = format!("tapedeck/box:{}", stage.project);
        stage.docker.remove_image(&name, None::<RemoveImageOptions>, None).await.unwrap();
    });
}
