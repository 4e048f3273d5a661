//! The code of modules.

use limen_isa::module::Module;
use limen_vm::Verified;
use rustc_hash::FxHashMap;

use crate::arch;
use crate::code_map::{CodeMap, is_last};
use crate::compile::{Compiled, Refusal};
use crate::context::{IndirectEntry, NO_SIGNATURE};
use crate::lower::enter::Handler;
use crate::shape::loop_heads;
use crate::translate::Entry;

/// What there is of a module's code.
pub(crate) struct ModuleCode {
    pub(crate) module: Verified<Module>,
    /// What of the machine's kernel deals with an `svc`.
    pub(crate) kernel: Option<Handler>,
    /// By function; [`arch::uncompiled_stub`] where there is none. Compiled code has its address.
    functions: Box<[*const u8]>,
    /// Compiled code has its address.
    indirect: Box<[IndirectEntry]>,
    /// By function and entry; `None` what cannot be compiled, or is still to come.
    made: FxHashMap<(u32, Entry), Option<Compiled>>,
    /// How much of a function is still to come, if anything is.
    awaited: FxHashMap<u32, usize>,
    /// The heads of loops of functions that were asked for.
    heads: FxHashMap<u32, Vec<u32>>,
    /// How often a function was found running.
    samples: FxHashMap<u32, u32>,
    /// Whether the interpreter stops wherever code could begin, not only where there is code.
    pub(crate) is_eager: bool,
    /// Bytes of memory that it takes.
    pub(crate) footprint: usize,
    code_map: CodeMap,
}

// SAFETY: the pointers are to code that this owns.
unsafe impl Send for ModuleCode {}

impl Drop for ModuleCode {
    fn drop(&mut self) {
        for compiled in self.made.values().flatten() {
            self.code_map.remove(compiled, self.functions.as_ptr());
        }
    }
}

/// What is called where there is no code.
fn uncompiled() -> *const u8 {
    arch::uncompiled_stub as *const () as *const u8
}

impl ModuleCode {
    pub(crate) fn new(module: &Verified<Module>, kernel: Option<Handler>, code_map: &CodeMap) -> Self {
        let uncompiled = uncompiled();
        let entry = |function: &Option<u32>| match function {
            None => IndirectEntry { signature: NO_SIGNATURE, function: 0, code: uncompiled },
            Some(index) => {
                let signature = module.functions[*index as usize].signature;
                IndirectEntry { signature, function: *index, code: uncompiled }
            }
        };
        Self {
            module: module.clone(),
            kernel,
            functions: vec![uncompiled; module.functions.len()].into(),
            indirect: module.tables.iter().flatten().map(entry).collect(),
            made: FxHashMap::default(),
            awaited: FxHashMap::default(),
            heads: FxHashMap::default(),
            samples: FxHashMap::default(),
            is_eager: false,
            footprint: 0,
            code_map: code_map.clone(),
        }
    }

    pub(crate) fn functions(&self) -> *const *const u8 {
        self.functions.as_ptr()
    }

    pub(crate) fn indirect(&self) -> *const IndirectEntry {
        self.indirect.as_ptr()
    }

    /// How code could begin at this word of a function.
    pub(crate) fn entry_at(&mut self, function: u32, pc: u32) -> Option<Entry> {
        let heads = self.heads.entry(function).or_insert_with(|| loop_heads(&self.module, function));
        if heads.binary_search(&pc).is_ok() { Some(Entry::Loop(pc)) } else { (pc == 0).then_some(Entry::Call) }
    }

    /// The code of a function from this entry on, if there is any.
    pub(crate) fn find(&self, function: u32, entry: Entry) -> Option<*const u8> {
        match entry {
            Entry::Call => Some(self.functions[function as usize]).filter(|code| *code != uncompiled()),
            Entry::Loop(_) => {
                self.made.get(&(function, entry))?.as_ref().map(|compiled| compiled.address() as *const u8)
            }
        }
    }

    /// Whether it was tried to compile this, or will be.
    pub(crate) fn was_tried(&self, function: u32, entry: Entry) -> bool {
        self.made.contains_key(&(function, entry))
    }

    /// Notes that this will be compiled.
    pub(crate) fn expect(&mut self, function: u32, entry: Entry) {
        self.made.insert((function, entry), None);
        *self.awaited.entry(function).or_default() += 1;
    }

    /// Whether code of a function is still to come.
    pub(crate) fn is_awaited(&self, function: u32) -> bool {
        self.awaited.contains_key(&function)
    }

    /// Notes that a function was found running; gives how often it was.
    pub(crate) fn sample(&mut self, function: u32) -> u32 {
        let samples = self.samples.entry(function).or_default();
        *samples += 1;
        *samples
    }

    /// Lets code be used from now on; what could not be compiled is not tried again.
    pub(crate) fn publish(&mut self, function: u32, entry: Entry, compiled: Result<Compiled, Refusal>) {
        if let Ok(compiled) = &compiled {
            self.code_map.add(&compiled.code, self.functions.as_ptr());
            self.footprint += compiled.footprint();
            if entry == Entry::Call {
                let code = compiled.address() as *const u8;
                self.functions[function as usize] = code;
                let entries = self.indirect.iter_mut().filter(|entry| entry.function == function);
                entries.for_each(|entry| entry.code = code);
            }
        }
        self.made.insert((function, entry), compiled.ok());
        if self.awaited.get_mut(&function).is_some_and(is_last) {
            self.awaited.remove(&function);
        }
    }
}
