//! Frames of compiled code: how they are entered and left, and how they become portable.

use std::ptr::NonNull;

use limen_vm::{Frames, HEADER_CELLS, NativeFrame, NativeFrames};

use crate::arch::{self, RETURN_ADDRESS};
use crate::code_map::CodeMap;
use crate::context::NativeContext;
use crate::guard;
use crate::resident::Residents;
use crate::stack::{NativeStack, Pool};

/// Where a frame notes the address of its slots, if it has any: in a cell of its header that is reserved.
pub(crate) const SLOTS_AT: isize = -1;

/// The innermost frames of a context, on a native stack, while it does not run or is about to.
pub(crate) struct Parked {
    pub(crate) context: Box<NativeContext>,
    stack: Option<NativeStack>,
    pool: Pool,
    /// The function of the outermost of them.
    pub(crate) outermost: u32,
}

// SAFETY: the pointers in it are to the stack that it owns, to that of its context, which outlives it, and to code that
// outlives every frame in it.
unsafe impl Send for Parked {}

impl Drop for Parked {
    fn drop(&mut self) {
        if let Some(stack) = self.stack.take() {
            self.pool.put(stack);
        }
    }
}

impl Parked {
    /// Frames that do not exist yet: switching to them calls `context.target`.
    pub(crate) fn new(pool: &Pool, code_map: &CodeMap, cells: usize, outermost: u32) -> Option<Self> {
        let mut stack = pool.take(cells)?;
        let mut context = Box::new(NativeContext::new(code_map.clone()));
        context.top = stack.top();
        context.native = arch::fresh(context.top);
        Some(Self { context, stack: Some(stack), pool: pool.clone(), outermost })
    }

    /// What the frames execute, outermost first. All but the innermost are sent to the pads of their calls.
    fn divert(&mut self) -> Vec<NativeFrame> {
        let (innermost, code_map) = (self.context.innermost, &self.context.code_map);
        let mut frames = vec![innermost.at];
        if let Some(returns) = innermost.entering {
            // SAFETY: the function that is about to be entered will return into the pad of this very call.
            unsafe { returns.write(code_map.call_before(returns.read()).map_or(0, |site| site.pad)) };
        }
        // SAFETY: compiled code keeps a chain of frame pointers, below each of which stands its return address.
        let (mut returns, mut pointer) =
            unsafe { (innermost.pointer.add(RETURN_ADDRESS), innermost.pointer.cast::<*mut u8>().read()) };
        // SAFETY: the chain ends with a return address that is none of compiled code's.
        while let Some(site) = code_map.call_before(unsafe { returns.cast::<usize>().read() }) {
            frames.push(site.at);
            // SAFETY: as above; the frame will return into the pad of this very call.
            unsafe {
                returns.cast::<usize>().write(site.pad);
                returns = pointer.add(RETURN_ADDRESS);
                pointer = pointer.cast::<*mut u8>().read();
            }
        }
        frames.reverse();
        frames
    }

    /// By frame, outermost first: the registers that are in the native frame, in order, and what they hold.
    fn held(&self, frames: &Frames<'_>, native: &[NativeFrame]) -> Vec<Vec<(u16, u64)>> {
        let mut first = self.context.frame;
        let held = native.iter().map(|frame| {
            let types = frames.registers_of(frame.function);
            let residents = self.context.code_map.residents(self.context.functions, frame.function);
            // SAFETY: its code has noted there where its slots are.
            let held = residents.map(|residents| unsafe { held_in(&residents, frame.pc, *first.offset(SLOTS_AT)) });
            // SAFETY: frames lie one behind the other.
            first = unsafe { first.add(types.len() + HEADER_CELLS) };
            held.unwrap_or_default()
        });
        held.collect()
    }
}

/// What registers hold that are in slots before the instruction at the word `pc`.
///
/// # Safety
///
/// The slots must be at this address.
unsafe fn held_in(residents: &Residents, pc: u32, slots: u64) -> Vec<(u16, u64)> {
    let slots = slots as *const u64;
    // SAFETY: the caller's promise.
    let value = |register: u16| Some((register, unsafe { slots.add(residents.slot(register)?).read() }));
    residents.before(pc).iter().filter_map(value).collect()
}

/// Lets native code run until something switches back.
///
/// # Safety
///
/// The context must stand still, with `native` what [`arch::fresh`] or the last switch left, and stay where it is; so must its
/// processor.
pub(crate) unsafe fn go(context: *mut NativeContext) {
    // SAFETY: the caller's promise.
    unsafe {
        let processor = (*context).processor;
        // Frames that stand at an `svc` and are to return are told by a null in place of the port.
        let told: *mut () = match (*context).unwinding {
            0 if arch::is_fresh(&(*context).native) => processor.cast(),
            0 => (*context).port.cast(),
            _ => std::ptr::null_mut(),
        };
        // Who drives it may itself be native code of another context, which has asked the runtime.
        let driver = &raw mut (*processor).driver;
        let (outer, current, returns) = (*driver, (*processor).current, (*context).unwinding != 0);
        let _watched = guard::watch(processor);
        let stops = (*context).mode.looks_at_limit() && (*context).unwinding == 0;
        let before = stops.then(|| {
            (*context).reset_limit();
            (*(*processor).run).zero_when_raised(Some(NonNull::from(&(*context).limit)))
        });
        arch::switch(driver, &raw const (*context).native, told, (*context).fuel);
        if let Some(before) = before {
            (*(*processor).run).zero_when_raised(before);
        }
        *driver = outer;
        if returns {
            // Of the context nothing is left soon: who runs is who ran before.
            (*processor).current = current;
        }
    }
}

impl NativeFrames for Parked {
    fn address(&self) -> *mut u8 {
        (&raw const *self.context).cast_mut().cast()
    }

    fn settle(mut self: Box<Self>, frames: &mut Frames<'_>) {
        if frames.is_at_svc() {
            self.context.innermost = self.context.innermost_at_svc(frames);
        }
        let native = self.divert();
        let cell = self.context.cell(self.context.frame);
        let held = self.held(frames, &native);
        let value = |frame: usize, register| {
            let held: &[(u16, u64)] = &held[frame];
            held.binary_search_by_key(&register, |(register, _)| *register).map_or(0, |index| held[index].1)
        };
        frames.rebuild(cell, &native, self.context.has_operands(frames), &value);
        if self.context.innermost.entering.is_some() {
            self.context.give_back_operands(frames);
        }
        self.context.unwinding = 1;
        // SAFETY: it stands still, and each of its frames returns.
        unsafe { go(&raw mut *self.context) };
        debug_assert!(self.context.done != 0, "all frames have returned");
    }
}
