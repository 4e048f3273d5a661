//! x86-64 with the System V calling convention: switching between native stacks, entering compiled code, and the stub by
//! which compiled code calls the runtime without losing a register.
//!
//! Throughout compiled code, `r15` (Cranelift's pinned register) holds what [`crate::mode::Pinned`] says: the fuel that is left, most
//! often.

// What a handler has to know of a signal is written down for Linux only.
#[cfg_attr(not(target_os = "linux"), path = "unguarded.rs")]
mod guard;

use std::arch::naked_asm;
use std::mem::offset_of;

use crate::context::{Control, NativeContext, Processor, Stopped};
use crate::slow::{slow, stopped, uncompiled};

pub(crate) use guard::{NO_REGISTERS, Registers, effective_address, install as install_guard};

/// Whether compiled code can run here.
pub(crate) const IS_SUPPORTED: bool = true;

/// Arguments that travel in integer registers, beside the context and the frame.
pub(crate) const INTEGER_ARGUMENTS: usize = 4;

/// Arguments that travel in floating-point registers.
pub(crate) const FLOAT_ARGUMENTS: usize = 8;

/// Bytes on the native stack from a frame's pointer to its return address.
pub(crate) const RETURN_ADDRESS: usize = 8;

/// Bytes of a frame beside what lies below its frame pointer: the saved frame pointer and the return address.
pub(crate) const FRAME_OVERHEAD: u32 = 16;

/// A stack on which nothing runs yet, whose end is `top`, aligned to 16 bytes: switching to it enters [`start`].
pub(crate) fn fresh(top: *mut u8) -> Control {
    Control { stack: top, frame: std::ptr::null_mut(), code: start as *const () as *const u8 }
}

/// Whether nothing has run yet on a stack.
pub(crate) fn is_fresh(control: &Control) -> bool {
    std::ptr::eq(control.code, start as *const () as *const u8)
}

/// Notes in `*save` where this stack stands, and goes on where `*to` says, with this word and this fuel. Cranelift's
/// `stack_switch` is the other half: it finds the word in `rdi`, which is the context's port or, if its frames are to return, null,
/// and the fuel in `r15`; [`start`] finds the processor there.
///
/// # Safety
///
/// `*to` must be what [`fresh`], a former `switch` or a `stack_switch` left, and nothing may have run on that stack since.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(save: *mut Control, to: *const Control, word: *mut (), fuel: u64) {
    naked_asm!(
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi + {stack}], rsp",
        "mov [rdi + {frame}], rbp",
        "lea rax, [rip + 2f]",
        "mov [rdi + {code}], rax",
        "mov r15, rcx",
        "mov rdi, rdx",
        "mov rsp, [rsi + {stack}]",
        "mov rbp, [rsi + {frame}]",
        "jmp [rsi + {code}]",
        "2:",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "ret",
        stack = const offset_of!(Control, stack),
        frame = const offset_of!(Control, frame),
        code = const offset_of!(Control, code),
    )
}

/// Calls a compiled function with the arguments in the context that runs, keeps its results there and switches to the driver. Frame pointers end here with zero.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
        "mov r12, [rdi + {current}]",
        "mov rdi, r12",
        "mov rsi, [r12 + {frame}]",
        "mov rdx, [r12 + {integers}]",
        "mov rcx, [r12 + {integers} + 8]",
        "mov r8, [r12 + {integers} + 16]",
        "mov r9, [r12 + {integers} + 24]",
        "movsd xmm0, [r12 + {floats}]",
        "movsd xmm1, [r12 + {floats} + 8]",
        "movsd xmm2, [r12 + {floats} + 16]",
        "movsd xmm3, [r12 + {floats} + 24]",
        "movsd xmm4, [r12 + {floats} + 32]",
        "movsd xmm5, [r12 + {floats} + 40]",
        "movsd xmm6, [r12 + {floats} + 48]",
        "movsd xmm7, [r12 + {floats} + 56]",
        "add r15, [r12 + {entry_fuel}]",
        "call [r12 + {target}]",
        "mov [r12 + {integers}], rax",
        "mov [r12 + {integers} + 8], rdx",
        "movsd [r12 + {floats}], xmm0",
        "movsd [r12 + {floats} + 8], xmm1",
        "mov [r12 + {fuel}], r15",
        "mov qword ptr [r12 + {done}], 1",
        "mov rax, [r12 + {processor}]",
        "mov [rax + {current}], r12",
        "mov rsp, [rax + {driver} + {stack}]",
        "mov rbp, [rax + {driver} + {at}]",
        "jmp [rax + {driver} + {code}]",
        frame = const offset_of!(NativeContext, frame),
        entry_fuel = const offset_of!(NativeContext, entry_fuel),
        integers = const offset_of!(NativeContext, integers),
        floats = const offset_of!(NativeContext, floats),
        fuel = const offset_of!(NativeContext, fuel),
        current = const offset_of!(Processor, current),
        target = const offset_of!(NativeContext, target),
        done = const offset_of!(NativeContext, done),
        processor = const offset_of!(NativeContext, processor),
        driver = const offset_of!(Processor, driver),
        stack = const offset_of!(Control, stack),
        at = const offset_of!(Control, frame),
        code = const offset_of!(Control, code),
    )
}

