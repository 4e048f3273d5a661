//! A WebAssembly module taken apart, with its imports found and its constants computed.

use std::ops::Range;
use std::sync::Arc;

use wasmparser::{
    BinaryReader, ConstExpr, DataKind, ElementItems, ElementKind, ExternalKind, FuncToValidate, FunctionBody,
    KnownCustom, Name, Operator, Parser, Payload, TableInit, TypeRef, ValidPayload, Validator, ValidatorResources,
};

use crate::error::Error;
use crate::features;
use crate::imports::{Import, ImportKind, Imports, Provided};
use crate::types::{FunctionType, Limits, Type};

/// What one pass over the sections gives. Whatever it names exists: the sections are validated.
#[derive(Default)]
pub(crate) struct Source {
    /// The module.
    pub(crate) wasm: Arc<Vec<u8>>,
    pub(crate) types: Vec<FunctionType>,
    /// The type of each function, imported ones first.
    pub(crate) functions: Vec<u32>,
    /// The services that imported functions are.
    pub(crate) services: Vec<Service>,
    pub(crate) tables: Vec<Table>,
    pub(crate) memory: Option<Limits>,
    pub(crate) globals: Vec<Global>,
    /// Of exceptions: the type of each, whose parameters are the payload.
    pub(crate) tags: Vec<u32>,
    pub(crate) exports: Vec<(String, ExternalKind, u32)>,
    pub(crate) start: Option<u32>,
    pub(crate) elements: Vec<Elements>,
    pub(crate) data: Vec<Data>,
    /// Whether code may use data segments.
    pub(crate) has_data_count: bool,
    /// Of the functions that are not imported.
    pub(crate) bodies: Vec<Body>,
    /// For the validation of bodies.
    resources: Option<ValidatorResources>,
    /// Names of functions, where there are any.
    pub(crate) names: Vec<(u32, String)>,
    /// Debug information: sections by name.
    pub(crate) debug: Vec<(String, Range<usize>)>,
    /// Where the contents of the code section begin in the module, which debug information counts from.
    pub(crate) code_start: u64,
    missing: Vec<Import>,
    has_exception_table: bool,
}

/// The code of a function, not validated yet.
pub(crate) struct Body {
    /// Where it is in the module.
    pub(crate) place: Range<usize>,
    /// Where its operators begin.
    operators: usize,
    /// How many locals it has, parameters among them.
    pub(crate) locals: u64,
}

impl Body {
    fn of(params: usize, body: &FunctionBody<'_>) -> wasmparser::Result<Self> {
        let mut locals = params as u64;
        for group in body.get_locals_reader()? {
            locals += u64::from(group?.0);
        }
        let range = body.range();
        let operators = body.get_binary_reader_for_operators()?.original_position() as usize;
        Ok(Self { place: range.start as usize..range.end as usize, operators, locals })
    }
}

pub(crate) struct Service {
    /// Of the `svc`.
    pub(crate) number: u32,
    /// For backtraces.
    pub(crate) name: String,
}

pub(crate) struct Table {
    pub(crate) limits: Limits,
}

pub(crate) struct Global {
    pub(crate) ty: Type,
    pub(crate) mutable: bool,
    /// The bits of its first value.
    pub(crate) value: u64,
}

/// An element segment.
pub(crate) struct Elements {
    pub(crate) kind: SegmentKind,
    /// As values are: 0 is null.
    pub(crate) items: Vec<u32>,
}

/// A data segment.
pub(crate) struct Data {
    pub(crate) kind: SegmentKind,
    /// Where its bytes are in the module.
    pub(crate) place: Range<usize>,
}

/// What becomes of a segment when the module is instantiated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    /// It is copied to this place of a table or memory.
    Active { index: u32, offset: u32 },
    /// Code may use it.
    Passive,
    /// Nothing: it only declares functions.
    Declared,
}

impl Source {
    /// Reads and validates all but the code of functions.
    pub(crate) fn read(wasm: Arc<Vec<u8>>, imports: &mut dyn Imports) -> Result<Self, Error> {
        check_header(&wasm)?;
        let mut source = Self { wasm: Arc::clone(&wasm), ..Self::default() };
        source.sections(&wasm, imports).map_err(|error| features::explain(&wasm, error))?;
        if source.has_exception_table {
            return Err(Error::Unsupported(vec!["tables of exceptions"]));
        }
        if source.missing.is_empty() { Ok(source) } else { Err(Error::Missing(source.missing)) }
    }

