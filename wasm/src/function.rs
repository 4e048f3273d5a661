//! One function: from a stack of operands to registers.
//!
//! What is on the stack is mostly not written anywhere: locals and constants are only named until an instruction wants
//! them in a register. Everything else lies in the register that belongs to its depth and type. Two rules keep this right:
//! before a local changes, what still names it gets its value; and where control meets, nothing names a local.

mod calls;
mod control;
mod memory;
mod numbers;
mod stack;

use limen_isa::module::{Function, MAX_FUNCTION_WORDS, MAX_REGISTERS};
use limen_isa::{Opcode, ValueType};
use wasmparser::{FuncValidator, FuncValidatorAllocations, Operator, ValidatorResources};

use crate::condition::Condition;
use crate::context::{Context, Trap};
use crate::emit::{Code, Place, Register};
use crate::error::Error;
use crate::features;
use crate::source::Body;
use crate::types::Type;
pub(crate) use calls::first_of_call;
use control::Frame;
use stack::Entry;

/// Translates functions one after the other, and keeps its room.
pub(crate) struct Translator<'m, 'a> {
    module: &'m mut Context<'a>,
    code: Code,
    /// Types of the registers so far.
    registers: Vec<ValueType>,
    /// The registers of the locals.
    locals: Vec<(Register, ValueType)>,
    /// How often each local is named on the stack.
    named: Vec<u32>,
    stack: Vec<Entry>,
    /// By depth and type: the register of what lies there.
    homes: Vec<[Option<Register>; 4]>,
    /// By type: a register that is never written.
    zeros: [Option<Register>; 5],
    frames: Vec<Frame>,
    /// Whether control cannot come here, and how many blocks were begun since.
    dead: Option<u32>,
    last: Option<Last>,
    /// More registers were wanted than a function can have.
    overflowed: bool,
}

/// The instruction before, if it made the topmost value.
#[derive(Clone, Copy)]
struct Last {
    /// Its words.
    start: usize,
    end: usize,
    /// Where its result is named, and which register that is.
    place: Place,
    result: Register,
    /// What it asked, if it compared.
    condition: Option<Condition>,
}

impl<'m, 'a> Translator<'m, 'a> {
    pub(crate) fn new(module: &'m mut Context<'a>) -> Self {
        Self {
            module,
            code: Code::default(),
            registers: Vec::new(),
            locals: Vec::new(),
            named: Vec::new(),
            stack: Vec::new(),
            homes: Vec::new(),
            zeros: [None; 5],
            frames: Vec::new(),
            dead: None,
            last: None,
            overflowed: false,
        }
    }

