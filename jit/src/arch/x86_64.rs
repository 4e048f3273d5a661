//! x86-64 with the System V calling convention: switching between native stacks, entering compiled code, and the stub by
//! which compiled code calls the runtime without losing a register.
//!
//! Throughout compiled code, `r15` (Cranelift's pinned register) holds the fuel that is left.

use std::arch::naked_asm;
use std::mem::offset_of;

use limen_vm::layout;

use crate::context::{NativeContext, Processor};
use crate::slow::{slow, svc};

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

/// What [`switch`] saves, in words: six registers and the address to go on at.
const SAVED_WORDS: usize = 7;

/// Prepares a native stack so that switching to it enters [`start`] with this context; gives its stack pointer.
///
/// # Safety
///
/// `top` must be the end of a writable stack that nothing runs on, aligned to 16 bytes.
pub(crate) unsafe fn prepare(top: *mut u8, context: *mut NativeContext) -> *mut u8 {
    let mut saved = [0_u64; SAVED_WORDS];
    // In the order in which `switch` pops them: r15, r14, r13, r12, rbx, rbp, and the address.
    saved[3] = context as u64;
    saved[6] = start as *const () as u64;
    // SAFETY: the caller's promise. `start` begins with the whole stack free and aligned, as calls need it.
    unsafe {
        let pointer = top.cast::<u64>().sub(SAVED_WORDS);
        pointer.cast::<[u64; SAVED_WORDS]>().write(saved);
        pointer.cast()
    }
}

/// Saves what a callee must save, and the stack pointer to `*save`; goes on where the stack at `to` was left.
///
/// # Safety
///
/// `to` must be a stack pointer that [`prepare`] or a former `switch` gave, which nothing has used since.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(save: *mut *mut u8, to: *mut u8) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "jmp {go_on}",
        go_on = sym go_on,
    )
}

/// Goes on where a stack was left, with what was saved on it.
#[unsafe(naked)]
unsafe extern "C" fn go_on() {
    naked_asm!("pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp", "ret")
}

/// Where the frame that called [`svc_stub`] will return to, as a place on its stack, and its frame pointer.
///
/// # Safety
///
/// `native` must be the stack pointer that the stub saved.
pub(crate) unsafe fn saved_frame(native: *mut u8) -> (*mut u8, *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { (native.add(6 * 8), native.add(5 * 8).cast::<*mut u8>().read()) }
}

/// Has a frame go on with this fuel that called [`svc_stub`].
///
/// # Safety
///
/// As [`saved_frame`].
pub(crate) unsafe fn set_saved_fuel(native: *mut u8, fuel: u64) {
    // SAFETY: the caller's promise.
    unsafe { native.cast::<u64>().write(fuel) }
}

/// Called by compiled code at an `svc`, as `(context, number)`, with the message in its port and the fuel burnt. Enters the
/// kernel's function on the kernel's stack, or has the driver ask the machine. Returns when the `svc` is answered.
///
/// No `call` that nothing returns from, and no `ret` that nothing has called: the processor predicts returns by their number.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn svc_stub() {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi + {native}], rsp",
        "mov rax, [rdi + {processor}]",
        "mov r12, [rax + {kernel}]",
        "test r12, r12",
        "jz 2f",
        "mov r8, [rdi + {port}]",
        "cmp r8, [r12 + {port}]",
        "je 2f", // the kernel's own
        "sub r15, 1", // entering the kernel's function is a safepoint
        "js 1f",
        "mov dword ptr [r8 + {state}], {in_svc}",
        "mov [r8 + {standing}], rdi",
        "mov [rax + {current}], r12",
        "mov rdx, [rdi + {driver}]",
        "mov [r12 + {driver}], rdx",
        "mov ecx, esi",
        "mov rdx, [r8 + {itself}]",
        "mov rdi, r12",
        "mov rsi, [r12 + {frame}]",
        "mov rsp, [r12 + {top}]",
        "xor ebp, ebp",
        "lea rax, [rip + {returned}]",
        "push rax",
        "jmp [r12 + {target}]",
        "1:",
        "add r15, 1",
        "2:",
        "mov [rdi + {fuel}], r15",
        "mov rbx, rdi",
        "sub rsp, 8",
        "call {svc}",
        "mov rsp, [rbx + {driver}]",
        "jmp {go_on}",
        native = const offset_of!(NativeContext, native),
        processor = const offset_of!(NativeContext, processor),
        port = const offset_of!(NativeContext, port),
        driver = const offset_of!(NativeContext, driver),
        frame = const offset_of!(NativeContext, frame),
        top = const offset_of!(NativeContext, top),
        target = const offset_of!(NativeContext, target),
        fuel = const offset_of!(NativeContext, fuel),
        kernel = const offset_of!(Processor, kernel),
        current = const offset_of!(Processor, current),
        state = const layout::PORT_STATE,
        in_svc = const layout::STATE_IN_SVC,
        standing = const layout::PORT_NATIVE,
        itself = const layout::PORT_ITSELF,
        returned = sym returned,
        svc = sym svc,
        go_on = sym go_on,
    )
}

