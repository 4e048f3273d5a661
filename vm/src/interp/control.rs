//! Control: calls, returns, jumps and the door into the kernel.

use limen_isa::{Control, Fault, Reg};

use super::cpu::{Cpu, Header, Policy, Step};
use super::slot::{Callee, Operands};
use crate::context::{HEADER_CELLS, NO_CALLER};
use crate::engine::Exit;

impl<P: Policy> Control for Cpu<P> {
    #[inline(always)]
    fn nop(&mut self) -> Step {
        Step::Next
    }

    #[inline(always)]
    fn trap(&mut self, code: u32) -> Step {
        self.fault(Fault::Trap, u64::from(code))
    }

    #[inline(always)]
    fn jump(&mut self, to: i32) -> Step {
        self.branch(to)
    }

    #[inline(always)]
    fn br_table(&mut self, i: Reg, targets: u32) -> Step {
        let index = self.get::<u32>(i).min(targets - 1) as usize;
        let distance = Operands(self.state.pc).target(1 + index);
        if distance <= 0 && !self.burn() {
            return self.exit(Exit::Fuel);
        }
        Cpu::jump(self, distance)
    }

    #[inline(always)]
    fn ret(&mut self) -> Step {
        // SAFETY: the header was written when the frame was entered.
        let count = unsafe { (*Self::header(self.state.fp)).results() };
        self.leave(count)
    }

    #[inline(always)]
    fn call(&mut self, f: u32) -> Step {
        // SAFETY: the verifier saw that the function exists.
        let callee = unsafe { &*(*self.runtime).callees.add(f as usize) };
        self.call_with(f, callee, usize::from(callee.results), usize::from(callee.params))
    }

    #[inline(always)]
    fn call_indirect(&mut self, t: u32, i: Reg, s: u32) -> Step {
        let index = self.get::<u32>(i);
        // SAFETY: the verifier saw that the table exists.
        let table = unsafe { &*self.runtime().tables.add(t as usize) };
        match table.get(index as usize) {
            None => self.fault(Fault::Bounds, u64::from(index)),
            Some(None) => self.fault(Fault::Signature, 0),
            Some(Some(function)) => {
                // SAFETY: table entries name functions of the module, and the header names the function that runs.
                let (callee, own) = unsafe {
                    let callees = (*self.runtime).callees;
                    (&*callees.add(*function as usize), &*callees.add((*Self::header(self.state.fp)).function as usize))
                };
                if callee.signature == s {
                    let (results, params) = (usize::from(callee.results), usize::from(callee.params));
                    self.enter_with(*function, callee, own.registers, results, params)
                } else {
                    self.fault(Fault::Signature, 0)
                }
            }
        }
    }

    #[inline(always)]
    fn svc(&mut self, _results: u32, _number: u32, _arguments: u32) -> Step {
        if !P::SLOW {
            return Step::Leave;
        }
        if !self.burn() {
            return self.exit(Exit::Fuel);
        }
        self.exit(Exit::Svc)
    }
}

impl<P: Policy> Cpu<P> {
    /// A call whose numbers of results and parameters may be constants.
    #[inline(always)]
    pub(super) fn call_with(&mut self, function: u32, callee: &Callee, results: usize, params: usize) -> Step {
        // SAFETY: the slot of a call holds the size of its own frame in A.
        let registers = unsafe { (*self.state.pc).a };
        self.enter_with(function, callee, registers, results, params)
    }

    /// Enters a function from a frame of `registers` registers: checks, header, arguments, zeroes.
    #[inline(always)]
    fn enter_with(&mut self, function: u32, callee: &Callee, registers: u16, results: usize, params: usize) -> Step {
        let caller = self.state.fp;
        let distance = usize::from(registers) + HEADER_CELLS;
        if !callee.prepared {
            return self.unprepared(function);
        }
        // Compared as addresses: a pointer past the limit must not be made.
        let room = self.runtime().limit as usize - caller as usize;
        if (distance + usize::from(callee.registers)) * size_of::<u64>() > room {
            return self.fault(Fault::Stack, 0);
        }
        if !self.burn() {
            return self.exit(Exit::Fuel);
        }
        let list = Operands(self.state.pc);
        // SAFETY: the whole frame lies on the stack, as just checked, and the instruction is a call of this function.
        unsafe {
            let code = (*self.runtime).code;
            let frame = caller.add(distance);
            (*Self::header(caller)).position = self.state.pc.offset_from(code) as u32;
            Header::new(function, callee.start, distance as u32, callee.call_words, callee.results).write_to(frame);
            for index in 0..params {
                frame.add(index).write(self.get::<u64>(list.listed(1, results + index)));
            }
            zero(frame.add(params), usize::from(callee.registers) - params);
            self.state.fp = frame;
            self.state.pc = code.add(callee.start as usize);
        }
        Step::Jump
    }

    /// Returns `count` values, which may be a constant, to the caller.
    #[inline(always)]
    pub(super) fn leave(&mut self, count: usize) -> Step {
        // SAFETY: the header was written when the frame was entered.
        let header = unsafe { &*Self::header(self.state.fp) };
        if header.distance == NO_CALLER {
            return self.exit(Exit::Finished);
        }
        let returned = Operands(self.state.pc);
        // SAFETY: the caller's frame lies on the stack, and its position is that of the call, a verified one of this
        // function: its result registers exist.
        unsafe {
            let caller = self.state.fp.sub(header.distance as usize);
            let call = (*self.runtime).code.add((*Self::header(caller)).position as usize);
            for index in 0..count {
                let target = usize::from(Operands(call).listed(1, index).0);
                caller.add(target).write(self.get::<u64>(returned.listed(0, index)));
            }
            self.state.fp = caller;
            self.state.pc = call.add(usize::from(header.call_words));
        }
        Step::Jump
    }
}

/// Zeroes `count` cells.
///
/// # Safety
///
/// They must be writable.
#[inline(always)]
unsafe fn zero(cells: *mut u64, count: usize) {
    const FEW: usize = 32;
    // SAFETY: the caller's promise.
    unsafe {
        if count > FEW {
            std::hint::cold_path();
            cells.write_bytes(0, count);
            return;
        }
        // Volatile, so that it stays a loop: for the few cells of most frames a call of `memset` takes longer.
        for index in 0..count {
            cells.add(index).write_volatile(0);
        }
    }
}
