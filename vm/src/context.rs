//! Contexts: threads of execution, and the portable form of their frames.

mod image;
mod live;

use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::{Function, Module};
use limen_isa::{Fault, Field, Fields, Opcode, Role, ValueType};

use crate::account::AccountKey;
use crate::engine::{Frames, NativeFrame, NativeFrames, PageWait};
use crate::port::{MESSAGE_REFS, MESSAGE_WORDS, Message, OwnPort, Port};
use crate::room::Cells;
use crate::store::DomainKey;
use crate::verify::Verified;

/// Cells that a frame takes beside its registers: its share of the abstract stack.
pub const HEADER_CELLS: usize = 4;

/// What stands before the registers of each frame: all that is needed to return to the caller, and nothing that belongs
/// to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) function: u32,
    /// Of the instruction that the frame executes, counted in words from the start of the module's code. Kept up to date
    /// at calls, and when the context stops.
    pub(crate) position: u32,
    /// Cells from the caller's register 0 to this frame's, or [`NO_CALLER`].
    pub(crate) distance: u32,
    /// Words of the call that made this frame.
    pub(crate) call_words: u16,
    /// Values that the function returns.
    pub(crate) result_count: u16,
    reserved: [u64; 2],
}

const _: () = assert!(size_of::<Header>() == HEADER_CELLS * size_of::<u64>());

/// The distance of a context's first frame to its caller's.
pub(crate) const NO_CALLER: u32 = 0;

impl Header {
    pub(crate) fn new(function: u32, position: u32, distance: u32, call_words: u16, result_count: u16) -> Self {
        Self { function, position, distance, call_words, result_count, reserved: [0; 2] }
    }

    pub(crate) fn results(&self) -> usize {
        usize::from(self.result_count)
    }

    /// Writes the header of the frame whose register 0 is at `frame`. The reserved cells keep what they hold.
    ///
    /// # Safety
    ///
    /// The cells before `frame` must be writable.
    #[inline(always)]
    pub(crate) unsafe fn write_to(self, frame: *mut u64) {
        let [first, second, ..] = self.to_cells();
        // SAFETY: the caller's promise.
        unsafe {
            frame.sub(HEADER_CELLS).write(first);
            frame.sub(HEADER_CELLS - 1).write(second);
        }
    }

    #[inline(always)]
    fn to_cells(self) -> [u64; HEADER_CELLS] {
        let counts = u64::from(self.call_words) << 32 | u64::from(self.result_count) << 48;
        [u64::from(self.function) | u64::from(self.position) << 32, u64::from(self.distance) | counts, 0, 0]
    }

    fn from_cells(cells: &[u64]) -> Self {
        let (first, second) = (cells[0], cells[1]);
        Self::new(first as u32, (first >> 32) as u32, second as u32, (second >> 32) as u16, (second >> 48) as u16)
    }
}

/// One frame in the portable form: any engine can go on with it, in any process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the function in its module.
    pub function: u32,
    /// Word of the function that is to be executed next, or that made the call which the next inner frame is.
    pub pc: u32,
    /// The bits of its registers. References are in it too, so frames are as trusted as the machine itself.
    pub registers: Vec<u64>,
}

/// What a context is doing. Compiled code reads and writes the number of the state; that of standing at an `svc` has all bits set, so
/// that it is written in one store with what the message lacks, see [`crate::layout::PORT_LACKS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// It can run.
    Ready = 0,
    /// It stands at an `svc` that the kernel has not answered.
    InSvc = u32::MAX,
    /// It stands at an instruction that faulted.
    Faulted(Fault, u64) = 2,
    /// It stands at an instruction that touched an absent page.
    WaitsForPage(PageWait) = 3,
    /// Its first function returned, or it was killed.
    Finished = 4,
}

impl State {
    /// The number that `ctx.state` gives.
    pub(crate) const fn code(self) -> u32 {
        match self {
            State::Ready => 0,
            State::InSvc => 1,
            State::Faulted(..) => 2,
            State::WaitsForPage(_) => 3,
            State::Finished => 4,
        }
    }
}

