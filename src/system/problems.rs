//! What is wrong with a manifest: collected, so that all of it is reported in one run.

use std::cell::RefCell;

use limen_assembler::{Diagnostic, Diagnostics, SourceFile};

/// Errors so far.
#[derive(Default)]
pub(crate) struct Problems {
    list: RefCell<Vec<Diagnostic>>,
}

impl Problems {
    pub(crate) fn add(&self, problem: Diagnostic) {
        self.list.borrow_mut().push(problem);
    }

    /// What went well, or a problem more.
    pub(crate) fn keep<T>(&self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }

    /// `value`, if there are no problems; it is only `None` where there are some.
    pub(crate) fn finish<T>(&self, file: &SourceFile, value: Option<T>) -> Result<T, Diagnostics> {
        let mut list = self.list.take();
        match value {
            Some(value) if list.is_empty() => Ok(value),
            _ => {
                list.sort_by_key(|problem| problem.primary.span);
                Err(Diagnostics::of_file(file.clone(), list))
            }
        }
    }
}
