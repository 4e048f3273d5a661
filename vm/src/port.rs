//! What the kernel and compiled code see of a context without asking who runs it: its state, and the message at its `svc`.

use std::mem::offset_of;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::context::State;
use crate::object::Ref;

/// Words of the message of an `svc`, each way.
pub const MESSAGE_WORDS: usize = 8;

/// References of the message of an `svc`, each way.
pub const MESSAGE_REFS: usize = 4;

/// The message of an `svc`, one way: what is not in it is 0 or null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Message {
    /// Bits of its words, in order.
    pub words: [u64; MESSAGE_WORDS],
    /// Bits of its references, in order.
    pub refs: [u64; MESSAGE_REFS],
}

/// A context's port. It stays where it is while the context lives, and compiled code knows the offsets of its fields.
#[repr(C, align(64))]
pub struct Port {
    /// What the context is doing; its first 32 bits say which state it is.
    pub(crate) state: State,
    /// The context's own entry in the object table; null for contexts of the host.
    pub(crate) itself: Ref,
    /// What the context gives, while it stands at an `svc`.
    pub given: Message,
    /// What it will take when it goes on behind it.
    pub taken: Message,
    /// Belongs to the engine: where native frames wait that stand at an `svc`, null if there are none such.
    pub native: *mut u8,
    /// What the kernel has noted in the context's own entry: it is what it looks for first.
    pub(crate) payload: i64,
}

// Compiled code copies messages by 16 bytes at once.
const _: () = assert!(offset_of!(Port, given).is_multiple_of(16) && offset_of!(Port, taken).is_multiple_of(16));

/// The only owner of a port. Compiled code has its address, so it is no `Box`, which would claim to be the only way to it.
pub(crate) struct OwnPort(NonNull<Port>);

impl OwnPort {
    pub(crate) fn new() -> Self {
        let port = Port {
            state: State::Ready,
            itself: Ref::NULL,
            given: Message::default(),
            taken: Message::default(),
            native: std::ptr::null_mut(),
            payload: 0,
        };
        Self(NonNull::from(Box::leak(Box::new(port))))
    }

    pub(crate) fn address(&self) -> *mut Port {
        self.0.as_ptr()
    }
}

impl Drop for OwnPort {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and its owner is gone.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl Deref for OwnPort {
    type Target = Port;

    fn deref(&self) -> &Port {
        // SAFETY: it lives as long as its owner, and compiled code does not run while the runtime looks at it.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for OwnPort {
    fn deref_mut(&mut self) -> &mut Port {
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}
