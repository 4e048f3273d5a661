//! Reading what the user names, and writing results so that none is ever half there.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use limen_assembler::{Assembled, Directory, NoFiles, Options, assemble, document};
use limen_isa::module::{MAGIC, Module};

use crate::failure::Failure;

/// Larger inputs are refused: no module or source comes near it.
const MAX_INPUT: u64 = 256 << 20;

/// Whether a path stands for standard input or output.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Where the module goes that is made of a file: what comes from standard input goes to standard output.
pub(crate) fn module_path(source: &Path, output: Option<&Path>) -> PathBuf {
    output_path(source, output, "limo")
}

/// The same for what has another ending.
pub(crate) fn output_path(source: &Path, output: Option<&Path>, ending: &str) -> PathBuf {
    match output {
        Some(output) => output.to_owned(),
        None if is_dash(source) => PathBuf::from("-"),
        None => source.with_extension(ending),
    }
}

/// The contents of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(path, MAX_INPUT)
}

/// The same, with another limit on its size.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    contents_at_most(path, limit).map_err(|error| Failure::of_file(path, error))
}

/// The same, where the error is somebody else's to report.
pub(crate) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    contents_at_most(path, MAX_INPUT)
}

fn contents_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_dash(path) {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        let file = File::open(path)?;
        // Room for all of it at once, if it is a file that has a size.
        bytes.reserve_exact(file.metadata()?.len().min(limit) as usize + 1);
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {} MiB", limit >> 20)));
    }
    Ok(bytes)
}

/// The text of a source file.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    read_text_at_most(path, MAX_INPUT)
}

/// The same, with another limit on its size.
pub(crate) fn read_text_at_most(path: &Path, limit: u64) -> Result<String, Failure> {
    text(path, read_at_most(path, limit)?)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..position].iter().filter(|byte| **byte == b'\n').count();
        Failure::of_file(path, format_args!("neither a module nor UTF-8 text (byte {position}, line {line})"))
    })
}

/// The sources that paths stand for: each itself, or all `.lim` files below a folder, in the order of their names. A folder
/// has some.
pub(crate) fn sources(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut sources = Vec::new();
    for path in paths {
        let before = sources.len();
        collect_sources(path, &mut sources)?;
        if sources.len() == before {
            return Err(Failure::of_file(path, "no `.lim` file is in this folder"));
        }
    }
    Ok(sources)
}

fn collect_sources(path: &Path, sources: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        sources.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(|error| Failure::of_file(path, error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let is_source = path.extension().is_some_and(|extension| extension == "lim");
        if is_source || (path.is_dir() && !path.is_symlink()) {
            collect_sources(&path, sources)?;
        }
    }
    Ok(())
}

/// A module from a module file, or assembled from a source file.
pub(crate) fn load_module(path: &Path) -> Result<Module, Failure> {
    module_of(path, read(path)?)
}

/// The same from what is in the file.
pub(crate) fn module_of(path: &Path, bytes: Vec<u8>) -> Result<Module, Failure> {
    if bytes.starts_with(&MAGIC) {
        return Module::read(&bytes).map_err(|error| Failure::of_file(path, error));
    }
    if bytes.is_empty() {
        return Err(Failure::of_file(path, "the file is empty"));
    }
    if path.extension().is_some_and(|extension| extension == "limo") {
        return Module::read(&bytes).map_err(|error| Failure::of_file(path, error));
    }
    assemble_text(path, &text(path, bytes)?)
}

/// The module of a source.
pub(crate) fn assemble_text(path: &Path, source: &str) -> Result<Module, Failure> {
    Ok(assemble_with(path, source, Options::default())?.module)
}

/// A source assembled as the options say.
pub(crate) fn assemble_with(path: &Path, source: &str, options: Options) -> Result<Assembled, Failure> {
    let assembled = if is_dash(path) {
        assemble("<stdin>", source, &NoFiles, options)
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assemble(&name, source, &Directory(directory_of(path)), options)
    };
    Ok(assembled?)
}

/// A source assembled with its tests.
pub(crate) fn assemble_tests(path: &Path, source: &str) -> Result<Module, Failure> {
    let options = Options { tests: true, ..Options::default() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(assemble(&name, source, &Directory(directory_of(path)), options)?.module)
}

/// The page of documentation of a source's interfaces.
pub(crate) fn document_text(path: &Path, source: &str) -> Result<String, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(document(&name, source, &Directory(directory_of(path)))?)
}

/// Where a file lies.
pub(crate) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Writes a result: to standard output for `-`, into a device or pipe as it is, and into a file as a whole or not at
/// all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
    let written = if is_dash(path) {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    } else if special {
        File::options().write(true).open(path).and_then(|mut file| file.write_all(bytes))
    } else {
        replace(path, bytes, File::sync_all)
    };
    written.map_err(|error| Failure::of_file(path, format_args!("cannot write: {error}")))
}

/// As [`write()`] to a file, for what can be made again and tells when it is damaged: if the host loses its power it may be lost.
pub(crate) fn write_for_now(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, |_| Ok(()))
}

/// Puts a complete new file in the place of whatever is there, once `secure` has seen it.
fn replace(path: &Path, bytes: &[u8], secure: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let mut file = tempfile::Builder::new().permissions(permissions(path)).tempfile_in(directory_of(path))?;
    file.write_all(bytes)?;
    secure(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Those of the file that is replaced, or what a new file usually gets.
fn permissions(path: &Path) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).map_or_else(|_| fs::Permissions::from_mode(0o666), |metadata| metadata.permissions())
}
