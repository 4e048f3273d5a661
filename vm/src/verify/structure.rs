//! What reading a module guarantees, asked again: a module may come from elsewhere.

use limen_isa::ValueType;
use limen_isa::module::{
    Body, ExportItem, Home, MAX_FUNCTION_WORDS, MAX_PAGES, MAX_REGISTERS, MAX_SLOTS, Module, PAGE_SIZE,
};

/// Checks the parts that are not bodies of functions. Gives what is wrong.
pub(super) fn check(module: &Module) -> Result<(), &'static str> {
    let exists = |function: u32| (function as usize) < module.functions.len();
    let rules = [
        (module.functions.iter().all(|function| params(module, function.signature).is_some()), PARAMETERS),
        (
            module.tables.iter().flatten().flatten().all(|function| exists(*function)),
            "a table names a function that is not there",
        ),
        (exported(module).all(exists), "an export names a function that is not there"),
        (module.exports.is_sorted_by(|one, next| one.name < next.name), "exports are sorted by name"),
        (is_sound(&module.home), "the data do not lie in home in ascending order"),
    ];
    first_broken(rules)
}

/// Checks the bodies of all functions.
pub(super) fn check_bodies(module: &Module) -> Result<(), &'static str> {
    let mut words = 0;
    for function in &module.functions {
        check_body(module, function.signature, function)?;
        words += function.code.len() as u64;
    }
    if words < u64::from(u32::MAX) { Ok(()) } else { Err("the code is too long") }
}

/// Checks a body for a function with this signature, which is there.
pub(super) fn check_body(module: &Module, signature: u32, body: &Body) -> Result<(), &'static str> {
    let begins_well = params(module, signature).is_some_and(|params| body.registers.starts_with(params));
    first_broken([
        (begins_well && body.registers.len() <= MAX_REGISTERS, PARAMETERS),
        (body.code.len() <= MAX_FUNCTION_WORDS, "a function is too long"),
    ])
}

const PARAMETERS: &str = "a function's first registers are its parameters";

fn params(module: &Module, signature: u32) -> Option<&[ValueType]> {
    module.types.get(signature as usize).map(|signature| &signature.params[..])
}

fn first_broken<const N: usize>(rules: [(bool, &'static str); N]) -> Result<(), &'static str> {
    rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
}

fn exported(module: &Module) -> impl Iterator<Item = u32> {
    module.exports.iter().filter_map(|export| match export.item {
        ExportItem::Function(function) => Some(function),
        ExportItem::Constant(_) => None,
    })
}

fn is_sound(home: &Home) -> bool {
    let end = |segment: &limen_isa::module::DataSegment| u64::from(segment.address) + segment.bytes.len() as u64;
    let limit = u64::from(home.min_pages) * u64::from(PAGE_SIZE);
    home.min_pages <= home.max_pages
        && home.max_pages <= MAX_PAGES
        && home.slots <= MAX_SLOTS
        && home.data.iter().all(|segment| end(segment) <= limit)
}
