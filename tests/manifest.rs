//! Manifests: what `limen build` makes of them, what it refuses and how, and what `limen graph` says. `LIMEN_BLESS=1` writes
//! the recorded errors anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest")
}

fn limen(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limen")).args(arguments).current_dir(folder).output().expect("limen starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// An image made of the manifest in a folder.
#[track_caller]
fn built(folder: &Path, manifest: &str) -> Vec<u8> {
    let output = limen(folder, &["build", manifest, "-o", "-"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

#[test]
fn what_is_refused_reads_as_recorded() {
    let folder = folder().join("refused");
    let mut manifests: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    manifests.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    manifests.sort();
    assert!(!manifests.is_empty());
    let stale: Vec<_> = manifests.iter().filter(|path| !is_refused_as_recorded(path)).collect();
    assert!(stale.is_empty(), "not as recorded: {stale:#?}");
}

fn is_refused_as_recorded(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let output = limen(path.parent().unwrap(), &["build", name, "-o", "-"]);
    assert_eq!(output.status.code(), Some(1), "{name}");
    assert!(output.stdout.is_empty(), "{name}");
    let errors = text(&output.stderr);
    let golden = path.with_extension("stderr");
    if std::env::var_os("LIMEN_BLESS").is_some() {
        fs::write(&golden, &errors).unwrap();
    }
    let recorded = fs::read_to_string(&golden).unwrap_or_default();
    if recorded != errors {
        eprintln!("---- {name}\n{errors}");
    }
    recorded == errors
}

/// The little-endian word at an offset.
fn word(bytes: &[u8], offset: usize) -> usize {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap()) as usize
}

/// The parts of an image: kernel, modules, plan.
fn parts(image: &[u8]) -> Vec<&[u8]> {
    let [devices, modules, plan] = [24, 28, 32].map(|offset| word(image, offset));
    let lengths = (0..=modules).map(|index| word(image, 36 + (devices + index) * 4)).chain([plan]);
    let mut at = 36 + (devices + 1 + modules) * 4;
    let part = |length| {
        at += length;
        &image[at - length..at]
    };
    lengths.map(part).collect()
}

/// What a service's record in the plan says: its name, and its words.
fn services(plan: &[u8]) -> Vec<(String, Vec<usize>)> {
    let record = |index| {
        let words: Vec<_> = (0..24).map(|at| word(plan, word(plan, 16) + (index * 24 + at) * 4)).collect();
        (text(&plan[words[0]..words[0] + words[1]]), words)
    };
    (0..word(plan, 12)).map(record).collect()
}

#[test]
fn a_system_becomes_an_image() {
    let image = built(&folder(), "system.toml");
    assert_eq!(image[..8], *b"LIMG\x01\0\0\0");
    assert_eq!([word(&image, 8), word(&image, 16), word(&image, 20)], [image.len(), 256 << 20, 0]);
    assert_eq!([word(&image, 36), word(&image, 40)], [0, 2], "a console, and random bytes");
    let parts = parts(&image);
    assert_eq!(parts.len(), 1 + 4 + 1, "the kernel, init, and modules of services, each once");
    assert!(parts[..5].iter().all(|module| module.starts_with(b"LIMO")));
    let services = services(parts[5]);
    let names: Vec<_> = services.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["driver", "store", "shell", "again"]);
    let store = &services[1].1;
    assert_eq!(store[3..10], [9, 2000, 10_000, 8 << 20, 0, 512, 8], "level, budget, account");
    assert_eq!(store[10..15], [0, 0, 1, 100, 1000], "engine, group, restart, deadline, heartbeat");
    assert_eq!(store[16..18], [2, 1], "references, interface");
    assert_eq!([store[19], services[2].1[19]], [20, 0], "callers that wait");
    assert_eq!(services[3].1[2], store[2], "the same module");
    assert_eq!(services[2].1[10], 1, "the system's engine");
    assert_eq!(services[2].1[17], 0, "no endpoint");
}

#[test]
fn the_same_system_is_the_same_image() {
    let first = built(&folder(), "system.toml");
    let again = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        fs::copy(&entry, again.path().join(entry.file_name().unwrap())).unwrap();
    }
    assert!(built(again.path(), "system.toml") == first);
    assert!(limen(again.path(), &["build", "system.toml"]).status.success());
    assert!(fs::read(again.path().join("system.img")).unwrap() == first);
}

#[test]
fn the_example_of_the_page_can_be_built() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/system/manifest.md")).unwrap();
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("there is an example");
    let example = example.replace("[system]\n", "[system]\ninit = \"init.lim\"\n");
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("example.toml"), example).unwrap();
    for file in ["init.lim", "store.lim", "shell.lim", "interface.lim"] {
        fs::copy(folder().join(file), place.path().join(file)).unwrap();
    }
    built(place.path(), "example.toml");
}

