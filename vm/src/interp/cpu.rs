//! The registers of the interpreter, and how instructions reach the program's.
//!
//! An instruction is a method on [`Cpu`]. It runs in one of two ways, chosen by a [`Policy`]: *fast*, where whatever is not
//! the common case leaves to the slow way without having changed anything, and *slow*, one instruction at a time, where
//! faults, absent pages and functions without slots are dealt with. Both are the same method.

use std::marker::PhantomData;

use limen_isa::{Execute, Fault, Reg};

use super::accumulator::{ACCUMULATOR, Accumulators};
use super::slot::{Callee, Slot};
use crate::context::HEADER_CELLS;
use crate::engine::{Exit, PageWait};
use crate::memory::Blocked;
use crate::object::{Kind, Ref, Rights};
use crate::store::{DomainKey, Store};
use crate::verify::Mode;

/// How an instruction runs.
pub(super) trait Policy {
    /// Whether this is the slow way.
    const SLOW: bool;

    /// Whether this is the fast way for backward branches.
    #[cfg_attr(not(threaded_dispatch), allow(dead_code, reason = "the fast way is threaded dispatch"))]
    const BACKWARD: bool = false;

    /// Whether a branch of this distance goes backwards, that is, is a safepoint.
    fn is_back(distance: i32) -> bool;
}

/// The fast way, for everything but backward branches.
#[cfg_attr(not(threaded_dispatch), allow(dead_code, reason = "the fast way is threaded dispatch"))]
pub(super) struct Forward;

/// The fast way for backward branches.
#[cfg_attr(not(threaded_dispatch), allow(dead_code, reason = "the fast way is threaded dispatch"))]
pub(super) struct Backward;

/// The slow way.
pub(super) struct Slow;

impl Policy for Forward {
    const SLOW: bool = false;
    #[inline(always)]
    fn is_back(_: i32) -> bool {
        false
    }
}

impl Policy for Backward {
    const SLOW: bool = false;
    const BACKWARD: bool = true;
    #[inline(always)]
    fn is_back(_: i32) -> bool {
        true
    }
}

impl Policy for Slow {
    const SLOW: bool = true;
    #[inline(always)]
    fn is_back(distance: i32) -> bool {
        distance <= 0
    }
}

/// What an instruction asks the dispatch to do.
#[must_use]
pub(super) enum Step {
    /// Go on behind the instruction.
    Next,
    /// Go on at `cpu.pc`.
    Jump,
    /// Leave the fast way: for the slow way, or with the exit that [`Runtime::exit`] holds.
    Leave,
}

/// What stays the same, or is seldom needed, while a context runs.
pub(super) struct Runtime {
    /// The module's slots.
    pub(super) code: *const Slot,
    pub(super) callees: *const Callee,
    /// The module's tables.
    pub(super) tables: *const Vec<Option<u32>>,
    /// The first cell of the stack, and the one behind the last.
    pub(super) stack: *mut u64,
    pub(super) limit: *mut u64,
    pub(super) store: *mut Store,
    pub(super) domain: DomainKey,
    /// How many bytes of home need no further look.
    pub(super) home_length: usize,
    /// The fuel at which the clock was last told what was burnt.
    pub(super) fuel_told: u64,
    /// Why the run ends; `None` while it goes on.
    pub(super) exit: Option<Exit>,
    /// A function whose slots are wanted before the instruction can be done.
    pub(super) unprepared: Option<u32>,
    /// The state at which the fast way was left, or what was done [apart](Cpu::apart).
    pub(super) left: State,
}

/// The registers of the interpreter.
#[derive(Clone, Copy)]
pub(super) struct State {
    /// The slot of the current instruction.
    pub(super) pc: *const Slot,
    /// Register 0 of the current frame.
    pub(super) fp: *mut u64,
    /// The first byte of home.
    pub(super) home: *mut u8,
    pub(super) fuel: u64,
}

