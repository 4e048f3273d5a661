//! From a function's bytecode to Cranelift's intermediate form.
//!
//! A compiled function is called with its context, its frame's register 0 and its first arguments (see [`Passing`]); what
//! does not fit in registers, arguments and results alike, travels in the callee's cells. It looks itself whether it may be
//! entered. Registers are Cranelift variables, but for some of large functions ([`crate::resident`]). Only when something is
//! to be done at a safepoint, or an instruction is left to the runtime, are they written to the frame's cells, in blocks that
//! are cold.

mod at_hand;
mod outlined;
mod safepoints;
mod slots;
mod turns;

use std::collections::HashMap;

use cranelift_codegen::ir::{
    self, AbiParam, BlockArg, BlockCall, ExceptionTableData, ExceptionTableItem, InstBuilder, InstructionData,
    MemFlagsData, SigRef, Signature, Type, Value, types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, Variable};
use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::{Function, Module};
use limen_isa::{Flow, Opcode, Reg, Role, ValueType};
use limen_vm::HEADER_CELLS;
use rustc_hash::FxHashSet;

use crate::addresses::sources_of_addresses;
use crate::bounds::{Bounds, access};
use crate::location::Location;
use crate::lower::enter::{Handler, Inlined};
use crate::lower::inline::computes;
use crate::lower::kept::{self, Kept};
use crate::lower::known::Known;
use crate::lower::leave::Tail;
use crate::lower::message::Lacking;
use crate::lower::plan::changes;
use crate::lower::stores::Waiting;
use crate::mode::{Mode, Safepoints};
use crate::nans::{Nan, Nans};
use crate::origin::origin;
use crate::passing::{Passing, REGISTER_RESULTS};
use crate::shape::{Block, RegisterSet, Shape};
use crate::slow::Kind;

use at_hand::AtHand;
use outlined::{Outlined, Way};
use safepoints::HeadPoll;
pub(crate) use slots::Slots;
use turns::Looks;

/// Bytes of a cell of the stack.
pub(crate) const CELL: i32 = 8;

/// So many turns of a loop follow in line at most, and as many as have so many words.
const MAX_TURNS: usize = 4;
const TURNS_WORDS: usize = 24;

/// Where compiled code begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// With the first instruction, by a call.
    Call,
    /// At this word, the head of a loop, with the registers in the frame's cells.
    Loop(u32),
}

impl Entry {
    pub(crate) fn word(self) -> u32 {
        match self {
            Self::Call => 0,
            Self::Loop(word) => word,
        }
    }
}

/// Cranelift's type for a register's.
pub(crate) fn type_of(ty: ValueType) -> Type {
    match ty {
        ValueType::I32 => types::I32,
        ValueType::I64 | ValueType::Ref => types::I64,
        ValueType::F32 => types::F32,
        ValueType::F64 => types::F64,
    }
}

/// How functions of a signature are called.
pub(crate) fn signature(signature: &limen_isa::module::Signature) -> Signature {
    let mut native = Signature::new(CallConv::SystemV);
    native.params.extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    let mut passing = Passing::new();
    let passed = signature.params.iter().filter(|ty| passing.next(**ty).is_some());
    native.params.extend(passed.map(|ty| AbiParam::new(type_of(*ty))));
    let returned = signature.results.iter().take(REGISTER_RESULTS);
    native.returns.extend(returned.map(|ty| AbiParam::new(type_of(*ty))));
    native
}

/// How code is called that begins within a function.
pub(crate) fn loop_signature(signature: &limen_isa::module::Signature) -> Signature {
    let mut native = self::signature(signature);
    native.params.truncate(2);
    native
}

