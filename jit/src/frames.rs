//! Frames of compiled code: how they are entered and left, and how they become portable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use limen_vm::{Frames, NativeFrame, NativeFrames};

use crate::arch::{self, RETURN_ADDRESS};
use crate::compile::CallSite;
use crate::context::{NativeContext, Reason};
use crate::stack::{NativeStack, Pool};

/// Where compiled code calls compiled code, by the address that the callee returns to.
#[derive(Clone, Default)]
pub(crate) struct CallSites(Arc<Mutex<HashMap<usize, CallSite>>>);

impl CallSites {
    pub(crate) fn add(&self, sites: &[CallSite]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(sites.iter().map(|site| (site.returns_to, *site)));
    }

    pub(crate) fn remove(&self, sites: &[CallSite]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for site in sites {
            all.remove(&site.returns_to);
        }
    }

    fn find(&self, address: usize) -> Option<CallSite> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&address).copied()
    }
}

/// The innermost frames of a context, on a native stack, while it does not run or is about to.
pub(crate) struct Parked {
    pub(crate) context: Box<NativeContext>,
    stack: Option<NativeStack>,
    pool: Pool,
    sites: CallSites,
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
    pub(crate) fn new(pool: &Pool, sites: &CallSites, cells: usize, outermost: u32) -> Option<Self> {
        let mut stack = pool.take(cells)?;
        let mut context = Box::new(NativeContext::new());
        // SAFETY: the stack is fresh or was given back, and its end is that of a page.
        context.native = unsafe { arch::prepare(stack.top(), &raw mut *context) };
        Some(Self { context, stack: Some(stack), pool: pool.clone(), sites: sites.clone(), outermost })
    }

    /// Lets native code run until it switches back.
    pub(crate) fn go(&mut self) {
        let context: *mut NativeContext = &raw mut *self.context;
        // SAFETY: `native` is what `prepare` or the last switch left.
        unsafe { arch::switch(&raw mut (*context).driver, (*context).native) };
    }

    /// What the frames execute, outermost first. All but the innermost are sent to the pads of their calls.
    fn divert(&mut self) -> Vec<NativeFrame> {
        let innermost = self.context.innermost;
        let mut frames = vec![innermost.at];
        let mut pointer = innermost.pointer;
        loop {
            // SAFETY: compiled code keeps a chain of frame pointers, below each of which stands its return address. The
            // chain ends with a return address that is none of compiled code's.
            let (slot, next) =
                unsafe { (pointer.add(RETURN_ADDRESS).cast::<usize>(), pointer.cast::<*mut u8>().read()) };
            // SAFETY: as above.
            let Some(site) = self.sites.find(unsafe { slot.read() }) else { break };
            // SAFETY: as above; the frame will return into the pad of this very call.
            unsafe { slot.write(site.pad) };
            frames.push(site.at);
            pointer = next;
        }
        frames.reverse();
        frames
    }
}

impl NativeFrames for Parked {
    fn settle(mut self: Box<Self>, frames: &mut Frames<'_>) {
        let native = self.divert();
        let (function, pc) = frames.position();
        let cell = self.context.cell(self.context.frame);
        frames.rebuild(cell, &native);
        if matches!(self.context.reason, Reason::Exit(_)) {
            // The machine may have moved it on, behind an `svc`.
            frames.stand(frames.innermost(), NativeFrame { function, pc });
        }
        self.context.unwinding = 1;
        self.go();
        debug_assert!(self.context.done != 0, "all frames have returned");
    }
}
