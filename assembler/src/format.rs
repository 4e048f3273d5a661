//! The formatter. It works on tokens: what is not white space, a `;` or needless parentheses around a result type goes
//! through unchanged, so it cannot change what a source means.

mod lines;
mod spacing;

use self::lines::Formatter;
use crate::diagnostic::{Diagnostics, Errors};
use crate::lexer::{Lexeme, Token, lex};
use crate::lines::statements;
use crate::parse::parse_file;
use crate::source::{FileId, SourceFile};
use crate::words;

/// Lays a source out in the one canonical way: a statement a line, bodies indented by four spaces and labels by two less
/// than the lines around them, comments and single blank lines kept, trailing comments of adjacent lines aligned.
/// Formatting twice changes nothing more.
///
/// # Errors
///
/// If the source does not parse.
pub fn format(source: &str) -> Result<String, Diagnostics> {
    format_named("source", source)
}

/// [`format()`] with a name for the source in diagnostics.
///
/// # Errors
///
/// If the source does not parse.
pub fn format_named(name: &str, source: &str) -> Result<String, Diagnostics> {
    let file = SourceFile::new(name, source.to_owned());
    let (_, errors) = parse_file(FileId(0), &file);
    if !errors.is_empty() {
        return Err(Diagnostics::of_file(file, errors));
    }
    let lexemes = without_needless_parentheses(marked(source));
    let mut formatter = Formatter::new(source);
    for (index, lexeme) in lexemes.iter().enumerate() {
        formatter.push(*lexeme, &lexemes[index + 1..]);
    }
    Ok(formatter.finish())
}

/// All tokens of a source, comments and newlines included, with the words of the structured notation as what they are.
fn marked(source: &str) -> Vec<Lexeme<'_>> {
    let mut lexemes = lex(FileId(0), source, &mut Errors::default());
    let mut marked = statements(&lexemes, &mut Errors::default());
    words::mark(&mut marked);
    let mut marked = marked.into_iter().peekable();
    for lexeme in &mut lexemes {
        if let Some(found) = marked.next_if(|marked| marked.span == lexeme.span) {
            lexeme.token = found.token;
        }
    }
    lexemes
}

/// `-> (i32)` becomes `-> i32`, and `-> ()` nothing.
fn without_needless_parentheses(lexemes: Vec<Lexeme<'_>>) -> Vec<Lexeme<'_>> {
    let begins =
        |first: &Lexeme<'_>, second: &Lexeme<'_>| (first.token, second.token) == (Token::Arrow, Token::LeftParen);
    let mut out = Vec::with_capacity(lexemes.len());
    let mut rest = lexemes.as_slice();
    loop {
        rest = match rest {
            [a, b, c, after @ ..] if begins(a, b) && c.token == Token::RightParen => {
                // An error behind it still needs the arrow.
                out.extend(after.first().filter(|next| next.token == Token::Bang).map(|_| *a));
                after
            }
            [a, b, ty, c, after @ ..] if begins(a, b) && ty.token.is_name() && c.token == Token::RightParen => {
                out.extend([*a, *ty]);
                after
            }
            [first, after @ ..] => {
                out.push(*first);
                after
            }
            [] => return out,
        }
    }
}
