//! Programs that were written for neither side, built from their packages' sources by `tests/foreign/build`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use super::input;

/// A program with something to do.
pub struct Program {
    pub name: &'static str,
    pub wasm: Vec<u8>,
    pub file: PathBuf,
    /// Compiled for the host by its C compiler.
    pub native: PathBuf,
    /// Without the name of the program.
    pub arguments: &'static [&'static str],
    /// Its standard input for a whole measurement.
    pub input: Vec<u8>,
    /// About a tenth of that work.
    pub quick: Vec<u8>,
}

/// A program by name, the files that it is built to, and what it is given to do.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str], fn(u32, &Path) -> Vec<u8>);

const ROWS: [Row; 6] = [
    ("Lua", "lua-plain.wasm", "lua", &[], input::lua),
    ("SQLite", "sql.wasm", "sql", &[":memory:"], input::sql),
    ("QuickJS", "script.wasm", "script", &[], input::javascript),
    ("Zstandard", "pack.wasm", "pack", &[], input::text),
    ("MP3", "sound.wasm", "sound", &[], input::sound),
    // Only there if Rust can compile for WASI.
    ("CoreMark", "mark.wasm", "mark", &[], input::iterations),
];

/// All of them, if they can be built here. Says so if not.
pub fn all() -> Option<Vec<Rc<Program>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/foreign");
    let built = Command::new(root.join("../tests/foreign/build")).arg(&folder).output().ok()?;
    if !built.status.success() {
        let errors = String::from_utf8_lossy(&built.stderr);
        println!("programs: skipped; tests/foreign/build says: {}", errors.lines().last().unwrap_or_default());
        return None;
    }
    Some(ROWS.iter().filter(|row| folder.join(row.1).exists()).map(|row| program(row, &folder)).collect())
}

fn program((name, wasm, native, arguments, input): &Row, folder: &Path) -> Rc<Program> {
    let file = folder.join(wasm);
    let wasm = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let [input, quick] = [10, 1].map(|times| input(times, folder));
    Rc::new(Program { name, wasm, file, native: folder.join(native), arguments, input, quick })
}
