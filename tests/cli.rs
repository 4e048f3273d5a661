//! The command line as its users have it: files, streams, messages and exit statuses.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const HELLO: &str = "// Says hello.\nexport fn main() -> i32 {\n    reg status: i32\n    ret status\n}\n";

/// Divides by zero two calls deep, in lines 3 and 8.
const FAULTY: &str = "export fn main() {\n    reg n: i32\n    n = call half(n)\n    ret\n}\n\nfn half(n: i32) -> i32 {\n    n = i32.div_u n, n\n    ret n\n}\n";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), contents).expect("the folder is writable");
        self
    }

    fn limen(&self, arguments: &[&str]) -> Output {
        self.limen_reading(arguments, b"")
    }

    fn limen_reading(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        command.args(arguments).current_dir(self.0.path());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("limen starts");
        // A command that fails early does not read all of its input.
        let _ = child.stdin.take().expect("it is piped").write_all(input);
        child.wait_with_output().expect("limen ends")
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("the folder can be listed");
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

#[track_caller]
fn assert_status(output: &Output, status: i32) {
    assert_eq!(output.status.code(), Some(status), "{}", stderr(output));
}

/// The command failed with status 1 and a message that has all of these parts, and did not panic.
#[track_caller]
fn assert_error(output: &Output, parts: &[&str]) {
    assert_status(output, 1);
    let message = stderr(output);
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    assert!(!message.contains("panicked"), "{message}");
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn help_and_usage() {
    let folder = Folder::new();
    for command in ["asm", "dis", "fmt", "verify", "run", "resume"] {
        let help = folder.limen(&[command, "--help"]);
        assert_status(&help, 0);
        assert!(stdout(&help).contains("Usage: limen"), "{}", stdout(&help));
        assert_status(&folder.limen(&[command]), 2);
        assert_status(&folder.limen(&[command, "--no-such-option"]), 2);
    }
    assert_status(&folder.limen(&[]), 2);
    assert_status(&folder.limen(&["--version"]), 0);
}

#[test]
fn assemble_verify_disassemble_run() {
    let folder = Folder::new().with("hello.lim", HELLO);
    assert_status(&folder.limen(&["asm", "hello.lim"]), 0);
    assert_status(&folder.limen(&["verify", "hello.limo"]), 0);
    assert_status(&folder.limen(&["run", "hello.limo"]), 0);
    assert_status(&folder.limen(&["dis", "hello.limo", "-o", "again.lim"]), 0);
    assert_status(&folder.limen(&["asm", "again.lim"]), 0);
    let [first, again] = ["hello.limo", "again.limo"].map(|name| fs::read(folder.path(name)).expect("it was written"));
    assert_eq!(first, again);
}

#[test]
fn dash_is_standard_input_and_output() {
    let folder = Folder::new().with("hello.lim", HELLO);
    let module = folder.limen_reading(&["asm", "-"], HELLO.as_bytes());
    assert_status(&module, 0);
    assert!(module.stdout.starts_with(b"LIMO"));
    assert_status(&folder.limen_reading(&["verify", "-"], &module.stdout), 0);
    assert_status(&folder.limen_reading(&["run", "-"], &module.stdout), 0);
    assert!(stdout(&folder.limen_reading(&["dis", "-"], &module.stdout)).contains("fn main() -> i32"));
    assert_eq!(stdout(&folder.limen_reading(&["fmt", "-"], HELLO.as_bytes())), HELLO);
}

#[test]
fn the_programs_status_is_the_commands() {
    let folder = Folder::new().with("three.lim", "export fn main() -> i32 {\nreg s: i32\ns = i32.const 3\nret s\n}");
    assert_status(&folder.limen(&["run", "three.lim"]), 3);
}

#[test]
fn a_fault_says_what_and_where() {
    let folder = Folder::new().with("faulty.lim", FAULTY);
    let output = folder.limen(&["run", "faulty.lim"]);
    assert_status(&output, 70);
    let message = stderr(&output);
    let order = ["division", "i32.div_u", "half", "faulty.lim:8", "main", "faulty.lim:3"];
    let places: Vec<usize> =
        order.iter().map(|part| message.find(part).unwrap_or_else(|| panic!("{part}: {message}"))).collect();
    assert!(places[2..].is_sorted(), "{message}");
}

#[test]
fn fuel_and_time_end_a_program() {
    let folder = Folder::new().with("spin.lim", "export fn main() {\nl: jump l\n}");
    for limit in [["--fuel", "1000"], ["--timeout", "0.05"]] {
        let output = folder.limen(&["run", limit[0], limit[1], "spin.lim"]);
        assert_status(&output, 75);
        assert!(stderr(&output).contains("stopped"), "{}", stderr(&output));
    }
}

#[test]
fn diagnostics_point_at_the_source() {
    let folder =
        Folder::new().with("bad.lim", "fn main() {\n    reg x: i32\n    x = i32.ad x, y\n    jump nowhere\n}\n");
    let output = folder.limen(&["asm", "bad.lim"]);
    assert_error(&output, &["bad.lim:3", "i32.ad", "i32.add", "nowhere", "^"]);
    assert!(!stderr(&output).contains('\u{1b}'), "no colour where there is no terminal");
    assert_eq!(folder.files(), ["bad.lim"], "nothing is written");
}

#[test]
fn fmt_checks_and_rewrites() {
    let untidy = "fn   f( ){   // why\nret }\n";
    let folder = Folder::new().with("a.lim", untidy).with("b.lim", HELLO);
    let check = folder.limen(&["fmt", "--check", "a.lim", "b.lim"]);
    assert_status(&check, 1);
    assert_eq!(stdout(&check), "a.lim\n");
    assert_eq!(fs::read_to_string(folder.path("a.lim")).expect("it is there"), untidy);
    assert_status(&folder.limen(&["fmt", "a.lim", "b.lim"]), 0);
    assert_status(&folder.limen(&["fmt", "--check", "a.lim", "b.lim"]), 0);
    assert!(fs::read_to_string(folder.path("a.lim")).expect("it is there").contains("// why"));
}

#[test]
fn bad_files_are_named() {
    let folder = Folder::new().with("latin1.lim", b"// caf\xe9\n").with("empty.limo", b"");
    fs::create_dir(folder.path("folder")).expect("the folder is writable");
    for command in ["asm", "dis", "fmt", "verify", "run"] {
        assert_error(&folder.limen(&[command, "missing.lim"]), &["missing.lim"]);
        assert_error(&folder.limen(&[command, "folder"]), &["folder"]);
        assert_error(&folder.limen(&[command, "latin1.lim"]), &["latin1.lim", "UTF-8", "line 1"]);
    }
    assert_error(&folder.limen(&["verify", "empty.limo"]), &["empty.limo", "empty"]);
}

#[test]
fn damaged_and_newer_modules_are_refused() {
    let folder = Folder::new().with("hello.lim", HELLO);
    assert_status(&folder.limen(&["asm", "hello.lim"]), 0);
    let module = fs::read(folder.path("hello.limo")).expect("it was written");
    let mut newer = module.clone();
    newer[4] = 9;
    let mut damaged = module.clone();
    damaged[60] ^= 1;
    let folder =
        folder.with("short.limo", &module[..module.len() - 9]).with("newer.limo", newer).with("damaged.limo", damaged);
    for command in ["dis", "verify", "run"] {
        assert_error(&folder.limen(&[command, "short.limo"]), &["short.limo", "truncated", "byte"]);
        assert_error(&folder.limen(&[command, "newer.limo"]), &["newer.limo", "version 9 is newer", "version 1"]);
        assert_error(&folder.limen(&[command, "damaged.limo"]), &["damaged.limo", "checksum"]);
    }
}

/// A sparse file: its zeros take no room on the disk.
#[test]
fn a_gibibyte_of_zeros_is_refused() {
    let folder = Folder::new().with("zeros.lim", b"").with("zeros.limo", b"");
    for name in ["zeros.lim", "zeros.limo"] {
        fs::File::options()
            .write(true)
            .open(folder.path(name))
            .and_then(|file| file.set_len(1 << 30))
            .expect("a sparse file can be made");
    }
    assert_error(&folder.limen(&["asm", "zeros.lim"]), &["zeros.lim", "larger than"]);
    assert_error(&folder.limen(&["verify", "zeros.limo"]), &["zeros.limo", "larger than"]);
}

#[test]
fn a_mebibyte_of_zeros_is_refused() {
    let folder = Folder::new().with("zeros.lim", vec![0; 1 << 20]).with("zeros.limo", vec![0; 1 << 20]);
    assert_error(&folder.limen(&["asm", "zeros.lim"]), &["zeros.lim"]);
    assert_error(&folder.limen(&["run", "zeros.limo"]), &["zeros.limo", "not a Limen module"]);
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = Folder::new().with("hello.lim", HELLO);
    if Path::new("/dev/full").exists() {
        assert_error(&folder.limen(&["asm", "hello.lim", "-o", "/dev/full"]), &["/dev/full", "space"]);
        assert_error(&folder.limen(&["dis", "hello.lim", "-o", "/dev/full"]), &["/dev/full", "space"]);
    } else {
        eprintln!("skipped in part: this system has no /dev/full");
    }
    assert_error(&folder.limen(&["asm", "hello.lim", "-o", "no/such/folder.limo"]), &["no/such/folder.limo"]);
    assert_eq!(folder.files(), ["hello.lim"]);
}

/// The process may write files of a few bytes only: the module does not fit, and the old one stays.
#[test]
fn a_failed_write_keeps_the_old_file() {
    let folder = Folder::new().with("hello.lim", HELLO).with("hello.limo", b"precious");
    let script = format!("trap '' XFSZ; ulimit -f 0; exec {} asm hello.lim", env!("CARGO_BIN_EXE_limen"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.0.path()).output().expect("sh starts");
    assert_error(&output, &["hello.limo", "cannot write"]);
    assert_eq!(fs::read(folder.path("hello.limo")).expect("it is there"), b"precious");
    assert_eq!(folder.files(), ["hello.lim", "hello.limo"]);
}

#[test]
fn a_supervisor_module_is_no_program() {
    let folder = Folder::new().with("boss.lim", "export fn main() {\n    idle\n}\n");
    for command in ["run", "verify"] {
        assert_error(&folder.limen(&[command, "boss.lim"]), &["boss.lim:2", "main", "idle", "supervisor"]);
    }
    assert_status(&folder.limen(&["verify", "--kernel", "boss.lim"]), 0);
}

#[test]
fn built_in_programs_have_names() {
    let folder = Folder::new();
    let list = folder.limen(&["run", "--list"]);
    assert_status(&list, 0);
    assert!(stdout(&list).contains("sha256sum"), "{}", stdout(&list));
    assert_eq!(stdout(&folder.limen(&["run", "hello"])), "Hello, world!\n");
    assert_error(&folder.limen(&["run", "helo"]), &["helo"]);
}

/// Linux's `perf` looks for names of code that is in no file there.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn compiled_functions_have_names_for_perf() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(["run", "--engine", "jit", "--perf-map", "sieve", "100"]).stdout(Stdio::null());
    let mut child = command.spawn().expect("limen starts");
    let file = format!("/tmp/perf-{}.map", child.id());
    assert!(child.wait().expect("it ends").success());
    let map = fs::read_to_string(&file).expect("it was written");
    fs::remove_file(&file).expect("it is there");
    assert!(map.lines().any(|line| line.ends_with(" main")), "{map}");
    for line in map.lines() {
        let [address, bytes] = [0, 1].map(|part| u64::from_str_radix(line.split(' ').nth(part).unwrap_or(""), 16));
        assert!(address.is_ok_and(|it| it > 0) && bytes.is_ok_and(|it| it > 0), "{line}");
    }
}

#[test]
fn what_follows_the_program_is_the_programs() {
    let folder = Folder::new();
    assert_eq!(stdout(&folder.limen(&["run", "echo", "--help", "--fuel", "1"])), "--help --fuel 1\n");
    assert_eq!(stdout(&folder.limen_reading(&["run", "--fuel", "1000000", "wc", "-l"], b"a\nb\n")), "2\n");
    let help = folder.limen(&["run", "wc", "--help"]);
    assert_status(&help, 0);
    assert!(!stdout(&help).contains("limen run [OPTIONS]"), "{}", stdout(&help));
}

#[test]
fn files_are_reached_only_below_the_directory() {
    let folder = Folder::new().with("inside", b"a b\n");
    fs::create_dir(folder.path("jail")).expect("the folder is writable");
    std::os::unix::fs::symlink("../inside", folder.path("jail/link")).expect("a link can be made");
    assert_status(&folder.limen(&["run", "--dir", ".", "wc", "inside"]), 0);
    for (directory, file) in [("jail", "../inside"), ("jail", "link"), ("jail", "/etc/hostname")] {
        assert_error(&folder.limen(&["run", "--dir", directory, "wc", file]), &[file]);
    }
    assert_error(&folder.limen(&["run", "wc", "inside"]), &["inside"]);
    assert_error(&folder.limen(&["run", "--dir", "nowhere", "wc", "inside"]), &["nowhere"]);
}

// ---- limen new ------------------------------------------------------------------------------------------------------

#[test]
fn a_new_program_works_on_every_engine() {
    let folder = Folder::new();
    let made = folder.limen(&["new", "program", "number-lines"]);
    assert_status(&made, 0);
    assert!(stdout(&made).contains("limen test number-lines"), "{}", stdout(&made));
    let source = "number-lines/number-lines.lim";
    let tested = folder.limen(&["test", "number-lines"]);
    assert_status(&tested, 0);
    assert!(stdout(&tested).ends_with("1 passed, 0 failed\n"), "{}", stdout(&tested));
    assert_status(&folder.limen(&["fmt", "--check", "number-lines"]), 0);
    for engine in ["interp", "jit", "tiered"] {
        let run = ["run", "--engine", engine, source, "-s", "9"];
        assert_eq!(stdout(&folder.limen_reading(&run, b"a\nb")), "     9  a\n    10  b\n");
    }
    let help = folder.limen(&["run", source, "--help"]);
    assert_status(&help, 0);
    assert!(stdout(&help).starts_with("usage: number-lines [-s N] [FILE]...\n"), "{}", stdout(&help));
    assert_eq!(stderr(&folder.limen(&["run", source, "missing"])), "number-lines: missing: permission denied\n");
}

#[test]
fn a_new_program_harms_nothing_that_exists() {
    let folder = Folder::new().with("there", "precious");
    assert_error(&folder.limen(&["new", "program", "there"]), &["there: ", "exists"]);
    assert_eq!(fs::read_to_string(folder.path("there")).unwrap(), "precious");
    fs::create_dir(folder.path("folder")).unwrap();
    assert_error(&folder.limen(&["new", "program", "folder"]), &["folder: ", "exists"]);
    assert_eq!(folder.files(), ["folder", "there"]);
}

#[test]
fn names_of_new_programs_are_plain() {
    let folder = Folder::new();
    let long = "a".repeat(65);
    for name in ["", "-x", "..", "a/b", "../a", "Capital", "9lives", "a b", "a.lim", "\u{e9}", &long] {
        let output = folder.limen(&["new", "program", "--", name]);
        assert_status(&output, 2);
        assert!(stderr(&output).contains("a name "), "{name:?}: {}", stderr(&output));
    }
    assert!(folder.files().is_empty());
    assert_status(&folder.limen(&["new"]), 2);
    assert_status(&folder.limen(&["new", "program"]), 2);
}

/// Service and client assemble, are in the canonical layout, and are what the manifest names.
#[test]
fn a_new_service_is_whole() {
    let folder = Folder::new();
    assert_status(&folder.limen(&["new", "service", "counter"]), 0);
    assert_status(&folder.limen(&["fmt", "--check", "counter"]), 0);
    for module in ["counter", "client"] {
        let source = format!("counter/{module}.lim");
        assert_status(&folder.limen(&["verify", &source]), 0);
    }
    let page = folder.limen(&["doc", "counter/interface.lim"]);
    assert!(stdout(&page).contains("Counter"), "{}", stderr(&page));
    let manifest = fs::read_to_string(folder.path("counter/system.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    assert_eq!(manifest["service"]["counter"]["module"].as_str(), Some("counter.lim"));
    for taken in ["interface", "client", "clock"] {
        assert_status(&folder.limen(&["new", "service", taken]), 2);
    }
    assert_error(&folder.limen(&["new", "service", "counter"]), &["counter: ", "exists"]);
}

// ---- Folders --------------------------------------------------------------------------------------------------------

#[test]
fn folders_stand_for_the_sources_in_them() {
    let folder = Folder::new().with("a.lim", HELLO).with("b.txt", "no source");
    fs::create_dir(folder.path("deeper")).unwrap();
    fs::write(folder.path("deeper/c.lim"), "const   A=1").unwrap();
    let checked = folder.limen(&["fmt", "--check", "."]);
    assert_status(&checked, 1);
    assert_eq!(stdout(&checked), "./deeper/c.lim\n");
    assert_status(&folder.limen(&["fmt", "."]), 0);
    assert_eq!(fs::read_to_string(folder.path("deeper/c.lim")).unwrap(), "const A = 1\n");
    assert_status(&folder.limen(&["fmt", "--check", "."]), 0);
}

/// The tests of a file are its own, not those of what it uses.
#[test]
fn tests_are_run_once() {
    let used = "fn one() -> i32 {\n    return 1\n}\n\ntest \"one is one\" {\n    assert one() == 1\n}\n";
    let user = "use \"used.lim\"\n\ntest \"two is two\" {\n    assert one() + one() == 2\n}\n";
    let folder = Folder::new().with("used.lim", used).with("user.lim", user);
    let expected = "./used.lim\n  ok     one is one\n./user.lim\n  ok     two is two\n2 passed, 0 failed\n";
    assert_eq!(stdout(&folder.limen(&["test", "."])), expected);
    let expected = "./user.lim\n  ok     two is two\n1 passed, 0 failed\n";
    assert_eq!(stdout(&folder.limen(&["test", "--filter", "two", "."])), expected);
}
