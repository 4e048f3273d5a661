//! The engine: it lets the interpreter and compiled code take turns on the frames of a context.
//!
//! Native frames are always the innermost ones; whatever lies further out is in the portable form, in the cells of the
//! context's stack, where the interpreter works. Compiled code is entered at the first instruction of a function or at the
//! head of a loop, and left when its outermost frame returns or when all its frames are turned into portable ones.

use std::any::Any;
use std::time::{Duration, Instant};

use limen_isa::ValueType;
use limen_isa::module::Module;
use limen_vm::{Engine, EngineKind, Exit, Fuel, HEADER_CELLS, Interpreter, ModuleId, NativeFrames, Run, Stop};
use rustc_hash::FxHashMap;

use crate::arch;
use crate::background::{Background, CodeId, Made, Wish};
use crate::code::ModuleCode;
use crate::code_map::CodeMap;
use crate::code_memory;
use crate::compile::{Compiled, Compiler, MAX_WORDS, Refusal, shared};
use crate::context::{NativeContext, Processor, Reason};
use crate::frames::{self, Parked};
use crate::log::{Compilation, Log};
use crate::lower::enter::{Handler, address_of};
use crate::lower::home::declared_home;
use crate::mode::{Mode, Paging, Pinned, Safepoints};
use crate::origin::origin;
use crate::passing::{Passing, REGISTER_RESULTS, cells_of};
use crate::shape::{loop_heads, outermost_loop, targets};
use crate::stack::Pool;
use crate::translate::{CELL, Entry};

/// The engine that compiles.
pub struct Jit {
    interpreter: Interpreter,
    modules: FxHashMap<CodeId, ModuleCode>,
    code_map: CodeMap,
    pool: Pool,
    processor: Box<Processor>,
    /// What native code enters the kernel on.
    kernel: Option<Box<Parked>>,
    /// `None` where Cranelift does not know the processor: then everything is interpreted.
    compiler: Option<Compiler>,
    background: Background,
    /// When something was first worth compiling.
    begun: Option<Instant>,
    /// Bytes of memory that code may take.
    code_limit: usize,
    log: Log,
    #[cfg(feature = "unstoppable")]
    is_unstoppable: bool,
}

/// Bytes of memory that an engine's code may take unless it is told otherwise.
pub const DEFAULT_CODE_LIMIT: usize = 256 << 20;

impl Default for Jit {
    fn default() -> Self {
        Self {
            interpreter: Interpreter::default(),
            modules: FxHashMap::default(),
            code_map: CodeMap::default(),
            pool: Pool::default(),
            processor: Box::new(Processor::new()),
            kernel: None,
            compiler: Compiler::new().ok(),
            background: Background::default(),
            begun: None,
            code_limit: DEFAULT_CODE_LIMIT,
            log: Log::default(),
            #[cfg(feature = "unstoppable")]
            is_unstoppable: false,
        }
    }
}

impl Engine for Jit {
    fn run(&mut self, run: &mut Run<'_>, fuel: u64) -> (Exit, u64) {
        if run.kind() == EngineKind::Interp || self.compiler.is_none() {
            run.settle();
            return self.interpreter.run(run, fuel);
        }
        // The kernel may have taken control of the pages of home.
        let mode = self.mode(run);
        let parked = run.native().and_then(|frames| (frames as &dyn Any).downcast_ref::<Parked>());
        if parked.is_some_and(|frames| frames.context.mode != mode) {
            run.settle();
        }
        self.prepare(run);
        self.receive();
        let mut turn = Turn { jit: self, run, fuel: Fuel::new(fuel) };
        let exit = turn.until_exit();
        (exit, turn.fuel.left())
    }

    fn collect(&mut self, is_alive: &dyn Fn(ModuleId) -> bool) {
        self.interpreter.collect(is_alive);
        self.modules.retain(|id, _| is_alive(id.module));
    }
}

impl Jit {
    /// An engine that notes in `log` what it compiles.
    #[must_use]
    pub fn with_log(log: &Log) -> Self {
        Self { log: log.clone(), ..Self::default() }
    }

    /// The engine with another limit, in bytes, for the memory that its code takes: what no longer fits is interpreted.
    /// Code that engines of the process share counts for each of them. The default is [`DEFAULT_CODE_LIMIT`].
    #[must_use]
    pub fn with_code_limit(self, code_limit: usize) -> Self {
        Self { code_limit, ..self }
    }

    /// The engine, whose code in live time nobody can stop before it ends: for measuring what it costs that others can be. Where
    /// a function that was called faults, or takes its frames out, the process ends.
    #[cfg(feature = "unstoppable")]
    #[must_use]
    pub fn unstoppable(self) -> Self {
        Self { is_unstoppable: true, ..self }
    }