/// A thread of execution in one domain.
pub(crate) struct Context {
    pub(crate) domain: DomainKey,
    pub(crate) owner: AccountKey,
    /// Its state, its own reference, and its message while it stands at an `svc`.
    pub(crate) port: OwnPort,
    /// The frames while they are on the stack.
    pub(crate) stack: Cells,
    /// The frames while they are not: outermost first.
    captured: Option<Vec<Frame>>,
    /// The innermost frames while they are not in the portable form. Of the stack, only what lies further out and the
    /// place of the innermost frame are true then; see [`Context::settle`].
    pub(crate) native: Option<Box<dyn NativeFrames>>,
    /// Whether there are frames that the interpreter has neither made nor met.
    pub(crate) has_foreign_frames: bool,
    /// Cells it may use; the stack is that long while it has one.
    pub(crate) cells: u32,
    /// Cell of the innermost frame's register 0.
    pub(crate) fp: u32,
    /// Whether its first instruction is still to come: entering the first function is a safepoint too.
    pub(crate) fresh: bool,
    /// What its first function returned.
    returned: Option<Vec<(ValueType, u64)>>,
    /// Its `svc` was answered while its frames were native: the answer is still in its port.
    is_answered: bool,
}

/// Cell of register 0 of the outermost frame.
pub(crate) const FIRST_FRAME: u32 = HEADER_CELLS as u32;

impl Context {
    /// Whether a stack of so many cells can hold the first frame of a function.
    pub(crate) fn fits(module: &Module, function: u32, cells: u32) -> bool {
        let frame = |function: &Function| function.registers.len() + HEADER_CELLS;
        module.functions.get(function as usize).is_some_and(|function| frame(function) as u64 <= u64::from(cells))
    }

    /// A context that will call a function, whose frame its stack can hold.
    pub(crate) fn new(
        module: &Verified<Module>,
        function: u32,
        domain: DomainKey,
        owner: AccountKey,
        cells: u32,
    ) -> Self {
        let mut context = Self {
            domain,
            owner,
            port: OwnPort::new(),
            stack: Cells::none(),
            captured: None,
            native: None,
            has_foreign_frames: false,
            cells,
            fp: FIRST_FRAME,
            fresh: true,
            returned: None,
            is_answered: false,
        };
        context.begin(module, function);
        context
    }

    /// Drops all frames and gets ready to call a function, whose frame the stack can hold.
    pub(crate) fn begin(&mut self, module: &Verified<Module>, function: u32) {
        let registers = module.functions[function as usize].registers.len();
        (self.captured, self.native, self.returned) = (None, None, None);
        (self.is_answered, self.port.native) = (false, std::ptr::null_mut());
        if self.stack.is_empty() {
            self.stack = Cells::new(self.cells);
        }
        self.stack[..HEADER_CELLS + registers].fill(0);
        (self.port.state, self.fp, self.fresh) = (State::Ready, FIRST_FRAME, true);
        let results = results_of(module, function);
        self.write_header(FIRST_FRAME, Header::new(function, module.start_of(function), NO_CALLER, 0, results));
    }

    fn header(&self, fp: u32) -> Header {
        Header::from_cells(&self.stack[fp as usize - HEADER_CELLS..])
    }

    fn write_header(&mut self, fp: u32, header: Header) {
        self.stack[fp as usize - HEADER_CELLS..fp as usize].copy_from_slice(&header.to_cells());
    }

    /// The cells of the first registers of all frames, innermost first.
    fn chain(&self) -> Vec<u32> {
        if self.port.state == State::Finished {
            return Vec::new();
        }
        let distance = |fp: u32| Some(self.header(fp).distance).filter(|distance| *distance != NO_CALLER);
        let caller = |fp: &u32| distance(*fp).map(|distance| *fp - distance);
        std::iter::successors(Some(self.fp), caller).collect()
    }

