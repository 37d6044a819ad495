//! Runs of small real systems: however a run ends, everything is taken down and the recording says how.

use recording::run::State;
use rustix::process::Signal;

use crate::{Scene, must_end, pid_in, signal, timeline, wait_for};

/// Two processes; each writes its pid down, and the first has a child that outlives it.
const PAIR: &str = "
name = 'pair'
kind = 'process'
limit = '60s'
[params]
answer = 42
token = 'hunter2'
[[process]]
name = 'first'
command = ['sh', '-c', 'sleep 1000 & echo $! > child; echo $$ > first; echo password=hunter2; echo rtmp://h/live/hunter2/in; wait']
[[process]]
name = 'second'
command = ['sh', '-c', 'echo $$ > second; exec sleep 1000']
env = { STREAM_KEY = 'hunter2' }
";

#[test]
fn a_wrapped_command_ends_the_run_and_its_exit_is_data() {
    let scene = Scene::new(PAIR);
    let output = scene.record(&[
        "--label",
        "reason=test",
        "--label",
        "api_token=hunter2",
        "--",
        "sh",
        "-c",
        "until [ -s child ] && [ -s second ]; do sleep 0.01; done; exit 7",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(scene.path(stdout.trim()).canonicalize().unwrap(), scene.run_dir().unwrap().canonicalize().unwrap());
    let recording = scene.recording();
    assert_eq!((recording.state(), recording.is_journal()), (State::Complete, false));
    assert_eq!(recording.run().labels["reason"], "test");
    let timeline = timeline(&recording);
    let command = timeline.iter().find(|event| event.source == "command" && event.event == "exit").unwrap();
    assert_eq!(command.exit_code, Some(7));
    let stops = timeline.iter().filter(|event| event.event == "exit" && event.source == "process");
    let stops: Vec<(&str, Option<i64>)> = stops.map(|event| (event.subject.as_str(), event.exit_code)).collect();
    assert_eq!(stops, [("second", Some(143)), ("first", Some(143))], "in reverse order");
    must_end(&scene, "child");
    assert_no_secret(&scene);
}

fn assert_no_secret(scene: &Scene) {
    use recording::record::{Log, Param, Run};
    let (folder, recording) = (scene.run_dir().unwrap(), scene.recording());
    let (logs, params) = (recording.rows::<Log>().unwrap(), recording.rows::<Param>().unwrap());
    let mut texts = format!("{logs:?} {params:?} {:?}", recording.rows::<Run>().unwrap());
    for file in ["run.json", "scenario.toml"] {
        texts += &std::fs::read_to_string(folder.join(file)).unwrap();
    }
    assert!(!texts.contains("hunter2"), "{texts}");
    assert!(logs.iter().any(|log| log.row.line.starts_with("password=redacted:")), "{logs:?}");
    assert!(logs.iter().any(|log| log.row.line.starts_with("rtmp://h/redacted:")), "{logs:?}");
    assert!(params.iter().any(|param| param.row.name == "token" && param.row.value.starts_with("redacted:")));
}

#[test]
fn an_interrupt_ends_the_run_in_order_and_cuts_it_off() {
    let scene = Scene::new(PAIR);
    let collector = scene.start();
    wait_for("the second process runs", || pid_in(&scene.path("second")));
    signal(&collector, Signal::INT);
    let output = collector.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let recording = scene.recording();
    assert_eq!((recording.state(), recording.is_journal()), (State::Incomplete, false));
    assert!(timeline(&recording).iter().any(|event| event.event == "teardown"));
    for process in ["first", "second", "child"] {
        must_end(&scene, process);
    }
}

#[test]
fn a_killed_collector_leaves_no_process_and_a_journal_that_can_be_recovered() {
    let scene = Scene::new(PAIR);
    let mut collector = scene.start();
    wait_for("both processes are up and recorded", || {
        let recording = recording::reader::Recording::open(&scene.run_dir()?).ok()?;
        timeline(&recording).iter().any(|event| event.event == "up").then_some(())
    });
    wait_for("every process wrote its pid", || {
        ["first", "second", "child"].iter().all(|name| pid_in(&scene.path(name)).is_some()).then_some(())
    });
    signal(&collector, Signal::KILL);
    collector.wait().unwrap();
    for process in ["first", "second", "child"] {
        must_end(&scene, process);
    }
    let before = scene.recording();
    let timeline_before = timeline(&before);
    assert_eq!((before.state(), before.is_journal()), (State::Incomplete, true));
    let output = scene.command(&["recover", "latest", "--runs", "runs"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let after = scene.recording();
    assert_eq!((after.state(), after.is_journal()), (State::Incomplete, false));
    assert_eq!(timeline(&after), timeline_before);
}

#[test]
fn a_system_that_does_not_come_up_is_recorded_and_taken_down() {
    let scene = Scene::new(&format!(
        "{PAIR}[[process]]\nname = 'third'\ncommand = ['sh', '-c', 'echo it is broken; exit 9']\nready = 'http://127.0.0.1:9/'\n"
    ));
    let output = scene.record(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("third") && stderr.contains("it is broken"), "{stderr}");
    let recording = scene.recording();
    assert!(timeline(&recording).iter().any(|event| event.event == "not up"));
    let third =
        timeline(&recording).into_iter().find(|event| event.subject == "third" && event.event == "exit").unwrap();
    assert_eq!(third.exit_code, Some(9));
    must_end(&scene, "second");
}

#[test]
fn an_injected_signal_is_sent_and_recorded() {
    let scene = Scene::new(&format!("{PAIR}[[inject]]\nat = '50ms'\nsignal = 'KILL'\nprocess = 'second'\n"));
    let killed = "until [ -s second ] && ! kill -0 $(cat second) 2>/dev/null; do sleep 0.01; done";
    let output = scene.record(&["--", "sh", "-c", killed]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let timeline = timeline(&scene.recording());
    let position = |source: &str, event: &str| {
        let found =
            timeline.iter().position(|row| row.source == source && row.event == event && row.subject == "second");
        found.unwrap_or_else(|| panic!("no {source} {event}: {timeline:?}"))
    };
    assert!(position("inject", "signal").abs_diff(position("process", "exit")) <= 2);
    assert_eq!(timeline[position("process", "exit")].exit_code, Some(137));
}

#[test]
fn a_bare_tap_records_until_it_is_interrupted_and_tells_a_dead_upstream() {
    let scene = Scene::new("");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let upstream = format!("http://{closed}");
    let collector =
        scene.command(&["tap", "--listen", &listen, "--upstream", &upstream, "--runs", "runs"]).spawn().unwrap();
    let mut client = wait_for("the tap listens", || std::net::TcpStream::connect(&listen).ok());
    let read = std::io::Read::read(&mut client, &mut [0; 1]);
    assert!(read.is_err(), "the client is reset as it would be without the tap: {read:?}");
    signal(&collector, Signal::INT);
    let output = collector.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let recording = scene.recording();
    assert_eq!(recording.state(), State::Complete);
    let rows = recording.rows::<recording::record::ConnectionRow>().unwrap();
    assert!(rows.iter().any(|row| row.row.kind == "refused"), "{rows:?}");
}
