//! Modules of which each function is verified when somebody first looks at its code.
//!
//! All that instructions name beyond their own function is known from the start, and stays: signatures, which of them each
//! function has, the number of tables. So what the verifier says of a function does not depend on when it is asked, nor on the
//! code of others. Code cannot be looked at before: [`Code`] has no words until then.

use std::sync::{Arc, Weak};

use limen_isa::Opcode;
use limen_isa::module::{Code, Module, ReadError, words};
use thiserror::Error;

use super::error::Broken;
use super::{Inner, Mode, Rule, Verified, VerifyError, function, structure};

/// What a function does instead whose code the verifier refuses: it traps with this code.
pub const REFUSED: u32 = u32::MAX;

/// Why bytes are no module that could be verified.
#[derive(Debug, Error)]
pub enum OpenError {
    /// They are no module.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The module breaks a rule, apart from those about code.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Opens a module that is most likely good, since whoever wrote it verified it, to begin with as little as possible. All is
/// read, but for the code, which is only compared with its checksum; the rest is as of [`verify_later`].
///
/// # Errors
///
/// If the bytes are no module, or what is not code breaks a rule.
pub fn open(bytes: Vec<u8>, mode: Mode) -> Result<Verified<Module>, OpenError> {
    let (mut module, places) = Module::read_but_code(&bytes)?;
    let bytes = Arc::new(bytes);
    for (function, place) in module.functions.iter_mut().zip(places) {
        let (bytes, length) = (Arc::clone(&bytes), place.len() / size_of::<u64>());
        function.code = Code::later(length, move || words(&bytes[place]));
    }
    Ok(verify_later(module, mode)?)
}

/// As [`super::verify`], but each function is verified when it is first called or looked at; one that breaks a rule traps with
/// [`REFUSED`].
///
/// # Errors
///
/// If what is not code breaks a rule, or a function has no code.
pub fn verify_later(mut module: Module, mode: Mode) -> Result<Verified<Module>, VerifyError> {
    structure::check(&module).map_err(VerifyError::of_structure)?;
    if let Some(empty) = module.functions.iter().position(|function| function.code.is_empty()) {
        return Err(VerifyError::new(&module, empty as u32, Broken { rule: Rule::Empty, pc: 0 }));
    }
    let inner = Arc::new_cyclic(|inner: &Weak<Inner<Module>>| {
        for (index, function) in (0..).zip(&mut module.functions) {
            let (code, inner) = (std::mem::take(&mut function.code), Weak::clone(inner));
            function.code = Code::later(code.len(), move || checked(&inner, index, code.into_words()));
        }
        Inner::new(module, mode)
    });
    Ok(Verified { inner })
}

/// The words of a function if they are good; as many others, which trap, if not.
fn checked(module: &Weak<Inner<Module>>, index: u32, words: Vec<u64>) -> Vec<u64> {
    let is_good = module.upgrade().is_some_and(|module| {
        let mut types = function::RegisterTypes::new();
        function::verify(&module.value, index, &words, module.mode, &mut types).is_ok()
    });
    let trap = u64::from(Opcode::Trap.row().code) | u64::from(REFUSED) << 32;
    if is_good { words } else { vec![trap; words.len()] }
}