    /// All frames, outermost first, once they are settled.
    pub(crate) fn frames(&self, module: &Verified<Module>) -> Vec<Frame> {
        match &self.captured {
            Some(frames) => frames.clone(),
            None => self.chain().into_iter().rev().map(|fp| self.frame_at(module, fp)).collect(),
        }
    }

    fn frame_at(&self, module: &Verified<Module>, fp: u32) -> Frame {
        let header = self.header(fp);
        let registers = module.functions[header.function as usize].registers.len();
        let cells = &self.stack[fp as usize..][..registers];
        let pc = header.position - module.start_of(header.function);
        Frame { function: header.function, pc, registers: cells.to_vec() }
    }

    /// Takes the frames off the stack and gives the stack back. Gives their size in bytes.
    pub(crate) fn capture(&mut self, module: &Verified<Module>) -> u64 {
        let frames = self.frames(module);
        let bytes = frames.iter().map(|frame| 8 * (frame.registers.len() as u64 + 1)).sum();
        self.captured = Some(frames);
        self.stack = Cells::none();
        bytes
    }

    /// Puts captured frames back on a stack; whether there were any.
    pub(crate) fn restore(&mut self, module: &Verified<Module>) -> bool {
        let Some(frames) = self.captured.take() else { return false };
        self.has_foreign_frames = true;
        self.stack = Cells::new(self.cells);
        let (mut fp, mut distance) = (FIRST_FRAME, NO_CALLER);
        for frame in &frames {
            let results = results_of(module, frame.function);
            let call_words = call_words(module, frame.function);
            let position = module.start_of(frame.function) + frame.pc;
            self.write_header(fp, Header::new(frame.function, position, distance, call_words, results));
            self.stack[fp as usize..][..frame.registers.len()].copy_from_slice(&frame.registers);
            self.fp = fp;
            distance = frame.registers.len() as u32 + FIRST_FRAME;
            fp += distance;
        }
        true
    }

    /// Whether its frames lie on a stack of its own.
    pub(crate) fn has_stack(&self) -> bool {
        !self.stack.is_empty()
    }

    /// The function of the innermost frame and the word it stands at.
    pub(crate) fn position(&self, module: &Verified<Module>) -> Option<(u32, u32)> {
        match &self.captured {
            Some(frames) => frames.last().map(|frame| (frame.function, frame.pc)),
            None if self.port.state == State::Finished => None,
            None => {
                let header = self.header(self.fp);
                Some((header.function, header.position - module.start_of(header.function)))
            }
        }
    }

    /// Notes where a run ended: the innermost frame, and the instruction it stands at.
    pub(crate) fn stand_at(&mut self, fp: u32, position: u32) {
        self.fp = fp;
        self.write_header(fp, Header { position, ..self.header(fp) });
    }

    /// Notes where the innermost frame is that native code runs, and what it executes.
    pub(crate) fn stand_in(&mut self, fp: u32, function: u32, position: u32) {
        self.fp = fp;
        self.stack[fp as usize - HEADER_CELLS] = u64::from(function) | u64::from(position) << 32;
    }

    /// Brings all frames into the portable form.
    pub(crate) fn settle(&mut self, module: &Verified<Module>) {
        if let Some(native) = self.native.take() {
            native.settle(&mut Frames { context: self, module });
            self.port.native = std::ptr::null_mut();
            if std::mem::take(&mut self.is_answered) {
                self.take_answer(module);
            }
        }
    }

