//! Interfaces: from one declaration come the client's stubs, the server's dispatch, a description in the module, and a page
//! of documentation.
//!
//! Stubs and dispatch are written in the structured notation, as anyone could write them, and compiled like the rest of the
//! program; what is said about them points at the declaration.

mod describe;
mod document;
mod message;
mod stubs;

use std::collections::{HashMap, HashSet};

use crate::ast::{Ast, Enum, Expr, ExprKind, Interface, Item, Method, Scope, TypeExpr, TypeKind};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::twice;
use crate::parse::parse_generated;
use crate::source::{SourceMap, Span};

pub(crate) use describe::describe;
pub use document::document;
use message::Message;

/// The library file that stubs are written with, and the errors that every call can end with.
pub(crate) const LIBRARY: &str = "std/ipc.lim";
const CALL_ERROR: &str = "CallError";

/// What the tools for interfaces need to know of all files.
struct Names<'a> {
    enums: HashMap<&'a str, &'a Enum>,
    sources: &'a SourceMap,
}

impl<'a> Names<'a> {
    fn of(trees: &'a [Ast], sources: &'a SourceMap) -> Self {
        let items = trees.iter().flat_map(|tree| &tree.items);
        let enums = items.filter_map(|item| if let Item::Enum(it) = item { Some((&*it.name.text, it)) } else { None });
        Self { enums: enums.collect(), sources }
    }

    /// A type as it was written.
    fn text(&self, ty: &TypeExpr) -> &'a str {
        let file = self.sources.get(ty.span.file).map_or("", |file| file.text());
        file.get(ty.span.start as usize..ty.span.end as usize).unwrap_or_default()
    }

    /// Whether an enumeration is [`CALL_ERROR`], or takes over its values.
    fn has_call_errors(&self, name: &str) -> bool {
        let mut open = vec![name];
        let mut seen = HashSet::new();
        while let Some(next) = open.pop() {
            if next == CALL_ERROR {
                return true;
            }
            if let (true, Some(found)) = (seen.insert(next), self.enums.get(next)) {
                open.extend(found.uses().map(|name| &*name.text));
            }
        }
        false
    }
}

/// Adds the functions of all interfaces to the files that declare them.
pub(crate) fn expand(trees: &mut [Ast], sources: &SourceMap, errors: &mut Errors) {
    let names = Names::of(trees, sources);
    let made: Vec<Vec<Item>> = trees.iter().map(|tree| functions(tree, &names, errors)).collect();
    for (tree, items) in trees.iter_mut().zip(made) {
        tree.items.extend(items);
    }
}

fn functions(tree: &Ast, names: &Names<'_>, errors: &mut Errors) -> Vec<Item> {
    let mut items = Vec::new();
    for item in &tree.items {
        let Item::Interface(interface) = item else { continue };
        let Some(methods) = checked(interface, names, errors) else { continue };
        let scope = if interface.scope == Scope::File { "private " } else { "" };
        for (method, message) in interface.methods.iter().zip(&methods) {
            let stub = stubs::client(scope, interface, method, message, names);
            add(&mut items, &[(stub, method.name.span)], errors);
        }
        add(&mut items, &stubs::server(scope, interface, &methods), errors);
    }
    items
}

fn add(items: &mut Vec<Item>, parts: &[(String, Span)], errors: &mut Errors) {
    let (made, problems) = parse_generated(parts);
    items.extend(made);
    problems.into_iter().for_each(|problem| errors.add(|| problem));
}

/// The messages of an interface's methods, or none if a method cannot be.
fn checked<'a>(interface: &'a Interface, names: &Names<'_>, errors: &mut Errors) -> Option<Vec<Message<'a>>> {
    let mut numbers: HashMap<u16, Span> = HashMap::new();
    let mut known: HashMap<&str, Span> = HashMap::new();
    let mut messages = Vec::new();
    for method in &interface.methods {
        if let Some(first) = known.insert(&method.name.text, method.name.span) {
            errors.add(|| twice(&format!("`{}`", method.name.text), method.name.span, first));
        }
        if ["serve", "dispatch"].contains(&&*method.name.text) {
            errors.add(|| {
                Diagnostic::new(method.name.span, format!("`{}` is a function of every interface", method.name.text))
            });
        }
        let Some(number) = number(&method.number, errors) else { continue };
        if let Some(first) = numbers.insert(number, method.number.span) {
            errors.add(|| twice(&format!("the number {number}"), method.number.span, first));
        }
        check_error(method, names, errors);
        messages.extend(Message::of(method, number, names, errors));
    }
    (messages.len() == interface.methods.len() && errors.is_empty()).then_some(messages)
}

/// Methods have these numbers; 0 is that of no method.
const LAST_NUMBER: u64 = 0xfffe;

fn number(expr: &Expr, errors: &mut Errors) -> Option<u16> {
    match expr.kind {
        ExprKind::Integer(number @ 1..=LAST_NUMBER) => Some(number as u16),
        ExprKind::Bad => None,
        _ => {
            errors.add(|| {
                Diagnostic::new(expr.span, format!("a method's number belongs here, from 1 to {LAST_NUMBER}"))
                    .note("it is written out, since it must never change")
            });
            None
        }
    }
}

fn check_error(method: &Method, names: &Names<'_>, errors: &mut Errors) {
    let Some(ty) = &method.results.error else { return };
    let TypeKind::Name(name, _) = &ty.kind else {
        return errors.add(|| Diagnostic::new(ty.span, "an error is a value of an enumeration"));
    };
    if names.enums.contains_key(&*name.text) && !names.has_call_errors(&name.text) {
        errors.add(|| {
            Diagnostic::new(ty.span, format!("`{}` cannot say that the server could not be reached", name.text))
                .help([format!("add the line `use {CALL_ERROR}` to the enumeration")])
        });
    }
}
