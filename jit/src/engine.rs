//! The engine: it lets the interpreter and compiled code take turns on the frames of a context.
//!
//! Native frames are always the innermost ones; whatever lies further out is in the portable form, in the cells of the
//! context's stack, where the interpreter works. Compiled code is entered at the first instruction of a function or at the
//! head of a loop, and left when its outermost frame returns or when all its frames are turned into portable ones.

use std::any::Any;
use std::collections::HashMap;
use std::time::Duration;

use limen_isa::module::Module;
use limen_isa::{Opcode, ValueType};
use limen_vm::{Engine, EngineKind, Exit, Interpreter, ModuleId, NativeFrames, Run, Stop};

use crate::background::{Background, Made, Wish};
use crate::code::ModuleCode;
use crate::compile::{Compiled, Compiler, Refusal};
use crate::context::{NativeContext, Reason};
use crate::frames::{CallSites, Parked};
use crate::log::{Compilation, Log};
use crate::shape::{loop_heads, targets};
use crate::slow::open_home;
use crate::stack::Pool;
use crate::translate::{CELL, Entry, Passing, REGISTER_RESULTS};

/// The engine that compiles.
pub struct Jit {
    interpreter: Interpreter,
    modules: HashMap<ModuleId, ModuleCode>,
    sites: CallSites,
    pool: Pool,
    /// `None` where Cranelift does not know the processor: then everything is interpreted.
    compiler: Option<Compiler>,
    background: Background,
    log: Log,
}

impl Default for Jit {
    fn default() -> Self {
        Self {
            interpreter: Interpreter::default(),
            modules: HashMap::new(),
            sites: CallSites::default(),
            pool: Pool::default(),
            compiler: Compiler::new().ok(),
            background: Background::default(),
            log: Log::default(),
        }
    }
}

impl Engine for Jit {
    fn run(&mut self, run: &mut Run<'_>, fuel: u64) -> (Exit, u64) {
        // Compiled code takes it that no page of home is absent or protected.
        if run.kind() == EngineKind::Interp || self.compiler.is_none() || !run.is_home_open() {
            run.settle();
            return self.interpreter.run(run, fuel);
        }
        self.prepare(run);
        self.receive();
        let mut turn = Turn { jit: self, run, fuel };
        let exit = turn.until_exit();
        (exit, turn.fuel)
    }

    fn collect(&mut self, is_alive: &dyn Fn(ModuleId) -> bool) {
        self.interpreter.collect(is_alive);
        self.modules.retain(|module, _| is_alive(*module));
    }
}

impl Jit {
    /// An engine that notes in `log` what it compiles.
    #[must_use]
    pub fn with_log(log: &Log) -> Self {
        Self { log: log.clone(), ..Self::default() }
    }

    /// Makes ready for the code of a module, when it first runs.
    fn prepare(&mut self, run: &Run<'_>) {
        let id = run.module_id();
        let code = self.modules.entry(id).or_insert_with(|| ModuleCode::new(run.module(), &self.sites));
        if run.kind() == EngineKind::Jit && !code.is_eager {
            code.is_eager = true;
            for function in 0..run.module().functions.len() as u32 {
                let start = run.module().start_of(function);
                self.interpreter.mark(id, run.module(), start);
                for head in loop_heads(run.module(), function) {
                    self.interpreter.mark(id, run.module(), start + head);
                }
            }
        }
    }

    /// Lets code be used that was asked for in the background and is ready.
    fn receive(&mut self) {
        while let Some(Made { wish, compiled }) = self.background.take() {
            self.publish(wish, compiled);
        }
    }

    /// Lets code be used from now on.
    fn publish(&mut self, wish: Wish, compiled: Result<Compiled, Refusal>) {
        let Some(code) = self.modules.get_mut(&wish.module) else { return };
        self.log.add(described(&code.module, wish, &compiled, self.log.now()));
        if compiled.is_ok() {
            let word = if let Entry::Loop(head) = wish.entry { head } else { 0 };
            self.interpreter.mark(wish.module, &code.module, code.module.start_of(wish.function) + word);
        }
        code.publish(wish.function, wish.entry, compiled);
    }

    /// Has code compiled in the background, unless that was tried.
    fn wish(&mut self, wish: Wish) {
        let Some(code) = self.modules.get_mut(&wish.module) else { return };
        if !code.was_tried(wish.function, wish.entry) && self.background.ask(wish, &code.module) {
            code.expect(wish.function, wish.entry);
        }
    }
}

