//! WebAssembly modules as modules of the machine, and a cache of them in the user's cache directory.
//!
//! A large program begins at once: its functions are translated when they are first called, or come out of the cache, if the
//! program has run before. It is translated for the cache beside a program that runs for long; and when a shorter one ends, but only
//! if it is not the first time: who runs a program once has nothing of it, and would wait. The cache is keyed by the command that
//! translates, and by what the WebAssembly module's file is: which file, and when it was last changed. A file that was changed just
//! now could be changed again without anybody seeing it; its bytes are the key then. What comes out of the cache is verified like
//! anything else; what is damaged is made again. It is only ever a help: where there is no room or no directory for it, nothing is
//! kept.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender, TryRecvError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use limen_isa::module::{CustomSection, Module};
use limen_vm::{Mode, Verified, verify, verify_later};
use limen_wasm::{Bodies, Translation, translate};
use sha2::{Digest, Sha256};

use crate::ahead;
use crate::beginning;
use crate::failure::Failure;
use crate::files;
use crate::helper::Helper;
use crate::wasi::{self, WasiImports};

/// What a WebAssembly module begins with.
const MAGIC: &[u8] = b"\0asm";

/// Translating less takes no time to speak of, and what is not valid is better said before the program runs.
const LARGE: usize = 64 << 10;

/// So many translations are kept, and so many notes of programs that have run once; the oldest go first.
const MOST_KEPT: usize = 64;

pub(crate) fn is_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Translates a WebAssembly module, which can import functions of WASI. `path` is for messages.
pub(crate) fn translated(path: &Path, wasm: &[u8]) -> Result<Verified<Module>, Failure> {
    let translation = translate(wasm, &mut WasiImports).map_err(|error| Failure::of_file(path, error))?;
    verify(for_wasi(translation), Mode::User).map_err(|error| Failure::of_file(path, error))
}

/// A program that is to begin at once.
pub(crate) struct Begun {
    pub(crate) module: Verified<Module>,
    /// What functions are translated from when they are first called, if they are.
    pub(crate) bodies: Option<Bodies>,
    /// Makes what is kept for the next time.
    _beside: Option<Beside>,
}

impl From<Verified<Module>> for Begun {
    fn from(module: Verified<Module>) -> Self {
        Self { module, bodies: None, _beside: None }
    }
}

/// A program that has run before.
pub(crate) fn known(entry: &Entry) -> Option<Begun> {
    beginning::begin();
    kept(entry).map(Begun::from)
}

/// Makes ready for a large program that has not run before.
pub(crate) fn make_ready() -> Helper {
    beginning::begin();
    let helper = Helper::start();
    helper.help(Box::new(beginning::give_substance));
    helper
}

/// As [`translated`], but of a large module functions come when they are first called. `file` is what the file was before it was
/// read, if it had a large module in it, and what was made ready then.
pub(crate) fn begun(path: &Path, wasm: Vec<u8>, file: Option<(Entry, Helper)>) -> Result<Begun, Failure> {
    if wasm.len() < LARGE {
        return Ok(translated(path, &wasm)?.into());
    }
    let (file, helper) = file.unzip();
    let helper = helper.unwrap_or_else(make_ready);
    let mut entry = file.filter(|file| Entry::of_file(path).as_ref() == Some(file));
    if entry.is_none() {
        entry = Entry::of_bytes(&wasm);
        if let Some(module) = entry.as_ref().and_then(kept) {
            return Ok(module.into());
        }
    }
    let (wasm, of_file) = (Arc::new(wasm), |error| Failure::of_file(path, error));
    let surveyed = Bodies::survey(Arc::clone(&wasm), &mut WasiImports, &|work| helper.help(work));
    let bodies = surveyed.map_err(of_file)?;
    let beside = Beside::begin(helper, bodies.clone(), entry.map(|entry| (entry, wasm)));
    let translation = bodies.translation().map_err(of_file)?;
    let module = verify_later(for_wasi(translation), Mode::User).map_err(|error| Failure::of_file(path, error))?;
    Ok(Begun { module, bodies: Some(bodies), _beside: Some(beside) })
}

fn for_wasi(translation: Translation) -> Module {
    let mut module = translation.module;
    module.custom.push(CustomSection { id: wasi::SECTION, bytes: Vec::new() });
    module
}

/// What is done beside the program. Dropped, it waits until what is kept is there.
struct Beside {
    /// Gone when the program has ended.
    running: Option<Sender<()>>,
    helper: Option<Helper>,
}

