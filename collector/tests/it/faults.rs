//! Faults on purpose, and processes that come again after one.

use std::process::Command;

use recording::reader::Recording;
use recording::record::Stat;

use crate::{Scene, lines, must_end, story, timeline};

fn stats(recording: &Recording, source: &str, subject: &str, metric: &str) -> Vec<f64> {
    let stats = recording.rows::<Stat>().unwrap().into_iter().map(|stamped| stamped.row);
    let wanted = |stat: &Stat| stat.source == source && stat.subject == subject && stat.metric == metric;
    stats.filter(wanted).map(|stat| stat.value).collect()
}

#[test]
fn a_killed_process_that_is_kept_comes_again_under_its_name() {
    let scene = Scene::new(
        "name = 'kept'\nkind = 'process'\nlimit = '60s'\n[[process]]\nname = 'a'\nrestart = 'always'\n\
         command = ['sh', '-c', 'echo $$ > a; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exec sleep 1000']\n\
         [[inject]]\nat = '1500ms'\nsignal = 'KILL'\nprocess = 'a'\n",
    );
    scene.record_until("it was measured after it came again", |recording| {
        let looks_at_restart = stats(recording, "process", "a", "processes").len();
        let restarted = timeline(recording).iter().any(|event| event.attributes.contains("\"restart\":1"));
        restarted && looks_at_restart >= 4
    });
    let recording = scene.recording();
    assert_eq!(story(&recording, "process", "a"), ["start", "exit 137", "start", "stop", "exit 143"]);
    assert_eq!(story(&recording, "inject", "a"), ["signal"]);
    let used_ns = stats(&recording, "process", "a", "cpu/used_ns");
    assert!(used_ns.is_sorted() && used_ns.last() > Some(&0.0), "{used_ns:?}");
    let waited_ns = stats(&recording, "process", "a", "cpu/waited_ns");
    let told = std::fs::read_to_string("/proc/self/schedstat").is_ok_and(|line| line.trim() != "0 0 0");
    assert!(waited_ns.is_sorted() && waited_ns.is_empty() != told, "{waited_ns:?}");
    must_end(&scene, "a");
}

#[test]
fn a_program_is_a_fault_that_begins_and_ends_in_its_time_or_with_the_run() {
    let scene = Scene::new(
        "name = 'hogs'\nkind = 'process'\nlimit = '60s'\n[[process]]\nname = 'a'\ncommand = ['sleep', '1000']\n\
         [[inject]]\nat = '10ms'\ncommand = ['./short', '--token', 'hunter2']\nfor = '1500ms'\n\
         [[inject]]\nat = '20ms'\ncommand = ['./long']\n\
         [[inject]]\nat = '30ms'\ncommand = ['./gone']\n",
    );
    scene.program("short", "echo $$ > short.pid; echo password=hunter2; sleep 1000");
    scene.program("long", "echo $$ > long.pid; exec sleep 1000");
    scene.program("gone", "exit 5");
    scene.record_until("one has ended, the other was measured", |recording| {
        story(recording, "inject", "short").len() == 3 && !stats(recording, "inject", "long", "cpu/used_ns").is_empty()
    });
    let recording = scene.recording();
    assert_eq!(story(&recording, "inject", "short"), ["start", "stop", "exit 143"]);
    assert_eq!(story(&recording, "inject", "long"), ["start", "stop", "exit 143"]);
    assert_eq!(story(&recording, "inject", "gone"), ["start", "exit 5"]);
    assert!(stats(&recording, "process", "long", "processes").is_empty());
    let said = lines(&recording, "inject");
    assert!(said.iter().any(|log| log.subject == "short" && log.line.starts_with("password=redacted:")), "{said:?}");
    let start = timeline(&recording).into_iter().find(|event| event.subject == "short").unwrap();
    assert!(start.attributes.contains("\"line\":\"./short --token redacted:"), "{}", start.attributes);
    let copy = std::fs::read_to_string(scene.run_dir().unwrap().join("scenario.toml")).unwrap();
    assert!(!format!("{said:?}{start:?}{copy}").contains("hunter2"));
    must_end(&scene, "short.pid");
    must_end(&scene, "long.pid");
}

#[test]
fn a_program_that_is_not_there_is_refused_before_the_run() {
    let scene = Scene::new(
        "name = 'x'\nkind = 'process'\n[[process]]\nname = 'a'\ncommand = ['sleep', '1000']\n\
         [[inject]]\nat = '1s'\ncommand = ['./hog']\n",
    );
    let output = scene.record(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("inject hog: ") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn a_stimulus_in_a_loop_outlasts_itself_until_a_signal_reaches_the_publisher() {
    let scene = Scene::new(
        "name = 'loop'\nkind = 'process'\nlimit = '60s'\nstimulus = 'in.mp4'\n[publish]\nurl = 'out.flv'\nloop = true\n\
         [[process]]\nname = 'a'\ncommand = ['sleep', '1000']\n\
         [[inject]]\nat = '2s'\nsignal = 'KILL'\nprocess = 'publisher'\n",
    );
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=duration=0.3", "-c:a", "aac"])
        .arg(scene.path("in.mp4"))
        .status();
    assert!(made.unwrap().success());
    scene.record_until("the publisher has ended", |recording| {
        timeline(recording).iter().any(|event| event.source == "publisher" && event.event == "exit")
    });
    let recording = scene.recording();
    assert_eq!(story(&recording, "publisher", &recording.run().stream), ["start", "exit 137"], "0.3 s became 2 s");
    assert_eq!(story(&recording, "inject", "publisher"), ["signal"]);
}
