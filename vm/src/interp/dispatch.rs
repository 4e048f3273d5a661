//! From instruction to instruction.

use limen_isa::{Opcode, dispatch, for_each_instruction};

use super::accumulator::{Accumulating, Accumulators};
#[cfg(threaded_dispatch)]
use super::cpu::Policy;
use super::cpu::{Cpu, Runtime, Slow, State, Step};
use super::slot::{Operands, Slot};

/// Executes the instruction at `pc` and all that follow, until one leaves.
///
/// Seven arguments travel in registers from handler to handler: six, and a float. In an optimised build the call that ends
/// each handler is a jump.
pub(super) type Handler = extern "C" fn(
    pc: *const Slot,
    fp: *mut u64,
    home: *mut u8,
    cell: u64,
    fuel: u64,
    runtime: *mut Runtime,
    float: f64,
);

/// The handler of slots that are not filled yet.
pub(super) const UNPREPARED: Handler = leave;

/// Leaves the fast way.
extern "C" fn leave(
    pc: *const Slot,
    fp: *mut u64,
    home: *mut u8,
    _cell: u64,
    fuel: u64,
    runtime: *mut Runtime,
    _float: f64,
) {
    // SAFETY: the runtime outlives the run.
    unsafe { (*runtime).left = State { pc, fp, home, fuel } };
}

/// Executes one instruction the slow way. Slots do not have the opcode, so the caller looks it up.
pub(super) fn step(state: State, runtime: *mut Runtime, opcode: Opcode) -> State {
    let mut cpu = Cpu::<Slow>::new(state, runtime, Accumulators::EMPTY);
    match dispatch(&mut cpu, opcode, Operands(state.pc)) {
        // SAFETY: an instruction that goes on is followed by another, as the verifier saw.
        Some(Step::Next) => State { pc: unsafe { state.pc.add(fixed_words(opcode)) }, ..cpu.state },
        Some(Step::Jump) => cpu.state,
        // The verifier refuses reserved instructions.
        Some(Step::Leave) | None => State { pc: state.pc, ..cpu.state },
    }
}

/// The words of an instruction without lists: what its row says, in a table.
fn fixed_words(opcode: Opcode) -> usize {
    macro_rules! words {
        ($(($variant:ident, $method:ident, $flow:ident, $words:literal))*) => {
            match opcode {
                $(Opcode::$variant => $words,)*
                _ => 1,
            }
        };
    }
    for_each_instruction!(words)
}

#[cfg(threaded_dispatch)]
mod threaded {
    use super::*;
    use crate::interp::cpu::{Backward, Forward};
    use crate::interp::slot::Accumulated;
    use limen_isa::{Field, Fields, visit};

    /// Executes an instruction and goes on.
    #[inline(always)]
    pub(super) fn execute<P: Policy>(mut cpu: Cpu<P>, words: usize, visit: impl FnOnce(&mut Cpu<P>, Operands) -> Step) {
        let (state, runtime) = (cpu.state, cpu.runtime);
        let (next, handler) = match visit(&mut cpu, Operands(state.pc)) {
            Step::Next => {
                // SAFETY: an instruction that goes on is followed by another, as the verifier saw.
                let next = unsafe { state.pc.add(words) };
                // SAFETY: it is the slot of an instruction word, so its head is a handler.
                (next, unsafe { (*next).head.handler })
            }
            // SAFETY: as above.
            Step::Jump => (cpu.state.pc, unsafe { handler_at_target::<P>(cpu.state.pc) }),
            Step::Leave => {
                // SAFETY: the runtime outlives the run.
                unsafe { (*runtime).left = State { pc: state.pc, ..cpu.state } };
                return;
            }
        };
        let State { fp, home, fuel, .. } = cpu.state;
        let Accumulators { cell, float } = cpu.accumulators;
        handler(next, fp, home, cell, fuel, runtime, float)
    }

    /// The handler at a branch's target.
    ///
    /// # Safety
    ///
    /// `target` must be the slot of an instruction word.
    #[inline(always)]
    unsafe fn handler_at_target<P: Policy>(target: *const Slot) -> Handler {
        // SAFETY: the caller's promise.
        let handler = unsafe { &raw const (*target).head.handler };
        if P::BACKWARD {
            // SAFETY: the caller's promise.
            unsafe { handler.read() }
        } else {
            // Volatile, so that it is not merged with the one behind the branch: a branch that is taken or not must stay a
            // jump, which the processor predicts. Were the next slot chosen by a conditional move, all that follows would
            // wait for what is compared. A backward branch cannot become one, since it may be out of fuel.
            // SAFETY: the caller's promise.
            unsafe { handler.read_volatile() }
        }
    }

    /// The handlers of an instruction by the set of fields that read accumulators.
    type ByReaders = [Handler; 8];

