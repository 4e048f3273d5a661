//! Assembles the programs and says in Rust where their modules are.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use limen_assembler::{Options, assemble_file};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=.");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut list = String::from("&[\n");
    for source in sources(&root)? {
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let module = out.join(&name).with_extension("limo");
        fs::write(&module, assemble(&source)?)?;
        let text = fs::read_to_string(&source)?;
        let summary = summary(&name, &text)?;
        writeln!(list, "    Program {{ name: {name:?}, module: include_bytes!({module:?}), summary: {summary:?} }},")?;
    }
    list.push(']');
    fs::write(out.join("programs.rs"), list)?;
    Ok(())
}

/// The programs, by name. What they share lies in a directory of its own.
fn sources(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(root)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "lim"));
    paths.sort();
    Ok(paths)
}

fn assemble(source: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let assembled = assemble_file(source, Options::default()).map_err(|errors| {
        eprintln!("{errors}");
        format!("{} does not assemble", source.display())
    })?;
    Ok(assembled.bytes)
}

/// What the program is, as its first line says: `// name: summary.`
fn summary<'a>(name: &str, source: &'a str) -> Result<&'a str, Box<dyn Error>> {
    let first = source.lines().next().unwrap_or_default();
    let summary = first.strip_prefix("// ").and_then(|rest| rest.strip_prefix(name)?.strip_prefix(": "));
    let summary = summary.ok_or_else(|| format!("{name}.lim must begin with `// {name}: what it is.`"))?;
    Ok(summary.trim_end_matches('.'))
}
