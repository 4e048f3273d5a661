//! What an engine is, and what of a machine an engine sees.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use limen_isa::module::Module;
use limen_isa::{Fault, ValueType};

use crate::context::{Context, FIRST_FRAME};
use crate::object::Ref;
use crate::port::Port;
use crate::store::{ContextKey, DomainKey, ModuleKey, Store};
use crate::verify::Verified;

/// Runs contexts. The machine knows engines only through this trait.
pub trait Engine: Send {
    /// Runs a context until something happens that is not the engine's business, burning at most `fuel` units, in slices as
    /// [`Fuel`] has them. Gives why it stopped and the fuel that is left. Where the kernel gives the processor to other contexts
    /// meanwhile, an engine may follow it, see [`Run::turn_to`].
    ///
    /// The context's frames are in the portable form before and after, or [`NativeFrames`] stand for the innermost.
    fn run(&mut self, run: &mut Run<'_>, fuel: u64) -> (Exit, u64);

    /// Forgets what it keeps for modules that are not alive any more.
    fn collect(&mut self, is_alive: &dyn Fn(ModuleId) -> bool);
}

/// How a domain's code is to be run, as far as the machine's engine can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum EngineKind {
    /// By the interpreter.
    #[default]
    Interp,
    /// By compiled code, made when a function is first needed; that of large functions is made in the background meanwhile.
    Jit,
    /// By the interpreter at first; what turns out to be hot is compiled in the background and taken over while it runs.
    Tiered,
}

impl EngineKind {
    /// Every one there is.
    pub const ALL: [EngineKind; 3] = [EngineKind::Interp, EngineKind::Jit, EngineKind::Tiered];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Interp => "interp",
            EngineKind::Jit => "jit",
            EngineKind::Tiered => "tiered",
        }
    }
}

/// Names a module of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub(crate) ModuleKey);

/// Names a context of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContextId(pub(crate) ContextKey);

/// How a kernel is entered for an `svc`.
#[derive(Clone, Debug)]
pub struct SvcEntry {
    /// The kernel's context.
    pub context: ContextId,
    /// Its module.
    pub module: ModuleId,
    /// How its code is to be run.
    pub kind: EngineKind,
    /// The function: it takes the context's reference and the number of the `svc`.
    pub function: u32,
    /// Its stack, of which nothing is in use.
    pub stack: std::ops::Range<*mut u64>,
    /// Cell of register 0 of the entry's frame.
    pub frame: u32,
}

/// Why an engine stopped. The context's pc is at the instruction that caused it, which has not been done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The fuel is used up: the next safepoint would burn a unit that is not there. Or there is some, but the machine wants to
    /// look at something.
    Fuel,
    /// The first function returned; its results are the context's message.
    Finished,
    /// An instruction faulted, with its detail.
    Fault(Fault, u64),
    /// The instruction is `svc`; its fuel is burnt, and its message is in the context's port.
    Svc,
    /// The page of this memory is absent.
    Page(PageWait),
    /// The kernel gives the processor to a context.
    Resume(Ref),
    /// The kernel waits for an interrupt.
    Idle,
    /// The kernel stops the machine.
    Halt(i32),
}

/// The fuel of a turn. It is burnt in slices, after each of which an engine asks whether the machine wants to look at
/// something: a stop, a deadline, an interrupt.
///
/// A slice should last so long that looking costs nothing, and the processor's predictions are not disturbed too often, but not
/// so long that a stop is late. How long a unit takes depends on the program by orders of magnitude, so the slices of a turn
/// grow and shrink as the clock says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fuel {
    /// What is left of the slice.
    pub slice: u64,
    /// What is there behind it.
    rest: u64,
    /// Units of a whole slice.
    size: u64,
    /// When the slice began, if it is not the first of the turn.
    began: Option<Instant>,
}

/// Units of the first slice of a turn: a few microseconds of most programs.
const FIRST_SLICE: u64 = 1 << 12;

const LONGEST_SLICE: u64 = 1 << 20;

/// How long a slice should last.
const LASTS: std::ops::Range<Duration> = Duration::from_micros(50)..Duration::from_micros(200);

impl Fuel {
    /// So many units, in slices.
    #[must_use]
    pub fn new(units: u64) -> Self {
        let slice = units.min(FIRST_SLICE);
        Self { slice, rest: units - slice, size: FIRST_SLICE, began: None }
    }

