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
        let header = unsafe { Self::header(self.state.fp).read() };
        if header.caller == NO_CALLER {
            return self.exit(Exit::Finished);
        }
        // SAFETY: the caller's frame lies on the stack, its header's position in the module's code.
        unsafe {
            let runtime = &*self.runtime;
            let caller = runtime.stack.add(header.caller as usize);
            let call = runtime.code.add((*Self::header(caller)).position as usize);
            self.hand_back(header.results(), Operands(call), caller);
            self.state.fp = caller;
            self.state.pc = call.add(header.call_words as usize);
        }
        Step::Jump
    }

    #[inline(always)]
    fn call(&mut self, f: u32) -> Step {
        // SAFETY: the verifier saw that the function exists.
        let callee = unsafe { *(*self.runtime).callees.add(f as usize) };
        // SAFETY: the slot of a call holds the size of its own frame in A.
        let registers = unsafe { (*self.state.pc).a };
        self.enter(f, callee, registers)
    }

    fn call_indirect(&mut self, t: u32, i: Reg, s: u32) -> Step {
        let index = self.get::<u32>(i);
        let domain = self.domain();
        match self.store().table_entry(domain, t, index) {
            None => self.fault(Fault::Bounds, u64::from(index)),
            Some(None) => self.fault(Fault::Signature, 0),
            Some(Some(function)) => {
                // SAFETY: table entries name functions of the module, and the header names the function that runs.
                let (callee, own) = unsafe {
                    let callees = (*self.runtime).callees;
                    (*callees.add(function as usize), *callees.add((*Self::header(self.state.fp)).function as usize))
                };
                if callee.signature == s {
                    self.enter(function, callee, own.registers)
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
    /// Enters a function from a frame of `registers` registers: checks, header, arguments, zeroes.
    #[inline(always)]
    fn enter(&mut self, function: u32, callee: Callee, registers: u16) -> Step {
        let caller = self.state.fp;
        let frame_end = usize::from(registers) + HEADER_CELLS + usize::from(callee.registers);
        // Compared as addresses: a pointer past the limit must not be made.
        let room = self.runtime().limit as usize - caller as usize;
        if frame_end * size_of::<u64>() > room {
            return self.fault(Fault::Stack, 0);
        }
        if !callee.prepared {
            return self.unprepared(function);
        }
        if !self.burn() {
            return self.exit(Exit::Fuel);
        }
        // SAFETY: the whole frame lies on the stack, as just checked.
        unsafe {
            let runtime = &*self.runtime;
            let frame = caller.add(usize::from(registers) + HEADER_CELLS);
            let position = self.state.pc.offset_from(runtime.code) as u32;
            (*Self::header(caller)).position = position;
            let back = caller.offset_from(runtime.stack) as u32;
            Self::header(frame).write(Header::new(function, callee.start, back, callee.call_words, callee.results));
            self.pass_arguments(callee, frame);
            self.state.fp = frame;
            self.state.pc = runtime.code.add(callee.start as usize);
        }
        Step::Jump
    }

    /// Copies the arguments into the first registers of `frame` and zeroes the others.
    ///
    /// # Safety
    ///
    /// `frame` must have room for the callee's registers, and the current instruction must be a call of it.
    #[inline(always)]
    unsafe fn pass_arguments(&mut self, callee: Callee, frame: *mut u64) {
        let (params, results) = (usize::from(callee.params), usize::from(callee.results));
        let list = Operands(self.state.pc);
        for index in 0..params {
            let value = self.get::<u64>(list.listed(1, results + index));
            // SAFETY: parameters are the callee's first registers.
            unsafe { frame.add(index).write(value) };
        }
        for index in params..usize::from(callee.registers) {
            // SAFETY: within the callee's registers.
            unsafe { frame.add(index).write(0) };
        }
    }

    /// Copies the returned values into the result registers of the caller's call.
    ///
    /// # Safety
    ///
    /// `caller` must be the frame that executed `call`, a call of the function that now returns.
    #[inline(always)]
    unsafe fn hand_back(&mut self, results: usize, call: Operands, caller: *mut u64) {
        let returned = Operands(self.state.pc);
        for index in 0..results {
            let value = self.get::<u64>(returned.listed(0, index));
            // SAFETY: result registers of a verified call exist in its frame.
            unsafe { caller.add(usize::from(call.listed(1, index).0)).write(value) };
        }
    }
}
