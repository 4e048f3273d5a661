//! Programs that nobody wrote for Limen: SQLite, Zstandard, QuickJS, Lua and a decoder of MP3, compiled to WebAssembly from their
//! packages' sources and for the host, and programs with Rust's standard library, CoreMark among them. Both must come to the same.
//!
//! Needs what `tests/foreign/build` needs; where that is not there these tests say so and pass.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Where the programs are, if they can be built here.
static PROGRAMS: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let probe = "clang --target=wasm32-wasi --sysroot=\"${WASI_SYSROOT:-/usr}\" -x c - -o /dev/null && command -v cc";
    if run(Command::new("sh").args(["-c", probe]), b"int main(void) { return 0; }").0 != Some(0) {
        eprintln!("skipped: there is no clang that makes programs for WASI");
        return None;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/build");
    let (status, _, errors) = run(Command::new(script).arg(&out), b"");
    assert_eq!(status, Some(0), "{errors}");
    Some(out)
});

/// Status, output and errors of a command.
fn run(command: &mut Command, input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // Both ends could wait for each other otherwise. A command that fails early does not read all of its input.
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap_or_default());
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it is written");
    (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn limen(folder: &Path, engine: &str, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(["run", "--engine", engine, "--dir", "."]).arg(program).args(arguments).current_dir(folder);
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

/// Pragmas are left out: the file layer that SQLite has for WASI answers none.
const STATEMENTS: &str = "
    create table t(id integer primary key, name text, x real);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
        insert into t select i, 'name ' || (i * 7919 % 1000), i * 1.5 from n;
    create index by_name on t(name);
    select count(*), sum(x), avg(x) from t;
    select name, count(*) c, max(x) from t group by name order by c desc, name limit 5;
    select printf('%.3f', 1.0 / 3), json_extract('{\"a\":[1,2,3]}', '$.a[1]'), upper('abc'), date('2020-02-30');
    begin; delete from t; rollback;
    update t set x = x * 2 where id % 3 = 0;
    select sum(x) from t;
    delete from t where id > 100;
    vacuum;
    select a.name, b.id from t a join t b on a.id = b.id + 1 where a.id < 4 order by 1;
    select * from nowhere;";

#[test]
fn sqlite_does_what_it_does_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (sql, native) = (programs.join("sql.wasm"), programs.join("sql"));
    let (status, wanted, errors) =
        run(Command::new(&native).arg("host.db").current_dir(folder.path()), STATEMENTS.as_bytes());
    assert!(status == Some(1) && errors.contains("no such table: nowhere"), "{errors}");
    for engine in ["interp", "jit", "tiered"] {
        let database = format!("{engine}.db");
        let (status, output, errors) =
            run(&mut limen(folder.path(), engine, &sql, &[&database]), STATEMENTS.as_bytes());
        assert!(status == Some(1) && errors.contains("no such table: nowhere"), "{engine}: {errors}");
        assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&wanted), "{engine}");
        // The host's own finds nothing wrong with what was written.
        let check = b"pragma integrity_check; select count(*), sum(x) from t;";
        let (status, output, errors) = run(Command::new(&native).arg(&database).current_dir(folder.path()), check);
        assert_eq!((status, output.as_slice()), (Some(0), &b"ok\n100|10099.5\n"[..]), "{engine}: {errors}");
    }
}

#[test]
fn zstandard_gives_the_same_bytes_as_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("isa-spec/REFERENCE.md")).expect("it is there");
    let (_, wanted, _) = run(&mut Command::new(programs.join("pack")), &text);
    assert!(wanted.len() < text.len() / 2);
    let pack = programs.join("pack.wasm");
    for engine in ["interp", "jit", "tiered"] {
        let (status, packed, errors) = run(&mut limen(folder.path(), engine, &pack, &[]), &text);
        assert!(status == Some(0) && packed == wanted, "{engine}: {} bytes, {errors}", packed.len());
        let (status, unpacked, errors) = run(&mut limen(folder.path(), engine, &pack, &["-d"]), &packed);
        assert!(status == Some(0) && unpacked == text, "{engine}: {} bytes, {errors}", unpacked.len());
        let (status, _, errors) = run(&mut limen(folder.path(), engine, &pack, &["-d"]), &packed[..packed.len() / 2]);
        assert!(status == Some(1) && errors.contains("too early"), "{engine}: {errors}");
    }
}

#[test]
fn quickjs_says_what_it_says_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let source = include_bytes!("foreign/script.js");
    let (status, wanted, errors) = run(&mut Command::new(programs.join("script")), source);
    assert_eq!((status, errors.as_str()), (Some(1), "RangeError: the end\n"));
    assert!(String::from_utf8_lossy(&wanted).starts_with("hello 0.3333333333333333 1,4,9"));
    for engine in ["interp", "jit", "tiered"] {
        let (status, output, errors) =
            run(&mut limen(folder.path(), engine, &programs.join("script.wasm"), &[]), source);
        assert_eq!((status, errors.as_str()), (Some(1), "RangeError: the end\n"), "{engine}");
        assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&wanted), "{engine}");
    }
}

