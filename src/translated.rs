//! WebAssembly modules as modules of the machine.

use std::path::Path;

use limen_isa::module::{CustomSection, Module};
use limen_vm::{Mode, Verified, verify, verify_later};
use limen_wasm::{Bodies, Translation, translate, translate_later};

use crate::failure::Failure;
use crate::wasi::{self, WasiImports};

/// What a WebAssembly module begins with.
const MAGIC: &[u8] = b"\0asm";

/// Translating less takes no time to speak of, and what is not valid is better said before the program runs.
const LARGE: usize = 64 << 10;

pub(crate) fn is_wasm(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Translates a WebAssembly module, which can import functions of WASI. `path` is for messages.
pub(crate) fn translated(path: &Path, wasm: &[u8]) -> Result<Verified<Module>, Failure> {
    let translation = translate(wasm, &mut WasiImports).map_err(|error| Failure::of_file(path, error))?;
    verify(for_wasi(translation), Mode::User).map_err(|error| Failure::of_file(path, error))
}

/// The same for a program that is to begin at once: of a large one, functions are translated when they are first called. Gives
/// what they are translated from then.
pub(crate) fn begun(path: &Path, wasm: Vec<u8>) -> Result<(Verified<Module>, Option<Bodies>), Failure> {
    if wasm.len() < LARGE {
        return Ok((translated(path, &wasm)?, None));
    }
    let translated = translate_later(wasm, &mut WasiImports);
    let (translation, bodies) = translated.map_err(|error| Failure::of_file(path, error))?;
    let module = verify_later(for_wasi(translation), Mode::User).map_err(|error| Failure::of_file(path, error))?;
    Ok((module, Some(bodies)))
}

fn for_wasi(translation: Translation) -> Module {
    let mut module = translation.module;
    module.custom.push(CustomSection { id: wasi::SECTION, bytes: Vec::new() });
    module
}
