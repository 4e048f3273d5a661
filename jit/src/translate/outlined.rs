//! Blocks off the straight way, filled when that is done: what hardly ever happens, and what ends in the runtime.

use std::mem::offset_of;

use cranelift_codegen::ir::{self, InstBuilder, Value, types};
use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::{Reg, Role};
use limen_vm::NativeFrame;

use super::{Translator, trusted};
use crate::context::NativeContext;
use crate::location::Location;
use crate::mode::Safepoints;
use crate::nans::Nan;
use crate::shape::RegisterSet;
use crate::slow::{Kind, place};

/// A block that is filled later, and what it needs to know.
pub(super) struct Outlined {
    block: ir::Block,
    pc: u32,
    live: RegisterSet,
    nans: Vec<Nan>,
    /// In the place of an `svc`: whether anything but registers may have been changed.
    is_changed: bool,
    way: Way,
}

/// What an outlined block does.
pub(super) enum Way {
    /// Polls, and then goes to the basic block of this number.
    Poll(usize),
    /// Goes to the basic block of this number, with NaNs of the kinds that it takes.
    Edge(usize),
    /// Tells the runtime which function is called, asks it for what the call lacks, and then goes to the block.
    Callee(Value, ir::Block),
    /// Goes to the block with these values, or the canonical NaN for any that are NaNs.
    Nan(Vec<Value>, ir::Block),
    /// Goes to the block if the NaN is the canonical one; else the interpreter goes on from the instruction.
    StrangeNan(Value, ir::Block),
    /// Asks the runtime, and then goes to the block.
    Slow(Kind, Option<ir::Block>),
    /// Writes what is live, but for these registers, and returns.
    Return(Vec<u16>),
    /// Ends the process: nobody can take the frame out here.
    Nowhere,
    /// Has the interpreter go on from the instruction: asks the runtime for that, writes what is live, and returns.
    Leave,
}

impl Way {
    fn is_cold(&self) -> bool {
        !matches!(self, Self::Poll(_) | Self::Edge(_))
    }

    fn needs_frame(&self) -> bool {
        self.is_cold() && !matches!(self, Self::Nan(..) | Self::StrangeNan(..) | Self::Nowhere)
    }
}

impl Translator<'_, '_> {
    /// A cold block that asks the runtime for something and then goes to `next`.
    pub(crate) fn slow_block(&mut self, kind: Kind, next: Option<ir::Block>) -> ir::Block {
        self.outlined_block(Way::Slow(kind, next))
    }

    /// A cold block that has the interpreter go on from the instruction.
    pub(crate) fn leave_block(&mut self) -> ir::Block {
        self.outlined_block(Way::Leave)
    }

    /// A cold block that writes what is live before the instruction, but for `except`, and returns.
    pub(crate) fn return_block(&mut self, except: Vec<u16>) -> ir::Block {
        self.outlined_block(Way::Return(except))
    }

    /// A cold block that writes what is live behind a call or `svc`, but for its results, and returns. The arguments have gone
    /// to the callee: unless they are live behind the call nobody reads them again, and they need not be kept for this.
    pub(crate) fn call_pad(&mut self, results: &[Reg]) -> ir::Block {
        if self.mode.safepoints == Safepoints::Skipped {
            return self.outlined_block(Way::Nowhere);
        }
        let mut behind = self.live_behind.clone();
        results.iter().for_each(|register| behind.remove(register.0));
        let before = std::mem::replace(&mut self.live, behind);
        let pad = self.return_block(Vec::new());
        self.live = before;
        pad
    }

    /// A cold block for a call of `function` that cannot go on: it goes back to `retry`.
    pub(crate) fn lacking_block(&mut self, function: Value, retry: ir::Block) -> ir::Block {
        self.outlined_block(Way::Callee(function, retry))
    }

    /// A cold block that goes to `next` with these values, or the canonical NaN for any that are NaNs.
    pub(crate) fn nan_block(&mut self, values: Vec<Value>, next: ir::Block) -> ir::Block {
        self.outlined_block(Way::Nan(values, next))
    }

    /// A cold block that goes to `next` with a NaN if that is the canonical one, and else has the interpreter go on.
    pub(crate) fn strange_nan_block(&mut self, nan: Value, next: ir::Block) -> ir::Block {
        self.outlined_block(Way::StrangeNan(nan, next))
    }

    /// Fills a block, and those that go on from it, with what is hardly ever done. Whoever goes on elsewhere must switch to that.
    pub(crate) fn fill_cold<T>(&mut self, block: ir::Block, fill: impl FnOnce(&mut Self) -> T) -> T {
        self.builder.set_cold_block(block);
        self.builder.switch_to_block(block);
        let (was_cold, before) = (std::mem::replace(&mut self.is_cold, true), self.builder.srcloc());
        self.locate(self.pc);
        let result = fill(self);
        self.builder.set_srcloc(before);
        self.is_cold = was_cold;
        result
    }

    /// A block that goes on from the one that is being filled.
    pub(crate) fn continuation(&mut self) -> ir::Block {
        let block = self.builder.create_block();
        if self.is_cold {
            self.builder.set_cold_block(block);
        }
        block
    }

