//! Turns the grammar into a parser, and lists the files of the library.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    lalrpop::Configuration::new().use_cargo_dir_conventions().emit_rerun_directives(true).process()?;
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").join("std");
    let mut list = String::from("&[\n");
    if root.is_dir() {
        println!("cargo::rerun-if-changed={}", root.display());
        files(&root, "std", &mut list)?;
    }
    list.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("library.rs"), list)?;
    Ok(())
}

/// Adds name and text of each source below a folder, in the order of their names.
fn files(folder: &Path, name: &str, list: &mut String) -> io::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            files(&path, &name, list)?;
        } else if name.ends_with(".lim") {
            println!("cargo::rerun-if-changed={}", path.display());
            writeln!(list, "    ({name:?}, include_str!({:?})),", path.canonicalize()?).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