/// Errors are exceptions here: Lua's come from `setjmp` and `longjmp`.
#[test]
fn lua_says_what_it_says_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let source = include_bytes!("foreign/script.lua");
    let (status, wanted, wanted_errors) = run(&mut Command::new(programs.join("lua")), source);
    assert!(status == Some(1) && wanted_errors.starts_with("the end\nstack traceback:"), "{wanted_errors}");
    assert!(String::from_utf8_lossy(&wanted).starts_with("false\tplain\nfalse\tobject\n"));
    for engine in ["interp", "jit", "tiered"] {
        let (status, output, errors) = run(&mut limen(folder.path(), engine, &programs.join("lua.wasm"), &[]), source);
        assert_eq!((status, &errors), (Some(1), &wanted_errors), "{engine}");
        assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&wanted), "{engine}");
    }
}

#[test]
fn an_mp3_is_decoded_to_the_same_samples_as_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let sound = fs::read(programs.join("sound.mp3")).expect("it was copied");
    let (status, wanted, wanted_errors) = run(&mut Command::new(programs.join("sound")), &sound);
    assert!(status == Some(0) && wanted.len() > 100_000, "{} bytes, {wanted_errors}", wanted.len());
    for engine in ["interp", "jit", "tiered"] {
        let (status, samples, errors) =
            run(&mut limen(folder.path(), engine, &programs.join("sound.wasm"), &[]), &sound);
        assert_eq!((status, &errors), (Some(0), &wanted_errors), "{engine}");
        assert!(samples == wanted, "{engine}: {} bytes instead of {}", samples.len(), wanted.len());
    }
}

#[test]
fn rust_with_its_standard_library_counts_the_same_words_as_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let program = programs.join("words.wasm");
    if !program.exists() {
        return eprintln!("skipped: Rust has no target wasm32-wasip1");
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("isa-spec/REFERENCE.md")).expect("it is there");
    fs::write(folder.path().join("text"), &text).expect("it is written");
    let host = || Command::new(programs.join("words"));
    let (status, wanted, errors) = run(host().arg("text").current_dir(folder.path()), b"");
    assert!(status == Some(0) && wanted.ends_with(b" times each\n"), "{errors}");
    let (_, _, missing) = run(host().arg("nowhere").current_dir(folder.path()), b"");
    assert!(missing.contains("NotFound"), "{missing}");
    for engine in ["interp", "jit", "tiered"] {
        for (arguments, input) in [(&["text"][..], &[][..]), (&[], &text)] {
            let (status, output, errors) = run(&mut limen(folder.path(), engine, &program, arguments), input);
            assert_eq!((status, errors.as_str()), (Some(0), ""), "{engine}");
            assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&wanted), "{engine}");
        }
        let (status, _, errors) = run(&mut limen(folder.path(), engine, &program, &["nowhere"]), b"");
        assert!(status == Some(1) && errors.contains("NotFound"), "{engine}: {errors}");
    }
}

/// The checksums are those that CoreMark's authors publish for its two kinds of run.
#[test]
fn coremark_comes_to_its_checksums() {
    let Some(programs) = &*PROGRAMS else { return };
    let program = programs.join("mark.wasm");
    if !program.exists() {
        return eprintln!("skipped: Rust has no target wasm32-wasip1");
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (status, wanted, errors) = run(&mut Command::new(programs.join("mark")), b"20");
    let text = String::from_utf8_lossy(&wanted);
    assert!(status == Some(0) && text.contains("seeds e9f5\nlist e714 matrix 1fd7 state 8e3a\n"), "{text}{errors}");
    assert!(text.contains("seeds 18f2\nlist e3c1 matrix 0747 state 8d84\n"), "{text}");
    for engine in ["interp", "jit", "tiered"] {
        let (status, output, errors) = run(&mut limen(folder.path(), engine, &program, &[]), b"20");
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{engine}");
        assert_eq!(String::from_utf8_lossy(&output), text, "{engine}");
        let (status, _, errors) = run(&mut limen(folder.path(), engine, &program, &[]), b"many");
        assert!(status == Some(1) && errors.contains("InvalidData"), "{engine}: {errors}");
    }
}

/// Exceptions in the form with references, by a compiler that makes them.
#[test]
fn jumps_go_where_they_go_on_the_host() {
    let Some(programs) = &*PROGRAMS else { return };
    let program = programs.join("jumps.wasm");
    if !program.exists() {
        return eprintln!("skipped: there is no zig that makes exceptions with references");
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (status, wanted, _) = run(&mut Command::new(programs.join("jumps")), b"");
    assert!(status == Some(0) && wanted.starts_with(b"outer 0 after 0\ninner 1\ninner 2\nouter 3 after 3\n"));
    for engine in ["interp", "jit", "tiered"] {
        let (status, output, errors) = run(&mut limen(folder.path(), engine, &program, &[]), b"");
        assert_eq!((status, errors.as_str()), (Some(0), ""), "{engine}");
        assert_eq!(String::from_utf8_lossy(&output), String::from_utf8_lossy(&wanted), "{engine}");
    }
}

#[test]
fn a_trap_is_explained_with_the_lines_of_its_source() {
    let Some(programs) = &*PROGRAMS else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for engine in ["interp", "jit", "tiered"] {
        let (status, _, errors) = run(&mut limen(folder.path(), engine, &programs.join("trap.wasm"), &[]), b"");
        assert!(status == Some(70) && errors.contains("integer divide by zero"), "{engine}: {errors}");
        let lines = ["at divide, word 1 (", "trap.c:6)", "at __original_main, word ", "trap.c:11)"];
        assert!(lines.iter().all(|line| errors.contains(line)), "{engine}: {errors}");
    }
}
