//! Reads the root file and all that it uses.

use std::collections::HashSet;

use crate::ast::{Ast, Item, Text, TypeExpr, TypeKind};
use crate::diagnostic::{Diagnostic, Errors};
use crate::interfaces;
use crate::library;
use crate::parse::parse_file;
use crate::source::{FileId, Loader, SourceFile, SourceMap, join};
use crate::structured::SLOTS_PUT;

/// The files of one run.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) sources: SourceMap,
    /// One per file of `sources`.
    pub(crate) trees: Vec<Ast>,
    /// Syntax errors and files that could not be read.
    pub(crate) errors: Errors,
}

/// Reads and parses `text` and what it uses, each file once.
pub(crate) fn load(name: &str, text: &str, loader: &dyn Loader) -> Loaded {
    let mut reading = Reading { loaded: Loaded::default(), known: HashSet::new(), loader };
    reading.add(name.to_owned(), text.to_owned());
    let mut next = 0;
    while next < reading.loaded.trees.len() {
        reading.follow_uses(FileId(next as u32));
        next += 1;
    }
    reading.loaded
}

struct Reading<'l> {
    loaded: Loaded,
    /// The names of the files that were read or found missing.
    known: HashSet<String>,
    loader: &'l dyn Loader,
}

impl Reading<'_> {
    fn add(&mut self, name: String, text: String) {
        self.known.insert(name.clone());
        let file = SourceFile::new(name, text);
        let id = FileId(self.loaded.trees.len() as u32);
        let (tree, errors) = parse_file(id, &file);
        self.loaded.sources.add(file);
        self.loaded.trees.push(tree);
        errors.into_iter().for_each(|error| self.loaded.errors.add(|| error));
    }

    fn follow_uses(&mut self, id: FileId) {
        let is_use = |item: &Item| if let Item::Use(path) = item { Some(path.clone()) } else { None };
        let uses: Vec<Text> = self.loaded.trees[id.0 as usize].items.iter().filter_map(is_use).collect();
        self.use_library(id);
        for path in uses {
            if let Err(reason) = self.follow(id, &path) {
                let message = format!("cannot use `{}`", String::from_utf8_lossy(&path.bytes));
                self.loaded.errors.add(|| Diagnostic::new(path.span, message).label(reason));
            }
        }
    }

    /// Uses the files of the library that declarations of these sorts are lowered with.
    fn use_library(&mut self, id: FileId) {
        let items = &self.loaded.trees[id.0 as usize].items;
        let interfaces = items.iter().any(|item| matches!(item, Item::Interface(_)));
        let is_slots = |item: &Item| matches!(item, Item::Function(function) if &*function.name.text == SLOTS_PUT);
        let references = items.iter().any(holds_references) && !items.iter().any(is_slots);
        for (wanted, name) in [(interfaces, interfaces::LIBRARY), (references, SLOTS)] {
            if let (true, Some(text)) = (wanted && self.known.insert(name.to_owned()), library::find(name)) {
                self.add(name.to_owned(), text.to_owned());
            }
        }
    }

    fn follow(&mut self, from: FileId, path: &Text) -> Result<(), String> {
        let path = str::from_utf8(&path.bytes).map_err(|_| "the path is not UTF-8")?;
        let from = self.loaded.sources.get(from).map_or("", SourceFile::name);
        let name = join(if library::names(path) { "" } else { from }, path)?;
        if !self.known.insert(name.clone()) {
            return Ok(());
        }
        // What lies beside the root file goes before what is built in, so that the library can be worked on.
        let text = match (self.loader.load(&name), library::find(&name)) {
            (Ok(text), _) => text,
            (Err(_), Some(text)) => text.to_owned(),
            (Err(error), None) => return Err(error.to_string()),
        };
        self.add(name, text);
        Ok(())
    }
}

/// The file of the library that keeps the references of structures.
const SLOTS: &str = "std/slots.lim";

/// Whether something in memory may hold references.
fn holds_references(item: &Item) -> bool {
    match item {
        Item::Struct(item) => item.fields.iter().any(|field| has_reference(&field.ty)),
        Item::Static(item) => has_reference(&item.ty),
        _ => false,
    }
}

fn has_reference(ty: &TypeExpr) -> bool {
    match &ty.kind {
        TypeKind::Ref(_) => true,
        TypeKind::Name(name, arguments) => &*name.text == "ref" || arguments.iter().any(has_reference),
        TypeKind::Array(_, inner) | TypeKind::Slice(inner) | TypeKind::Address(inner) => has_reference(inner),
        TypeKind::Function(..) => false,
    }
}