/// An entry of the log.
fn described(module: &Module, wish: Wish, compiled: &Result<Compiled, Refusal>, ready: Duration) -> Compilation {
    let name = module.function_name(wish.function).map(str::to_owned);
    Compilation {
        function: name.unwrap_or_else(|| format!("function {}", wish.function)),
        loop_at: if let Entry::Loop(head) = wish.entry { Some(head) } else { None },
        words: module.functions[wish.function as usize].code.len(),
        ready,
        took: compiled.as_ref().map_or(Duration::ZERO, |compiled| compiled.time),
        outcome: compiled.as_ref().map(|compiled| compiled.size).map_err(Refusal::to_string),
    }
}

/// A context's turn.
struct Turn<'a, 'b> {
    jit: &'a mut Jit,
    run: &'a mut Run<'b>,
    fuel: u64,
}

/// Why native code stopped, as its driver sees it.
enum Native {
    /// Its outermost frame returned these values.
    Returned(Vec<u64>),
    Reason(Reason),
}

impl Turn<'_, '_> {
    fn until_exit(&mut self) -> Exit {
        let mut parked = self.run.take_native().and_then(|frames| (frames as Box<dyn Any>).downcast::<Parked>().ok());
        loop {
            let exit = match parked.take() {
                Some(frames) => self.go_native(frames, &mut parked),
                None => match self.enter() {
                    Some(Ok(frames)) => {
                        parked = Some(frames);
                        None
                    }
                    Some(Err(exit)) => Some(exit),
                    None => self.interpret(),
                },
            };
            if let Some(exit) = exit {
                return exit;
            }
        }
    }

    /// Native frames for where the innermost portable frame stands, if there is or can be code for it.
    fn enter(&mut self) -> Option<Result<Box<Parked>, Exit>> {
        if self.run.is_fresh() {
            // Entering the first function is a safepoint like entering any other.
            let Some(rest) = self.fuel.checked_sub(1) else { return Some(Err(Exit::Fuel)) };
            self.fuel = rest;
            self.run.burn(1);
            self.run.begin();
        }
        let (function, pc) = self.run.frames().position();
        let entry = self.jit.modules.get_mut(&self.run.module_id())?.entry_at(function, pc)?;
        let code = self.code(function, entry)?;
        self.native_frames(function, entry, code).map(Ok)
    }

    /// Code from this entry on, if there is any; if compiling is all there is, it is compiled now.
    fn code(&mut self, function: u32, entry: Entry) -> Option<*const u8> {
        let wish = Wish { module: self.run.module_id(), function, entry };
        let code = self.jit.modules.get(&wish.module)?;
        if self.run.kind() == EngineKind::Jit && !code.was_tried(function, entry) {
            let compiled = self.jit.compiler.as_mut()?.compile(&code.module, function, entry);
            self.jit.publish(wish, compiled);
        }
        self.jit.modules.get(&wish.module)?.find(function, entry)
    }

    /// A native stack on which the innermost portable frame will go on as a native one.
    fn native_frames(&mut self, function: u32, entry: Entry, code: *const u8) -> Option<Box<Parked>> {
        let mut frames = self.run.frames();
        let (stack, innermost) = (frames.stack(), frames.innermost());
        // SAFETY: both ends are of one stack.
        let cells = unsafe { stack.end.offset_from(stack.start) } as usize;
        let mut parked = Parked::new(&self.jit.pool, &self.jit.sites, cells, function)?;
        let context = &mut *parked.context;
        (context.stack, context.limit) = (stack.start, stack.end);
        // SAFETY: the innermost frame lies on the stack.
        context.frame = unsafe { stack.start.add(innermost as usize) };
        context.target = code;
        if entry == Entry::Call {
            self.pass_arguments(context, function);
        }
        Some(Box::new(parked))
    }

    /// Fetches the arguments that travel in registers from their cells.
    fn pass_arguments(&self, context: &mut NativeContext, function: u32) {
        let Some(signature) = self.run.module().signature_of(function) else { return };
        let mut passing = Passing::new();
        for (cell, ty) in signature.params.iter().enumerate() {
            // SAFETY: parameters are the first registers of the frame.
            let bits = unsafe { context.frame.add(cell).read() };
            match (passing.next(*ty), ty) {
                (Some(number), ValueType::F32 | ValueType::F64) => context.floats[number] = bits,
                (Some(number), _) => context.integers[number] = bits,
                (None, _) => {}
            }
        }
    }