/// What is called in place of a function that has no code: notes the arguments, and calls [`uncompiled`]. Goes on with the code that
/// this gives, as if that had been called at once; or returns, if frames are to return.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn uncompiled_stub() {
    naked_asm!(
        "mov [rdi + {asking}], rsi",
        "mov [rdi + {integers}], rdx",
        "mov [rdi + {integers} + 8], rcx",
        "mov [rdi + {integers} + 16], r8",
        "mov [rdi + {integers} + 24], r9",
        "movsd [rdi + {floats}], xmm0",
        "movsd [rdi + {floats} + 8], xmm1",
        "movsd [rdi + {floats} + 16], xmm2",
        "movsd [rdi + {floats} + 24], xmm3",
        "movsd [rdi + {floats} + 32], xmm4",
        "movsd [rdi + {floats} + 40], xmm5",
        "movsd [rdi + {floats} + 48], xmm6",
        "movsd [rdi + {floats} + 56], xmm7",
        "mov [rdi + {fuel}], r15",
        "mov rsi, rsp",
        "mov rdx, rbp",
        "push rdi",
        "call {uncompiled}",
        "pop rdi",
        "mov r15, [rdi + {fuel}]",
        "test rax, rax",
        "jz 2f",
        "mov rsi, [rdi + {asking}]",
        "mov rdx, [rdi + {integers}]",
        "mov rcx, [rdi + {integers} + 8]",
        "mov r8, [rdi + {integers} + 16]",
        "mov r9, [rdi + {integers} + 24]",
        "movsd xmm0, [rdi + {floats}]",
        "movsd xmm1, [rdi + {floats} + 8]",
        "movsd xmm2, [rdi + {floats} + 16]",
        "movsd xmm3, [rdi + {floats} + 24]",
        "movsd xmm4, [rdi + {floats} + 32]",
        "movsd xmm5, [rdi + {floats} + 40]",
        "movsd xmm6, [rdi + {floats} + 48]",
        "movsd xmm7, [rdi + {floats} + 56]",
        "jmp rax",
        "2:",
        "ret",
        asking = const offset_of!(NativeContext, asking),
        integers = const offset_of!(NativeContext, integers),
        floats = const offset_of!(NativeContext, floats),
        fuel = const offset_of!(NativeContext, fuel),
        uncompiled = sym uncompiled,
    )
}

/// Calls [`slow`] from compiled code, which passes its context and has said in it what it wants. All registers survive but
/// the pinned one, which is told and asked.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn slow_stub() {
    naked_asm!(
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "sub rsp, 256",
        "movups [rsp], xmm0",
        "movups [rsp + 16], xmm1",
        "movups [rsp + 32], xmm2",
        "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4",
        "movups [rsp + 80], xmm5",
        "movups [rsp + 96], xmm6",
        "movups [rsp + 112], xmm7",
        "movups [rsp + 128], xmm8",
        "movups [rsp + 144], xmm9",
        "movups [rsp + 160], xmm10",
        "movups [rsp + 176], xmm11",
        "movups [rsp + 192], xmm12",
        "movups [rsp + 208], xmm13",
        "movups [rsp + 224], xmm14",
        "movups [rsp + 240], xmm15",
        "mov [rdi + {fuel}], r15",
        "mov rsi, rbp",
        "call {slow}",
        "movups xmm0, [rsp]",
        "movups xmm1, [rsp + 16]",
        "movups xmm2, [rsp + 32]",
        "movups xmm3, [rsp + 48]",
        "movups xmm4, [rsp + 64]",
        "movups xmm5, [rsp + 80]",
        "movups xmm6, [rsp + 96]",
        "movups xmm7, [rsp + 112]",
        "movups xmm8, [rsp + 128]",
        "movups xmm9, [rsp + 144]",
        "movups xmm10, [rsp + 160]",
        "movups xmm11, [rsp + 176]",
        "movups xmm12, [rsp + 192]",
        "movups xmm13, [rsp + 208]",
        "movups xmm14, [rsp + 224]",
        "movups xmm15, [rsp + 240]",
        "add rsp, 256",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "mov r15, [rdi + {fuel}]",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "ret",
        fuel = const offset_of!(NativeContext, fuel),
        slow = sym slow,
    )
}

/// Calls [`stopped`] in place of an access to home that the host has stopped, with the context in `rdi`, and goes on where that
/// says, with the stack as it was. `rbp` is still the frame's.
#[unsafe(naked)]
unsafe extern "C" fn stopped_stub() {
    naked_asm!(
        "mov rsi, rbp",
        "and rsp, -16",
        "push rdi",
        "push rdi",
        "call {stopped}",
        "pop rdi",
        "mov rsp, [rdi + {stack}]",
        "jmp rax",
        stack = const offset_of!(NativeContext, stopped) + offset_of!(Stopped, stack),
        stopped = sym stopped,
    )
}
