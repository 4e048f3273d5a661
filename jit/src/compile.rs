//! One function at a time: from bytecode to code that can run.

use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, FinalizedMachExceptionHandler, ir};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module as _, default_libcall_names};
use limen_isa::module::{Module, PAGE_SIZE};
use limen_vm::{HEADER_CELLS, NativeFrame, Verified};
use thiserror::Error;

use crate::arch::{self, FRAME_OVERHEAD};
use crate::lower::enter::Handler;
use crate::lower::leave::EXIT;
use crate::mode::Mode;
use crate::resident::residents;
use crate::shape::{RegisterSet, Shape};
use crate::shared::{Key, SharedCode};
use crate::translate::{CELL, Entry, Translator, enters_kernel, loop_signature, signature};

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
    code: Arc<Code>,
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
    /// Only to be freed.
    memory: Mutex<Option<JITModule>>,
    /// Keeps the address by which the kernel is named whose code is in it.
    _kernel: Option<Verified<Module>>,
    pub(crate) code: usize,
    /// In bytes.
    pub(crate) size: usize,
    pub(crate) call_sites: Vec<CallSite>,
    /// Where the host may stop it.
    pub(crate) stops: Arc<Stops>,
    /// The registers of its function that are in their cells.
    pub(crate) residents: Arc<RegisterSet>,
}

/// Where the host may stop code that accesses home without a look.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    pub(crate) function: u32,
    /// Offsets of machine instructions from the beginning of the code, and the words of the instructions that they belong to.
    pub(crate) words: Vec<(u32, u32)>,
    /// Where the function returns from if it was stopped.
    pub(crate) exit: usize,
}

/// A place where compiled code calls compiled code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite {
    /// Where the callee returns to.
    pub(crate) returns_to: usize,
    /// Where it returns to if frames are to be put into the portable form.
    pub(crate) pad: usize,
    pub(crate) at: NativeFrame,
}

impl Code {
    /// Bytes of memory that it takes: the host protects whole pages.
    pub(crate) fn footprint(&self) -> usize {
        self.size.next_multiple_of(PAGE_SIZE as usize)
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // SAFETY: who drops code has made sure that no frame is in it.
            unsafe { memory.free_memory() };
        }
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
        let kernel = kernel.filter(|_| enters_kernel(&module.functions[function as usize]));
        let (key, shared) = (Key::new(kernel, function, entry, mode), SharedCode::of(module));
        if let Some(code) = shared.find(key) {
            return Ok(Compiled { code, time: Duration::ZERO });
        }
        let start = Instant::now();
        let code = Arc::new(match self.make(module, kernel, key) {
            // With what the kernel does about an `svc` in it the frame is too large: without, it may not be.
            Err(Refusal::Frame(_)) if kernel.is_some() => self.make(module, None, key)?,
            made => made?,
        });
        shared.add(key, &code);
        Ok(Compiled { code, time: start.elapsed() })
    }

    fn make(&mut self, module: &Verified<Module>, kernel: Option<&Handler>, key: Key) -> Result<Code, Refusal> {
        let function = key.function;
        let words = module.functions[function as usize].code.len();
        if words > MAX_WORDS {
            return Err(Refusal::Size(words));
        }
        let mut memory = JITModule::new(JITBuilder::with_isa(Arc::clone(&self.isa), default_libcall_names()));
        let id = self.define(&mut memory, module, kernel, key);
        let built = id.and_then(|(id, residents)| {
            self.check_frame(module, function)?;
            memory.finalize_definitions().map_err(refused)?;
            Ok((memory.get_finalized_function(id) as usize, residents))
        });
        let made = match built {
            Ok((code, residents)) => Ok(self.finish(memory, function, kernel, code, residents)),
            Err(refusal) => {
                // SAFETY: nothing of it was ever called.
                unsafe { memory.free_memory() };
                Err(refusal)
            }
        };
        self.context.clear();
        made
    }

    /// Translates the function and has Cranelift define it. Gives the registers that are in their cells, too.
    fn define(
        &mut self,
        memory: &mut JITModule,
        module: &Module,
        kernel: Option<&Handler>,
        key: Key,
    ) -> Result<(FuncId, RegisterSet), Refusal> {
        let Key { function, entry, .. } = key;
        let shape = module.signature_of(function).ok_or(Refusal::Size(0))?;
        let native = match entry {
            Entry::Call => signature(shape),
            Entry::Loop(_) => loop_signature(shape),
        };
        let id = memory.declare_function("limen", Linkage::Local, &native).map_err(refused)?;
        self.context.clear();
        self.context.func = ir::Function::with_name_signature(ir::UserFuncName::default(), native);
        let itself = memory.declare_func_in_func(id, &mut self.context.func);
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let shape = Shape::of(module, function);
        let mut translator = Translator::new(&mut builder, module, function, &shape, itself, entry, key.mode);
        translator.kernel = kernel;
        let residents = residents(module, function, &shape);
        translator.residents = residents.clone();
        translator.translate();
        builder.finalize(self.isa.frontend_config());
        memory.define_function(id, &mut self.context).map_err(refused)?;
        Ok((id, residents))
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

    /// Collects what the runtime must know of the code at this address.
    fn finish(
        &self,
        memory: JITModule,
        function: u32,
        kernel: Option<&Handler>,
        code: usize,
        residents: RegisterSet,
    ) -> Code {
        let (mut call_sites, mut size, mut stops) = (Vec::new(), 0, Stops { function, ..Stops::default() });
        if let Some(compiled) = self.context.compiled_code() {
            let buffer = &compiled.buffer;
            let locations = buffer.get_srclocs_sorted();
            let word_at = |offset: u32| {
                let next = locations.partition_point(|range| range.start <= offset);
                next.checked_sub(1).map_or(0, |index| locations[index].loc.bits())
            };
            for site in buffer.call_sites() {
                let Some(FinalizedMachExceptionHandler::Default(pad)) = site.exception_handlers.first() else {
                    continue;
                };
                let (pad, pc) = (code + *pad as usize, word_at(site.ret_addr - 1));
                if pc == EXIT {
                    stops.exit = pad;
                    continue;
                }
                let returns_to = code + site.ret_addr as usize;
                call_sites.push(CallSite { returns_to, pad, at: NativeFrame { function, pc } });
            }
            let traps = buffer.traps().iter().filter(|trap| trap.code == ir::TrapCode::HEAP_OUT_OF_BOUNDS);
            stops.words = traps.map(|trap| (trap.offset, word_at(trap.offset))).collect();
            size = buffer.data().len();
        }
        let residents = Arc::new(residents);
        let _kernel = kernel.map(|handler| handler.module.clone());
        Code { memory: Mutex::new(Some(memory)), _kernel, code, size, call_sites, stops: Arc::new(stops), residents }
    }
}

/// How Cranelift is to compile. Frame pointers are what the runtime finds native frames by; stacks have their own checks;
/// the pinned register holds the fuel, or where to look at safepoints.
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

fn refused(error: impl std::fmt::Display) -> Refusal {
    Refusal::Compiler(error.to_string())
}
