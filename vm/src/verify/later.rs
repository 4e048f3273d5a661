//! Modules of which each function is verified when somebody first looks at its body.
//!
//! All that instructions name beyond their own function is known from the start, and stays: signatures, which of them each
//! function has, the number of tables. So what the verifier says of a function does not depend on when it is asked, nor on the
//! bodies of others. A body cannot be looked at before: [`Later`] has none until then.

use std::cell::RefCell;
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
pub fn verify_later(module: Module, mode: Mode) -> Result<Verified<Module>, VerifyError> {
    verify_within(MAX_CODE_WORDS, module, mode)
}

/// The same, where all bodies together can have so many words. Which of them are refused when there is no more room depends on
/// the order in which somebody looks.
fn verify_within(words: usize, mut module: Module, mode: Mode) -> Result<Verified<Module>, VerifyError> {
    structure::check(&module).map_err(VerifyError::of_structure)?;
    let left = Arc::new(AtomicUsize::new(words));
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

thread_local! {
    /// Room, in which nothing is noted between functions.
    static TYPES: RefCell<function::RegisterTypes> = const { RefCell::new(function::RegisterTypes::new()) };
}

/// A body if it is good, and the module can have so many words more; or else one that traps.
fn checked(module: &Weak<Inner<Module>>, signature: u32, body: Body, left: &AtomicUsize) -> Body {
    let Some(module) = module.upgrade() else { return Body::default() };
    let (module, mode) = (&module.value, module.mode);
    let verify = |types: &mut _| function::verify(module, signature, &body, mode, types).is_ok();
    let is_good = structure::check_body(module, signature, &body).is_ok() && TYPES.with_borrow_mut(verify);
    let words = body.code.len();
    let take = |left: usize| left.checked_sub(words);
    if is_good && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
        return body;
    }
    let trap = u64::from(Opcode::Trap.row().code) | u64::from(REFUSED) << 32;
    Body { registers: module.types[signature as usize].params.clone(), code: vec![trap] }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use limen_isa::ValueType;
    use limen_isa::module::{Function, MAX_FUNCTION_WORDS, Signature};

    use super::*;

    /// A function of one parameter with a body of this many words.
    fn function(words: usize) -> Function {
        let mut code = vec![u64::from(Opcode::Nop.row().code); words - 1];
        code.push(u64::from(Opcode::Ret.row().code));
        Function { signature: 0, body: Later::new(|| Body { registers: vec![ValueType::I64], code }) }
    }

    fn module(functions: Vec<Function>) -> Module {
        let types = vec![Signature { params: vec![ValueType::I64], results: Vec::new() }];
        Module { types, functions, ..Module::default() }
    }

    fn within(words: usize, functions: &[usize]) -> Verified<Module> {
        let functions = functions.iter().map(|words| function(*words)).collect();
        verify_within(words, module(functions), Mode::User).expect("only bodies can be wrong")
    }

    /// The trap that takes the place of a body.
    fn is_refused(module: &Module, function: usize) -> bool {
        let Body { registers, code } = &*module.functions[function].body;
        assert_eq!(registers, &[ValueType::I64], "parameters stay");
        *code == [u64::from(Opcode::Trap.row().code) | u64::from(REFUSED) << 32]
    }

    #[test]
    fn bodies_come_while_there_is_room_for_them() {
        let module = within(10, &[4, 7, 6, 1]);
        assert!(!is_refused(&module, 0));
        assert!(is_refused(&module, 1), "one word too many");
        assert!(!is_refused(&module, 2), "what is refused takes no room");
        assert!(is_refused(&module, 3), "not a word is left");
        // What has come stays.
        assert_eq!([0, 1, 2, 3].map(|function| is_refused(&module, function)), [false, true, false, true]);
    }

    #[test]
    fn what_breaks_a_rule_takes_no_room() {
        let mut functions = vec![function(3), function(3), function(4)];
        functions[0].body = Later::new(|| Body { registers: vec![ValueType::I32], ..Body::default() });
        functions[1].body = Later::new(|| Body { registers: vec![ValueType::I64], code: vec![u64::MAX; 3] });
        let module = verify_within(4, module(functions), Mode::User).expect("only bodies can be wrong");
        assert_eq!([0, 1, 2].map(|function| is_refused(&module, function)), [true, true, false]);
    }

    #[test]
    fn a_body_that_is_too_large_for_any_module() {
        let functions = vec![function(MAX_FUNCTION_WORDS + 1), function(MAX_FUNCTION_WORDS)];
        let module = verify_later(module(functions), Mode::User).expect("only bodies can be wrong");
        assert_eq!([0, 1].map(|function| is_refused(&module, function)), [true, false]);
    }

    #[test]
    fn threads_share_the_room() {
        const THREADS: usize = 4;
        for _ in 0..100 {
            let (module, barrier) = (within(50, &[3; 40]), Barrier::new(THREADS));
            let seen = std::thread::scope(|scope| {
                let look = |thread: usize| {
                    let (module, barrier) = (&module, &barrier);
                    move || {
                        barrier.wait();
                        let all = (0..40).map(|step| (step * [1, 3, 7, 39][thread]) % 40);
                        let mut seen: Vec<(usize, bool)> =
                            all.map(|function| (function, is_refused(module, function))).collect();
                        seen.sort_unstable();
                        seen
                    }
                };
                let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(look(thread))).collect();
                threads.into_iter().map(|thread| thread.join().expect("nobody panics")).collect::<Vec<_>>()
            });
            assert!(seen.iter().all(|one| *one == seen[0]), "all see the same bodies");
            assert_eq!(seen[0].iter().filter(|(_, is_refused)| !is_refused).count(), 50 / 3);
        }
    }
}
