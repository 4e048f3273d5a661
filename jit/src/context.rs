//! What compiled code and the runtime tell each other.

use std::marker::PhantomPinned;
use std::sync::atomic::{AtomicU64, Ordering};

use limen_isa::ValueType;
use limen_vm::{ContextId, Exit, Frames, Fuel, HEADER_CELLS, Interpreter, NativeFrame, Port, Run};

use crate::arch::{self, FLOAT_ARGUMENTS, INTEGER_ARGUMENTS, RETURN_ADDRESS};
use crate::code_map::CodeMap;
use crate::mode::{Mode, Paging, Safepoints};
use crate::passing::{Passing, passed_at};
use crate::slow::Kind;

/// Where a stack was left that does not run, as Cranelift's `stack_switch` loads and stores it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Control {
    pub(crate) stack: *mut u8,
    /// The frame pointer.
    pub(crate) frame: *mut u8,
    /// Where to go on.
    pub(crate) code: *const u8,
}

impl Control {
    pub(crate) const NOWHERE: Self =
        Self { stack: std::ptr::null_mut(), frame: std::ptr::null_mut(), code: std::ptr::null() };
}

/// What runs native code of one machine, as compiled code sees it: what all its contexts share.
#[repr(C)]
pub(crate) struct Processor {
    /// What the driver is to enter, or has let it go on. Where stacks are switched while native code runs, nobody notes it.
    pub(crate) current: *mut NativeContext,
    /// The kernel's context, ready to enter the kernel for an `svc`; null while only the machine can do that.
    pub(crate) kernel: *mut NativeContext,
    /// The kernel's module, as [`crate::lower::enter::address_of`] names it, while code of it may take the place of an `svc`: its
    /// home is as large as the module declares.
    pub(crate) door: usize,
    /// A context that was left at another epoch must not be gone on with before the driver has looked at it.
    pub(crate) epoch: u64,
    /// The object table: its first entry, and how many there are.
    pub(crate) entries: *const u8,
    pub(crate) entry_count: u64,
    /// The rest of each entry, and what hangs on each.
    pub(crate) details: *const u8,
    pub(crate) hanging: *const u8,
    /// Contexts that code of the kernel has met, each at the place that its reference says, or the slot from which that was got.
    pub(crate) peers: [Peer; PEERS],
    /// Whom code in the place of an `svc` has met last, each at the place that the `svc` says.
    pub(crate) met: [Peer; MEETINGS],
    /// References that code has found to be live, each at the place that its low bits say, and their entries.
    pub(crate) live: [u64; LIVE],
    pub(crate) live_entries: [*const u8; LIVE],
    /// What the kernel has noted there.
    pub(crate) live_payloads: [i64; LIVE],
    /// The rest of each entry, if it is that of a view on which nothing hangs, which can be lent; null if that is not known.
    pub(crate) live_details: [*const u8; LIVE],
    /// Where the driver waits for native code.
    pub(crate) driver: Control,
    /// Where the frames of the kernel are left that are no more.
    pub(crate) nowhere: Control,

    // What only the runtime uses.
    /// The fuel of the turn. What is left of its slice, the context that runs has, if it counts.
    pub(crate) fuel: Fuel,
    /// What was left of the slice when the clock was last told what was burnt.
    pub(crate) fuel_told: u64,
    /// Valid while the driver waits for native code.
    pub(crate) run: *mut Run<'static>,
    pub(crate) interpreter: *mut Interpreter,
    /// As in [`NativeContext`].
    pub(crate) pinned: PhantomPinned,
}

/// A context of which is known, until the runtime does anything, that this is a reference to it, and that its native frames can go on
/// as they are if its port says that it stands at an `svc`.
///
/// A call waits for nothing but one load after the other, from what it names to the stack that it switches to. What is here comes
/// early in that chain, and that it is so is found out beside it.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Peer {
    /// [`NOBODY`] if there is none.
    pub(crate) reference: u64,
    pub(crate) port: *mut Port,
    /// Its native context.
    pub(crate) native: *mut u8,
}

/// So many contexts are known at once: a power of two.
pub(crate) const PEERS: usize = 16;

/// So many `svc`s have a place each for whom they met.
pub(crate) const MEETINGS: usize = 16;

/// So many references are known to be live at once: a power of two.
pub(crate) const LIVE: usize = 32;

/// No reference has these bits: the object table never has so many entries.
pub(crate) const NOBODY: u64 = u64::MAX;

impl Peer {
    const NONE: Self = Self { reference: NOBODY, port: std::ptr::null_mut(), native: std::ptr::null_mut() };
}

/// No context was left at this epoch.
pub(crate) const NEVER: u64 = u64::MAX;