    /// All that is translated is hardly ever executed.
    pub(crate) fn be_cold(&mut self) {
        self.is_cold = true;
        self.blocks.iter().for_each(|block| self.builder.set_cold_block(*block));
    }

    pub(super) fn outlined_block(&mut self, way: Way) -> ir::Block {
        if !matches!(way, Way::Nan(..)) {
            let own = &self.module.functions[self.index as usize];
            debug_assert!(std::ptr::eq(self.function, own), "nothing within an inlined function leaves it");
            self.store_waiting();
        }
        let block = self.builder.create_block();
        if way.is_cold() {
            self.builder.set_cold_block(block);
        }
        let (live, nans) = (self.live.clone(), self.nans.clone());
        let is_changed = self.inlined.as_ref().is_some_and(|inlined| inlined.is_changed);
        self.outlined.push(Outlined { block, pc: self.pc, live, nans, is_changed, way });
        block
    }

    pub(super) fn outline(&mut self, outlined: Outlined) {
        let Outlined { block, pc, live, nans, is_changed, way } = outlined;
        if let Some(inlined) = &mut self.inlined {
            inlined.is_changed = is_changed;
        }
        (self.pc, self.live, self.nans, self.is_cold) = (pc, live, nans, way.is_cold());
        self.slots.stand_at(pc);
        self.builder.switch_to_block(block);
        if let Way::Edge(_) = way {
            self.builder.set_srcloc(Location::Around.told());
        } else {
            self.locate(pc);
        }
        let known = if way.needs_frame() { self.fetch_at_hand() } else { (self.context, self.frame) };
        match way {
            Way::Nan(values, next) => {
                let replaced = self.replace_nans(&values);
                self.builder.ins().jump(next, &replaced);
            }
            Way::StrangeNan(value, next) => {
                let (is_canonical, leave) = (self.is_canonical(value), self.leave_block());
                self.builder.ins().brif(is_canonical, next, &[], leave, &[]);
            }
            Way::Poll(next) => self.poll(block, next),
            Way::Edge(next) => {
                self.enter_loop(next);
                self.convert(next);
            }
            Way::Callee(function, retry) => {
                let field = offset_of!(NativeContext, callee) as i32;
                self.builder.ins().store(trusted(), function, self.context, field);
                self.ask(Kind::Call, Some(retry));
            }
            Way::Slow(kind, next) => self.ask(kind, next),
            Way::Nowhere => {
                self.builder.ins().trap(ir::TrapCode::unwrap_user(1));
            }
            Way::Return(except) => self.return_portable(&except),
            Way::Leave if self.inlined.is_some() => self.leave_inlined(),
            Way::Leave => {
                self.call_runtime(Kind::Leave);
                self.return_portable(&[]);
            }
        }
        (self.context, self.frame) = known;
    }

    /// Asks the runtime, and goes to `next` unless frames are to return.
    pub(super) fn ask(&mut self, kind: Kind, next: Option<ir::Block>) {
        if self.inlined.is_some() {
            return self.leave_inlined();
        }
        let (mut read, mut written) = (Vec::new(), Vec::new());
        if kind == Kind::Step {
            let shapes = ModuleShapes { module: self.module, function: self.index };
            for_each_register(&self.function.code[self.pc as usize..], &shapes, |role, register| {
                if role != Role::Write {
                    read.push(register.0);
                }
                if role != Role::Read {
                    written.push(register);
                }
            });
        }
        for register in &read {
            self.store_cell(Reg(*register));
        }
        self.call_runtime(kind);
        let unwinding = self.field(trusted(), types::I64, offset_of!(NativeContext, unwinding));
        let (leave, go_on) = (self.return_block(read), self.continuation());
        self.builder.ins().brif(unwinding, leave, &[], go_on, &[]);
        self.builder.switch_to_block(go_on);
        self.forget_kept();
        for register in written {
            self.slots.write(self.pc, register);
            self.load_cell(register);
        }
        match next {
            Some(next) => {
                // What comes in from the hot way is canonical or not as that way left it: both are fine.
                self.builder.ins().jump(next, &[]);
            }
            None => {
                self.builder.ins().trap(ir::TrapCode::unwrap_user(1));
            }
        }
    }

    /// Tells the runtime which frame asks, and where it stands.
    pub(crate) fn note_place(&mut self) {
        let at = self.builder.ins().iconst(types::I64, place(NativeFrame { function: self.index, pc: self.pc }));
        for (value, field) in [(self.frame, offset_of!(NativeContext, asking)), (at, offset_of!(NativeContext, place))]
        {
            self.builder.ins().store(trusted(), value, self.context, field as i32);
        }
    }

    pub(crate) fn call_runtime(&mut self, kind: Kind) {
        self.note_place();
        let kind = self.builder.ins().iconst(types::I64, kind as i64);
        self.builder.ins().store(trusted(), kind, self.context, offset_of!(NativeContext, kind) as i32);
        let stub = self.field(trusted(), types::I64, offset_of!(NativeContext, slow));
        self.show_fuel();
        self.builder.ins().call_indirect(self.slow_signature, stub, &[self.context]);
        self.take_fuel();
    }
}
