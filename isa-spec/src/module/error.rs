//! Why a module cannot be read or written.

use thiserror::Error;

use super::{VERSION, section};

/// Why bytes are not a module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}{}", place(*section, *offset))]
pub struct ReadError {
    /// What is wrong.
    pub problem: ReadProblem,
    /// The section it is wrong in; `None` for header, directory and the file as a whole.
    pub section: Option<u32>,
    /// Where the field that was refused begins, in bytes from the start.
    pub offset: usize,
}

fn place(section: Option<u32>, offset: usize) -> String {
    match section {
        Some(id) => format!(" (in section {} at byte {offset})", section::title(id)),
        None => format!(" (at byte {offset})"),
    }
}

/// What is wrong with bytes that should be a module.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadProblem {
    /// The first four bytes are others.
    #[error("this is not a Limen module: it does not begin with `LIMO`")]
    Magic,
    /// The module was made for a later version of the format.
    #[error("module format version {0} is newer than this program's version {VERSION}")]
    Newer(u16),
    /// The version is not one that ever was.
    #[error("there is no module format version {0}")]
    Version(u16),
    /// The bytes end early.
    #[error("the module is truncated: {wanted} bytes are needed and {left} are left")]
    Truncated {
        /// Bytes needed.
        wanted: u64,
        /// Bytes there.
        left: usize,
    },
    /// There are bytes where nothing belongs.
    #[error("there are {0} bytes too many")]
    TooLong(usize),
    /// A checksum differs.
    #[error("the checksum does not match: the module is damaged")]
    Checksum,
    /// The section number has no meaning.
    #[error("there is no section {0}")]
    UnknownSection(u32),
    /// Sections are not in ascending order, or one occurs twice.
    #[error("section {} occurs twice or stands after a later one", section::title(*.0))]
    SectionOrder(u32),
    /// A section that every module has is not there.
    #[error("the section {} is missing", section::title(*.0))]
    Missing(u32),
    /// A value is outside what it may be.
    #[error("{what} is {value}, more than {limit}")]
    Limit {
        /// What the value is.
        what: &'static str,
        /// The value.
        value: u64,
        /// The greatest that is allowed.
        limit: u64,
    },
    /// An index or code stands for nothing.
    #[error("{value} is no {what}")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: u64,
    },
    /// A name is not UTF-8.
    #[error("a name is not UTF-8")]
    Utf8,
    /// There is another, canonical, way to say the same.
    #[error("the module is not in canonical form: {0}")]
    NotCanonical(&'static str),
    /// Two parts do not fit each other.
    #[error("the module contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// Why a module has no byte string.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// What was written would not be read.
    #[error("the module breaks a rule of its format: {0}")]
    Rule(ReadError),
    /// A part is too large for its field.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// Parameters are written once, in the signature: the first registers of a function must be the same.
    #[error("the first registers of function {0} are not the parameters of its signature")]
    Parameters(u32),
    /// The number of a custom section is one that is not for custom sections.
    #[error("section {0:#x} is no custom section")]
    NotCustom(u32),
}
