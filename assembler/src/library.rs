//! The standard library: its sources are part of the assembler.

/// Names and texts.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// What a path of the library begins with.
const PREFIX: &str = "std/";

/// Whether a path names a file of the library, wherever it is used.
pub(crate) fn names(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// The text of a file of the library.
pub(crate) fn find(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}
