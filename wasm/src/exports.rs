//! What a translated module exports, and names for backtraces.

pub use limen_isa::module::MEMORY;
use limen_isa::module::{Export, ExportItem, Function, MAX_NAME};
use wasmparser::ExternalKind;

use crate::context::{Context, Signatures};
use crate::entries::{Entries, MAIN};
use crate::layout::Misfit;
use crate::source::Source;
use crate::types::{FunctionType, Type};

/// The function that is called before any other: it traps if the module cannot be instantiated, and calls what the
/// module declares as its start. Not there if there is nothing to do.
pub const INITIALIZE: &str = "initialize";

/// What WebAssembly calls the function that runs a program.
const START: &str = "_start";

/// Something that a module exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// What the WebAssembly module calls it.
    pub name: String,
    /// What it is.
    pub item: ExportedItem,
}

/// What an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportedItem {
    /// A function.
    Function {
        /// What the translated module calls it.
        name: String,
        /// Its type. Its signature can have `ref` parameters more, which are null.
        ty: FunctionType,
    },
    /// A variable.
    Variable {
        /// Of its values.
        ty: Type,
        /// Where in home it lies.
        address: u32,
    },
    /// A constant.
    Constant {
        /// Of its value.
        ty: Type,
        /// The bits of its value.
        value: u64,
    },
    /// The memory.
    Memory,
    /// A table.
    Table,
    /// A tag of exceptions.
    Tag {
        /// Its parameters are the payload.
        ty: FunctionType,
    },
}

/// A name for each function: what the module says, or what it exports it as, or none.
pub(crate) fn function_names(source: &Source) -> Vec<String> {
    let mut names = vec![String::new(); source.functions.len()];
    for (name, service) in names.iter_mut().zip(&source.services) {
        name.clone_from(&service.name);
    }
    let exported = source.exports.iter().filter(|(_, kind, _)| *kind == ExternalKind::Func);
    let exported = exported.map(|(name, _, index)| (*index, name.as_str()));
    // The first that comes stays.
    for (index, name) in source.names.iter().map(|(index, name)| (*index, name.as_str())).chain(exported) {
        if let Some(place) = names.get_mut(index as usize).filter(|place| place.is_empty()) {
            *place = limited(name).to_owned();
        }
    }
    names
}

/// As much of a name as a module of the machine can have.
pub(crate) fn limited(name: &str) -> &str {
    const LONGEST: usize = u16::MAX as usize;
    let end = (0..=name.len().min(LONGEST)).rev().find(|end| name.is_char_boundary(*end));
    &name[..end.unwrap_or(0)]
}

/// The function that runs the program, if the module is one.
pub(crate) fn start(source: &Source) -> Option<u32> {
    let is_start = |name: &str, kind| name == START && kind == ExternalKind::Func;
    let (_, _, start) = source.exports.iter().find(|(name, kind, _)| is_start(name, *kind))?;
    (*source.type_of(*start) == FunctionType::default()).then_some(*start)
}

/// The functions that the module is entered by, which come behind all others, and the exports on both sides.
pub(crate) fn exports(
    context: &Context,
    signatures: &mut Signatures,
    misfit: Option<Misfit>,
    functions: u32,
) -> (Vec<(String, Function)>, Vec<Export>, Vec<Exported>) {
    let source = &context.source;
    let mut entries = Entries::new(context, signatures, functions);
    let mut named = vec![(MEMORY.to_owned(), ExportItem::Constant(i64::from(entries.context.layout.base)))];
    let initialize = (misfit.is_some() || source.start.is_some()).then(|| entries.initialize(misfit));
    named.extend(initialize.map(|index| (INITIALIZE.to_owned(), ExportItem::Function(index))));
    if let Some(start) = start(source) {
        named.push((MAIN.to_owned(), ExportItem::Function(entries.main(initialize, start))));
    }
    let exported = (0..).zip(&source.exports).map(|(number, (name, kind, index))| {
        let item = exported_item(entries.context, number, name, *kind, *index);
        if let ExportedItem::Function { name: translated, .. } = &item {
            named.push((translated.clone(), ExportItem::Function(entries.entry(*index, name))));
        }
        Exported { name: name.clone(), item }
    });
    let exported = exported.collect();
    let mut exports: Vec<Export> = named.into_iter().map(|(name, item)| Export { name, item }).collect();
    exports.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    (entries.finish(), exports, exported)
}

fn exported_item(context: &Context, number: usize, name: &str, kind: ExternalKind, index: u32) -> ExportedItem {
    match kind {
        ExternalKind::Global => {
            let global = &context.source.globals[index as usize];
            let (ty, address) = (global.ty, context.layout.globals[index as usize]);
            if global.mutable {
                ExportedItem::Variable { ty, address }
            } else {
                ExportedItem::Constant { ty, value: global.value }
            }
        }
        ExternalKind::Memory => ExportedItem::Memory,
        ExternalKind::Table => ExportedItem::Table,
        ExternalKind::Tag => ExportedItem::Tag { ty: context.source.payload_of(index).clone() },
        ExternalKind::Func | ExternalKind::FuncExact => {
            let ty = context.source.type_of(index).clone();
            ExportedItem::Function { name: export_name(number, name), ty }
        }
    }
}

/// Names of WebAssembly can be longer, and could be names that are taken.
fn export_name(number: usize, name: &str) -> String {
    let prefixed = format!("wasm.{name}");
    if prefixed.len() <= MAX_NAME { prefixed } else { format!("wasm:{number}") }
}
