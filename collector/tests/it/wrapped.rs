//! The command that a run is wrapped around: what it says and finds, and how it ends.

use recording::record::SourceRow;

use crate::{Scene, lines, must_end, story};

const ONE: &str = "name = 'one'\nkind = 'process'\n[[process]]\nname = 'a'\ncommand = ['sleep', '1000']\n";

#[test]
fn what_a_command_writes_is_shown_and_recorded_without_secrets() {
    let scene = Scene::new(ONE);
    let says = "echo out; echo token=hunter2 >&2; printf 'in %s' $TAPEDECK_STREAM; \
                [ -f \"$TAPEDECK_RUN/run.json\" ] || exit 9; exit 3";
    let output = scene.record(&["--", "sh", "-c", says]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let recording = scene.recording();
    assert_eq!(story(&recording, "command", "sh"), ["start", "exit 3"]);
    let stream = recording.run().stream.clone();
    for shown in ["out", "token=hunter2", &format!("in {stream}")] {
        assert!(stderr.lines().any(|line| line == shown), "{shown} is not in {stderr}");
    }
    let said = lines(&recording, "command");
    let out: Vec<&str> = said.iter().filter(|log| log.stream == "stdout").map(|log| &*log.line).collect();
    assert_eq!(out, ["out", &format!("in {stream}")]);
    let err: Vec<&str> = said.iter().filter(|log| log.stream == "stderr").map(|log| &*log.line).collect();
    assert!(err.len() == 1 && err[0].starts_with("token=redacted:"), "{err:?}");
    assert!(said.iter().all(|log| log.subject == "sh"));
    assert!(sources(&scene).iter().any(|row| row.source == "command" && row.state == "ended"));
}

fn sources(scene: &Scene) -> Vec<SourceRow> {
    scene.recording().rows::<SourceRow>().unwrap().into_iter().map(|stamped| stamped.row).collect()
}

#[test]
fn a_run_that_ends_otherwise_ends_the_commands_whole_group() {
    let scene = Scene::new(&format!("limit = '700ms'\n{ONE}"));
    let output = scene.record(&["--", "sh", "-c", "sleep 1000 & echo $! > child; echo $$ > leader; wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(story(&scene.recording(), "command", "sh"), ["start", "stop", "exit 143"]);
    must_end(&scene, "leader");
    must_end(&scene, "child");
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let scene = Scene::new(ONE);
    scene.record(&["--", "sh", "-c", "sleep 1000 & echo $! > child"]);
    assert_eq!(story(&scene.recording(), "command", "sh"), ["start", "exit 0", "stop"]);
    must_end(&scene, "child");
}

#[test]
fn a_command_that_is_not_there_is_an_exit_code_and_a_problem() {
    let scene = Scene::new(ONE);
    let output = scene.record(&["--", "no-such-program", "x"]);
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("command `no-such-program` not found: install it"), "{stderr}");
    assert_eq!(story(&scene.recording(), "command", "no-such-program"), ["start", "exit 127"]);
}

#[test]
fn a_run_without_a_command_has_no_such_source() {
    let scene = Scene::new(&format!("limit = '100ms'\n{ONE}"));
    scene.record(&[]);
    let sources = sources(&scene);
    assert!(!sources.is_empty() && sources.iter().all(|row| row.source != "command"), "{sources:?}");
}
