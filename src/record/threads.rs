//! The slices that are open on each thread. Those of a thread lie within each other: one that is to end while others are open
//! within it stays open until they have ended.

use std::collections::HashMap;

use super::event::Call;

/// What a slice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slice {
    /// A call that the thread makes.
    Call(Call),
    /// One that it has taken.
    Serve(Call),
}

/// How a slice ended, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Status(i32),
    /// The answer was put off.
    Deferred,
    /// The thread has ended, or events are missing.
    Unknown,
}

/// A slice that ends now: of which number's process, which thread's, and how.
pub(crate) type Ended = (u32, u32, Slice, End);

/// See the module.
#[derive(Default)]
pub(crate) struct Threads {
    open: HashMap<u32, Thread>,
}

/// A thread of the domain with that number.
struct Thread {
    domain: u32,
    slices: Vec<(Slice, Option<End>)>,
}

impl Threads {
    /// A slice begins on a thread. Gives those that must have ended before: a thread has one call open at most, and takes
    /// none while it waits for another one.
    pub(crate) fn begin(&mut self, domain: u32, thread: u32, slice: Slice) -> Vec<Ended> {
        let is_stale = |open: &Slice| matches!((open, slice), (Slice::Call(_), _) | (_, Slice::Serve(_)));
        let of_thread = self.open.entry(thread).or_insert(Thread { domain, slices: Vec::new() });
        let kept = match of_thread.domain == domain {
            true => of_thread.slices.iter().position(|(open, _)| is_stale(open)).unwrap_or(of_thread.slices.len()),
            false => 0,
        };
        let before = of_thread.domain;
        of_thread.domain = domain;
        let ended = of_thread.slices.split_off(kept).into_iter().rev();
        let ended = ended.map(|(slice, end)| (before, thread, slice, end.unwrap_or(End::Unknown))).collect();
        of_thread.slices.push((slice, None));
        ended
    }

    /// A slice is to end; gives those that do now.
    pub(crate) fn end(&mut self, thread: u32, slice: Slice, end: End) -> Vec<Ended> {
        let Some(of_thread) = self.open.get_mut(&thread) else { return Vec::new() };
        if let Some((_, ending)) = of_thread.slices.iter_mut().rfind(|(open, _)| *open == slice) {
            *ending = Some(end);
        }
        let mut ended = Vec::new();
        while let Some((slice, Some(end))) = of_thread.slices.last().copied() {
            of_thread.slices.pop();
            ended.push((of_thread.domain, thread, slice, end));
        }
        ended
    }

    /// Nothing that is open on a thread goes on.
    pub(crate) fn end_all_of(&mut self, thread: u32) -> Vec<Ended> {
        let Some(of_thread) = self.open.remove(&thread) else { return Vec::new() };
        let slices = of_thread.slices.into_iter().rev();
        slices.map(|(slice, end)| (of_thread.domain, thread, slice, end.unwrap_or(End::Unknown))).collect()
    }

    /// Nothing that is open goes on.
    pub(crate) fn end_all(&mut self) -> Vec<Ended> {
        let mut threads: Vec<u32> = self.open.keys().copied().collect();
        threads.sort_unstable();
        threads.into_iter().flat_map(|thread| self.end_all_of(thread)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Call = Call { thread: 1, number: 1 };
    const SECOND: Call = Call { thread: 2, number: 7 };

    #[test]
    fn a_slice_ends_after_those_within_it() {
        let mut threads = Threads::default();
        assert_eq!(threads.begin(0, 2, Slice::Serve(FIRST)), []);
        assert_eq!(threads.begin(0, 2, Slice::Call(SECOND)), []);
        assert_eq!(threads.end(2, Slice::Serve(FIRST), End::Status(-4)), [], "a call is open within it");
        let ended = threads.end(2, Slice::Call(SECOND), End::Status(0));
        let wanted = [(Slice::Call(SECOND), End::Status(0)), (Slice::Serve(FIRST), End::Status(-4))];
        assert_eq!(ended, wanted.map(|(slice, end)| (0, 2, slice, end)));
    }

    #[test]
    fn what_cannot_be_open_any_more_ends() {
        let mut threads = Threads::default();
        threads.begin(0, 2, Slice::Serve(FIRST));
        threads.begin(0, 2, Slice::Call(SECOND));
        let ended = threads.begin(0, 2, Slice::Serve(FIRST));
        assert_eq!(ended.iter().map(|ended| ended.2).collect::<Vec<_>>(), [Slice::Call(SECOND), Slice::Serve(FIRST)]);
        let ended = threads.begin(5, 2, Slice::Call(SECOND));
        assert_eq!(ended, [(0, 2, Slice::Serve(FIRST), End::Unknown)], "the thread is another domain's now");
        assert_eq!(threads.end_all(), [(5, 2, Slice::Call(SECOND), End::Unknown)]);
        assert_eq!(threads.end(2, Slice::Call(SECOND), End::Deferred), []);
    }
}
