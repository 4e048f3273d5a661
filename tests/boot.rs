//! `limen boot` and `limen ctl` as their users meet them: on a pseudo-terminal, with pipes, with signals and over the socket. The
//! systems are kernels that talk to their device themselves.

#![cfg(unix)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use limen_assembler::{Options, assemble_file};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

const CONSOLE: u32 = 0;
const CONTROL: u32 = 1;

/// Longer than anything takes on a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

fn module(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices").join(name);
    let assembled = assemble_file(&path, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assembled.module.write().expect("a module that was assembled can be written")
}

/// An image of a kernel with devices. Its only other module ends at once.
fn image(directory: &Path, kernel: &str, devices: &[u32]) -> PathBuf {
    let (kernel, other) = (module(kernel), module("ends.lim"));
    let numbers =
        |numbers: &[usize]| numbers.iter().flat_map(|number| (*number as u32).to_le_bytes()).collect::<Vec<u8>>();
    let sorts: Vec<usize> = devices.iter().map(|sort| *sort as usize).collect();
    let rest = [
        (64_u64 << 20).to_le_bytes().to_vec(),
        numbers(&[devices.len(), 1, 0]),
        numbers(&sorts),
        numbers(&[kernel.len(), other.len()]),
        kernel,
        other,
    ]
    .concat();
    let size = (16 + rest.len() + 4) as u64;
    let mut bytes = [b"LIMG\x01\0\0\0".to_vec(), size.to_le_bytes().to_vec(), rest].concat();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    let path = directory.join("image");
    std::fs::write(&path, bytes).expect("the image can be written");
    path
}

fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    let owner_only = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory.path(), owner_only).expect("it is ours");
    directory
}

fn limen() -> Command {
    Command::new(env!("CARGO_BIN_EXE_limen"))
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is there");
}

/// Waits for it to end, and kills it if it does not.
fn wait(mut child: Child) -> Output {
    let start = Instant::now();
    while child.try_wait().expect("it can be waited for").is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().expect("it can be killed");
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().expect("its output can be read")
}

/// Waits until something is so.
fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Both ends of a pseudo-terminal; `None`, and a word about it, where the host has none.
fn terminal() -> Option<(File, OwnedFd)> {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let open = || {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave =
            rustix::fs::open(name, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY, rustix::fs::Mode::empty())?;
        rustix::io::Result::Ok((File::from(master), slave))
    };
    open().map_err(|error| eprintln!("skipped: no pseudo-terminal here: {error}")).ok()
}

/// A system with a console on a pseudo-terminal.
fn on_terminal(image: &Path, slave: &OwnedFd, engine: &str, time: &[&str]) -> Child {
    let end = || Stdio::from(slave.try_clone().expect("there are descriptors"));
    let mut command = limen();
    command.args(["boot", "--engine", engine]).args(time).arg(image);
    command.stdin(end()).stdout(end()).stderr(Stdio::piped()).spawn().expect("it can be started")
}

/// So many bytes from the terminal.
fn shown(master: &mut File, bytes: usize) -> Vec<u8> {
    let mut shown = vec![0; bytes];
    master.read_exact(&mut shown).expect("the terminal is there");
    shown
}

fn is_raw(slave: &OwnedFd) -> bool {
    let modes = tcgetattr(slave).expect("it is a terminal").local_modes;
    !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
}

#[test]
fn a_session_on_a_terminal() {
    let Some((mut master, slave)) = terminal() else { return };
    let directory = directory();
    let image = image(directory.path(), "echo.lim", &[CONSOLE]);
    let before = tcgetattr(&slave).expect("it is a terminal");
    for engine in ["interp", "jit", "tiered"] {
        for time in [&[][..], &["--virtual-time"]] {
            let child = on_terminal(&image, &slave, engine, time);
            until("the terminal is raw", || is_raw(&slave));
            // Ctrl-C and the end of a line are bytes like any other.
            for text in [&b"hello"[..], b"\x03", b"a\rb\n"] {
                master.write_all(text).expect("it can be typed");
                assert_eq!(shown(&mut master, text.len()), text, "{engine}");
            }
            master.write_all(b"q").expect("it can be typed");
            let output = wait(child);
            assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{engine}");
            let after = tcgetattr(&slave).expect("it is a terminal");
            assert_eq!((after.local_modes, after.output_modes), (before.local_modes, before.output_modes), "{engine}");
        }
    }
}