    /// The functions of all frames.
    pub(crate) fn functions(&self) -> impl Iterator<Item = u32> + '_ {
        self.chain().into_iter().map(|fp| self.header(fp).function)
    }

    /// Writes the headers of frames that were native, outermost first.
    pub(crate) fn adopt_native(&mut self, module: &Verified<Module>, fp: u32, frames: &[NativeFrame]) {
        (self.fp, self.has_foreign_frames) = (fp, true);
        let mut distance = self.header(fp).distance;
        for (index, frame) in frames.iter().enumerate() {
            let position = module.start_of(frame.function) + frame.pc;
            let (words, results) = (call_words(module, frame.function), results_of(module, frame.function));
            self.write_header(self.fp, Header::new(frame.function, position, distance, words, results));
            if index + 1 < frames.len() {
                distance = (module.functions[frame.function as usize].registers.len() + HEADER_CELLS) as u32;
                self.fp += distance;
            }
        }
    }

    /// Writes the headers of frames that were native, outermost first, and values in their registers: of which frame, and which
    /// register. If the operands of the instruction at which the innermost stands are in their cells, these keep what they hold.
    pub(crate) fn rebuild(
        &mut self,
        module: &Verified<Module>,
        fp: u32,
        frames: &[NativeFrame],
        has_operands: bool,
        value: &dyn Fn(usize, u16) -> u64,
    ) {
        self.adopt_native(module, fp, frames);
        let mut first = fp as usize;
        for (index, frame) in frames.iter().enumerate() {
            let registers = module.functions[frame.function as usize].registers.len();
            let keeps = has_operands && index + 1 == frames.len();
            let kept = if keeps { operands(module, frame.function, frame.pc) } else { Vec::new() };
            for register in 0..registers as u16 {
                if !kept.contains(&register) {
                    self.stack[first + usize::from(register)] = value(index, register);
                }
            }
            first += registers + HEADER_CELLS;
        }
    }

    /// Ends the innermost frame. Its results go to the caller's registers and the caller goes on behind its call; without
    /// a caller they become the message, and the answer is `false`.
    pub(crate) fn pop(&mut self, module: &Verified<Module>, results: &[u64]) -> bool {
        let header = self.header(self.fp);
        let function = &module.functions[header.function as usize];
        let types = &module.types[function.signature as usize].results;
        if header.distance == NO_CALLER {
            self.returned = Some(types.iter().copied().zip(results.iter().copied()).collect());
            return false;
        }
        self.fp -= header.distance;
        let caller = self.header(self.fp);
        let call = module.functions[caller.function as usize].code.as_slice();
        let words = &call[(caller.position - module.start_of(caller.function)) as usize..];
        for (index, (ty, bits)) in types.iter().zip(results).enumerate() {
            self.set_register(*ty, listed(words, 1, index), *bits);
        }
        self.advance(u32::from(header.call_words));
        true
    }

    /// Moves the innermost frame on by `words`.
    fn advance(&mut self, words: u32) {
        let mut header = self.header(self.fp);
        header.position += words;
        self.write_header(self.fp, header);
    }

    /// Ends all frames; without results it was killed.
    pub(crate) fn finish(&mut self, results: Option<Vec<(ValueType, u64)>>) {
        self.port.state = State::Finished;
        self.port.native = std::ptr::null_mut();
        self.stack = Cells::none();
        (self.captured, self.native) = (None, None);
        self.returned = results;
    }

    /// The values that the first function returned, or is about to return by the `ret` at which the context stands.
    pub(crate) fn returned(&self, module: &Verified<Module>) -> Vec<(ValueType, u64)> {
        if let Some(results) = &self.returned {
            return results.clone();
        }
        let Some((function, pc)) = self.position(module) else { return Vec::new() };
        let function = &module.functions[function as usize];
        let words = &function.code[pc as usize..];
        let results = &module.types[function.signature as usize].results;
        let value = |(index, ty): (usize, &ValueType)| (*ty, self.register(listed(words, 0, index)));
        results.iter().enumerate().map(value).collect()
    }

    fn register(&self, register: u16) -> u64 {
        self.stack[self.fp as usize + usize::from(register)]
    }

    /// Writes a register of the innermost frame. A 32-bit register takes the low half.
    pub(crate) fn set_register(&mut self, ty: ValueType, register: u16, bits: u64) {
        let bits = if matches!(ty, ValueType::I32 | ValueType::F32) { bits & 0xffff_ffff } else { bits };
        self.stack[self.fp as usize + usize::from(register)] = bits;
    }

    /// Parks the context at an `svc`: its arguments become its message, and its results are zero until they are set.
    pub(crate) fn park_in_svc(&mut self, module: &Verified<Module>) {
        self.port.state = State::InSvc;
        let Some(svc) = Svc::at(self, module) else { return };
        let given = svc.arguments().map(|(ty, register)| (ty, self.register(register)));
        let given = message_of(given);
        self.port.exchange(given, Message::default());
        for (ty, register) in svc.results().collect::<Vec<_>>() {
            self.set_register(ty, register, 0);
        }
    }

    /// The message that the context gives: the arguments of its `svc`, or the results it finished with.
    pub(crate) fn outgoing(&self) -> Option<Outgoing<'_>> {
        match self.port.state {
            State::InSvc => Some(Outgoing::Svc(&self.port)),
            State::Ready | State::Faulted(..) | State::WaitsForPage(_) => None,
            State::Finished => self.returned.as_deref().map(Outgoing::Returned),
        }
    }

    /// The parameters of the first function, with their registers, of a context that has not begun.
    pub(crate) fn parameters(&self, module: &Verified<Module>) -> Vec<(ValueType, u16)> {
        let Some((function, _)) = self.position(module) else { return Vec::new() };
        let signature = &module.types[module.functions[function as usize].signature as usize];
        signature.params.iter().copied().zip(0..).collect()
    }

    /// The number of the `svc` at which the context stands.
    pub(crate) fn svc_number(&self, module: &Verified<Module>) -> u32 {
        Svc::at(self, module).map_or(0, |svc| svc.words.unsigned(0, Field::B))
    }

    /// Lets a context that stands at an `svc` go on behind it. Native frames take the answer by themselves.
    pub(crate) fn leave_svc(&mut self, module: &Verified<Module>) {
        self.port.state = State::Ready;
        if self.native.is_some() {
            self.is_answered = true;
        } else {
            self.take_answer(module);
        }
    }

    /// Whether native frames, if it has any, stand at an `svc`.
    pub(crate) fn is_at_svc(&self) -> bool {
        self.port.state == State::InSvc || self.is_answered
    }

    /// Has native frames as its innermost ones.
    pub(crate) fn leave_native(&mut self, frames: Box<dyn NativeFrames>) {
        self.port.native = frames.address();
        self.native = Some(frames);
    }

    /// The native frames, which will take the answer to the `svc` at which they stand by themselves.
    pub(crate) fn take_native(&mut self) -> Option<Box<dyn NativeFrames>> {
        (self.is_answered, self.port.native) = (false, std::ptr::null_mut());
        self.native.take()
    }

    /// Writes the answer to the `svc` at which the innermost frame stands to the registers that take it, and moves it on.
    fn take_answer(&mut self, module: &Verified<Module>) {
        let Some(svc) = Svc::at(self, module) else { return };
        let (length, targets) = (svc.length(), svc.results().collect::<Vec<_>>());
        let Message { words, refs } = self.port.taken();
        let (mut words, mut refs) = (words.into_iter(), refs.into_iter());
        for (ty, register) in targets {
            let bits = if ty == ValueType::Ref { refs.next() } else { words.next() };
            self.set_register(ty, register, bits.unwrap_or(0));
        }
        self.advance(length);
    }

    /// Cell of a register of the frame `depth` calls out, and the register's type.
    pub(crate) fn cell_of(&self, module: &Verified<Module>, depth: u32, register: u32) -> Option<(usize, ValueType)> {
        let fp = *self.chain().get(depth as usize)?;
        let function = self.header(fp).function;
        let ty = *module.functions[function as usize].registers.get(register as usize)?;
        Some((fp as usize + register as usize, ty))
    }

    /// The number of frames.
    pub(crate) fn depth(&self) -> u32 {
        self.captured.as_ref().map_or_else(|| self.chain().len(), Vec::len) as u32
    }
}

