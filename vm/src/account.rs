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

#[derive(Default)]
struct Account {
    /// What it can still spend.
    free: Budget,
    /// How many things outlive it, if there are any when it is closed: memories that it pays for, and closed accounts whose heir
    /// it is.
    dependents: u32,
    /// Of one that is closed: to whom goes what is given back.
    heir: Option<AccountKey>,
}

/// All accounts of a machine, and closed ones for as long as something may be given back to them.
#[derive(Default)]
pub(crate) struct Accounts {
    accounts: SlotMap<AccountKey, Account>,
}

impl Accounts {
    pub(crate) fn open(&mut self, budget: Budget) -> AccountKey {
        self.accounts.insert(Account { free: budget, ..Account::default() })
    }

    /// Closes an account: its heir has what it could still spend, and gets what is given back later.
    pub(crate) fn close(&mut self, account: AccountKey, heir: AccountKey) {
        let Some(closed) = self.accounts.get_mut(account) else { return };
        let rest = std::mem::take(&mut closed.free);
        closed.heir = Some(heir);
        if closed.dependents == 0 {
            self.accounts.remove(account);
        } else {
            self.depend(heir);
        }
        self.refund(heir, rest);
    }

    /// Notes that something may outlive an account that is to be given back to it.
    pub(crate) fn depend(&mut self, account: AccountKey) {
        if let Some(account) = self.accounts.get_mut(account) {
            account.dependents += 1;
        }
    }

    /// Notes that such a thing is no more.
    pub(crate) fn depend_no_more(&mut self, account: AccountKey) {
        let mut next = Some(account);
        while let Some(key) = next.take()
            && let Some(account) = self.accounts.get_mut(key)
        {
            account.dependents -= 1;
            if let (0, Some(heir)) = (account.dependents, account.heir) {
                self.accounts.remove(key);
                next = Some(heir);
            }
        }
    }

    /// The account itself, or who has come to have what is given back to it; `None` if that is nobody.
    pub(crate) fn heir_of(&self, account: AccountKey) -> Option<AccountKey> {
        let mut key = account;
        while let Some(heir) = self.accounts.get(key)?.heir {
            key = heir;
        }
        Some(key)
    }

    pub(crate) fn is_open(&self, account: AccountKey) -> bool {
        self.accounts.get(account).is_some_and(|account| account.heir.is_none())
    }

    pub(crate) fn free(&self, account: AccountKey) -> Budget {
        self.accounts.get(account).map(|account| account.free).unwrap_or_default()
    }

    /// Sets what an account can still spend.
    pub(crate) fn set_free(&mut self, account: AccountKey, free: Budget) {
        if let Some(account) = self.accounts.get_mut(account) {
            account.free = free;
        }
    }

    /// Takes `cost` out of the account; false, and nothing taken, if it has not so much.
    pub(crate) fn charge(&mut self, account: AccountKey, cost: Budget) -> bool {
        let Some(account) = self.accounts.get_mut(account).filter(|account| account.heir.is_none()) else {
            return false;
        };
        match account.free.less(cost) {
            Some(rest) => account.free = rest,
            None => return false,
        }
        true
    }

    /// Gives `cost` back; to its heir, if the account is closed.
    pub(crate) fn refund(&mut self, account: AccountKey, cost: Budget) {
        if let Some(account) = self.heir_of(account).and_then(|heir| self.accounts.get_mut(heir)) {
            account.free = account.free.and(cost).unwrap_or(account.free);
        }
    }
}
