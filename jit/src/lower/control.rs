//! Control: jumps, calls, returns and the door into the kernel.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, BlockCall, InstBuilder, JumpTableData, Value, types};
use limen_isa::codec::ModuleShapes;
use limen_isa::module::Signature;
use limen_isa::{Control, Field, Fields, Opcode, Reg, ValueType};

use super::inline::is_inlined;
use crate::context::{IndirectEntry, NativeContext};
use crate::mode::Safepoints;
use crate::passing::{Passing, REGISTER_RESULTS, cells_of, listed};
use crate::ranges::operand;
use crate::slow::Kind;
use crate::translate::{CELL, Callee, Translator, constant, signature, trusted, type_of};

impl Control for Translator<'_, '_> {
    fn nop(&mut self) {}

    fn trap(&mut self, _code: u32) {
        self.slowly();
    }

    fn jump(&mut self, to: i32) {
        let target = self.target(to);
        self.builder.ins().jump(target, &[]);
    }

    fn br_table(&mut self, i: Reg, targets: u32) {
        let words = &self.function.code[self.pc as usize..];
        let distance = |index: u32| words.signed(index as usize + 1, Field::Wide32);
        if let Some(number) = self.known_number(i) {
            return self.jump(distance(number.min(targets - 1)));
        }
        let blocks: Vec<_> = (0..targets).map(|index| self.target(distance(index))).collect();
        let pool = &mut self.builder.func.dfg.value_lists;
        let mut calls: Vec<BlockCall> = blocks.iter().map(|block| BlockCall::new(*block, [], pool)).collect();
        let Some(default) = calls.pop() else { return };
        let index = self.get(i);
        let table = self.builder.create_jump_table(JumpTableData::new(default, &calls));
        self.builder.ins().br_table(index, table);
    }

    fn ret(&mut self) {
        if self.inlined.is_some() {
            return self.return_inlined();
        }
        let words = &self.function.code[self.pc as usize..];
        let count = self.module.types[self.function.signature as usize].results.len();
        let registers: Vec<Reg> = (0..count).map(|index| listed(words, 0, index)).collect();
        let values: Vec<Value> = registers.iter().map(|register| self.get_canonical(*register)).collect();
        let (returned, others) = values.split_at(count.min(REGISTER_RESULTS));
        for (cell, value) in (REGISTER_RESULTS as i32..).zip(others) {
            self.store_to(self.frame, cell, *value);
        }
        self.show_fuel();
        self.builder.ins().return_(returned);
    }

    fn call(&mut self, f: u32) {
        let Some(shape) = self.module.signature_of(f) else { return };
        if is_inlined(self.module, f) {
            self.call_in_line(f, shape);
        } else if self.inlined.is_some() {
            self.inline_call(f);
        } else {
            let code = (!self.is_itself(f)).then(|| {
                let functions = self.field(constant(), types::I64, offset_of!(NativeContext, functions));
                self.builder.ins().load(types::I64, trusted(), functions, f as i32 * CELL)
            });
            self.transfer(code, shape);
        }
    }