    macro_rules! handlers {
        ($(($variant:ident, $method:ident, $flow:ident, $words:literal))*) => {
            mod instruction {
                use super::*;
                $(
                    pub(super) extern "C" fn $method<P: Policy, const READERS: u8>(
                        pc: *const Slot,
                        fp: *mut u64,
                        home: *mut u8,
                        cell: u64,
                        fuel: u64,
                        runtime: *mut Runtime,
                        float: f64,
                    ) {
                        let state = State { pc, fp, home, fuel };
                        let cpu = Cpu::<P>::new(state, runtime, Accumulators { cell, float });
                        execute(cpu, $words, |cpu, operands| visit::$method(cpu, Accumulated::<READERS>(operands)))
                    }
                )*
            }
            /// Opcodes under the names of their methods.
            #[allow(non_upper_case_globals, reason = "a name for both")]
            pub(super) mod opcode {
                use limen_isa::Opcode;
                $(#[allow(dead_code, reason = "not every opcode is part of a pair")] pub(in crate::interp::dispatch) const $method: Opcode = Opcode::$variant;)*
            }
            /// Handlers by opcode: for branches that go forward and for such as go backward.
            static TABLE: [[ByReaders; 2]; Opcode::ALL.len()] = {
                let mut table = [[[UNPREPARED; 8]; 2]; Opcode::ALL.len()];
                $(table[Opcode::$variant as usize] = handlers! { @$flow $method };)*
                table
            };
        };
        (@next $method:ident) => {
            [handlers! { @readers $method Forward }; 2]
        };
        (@$flow:ident $method:ident) => {
            [handlers! { @readers $method Forward }, handlers! { @readers $method Backward }]
        };
        (@readers $method:ident $policy:ident) => {
            handlers! { @readers $method $policy 0 1 2 3 4 5 6 7 }
        };
        (@readers $method:ident $policy:ident $($readers:literal)*) => {
            [$(instruction::$method::<$policy, $readers>),*]
        };
    }

    for_each_instruction!(handlers);

    /// A call of a function with `R` results and `P` parameters, all of which stand in one operand word.
    extern "C" fn call<const R: usize, const P: usize>(
        pc: *const Slot,
        fp: *mut u64,
        home: *mut u8,
        _cell: u64,
        fuel: u64,
        runtime: *mut Runtime,
        _float: f64,
    ) {
        let cpu = Cpu::<Forward>::new(State { pc, fp, home, fuel }, runtime, Accumulators::EMPTY);
        execute(cpu, 1, |cpu, operands| {
            let function = operands.unsigned(0, Field::Wide32);
            // SAFETY: the verifier saw that the function exists.
            let callee = unsafe { &*(*cpu.runtime).callees.add(function as usize) };
            cpu.call_with(function, callee, R, P)
        });
    }

    /// A return of `R` values.
    extern "C" fn ret<const R: usize>(
        pc: *const Slot,
        fp: *mut u64,
        home: *mut u8,
        _cell: u64,
        fuel: u64,
        runtime: *mut Runtime,
        _float: f64,
    ) {
        let cpu = Cpu::<Forward>::new(State { pc, fp, home, fuel }, runtime, Accumulators::EMPTY);
        execute(cpu, 1, |cpu, _| cpu.leave(R));
    }

    /// The handler for calls of such functions, if there is a special one.
    pub(in crate::interp) fn small_call(results: u16, params: u16) -> Option<Handler> {
        const SMALL: [[Handler; 4]; 2] = [
            [call::<0, 0>, call::<0, 1>, call::<0, 2>, call::<0, 3>],
            [call::<1, 0>, call::<1, 1>, call::<1, 2>, call::<1, 3>],
        ];
        SMALL.get(usize::from(results))?.get(usize::from(params)).copied()
    }

    /// The handler for returns of so many values, if there is a special one.
    pub(in crate::interp) fn small_return(results: u16) -> Option<Handler> {
        const SMALL: [Handler; 2] = [ret::<0>, ret::<1>];
        SMALL.get(usize::from(results)).copied()
    }

    pub(in crate::interp) fn handler(opcode: Opcode, readers: Accumulating, backward: bool) -> Handler {
        TABLE[opcode as usize][usize::from(backward)][usize::from(readers.0)]
    }
}

#[cfg(threaded_dispatch)]
#[path = "pairs.rs"]
mod pairs;

#[cfg(threaded_dispatch)]
pub(super) use {
    pairs::pair,
    threaded::{handler, small_call, small_return},
};

/// Without threaded dispatch every instruction leaves at once for the slow way.
#[cfg(not(threaded_dispatch))]
mod stepped {
    use super::*;

    pub(in crate::interp) fn handler(_: Opcode, _: Accumulating, _: bool) -> Handler {
        UNPREPARED
    }

    pub(in crate::interp) fn small_call(_: u16, _: u16) -> Option<Handler> {
        None
    }

    pub(in crate::interp) fn small_return(_: u16) -> Option<Handler> {
        None
    }

    pub(in crate::interp) fn pair(
        _: [Opcode; 2],
        _: [Accumulating; 2],
        _: bool,
    ) -> Option<(Handler, [Accumulating; 2])> {
        None
    }
}

#[cfg(not(threaded_dispatch))]
pub(super) use stepped::{handler, pair, small_call, small_return};
