use super::*;

const LAW: &str = include_str!("../../SCENARIO.md");

/// The example in SCENARIO.md that begins so, as a file of this name whose neighbours exist.
fn example_of(folder: &Path, beginning: &str, name: &str) -> PathBuf {
    let start = LAW.find(&format!("```toml\n{beginning}")).expect("there is such an example") + 8;
    let text = &LAW[start..start + LAW[start..].find("```").expect("it ends")];
    let compose = ["compose/chat.yaml", "compose/shop.yaml", "compose/shop.test.yaml", "compose/mail.yaml"];
    for neighbour in ["specs/shop.toml", "streams/talk.mp4"].iter().chain(&compose) {
        write(&folder.join(neighbour), "");
    }
    let path = folder.join("scenarios").join(name);
    write(&path, text);
    path
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
    std::fs::write(path, text).expect("it can be written");
}

fn example(folder: &Path) -> PathBuf {
    example_of(folder, "name = \"shop\"", "shop.toml")
}

fn compose_example(folder: &Path) -> PathBuf {
    example_of(folder, "name = \"shop-compose\"", "shop-compose.toml")
}

/// Each change of a file's text is refused with the file's name and this problem.
fn refused(path: &Path, changes: &[(&str, &str, &str)]) {
    let text = std::fs::read_to_string(path).expect("it is there");
    let name = path.file_name().expect("it has a name").to_string_lossy();
    for (from, to, problem) in changes {
        assert!(text.contains(from), "{from}");
        write(path, &text.replace(from, to));
        let error = Scenario::read(path, str::to_owned).expect_err(to).to_string();
        assert!(error.contains(&*name) && error.contains(problem), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
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
    let path = example_of(folder.path(), "extends", "faults/kill.toml");
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
    let plural = ["processes", "projects", "taps", "scrapes", "probes", "polls", "injects", "media", "paths", "pairs"];
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
    refused(
        &path,
        &[
            ("listen = \"127.0.0.1:3100\"", "listen = \"3100\"", "[[tap]] chat: listen = `3100` is no address"),
            ("\"../streams/talk.mp4\"", "\"../gone.mp4\"", "stimulus: there is no file"),
            ("kind = \"process\"", "kind = \"container\"", "kind: `container` is none"),
            ("signal = \"KILL\"", "signal = \"NOPE\"", "signal `NOPE` is none of"),
            ("signal = \"KILL\"", "", "[[inject]] 30s: `signal` and `process` go together"),
            ("signal = \"KILL\"", "signal = \"KILL\"\ncommand = [\"x\"]", "write one of: `signal` and `process`"),
            ("signal = \"KILL\"", "signal = \"KILL\"\nfor = \"1s\"", "`for` belongs to `command`"),
            ("at = \"30s\"", "at = \"30s\"\ncommand = []", "write one of: `signal` and `process`"),
            ("command = [\"../hog\", \"--all\"]", "command = []", "`command` is empty"),
            ("command = [\"../hog\", \"--all\"]", "", "say what is done: `signal` and `process`"),
            ("for = \"20s\"", "for = \"20\"", "`20` is no duration"),
            ("restart = \"no\"", "restart = \"on-failure\"", "restart = `on-failure` is neither `no` nor `always`"),
            ("name = \"chat\"\ncommand", "name = \"publisher\"\ncommand", "this name is that of whoever publishes"),
            ("process = \"chat\"", "process = \"gone\"", "there is no [[process]] named `gone`"),
            ("limit = \"300s\"", "limit = \"300\"", "limit: `300` is no duration"),
            ("\"http://127.0.0.1:3000\"", "\"ws://x\"", "[[tap]] chat: upstream = `ws://x`"),
            ("quiet = \"2s\"", "quite = \"2s\"", "unknown key `quite`: did you mean `quiet`?"),
            ("process = \"chat\"", "", "`signal` needs a `process` or a `container`"),
            ("process = \"chat\"", "container = \"chat/server\"", "in kind `process` name a `process`"),
            ("signal = \"KILL\"", "pause = \"3s\"", "`pause` belongs to `container`"),
            ("\"127.0.0.1:3100\"", "\"host-gateway:3100\"", "is where containers connect: write 127.0.0.1:3100"),
            (
                "[params]",
                "[[project]]\nname = \"a\"\nfiles = []\n[params]",
                "project: Docker Compose projects are for kind",
            ),
            ("kind = \"process\"", "kind = \"compose\"", "process: kind `compose` starts containers"),
        ],
    );
}

#[test]
fn the_documents_compose_example_resolves() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = compose_example(folder.path());
    let text = std::fs::read_to_string(&path).expect("it is there");
    write(&path, &text.replace("\"3000\"", "\"${stream}\"").replace("3100\" } }", "3100/${stream}\" } }"));
    let scenario = Scenario::read(&path, |name| format!("{name}-1")).expect("it is right");
    assert_eq!((scenario.kind, scenario.kind.name(), scenario.processes.len()), (Kind::Compose, "compose", 0));
    let names: Vec<_> = scenario.projects.iter().map(|project| &*project.spec.name).collect();
    assert_eq!(names, ["chat", "shop", "mail"], "in the order of the file");
    let [chat, shop, mail] = &scenario.projects[..] else { panic!("there are three") };
    let same = |path: &Path, expected: &str| {
        let expected = folder.path().join(expected);
        assert_eq!(path.canonicalize().expect("it is there"), expected.canonicalize().expect("it is there"));
    };
    assert!(shop.spec.files.iter().all(|file| file.is_absolute()));
    same(&shop.spec.files[0], "compose/shop.yaml");
    same(&shop.spec.files[1], "compose/shop.test.yaml");
    assert_eq!(chat.spec.env["CHAT_PORT"], "shop-compose-1", "the stream is filled in");
    assert_eq!(shop.spec.services["web"].env["CHAT_URL"], "http://host.docker.internal:3100/shop-compose-1");
    assert_eq!(chat.spec.health, ["http://127.0.0.1:3000/health"]);
    assert_eq!((chat.spec.ready_within, &chat.version), (Duration::from_secs(60), &None));
    assert_eq!(shop.version, Some(ProjectVersion::Images(vec!["web".to_owned()])));
    let Some(ProjectVersion::Command { command, dir }) = &mail.version else { panic!("a command: {mail:?}") };
    assert_eq!(command, &["git", "rev-parse", "HEAD"]);
    same(dir, "compose");
    let listen = scenario.taps[0].listen;
    assert_eq!((listen, listen.to_string()), (Listen::HostGateway(3100), "host-gateway:3100".to_owned()));
    assert_eq!(listen.address([172, 17, 0, 1].into()), ([172, 17, 0, 1], 3100).into());
    let faults: Vec<_> = scenario.injects.iter().map(|inject| format!("{:?}", inject.fault)).collect();
    assert_eq!(
        faults,
        [
            "Container { container: \"chat/server\", what: Signal(Kill) }",
            "Container { container: \"shop/web\", what: Pause(20s) }",
            "Signal { signal: Kill, process: \"publisher\" }",
        ]
    );
}

#[test]
fn a_program_that_tells_a_projects_version_begins_at_the_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = compose_example(folder.path());
    let text = std::fs::read_to_string(&path).expect("it is there");
    write(&path, &text.replace("[\"git\", \"rev-parse\", \"HEAD\"]", "[\"./version\"]"));
    let scenario = Scenario::read(&path, str::to_owned).expect("it is right");
    let Some(ProjectVersion::Command { command, .. }) = &scenario.projects[2].version else { panic!("a command") };
    let program = Path::new(&command[0]);
    assert!(program.is_absolute() && program.ends_with("scenarios/version"), "{command:?}");
}

