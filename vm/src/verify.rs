//! The verifier: one linear pass over each function, after which nothing the code does can leave its domain.
//!
//! Every register has one type for good, so there is nothing to flow from branch to branch: each instruction is checked by
//! itself, against its row. Operand words carry a mark of their own, so that "is this a branch target?" is answered by
//! looking at the word.

mod error;
mod function;
mod later;
mod places;
mod rules;
mod structure;

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use limen_isa::module::Module;

use places::Places;

pub use error::{Rule, VerifyError};
pub use later::{REFUSED, verify_later};

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
    /// Where each function's words lie in the module's code.
    places: Places,
    /// What engines keep with it, at most one of each type.
    attachments: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Inner<Module> {
    fn new(value: Module, mode: Mode) -> Self {
        Self { places: Places::new(value.functions.len()), value, mode, attachments: Mutex::default() }
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

    /// Where a function's words begin in the module's code. They lie in the order in which somebody first asked.
    #[must_use]
    pub fn start_of(&self, function: u32) -> u32 {
        self.inner.places.start_of(function, || self.functions[function as usize].code.len() as u32)
    }

    /// The function that a word of the module's code belongs to, whose place was asked for.
    #[must_use]
    pub fn function_at(&self, position: u32) -> u32 {
        self.inner.places.function_at(position)
    }
}

/// Verifies a module.
///
/// # Errors
///
/// The first rule that is broken, with function, instruction and, where the module knows it, source line.
pub fn verify(module: Module, mode: Mode) -> Result<Verified<Module>, VerifyError> {
    structure::check(&module).and_then(|()| structure::check_bodies(&module)).map_err(VerifyError::of_structure)?;
    let mut types = function::RegisterTypes::new();
    for (index, function) in (0..).zip(&module.functions) {
        function::verify(&module, function.signature, function, mode, &mut types)
            .map_err(|broken| VerifyError::new(&module, index, broken))?;
    }
    Ok(Verified { inner: Arc::new(Inner::new(module, mode)) })
}
