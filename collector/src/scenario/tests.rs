use super::*;

const LAW: &str = include_str!("../../SCENARIO.md");

/// The example in SCENARIO.md, as a file whose neighbours exist.
fn example(folder: &Path) -> PathBuf {
    let start = LAW.find("```toml\n").expect("there is an example") + 8;
    let text = &LAW[start..start + LAW[start..].find("```").expect("it ends")];
    for neighbour in ["specs/shop.toml", "streams/talk.mp4"] {
        let path = folder.join(neighbour);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
        std::fs::write(path, "").expect("it can be written");
    }
    let path = folder.join("scenarios/shop.toml");
    std::fs::create_dir_all(folder.join("scenarios")).expect("it can be made");
    std::fs::write(&path, text).expect("it can be written");
    path
}

#[test]
fn the_documents_example_resolves() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = Scenario::read(&example(folder.path()), |name| format!("{name}-1")).expect("it is right");
    assert_eq!(scenario.media[0].url, "rtmp://127.0.0.1:1935/live/shop-1/out");
    assert_eq!(scenario.injects[0].at, Duration::from_secs(30));
    let Fault::Program { spec, lasts } = &scenario.injects[1].fault else {
        panic!("the second is a program: {:?}", scenario.injects);
    };
    assert_eq!((&*spec.name, *lasts), ("hog", Some(Duration::from_secs(20))));
    assert!(scenario.publish.is_some_and(|publish| !publish.repeat));
    assert!(scenario.literals.contains(&"live".to_owned()));
}

#[test]
fn the_documents_second_example_goes_over_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = example(folder.path());
    let start = LAW.find("```toml\nextends").expect("there is a second example") + 8;
    let text = &LAW[start..start + LAW[start..].find("```").expect("it ends")];
    let path = folder.path().join("scenarios/faults/kill.toml");
    std::fs::create_dir_all(folder.path().join("scenarios/faults")).expect("it can be made");
    std::fs::write(&path, text).expect("it can be written");
    let scenario = Scenario::read(&path, str::to_owned).expect("it is right");
    let base = Scenario::read(&base, str::to_owned).expect("it is right");
    assert_eq!((scenario.name.as_str(), scenario.processes.len()), ("shop-kill", base.processes.len()));
    assert_eq!(scenario.processes[0].spec.env["MODE"], "slow");
    assert_eq!(scenario.processes[0].spec.env["PORT"], base.processes[0].spec.env["PORT"]);
}

#[test]
fn a_signal_reaches_the_publisher_where_there_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = example(folder.path());
    let text = std::fs::read_to_string(&path).expect("it is there");
    let text = text.replace("process = \"chat\"", "process = \"publisher\"");
    std::fs::write(&path, &text).expect("it can be written");
    let scenario = Scenario::read(&path, str::to_owned).expect("it is right");
    assert!(matches!(&scenario.injects[0].fault, Fault::Signal { process, .. } if process == PUBLISHER));
    let start = text.find("[publish]").expect("it publishes");
    let end = text.find("[until]").expect("it ends");
    std::fs::write(&path, format!("{}{}", &text[..start], &text[end..])).expect("it can be written");
    let error = Scenario::read(&path, str::to_owned).expect_err("nobody publishes").to_string();
    assert!(error.contains("nobody publishes: there is no [publish]"), "{error}");
}

#[test]
fn the_document_names_every_key() {
    let written = include_str!("written.rs");
    let keys = written.lines().filter_map(|line| line.strip_prefix("    pub ")?.split(':').next());
    let tables = written.lines().filter_map(|line| line.split("rename = \"").nth(1)?.split('"').next());
    let plural = ["processes", "taps", "scrapes", "probes", "polls", "injects", "media", "paths"];
    for key in keys.map(|key| key.trim_start_matches("r#")).filter(|key| !plural.contains(key)) {
        assert!(LAW.contains(&format!("`{key}`")), "SCENARIO.md does not mention `{key}`");
    }
    for table in tables {
        assert!(LAW.contains(&format!("[[{table}]]")), "SCENARIO.md does not mention [[{table}]]");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_place_and_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = example(folder.path());
    let text = std::fs::read_to_string(&path).expect("it is there");
    for (from, to, problem) in [
        ("listen = \"127.0.0.1:3100\"", "listen = \"3100\"", "[[tap]] chat: listen = `3100` is no address"),
        ("\"../streams/talk.mp4\"", "\"../gone.mp4\"", "stimulus: there is no file"),
        ("kind = \"process\"", "kind = \"container\"", "kind: `container` is none"),
        ("signal = \"KILL\"", "signal = \"NOPE\"", "signal `NOPE` is none of"),
        ("signal = \"KILL\"", "", "[[inject]] 30s: `signal` and `process` go together"),
        ("signal = \"KILL\"", "signal = \"KILL\"\ncommand = [\"x\"]", "either `signal` and `process`, or `command`"),
        ("signal = \"KILL\"", "signal = \"KILL\"\nfor = \"1s\"", "`for` belongs to `command`"),
        ("at = \"30s\"", "at = \"30s\"\ncommand = []", "either `signal` and `process`, or `command`"),
        ("command = [\"../hog\", \"--all\"]", "command = []", "`command` is empty"),
        ("command = [\"../hog\", \"--all\"]", "", "say what is done: `signal` and `process`, or `command`"),
        ("for = \"20s\"", "for = \"20\"", "`20` is no duration"),
        ("restart = \"no\"", "restart = \"on-failure\"", "restart = `on-failure` is neither `no` nor `always`"),
        ("name = \"chat\"\ncommand", "name = \"publisher\"\ncommand", "this name is that of whoever publishes"),
        ("process = \"chat\"", "process = \"gone\"", "there is no [[process]] named `gone`"),
        ("limit = \"300s\"", "limit = \"300\"", "limit: `300` is no duration"),
        ("\"http://127.0.0.1:3000\"", "\"https://x\"", "[[tap]] chat: upstream = `https://x`"),
        ("quiet = \"2s\"", "quite = \"2s\"", "unknown key `quite`: did you mean `quiet`?"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replace(from, to)).expect("it can be written");
        let error = Scenario::read(&path, |name| name.to_owned()).expect_err(to).to_string();
        assert!(error.contains("shop.toml") && error.contains(problem), "{error}");
    }
}