// SAFETY: its pointers are used only while the machine that it belongs to runs.
unsafe impl Send for Processor {}

impl Processor {
    pub(crate) fn new() -> Self {
        Self {
            current: std::ptr::null_mut(),
            kernel: std::ptr::null_mut(),
            door: 0,
            epoch: NEVER,
            entries: std::ptr::null(),
            entry_count: 0,
            details: std::ptr::null(),
            hanging: std::ptr::null(),
            peers: [Peer::NONE; PEERS],
            met: [Peer::NONE; MEETINGS],
            live: [NOBODY; LIVE],
            live_entries: [std::ptr::null(); LIVE],
            live_payloads: [0; LIVE],
            live_details: [std::ptr::null(); LIVE],
            driver: Control::NOWHERE,
            nowhere: Control::NOWHERE,
            fuel: Fuel::default(),
            fuel_told: 0,
            run: std::ptr::null_mut(),
            interpreter: std::ptr::null_mut(),
            pinned: PhantomPinned,
        }
    }

    /// Notes what an instruction of the kernel, or a safepoint, may have changed.
    pub(crate) fn renew(&mut self, run: &mut Run<'_>) {
        let (entries, count) = run.entries();
        (self.entries, self.entry_count) = (entries, count as u64);
        (self.details, self.hanging) = run.lending();
        let may_switch = run.may_switch();
        self.epoch = if may_switch { run.epoch() } else { NEVER };
        // The rest of what is known of nobody is never looked at.
        self.peers.iter_mut().chain(&mut self.met).for_each(|peer| peer.reference = NOBODY);
        self.live = [NOBODY; LIVE];
        if !may_switch {
            self.close();
        }
    }

    /// Lets native code enter the kernel for an `svc`, on this context, of whose home so many bytes are declared.
    pub(crate) fn open(&mut self, kernel: &mut NativeContext, declared: u64) {
        self.door = if kernel.home_length >= declared { kernel.module } else { 0 };
        self.kernel = kernel;
    }

    /// Only the machine can enter the kernel.
    pub(crate) fn close(&mut self) {
        (self.door, self.kernel) = (0, std::ptr::null_mut());
    }
}

/// The context as compiled code sees it: its first argument. Offsets of the fields are part of the code.
#[repr(C)]
pub(crate) struct NativeContext {
    /// Where it stands while it does not run.
    pub(crate) native: Control,
    /// What the pinned register holds when native code runs next: what is left of the slice of fuel, or whatever else.
    pub(crate) fuel: u64,
    pub(crate) processor: *mut Processor,
    /// Where its message is.
    pub(crate) port: *mut Port,
    /// The domain's slots, and how many there are.
    pub(crate) slots: *mut u64,
    pub(crate) slot_count: u64,
    /// The epoch for which all that is noted here is true.
    pub(crate) epoch: u64,
    /// Where an empty native stack begins.
    pub(crate) top: *mut u8,
    /// Behind the last cell of the stack; zero if code is to stop at the next safepoint that looks at no word, so that it
    /// looks at both at once.
    pub(crate) limit: AtomicU64,
    /// The first byte of home, and how many may be accessed, without a look at page states unless its code looks at them.
    pub(crate) home: *mut u8,
    pub(crate) home_length: u64,
    /// The place from which offsets in home count; see [`crate::origin`].
    pub(crate) origin: *mut u8,
    /// The states of the pages of home, if its code looks at them.
    pub(crate) page_states: *const u8,
    /// The code of the module's functions; [`crate::arch::uncompiled_stub`] where it is not compiled.
    pub(crate) functions: *const *const u8,
    /// The entries of the module's function tables, one table behind the other.
    pub(crate) indirect: *const IndirectEntry,
    /// Not zero while frames return in order to be put into the portable form.
    pub(crate) unwinding: u64,
    /// [`crate::arch::slow_stub`].
    pub(crate) slow: *const u8,
    /// What copies and fills bytes.
    pub(crate) copy: extern "C" fn(*mut u8, *const u8, usize),
    pub(crate) fill: extern "C" fn(*mut u8, u32, usize),
    /// Does nothing.
    pub(crate) nothing: extern "C" fn(),
    /// What compiled code wants when it asks the runtime: its frame's register 0, where it stands, and a [`crate::slow::Kind`].
    /// In memory, so that no register must be freed for it.
    pub(crate) asking: *mut u64,
    pub(crate) place: u64,
    pub(crate) kind: u64,
    /// The function that a call in line lacks something for.
    pub(crate) callee: u64,
    /// The index into the table of a call by way of one, from before it until it has come about.
    pub(crate) index: u32,
    /// The arguments that travel in registers, by register class, of a call that waits for code, for fuel, or for what else its
    /// function lacks; those of the outermost native frame's, and then its results.
    pub(crate) integers: [u64; INTEGER_ARGUMENTS],
    pub(crate) floats: [u64; FLOAT_ARGUMENTS],

