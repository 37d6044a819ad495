use std::time::Duration;

use tempfile::TempDir;

use super::super::{ProjectVersion, Scenario};
use super::*;

const BASE: &str = "
name = 'base'
kind = 'process'
spec = '../specs/s.toml'
limit = '60s'
[params]
a = 1
b = 'two'
[[process]]
name = 'one'
command = ['../bin/one', '--x']
env = { PORT = '1', MODE = 'real' }
[[process]]
name = 'two'
command = ['sleep', '1']
dir = '../bin'
[publish]
url = 'rtmp://h/live/${stream}/in'
[[inject]]
at = '1s'
signal = 'STOP'
process = 'one'
";

/// Files in folders: `scenarios/base.toml` with its neighbours, and those given.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let known = [("scenarios/base.toml", BASE), ("specs/s.toml", ""), ("specs/other.toml", ""), ("in.mp4", "")];
    for (name, text) in known.iter().chain(files) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn scenario(folder: &TempDir, name: &str) -> Scenario {
    Scenario::read(&folder.path().join(name), |name| format!("{name}-1")).unwrap()
}

fn problem(files: &[(&str, &str)], name: &str) -> String {
    let folder = folder(files);
    let error = Scenario::read(&folder.path().join(name), str::to_owned).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

const OVER: &str = "
extends = '../base.toml'
name = 'over'
limit = '5s'
stimulus = '../../in.mp4'
[params]
b = 'changed'
c = 3
[[process]]
name = 'one'
env = { MODE = 'echo' }
[[process]]
name = 'three'
command = ['./three']
[[inject]]
at = '2s'
signal = 'CONT'
process = 'one'
";

#[test]
fn what_differs_goes_over_what_is_there() {
    let folder = folder(&[("scenarios/faults/over.toml", OVER)]);
    let over = scenario(&folder, "scenarios/faults/over.toml");
    assert_eq!((&*over.name, &*over.stream, over.limit), ("over", "over-1", Duration::from_secs(5)));
    let params: Vec<_> = over.params.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(params, [("a", "1"), ("b", "changed"), ("c", "3")]);
    let names: Vec<&str> = over.processes.iter().map(|process| &*process.spec.name).collect();
    assert_eq!(names, ["one", "two", "three"], "the base's order, then the new ones");
    let env: Vec<_> = over.processes[0].spec.env.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(env, [("MODE", "echo"), ("PORT", "1")]);
    let injects: Vec<u64> = over.injects.iter().map(|inject| inject.at.as_secs()).collect();
    assert_eq!(injects, [1, 2]);
}

#[test]
fn paths_begin_at_the_folder_of_the_file_that_says_them() {
    let more = "[[process]]\nname = 'two'\ncommand = ['./here', 'x']\n";
    let folder = folder(&[("scenarios/faults/over.toml", &format!("{OVER}{more}"))]);
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let over = scenario(&folder, "scenarios/faults/over.toml");
    let same = |path: &Path, expected: &str| assert_eq!(std::fs::canonicalize(path).unwrap(), root.join(expected));
    same(over.spec.as_deref().unwrap(), "specs/s.toml");
    same(over.stimulus.as_deref().unwrap(), "in.mp4");
    for (number, dir, program) in [
        (0, "scenarios", "bin/one"),
        (1, "bin", "scenarios/faults/here"),
        (2, "scenarios/faults", "scenarios/faults/three"),
    ] {
        let spec = &over.processes[number].spec;
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        same(&spec.dir, dir);
        let found = root.join(program);
        std::fs::write(&found, "").unwrap();
        same(&spec.dir.join(&spec.command[0]), program);
    }
}

#[test]
fn the_merged_text_says_the_same_by_itself_and_names_no_folder_of_the_machine() {
    let folder = folder(&[("scenarios/faults/over.toml", OVER)]);
    let over = scenario(&folder, "scenarios/faults/over.toml");
    let text = over.file.as_ref().unwrap().1.clone();
    assert!(!text.contains("extends") && !text.contains(&*folder.path().display().to_string()), "{text}");
    std::fs::write(folder.path().join("scenarios/faults/alone.toml"), &text).unwrap();
    let alone = scenario(&folder, "scenarios/faults/alone.toml");
    assert_eq!(alone.file.as_ref().unwrap().1, text);
    let told = |scenario: &Scenario| format!("{:?}", Scenario { file: None, ..scenario.clone() });
    assert_eq!(told(&alone), told(&over));
}

#[test]
fn a_file_that_extends_nothing_is_its_own_text() {
    let folder = folder(&[]);
    std::fs::write(folder.path().join("in.mp4"), "").unwrap();
    let text = BASE.replace("limit = '60s'", "limit = '60s' # a remark\nstimulus = '../in.mp4'");
    std::fs::write(folder.path().join("scenarios/base.toml"), &text).unwrap();
    assert_eq!(scenario(&folder, "scenarios/base.toml").file.unwrap().1, text);
}

#[test]
fn chains_and_other_values_replace() {
    let third = "extends = 'faults/over.toml'\nname = 'third'\nspec = '../specs/other.toml'\n[[process]]\nname = 'one'\n\
                 command = ['sleep', '9']\n";
    let folder = folder(&[("scenarios/faults/over.toml", OVER), ("scenarios/third.toml", third)]);
    let third = scenario(&folder, "scenarios/third.toml");
    assert_eq!(third.processes[0].spec.command, ["sleep", "9"], "a plain array replaces");
    assert_eq!((third.processes[0].spec.env["MODE"].as_str(), third.params["b"].as_str()), ("echo", "changed"));
    assert!(third.spec.unwrap().ends_with("specs/other.toml"));
}

const PROJECTS: &str = "
stimulus = '../in.mp4'
[[project]]
name = 'one'
files = ['../compose/one.yaml', 'two.yaml']
env = { PORT = '1', MODE = 'real' }
health = ['http://h/1', 'http://h/2']
services = { web = { env = { URL = 'a', MORE = 'b' } } }
version = { command = ['./tell', 'x'] }
[[project]]
name = 'two'
files = ['two.yaml']
";

const OVER_PROJECTS: &str = "
extends = '../base.toml'
name = 'over'
kind = 'compose'
[[project]]
name = 'one'
env = { MODE = 'echo' }
health = ['http://h/3']
services = { web = { env = { URL = 'c' } }, db = { env = { D = 'd' } } }
[[project]]
name = 'two'
files = ['three.yaml']
[[project]]
name = 'three'
files = ['three.yaml']
version = { command = ['bin/tell'] }
";

#[test]
fn projects_merge_by_name_and_their_files_begin_where_they_are_said() {
    let compose = ["compose/one.yaml", "scenarios/two.yaml", "scenarios/faults/three.yaml"].map(|file| (file, ""));
    let files = [("scenarios/base.toml", PROJECTS), ("scenarios/faults/over.toml", OVER_PROJECTS)];
    // What is extended says neither its name nor its kind.
    let folder = folder(&[&compose[..], &files].concat());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let over = scenario(&folder, "scenarios/faults/over.toml");
    let names: Vec<&str> = over.projects.iter().map(|project| &*project.spec.name).collect();
    assert_eq!(names, ["one", "two", "three"]);
    let one = &over.projects[0].spec;
    let pairs = |of: &std::collections::BTreeMap<String, String>| format!("{of:?}");
    assert_eq!(pairs(&one.env), r#"{"MODE": "echo", "PORT": "1"}"#);
    assert_eq!(pairs(&one.services["web"].env), r#"{"MORE": "b", "URL": "c"}"#);
    assert_eq!(pairs(&one.services["db"].env), r#"{"D": "d"}"#);
    assert_eq!(one.health, ["http://h/3"], "a plain array replaces");
    for (project, expected) in [
        (0, &["compose/one.yaml", "scenarios/two.yaml"][..]),
        (1, &["scenarios/faults/three.yaml"]),
        (2, &["scenarios/faults/three.yaml"]),
    ] {
        let files = over.projects[project].spec.files.iter().map(|file| std::fs::canonicalize(file).unwrap());
        assert!(files.eq(expected.iter().map(|file| root.join(file))), "{project}");
    }
    for (project, expected) in [(0, "scenarios/tell"), (2, "scenarios/faults/bin/tell")] {
        let Some(ProjectVersion::Command { command, .. }) = &over.projects[project].version else { panic!() };
        std::fs::create_dir_all(root.join(expected).parent().unwrap()).unwrap();
        std::fs::write(root.join(expected), "").unwrap();
        assert_eq!(std::fs::canonicalize(&command[0]).unwrap(), root.join(expected));
    }
    let text = &over.file.as_ref().unwrap().1;
    assert!(!text.contains(&*root.display().to_string()), "{text}");
    std::fs::write(folder.path().join("scenarios/faults/alone.toml"), text).unwrap();
    let alone = scenario(&folder, "scenarios/faults/alone.toml");
    assert_eq!(format!("{:?}", alone.projects), format!("{:?}", over.projects));
}

#[test]
fn what_is_wrong_is_said_of_the_file_and_line_that_hold_it() {
    let over = |text: &str| format!("extends = '../base.toml'\nname = 'over'\n{text}");
    for (text, expected) in [
        (over("[[process]]\nname = 'one'\nenw = 3\n"), "over.toml:5:1: unknown key `enw`: did you mean `env`?"),
        (over("limit = 3\n"), "over.toml:3:9: invalid type"),
        (over("[[process]]\nname = 'new'\n"), "over.toml:3:1: missing field `command`"),
        (over("= 3\n"), "over.toml:3:1: "),
        ("extends = '../base.toml'\n".to_owned(), "over.toml:1:1: missing field `name`"),
        (over("[[tap]]\nname = 't'\n[[tap]]\nname = 't'\n"), "over.toml:3:1: missing field `listen`"),
        (
            over("stimulus = '../../in.mp4'\n[[process]]\nname='one'\n[[process]]\nname='one'\n"),
            "missing field `command`",
        ),
        (over("limit = 'soon'"), "over.toml: limit: `soon` is no duration"),
        ("extends = 3\nname = 'x'\nkind = 'attach'\n".to_owned(), "over.toml:1:11: invalid type"),
        (
            "extends = 'gone.toml'\nname = 'x'\n".to_owned(),
            "over.toml: extends: there is no file scenarios/faults/gone.toml",
        ),
        (
            "extends = 'over.toml'\nname = 'x'\n".to_owned(),
            "over.toml: extends: scenarios/faults/over.toml extends itself",
        ),
    ] {
        let problem = problem(&[("scenarios/faults/over.toml", &text)], "scenarios/faults/over.toml");
        assert!(problem.starts_with("scenarios/faults/") && problem.contains(expected), "{text}: {problem}");
        assert_eq!(problem.lines().count(), 1, "{problem}");
    }
    let base = BASE.replace("limit", "limmit");
    let files = [("scenarios/base.toml", &*base), ("scenarios/faults/over.toml", OVER)];
    let problem = problem(&files, "scenarios/faults/over.toml");
    let expected = "base.toml:5:1: unknown key `limmit`: did you mean `limit`?";
    assert!(problem.contains(expected), "{problem}");
}

#[test]
fn a_chain_of_more_than_eight_is_refused() {
    let link = |to: usize| format!("extends = 'l{to}.toml'\nname = 'x'\n");
    let chain = |length: usize| -> Vec<(String, String)> {
        let last = (format!("l{length}.toml"), "name = 'x'\nkind = 'attach'\n".to_owned());
        (1..length).map(|number| (format!("l{number}.toml"), link(number + 1))).chain([last]).collect()
    };
    let refs = |files: &[(String, String)]| -> TempDir {
        folder(&files.iter().map(|(name, text)| (&**name, &**text)).collect::<Vec<_>>())
    };
    scenario(&refs(&chain(8)), "l1.toml");
    let nine = refs(&chain(9));
    let error = Scenario::read(&nine.path().join("l1.toml"), str::to_owned).unwrap_err().to_string();
    assert!(error.contains("l8.toml: extends: more than 8 files"), "{error}");
}
