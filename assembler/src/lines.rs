//! Which newlines end a statement: not those in brackets, and not those after a comma.

use crate::ast::Expr;
use crate::diagnostic::{Diagnostic, Errors};
use crate::lexer::{Lexeme, Token};
use crate::source::Span;

/// The tokens that the grammar sees: no comments, and only the newlines that end statements.
///
/// A bracket that is not closed before the next brace or declaration is reported and joins no lines, so that it spoils one
/// line and not the rest of the file.
pub(crate) fn statements<'s>(lexemes: &[Lexeme<'s>], errors: &mut Errors) -> Vec<Lexeme<'s>> {
    let out = Vec::with_capacity(lexemes.len());
    let mut lines = Lines { out, open: Vec::new(), signs: 0, blocks: 0, skipping: false, errors };
    for (index, lexeme) in lexemes.iter().enumerate() {
        lines.push(*lexeme, lexemes.get(index + 1).map(|next| next.token));
    }
    lines.report_open_from(0);
    lines.out
}

struct Lines<'s, 'e> {
    out: Vec<Lexeme<'s>>,
    /// The brackets that are open, each with its index in `out`.
    open: Vec<(Lexeme<'s>, usize)>,
    /// Operators before the operand that is still to come, such as all of `- ( - ~`.
    signs: usize,
    /// How many braces are open.
    blocks: usize,
    /// Whether the rest of the line is left out: what is nested too deeply would make the parser's recovery slow.
    skipping: bool,
    errors: &'e mut Errors,
}

impl<'s> Lines<'s, '_> {
    fn push(&mut self, lexeme: Lexeme<'s>, next: Option<Token<'s>>) {
        self.skipping &= !ends_skipping(lexeme.token);
        if !self.count_block(lexeme) {
            return;
        }
        match lexeme.token {
            _ if self.skipping => return,
            Token::LineComment | Token::BlockComment => return,
            Token::Newline if self.out.last().is_some_and(|last| last.token == Token::Comma) => return,
            Token::Minus | Token::Tilde | Token::Star | Token::And => self.signs += 1,
            Token::LeftParen | Token::LeftBracket => self.open.push((lexeme, self.out.len())),
            Token::RightParen | Token::RightBracket => self.close(lexeme),
            Token::Fn if next == Some(Token::LeftParen) => self.signs = 0,
            token if ends_brackets(token) => self.report_open_from(0),
            _ => self.signs = 0,
        }
        if self.open.len().max(self.signs) > usize::from(Expr::MAX_DEPTH) {
            self.skip_line(lexeme);
        } else {
            self.out.push(lexeme);
        }
    }

    /// Counts a brace; false for those of blocks that lie too deep, which are reported once and left out.
    fn count_block(&mut self, lexeme: Lexeme<'s>) -> bool {
        match lexeme.token {
            Token::LeftBrace => {
                self.blocks += 1;
                if self.blocks == MAX_BLOCKS + 1 {
                    self.errors.add(|| deep_block(lexeme.span));
                }
                self.blocks <= MAX_BLOCKS
            }
            Token::RightBrace => {
                let deep = self.blocks > MAX_BLOCKS;
                self.blocks = self.blocks.saturating_sub(1);
                !deep
            }
            _ => true,
        }
    }

    fn skip_line(&mut self, from: Lexeme<'s>) {
        self.errors.add(|| too_deep(from.span));
        self.open.clear();
        self.signs = 0;
        self.skipping = true;
    }

    /// Closes the nearest bracket of the kind; those within it are then not closed, and if there is none the grammar says so.
    fn close(&mut self, closer: Lexeme<'s>) {
        let matches = |(opener, _): &(Lexeme<'s>, usize)| {
            (opener.token == Token::LeftParen) == (closer.token == Token::RightParen)
        };
        let Some(position) = self.open.iter().rposition(matches) else { return };
        self.report_open_from(position + 1);
        if let (Some((_, index)), true) = (self.open.pop(), self.open.is_empty()) {
            self.join_lines_from(index);
        }
    }

    /// Drops the newlines that stand between `out[index]` and the end.
    fn join_lines_from(&mut self, index: usize) {
        let inside = self.out.split_off(index);
        self.out.extend(inside.into_iter().filter(|lexeme| lexeme.token != Token::Newline));
    }

    fn report_open_from(&mut self, position: usize) {
        for (opener, _) in self.open.drain(position..) {
            self.errors.add(|| Diagnostic::new(opener.span, "this bracket is not closed"));
        }
    }
}

/// The most blocks that may lie in each other.
const MAX_BLOCKS: usize = 64;

/// The error for what is nested beyond [`Expr::MAX_DEPTH`].
pub(crate) fn too_deep(span: Span) -> Diagnostic {
    let first = Span { end: span.start + 1, ..span };
    Diagnostic::new(first, "this is nested too deeply")
        .note(format!("at most {} levels are allowed", Expr::MAX_DEPTH))
        .help(["name parts of it with `const`"])
}

fn deep_block(span: Span) -> Diagnostic {
    Diagnostic::new(span, "this block is nested too deeply").note(format!("at most {MAX_BLOCKS} levels are allowed"))
}

fn ends_skipping(token: Token<'_>) -> bool {
    matches!(token, Token::Newline | Token::Semicolon | Token::LeftBrace | Token::RightBrace)
}

/// Whether a token never stands inside brackets.
fn ends_brackets(token: Token<'_>) -> bool {
    matches!(
        token,
        Token::LeftBrace
            | Token::RightBrace
            | Token::Semicolon
            | Token::Use
            | Token::Const
            | Token::Export
            | Token::Fn
            | Token::Reg
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::lex;
    use crate::source::FileId;

    fn newlines(text: &str) -> (usize, usize) {
        let mut errors = Errors::default();
        let lexemes = lex(FileId(0), text, &mut errors);
        let statements = statements(&lexemes, &mut errors);
        let newlines = statements.iter().filter(|lexeme| lexeme.token == Token::Newline).count();
        (newlines, errors.into_sorted().len())
    }

    #[test]
    fn brackets_and_commas_join_lines() {
        assert_eq!(newlines("call f(a\n, (b\n)\n)\nret\n"), (2, 0));
        assert_eq!(newlines("u8 1, // one\n 2\n"), (1, 0));
    }

    #[test]
    fn an_open_bracket_joins_nothing() {
        assert_eq!(newlines("i32.store [p, x\nret (a)\n}\n"), (3, 1));
        assert_eq!(newlines("f(a]\n"), (1, 1));
        assert_eq!(newlines("f(a\n[b\n)\n"), (1, 1));
    }
}
