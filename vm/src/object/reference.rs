//! References, kinds and rights.

use std::fmt;

/// A reference to an entry of a machine's object table, or null.
///
/// Programs never see its bits. The host may keep and hand back references that it was given; one that it makes up
/// names nothing or the wrong thing, but never anything unsafe: it is checked like every other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ref {
    bits: u64,
}

impl Ref {
    /// The reference to nothing.
    pub const NULL: Ref = Ref { bits: 0 };

    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        Self { bits: (generation as u64) << 32 | index as u64 }
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self { bits }
    }

    pub(crate) const fn bits(self) -> u64 {
        self.bits
    }

    pub(crate) const fn index(self) -> u32 {
        self.bits as u32
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.bits >> 32) as u32
    }

    /// Whether this is [`Ref::NULL`].
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.bits == 0
    }
}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_null() { f.write_str("null") } else { write!(f, "ref {}.{}", self.index(), self.generation()) }
    }
}

/// What kind of object an entry is to. Numbers from [`Kind::FIRST_OF_KERNEL`] belong to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// No object: a free entry.
    pub const NONE: Kind = Kind(0);
    /// Memory: a segment, a home, or a view of one.
    pub const MEMORY: Kind = Kind(1);
    /// A verified module.
    pub const MODULE: Kind = Kind(2);
    /// A domain.
    pub const DOMAIN: Kind = Kind(3);
    /// A context.
    pub const CONTEXT: Kind = Kind(4);
    /// An array of slots.
    pub const SLOTS: Kind = Kind(5);
    /// An account.
    pub const ACCOUNT: Kind = Kind(6);
    /// A device of the machine's.
    pub const DEVICE: Kind = Kind(7);
    /// The first of the kinds that a kernel may make itself.
    pub const FIRST_OF_KERNEL: u8 = 64;
}

/// What a reference allows. The machine gives a meaning to two bits; the others are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Rights(pub u16);

impl Rights {
    /// Nothing.
    pub const NONE: Rights = Rights(0);
    /// Memory may be read.
    pub const READ: Rights = Rights(1);
    /// Memory may be written.
    pub const WRITE: Rights = Rights(2);
    /// Memory may be read and written.
    pub const READ_WRITE: Rights = Rights(3);
    /// Everything.
    pub const ALL: Rights = Rights(u16::MAX);
}
