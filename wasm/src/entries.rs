//! The functions by which a module is entered: what begins it, and what stands between the embedder and a function that can
//! end with an exception or needs the spill stack as it was at first.

use std::collections::HashMap;

use limen_isa::module::{Function, Signature};
use limen_isa::{Opcode, ValueType};

use crate::condition::Condition;
use crate::context::{Context, Signatures, Trap};
use crate::emit::{Code, Register};
use crate::exports::{INITIALIZE, limited};
use crate::function::first_of_call;
use crate::layout::Misfit;

/// The function that runs a program.
pub(crate) const MAIN: &str = "main";

/// Entries, which come behind all other functions.
pub(crate) struct Entries<'c> {
    pub(crate) context: &'c Context,
    signatures: &'c mut Signatures,
    functions: u32,
    all: Vec<(String, Function)>,
    /// By function: its entry.
    known: HashMap<u32, u32>,
}

impl<'c> Entries<'c> {
    /// There are so many functions before them.
    pub(crate) fn new(context: &'c Context, signatures: &'c mut Signatures, functions: u32) -> Self {
        Self { context, signatures, functions, all: Vec::new(), known: HashMap::new() }
    }

    pub(crate) fn finish(self) -> Vec<(String, Function)> {
        self.all
    }

    fn add(&mut self, name: &str, function: Function) -> u32 {
        self.all.push((name.to_owned(), function));
        self.functions + self.all.len() as u32 - 1
    }

    /// The function that the embedder calls for a function of the module.
    pub(crate) fn entry(&mut self, function: u32, name: &str) -> u32 {
        if !self.context.throws.function(function) && self.context.layout.spills.end().is_none() {
            return function;
        }
        if let Some(entry) = self.known.get(&function) {
            return *entry;
        }
        let signature = self.context.entry_of(function).signature;
        let registers = self.signatures.all[signature as usize].params.clone();
        let mut writer = Writer { context: self.context, code: Code::default(), registers };
        let arguments = writer.context.source.type_of(function).params.len();
        let results = writer.call(function, (0..arguments as Register).collect());
        writer.code.ret(&results);
        let entry = writer.finish(signature);
        let entry = self.add(limited(name), entry);
        self.known.insert(function, entry);
        entry
    }

    /// What is called before anything else.
    pub(crate) fn initialize(&mut self, misfit: Option<Misfit>) -> u32 {
        let mut writer = Writer { context: self.context, code: Code::default(), registers: Vec::new() };
        match (misfit, writer.context.source.start) {
            (Some(Misfit::Table), _) => writer.trap(Trap::Table),
            (Some(Misfit::Memory), _) => writer.trap(Trap::Memory),
            (None, start) => {
                start.into_iter().for_each(|start| _ = writer.call(start, Vec::new()));
                writer.code.ret(&[]);
            }
        }
        let signature = self.signatures.intern(Signature::default());
        let function = writer.finish(signature);
        self.add(INITIALIZE, function)
    }

    /// Initializes the module, and runs the program that it is.
    pub(crate) fn main(&mut self, initialize: Option<u32>, start: u32) -> u32 {
        let mut writer = Writer { context: self.context, code: Code::default(), registers: vec![ValueType::I32] };
        if let Some(initialize) = initialize {
            writer.code.listed(first_of_call(initialize), std::iter::empty());
        }
        writer.call(start, Vec::new());
        writer.code.ret(&[0]);
        let signature = Signature { params: Vec::new(), results: vec![ValueType::I32] };
        let signature = self.signatures.intern(signature);
        let function = writer.finish(signature);
        self.add(MAIN, function)
    }
}

/// An entry while it is written.
struct Writer<'c> {
    context: &'c Context,
    code: Code,
    registers: Vec<ValueType>,
}

impl Writer<'_> {
    fn register(&mut self, ty: ValueType) -> Register {
        self.registers.push(ty);
        self.registers.len() as Register - 1
    }

    fn trap(&mut self, trap: Trap) {
        self.code.wide32(Opcode::Trap, 0, trap as u32);
    }

    /// Calls a function with these arguments and gives its results. Nothing else of the module runs yet.
    fn call(&mut self, function: u32, mut arguments: Vec<Register>) -> Vec<Register> {
        self.clear_spills();
        let callable = self.context.callable_of(function);
        let types: Vec<_> = self.context.source.type_of(function).results.iter().map(|ty| ty.register()).collect();
        let results: Vec<Register> = types.into_iter().map(|ty| self.register(ty)).collect();
        let exception = callable.throws.then(|| self.register(ValueType::I64));
        arguments.extend((0..callable.marks).map(|_| self.register(ValueType::Ref)));
        self.code.listed(first_of_call(function), results.iter().chain(&exception).chain(&arguments).copied());
        if let Some(exception) = exception {
            let fine = self.code.label();
            Condition::is_not_zero(ValueType::I64, exception).negated().branch(&mut self.code, fine);
            self.trap(Trap::Uncaught);
            self.code.bind(fine);
        }
        results
    }

    /// A call that ended with a trap left its part of the spill stack behind.
    fn clear_spills(&mut self) {
        let Some(end) = self.context.layout.spills.end() else { return };
        let [zero, top] = [0, 1].map(|_| self.register(ValueType::I32));
        self.code.wide32(Opcode::I32Const, top, end);
        self.code.wide24(Opcode::I32Store, zero, top, self.context.layout.spills.pointer);
    }

    fn finish(mut self, signature: u32) -> Function {
        Function::new(signature, self.registers, self.code.finish())
    }
}
