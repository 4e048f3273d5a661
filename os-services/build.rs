//! Assembles the kernel, init and the services, and says in Rust where their modules are.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use limen_assembler::{Options, assemble_file};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=.");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for part in ["kernel", "init"] {
        assembled(&root.join(part).join(part).with_extension("lim"), &out)?;
    }
    let services = sources(&root.join("services"))?;
    let services = services.iter().map(|source| service(source, &out)).collect::<Result<String>>()?;
    fs::write(out.join("services.rs"), format!("&[\n{services}]"))?;
    Ok(())
}

/// The sources of the services: `NAME.lim`, or `NAME/NAME.lim` for those of several files.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let inner = path.join(path.file_name().unwrap_or_default()).with_extension("lim");
        if inner.is_file() {
            sources.push(inner);
        } else if path.extension().is_some_and(|extension| extension == "lim") {
            sources.push(path);
        }
    }
    sources.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
    Ok(sources)
}

fn service(source: &Path, out: &Path) -> Result<String> {
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(source)?;
    let summary = summary(&name, &text)?;
    let module = assembled(source, out)?;
    Ok(format!("    Service {{ name: {name:?}, module: include_bytes!({module:?}), summary: {summary:?} }},\n"))
}

/// Assembles a source; gives the file that its module is in.
fn assembled(source: &Path, out: &Path) -> Result<PathBuf> {
    let assembled = assemble_file(source, Options::default()).map_err(|errors| {
        eprintln!("{errors}");
        format!("{} does not assemble", source.display())
    })?;
    let module = out.join(source.file_name().unwrap_or_default()).with_extension("limo");
    fs::write(&module, assembled.bytes)?;
    Ok(module)
}

/// What the service is, as its first line says: `// name: summary.`
fn summary<'a>(name: &str, source: &'a str) -> Result<&'a str> {
    let first = source.lines().next().unwrap_or_default();
    let summary = first.strip_prefix("// ").and_then(|rest| rest.strip_prefix(name)?.strip_prefix(": "));
    let summary = summary.ok_or_else(|| format!("{name}.lim must begin with `// {name}: what it is.`"))?;
    Ok(summary.trim_end_matches('.'))
}
