//! The machine as a host program has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use limen_isa::module::Module;
use limen_isa::{Fault, ValueType};
use thiserror::Error;

use crate::account::{AccountKey, Budget};
use crate::attention::Attention;
use crate::clock::{Clock, Time};
use crate::context::State;
use crate::device::Device;
use crate::engine::{Engine, EngineKind, Exit, ModuleId, Run};
use crate::fault::{FaultReport, TraceEntry};
use crate::host::{Host, NoServices, SvcCall, SvcOutcome};
use crate::interp::Interpreter;
use crate::kernel::{Entry, Kernel};
use crate::memory::Guard;
use crate::object::Ref;
use crate::port::Message;
use crate::store::{ContextKey, DomainKey, Restored, Store};
use crate::value::Value;
use crate::verify::Verified;

/// What a machine is made with.
#[derive(Clone, Debug)]
pub struct Config {
    /// How its code is run. [`Machine::new`] only interprets.
    pub engine: EngineKind,
    /// Which of the two times it lives in.
    pub time: Time,
    /// What all its programs together may hold.
    pub budget: Budget,
    /// Cells of 8 bytes of the stack that a call by the host gets.
    pub stack_cells: u32,
    /// Units of fuel it may burn; `None` for any amount, which compiled code then does not count in live time.
    pub fuel: Option<u64>,
    /// How long a run may take by the host's clock; `None` for any time.
    pub deadline: Option<Duration>,
    /// Units of fuel that the kernel may burn at least before it lets somebody else run, or waits; a kernel that burns twice as
    /// many goes in circles, and the machine stops. `None` for any amount; without effect where fuel is not counted.
    pub kernel_fuel: Option<u64>,
}

/// 1 GiB, a million objects, 65,536 contexts; a stack of 8 MiB; no limit on fuel and time.
impl Default for Config {
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            time: Time::default(),
            budget: Budget { bytes: 1 << 30, objects: 1 << 20, contexts: 1 << 16 },
            stack_cells: 1 << 20,
            fuel: None,
            deadline: None,
            kernel_fuel: None,
        }
    }
}

/// What a kernel is given, in the order of its slots behind the root account.
#[derive(Default)]
pub struct Boot {
    /// User modules.
    pub modules: Vec<Verified<Module>>,
    /// The contents of memory objects, each filled up with zeroes to whole pages.
    pub segments: Vec<Vec<u8>>,
    /// Devices. Of the interrupts they get 1, 2 and so on.
    pub devices: Vec<Box<dyn Device>>,
}

/// Names a domain of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DomainId(DomainKey);

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The function returned.
    Returned(Vec<Value>),
    /// An instruction faulted, and there is no kernel to tell, or it was the kernel's own.
    Faulted(FaultReport),
    /// The fuel is used up. [`Machine::resume`] goes on after [`Machine::add_fuel`].
    OutOfFuel,
    /// [`StopHandle::stop`] was called. [`Machine::resume`] goes on.
    Stopped,
    /// The deadline passed. [`Machine::resume`] goes on with a new one.
    TimedOut,
    /// The host's services ended the program.
    Exited(i32),
    /// The kernel stopped the machine.
    Halted(i32),
    /// The kernel waits, and nothing is left that could wake it.
    Asleep,
    /// The kernel has no entry for what happened.
    NoEntry(&'static str),
    /// The kernel goes in circles: it has burnt more than [`Config::kernel_fuel`]. It stands here, innermost first.
    Stuck(Vec<TraceEntry>),
}

/// Why the host's wish cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MachineError {
    /// The budget has not enough left.
    #[error("the machine's budget has no room for this")]
    Budget,
    /// The module exports no function of that name.
    #[error("the module exports no function `{0}`")]
    NoFunction(String),
    /// The arguments are not what the function takes.
    #[error("`{name}` takes ({wanted}), not ({given})")]
    Arguments {
        /// The function.
        name: String,
        /// Its parameters.
        wanted: String,
        /// The arguments' types.
        given: String,
    },
    /// The stack cannot hold even one frame.
    #[error("the stack has no room for the first frame")]
    Stack,
    /// There is no such domain in this machine.
    #[error("there is no such domain in this machine")]
    NoDomain,
    /// Nothing was suspended.
    #[error("there is nothing to resume")]
    NothingToResume,
    /// The module is not verified as a kernel, or is verified as one.
    #[error("the module is verified for another mode")]
    Mode,
    /// There are more devices than interrupts, or the budget has no room for them.
    #[error("there are more than 63 devices, or the machine's budget has no room for them")]
    Devices,
    /// A kernel's entry has another signature.
    #[error("the kernel's entry `{0}` does not have the signature of that entry")]
    Entry(&'static str),
}

