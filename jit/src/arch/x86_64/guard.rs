//! The handler of the signal by which Linux stops an access to memory that is not there.

use std::mem::{MaybeUninit, transmute};
use std::ptr::null_mut;
use std::sync::OnceLock;

use iced_x86::{Decoder, DecoderOptions, OpKind, Register};
use libc::{c_int, c_void, sigaction, siginfo_t, ucontext_t};
use limen_vm::layout::HOME_REACH;

use super::stopped_stub;
use crate::context::{NativeContext, Stopped};
use crate::guard::watched;

/// What handled the signal before; `None` if the host does not let anybody.
static FORMER: OnceLock<Option<sigaction>> = OnceLock::new();

/// Has the handler in place. Whether it is.
pub(crate) fn install() -> bool {
    FORMER.get_or_init(set_handler).is_some()
}

fn set_handler() -> Option<sigaction> {
    let mut former = MaybeUninit::uninit();
    // SAFETY: the action is whole, and the handler does only what a handler may. It runs on the thread's stack for signals, if it has
    // one: the former handler may be there for stacks that are full.
    let is_set = unsafe {
        let mut action: sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGSEGV, &raw const action, former.as_mut_ptr()) == 0
    };
    // SAFETY: the call has written it.
    is_set.then(|| unsafe { former.assume_init() })
}

extern "C" fn handle(signal: c_int, info: *mut siginfo_t, place: *mut c_void) {
    // SAFETY: the host passes what belongs to the signal.
    let stopped = unsafe { stop(&*info, &mut *place.cast::<ucontext_t>()) };
    if stopped.is_none() {
        // SAFETY: as above.
        unsafe { pass_on(signal, info, place) };
    }
}

/// If compiled code has accessed what is not in its home: has it go on with [`stopped_stub`].
///
/// # Safety
///
/// The thread must stand at that access.
unsafe fn stop(info: &siginfo_t, place: &mut ucontext_t) -> Option<()> {
    // SAFETY: compiled code runs, so all that it is given is there.
    let (context, address) = unsafe { (watched().as_ref()?.current, info.si_addr() as usize) };
    // SAFETY: as above.
    let native: &mut NativeContext = unsafe { context.as_mut()? };
    let home = native.home as usize;
    if !(home..home + HOME_REACH as usize).contains(&address) {
        return None;
    }
    let registers = &mut place.uc_mcontext.gregs;
    let code = registers[libc::REG_RIP as usize] as usize;
    let (at, exit) = native.code_map.stopped_at(code)?;
    native.stopped = Stopped { at, registers: *registers, stack: registers[libc::REG_RSP as usize] as usize, exit };
    registers[libc::REG_RIP as usize] = stopped_stub as *const () as i64;
    registers[libc::REG_RDI as usize] = context as i64;
    Some(())
}

/// What the processor's registers hold.
pub(crate) type Registers = [i64; 23];

/// What they hold while nothing is stopped.
pub(crate) const NO_REGISTERS: Registers = [0; 23];

/// The address of the first byte that the instruction accesses at which these registers stand.
pub(crate) fn effective_address(registers: &Registers) -> Option<u64> {
    let code = registers[libc::REG_RIP as usize];
    // SAFETY: no instruction is longer, and what the host stops is never the last instruction of compiled code.
    let bytes = unsafe { std::slice::from_raw_parts(code as *const u8, LONGEST) };
    let instruction = Decoder::with_ip(64, bytes, code as u64, DecoderOptions::NONE).decode();
    let operand = (0..instruction.op_count()).find(|number| instruction.op_kind(*number) == OpKind::Memory)?;
    instruction.virtual_address(operand, 0, |register, _, _| {
        let number = match register {
            Register::RAX => libc::REG_RAX,
            Register::RCX => libc::REG_RCX,
            Register::RDX => libc::REG_RDX,
            Register::RBX => libc::REG_RBX,
            Register::RSP => libc::REG_RSP,
            Register::RBP => libc::REG_RBP,
            Register::RSI => libc::REG_RSI,
            Register::RDI => libc::REG_RDI,
            Register::R8 => libc::REG_R8,
            Register::R9 => libc::REG_R9,
            Register::R10 => libc::REG_R10,
            Register::R11 => libc::REG_R11,
            Register::R12 => libc::REG_R12,
            Register::R13 => libc::REG_R13,
            Register::R14 => libc::REG_R14,
            Register::R15 => libc::REG_R15,
            // Segments begin at zero.
            _ => return Some(0),
        };
        Some(registers[number as usize] as u64)
    })
}

/// Bytes of the longest instruction.
const LONGEST: usize = 15;

/// Has whoever handled the signal before deal with it.
///
/// # Safety
///
/// As the host calls handlers.
unsafe fn pass_on(signal: c_int, info: *mut siginfo_t, place: *mut c_void) {
    let former = FORMER.get().copied().flatten();
    match former {
        Some(former) if ![libc::SIG_DFL, libc::SIG_IGN].contains(&former.sa_sigaction) => {
            let handler = former.sa_sigaction as *const ();
            if former.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: it was installed as such a handler.
                let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = unsafe { transmute(handler) };
                handler(signal, info, place);
            } else {
                // SAFETY: as above.
                let handler: extern "C" fn(c_int) = unsafe { transmute(handler) };
                handler(signal);
            }
        }
        // The access is tried again, and the host does what it does where nobody handles the signal.
        _ => {
            // SAFETY: the action is whole.
            unsafe {
                let mut action: sigaction = MaybeUninit::zeroed().assume_init();
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, null_mut());
            }
        }
    }
}
