//! Accounts: who pays for bytes, objects and contexts.

use slotmap::SlotMap;

slotmap::new_key_type! {
    /// Names an account.
    pub(crate) struct AccountKey;
}

/// Amounts of what an account pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Budget {
    /// Bytes of memory, stacks and slots.
    pub bytes: u64,
    /// Entries of the object table.
    pub objects: u32,
    /// Contexts.
    pub contexts: u32,
}

impl Budget {
    pub(crate) const fn bytes(bytes: u64) -> Self {
        Self { bytes, objects: 0, contexts: 0 }
    }

    pub(crate) const OBJECT: Budget = Budget { bytes: 0, objects: 1, contexts: 0 };

    pub(crate) fn and(self, other: Budget) -> Option<Budget> {
        Some(Budget {
            bytes: self.bytes.checked_add(other.bytes)?,
            objects: self.objects.checked_add(other.objects)?,
            contexts: self.contexts.checked_add(other.contexts)?,
        })
    }

    /// What is left of it where `given` takes the place of `taken`, out of which it was taken; `None` if that is too little.
    pub(crate) fn exchange(self, taken: Budget, given: Budget) -> Option<Budget> {
        let exchange = |left: u64, taken: u64, given: u64| {
            u64::try_from(i128::from(left) - i128::from(taken) + i128::from(given)).ok()
        };
        let narrow = |left: u32, taken: u32, given: u32| {
            exchange(left.into(), taken.into(), given.into()).and_then(|left| u32::try_from(left).ok())
        };
        Some(Budget {
            bytes: exchange(self.bytes, taken.bytes, given.bytes)?,
            objects: narrow(self.objects, taken.objects, given.objects)?,
            contexts: narrow(self.contexts, taken.contexts, given.contexts)?,
        })
    }

    fn less(self, other: Budget) -> Option<Budget> {
        Some(Budget {
            bytes: self.bytes.checked_sub(other.bytes)?,
            objects: self.objects.checked_sub(other.objects)?,
            contexts: self.contexts.checked_sub(other.contexts)?,
        })
    }
}

/// All accounts of a machine. An account holds what it can still spend.
#[derive(Default)]
pub(crate) struct Accounts {
    accounts: SlotMap<AccountKey, Budget>,
}

impl Accounts {
    pub(crate) fn open(&mut self, budget: Budget) -> AccountKey {
        self.accounts.insert(budget)
    }

    /// Closes an account; what it could still spend is its parent's business.
    pub(crate) fn close(&mut self, account: AccountKey) -> Budget {
        self.accounts.remove(account).unwrap_or_default()
    }

    pub(crate) fn is_open(&self, account: AccountKey) -> bool {
        self.accounts.contains_key(account)
    }

    pub(crate) fn free(&self, account: AccountKey) -> Budget {
        self.accounts.get(account).copied().unwrap_or_default()
    }

    /// Sets what an account can still spend.
    pub(crate) fn set_free(&mut self, account: AccountKey, free: Budget) {
        if let Some(account) = self.accounts.get_mut(account) {
            *account = free;
        }
    }

    /// Takes `cost` out of the account; false, and nothing taken, if it has not so much.
    pub(crate) fn charge(&mut self, account: AccountKey, cost: Budget) -> bool {
        let Some(free) = self.accounts.get_mut(account) else { return false };
        match free.less(cost) {
            Some(rest) => *free = rest,
            None => return false,
        }
        true
    }

    /// Gives `cost` back; to nobody, if the account is closed.
    pub(crate) fn refund(&mut self, account: AccountKey, cost: Budget) {
        if let Some(free) = self.accounts.get_mut(account) {
            *free = free.and(cost).unwrap_or(*free);
        }
    }
}
