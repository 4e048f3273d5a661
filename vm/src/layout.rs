//! Where compiled code finds what it looks at without asking: offsets in bytes, and numbers.

use std::mem::offset_of;

use crate::attention::BY_WORD;
use crate::context::State;
pub use crate::memory::HOME_REACH;
use crate::memory::PageState;
use crate::object::{Details, EMPTY, Entry, View};
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

/// Bytes of a memory entry.
pub const ENTRY_LENGTH: usize = offset_of!(Entry, length);

/// Bytes of the details of an entry, which stand by its index in a table of their own.
pub const DETAILS_BYTES: usize = size_of::<Details>();

/// Where a memory entry begins in its object.
pub const DETAILS_OFFSET: usize = offset_of!(Details, offset);

/// Whether accesses through a memory entry need no look at page states, 8 bits.
pub const DETAILS_OPEN: usize = offset_of!(Details, is_open);

/// Where what an entry was derived as begins in its object.
pub const DETAILS_VIEW_OFFSET: usize = offset_of!(Details, view) + offset_of!(View, offset);

/// How many bytes that has, or [`NO_VIEW`].
pub const DETAILS_VIEW_LENGTH: usize = offset_of!(Details, view) + offset_of!(View, length);

/// Of an entry that cannot be lent.
pub const NO_VIEW: u64 = View::NO_LENGTH;

/// With which rights it was derived, 16 bits.
pub const DETAILS_VIEW_RIGHTS: usize = offset_of!(Details, view) + offset_of!(View, rights);

/// Bytes of what is noted of the entries that hang on an entry, which stands by its index in a table of its own.
pub const HANGING_BYTES: usize = size_of::<u32>();

/// What is noted if none does.
pub const NOTHING_HANGS: u32 = EMPTY;

/// Bits of the state of a page, which is a byte: if any of them is set, a read is more than a read.
pub const PAGE_STOPS_READS: u8 = PageState::STOPS_READS;

/// If any of these is set, a write is more than a write.
pub const PAGE_STOPS_WRITES: u8 = PageState::STOPS_WRITES;

/// What the kernel has noted in an entry.
pub const ENTRY_PAYLOAD: usize = offset_of!(Entry, payload);

/// What [`crate::Run::put_by_attention`] puts there, from the word of [`crate::Run::attention`].
pub const BY_ATTENTION: usize = BY_WORD;

/// The number of a context's state, 32 bits.
pub const PORT_STATE: usize = offset_of!(Port, state);

/// The state of a context that can run.
pub const STATE_READY: u32 = 0;

/// The state of a context that stands at an `svc`.
pub const STATE_IN_SVC: u32 = u32::MAX;

/// What `ctx.state` says of that.
pub const CODE_OF_IN_SVC: u32 = State::InSvc.code();

/// The bits of a context's own reference.
pub const PORT_ITSELF: usize = offset_of!(Port, itself);

/// What the kernel has noted in a context's own entry.
pub const PORT_PAYLOAD: usize = offset_of!(Port, payload);

/// The message that a context gives.
pub const PORT_GIVEN: usize = offset_of!(Port, given);

/// What messages lack, and the state behind that: all of it can be written at once.
pub const PORT_LACKS: usize = PORT_GIVEN_LACKS;

/// Which cells are not in the message that it gives, a bit each of 16; they count as zero.
pub const PORT_GIVEN_LACKS: usize = offset_of!(Port, given_lacks);

/// The message that it takes.
pub const PORT_TAKEN: usize = offset_of!(Port, taken);

/// Which cells are not in that, as [`PORT_GIVEN_LACKS`].
pub const PORT_TAKEN_LACKS: usize = offset_of!(Port, taken_lacks);

const _: () = assert!(PORT_TAKEN_LACKS == PORT_LACKS + size_of::<u16>() && PORT_STATE == PORT_LACKS + size_of::<u32>());

/// What [`crate::NativeFrames::address`] said of the innermost frames, null if they are portable. While the context stands at an
/// `svc`, they wait there.
pub const PORT_NATIVE: usize = offset_of!(Port, native);

/// The words of a message.
pub const MESSAGE_WORDS_AT: usize = offset_of!(Message, words);

/// The references of a message.
pub const MESSAGE_REFS_AT: usize = offset_of!(Message, refs);