/// The interpreter while it executes one instruction.
pub(super) struct Cpu<P> {
    pub(super) state: State,
    pub(super) runtime: *mut Runtime,
    pub(super) accumulators: Accumulators,
    pub(super) policy: PhantomData<P>,
}

impl<P: Policy> Cpu<P> {
    #[inline(always)]
    pub(super) fn new(state: State, runtime: *mut Runtime, accumulators: Accumulators) -> Self {
        Self { state, runtime, accumulators, policy: PhantomData }
    }
}

impl<P: Policy> Execute for Cpu<P> {
    type Output = Step;
}

/// A register's value as the 64 bits of its cell. 32-bit values are zero-extended.
pub(super) trait Cell: Copy {
    fn from_cell(cell: u64) -> Self;
    fn to_cell(self) -> u64;

    /// From the accumulator of the type.
    #[inline(always)]
    fn accumulated(accumulators: Accumulators) -> Self {
        Self::from_cell(accumulators.cell)
    }

    /// To the accumulator of the type.
    #[inline(always)]
    fn accumulate(self, accumulators: &mut Accumulators) {
        accumulators.cell = self.to_cell();
    }
}

impl Cell for f64 {
    #[inline(always)]
    fn from_cell(cell: u64) -> Self {
        f64::from_bits(cell)
    }
    #[inline(always)]
    fn to_cell(self) -> u64 {
        self.to_bits()
    }
    #[inline(always)]
    fn accumulated(accumulators: Accumulators) -> Self {
        accumulators.float
    }
    #[inline(always)]
    fn accumulate(self, accumulators: &mut Accumulators) {
        accumulators.float = self;
    }
}

macro_rules! cells {
    ($($ty:ty: $cell:ident => $from:expr, $value:ident => $to:expr;)*) => {$(
        impl Cell for $ty {
            #[inline(always)]
            fn from_cell($cell: u64) -> Self {
                $from
            }
            #[inline(always)]
            fn to_cell(self) -> u64 {
                let $value = self;
                $to
            }
        }
    )*};
}

cells! {
    u64: cell => cell, value => value;
    i64: cell => cell as i64, value => value as u64;
    u32: cell => cell as u32, value => u64::from(value);
    i32: cell => cell as i32, value => u64::from(value as u32);
    f32: cell => f32::from_bits(cell as u32), value => u64::from(value.to_bits());
    bool: cell => cell as u32 != 0, value => u64::from(value);
    Ref: cell => Ref::from_bits(cell), value => value.bits();
}

impl<P: Policy> Cpu<P> {
    #[inline(always)]
    pub(super) fn get<T: Cell>(&self, register: Reg) -> T {
        if !P::SLOW && register.0 == ACCUMULATOR {
            return T::accumulated(self.accumulators);
        }
        // SAFETY: the verifier saw that the register exists in this function, and entry to the function that its whole
        // frame lies on the stack.
        T::from_cell(unsafe { self.state.fp.add(usize::from(register.0)).read() })
    }

    /// Writes a register without ending the instruction.
    #[inline(always)]
    pub(super) fn set<T: Cell>(&mut self, register: Reg, value: T) {
        value.accumulate(&mut self.accumulators);
        // SAFETY: as in `get`.
        unsafe { self.state.fp.add(usize::from(register.0)).write(value.to_cell()) }
    }

    /// Writes a register and goes on.
    #[inline(always)]
    pub(super) fn put<T: Cell>(&mut self, register: Reg, value: T) -> Step {
        self.set(register, value);
        Step::Next
    }

    /// Writes the value, or faults.
    #[inline(always)]
    pub(super) fn put_or_fault<T: Cell>(&mut self, register: Reg, value: Result<T, Fault>) -> Step {
        match value {
            Ok(value) => self.put(register, value),
            Err(fault) => self.fault(fault, 0),
        }
    }

    /// Ends the instruction with a fault. The fast way only leaves: the slow way will come to the same fault.
    #[inline(always)]
    pub(super) fn fault(&mut self, fault: Fault, detail: u64) -> Step {
        self.exit(Exit::Fault(fault, detail))
    }

