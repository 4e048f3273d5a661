//! The interpreter: a direct-threaded engine over pre-decoded slots, frames in the portable form.

mod accumulator;
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

use std::marker::PhantomData;

use limen_isa::module::Module;
use limen_isa::{Field, Opcode};
use slotmap::SecondaryMap;

use crate::context::HEADER_CELLS;
use crate::engine::{Engine, Exit, Fuel, ModuleId, NativeFrame, Run};
use crate::store::{ContextKey, DomainKey, ModuleKey, Store};
use crate::verify::Verified;
use cpu::{Runtime, State};
use slot::Code;
pub use slot::Stops;

/// The interpreter of one machine.
///
/// It is an engine by itself, and what an engine that compiles falls back on: for code that is not compiled, and for
/// single instructions.
#[derive(Default)]
pub struct Interpreter {
    code: SecondaryMap<ModuleKey, Code>,
}

// SAFETY: slots hold pointers only to functions, and the words of code.
unsafe impl Send for Code {}

/// Why the interpreter stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// For a reason that is not the engine's business.
    Exit(Exit),
    /// The next instruction is marked.
    Marked,
}

impl Engine for Interpreter {
    fn run(&mut self, run: &mut Run<'_>, fuel: u64) -> (Exit, u64) {
        let mut fuel = Fuel::new(fuel);
        loop {
            let stop;
            (stop, fuel.slice) = self.interpret(run, fuel.slice);
            match stop {
                Stop::Exit(Exit::Fuel) if fuel.next_slice(run) => {}
                Stop::Exit(exit) => return (exit, fuel.left()),
                Stop::Marked => {}
            }
        }
    }

    fn collect(&mut self, is_alive: &dyn Fn(ModuleId) -> bool) {
        self.code.retain(|module, _| is_alive(ModuleId(module)));
    }
}

impl Interpreter {
    /// Runs the context whose frames are all in the portable form, until something happens or, behind its first
    /// instruction, it comes to a marked one. Gives the fuel that is left.
    pub fn interpret(&mut self, run: &mut Run<'_>, fuel: u64) -> (Stop, u64) {
        if run.is_fresh() {
            // Entering the first function is a safepoint like entering any other.
            let Some(rest) = fuel.checked_sub(1) else { return (Stop::Exit(Exit::Fuel), 0) };
            run.burn(1);
            run.begin();
            return self.session(run, rest).interpret();
        }
        self.session(run, fuel).interpret()
    }

    /// Executes one instruction, which is no call and no return, of the frame whose register 0 is in this cell. Neither is noted
    /// in the context.
    pub fn step(&mut self, run: &mut Run<'_>, at: NativeFrame, cell: u32, fuel: &mut u64) -> Option<Exit> {
        let mut session = self.session(run, *fuel);
        session.one(at, cell);
        *fuel = session.state.fuel;
        session.runtime.exit
    }

    /// Marks the instruction at a position in a module's code: [`Interpreter::interpret`] stops before it.
    pub fn mark(&mut self, id: ModuleId, module: &Verified<Module>, position: u32) {
        self.code_of(id, module).mark(position);
    }

    /// Marks these instructions of every function, each when its body is first looked at for another reason.
    pub fn mark_all(&mut self, id: ModuleId, module: &Verified<Module>, stops: Stops) {
        self.code_of(id, module).stop_at(module, stops);
    }

    fn code_of(&mut self, ModuleId(key): ModuleId, module: &Verified<Module>) -> &mut Code {
        if !self.code.contains_key(key) {
            self.code.insert(key, Code::new(module));
        }
        &mut self.code[key]
    }

    fn session<'a>(&'a mut self, run: &'a mut Run<'_>, fuel: u64) -> Session<'a> {
        let code = self.code_of(run.module_id(), &run.module);
        Session::new(code, &run.module, run.store, run.context, run.domain, fuel)
    }
}

/// One run of a context.
struct Session<'a> {
    module: &'a Verified<Module>,
    code: &'a mut Code,
    context: ContextKey,
    runtime: Runtime,
    state: State,
    /// Instructions get at it, too, so its address is in the runtime.
    store: PhantomData<&'a mut Store>,
}

impl<'a> Session<'a> {
    fn new(
        code: &'a mut Code,
        module: &'a Verified<Module>,
        store: &'a mut Store,
        context: ContextKey,
        domain: DomainKey,
        fuel: u64,
    ) -> Self {
        let nowhere = std::ptr::null_mut();
        let state = State { pc: std::ptr::null(), fp: nowhere, home: std::ptr::null_mut(), fuel };
        let cells = store.context_mut(context).stack.as_mut_ptr_range();
        let runtime = Runtime {
            code: code.slots.as_ptr(),
            callees: code.callees.as_ptr(),
            tables: module.tables.as_ptr(),
            stack: cells.start,
            limit: cells.end,
            store,
            domain,
            home_length: 0,
            fuel_told: fuel,
            exit: None,
            unprepared: None,
            left: state,
        };
        Self { module, code, context, runtime, state, store: PhantomData }
    }

    fn store(&mut self) -> &mut Store {
        // SAFETY: the session has borrowed it, and no instruction is being executed.
        unsafe { &mut *self.runtime.store }
    }

