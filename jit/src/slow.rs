//! What compiled code leaves to the runtime: instructions that are not, or not wholly, compiled, and safepoints at which
//! something is to be done.

use limen_isa::Fault;
use limen_vm::{Exit, Interpreter, NativeFrame, Run};

use crate::arch;
use crate::context::{NativeContext, Processor, Reason};

/// What compiled code wants of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    /// That it executes the instruction, whose operands are in the frame's cells.
    Step = 0,
    /// To know whether to go on, before a backward branch.
    Poll = 1,
    /// Whatever a call lacks: stack, code or fuel.
    Call = 2,
    /// That the interpreter goes on from this instruction: it will fault, or is too rare to be worth more code.
    Leave = 3,
}

impl Kind {
    pub(crate) fn from_code(code: u64) -> Self {
        match code {
            0 => Kind::Step,
            1 => Kind::Poll,
            2 => Kind::Call,
            _ => Kind::Leave,
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
    let at = asked_at(context, pointer);
    match Kind::from_code(context.kind) {
        Kind::Step => step(context, at),
        Kind::Poll => poll(context),
        Kind::Call => call(context, at),
        Kind::Leave => park(context, Reason::Leave),
    }
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

/// Finds out what a call lacks, in the order in which the interpreter looks.
fn call(context: &mut NativeContext, at: NativeFrame) {
    let function = context.callee as u32;
    let (_, run, _) = lent(context);
    let frames = run.frames();
    let registers = |function: u32| frames.registers_of(function).len();
    let cells = registers(at.function) + limen_vm::HEADER_CELLS + registers(function);
    let room = (context.limit as usize - context.innermost.frame as usize) / size_of::<u64>();
    // SAFETY: the table has an entry for each function.
    let has_code = unsafe { !(*context.functions.add(function as usize)).is_null() };
    if cells > room {
        park(context, Reason::Exit(Exit::Fault(Fault::Stack, 0)));
    } else if !has_code {
        park(context, Reason::Uncompiled(function));
    } else {
        poll(context);
    }
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
        arch::switch(&raw mut (*context).native, &raw const (*processor).driver, processor, 0);
    }
}
