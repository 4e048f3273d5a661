//! One function: from a stack of operands to registers.
//!
//! What is on the stack is mostly not written anywhere: locals and constants are only named until an instruction wants
//! them in a register. Everything else lies in the register that belongs to its depth and type. Two rules keep this right:
//! before a local changes, what still names it gets its value; and where control meets, nothing names a local.

mod calls;
mod control;
mod deep;
mod exceptions;
mod locals;
mod memory;
mod numbers;
mod stack;
mod step;

use limen_isa::module::{Body, LineRow, MAX_FUNCTION_WORDS, MAX_REGISTERS};
use limen_isa::{Opcode, ValueType};
use wasmparser::{FuncValidatorAllocations, Operator};

use crate::condition::Condition;
use crate::context::{Context, Trap};
use crate::emit::{Code, Label, Place, Register};
use crate::error::Error;
use crate::features;
use crate::lines::Lines;
use crate::operators::{load_of, store_of};
use crate::types::Type;
pub(crate) use calls::first_of_call;
use control::Frame;
use deep::{Deep, SHALLOW};
use exceptions::Dispatch;
pub(crate) use exceptions::Payload;
use locals::{IN_REGISTERS, Local, Spilled};
pub(crate) use locals::{SPILLED, spilled_bytes};
use stack::Entry;
use step::Step;

/// Translates functions one after the other, and keeps its room.
pub(crate) struct Translator<'m> {
    module: &'m Context,
    lines: Option<&'m Lines>,
    code: Code,
    /// Types of the registers so far.
    registers: Vec<ValueType>,
    locals: Vec<Local>,
    /// Where locals lie that are in no register, if there are any.
    spilled: Option<Spilled>,
    /// How often each local is named on the stack.
    named: Vec<u32>,
    stack: Vec<Entry>,
    /// No entry of a lesser depth names a local.
    first_named: usize,
    deep: Deep,
    /// By depth and type: the register of what lies there.
    homes: Vec<[Option<Register>; 4]>,
    /// By type: a register that is never written.
    zeros: [Option<Register>; 5],
    frames: Vec<Frame>,
    /// Room for the registers of a call.
    listed: Vec<Register>,
    /// The function's own index, and whether it can throw.
    index: u32,
    throws: bool,
    /// The register of the exception on its way, and that of its low half.
    exception: Option<Register>,
    mark_register: Option<Register>,
    /// Where the function ends with an exception.
    propagation: Option<Label>,
    dispatches: Vec<Dispatch>,
    /// Whether control cannot come here, and how many blocks were begun since.
    dead: Option<u32>,
    last: Option<Last>,
    branched: Option<Branched>,
    allocations: FuncValidatorAllocations,
    /// More registers were wanted than a function can have.
    overflowed: bool,
}

/// So many operands can lie on the spill stack: with all locals, their bytes are a number that an addition can name.
const DEEPEST: usize = 900_000;

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

/// What a translator keeps from one function to the next, and another one can go on with: room, and nothing in it.
#[derive(Default)]
pub(crate) struct Room {
    code: Code,
    registers: Vec<ValueType>,
    locals: Vec<Local>,
    named: Vec<u32>,
    stack: Vec<Entry>,
    homes: Vec<[Option<Register>; 4]>,
    frames: Vec<Frame>,
    listed: Vec<Register>,
    allocations: FuncValidatorAllocations,
}

impl Room {
    /// Whether it is so large that only few functions need it.
    pub(crate) fn is_large(&self) -> bool {
        const LARGE: usize = 1 << 17;
        self.code.room() > LARGE
    }
}

/// The conditional branch that was written last.
#[derive(Clone, Copy)]
struct Branched {
    condition: Condition,
    to: Label,
    /// Its word.
    at: usize,
}

impl<'m> Translator<'m> {
    pub(crate) fn new(module: &'m Context, lines: Option<&'m Lines>) -> Self {
        Self::within(Room::default(), module, lines)
    }

    pub(crate) fn within(room: Room, module: &'m Context, lines: Option<&'m Lines>) -> Self {
        let Room { code, registers, locals, named, stack, homes, frames, listed, allocations } = room;
        Self {
            module,
            lines,
            code,
            registers,
            locals,
            spilled: None,
            named,
            stack,
            first_named: 0,
            deep: Deep::default(),
            homes,
            zeros: [None; 5],
            frames,
            listed,
            index: 0,
            throws: false,
            exception: None,
            mark_register: None,
            propagation: None,
            dispatches: Vec::new(),
            dead: None,
            last: None,
            branched: None,
            allocations,
            overflowed: false,
        }
    }

    pub(crate) fn into_room(self) -> Room {
        let Self { code, registers, locals, named, stack, homes, frames, listed, allocations, .. } = self;
        Room { code, registers, locals, named, stack, homes, frames, listed, allocations }
    }