    /// Lets native code run until it stops, and deals with why.
    fn go_native(&mut self, mut frames: Box<Parked>, next: &mut Option<Box<Parked>>) -> Option<Exit> {
        match self.go(&mut frames) {
            Native::Returned(results) => {
                let (function, cell) = (frames.outermost, frames.context.cell(frames.context.frame));
                self.run.frames().stand(cell, limen_vm::NativeFrame { function, pc: 0 });
                let has_caller = self.run.frames().pop(&results);
                (!has_caller).then_some(Exit::Finished)
            }
            Native::Reason(Reason::Exit(exit)) => {
                self.run.leave_native(frames);
                Some(exit)
            }
            Native::Reason(Reason::Uncompiled(function)) => {
                if self.code(function, Entry::Call).is_some() {
                    *next = Some(frames);
                    return None;
                }
                self.jit.wish(Wish { module: self.run.module_id(), function, entry: Entry::Call });
                self.leave(frames)
            }
            Native::Reason(Reason::Leave) => self.leave(frames),
        }
    }

    /// Lets the interpreter go on where native code stands. By at least one instruction, since there may be code for this
    /// very place, which would come no further.
    fn leave(&mut self, frames: Box<Parked>) -> Option<Exit> {
        frames.settle(&mut self.run.frames());
        self.interpret()
    }

    fn go(&mut self, frames: &mut Parked) -> Native {
        let id = self.run.module_id();
        let context = &mut *frames.context;
        if let Some(code) = self.jit.modules.get(&id) {
            (context.functions, context.indirect) = (code.functions(), code.indirect());
        }
        (context.home, context.home_length) = open_home(self.run);
        (context.fuel, context.fuel_told) = (self.fuel, self.fuel);
        context.interpreter = &raw mut self.jit.interpreter;
        let run: *mut Run<'_> = &raw mut *self.run;
        // The lifetime is forgotten: native code uses it only until it switches back.
        context.run = run.cast();
        frames.go();
        let context = &mut *frames.context;
        context.tell_fuel(self.run);
        self.fuel = context.fuel;
        if context.done == 0 {
            return Native::Reason(context.reason);
        }
        Native::Returned(self.results(context, frames.outermost))
    }

    /// What a function returned, from registers and cells.
    fn results(&self, context: &NativeContext, function: u32) -> Vec<u64> {
        let Some(signature) = self.run.module().signature_of(function) else { return Vec::new() };
        let mut passing = Passing::new();
        let result = |(cell, ty): (usize, &ValueType)| {
            let number = passing.next(*ty).unwrap_or_default();
            let bits = match ty {
                // SAFETY: results that are not in registers are in the first cells of the frame.
                _ if cell >= REGISTER_RESULTS => unsafe { context.frame.byte_add(cell * CELL as usize).read() },
                ValueType::F32 | ValueType::F64 => context.floats[number],
                ValueType::I32 | ValueType::I64 | ValueType::Ref => context.integers[number],
            };
            if matches!(ty, ValueType::I32 | ValueType::F32) { bits & 0xffff_ffff } else { bits }
        };
        signature.results.iter().enumerate().map(result).collect()
    }

    /// Interprets until something happens, compiled code can take over, or it is time to look at what is hot.
    fn interpret(&mut self) -> Option<Exit> {
        let samples = self.run.kind() == EngineKind::Tiered;
        let slice = if samples { self.fuel.min(SAMPLED) } else { self.fuel };
        let (stop, left) = self.jit.interpreter.interpret(self.run, slice);
        self.fuel -= slice - left;
        match stop {
            Stop::Marked => None,
            // With fuel left it is the host that wants to stop.
            Stop::Exit(Exit::Fuel) if samples && left == 0 => {
                self.sample();
                (self.fuel == 0).then_some(Exit::Fuel)
            }
            Stop::Exit(exit) => Some(exit),
        }
    }

    /// Looks at where the interpreter stands: what is found running again and again is worth compiling.
    fn sample(&mut self) {
        self.jit.receive();
        let (function, pc) = self.run.frames().position();
        let module = self.run.module_id();
        let Some(code) = self.jit.modules.get_mut(&module) else { return };
        if code.sample(function) < HOT {
            return;
        }
        let words = &code.module.functions[function as usize].code[pc as usize..];
        let branch = Opcode::of_word(words[0]).map_or_else(Vec::new, |opcode| targets(words, opcode, pc));
        let head = branch.into_iter().find(|target| *target <= pc);
        for entry in head.map(Entry::Loop).into_iter().chain([Entry::Call]) {
            self.jit.wish(Wish { module, function, entry });
        }
    }
}

/// Units of fuel from one look at what is hot to the next.
const SAMPLED: u64 = 1024;

/// So often must a function be found running before it is compiled.
const HOT: u32 = 2;
