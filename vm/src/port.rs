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

/// Words and references of a message, each of which takes a cell.
pub const MESSAGE_CELLS: usize = MESSAGE_WORDS + MESSAGE_REFS;

/// What a message lacks that has all cells.
const NOTHING: u16 = 0;

/// The message of an `svc`, one way: what is not in it is 0 or null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Message {
    /// Bits of its references, in order.
    pub refs: [u64; MESSAGE_REFS],
    /// Bits of its words, in order. Behind the references, of which there are few: the first of both are in one line of the
    /// cache.
    pub words: [u64; MESSAGE_WORDS],
}

impl Message {
    /// The same without some cells, a bit each.
    fn without(mut self, cells: u16) -> Self {
        if cells != NOTHING {
            let all = self.refs.iter_mut().chain(&mut self.words);
            all.enumerate().filter(|(cell, _)| cells >> cell & 1 != 0).for_each(|(_, element)| *element = 0);
        }
        self
    }
}

/// A context's port. It stays where it is while the context lives, and compiled code knows the offsets of its fields.
///
/// Processors write what is stored one after the other faster if it is in one line of the cache. So what is written whenever a context
/// comes to an `svc` is in two lines: the beginning of the message that it gives, and all the rest.
#[repr(C, align(64))]
pub struct Port {
    /// What the context gives, while it stands at an `svc`.
    pub(crate) given: Message,
    /// See [`crate::layout::PORT_NATIVE`].
    pub(crate) native: *mut u8,
    /// So that what follows, and the number of the state, are eight bytes.
    before: u32,
    /// Which cells are not in the message that it gives, a bit each: they count as zero, whatever they are, so that nobody has to write
    /// all that is not in a message. Bits that stand for no cell do not count.
    pub(crate) given_lacks: u16,
    /// The same of the message that it takes.
    pub(crate) taken_lacks: u16,
    /// What the context is doing; its first 32 bits say which state it is.
    pub(crate) state: State,
    /// The context's own entry in the object table; null for contexts of the host.
    pub(crate) itself: Ref,
    /// What the kernel has noted in the context's own entry: it is what it looks for first.
    pub(crate) payload: i64,
    /// What it will take when it goes on behind the `svc`.
    pub(crate) taken: LineOf<Message>,
}

/// Begins with a line of the cache.
#[repr(C, align(64))]
pub(crate) struct LineOf<T>(pub(crate) T);

const LINE: usize = align_of::<LineOf<()>>();

const _: () = {
    assert!(offset_of!(Port, given) == 0 && offset_of!(Message, words) < LINE);
    assert!(offset_of!(Port, given_lacks) / LINE == 1 && offset_of!(Port, native) / LINE == 1);
    assert!(offset_of!(Port, state) / LINE == 1);
};

impl Port {
    /// Whether the context stands at an `svc` that is not answered.
    #[must_use]
    pub fn is_in_svc(&self) -> bool {
        self.state == State::InSvc
    }

    /// What the context gives, while it stands at an `svc`.
    pub(crate) fn given(&self) -> Message {
        self.given.without(self.given_lacks)
    }

    /// A word of that, 0 if it has fewer.
    pub(crate) fn given_word(&self, index: usize) -> u64 {
        let cell = MESSAGE_REFS + index;
        if index < MESSAGE_WORDS && self.given_lacks >> cell & 1 == 0 { self.given.words[index] } else { 0 }
    }

    /// A reference of that, null if it has fewer.
    pub(crate) fn given_ref(&self, index: usize) -> u64 {
        if index < MESSAGE_REFS && self.given_lacks >> index & 1 == 0 { self.given.refs[index] } else { 0 }
    }

    /// What it will take when it goes on behind it.
    pub(crate) fn taken(&self) -> Message {
        self.taken.0.without(self.taken_lacks)
    }

    /// Gives a message, and will take another one.
    pub(crate) fn exchange(&mut self, given: Message, taken: Message) {
        (self.given, self.given_lacks) = (given, NOTHING);
        self.take(taken);
    }

    /// Has nothing more to give.
    pub(crate) fn give_nothing(&mut self) {
        self.given_lacks = u16::MAX;
    }

    /// Will take a message.
    pub(crate) fn take(&mut self, message: Message) {
        (self.taken.0, self.taken_lacks) = (message, NOTHING);
    }
}

/// The only owner of a port. Compiled code has its address, so it is no `Box`, which would claim to be the only way to it.
pub(crate) struct OwnPort(NonNull<Port>);

impl OwnPort {
    pub(crate) fn new() -> Self {
        let port = Port {
            given: Message::default(),
            native: std::ptr::null_mut(),
            before: 0,
            given_lacks: NOTHING,
            taken_lacks: NOTHING,
            state: State::Ready,
            itself: Ref::NULL,
            payload: 0,
            taken: LineOf(Message::default()),
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
