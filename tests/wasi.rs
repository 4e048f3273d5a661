//! WASI preview 1 as programs have it: scripts of calls, each with the error that it must give, on both engines.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use support::command::{limen, wasm};

mod support {
    pub(crate) mod command;
}

const ENGINES: [&str; 2] = ["interp", "jit"];

/// Errors by their published numbers.
const SUCCESS: i64 = 0;
const BAD_DESCRIPTOR: i64 = 8;
const EXISTS: i64 = 20;
const FAULT: i64 = 21;
const ILLEGAL_SEQUENCE: i64 = 25;
const INVALID: i64 = 28;
const IS_DIRECTORY: i64 = 31;
const LOOP: i64 = 32;
const NAME_TOO_LONG: i64 = 37;
const NO_ENTRY: i64 = 44;
const NO_SPACE: i64 = 51;
const NOT_DIRECTORY: i64 = 54;
const NOT_EMPTY: i64 = 55;
const NOT_SOCKET: i64 = 57;
const NOT_SUPPORTED: i64 = 58;
const NOT_PERMITTED: i64 = 63;
const SEEK: i64 = 70;
const NOT_CAPABLE: i64 = 76;

/// All functions of the interface and their parameters: `i` has 32 bits, `I` 64.
const FUNCTIONS: [(&str, &str); 46] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "iIi"),
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_seek", "iIii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

fn ty(letter: char) -> &'static str {
    if letter == 'i' { "i32" } else { "i64" }
}

/// The program has all of `folder/d` as descriptor 3.
const DIRECTORY: i64 = 3;

/// Where in memory results go.
const RESULT: i64 = 8;

/// The end of the memory.
const END: i64 = 65536;

/// Calls, each with what it must give. The program exits with the number of the first that gives another, from 1.
#[derive(Default)]
struct Script {
    /// Lies in memory from [`DATA`] on.
    data: Vec<u8>,
    steps: Vec<(String, i64)>,
}

const DATA: i64 = 4096;

/// Bits of `rights`.
const READ: i64 = 1 << 1;
const WRITE: i64 = 1 << 6;
const READ_AND_SEEK: i64 = READ | 1 << 2 | 1 << 5;
const ALL: i64 = -1;

/// Bits of `oflags`.
const CREATE: i64 = 1;
const OPEN_DIRECTORY: i64 = 2;
const EXCLUSIVE: i64 = 4;
const TRUNCATE: i64 = 8;

impl Script {
    /// Places bytes; gives where.
    fn bytes(&mut self, bytes: &[u8]) -> i64 {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        let address = DATA + self.data.len() as i64;
        self.data.extend(bytes);
        address
    }

    /// Places a text; gives where, and its length.
    fn text(&mut self, text: &str) -> [i64; 2] {
        [self.bytes(text.as_bytes()), text.len() as i64]
    }

    /// Places the descriptions of buffers; gives where, and how many.
    fn buffers(&mut self, buffers: &[[i64; 2]]) -> [i64; 2] {
        let words: Vec<u8> = buffers.as_flattened().iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
        [self.bytes(&words), buffers.len() as i64]
    }

    fn call(&mut self, name: &str, arguments: &[i64], gives: i64) {
        let (_, parameters) = FUNCTIONS.iter().find(|(known, _)| *known == name).expect("it is a function");
        assert_eq!(arguments.len(), parameters.len(), "{name}");
        let constants = parameters.chars().zip(arguments);
        let constants = constants.map(|(letter, value)| {
            let value = if letter == 'i' { i64::from(*value as i32) } else { *value };
            format!(" ({}.const {value})", ty(letter))
        });
        self.steps.push((format!("(call ${name}{})", constants.collect::<String>()), gives));
    }

    /// What is in memory.
    fn word(&mut self, address: i64, is: i64) {
        self.steps.push((format!("(i32.load (i32.const {address}))"), is));
    }

    fn byte(&mut self, address: i64, is: i64) {
        self.steps.push((format!("(i32.load8_u (i32.const {address}))"), is));
    }