    /// What a context's code must be made for now.
    fn mode(&self, run: &mut Run<'_>) -> Mode {
        let mode = Mode::of(run);
        #[cfg(feature = "unstoppable")]
        if self.is_unstoppable {
            return mode.unstoppable();
        }
        mode
    }

    /// Names the code that a context runs.
    fn code_of(&self, run: &mut Run<'_>) -> CodeId {
        CodeId { module: run.module_id(), mode: self.mode(run) }
    }

    /// Whether there is memory for code that takes so many bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Memory`] if not.
    fn check_code_memory(&self, footprint: usize) -> Result<(), Refusal> {
        let taken: usize = self.modules.values().map(|code| code.footprint).sum();
        if taken + footprint > self.code_limit { Err(Refusal::Memory(self.code_limit)) } else { Ok(()) }
    }

    /// Makes ready for the code of a module, when it first runs.
    fn prepare(&mut self, run: &mut Run<'_>) {
        let id = self.code_of(run);
        let code =
            self.modules.entry(id).or_insert_with(|| ModuleCode::new(run.module(), handler(run), &self.code_map));
        if run.kind() == EngineKind::Jit && !code.is_eager {
            code.is_eager = true;
            self.interpreter.mark_all(id.module, run.module(), beginnings);
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
        let compiled = compiled.and_then(|it| self.check_code_memory(it.footprint()).map(|()| it));
        let Some(code) = self.modules.get_mut(&wish.of) else { return };
        self.log.add(described(&code.module, wish, &compiled, self.log.now()));
        if compiled.is_ok() {
            let word = if let Entry::Loop(head) = wish.entry { head } else { 0 };
            self.interpreter.mark(wish.of.module, &code.module, code.module.start_of(wish.function) + word);
        }
        code.publish(wish.function, wish.entry, compiled);
    }

    /// Compiles now.
    fn compile(&mut self, wish: Wish) -> Option<Result<Compiled, Refusal>> {
        if let Err(refusal) = self.check_code_memory(SMALLEST_CODE) {
            return Some(Err(refusal));
        }
        let code = self.modules.get(&wish.of)?;
        let kernel = code.kernel.as_ref();
        Some(self.compiler.as_mut()?.compile(&code.module, kernel, wish.function, wish.entry, wish.of.mode))
    }

    /// Whether a program has only just begun. Where fuel counts nobody waits for what it says first.
    fn is_beginning(&mut self, mode: Mode) -> bool {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        mode.safepoints == Safepoints::Live && begun.elapsed() < PATIENCE
    }

    /// Uses code that another machine has had compiled, or else has it compiled in the background, unless that was tried.
    fn wish(&mut self, wish: Wish) {
        let room = self.check_code_memory(SMALLEST_CODE);
        let Some(code) = self.modules.get_mut(&wish.of) else { return };
        if code.was_tried(wish.function, wish.entry) {
            return;
        }
        let kernel = code.kernel.as_ref();
        if let Some(compiled) = shared(&code.module, kernel, wish.function, wish.entry, wish.of.mode) {
            return self.publish(wish, Ok(compiled));
        }
        if self.is_beginning(wish.of.mode) {
            return;
        }
        let Some(code) = self.modules.get_mut(&wish.of) else { return };
        match room {
            Ok(()) if self.background.ask(wish, &code.module, code.kernel.as_ref()) => {
                code.expect(wish.function, wish.entry)
            }
            Ok(()) => {}
            Err(refusal) => self.publish(wish, Err(refusal)),
        }
    }
}

/// What of the kernel deals with an `svc` of whoever runs. The kernel's own are the machine's business.
fn handler(run: &Run<'_>) -> Option<Handler> {
    let (module, function) = run.svc_handler()?;
    (address_of(&module) != address_of(run.module())).then_some(Handler { module, function })
}

/// An entry of the log.
fn described(module: &Module, wish: Wish, compiled: &Result<Compiled, Refusal>, ready: Duration) -> Compilation {
    let name = module.function_name(wish.function).map(str::to_owned);
    Compilation {
        function: name.unwrap_or_else(|| format!("function {}", wish.function)),
        loop_at: if let Entry::Loop(head) = wish.entry { Some(head) } else { None },
        looks_at_pages: wish.of.mode.paging == Paging::Controlled,
        words: module.functions[wish.function as usize].code.len(),
        ready,
        took: compiled.as_ref().map_or(Duration::ZERO, |compiled| compiled.time),
        address: compiled.as_ref().map_or(0, |compiled| compiled.address()),
        outcome: compiled.as_ref().map(|compiled| compiled.size).map_err(Refusal::to_string),
    }
}

/// A context's turn.
struct Turn<'a, 'b> {
    jit: &'a mut Jit,
    run: &'a mut Run<'b>,
    fuel: Fuel,
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
            let Some(rest) = self.fuel.slice.checked_sub(1) else { return Some(Err(Exit::Fuel)) };
            self.fuel.slice = rest;
            self.run.burn(1);
            self.run.begin();
        }
        let (function, pc) = self.run.frames().position();
        let of = self.jit.code_of(self.run);
        let entry = self.jit.modules.get_mut(&of)?.entry_at(function, pc)?;
        let code = self.code(function, entry)?;
        self.native_frames(function, entry, code).map(Ok)
    }

    /// Code from this entry on, if there is any; if compiling is all there is, it is compiled now, unless that takes long.
    fn code(&mut self, function: u32, entry: Entry) -> Option<*const u8> {
        let wish = Wish { of: self.jit.code_of(self.run), function, entry };
        let code = self.jit.modules.get(&wish.of)?;
        if self.run.kind() == EngineKind::Jit && !code.was_tried(function, entry) {
            if is_large(self.run.module(), function) {
                self.jit.wish(wish);
            } else {
                let compiled = self.jit.compile(wish)?;
                self.jit.publish(wish, compiled);
            }
        }
        self.jit.modules.get(&wish.of)?.find(function, entry)
    }

    /// Whether a function that is called has code, or another machine's can be used. Has it compiled if not.
    fn has_code_or_wish(&mut self, function: u32) -> bool {
        if self.code(function, Entry::Call).is_none() {
            self.jit.wish(Wish { of: self.jit.code_of(self.run), function, entry: Entry::Call });
        }
        self.code(function, Entry::Call).is_some()
    }

    /// A native stack on which the innermost portable frame will go on as a native one.
    fn native_frames(&mut self, function: u32, entry: Entry, code: *const u8) -> Option<Box<Parked>> {
        let mut frames = self.run.frames();
        let (stack, innermost) = (frames.stack(), frames.innermost());
        if entry == Entry::Call && !frames.is_as_called() {
            return None;
        }
        // SAFETY: both ends are of one stack.
        let cells = unsafe { stack.end.offset_from(stack.start) } as usize;
        // It may have more results than registers.
        if self.run.module().signature_of(function).is_none_or(|it| innermost as usize + cells_of(it) > cells) {
            return None;
        }
        let mut parked = Parked::new(&self.jit.pool, &self.jit.code_map, cells, function)?;
        let context = &mut *parked.context;
        (context.stack, context.end) = (stack.start, stack.end);
        context.reset_limit();
        // SAFETY: the innermost frame lies on the stack.
        context.frame = unsafe { stack.start.add(innermost as usize) };
        context.target = code;
        if entry == Entry::Call {
            context.entry_fuel = entry_fuel(self.jit.code_of(self.run).mode);
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
    fn go_native(&mut self, frames: Box<Parked>, next: &mut Option<Box<Parked>>) -> Option<Exit> {
        let mut frames = self.go(frames)?;
        let inlined = frames.context.take_inlined();
        if !inlined.is_empty() {
            // What is live of the kernel's frames is in their cells.
            self.clear_dead(&frames.context, &inlined);
            let cell = frames.context.cell(frames.context.frame);
            self.run.frames().adopt(cell, &inlined);
            self.jit.kernel = Some(frames);
            return self.interpret();
        }
        if frames.context.done != 0 {
            let results = self.results(&frames.context, frames.outermost);
            let (function, cell) = (frames.outermost, frames.context.cell(frames.context.frame));
            self.run.frames().stand(cell, limen_vm::NativeFrame { function, pc: 0 });
            let has_caller = self.run.frames().pop(&results);
            return (!has_caller).then_some(Exit::Finished);
        }
        match frames.context.reason {
            // The kernel's frames end here; their stack will do for the next ones.
            Reason::Exit(exit @ Exit::Resume(_)) => {
                self.jit.kernel = Some(frames);
                Some(exit)
            }
            Reason::Exit(exit) => {
                self.run.leave_native(frames);
                Some(exit)
            }
            Reason::Uncompiled(function) => {
                self.jit.receive();
                if !self.has_code_or_wish(function) {
                    return self.leave(frames);
                }
                *next = Some(frames);
                None
            }
            Reason::Leave => self.leave(frames),
        }
    }

    /// Makes zeroes of the registers of the kernel's frames that code has not written to their cells.
    fn clear_dead(&mut self, context: &NativeContext, frames: &[limen_vm::NativeFrame]) {
        let mut first = context.frame;
        for (frame, live) in frames.iter().zip(context.live) {
            let registers = self.run.frames().registers_of(frame.function).len();
            for register in (0..registers).filter(|register| live >> register & 1 == 0) {
                // SAFETY: the kernel's stack holds the frames that code has put in the place of an `svc`.
                unsafe { first.add(register).write(0) };
            }
            // SAFETY: as above, and the next frame follows.
            first = unsafe { first.add(registers + HEADER_CELLS) };
        }
    }

    /// Lets the interpreter go on where native code stands. By at least one instruction, since there may be code for this
    /// very place, which would come no further.
    fn leave(&mut self, frames: Box<Parked>) -> Option<Exit> {
        frames.settle(&mut self.run.frames());
        self.interpret()
    }

    /// Lets native code run until it stops. Gives the frames of the context that runs then: the kernel may have given the
    /// processor away meanwhile.
    fn go(&mut self, mut frames: Box<Parked>) -> Option<Box<Parked>> {
        self.make_kernel_ready();
        let first: *mut NativeContext = &raw mut *frames.context;
        self.make_ready(&mut frames.context);
        self.run.leave_native(frames);
        self.lend();
        // SAFETY: its frames belong to the context, so they stay while it runs.
        unsafe { frames::go(first) };
        let processor = &mut *self.jit.processor;
        // SAFETY: what runs last belongs to a context or to the engine.
        let last = unsafe { &mut *processor.current };
        if let Some(id) = last.id {
            self.run.turn_to(id);
        }
        if last.is_in_svc() {
            last.innermost = last.innermost_at(last.native.frame);
            last.stand(self.run);
            last.reason = Reason::Exit(Exit::Svc);
        }
        last.tell_fuel(processor, self.run);
        self.fuel = processor.fuel;
        self.fuel.slice = *last.slice(processor);
        let left = self.run.take_native();
        match self.jit.kernel.take_if(|kernel| std::ptr::eq(&raw const *kernel.context, last)) {
            Some(kernel) => Some(kernel),
            None => left.and_then(|frames| (frames as Box<dyn Any>).downcast().ok()),
        }
    }

    /// Tells a native context, which is about to run, and the processor what is true now.
    fn make_ready(&mut self, context: &mut NativeContext) {
        self.introduce(context);
        context.renew(self.run);
        context.fuel = match (context.mode.pinned(), self.run.attention()) {
            (Pinned::Origin, _) => context.origin as u64,
            (Pinned::Safepoints, Some(word)) => word as u64,
            (Pinned::Safepoints, None) => self.fuel.slice,
        };
        let processor = &mut *self.jit.processor;
        self.run.put_by_attention(std::ptr::from_mut(processor).expose_provenance());
        processor.current = context;
        (processor.fuel, processor.fuel_told) = (self.fuel, self.fuel.slice);
        processor.renew(self.run);
    }

    /// Lets the runtime have what it uses on behalf of native code; nobody else does before that switches back.
    fn lend(&mut self) {
        let run: *mut Run<'_> = &raw mut *self.run;
        // So its lifetime can be forgotten.
        self.jit.processor.run = run.cast();
        self.jit.processor.interpreter = &raw mut self.jit.interpreter;
    }

    /// Tells a native context what stays as it is while its context lives.
    fn introduce(&mut self, context: &mut NativeContext) {
        let id = self.jit.code_of(self.run);
        context.mode = id.mode;
        if let Some(code) = self.jit.modules.get(&id) {
            context.counts_from = origin(&code.module);
            (context.functions, context.indirect) = (code.functions(), code.indirect());
            // Code that takes the place of an `svc` does not look at the states of pages.
            context.module = if id.mode.paging == Paging::Open { address_of(&code.module) } else { 0 };
        }
        (context.id, context.port) = (Some(self.run.context_id()), self.run.port());
        context.processor = &raw mut *self.jit.processor;
    }

    /// Has a stack ready on which native code can enter the kernel for an `svc`, if there is code for it.
    fn make_kernel_ready(&mut self) {
        self.jit.processor.close();
        let Some(entry) = self.run.svc_entry().filter(|entry| entry.kind != EngineKind::Interp) else { return };
        // A kernel whose home is under page control is entered by way of the machine.
        let id = self.jit.code_of(&mut self.run.of(entry.context));
        let code = self.jit.modules.get(&id).filter(|_| id.mode.paging == Paging::Open);
        let code = code.and_then(|code| Some((code.find(entry.function, Entry::Call)?, declared_home(&code.module))));
        let Some((target, declared)) = code else { return };
        // SAFETY: both ends are of one stack.
        let cells = unsafe { entry.stack.end.offset_from(entry.stack.start) } as usize;
        let fresh = || Parked::new(&self.jit.pool, &self.jit.code_map, cells, entry.function).map(Box::new);
        let Some(mut frames) = self.jit.kernel.take().or_else(fresh) else { return };
        frames.outermost = entry.function;
        let context = &mut *frames.context;
        if context.id != Some(entry.context) || context.epoch != self.run.epoch() || context.target != target {
            let mut run = self.run.of(entry.context);
            Turn { jit: self.jit, run: &mut run, fuel: Fuel::default() }.introduce(context);
            context.renew(&mut run);
            (context.stack, context.end) = (entry.stack.start, entry.stack.end);
            context.reset_limit();
            // SAFETY: the entry's frame lies on the stack.
            context.frame = unsafe { entry.stack.start.add(entry.frame as usize) };
            context.target = target;
            context.entry_fuel = entry_fuel(id.mode);
        }
        (context.native, context.done) = (arch::fresh(context.top), 0);
        self.jit.processor.open(context, declared);
        self.jit.kernel = Some(frames);
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
        let piece = self.fuel.slice.min(SAMPLED);
        let (stop, left) = self.jit.interpreter.interpret(self.run, piece);
        self.fuel.slice -= piece - left;
        match stop {
            Stop::Marked => None,
            Stop::Exit(Exit::Fuel) => {
                // With fuel left it is the machine that wants to look at something.
                if left == 0 {
                    self.sample();
                }
                let goes_on = left == 0 && (self.fuel.slice > 0 || self.fuel.next_slice(self.run));
                (!goes_on).then_some(Exit::Fuel)
            }
            Stop::Exit(exit) => Some(exit),
        }
    }

    /// Looks at where the interpreter stands: what is found running again and again is worth compiling.
    fn sample(&mut self) {
        self.jit.receive();
        let (function, pc) = self.run.frames().position();
        let of = self.jit.code_of(self.run);
        let Some(code) = self.jit.modules.get_mut(&of) else { return };
        if code.sample(function) < HOT {
            return;
        }
        let words = &code.module.functions[function as usize].code[pc as usize..];
        let mut head = targets(words, pc).into_iter().find(|target| *target <= pc);
        if is_large(&code.module, function) {
            // One at a time, and first where it comes back to most surely: from there on the code has all of its loops.
            if code.is_awaited(function) {
                return;
            }
            let outermost = outermost_loop(&code.module, function, pc).map(Entry::Loop);
            if let Some(Entry::Loop(outermost)) = outermost.filter(|entry| !code.was_tried(function, *entry)) {
                head = Some(outermost);
            }
        }
        for entry in head.map(Entry::Loop).into_iter().chain([Entry::Call]) {
            self.jit.wish(Wish { of, function, entry });
        }
    }
}

/// What code of this mode burns at a function's entry, which the driver has passed: as fuel to be burnt.
fn entry_fuel(mode: Mode) -> u64 {
    u64::from(mode.safepoints == Safepoints::Counting)
}

/// Whether compiling a function takes so long that nothing should wait for it: it is compiled in the background, whatever the
/// kind of engine, and then only from those loops on that turn out to be hot.
fn is_large(module: &Module, function: u32) -> bool {
    (LARGE..=MAX_WORDS).contains(&module.functions[function as usize].code.len())
}

/// The words at which code of a function can begin, unless it only does where it was found running. Of what is never compiled
/// there are none.
fn beginnings(module: &Module, function: u32) -> Vec<u32> {
    match module.functions[function as usize].code.len() {
        ..LARGE => std::iter::once(0).chain(loop_heads(module, function)).collect(),
        LARGE..=MAX_WORDS => vec![0],
        _ => Vec::new(),
    }
}

/// Words of a function that takes about a tenth of a second.
const LARGE: usize = 2048;

/// No code takes less memory.
const SMALLEST_CODE: usize = code_memory::GRAIN;

/// Units of fuel from one look at what is hot to the next.
const SAMPLED: u64 = 1024;

/// So often must a function be found running before it is compiled.
const HOT: u32 = 2;

/// So long after something was first worth it nothing is compiled in live time. To compile a function takes a millisecond and more, of
/// processors that the beginning of a program has better uses for.
const PATIENCE: Duration = Duration::from_millis(10);