/// Stops a machine from another thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<Attention>);

impl StopHandle {
    /// Ends the machine's run at its next safepoint, with [`Outcome::Stopped`]; if it does not run, the next run at its first.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// A machine: objects, contexts, an engine, and perhaps a kernel. It owns all that its programs hold, shares nothing, and
/// runs on the thread that calls it.
pub struct Machine {
    pub(crate) store: Store,
    engine: Box<dyn Engine>,
    attention: Arc<Attention>,
    pub(crate) account: AccountKey,
    account_reference: Ref,
    /// What runs, or was suspended.
    pub(crate) current: Option<ContextKey>,
    /// What it was made with.
    pub(crate) budget: Budget,
    pub(crate) stack_cells: u32,
    fuel: Option<u64>,
    deadline: Option<Duration>,
    kernel_fuel: Option<u64>,
    /// What the kernel has burnt while it is watched.
    burnt_by_kernel: u64,
    /// Turns so far: see [`TURNS_BETWEEN_LOOKS`].
    turns: u32,
}

// SAFETY: the pointers in the store are to memory that the store owns, and are used only by the thread that runs the
// machine.
unsafe impl Send for Machine {}

impl Machine {
    /// A machine without domains, which has only the interpreter.
    ///
    /// # Errors
    ///
    /// If the budget does not even allow for an account.
    pub fn new(config: Config) -> Result<Self, MachineError> {
        Self::with_engine(config, Box::new(Interpreter::default()))
    }

    /// A machine without domains, and the engine that will run it.
    ///
    /// # Errors
    ///
    /// As [`Machine::new`].
    pub fn with_engine(config: Config, engine: Box<dyn Engine>) -> Result<Self, MachineError> {
        let clock = Clock::new(config.time);
        Self::resumed(&config, engine, clock, |store| {
            let (account, account_reference) = store.open_root_account(config.budget).ok_or(MachineError::Budget)?;
            Ok(Restored { account, account_reference, current: None })
        })
    }

    /// A machine with this clock and what `fill` puts into it.
    pub(crate) fn resumed(
        config: &Config,
        engine: Box<dyn Engine>,
        clock: Clock,
        fill: impl FnOnce(&mut Store) -> Result<Restored, MachineError>,
    ) -> Result<Self, MachineError> {
        let attention = Arc::new(Attention::default());
        let mut store = Store::new(clock, &attention, config.engine, config.fuel.is_some());
        let Restored { account, account_reference, current } = fill(&mut store)?;
        Ok(Self {
            store,
            engine,
            attention,
            account,
            account_reference,
            current,
            budget: config.budget,
            stack_cells: config.stack_cells,
            fuel: config.fuel,
            deadline: config.deadline,
            kernel_fuel: config.kernel_fuel,
            burnt_by_kernel: 0,
            turns: 0,
        })
    }

    /// Makes a domain of a module.
    ///
    /// # Errors
    ///
    /// If the budget has no room for its memory and slots.
    pub fn instantiate(&mut self, module: &Verified<Module>) -> Result<DomainId, MachineError> {
        self.store.add_domain_of(self.account, module, Guard::Host).map(DomainId).ok_or(MachineError::Budget)
    }

    /// Calls an exported function of a domain, without services.
    ///
    /// # Errors
    ///
    /// If there is no such function, it takes other arguments, or the budget has no room for its stack. What happens
    /// while it runs is an [`Outcome`].
    pub fn call(&mut self, domain: DomainId, name: &str, arguments: &[Value]) -> Result<Outcome, MachineError> {
        self.call_with(&mut NoServices, domain, name, arguments)
    }