    /// Opens what lies in the directory, which gives this error or the next number.
    fn open(&mut self, path: &str, flags: i64, rights: i64, gives: i64) {
        let [at, length] = self.text(path);
        self.call("path_open", &[DIRECTORY, 1, at, length, flags, rights, ALL, 0, RESULT], gives);
    }

    fn wat(&self) -> String {
        let imports = FUNCTIONS.iter().map(|(name, parameters)| {
            let parameters: String = parameters.chars().map(|letter| format!(" {}", ty(letter))).collect();
            let result = if *name == "proc_exit" { "" } else { "(result i32)" };
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param{parameters}) {result}))\n")
        });
        let data: String = self.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let steps = (1..).zip(&self.steps).map(|(number, (step, gives))| {
            let gives = i64::from(*gives as i32);
            format!("(if (i32.ne {step} (i32.const {gives})) (then (call $proc_exit (i32.const {number}))))\n")
        });
        format!(
            "(module {}(memory (export \"memory\") 1)(data (i32.const {DATA}) \"{data}\")\n(func (export \"_start\")\n{}))",
            imports.collect::<String>(),
            steps.collect::<String>()
        )
    }

    /// Runs it on each engine, in a new folder that `prepare` has put something into; gives what is left there.
    #[track_caller]
    fn run(&self, options: &[&str], prepare: impl Fn(&Path)) -> Vec<TempDir> {
        let run = |engine| {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            fs::create_dir(folder.path().join("d")).expect("it is writable");
            fs::write(folder.path().join("script.wasm"), wasm(&self.wat())).expect("it is writable");
            prepare(&folder.path().join("d"));
            let arguments = [&["run", "--engine", engine, "--dir", "d"], options, &["script.wasm", "an argument"]];
            let output = limen(folder.path(), &arguments.concat());
            let status = output.status.code().expect("it ends by itself");
            let step = usize::try_from(status).ok().and_then(|step| self.steps.get(step.checked_sub(1)?));
            assert!(status == 0, "{engine}: step {status}, {step:?}: {}", String::from_utf8_lossy(&output.stderr));
            folder
        };
        ENGINES.map(run).into()
    }
}

#[test]
fn a_descriptor_that_is_not_open_is_refused_by_every_function() {
    let mut script = Script::default();
    for (name, parameters) in FUNCTIONS.iter().filter(|(name, _)| name.starts_with("fd_") || name.starts_with("sock_"))
    {
        let arguments: Vec<i64> = [99].into_iter().chain(vec![0; parameters.len() - 1]).collect();
        script.call(name, &arguments, BAD_DESCRIPTOR);
    }
    let [at, length] = script.text("x");
    script.call("path_unlink_file", &[99, at, length], BAD_DESCRIPTOR);
    script.call("fd_renumber", &[DIRECTORY, 99], BAD_DESCRIPTOR);
    script.call("fd_close", &[DIRECTORY], SUCCESS);
    script.call("fd_close", &[DIRECTORY], BAD_DESCRIPTOR);
    script.call("sock_shutdown", &[1, 0], NOT_SOCKET);
    script.call("proc_raise", &[9], NOT_SUPPORTED);
    script.call("sched_yield", &[], SUCCESS);
    script.run(&[], |_| {});
}

