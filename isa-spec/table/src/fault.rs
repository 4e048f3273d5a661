//! The faults that an instruction can end with.

use std::fmt;

/// Why an instruction did not complete. The numbers are part of the architecture: they are what the status-returning
/// forms answer (0 means success) and what a kernel sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// `trap` was executed.
    Trap = 1,
    /// Integer division or remainder by zero.
    Division = 2,
    /// A checked integer operation, or the quotient of the minimum and -1, does not fit.
    Overflow = 3,
    /// A float has no integer of the wanted type: NaN, infinite or out of range.
    Conversion = 4,
    /// An address, offset or index lies outside its memory, table or slots.
    Bounds = 5,
    /// The reference is null.
    Null = 6,
    /// The reference's object, or what it hangs on, is no more.
    Stale = 7,
    /// The reference is to another kind of object.
    Kind = 8,
    /// The reference lacks a right.
    Right = 9,
    /// The call would exceed the context's stack.
    Stack = 10,
    /// An indirect call found no function, or one of another signature.
    Signature = 11,
    /// An operand of a supervisor instruction is outside its domain.
    Argument = 12,
    /// A context is not in a state that allows the operation.
    State = 13,
}

impl Fault {
    /// Every fault, in the order of its number.
    pub const ALL: [Fault; 13] = [
        Self::Trap,
        Self::Division,
        Self::Overflow,
        Self::Conversion,
        Self::Bounds,
        Self::Null,
        Self::Stale,
        Self::Kind,
        Self::Right,
        Self::Stack,
        Self::Signature,
        Self::Argument,
        Self::State,
    ];

    /// The fault's number; never 0.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The fault with this number, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        usize::from(code).checked_sub(1).and_then(|index| Self::ALL.get(index).copied())
    }

    /// The one-word name used in texts and tests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Division => "division",
            Self::Overflow => "overflow",
            Self::Conversion => "conversion",
            Self::Bounds => "bounds",
            Self::Null => "null",
            Self::Stale => "stale",
            Self::Kind => "kind",
            Self::Right => "right",
            Self::Stack => "stack",
            Self::Signature => "signature",
            Self::Argument => "argument",
            Self::State => "state",
        }
    }

    /// One sentence for a person.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Trap => "a trap was executed",
            Self::Division => "integer division by zero",
            Self::Overflow => "an integer result does not fit its type",
            Self::Conversion => "a float does not fit the integer type it is converted to",
            Self::Bounds => "an access lies outside its memory, table or slots",
            Self::Null => "the reference is null",
            Self::Stale => "the reference is stale: its object was deleted or revoked",
            Self::Kind => "the reference is to another kind of object",
            Self::Right => "the reference does not carry the right to do this",
            Self::Stack => "the stack is exhausted",
            Self::Signature => "the table entry is null or has another signature",
            Self::Argument => "an operand is outside its domain",
            Self::State => "the context is not in a state that allows this",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
