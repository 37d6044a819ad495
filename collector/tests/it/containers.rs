//! Scenarios of kind `compose` on a real engine, with a container that is a few megabytes.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Output};

use recording::reader::Recording;
use recording::record::{Event, Gap, Run, Stat};
use recording::run::RunFile;

use super::{Scene, lines, signal, story, timeline, wait_for};

/// busybox and nothing else; `make setup-docker` makes it.
const BOX: &str = "tapedeck/box:local";

const SCENARIO: &str = r#"
name = "shop"
kind = "compose"
limit = "60s"
[[project]]
name = "db"
files = ["db.yaml"]
[[project]]
name = "web"
files = ["web.yaml"]
health = ["http://127.0.0.1:PORT/health"]
services = { web = { env = { GREETING = "hello $you" } } }
"#;

const DB: &str = r#"
services:
  db:
    image: BOX
    init: true
    command: ["sh", "-c", "echo ready to serve; exec sleep 1000"]
    healthcheck: {test: ["CMD", "true"], interval: 1s}
    mem_limit: 32m
    memswap_limit: 32m
    volumes: ["data:/data"]
volumes: {data: {}}
"#;

const WEB: &str = r#"
services:
  web:
    image: BOX
    init: true
    command: ["sh", "-c", "echo $$GREETING; mkdir -p /tmp/www; echo ok > /tmp/www/health; exec httpd -f -p 80 -h /tmp/www"]
    environment: {GREETING: none}
    ports: ["127.0.0.1:PORT:80"]
"#;

/// A scenario with two projects; one test at a time has the engine, since a collector removes what another one's kill left.
struct Shop {
    scene: Scene,
    port: u16,
    _turn: File,
}

impl Shop {
    /// `None`, aloud, where there is no engine, or not the image.
    fn open(more: &str) -> Option<Shop> {
        let needed = std::env::var("TAPEDECK_NEEDS_DOCKER").is_ok_and(|needs| needs == "1");
        if !docker(&["image", "inspect", BOX]).status.success() {
            assert!(!needed, "no Docker engine with the image {BOX}: make setup-docker");
            writeln!(std::io::stderr(), "skipped: no Docker engine with the image {BOX}").unwrap();
            return None;
        }
        let turn = File::create(std::env::temp_dir().join("tapedeck-container-tests.lock")).unwrap();
        turn.lock().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let fill = |text: &str| text.replace("BOX", BOX).replace("PORT", &port.to_string());
        let scene = Scene::new(&fill(&format!("{SCENARIO}{more}")));
        std::fs::write(scene.path("db.yaml"), fill(DB)).unwrap();
        std::fs::write(scene.path("web.yaml"), fill(WEB)).unwrap();
        Some(Shop { scene, port, _turn: turn })
    }

    /// Records until a command has ended.
    fn record(&self, more: &[&str], command: &str) -> Output {
        self.scene.record(&[more, &["--", "sh", "-c", command]].concat())
    }

    /// Records until something holds of the journal; `command` runs first.
    fn record_until(&self, command: &str, what: &str, holds: impl Fn(&Recording) -> bool) -> Output {
        let command = format!("{command}\nuntil [ -e done ]; do sleep 0.01; done");
        let arguments = ["record", "scenario.toml", "--runs", "runs", "--", "sh", "-c", &command];
        let collector = self.scene.command(&arguments).spawn().unwrap();
        wait_for(what, || holds(&Recording::open(&self.scene.run_dir()?).ok()?).then_some(()));
        std::fs::write(self.scene.path("done"), "").unwrap();
        collector.wait_with_output().unwrap()
    }

    /// Containers, networks and volumes of this scenario that are on the engine.
    fn left(&self) -> Vec<String> {
        let of = |what: &[&str]| String::from_utf8(docker(what).stdout).unwrap();
        let state = self.scene.path("state").display().to_string();
        let all = [
            of(&["ps", "-a", "--format", "{{.Label \"tapedeck.lock\"}} {{.Names}}"]),
            of(&["network", "ls", "--format", "{{.Label \"tapedeck.lock\"}} {{.Name}}"]),
            of(&["volume", "ls", "--format", "{{.Label \"tapedeck.lock\"}} {{.Name}}"]),
        ];
        all.iter().flat_map(|list| list.lines()).filter(|line| line.starts_with(&state)).map(str::to_owned).collect()
    }

