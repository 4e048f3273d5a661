//! One function at a time: from bytecode to code that can run.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CodegenError, Context, FinalizedMachExceptionHandler, FinalizedRelocTarget, ir};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module as _, ModuleError, default_libcall_names};
use limen_isa::module::Module;
use limen_vm::{HEADER_CELLS, NativeFrame, Verified};
use thiserror::Error;

use crate::arch::{self, FRAME_OVERHEAD};
use crate::code_memory::{self, Draft, Placed};
use crate::lower::enter::{Handler, switched_at};
use crate::lower::leave::EXIT;
use crate::mode::Mode;
use crate::resident::Residents;
use crate::shape::Shape;
use crate::shared::{Key, SharedCode};
use crate::stops::stops;
use crate::translate::{CELL, Entry, Slots, Translator, enters_kernel, loop_signature, signature};

/// Functions of more words than this are only interpreted: compiling them would take seconds.
pub(crate) const MAX_WORDS: usize = 1 << 15;

/// How much more of the native stack than of the abstract one a frame may take. Native stacks are this much larger, so that
/// the abstract limit always trips first.
pub(crate) const STACK_RATIO: usize = 8;

/// No native frame takes more bytes: it lies on the native stack before its function looks whether there is room.
const MAX_FRAME: usize = 64 << 10;

/// Why a function is not compiled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    /// It has more than [`MAX_WORDS`].
    #[error("it has {0} words")]
    Size(usize),
    /// Its native frame would be too large for the native stack.
    #[error("its frame would take {0} bytes")]
    Frame(u32),
    /// The engine's code has come to take as many bytes as it may.
    #[error("the memory for code, {0} bytes, is used up")]
    Memory(usize),
    /// The compiler gave out, or the host has no memory for code.
    #[error("{0}")]
    Compiler(String),
}

/// A function's code, which several machines may have.
pub(crate) struct Compiled {
    pub(crate) code: Arc<Code>,
    /// What compiling it took; nothing if it was there.
    pub(crate) time: Duration,
}

impl Deref for Compiled {
    type Target = Code;

    fn deref(&self) -> &Code {
        &self.code
    }
}

/// Code that can run until it is freed.
pub(crate) struct Code {
    /// Where it is.
    memory: Placed,
    /// Keeps the address by which the kernel is named whose code is in it.
    _kernel: Option<Verified<Module>>,
    /// In bytes.
    pub(crate) size: usize,
    pub(crate) function: u32,
    /// In the order of where callees return to.
    calls: Vec<Call>,
    /// In order.
    switches: Vec<Switch>,
    /// Offsets from the beginning at which the host may stop it, and the words of the instructions that they belong to.
    stops: Vec<(u32, u32)>,
    /// Offset at which the function returns if it was stopped.
    exit: u32,
    /// The registers of its function that are in the native frame.
    pub(crate) residents: Arc<Residents>,
}

/// A place where compiled code calls compiled code, in offsets from the beginning.
#[derive(Clone, Copy, Debug)]
struct Call {
    returns_to: u32,
    pad: u32,
    /// The word of the instruction.
    word: u32,
}

/// A place where compiled code switches stacks, in offsets from the beginning.
#[derive(Clone, Copy, Debug)]
struct Switch {
    begin: u32,
    end: u32,
    /// The word of the `svc`.
    word: u32,
}

/// Where a frame stands that has called another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    /// Where the callee is to return to if frames are to be put into the portable form.
    pub(crate) pad: usize,
    pub(crate) at: NativeFrame,
}

impl Code {
    /// Where it begins.
    pub(crate) fn address(&self) -> usize {
        self.memory.address()
    }

    /// Bytes of memory that it takes.
    pub(crate) fn footprint(&self) -> usize {
        code_memory::footprint(self.size)
    }

    /// The call that returns to this address, if one does.
    pub(crate) fn call_before(&self, address: usize) -> Option<Site> {
        let offset = u32::try_from(address - self.address()).ok()?;
        let call = self.calls[self.calls.binary_search_by_key(&offset, |call| call.returns_to).ok()?];
        let at = NativeFrame { function: self.function, pc: call.word };
        Some(Site { pad: self.address() + call.pad as usize, at })
    }

    /// The `svc` behind which it goes on at this address, where stacks are switched.
    pub(crate) fn switch_before(&self, address: usize) -> Option<NativeFrame> {
        let before = u32::try_from(address - self.address()).ok()?.checked_sub(1)?;
        let next = self.switches.partition_point(|switch| switch.begin <= before);
        let switch = self.switches[..next].last().filter(|switch| before < switch.end)?;
        Some(NativeFrame { function: self.function, pc: switch.word })
    }