/// A message that a context gives.
pub(crate) enum Outgoing<'a> {
    Svc(&'a Port),
    Returned(&'a [(ValueType, u64)]),
}

impl Outgoing<'_> {
    /// Word `index`, 0 if it has fewer.
    pub(crate) fn word(&self, index: usize) -> u64 {
        match self {
            Outgoing::Svc(port) => port.given_word(index),
            Outgoing::Returned(values) => alike(values, false).nth(index).unwrap_or(0),
        }
    }

    /// Reference `index`, null if it has fewer.
    pub(crate) fn reference(&self, index: usize) -> u64 {
        match self {
            Outgoing::Svc(port) => port.given_ref(index),
            Outgoing::Returned(values) => alike(values, true).nth(index).unwrap_or(0),
        }
    }

    /// As much of it as an `svc` can take.
    pub(crate) fn message(&self) -> Message {
        match self {
            Outgoing::Svc(port) => port.given(),
            Outgoing::Returned(values) => message_of(values.iter().copied()),
        }
    }
}

/// The bits of those values that are references, or of those that are not.
fn alike(values: &[(ValueType, u64)], references: bool) -> impl Iterator<Item = u64> {
    values.iter().filter(move |(ty, _)| (*ty == ValueType::Ref) == references).map(|(_, bits)| *bits)
}

