//! The page `docs/src/system/service.md`, step by step: a service that is made, run, killed and asked about.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Ends the system with the test, however that ends.
struct Booted {
    system: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Booted {
    fn new(folder: &Path) -> Self {
        let mut system = limen(folder)
            .args(["boot", "counter/system.toml", "--ctl", "ctl"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("limen starts");
        let lines = BufReader::new(system.stdout.take().expect("its output is ours")).lines();
        Self { system, lines }
    }

    /// The next number that the client says the service has counted to.
    fn count(&mut self) -> u64 {
        loop {
            let line = self.lines.next().expect("the client goes on").expect("it says so in text");
            if let Some(count) = line.trim_end().strip_prefix("counter has counted to ") {
                return count.parse().expect("a number");
            }
        }
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        _ = self.system.kill();
        _ = self.system.wait();
    }
}

fn limen(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.current_dir(folder);
    command
}

/// What a command says that must go well.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = limen(folder).args(arguments).stdin(Stdio::null()).output().expect("limen starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn a_new_service_counts_on_after_it_was_killed() {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let folder = directory.path();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    said(folder, &["new", "service", "counter"]);
    let way = said(folder, &["graph", "counter/system.toml", "--can", "client", "reach", "console"]);
    assert!(way.starts_with("yes"), "{way}");
    let mut booted = Booted::new(folder);
    while booted.count() < 2 {}
    said(folder, &["ctl", "--socket", "ctl", "kill", "counter"]);
    let (before, after) = (booted.count(), booted.count());
    assert!(before >= 3 && after == before + 1, "{before}, {after}: it goes on from where it was");
    let services = said(folder, &["ctl", "--socket", "ctl", "services"]);
    let row = services.lines().find(|line| line.starts_with("counter ")).expect("the service has a line");
    assert!(row.contains("running") && row.split_whitespace().any(|word| word == "1"), "{services}");
    said(folder, &["ctl", "--socket", "ctl", "stop"]);
    assert!(booted.system.wait().expect("it can be waited for").success(), "it stops well");
}

/// What the page shows of the service is what the skeleton has.
#[test]
fn the_page_shows_what_the_skeleton_has() {
    let read = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let (page, skeleton) = (read("docs/src/system/service.md"), read("src/commands/new/service/service.lim"));
    let lines = skeleton.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("//"));
    for line in lines.filter(|line| !line.starts_with("use \"interface")) {
        assert!(page.contains(line), "the page does not show: {line}");
    }
}
