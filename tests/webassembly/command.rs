//! What the `limen` command does with WebAssembly modules: what it refuses, how programs end, and what it keeps of large ones.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::command::{limen, wasm};

/// What `limen run` says of a file.
#[track_caller]
fn assert_refused(contents: &[u8], parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("p.wasm"), contents).expect("it is writable");
    for command in ["run", "import"] {
        let output = limen(folder.path(), &[command, "p.wasm"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    assert!(!folder.path().join("p.limo").exists());
}

#[test]
fn what_cannot_run_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("p.wasm"), "something else").expect("it is writable");
    let output = limen(folder.path(), &["import", "p.wasm"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a WebAssembly module"));
    assert_refused(b"\0asm\x0d\0\x01\0", &["p.wasm", "component"]);
    assert_refused(b"\0asm\x01\0\0\0\xff", &["p.wasm"]);
    assert_refused(&wasm("(module (func $f (return_call $f)))"), &["tail calls"]);
    assert_refused(&wasm("(module (memory i64 1))"), &["memory64"]);
    assert_refused(&wasm("(module (memory 1 1 shared))"), &["threads"]);
    assert_refused(&wasm("(module (table 1 exnref))"), &["tables of exceptions"]);
    assert_refused(&wasm("(module (func (drop (v128.const i64x2 0 0))))"), &["SIMD"]);
    let imports = "(module (import \"env\" \"f\" (func (param i32 f64) (result i64)))
        (import \"wasi_snapshot_preview1\" \"fd_close\" (func (param i64) (result i32)))
        (import \"wasi_snapshot_preview1\" \"fd_sync\" (func (param i32) (result i32))))";
    let parts = ["env.f: function (i32, f64) -> (i64)", "wasi_snapshot_preview1.fd_close: function (i64) -> (i32)"];
    assert_refused(&wasm(imports), &parts);
}

#[test]
fn traps_and_exits() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let status = |text: &str, arguments: &[&str]| {
        fs::write(folder.path().join("p.wasm"), wasm(text)).expect("it is writable");
        let output = limen(folder.path(), arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let trap = "(module (func $inner unreachable) (func $outer (export \"_start\") (call $inner)))";
    let (code, message) = status(trap, &["run", "p.wasm"]);
    assert_eq!(code, Some(70), "{message}");
    assert!(message.contains("unreachable") && message.contains("inner") && message.contains("outer"), "{message}");
    let start = "(module (func $begin unreachable) (start $begin) (func (export \"_start\")))";
    let (code, message) = status(start, &["run", "p.wasm"]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("cannot begin: unreachable"), "{message}");
    let exit = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (memory (export \"memory\") 1) (func (export \"_start\") (call $exit (i32.const 42))))";
    assert_eq!(status(exit, &["run", "p.wasm"]).0, Some(42));
    let (code, message) = status(exit, &["run", "--checkpoint-every", "10", "p.wasm"]);
    assert!(code == Some(1) && message.contains("WebAssembly"), "{message}");
    let endless = "(module (func (export \"_start\") (loop (br 0))))";
    assert_eq!(status(endless, &["run", "--fuel", "1000", "p.wasm"]).0, Some(75));
    assert_eq!(status(endless, &["run", "--timeout", "0.05", "p.wasm"]).0, Some(75));
    // Nor does waiting hold a program beyond its time, for a clock or for somebody to write.
    let sleeps =
        "(module (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 24) \"\\00\\00\\00\\00\\ff\\00\\00\\00\")
        (func (export \"_start\") (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
            (loop (br 0))))";
    let begun = Instant::now();
    assert_eq!(status(sleeps, &["run", "--timeout", "0.05", "p.wasm"]).0, Some(75));
    assert!(begun.elapsed() < Duration::from_secs(100), "the clock was waited for");
    let library = "(module (func (export \"f\")))";
    let (code, message) = status(library, &["run", "p.wasm"]);
    assert!(code == Some(1) && message.contains("main"), "{message}");
    fs::write(folder.path().join("p.lim"), "export fn main() {\nret\n}\n").expect("it is writable");
    let output = limen(folder.path(), &["run", "--env", "A=1", "p.lim"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    // What `import` writes is what `run` runs.
    assert_eq!(status(exit, &["import", "p.wasm"]).0, Some(0));
    assert_eq!(limen(folder.path(), &["run", "p.limo"]).status.code(), Some(42));
}

#[test]
fn reading_ends_with_the_program_s_time() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let reads =
        "(module (import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 4) \"\\10\")
        (func (export \"_start\") (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (loop (br 0))))";
    fs::write(folder.path().join("p.wasm"), wasm(reads)).expect("it is writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
    command.args(["run", "--timeout", "0.05", "p.wasm"]).current_dir(folder.path()).stdin(Stdio::piped());
    let mut child = command.spawn().expect("limen starts");
    // Nobody writes, and the other end stays open.
    let _stdin = child.stdin.take();
    assert_eq!(child.wait().expect("it ends").code(), Some(75));
}

#[test]
fn translations_are_kept_and_made_again_if_they_are_damaged() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let exit = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))";
    let function = "(func (export \"_start\") (call $exit (i32.const 9)))";
    let padding = "x".repeat(100_000);
    let text = format!("(module {exit} (memory (export \"memory\") 4) (data (i32.const 0) \"{padding}\") {function})");
    fs::write(folder.path().join("p.wasm"), wasm(&text)).expect("it is writable");
    let cache = folder.path().join("cache/limen");
    let kept = || fs::read_dir(&cache).expect("it is there").map(|entry| entry.expect("it can be listed").path());
    let run = || assert_eq!(limen(folder.path(), &["run", "p.wasm"]).status.code(), Some(9));
    run();
    let entries: Vec<_> = kept().collect();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    run();
    let bytes = fs::read(entry).expect("it is there");
    assert!(bytes.starts_with(b"LIMO"));
    run();
    for damaged in [&bytes[..bytes.len() / 2], b"", b"something else"] {
        fs::write(entry, damaged).expect("it is writable");
        run();
        assert_eq!(fs::read(entry).expect("it is there"), bytes);
    }
    assert_eq!(kept().count(), 1);
    assert_eq!(fs::read(entry).expect("it is there"), bytes, "it was used as it was");
    // A cache that cannot be written is no reason not to run.
    fs::remove_dir_all(folder.path().join("cache")).expect("it can be removed");
    fs::write(folder.path().join("cache"), "").expect("it is writable");
    run();
}

/// A module that is large enough to be translated when it runs, and ends with this status.
fn large(status: u8, more: &str) -> Vec<u8> {
    let exit = "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))";
    let function = format!("(func (export \"_start\") (call $more) (call $exit (i32.const {status})))");
    let padding = "x".repeat(100_000);
    wasm(&format!(
        "(module {exit} (memory (export \"memory\") 4) (data (i32.const 0) \"{padding}\") {function} {more})"
    ))
}

#[test]
fn a_program_that_is_run_once_leaves_only_a_note() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let kept = || {
        let entries = fs::read_dir(folder.path().join("cache/limen")).expect("programs have run");
        let lengths = entries.map(|entry| entry.and_then(|entry| entry.metadata()).expect("it can be listed").len());
        lengths.collect::<Vec<_>>()
    };
    let run = |more: &str| {
        fs::write(folder.path().join("p.wasm"), large(9, more)).expect("it is writable");
        assert_eq!(limen(folder.path(), &["run", "p.wasm"]).status.code(), Some(9));
    };
    run("(func $more)");
    assert_eq!(kept(), [0]);
    run("(func $more)");
    assert!(matches!(*kept(), [length] if length > 0));
    // One that runs for long is translated meanwhile.
    run("(func $more (local i32) (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
        (i32.const 4000000000)))))");
    assert!(kept().iter().all(|length| *length > 0));
    // Of notes no more are there than of translations, and neither makes room for the other.
    for number in 0..70 {
        run(&format!("(func $more (drop (i32.const {number})))"));
    }
    let lengths = kept();
    assert_eq!((lengths.len(), lengths.iter().filter(|length| **length > 0).count()), (66, 2));
}

#[test]
fn a_file_that_nobody_changes_is_known_without_its_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let kept = || fs::read_dir(folder.path().join("cache/limen")).map_or(0, Iterator::count);
    let run = |status| assert_eq!(limen(folder.path(), &["run", "p.wasm"]).status.code(), Some(status));
    let put = |status| fs::write(folder.path().join("p.wasm"), large(status, "(func $more)")).expect("it is writable");
    let settle = || std::thread::sleep(Duration::from_millis(2_200));
    put(9);
    (0..2).for_each(|_| run(9));
    assert_eq!(kept(), 1, "it was kept by its bytes");
    settle();
    (0..3).for_each(|_| run(9));
    assert_eq!(kept(), 2, "and by what it is");
    for entry in fs::read_dir(folder.path().join("cache/limen")).expect("it is there") {
        fs::write(entry.expect("it can be listed").path(), b"damaged").expect("it is writable");
    }
    (0..2).for_each(|_| run(9));
    // As many bytes, at the same place.
    put(8);
    (0..3).for_each(|_| run(8));
    settle();
    (0..3).for_each(|_| run(8));
}

#[test]
fn of_a_large_module_what_is_not_valid_is_found_when_it_is_called() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let bad = "(func $more (drop (i32.const 88)) (nop))";
    for is_called in [false, true] {
        let more = if is_called { bad.to_owned() } else { format!("(func $more) {}", bad.replace("$more", "$never")) };
        let mut wasm = large(9, &more);
        let at = wasm.windows(5).position(|bytes| bytes == [0x41, 0xd8, 0, 0x1a, 1]).expect("the bad body is there");
        // `nop` becomes a second `drop`.
        wasm[at + 4] = 0x1a;
        fs::write(folder.path().join("p.wasm"), wasm).expect("it is writable");
        for engine in ["interp", "jit", "tiered"] {
            let output = limen(folder.path(), &["run", "--engine", engine, "p.wasm"]);
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(if is_called { 70 } else { 9 }), "{message}");
            let is_told =
                message.contains("not a valid WebAssembly module: type mismatch") && message.contains("at more");
            assert_eq!(is_told, is_called, "{message}");
        }
        let imported = limen(folder.path(), &["import", "p.wasm"]);
        assert_eq!(imported.status.code(), Some(1), "{}", String::from_utf8_lossy(&imported.stderr));
        assert!(String::from_utf8_lossy(&imported.stderr).contains("not a valid WebAssembly module"));
    }
    let kept = fs::read_dir(folder.path().join("cache/limen")).expect("programs have run");
    let mut lengths = kept.map(|entry| entry.and_then(|entry| entry.metadata()).expect("it can be listed").len());
    assert!(lengths.all(|length| length == 0), "what is not valid is not kept");
    fs::write(folder.path().join("p.wasm"), large(9, "(func $more) (func $f (return_call $f))"))
        .expect("it is writable");
    let output = limen(folder.path(), &["run", "p.wasm"]);
    assert!(output.status.code() == Some(1) && String::from_utf8_lossy(&output.stderr).contains("tail calls"));
}