#[test]
fn files_are_written_read_and_positioned() {
    let mut script = Script::default();
    let hello = script.text("hello");
    let world = script.text(", world");
    let [both, two] = script.buffers(&[hello, world]);
    let [into, one] = script.buffers(&[[2048, 100]]);
    script.open("f", CREATE | EXCLUSIVE, ALL, SUCCESS);
    script.word(RESULT, 4);
    script.open("f", CREATE | EXCLUSIVE, ALL, EXISTS);
    script.call("fd_write", &[4, both, two, RESULT], SUCCESS);
    script.word(RESULT, 12);
    script.call("fd_tell", &[4, RESULT], SUCCESS);
    script.word(RESULT, 12);
    script.call("fd_seek", &[4, -5, 1, RESULT], SUCCESS);
    script.word(RESULT, 7);
    script.call("fd_read", &[4, into, one, RESULT], SUCCESS);
    script.word(RESULT, 5);
    script.byte(2048, i64::from(b'w'));
    script.call("fd_read", &[4, into, one, RESULT], SUCCESS);
    script.word(RESULT, 0);
    script.call("fd_pread", &[4, into, one, 1, RESULT], SUCCESS);
    script.word(RESULT, 11);
    script.byte(2048, i64::from(b'e'));
    script.call("fd_pwrite", &[4, both, 1, 20, RESULT], SUCCESS);
    script.call("fd_filestat_get", &[4, 3000], SUCCESS);
    script.byte(3016, 4);
    script.word(3032, 25);
    for (offset, whence) in [(-1, 0), (0, 3), (-26, 2)] {
        script.call("fd_seek", &[4, offset, whence, RESULT], INVALID);
    }
    script.call("fd_pread", &[4, into, one, -1, RESULT], INVALID);
    script.call("fd_filestat_set_size", &[4, 5], SUCCESS);
    script.call("fd_allocate", &[4, 0, 8], SUCCESS);
    script.call("fd_advise", &[4, 0, 0, 1], SUCCESS);
    script.call("fd_advise", &[4, 0, 0, 6], INVALID);
    script.call("fd_sync", &[4], SUCCESS);
    script.call("fd_datasync", &[4], SUCCESS);
    script.call("fd_filestat_set_times", &[4, 1_000_000_000, 2_500_000_000, 5], SUCCESS);
    script.call("fd_filestat_set_times", &[4, 0, 0, 3], INVALID);
    script.call("fd_filestat_get", &[4, 3000], SUCCESS);
    script.word(3048, 2_500_000_000u32 as i32 as i64);
    // Appending is for every write from then on.
    script.call("fd_fdstat_set_flags", &[4, 1], SUCCESS);
    script.call("fd_fdstat_set_flags", &[4, 16], NOT_SUPPORTED);
    script.call("fd_fdstat_set_flags", &[4, 64], INVALID);
    script.call("fd_seek", &[4, 0, 0, RESULT], SUCCESS);
    script.call("fd_write", &[4, both, 1, RESULT], SUCCESS);
    script.call("fd_renumber", &[4, DIRECTORY], SUCCESS);
    script.call("fd_close", &[4], BAD_DESCRIPTOR);
    script.call("fd_tell", &[DIRECTORY, RESULT], SUCCESS);
    script.word(RESULT, 13);
    for folder in script.run(&[], |_| {}) {
        assert_eq!(fs::read(folder.path().join("d/f")).ok().as_deref(), Some(&b"hello\0\0\0hello"[..]));
    }
}

#[test]
fn a_descriptor_can_do_no_more_than_its_rights() {
    let mut script = Script::default();
    let [buffers, one] = script.buffers(&[[2048, 1]]);
    script.open("f", 0, READ_AND_SEEK, SUCCESS);
    script.call("fd_write", &[4, buffers, one, RESULT], NOT_CAPABLE);
    script.call("fd_filestat_set_size", &[4, 0], NOT_CAPABLE);
    script.call("fd_fdstat_set_rights", &[4, READ | WRITE, 0], NOT_CAPABLE);
    script.call("fd_fdstat_set_rights", &[4, 1 << 5, 0], SUCCESS);
    script.call("fd_read", &[4, buffers, one, RESULT], NOT_CAPABLE);
    script.call("fd_tell", &[4, RESULT], SUCCESS);
    script.call("fd_seek", &[4, 0, 1, RESULT], SUCCESS);
    script.call("fd_seek", &[4, 1, 1, RESULT], NOT_CAPABLE);
    // A directory that may only be read hands on no more.
    let [at, length] = script.text(".");
    script.call("path_open", &[DIRECTORY, 1, at, length, OPEN_DIRECTORY, 1 << 13, READ, 0, RESULT], SUCCESS);
    let [at, length] = script.text("f");
    script.call("path_open", &[5, 1, at, length, 0, ALL, ALL, 0, RESULT], SUCCESS);
    script.call("fd_write", &[6, buffers, one, RESULT], NOT_CAPABLE);
    script.call("fd_read", &[6, buffers, one, RESULT], SUCCESS);
    script.call("path_open", &[5, 1, at, length, CREATE, ALL, ALL, 0, RESULT], NOT_CAPABLE);
    script.call("path_open", &[5, 1, at, length, TRUNCATE, ALL, ALL, 0, RESULT], NOT_CAPABLE);
    script.call("path_unlink_file", &[5, at, length], NOT_CAPABLE);
    // Files are no directories, and the other way round.
    script.call("path_unlink_file", &[4, at, length], NOT_DIRECTORY);
    script.call("fd_read", &[DIRECTORY, buffers, one, RESULT], BAD_DESCRIPTOR);
    script.call("fd_readdir", &[4, 2048, 100, 0, RESULT], NOT_DIRECTORY);
    script.run(&[], |folder| fs::write(folder.join("f"), "text").expect("it is writable"));
}

