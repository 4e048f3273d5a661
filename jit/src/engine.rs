//! The engine: it lets the interpreter and compiled code take turns on the frames of a context.
//!
//! Native frames are always the innermost ones; whatever lies further out is in the portable form, in the cells of the
//! context's stack, where the interpreter works. Compiled code is entered at the first instruction of a function or at the
//! head of a loop, and left when its outermost frame returns or when all its frames are turned into portable ones.

use std::any::Any;
use std::collections::HashMap;

use limen_isa::ValueType;
use limen_vm::{Engine, EngineKind, Exit, Interpreter, ModuleId, NativeFrames, Run, Stop};

use crate::code::ModuleCode;
use crate::compile::Compiler;
use crate::context::{NativeContext, Reason};
use crate::frames::{CallSites, Parked};
use crate::shape::loop_heads;
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
}

impl Default for Jit {
    fn default() -> Self {
        Self {
            interpreter: Interpreter::default(),
            modules: HashMap::new(),
            sites: CallSites::default(),
            pool: Pool::default(),
            compiler: Compiler::new().ok(),
        }
    }
}

impl Engine for Jit {
    fn run(&mut self, run: &mut Run<'_>, fuel: u64) -> (Exit, u64) {
        if run.kind() == EngineKind::Interp || self.compiler.is_none() {
            run.settle();
            return self.interpreter.run(run, fuel);
        }
        self.prepare(run);
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
    /// Makes ready for the code of a module, when it first runs.
    fn prepare(&mut self, run: &mut Run<'_>) {
        let id = run.module_id();
        if !self.modules.contains_key(&id) {
            self.modules.insert(id, ModuleCode::new(run.module(), &self.sites));
            for function in 0..run.module().functions.len() as u32 {
                let start = run.module().start_of(function);
                self.interpreter.mark(run, start);
                for head in loop_heads(run.module(), function) {
                    self.interpreter.mark(run, start + head);
                }
            }
        }
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
        let id = self.run.module_id();
        let entry = self.jit.modules.get_mut(&id)?.entry_at(self.run.module(), function, pc)?;
        let code = self.code(function, entry)?;
        self.native_frames(function, entry, code).map(Ok)
    }

    /// Code from this entry on; compiled now if need be.
    fn code(&mut self, function: u32, entry: Entry) -> Option<*const u8> {
        let id = self.run.module_id();
        let code = self.jit.modules.get_mut(&id)?;
        if !code.was_tried(function, entry) {
            let compiled = self.jit.compiler.as_mut()?.compile(self.run.module(), function, entry);
            code.publish(function, entry, compiled);
        }
        code.find(function, entry)
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
                } else {
                    frames.settle(&mut self.run.frames());
                }
                None
            }
        }
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

    /// Interprets until something happens or compiled code can take over.
    fn interpret(&mut self) -> Option<Exit> {
        let (stop, fuel) = self.jit.interpreter.interpret(self.run, self.fuel);
        self.fuel = fuel;
        match stop {
            Stop::Exit(exit) => Some(exit),
            Stop::Marked => None,
        }
    }
}