    fn recordings(&self) -> Vec<Recording> {
        let mut folders: Vec<_> =
            std::fs::read_dir(self.scene.path("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort_by_key(|folder| RunFile::read(folder).unwrap().started_unix_ns);
        folders.iter().map(|folder| Recording::open(folder).unwrap()).collect()
    }
}

fn docker(arguments: &[&str]) -> Output {
    Command::new("docker").args(arguments).output().unwrap()
}

/// The name of a container of a project that is up.
fn container(service: &str) -> Option<String> {
    let filter = format!("label=com.docker.compose.service={service}");
    let named =
        docker(&["ps", "--filter", &filter, "--filter", "label=tapedeck.host", "--format", "{{.Names}}"]).stdout;
    String::from_utf8(named).unwrap().lines().next().map(str::to_owned)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stats(recording: &Recording, subject: &str, metric: &str) -> Vec<f64> {
    let stats = recording.rows::<Stat>().unwrap().into_iter().map(|stamped| stamped.row);
    stats.filter(|stat| stat.subject == subject && stat.metric == metric).map(|stat| stat.value).collect()
}

fn errors(recording: &Recording) -> Vec<String> {
    timeline(recording).into_iter().filter(|event| event.event == "not up").map(|event| event.attributes).collect()
}

#[test]
fn a_run_records_both_projects_and_leaves_nothing() {
    let Some(shop) = Shop::open("") else { return };
    let measured = |recording: &Recording| stats(recording, "db/db", "memory/limit").len() >= 2;
    let output = shop.record_until("", "two seconds were measured", measured);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let recording = shop.scene.recording();
    let whole = ["start", "ready", "stop", "exit 0"];
    assert_eq!(
        (story(&recording, "project", "db"), story(&recording, "project", "web")),
        (whole.map(str::to_owned).to_vec(), whole.map(str::to_owned).to_vec())
    );
    let order: Vec<String> = timeline(&recording)
        .iter()
        .filter(|event| event.source == "project")
        .map(|event| format!("{} {}", event.subject, event.event))
        .collect();
    assert_eq!(order.join(", "), "db start, db ready, web start, web ready, web stop, web exit, db stop, db exit");
    let web = story(&recording, "container", "web/web");
    assert!(web.starts_with(&["create".to_owned(), "start".to_owned()]) && web.last().unwrap() == "destroy", "{web:?}");
    let written: Vec<_> = lines(&recording, "container").into_iter().map(|log| (log.subject, log.line)).collect();
    assert!(written.contains(&("web/web".to_owned(), "hello $you".to_owned())), "{written:?}");
    assert!(written.contains(&("db/db".to_owned(), "ready to serve".to_owned())), "{written:?}");
    let limits = stats(&recording, "db/db", "memory/limit");
    assert!(limits.iter().all(|limit| *limit == f64::from(32 << 20)), "{limits:?}");
    let file = RunFile::read(&shop.scene.run_dir().unwrap()).unwrap();
    assert_eq!(file.environment.facts["limit db/db memory"], (32 << 20).to_string());
    assert!(file.environment.facts["image web/web"].starts_with("sha256:"), "{:?}", file.environment.facts);
    assert!(file.environment.facts.contains_key("docker") && file.environment.facts.contains_key("compose"));
    assert_eq!(shop.left(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(shop.scene.path("state/tapedeck/projects")).unwrap().count(), 0, "a lock is left");
}

#[test]
fn runs_in_a_row_share_what_is_up() {
    let Some(shop) = Shop::open("") else { return };
    let output = shop.record(&["--repeat", "3"], "true");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let recordings = shop.recordings();
    let runs: Vec<Run> =
        recordings.iter().map(|recording| recording.rows::<Run>().unwrap().pop().unwrap().row).collect();
    assert_eq!(runs.len(), 3);
    let first = &runs[0].run_id;
    assert_eq!((&runs[1].run_id, &runs[2].run_id), (&format!("{first}-2"), &format!("{first}-3")));
    for (before, after) in runs.iter().zip(&runs[1..]) {
        let between_ns = after.started_unix_ns - before.started_unix_ns - before.duration_ns;
        assert!(between_ns < 5_000_000_000, "{between_ns} ns");
    }
    let stories: Vec<String> =
        recordings.iter().map(|recording| story(recording, "project", "web").join(" ")).collect();
    assert_eq!(stories, ["start ready kept", "start ready kept", "start ready stop exit 0"]);
    let told: Vec<Event> = timeline(&recordings[2])
        .into_iter()
        .filter(|event| event.source == "project" && event.subject == "web")
        .collect();
    assert!(
        told[0].attributes.contains("\"earlier\":true") && told[0].source_unix_ns.unwrap() < runs[1].started_unix_ns,
        "{told:?}"
    );
    assert_eq!(story(&recordings[1], "container", "db/db"), ["running"]);
    assert_eq!(shop.left(), Vec::<String>::new());
}

#[test]
fn a_run_that_did_harm_hands_nothing_on() {
    let Some(shop) = Shop::open("") else { return };
    let kill = "docker kill $(docker ps -q --filter label=com.docker.compose.service=db --filter label=tapedeck.host)";
    let output = shop.record(&["--repeat", "2"], kill);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let recordings = shop.recordings();
    for recording in &recordings {
        assert_eq!(story(recording, "project", "db"), ["start", "ready", "stop", "exit 0"]);
        let died = |event: &Event| event.subject == "db/db" && event.event == "die" && event.exit_code == Some(137);
        assert!(timeline(recording).iter().any(died));
    }
    let ids: Vec<String> = recordings.iter().map(|recording| recording.run().run_id.clone()).collect();
    assert!(ids.len() == 2 && !ids[1].starts_with(&ids[0]), "{ids:?}");
    assert_eq!(shop.left(), Vec::<String>::new());
}

#[test]
fn what_a_killed_collector_left_goes_at_the_next_start_and_nothing_of_one_at_work() {
    let Some(shop) = Shop::open("") else { return };
    let mut killed = shop.scene.start();
    wait_for("both projects are up", || container("web"));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(shop.left().len() >= 4, "{:?}", shop.left());
    let other = Scene::new("name = \"other\"\nkind = \"compose\"\n[[project]]\nname = \"db\"\nfiles = [\"db.yaml\"]\n");
    std::fs::copy(shop.scene.path("db.yaml"), other.path("db.yaml")).unwrap();
    let at_work = other.start();
    wait_for("what was killed is gone", || shop.left().is_empty().then_some(()));
    let name = wait_for("the other one is up", || container("db"));
    let output = shop.record(&[], "true");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(docker(&["inspect", "--format", "{{.State.Running}}", &name]).stdout.starts_with(b"true"));
    signal(&at_work, rustix::process::Signal::TERM);
    let output = at_work.wait_with_output().unwrap();
    assert!(said(&output).contains("removing what a killed collector left: project tapedeck-"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(!docker(&["inspect", &name]).status.success());
}

#[test]
fn a_signal_while_projects_come_up_takes_them_down() {
    let Some(shop) = Shop::open("") else { return };
    let slow = std::fs::read_to_string(shop.scene.path("db.yaml")).unwrap().replace("\"true\"", "\"false\"");
    std::fs::write(shop.scene.path("db.yaml"), slow).unwrap();
    let collector = shop.scene.start();
    wait_for("the first project comes up", || container("db"));
    signal(&collector, rustix::process::Signal::INT);
    let output = collector.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert_eq!(story(&shop.scene.recording(), "project", "db"), ["start", "stop", "exit 0"]);
    assert_eq!(shop.left(), Vec::<String>::new());
}

#[test]
fn a_port_that_is_taken_ends_the_run_with_its_reason_recorded() {
    let Some(shop) = Shop::open("") else { return };
    let _holder = std::net::TcpListener::bind(("127.0.0.1", shop.port)).unwrap();
    let output = shop.record(&[], "true");
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let recording = shop.scene.recording();
    let reason = format!("port {} is in use, by ", shop.port);
    assert!(errors(&recording)[0].contains(&reason) && said(&output).contains(&reason), "{}", said(&output));
    assert_eq!(story(&recording, "project", "db"), ["start", "ready", "stop", "exit 0"]);
    assert_eq!(shop.left(), Vec::<String>::new());
}

#[test]
fn a_container_that_runs_out_of_memory_is_told_twice() {
    let more = "[[inject]]\nat = \"300ms\"\ncontainer = \"db/db\"\nsignal = \"USR1\"\n";
    let Some(shop) = Shop::open(more) else { return };
    let db = std::fs::read_to_string(shop.scene.path("db.yaml")).unwrap().replace("    init: true\n", "");
    // Told to, it takes all that it can get.
    let greedy = db.replace("exec sleep 1000", "trap 'exec tail /dev/zero' USR1; while :; do sleep 0.1; done");
    std::fs::write(shop.scene.path("db.yaml"), greedy).unwrap();
    let died =
        |recording: &Recording| story(recording, "container", "db/db").iter().any(|event| event.starts_with("die"));
    let output = shop.record_until("", "it is killed", died);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let events = timeline(&shop.scene.recording());
    let events: Vec<Event> = events.into_iter().filter(|event| event.subject == "db/db").collect();
    assert!(events.iter().any(|event| event.event == "oom"), "{events:?}");
    let died = events.iter().find(|event| event.event == "die").unwrap();
    assert_eq!(died.exit_code, Some(137));
    assert!(died.attributes.contains("\"oom_killed\":true"), "{}", died.attributes);
}

#[test]
fn containers_are_killed_and_paused_on_purpose() {
    let more = "[[inject]]\nat = \"100ms\"\ncontainer = \"db/db\"\npause = \"1s\"\n[[inject]]\nat = \"200ms\"\ncontainer = \"web/web\"\nsignal = \"KILL\"\n";
    let Some(shop) = Shop::open(more) else { return };
    let has = |recording: &Recording, subject: &str, event: &str| {
        story(recording, "container", subject).iter().any(|told| told == event)
    };
    let both = |recording: &Recording| has(recording, "db/db", "unpause") && has(recording, "web/web", "die 137");
    let output = shop.record_until("", "one is killed, one went on", both);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let recording = shop.scene.recording();
    let db = story(&recording, "container", "db/db");
    assert!(db.contains(&"pause".to_owned()) && db.contains(&"unpause".to_owned()), "{db:?}");
    let web = story(&recording, "container", "web/web");
    assert!(web.contains(&"kill".to_owned()) && web.contains(&"die 137".to_owned()), "{web:?}");
    assert_eq!(story(&recording, "inject", "web/web"), ["signal"]);
    assert_eq!(shop.left(), Vec::<String>::new());
}

#[test]
fn what_is_missing_is_said_before_anything_is_recorded() {
    let Some(shop) = Shop::open("") else { return };
    let refused = |variable: (&str, &str), problem: &str| {
        let mut command = shop.scene.command(&["record", "scenario.toml", "--runs", "runs"]);
        let output = command.env(variable.0, variable.1).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(problem), "{}", said(&output));
        assert_eq!(said(&output).trim().lines().count(), 1, "{}", said(&output));
        assert!(shop.scene.run_dir().is_none());
    };
    let nowhere = "unix:///nowhere/docker.sock";
    refused(("DOCKER_HOST", nowhere), "Docker can't be reached at unix:///nowhere/docker.sock");
    refused(("PATH", "/nowhere"), "Docker Compose is missing");
    let nothing = ("TAPEDECK_TEST", "");
    let scenario = std::fs::read_to_string(shop.scene.path("scenario.toml")).unwrap();
    let typo = format!("{scenario}[[inject]]\nat = \"1s\"\ncontainer = \"db/bd\"\nsignal = \"KILL\"\n");
    std::fs::write(shop.scene.path("scenario.toml"), typo).unwrap();
    refused(nothing, "[[inject]]: no service is named `bd`; there are: db");
    std::fs::write(shop.scene.path("scenario.toml"), scenario).unwrap();
    std::fs::write(shop.scene.path("web.yaml"), "services:\n  web:\n    image: [\n").unwrap();
    refused(nothing, "web.yaml");
    std::fs::remove_file(shop.scene.path("web.yaml")).unwrap();
    refused(nothing, "web.yaml");
}

/// Only where the engine is one that `fixtures/docker/setup.sh` started: nobody else's is touched.
#[test]
fn an_engine_that_is_restarted_is_a_gap_and_everything_goes_all_the_same() {
    let Some(shop) = Shop::open("") else { return };
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/docker/setup.sh");
    let restart = format!("{setup} restart >&2 || touch not-ours");
    let not_ours = shop.scene.path("not-ours");
    let back =
        |recording: &Recording| story(recording, "engine", "docker").contains(&"back".to_owned()) || not_ours.exists();
    let output = shop.record_until(&restart, "the engine is back", back);
    if not_ours.exists() {
        writeln!(std::io::stderr(), "skipped: the Docker engine is not this project's own").unwrap();
        return;
    }
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let recording = shop.scene.recording();
    assert_eq!(story(&recording, "engine", "docker"), ["lost", "back"]);
    for subject in ["db/db", "web/web"] {
        let container = story(&recording, "container", subject);
        assert!(container.iter().any(|event| event.starts_with("die")), "{container:?}");
    }
    let gaps: Vec<Gap> = recording.rows::<Gap>().unwrap().into_iter().map(|stamped| stamped.row).collect();
    assert!(gaps.iter().any(|gap| gap.source == "container"), "{gaps:?}");
    assert_eq!(story(&recording, "project", "web"), ["start", "ready", "stop", "exit 0"]);
    assert_eq!(shop.left(), Vec::<String>::new());
}
