//! Where instructions of the processor come from: what Cranelift is told of each, in the 32 bits that it has for that.

use cranelift_codegen::ir::SourceLoc;

use crate::compile::MAX_WORDS;

/// Where an instruction comes from: mostly from one of the machine's, which is named by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// It is on the straight way of that.
    At(u32),
    /// A turn of the loop begins that this branch ends.
    Turn(u32),
    /// It is aside, which is hardly ever executed.
    Aside(u32),
    /// It switches stacks for that.
    Switch(u32),
    /// It is on the way into the function, or out of a loop.
    Around,
    /// It is the call whose pad is the function's exit.
    Exit,
    /// Cranelift has put it in.
    Nowhere,
}

/// Behind the word there stands what is to be known of it.
const SORT: u32 = 29;

const _: () = assert!(MAX_WORDS < 1 << SORT);

impl Location {
    /// What is told. Cranelift notes places relative to the first that it is told, which is zero, where functions begin.
    pub(crate) fn told(self) -> SourceLoc {
        let (sort, word) = match self {
            Self::Around => (0, 0),
            Self::At(word) => (1, word),
            Self::Turn(word) => (2, word),
            Self::Aside(word) => (3, word),
            Self::Switch(word) => (4, word),
            Self::Exit => (5, 0),
            Self::Nowhere => return SourceLoc::default(),
        };
        SourceLoc::new(sort << SORT | word)
    }

    /// The other way round.
    pub(crate) fn of(told: SourceLoc) -> Self {
        let word = told.bits() & ((1 << SORT) - 1);
        match told.bits() >> SORT {
            0 => Self::Around,
            1 => Self::At(word),
            2 => Self::Turn(word),
            3 => Self::Aside(word),
            4 => Self::Switch(word),
            5 => Self::Exit,
            _ => Self::Nowhere,
        }
    }

    /// The word of the instruction of the machine.
    pub(crate) fn word(self) -> Option<u32> {
        match self {
            Self::At(word) | Self::Turn(word) | Self::Aside(word) | Self::Switch(word) => Some(word),
            Self::Around | Self::Exit | Self::Nowhere => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location::{self, Around, Aside, At, Exit, Nowhere, Switch, Turn};
    use crate::compile::MAX_WORDS;

    #[test]
    fn what_is_told_is_found_again() {
        let last = MAX_WORDS as u32 - 1;
        let of_word = |word| [At(word), Turn(word), Aside(word), Switch(word)];
        for location in [of_word(0), of_word(last)].concat().into_iter().chain([Around, Exit, Nowhere]) {
            assert_eq!(Location::of(location.told()), location);
        }
        assert_eq!(Around.told().bits(), 0);
    }
}