/// Memory of the context or of the frame: always there.
pub(crate) fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// The value of a field of the context that never changes while the function runs.
pub(crate) fn constant() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// A function while it is translated.
pub(crate) struct Translator<'a, 'b> {
    pub(crate) builder: &'a mut FunctionBuilder<'b>,
    pub(crate) module: &'a Module,
    pub(crate) index: u32,
    pub(crate) function: &'a Function,
    pub(crate) shape: &'a Shape,
    /// By the number of the basic block.
    blocks: Vec<ir::Block>,
    /// By the number of the basic block: the poll before it, if it is the head of a loop with one way back.
    polls: Vec<Option<HeadPoll>>,
    pub(crate) variables: Vec<Variable>,
    /// The registers that are in the native frame instead.
    pub(crate) slots: Slots,
    /// What a NaN in a register is; see [`crate::lower::float`].
    pub(crate) nans: Vec<Nan>,
    at_start: Nans,
    pub(crate) bounds: Bounds,
    /// What is known of the places that `bounds` follows.
    pub(crate) open: Vec<u32>,
    /// The instructions, by their words, that write what is a part of an address next.
    pub(crate) sources_of_addresses: FxHashSet<u32>,
    /// What was found out about references; only where no instruction can end one.
    pub(crate) known: Known,
    /// By basic block: what was known at its end.
    pub(crate) known_behind: HashMap<usize, Known>,
    /// What loops keep of references to memory.
    pub(crate) kept: Vec<Kept>,
    /// The basic block that is being translated.
    pub(crate) block: usize,
    /// Where its next turn follows in line, if one does.
    next_turn: Option<ir::Block>,
    /// What the turns that are being translated look at.
    looks: Looks,
    /// For so many registers of a function that is called, a call before it in the basic block has found room.
    pub(crate) room: Option<usize>,
    /// For so many registers there is known to be room everywhere.
    pub(crate) room_in_loops: Option<usize>,
    pub(crate) context: Value,
    pub(crate) frame: Value,
    /// What all contexts share, in a function that enters the kernel.
    pub(crate) processor: Option<Variable>,
    /// The fuel that is left, in a function with loops that counts it: polls take a step less than with the pinned register.
    /// That one has it wherever other code may look.
    pub(crate) fuel: Option<Variable>,
    at_hand: AtHand,
    /// The address in home from which offsets count.
    pub(crate) origin: u32,
    entry: Entry,
    pub(crate) mode: Mode,
    /// The code that is being made.
    pub(crate) itself: ir::FuncRef,
    slow_signature: SigRef,
    /// The instruction that is being translated: its word, and what is live before and behind it.
    pub(crate) pc: u32,
    pub(crate) live: RegisterSet,
    live_behind: RegisterSet,
    /// Blocks off the straight way, to be filled when that is done.
    outlined: Vec<Outlined>,
    /// By basic block: the common end of the ways out of it, once one was translated.
    pub(crate) tails: HashMap<usize, Option<Tail>>,
    /// How many accesses there are so far that the host may stop.
    pub(crate) accesses: usize,
    /// Stores to home that are put off.
    pub(crate) waiting: Vec<Waiting>,
    /// What a message lacks that was handed over, until that is noted.
    pub(crate) lacking: Option<Lacking>,
    /// Whether what is translated is hardly ever executed.
    pub(crate) is_cold: bool,
    /// The kernel whose code takes the place of an `svc`.
    pub(crate) kernel: Option<&'a Handler>,
    /// How the function ends, if it is code of the kernel that takes the place of an `svc`.
    pub(crate) inlined: Option<Inlined>,
    /// Whether code of the kernel that takes the place of an `svc` lends memory anywhere.
    pub(crate) lends: bool,
}

