//! Frames of compiled code: how they are entered and left, and how they become portable.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use limen_vm::{Frames, NativeFrame, NativeFrames};

use crate::arch::{self, RETURN_ADDRESS};
use crate::compile::{CallSite, Code, Stops};
use crate::context::NativeContext;
use crate::guard;
use crate::shape::RegisterSet;
use crate::stack::{NativeStack, Pool};

/// What the runtime must know of the places at which frames of compiled code can stand: where compiled code calls compiled code,
/// and where the host may stop it.
#[derive(Clone, Default)]
pub(crate) struct CallSites(Arc<Mutex<Sites>>);

#[derive(Default)]
struct Sites {
    /// By the address that the callee returns to; and how many modules of the machine have this code.
    calls: HashMap<usize, (CallSite, usize)>,
    /// By where the code begins.
    stops: BTreeMap<usize, (Arc<Stops>, usize)>,
    /// The registers that are in their cells, by the table of a module's code and the function, if there are any.
    residents: HashMap<(*const *const u8, u32), Arc<RegisterSet>>,
}

// SAFETY: the pointers are only names.
unsafe impl Send for Sites {}

impl CallSites {
    /// Takes in code of a function; `table` is that of its module's code.
    pub(crate) fn add(&self, code: &Code, table: *const *const u8) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for site in &code.call_sites {
            all.calls.entry(site.returns_to).or_insert((*site, 0)).1 += 1;
        }
        if !code.stops.words.is_empty() {
            all.stops.entry(code.code).or_insert((Arc::clone(&code.stops), 0)).1 += 1;
        }
        if !code.residents.is_empty() {
            all.residents.insert((table, code.stops.function), Arc::clone(&code.residents));
        }
    }

    pub(crate) fn remove(&self, code: &Code, table: *const *const u8) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Sites { calls, stops, residents } = &mut *all;
        residents.remove(&(table, code.stops.function));
        for site in &code.call_sites {
            if calls.get_mut(&site.returns_to).is_some_and(|(_, users)| is_last(users)) {
                calls.remove(&site.returns_to);
            }
        }
        if stops.get_mut(&code.code).is_some_and(|(_, users)| is_last(users)) {
            stops.remove(&code.code);
        }
    }

    pub(crate) fn find(&self, address: usize) -> Option<CallSite> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.get(&address).map(|(site, _)| *site)
    }

    /// The registers of a function's frames that are in their cells.
    fn residents(&self, table: *const *const u8, function: u32) -> Option<Arc<RegisterSet>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).residents.get(&(table, function)).cloned()
    }

    /// The place at which the host has stopped code that stands at this address, and the exit of its function. Asked from a
    /// signal's handler: nobody is waited for, and nothing allocated.
    pub(crate) fn stopped_at(&self, address: usize) -> Option<(NativeFrame, usize)> {
        let all = self.0.try_lock().ok()?;
        let (begin, (stops, _)) = all.stops.range(..=address).next_back()?;
        let offset = u32::try_from(address - begin).ok()?;
        let index = stops.words.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        Some((NativeFrame { function: stops.function, pc: stops.words[index].1 }, stops.exit))
    }
}

/// One user less: whether that was the last one.
pub(crate) fn is_last(users: &mut usize) -> bool {
    *users -= 1;
    *users == 0
}

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
    pub(crate) fn new(pool: &Pool, sites: &CallSites, cells: usize, outermost: u32) -> Option<Self> {
        let mut stack = pool.take(cells)?;
        let mut context = Box::new(NativeContext::new(sites.clone()));
        context.top = stack.top();
        context.native = arch::fresh(context.top);
        Some(Self { context, stack: Some(stack), pool: pool.clone(), outermost })
    }

    /// What the frames execute, outermost first. All but the innermost are sent to the pads of their calls.
    fn divert(&mut self) -> Vec<NativeFrame> {
        if self.context.is_in_svc() {
            self.context.innermost = self.context.innermost_at(self.context.native.frame);
        }
        let (innermost, sites) = (self.context.innermost, &self.context.sites);
        let mut frames = vec![innermost.at];
        if let Some(returns) = innermost.entering {
            // SAFETY: the function that is about to be entered will return into the pad of this very call.
            unsafe { returns.write(sites.find(returns.read()).map_or(0, |site| site.pad)) };
        }
        // SAFETY: compiled code keeps a chain of frame pointers, below each of which stands its return address.
        let (mut returns, mut pointer) =
            unsafe { (innermost.pointer.add(RETURN_ADDRESS), innermost.pointer.cast::<*mut u8>().read()) };
        // SAFETY: the chain ends with a return address that is none of compiled code's.
        while let Some(site) = sites.find(unsafe { returns.cast::<usize>().read() }) {
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
        if (*context).is_in_svc() {
            (*(*context).port).native = std::ptr::null_mut();
        }
        let processor = (*context).processor;
        // Frames that stand at an `svc` and are to return are told by a null in place of the processor.
        let told = if (*context).unwinding == 0 { processor } else { std::ptr::null_mut() };
        // Who drives it may itself be native code of another context, which has asked the runtime.
        let driver = &raw mut (*processor).driver;
        let outer = *driver;
        let _watched = guard::watch(processor);
        arch::switch(driver, &raw const (*context).native, told, (*context).fuel);
        *driver = outer;
    }
}

impl NativeFrames for Parked {
    fn settle(mut self: Box<Self>, frames: &mut Frames<'_>) {
        let native = self.divert();
        let cell = self.context.cell(self.context.frame);
        let (sites, table) = (&self.context.sites, self.context.functions);
        let residents: Vec<_> = native.iter().map(|frame| sites.residents(table, frame.function)).collect();
        let is_there = |frame: usize, register| residents[frame].as_ref().is_some_and(|it| it.contains(register));
        frames.rebuild(cell, &native, self.context.has_operands(), &is_there);
        if self.context.innermost.entering.is_some() {
            self.context.give_back_operands(frames);
        }
        self.context.unwinding = 1;
        // SAFETY: it stands still, and each of its frames returns.
        unsafe { go(&raw mut *self.context) };
        debug_assert!(self.context.done != 0, "all frames have returned");
    }
}