    /// Calls an exported function of a domain with a host that answers its `svc` instructions.
    ///
    /// # Errors
    ///
    /// As [`Machine::call`].
    pub fn call_with(
        &mut self,
        host: &mut dyn Host,
        domain: DomainId,
        name: &str,
        arguments: &[Value],
    ) -> Result<Outcome, MachineError> {
        let context = self.prepare(domain.0, name, arguments)?;
        if let Some(abandoned) = self.current.replace(context) {
            self.store.remove_context(abandoned);
        }
        self.resume(host)
    }

    /// Goes on with a run that ended with [`Outcome::OutOfFuel`], [`Outcome::Stopped`] or [`Outcome::TimedOut`].
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn resume(&mut self, host: &mut dyn Host) -> Result<Outcome, MachineError> {
        if self.current.is_none() {
            return Err(MachineError::NothingToResume);
        }
        self.store.set_deadline(self.deadline.and_then(|time| Instant::now().checked_add(time)));
        let outcome = self.run(host);
        let suspended = matches!(outcome, Outcome::OutOfFuel | Outcome::Stopped | Outcome::TimedOut);
        if !suspended {
            self.end_run();
        }
        Ok(outcome)
    }

    /// Loads a kernel with nothing but modules and lets it boot, as [`Machine::boot_system`].
    ///
    /// # Errors
    ///
    /// As [`Machine::boot_system`].
    pub fn boot(&mut self, kernel: &Verified<Module>, modules: &[Verified<Module>]) -> Result<Outcome, MachineError> {
        self.boot_system(kernel, Boot { modules: modules.to_vec(), ..Boot::default() })
    }

    /// Loads a kernel and lets it boot; its slots hold the root account and then what it is given, in order. Runs until the
    /// kernel halts or something happens that it cannot handle.
    ///
    /// # Errors
    ///
    /// If `kernel` is not verified as one or lacks an entry `boot`, the budget has no room for it, or there are too many
    /// devices.
    pub fn boot_system(&mut self, kernel: &Verified<Module>, boot: Boot) -> Result<Outcome, MachineError> {
        let kernel = Kernel::load(&mut self.store, self.account, self.account_reference, kernel, boot)?;
        kernel.enter(&mut self.store, Entry::Boot, &[]).map_err(MachineError::Entry)?;
        self.current = Some(kernel.context);
        self.store.kernel = Some(kernel);
        let outcome = self.resume(&mut NoServices);
        // What was output last goes out, whatever stopped the machine.
        self.store.serve_devices(false);
        outcome
    }

    /// Has a domain's code run in another way from its next instruction on, or that of all domains, now and later.
    ///
    /// # Errors
    ///
    /// If there is no such domain in this machine.
    pub fn set_engine(&mut self, domain: Option<DomainId>, engine: EngineKind) -> Result<(), MachineError> {
        if domain.is_some_and(|domain| !self.store.has_domain(domain.0)) {
            return Err(MachineError::NoDomain);
        }
        self.store.set_engine(domain.map(|domain| domain.0), engine);
        Ok(())
    }

    /// A handle with which any thread can stop the machine.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.attention))
    }

    /// Units of fuel burnt since the machine was made, as far as they were counted: see [`Config::fuel`].
    #[must_use]
    pub fn fuel_burnt(&self) -> u64 {
        self.store.clock.burnt()
    }

    /// Allows for more fuel. Without effect on a machine that has no limit.
    pub fn add_fuel(&mut self, units: u64) {
        self.fuel = self.fuel.map(|fuel| fuel.saturating_add(units));
    }

    /// Lets each later run take this long by the host's clock; `None` for any time.
    pub fn set_deadline(&mut self, deadline: Option<Duration>) {
        self.deadline = deadline;
    }

    /// The domains that the host made, in a machine that was restored as in the one that was captured: in their order.
    #[must_use]
    pub fn domains(&self) -> Vec<DomainId> {
        let is_kernel = |domain: &DomainKey| self.store.kernel.is_some_and(|kernel| kernel.domain == *domain);
        self.store.host_domains().into_iter().filter(|domain| !is_kernel(domain)).map(DomainId).collect()
    }

