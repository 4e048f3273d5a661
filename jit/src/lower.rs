//! What each instruction becomes: the table's dispatch traits, chapter by chapter.

mod control;
mod conversion;
mod counted;
pub(crate) mod enter;
pub(crate) mod float;
pub(crate) mod home;
pub(crate) mod inline;
mod integer;
pub(crate) mod kept;
pub(crate) mod known;
pub(crate) mod leave;
mod lend;
pub(crate) mod message;
pub(crate) mod object;
pub(crate) mod plan;
mod reference;
mod segment;
pub(crate) mod stores;
mod supervisor;

use limen_isa::Execute;

use crate::translate::Translator;

impl Execute for Translator<'_, '_> {
    type Output = ();
}

/// Methods of instructions that are left to the runtime whole.
macro_rules! slowly {
    ($($method:ident($($operand:ident),*);)*) => {$(
        fn $method(&mut self, $($operand: slowly!(@ty $operand)),*) {
            $(let _ = $operand;)*
            self.slowly();
        }
    )*};
    (@ty k) => { u32 };
    (@ty number) => { u32 };
    (@ty results) => { u32 };
    (@ty arguments) => { u32 };
    (@ty $operand:ident) => { limen_isa::Reg };
}
pub(crate) use slowly;
