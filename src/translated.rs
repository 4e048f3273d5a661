//! WebAssembly modules as modules of the machine, and a cache of them in the user's cache directory.
//!
//! The cache is keyed by the bytes of the WebAssembly module and by the command that translates. What comes out of it is
//! verified like anything else, each function when it first runs; what is damaged is made again. It is only ever a help:
//! where there is no room or no directory for it, nothing is kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use limen_isa::module::{CustomSection, Module};
use limen_vm::{Mode, Verified, open, verify, verify_later};
use limen_wasm::translate;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::files;
use crate::wasi::{self, WasiImports};

/// What a WebAssembly module begins with.
const MAGIC: &[u8] = b"\0asm";

/// Translating less takes no time to speak of.
const WORTH_KEEPING: usize = 64 << 10;

/// So many translations are kept; the oldest go first.
const MOST_KEPT: usize = 64;

pub(crate) fn is_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Translates a WebAssembly module, which can import functions of WASI. `path` is for messages.
pub(crate) fn translated(path: &Path, wasm: &[u8]) -> Result<Verified<Module>, Failure> {
    verify(translation(path, wasm)?, Mode::User).map_err(|error| Failure::of_file(path, error))
}

fn translation(path: &Path, wasm: &[u8]) -> Result<Module, Failure> {
    let translation = translate(wasm, &mut WasiImports).map_err(|error| Failure::of_file(path, error))?;
    let mut module = translation.module;
    module.custom.push(CustomSection { id: wasi::SECTION, bytes: Vec::new() });
    Ok(module)
}

/// A translation that is being put into the cache, while the program runs already. Dropped, it waits until that is done.
pub(crate) struct Keeping(Option<JoinHandle<()>>);

impl Keeping {
    fn begin(entry: PathBuf, module: Verified<Module>) -> Self {
        // Who runs a program does not want to hear that a cache is full or not writable.
        Self(Some(thread::spawn(move || _ = module.write().map(|bytes| keep(&entry, &bytes)))))
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // It has said what it had to say.
        self.0.take().into_iter().for_each(|thread| _ = thread.join());
    }
}

/// As [`translated`], but from the cache if it is there, and with each function verified when it first runs.
pub(crate) fn cached(path: &Path, wasm: &[u8]) -> Result<(Verified<Module>, Option<Keeping>), Failure> {
    let Some(entry) = entry(wasm).filter(|_| wasm.len() >= WORTH_KEEPING) else {
        return Ok((begun(path, wasm)?, None));
    };
    if let Some(module) = kept(&entry) {
        return Ok((module, None));
    }
    let module = begun(path, wasm)?;
    let keeping = Keeping::begin(entry, module.clone());
    Ok((module, Some(keeping)))
}

fn begun(path: &Path, wasm: &[u8]) -> Result<Verified<Module>, Failure> {
    verify_later(translation(path, wasm)?, Mode::User).map_err(|error| Failure::of_file(path, error))
}

/// Where the translation of a module is kept. The command's own file is part of the key: another one may translate otherwise.
fn entry(wasm: &[u8]) -> Option<PathBuf> {
    let own = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let changed = own.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(own.len().to_le_bytes());
    hash.update(changed.as_nanos().to_le_bytes());
    hash.update(wasm);
    let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(directory()?.join(name).with_extension("limo"))
}

/// As the XDG base directory specification says; `None` if there is no home.
fn directory() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")))?;
    Some(caches.join("limen"))
}

fn kept(entry: &Path) -> Option<Verified<Module>> {
    let bytes = entry.is_file().then(|| files::read(entry).ok())??;
    let module = open(bytes, Mode::User).ok()?;
    // What is used stays longer. Where the time cannot be set it stays as it is.
    let _ = fs::File::options().append(true).open(entry).and_then(|file| file.set_modified(SystemTime::now()));
    Some(module)
}

fn keep(entry: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let directory = entry.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(|error| Failure::of_file(directory, error))?;
    files::write(entry, bytes)?;
    let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
    let mut all: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| entry.ok().and_then(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))))
        .collect();
    all.sort();
    for (_, old) in all.iter().take(all.len().saturating_sub(MOST_KEPT)) {
        let _ = fs::remove_file(old);
    }
    Ok(())
}