    /// Ends the run. The fast way only leaves: the slow way will come to the same exit.
    #[inline(always)]
    pub(super) fn exit(&mut self, exit: Exit) -> Step {
        if P::SLOW {
            self.runtime().exit = Some(exit);
        }
        Step::Leave
    }

    /// Leaves for the slow way, which then has `prepare` fill the slots of a function.
    #[inline(always)]
    pub(super) fn unprepared(&mut self, function: u32) -> Step {
        if P::SLOW {
            self.runtime().unprepared = Some(function);
        }
        Step::Leave
    }

    /// Does work that takes pointers to the interpreter on an interpreter of its own: the call that ends a handler becomes a
    /// jump only if no pointer to what the handler keeps on the native stack has gone elsewhere. For the same reason `register`
    /// is passed by itself: what `work` holds goes into a machine register as long as it is no more than four numbers. For
    /// instructions that leave nothing in accumulators.
    #[inline(always)]
    pub(super) fn apart(&mut self, register: Reg, work: impl FnOnce(&mut Self, Reg) -> Step) -> Step {
        #[inline(never)]
        fn apart<P: Policy>(
            pc: *const Slot,
            fp: *mut u64,
            home: *mut u8,
            fuel: u64,
            runtime: *mut Runtime,
            register: Reg,
            work: impl FnOnce(&mut Cpu<P>, Reg) -> Step,
        ) -> Step {
            let mut cpu = Cpu::new(State { pc, fp, home, fuel }, runtime, Accumulators::EMPTY);
            let step = work(&mut cpu, register);
            cpu.runtime().left = cpu.state;
            step
        }
        let State { pc, fp, home, fuel } = self.state;
        let step = apart(pc, fp, home, fuel, self.runtime, register, work);
        self.state = self.runtime().left;
        step
    }

    #[inline(always)]
    pub(super) fn runtime(&mut self) -> &mut Runtime {
        // SAFETY: the runtime outlives the run, and nothing else uses it meanwhile.
        unsafe { &mut *self.runtime }
    }

    /// Everything that is not the interpreter's own.
    #[inline(always)]
    pub(super) fn store(&mut self) -> &mut Store {
        // SAFETY: the run has exclusive use of the store; the reference lives no longer than the instruction.
        unsafe { &mut *self.runtime().store }
    }

    #[inline(always)]
    pub(super) fn domain(&mut self) -> DomainKey {
        self.runtime().domain
    }

    /// Burns a unit of fuel; `false`, and nothing burnt, if there is none.
    #[inline(always)]
    pub(super) fn burn(&mut self) -> bool {
        let (rest, none_left) = self.state.fuel.overflowing_sub(1);
        if !none_left {
            self.state.fuel = rest;
        }
        !none_left
    }

    /// Goes to the slot at a distance in bytes.
    #[inline(always)]
    pub(super) fn branch(&mut self, distance: i32) -> Step {
        if P::is_back(distance) && !self.burn() {
            return self.exit(Exit::Fuel);
        }
        self.jump(distance as isize)
    }

    /// Goes to the slot at a distance in bytes without a safepoint.
    #[inline(always)]
    pub(super) fn jump(&mut self, distance: isize) -> Step {
        // SAFETY: the verifier saw that the target is an instruction of the same function.
        self.state.pc = unsafe { self.state.pc.byte_offset(distance) };
        Step::Jump
    }

    /// The host address of `size` bytes of home at `address`, or how the instruction ends.
    #[inline(always)]
    pub(super) fn home(&mut self, address: u64, size: u64, write: bool) -> Result<*mut u8, Step> {
        // No overflow: addresses are sums of a few values below 2^36, sizes below 2^33.
        if address + size <= self.runtime().home_length as u64 {
            // SAFETY: within home.
            Ok(unsafe { self.state.home.add(address as usize) })
        } else if P::SLOW {
            self.home_slowly(address, size, write)
        } else {
            Err(Step::Leave)
        }
    }