#[test]
fn the_built_in_system_can_be_built_and_asked() {
    let place = tempfile::tempdir().unwrap();
    let named = Path::new(env!("CARGO_MANIFEST_DIR")).join("os-services/system.toml");
    assert!(limen(place.path(), &["build"]).status.success());
    let image = fs::read(place.path().join("system.img")).unwrap();
    assert!(image == built(place.path(), named.to_str().unwrap()));
    let ask = |from, to| limen(place.path(), &["graph", "--can", from, "reach", to]).status.code();
    assert_eq!(ask("prompt", "device.console"), Some(0));
    assert_eq!(ask("log", "device.console"), Some(1));
}

#[test]
fn an_error_leaves_no_image() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("bad.toml"), "[service.a]\n").unwrap();
    assert_eq!(limen(place.path(), &["build", "bad.toml"]).status.code(), Some(1));
    assert!(!place.path().join("bad.img").exists());
    assert_eq!(limen(place.path(), &["build", "missing.toml"]).status.code(), Some(1));
}

#[test]
fn large_manifests_are_soon_refused() {
    let place = tempfile::tempdir().unwrap();
    let begun = std::time::Instant::now();
    for line in ["[\n", "= 1\n", "x.", "[[a]]\n", "service.a = 1\n"] {
        fs::write(place.path().join("large.toml"), line.repeat((1 << 20) / line.len())).unwrap();
        assert_eq!(limen(place.path(), &["build", "large.toml"]).status.code(), Some(1), "{line:?}");
    }
    let keys: String = (0..60_000).map(|key| format!("key{key} = 1\n")).collect();
    fs::write(place.path().join("large.toml"), keys).unwrap();
    let output = limen(place.path(), &["build", "large.toml"]);
    assert!(text(&output.stderr).ends_with("60000 errors, the first 100 shown\n"));
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    fs::write(place.path().join("larger.toml"), " ".repeat((1 << 20) + 1)).unwrap();
    let output = limen(place.path(), &["build", "larger.toml"]);
    assert_eq!(text(&output.stderr), "limen: larger.toml: larger than 1 MiB\n");
}

#[test]
fn a_graph_is_drawn() {
    let dot = limen(&folder(), &["graph", "system.toml", "--dot"]);
    assert!(dot.status.success(), "{}", text(&dot.stderr));
    let dot = text(&dot.stdout);
    assert!(dot.starts_with("digraph system {"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 8, "{dot}");
    let place = tempfile::tempdir().unwrap();
    let picture = place.path().join("system.svg");
    let drawn = limen(&folder(), &["graph", "system.toml", "--svg", "-o", picture.to_str().unwrap()]);
    assert!(drawn.status.success(), "{}", text(&drawn.stderr));
    assert!(fs::read_to_string(picture).unwrap().contains("segment values"));
}

#[test]
fn questions_are_answered() {
    let ask = |question: [&str; 3]| {
        let output = limen(&folder(), &[&["graph", "system.toml", "--can"][..], &question].concat());
        (output.status.code(), text(&output.stdout))
    };
    let path = "yes\n  service again calls service store\n  service store reads and writes segment values\n";
    assert_eq!(ask(["shell", "reach", "values"]), (Some(0), path.replace("again", "shell")));
    let (status, text) = ask(["shell", "reach", "driver"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.starts_with("no: what service shell reaches is this"), "{text}");
    assert!(text.contains("  service store reads and writes segment values\n"), "{text}");
    assert_eq!(ask(["shell", "reach", "nobody"]).0, Some(2));
    assert_eq!(ask(["shell", "touch", "store"]).0, Some(2));
}
