//! The door into the kernel: what an `svc` becomes.
//!
//! The kernel's code takes the place of the `svc` where it can: it works on the kernel's registers, home and slots, on the
//! caller's native stack, and ends with a switch from there to the stack of whoever runs next. What the kernel does then costs
//! what its instructions cost. Whatever is not as it usually is writes the kernel's registers to the cells of its frames, parks
//! the caller, and has the interpreter go on. So nothing but compiled instructions runs while the caller stands at its `svc`
//! and is not parked yet.
//!
//! A function of the kernel that cannot take that place is called on the kernel's own stack.

use std::mem::offset_of;
use std::rc::Rc;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, MemFlagsData, StackSlot, TrapCode, Value, types};
use cranelift_frontend::Variable;
use limen_isa::Reg;
use limen_isa::module::Module;
use limen_vm::{NativeFrame, Verified, layout};

use super::known::Known;
use super::message::GivenMessage;
use super::plan::Plan;
use crate::context::{MEETINGS, NativeContext, Processor};
use crate::location::Location;
use crate::mode::{Mode, Paging, Safepoints};
use crate::nans::Nan;
use crate::passing::listed;
use crate::slow::place;
use crate::translate::{CELL, Entry, Translator, constant, trusted, type_of};

/// What of a kernel deals with an `svc`.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) module: Verified<Module>,
    /// The function: it takes the caller's reference and the number of the `svc`.
    pub(crate) function: u32,
}

/// The `svc` whose place code of the kernel takes.
#[derive(Clone)]
pub(crate) struct Svc {
    /// The word of the `svc`.
    pub(crate) pc: u32,
    /// Where the caller's native context is kept for cold blocks, if it is.
    at_hand: Option<StackSlot>,
    /// The caller's native context, its port, and its message.
    pub(super) native: Value,
    pub(super) port: Value,
    pub(super) message: GivenMessage,
    /// Not zero while the message is not in the port, and was not handed over either.
    pub(super) is_message_at_hand: Variable,
    /// Where it is noted whom it met last, in [`Processor::met`].
    pub(super) meeting: usize,
    /// Parks the caller, whose native context it takes. And where to switch to, and what is to be found there.
    parked: Block,
    /// Goes on behind the `svc`, which is answered. Takes the port.
    answered: Block,
    /// The frames are to return.
    ended: Block,
    /// Has the interpreter go on with the kernel, whose frames are in their cells.
    left: Block,
    /// Forgets what the kernel's code has done here, which is nothing that anybody saw, and calls the kernel instead.
    again: Block,
}

/// A function of the kernel whose code takes the place of an `svc`.
pub(crate) struct Inlined {
    pub(crate) svc: Svc,
    pub(crate) plan: Rc<Plan>,
    /// So many frames of the kernel are further out.
    depth: usize,
    /// How many bytes its frame begins behind the outermost one.
    pub(crate) frame_at: i64,
    /// Writes the frames further out to their cells, and leaves.
    outer: Block,
    /// Where to go on with the results; `None` if it has no caller, or never returns.
    returns_to: Option<Block>,
    /// The number of the `svc`.
    number: u32,
    /// The parameters that hold the caller's reference, a bit each, and those that hold the number.
    given: Holders,
    /// As `given`, of all registers, where code is translated now.
    now: Holders,
    /// Whether anything but registers may have been changed since the `svc`: before this function, and where code is translated
    /// now.
    was_changed: bool,
    pub(crate) is_changed: bool,
}

/// Registers that hold what is known of an `svc`, a bit each.
#[derive(Clone, Copy)]
struct Holders {
    caller: u64,
    number: u64,
}

impl Holders {
    /// Those that are among these registers, too.
    fn among(self, registers: u64) -> Self {
        Self { caller: self.caller & registers, number: self.number & registers }
    }

    /// The places in a list of registers, a bit each, of those that hold the same.
    fn in_list(self, registers: &[Reg]) -> Self {
        let places =
            |set: u64| -> u64 { (0..).zip(registers).map(|(place, register)| (set >> register.0 & 1) << place).sum() };
        Self { caller: places(self.caller), number: places(self.number) }
    }
}

