//! `ARCHITECTURE.md` is compared with the workspace: its folders, and its arrows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::{Table, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest(folder: &str) -> Table {
    read(&format!("{folder}/Cargo.toml")).parse().unwrap_or_else(|error| panic!("{folder}/Cargo.toml: {error}"))
}

/// Package name to folder, for all members of the workspace; the root is `.`.
fn members() -> BTreeMap<String, String> {
    let members = manifest(".")["workspace"]["members"].as_array().expect("members are a list").clone();
    let folders = members.iter().filter_map(Value::as_str).map(str::to_owned).chain([".".to_owned()]);
    folders
        .map(|folder| (manifest(&folder)["package"]["name"].as_str().expect("a package has a name").to_owned(), folder))
        .collect()
}

/// Pairs of folders: the first depends on the second.
fn dependencies() -> BTreeSet<(String, String)> {
    let members = members();
    let mut arrows = BTreeSet::new();
    for folder in members.values() {
        for section in ["dependencies", "build-dependencies"] {
            let names = manifest(folder).get(section).and_then(Value::as_table).cloned().unwrap_or_default();
            arrows.extend(names.keys().filter_map(|name| members.get(name)).map(|to| (folder.clone(), to.clone())));
        }
    }
    arrows
}

/// The arrows of the page: lines `a -> b, c` in its fenced block.
fn drawn() -> BTreeSet<(String, String)> {
    let page = read("ARCHITECTURE.md");
    let block = page.split("```").nth(1).expect("the page has a fenced block with its arrows").to_owned();
    let pair = |line: &str| line.split_once("->").map(|(from, to)| (from.trim().to_owned(), to.to_owned()));
    let arrows = block.lines().filter_map(pair);
    arrows
        .flat_map(|(from, to)| to.split(',').map(|to| (from.clone(), to.trim().to_owned())).collect::<Vec<_>>())
        .collect()
}

#[test]
fn arrows_are_those_of_the_manifests() {
    assert_eq!(drawn(), dependencies());
}

/// Top-level folders that are in the repository.
fn folders() -> BTreeSet<String> {
    let ignored = ["target"];
    let entries = std::fs::read_dir(root()).expect("the root can be listed");
    let names = entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    names.filter(|name| !name.starts_with('.') && !ignored.contains(&name.as_str())).collect()
}

/// The folders of the page: the first cell of each row of its table.
fn listed() -> BTreeSet<String> {
    let page = read("ARCHITECTURE.md");
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|rest| rest.split_once("/`"));
    cells.map(|(folder, _)| folder.to_owned()).filter(|folder| !folder.contains('/')).collect()
}

#[test]
fn folders_are_those_of_the_repository() {
    assert_eq!(listed(), folders());
}

#[test]
fn the_page_is_one_page() {
    assert!(read("ARCHITECTURE.md").lines().count() <= 70);
}