/// Called by compiled code of the kernel, as `(context, kernel's context)`: goes on behind the `svc` at which the frames of the
/// context stand. The kernel's frames are no more.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn resume_stub() {
    naked_asm!(
        "mov rax, [rdi + {processor}]",
        "mov [rax + {current}], rdi",
        "mov rdx, [rsi + {driver}]",
        "mov [rdi + {driver}], rdx",
        "mov rdx, [rdi + {port}]",
        "mov dword ptr [rdx + {state}], {ready}",
        "mov qword ptr [rdx + {standing}], 0",
        "mov rsp, [rdi + {native}]",
        "mov r14, [rsp + 8]",
        "mov r13, [rsp + 16]",
        "mov r12, [rsp + 24]",
        "mov rbx, [rsp + 32]",
        "mov rbp, [rsp + 40]",
        "mov rcx, [rsp + 48]",
        "add rsp, 56",
        "jmp rcx",
        processor = const offset_of!(NativeContext, processor),
        current = const offset_of!(Processor, current),
        driver = const offset_of!(NativeContext, driver),
        port = const offset_of!(NativeContext, port),
        native = const offset_of!(NativeContext, native),
        state = const layout::PORT_STATE,
        ready = const layout::STATE_READY,
        standing = const layout::PORT_NATIVE,
    )
}

/// Calls a compiled function with the arguments in the context, keeps its results there and switches to the driver.
/// Frame pointers end here with zero.
#[unsafe(naked)]
unsafe extern "C" fn start() {
    naked_asm!(
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
        "mov r15, [r12 + {fuel}]",
        "xor ebp, ebp",
        "call [r12 + {target}]",
        "jmp {returned}",
        frame = const offset_of!(NativeContext, frame),
        integers = const offset_of!(NativeContext, integers),
        floats = const offset_of!(NativeContext, floats),
        fuel = const offset_of!(NativeContext, fuel),
        target = const offset_of!(NativeContext, target),
        returned = sym returned,
    )
}

/// The outermost native frame has returned: its results go to the context, and the driver goes on.
#[unsafe(naked)]
unsafe extern "C" fn returned() {
    naked_asm!(
        "mov [r12 + {integers}], rax",
        "mov [r12 + {integers} + 8], rdx",
        "movsd [r12 + {floats}], xmm0",
        "movsd [r12 + {floats} + 8], xmm1",
        "mov [r12 + {fuel}], r15",
        "mov qword ptr [r12 + {done}], 1",
        "lea rdi, [r12 + {native}]",
        "mov rsi, [r12 + {driver}]",
        "call {switch}",
        "ud2",
        integers = const offset_of!(NativeContext, integers),
        floats = const offset_of!(NativeContext, floats),
        fuel = const offset_of!(NativeContext, fuel),
        done = const offset_of!(NativeContext, done),
        native = const offset_of!(NativeContext, native),
        driver = const offset_of!(NativeContext, driver),
        switch = sym switch,
    )
}

/// Calls [`slow`] from compiled code, which passes its context and has said in it what it wants. All registers survive but
/// the one with the fuel, which is told and asked.
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