#[test]
fn no_path_leads_out_of_its_directory() {
    let mut script = Script::default();
    let outside = ["..", "../script.wasm", "/etc/passwd", "sub/../../script.wasm", "out/passwd", "up/script.wasm"];
    for path in outside {
        script.open(path, 0, READ, NOT_PERMITTED);
        let [at, length] = script.text(path);
        let inside = script.text("f");
        script.call("path_filestat_get", &[DIRECTORY, 1, at, length, 2048], NOT_PERMITTED);
        script.call("path_rename", &[DIRECTORY, inside[0], inside[1], DIRECTORY, at, length], NOT_PERMITTED);
        script.call("path_link", &[DIRECTORY, 0, at, length, DIRECTORY, inside[0], inside[1]], NOT_PERMITTED);
    }
    for path in ["../new", "/tmp/new", "up/new"] {
        script.open(path, CREATE, ALL, NOT_PERMITTED);
        let [at, length] = script.text(path);
        script.call("path_create_directory", &[DIRECTORY, at, length], NOT_PERMITTED);
        script.call("path_unlink_file", &[DIRECTORY, at, length], NOT_PERMITTED);
        script.call("path_remove_directory", &[DIRECTORY, at, length], NOT_PERMITTED);
        let inside = script.text("f");
        script.call("path_symlink", &[inside[0], inside[1], DIRECTORY, at, length], NOT_PERMITTED);
    }
    let [at, length] = script.text("/etc/passwd");
    let [new, new_length] = script.text("new");
    script.call("path_symlink", &[at, length, DIRECTORY, new, new_length], NOT_PERMITTED);
    script.run(&[], |folder| {
        fs::create_dir(folder.join("sub")).expect("it is writable");
        fs::write(folder.join("f"), "text").expect("it is writable");
        std::os::unix::fs::symlink("/etc", folder.join("out")).expect("it is writable");
        std::os::unix::fs::symlink("..", folder.join("up")).expect("it is writable");
    });
}

