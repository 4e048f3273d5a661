//! The module: everything that the other parts found out, put together.

use std::collections::HashMap;

use indexmap::IndexSet;
use limen_isa::module::{
    CustomSection, DataSegment, Debug, Export, ExportItem, FIRST_CUSTOM_SECTION, Function, Home, MAX_NAME, MAX_PAGES,
    Module, PAGE_SIZE, Signature,
};

use crate::assemble::Options;
use crate::ast::{Expr, ExprKind, Name, Table};
use crate::body;
use crate::clauses;
use crate::debug::{Files, LineContext, sites, utf8};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::{Area, Globals, Section, Symbol, twice};
use crate::interfaces::describe;
use crate::layout;
use crate::program::Program;
use crate::source::{SourceMap, Span};
use crate::structured::{Compiler, Entry, Site, encode, same_functions, used_sites};

/// Makes the module of a program. What is wrong is reported; the module is then of no use.
pub(crate) fn emit(globals: &Globals<'_>, sources: &SourceMap, options: Options, errors: &mut Errors) -> Module {
    let program = Program::new(globals, errors);
    let program = &program;
    let mut compiler = Compiler::new(program, !options.unoptimised, errors);
    compiler.place_statics(program.constants.layout().map_or(0, layout::Layout::end));
    compiler.compile(options.tests);
    let used = compiler.needed(options.tests);
    compiler.finish();
    let data = compiler.segments();
    let end = compiler.pool_start + compiler.pool.len() as u64;
    let mut kept = compiler.needed(options.tests);
    let has_debug = !options.strip && !globals.no_debug;
    let same = if options.unoptimised { HashMap::new() } else { same_functions(&compiler.entries, &kept, has_debug) };
    kept.retain(|number| !same.contains_key(number));
    let mut order = vec![u32::MAX; compiler.entries.len()];
    (0..).zip(&kept).for_each(|(place, number)| order[*number as usize] = place);
    same.iter().for_each(|(number, first)| order[*number as usize] = order[*first as usize]);
    let names = used.iter().map(|number| &*compiler.entries[*number as usize].function.name.text);
    let described = describe(globals, &mut compiler.types, sources, names, compiler.errors);
    let mut entries = std::mem::take(&mut compiler.entries);
    let sites = used_sites(&mut entries, &kept, &compiler.sites);
    let made = Made {
        entries,
        kept,
        order,
        data,
        end,
        signatures: std::mem::take(&mut compiler.signatures),
        table: compiler.table.iter().copied().collect(),
        messages: compiler.messages.iter().cloned().collect(),
        managed_slots: compiler.managed_slots,
        sites,
        tests: if options.tests { compiler.tests.clone() } else { Vec::new() },
    };
    drop(compiler);
    let mut module = Module {
        home: home(program, &made, errors),
        tables: globals.tables.iter().map(|declared| table(declared, globals, &made.order, errors)).collect(),
        exports: Exports::collect(program, &made, errors),
        ..Module::default()
    };
    if !made.table.is_empty() {
        let place = |number: &u32| made.order.get(*number as usize).copied().filter(|place| *place != u32::MAX);
        module.tables.push(std::iter::once(None).chain(made.table.iter().map(place)).collect());
    }
    check_tables(globals, errors);
    let debug = functions(&mut module, program, made, sources, errors);
    module.debug = has_debug.then_some(debug);
    if let Err(error) = module.describe(&described) {
        errors.add(|| Diagnostic::new(Span::default(), error.to_string()));
    }
    sections(&mut module, program, errors);
    module
}

/// What the compiler made of the program.
struct Made<'a> {
    entries: Vec<Entry<'a>>,
    /// The functions that stay, in order.
    kept: Vec<u32>,
    /// Where each function comes to stand.
    order: Vec<u32>,
    data: Vec<DataSegment>,
    /// The end of all data.
    end: u64,
    signatures: IndexSet<Signature>,
    /// The functions that are values.
    table: Vec<u32>,
    messages: Vec<String>,
    tests: Vec<u32>,
    /// Whether there is a slot behind those that are declared, for references in memory.
    managed_slots: bool,
    /// The calls that became the bodies of their functions.
    sites: Vec<Site>,
}

/// The number of the section that says what the codes of traps mean.
const MESSAGES: u32 = 0x8000_0001;

