//! The interpreter: a direct-threaded engine over pre-decoded slots, frames in the portable form.

mod bulk;
mod control;
mod conversion;
mod cpu;
mod dispatch;
mod float;
mod home;
mod integer;
mod number;
mod reference;
mod segment;
mod slot;
mod supervisor;

use limen_isa::Opcode;
use limen_isa::module::Module;
use slotmap::SecondaryMap;

use crate::context::HEADER_CELLS;
use crate::engine::{Engine, Exit};
use crate::store::{ContextKey, ModuleKey, Store};
use crate::verify::Verified;
use cpu::{Runtime, State};
use slot::Code;

/// The interpreter of one machine.
#[derive(Default)]
pub(crate) struct Interpreter {
    code: SecondaryMap<ModuleKey, Code>,
}

// SAFETY: slots hold pointers only to functions, and the words of code.
unsafe impl Send for Code {}

impl Engine for Interpreter {
    fn run(&mut self, store: &mut Store, context: ContextKey, fuel: u64) -> (Exit, u64) {
        let domain = store.context(context).domain;
        let key = store.module_key_of(domain);
        let module = store.module(key).clone();
        if !self.code.contains_key(key) {
            self.code.insert(key, Code::new(&module));
        }
        let code = &mut self.code[key];
        Run { module: &module, code, store, context, domain }.go(fuel)
    }

    fn collect(&mut self, store: &Store) {
        self.code.retain(|key, _| store.has_module(key));
    }
}

/// One run of a context.
struct Run<'a> {
    module: &'a Verified<Module>,
    code: &'a mut Code,
    store: &'a mut Store,
    context: ContextKey,
    domain: crate::store::DomainKey,
}

impl Run<'_> {
    fn go(mut self, fuel: u64) -> (Exit, u64) {
        let mut fuel = fuel;
        if self.store.context(self.context).fresh {
            // Entering the first function is a safepoint like entering any other.
            let Some(rest) = fuel.checked_sub(1) else { return (Exit::Fuel, 0) };
            fuel = rest;
            self.store.clock.burn(1);
            self.store.context_mut(self.context).fresh = false;
        }
        let mut runtime = self.runtime(fuel);
        let start = self.start(&runtime, fuel);
        let (exit, state) = self.until_exit(&mut runtime, start);
        self.park(&runtime, state);
        self.store.clock.burn(runtime.fuel_told - state.fuel);
        (exit, state.fuel)
    }

    fn runtime(&mut self, fuel: u64) -> Runtime {
        let store: *mut Store = &mut *self.store;
        let stack = &mut self.store.context_mut(self.context).stack;
        let cells = stack.as_mut_ptr_range();
        Runtime {
            code: self.code.slots.as_ptr(),
            callees: self.code.callees.as_ptr(),
            stack: cells.start,
            limit: cells.end,
            store,
            domain: self.domain,
            fuel_told: fuel,
            exit: None,
            unprepared: None,
            left: State { pc: std::ptr::null(), fp: cells.start, home: std::ptr::null_mut(), home_length: 0, fuel },
        }
    }

    /// The registers for the context's innermost frame.
    fn start(&mut self, runtime: &Runtime, fuel: u64) -> State {
        let (home, home_length) = self.store.open_home(self.domain);
        let context = self.store.context(self.context);
        let (function, pc) = context.position(self.module).unwrap_or_default();
        let position = self.module.start_of(function) + pc;
        let fp = context.fp as usize;
        if !self.code.callees[function as usize].prepared {
            self.code.prepare(self.module, function);
        }
        // SAFETY: a context's frame lies on its stack, its position in its module's code.
        unsafe { State { pc: runtime.code.add(position as usize), fp: runtime.stack.add(fp), home, home_length, fuel } }
    }

    /// Goes on the fast way as far as it leads, does one instruction the slow way, and so forth.
    fn until_exit(&mut self, runtime: &mut Runtime, mut state: State) -> (Exit, State) {
        let runtime: *mut Runtime = runtime;
        loop {
            // SAFETY: `pc` is the slot of an instruction in a function whose slots are filled, so its head is a handler.
            let handler = unsafe { (*state.pc).head.handler };
            handler(state.pc, state.fp, state.home, state.home_length, state.fuel, runtime);
            // SAFETY: the runtime outlives the run.
            state = unsafe { (*runtime).left };
            state = dispatch::step(state, runtime, self.opcode(state));
            // SAFETY: as above.
            let runtime = unsafe { &mut *runtime };
            if let Some(function) = runtime.unprepared.take() {
                // SAFETY: `pc` is a slot of this code.
                let position = unsafe { state.pc.offset_from(runtime.code) };
                self.code.prepare(self.module, function);
                runtime.code = self.code.slots.as_ptr();
                // SAFETY: as above; the slots have not moved, but this pointer is younger than what was written.
                state.pc = unsafe { runtime.code.offset(position) };
            }
            if let Some(exit) = runtime.exit.take() {
                return (exit, state);
            }
        }
    }

    /// The opcode of the instruction that a state stands at.
    fn opcode(&self, state: State) -> Opcode {
        // SAFETY: `pc` is a slot of this code.
        let position = unsafe { state.pc.offset_from(self.code.slots.as_ptr()) } as u32;
        let function = self.module.function_at(position);
        let word = self.module.functions[function as usize].code[(position - self.module.start_of(function)) as usize];
        Opcode::of_word(word).unwrap_or(Opcode::Nop)
    }

    /// Writes back what the run kept in its registers.
    fn park(&mut self, runtime: &Runtime, state: State) {
        // SAFETY: `fp` lies on the stack, `pc` in the code.
        let (fp, position) =
            unsafe { (state.fp.offset_from(runtime.stack) as u32, state.pc.offset_from(runtime.code) as u32) };
        debug_assert!(fp as usize >= HEADER_CELLS);
        self.store.context_mut(self.context).stand_at(fp, position);
    }
}