#[test]
fn paths_and_links() {
    let mut script = Script::default();
    let [file, file_length] = script.text("f");
    let [link, link_length] = script.text("link");
    let [sub, sub_length] = script.text("sub");
    let [moved, moved_length] = script.text("sub/moved");
    script.open("f", CREATE, ALL, SUCCESS);
    script.call("path_symlink", &[file, file_length, DIRECTORY, link, link_length], SUCCESS);
    script.call("path_symlink", &[file, file_length, DIRECTORY, link, link_length], EXISTS);
    script.call("path_filestat_get", &[DIRECTORY, 0, link, link_length, 3000], SUCCESS);
    script.byte(3016, 7);
    script.call("path_filestat_get", &[DIRECTORY, 1, link, link_length, 3000], SUCCESS);
    script.byte(3016, 4);
    script.call("path_open", &[DIRECTORY, 0, link, link_length, 0, READ, 0, 0, RESULT], LOOP);
    script.call("path_readlink", &[DIRECTORY, link, link_length, 2048, 100, RESULT], SUCCESS);
    script.word(RESULT, 1);
    script.byte(2048, i64::from(b'f'));
    script.call("path_readlink", &[DIRECTORY, file, file_length, 2048, 100, RESULT], INVALID);
    script.call("path_link", &[DIRECTORY, 1, file, file_length, DIRECTORY, sub, sub_length], INVALID);
    script.call("path_create_directory", &[DIRECTORY, sub, sub_length], SUCCESS);
    script.call("path_create_directory", &[DIRECTORY, sub, sub_length], EXISTS);
    script.call("path_link", &[DIRECTORY, 0, file, file_length, DIRECTORY, moved, moved_length], SUCCESS);
    script.call("path_filestat_get", &[DIRECTORY, 0, moved, moved_length, 3000], SUCCESS);
    script.word(3024, 2);
    script.call("path_remove_directory", &[DIRECTORY, sub, sub_length], NOT_EMPTY);
    script.call("path_unlink_file", &[DIRECTORY, sub, sub_length], IS_DIRECTORY);
    script.call("path_rename", &[DIRECTORY, moved, moved_length, DIRECTORY, file, file_length], SUCCESS);
    script.call("path_filestat_set_times", &[DIRECTORY, 1, file, file_length, 0, 7_000_000_000, 4], SUCCESS);
    script.call("path_filestat_set_times", &[DIRECTORY, 0, link, link_length, 0, 9_000_000_000, 4], SUCCESS);
    script.call("path_filestat_get", &[DIRECTORY, 1, link, link_length, 3000], SUCCESS);
    script.word(3048, 7_000_000_000_i64 as i32 as i64);
    script.call("path_unlink_file", &[DIRECTORY, link, link_length], SUCCESS);
    script.call("path_unlink_file", &[DIRECTORY, link, link_length], NO_ENTRY);
    script.open("f", OPEN_DIRECTORY, ALL, NOT_DIRECTORY);
    script.open("sub", OPEN_DIRECTORY | CREATE, ALL, INVALID);
    script.open("", 0, READ, NO_ENTRY);
    script.open("nothing", 0, READ, NO_ENTRY);
    script.open("f\0", 0, READ, INVALID);
    script.open("x".repeat(300).as_str(), 0, READ, NAME_TOO_LONG);
    let wrong = script.bytes(&[0xff, 0xfe]);
    script.call("path_unlink_file", &[DIRECTORY, wrong, 2], ILLEGAL_SEQUENCE);
    script.run(&[], |_| {});
}

#[test]
fn what_lies_outside_the_memory_is_not_touched() {
    let mut script = Script::default();
    let [huge, one] = script.buffers(&[[16, u32::MAX as i64]]);
    let [last, _] = script.buffers(&[[END - 1, 2]]);
    let [good, _] = script.buffers(&[[16, 1]]);
    for name in ["fd_read", "fd_write"] {
        for (buffers, count) in [(huge, one), (last, one), (END - 4, 1), (END, 1), (u32::MAX as i64, 1)] {
            script.call(name, &[4, buffers, count, RESULT], FAULT);
        }
        script.call(name, &[4, good, 1025, RESULT], INVALID);
        script.call(name, &[4, good, -1, RESULT], INVALID);
        script.call(name, &[4, good, 1, END - 3], FAULT);
        script.call(name, &[4, END, 0, RESULT], SUCCESS);
    }
    let [at, _] = script.text("f");
    script.call("path_open", &[DIRECTORY, 1, at, -1, 0, ALL, ALL, 0, RESULT], FAULT);
    script.call("path_unlink_file", &[DIRECTORY, END - 1, 2], FAULT);
    script.call("fd_filestat_get", &[4, END - 63], FAULT);
    script.call("fd_fdstat_get", &[4, END - 23], FAULT);
    script.call("fd_readdir", &[DIRECTORY, END - 8, 100, 0, RESULT], FAULT);
    script.call("fd_prestat_get", &[DIRECTORY, END - 4], FAULT);
    script.call("fd_prestat_dir_name", &[DIRECTORY, END, 1], FAULT);
    script.call("random_get", &[16, -1], FAULT);
    script.call("random_get", &[END, 0], SUCCESS);
    script.call("clock_time_get", &[0, 0, END - 7], FAULT);
    script.call("args_get", &[END - 4, 2048], FAULT);
    script.call("args_get", &[2048, END - 2], FAULT);
    script.call("poll_oneoff", &[END - 40, 2048, 1, RESULT], FAULT);
    script.call("poll_oneoff", &[2048, END - 31, 1, RESULT], FAULT);
    let mut opened = Script { data: script.data.clone(), steps: Vec::new() };
    opened.open("f", CREATE, ALL, SUCCESS);
    opened.steps.append(&mut script.steps);
    opened.run(&[], |_| {});
}