    // Of the outermost native frame.
    /// The unit of fuel that its code will burn at its entry although that was passed.
    pub(crate) entry_fuel: u64,
    /// Its code.
    pub(crate) target: *const u8,
    /// Its register 0.
    pub(crate) frame: *mut u64,
    /// Not zero once it has returned.
    pub(crate) done: u64,

    /// Its module, as [`crate::lower::enter::address_of`] names it.
    pub(crate) module: usize,
    /// How many frames code has left in their cells that had taken the place of an `svc`; and where all of them stand but the
    /// innermost.
    pub(crate) inlined: u64,
    pub(crate) callers: [u64; MAX_INLINED],
    /// Which registers of each of them, the innermost among them, are in their cells: a bit each. The others are zeroes.
    pub(crate) live: [u64; MAX_INLINED],

    // What only the runtime uses.
    /// Why native code switched to the driver.
    pub(crate) reason: Reason,
    pub(crate) innermost: Innermost,
    /// The first cell of the stack.
    pub(crate) stack: *mut u64,
    /// Behind its last cell.
    pub(crate) end: *mut u64,
    /// The address in home from which its code counts.
    pub(crate) counts_from: u32,
    /// Who it is.
    pub(crate) id: Option<ContextId>,
    /// Where code stands that the host has stopped.
    pub(crate) stopped: Stopped,
    /// What its code was made for.
    pub(crate) mode: Mode,
    /// Where its frames may stand.
    pub(crate) code_map: CodeMap,
    /// Compiled code has its address, and so has who is to zero the limit from another thread: no reference to it and no box may claim
    /// to be the only way to it, and of what is pinned none does.
    pub(crate) pinned: PhantomPinned,
}

/// An entry of a function table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct IndirectEntry {
    /// Index of the function's signature; [`NO_SIGNATURE`] for an empty entry.
    pub(crate) signature: u32,
    pub(crate) function: u32,
    /// As in [`NativeContext::functions`].
    pub(crate) code: *const u8,
}

/// So many frames of the kernel, at most, take the place of an `svc`.
pub(crate) const MAX_INLINED: usize = 8;

/// No signature has this index.
pub(crate) const NO_SIGNATURE: u32 = u32::MAX;

/// Why native code stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// As an engine stops.
    Exit(Exit),
    /// This function is called and has no code.
    Uncompiled(u32),
    /// The interpreter is to go on.
    Leave,
}

/// Where native code stands that has called the runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Innermost {
    pub(crate) at: NativeFrame,
    /// Its register 0.
    pub(crate) frame: *mut u64,
    /// The processor's frame pointer.
    pub(crate) pointer: *mut u8,
    /// Where the return address stands of the function that it is about to enter, if that is what waits. It has its arguments.
    pub(crate) entering: Option<*mut usize>,
}

/// Where native code stands that the host has stopped at an access to home.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Stopped {
    pub(crate) at: NativeFrame,
    /// What the processor's registers hold.
    pub(crate) registers: arch::Registers,
    /// The processor's stack pointer.
    pub(crate) stack: usize,
    /// The function's exit, see [`crate::lower::leave`].
    pub(crate) exit: usize,
}

impl NativeContext {
    /// Blank.
    pub(crate) fn new(code_map: CodeMap) -> Self {
        let nowhere = std::ptr::null_mut();
        let at = NativeFrame { function: 0, pc: 0 };
        Self {
            native: Control::NOWHERE,
            fuel: 0,
            processor: std::ptr::null_mut(),
            port: std::ptr::null_mut(),
            slots: std::ptr::null_mut(),
            slot_count: 0,
            epoch: NEVER,
            top: nowhere,
            limit: AtomicU64::new(0),
            home: nowhere,
            home_length: 0,
            origin: nowhere,
            page_states: std::ptr::null(),
            functions: std::ptr::null(),
            indirect: std::ptr::null(),
            unwinding: 0,
            slow: arch::slow_stub as *const () as *const u8,
            copy: copy_bytes,
            fill: fill_bytes,
            nothing: do_nothing,
            asking: std::ptr::null_mut(),
            place: 0,
            kind: 0,
            callee: 0,
            index: 0,
            integers: [0; INTEGER_ARGUMENTS],
            floats: [0; FLOAT_ARGUMENTS],
            entry_fuel: 0,
            target: nowhere,
            frame: std::ptr::null_mut(),
            done: 0,
            module: 0,
            inlined: 0,
            callers: [0; MAX_INLINED],
            live: [0; MAX_INLINED],
            reason: Reason::Exit(Exit::Fuel),
            innermost: Innermost { at, frame: std::ptr::null_mut(), pointer: nowhere, entering: None },
            stack: std::ptr::null_mut(),
            end: std::ptr::null_mut(),
            counts_from: 0,
            id: None,
            stopped: Stopped { at, registers: arch::NO_REGISTERS, stack: 0, exit: 0 },
            mode: Mode { paging: Paging::Open, safepoints: Safepoints::Counting },
            code_map,
            pinned: PhantomPinned,
        }
    }