    fn call_indirect(&mut self, t: u32, i: Reg, s: u32) {
        if self.inlined.is_some() {
            return self.slowly();
        }
        let shape = &self.module.types[s as usize];
        let (entries, first) = table_span(&self.module.tables, t);
        let index = self.get(i);
        // The runtime finds the same fault.
        let fault = self.leave_block();
        let outside = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, index, entries as i64);
        self.unless(outside, fault);
        // Should the call not come about, nobody else knows which it was to be.
        self.builder.ins().store(trusted(), index, self.context, offset_of!(NativeContext, index) as i32);
        let index = self.builder.ins().uextend(types::I64, index);
        let offset = self.builder.ins().imul_imm_s(index, size_of::<IndirectEntry>() as i64);
        let table = self.field(constant(), types::I64, offset_of!(NativeContext, indirect));
        let entry = self.builder.ins().iadd(table, offset);
        let at = |field: usize| (first * size_of::<IndirectEntry>() + field) as i32;
        let found = self.builder.ins().load(types::I32, trusted(), entry, at(offset_of!(IndirectEntry, signature)));
        let differs = self.builder.ins().icmp_imm_u(IntCC::NotEqual, found, i64::from(s));
        self.unless(differs, fault);
        let code = self.builder.ins().load(types::I64, trusted(), entry, at(offset_of!(IndirectEntry, code)));
        self.transfer(Some(code), shape);
    }

    fn svc(&mut self, results: u32, number: u32, arguments: u32) {
        if self.inlined.is_some() {
            return self.slowly();
        }
        // There is no way from one `svc` to the next, again and again, but by other safepoints: so where these are not counted nobody
        // looks here, and nobody comes back.
        if self.mode.safepoints == Safepoints::Counting {
            let retry = self.builder.create_block();
            self.builder.ins().jump(retry, &[]);
            self.builder.switch_to_block(retry);
            let lacking = self.slow_block(Kind::Poll, Some(retry));
            self.pass_next(lacking);
        }
        let words = &self.function.code[self.pc as usize..];
        let (results, arguments) = (results as usize, arguments as usize);
        let taken: Vec<Reg> = (0..results).map(|index| listed(words, 1, index)).collect();
        let given: Vec<Reg> = (results..results + arguments).map(|index| listed(words, 1, index)).collect();
        self.renew_processor();
        let context = self.fetch_context();
        let known = std::mem::replace(&mut self.context, context);
        let port = self.port();
        let message = self.message_of(&given);
        let port = self.enter_kernel(port, number, message, &taken);
        self.context = known;
        self.take(port, &taken);
    }
}

impl Translator<'_, '_> {
    /// Goes on at a distance if the condition holds, else behind the instruction.
    pub(crate) fn branch_if(&mut self, condition: Value, to: i32) {
        let (target, behind) = (self.target(to), self.pc + self.length() as u32);
        if to > 0 {
            let next = self.way_to(behind);
            self.builder.ins().brif(condition, target, &[], next, &[]);
        } else {
            // The way back is laid out first, and what the other way needs is done on a block of its own, so that a turn of a
            // loop takes one jump, not two.
            let next = self.edge_block(behind);
            let leaves = self.builder.ins().icmp_imm_s(IntCC::Equal, condition, 0);
            self.builder.ins().brif(leaves, next, &[], target, &[]);
        }
    }

    /// Goes to `to`, or else to the next instruction: where a branch goes that always goes the same way.
    pub(crate) fn branch_always(&mut self, to: Option<i32>) {
        let target = self.target(to.unwrap_or(self.length() as i32));
        self.builder.ins().jump(target, &[]);
    }

    /// Where the function is entered: leaves it to the interpreter unless there is room for every function that follows in line in
    /// its loops, so that these need not look again.
    pub(crate) fn require_room(&mut self) {
        self.room_in_loops = self.called_in_loops().into_iter().max();
        let Some(registers) = self.room_in_loops else { return };
        let leave = self.leave_block();
        let bytes = (self.distance() + registers as i64) * i64::from(CELL);
        let end = self.builder.ins().iadd_imm_s(self.frame, bytes);
        let overflow = self.exceeds_stack(end);
        self.unless(overflow, leave);
    }

    /// How many registers each function has that follows in line in a loop.
    fn called_in_loops(&self) -> Vec<usize> {
        let shapes = ModuleShapes { module: self.module, function: self.index };
        let code = &self.function.code;
        let in_loops = (0..self.shape.blocks.len()).filter(|block| self.shape.blocks[*block].loop_head.is_some());
        in_loops
            .flat_map(|block| self.shape.instructions(code, shapes, block))
            .map(|pc| &code[pc as usize..])
            .filter(|words| Opcode::of_word(words[0]) == Some(Opcode::Call))
            .filter_map(|words| operand(Opcode::Call, words, "f"))
            .filter(|function| is_inlined(self.module, *function))
            .map(|function| self.module.functions[function as usize].registers.len())
            .collect()
    }