    fn interpret(mut self) -> (Stop, u64) {
        self.start();
        let stop = self.until_stop();
        if stop == Stop::Exit(Exit::Fuel) {
            self.refine();
        }
        self.park();
        if stop == Stop::Exit(Exit::Svc) {
            let (module, context) = (self.module, self.context);
            self.store().context_mut(context).park_in_svc(module);
        }
        (stop, self.state.fuel)
    }

    fn one(&mut self, at: NativeFrame, cell: u32) {
        self.stand(at, cell);
        let word = self.module.functions[at.function as usize].code[at.pc as usize];
        self.execute(Opcode::of_word(word).unwrap_or(Opcode::Nop));
        self.tell_fuel();
    }

    /// Makes the registers ready for the context's innermost frame.
    fn start(&mut self) {
        let (module, context) = (self.module, self.context);
        let context = self.store().context_mut(context);
        let (function, pc) = context.position(module).unwrap_or_default();
        let cell = context.fp;
        if std::mem::take(&mut context.has_foreign_frames) {
            // Returning to a caller reads the slots of its call.
            let functions: Vec<u32> = context.functions().collect();
            functions.into_iter().for_each(|function| self.code.ensure_prepared(module, function));
        }
        self.stand(NativeFrame { function, pc }, cell);
    }

    /// Makes the registers ready for the frame whose register 0 is in this cell.
    fn stand(&mut self, at: NativeFrame, cell: u32) {
        self.code.ensure_prepared(self.module, at.function);
        self.runtime.code = self.code.slots.as_ptr();
        let domain = self.runtime.domain;
        let (home, home_length) = self.store().open_home(domain);
        self.runtime.home_length = home_length;
        let (position, fuel) = (self.module.start_of(at.function) + at.pc, self.state.fuel);
        // SAFETY: a context's frame lies on its stack, its position in its module's code.
        self.state = unsafe {
            let pc = self.runtime.code.add(position as usize);
            State { pc, fp: self.runtime.stack.add(cell as usize), home, fuel }
        };
    }

    /// Goes on the fast way as far as it leads, does one instruction the slow way, and so forth.
    fn until_stop(&mut self) -> Stop {
        if self.code.is_marked(self.position()) {
            self.step();
        }
        loop {
            if let Some(exit) = self.runtime.exit.take() {
                return Stop::Exit(exit);
            }
            self.go();
            if self.code.is_marked(self.position()) {
                return Stop::Marked;
            }
            self.step();
        }
    }

    /// Goes on the fast way as far as it leads.
    fn go(&mut self) {
        let State { pc, fp, home, fuel } = self.state;
        let runtime: *mut Runtime = &mut self.runtime;
        // SAFETY: `pc` is the slot of an instruction in a function whose slots are filled, so its head is a handler; the
        // frame is of this function, and what the accumulators hold are registers of it.
        let (handler, held) = unsafe { ((*pc).head.handler, self.code.held_before(self.position()).load(fp)) };
        handler(pc, fp, home, held.cell, fuel, runtime, held.float);
        // SAFETY: the runtime outlives the run.
        self.state = unsafe { (*runtime).left };
    }

    /// Does one instruction the slow way.
    fn step(&mut self) {
        let opcode = self.opcode();
        self.execute(opcode);
    }

    fn execute(&mut self, opcode: Opcode) {
        self.state = dispatch::step(self.state, &mut self.runtime, opcode);
        if let Some(function) = self.runtime.unprepared.take() {
            let position = self.position();
            self.code.prepare(self.module, function);
            self.runtime.code = self.code.slots.as_ptr();
            // SAFETY: as above, where the slots lie now.
            self.state.pc = unsafe { self.runtime.code.add(position as usize) };
        }
    }

    /// Where the state stands in the module's code.
    fn position(&self) -> u32 {
        // SAFETY: `pc` is a slot of this code.
        (unsafe { self.state.pc.offset_from(self.runtime.code) }) as u32
    }

    /// The opcode of the instruction that the state stands at.
    fn opcode(&self) -> Opcode {
        let position = self.position();
        let function = self.module.function_at(position);
        let word = self.module.functions[function as usize].code[(position - self.module.start_of(function)) as usize];
        Opcode::of_word(word).unwrap_or(Opcode::Nop)
    }

    /// Refines the function that was found running when the fuel was used up; and the one that is called there.
    fn refine(&mut self) {
        let position = self.position();
        let function = self.module.function_at(position);
        self.code.refine(self.module, function);
        let pc = position - self.module.start_of(function);
        let word = self.module.functions[function as usize].code[pc as usize];
        let callee = Field::Wide32.get(word) as u32;
        if Opcode::of_word(word) == Some(Opcode::Call) && self.code.callees[callee as usize].prepared {
            self.code.refine(self.module, callee);
        }
    }

    /// Writes back what the run kept in its registers.
    fn park(&mut self) {
        // SAFETY: `fp` lies on the stack.
        let fp = unsafe { self.state.fp.offset_from(self.runtime.stack) } as u32;
        debug_assert!(fp as usize >= HEADER_CELLS);
        let (context, position) = (self.context, self.position());
        self.store().context_mut(context).stand_at(fp, position);
        self.tell_fuel();
    }

    fn tell_fuel(&mut self) {
        let burnt = self.runtime.fuel_told - self.state.fuel;
        self.store().clock.burn(burnt);
    }
}