/// Values as a message: words and references apart, each in their order.
fn message_of(values: impl Iterator<Item = (ValueType, u64)>) -> Message {
    let mut message = Message::default();
    let (mut words, mut refs) = (0, 0);
    for (ty, bits) in values {
        let (all, next, limit) = match ty {
            ValueType::Ref => (&mut message.refs[..], &mut refs, MESSAGE_REFS),
            _ => (&mut message.words[..], &mut words, MESSAGE_WORDS),
        };
        if *next < limit {
            all[*next] = bits;
            *next += 1;
        }
    }
    message
}

/// The words of an `svc`.
struct Svc<'a> {
    words: &'a [u64],
    function: &'a Function,
}

impl<'a> Svc<'a> {
    fn at(context: &Context, module: &'a Verified<Module>) -> Option<Self> {
        let (function, pc) = context.position(module)?;
        let function = &module.functions[function as usize];
        let words = &function.code[pc as usize..];
        (Opcode::of_word(words[0]) == Some(Opcode::Svc)).then_some(Self { words, function })
    }

    fn count(&self, field: Field) -> usize {
        self.words.unsigned(0, field) as usize
    }

    fn registers(&self, first: usize, count: usize) -> impl Iterator<Item = (ValueType, u16)> {
        (first..first + count).map(|index| {
            let register = listed(self.words, 1, index);
            (self.function.registers[usize::from(register)], register)
        })
    }

    fn results(&self) -> impl Iterator<Item = (ValueType, u16)> {
        self.registers(0, self.count(Field::A))
    }

    fn arguments(&self) -> impl Iterator<Item = (ValueType, u16)> {
        self.registers(self.count(Field::A), self.count(Field::C))
    }

    fn length(&self) -> u32 {
        1 + (self.count(Field::A) + self.count(Field::C)).div_ceil(4) as u32
    }
}

/// Element `index` of a register list that begins in the instruction word (`first` 0) or after it (`first` 1).
fn listed(words: &[u64], first: usize, index: usize) -> u16 {
    words.unsigned(first + index / 4, Field::SLOTS[index % 4]) as u16
}

/// The registers that the instruction at a word reads.
fn operands(module: &Module, function: u32, pc: u32) -> Vec<u16> {
    let words = &module.functions[function as usize].code[pc as usize..];
    let mut registers = Vec::new();
    for_each_register(words, &ModuleShapes { module, function }, |role, register| {
        if role != Role::Write {
            registers.push(register.0);
        }
    });
    registers
}

fn results_of(module: &Verified<Module>, function: u32) -> u16 {
    module.types[module.functions[function as usize].signature as usize].results.len() as u16
}

fn call_words(module: &Verified<Module>, function: u32) -> u16 {
    let signature = &module.types[module.functions[function as usize].signature as usize];
    1 + (signature.params.len() + signature.results.len()).div_ceil(4) as u16
}