#[test]
fn the_window_changes_its_size() {
    let Some((mut master, slave)) = terminal() else { return };
    let directory = directory();
    let child = on_terminal(&image(directory.path(), "echo.lim", &[CONSOLE]), &slave, "tiered", &[]);
    until("the terminal is raw", || is_raw(&slave));
    master.write_all(b"x").expect("it can be typed");
    assert_eq!(shown(&mut master, 1), b"x", "the driver is ready");
    let size = Winsize { ws_col: 100, ws_row: 30, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&master, size).expect("it is a terminal");
    signal(&child, Signal::WINCH);
    assert_eq!(shown(&mut master, 3), [b'#', 100, 30]);
    master.write_all(b"q").expect("it can be typed");
    assert_eq!(wait(child).status.code(), Some(0));
}

/// A system that nobody can ask to end is stopped; the terminal is as it was.
#[test]
fn signals_end_a_system() {
    let Some((_master, slave)) = terminal() else { return };
    let directory = directory();
    let image = image(directory.path(), "echo.lim", &[CONSOLE]);
    for number in [Signal::INT, Signal::TERM, Signal::HUP] {
        let child = on_terminal(&image, &slave, "tiered", &[]);
        until("the terminal is raw", || is_raw(&slave));
        signal(&child, number);
        let output = wait(child);
        assert_eq!(output.status.code(), Some(75), "{number:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("was stopped"), "{output:?}");
        assert!(!is_raw(&slave), "{number:?}");
    }
}

/// Starts a system with a console on pipes.
fn on_pipes(image: &Path, output: impl Into<Stdio>) -> Child {
    let mut command = limen();
    command.arg("boot").arg(image).stdin(Stdio::piped()).stdout(output).stderr(Stdio::piped());
    command.spawn().expect("it can be started")
}

#[test]
fn megabytes_through_pipes() {
    let directory = directory();
    let image = image(directory.path(), "echo.lim", &[CONSOLE]);
    let mut child = on_pipes(&image, Stdio::piped());
    let mut input = child.stdin.take().expect("it has input");
    let mut output = child.stdout.take().expect("it has output");
    let sent: Vec<u8> = (0..4_000_000_u32).map(|number| (number >> 5) as u8 & 63).collect();
    let (bytes, start) = (sent.clone(), Instant::now());
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let mut came = vec![0; sent.len()];
    output.read_exact(&mut came).expect("all comes back");
    eprintln!("{:.1} MB/s", sent.len() as f64 / 1e6 / start.elapsed().as_secs_f64());
    assert!(came == sent);
    // Input that has ended is told as Ctrl-D, which comes back, too; then nothing can wake it.
    writer.join().expect("no panic").expect("all was taken");
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("it ends");
    let output = wait(child);
    assert_eq!((rest, output.status.code()), (vec![4], Some(75)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing can wake it"), "{output:?}");
}

/// Input has ended, and all of it was taken, while nobody reads what comes out: the system is not at its end, since it waits for
/// room.
#[test]
fn output_that_nobody_reads_yet_is_not_lost() {
    let directory = directory();
    let image = image(directory.path(), "echo.lim", &[CONSOLE]);
    // Somewhere among these, what the host's pipe and the machine hold is full with the last of the input.
    for kib in 120..150 {
        let mut child = on_pipes(&image, Stdio::piped());
        let sent: Vec<u8> = (0..kib << 10).map(|number: u32| (number >> 5) as u8 & 63).collect();
        let (mut input, bytes) = (child.stdin.take().expect("it has input"), sent.clone());
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        writer.join().expect("no panic").expect("all was taken");
        std::thread::sleep(Duration::from_millis(30));
        let mut came = Vec::new();
        child.stdout.take().expect("it has output").read_to_end(&mut came).expect("it ends");
        assert_eq!(wait(child).status.code(), Some(75));
        assert!(came == [&sent[..], &[4]].concat(), "{kib} KiB: {} of {} bytes", came.len(), sent.len() + 1);
    }
}

#[test]
fn output_that_cannot_be_written_is_lost_aloud() {
    let directory = directory();
    let image = image(directory.path(), "echo.lim", &[CONSOLE]);
    let nobody = Stdio::piped();
    let full = File::options().write(true).open("/dev/full").map(Stdio::from);
    for (output, is_closed) in [Some((nobody, true)), full.ok().map(|full| (full, false))].into_iter().flatten() {
        let mut child = on_pipes(&image, output);
        if is_closed {
            drop(child.stdout.take());
        }
        let mut input = child.stdin.take().expect("it has input");
        input.write_all(b"hello").expect("it can be typed");
        drop(input);
        let output = wait(child);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert!(said.contains("6 bytes of output could not be written"), "{said}");
    }
}

#[test]
fn what_is_no_image_is_refused() {
    let directory = directory();
    let path = image(directory.path(), "echo.lim", &[CONSOLE]);
    let mut bytes = std::fs::read(&path).expect("it is there");
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).expect("it can be written");
    let socket = directory.path().join("ctl");
    for (arguments, reason) in [
        (vec![path.as_os_str()], "damaged"),
        (vec!["--ctl".as_ref(), socket.as_os_str(), "no such file".as_ref()], "no such file"),
    ] {
        let output = limen().arg("boot").args(arguments).output().expect("it can be started");
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{output:?}");
    }
}

/// A system with a control device alone.
struct Controlled {
    child: Child,
    socket: PathBuf,
    _directory: TempDir,
}

impl Controlled {
    fn start() -> Self {
        let directory = directory();
        let socket = directory.path().join("ctl");
        let image = image(directory.path(), "control.lim", &[CONTROL]);
        let mut command = limen();
        command.args(["boot", "--ctl"]).arg(&socket).arg(image).stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("it can be started");
        until("there is a socket", || UnixStream::connect(&socket).is_ok());
        Self { child, socket, _directory: directory }
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = limen();
        command.arg("ctl").arg("--socket").arg(&self.socket).args(arguments);
        wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started"))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_system_is_asked_for_its_services() {
    let system = Controlled::start();
    let output = system.ask(&["services"]);
    assert_eq!(text(&output.stdout), "store  running   3\nlog    dead     12\n", "{output:?}");
    let output = system.ask(&["--json", "services"]);
    let lines = "{\"name\":\"store\",\"state\":\"running\",\"restarts\":3}\n{\"name\":\"log\",\"state\":\"dead\",\"restarts\":12}\n";
    assert_eq!(text(&output.stdout), lines);
    let output = system.ask(&["kill", "nobody"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), "limen: there is no such service\n".to_owned()));
    let output = system.ask(&["kill", "two words"]);
    assert!(text(&output.stderr).contains("is no name"), "{output:?}");
    let metadata = std::fs::metadata(&system.socket).expect("it is there");
    assert!(metadata.file_type().is_socket() && metadata.permissions().mode() & 0o777 == 0o600);
    let second =
        limen().args(["boot", "--ctl"]).arg(&system.socket).arg(system.socket.with_file_name("image")).output();
    assert!(text(&second.expect("it can be started").stderr).contains("a system is running there already"));
    signal(&system.child, Signal::TERM);
    assert_eq!(wait(system.child).status.code(), Some(7), "it was asked to end, and did so in its own way");
    assert!(!system.socket.exists());
    let gone = limen().args(["ctl", "--socket"]).arg(&system.socket).arg("services").output();
    assert!(text(&gone.expect("it can be started").stderr).contains("no system is running there"));
}

/// A client that goes away in the middle of an answer that never ends leaves nothing of it to the next one.
#[test]
fn a_trace_ends_with_its_client() {
    let system = Controlled::start();
    let mut trace = limen();
    trace.args(["ctl", "--socket"]).arg(&system.socket).args(["trace", "store"]).stdout(Stdio::piped());
    let mut trace = trace.spawn().expect("it can be started");
    let wanted = "     1.500000000 shell -> store.get call\n";
    let mut line = vec![0; wanted.len()];
    trace.stdout.as_mut().expect("it has output").read_exact(&mut line).expect("a call is shown");
    assert_eq!(text(&line), wanted);
    trace.kill().expect("it is there");
    trace.wait().expect("it is there");
    let output = system.ask(&["services"]);
    assert_eq!(text(&output.stdout), "store  running   3\nlog    dead     12\n", "{output:?}");
    // A client cannot say what only the host says.
    let mut forger = UnixStream::connect(&system.socket).expect("the system is there");
    forger.write_all(b"signal\n").expect("it is there");
    let mut answer = [0; 5];
    forger.read_exact(&mut answer).expect("it is answered");
    drop(forger);
    let output = system.ask(&["stop"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(wait(system.child).status.code(), Some(0));
}

#[test]
fn a_socket_where_others_may_come_is_refused() {
    let directory = directory();
    let image = image(directory.path(), "control.lim", &[CONTROL]);
    let open = directory.path().join("open");
    std::fs::create_dir(&open).expect("there is room for a directory");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let file = directory.path().join("file");
    std::fs::write(&file, "mine").expect("it can be written");
    for (socket, reason) in [(open.join("ctl"), "others may enter"), (file.clone(), "is no socket")] {
        let output = limen().args(["boot", "--ctl"]).arg(socket).arg(&image).output().expect("it can be started");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(reason), "{output:?}");
    }
    assert_eq!(std::fs::read_to_string(file).expect("it is there"), "mine");
}

/// Whoever waits for an answer when the service is killed that was to give it is told so; the next one answers.
#[test]
fn nobody_waits_for_a_control_service_that_is_no_more() {
    let directory = directory();
    let socket = directory.path().join("ctl");
    let mut system = limen();
    system.args(["boot", "--ctl"]).arg(&socket).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut system = system.spawn().expect("it can be started");
    until("there is a socket", || UnixStream::connect(&socket).is_ok());
    let ask = |arguments: &[&str]| {
        let mut command = limen();
        command.arg("ctl").arg("--socket").arg(&socket).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started")
    };
    // The trace is under way when it shows a call.
    let mut trace = ask(&["trace", "store"]);
    let mut shown = trace.stdout.take().expect("it has output");
    let (is_shown, seen) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        shown.read_exact(&mut [0]).expect("a call is shown");
        is_shown.send(()).expect("it is waited for");
        shown.read_to_end(&mut Vec::new()).expect("it ends");
    });
    let typing = system.stdin.as_mut().expect("it has input");
    let start = Instant::now();
    while seen.recv_timeout(Duration::from_millis(20)).is_err() {
        assert!(start.elapsed() < PATIENCE, "no call is shown");
        typing.write_all(b"get nothing\n").expect("it can be typed");
    }
    for (what, output) in [("kill", wait(ask(&["kill", "control"]))), ("trace", wait(trace))] {
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        assert!(text(&output.stderr).contains("was started again"), "{what}: {output:?}");
    }
    reader.join().expect("the trace has ended");
    let services = text(&wait(ask(&["services"])).stdout);
    let row = services.lines().find(|line| line.starts_with("control ")).expect("it is there again");
    assert!(row.contains("running") && row.split_whitespace().any(|word| word == "1"), "{services}");
    assert_eq!(wait(ask(&["stop"])).status.code(), Some(0));
    assert_eq!(wait(system).status.code(), Some(0));
}

/// Nor does anybody wait for one that init has given up, whether he has asked before or asks afterwards. From the prompt it can be
/// started again.
#[test]
fn nobody_waits_for_a_control_service_that_is_given_up() {
    let directory = directory();
    let (socket, manifest) = (directory.path().join("ctl"), directory.path().join("system.toml"));
    let built_in = include_str!("../os-services/system.toml");
    let fragile = built_in.replace("module = \"control\"\n", "module = \"control\"\ngroup = \"fragile\"\n");
    std::fs::write(&manifest, format!("{fragile}\n[group.fragile]\nrestarts = 0\n")).expect("it can be written");
    let mut system = limen();
    system.arg("boot").arg(&manifest).arg("--ctl").arg(&socket);
    let mut system =
        system.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    until("there is a socket", || UnixStream::connect(&socket).is_ok());
    let ask = |arguments: &[&str]| {
        let mut command = limen();
        command.arg("ctl").arg("--socket").arg(&socket).args(arguments);
        wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started"))
    };
    for request in [&["kill", "control"][..], &["services"], &["services"]] {
        let output = ask(request);
        assert_eq!(output.status.code(), Some(1), "{request:?}: {output:?}");
        assert!(text(&output.stderr).contains("has stopped for good"), "{request:?}: {output:?}");
    }
    let typing = system.stdin.as_mut().expect("it has input");
    typing.write_all(b"restart control\n").expect("it can be typed");
    until("it answers again", || ask(&["services"]).status.code() == Some(0));
    assert_eq!(ask(&["stop"]).status.code(), Some(0));
    assert_eq!(wait(system).status.code(), Some(0));
}

/// A service that has moved its account away, to whoever took it, has not taken it from init: it ends with the service, which can be
/// started again as often as anybody likes.
#[test]
fn an_account_that_was_given_away_ends_with_its_service() {
    let directory = directory();
    let (socket, manifest) = (directory.path().join("ctl"), directory.path().join("system.toml"));
    let giver = "
        use \"std/kernel.lim\"
        slots 4
        export \"slot_account\" = 0
        export \"slot_store\" = 1
        export fn main() {
            let account, store, header = slot.get(0, 0), slot.get(1, 0), u64(0xfffe | 1 << 20)
            reg status: i64
            status = svc SVC_CALL(store, account, header)
            loop {
                Kernel.sleep(1_000_000) catch _error {
                }
            }
        }
    ";
    let service = "
        [service.giver]
        module = \"giver.lim\"
        account = { bytes = \"64MiB\" }
        [service.giver.references]
        account = \"account\"
        store = { service = \"store\" }
    ";
    let built_in = include_str!("../os-services/system.toml");
    let small = built_in.replace("[system]\n", "[system]\nmemory = \"256MiB\"\n");
    std::fs::write(directory.path().join("giver.lim"), giver).expect("it can be written");
    std::fs::write(&manifest, format!("{small}\n{service}")).expect("it can be written");
    let mut system = limen();
    system.arg("boot").arg(&manifest).arg("--ctl").arg(&socket);
    let system = system.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    until("there is a socket", || UnixStream::connect(&socket).is_ok());
    let ask = |arguments: &[&str]| {
        let mut command = limen();
        command.arg("ctl").arg("--socket").arg(&socket).args(arguments);
        wait(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started"))
    };
    for restart in 0..8 {
        until(&format!("restart {restart}"), || ask(&["restart", "giver"]).status.success());
    }
    assert_eq!(ask(&["stop"]).status.code(), Some(0));
    assert_eq!(wait(system).status.code(), Some(0));
}
