//! What compiled code leaves to the runtime: instructions that are not, or not wholly, compiled, and safepoints at which
//! something is to be done.

use limen_isa::Fault;
use limen_vm::{Exit, NativeFrame};

use crate::arch;
use crate::context::{Innermost, NativeContext, Reason};

/// What compiled code wants of the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    /// That it executes the instruction, whose operands are in the frame's cells.
    Step = 0,
    /// More fuel, before a backward branch.
    Poll = 1,
    /// Whatever a call lacks: stack, code or fuel.
    Call = 2,
    /// That the interpreter goes on from this instruction: it will fault, or is too rare to be worth more code.
    Leave = 3,
}

impl Kind {
    fn from_code(code: u64) -> Self {
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
    let at = NativeFrame { function: context.place as u32, pc: (context.place >> 32) as u32 };
    context.innermost = Innermost { at, frame: context.asking, pointer };
    match Kind::from_code(context.kind) {
        Kind::Step => step(context, at),
        Kind::Poll => park(context, Reason::Exit(Exit::Fuel)),
        Kind::Call => call(context, at),
        Kind::Leave => park(context, Reason::Leave),
    }
}

/// Executes the instruction, whatever waits that takes.
fn step(context: &mut NativeContext, at: NativeFrame) {
    loop {
        let cell = context.cell(context.innermost.frame);
        // SAFETY: the driver lent both until it is switched to.
        let (run, interpreter) = unsafe { (&mut *context.run, &mut *context.interpreter) };
        run.frames().stand(cell, at);
        context.tell_fuel(run);
        let (exit, fuel) = interpreter.step(run, context.fuel);
        (context.fuel, context.fuel_told) = (fuel, fuel);
        (context.home, context.home_length) = open_home(run);
        let Some(exit) = exit else { return };
        park(context, Reason::Exit(exit));
        if context.unwinding != 0 {
            return;
        }
        // SAFETY: as above; it is another run now.
        let run = unsafe { &mut *context.run };
        if run.frames().position() != (at.function, at.pc) {
            return;
        }
    }
}

/// Finds out what a call lacks, in the order in which the interpreter looks.
fn call(context: &mut NativeContext, at: NativeFrame) {
    let function = context.callee as u32;
    // SAFETY: the driver lent it until it is switched to.
    let run = unsafe { &mut *context.run };
    let frames = run.frames();
    let registers = |function: u32| frames.registers_of(function).len();
    let cells = registers(at.function) + limen_vm::HEADER_CELLS + registers(function);
    let room = (context.limit as usize - context.innermost.frame as usize) / size_of::<u64>();
    // SAFETY: the table has an entry for each function.
    let has_code = unsafe { !(*context.functions.add(function as usize)).is_null() };
    let reason = if cells > room {
        Reason::Exit(Exit::Fault(Fault::Stack, 0))
    } else if !has_code {
        Reason::Uncompiled(function)
    } else {
        Reason::Exit(Exit::Fuel)
    };
    park(context, reason);
}

/// Lets the driver go on, until it lets native code go on.
fn park(context: &mut NativeContext, reason: Reason) {
    context.reason = reason;
    if let Reason::Exit(_) = reason {
        let (cell, at) = (context.cell(context.innermost.frame), context.innermost.at);
        // SAFETY: the driver lent it until it is switched to.
        unsafe { (*context.run).frames().stand(cell, at) };
    }
    let context: *mut NativeContext = context;
    // SAFETY: the driver waits in a `switch` that saved its stack pointer there. What it changes of the context, it changes
    // through the same pointer.
    unsafe { arch::switch(&raw mut (*context).native, (*context).driver) };
}

/// As [`limen_vm::Run::open_home`], in the context's types.
pub(crate) fn open_home(run: &mut limen_vm::Run<'_>) -> (*mut u8, u64) {
    let (home, length) = run.open_home();
    (home, length as u64)
}