    /// If the host may stop code that stands at this address: where the function then is, and where it returns.
    pub(crate) fn stopped_at(&self, address: usize) -> Option<(NativeFrame, usize)> {
        let offset = u32::try_from(address - self.address()).ok()?;
        let index = self.stops.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        let at = NativeFrame { function: self.function, pc: self.stops[index].1 };
        Some((at, self.address() + self.exit as usize))
    }
}

/// The processor, as Cranelift knows it: the same for all machines of the process.
static ISA: LazyLock<Result<OwnedTargetIsa, Refusal>> = LazyLock::new(|| {
    if !arch::IS_SUPPORTED {
        return Err(Refusal::Compiler("there is no port to this processor".to_owned()));
    }
    let mut flags = settings::builder();
    for (name, value) in SETTINGS {
        flags.set(name, value).map_err(refused)?;
    }
    cranelift_native::builder().map_err(refused)?.finish(settings::Flags::new(flags)).map_err(refused)
});

/// The kernel, if code of it can be in a function's.
fn wanted<'a>(module: &Module, kernel: Option<&'a Handler>, function: u32) -> Option<&'a Handler> {
    kernel.filter(|_| enters_kernel(&module.functions[function as usize]))
}

/// The code of a function, for machines with this kernel, if one of them has had it compiled.
pub(crate) fn shared(
    module: &Verified<Module>,
    kernel: Option<&Handler>,
    function: u32,
    entry: Entry,
    mode: Mode,
) -> Option<Compiled> {
    let key = Key::new(wanted(module, kernel, function), function, entry, mode);
    SharedCode::of(module).find(key).map(|code| Compiled { code, time: Duration::ZERO })
}

/// Compiles functions.
pub(crate) struct Compiler {
    isa: OwnedTargetIsa,
    builder: FunctionBuilderContext,
    context: Context,
}

