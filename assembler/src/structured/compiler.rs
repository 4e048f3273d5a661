//! The functions of a program: which there are, what they take and give, and which of them are needed.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use indexmap::IndexSet;
use limen_isa::codec::Value;
use limen_isa::module::{DataSegment, Signature};
use limen_isa::{Opcode, ValueType};

use super::allocate::allocate;
use super::code::{Code, Item};
use super::lower::Lower;
use super::optimise::{Site, inline_calls};
use super::types::{Bindings, Ty, Types};
use crate::ast::{Function, Line, Operands};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::Symbol;
use crate::program::Program;
use crate::source::Span;

/// What a function takes and gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) params: Vec<Ty>,
    pub(crate) results: Vec<Ty>,
    pub(crate) error: Option<Ty>,
    pub(crate) signature: Signature,
}

/// A function or an instance of a generic one.
pub(crate) struct Entry<'a> {
    pub(crate) function: &'a Function,
    pub(crate) name: String,
    arguments: Vec<Ty>,
    pub(crate) shape: Rc<Shape>,
    /// `None` if it is in the instruction notation alone, or only a pattern for instances.
    pub(crate) code: Option<Code>,
    is_lowered: bool,
}

/// More instances of generic functions are taken for endless.
const MAX_INSTANCES: usize = 10_000;

/// The first trap code that stands for a message.
const FIRST_MESSAGE: u32 = 0x8000_0000;

/// Everything that the lowering of one function shares with that of others.
pub(crate) struct Compiler<'p, 'a> {
    pub(crate) program: &'p Program<'a>,
    pub(crate) types: Types<'p, 'a>,
    pub(crate) errors: &'p mut Errors,
    /// Type and address of each static.
    pub(crate) statics: Vec<(Ty, u64)>,
    /// The bytes behind the statics, and where they begin.
    pub(crate) pool: Vec<u8>,
    pub(crate) pool_start: u64,
    strings: HashMap<Vec<u8>, u64>,
    /// The statics that do not begin as zero.
    pub(super) filled: Vec<DataSegment>,
    pub(crate) messages: IndexSet<String>,
    /// Functions that are values; their places in the hidden table count from 1.
    pub(crate) table: IndexSet<u32>,
    pub(crate) entries: Vec<Entry<'a>>,
    instances: HashMap<(usize, Vec<Ty>), u32>,
    pub(crate) signatures: IndexSet<Signature>,
    pub(crate) tests: Vec<u32>,
    /// Whether references lie in memory.
    pub(crate) managed_slots: bool,
    /// Whether code is improved, or stays construct by construct as it was written.
    pub(crate) optimised: bool,
    /// The calls that became the bodies of their functions.
    pub(crate) sites: Vec<Site>,
}

impl<'p, 'a> Compiler<'p, 'a> {
    pub(crate) fn new(program: &'p Program<'a>, optimised: bool, errors: &'p mut Errors) -> Self {
        Self {
            program,
            types: Types::new(program.globals, &program.constants),
            errors,
            statics: Vec::new(),
            pool: Vec::new(),
            pool_start: 0,
            strings: HashMap::new(),
            filled: Vec::new(),
            messages: IndexSet::new(),
            table: IndexSet::new(),
            entries: Vec::new(),
            instances: HashMap::new(),
            signatures: program.signatures.all().cloned().collect(),
            tests: Vec::new(),
            managed_slots: false,
            optimised,
            sites: Vec::new(),
        }
    }

    /// Checks and lowers all functions. Those that are needed come first, so that what the others ask for can be dropped.
    pub(crate) fn compile(&mut self, with_tests: bool) {
        let globals = self.program.globals;
        for named in &globals.functions {
            self.enter(named.function, Vec::new());
        }
        for test in &globals.tests {
            let number = self.enter(&test.function, Vec::new());
            self.tests.push(number);
        }
        self.fill_statics();
        self.lower_needed(with_tests);
        let (pool, messages) = (self.pool.len(), self.messages.len());
        let (table, signatures) = (self.table.len(), self.signatures.len());
        let mut number = 0;
        while number < self.entries.len() as u32 {
            self.lower(number);
            number += 1;
        }
        self.pool.truncate(pool);
        self.strings.retain(|_, address| *address < self.pool_start + pool as u64);
        self.messages.truncate(messages);
        self.table.truncate(table);
        self.signatures.truncate(signatures);
    }

    fn lower_needed(&mut self, with_tests: bool) {
        let mut seen: HashSet<u32> = HashSet::new();
        let mut open = self.roots(with_tests);
        while let Some(number) = open.pop() {
            if seen.insert(number) {
                let values = self.table.len();
                self.lower(number);
                self.callees(number, &mut open);
                open.extend(self.table.iter().skip(values));
            }
        }
    }

