//! Loops of one basic block: how many of their turns follow in line, and which need not look at what they access.

use cranelift_codegen::ir::{self, InstBuilder};

use super::safepoints::HeadPoll;
use super::{Block, MAX_TURNS, TURNS_WORDS, Translator};
use crate::counted::{Counted, Place};
use crate::mode::{Paging, Safepoints};

/// What turns of a loop look at.
pub(super) enum Looks {
    /// At each access, by what is kept.
    Usual,
    /// At each access, whatever is kept: most likely that is nothing.
    Anew,
    /// At the accesses that are not among these, by their words.
    Except(Vec<u32>),
}

impl Translator<'_, '_> {
    /// Translates a basic block, and the poll before it.
    pub(super) fn block(&mut self, index: usize) {
        let head = self.blocks[index];
        let counted = self.counted(index);
        self.poll_before(index, head, counted.is_none());
        if self.inlined.as_ref().is_some_and(|inlined| inlined.plan.leaves(index)) {
            self.builder.set_cold_block(head);
        }
        match counted {
            Some(counted) => self.counted_loop(index, &counted),
            None => self.turns(index, head, self.turns_at_once(index)),
        }
    }

    /// So many turns of a loop, each with code of its own, or a basic block that is none.
    fn turns(&mut self, index: usize, first: ir::Block, count: usize) {
        let mut here = first;
        for copies_to_come in (0..count).rev() {
            let next = (copies_to_come > 0).then(|| self.builder.create_block());
            self.next_turn = next;
            self.builder.switch_to_block(here);
            self.instructions_of(index);
            here = next.unwrap_or(here);
        }
    }

    /// How many turns of a loop follow in line before it polls: as many as are short together, if it is one basic block that calls
    /// nothing and need not count its turns.
    fn turns_at_once(&self, index: usize) -> usize {
        let Block { start, end, .. } = self.shape.blocks[index];
        let is_alone = self.branch_back(index).is_some();
        if !is_alone || self.mode.safepoints == Safepoints::Counting || self.enters_kernel() || self.calls_in(index) {
            return 1;
        }
        (TURNS_WORDS / (end - start) as usize).clamp(1, MAX_TURNS)
    }

    /// The branch of a loop that is this basic block alone.
    fn branch_back(&self, index: usize) -> Option<u32> {
        let Block { start, end, .. } = self.shape.blocks[index];
        self.polls[index].as_ref().map(|poll| poll.branch).filter(|branch| (start..end).contains(branch))
    }

    /// What is known of a loop that is this basic block alone and counts. Not where a kernel looks at pages: there each access may need
    /// the runtime.
    fn counted(&self, index: usize) -> Option<Counted> {
        self.branch_back(index)?;
        let home = match self.mode.paging {
            Paging::Open => Some(&self.bounds),
            Paging::Guarded => None,
            Paging::Controlled => return None,
        };
        let counted = Counted::of(self.module, self.index, self.shape, index, home)?;
        let is_kept = |place: &Place| match place {
            Place::Segment(reference, rights, _) => self.kept_index(*reference, *rights).is_some(),
            Place::Home(..) => true,
        };
        counted.accesses.iter().all(|access| is_kept(&access.place)).then_some(counted)
    }

    /// A loop that counts, twice: one that has nothing to look at, since that was done before, and one that looks at each access, as long
    /// as not all are known to be open. Whoever has been in the runtime comes back to before both: what was known may be true no more.
    fn counted_loop(&mut self, index: usize, counted: &Counted) {
        let [looking, free, free_poll] = [(); 3].map(|()| self.builder.create_block());
        self.builder.switch_to_block(self.blocks[index]);
        self.begin_block(index);
        self.stand_at(self.shape.blocks[index].start);
        self.look_at_last_turn(counted, looking);
        self.builder.ins().jump(free, &[]);

        let Some(HeadPoll { block, branch, .. }) = self.polls[index] else { return };
        self.polls[index] = Some(HeadPoll { block: free_poll, branch, again: block });
        self.looks = Looks::Except(counted.accesses.iter().map(|access| access.pc).collect());
        self.poll_before(index, free, true);
        self.turns(index, free, self.turns_at_once(index));
        self.looks = Looks::Anew;
        self.polls[index] = Some(HeadPoll { block, branch, again: block });
        self.fill_cold(looking, |cold| cold.turns(index, looking, 1));
        self.looks = Looks::Usual;
    }

    /// Whether it was found out before the loop that what the instruction accesses is open.
    pub(crate) fn was_looked_at(&self) -> bool {
        matches!(&self.looks, Looks::Except(words) if words.contains(&self.pc))
    }

    /// Whether accesses do not ask what is kept.
    pub(crate) fn looks_anew(&self) -> bool {
        matches!(self.looks, Looks::Anew)
    }
}