    /// Validates and translates a function.
    pub(crate) fn function(
        &mut self,
        index: u32,
        (function, body): Body<'_>,
        allocations: &mut FuncValidatorAllocations,
    ) -> Result<Function, Failure> {
        let mut validator = function.into_validator(std::mem::take(allocations));
        self.begin(index);
        self.read_locals(&body, &mut validator)?;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let offset = operators.original_position();
            let operator = operators.read()?;
            validator.op(offset, &operator)?;
            self.operator(&operator);
        }
        operators.finish()?;
        *allocations = validator.into_allocations();
        self.finish(index).map_err(Failure::TooLarge)
    }

    /// Whether code was met for which tables have to lie in home.
    pub(crate) fn wants_another_layout(&self) -> bool {
        self.module.wants_tables_in_home
    }

    fn begin(&mut self, index: u32) {
        self.code.clear();
        self.locals.clear();
        self.stack.clear();
        self.homes.clear();
        self.zeros = [None; 5];
        (self.dead, self.last, self.overflowed) = (None, None, false);
        let source = self.module.source;
        let callable = self.module.callable_of(index);
        self.registers.clone_from(&self.module.signatures.all[callable.signature as usize].params);
        let ty = source.type_of(index);
        self.locals.extend(ty.params.iter().enumerate().map(|(number, ty)| (number as Register, ty.register())));
        self.begin_frames(ty);
    }

    fn read_locals(
        &mut self,
        body: &wasmparser::FunctionBody<'_>,
        validator: &mut FuncValidator<ValidatorResources>,
    ) -> wasmparser::Result<()> {
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read()?;
            validator.define_locals(offset, count, ty)?;
            let ty = Type::of(ty).register();
            for _ in 0..count {
                let register = self.register(ty);
                self.locals.push((register, ty));
            }
        }
        self.named.clear();
        self.named.resize(self.locals.len(), 0);
        Ok(())
    }

    /// A new register.
    fn register(&mut self, ty: ValueType) -> Register {
        if self.registers.len() == MAX_REGISTERS {
            self.overflowed = true;
            return 0;
        }
        self.registers.push(ty);
        self.registers.len() as Register - 1
    }

    /// A register that reads zero or null.
    fn zero(&mut self, ty: ValueType) -> Register {
        match self.zeros[ty as usize] {
            Some(register) => register,
            None => {
                let register = self.register(ty);
                self.zeros[ty as usize] = Some(register);
                register
            }
        }
    }

    fn finish(&mut self, index: u32) -> Result<Function, Error> {
        let name = |what: &str| format!("{what} of function {index}");
        if self.overflowed {
            let size = (self.locals.len() + self.homes.len()) as u64;
            return Err(Error::TooLarge { what: name("the frame"), size, limit: MAX_REGISTERS as u64 });
        }
        let code = self.code.finish();
        if code.len() > MAX_FUNCTION_WORDS {
            let (size, limit) = (code.len() as u64, MAX_FUNCTION_WORDS as u64);
            return Err(Error::TooLarge { what: name("the code"), size, limit });
        }
        let signature = self.module.callable_of(index).signature;
        Ok(Function { signature, registers: self.registers.clone(), code })
    }

    /// Translates one operator, which was validated.
    fn operator(&mut self, operator: &Operator<'_>) {
        if self.dead.is_some() {
            self.skip(operator);
        } else if !(self.simple(operator) || self.number(operator) || self.access(operator) || self.table(operator)) {
            self.control(operator);
        }
    }

    /// What is about the stack alone.
    fn simple(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::LocalGet { local_index } => self.push_local(*local_index),
            Operator::LocalSet { local_index } => self.set_local(*local_index),
            Operator::LocalTee { local_index } => {
                self.set_local(*local_index);
                self.push_local(*local_index);
            }
            Operator::I32Const { value } => self.push_constant(ValueType::I32, *value as u32 as u64),
            Operator::I64Const { value } => self.push_constant(ValueType::I64, *value as u64),
            Operator::F32Const { value } => self.push_constant(ValueType::F32, u64::from(value.bits())),
            Operator::F64Const { value } => self.push_constant(ValueType::F64, value.bits()),
            Operator::RefNull { .. } => self.push_constant(ValueType::I32, 0),
            Operator::RefFunc { function_index } => {
                self.push_constant(ValueType::I32, u64::from(*function_index) + 1);
            }
            Operator::Drop => {
                self.pop();
            }
            Operator::Nop => {}
            Operator::Select | Operator::TypedSelect { .. } => self.select(),
            Operator::GlobalGet { global_index } => self.get_global(*global_index),
            Operator::GlobalSet { global_index } => self.set_global(*global_index),
            _ => return false,
        }
        true
    }

    fn set_local(&mut self, local: u32) {
        let (register, _) = self.locals[local as usize];
        let value = self.pop();
        let is_named = self.named[local as usize] > 0;
        if is_named {
            self.preserve(local);
        }
        match self.last.filter(|last| value.is_home() && self.is_last(last, self.home_of_popped(value))) {
            Some(last) if !is_named => {
                self.code.replace(last.place, register);
                self.last = None;
            }
            _ => self.write(register, value),
        }
    }

    fn select(&mut self) {
        let condition = self.pop();
        let condition = self.read(condition, 0);
        let (second, first) = (self.pop(), self.pop());
        let ty = first.ty;
        let (second, first) = (self.read(second, 1), self.read(first, 0));
        let opcode = match ty {
            ValueType::I64 => Opcode::I64Select,
            ValueType::F32 => Opcode::F32Select,
            ValueType::F64 => Opcode::F64Select,
            ValueType::I32 | ValueType::Ref => Opcode::I32Select,
        };
        self.result(ty, |code, d| code.registers(opcode, &[d, condition, first, second]));
    }

    fn get_global(&mut self, global: u32) {
        let declared = &self.module.source.globals[global as usize];
        let ty = declared.ty.register();
        if !declared.mutable {
            return self.push_constant(ty, declared.value);
        }
        let (zero, address) = (self.zero(ValueType::I32), self.module.layout.globals[global as usize]);
        let opcode = match ty {
            ValueType::I64 => Opcode::I64Load,
            ValueType::F32 => Opcode::F32Load,
            ValueType::F64 => Opcode::F64Load,
            ValueType::I32 | ValueType::Ref => Opcode::I32Load,
        };
        let (base, offset) = self.near(zero, address);
        self.result(ty, |code, d| code.wide24(opcode, d, base, offset));
    }

    fn set_global(&mut self, global: u32) {
        let value = self.pop();
        let ty = value.ty;
        let value = self.read(value, 0);
        let (zero, address) = (self.zero(ValueType::I32), self.module.layout.globals[global as usize]);
        let opcode = match ty {
            ValueType::I64 => Opcode::I64Store,
            ValueType::F32 => Opcode::F32Store,
            ValueType::F64 => Opcode::F64Store,
            ValueType::I32 | ValueType::Ref => Opcode::I32Store,
        };
        let (base, offset) = self.near(zero, address);
        self.code.wide24(opcode, base, value, offset);
    }

    /// A base and an offset for an address that is inside home.
    fn near(&mut self, zero: Register, address: u32) -> (Register, u32) {
        if address < 1 << 24 {
            return (zero, address);
        }
        let base = self.scratch(1, ValueType::I32);
        self.code.wide32(Opcode::I32Const, base, address);
        (base, 0)
    }

    fn trap(&mut self, trap: Trap) {
        self.code.wide32(Opcode::Trap, 0, trap as u32);
    }
}

/// Why a function is not translated.
pub(crate) enum Failure {
    Invalid(wasmparser::Error),
    TooLarge(Error),
}

impl Failure {
    /// The same for whoever has the module.
    pub(crate) fn explain(self, wasm: &[u8]) -> Error {
        match self {
            Self::Invalid(error) => features::explain(wasm, error),
            Self::TooLarge(error) => error,
        }
    }
}

impl From<wasmparser::Error> for Failure {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(error)
    }
}