    /// For homes with page control, and for the fault.
    #[cold]
    fn home_slowly(&mut self, address: u64, size: u64, write: bool) -> Result<*mut u8, Step> {
        let domain = self.domain();
        let memory = self.store().home_of(domain);
        if address + size > self.store().memory_mut(memory).length() {
            return Err(self.fault(Fault::Bounds, address));
        }
        match self.store().memory_mut(memory).touch(address, size, write) {
            // SAFETY: within home, as just checked.
            Ok(()) => Ok(unsafe { self.state.home.add(address as usize) }),
            Err(Blocked::ReadOnly) => Err(self.fault(Fault::Right, address)),
            Err(Blocked::Absent(_)) if self.is_kernel() => Err(self.fault(Fault::Right, 0)),
            Err(Blocked::Absent(page)) => Err(self.exit(Exit::Page(PageWait { memory, page, write }))),
        }
    }

    /// The host address of `size` bytes of a segment at `offset`, or why the access cannot be.
    #[inline(always)]
    pub(super) fn segment(&mut self, segment: Ref, offset: u64, size: u64, rights: Rights) -> Result<*mut u8, Denied> {
        if let Ok(entry) = self.store().objects.check(segment, Kind::MEMORY, rights) {
            let (base, length) = entry.open_bytes();
            if size <= length && offset <= length - size {
                // SAFETY: within the entry's bytes, which live as long as the entry.
                return Ok(unsafe { base.add(offset as usize) });
            }
        }
        if P::SLOW { self.segment_slowly(segment, offset, size, rights) } else { Err(Denied::Leave) }
    }

    /// For segments with page control, and for the fault.
    #[cold]
    fn segment_slowly(&mut self, segment: Ref, offset: u64, size: u64, rights: Rights) -> Result<*mut u8, Denied> {
        let write = rights.0 & Rights::WRITE.0 != 0;
        let place = self
            .store()
            .segment_bytes(segment, offset, size, rights)
            .map_err(|fault| Denied::Fault(fault, if fault == Fault::Bounds { offset } else { 0 }))?;
        match self.store().memory_mut(place.memory).touch(place.offset, size, write) {
            Ok(()) => Ok(place.address),
            Err(Blocked::ReadOnly) => Err(Denied::Fault(Fault::Right, offset)),
            Err(Blocked::Absent(_)) if self.is_kernel() => Err(Denied::Fault(Fault::Right, 0)),
            Err(Blocked::Absent(page)) => Err(Denied::Page(PageWait { memory: place.memory, page, write })),
        }
    }

    /// A kernel cannot wait for a page: for it an absent one is one that it has no right to.
    fn is_kernel(&mut self) -> bool {
        let domain = self.domain();
        self.store().module_of(domain).mode() == Mode::Kernel
    }

    /// Ends an instruction whose access was denied.
    #[inline(always)]
    pub(super) fn denied(&mut self, denied: Denied) -> Step {
        match denied {
            Denied::Leave => Step::Leave,
            Denied::Fault(fault, detail) => self.fault(fault, detail),
            Denied::Page(wait) => self.exit(Exit::Page(wait)),
        }
    }

    /// Renews the registers that cache what the store says of home.
    pub(super) fn reload_home(&mut self) {
        let domain = self.domain();
        let (home, length) = self.store().open_home(domain);
        self.state.home = home;
        self.runtime().home_length = length;
    }

    /// The header of the frame whose register 0 is at `fp`.
    #[inline(always)]
    pub(super) fn header(fp: *mut u64) -> *mut Header {
        // SAFETY: a frame's header lies before its registers.
        unsafe { fp.sub(HEADER_CELLS).cast() }
    }
}

/// Why an access to a segment cannot be done here.
pub(super) enum Denied {
    /// Not the common case: leave the fast way.
    Leave,
    Fault(Fault, u64),
    Page(PageWait),
}

pub(super) use crate::context::Header;