    /// Validates and translates a function, and says where its instructions come from if it knows lines.
    pub(crate) fn function(&mut self, index: u32) -> Result<(Body, Vec<LineRow>), Failure> {
        let source = &self.module.source;
        let (function, body) = source.body(index);
        let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
        self.begin(index);
        self.code.make_room(body.as_bytes().len() / 2);
        self.read_locals(&source.type_of(index).params, &body, &mut validator)?;
        let mut operators = body.get_binary_reader_for_operators()?;
        let (start, mut rows) = (source.code_start, Vec::new());
        let mut cursor = self.lines.map(|lines| lines.cursor((body.range().start - start) as u32));
        while !operators.eof() {
            let offset = operators.original_position();
            if let Some(cursor) = &mut cursor {
                cursor.advance((offset - start) as u32, self.code.position(), &mut rows);
            }
            operators.visit_operator(&mut Step { validator: validator.visitor(offset), translator: self })??;
        }
        operators.finish_expression(&validator.visitor(operators.original_position()))?;
        self.allocations = validator.into_allocations();
        let function = self.finish(index)?;
        // The last operators may have become nothing.
        rows.retain(|row| (row.pc as usize) < function.code.len());
        Ok((function, rows))
    }

    fn begin(&mut self, index: u32) {
        self.code.clear();
        self.locals.clear();
        self.stack.clear();
        self.first_named = 0;
        self.deep.begin();
        self.homes.clear();
        self.zeros = [None; 5];
        (self.spilled, self.dead, self.last, self.overflowed) = (None, None, None, false);
        self.branched = None;
        (self.exception, self.mark_register, self.propagation) = (None, None, None);
        let source = &self.module.source;
        let callable = self.module.callable_of(index);
        (self.index, self.throws) = (index, callable.throws);
        self.registers.clone_from(&self.module.signatures.all[callable.signature as usize].params);
        self.begin_frames(source.type_of(index));
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

    fn finish(&mut self, index: u32) -> Result<Body, Failure> {
        let too_large = |what: &str, size: usize, limit: usize| {
            let (what, size, limit) = (format!("{what} of function {index}"), size as u64, limit as u64);
            Failure::TooLarge(Error::TooLarge { what, size, limit })
        };
        if self.overflowed {
            let operands = self.homes.len().saturating_sub(SHALLOW);
            let is_hopeless = self.deep.first.is_some() || operands > DEEPEST;
            let size = self.registers.len() + operands;
            let failure = too_large("the frame", size, MAX_REGISTERS);
            return Err(if is_hopeless { failure } else { Failure::Deep(operands as u32) });
        }
        let code = self.code.finish();
        if code.len() > MAX_FUNCTION_WORDS {
            return Err(too_large("the code", code.len(), MAX_FUNCTION_WORDS));
        }
        Ok(Body { registers: self.registers.clone(), code })
    }

    /// Translates one operator, which was validated. Which one it is is known where this is called: see [`step`].
    #[inline(always)]
    fn operator(&mut self, operator: &Operator<'_>) {
        if self.dead.is_some() {
            self.skip(operator);
            return;
        }
        let is_done = self.simple(operator) || self.number(operator) || self.access(operator) || self.table(operator);
        if !is_done {
            self.control(operator);
        }
        self.settle_deep();
    }

    /// What is about the stack alone.
    #[inline(always)]
    fn simple(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::LocalGet { local_index } => self.get_local(*local_index),
            Operator::LocalSet { local_index } => self.set_local(*local_index),
            Operator::LocalTee { local_index } => {
                self.set_local(*local_index);
                self.get_local(*local_index);
            }
            Operator::I32Const { value } => self.push_constant(ValueType::I32, *value as u32 as u64),
            Operator::I64Const { value } => self.push_constant(ValueType::I64, *value as u64),
            Operator::F32Const { value } => self.push_constant(ValueType::F32, u64::from(value.bits())),
            Operator::F64Const { value } => self.push_constant(ValueType::F64, value.bits()),
            Operator::RefNull { hty } => self.push_constant(Type::of_heap(*hty).register(), 0),
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
        let (base, offset) = self.near(zero, address);
        self.result(ty, |code, d| code.wide24(load_of(ty), d, base, offset));
    }

    fn set_global(&mut self, global: u32) {
        let value = self.pop();
        let ty = value.ty;
        let value = self.read(value, 0);
        let (zero, address) = (self.zero(ValueType::I32), self.module.layout.globals[global as usize]);
        let (base, offset) = self.near(zero, address);
        self.code.wide24(store_of(ty), base, value, offset);
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

/// Whether a function may want more registers than there are, which has so many locals, at most so many operands, and so many
/// operators that are about exceptions.
pub(crate) fn could_be_deep(locals: u64, operands: usize, exceptional: usize) -> bool {
    // An operand can lie in a register for each type; operators need some above the stack, and have some for themselves.
    const ABOVE: usize = 8;
    const FEW: usize = 64;
    let most = locals.min(IN_REGISTERS as u64) as usize + 4 * (operands + ABOVE) + 16 * exceptional + FEW;
    most > MAX_REGISTERS
}

/// Why a function is not translated.
pub(crate) enum Failure {
    Invalid(wasmparser::Error),
    TooLarge(Error),
    /// It has so many operands that lie too deep for registers, and the plan has no place for them.
    Deep(u32),
}

impl Failure {
    /// The same for whoever has the module.
    pub(crate) fn explain(self, wasm: &[u8]) -> Error {
        match self {
            Self::Invalid(error) => features::explain(wasm, error),
            Self::TooLarge(error) => error,
            Self::Deep(size) => {
                let (size, limit) = (u64::from(size), MAX_REGISTERS as u64);
                Error::TooLarge { what: "what a function has on its stack".to_owned(), size, limit }
            }
        }
    }
}

impl From<wasmparser::Error> for Failure {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid(error)
    }
}
