//! What compiled code leaves to the runtime: instructions that are not, or not wholly, compiled, and safepoints at which
//! something is to be done.

use limen_isa::Fault;
use limen_vm::{Exit, HEADER_CELLS, Interpreter, NativeFrame, Run};

use crate::arch::{self, RETURN_ADDRESS};
use crate::context::{Innermost, NativeContext, Processor, Reason, Stopped};
use crate::passing::called_at;

/// What compiled code wants of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    /// That it executes the instruction, whose operands are in the frame's cells.
    Step = 0,
    /// To know whether to go on, before a backward branch.
    Poll = 1,
    /// Whatever a call lacks whose function follows in line: stack or fuel.
    Call = 2,
    /// That the interpreter goes on from this instruction: it will fault, or is too rare to be worth more code.
    Leave = 3,
    /// Whatever it lacks where it is entered by a call: stack or fuel. Its arguments are noted.
    Entry = 4,
}

impl Kind {
    pub(crate) fn from_code(code: u64) -> Self {
        match code {
            0 => Kind::Step,
            1 => Kind::Poll,
            2 => Kind::Call,
            3 => Kind::Leave,
            _ => Kind::Entry,
        }
    }
}

/// A place in code as one number.
pub(crate) fn place(at: NativeFrame) -> i64 {
    (u64::from(at.function) | u64::from(at.pc) << 32) as i64
}

/// Called by compiled code. On return either the wish is met, or the context says that frames are to return.
pub(crate) extern "C" fn slow(context: *mut NativeContext, pointer: *mut u8) {
    // SAFETY: compiled code passes its own context, and stands still meanwhile; so does the driver.
    let context = unsafe { &mut *context };
    let kind = Kind::from_code(context.kind);
    if kind == Kind::Entry {
        return entry(context, pointer);
    }
    let at = asked_at(context, pointer);
    match kind {
        Kind::Step => step(context, at),
        Kind::Poll => poll(context),
        Kind::Call => call(context, at),
        Kind::Leave => park(context, Reason::Leave),
        Kind::Entry => {}
    }
}

/// Called by compiled code in place of a function that has no code, with the place where the return address stands and the
/// frame pointer of the caller. Gives code to go on with, or null if frames are to return.
pub(crate) extern "C" fn uncompiled(context: *mut NativeContext, returns: *mut usize, pointer: *mut u8) -> *const u8 {
    // SAFETY: as in `slow`.
    let context = unsafe { &mut *context };
    let (_, run, _) = lent(context);
    let caller = context.caller_at(&run.frames(), context.asking, returns, pointer);
    // Only compiled code calls this.
    let Some(caller) = caller else { std::process::abort() };
    context.innermost = caller;
    let Some(function) = called_at(run.module(), caller.at, context.index) else { std::process::abort() };
    park(context, Reason::Uncompiled(function));
    context.innermost.entering = None;
    // SAFETY: the table has an entry for each function.
    if context.unwinding == 0 { unsafe { *context.functions.add(function as usize) } } else { std::ptr::null() }
}

/// Notes where compiled code stands that asks.
fn asked_at(context: &mut NativeContext, pointer: *mut u8) -> NativeFrame {
    context.innermost = context.innermost_at(pointer);
    context.innermost.at
}

/// What the driver lent: the run, which is this context's from now on, and the interpreter.
fn lent(context: &NativeContext) -> (&'static mut Processor, &'static mut Run<'static>, &'static mut Interpreter) {
    // SAFETY: the driver waits, and uses none of them before it is switched to. No caller keeps them longer.
    let (processor, run, interpreter) = unsafe {
        let processor = &mut *context.processor;
        let (run, interpreter) = (processor.run, processor.interpreter);
        (processor, &mut *run, &mut *interpreter)
    };
    if let Some(id) = context.id {
        run.turn_to(id);
    }
    (processor, run, interpreter)
}

/// Passes a safepoint, whatever waits that takes.
fn poll(context: &mut NativeContext) {
    let (processor, run, _) = lent(context);
    if !context.goes_on(processor, run) {
        park(context, Reason::Exit(Exit::Fuel));
    }
}

