//! Programs in the instruction notation, assembled while this package is built.
//!
//! They are tools to use and texts to learn from; each begins by saying which. They run on the bare host.

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What it is called.
    pub name: &'static str,
    /// The byte string of its module.
    pub module: &'static [u8],
    /// What it does, in a line.
    pub summary: &'static str,
}

/// All programs, by name.
pub static PROGRAMS: &[Program] = include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// The program of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}
