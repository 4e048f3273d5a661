//! What a program declares, by kind and by name. The names of all files share one namespace.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::ast::{
    Ast, Clause, Const, Data, DataItem, Enum, Export, Expr, FileAnnotation, Function, Home, Interface, Item, Name,
    Reserve, Scope, Site, Slots, Static, Struct, Table, Test, Text, TypeDefinition,
};
use crate::diagnostic::{Diagnostic, Errors};
use crate::source::{FileId, Span};
use crate::suggest;

/// What a name stands for; the number is an index into the list of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    Const(usize),
    Area(usize),
    Table(usize),
    Type(usize),
    Function(usize),
    Static(usize),
    Struct(usize),
    Enum(usize),
    Interface(usize),
}

impl Symbol {
    /// With its article, for messages.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Const(_) => "a constant",
            Self::Area(_) => "data",
            Self::Table(_) => "a table",
            Self::Type(_) => "a type",
            Self::Function(_) => "a function",
            Self::Static(_) => "a static",
            Self::Struct(_) => "a structure",
            Self::Enum(_) => "an enumeration",
            Self::Interface(_) => "an interface",
        }
    }
}

/// A named range of home: `data` or `reserve`.
#[derive(Clone, Copy)]
pub(crate) enum Area<'a> {
    Data(&'a Data),
    Reserve(&'a Reserve),
}

impl<'a> Area<'a> {
    pub(crate) fn name(self) -> &'a Name {
        match self {
            Self::Data(data) => &data.name,
            Self::Reserve(reserve) => &reserve.name,
        }
    }

    pub(crate) fn clauses(self) -> &'a [Clause] {
        match self {
            Self::Data(data) => &data.clauses,
            Self::Reserve(reserve) => &reserve.clauses,
        }
    }

    pub(crate) fn scope(self) -> Scope {
        match self {
            Self::Data(data) => data.scope,
            Self::Reserve(reserve) => reserve.scope,
        }
    }
}

/// A function and the name that a `@name` before it gives.
#[derive(Clone, Copy)]
pub(crate) struct NamedFunction<'a> {
    pub(crate) function: &'a Function,
    pub(crate) debug_name: Option<&'a Text>,
}

/// `@section`.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    pub(crate) id: &'a Expr,
    pub(crate) contents: &'a [DataItem],
}

/// All declarations, each kind in the order in which the files have them.
#[derive(Default)]
pub(crate) struct Globals<'a> {
    names: HashMap<&'a str, (Symbol, Span)>,
    /// Those that only one file knows.
    private: HashMap<(FileId, &'a str), (Symbol, Span)>,
    pub(crate) consts: Vec<&'a Const>,
    pub(crate) areas: Vec<Area<'a>>,
    pub(crate) tables: Vec<&'a Table>,
    pub(crate) types: Vec<&'a TypeDefinition>,
    pub(crate) functions: Vec<NamedFunction<'a>>,
    pub(crate) statics: Vec<&'a Static>,
    pub(crate) structs: Vec<&'a Struct>,
    pub(crate) enums: Vec<&'a Enum>,
    pub(crate) interfaces: Vec<&'a Interface>,
    pub(crate) tests: Vec<&'a Test>,
    pub(crate) exports: Vec<&'a Export>,
    pub(crate) home: Option<&'a Home>,
    pub(crate) slots: Option<&'a Slots>,
    pub(crate) files: Vec<&'a Text>,
    pub(crate) sites: Vec<&'a Site>,
    pub(crate) sections: Vec<Section<'a>>,
    pub(crate) no_debug: bool,
    pub(crate) no_names: bool,
}

/// Names that mean something without being declared.
pub(crate) const PREDEFINED: [&str; 3] = ["inf", "nan", "null"];

impl<'a> Globals<'a> {
    /// Collects the declarations of all files.
    pub(crate) fn collect(trees: &'a [Ast], errors: &mut Errors) -> Self {
        let mut globals = Self::default();
        for tree in trees {
            let mut debug_name = None;
            for item in &tree.items {
                globals.item(item, &mut debug_name, errors);
            }
            if let Some(name) = debug_name {
                errors.add(|| unused_debug_name(name));
            }
        }
        globals
    }

