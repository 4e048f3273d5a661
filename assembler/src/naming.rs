//! Identifiers for what a module numbers: its own names where they are identifiers and unique, else made ones.

use std::collections::{HashMap, HashSet};

use limen_isa::module::{ExportItem, Module};
use logos::Logos;

use crate::globals::PREDEFINED;
use crate::lexer::Token;

/// The identifiers of a disassembly.
pub(crate) struct Names {
    functions: Vec<String>,
    pub(crate) tables: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) data: Vec<String>,
    /// One per export: the identifier of an exported constant that can be declared under its name.
    pub(crate) constants: Vec<Option<String>>,
    /// The export names of each function, as indices into the module's exports.
    exports: HashMap<u32, Vec<usize>>,
}

/// How a function is exported.
pub(crate) struct FunctionExports<'m> {
    pub(crate) under_its_name: bool,
    pub(crate) others: Vec<&'m str>,
}

impl Names {
    pub(crate) fn of(module: &Module) -> Self {
        let mut exports: HashMap<u32, Vec<usize>> = HashMap::new();
        for (index, export) in module.exports.iter().enumerate() {
            if let ExportItem::Function(function) = export.item {
                exports.entry(function).or_default().push(index);
            }
        }
        let mut unique = Unique::default();
        let mut functions = own_names(module, &exports, &mut unique);
        let constants = constants(module, &mut unique);
        for (index, name) in functions.iter_mut().enumerate().filter(|(_, name)| name.is_empty()) {
            *name = unique.make("f", index);
        }
        let mut numbered = |prefix, count| (0..count).map(|index| unique.make(prefix, index)).collect();
        Self {
            functions,
            constants,
            exports,
            tables: numbered("table", module.tables.len()),
            types: numbered("type", module.types.len()),
            data: numbered("data", module.home.data.len()),
        }
    }

    /// The identifier of a function; `null` if there is no such function.
    pub(crate) fn function(&self, index: u32) -> &str {
        self.functions.get(index as usize).map_or("null", String::as_str)
    }

    pub(crate) fn exports_of<'m>(&self, module: &'m Module, function: u32) -> FunctionExports<'m> {
        let indices = self.exports.get(&function).map_or(&[][..], Vec::as_slice);
        let names = indices.iter().map(|index| module.exports[*index].name.as_str());
        let (same, others): (Vec<_>, Vec<_>) = names.partition(|name| *name == self.function(function));
        FunctionExports { under_its_name: !same.is_empty(), others }
    }
}

/// For each function its name or one that it is exported under; empty if no such name can be its identifier.
fn own_names(module: &Module, exports: &HashMap<u32, Vec<usize>>, unique: &mut Unique) -> Vec<String> {
    let own = |index| module.function_name(index).into_iter();
    let exported =
        |index| exports.get(&index).into_iter().flatten().map(|export| module.exports[*export].name.as_str());
    let functions = 0..module.functions.len() as u32;
    functions
        .map(|index| own(index).chain(exported(index)).find_map(|name| unique.take(name)).unwrap_or_default())
        .collect()
}

fn constants(module: &Module, unique: &mut Unique) -> Vec<Option<String>> {
    let mut name = |export: &limen_isa::module::Export| match export.item {
        ExportItem::Constant(_) => unique.take(&export.name),
        ExportItem::Function(_) => None,
    };
    module.exports.iter().map(&mut name).collect()
}

/// Gives each identifier once.
#[derive(Default)]
struct Unique(HashSet<String>);

impl Unique {
    /// `name` itself, if it is an identifier that is still free.
    fn take(&mut self, name: &str) -> Option<String> {
        let free = is_identifier(name) && !PREDEFINED.contains(&name) && self.0.insert(name.to_owned());
        free.then(|| name.to_owned())
    }

    /// An identifier made of a prefix and a number.
    fn make(&mut self, prefix: &str, number: usize) -> String {
        let mut name = format!("{prefix}{number}");
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// Whether the grammar takes the text as a name.
fn is_identifier(text: &str) -> bool {
    let mut lexer = Token::lexer(text);
    let is_name = matches!(lexer.next(), Some(Ok(token)) if token.is_name());
    is_name && lexer.slice().len() == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_what_the_grammar_takes() {
        assert!(["x", "_1", "data", "home"].into_iter().all(is_identifier));
        assert!(!["", "1x", "a b", " a", "a ", "a.b", "fn", "reg", "é", "a\n"].into_iter().any(is_identifier));
    }

    #[test]
    fn made_names_avoid_taken_ones() {
        let mut unique = Unique::default();
        assert_eq!(unique.take("f0"), Some("f0".into()));
        assert_eq!(unique.take("f0"), None);
        assert_eq!(unique.take("null"), None);
        assert_eq!(unique.make("f", 0), "f0_");
    }
}
