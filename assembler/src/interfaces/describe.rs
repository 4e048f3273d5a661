//! The description of interfaces that goes into the module.

use std::collections::HashSet;

use limen_isa::module;

use crate::ast::{Interface, Method, Passing, TypeExpr, TypeKind};
use crate::diagnostic::Errors;
use crate::globals::{Globals, Symbol};
use crate::source::SourceMap;
use crate::structured::Types;

/// Describes the interfaces of which the module has functions, whose names are given. It answers those whose messages it
/// dispatches.
pub(crate) fn describe<'n>(
    globals: &Globals<'_>,
    types: &mut Types<'_, '_>,
    sources: &SourceMap,
    functions: impl Iterator<Item = &'n str>,
    errors: &mut Errors,
) -> Vec<module::Interface> {
    let functions: HashSet<(&str, &str)> = functions.filter_map(|name| name.split_once('.')).collect();
    let owners: HashSet<&str> = functions.iter().map(|(owner, _)| *owner).collect();
    let mut list: Vec<_> = globals.interfaces.iter().filter(|it| owners.contains(&*it.name.text)).collect();
    list.sort_by(|a, b| a.name.text.cmp(&b.name.text));
    let mut described = |interface: &Interface| {
        let mut methods: Vec<_> =
            interface.methods.iter().map(|method| one(method, globals, types, sources, errors)).collect();
        methods.sort_by_key(|method| method.number);
        let serves = functions.contains(&(&*interface.name.text, "dispatch"));
        module::Interface { name: interface.name.text.to_string(), serves, methods }
    };
    list.into_iter().map(|interface| described(interface)).collect()
}

fn one(
    method: &Method,
    globals: &Globals<'_>,
    types: &mut Types<'_, '_>,
    sources: &SourceMap,
    errors: &mut Errors,
) -> module::Method {
    let text = |ty: &TypeExpr| {
        let file = sources.get(ty.span.file).map_or("", |file| file.text());
        file.get(ty.span.start as usize..ty.span.end as usize).unwrap_or_default().to_owned()
    };
    let params = method.params.iter().map(|param| module::Param {
        name: param.name.text.to_string(),
        passing: match param.passing {
            Passing::Move => module::Passing::Moved,
            Passing::Lend => module::Passing::Lend,
            Passing::LendMut => module::Passing::LendMut,
            Passing::Value if text(&param.ty).starts_with("ref") => module::Passing::Reference,
            Passing::Value => module::Passing::Word,
        },
        ty: text(&param.ty),
    });
    let number = match method.number.kind {
        crate::ast::ExprKind::Integer(number) => number as u16,
        _ => 0,
    };
    module::Method {
        number,
        name: method.name.text.to_string(),
        idempotent: method.idempotent,
        params: params.collect(),
        results: method.results.types.iter().map(text).collect(),
        errors: values(method, globals, types, errors),
    }
}

/// The errors of a method's own; those that every call can end with go without saying.
fn values(
    method: &Method,
    globals: &Globals<'_>,
    types: &mut Types<'_, '_>,
    errors: &mut Errors,
) -> Vec<(i32, String)> {
    let Some(TypeKind::Name(name, _)) = method.results.error.as_ref().map(|ty| &ty.kind) else { return Vec::new() };
    let Some((Symbol::Enum(index), _)) = globals.get(&name.text, name.span.file) else { return Vec::new() };
    let variants = &types.variants(index, errors).values;
    let own = variants.iter().filter(|(_, number)| *number > 0);
    own.map(|(name, number)| (*number as i32, name.to_string())).collect()
}