impl Inlined {
    /// A basic block begins.
    pub(super) fn begin_block(&mut self, block: usize) {
        self.now = self.given.among(self.plan.unwritten_before(block));
        self.is_changed = self.was_changed || self.plan.is_changed_before(block);
    }
}

impl Translator<'_, '_> {
    /// An `svc` with a message: lets the kernel deal with it, or has the driver ask the machine. Goes on when it is answered, with the
    /// port; if frames are to return, this one does so, leaving out of its cells the registers that the answer goes to.
    pub(super) fn enter_kernel(&mut self, port: Value, number: u32, message: GivenMessage, taken: &[Reg]) -> Value {
        let [ask, parked, answered, ended, left, again] = [(); 6].map(|()| self.builder.create_block());
        let [own, to, word] = [(); 3].map(|()| self.builder.append_block_param(parked, types::I64));
        let port_again = self.builder.append_block_param(answered, types::I64);
        let is_message_at_hand = self.builder.declare_var(types::I8);
        // Most likely no other `svc` that is in a hurry has the same place.
        let meeting = (self.index.wrapping_mul(5).wrapping_add(self.pc) % MEETINGS as u32) as usize;
        let (pc, native, at_hand) = (self.pc, self.context, self.slot_at_hand());
        let svc = Svc {
            pc,
            at_hand,
            native,
            port,
            message,
            is_message_at_hand,
            meeting,
            parked,
            answered,
            ended,
            left,
            again,
        };
        let inlined =
            self.kernel.and_then(|handler| Some((handler, Plan::of(&handler.module, handler.function, number)?)));
        match inlined {
            Some((handler, plan)) => {
                self.builder.set_cold_block(parked); // what is usual parks the caller itself
                self.inline_kernel(&svc, ask, handler, number, plan);
            }
            None => {
                self.give(port, &svc.message);
                self.call_kernel(&svc, ask, number);
            }
        }
        self.fill_cold(ask, |cold| {
            let svc = cold.find_again(&svc);
            cold.give(svc.port, &svc.message);
            cold.ask_machine(&svc);
        });
        self.builder.switch_to_block(parked);
        self.park(&svc, own, to, word);
        let leave = self.call_pad(taken);
        self.fill_cold(ended, |cold| cold.builder.ins().jump(leave, &[]));
        self.builder.switch_to_block(answered);
        self.forget_kept();
        port_again
    }

    /// Parks a caller of an `svc` that has this native context, and goes on elsewhere; behind the `svc` when somebody comes back.
    fn park(&mut self, svc: &Svc, own: Value, to: Value, word: Value) {
        let own = self.builder.ins().iadd_imm_s(own, offset_of!(NativeContext, native) as i64);
        let found = self.switch_stacks(own, to, word);
        self.builder.ins().brif(found, svc.answered, &[found.into()], svc.ended, &[]);
    }

    /// Has the driver ask the machine about an `svc`. Where that stands is noted, so that nobody has to look for it.
    fn ask_machine(&mut self, svc: &Svc) {
        let known = self.fetch_at_hand();
        self.note_place();
        (self.context, self.frame) = known;
        self.stand_in_svc(svc.port);
        self.leave_to_driver(svc, svc.native);
    }

    /// In a cold block: finds the caller of an `svc` anew, so that nobody has to keep it for that.
    fn find_again(&mut self, svc: &Svc) -> Svc {
        self.renew_processor();
        let native = svc.at_hand.map_or(svc.native, |slot| self.fetch_context_from(slot));
        let port = self.builder.ins().load(types::I64, trusted(), native, offset_of!(NativeContext, port) as i32);
        Svc { native, port, ..svc.clone() }
    }

    /// Parks the caller of an `svc` and lets the driver go on with a native context, which has the fuel.
    fn leave_to_driver(&mut self, svc: &Svc, native: Value) {
        self.note_current(native);
        let fuel = self.fuel();
        self.builder.ins().store(trusted(), fuel, native, offset_of!(NativeContext, fuel) as i32);
        let processor = self.processor();
        let control = self.builder.ins().iadd_imm_s(processor, offset_of!(Processor, driver) as i64);
        self.builder.ins().jump(svc.parked, &[svc.native.into(), control.into(), processor.into()]);
    }

