//! What may come when somebody first looks at it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A value that is there, or that comes when somebody first looks at it, whoever that is. It comes once.
pub struct Later<T> {
    value: OnceLock<T>,
    /// Gone when it was asked.
    source: Mutex<Option<Source<T>>>,
}

/// What gives the value.
type Source<T> = Box<dyn FnOnce() -> T + Send>;

impl<T> Later<T> {
    /// A value that is asked for at most once.
    #[must_use]
    pub fn new(source: impl FnOnce() -> T + Send + 'static) -> Self {
        Self { value: OnceLock::new(), source: Mutex::new(Some(Box::new(source))) }
    }

    /// Whether somebody has looked at it.
    #[must_use]
    pub fn has_come(&self) -> bool {
        self.value.get().is_some()
    }

    fn come(&self) -> T {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        source.expect("it was not asked before")()
    }
}

impl<T: Default> Later<T> {
    /// The value alone.
    #[must_use]
    pub fn into_value(self) -> T {
        let _: &T = &self;
        self.value.into_inner().unwrap_or_default()
    }
}

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.get_or_init(|| self.come())
    }
}

impl<T> DerefMut for Later<T> {
    fn deref_mut(&mut self) -> &mut T {
        let _: &T = self;
        self.value.get_mut().expect("it has come")
    }
}

impl<T> From<T> for Later<T> {
    fn from(value: T) -> Self {
        Self { value: value.into(), source: Mutex::new(None) }
    }
}

impl<T: Default> Default for Later<T> {
    fn default() -> Self {
        T::default().into()
    }
}

/// A copy has the value: what it would come from may be gone when somebody looks at it.
impl<T: Clone> Clone for Later<T> {
    fn clone(&self) -> Self {
        T::clone(self).into()
    }
}

impl<T: PartialEq> PartialEq for Later<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Later<T> {}

impl<T: fmt::Debug> fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