/// Executes the instruction, whatever waits that takes.
fn step(context: &mut NativeContext, at: NativeFrame) {
    loop {
        let cell = context.cell(context.innermost.frame);
        let (processor, run, interpreter) = lent(context);
        context.tell_fuel(processor, run);
        let slice = context.slice(processor);
        let exit = interpreter.step(run, at, cell, slice);
        let left = *slice;
        processor.fuel_told = left;
        if context.epoch != run.epoch() {
            context.renew(run);
        }
        processor.renew(run);
        let Some(exit) = exit else {
            context.cut_slice(processor, run);
            return;
        };
        if exit == Exit::Fuel && context.goes_on(processor, run) {
            continue;
        }
        park(context, Reason::Exit(exit));
        if context.unwinding != 0 {
            return;
        }
    }
}

/// Called in place of an access to home that the host has stopped, with its frame pointer. Gives where to go on: frames are to
/// return.
pub(crate) extern "C" fn stopped(context: *mut NativeContext, pointer: *mut u8) -> usize {
    // SAFETY: as in `slow`.
    let context = unsafe { &mut *context };
    let (_, run, _) = lent(context);
    let (Stopped { at, registers, exit, .. }, frame) = (context.stopped, context.frame_of(&run.frames(), pointer));
    let address = arch::effective_address(&registers).map_or(0, |address| address.wrapping_sub(context.home as u64));
    context.innermost = Innermost { at, frame, pointer, entering: None };
    context.kind = Kind::Leave as u64;
    park(context, Reason::Exit(Exit::Fault(Fault::Bounds, address)));
    // What its registers held is lost: nothing can go on from here.
    if context.unwinding == 0 {
        std::process::abort();
    }
    exit
}

/// Finds out what a call lacks, in the order in which the interpreter looks.
fn call(context: &mut NativeContext, at: NativeFrame) {
    let (_, run, _) = lent(context);
    let frames = run.frames();
    let cells =
        frames.registers_of(at.function).len() + HEADER_CELLS + frames.registers_of(context.callee as u32).len();
    meet(context, context.innermost.frame, cells);
}

/// As [`call`], for a function that is entered and has this frame pointer.
fn entry(context: &mut NativeContext, pointer: *mut u8) {
    let (_, run, _) = lent(context);
    let frames = run.frames();
    let (entered, frame) = (context.innermost_at(pointer).at.function, context.asking);
    // SAFETY: compiled code keeps a chain of frame pointers, below each of which stands its return address.
    let (returns, outer) = unsafe { (pointer.add(RETURN_ADDRESS).cast(), pointer.cast::<*mut u8>().read()) };
    // Who entered the outermost one has seen to it that it lacks nothing, and there is no safepoint.
    let Some(caller) = context.caller_at(&frames, frame, returns, outer) else { return };
    context.innermost = caller;
    let cells = frames.registers_of(entered).len();
    meet(context, frame, cells);
    context.innermost.entering = None;
}

/// Looks for so many cells of the stack from a frame on, as often as a kernel has that tried again, and passes a safepoint.
fn meet(context: &mut NativeContext, frame: *mut u64, cells: usize) {
    while frame as usize + cells * size_of::<u64>() > context.end as usize {
        park(context, Reason::Exit(Exit::Fault(Fault::Stack, 0)));
        if context.unwinding != 0 {
            return;
        }
    }
    poll(context);
}

/// Lets the driver go on, until it lets native code go on.
fn park(context: &mut NativeContext, reason: Reason) {
    context.reason = reason;
    let (_, run, _) = lent(context);
    if let Reason::Exit(_) = reason {
        context.stand(run);
    }
    let context: *mut NativeContext = context;
    // SAFETY: the driver waits in a `switch` that noted where. What it changes of the context, it changes through the same
    // pointer.
    unsafe {
        let processor = (*context).processor;
        (*processor).current = context;
        arch::switch(&raw mut (*context).native, &raw const (*processor).driver, processor.cast(), 0);
    }
}
