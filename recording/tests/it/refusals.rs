//! What is no recording, or no longer one, is refused in one line that names the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use recording::Error;
use recording::reader::{Recording, resolve};
use recording::record::Log;
use recording::run::State;
use recording::seal::seal;

use crate::running;

fn refusal(dir: &std::path::Path) -> String {
    Recording::open(dir).expect_err("it is refused").to_string()
}

fn edit_run_file(dir: &std::path::Path, from: &str, to: &str) {
    let path = dir.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn an_empty_folder_and_a_missing_one() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refusal(dir.path()).contains("it has no run.json"));
    assert!(refusal(&dir.path().join("none")).contains("there is no such folder"));
}

#[test]
fn a_newer_format() {
    let dir = tempfile::tempdir().unwrap();
    running(dir.path(), 1);
    edit_run_file(dir.path(), "\"format\": 1", "\"format\": 2");
    assert!(refusal(dir.path()).contains("has format 2, this program reads up to 1"));
}

#[test]
fn a_file_outside() {
    let dir = tempfile::tempdir().unwrap();
    let run = running(dir.path(), 1);
    seal(dir.path(), &run, State::Complete).unwrap();
    for outside in ["../logs.parquet", "/etc/passwd", "media/../../x", "./logs.parquet", ".."] {
        edit_run_file(dir.path(), "\"logs.parquet\"", &format!("\"{outside}\""));
        assert!(refusal(dir.path()).contains("only plain file names inside the folder"), "{outside}");
        edit_run_file(dir.path(), &format!("\"{outside}\""), "\"logs.parquet\"");
    }
}

#[test]
fn a_table_cut_short_or_altered_or_gone() {
    let dir = tempfile::tempdir().unwrap();
    let run = running(dir.path(), 40);
    seal(dir.path(), &run, State::Complete).unwrap();
    let path = dir.path().join("logs.parquet");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = Recording::open(dir.path()).unwrap().rows::<Log>().unwrap_err();
    assert!(matches!(&error, Error::Parquet { table: "logs", .. }) && error.to_string().contains("logs.parquet"));
    let mut altered = whole.clone();
    altered[20] ^= 1;
    fs::write(&path, altered).unwrap();
    assert!(Recording::open(dir.path()).unwrap().rows::<Log>().is_err());
    fs::remove_file(&path).unwrap();
    assert!(Recording::open(dir.path()).unwrap().rows::<Log>().unwrap_err().to_string().contains("logs.parquet"));
    fs::write(&path, &whole).unwrap();
    assert!(Recording::open(dir.path()).unwrap().rows::<Log>().is_ok());
    edit_run_file(dir.path(), "\"rows\": 40", "\"rows\": 41");
    let error = Recording::open(dir.path()).unwrap().rows::<Log>().unwrap_err().to_string();
    assert!(error.contains("it has 40 rows, 41 by run.json"), "{error}");
}

#[test]
fn names_resolve_by_unique_prefix_and_latest() {
    let runs = tempfile::tempdir().unwrap();
    for id in ["b-20260101T000000Z-aaaa", "a-20260102T000000Z-bbbb", "a-20260101T000000Z-cccc"] {
        fs::create_dir(runs.path().join(id)).unwrap();
        running(&runs.path().join(id), 1);
    }
    let name = |prefix| resolve(runs.path(), prefix).map(|path| path.file_name().unwrap().to_owned());
    assert_eq!(name("latest").unwrap(), "a-20260102T000000Z-bbbb");
    assert_eq!(name("b").unwrap(), "b-20260101T000000Z-aaaa");
    assert!(name("a").unwrap_err().to_string().contains("2 recordings begin with `a`"));
    assert!(name("x").unwrap_err().to_string().contains("no recording in"));
    assert_eq!(name("/nowhere/x").unwrap_err().to_string(), "there is no /nowhere/x");
    let file = runs.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(name(file.to_str().unwrap()).unwrap_err().to_string().ends_with("/file is no folder"));
}

#[test]
fn what_is_written_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let run = running(dir.path(), 1);
    seal(dir.path(), &run, State::Complete).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}
