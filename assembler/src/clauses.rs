//! Words with a value after a declaration: `align 8`, `max 16`, `via 2`.

use crate::ast::{Clause, Expr};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::twice;

/// The values of the clauses with the given words. Others, and a word that stands twice, are reported.
pub(crate) fn read<'a, const N: usize>(
    clauses: &'a [Clause],
    words: [&str; N],
    errors: &mut Errors,
) -> [Option<&'a Expr>; N] {
    let mut found: [Option<&Clause>; N] = [None; N];
    for clause in clauses {
        match words.iter().position(|word| *word == &*clause.word.text) {
            None => errors.add(|| unknown(clause, &words)),
            Some(index) => match found[index] {
                None => found[index] = Some(clause),
                Some(first) => {
                    errors.add(|| twice(&format!("`{}`", clause.word.text), clause.word.span, first.word.span));
                }
            },
        }
    }
    found.map(|clause| clause.map(|clause| &clause.value))
}

fn unknown(clause: &Clause, words: &[&str]) -> Diagnostic {
    let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    Diagnostic::new(clause.word.span, format!("`{}` has no meaning here", clause.word.text))
        .label(format!("expected {}", words.join(" or ")))
}
