//! What a module consists of.

use std::ops::{Deref, DerefMut};

use super::Later;
use crate::ValueType;

/// A module as its author's tools see it. Indices are in range once it was read; what the code does is the verifier's
/// business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Signatures; no two are equal.
    pub types: Vec<Signature>,
    /// Functions.
    pub functions: Vec<Function>,
    /// The memory and slots that a domain of this module begins with.
    pub home: Home,
    /// Function tables; `None` is a null entry.
    pub tables: Vec<Vec<Option<u32>>>,
    /// Sorted by name.
    pub exports: Vec<Export>,
    /// Names and source lines.
    pub debug: Option<Debug>,
    /// Descriptions of interfaces, opaque here: see [`Module::described`].
    pub interfaces: Option<Vec<u8>>,
    /// Sections of other tools, in ascending order of their numbers.
    pub custom: Vec<CustomSection>,
}

/// What a function takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Types of the parameters: the function's first registers.
    pub params: Vec<ValueType>,
    /// Types of the results.
    pub results: Vec<ValueType>,
}

impl Signature {
    /// The numbers of results and of parameters.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        (self.results.len(), self.params.len())
    }
}

/// A function: all that others need to know of it, and its body, as which it can be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Index of its signature.
    pub signature: u32,
    /// The rest, which may come later.
    pub body: Later<Body>,
}

/// What a function does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Types of all registers, parameters first.
    pub registers: Vec<ValueType>,
    /// Instruction words.
    pub code: Vec<u64>,
}

impl Function {
    /// A function whose body is there.
    #[must_use]
    pub fn new(signature: u32, registers: Vec<ValueType>, code: Vec<u64>) -> Self {
        Self { signature, body: Body { registers, code }.into() }
    }
}

impl Deref for Function {
    type Target = Body;

    fn deref(&self) -> &Body {
        &self.body
    }
}

impl DerefMut for Function {
    fn deref_mut(&mut self) -> &mut Body {
        &mut self.body
    }
}

/// The memory and slots that a domain begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Pages of 4096 bytes at the start.
    pub min_pages: u32,
    /// Pages it may grow to.
    pub max_pages: u32,
    /// Null slots at the start.
    pub slots: u32,
    /// Initial contents, ascending, not overlapping, within `min_pages`.
    pub data: Vec<DataSegment>,
}

/// Bytes that home begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSegment {
    /// Of the first byte.
    pub address: u32,
    /// At least one.
    pub bytes: Vec<u8>,
}

/// Something a module gives a name to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// 1 to 255 bytes.
    pub name: String,
    /// What the name stands for.
    pub item: ExportItem,
}

/// What an exported name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportItem {
    /// The function with this index.
    Function(u32),
    /// A number: a constant, or the address of data.
    Constant(i64),
}

/// Names and source lines. Nothing that runs depends on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debug {
    /// Names of source files.
    pub files: Later<Vec<String>>,
    /// Empty, or one name per function; an empty name is no name.
    pub function_names: Vec<String>,
    /// Calls that were inlined.
    pub sites: Vec<InlineSite>,
    /// For each function its rows, ascending by pc; each holds up to the next.
    pub lines: Vec<Later<Vec<LineRow>>>,
}

/// A call that was replaced by its callee's instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineSite {
    /// Name of the function that was called.
    pub function: String,
    /// Index of the caller's file.
    pub file: u32,
    /// Line of the call.
    pub line: u32,
    /// The site that the call itself lies in; lower than its own index.
    pub parent: Option<u32>,
}

/// Where instructions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// The first word that this row is about.
    pub pc: u32,
    /// Index of the file; `None`: from here on nothing is known.
    pub file: Option<u32>,
    /// 0 where nothing is known.
    pub line: u32,
    /// The inline site the instructions lie in.
    pub site: Option<u32>,
}

/// A section of another tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomSection {
    /// From [`super::FIRST_CUSTOM_SECTION`] up.
    pub id: u32,
    /// Opaque.
    pub bytes: Vec<u8>,
}

impl Module {
    /// The name that the debug section gives a function.
    #[must_use]
    pub fn function_name(&self, function: u32) -> Option<&str> {
        let name = self.debug.as_ref()?.function_names.get(function as usize)?;
        (!name.is_empty()).then_some(name.as_str())
    }

    /// What is exported under a name.
    #[must_use]
    pub fn export(&self, name: &str) -> Option<ExportItem> {
        let found = self.exports.binary_search_by(|export| export.name.as_bytes().cmp(name.as_bytes()));
        found.ok().map(|index| self.exports[index].item)
    }

    /// The function that is exported under a name.
    #[must_use]
    pub fn exported_function(&self, name: &str) -> Option<u32> {
        match self.export(name)? {
            ExportItem::Function(function) => Some(function),
            ExportItem::Constant(_) => None,
        }
    }

    /// The signature of a function.
    #[must_use]
    pub fn signature_of(&self, function: u32) -> Option<&Signature> {
        self.types.get(self.functions.get(function as usize)?.signature as usize)
    }
}