    /// Calls the kernel's function on the kernel's stack; entering it is a safepoint.
    fn call_kernel(&mut self, svc: &Svc, ask: Block, number: u32) {
        let kernel = self.processor_field(offset_of!(Processor, kernel));
        let is_closed = self.builder.ins().icmp_imm_s(IntCC::Equal, kernel, 0);
        self.unless(is_closed, ask);
        let its_port = self.field_of(kernel, offset_of!(NativeContext, port));
        let is_own = self.builder.ins().icmp(IntCC::Equal, svc.port, its_port);
        self.unless(is_own, ask);
        self.pass_next(ask);
        self.stand_in_svc(svc.port);
        let itself = self.builder.ins().load(types::I64, constant(), svc.port, layout::PORT_ITSELF as i32);
        let number = self.builder.ins().iconst(types::I64, i64::from(number));
        for (place, value) in (offset_of!(NativeContext, integers)..).step_by(CELL as usize).zip([itself, number]) {
            self.builder.ins().store(trusted(), value, kernel, place as i32);
        }
        self.note_current(kernel);
        let control = self.builder.ins().iadd_imm_s(kernel, offset_of!(NativeContext, native) as i64);
        let processor = self.processor();
        self.builder.ins().jump(svc.parked, &[svc.native.into(), control.into(), processor.into()]);
    }

    /// Notes in its port that the context stands at an `svc`, with its frames as they are.
    fn stand_in_svc(&mut self, port: Value) {
        let state = self.builder.ins().iconst(types::I32, i64::from(layout::STATE_IN_SVC));
        self.builder.ins().store(trusted(), state, port, layout::PORT_STATE as i32);
    }

    /// As [`Translator::stand_in_svc`]. Nothing is given yet, and nothing taken: whoever wants to see the message is to have it given.
    fn stand_giving_later(&mut self, port: Value) {
        self.set_lacks_and_state(port, u16::MAX, u16::MAX, layout::STATE_IN_SVC);
    }

    /// Notes in its port that a context goes on behind its `svc`, and what the message lacks that it takes if that is still to be noted.
    pub(super) fn leave_svc(&mut self, port: Value) {
        match self.lacking.take_if(|lacking| lacking.port == port) {
            Some(lacking) => self.set_lacks_and_state(port, u16::MAX, lacking.cells, layout::STATE_READY),
            None => {
                let ready = self.builder.ins().iconst(types::I32, i64::from(layout::STATE_READY));
                self.builder.ins().store(trusted(), ready, port, layout::PORT_STATE as i32);
            }
        }
    }

    /// In one store. No bit of `taken` that stands for no cell may be set if the state is not that of standing at an `svc`: so it is
    /// one instruction, too, on hosts that extend the sign of a constant.
    fn set_lacks_and_state(&mut self, port: Value, given: u16, taken: u16, state: u32) {
        let all = u64::from(state) << 32 | u64::from(taken) << 16 | u64::from(given);
        let all = self.builder.ins().iconst(types::I64, all as i64);
        let unaligned = MemFlagsData::new().with_notrap();
        self.builder.ins().store(unaligned, all, port, layout::PORT_LACKS as i32);
    }

    /// Notes which native context runs.
    fn note_current(&mut self, native: Value) {
        let processor = self.processor();
        self.builder.ins().store(trusted(), native, processor, offset_of!(Processor, current) as i32);
    }

    /// Notes in `*own` where this stack stands, and goes on where `*to` says. As [`crate::arch::switch`], but without a call, so
    /// that the processor goes on predicting where calls return to. Gives the word that is found by what stands there; here that is
    /// the port of this context, or null if the frames are to return.
    pub(super) fn switch_stacks(&mut self, own: Value, to: Value, word: Value) -> Value {
        self.show_fuel();
        let before = self.builder.srcloc();
        let pc = self.inlined.as_ref().map_or(self.pc, |inlined| inlined.svc.pc);
        self.builder.set_srcloc(Location::Switch(pc).told());
        let found = self.builder.ins().stack_switch(own, to, word);
        self.builder.set_srcloc(before);
        self.take_fuel();
        found
    }
}