    fn enter(&mut self, function: &'a Function, arguments: Vec<Ty>) -> u32 {
        let shape = if function.generics.len() == arguments.len() {
            let bindings = function.generics.iter().map(|name| &*name.text).zip(arguments.iter().copied()).collect();
            shape(&mut self.types, function, &bindings, self.errors)
        } else {
            Shape::default()
        };
        let mut name = function.name.text.to_string();
        if !arguments.is_empty() {
            let list: Vec<_> = arguments.iter().map(|ty| self.types.name(*ty)).collect();
            name = format!("{name}[{}]", list.join(", "));
        }
        self.entries.push(Entry { function, name, arguments, shape: Rc::new(shape), code: None, is_lowered: false });
        self.entries.len() as u32 - 1
    }

    /// The instance of a generic function for these types.
    pub(crate) fn instance(&mut self, function: usize, arguments: Vec<Ty>, span: Span) -> Option<u32> {
        let key = (function, arguments);
        if let Some(known) = self.instances.get(&key) {
            return Some(*known);
        }
        if self.instances.len() >= MAX_INSTANCES || key.1.iter().any(|ty| self.types.is_endless(*ty)) {
            self.errors.add(|| Diagnostic::new(span, "this goes on making new instances without end"));
            return None;
        }
        let number = self.enter(self.program.globals.functions[function].function, key.1.clone());
        self.instances.insert(key, number);
        Some(number)
    }

    /// Lowers a function, unless that was done, or it is in the instruction notation alone or a pattern for instances.
    fn lower(&mut self, number: u32) {
        let entry = &self.entries[number as usize];
        let is_test = self.tests.first().is_some_and(|first| *first <= number);
        let is_pattern = entry.arguments.len() != entry.function.generics.len();
        if entry.is_lowered || is_pattern || (entry.function.is_plain() && !is_test) {
            return;
        }
        let (function, shape) = (entry.function, Rc::clone(&entry.shape));
        let names = function.generics.iter().map(|name| &*name.text);
        let bindings: Bindings<'a> = names.zip(entry.arguments.iter().copied()).collect();
        let lower = Lower {
            c: self,
            function,
            shape,
            bindings,
            code: Code::default(),
            locals: HashMap::new(),
            scopes: Vec::new(),
            loops: Vec::new(),
            defers: Vec::new(),
            reached: true,
            labels: HashMap::new(),
            loop_name: None,
            facts: Vec::new(),
            traps: Vec::new(),
            plain_labels: false,
            span: function.name.span,
        };
        let code = lower.run();
        let entry = &mut self.entries[number as usize];
        (entry.code, entry.is_lowered) = (Some(code), true);
    }

    /// Improves the code of all functions, and gives their registers places.
    pub(crate) fn finish(&mut self) {
        if !self.errors.is_empty() {
            return;
        }
        if self.optimised {
            inline_calls(&mut self.entries, &mut self.sites);
        }
        for entry in &mut self.entries {
            let params = entry.shape.signature.params.len();
            if let Some(code) = &mut entry.code
                && !allocate(code, params)
            {
                let span = entry.function.name.span;
                self.errors.add(|| Diagnostic::new(span, "this function needs too many registers"));
            }
        }
    }

    // ---- Data -------------------------------------------------------------------------------------------------------

    /// The address of bytes that are stored once.
    pub(crate) fn string(&mut self, bytes: &[u8]) -> u64 {
        if let Some(known) = self.strings.get(bytes) {
            return *known;
        }
        let address = self.pool_start + self.pool.len() as u64;
        self.pool.extend(bytes);
        self.strings.insert(bytes.to_owned(), address);
        address
    }

    /// The code of a trap that stands for a message.
    pub(crate) fn message(&mut self, message: &str) -> u32 {
        let index = self.messages.get_index_of(message);
        FIRST_MESSAGE + index.unwrap_or_else(|| self.messages.insert_full(message.to_owned()).0) as u32
    }

    pub(crate) fn signature(&mut self, signature: Signature) -> u32 {
        self.signatures.insert_full(signature).0 as u32
    }

    /// The number that stands for a function as a value.
    pub(crate) fn function_value(&mut self, number: u32) -> u32 {
        self.table.insert_full(number).0 as u32 + 1
    }

    // ---- What is needed ---------------------------------------------------------------------------------------------