impl<'a, 'b> Translator<'a, 'b> {
    pub(crate) fn new(
        builder: &'a mut FunctionBuilder<'b>,
        module: &'a Module,
        index: u32,
        shape: &'a Shape,
        itself: ir::FuncRef,
        entry: Entry,
        mode: Mode,
    ) -> Self {
        let function = &module.functions[index as usize];
        let blocks = shape.blocks.iter().map(|_| builder.create_block()).collect();
        let polls = shape.single_ways_back(module, index).into_iter();
        let polls = polls.map(|way| way.map(|branch| HeadPoll::new(builder.create_block(), branch))).collect();
        let variables = function.registers.iter().map(|ty| builder.declare_var(type_of(*ty))).collect();
        let mut slow = Signature::new(CallConv::PreserveAll);
        slow.params.push(AbiParam::new(types::I64));
        let slow_signature = builder.import_signature(slow);
        let kept = kept::kept(builder, module, index, shape);
        let nothing = Value::from_u32(0);
        let parameters = module.types[function.signature as usize].params.len() as u16;
        let at_start = match entry {
            Entry::Call => Nans::of(module, index, shape, 0, 0..parameters),
            Entry::Loop(pc) => Nans::of(module, index, shape, pc, shape.live_at(pc).iter()),
        };
        let counts_in_loops = shape.has_loops() && mode.safepoints == Safepoints::Counting;
        let fuel = counts_in_loops.then(|| builder.declare_var(types::I64));
        let processor = enters_kernel(function).then(|| builder.declare_var(types::I64));
        Self {
            builder,
            module,
            index,
            function,
            shape,
            blocks,
            polls,
            variables,
            slots: Slots::default(),
            nans: vec![Nan::Canonical; function.registers.len()],
            at_start,
            bounds: Bounds::of(module, index, shape, entry, mode.paging),
            sources_of_addresses: sources_of_addresses(module, index, shape),
            open: Vec::new(),
            known: Known::default(),
            known_behind: HashMap::new(),
            kept,
            block: 0,
            next_turn: None,
            looks: Looks::Usual,
            room: None,
            room_in_loops: None,
            context: nothing,
            frame: nothing,
            processor,
            fuel,
            at_hand: AtHand::default(),
            origin: origin(module),
            entry,
            mode,
            itself,
            slow_signature,
            pc: 0,
            live: RegisterSet::default(),
            live_behind: RegisterSet::default(),
            outlined: Vec::new(),
            tails: HashMap::new(),
            accesses: 0,
            waiting: Vec::new(),
            lacking: None,
            is_cold: false,
            kernel: None,
            inlined: None,
            lends: false,
        }
    }

    /// Whether the function has an `svc`.
    pub(crate) fn enters_kernel(&self) -> bool {
        self.processor.is_some()
    }

    /// Translates the whole function.
    pub(crate) fn translate(mut self) {
        self.builder.set_srcloc(Location::Around.told());
        self.prologue();
        self.body(0..self.shape.blocks.len());
        self.builder.seal_all_blocks();
    }

    /// Translates these basic blocks, and what they leave for later.
    pub(crate) fn body(&mut self, blocks: impl IntoIterator<Item = usize>) {
        blocks.into_iter().for_each(|block| self.block(block));
        while let Some(outlined) = self.outlined.pop() {
            self.outline(outlined);
        }
    }

    fn prologue(&mut self) {
        let block = self.builder.create_block();
        self.builder.append_block_params_for_function_params(block);
        self.builder.switch_to_block(block);
        let params = self.builder.block_params(block).to_vec();
        (self.context, self.frame) = (params[0], params[1]);
        self.keep_at_hand();
        self.take_fuel();
        self.renew_processor();
        self.begin_kept();
        let entry = self.entry.word();
        match self.entry {
            Entry::Call => {
                self.enter(&params[2..]);
                self.begin_slots(entry);
                self.arguments(&params[2..]);
            }
            Entry::Loop(_) => {
                self.make_exit();
                self.begin_slots(entry);
                self.zeroes(0..self.function.registers.len());
                let live = self.shape.live_at(entry).clone();
                live.iter().for_each(|register| self.load_cell(Reg(register)));
            }
        }
        self.require_all(entry);
        self.jump_to(entry);
    }