// ---- The kernel in the place of an `svc` ----------------------------------------------------------------------------

impl Translator<'_, '_> {
    /// Puts the kernel's function in the place of an `svc`. Entering it is a safepoint.
    fn inline_kernel(&mut self, svc: &Svc, ask: Block, handler: &Handler, number: u32, plan: Rc<Plan>) {
        let expected = self.builder.ins().iconst(types::I64, address_of(&handler.module) as i64);
        let found = self.processor_field(offset_of!(Processor, door));
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found, expected);
        self.unless(differs, ask);
        let kernel = self.processor_field(offset_of!(Processor, kernel));
        let fuel = (self.mode.safepoints == Safepoints::Counting).then(|| self.fuel());
        self.pass_next(ask);
        self.stand_giving_later(svc.port);
        let at_hand = self.builder.ins().iconst(types::I8, 1);
        self.builder.def_var(svc.is_message_at_hand, at_hand);
        let itself = self.builder.ins().load(types::I64, constant(), svc.port, layout::PORT_ITSELF as i32);
        let numeral = self.builder.ins().iconst(types::I32, i64::from(number));
        let frame = self.field_of(kernel, offset_of!(NativeContext, frame));
        let given = Holders { caller: 0b01, number: 0b10 };
        let inlined = Inlined {
            svc: svc.clone(),
            plan,
            depth: 0,
            frame_at: 0,
            outer: svc.left,
            returns_to: None,
            number,
            given,
            now: given,
            was_changed: false,
            is_changed: false,
        };
        let arguments = [(itself, Nan::Canonical), (numeral, Nan::Canonical)];
        self.inline_function(&handler.module, (kernel, frame), inlined, &arguments);
        self.fill_cold(svc.left, |cold| {
            let svc = cold.find_again(svc);
            let kernel = cold.processor_field(offset_of!(Processor, kernel));
            cold.leave_to_driver(&svc, kernel);
        });
        self.fill_cold(svc.again, |cold| {
            fuel.into_iter().for_each(|fuel| cold.set_fuel(fuel));
            let svc = cold.find_again(svc);
            cold.give(svc.port, &svc.message);
            cold.call_kernel(&svc, ask, number);
        });
    }

    /// Puts a function of the kernel here, for the native context and the frame.
    fn inline_function(
        &mut self,
        module: &Module,
        (context, frame): (Value, Value),
        inlined: Inlined,
        arguments: &[(Value, Nan)],
    ) {
        let (plan, is_outermost) = (Rc::clone(&inlined.plan), inlined.depth == 0);
        let mut inner = Translator::new(
            &mut *self.builder,
            module,
            plan.function,
            &plan.shape,
            self.itself,
            Entry::Call,
            Mode { paging: Paging::Open, ..self.mode },
        );
        (inner.context, inner.frame) = (context, frame);
        (inner.processor, inner.fuel) = (self.processor, self.fuel);
        (inner.inlined, inner.lends) = (Some(inlined), self.lends || plan.does.lends);
        if self.is_cold {
            inner.be_cold();
        }
        // Nothing is kept: a reference that ends here would have to be forgotten by the caller, too.
        inner.kept.clear();
        for (register, (value, nan)) in (0..).map(Reg).zip(arguments) {
            inner.set_as(register, *value, *nan);
        }
        inner.zeroes(arguments.len()..inner.function.registers.len());
        if !is_outermost {
            inner.known = std::mem::take(&mut self.known);
        }
        inner.stand_at(0);
        inner.jump_to(0);
        inner.body(plan.blocks());
        if is_outermost {
            return;
        }
        self.known = inner.known_behind.remove(&0).unwrap_or_default();
        // Whatever it does afterwards, it has been where it begins: only messages can be others by then, and entries if memory is lent.
        self.known.forget_taken();
        if plan.does.lends {
            self.known.looked_at.clear();
        }
    }

    /// Puts a function that the kernel calls here, or leaves the call to the interpreter. Entering it is a safepoint.
    pub(super) fn inline_call(&mut self, function: u32) {
        let Some(inlined) = &self.inlined else { return };
        let (mut svc, number, depth, further) = (inlined.svc.clone(), inlined.number, inlined.depth + 1, inlined.outer);
        let frame_at = inlined.frame_at + self.distance() * i64::from(CELL);
        let Some(plan) = inlined.plan.called_at(self.pc) else { return self.slowly() };
        // A function that lets a context go on itself leaves to the other one what is not as it usually is.
        let is_aside = inlined.plan.resumes_itself && !plan.does.returns && !self.is_cold;
        let Some(signature) = self.module.signature_of(function) else { return };
        let (was_changed, changes) = (inlined.is_changed, plan.does.changes);
        let before = (self.context, self.frame, self.is_cold);
        if is_aside {
            self.step_aside(&mut svc);
        }
        let Some(inlined) = &self.inlined else { return };
        let (given, results) = self.passed(signature);
        let handed = inlined.now.in_list(&given);
        let frame = self.pass_into(function);
        let arguments: Vec<_> = given.iter().map(|register| (self.get(*register), self.nan(*register))).collect();
        let [next, outer] = [(); 2].map(|()| self.builder.create_block());
        let values: Vec<Value> =
            signature.results.iter().map(|ty| self.builder.append_block_param(next, type_of(*ty))).collect();
        let returns_to = plan.does.returns.then_some(next);
        let inlined = Inlined {
            svc,
            plan,
            depth,
            frame_at,
            outer,
            returns_to,
            number,
            given: handed,
            now: handed,
            was_changed,
            is_changed: was_changed,
        };
        self.inline_function(self.module, (self.context, frame), inlined, &arguments);
        (self.context, self.frame, self.is_cold) = before;
        self.fill_cold(outer, |cold| {
            let known = cold.fetch_at_hand();
            cold.write_caller(depth - 1, &results);
            (cold.context, cold.frame) = known;
            cold.builder.ins().jump(further, &[]);
        });
        self.builder.switch_to_block(next);
        self.builder.seal_block(next);
        self.may_have_changed(changes);
        if returns_to.is_none() {
            self.builder.ins().trap(TrapCode::unwrap_user(1));
            return;
        }
        for (register, value) in results.into_iter().zip(values) {
            self.set(register, value);
        }
    }

    /// Goes on in a cold block, where all that an `svc` needs is found anew: whoever goes the other way, which is the usual one, need
    /// not keep it for this one.
    fn step_aside(&mut self, svc: &mut Svc) {
        let Some(frame_at) = self.inlined.as_ref().map(|inlined| inlined.frame_at) else { return };
        let aside = self.builder.create_block();
        self.builder.ins().jump(aside, &[]);
        self.builder.seal_block(aside);
        self.builder.set_cold_block(aside);
        self.builder.switch_to_block(aside);
        self.is_cold = true;
        self.fetch_kernel(frame_at);
        *svc = self.find_again(svc);
        self.known = Known::default();
    }

    /// Passes the safepoint before a function of the kernel; gives its frame.
    fn pass_into(&mut self, function: u32) -> Value {
        let retry = self.builder.create_block();
        self.builder.ins().jump(retry, &[]);
        self.builder.switch_to_block(retry);
        // Where it lacks something it is not tried again, but left to the interpreter.
        self.builder.seal_block(retry);
        let function = self.builder.ins().iconst(types::I64, i64::from(function));
        self.enter_in_line(retry, function, None)
    }

    /// Writes this frame, which stands at a call, to its cells, but for the registers that take the results.
    fn write_caller(&mut self, depth: usize, results: &[Reg]) {
        let at = NativeFrame { function: self.index, pc: self.pc };
        let at = self.builder.ins().iconst(types::I64, place(at));
        let field = offset_of!(NativeContext, callers) as i32 + depth as i32 * CELL;
        self.builder.ins().store(trusted(), at, self.context, field);
        self.write_live(depth, results);
    }

    /// Writes the registers that are live, but for `except`, to the cells of this frame, and says which they are.
    fn write_live(&mut self, depth: usize, except: &[Reg]) {
        let mut live = self.live.clone();
        except.iter().for_each(|register| live.remove(register.0));
        live.iter().for_each(|register| self.store_cell(Reg(register)));
        let live = self.builder.ins().iconst(types::I64, live.first_word() as i64);
        let field = offset_of!(NativeContext, live) as i32 + depth as i32 * CELL;
        self.builder.ins().store(trusted(), live, self.context, field);
    }

    /// Gives the results to whoever called this function. The outermost one is left to the interpreter.
    pub(super) fn return_inlined(&mut self) {
        let Some(next) = self.inlined.as_ref().and_then(|inlined| inlined.returns_to) else { return self.slowly() };
        let words = &self.function.code[self.pc as usize..];
        let count = self.module.types[self.function.signature as usize].results.len();
        let values: Vec<BlockArg> =
            (0..count).map(|index| self.get_canonical(listed(words, 0, index)).into()).collect();
        self.builder.ins().jump(next, &values);
    }

    /// Whether something else than registers may have been changed from here on.
    pub(crate) fn may_have_changed(&mut self, changes: bool) {
        if let Some(inlined) = &mut self.inlined {
            inlined.is_changed |= changes;
        }
    }

    /// Has the interpreter go on from the instruction: writes all frames of the kernel to their cells, and parks the caller. Where
    /// nothing has been changed yet, the kernel is called instead, and begins anew.
    pub(crate) fn leave_inlined(&mut self) {
        let Some(Inlined { depth, outer, is_changed, ref svc, .. }) = self.inlined else { return };
        if !is_changed {
            self.builder.ins().jump(svc.again, &[]);
            return;
        }
        let svc = svc.clone();
        self.give_now(&svc);
        self.write_live(depth, &[]);
        self.note_place();
        let count = self.builder.ins().iconst(types::I64, depth as i64 + 1);
        self.builder.ins().store(trusted(), count, self.context, offset_of!(NativeContext, inlined) as i32);
        self.builder.ins().jump(outer, &[]);
    }

    /// The `svc` whose place this takes, if a register is known to hold its caller's reference.
    pub(super) fn svc_of_caller(&self, register: Reg) -> Option<&Svc> {
        let inlined = self.inlined.as_ref()?;
        is_in(inlined.now.caller, register).then_some(&inlined.svc)
    }

    /// The number of the `svc` whose place this takes, if a register is known to hold it.
    pub(super) fn known_number(&self, register: Reg) -> Option<u32> {
        let inlined = self.inlined.as_ref()?;
        is_in(inlined.now.number, register).then_some(inlined.number)
    }

    /// Another value may be in a register.
    pub(crate) fn forget_caller_in(&mut self, register: Reg) {
        if let Some(inlined) = &mut self.inlined {
            inlined.now = inlined.now.among(!(1 << register.0));
        }
    }

    /// In the place of an `svc`: lets this native context go on, whose port says so already. The caller has not been parked.
    pub(super) fn go_on_with(&mut self, svc: &Svc, native: Value, port: Value) {
        // Whom the kernel answers at once it mostly knows to be the caller when this is compiled; who is found out now is another.
        let is_caller = self.builder.ins().icmp(IntCC::Equal, native, svc.native);
        let caller = self.builder.create_block();
        self.unless(is_caller, caller);
        self.builder.seal_block(caller);
        let next = self.builder.current_block();
        self.fill_cold(caller, |cold| {
            let port = cold.find_again(svc).port;
            cold.builder.ins().jump(svc.answered, &[port.into()])
        });
        self.builder.switch_to_block(next.unwrap_or(caller));
        self.give_now(svc);
        let control = self.builder.ins().iadd_imm_s(native, offset_of!(NativeContext, native) as i64);
        if self.is_cold {
            self.builder.ins().jump(svc.parked, &[svc.native.into(), control.into(), port.into()]);
        } else {
            // The usual way does so itself: what others have to do before costs it no register.
            self.park(svc, svc.native, control, port);
        }
    }
}

fn is_in(set: u64, register: Reg) -> bool {
    set >> register.0 & 1 != 0
}

/// Names a verified module as long as it is there.
pub(crate) fn address_of(module: &Verified<Module>) -> usize {
    std::ptr::from_ref::<Module>(module) as usize
}