#[test]
fn directories_are_listed_piece_by_piece() {
    let mut script = Script::default();
    // All entries: three of the directory, `.` and `..`.
    script.call("fd_readdir", &[DIRECTORY, 16384, 4096, 0, RESULT], SUCCESS);
    script.word(RESULT, 5 * 24 + 1 + 2 + 3 * 4);
    script.byte(16384 + 20, 3);
    script.byte(16384 + 24, i64::from(b'.'));
    script.word(16384, 1);
    // From the fourth on.
    script.call("fd_readdir", &[DIRECTORY, 16384, 4096, 3, RESULT], SUCCESS);
    script.word(RESULT, 2 * 28);
    script.word(16384, 4);
    script.word(16384 + 16, 4);
    // A buffer that is full says that there is more.
    script.call("fd_readdir", &[DIRECTORY, 16384, 30, 0, RESULT], SUCCESS);
    script.word(RESULT, 30);
    script.call("fd_readdir", &[DIRECTORY, 16384, 0, 0, RESULT], SUCCESS);
    script.word(RESULT, 0);
    for cookie in [5, 6, -1] {
        script.call("fd_readdir", &[DIRECTORY, 16384, 4096, cookie, RESULT], SUCCESS);
        script.word(RESULT, 0);
    }
    // From the beginning it is read anew.
    let [at, length] = script.text("four");
    script.call("path_unlink_file", &[DIRECTORY, at, length], SUCCESS);
    script.call("fd_readdir", &[DIRECTORY, 16384, 4096, 0, RESULT], SUCCESS);
    script.word(RESULT, 4 * 24 + 1 + 2 + 2 * 4);
    script.run(&[], |folder| {
        for name in ["four", "five", "nine"] {
            fs::write(folder.join(name), name).expect("it is writable");
        }
    });
}

#[test]
fn arguments_environment_and_directories_are_those_of_the_command_line() {
    let mut script = Script::default();
    script.call("args_sizes_get", &[RESULT, 16], SUCCESS);
    script.word(RESULT, 2);
    script.word(16, "script.wasm\0an argument\0".len() as i64);
    script.call("args_get", &[2048, 3000], SUCCESS);
    script.word(2052, 3012);
    script.byte(3012, i64::from(b'a'));
    script.byte(3023, 0);
    script.call("environ_sizes_get", &[RESULT, 16], SUCCESS);
    script.word(RESULT, 1);
    script.word(16, 4);
    script.call("environ_get", &[2048, 3000], SUCCESS);
    script.byte(3002, i64::from(b'1'));
    for (number, name) in [(3, "d"), (4, "/inside")] {
        script.call("fd_prestat_get", &[number, 2048], SUCCESS);
        script.word(2048, 0);
        script.word(2052, name.len() as i64);
        script.call("fd_prestat_dir_name", &[number, 2048, name.len() as i64], SUCCESS);
        script.byte(2048, i64::from(name.as_bytes()[0]));
        script.call("fd_prestat_dir_name", &[number, 2048, name.len() as i64 - 1], NAME_TOO_LONG);
    }
    script.call("fd_prestat_get", &[5, 2048], BAD_DESCRIPTOR);
    script.call("fd_prestat_get", &[0, 2048], BAD_DESCRIPTOR);
    script.run(&["--env", "A=1", "--dir", "d::/inside"], |_| {});
}

