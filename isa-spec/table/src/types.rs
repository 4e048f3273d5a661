//! The types of registers.

use std::fmt;

/// The fixed type of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ValueType {
    /// A 32-bit integer; signedness is the instruction's.
    I32 = 0,
    /// A 64-bit integer; signedness is the instruction's.
    I64 = 1,
    /// An IEEE 754 binary32 number.
    F32 = 2,
    /// An IEEE 754 binary64 number.
    F64 = 3,
    /// A reference to an entry of the object table, or null.
    Ref = 4,
}

impl ValueType {
    /// Every type, in the order of its encoding.
    pub const ALL: [ValueType; 5] = [Self::I32, Self::I64, Self::F32, Self::F64, Self::Ref];

    /// The type with this encoding, if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The keyword of the instruction notation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Ref => "ref",
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
