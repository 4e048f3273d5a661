//! Why a module cannot be translated.

use thiserror::Error;

use crate::imports::Import;

/// Why a module cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes do not begin as a module does.
    #[error("not a WebAssembly module")]
    NotWasm,
    /// It is a component, which is made of modules.
    #[error("a WebAssembly component, not a module")]
    Component,
    /// It is not valid.
    #[error("not a valid WebAssembly module: {message} (at byte {offset})")]
    Invalid {
        /// What is wrong.
        message: String,
        /// Where.
        offset: u64,
    },
    /// It would be valid with features that are not supported.
    #[error("it needs what is not supported: {}", .0.join(", "))]
    Unsupported(Vec<&'static str>),
    /// It imports what the embedder does not provide.
    #[error("it imports what is not there:{}", list(.0))]
    Missing(Vec<Import>),
    /// It is larger than a module of the machine can be.
    #[error("{what} is too large: {size}, and {limit} is the most")]
    TooLarge {
        /// What.
        what: String,
        /// How large it is.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
}

fn list(imports: &[Import]) -> String {
    imports.iter().map(|import| format!("\n    {import}")).collect()
}

impl From<wasmparser::Error> for Error {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid { message: error.message().to_owned(), offset: error.offset() }
    }
}
