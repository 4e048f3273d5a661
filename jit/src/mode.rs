//! What code is made for: the same function can be compiled in several ways.

use limen_vm::Run;

use crate::guard;

/// What code of a module is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mode {
    pub(crate) paging: Paging,
    pub(crate) safepoints: Safepoints,
}

/// Who sees to it that pages of home may be accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Paging {
    /// Nobody needs to.
    Open,
    /// The host: the code accesses home without a look, and the host stops it where there is nothing. What its registers hold
    /// then nobody knows, so this is only for machines in which nobody can ask.
    Guarded,
    /// The kernel: at each access the code looks at the state of the page.
    Controlled,
}

/// What all code of a machine has in the same register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// What safepoints look at: the fuel that is left, or the address of the word to look at.
    Safepoints,
    /// The place in the host from which offsets in home count ([`crate::origin`]). Safepoints look at the context, which nobody but
    /// the runtime changes where there is no kernel.
    Origin,
}

/// What code does at its safepoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Safepoints {
    /// It burns a unit of fuel, and stops if there is none.
    Counting,
    /// It looks whether the machine wants to look at something. Not at calls that it has put in line, nor at an `svc`, nor where
    /// the kernel is entered for that: nobody comes to the same one again but by a branch backwards or a call, which look. Of a few
    /// turns of a very short loop only the last one looks.
    Live,
    /// Nothing: nobody can stop it, nor take its frames out where it calls. Only for measuring what that costs.
    Skipped,
}

impl Mode {
    /// What a context's code must be made for now.
    pub(crate) fn of(run: &mut Run<'_>) -> Self {
        let safepoints = if run.attention().is_some() { Safepoints::Live } else { Safepoints::Counting };
        let paging = match (run.is_home_open(), safepoints) {
            (false, _) => Paging::Controlled,
            // Nobody knows what is left of the fuel either, where the host has stopped code.
            (true, Safepoints::Live) if guard::is_there() && run.is_home_guarded() => Paging::Guarded,
            (true, _) => Paging::Open,
        };
        Self { paging, safepoints }
    }

    /// What the pinned register is for.
    pub(crate) fn pinned(self) -> Pinned {
        if self.paging == Paging::Guarded { Pinned::Origin } else { Pinned::Safepoints }
    }

    /// Whether safepoints look at the stack's limit, which is zero if somebody wants the machine's attention.
    pub(crate) fn looks_at_limit(self) -> bool {
        self.pinned() == Pinned::Origin && self.safepoints == Safepoints::Live
    }

    /// The same without safepoints, where there is no fuel to be counted.
    #[cfg(feature = "unstoppable")]
    pub(crate) fn unstoppable(self) -> Self {
        match self.safepoints {
            Safepoints::Live => Self { safepoints: Safepoints::Skipped, ..self },
            Safepoints::Counting | Safepoints::Skipped => self,
        }
    }
}
