//! Leaving compiled code: the frame is written to its cells, and the function returns.
//!
//! There are many places to leave a function from, and many registers to write at each. What the places of a basic block have
//! in common is written by one piece of code for all of them, so that code does not grow with the product of the two.

use std::mem::offset_of;

use cranelift_codegen::ir::{
    Block, BlockCall, ExceptionTableData, ExceptionTableItem, InstBuilder, Signature, Value, types,
};
use cranelift_codegen::isa::CallConv;
use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::{Reg, Role, ValueType};

use crate::context::NativeContext;
use crate::location::Location;
use crate::mode::Paging;
use crate::passing::REGISTER_RESULTS;
use crate::shape::RegisterSet;
use crate::translate::{CELL, Translator, constant, trusted, type_of};

/// The common end of all ways out of a basic block.
#[derive(Clone)]
pub(crate) struct Tail {
    block: Block,
    /// The registers that it writes: they are live throughout the basic block, and nothing in there writes them.
    through: RegisterSet,
}

/// For fewer registers the jump is not worth it.
const WORTH_SHARING: usize = 4;

impl Translator<'_, '_> {
    /// Writes what is live, but for `except`, to the frame's cells, and returns.
    pub(crate) fn return_portable(&mut self, except: &[u16]) {
        let index = self.shape.index_of(self.pc);
        let (tail, is_new) = match self.tails.get(&index) {
            Some(tail) => (tail.clone(), false),
            None => (self.make_tail(index), true),
        };
        let is_own = |tail: &Option<Tail>, register| !tail.as_ref().is_some_and(|tail| tail.through.contains(register));
        let live: Vec<u16> =
            self.live.iter().filter(|register| !except.contains(register) && is_own(&tail, *register)).collect();
        self.store_cells_of(&live);
        let Some(tail) = tail else { return self.return_zeroes() };
        self.builder.ins().jump(tail.block, &[]);
        if is_new {
            self.fill_tail(&tail);
        }
    }

    /// The tail of a basic block, to be filled; `None` if it has none.
    fn make_tail(&mut self, index: usize) -> Option<Tail> {
        let through = self.live_throughout(index);
        let tail = (through.iter().count() >= WORTH_SHARING).then(|| {
            let block = self.builder.create_block();
            self.builder.set_cold_block(block);
            Tail { block, through }
        });
        self.tails.insert(index, tail.clone());
        tail
    }

    fn fill_tail(&mut self, tail: &Tail) {
        self.builder.switch_to_block(tail.block);
        let known = (self.context, self.frame);
        self.fetch_at_hand();
        self.store_cells_of(&tail.through.iter().collect::<Vec<_>>());
        self.return_zeroes();
        (self.context, self.frame) = known;
    }

    fn store_cells_of(&mut self, registers: &[u16]) {
        for register in registers {
            if self.slots.have(Reg(*register)) {
                continue;
            }
            let value = self.get_canonical(Reg(*register));
            // Where frames become portable, their cells are zeroes before: there is no upper half to be written.
            self.builder.ins().store(trusted(), value, self.frame, i32::from(*register) * CELL);
        }
    }

    /// In code that is entered at a loop and that the host may stop: makes the exit, to which there is no other way.
    pub(crate) fn make_exit(&mut self) {
        if self.mode.paging != Paging::Guarded {
            return;
        }
        let unwinding = self.field(trusted(), types::I64, offset_of!(NativeContext, unwinding));
        let (leave, on) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(leave);
        self.builder.ins().brif(unwinding, leave, &[], on, &[]);
        self.builder.switch_to_block(leave);
        self.leave_by_exit();
        self.builder.switch_to_block(on);
    }

    /// Returns before anything was done. Where the host may stop the code, this makes the function's exit: a place at which nothing
    /// is expected of any register, and from which the function returns. It is the pad of a call of nothing, since Cranelift tells
    /// where pads are.
    pub(crate) fn leave_by_exit(&mut self) {
        if self.mode.paging != Paging::Guarded {
            return self.return_zeroes();
        }
        let [next, exit] = [(); 2].map(|()| self.builder.create_block());
        [next, exit].into_iter().for_each(|block| self.builder.set_cold_block(block));
        let signature = self.builder.import_signature(Signature::new(CallConv::SystemV));
        let pool = &mut self.builder.func.dfg.value_lists;
        let (normal, pad) = (BlockCall::new(next, [], pool), BlockCall::new(exit, [], pool));
        let data = ExceptionTableData::new(signature, normal, [ExceptionTableItem::Default(pad)]);
        let table = self.builder.func.dfg.exception_tables.push(data);
        let code = self.field(constant(), types::I64, offset_of!(NativeContext, nothing));
        let before = self.builder.srcloc();
        self.builder.set_srcloc(Location::Exit.told());
        self.builder.ins().try_call_indirect(code, &[], table);
        for block in [next, exit] {
            self.builder.switch_to_block(block);
            self.return_zeroes();
        }
        self.builder.set_srcloc(before);
    }

    /// Nobody looks at the results of frames that return in order to be portable.
    pub(crate) fn return_zeroes(&mut self) {
        let results = &self.module.types[self.function.signature as usize].results;
        let zeroes: Vec<Value> = results.iter().take(REGISTER_RESULTS).map(|ty| self.zero(type_of(*ty))).collect();
        self.builder.ins().return_(&zeroes);
    }

    /// The registers that are live throughout a basic block and not written there. Floats are left out: of which kind their
    /// NaNs are can change within the block.
    fn live_throughout(&self, index: usize) -> RegisterSet {
        let before = self.shape.live_before(self.module, self.index, index);
        let mut through = self.shape.blocks[index].live_out.clone();
        let is_float = |register: &u16| matches!(self.type_of(Reg(*register)), ValueType::F32 | ValueType::F64);
        let floats: Vec<u16> = through.iter().filter(is_float).collect();
        floats.into_iter().for_each(|register| through.remove(register));
        let shapes = ModuleShapes { module: self.module, function: self.index };
        for (pc, _) in before {
            for_each_register(&self.function.code[pc as usize..], &shapes, |role, register| {
                if role != Role::Read {
                    through.remove(register.0);
                }
            });
        }
        through
    }
}
