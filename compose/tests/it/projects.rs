//! Compose projects on a real engine.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use compose::{Compose, Engine, Error, Owner, ProjectSpec, Projects, ServiceChange};
use recording::Row;
use recording::record::Event;

use crate::docker::{BOX, engine};

/// A page that is healthy, and what is said about it in its log.
const WEB: &str = r#"
services:
  web:
    image: BOX
    init: true
    command: ["sh", "-c", "echo token=$$TOKEN; mkdir -p /tmp/www; echo ok > /tmp/www/health; exec httpd -f -p 80 -h /tmp/www"]
    environment: {TOKEN: none}
    healthcheck: {test: ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1/health"], interval: 1s, timeout: 2s}
    volumes: ["data:/data"]
  once:
    image: BOX
    command: ["sh", "-c", "echo done"]
volumes: {data: {}}
"#;

/// What happened, in short: `chat start`, or `chat/web die`.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Row>>>);

impl Seen {
    fn rows(&self) -> compose::engine::Rows {
        let seen = self.clone();
        Arc::new(move |row| seen.0.lock().unwrap().push(row))
    }

    fn events(&self, source: &str) -> Vec<Event> {
        let rows = self.0.lock().unwrap();
        let event = |row: &Row| match row {
            Row::Event(event) if event.source == source => Some(event.clone()),
            _ => None,
        };
        rows.iter().filter_map(event).collect()
    }

    fn story(&self, source: &str) -> Vec<String> {
        self.events(source).iter().map(|event| format!("{} {}", event.subject, event.event)).collect()
    }

    fn lines(&self, subject: &str) -> Vec<String> {
        let rows = self.0.lock().unwrap();
        let line = |row: &Row| match row {
            Row::Log(log) if log.subject == subject => Some(log.line.clone()),
            _ => None,
        };
        rows.iter().filter_map(line).collect()
    }
}

/// One set of projects, in a folder of its own.
struct Scene {
    engine: Engine,
    seen: Seen,
    prefix: String,
    dir: tempfile::TempDir,
}

impl Scene {
    /// `None`, aloud, where there is no engine.
    async fn set(name: &str) -> Option<Scene> {
        let engine = engine().await?;
        let prefix = format!("test-{name}-{}", std::process::id());
        Some(Scene { engine, seen: Seen::default(), prefix, dir: tempfile::tempdir().unwrap() })
    }

    async fn projects(&self) -> Projects {
        let owner = Owner { prefix: self.prefix.clone(), host: "test".to_owned(), lock: self.dir.path().join("lock") };
        let compose = Compose::find().await.unwrap();
        Projects::new(self.engine.clone(), compose, owner, self.seen.rows(), None).await.unwrap()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text.replace("BOX", BOX)).unwrap();
        path
    }

    fn project(&self, name: &str, text: &str) -> ProjectSpec {
        ProjectSpec::new(name, vec![self.file(&format!("{name}.yaml"), text)])
    }

    /// Whether nothing of a project is on the engine any more.
    async fn nothing_left(&self, project: &str) -> bool {
        let ours = format!("tapedeck-{}-{project}", self.prefix);
        let there = self.engine.leftovers("test").await.unwrap();
        there.iter().all(|leftover| leftover.project != ours)
    }

    /// The error of a start that fails, as people read it; all is down again afterwards.
    async fn failure(&self, spec: &ProjectSpec) -> (Error, String) {
        let mut projects = self.projects().await;
        let error = projects.start(spec).await.expect_err("it must not come up");
        projects.stop().await;
        assert!(self.nothing_left(&spec.name).await);
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
        (error, text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_come_up_in_order_and_go_with_their_volumes() {
    let Some(scene) = Scene::set("two").await else { return };
    let mut projects = scene.projects().await;
    let mut first = scene.project("first", WEB);
    let env = BTreeMap::from([("TOKEN".to_owned(), "from $outside".to_owned())]);
    first.services.insert("web".to_owned(), ServiceChange { env });
    projects.start(&first).await.unwrap();
    projects.start(&scene.project("second", WEB)).await.unwrap();
    let containers = projects.containers();
    assert_eq!(containers.len(), 4, "{containers:?}");
    assert!(projects.are_well());
    assert!(!scene.nothing_left("first").await && !scene.nothing_left("second").await);
    let ended = projects.stop().await;
    assert_eq!(
        ended.iter().map(|ended| (&*ended.project, ended.exit_code)).collect::<Vec<_>>(),
        [("second", Some(0)), ("first", Some(0))]
    );
    let story = scene.seen.story("project");
    let expected =
        "first start, first ready, second start, second ready, second stop, second exit, first stop, first exit";
    assert_eq!(story.join(", "), expected);
    assert_eq!(scene.seen.lines("first/web"), ["token=from $outside"]);
    assert_eq!(scene.seen.lines("second/web"), ["token=none"]);
    assert_eq!(scene.seen.lines("second/once"), ["done"]);
    let exit = scene.seen.events("project").pop().unwrap();
    assert_eq!((exit.exit_code, &*exit.attributes), (Some(0), "{\"volumes\":true}"));
    let died = scene.seen.story("container").into_iter().filter(|event| event.ends_with("/web die")).count();
    assert_eq!(died, 2, "{:?}", scene.seen.story("container"));
    assert!(scene.nothing_left("first").await && scene.nothing_left("second").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_takes_everything_down() {
    let Some(scene) = Scene::set("panic").await else { return };
    let mut projects = scene.projects().await;
    projects.start(&scene.project("web", WEB)).await.unwrap();
    assert!(!scene.nothing_left("web").await);
    let died = tokio::spawn(async move {
        assert!(projects.are_well());
        panic!("a test that fails while its projects are up");
    });
    assert!(died.await.unwrap_err().is_panic());
    assert!(scene.nothing_left("web").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_gets_healthy_is_named_with_its_last_check() {
    let Some(scene) = Scene::set("unhealthy").await else { return };
    let text = "services:\n  web:\n    image: BOX\n    command: [\"sleep\", \"100\"]\n    init: true\n    \
        healthcheck: {test: [\"CMD-SHELL\", \"echo model not loaded; exit 1\"], interval: 1s, retries: 1}\n";
    let mut spec = scene.project("web", text);
    spec.ready_within = Duration::from_secs(4);
    let started = Instant::now();
    let (error, text) = scene.failure(&spec).await;
    assert!(matches!(error, Error::Unhealthy { .. }), "{error:?}");
    assert!(text.contains("`web`: web was not healthy within 4 s; its last health check: model not loaded"), "{text}");
    assert!(started.elapsed() >= Duration::from_secs(4));
    assert!(
        scene
            .seen
            .events("container")
            .iter()
            .any(|event| event.event == "health_status" && event.attributes.contains("unhealthy"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_url_that_never_answers_is_named() {
    let Some(scene) = Scene::set("url").await else { return };
    let mut spec = scene.project("web", WEB);
    spec.ready_within = Duration::from_secs(4);
    spec.health = vec!["http://127.0.0.1:9/health".to_owned()];
    let (_, text) = scene.failure(&spec).await;
    assert!(text.contains("http://127.0.0.1:9/health was not 200 within 4 s: could not be asked"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_on_start_says_its_last_line() {
    let Some(scene) = Scene::set("dies").await else { return };
    let text = "services:\n  web:\n    image: BOX\n    command: [\"sh\", \"-c\", \"echo no config; exit 3\"]\n    \
        healthcheck: {test: [\"CMD\", \"true\"], interval: 1s}\n";
    let (error, text) = scene.failure(&scene.project("web", text)).await;
    assert!(matches!(error, Error::Died { exit_code: Some(3), oom_killed: false, .. }), "{error:?}");
    assert!(text.contains("its last line: no config: "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_told_with_who_holds_it() {
    let Some(scene) = Scene::set("port").await else { return };
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let text = format!("services:\n  web:\n    image: BOX\n    ports: [\"127.0.0.1:{port}:80\"]\n");
    let (_, text) = scene.failure(&scene.project("web", &text)).await;
    assert!(text.contains(&format!("port {port} is in use, by ")), "{text}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    // Nothing was started, so nothing was torn down.
    assert_eq!(scene.seen.story("project"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_missing_or_wrong_are_refused_with_the_place() {
    let Some(scene) = Scene::set("files").await else { return };
    let compose = Compose::find().await.unwrap();
    let missing = ProjectSpec::new("web", vec![scene.dir.path().join("gone.yaml")]);
    let text = Projects::check(&compose, &missing).await.unwrap_err().to_string();
    assert!(text.contains("there is no file ") && text.contains("gone.yaml"), "{text}");
    let broken = scene.project("web", "services:\n  web:\n    image: x\n  other: [\n");
    let text = Projects::check(&compose, &broken).await.unwrap_err().to_string();
    assert!(text.contains("web.yaml") && text.contains("line "), "{text}");
    let unknown_key = scene.project("web", "services:\n  web:\n    imag: x\n");
    let text = Projects::check(&compose, &unknown_key).await.unwrap_err().to_string();
    assert!(text.contains("web.yaml") && text.contains("imag"), "{text}");
    let mut unknown = scene.project("web", WEB);
    unknown.services.insert("wbe".to_owned(), ServiceChange::default());
    let text = Projects::check(&compose, &unknown).await.unwrap_err().to_string();
    assert!(text.contains("no service is named `wbe`; there are: once, web"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_says_its_last_lines() {
    let Some(scene) = Scene::set("build").await else { return };
    scene.file("Dockerfile", "FROM BOX\nRUN echo compiling && echo no rule to make target && false\n");
    let text = "services:\n  web:\n    build: .\n";
    let (error, text) = scene.failure(&scene.project("web", text)).await;
    let Error::Compose { operation: "build", last_lines, .. } = &error else { panic!("{error:?}") };
    assert!(
        last_lines.len() <= 20 && last_lines.iter().any(|line| line.contains("no rule to make target")),
        "{last_lines:?}"
    );
    assert!(text.contains("build failed with exit code "), "{text}");
    assert_eq!(scene.seen.story("project"), ["web build"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_nowhere_is_told() {
    let Some(scene) = Scene::set("pull").await else { return };
    // A name that no registry resolves: the same with and without a network.
    let text = "services:\n  web:\n    image: registry.invalid/tapedeck/nowhere:1\n";
    let (error, text) = scene.failure(&scene.project("web", text)).await;
    assert!(matches!(error, Error::Compose { operation: "pull", .. }), "{error:?}");
    assert!(text.contains("pull failed with exit code "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_may_be_somebody_elses_is_refused() {
    let Some(scene) = Scene::set("volume").await else { return };
    let compose = Compose::find().await.unwrap();
    let named = scene.project("web", &WEB.replace("data: {}", "data: {name: shop-data}"));
    let text = Projects::check(&compose, &named).await.unwrap_err().to_string();
    assert!(text.contains("volume `data` is named shop-data") && text.contains("`external: true`"), "{text}");
    let external = scene.project("web", &WEB.replace("data: {}", "data: {name: shop-data, external: true}"));
    let checked = Projects::check(&compose, &external).await.unwrap();
    assert_eq!(checked.services, ["once", "web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_answers_before_the_start_is_refused() {
    let Some(scene) = Scene::set("before").await else { return };
    let page = crate::scene::Page::answering(200);
    let mut spec = scene.project("web", WEB);
    spec.health = vec![page.url.clone()];
    let (error, text) = scene.failure(&spec).await;
    assert!(matches!(error, Error::HealthAnswers { .. }), "{error:?}");
    assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
}
