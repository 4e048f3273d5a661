//! Where compiled code finds what it looks at without asking: offsets in bytes, and numbers.

use std::mem::offset_of;

use crate::memory::PageState;
use crate::object::Entry;
use crate::port::{Message, Port};

/// Bytes of an entry of the object table.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

/// Generation (bits 32..64), kind (16..24) and rights (0..16) of an entry.
pub const ENTRY_HEAD: usize = offset_of!(Entry, head);

/// Where the kind stands in an entry's head.
pub const KIND_SHIFT: u32 = 16;

/// Index of the entry's anchor, 32 bits, and behind it the anchor's generation when the entry was made.
pub const ENTRY_ANCHOR: usize = offset_of!(Entry, anchor);

/// See [`ENTRY_ANCHOR`].
pub const ENTRY_ANCHOR_GENERATION: usize = offset_of!(Entry, anchor_generation);

/// The first byte of a memory entry; the port of a context's entry.
pub const ENTRY_BASE: usize = offset_of!(Entry, base);

/// Bytes of a memory entry that may be accessed without further looks.
pub const ENTRY_OPEN_LENGTH: usize = offset_of!(Entry, open_length);

/// Bits of the state of a page, which is a byte: if any of them is set, a read is more than a read.
pub const PAGE_STOPS_READS: u8 = PageState::STOPS_READS;

/// If any of these is set, a write is more than a write.
pub const PAGE_STOPS_WRITES: u8 = PageState::STOPS_WRITES;

/// What the kernel has noted in an entry.
pub const ENTRY_PAYLOAD: usize = offset_of!(Entry, payload);

/// The number of a context's state, 32 bits.
pub const PORT_STATE: usize = offset_of!(Port, state);

/// The state of a context that can run.
pub const STATE_READY: u32 = 0;

/// The state of a context that stands at an `svc`.
pub const STATE_IN_SVC: u32 = 1;

/// The bits of a context's own reference.
pub const PORT_ITSELF: usize = offset_of!(Port, itself);

/// The message that a context gives.
pub const PORT_GIVEN: usize = offset_of!(Port, given);

/// The message that it takes.
pub const PORT_TAKEN: usize = offset_of!(Port, taken);

/// See [`Port::native`].
pub const PORT_NATIVE: usize = offset_of!(Port, native);

/// The words of a message.
pub const MESSAGE_WORDS_AT: usize = offset_of!(Message, words);

/// The references of a message.
pub const MESSAGE_REFS_AT: usize = offset_of!(Message, refs);