#[test]
fn what_does_not_fit_a_compose_project_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = compose_example(folder.path());
    let signal = "signal = \"KILL\"                     # to its first process";
    refused(
        &path,
        &[
            ("\"../compose/mail.yaml\"", "\"../gone.yaml\"", "[[project]] mail: files: there is no file"),
            ("[\"../compose/mail.yaml\"]", "[]", "[[project]] mail: `files` is empty"),
            ("name = \"mail\"", "name = \"shop\"", "[[project]] shop: this name is taken"),
            ("name = \"mail\"", "name = \"Mail\"", "[[project]] Mail: use small letters"),
            ("name = \"mail\"", "name = \"-mail\"", "[[project]] -mail: use small letters"),
            ("name = \"mail\"", "name = \"ma.il\"", "[[project]] ma.il: use small letters"),
            ("name = \"mail\"", "name = \"\"", "use small letters"),
            ("ready_within = \"60s\"", "ready_within = \"60\"", "[[project]] chat: ready_within: `60` is no duration"),
            ("[\"http://127.0.0.1:3000/health\"]", "[\"127.0.0.1:3000\"]", "does not begin with http://"),
            ("CHAT_PORT =", "COMPOSE_FILE =", "[[project]] chat: env: COMPOSE_FILE: say it in `files`"),
            ("CHAT_PORT =", "DOCKER_HOST =", "set it where the collector is started"),
            ("{ images = [\"web\"] }", "{ images = [] }", "[[project]] shop: version: `images` names nothing"),
            ("{ images = [\"web\"] }", "{}", "[[project]] shop: version: write either `images` or `command`"),
            (
                "{ images = [\"web\"] }",
                "{ images = [\"web\"], command = [\"x\"] }",
                "write either `images` or `command`",
            ),
            ("{ command = [\"git\", \"rev-parse\", \"HEAD\"] }", "{ command = [] }", "version: `command` is empty"),
            ("services = { web = { env", "services = { web = { envs", "unknown key `envs`: did you mean `env`?"),
            ("kind = \"compose\"", "kind = \"process\"", "project: Docker Compose projects are for kind `compose`"),
            ("kind = \"compose\"", "kind = \"attach\"", "project: Docker Compose projects are for kind `compose`"),
            ("host-gateway:3100", "host-gateway", "is no address"),
            ("host-gateway:3100", "host-gateway:0", "has no port from 1 to 65535: write host-gateway:3100"),
            ("host-gateway:3100", "host-gateway:99999", "has no port from 1 to 65535: write host-gateway:3100"),
            ("\"chat/server\"", "\"char/server\"", "[[inject]] 30s: there is no [[project]] named `char`"),
            ("\"chat/server\"", "\"chat\"", "container = `chat` is none: write PROJECT/SERVICE"),
            ("\"chat/server\"", "\"chat/server/2\"", "is none: write PROJECT/SERVICE"),
            ("container = \"shop/web\"", "process = \"web\"", "`pause` belongs to `container`"),
            (
                "container = \"shop/web\"",
                "container = \"shop/web\"\nprocess = \"web\"",
                "either `process` or `container`",
            ),
            ("pause = \"20s\"", "pause = \"20s\"\nsignal = \"KILL\"", "takes either `signal` or `pause`"),
            ("pause = \"20s\"", "", "takes either `signal` or `pause`"),
            ("pause = \"20s\"", "pause = \"20\"", "[[inject]] 40s: pause: `20` is no duration"),
            ("pause = \"20s\"", "pause = \"20s\"\nfor = \"2s\"", "`for` belongs to `command`"),
            ("pause = \"20s\"", "command = [\"x\"]", "write one of"),
            (signal, "signal = \"NOPE\"", "signal `NOPE` is none of"),
            ("process = \"publisher\"", "process = \"chat\"", "named `chat`: for a container, write `container`"),
        ],
    );
}

#[test]
fn a_compose_scenario_has_projects() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.toml");
    write(&path, "name = 'x'\nkind = 'compose'\n");
    let error = Scenario::read(&path, str::to_owned).expect_err("it has none").to_string();
    assert!(error.contains("kind `compose` needs at least one [[project]]"), "{error}");
    write(
        &path,
        "name = 'x'\nkind = 'attach'\n[[tap]]\nname = 't'\nlisten = 'host-gateway:80'\nupstream = 'http://h'\n",
    );
    let scenario = Scenario::read(&path, str::to_owned).expect("a tap may be for containers");
    assert_eq!(scenario.taps[0].listen, Listen::HostGateway(80));
}
