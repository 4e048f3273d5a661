//! Modules of which each function is verified when somebody first looks at its body.
//!
//! All that instructions name beyond their own function is known from the start, and stays: signatures, which of them each
//! function has, the number of tables. So what the verifier says of a function does not depend on when it is asked, nor on the
//! bodies of others. A body cannot be looked at before: [`Later`] has none until then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use limen_isa::Opcode;
use limen_isa::module::{Body, Later, MAX_CODE_WORDS, Module};

use super::{Inner, Mode, Verified, VerifyError, function, structure};

/// What a function does instead whose body the verifier refuses: it traps with this code.
pub const REFUSED: u32 = u32::MAX;

/// As [`super::verify`], but each function is verified when its body is first looked at, by whoever calls or compiles it, or
/// writes the module; one that breaks a rule traps with [`REFUSED`].
///
/// # Errors
///
/// If what is not the body of a function breaks a rule.
pub fn verify_later(mut module: Module, mode: Mode) -> Result<Verified<Module>, VerifyError> {
    structure::check(&module).map_err(VerifyError::of_structure)?;
    let left = Arc::new(AtomicUsize::new(MAX_CODE_WORDS));
    let inner = Arc::new_cyclic(|inner: &Weak<Inner<Module>>| {
        for function in &mut module.functions {
            let (body, signature) = (std::mem::take(&mut function.body), function.signature);
            let (inner, left) = (Weak::clone(inner), Arc::clone(&left));
            function.body = Later::new(move || checked(&inner, signature, body.into_value(), &left));
        }
        Inner::new(module, mode)
    });
    Ok(Verified { inner })
}

/// A body if it is good, and the module can have so many words more; or else one that traps.
fn checked(module: &Weak<Inner<Module>>, signature: u32, body: Body, left: &AtomicUsize) -> Body {
    let Some(module) = module.upgrade() else { return Body::default() };
    let (module, mode) = (&module.value, module.mode);
    let is_good = structure::check_body(module, signature, &body).is_ok()
        && function::verify(module, signature, &body, mode, &mut function::RegisterTypes::new()).is_ok();
    let words = body.code.len();
    let take = |left: usize| left.checked_sub(words);
    if is_good && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        return body;
    }
    let trap = u64::from(Opcode::Trap.row().code) | u64::from(REFUSED) << 32;
    Body { registers: module.types[signature as usize].params.clone(), code: vec![trap] }
}
