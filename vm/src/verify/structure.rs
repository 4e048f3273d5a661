//! What reading a module guarantees, asked again: a module may come from elsewhere.

use limen_isa::module::{ExportItem, Home, MAX_FUNCTION_WORDS, MAX_PAGES, MAX_REGISTERS, MAX_SLOTS, Module, PAGE_SIZE};

/// Checks the parts that are not code. Gives what is wrong.
pub(super) fn check(module: &Module) -> Result<(), &'static str> {
    let exists = |function: u32| (function as usize) < module.functions.len();
    let registers_fit = |index: u32| {
        let function = &module.functions[index as usize];
        let params = module.types.get(function.signature as usize).map(|signature| &signature.params);
        params.is_some_and(|params| function.registers.starts_with(params)) && function.registers.len() <= MAX_REGISTERS
    };
    let rules = [
        ((0..module.functions.len() as u32).all(registers_fit), "a function's first registers are its parameters"),
        (module.functions.iter().all(|function| function.code.len() <= MAX_FUNCTION_WORDS), "a function is too long"),
        (total_words(module) <= u64::from(u32::MAX), "the code is too long"),
        (
            module.tables.iter().flatten().flatten().all(|function| exists(*function)),
            "a table names a function that is not there",
        ),
        (exported(module).all(exists), "an export names a function that is not there"),
        (module.exports.is_sorted_by(|one, next| one.name < next.name), "exports are sorted by name"),
        (is_sound(&module.home), "the data do not lie in home in ascending order"),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule))
}

fn total_words(module: &Module) -> u64 {
    module.functions.iter().map(|function| function.code.len() as u64).sum()
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
