//! What a module wants of its embedder.

use std::fmt;

use crate::types::{FunctionType, Limits, Type};

/// Something that a module imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The module it is to come from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// What it is.
    pub kind: ImportKind,
}

/// What an import is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportKind {
    /// A function.
    Function(FunctionType),
    /// A global variable or constant.
    Global {
        /// The type of its values.
        ty: Type,
        /// Whether it can change.
        mutable: bool,
    },
    /// A memory.
    Memory(Limits),
    /// A table.
    Table {
        /// The type of its elements.
        ty: Type,
        /// How many.
        limits: Limits,
    },
    /// A tag of exceptions, whose payload is the parameters of this type.
    Tag(FunctionType),
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}: ", self.module, self.name)?;
        match &self.kind {
            ImportKind::Function(ty) => write!(f, "function {ty}"),
            ImportKind::Global { ty, mutable: false } => write!(f, "constant {ty}"),
            ImportKind::Global { ty, mutable: true } => write!(f, "variable {ty}"),
            ImportKind::Memory(limits) => write!(f, "memory of {limits} pages"),
            ImportKind::Table { ty, limits } => write!(f, "table of {limits} {ty}"),
            ImportKind::Tag(ty) => write!(f, "tag {ty}"),
        }
    }
}

/// What an import is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provided {
    /// The `svc` of this number, which is less than 4096.
    Function(u32),
    /// A constant with these bits.
    Global(u64),
    /// A memory of these limits that is the module's own.
    Memory(Limits),
    /// A table of these limits that is the module's own.
    Table(Limits),
    /// A tag that is the module's own.
    Tag,
}

/// An embedder.
pub trait Imports {
    /// What it provides for an import, if anything. What is of another kind counts as nothing. A module that needs another
    /// layout than most is read again, and then the embedder is asked again for each import; its last answers hold.
    fn find(&mut self, import: &Import) -> Option<Provided>;
}

/// An embedder that provides nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoImports;

impl Imports for NoImports {
    fn find(&mut self, _: &Import) -> Option<Provided> {
        None
    }
}