    /// What is translated now comes from the instruction at this word; in the place of an `svc`, from that.
    pub(crate) fn locate(&mut self, word: u32) {
        let word = self.inlined.as_ref().map_or(word, |inlined| inlined.svc.pc);
        let location = if self.is_cold { Location::Aside(word) } else { Location::At(word) };
        self.builder.set_srcloc(location.told());
    }

    /// Leaves the function to the interpreter, from the word `pc` on, if something is not as the code relies on.
    pub(crate) fn require_all(&mut self, pc: u32) {
        self.stand_at(pc);
        self.require_declared_home();
        self.require_room();
    }

    /// What is translated now is as if it belonged to the instruction at the word `pc`, which begins a block.
    pub(crate) fn stand_at(&mut self, pc: u32) {
        (self.pc, self.live) = (pc, self.shape.live_at(pc).clone());
    }

    /// Sets parameters, and zeroes for all other registers.
    fn arguments(&mut self, passed: &[Value]) {
        let params = &self.module.types[self.function.signature as usize].params;
        let (mut passing, mut passed) = (Passing::new(), passed.iter());
        for (register, ty) in (0..).zip(params) {
            match passing.next(*ty).and_then(|_| passed.next()) {
                Some(value) => self.hold(Reg(register), *value),
                None => self.load_cell(Reg(register)),
            }
        }
        self.zeroes(params.len()..self.function.registers.len());
    }

    pub(crate) fn zeroes(&mut self, registers: std::ops::Range<usize>) {
        for register in registers {
            let zero = self.zero(type_of(self.function.registers[register]));
            self.hold(Reg(register as u16), zero);
            self.nans[register] = Nan::Canonical;
        }
    }

