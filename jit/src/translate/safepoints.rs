//! Safepoints, where code burns fuel or looks whether the machine wants something.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Value, types};

use super::{Translator, trusted};
use crate::context::NativeContext;
use crate::location::Location;
use crate::mode::Safepoints;
use crate::slow::Kind;

/// The poll of a loop with one way back, laid out before the head of the loop so that a turn takes no jump but the branch.
/// Who enters the loop burns nothing: he adds a unit of fuel before, which fits since slices of fuel are far smaller than the
/// greatest number.
pub(super) struct HeadPoll {
    pub(super) block: ir::Block,
    /// The branch that goes back.
    pub(super) branch: u32,
    /// Where whoever has been in the runtime polls again.
    pub(super) again: ir::Block,
}

impl HeadPoll {
    pub(super) fn new(block: ir::Block, branch: u32) -> Self {
        Self { block, branch, again: block }
    }
}

impl Translator<'_, '_> {
    /// Polls before the head of a loop with one way back, whose code begins at `head`: once a turn, or only where it is entered.
    pub(super) fn poll_before(&mut self, index: usize, head: ir::Block, is_in_turns: bool) {
        let Some(HeadPoll { block, branch, again }) = self.polls[index] else { return };
        self.builder.switch_to_block(block);
        let location = if is_in_turns { Location::Turn(branch) } else { Location::Around };
        self.builder.set_srcloc(location.told());
        self.take_nans(index);
        (self.pc, self.live) = (branch, self.shape.live_before_branch(self.module, self.index, branch));
        let slow = self.slow_block(Kind::Poll, Some(again));
        self.pass(slow);
        self.builder.ins().jump(head, &[]);
    }

    /// In the block `here`: passes a safepoint and goes on, or asks the runtime and comes back.
    pub(super) fn poll(&mut self, here: ir::Block, next: usize) {
        let slow = self.slow_block(Kind::Poll, Some(here));
        self.pass(slow);
        self.convert(next);
    }

    /// Passes a safepoint, or goes to `stop` if there is something to be done at it.
    pub(crate) fn pass(&mut self, stop: ir::Block) {
        match self.mode.safepoints {
            Safepoints::Counting => self.burn(stop),
            Safepoints::Live => self.look(stop),
            Safepoints::Skipped => {}
        }
    }

    /// Passes a safepoint to which there is no way but by another one, soon before: only who counts does anything there.
    pub(crate) fn pass_next(&mut self, stop: ir::Block) {
        if self.mode.safepoints == Safepoints::Counting {
            self.burn(stop);
        }
    }

    /// Goes to `stop` if somebody wants the machine's attention. Cranelift must not take what one safepoint has seen for what the
    /// next one will see: it takes what the pinned register has for another address each time, and what is atomic for another number.
    pub(super) fn look(&mut self, stop: ir::Block) {
        let is_raised = if self.mode.looks_at_limit() {
            let context = self.fetch_context();
            let place = self.builder.ins().iadd_imm_s(context, offset_of!(NativeContext, limit) as i64);
            let limit = self.builder.ins().atomic_load(types::I64, trusted(), place);
            self.builder.ins().icmp_imm_s(IntCC::Equal, limit, 0)
        } else {
            let address = self.builder.ins().get_pinned_reg(types::I64);
            self.builder.ins().load(types::I64, trusted(), address, 0)
        };
        let on = self.builder.create_block();
        self.builder.ins().brif(is_raised, stop, &[], on, &[]);
        self.builder.switch_to_block(on);
    }

    /// Burns a unit of fuel, or goes to `none` if there is none.
    pub(super) fn burn(&mut self, none: ir::Block) {
        let fuel = self.fuel();
        let burn = self.builder.create_block();
        // The cold way comes first: Cranelift then looks at it last, and does not take it for the end of the loop.
        let is_none = self.builder.ins().icmp_imm_s(IntCC::Equal, fuel, 0);
        self.builder.ins().brif(is_none, none, &[], burn, &[]);
        self.builder.switch_to_block(burn);
        let rest = self.builder.ins().iadd_imm_s(fuel, -1);
        self.set_fuel(rest);
    }

    pub(crate) fn fuel(&mut self) -> Value {
        match self.fuel {
            Some(variable) => self.builder.use_var(variable),
            None => self.builder.ins().get_pinned_reg(types::I64),
        }
    }

    /// There is so much fuel, after all.
    pub(crate) fn set_fuel(&mut self, fuel: Value) {
        match self.fuel {
            Some(variable) => self.builder.def_var(variable, fuel),
            None => {
                self.builder.ins().set_pinned_reg(fuel);
            }
        }
    }

    /// Has the fuel where other code looks for it.
    pub(crate) fn show_fuel(&mut self) {
        if let Some(variable) = self.fuel {
            let fuel = self.builder.use_var(variable);
            self.builder.ins().set_pinned_reg(fuel);
        }
    }

    /// Takes the fuel that other code left.
    pub(crate) fn take_fuel(&mut self) {
        if let Some(variable) = self.fuel {
            let fuel = self.builder.ins().get_pinned_reg(types::I64);
            self.builder.def_var(variable, fuel);
        }
    }
}
