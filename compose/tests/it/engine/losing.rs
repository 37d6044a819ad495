//! An engine that goes away and comes back.

use std::path::PathBuf;
use std::time::Duration;

use bollard::query_parameters::{RemoveContainerOptions, RemoveImageOptions, TagImageOptions};
use compose::{Engine, Signal};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::stage::{DEADLINE, IMAGE, Seen, on_engine, skipped};

/// Stands between the watch and the engine; what goes through can be cut and let through again.
struct Proxy {
    folder: tempfile::TempDir,
    cut: watch::Sender<bool>,
}

impl Proxy {
    /// `None` where the engine is not at a socket of this machine.
    fn start() -> Option<Proxy> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        let host = if host.is_empty() { "unix:///var/run/docker.sock" } else { &host };
        let engine = PathBuf::from(host.strip_prefix("unix://")?);
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, engine.clone(), is_cut.clone()));
            }
        });
        Some(Proxy { folder, cut })
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }
}

async fn pass(mut client: UnixStream, engine: PathBuf, mut is_cut: watch::Receiver<bool>) {
    let mut engine = UnixStream::connect(engine).await.unwrap();
    tokio::select! {
        biased;
        _ = is_cut.wait_for(|&cut| cut) => {}
        _ = tokio::io::copy_bidirectional(&mut client, &mut engine) => {}
    }
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

        proxy.cut.send_replace(true);
        let lost = seen.event("docker", "lost").await;
        assert!(lost.source == "engine" && lost.attributes.starts_with(r#"{"error":""#), "{lost:?}");
        let mut now = watch.now();
        timeout(DEADLINE, now.wait_for(|now| now.lost.is_some())).await.expect("it is not said to be lost").unwrap();
        stage.engine.signal(&short, Signal::Kill).await.unwrap();
        stage.ended(&short).await;
        let late = stage.start("late", "echo while nobody looked").await;
        stage.ended(&late).await;
        proxy.cut.send_replace(false);

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
        proxy.cut.send_replace(true);
        seen.event("docker", "lost").await;
        for id in [&killed, &again] {
            stage.engine.signal(id, Signal::Kill).await.unwrap();
            stage.ended(id).await;
        }
        stage.start_created(&again).await;
        let force = RemoveContainerOptions { force: true, ..Default::default() };
        stage.docker.remove_container(&removed, Some(force)).await.unwrap();
        stage.start("late", "echo here; exec sleep 1000").await;
        let tag = TagImageOptions { repo: Some("tapedeck/box".to_owned()), tag: Some("test-e-forget".to_owned()) };
        for _ in 0..FORGOTTEN_AFTER {
            stage.docker.tag_image(IMAGE, Some(tag.clone())).await.unwrap();
        }
        proxy.cut.send_replace(false);

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
        stage.docker.remove_image("tapedeck/box:test-e-forget", None::<RemoveImageOptions>, None).await.unwrap();
    });
}