    /// All that is left.
    #[must_use]
    pub fn left(self) -> u64 {
        self.slice + self.rest
    }

    /// Begins the next slice. `false` if this one is not used up (it was not for want of fuel that something stopped), if there
    /// is none, or if the machine wants to look at something first.
    pub fn next_slice(&mut self, run: &mut Run<'_>) -> bool {
        let goes_on = self.slice == 0 && self.rest > 0 && !run.store.is_disturbed(run.domain);
        if goes_on {
            self.fit(Instant::now());
            self.slice = self.rest.min(self.size);
            self.rest -= self.slice;
        }
        goes_on
    }

    /// Makes slices longer or shorter if the one that ends now did not last as it should.
    fn fit(&mut self, now: Instant) {
        if let Some(began) = self.began.replace(now) {
            let lasted = now - began;
            if lasted < LASTS.start {
                self.size = (self.size * 2).min(LONGEST_SLICE);
            } else if lasted > LASTS.end {
                self.size = (self.size / 2).max(1);
            }
        }
    }

    /// Ends the slice, if the machine wants to look at something: at the next safepoint. For an engine that has just done what
    /// takes long.
    pub fn cut_slice(&mut self, run: &mut Run<'_>) {
        if run.store.is_disturbed(run.domain) {
            self.rest += std::mem::take(&mut self.slice);
        }
    }
}

/// What a context waits for that touched an absent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageWait {
    pub(crate) memory: crate::memory::MemoryKey,
    pub(crate) page: u32,
    pub(crate) write: bool,
}

impl PageWait {
    /// For a context that was captured: its access says again what it waits for when it is tried again.
    pub(crate) fn forgotten() -> Self {
        Self { memory: crate::memory::MemoryKey::default(), page: 0, write: false }
    }
}

/// A home whose pages are under the kernel's control.
#[derive(Clone, Copy, Debug)]
pub struct ControlledHome {
    /// The first byte.
    pub base: *mut u8,
    /// How many there are.
    pub length: usize,
    /// The state of the first page, a byte, and those of the others behind it; see [`crate::layout::PAGE_STOPS_READS`]. They
    /// stay there as long as the home.
    pub states: *const u8,
}

/// The innermost frames of a context while they are not in the portable form. They go with the context when it ends.
pub trait NativeFrames: std::any::Any + Send {
    /// Turns them into portable frames.
    fn settle(self: Box<Self>, frames: &mut Frames<'_>);

    /// What the engine's code finds at [`Port::native`] as long as the context has them.
    fn address(&self) -> *mut u8;
}

/// A frame that native code has, by what it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NativeFrame {
    /// The function.
    pub function: u32,
    /// The instruction: a call in all frames but the innermost. Word of the function.
    pub pc: u32,
}

/// A context's turn to run: what an engine may see and do.
pub struct Run<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) context: ContextKey,
    pub(crate) domain: DomainKey,
    pub(crate) module: Verified<Module>,
    kind: EngineKind,
}

impl<'a> Run<'a> {
    pub(crate) fn new(store: &'a mut Store, context: ContextKey) -> Self {
        let domain = store.context(context).domain;
        let module = store.module_of(domain).clone();
        let kind = store.engine_of(domain);
        Self { store, context, domain, module, kind }
    }

    /// The module whose code runs.
    #[must_use]
    pub fn module(&self) -> &Verified<Module> {
        &self.module
    }

    /// The module's name within the machine.
    #[must_use]
    pub fn module_id(&self) -> ModuleId {
        ModuleId(self.store.module_key_of(self.domain))
    }

    /// How the domain's code is to be run.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The first byte of home, and how many may be accessed without a look at page states.
    pub fn open_home(&mut self) -> (*mut u8, usize) {
        self.store.open_home(self.domain)
    }

    /// Home with the states of its pages, once they are under the kernel's control.
    pub fn controlled_home(&mut self) -> Option<ControlledHome> {
        let home = self.store.home_of(self.domain);
        let memory = self.store.memory_mut(home);
        let states = memory.states()?.cast();
        Some(ControlledHome { base: memory.base(), length: memory.length() as usize, states })
    }

    /// Names the context that runs.
    #[must_use]
    pub fn context_id(&self) -> ContextId {
        ContextId(self.context)
    }