    /// The domain of what was suspended.
    #[must_use]
    pub fn suspended(&self) -> Option<DomainId> {
        self.current.map(|context| DomainId(self.store.context(context).domain))
    }

    /// What the machine's programs may still hold.
    #[must_use]
    pub fn budget_left(&self) -> Budget {
        self.store.accounts.free(self.account)
    }

    /// The home memory of a domain.
    ///
    /// # Errors
    ///
    /// If there is no such domain in this machine.
    pub fn memory(&mut self, domain: DomainId) -> Result<&mut [u8], MachineError> {
        if !self.store.has_domain(domain.0) {
            return Err(MachineError::NoDomain);
        }
        let home = self.store.home_of(domain.0);
        Ok(self.store.memory_mut(home).bytes_mut())
    }

    /// The home memory of the kernel, if one was booted.
    pub fn kernel_memory(&mut self) -> Option<&mut [u8]> {
        let domain = self.store.kernel.as_ref()?.domain;
        self.memory(DomainId(domain)).ok()
    }

    /// A context that will call an exported function.
    fn prepare(&mut self, domain: DomainKey, name: &str, arguments: &[Value]) -> Result<ContextKey, MachineError> {
        if !self.store.has_domain(domain) {
            return Err(MachineError::NoDomain);
        }
        let module = self.store.module_of(domain).clone();
        let function = module.exported_function(name).ok_or_else(|| MachineError::NoFunction(name.to_owned()))?;
        let wanted = module.signature_of(function).map_or(&[][..], |signature| &signature.params);
        let given: Vec<ValueType> = arguments.iter().map(|value| value.ty()).collect();
        if wanted != given {
            return Err(MachineError::Arguments { name: name.to_owned(), wanted: types(wanted), given: types(&given) });
        }
        let made = self.store.add_context(self.account, domain, function, self.stack_cells);
        let context = made.map_err(|_| MachineError::Stack)?.ok_or(MachineError::Budget)?;
        let parameters = self.store.context(context).parameters(&module);
        for ((ty, register), value) in parameters.into_iter().zip(arguments) {
            self.store.context_mut(context).set_register(ty, register, value.to_bits());
        }
        Ok(context)
    }

    /// Forgets what ran. Contexts of a kernel are the kernel's business.
    fn end_run(&mut self) {
        if let Some(context) = self.current.take()
            && self.store.kernel.is_none()
        {
            self.store.remove_context(context);
        }
        let store = &self.store;
        self.engine.collect(&|module: ModuleId| store.has_module(module.0));
    }

    fn run(&mut self, host: &mut dyn Host) -> Outcome {
        loop {
            if let Some(outcome) = self.turn(host) {
                return outcome;
            }
        }
    }

    /// Lets the current context run until something happens, and deals with that.
    fn turn(&mut self, host: &mut dyn Host) -> Option<Outcome> {
        let context = self.current?;
        if self.is_user(context) && self.is_interrupted() {
            return self.interrupt(self.store.context(context).port.itself);
        }
        self.turns = self.turns.wrapping_add(1);
        let looks = self.attention.wants_stop() || self.turns.is_multiple_of(TURNS_BETWEEN_LOOKS);
        // Without fuel it comes no further than to its next safepoint.
        let fuel = if looks { 0 } else { self.fuel_of_turn(context) };
        let mut run = Run::new(&mut self.store, context);
        let (exit, left) = self.engine.run(&mut run, fuel);
        let (before, context) = (context, run.context);
        self.current = Some(context);
        self.fuel = self.fuel.map(|limit| limit - (fuel - left));
        if self.is_stuck(exit == Exit::Fuel && before == context, fuel - left) {
            return Some(self.stuck());
        }
        match exit {
            Exit::Fuel => self.pause(),
            Exit::Svc if self.store.kernel.is_some() => self.park(context, State::InSvc),
            Exit::Svc => self.serve(context, host),
            Exit::Finished => self.finished(context),
            Exit::Fault(fault, detail) => self.faulted(context, fault, detail),
            Exit::Page(wait) => self.park(context, State::WaitsForPage(wait)),
            Exit::Resume(reference) => self.switch_to(reference),
            Exit::Idle => self.sleep(),
            Exit::Halt(status) => Some(Outcome::Halted(status)),
        }
    }