    /// Whether registers that end here lie beyond the stack, or, where that is what safepoints look at, somebody wants the machine's
    /// attention: for who asks the runtime then.
    fn exceeds_limit(&mut self, end: Value) -> Value {
        let limit = self.field(trusted(), types::I64, offset_of!(NativeContext, limit));
        self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, limit)
    }

    /// Whether registers that end here lie beyond the stack: for who leaves the function to the interpreter then, which passes no
    /// safepoint by that.
    fn exceeds_stack(&mut self, end: Value) -> Value {
        let stack = self.field(trusted(), types::I64, offset_of!(NativeContext, end));
        self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, stack)
    }

    /// A call of a function whose instructions follow in line.
    fn call_in_line(&mut self, f: u32, shape: &Signature) {
        let retry = self.builder.create_block();
        self.builder.ins().jump(retry, &[]);
        self.builder.switch_to_block(retry);
        let registers = self.module.functions[f as usize].registers.len();
        let needs_look = self.inlined.is_none() && self.room.is_none_or(|room| registers > room);
        let bytes = needs_look.then(|| {
            self.room = Some(registers);
            self.builder.ins().iconst(types::I64, registers as i64 * i64::from(CELL))
        });
        let function = self.builder.ins().iconst(types::I64, i64::from(f));
        self.enter_in_line(retry, function, bytes);
        let (arguments, results) = self.passed(shape);
        self.inline(f, &arguments, &results);
    }

    /// Where the function begins: checks the stack and passes the safepoint, for its caller; one look at the limit does for both
    /// where that is what safepoints look at. Leaves to the runtime, which has the call not come about if it must.
    pub(crate) fn enter(&mut self, passed: &[Value]) {
        let [begin, lacking, on] = [(); 3].map(|()| self.builder.create_block());
        self.builder.set_cold_block(lacking);
        self.builder.ins().jump(begin, &[]);
        self.builder.switch_to_block(begin);
        let bytes = self.function.registers.len() as i64 * i64::from(CELL);
        let end = self.builder.ins().iadd_imm_s(self.frame, bytes);
        let overflow = self.exceeds_limit(end);
        self.unless(overflow, lacking);
        // The runtime sees to all that is lacking, but whoever counts burns fuel himself.
        let again = if self.mode.safepoints == Safepoints::Counting {
            self.pass(lacking);
            begin
        } else {
            if !self.mode.looks_at_limit() && self.calls() {
                self.pass(lacking);
            }
            on
        };
        self.builder.ins().jump(on, &[]);
        self.builder.switch_to_block(lacking);
        self.ask_at_entry(passed, again);
        self.builder.switch_to_block(on);
    }

    /// Asks the runtime for what it takes to enter the function, and goes to `next`.
    fn ask_at_entry(&mut self, passed: &[Value], next: ir::Block) {
        let params = &self.module.types[self.function.signature as usize].params;
        let (mut passing, mut values) = (Passing::new(), passed.iter());
        for ty in params {
            let Some(number) = passing.next(*ty) else { continue };
            let Some(value) = values.next() else { break };
            let class = match ty {
                ValueType::F32 | ValueType::F64 => offset_of!(NativeContext, floats),
                ValueType::I32 | ValueType::I64 | ValueType::Ref => offset_of!(NativeContext, integers),
            };
            let place = class as i32 + number as i32 * CELL;
            self.builder.ins().store(trusted(), *value, self.context, place);
        }
        self.call_runtime(Kind::Entry);
        let unwinding = self.field(trusted(), types::I64, offset_of!(NativeContext, unwinding));
        let leave = self.builder.create_block();
        self.builder.set_cold_block(leave);
        self.builder.ins().brif(unwinding, leave, &[], next, &[]);
        self.builder.switch_to_block(leave);
        self.leave_by_exit();
    }

    /// Whether the function calls any.
    fn calls(&self) -> bool {
        (0..self.shape.blocks.len()).any(|block| self.calls_in(block))
    }

    /// Whether a basic block calls a function.
    pub(crate) fn calls_in(&self, block: usize) -> bool {
        let shapes = ModuleShapes { module: self.module, function: self.index };
        let code = &self.function.code;
        let is_call = |pc: u32| matches!(Opcode::of_word(code[pc as usize]), Some(Opcode::Call | Opcode::CallIndirect));
        self.shape.instructions(code, shapes, block).into_iter().any(is_call)
    }

    /// Before a function whose instructions follow in line and whose registers take `bytes`, for which there is known to be room if
    /// that is `None`: checks the stack and passes the safepoint, with one cold way out that comes back to `retry`. Gives its
    /// frame.
    pub(super) fn enter_in_line(&mut self, retry: ir::Block, function: Value, bytes: Option<Value>) -> Value {
        let lacking = self.lacking_block(function, retry);
        let frame = self.make_room(lacking, bytes);
        self.pass_next(lacking);
        frame
    }

    /// Goes to `lacking` if the stack has no room for registers that take `bytes`, if any. Gives the frame.
    fn make_room(&mut self, lacking: ir::Block, bytes: Option<Value>) -> Value {
        let distance = self.distance() * i64::from(CELL);
        let frame = self.builder.ins().iadd_imm_s(self.frame, distance);
        if let Some(bytes) = bytes {
            let end = self.builder.ins().iadd(frame, bytes);
            let overflow = self.exceeds_limit(end);
            self.unless(overflow, lacking);
        }
        frame
    }

    /// Goes to `exit` if the condition holds, and on otherwise.
    pub(crate) fn unless(&mut self, condition: Value, exit: ir::Block) {
        let next = self.continuation();
        self.builder.ins().brif(condition, exit, &[], next, &[]);
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
    }

    /// The registers of the caller with the arguments, and those for the results, of the call that is translated.
    pub(super) fn passed(&self, shape: &Signature) -> (Vec<Reg>, Vec<Reg>) {
        let words = &self.function.code[self.pc as usize..];
        let mut results: Vec<Reg> =
            (0..shape.results.len() + shape.params.len()).map(|index| listed(words, 1, index)).collect();
        let arguments = results.split_off(shape.results.len());
        (arguments, results)
    }

    /// Passes arguments, calls, and takes the results.
    fn transfer(&mut self, code: Option<Value>, shape: &Signature) {
        let distance = self.distance() * i64::from(CELL);
        let frame = self.builder.ins().iadd_imm_s(self.frame, distance);
        let cells = cells_of(shape);
        if cells > 0 {
            // The callee looks only when it has been entered.
            let fault = self.leave_block();
            let end = self.builder.ins().iadd_imm_s(frame, cells as i64 * i64::from(CELL));
            let overflow = self.exceeds_stack(end);
            self.unless(overflow, fault);
        }
        let (given, results) = self.passed(shape);
        let (mut arguments, mut passing) = (vec![self.context, frame], Passing::new());
        for (index, (ty, register)) in shape.params.iter().zip(given).enumerate() {
            let value = self.get_canonical(register);
            match passing.next(*ty) {
                Some(_) => arguments.push(value),
                None => self.store_to(frame, index as i32, value),
            }
        }
        let callee = code.map_or(Callee::Itself, Callee::Code);
        let mut values = self.native_call(callee, signature(shape), &arguments, &results);
        for (index, ty) in shape.results.iter().enumerate().skip(REGISTER_RESULTS) {
            values.push(self.builder.ins().load(type_of(*ty), trusted(), frame, index as i32 * CELL));
        }
        for (register, value) in results.into_iter().zip(values) {
            self.set(register, value);
        }
    }
}

/// How many entries a function table has, and how many those before it have.
fn table_span(tables: &[Vec<Option<u32>>], table: u32) -> (usize, usize) {
    let before = tables[..table as usize].iter().map(Vec::len).sum();
    (tables[table as usize].len(), before)
}