/// A count, and each text behind its length.
fn messages(texts: &[String]) -> Vec<u8> {
    let mut bytes = (texts.len() as u32).to_le_bytes().to_vec();
    for text in texts {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn functions(
    module: &mut Module,
    program: &Program<'_>,
    mut made: Made<'_>,
    sources: &SourceMap,
    errors: &mut Errors,
) -> Debug {
    let globals = program.globals;
    let mut files = Files::registered(globals, errors);
    let mut sites = sites(&globals.sites, &mut files, &program.constants, errors);
    let mut context = LineContext { files: &mut files, sources, constants: &program.constants, sites: sites.len() };
    let mut lines = Vec::with_capacity(made.kept.len());
    let heap_start = made.end.next_multiple_of(16) as u32;
    for number in &made.kept {
        let entry = &made.entries[*number as usize];
        let body = match &entry.code {
            Some(code) => encode(code, &made.order, heap_start, &mut context, errors),
            None => body::encode(program, *number as usize, &made.order, &mut context, errors),
        };
        let signature = made.signatures.insert_full(entry.shape.signature.clone()).0 as u32;
        module.functions.push(Function::new(signature, body.registers, body.code));
        lines.push(body.lines.into());
    }
    sites.extend(context.inlined(&made.sites));
    module.types = made.signatures.iter().cloned().collect();
    if !made.messages.is_empty() {
        module.custom.push(CustomSection { id: MESSAGES, bytes: messages(&made.messages) });
    }
    let function_names = if globals.no_names { Vec::new() } else { function_names(globals, &made, errors) };
    Debug { files: files.into_list().into(), function_names, sites, lines }
}

fn function_names(globals: &Globals<'_>, made: &Made<'_>, errors: &mut Errors) -> Vec<String> {
    let name = |number: &u32| match globals.functions.get(*number as usize).and_then(|named| named.debug_name) {
        Some(name) => utf8(name, errors),
        None => made.entries[*number as usize].name.clone(),
    };
    made.kept.iter().map(name).collect()
}

// ---- Home -----------------------------------------------------------------------------------------------------------

fn home(program: &Program<'_>, made: &Made<'_>, errors: &mut Errors) -> Home {
    let end = made.end;
    let needed = end.div_ceil(u64::from(PAGE_SIZE)) as u32;
    let (min_pages, max_pages) = pages(program, needed, errors);
    let slots = program.slots + u32::from(made.managed_slots);
    Home { min_pages, max_pages, slots, data: segments(program, made, errors) }
}

fn pages(program: &Program<'_>, needed: u32, errors: &mut Errors) -> (u32, u32) {
    let Some(home) = program.globals.home else { return (needed, MAX_PAGES) };
    let limit = i128::from(MAX_PAGES);
    let [max] = clauses::read(&home.clauses, ["max"], errors);
    let min = program.constants.integer(&home.min, 0, limit, errors).unwrap_or(limit);
    let max = max.map_or(Some(limit), |max| program.constants.integer(max, 0, limit, errors)).unwrap_or(limit);
    if min < i128::from(needed) {
        errors.add(|| {
            Diagnostic::new(home.min.span, "home is too small for the data")
                .label(format!("the data need {needed} pages of {PAGE_SIZE} bytes"))
        });
    }
    if max < min {
        errors.add(|| Diagnostic::new(home.span, "home begins larger than it may become"));
    }
    (min as u32, max as u32)
}

/// The contents of data, in the order of their addresses. Data of no bytes have an address but no segment.
fn segments(program: &Program<'_>, made: &Made<'_>, errors: &mut Errors) -> Vec<DataSegment> {
    let Some(layout) = program.constants.layout() else { return Vec::new() };
    let mut segments = Vec::new();
    for (index, area) in program.globals.areas.iter().enumerate() {
        let (Area::Data(data), Some(extent)) = (area, program.constants.extent(index)) else { continue };
        let bytes = layout::bytes(&data.contents, extent, &program.constants, errors);
        if let (Some(address), false) = (layout.address(index), bytes.is_empty()) {
            segments.push(DataSegment { address: address as u32, bytes });
        }
    }
    segments.extend(made.data.iter().cloned());
    segments.sort_by_key(|segment| segment.address);
    segments
}

// ---- Tables and exports ---------------------------------------------------------------------------------------------

fn check_tables(globals: &Globals<'_>, errors: &mut Errors) {
    let limit = 1 << limen_isa::Field::A.width();
    if let Some(table) = globals.tables.get(limit) {
        errors.add(|| {
            Diagnostic::new(table.name.span, "there are too many tables").note(format!("at most {limit} are allowed"))
        });
    }
}

fn table(table: &Table, globals: &Globals<'_>, order: &[u32], errors: &mut Errors) -> Vec<Option<u32>> {
    let mut entry = |name: &Name| match globals.get(&name.text, name.span.file) {
        Some((Symbol::Function(index), _)) => Some(order[index]),
        None if &*name.text == "null" => None,
        other => {
            errors.add(|| no_function(name, other, globals));
            None
        }
    };
    table.entries.iter().map(&mut entry).collect()
}

fn no_function(name: &Name, found: Option<(Symbol, Span)>, globals: &Globals<'_>) -> Diagnostic {
    match found {
        Some((symbol, declared)) => Diagnostic::new(name.span, "the name of a function or `null` belongs here")
            .label(format!("this is {}", symbol.kind()))
            .also(declared, "declared here"),
        None => Diagnostic::new(name.span, format!("there is no function `{}`", name.text))
            .help(globals.similar(&name.text, |symbol| matches!(symbol, Symbol::Function(_)))),
    }
}

/// Exports in the making.
struct Exports<'p, 'a> {
    program: &'p Program<'a>,
    made: &'p Made<'a>,
    list: Vec<Export>,
    /// Where each name was exported.
    names: HashMap<String, Span>,
    errors: &'p mut Errors,
}

impl Exports<'_, '_> {
    /// All exports, sorted by name.
    fn collect<'a>(program: &Program<'a>, made: &Made<'a>, errors: &mut Errors) -> Vec<Export> {
        let mut exports = Exports { program, made, list: Vec::new(), names: HashMap::new(), errors };
        exports.functions();
        exports.constants();
        exports.areas();
        exports.renamed();
        exports.tests();
        let mut list = exports.list;
        list.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        list
    }

    fn functions(&mut self) {
        for (index, named) in self.program.globals.functions.iter().enumerate() {
            if named.function.scope.exported() {
                self.named(&named.function.name, Some(ExportItem::Function(self.made.order[index])));
            }
        }
    }

    fn constants(&mut self) {
        let exported = self.program.globals.consts.iter().filter(|constant| constant.scope.exported());
        for constant in exported {
            let value = self.constant(&constant.value);
            self.named(&constant.name, value);
        }
    }

    fn areas(&mut self) {
        let layout = self.program.constants.layout();
        for (index, area) in self.program.globals.areas.iter().enumerate() {
            if area.scope().exported() {
                let address = layout.and_then(|layout| layout.address(index));
                self.named(area.name(), address.map(|address| ExportItem::Constant(address as i64)));
            }
        }
    }

    fn renamed(&mut self) {
        for export in &self.program.globals.exports {
            let item = match self.function(&export.value) {
                Some(function) => Some(ExportItem::Function(function)),
                None => self.constant(&export.value),
            };
            let name = utf8(&export.name, self.errors);
            self.add(name, export.name.span, item);
        }
    }

    fn function(&self, value: &Expr) -> Option<u32> {
        let ExprKind::Name(name) = &value.kind else { return None };
        match self.program.globals.get(name, value.span.file) {
            Some((Symbol::Function(index), _)) => Some(self.made.order[index]),
            _ => None,
        }
    }

    fn tests(&mut self) {
        for (number, test) in self.made.tests.iter().zip(&self.program.globals.tests) {
            let function = ExportItem::Function(self.made.order[*number as usize]);
            self.add(test.function.name.text.to_string(), test.name.span, Some(function));
        }
    }

    fn constant(&mut self, value: &Expr) -> Option<ExportItem> {
        let (min, max) = (i128::from(i64::MIN), i128::from(u64::MAX));
        let value = self.program.constants.integer(value, min, max, self.errors)?;
        Some(ExportItem::Constant(value as i64))
    }

    fn named(&mut self, name: &Name, item: Option<ExportItem>) {
        self.add(name.text.to_string(), name.span, item);
    }

    fn add(&mut self, name: String, span: Span, item: Option<ExportItem>) {
        if !(1..=MAX_NAME).contains(&name.len()) {
            self.errors.add(|| Diagnostic::new(span, format!("an exported name has 1 to {MAX_NAME} bytes")));
        }
        if let Some(first) = self.names.insert(name.clone(), span) {
            self.errors.add(|| twice(&format!("export `{name}`"), span, first));
        }
        self.list.extend(item.map(|item| Export { name, item }));
    }
}

// ---- Other sections -------------------------------------------------------------------------------------------------

/// The number of the section that holds interface descriptions.
const INTERFACES: u32 = 8;

fn sections(module: &mut Module, program: &Program<'_>, errors: &mut Errors) {
    let mut seen: HashMap<u32, Span> = HashMap::new();
    for section in &program.globals.sections {
        let span = section.id.span;
        let Some((id, bytes)) = contents(section, program, errors) else { continue };
        if let Some(first) = seen.insert(id, span) {
            errors.add(|| twice("this section", span, first));
        }
        match id {
            INTERFACES => module.interfaces = Some(bytes),
            FIRST_CUSTOM_SECTION.. => module.custom.push(CustomSection { id, bytes }),
            _ => errors.add(|| {
                Diagnostic::new(span, format!("section {id} cannot be written like this"))
                    .note(format!("it can be {INTERFACES}, or {FIRST_CUSTOM_SECTION:#x} and above"))
            }),
        }
    }
    module.custom.sort_by_key(|section| section.id);
}

fn contents(section: &Section<'_>, program: &Program<'_>, errors: &mut Errors) -> Option<(u32, Vec<u8>)> {
    let id = program.constants.integer(section.id, 0, i128::from(u32::MAX), errors)?;
    let extent = layout::contents_extent(section.contents, section.id.span, &program.constants, errors)?;
    Some((id as u32, layout::bytes(section.contents, extent, &program.constants, errors)))
}