    /// The functions that stay, in order. Those of the instruction notation always do.
    pub(crate) fn needed(&self, with_tests: bool) -> Vec<u32> {
        let mut needed = vec![false; self.entries.len()];
        let mut open = self.roots(with_tests);
        while let Some(number) = open.pop() {
            if !std::mem::replace(&mut needed[number as usize], true) {
                self.callees(number, &mut open);
            }
        }
        (0..self.entries.len() as u32).filter(|number| needed[*number as usize]).collect()
    }

    fn roots(&self, with_tests: bool) -> Vec<u32> {
        let globals = self.program.globals;
        let mut roots: Vec<u32> = if with_tests { self.tests.clone() } else { Vec::new() };
        let functions = globals.functions.iter().enumerate();
        roots.extend(functions.filter_map(|(number, named)| {
            let function = named.function;
            let kept = function.is_plain() || function.scope.exported();
            (kept && function.generics.is_empty()).then_some(number as u32)
        }));
        let named = globals.tables.iter().flat_map(|table| &table.entries).map(|name| (&*name.text, name.span));
        let exported = globals.exports.iter().filter_map(|export| match &export.value.kind {
            crate::ast::ExprKind::Name(name) => Some((&**name, export.value.span)),
            _ => None,
        });
        roots.extend(named.chain(exported).filter_map(|(name, span)| self.function(name, span)));
        roots
    }

    fn function(&self, name: &str, span: Span) -> Option<u32> {
        match self.program.globals.get(name, span.file) {
            Some((Symbol::Function(index), _)) => Some(index as u32),
            _ => None,
        }
    }

    fn callees(&self, number: u32, open: &mut Vec<u32>) {
        let entry = &self.entries[number as usize];
        let Some(code) = &entry.code else {
            return open.extend(entry.function.body.iter().filter_map(|line| self.callee(line)));
        };
        for item in &code.items {
            let Item::Inst(inst) = item else { continue };
            match (inst.opcode, inst.values.as_slice()) {
                (Opcode::Call, [_, Value::Integer(callee), _]) => open.push(*callee as u32),
                (Opcode::CallIndirect, _) => open.extend(&self.table),
                _ => {}
            }
        }
    }

    /// What a line of the instruction notation calls.
    fn callee(&self, line: &Line) -> Option<u32> {
        let Line::Instruction(instruction) = line else { return None };
        let Operands::Call(call) = &instruction.operands else { return None };
        let crate::ast::ExprKind::Name(name) = &call.callee.kind else { return None };
        self.function(name, call.callee.span)
    }
}

/// What a function takes and gives, with its type parameters bound.
pub(crate) fn shape<'a>(
    types: &mut Types<'_, 'a>,
    function: &'a Function,
    bindings: &Bindings<'a>,
    errors: &mut Errors,
) -> Shape {
    let params: Vec<Ty> = function.params.iter().map(|param| types.resolve(&param.ty, bindings, errors)).collect();
    let results: Vec<Ty> = function.results.types.iter().map(|ty| types.resolve(ty, bindings, errors)).collect();
    let error = function.results.error.as_ref().map(|ty| types.resolve(ty, bindings, errors));
    let spans =
        function.params.iter().map(|param| param.ty.span).chain(function.results.types.iter().map(|ty| ty.span));
    for (ty, span) in params.iter().chain(&results).zip(spans) {
        if *ty != Ty::BAD && types.registers(*ty, errors).is_none() {
            let name = types.name(*ty);
            errors.add(|| Diagnostic::new(span, format!("there are no values of type {name}")));
        }
    }
    if let (Some(ty), Some(expr)) = (error, &function.results.error) {
        check_error(types, ty, expr.span, errors);
    }
    let mut flat = |list: &[Ty]| -> Vec<ValueType> {
        list.iter().flat_map(|ty| types.registers(*ty, errors).unwrap_or_default()).collect()
    };
    let mut signature = Signature { params: flat(&params), results: flat(&results) };
    signature.results.extend(error.map(|_| ValueType::I32));
    Shape { params, results, error, signature }
}

fn check_error(types: &mut Types<'_, '_>, ty: Ty, span: Span, errors: &mut Errors) {
    let super::types::Type::Enum(index) = *types.get(ty) else {
        if ty != Ty::BAD {
            errors.add(|| Diagnostic::new(span, "an error is a value of an enumeration"));
        }
        return;
    };
    if types.variants(index, errors).values.iter().any(|(_, value)| *value == 0) {
        errors.add(|| {
            Diagnostic::new(span, "no error of this type may be 0, which stands for none")
                .help(["begin the enumeration with `= 1`"])
        });
    }
}
