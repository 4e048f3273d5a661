//! The programs of this folder, assembled when this crate is built.

/// A program that is part of the `limen` command.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its file without the ending.
    pub name: &'static str,
    /// The first line of its source.
    pub summary: &'static str,
    /// The module's bytes.
    pub module: &'static [u8],
}

/// Every program, by name.
pub static PROGRAMS: &[Program] = &[];

/// The program of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}