    /// The number of a cell of the stack.
    pub(crate) fn cell(&self, address: *mut u64) -> u32 {
        // SAFETY: both lie on the context's stack.
        (unsafe { address.offset_from(self.stack) }) as u32
    }

    /// Notes what is true of the domain now.
    pub(crate) fn renew(&mut self, run: &mut Run<'_>) {
        match run.controlled_home() {
            Some(home) if self.mode.paging == Paging::Controlled => {
                (self.home, self.home_length, self.page_states) = (home.base, home.length as u64, home.states);
            }
            _ => {
                let (home, length) = run.open_home();
                (self.home, self.home_length) = (home, length as u64);
            }
        }
        self.origin = self.home.wrapping_add(self.counts_from as usize);
        let (slots, count) = run.slots();
        (self.slots, self.slot_count) = (slots.cast(), count as u64);
        self.epoch = run.epoch();
    }

    /// Its innermost frame, where it asks the runtime or the machine: the place it has noted, and its frame pointer.
    pub(crate) fn innermost_at(&self, pointer: *mut u8) -> Innermost {
        Innermost { at: frame_at(self.place), frame: self.asking, pointer, entering: None }
    }

    /// Its innermost frame, where it stands at an `svc`: where it will go on says which one that is.
    pub(crate) fn innermost_at_svc(&self, frames: &Frames<'_>) -> Innermost {
        // Only compiled code stands there.
        let Some(at) = self.code_map.switch_before(self.native.code as usize) else { std::process::abort() };
        let pointer = self.native.frame;
        Innermost { at, frame: self.frame_of(frames, pointer), pointer, entering: None }
    }

    /// Register 0 of the innermost frame, which has this frame pointer: those of frames lie one behind the other, as the frames
    /// do.
    pub(crate) fn frame_of(&self, frames: &Frames<'_>, mut pointer: *mut u8) -> *mut u64 {
        let mut cells = 0;
        // SAFETY: compiled code keeps a chain of frame pointers, below each of which stands its return address; it ends with a
        // return address that is none of compiled code's.
        while let Some(site) = self.code_map.call_before(unsafe { pointer.add(RETURN_ADDRESS).cast::<usize>().read() })
        {
            cells += frames.registers_of(site.at.function).len() + HEADER_CELLS;
            // SAFETY: as above.
            pointer = unsafe { pointer.cast::<*mut u8>().read() };
        }
        // SAFETY: all of them are on the context's stack.
        unsafe { self.frame.add(cells) }
    }

    /// The frame that stands at a call of a function that is about to be entered, which has this register 0 and will return to
    /// the address in `returns`; `None` if it is the outermost one. `pointer` is the caller's frame pointer.
    pub(crate) fn caller_at(
        &self,
        frames: &Frames<'_>,
        frame: *mut u64,
        returns: *mut usize,
        pointer: *mut u8,
    ) -> Option<Innermost> {
        // SAFETY: the caller stands still, and so does what it has pushed.
        let at = self.code_map.call_before(unsafe { returns.read() })?.at;
        let distance = frames.registers_of(at.function).len() + HEADER_CELLS;
        // SAFETY: a function's frame lies behind that of its caller.
        let frame = unsafe { frame.sub(distance) };
        Some(Innermost { at, frame, pointer, entering: Some(returns) })
    }

