//! What can't be run is refused with one line that says where and what to do, exit 2, and nothing is left behind.

use std::net::TcpListener;
use std::process::Output;

use crate::Scene;

const SOUND: &str = "name = 'x'\nkind = 'process'\n[[process]]\nname = 'a'\ncommand = ['sleep', '60']\n";

fn refusal(scene: &Scene, output: &Output) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(!scene.path("runs").exists(), "something was written");
    stderr
}

#[test]
fn scenarios_that_are_wrong() {
    for (scenario, expected) in [
        (format!("{SOUND}dri = '.'\n"), "scenario.toml:6:1: unknown key `dri`: did you mean `dir`?"),
        ("name = 'x'".to_owned(), "scenario.toml:1:1: missing field `kind`"),
        (SOUND.replace("'sleep'", "'no-such-program'"), "no-such-program"),
        (format!("stimulus = 'gone.mp4'\n{SOUND}"), "stimulus: there is no file"),
        (
            format!("{SOUND}[[tap]]\nname = 't'\nlisten = 'here'\nupstream = 'http://x'\n"),
            "listen = `here` is no address",
        ),
        (
            "name = 'x'\nkind = 'compose'\n[[project]]\nname = 'shop'\nfiles = ['gone.yaml']\n".to_owned(),
            "[[project]] shop: files: there is no file",
        ),
        (format!("{SOUND}[publish]\nurl = 'rtmp://127.0.0.1:1/x'\n"), "stimulus: [publish] needs one"),
    ] {
        let scene = Scene::new(&scenario);
        let problem = refusal(&scene, &scene.record(&[]));
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn a_scenario_that_is_not_there() {
    let scene = Scene::new(SOUND);
    let output = scene.command(&["record", "gone.toml"]).output().unwrap();
    assert!(refusal(&scene, &output).contains("read the scenario gone.toml"));
}

#[test]
fn a_port_in_use_names_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let scene =
        Scene::new(&format!("{SOUND}[[tap]]\nname = 't'\nlisten = '{address}'\nupstream = 'http://127.0.0.1:9'\n"));
    let problem = refusal(&scene, &scene.record(&[]));
    let owner = format!("(pid {})", std::process::id());
    assert!(
        problem.contains(&format!("port {} is in use by", address.port())) && problem.contains(&owner),
        "{problem}"
    );
}

#[test]
fn a_tool_that_is_missing() {
    let scene = Scene::new(&format!("{SOUND}[[probe]]\nname = 'p'\nurl = 'rtmp://127.0.0.1:1/x'\n"));
    let mut command = scene.command(&["record", "scenario.toml", "--runs", "runs"]);
    let output = command.env("PATH", scene.path("empty")).output().unwrap();
    assert!(refusal(&scene, &output).contains("ffprobe"));
}

#[test]
fn a_label_that_is_none() {
    let scene = Scene::new(SOUND);
    assert!(refusal(&scene, &scene.record(&["--label", "nightly"])).contains("--label nightly: write NAME=VALUE"));
}

#[test]
fn doctor_tells_every_check() {
    let scene = Scene::new(&SOUND.replace("'sleep'", "'no-such-program'"));
    let output = scene.command(&["doctor", "scenario.toml"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout.lines().any(|line| line.starts_with("FAIL  process a: ")), "{stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("ok    disk: ")), "{stdout}");
}