    /// Whether the kernel is to hear of interrupts, once devices that want to work have done so.
    fn is_interrupted(&mut self) -> bool {
        if self.store.is_called_by_devices() {
            self.store.serve_devices(true);
        }
        self.store.kernel.is_some() && self.store.clock.poll()
    }

    fn is_user(&self, context: ContextKey) -> bool {
        self.store.kernel.as_ref().is_none_or(|kernel| kernel.context != context)
    }

    /// The fuel that a context may burn before the machine decides anew.
    fn fuel_of_turn(&self, context: ContextKey) -> u64 {
        let alarm = self.store.clock.fuel_until_alarm().filter(|_| self.is_user(context));
        [self.fuel, alarm, self.kernel_fuel].into_iter().flatten().min().unwrap_or(u64::MAX)
    }

    /// Whether the kernel has burnt too much, after a turn; `went_on` if that began and ended with the same context. The kernel
    /// may have let others run meanwhile: it is watched from then on, so that it cannot without the machine's knowing.
    fn is_stuck(&mut self, went_on: bool, burnt: u64) -> bool {
        let Some(limit) = self.kernel_fuel else { return false };
        let is_in_kernel = went_on && self.current.is_some_and(|context| !self.is_user(context));
        let counted = if self.store.watches_kernel { self.burnt_by_kernel + burnt } else { 0 };
        self.burnt_by_kernel = if is_in_kernel { counted } else { 0 };
        self.store.watches_kernel = is_in_kernel;
        self.burnt_by_kernel > limit
    }

    fn stuck(&mut self) -> Outcome {
        let Some(context) = self.current else { return Outcome::Stuck(Vec::new()) };
        let module = self.store.code_of(context).clone();
        let kernel = self.store.context_mut(context);
        kernel.settle(&module);
        Outcome::Stuck(FaultReport::new(Fault::State, 0, kernel, &module).backtrace)
    }

    /// Is it time to end the run?
    fn pause(&self) -> Option<Outcome> {
        if self.attention.take_stop() {
            Some(Outcome::Stopped)
        } else if self.fuel == Some(0) {
            Some(Outcome::OutOfFuel)
        } else if self.store.is_past_deadline() {
            Some(Outcome::TimedOut)
        } else {
            None
        }
    }

    /// Lets the host answer an `svc`.
    fn serve(&mut self, context: ContextKey, host: &mut dyn Host) -> Option<Outcome> {
        let module = self.store.code_of(context).clone();
        let parked = self.store.context_mut(context);
        parked.port.state = State::InSvc;
        let (number, arguments) = (parked.svc_number(&module), parked.port.given().words);
        let (time, now) = (self.store.clock.time(), self.store.clock.now());
        let home = self.store.home_of(self.store.context(context).domain);
        let memory = self.store.memory_mut(home).bytes_mut();
        let mut call = SvcCall { number, arguments, results: Default::default(), memory, time, now };
        let outcome = host.svc(&mut call);
        let words = call.results;
        match outcome {
            SvcOutcome::Exit(status) => Some(Outcome::Exited(status)),
            SvcOutcome::Fault(fault, detail) => self.faulted(context, fault, detail),
            SvcOutcome::Continue => {
                let parked = self.store.context_mut(context);
                parked.port.take(Message { words, ..Message::default() });
                parked.leave_svc(&module);
                None
            }
        }
    }

    fn finished(&mut self, context: ContextKey) -> Option<Outcome> {
        if !self.is_user(context) {
            // The kernel's entry returned: it has nothing more to do.
            return self.sleep();
        }
        let module = self.store.code_of(context).clone();
        let results = self.store.context(context).returned(&module);
        if self.store.kernel.is_some() {
            let finished = self.store.context_mut(context);
            finished.finish(Some(results));
            let itself = finished.port.itself;
            return self.enter_kernel(Entry::Exit, &[itself.bits()]);
        }
        Some(Outcome::Returned(results.into_iter().map(|(ty, bits)| Value::from_bits(ty, bits)).collect()))
    }

