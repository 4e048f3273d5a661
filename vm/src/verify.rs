//! The verifier: one linear pass over each function, after which nothing the code does can leave its domain.
//!
//! Every register has one type for good, so there is nothing to flow from branch to branch: each instruction is checked by
//! itself, against its row. Operand words carry a mark of their own, so that "is this a branch target?" is answered by
//! looking at the word.

mod error;
mod function;
mod later;
mod rules;
mod structure;

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use limen_isa::module::Module;

pub use error::{Rule, VerifyError};
pub use later::{OpenError, REFUSED, open, verify_later};

/// What a module may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything but supervisor instructions.
    User,
    /// Everything: for the module that is the kernel.
    Kernel,
}

/// Something that the verifier has seen and found good. Engines accept nothing else; cloning it is cheap.
#[derive(Debug)]
pub struct Verified<T> {
    inner: Arc<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    value: T,
    mode: Mode,
    /// Where each function's words begin in the module's code.
    starts: Vec<u32>,
    /// What engines keep with it, at most one of each type.
    attachments: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Inner<Module> {
    fn new(value: Module, mode: Mode) -> Self {
        let starts = value.functions.iter().scan(0, |next, function| {
            let start = *next;
            *next += function.code.len() as u32;
            Some(start)
        });
        Self { starts: starts.collect(), value, mode, attachments: Mutex::default() }
    }
}

impl<T> Clone for Verified<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner.value
    }
}

impl<T> Verified<T> {
    /// What an engine keeps with it, such as its code, for all machines of the process that have it: made when it is first asked
    /// for, and gone with the last of its clones.
    #[must_use]
    pub fn attachment<A: Any + Send + Sync + Default>(&self) -> Arc<A> {
        let mut all = self.inner.attachments.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find_map(|attachment| Arc::clone(attachment).downcast::<A>().ok());
        found.unwrap_or_else(|| {
            let made = Arc::new(A::default());
            all.push(made.clone());
            made
        })
    }
}

impl Verified<Module> {
    /// What the module was verified for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.inner.mode
    }

    /// Where a function's words begin in the module's code.
    #[must_use]
    pub fn start_of(&self, function: u32) -> u32 {
        self.inner.starts[function as usize]
    }

    /// The function that a word of the module's code belongs to.
    #[must_use]
    pub fn function_at(&self, position: u32) -> u32 {
        self.inner.starts.partition_point(|start| *start <= position).saturating_sub(1) as u32
    }
}

/// Verifies a module.
///
/// # Errors
///
/// The first rule that is broken, with function, instruction and, where the module knows it, source line.
pub fn verify(module: Module, mode: Mode) -> Result<Verified<Module>, VerifyError> {
    structure::check(&module).map_err(VerifyError::of_structure)?;
    let mut types = function::RegisterTypes::new();
    for index in 0..module.functions.len() as u32 {
        let code = &module.functions[index as usize].code;
        function::verify(&module, index, code, mode, &mut types)
            .map_err(|broken| VerifyError::new(&module, index, broken))?;
    }
    Ok(Verified { inner: Arc::new(Inner::new(module, mode)) })
}
