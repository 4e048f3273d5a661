//! The words of a function, which may come when somebody first looks at them.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The words of a function: a vector that can be told to come later. Whoever looks at the words makes them come; only their
/// number is known before.
#[derive(Default)]
pub struct Code {
    words: OnceLock<Vec<u64>>,
    later: Option<Later>,
}

/// What is not there yet.
struct Later {
    length: usize,
    /// Gone when it was asked.
    source: Mutex<Option<Source>>,
}

/// What gives the words.
type Source = Box<dyn FnOnce() -> Vec<u64> + Send>;

impl Later {
    fn come(&self) -> Vec<u64> {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
        let words = source.expect("it was not asked before")();
        assert_eq!(words.len(), self.length, "others have counted on that many words");
        words
    }
}

impl Code {
    /// So many words, which are asked for at most once.
    #[must_use]
    pub fn later(length: usize, words: impl FnOnce() -> Vec<u64> + Send + 'static) -> Self {
        Self { words: OnceLock::new(), later: Some(Later { length, source: Mutex::new(Some(Box::new(words))) }) }
    }

    /// The words alone.
    #[must_use]
    pub fn into_words(self) -> Vec<u64> {
        self.words();
        self.words.into_inner().unwrap_or_default()
    }

    /// The number of words, which is known without them.
    #[must_use]
    pub fn len(&self) -> usize {
        match (self.words.get(), &self.later) {
            (Some(words), _) => words.len(),
            (None, later) => later.as_ref().map_or(0, |later| later.length),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn words(&self) -> &Vec<u64> {
        self.words.get_or_init(|| self.later.as_ref().map_or_else(Vec::new, Later::come))
    }
}

impl Deref for Code {
    type Target = Vec<u64>;

    fn deref(&self) -> &Vec<u64> {
        self.words()
    }
}

impl DerefMut for Code {
    fn deref_mut(&mut self) -> &mut Vec<u64> {
        self.words();
        self.words.get_mut().expect("they have come")
    }
}

impl From<Vec<u64>> for Code {
    fn from(words: Vec<u64>) -> Self {
        Self { words: words.into(), later: None }
    }
}

impl<'a> IntoIterator for &'a Code {
    type Item = &'a u64;
    type IntoIter = std::slice::Iter<'a, u64>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A copy has the words: where they would come from may be gone when somebody looks at it.
impl Clone for Code {
    fn clone(&self) -> Self {
        self.words().clone().into()
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words().fmt(f)
    }
}