impl Compiler {
    /// # Errors
    ///
    /// If Cranelift does not know the processor, or there is no port to it.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let isa = ISA.as_ref().map_err(Refusal::clone)?;
        Ok(Self { isa: Arc::clone(isa), builder: FunctionBuilderContext::new(), context: Context::new() })
    }

    /// The code of a function, for machines with this kernel: another machine's, or it is compiled now.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being compiled; it is then interpreted.
    pub(crate) fn compile(
        &mut self,
        module: &Verified<Module>,
        kernel: Option<&Handler>,
        function: u32,
        entry: Entry,
        mode: Mode,
    ) -> Result<Compiled, Refusal> {
        if let Some(code) = shared(module, kernel, function, entry, mode) {
            return Ok(code);
        }
        let kernel = wanted(module, kernel, function);
        let key = Key::new(kernel, function, entry, mode);
        let start = Instant::now();
        let code = Arc::new(match self.make(module, kernel, key) {
            // With what the kernel does about an `svc` in it the frame is too large: without, it may not be.
            Err(Refusal::Frame(_)) if kernel.is_some() => self.make(module, None, key)?,
            made => made?,
        });
        SharedCode::of(module).add(key, &code);
        Ok(Compiled { code, time: start.elapsed() })
    }

    fn make(&mut self, module: &Verified<Module>, kernel: Option<&Handler>, key: Key) -> Result<Code, Refusal> {
        let function = key.function;
        let words = module.functions[function as usize].code.len();
        if words > MAX_WORDS {
            return Err(Refusal::Size(words));
        }
        let made = self.assemble(module, kernel, key);
        self.context.clear();
        made
    }

    fn assemble(&mut self, module: &Verified<Module>, kernel: Option<&Handler>, key: Key) -> Result<Code, Refusal> {
        let (draft, mut builder) =
            (Draft::default(), JITBuilder::with_isa(Arc::clone(&self.isa), default_libcall_names()));
        builder.memory_provider(Box::new(draft.clone()));
        let mut drafts = JITModule::new(builder);
        let residents = self.define(&mut drafts, module, kernel, key)?;
        self.check_frame(module, key.function)?;
        self.check_relocations()?;
        drafts.finalize_definitions().map_err(refused)?;
        let code = draft.take().ok_or_else(|| refused("it is not one piece of code"))?;
        let stops = stops(&self.context).ok_or_else(|| refused("its accesses cannot be told apart"))?;
        let memory = Placed::new(&code).map_err(refused)?;
        Ok(self.finish(memory, key.function, kernel, residents, stops))
    }

    /// Translates the function and has Cranelift define it. Gives the registers that are in the native frame, too.
    fn define(
        &mut self,
        drafts: &mut JITModule,
        module: &Module,
        kernel: Option<&Handler>,
        key: Key,
    ) -> Result<Arc<Residents>, Refusal> {
        let Key { function, entry, .. } = key;
        let shape = module.signature_of(function).ok_or(Refusal::Size(0))?;
        let native = match entry {
            Entry::Call => signature(shape),
            Entry::Loop(_) => loop_signature(shape),
        };
        let id = drafts.declare_function("limen", Linkage::Local, &native).map_err(refused)?;
        self.context.clear();
        self.context.func = ir::Function::with_name_signature(ir::UserFuncName::default(), native);
        let itself = drafts.declare_func_in_func(id, &mut self.context.func);
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let shape = Shape::of(module, function);
        let mut translator = Translator::new(&mut builder, module, function, &shape, itself, entry, key.mode);
        translator.kernel = kernel;
        let residents = Arc::new(Residents::of(module, function, &shape));
        translator.slots = Slots::new(Arc::clone(&residents));
        translator.translate();
        builder.finalize(self.isa.frontend_config());
        let defined = drafts.define_function(id, &mut self.context);
        // Where Cranelift is not told to look it may make anything of that.
        debug_assert!(!is_our_mistake(&defined), "{defined:?} in {}", self.context.func.display());
        defined.map_err(refused)?;
        Ok(residents)
    }

    /// Refuses native frames that take more than their share of the native stack.
    fn check_frame(&self, module: &Module, function: u32) -> Result<(), Refusal> {
        let Some(compiled) = self.context.compiled_code() else { return Ok(()) };
        let layout = compiled.buffer.frame_layout();
        let native = layout.map_or(0, |layout| layout.frame_to_fp_offset) + FRAME_OVERHEAD;
        let registers = module.functions[function as usize].registers.len();
        let share = (registers + HEADER_CELLS) * CELL as usize * STACK_RATIO;
        if native as usize > share.min(MAX_FRAME) { Err(Refusal::Frame(native)) } else { Ok(()) }
    }

    /// Refuses code that would not do the same at another place: it may refer to itself only.
    fn check_relocations(&self) -> Result<(), Refusal> {
        let Some(compiled) = self.context.compiled_code() else { return Ok(()) };
        let is_own = |target: &FinalizedRelocTarget| {
            matches!(
                target,
                FinalizedRelocTarget::ExternalName(ir::ExternalName::User(_)) | FinalizedRelocTarget::Func(_)
            )
        };
        match compiled.buffer.relocs().iter().find(|relocation| !is_own(&relocation.target)) {
            Some(foreign) => Err(refused(format!("it refers to {:?}", foreign.target))),
            None => Ok(()),
        }
    }

    /// Collects what the runtime must know of the code at this address.
    fn finish(
        &self,
        memory: Placed,
        function: u32,
        kernel: Option<&Handler>,
        residents: Arc<Residents>,
        stops: Vec<(u32, u32)>,
    ) -> Code {
        let _kernel = kernel.map(|handler| handler.module.clone());
        let (calls, switches) = (Vec::new(), Vec::new());
        let mut code = Code { memory, _kernel, size: 0, function, calls, switches, stops, exit: 0, residents };
        let Some(compiled) = self.context.compiled_code() else { return code };
        let buffer = &compiled.buffer;
        let locations = buffer.get_srclocs_sorted();
        for range in locations {
            let word = switched_at(range.loc.bits());
            code.switches.extend(word.map(|word| Switch { begin: range.start, end: range.end, word }));
        }
        let word_at = |offset: u32| {
            let next = locations.partition_point(|range| range.start <= offset);
            next.checked_sub(1).map_or(0, |index| locations[index].loc.bits())
        };
        for site in buffer.call_sites() {
            let Some(FinalizedMachExceptionHandler::Default(pad)) = site.exception_handlers.first() else { continue };
            match word_at(site.ret_addr - 1) {
                EXIT => code.exit = *pad,
                word => code.calls.push(Call { returns_to: site.ret_addr, pad: *pad, word }),
            }
        }
        code.calls.sort_unstable_by_key(|call| call.returns_to);
        code.size = buffer.data().len();
        code
    }
}

/// How Cranelift is to compile. Frame pointers are what the runtime finds native frames by; stacks have their own checks;
/// for the pinned register see [`crate::mode::Pinned`].
const SETTINGS: [(&str, &str); 9] = [
    ("opt_level", "speed"),
    ("is_pic", "false"),
    ("preserve_frame_pointers", "true"),
    ("enable_pinned_reg", "true"),
    ("stack_switch_model", "basic"),
    ("unwind_info", "false"),
    ("enable_probestack", "false"),
    ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
    ("regalloc_algorithm", "backtracking"),
];

/// Whether Cranelift has found that what it is given makes no sense.
fn is_our_mistake(defined: &Result<(), ModuleError>) -> bool {
    matches!(defined, Err(ModuleError::Compilation(CodegenError::Verifier(_))))
}

fn refused(error: impl std::fmt::Display) -> Refusal {
    Refusal::Compiler(error.to_string())
}
