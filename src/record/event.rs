//! What the kernel writes into the ring: `os-services/kernel/trace.lim` says how it lies there.

/// Bytes before the first event, of which the first 8 are the number of events so far.
pub(crate) const HEADER_BYTES: u32 = 64;

/// Bytes of an event.
pub(crate) const BYTES: usize = 64;

/// Bytes of a record of the kernel's: threads are known by the addresses of theirs.
const RECORD: u32 = 128;

/// Something that happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// In nanoseconds, or units of fuel in virtual time.
    pub(crate) time: u64,
    pub(crate) what: What,
    /// The label of the caller's domain.
    pub(crate) caller: u32,
    /// The label of the endpoint.
    pub(crate) endpoint: u32,
    pub(crate) method: u32,
    pub(crate) status: i32,
    pub(crate) call: Call,
    /// On behalf of which call it was made, if of any.
    pub(crate) client: Option<Call>,
    /// The thread that has the call, and the label of its domain.
    pub(crate) server: Option<(u32, u32)>,
}

/// A call: which thread's, and which of its.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) thread: u32,
    pub(crate) number: u32,
}

impl Call {
    /// As one number, which JavaScript has, too.
    pub(crate) fn id(self) -> u64 {
        u64::from(self.thread) << 32 | u64::from(self.number)
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Called,
    Answered,
    Failed,
    Received,
    /// It was received, and nobody waits for an answer.
    Sent,
    /// The answer is put off.
    Deferred,
    /// The calling thread has ended.
    Ended,
}

impl What {
    fn of(number: u32) -> Option<Self> {
        let all = [Self::Called, Self::Answered, Self::Failed, Self::Received, Self::Sent, Self::Deferred, Self::Ended];
        all.get((number as usize).checked_sub(1)?).copied()
    }
}

impl Event {
    /// `None` if nothing of that sort can happen.
    pub(crate) fn read(bytes: &[u8; BYTES]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| u32::from_le_bytes(words[at]);
        let call = |at: usize| Call { thread: word(at) / RECORD, number: word(at + 1) };
        Some(Self {
            time: u64::from(word(0)) | u64::from(word(1)) << 32,
            what: What::of(word(2))?,
            caller: word(3),
            endpoint: word(4),
            method: word(5),
            status: word(6) as i32,
            call: call(8),
            client: (word(10) != 0).then(|| call(10)),
            server: (word(12) != 0).then(|| (word(12) / RECORD, word(13))),
        })
    }
}

#[cfg(test)]
pub(crate) fn bytes(words: [u32; 14]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.as_chunks_mut::<4>().0.iter_mut().zip(words).for_each(|(place, word)| *place = word.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_as_the_kernel_writes_them() {
        let event = Event::read(&bytes([5, 1, 4, 2, 3, 7, -4_i32 as u32, 9, 256, 11, 384, 12, 512, 6]));
        let wanted = Event {
            time: 5 | 1 << 32,
            what: What::Received,
            caller: 2,
            endpoint: 3,
            method: 7,
            status: -4,
            call: Call { thread: 2, number: 11 },
            client: Some(Call { thread: 3, number: 12 }),
            server: Some((4, 6)),
        };
        assert_eq!(event, Some(wanted));
        assert_eq!((Event::read(&[0; BYTES]), Event::read(&[8; BYTES])), (None, None));
    }
}