#[test]
fn clocks_and_waiting() {
    let mut script = Script::default();
    for clock in 0..4 {
        script.call("clock_res_get", &[clock, RESULT], SUCCESS);
        script.call("clock_time_get", &[clock, 1, RESULT], SUCCESS);
    }
    script.call("clock_time_get", &[4, 1, RESULT], INVALID);
    script.call("poll_oneoff", &[2048, 3000, 0, RESULT], INVALID);
    // A millisecond of the monotonic clock, and a descriptor that is not open: that one happens at once.
    let clock = |microseconds: u64| {
        let mut bytes = vec![0u8; 48];
        (bytes[0], bytes[16]) = (7, 1);
        bytes[24..32].copy_from_slice(&(microseconds * 1000).to_le_bytes());
        bytes
    };
    let descriptor = |number: u8| {
        let mut bytes = vec![0u8; 48];
        (bytes[0], bytes[8], bytes[16]) = (9, 2, number);
        bytes
    };
    let at = script.bytes(&clock(1000));
    script.call("poll_oneoff", &[at, 3000, 1, RESULT], SUCCESS);
    script.word(RESULT, 1);
    script.word(3000, 7);
    script.word(3008, 0);
    let at = script.bytes(&[clock(10_000_000), descriptor(99)].concat());
    script.call("poll_oneoff", &[at, 3000, 2, RESULT], SUCCESS);
    script.word(RESULT, 1);
    script.word(3000, 9);
    script.word(3008, BAD_DESCRIPTOR | 2 << 16);
    let at = script.bytes(&[descriptor(1), clock(10_000_000)].concat());
    script.call("poll_oneoff", &[at, 3000, 2, RESULT], SUCCESS);
    script.word(3000, 9);
    script.word(3008, 2 << 16);
    script.run(&[], |_| {});
}

#[test]
fn a_full_disk_is_an_error_and_streams_have_no_position() {
    let mut script = Script::default();
    let [at, length] = script.text("full");
    let [buffers, one] = script.buffers(&[[2048, 100]]);
    script.call("path_open", &[4, 1, at, length, 0, WRITE, 0, 0, RESULT], SUCCESS);
    script.call("fd_write", &[5, buffers, one, RESULT], NO_SPACE);
    script.call("fd_seek", &[1, 0, 1, RESULT], SEEK);
    script.call("fd_fdstat_set_flags", &[1, 4], NOT_SUPPORTED);
    script.run(&["--dir", "/dev::dev"], |_| {});
}

#[test]
fn in_virtual_time_chance_is_the_same_in_every_run() {
    let program = "(module
        (import \"wasi_snapshot_preview1\" \"random_get\" (func $random (param i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 0) \"\\10\\00\\00\\00\\40\\00\\00\\00\")
        (func (export \"_start\") (drop (call $random (i32.const 16) (i32.const 64)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))";
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("p.wasm"), wasm(program)).expect("it is writable");
    let run = |options: &[&str]| limen(folder.path(), &[&["run"], options, &["p.wasm"]].concat()).stdout;
    let first = run(&["--virtual-time"]);
    assert_eq!(first.len(), 64);
    assert_eq!(run(&["--virtual-time", "--engine", "jit"]), first);
    assert_ne!(run(&[]), run(&[]));
}

/// A module that says of itself that it wants these services need not come from the translator.
#[test]
fn a_module_without_memory_gets_a_fault_and_not_the_better_of_the_host() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (services, home, status) in
        [("svc 31()", "home 0 max 0", 70), ("svc 0()", "home 0 max 0", 0), ("svc 46()", "", 70)]
    {
        let source = format!(
            "{home}\n@section 0x80000002 {{ }}\nexport const memory = -1\nexport fn main() -> i32 {{\nreg n: i32\n{services}\nret n\n}}\n"
        );
        fs::write(folder.path().join("p.lim"), source).expect("it is writable");
        for engine in ENGINES {
            let output = limen(folder.path(), &["run", "--engine", engine, "p.lim"]);
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(status), "{services}: {message}");
            assert!(!message.contains("panicked"), "{message}");
        }
    }
}