    pub(crate) fn zero(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.builder.ins().f32const(0.0),
            types::F64 => self.builder.ins().f64const(0.0),
            types::I64X2 => {
                let zeroes = self.builder.func.dfg.constants.insert(vec![0; 16].into());
                self.builder.ins().vconst(ty, zeroes)
            }
            _ => self.builder.ins().iconst(ty, 0),
        }
    }

    /// Where a basic block begins: what is known there.
    fn begin_block(&mut self, index: usize) {
        debug_assert!(
            self.lacking.is_none(),
            "what a message lacks is noted where the block ends in which it was handed over"
        );
        (self.block, self.open, self.room) = (index, self.bounds.at_start(index), self.room_in_loops);
        self.slots.enter(index);
        self.take_known(index);
        self.take_nans(index);
    }

    fn instructions_of(&mut self, index: usize) {
        self.begin_block(index);
        let instructions = self.shape.live_before(self.module, self.index, index);
        for (number, (pc, live)) in instructions.iter().enumerate() {
            let behind = instructions.get(number + 1).map_or(&self.shape.blocks[index].live_out, |(_, live)| live);
            (self.pc, self.live, self.live_behind) = (*pc, live.clone(), behind.clone());
            let pc = *pc;
            self.locate(pc);
            let words = &self.function.code[pc as usize..];
            let Some(opcode) = Opcode::of_word(words[0]) else { continue };
            if !lets_stores_wait(opcode, words) {
                self.store_waiting();
            }
            if !self.lets_message_wait(opcode, words) {
                self.settle_message();
            }
            if self.inlined.as_ref().is_some_and(|inlined| inlined.plan.leaves_at(index, pc)) {
                self.slowly();
                if !self.is_last() {
                    // From the interpreter there is no way back here.
                    self.builder.ins().trap(ir::TrapCode::unwrap_user(1));
                }
                break;
            }
            // The verifier has refused reserved instructions.
            let _ = limen_isa::dispatch(self, opcode, words);
            if self.inlined.as_ref().is_some_and(|inlined| inlined.plan.ends_at(index, pc)) {
                break;
            }
            self.forget_written();
            self.may_have_changed(changes(opcode));
            if pc as usize + self.length() == self.shape.blocks[index].end as usize && opcode.row().flow == Flow::Next {
                self.store_waiting();
                self.settle_message();
                self.jump_to(self.shape.blocks[index].end);
            }
        }
        self.leave_known(index);
    }

    /// No other way will lead to this block than those there are, unless one is still to come that polls or looks at NaNs.
    pub(crate) fn seal(&mut self, block: usize) {
        let is_float = |ty: &ValueType| matches!(ty, ValueType::F32 | ValueType::F64);
        if !self.shape.has_loops() && !self.function.registers.iter().any(is_float) {
            self.builder.seal_block(self.blocks[block]);
        }
    }

    /// NaNs are as where the block begins.
    fn take_nans(&mut self, block: usize) {
        for (register, nan) in (0..).zip(&mut self.nans) {
            *nan = self.at_start.at_start(block, register);
        }
    }

    /// Of places at which something was written to a register, nothing is known any more.
    fn forget_written(&mut self) {
        for register in self.written() {
            self.bounds.forget(&mut self.open, register.0);
            self.forget_caller_in(register);
        }
    }

    /// The registers that the instruction writes.
    fn written(&self) -> Vec<Reg> {
        let shapes = ModuleShapes { module: self.module, function: self.index };
        let mut written = Vec::new();
        for_each_register(&self.function.code[self.pc as usize..], &shapes, |role, register| {
            if role != Role::Read {
                written.push(register);
            }
        });
        written
    }

    /// The words of the instruction.
    pub(crate) fn length(&self) -> usize {
        let shapes = ModuleShapes { module: self.module, function: self.index };
        for_each_register(&self.function.code[self.pc as usize..], &shapes, |_, _| {})
    }

    /// Goes to a word that begins a block.
    pub(crate) fn jump_to(&mut self, pc: u32) {
        let target = self.way_to(pc);
        self.builder.ins().jump(target, &[]);
    }

    /// The block to go to for the one that begins at this word.
    pub(crate) fn way_to(&mut self, pc: u32) -> ir::Block {
        let target = self.shape.index_of(pc);
        let live = self.shape.live_at(pc);
        let is_ready = self.polls[target].is_none() && !self.fetches(target);
        let goes_straight = is_ready && self.conversions(target, live).is_empty();
        if goes_straight { self.blocks[target] } else { self.edge_block(pc) }
    }

    /// A block between this one and the one that begins at this word.
    pub(crate) fn edge_block(&mut self, pc: u32) -> ir::Block {
        self.outlined_block(Way::Edge(self.shape.index_of(pc)))
    }

    /// The block to go to for a branch of this distance, by way of a poll if it goes backwards.
    pub(crate) fn target(&mut self, distance: i32) -> ir::Block {
        let target = self.pc.wrapping_add_signed(distance);
        if distance > 0 {
            return self.way_to(target);
        }
        let head = self.shape.index_of(target);
        if let Some(next) =
            self.next_turn.filter(|_| head == self.block && self.conversions(head, &self.live).is_empty())
        {
            return next;
        }
        match &self.polls[head] {
            Some(poll) if self.conversions(head, &self.live).is_empty() => poll.block,
            _ => self.outlined_block(Way::Poll(head)),
        }
    }

    /// The registers, of those that are live, in which NaNs are of another kind than where a block begins.
    fn conversions(&self, target: usize, live: &RegisterSet) -> Vec<Reg> {
        let differs = |register: &Reg| {
            let wanted = self.at_start.at_start(target, register.0);
            match self.nan(*register) {
                Nan::Canonical => false,
                Nan::Kept => wanted != Nan::Kept && matches!(self.type_of(*register), ValueType::F32 | ValueType::F64),
                Nan::Pending => wanted != Nan::Pending,
            }
        };
        live.iter().map(Reg).filter(differs).collect()
    }

    /// Goes to a block, with NaNs in all registers of the kind that it takes.
    fn convert(&mut self, target: usize) {
        let start = self.shape.blocks[target].start;
        (self.pc, self.live) = (start, self.shape.live_at(start).clone());
        for register in self.conversions(target, self.shape.live_at(start)) {
            match self.nan(register) {
                Nan::Kept => self.refuse_strange_nan(register),
                Nan::Pending | Nan::Canonical => self.make_canonical(register),
            }
        }
        let block = match (&self.polls[target], self.fuel) {
            (Some(HeadPoll { block, .. }), Some(variable)) => {
                let fuel = self.builder.use_var(variable);
                let more = self.builder.ins().iadd_imm_s(fuel, 1);
                self.builder.def_var(variable, more);
                *block
            }
            _ => self.blocks[target],
        };
        self.builder.ins().jump(block, &[]);
    }

    /// A register's value.
    pub(crate) fn get(&mut self, register: Reg) -> Value {
        match self.slots.of(register) {
            Some(slot) => self.load_slot(slot, type_of(self.type_of(register))),
            None => self.builder.use_var(self.variables[usize::from(register.0)]),
        }
    }

    /// The instruction writes a register.
    pub(crate) fn set(&mut self, register: Reg, value: Value) {
        self.slots.write(self.pc, register);
        self.hold(register, value);
    }

    /// A register has this value, wherever it is.
    pub(crate) fn hold(&mut self, register: Reg, value: Value) {
        self.nans[usize::from(register.0)] = Nan::Kept;
        match self.slots.of(register) {
            Some(slot) => self.store_slot(slot, value),
            None => self.builder.def_var(self.variables[usize::from(register.0)], value),
        }
        self.forget_kept_in(register);
    }

    /// A number as 64 bits: without an instruction, if it was loaded as such.
    pub(crate) fn extend(&mut self, value: Value) -> Value {
        let dfg = &self.builder.func.dfg;
        let origin = |value: Value| dfg.value_def(dfg.resolve_aliases(value)).inst().map(|inst| dfg.insts[inst]);
        if let Some(InstructionData::Unary { opcode: ir::Opcode::Ireduce, arg }) = origin(value) {
            let loads = [ir::Opcode::Uload8, ir::Opcode::Uload16, ir::Opcode::Uload32];
            if self.slots.have_loaded(arg) || origin(arg).is_some_and(|origin| loads.contains(&origin.opcode())) {
                return arg;
            }
        }
        self.builder.ins().uextend(types::I64, value)
    }

    /// Whether a register is zero wherever the function stands: it begins like that, and nothing ever writes it. Where code begins
    /// within the function, a kernel or a snapshot may have set it to anything.
    pub(crate) fn is_always_zero(&self, register: Reg) -> bool {
        let parameters = self.module.types[self.function.signature as usize].params.len();
        let begins_zero = self.entry == Entry::Call && usize::from(register.0) >= parameters;
        begins_zero && !self.shape.written.contains(register.0)
    }

    pub(crate) fn type_of(&self, register: Reg) -> ValueType {
        self.function.registers[usize::from(register.0)]
    }

    /// Fetches a register from its cell.
    pub(crate) fn load_cell(&mut self, register: Reg) {
        let ty = type_of(self.type_of(register));
        let value = self.builder.ins().load(ty, trusted(), self.frame, i32::from(register.0) * CELL);
        self.hold(register, value);
    }

    /// Writes a register to its cell.
    pub(crate) fn store_cell(&mut self, register: Reg) {
        let value = self.get_canonical(register);
        self.store_to(self.frame, i32::from(register.0), value);
    }

    /// Writes a value to a cell of the frame whose register 0 is at `frame`. The upper half of a cell is written by itself: a
    /// value of 64 bits, made only for that, would be carried through loops.
    pub(crate) fn store_to(&mut self, frame: Value, cell: i32, value: Value) {
        self.builder.ins().store(trusted(), value, frame, cell * CELL);
        if self.builder.func.dfg.value_type(value).bits() == 32 {
            let zero = self.builder.ins().iconst(types::I32, 0);
            self.builder.ins().store(trusted(), zero, frame, cell * CELL + CELL / 2);
        }
    }

    /// A field of the context.
    pub(crate) fn field(&mut self, flags: MemFlagsData, ty: Type, offset: usize) -> Value {
        self.builder.ins().load(ty, flags, self.context, offset as i32)
    }

    /// A field of another native context that never changes while the function runs.
    pub(crate) fn field_of(&mut self, native: Value, offset: usize) -> Value {
        self.builder.ins().load(types::I64, constant(), native, offset as i32)
    }

    /// Whether nothing follows the instruction.
    pub(crate) fn is_last(&self) -> bool {
        let opcode = Opcode::of_word(self.function.code[self.pc as usize]);
        opcode.is_some_and(|opcode| opcode.row().flow == Flow::Terminator)
    }

    /// Leaves the whole instruction to the runtime.
    pub(crate) fn slowly(&mut self) {
        let next = (!self.is_last()).then(|| self.builder.create_block());
        let slow = self.slow_block(Kind::Step, next);
        self.builder.ins().jump(slow, &[]);
        for register in self.written() {
            self.slots.write(self.pc, register);
            self.nans[usize::from(register.0)] = Nan::Kept;
        }
        if let Some(next) = next {
            self.builder.switch_to_block(next);
        }
    }

    /// Calls compiled code. Its results are in registers, or else in its cells; if frames are to return, this one does so too,
    /// leaving out of its cells the registers that the results go to.
    pub(crate) fn native_call(
        &mut self,
        callee: Callee,
        native: Signature,
        arguments: &[Value],
        results: &[Reg],
    ) -> Vec<Value> {
        let returned: Vec<Type> = native.returns.iter().map(|param| param.value_type).collect();
        let native = self.builder.import_signature(native);
        let (next, pad) = (self.builder.create_block(), self.call_pad(results));
        let values: Vec<Value> = returned.iter().map(|ty| self.builder.append_block_param(next, *ty)).collect();
        let received: Vec<BlockArg> = (0..returned.len() as u32).map(BlockArg::TryCallRet).collect();
        let pool = &mut self.builder.func.dfg.value_lists;
        let (normal, exceptional) = (BlockCall::new(next, received, pool), BlockCall::new(pad, [], pool));
        self.show_fuel();
        let data = ExceptionTableData::new(native, normal, [ExceptionTableItem::Default(exceptional)]);
        let table = self.builder.func.dfg.exception_tables.push(data);
        match callee {
            Callee::Itself => self.builder.ins().try_call(self.itself, arguments, table),
            Callee::Code(code) => self.builder.ins().try_call_indirect(code, arguments, table),
        };
        self.builder.switch_to_block(next);
        self.take_fuel();
        self.forget_kept();
        values
    }

    /// Whether a call of this function is a call of the code that is being made.
    pub(crate) fn is_itself(&self, function: u32) -> bool {
        function == self.index && self.entry == Entry::Call
    }

    /// Cells from this frame's register 0 to that of a frame it calls.
    pub(crate) fn distance(&self) -> i64 {
        (self.function.registers.len() + HEADER_CELLS) as i64
    }
}

/// Whether a function has an `svc`.
pub(crate) fn enters_kernel(function: &Function) -> bool {
    function.code.iter().any(|word| Opcode::of_word(*word) == Some(Opcode::Svc))
}

/// Whether stores may be put off behind the instruction: it does nothing but compute, or sees to them itself.
fn lets_stores_wait(opcode: Opcode, words: &[u64]) -> bool {
    computes(opcode) || access(words).is_some()
}

/// What is called.
pub(crate) enum Callee {
    /// The function itself.
    Itself,
    /// The code at this address.
    Code(Value),
}