    fn faulted(&mut self, context: ContextKey, fault: Fault, detail: u64) -> Option<Outcome> {
        if self.store.kernel.is_some() && self.is_user(context) {
            return self.park(context, State::Faulted(fault, detail));
        }
        let module = self.store.code_of(context).clone();
        let faulted = self.store.context_mut(context);
        faulted.settle(&module);
        Some(Outcome::Faulted(FaultReport::new(fault, detail, faulted, &module)))
    }

    /// Parks a user context and tells the kernel why.
    fn park(&mut self, context: ContextKey, state: State) -> Option<Outcome> {
        let module = self.store.code_of(context).clone();
        let parked = self.store.context_mut(context);
        parked.port.state = state;
        let (itself, number) = (parked.port.itself.bits(), parked.svc_number(&module));
        match state {
            State::InSvc => self.enter_kernel(Entry::Svc, &[itself, u64::from(number)]),
            State::Faulted(fault, _) => self.enter_kernel(Entry::Fault, &[itself, u64::from(fault.code())]),
            State::WaitsForPage(wait) => {
                let memory = self.store.reference_to_memory(wait.memory).bits();
                self.enter_kernel(Entry::Page, &[itself, memory, u64::from(wait.page), u64::from(wait.write)])
            }
            State::Ready | State::Finished => None,
        }
    }

    /// The kernel hears of pending interrupts; `running` is what they interrupted, null if nothing ran.
    fn interrupt(&mut self, running: Ref) -> Option<Outcome> {
        self.enter_kernel(Entry::Interrupt, &[running.bits()])
    }

    fn enter_kernel(&mut self, entry: Entry, arguments: &[u64]) -> Option<Outcome> {
        let kernel = self.store.kernel?;
        match kernel.enter(&mut self.store, entry, arguments) {
            Ok(()) => {
                self.current = Some(kernel.context);
                None
            }
            Err(name) => Some(Outcome::NoEntry(name)),
        }
    }

    /// The kernel's choice: its own frames are gone, the context runs.
    fn switch_to(&mut self, reference: Ref) -> Option<Outcome> {
        let context = self.store.context_of(reference).and_then(|context| self.store.unpark(context).map(|()| context));
        match context {
            Ok(context) => {
                self.current = Some(context);
                None
            }
            // `ctx.resume` checked all this, so the kernel cannot come here.
            Err(fault) => self.current.and_then(|kernel| self.faulted(kernel, fault, 0)),
        }
    }

    /// Nothing runs until an interrupt is pending.
    fn sleep(&mut self) -> Option<Outcome> {
        loop {
            self.store.serve_devices(true);
            if self.store.clock.poll() {
                return self.interrupt(Ref::NULL);
            }
            if let Some(outcome) = self.pause() {
                return Some(outcome);
            }
            if !self.wait() {
                return Some(Outcome::Asleep);
            }
        }
    }

    /// Waits for the timer, a device, a stop or the deadline, whatever comes first; `false` if none can. Virtual time jumps to
    /// the timer's, but if a device may wake the machine, it does so no sooner than the host's clock would.
    fn wait(&mut self) -> bool {
        let (alarm, listens) = (self.store.clock.until_alarm(), self.store.has_listening_devices());
        if alarm.is_none() && !listens {
            return false;
        }
        let is_virtual = self.store.clock.time() == Time::Virtual;
        let until = alarm.filter(|_| listens || !is_virtual).map(|alarm| Instant::now().checked_add(alarm));
        let waits = until.is_some() || listens;
        let was_woken = waits && self.store.wait(until.flatten());
        if is_virtual && !was_woken && !self.store.is_past_deadline() {
            self.store.clock.skip_to_alarm();
        }
        true
    }
}

/// Engines look at the clock while one context runs. Where contexts and the kernel follow each other faster than that, the
/// machine looks itself, but not each time, since asking the host for the time is slow.
const TURNS_BETWEEN_LOOKS: u32 = 64;

fn types(types: &[ValueType]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ")
}
