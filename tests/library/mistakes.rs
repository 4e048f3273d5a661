//! Mistakes that the library finds: each program is stopped, on every engine, with a message that says what it was.

use std::fs;
use std::process::Command;

const ENGINES: [&str; 3] = ["interp", "jit", "tiered"];

/// Runs lines of a `main` with two blocks, `a` and `b`, of 20 bytes each.
#[track_caller]
fn stops_with(lines: &str, message: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let source = format!(
        "use \"std/alloc.lim\"\nuse \"std/vector.lim\"\nuse \"std/ring.lim\"\n\
         static v: Vector[u32]\nstatic r: Ring[u32]\n\
         export fn main() {{\nalloc_checks(true)\nlet a = alloc(20) catch 0\nlet b = alloc(20) catch 0\n\
         let p = a as *u8\nlet q = b as *u8\nassert p != q\n{lines}\n}}\n"
    );
    fs::write(folder.path().join("mistake.lim"), source).expect("the folder is writable");
    for engine in ENGINES {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        command.args(["run", "--engine", engine, "mistake.lim"]).current_dir(folder.path());
        let output = command.output().expect("limen starts");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(70), "{engine}: {lines}\n{complaint}");
        assert!(complaint.contains(message), "{engine}: {lines}\n{complaint}");
    }
}

#[test]
fn the_allocator_finds_what_must_not_be() {
    stops_with("p[20] = 1\nfree(a)", "a block was written behind its end");
    stops_with("p[20] = 1\nalloc_check()", "a block was written behind its end");
    stops_with("p[31] = 1\nq[23] = 1\nfree(b)", "a block was written behind its end");
    stops_with("let h = (b - 16) as *u32\nh.* = 1\nfree(b)", "written before its beginning");
    stops_with("let h = (b - 16) as *u32\nh.* = 1\nalloc_check()", "written before its beginning");
    stops_with("free(a)\nfree(a)", "a block is freed twice");
    stops_with("free(a)\np[3] = 1\nalloc_check()", "a block was written after it was freed");
    stops_with("free(a)\np[3] = 1\nlet c = alloc(20) catch 0\nassert c != 0", "a block was written after it was freed");
    stops_with("free(a + 1)", "what is freed is no block");
    stops_with("free(b)\nassert alloc_live() == 0, \"a block was not freed\"", "a block was not freed");
}

#[test]
fn nothing_is_taken_of_what_is_empty() {
    stops_with("let x = v.pop()\nassert x == 0", "an empty vector has no last element");
    stops_with("let x = r.pop()\nassert x == 0", "an empty ring has no oldest element");
    stops_with("let s = v.slice()\nlet x = s[0]\nassert x == 0", "index out of bounds");
}