    fn sections(&mut self, wasm: &[u8], imports: &mut dyn Imports) -> wasmparser::Result<()> {
        let mut validator = Validator::new_with_features(features::supported());
        let mut parser = Parser::new(0);
        parser.set_features(features::supported());
        for payload in parser.parse_all(wasm) {
            let payload = payload?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                let params = self.types[function.ty as usize].params.len();
                self.bodies.push(Body::of(params, &body)?);
                self.resources.get_or_insert(function.resources);
            } else {
                self.section(payload, imports)?;
            }
        }
        Ok(())
    }

    fn section(&mut self, payload: Payload<'_>, imports: &mut dyn Imports) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.into_iter_err_on_gc_types() {
                    self.types.push(function_type(&ty?));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import?, imports);
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    self.table(table?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory?;
                    self.memory = Some(Limits { min: memory.initial, max: memory.maximum });
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    let global = global?;
                    let (ty, mutable) = (Type::of(global.ty.content_type), global.ty.mutable);
                    let value = self.constant(&global.init_expr)?;
                    self.globals.push(Global { ty, mutable, value });
                }
            }
            Payload::TagSection(tags) => {
                for tag in tags {
                    self.tags.push(tag?.func_type_idx);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    self.exports.push((export.name.to_owned(), export.kind, export.index));
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(elements) => {
                for element in elements {
                    let element = element?;
                    self.element(&element)?;
                }
            }
            Payload::CodeSectionStart { unchecked_range, .. } => self.code_start = unchecked_range.start,
            Payload::DataCountSection { .. } => self.has_data_count = true,
            Payload::DataSection(data) => {
                for data in data {
                    let data = data?;
                    let kind = match &data.kind {
                        DataKind::Passive => SegmentKind::Passive,
                        DataKind::Active { memory_index, offset_expr } => {
                            SegmentKind::Active { index: *memory_index, offset: self.constant(offset_expr)? as u32 }
                        }
                    };
                    let end = data.range.end as usize;
                    self.data.push(Data { kind, place: end - data.data.len()..end });
                }
            }
            Payload::CustomSection(custom) => {
                if let KnownCustom::Name(names) = custom.as_known() {
                    self.names(names);
                } else if custom.name().starts_with(".debug_") {
                    let start = custom.data_offset() as usize;
                    self.debug.push((custom.name().to_owned(), start..start + custom.data().len()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn table(&mut self, table: wasmparser::Table<'_>) {
        self.has_exception_table |= Type::of_reference(table.ty.element_type) == Type::ExnRef;
        debug_assert!(matches!(table.init, TableInit::RefNull), "typed function references are not enabled");
        let limits = Limits { min: table.ty.initial, max: table.ty.maximum };
        self.tables.push(Table { limits });
    }

    fn import(&mut self, import: wasmparser::Import<'_>, imports: &mut dyn Imports) {
        let kind = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions.push(ty);
                ImportKind::Function(self.types[ty as usize].clone())
            }
            TypeRef::Table(table) => {
                let ty = Type::of_reference(table.element_type);
                self.has_exception_table |= ty == Type::ExnRef;
                ImportKind::Table { ty, limits: Limits { min: table.initial, max: table.maximum } }
            }
            TypeRef::Memory(memory) => ImportKind::Memory(Limits { min: memory.initial, max: memory.maximum }),
            TypeRef::Global(global) => {
                ImportKind::Global { ty: Type::of(global.content_type), mutable: global.mutable }
            }
            TypeRef::Tag(tag) => {
                self.tags.push(tag.func_type_idx);
                ImportKind::Tag(self.types[tag.func_type_idx as usize].clone())
            }
        };
        let import = Import { module: import.module.to_owned(), name: import.name.to_owned(), kind };
        match (imports.find(&import), &import.kind) {
            (Some(Provided::Function(number)), ImportKind::Function(_)) => {
                self.services.push(Service { number, name: format!("{}.{}", import.module, import.name) });
            }
            (Some(Provided::Global(value)), ImportKind::Global { ty, mutable }) => {
                self.globals.push(Global { ty: *ty, mutable: *mutable, value });
            }
            (Some(Provided::Memory(limits)), ImportKind::Memory(_)) => self.memory = Some(limits),
            (Some(Provided::Table(limits)), ImportKind::Table { .. }) => {
                self.tables.push(Table { limits });
            }
            (Some(Provided::Tag), ImportKind::Tag(_)) => {}
            _ => self.lack(import),
        }
    }

    /// Goes on as if the import were there, so that all that are missing are found.
    fn lack(&mut self, import: Import) {
        match &import.kind {
            ImportKind::Function(_) => self.services.push(Service { number: 0, name: String::new() }),
            ImportKind::Global { ty, mutable } => {
                self.globals.push(Global { ty: *ty, mutable: *mutable, value: 0 });
            }
            ImportKind::Memory(limits) => self.memory = Some(*limits),
            ImportKind::Table { limits, .. } => self.tables.push(Table { limits: *limits }),
            ImportKind::Tag(_) => {}
        }
        self.missing.push(import);
    }

    fn element(&mut self, element: &wasmparser::Element<'_>) -> wasmparser::Result<()> {
        let kind = match &element.kind {
            ElementKind::Passive => SegmentKind::Passive,
            ElementKind::Declared => SegmentKind::Declared,
            ElementKind::Active { table_index, offset_expr } => {
                SegmentKind::Active { index: table_index.unwrap_or(0), offset: self.constant(offset_expr)? as u32 }
            }
        };
        let items = match element.items.clone() {
            ElementItems::Functions(functions) => {
                functions.into_iter().map(|function| Ok(function? + 1)).collect::<wasmparser::Result<_>>()?
            }
            ElementItems::Expressions(_, expressions) => {
                let item = |expression: wasmparser::Result<ConstExpr<'_>>| Ok(self.constant(&expression?)? as u32);
                expressions.into_iter().map(item).collect::<wasmparser::Result<_>>()?
            }
        };
        self.elements.push(Elements { kind, items });
        Ok(())
    }

    /// What a validated constant expression gives. All imported globals have their values already.
    fn constant(&self, expression: &ConstExpr<'_>) -> wasmparser::Result<u64> {
        let mut stack: Vec<u64> = Vec::new();
        for operator in expression.get_operators_reader() {
            let mut pop = || stack.pop().unwrap_or_default();
            let value = match operator? {
                Operator::I32Const { value } => u64::from(value as u32),
                Operator::I64Const { value } => value as u64,
                Operator::F32Const { value } => u64::from(value.bits()),
                Operator::F64Const { value } => value.bits(),
                Operator::RefFunc { function_index } => u64::from(function_index) + 1,
                Operator::GlobalGet { global_index } => self.globals[global_index as usize].value,
                Operator::I32Add => u64::from((pop() as u32).wrapping_add(pop() as u32)),
                Operator::I32Sub => u64::from((pop() as u32).wrapping_neg().wrapping_add(pop() as u32)),
                Operator::I32Mul => u64::from((pop() as u32).wrapping_mul(pop() as u32)),
                Operator::I64Add => pop().wrapping_add(pop()),
                Operator::I64Sub => pop().wrapping_neg().wrapping_add(pop()),
                Operator::I64Mul => pop().wrapping_mul(pop()),
                Operator::End => break,
                // `ref.null`: constant expressions have no other operators.
                _ => 0,
            };
            stack.push(value);
        }
        Ok(stack.pop().unwrap_or_default())
    }

    /// Names are not validated: what makes no sense is left out.
    fn names(&mut self, names: wasmparser::NameSectionReader<'_>) {
        for subsection in names.into_iter().map_while(Result::ok) {
            if let Name::Function(functions) = subsection {
                let named = functions.into_iter().map_while(Result::ok);
                self.names.extend(named.map(|naming| (naming.index, naming.name.to_owned())));
            }
        }
    }

    /// How many functions are imported.
    pub(crate) fn imported(&self) -> usize {
        self.functions.len() - self.bodies.len()
    }

    /// The body of a function that is not imported, and what validates it.
    pub(crate) fn body(&self, function: u32) -> (FuncToValidate<ValidatorResources>, FunctionBody<'_>) {
        let body = &self.bodies[function as usize - self.imported()];
        let (features, ty) = (features::supported(), self.functions[function as usize]);
        let reader = BinaryReader::new_features(&self.wasm[body.place.clone()], body.place.start as u64, features);
        let resources = self.resources.clone().expect("they came with the first body");
        (FuncToValidate { resources, index: function, ty, features }, FunctionBody::new(reader))
    }

    /// The operators of a body as they are in the module.
    pub(crate) fn operators(&self, body: &Body) -> &[u8] {
        &self.wasm[body.operators..body.place.end]
    }

    /// How many bytes the body of a function has, which is not imported.
    pub(crate) fn size_of(&self, function: u32) -> u32 {
        self.bodies[function as usize - self.imported()].place.len() as u32
    }

    /// The type whose parameters are the payload of a tag.
    pub(crate) fn payload_of(&self, tag: u32) -> &FunctionType {
        &self.types[self.tags[tag as usize] as usize]
    }

    /// The type of a function.
    pub(crate) fn type_of(&self, function: u32) -> &FunctionType {
        &self.types[self.functions[function as usize] as usize]
    }
}

fn function_type(ty: &wasmparser::FuncType) -> FunctionType {
    let types = |types: &[wasmparser::ValType]| types.iter().map(|ty| Type::of(*ty)).collect();
    FunctionType { params: types(ty.params()), results: types(ty.results()) }
}

/// Tells what is no WebAssembly from what is no module.
fn check_header(wasm: &[u8]) -> Result<(), Error> {
    match wasm {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Err(Error::Component),
        [b'\0', b'a', b's', b'm', ..] => Ok(()),
        _ => Err(Error::NotWasm),
    }
}