    /// Lets another context run from now on, which has begun and whose frames, if it is not the kernel's, are native.
    pub fn turn_to(&mut self, context: ContextId) {
        if context.0 != self.context {
            self.context = context.0;
            self.domain = self.store.context(context.0).domain;
            self.module = self.store.module_of(self.domain).clone();
            self.kind = self.store.engine_of(self.domain);
            self.begin();
        }
    }

    /// The turn that another context would have.
    pub fn of(&mut self, context: ContextId) -> Run<'_> {
        Run::new(self.store, context.0)
    }

    /// The word that compiled code is to look at, at its safepoints, instead of burning fuel: it is not zero if
    /// [`Run::attend`] is to be asked whether to go on. `None` if fuel is to be counted. It stays there as long as the machine.
    #[must_use]
    pub fn attention(&self) -> Option<*const u64> {
        self.store.attention()
    }

    /// Has this number set to zero whenever that word is raised, and now if it is; in place of another, which is given.
    ///
    /// # Safety
    ///
    /// The number must be there until another has taken its place, or none.
    pub unsafe fn zero_when_raised(&self, number: Option<NonNull<AtomicU64>>) -> Option<NonNull<AtomicU64>> {
        // SAFETY: the caller's promise.
        unsafe { self.store.zero_when_raised(number) }
    }

    /// Puts a number of the engine's beside that word, where its code can find it.
    pub fn put_by_attention(&self, number: usize) {
        self.store.put_by_attention(number);
    }

    /// Whether the machine wants to look at something before this code runs further. The word is zero again; [`Run::may_switch`]
    /// may have changed.
    pub fn attend(&mut self) -> bool {
        self.store.attend(self.domain)
    }

    /// Whether contexts may be switched without asking the machine: it need not look at the time, at interrupts or at
    /// devices in between.
    #[must_use]
    pub fn may_switch(&self) -> bool {
        self.store.lets_run()
    }

    /// How the kernel can be entered for an `svc` without asking the machine; `None` if there is no kernel, or none that
    /// answers.
    #[must_use]
    pub fn svc_entry(&mut self) -> Option<SvcEntry> {
        let kernel = self.store.kernel?;
        let function = kernel.svc_function()?;
        let kind = self.store.engine_of(kernel.domain);
        let module = ModuleId(self.store.module_key_of(kernel.domain));
        let context = self.store.context_mut(kernel.context);
        let (stack, frame) = (context.stack.as_mut_ptr_range(), FIRST_FRAME);
        Some(SvcEntry { context: ContextId(kernel.context), module, kind, function, stack, frame })
    }

    /// The kernel's module and the function of it that is entered for an `svc`, if there is such a function.
    #[must_use]
    pub fn svc_handler(&self) -> Option<(Verified<Module>, u32)> {
        let kernel = self.store.kernel?;
        Some((self.store.module_of(kernel.domain).clone(), kernel.svc_function()?))
    }

    /// The context's port.
    #[must_use]
    pub fn port(&self) -> *mut Port {
        self.store.context(self.context).port.address()
    }

    /// The domain's slots: the first, and how many. They stay there until [`Run::epoch`] changes.
    pub fn slots(&mut self) -> (*mut Ref, usize) {
        let slots = self.store.slots_of_mut(self.domain);
        (slots.as_mut_ptr(), slots.len())
    }

    /// The object table: its first entry, and how many there are. They stay there until the next object is made.
    #[must_use]
    pub fn entries(&self) -> (*const u8, usize) {
        let (first, count) = self.store.objects.entries();
        (first.cast(), count)
    }

    /// What lending looks at beside an entry, see [`crate::layout::DETAILS_BYTES`] and [`crate::layout::HANGING_BYTES`]; as long as
    /// [`Run::entries`].
    #[must_use]
    pub fn lending(&self) -> (*const u8, *const u8) {
        let (details, hanging) = self.store.objects.lending();
        (details.cast(), hanging.cast())
    }

    /// Changes when something becomes untrue that an engine may have noted of any domain: where its home is, how long and
    /// whether open, where its slots are, how its code is to be run.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.store.epoch
    }

    /// Whether all of home may be accessed without a look at page states.
    pub fn is_home_open(&mut self) -> bool {
        let home = self.store.home_of(self.domain);
        self.store.memory_mut(home).is_open()
    }

    /// Whether the host stops whoever accesses what is not in home, and nobody can ask for the registers of the frame that did.
    pub fn is_home_guarded(&mut self) -> bool {
        let home = self.store.home_of(self.domain);
        self.store.kernel.is_none() && self.store.memory_mut(home).is_guarded()
    }

    /// Notes that fuel was burnt.
    pub fn burn(&mut self, units: u64) {
        self.store.clock.burn(units);
    }

    /// The context's frames.
    pub fn frames(&mut self) -> Frames<'_> {
        Frames { context: self.store.context_mut(self.context), module: &self.module }
    }

    /// The first instruction of the context is still to come: `true` once, after which a unit of fuel is to be burnt.
    pub fn is_fresh(&self) -> bool {
        self.store.context(self.context).fresh
    }

    /// Enters the first function.
    pub fn begin(&mut self) {
        self.store.context_mut(self.context).fresh = false;
    }

    /// The frames that are not in the portable form.
    #[must_use]
    pub fn native(&self) -> Option<&dyn NativeFrames> {
        self.store.context(self.context).native.as_deref()
    }

    /// Takes over the frames that are not in the portable form.
    pub fn take_native(&mut self) -> Option<Box<dyn NativeFrames>> {
        self.store.context_mut(self.context).take_native()
    }

    /// Leaves frames that are not in the portable form. Of the innermost the place is known, see [`Frames::stand`].
    pub fn leave_native(&mut self, frames: Box<dyn NativeFrames>) {
        self.store.context_mut(self.context).leave_native(frames);
    }

    /// Turns all frames into the portable form.
    pub fn settle(&mut self) {
        let module = &self.module;
        self.store.context_mut(self.context).settle(module);
    }
}