    /// Writes what a call that did not come about had read to the caller's cells.
    pub(crate) fn give_back_operands(&self, frames: &Frames<'_>) {
        let Innermost { at, frame, .. } = self.innermost;
        let distance = frames.registers_of(at.function).len() + HEADER_CELLS;
        let mut passing = Passing::new();
        let (passed, index) = passed_at(frames.module(), at);
        for (cell, (register, ty)) in passed.into_iter().enumerate() {
            let bits = match (passing.next(ty), ty) {
                (Some(number), ValueType::F32 | ValueType::F64) => self.floats[number],
                (Some(number), _) => self.integers[number],
                // SAFETY: the others are in the cells of the callee's frame, which lies behind this one.
                (None, _) => unsafe { frame.add(distance + cell).read() },
            };
            let bits = if matches!(ty, ValueType::I32 | ValueType::F32) { bits & u64::from(u32::MAX) } else { bits };
            // SAFETY: it is a register of the frame.
            unsafe { frame.add(usize::from(register.0)).write(bits) };
        }
        if let Some(register) = index {
            // SAFETY: as above.
            unsafe { frame.add(usize::from(register.0)).write(self.index.into()) };
        }
    }

    /// The frames of the kernel that code has left in their cells, outermost first; none any more after that.
    pub(crate) fn take_inlined(&mut self) -> Vec<NativeFrame> {
        let Some(callers) = std::mem::take(&mut self.inlined).checked_sub(1) else { return Vec::new() };
        let callers = self.callers[..callers as usize].iter();
        callers.chain([&self.place]).map(|place| frame_at(*place)).collect()
    }

    /// Whether its frames stand at an `svc` that is not answered.
    pub(crate) fn is_in_svc(&self) -> bool {
        // SAFETY: the port lives as long as its context, to which this belongs.
        !self.port.is_null() && unsafe { (*self.port).is_in_svc() }
    }

    /// Whether the operands of the instruction at which the innermost frame stands are in its cells: the runtime executes
    /// it, or is about to.
    pub(crate) fn has_operands(&self, frames: &Frames<'_>) -> bool {
        !frames.is_at_svc() && self.innermost.entering.is_none() && Kind::from_code(self.kind) == Kind::Step
    }

    /// Says where its innermost frame stands.
    pub(crate) fn stand(&self, run: &mut Run<'_>) {
        run.frames().stand(self.cell(self.innermost.frame), self.innermost.at);
    }

    /// Tells the clock what was burnt.
    pub(crate) fn tell_fuel(&mut self, processor: &mut Processor, run: &mut Run<'_>) {
        let left = *self.slice(processor);
        run.burn(processor.fuel_told - left);
        processor.fuel_told = left;
    }

    /// What is left of the slice of fuel.
    pub(crate) fn slice<'a>(&'a mut self, processor: &'a mut Processor) -> &'a mut u64 {
        match self.mode.safepoints {
            Safepoints::Counting => &mut self.fuel,
            Safepoints::Live | Safepoints::Skipped => &mut processor.fuel.slice,
        }
    }

    /// Ends the slice of fuel, as [`Fuel::cut_slice`].
    pub(crate) fn cut_slice(&mut self, processor: &mut Processor, run: &mut Run<'_>) {
        // Code that does not count is told by whoever disturbs it.
        if self.mode.safepoints == Safepoints::Counting {
            processor.fuel.slice = self.fuel;
            processor.fuel.cut_slice(run);
            self.fuel = processor.fuel.slice;
            processor.fuel_told = self.fuel;
        }
    }

    /// Has code go on at safepoints, until the next time that somebody wants the machine's attention.
    pub(crate) fn reset_limit(&self) {
        self.limit.store(self.end as u64, Ordering::SeqCst);
    }

    /// Whether to go on at a safepoint: with the next slice of fuel, as [`Fuel::next_slice`], if this one is used up.
    pub(crate) fn goes_on(&mut self, processor: &mut Processor, run: &mut Run<'_>) -> bool {
        self.tell_fuel(processor, run);
        let slice = *self.slice(processor);
        processor.fuel.slice = slice;
        let goes_on = match self.mode.safepoints {
            Safepoints::Counting => processor.fuel.next_slice(run),
            Safepoints::Live | Safepoints::Skipped => {
                // Before the word is taken back: who raises it after that sets the limit to zero again.
                self.reset_limit();
                let is_disturbed = run.attend();
                processor.renew(run);
                !is_disturbed && (slice > 0 || processor.fuel.next_slice(run))
            }
        };
        let slice = processor.fuel.slice;
        *self.slice(processor) = slice;
        processor.fuel_told = slice;
        goes_on
    }
}

/// The other way round than [`crate::slow::place`].
fn frame_at(place: u64) -> NativeFrame {
    NativeFrame { function: place as u32, pc: (place >> 32) as u32 }
}

extern "C" fn do_nothing() {}

extern "C" fn copy_bytes(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: compiled code has checked that both are in home.
    unsafe { from.copy_to(to, count) };
}

extern "C" fn fill_bytes(to: *mut u8, byte: u32, count: usize) {
    // SAFETY: compiled code has checked that they are in home.
    unsafe { to.write_bytes(byte as u8, count) };
}
