//! Text to module.

use std::path::Path;

use limen_isa::module::Module;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::emit::emit;
use crate::globals::Globals;
use crate::interfaces;
use crate::load::{Loaded, load};
use crate::source::{Directory, Loader, SourceFile, SourceMap, Span};

/// How to assemble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Leave out names and source lines.
    pub strip: bool,
    /// Keep the tests, and export each as `test` and its name.
    pub tests: bool,
    /// Translate the structured notation construct by construct: calls stay calls, and nothing is left out because it is
    /// known already. What the program does is the same.
    pub unoptimised: bool,
}

/// What came out of a source.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The module.
    pub module: Module,
    /// Its byte string.
    pub bytes: Vec<u8>,
    /// The files that it was made of, the root first: what a build must watch for changes.
    pub sources: SourceMap,
}

/// Assembles a source and what it uses.
///
/// `name` is what diagnostics and debug information call the source; used files are named relative to it. The same texts
/// under the same names give the same bytes.
///
/// # Errors
///
/// Everything that is wrong: all syntax errors if there are any, else all other errors.
pub fn assemble(name: &str, source: &str, loader: &dyn Loader, options: Options) -> Result<Assembled, Diagnostics> {
    let Loaded { sources, mut trees, mut errors } = load(name, source, loader);
    if errors.is_empty() {
        interfaces::expand(&mut trees, &sources, &mut errors);
    }
    if !errors.is_empty() {
        return Err(errors.into_diagnostics(sources));
    }
    let globals = Globals::collect(&trees, &mut errors);
    let module = emit(&globals, &sources, options, &mut errors);
    if !errors.is_empty() {
        return Err(errors.into_diagnostics(sources));
    }
    match module.write() {
        Ok(bytes) => Ok(Assembled { module, bytes, sources }),
        Err(error) => {
            errors.add(|| Diagnostic::new(Span::default(), error.to_string()));
            Err(errors.into_diagnostics(sources))
        }
    }
}

/// Assembles a file of the host. Used files are looked for beside the file they are named in, and nothing in the result
/// depends on where the root file's directory lies.
///
/// # Errors
///
/// As [`assemble`]; a root file that cannot be read is an error too.
pub fn assemble_file(path: &Path, options: Options) -> Result<Assembled, Diagnostics> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let directory = Directory(path.parent().map(Path::to_owned).unwrap_or_default());
    match std::fs::read_to_string(path) {
        Ok(source) => assemble(&name, &source, &directory, options),
        Err(error) => Err(unreadable(&path.to_string_lossy(), &error)),
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Diagnostics {
    let diagnostic = Diagnostic::new(Span::default(), format!("cannot read `{path}`: {error}"));
    Diagnostics::of_file(SourceFile::new(path, String::new()), vec![diagnostic])
}