/// The frames of a context, as an engine handles them.
pub struct Frames<'a> {
    pub(crate) context: &'a mut Context,
    pub(crate) module: &'a Verified<Module>,
}

impl Frames<'_> {
    /// The stack: its first cell, and the one behind the last. It stays where it is while the context has native frames.
    pub fn stack(&mut self) -> std::ops::Range<*mut u64> {
        self.context.stack.as_mut_ptr_range()
    }

    /// Cell of register 0 of the innermost frame.
    #[must_use]
    pub fn innermost(&self) -> u32 {
        self.context.fp
    }

    /// The function of the innermost frame and the word it stands at.
    #[must_use]
    pub fn position(&self) -> (u32, u32) {
        self.context.position(self.module).unwrap_or_default()
    }

    /// Whether the innermost frame stands at an `svc`, answered or not.
    #[must_use]
    pub fn is_at_svc(&self) -> bool {
        self.context.is_at_svc()
    }

    /// Whether all registers of the innermost frame but its parameters are as a call leaves them. A kernel can have changed those
    /// of a context that has not begun.
    #[must_use]
    pub fn is_as_called(&self) -> bool {
        let function = &self.module.functions[self.position().0 as usize];
        let params = self.module.types[function.signature as usize].params.len();
        let first = self.context.fp as usize;
        self.context.stack[first + params..first + function.registers.len()].iter().all(|cell| *cell == 0)
    }

    /// Says where the innermost frame is, and what it executes.
    pub fn stand(&mut self, fp: u32, at: NativeFrame) {
        let position = self.module.start_of(at.function) + at.pc;
        self.context.stand_in(fp, at.function, position);
    }

    /// Writes the headers of frames that were native, outermost first, of which the first is at cell `fp`; what their registers
    /// hold is in their cells.
    pub fn adopt(&mut self, fp: u32, frames: &[NativeFrame]) {
        self.context.adopt_native(self.module, fp, frames);
    }

    /// Writes the headers of frames that were native, outermost first, of which the first is at cell `fp`, and in their
    /// registers what `value` says, by frame and register; but for the operands of the instruction that the innermost executes, if
    /// `has_operands` says that they are in their cells.
    pub fn rebuild(&mut self, fp: u32, frames: &[NativeFrame], has_operands: bool, value: &dyn Fn(usize, u16) -> u64) {
        self.context.rebuild(self.module, fp, frames, has_operands, value);
    }

    /// Ends the innermost frame: its results go to its caller, or, if it has none, become the context's message, and
    /// the answer is `false`.
    pub fn pop(&mut self, results: &[u64]) -> bool {
        self.context.pop(self.module, results)
    }

    /// The module whose functions they execute.
    #[must_use]
    pub fn module(&self) -> &Module {
        self.module
    }

    /// The registers' types of a function.
    #[must_use]
    pub fn registers_of(&self, function: u32) -> &[ValueType] {
        &self.module.functions[function as usize].registers
    }
}