    fn item(&mut self, item: &'a Item, debug_name: &mut Option<&'a Text>, errors: &mut Errors) {
        if let (Some(name), false) = (*debug_name, matches!(item, Item::Function(_))) {
            errors.add(|| unused_debug_name(name));
            *debug_name = None;
        }
        match item {
            Item::Use(_) => {}
            Item::Const(item) => {
                self.declare(&item.name, item.scope, Symbol::Const(self.consts.len()), errors);
                self.consts.push(item);
            }
            Item::Data(item) => self.area(Area::Data(item), errors),
            Item::Reserve(item) => self.area(Area::Reserve(item), errors),
            Item::Table(item) => {
                self.declare(&item.name, Scope::Program, Symbol::Table(self.tables.len()), errors);
                self.tables.push(item);
            }
            Item::Type(item) => {
                self.declare(&item.name, Scope::Program, Symbol::Type(self.types.len()), errors);
                self.types.push(item);
            }
            Item::Function(function) => {
                self.declare(&function.name, function.scope, Symbol::Function(self.functions.len()), errors);
                self.functions.push(NamedFunction { function, debug_name: debug_name.take() });
            }
            Item::Struct(item) => {
                self.declare(&item.name, item.scope, Symbol::Struct(self.structs.len()), errors);
                self.structs.push(item);
            }
            Item::Enum(item) => {
                self.declare(&item.name, item.scope, Symbol::Enum(self.enums.len()), errors);
                self.enums.push(item);
            }
            Item::Interface(item) => {
                self.declare(&item.name, item.scope, Symbol::Interface(self.interfaces.len()), errors);
                self.interfaces.push(item);
            }
            Item::Static(item) => {
                self.declare(&item.name, item.scope, Symbol::Static(self.statics.len()), errors);
                self.statics.push(item);
            }
            // Those of files that are used are tested with these.
            Item::Test(item) if item.name.span.file == FileId(0) => self.tests.push(item),
            Item::Test(_) => {}
            Item::Home(item) => once(&mut self.home, item, item.span, |home| home.span, errors),
            Item::Slots(item) => once(&mut self.slots, item, item.span, |slots| slots.span, errors),
            Item::Export(item) => self.exports.push(item),
            Item::Annotation(annotation) => self.annotation(annotation, debug_name),
        }
    }

    fn area(&mut self, area: Area<'a>, errors: &mut Errors) {
        self.declare(area.name(), area.scope(), Symbol::Area(self.areas.len()), errors);
        self.areas.push(area);
    }

    fn annotation(&mut self, annotation: &'a FileAnnotation, debug_name: &mut Option<&'a Text>) {
        match annotation {
            FileAnnotation::File(name) => self.files.push(name),
            FileAnnotation::Site(site) => self.sites.push(site),
            FileAnnotation::NoDebug => self.no_debug = true,
            FileAnnotation::NoNames => self.no_names = true,
            FileAnnotation::Section { id, contents } => self.sections.push(Section { id, contents }),
            FileAnnotation::Name(name) => *debug_name = Some(name),
        }
    }

    fn declare(&mut self, name: &'a Name, scope: Scope, symbol: Symbol, errors: &mut Errors) {
        if PREDEFINED.contains(&&*name.text) {
            errors.add(|| Diagnostic::new(name.span, format!("`{}` has a meaning of its own", name.text)));
            return;
        }
        let first = match scope {
            Scope::File => enter(self.private.entry((name.span.file, &*name.text)), (symbol, name.span)),
            Scope::Program | Scope::Exported => enter(self.names.entry(&name.text), (symbol, name.span)),
        };
        if let Some(first) = first {
            errors.add(|| twice(&format!("`{}`", name.text), name.span, first));
        }
    }

    /// What a name stands for in a file, and where it was declared.
    pub(crate) fn get(&self, name: &str, file: FileId) -> Option<(Symbol, Span)> {
        self.private.get(&(file, name)).or_else(|| self.names.get(name)).copied()
    }

    /// Whether anything is in the structured notation.
    pub(crate) fn uses_structures(&self) -> bool {
        !self.statics.is_empty()
            || !self.tests.is_empty()
            || self.functions.iter().any(|named| !named.function.is_plain())
    }

    /// Advice for a name that is not declared as one of the wanted kinds.
    pub(crate) fn similar(&self, name: &str, wanted: impl Fn(Symbol) -> bool) -> Option<String> {
        let candidates = self.names.iter().filter(|(_, (symbol, _))| wanted(*symbol));
        suggest::similar(name, candidates.map(|(name, _)| *name))
    }
}

/// Puts a declaration in its place, or says where the one is that stands there.
fn enter<K>(entry: Entry<'_, K, (Symbol, Span)>, declared: (Symbol, Span)) -> Option<Span> {
    match entry {
        Entry::Vacant(entry) => {
            entry.insert(declared);
            None
        }
        Entry::Occupied(entry) => Some(entry.get().1),
    }
}

fn once<'a, T>(slot: &mut Option<&'a T>, item: &'a T, span: Span, span_of: fn(&T) -> Span, errors: &mut Errors) {
    match slot {
        Some(first) => errors.add(|| twice("this", span, span_of(first))),
        None => *slot = Some(item),
    }
}

/// The error for a second declaration.
pub(crate) fn twice(what: &str, second: Span, first: Span) -> Diagnostic {
    Diagnostic::new(second, format!("{what} is declared twice"))
        .label("declared again")
        .also(first, "first declared here")
}

fn unused_debug_name(name: &Text) -> Diagnostic {
    Diagnostic::new(name.span, "`@name` must stand right before a function")
}