impl Beside {
    /// Has functions translated ahead while the program begins, and what is to be kept when it has begun or has ended.
    fn begin(helper: Helper, bodies: Bodies, kept: Option<(Entry, Arc<Vec<u8>>)>) -> Self {
        let (running, program) = mpsc::channel::<()>();
        let is_kept = kept.is_some();
        helper.help(Box::new(move || {
            let has_ended = || program.try_recv() == Err(TryRecvError::Disconnected);
            ahead::follow(bodies, has_ended);
            kept.into_iter().for_each(|(entry, wasm)| entry.leave(&wasm, has_ended()));
        }));
        Self { running: Some(running), helper: is_kept.then_some(helper) }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.running.take());
        self.helper.take().into_iter().for_each(Helper::finish);
    }
}

/// Where the translation of a module is kept.
#[derive(PartialEq, Eq)]
pub(crate) struct Entry(PathBuf);

impl Entry {
    /// For the large WebAssembly module in a file; `None` if that could be changed without anybody seeing it.
    pub(crate) fn of_file(path: &Path) -> Option<Self> {
        if files::is_dash(path) {
            return None;
        }
        let mut file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let changed = Duration::new(metadata.ctime().try_into().ok()?, metadata.ctime_nsec().try_into().ok()?);
        let age = SystemTime::now().duration_since(UNIX_EPOCH.checked_add(changed)?).ok()?;
        let mut magic = [0; MAGIC.len()];
        let is_module = metadata.len() >= LARGE as u64 && file.read_exact(&mut magic).is_ok() && magic == MAGIC;
        let is_sure = metadata.is_file() && age >= SETTLED;
        let identity = [metadata.dev(), metadata.ino(), metadata.len()].map(u64::to_le_bytes).concat();
        let times = [metadata.ctime(), metadata.ctime_nsec(), metadata.mtime(), metadata.mtime_nsec()];
        let times = times.map(i64::to_le_bytes).concat();
        (is_module && is_sure).then(|| Self::of("file", &[identity, times].concat()))?
    }

    fn of_bytes(wasm: &[u8]) -> Option<Self> {
        Self::of("bytes", wasm)
    }

    /// The command's own file is part of the key: another one may translate otherwise.
    fn of(what: &str, key: &[u8]) -> Option<Self> {
        let own = fs::metadata(std::env::current_exe().ok()?).ok()?;
        let changed = own.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(own.len().to_le_bytes());
        hash.update(changed.as_nanos().to_le_bytes());
        hash.update(what);
        hash.update(key);
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self(directory()?.join(name).with_extension("limo")))
    }

    /// Whether the program has ended before: then there is at least a note of it.
    fn has_run(&self) -> bool {
        self.0.is_file()
    }

    /// Leaves what there is to leave of a program that runs, or has ended. Who runs it does not want to hear that a cache is full
    /// or not writable.
    fn leave(&self, wasm: &[u8], has_ended: bool) {
        let _ = if has_ended && !self.has_run() { self.note() } else { self.keep(wasm) };
    }

    /// Leaves a note that the program has run: a file with nothing in it.
    fn note(&self) -> io::Result<()> {
        self.put(b"")
    }

    /// Translates the module, for the next time. What is not valid is not kept.
    fn keep(&self, wasm: &[u8]) -> io::Result<()> {
        let module = translate(wasm, &mut WasiImports).map(for_wasi);
        let bytes = module.ok().and_then(|module| module.write().ok());
        bytes.map_or(Ok(()), |bytes| self.put(&bytes))
    }

    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let directory = files::directory_of(&self.0);
        fs::create_dir_all(&directory)?;
        files::write_for_now(&self.0, bytes)?;
        forget_oldest(&directory)
    }
}

/// A file that was last changed so long ago has another time if it is changed again.
const SETTLED: Duration = Duration::from_secs(2);

/// As the XDG base directory specification says; `None` if there is no home.
fn directory() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")))?;
    Some(caches.join("limen"))
}

fn kept(Entry(entry): &Entry) -> Option<Verified<Module>> {
    let bytes = entry.is_file().then(|| files::read(entry).ok())??;
    let module = verify_later(Module::read_later(bytes).ok()?, Mode::User).ok()?;
    // What is used stays longer. Where the time cannot be set it stays as it is.
    let _ = File::options().append(true).open(entry).and_then(|file| file.set_modified(SystemTime::now()));
    Some(module)
}

/// Takes away what there is too much of.
fn forget_oldest(directory: &Path) -> io::Result<()> {
    let (mut kept, mut notes) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let sort = if metadata.len() == 0 { &mut notes } else { &mut kept };
        sort.push((metadata.modified()?, entry.path()));
    }
    for mut all in [kept, notes] {
        all.sort();
        for (_, old) in &all[..all.len().saturating_sub(MOST_KEPT)] {
            fs::remove_file(old)?;
        }
    }
    Ok(())
}
