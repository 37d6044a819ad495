//! Paths and commands begin at the folder of the file that says them, wherever the merged scenario is read from.
//!
//! They are [held](hold) as absolute paths while files are merged, and [freed](free) again as paths from the folder
//! of the file that was asked for, so that a recording's copy names no more of the machine than the files do.

use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::merge::name_of;

const FILES: [&str; 2] = ["spec", "stimulus"];

/// The folder of a file.
pub(super) fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that can't be found has no file that can be read, which has been said by now.
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Makes the paths of one file absolute. A process that is in none of the files before it starts in this `folder`.
pub(super) fn hold(table: &mut DeTable<'_>, before: &DeTable<'_>, folder: &Path) {
    let absolute = |text: &str| Some(plain(&folder.join(text)));
    for name in FILES {
        if let Some(path) = table.get_mut(name) {
            change(path, absolute);
        }
    }
    let known: Vec<&str> = entries(before, "process").filter_map(|entry| name_of(entry.get_ref())).collect();
    for entry in entries_mut(table, "process") {
        let is_new = !name_of(entry.get_ref()).is_some_and(|name| known.contains(&name));
        let at = entry.span();
        let Some(process) = table_of(entry) else { continue };
        if let Some(dir) = process.get_mut("dir") {
            change(dir, absolute);
        } else if is_new {
            let dir = DeValue::String(plain(folder).into());
            process.insert(Spanned::new(at.clone(), "dir".into()), Spanned::new(at, dir));
        }
        let dir = process.get("dir").and_then(|dir| dir.get_ref().as_str());
        let dir = dir.map_or_else(|| folder.to_owned(), PathBuf::from);
        commands(process, |program| is_path(program).then(|| plain(&dir.join(program))));
    }
    for project in entries_mut(table, "project").filter_map(table_of) {
        compose_files(project, absolute);
        commands(project, |program| is_path(program).then(|| plain(&folder.join(program))));
    }
    for inject in entries_mut(table, "inject").filter_map(table_of) {
        commands(inject, |program| is_path(program).then(|| plain(&folder.join(program))));
    }
    for ca in entries_mut(table, "tap").filter_map(table_of).filter_map(|tap| tap.get_mut("ca")) {
        change(ca, absolute);
    }
}

/// Turns them into paths from `folder`.
pub(super) fn free(table: &mut DeTable<'_>, folder: &Path) {
    let relative = |path: &str| Some(from(folder, path));
    for name in FILES {
        if let Some(path) = table.get_mut(name) {
            change(path, relative);
        }
    }
    for ca in entries_mut(table, "tap").filter_map(table_of).filter_map(|tap| tap.get_mut("ca")) {
        change(ca, relative);
    }
    for process in entries_mut(table, "process").filter_map(table_of) {
        let dir = process.get("dir").and_then(|dir| dir.get_ref().as_str()).map(PathBuf::from);
        // A command begins at the folder that it is started in.
        let dir = dir.unwrap_or_else(|| folder.to_owned());
        commands(process, |program| is_path(program).then(|| program_from(&dir, program)));
        if let Some(dir) = process.get_mut("dir") {
            change(dir, |dir| Some(from(folder, dir)));
        }
    }
    for project in entries_mut(table, "project").filter_map(table_of) {
        compose_files(project, |path| Some(from(folder, path)));
        commands(project, |program| is_path(program).then(|| program_from(folder, program)));
    }
    for inject in entries_mut(table, "inject").filter_map(table_of) {
        commands(inject, |program| is_path(program).then(|| program_from(folder, program)));
    }
}

/// Whether a program is named by a path and not looked up on `PATH`.
fn is_path(program: &str) -> bool {
    program.contains('/')
}

fn entries<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> impl Iterator<Item = &'t Spanned<DeValue<'i>>> {
    table.get(name).and_then(|entries| entries.get_ref().as_array()).into_iter().flatten()
}

fn entries_mut<'t, 'i>(table: &'t mut DeTable<'i>, name: &str) -> impl Iterator<Item = &'t mut Spanned<DeValue<'i>>> {
    let entries = table.get_mut(name).and_then(|entries| match entries.get_mut() {
        DeValue::Array(entries) => Some(entries),
        _ => None,
    });
    entries.into_iter().flat_map(|entries| entries.iter_mut())
}

fn table_of<'t, 'i>(entry: &'t mut Spanned<DeValue<'i>>) -> Option<&'t mut DeTable<'i>> {
    match entry.get_mut() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// Changes the paths of `files`.
fn compose_files(project: &mut DeTable<'_>, to: impl Fn(&str) -> Option<String>) {
    if let Some(DeValue::Array(files)) = project.get_mut("files").map(Spanned::get_mut) {
        files.iter_mut().for_each(|file| change(file, &to));
    }
}

/// Changes the programs of `command` and of `version.command`.
fn commands(table: &mut DeTable<'_>, to: impl Fn(&str) -> Option<String>) {
    let change_first = |table: &mut DeTable<'_>| {
        if let Some(DeValue::Array(words)) = table.get_mut("command").map(Spanned::get_mut)
            && let Some(program) = words.first_mut()
        {
            change(program, &to);
        }
    };
    change_first(table);
    if let Some(version) = table.get_mut("version").and_then(table_of) {
        change_first(version);
    }
}

fn change(value: &mut Spanned<DeValue<'_>>, to: impl Fn(&str) -> Option<String>) {
    if let DeValue::String(text) = value.get_mut()
        && let Some(changed) = to(text)
    {
        *text = changed.into();
    }
}

/// A path without `.` and `..`, as text.
fn plain(path: &Path) -> String {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain.display().to_string()
}

/// The way from a folder to an absolute path; the path itself where they share nothing.
fn from(folder: &Path, path: &str) -> String {
    let (here, there): (Vec<_>, Vec<_>) = (folder.components().collect(), Path::new(path).components().collect());
    let shared = here.iter().zip(&there).take_while(|(here, there)| here == there).count();
    if shared <= 1 {
        return path.to_owned();
    }
    let up = here[shared..].iter().map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(there[shared..].iter().copied()).collect();
    if way.as_os_str().is_empty() { ".".to_owned() } else { way.display().to_string() }
}

/// The same for a program, which stays a path.
fn program_from(folder: &Path, program: &str) -> String {
    let way = from(folder, program);
    if is_path(&way) { way } else { format!("./{way}") }
}
