//! Which notation a line is in, and what its words are there.
//!
//! The structured notation reserves words in its own lines only, and a mnemonic is one only where an instruction stands. So
//! the grammar needs no lookahead to tell the two notations apart, and neither takes names from the other.

use limen_isa::Opcode;

use crate::lexer::{Lexeme, Token};
use crate::shape::results;

/// What stands between a pair of braces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    File,
    Body,
    Arms,
    Methods,
    Other,
}

/// Marks mnemonics and the words of the structured notation.
pub(crate) fn mark(lexemes: &mut [Lexeme<'_>]) {
    let mut marker = Marker { lexemes, blocks: Vec::new(), next: 0 };
    while marker.next < marker.lexemes.len() {
        marker.statement();
    }
    marker.references();
}

struct Marker<'l, 's> {
    lexemes: &'l mut [Lexeme<'s>],
    /// The blocks around `next`, the file left out.
    blocks: Vec<Block>,
    /// Where the next statement begins.
    next: usize,
}

impl<'s> Marker<'_, 's> {
    fn token(&self, index: usize) -> Option<Token<'s>> {
        self.lexemes.get(index).map(|lexeme| lexeme.token)
    }

    fn block(&self) -> Block {
        self.blocks.last().copied().unwrap_or(Block::File)
    }

    fn statement(&mut self) {
        match self.block() {
            Block::File => self.declaration(),
            Block::Body => self.line(),
            Block::Arms => self.reserved(Block::Body),
            Block::Methods | Block::Other => self.rest(Block::Other, false),
        }
    }

    /// A statement whose words are reserved, up to where the next begins; `inside` is what its braces hold.
    fn reserved(&mut self, inside: Block) {
        self.rest(inside, true);
    }

    fn rest(&mut self, inside: Block, reserved: bool) {
        while let Some(token) = self.token(self.next) {
            if reserved {
                self.lexemes[self.next].token = token.keyword();
            } else if self.block() == Block::Methods {
                self.lexemes[self.next].token = token.method_word();
            }
            self.next += 1;
            match token {
                Token::LeftBrace => {
                    self.blocks.push(inside);
                    return;
                }
                Token::RightBrace => {
                    self.blocks.pop();
                    return;
                }
                Token::FatArrow if self.block() == Block::Arms => {
                    if self.token(self.next) != Some(Token::LeftBrace) {
                        self.line();
                    }
                    return;
                }
                Token::Newline | Token::Semicolon => return,
                _ => {}
            }
        }
    }

    fn declaration(&mut self) {
        self.first_word(&[Token::Private], |next| !matches!(next, Token::Equals | Token::Colon));
        if self.token(self.next) == Some(Token::Export) {
            self.next += 1;
        }
        self.first_word(&[Token::Struct, Token::Enum, Token::Static, Token::Interface], |next| {
            matches!(next, Token::Word(_)) || next.is_name()
        });
        self.first_word(&[Token::Test], |next| matches!(next, Token::String(_)));
        let before = self.next.checked_sub(1).and_then(|index| self.token(index));
        match (before, self.token(self.next)) {
            (Some(Token::Test), _) | (_, Some(Token::Fn)) => self.rest(Block::Body, false),
            (Some(Token::Static), _) => self.reserved(Block::Other),
            (Some(Token::Interface), _) => self.rest(Block::Methods, false),
            _ => self.rest(Block::Other, false),
        }
    }

    /// Reserves the word that comes next, if it is one of `words` and `before` such a token.
    fn first_word(&mut self, words: &[Token<'static>], before: impl Fn(Token<'s>) -> bool) {
        let (Some(token), Some(after)) = (self.token(self.next), self.token(self.next + 1)) else { return };
        if words.contains(&token.keyword()) && before(after) {
            self.lexemes[self.next].token = token.keyword();
            self.next += 1;
        }
    }

    /// A line of a body.
    fn line(&mut self) {
        let Some(first) = self.token(self.next) else { return };
        if first.is_name() && self.token(self.next + 1) == Some(Token::Colon) {
            self.next += 2;
        } else if let Some(mnemonic) = self.mnemonic() {
            if let Token::Word(text) | Token::Dotted(text) = self.lexemes[mnemonic].token {
                self.lexemes[mnemonic].token = Token::Mnemonic(text);
            }
            self.rest(Block::Other, false);
        } else if matches!(first, Token::Reg | Token::AtLine | Token::AtWord) {
            self.rest(Block::Other, false);
        } else {
            let arms = first.keyword() == Token::Match;
            self.reserved(if arms { Block::Arms } else { Block::Body });
        }
    }

    /// Where the mnemonic of the instruction that begins here stands, if it is one.
    fn mnemonic(&self) -> Option<usize> {
        if self.is_mnemonic(self.next, false) {
            return Some(self.next);
        }
        let mut index = self.next;
        while self.token(index)?.is_name() {
            match self.token(index + 1)? {
                Token::Comma => index += 2,
                Token::Equals => return self.is_mnemonic(index + 2, true).then_some(index + 2),
                _ => return None,
            }
        }
        None
    }

    fn is_mnemonic(&self, index: usize, assigned: bool) -> bool {
        let after = self.token(index + 1).unwrap_or(Token::Newline);
        let uses = after.assigns() || matches!(after, Token::Colon | Token::Dot | Token::DotStar | Token::Comma);
        match self.token(index) {
            _ if uses => false,
            _ if self.is_meant_as_mnemonic(index, assigned) => true,
            Some(Token::Word(text)) => Opcode::from_mnemonic(text).is_some_and(|opcode| {
                !assigned || opcode.row().operands.first().is_some_and(|first| first.is_result())
            }),
            Some(Token::Dotted(text)) if after == Token::LeftParen => takes_constant_first(text),
            Some(Token::Dotted(text)) => Opcode::from_mnemonic(text).is_some() || looks_like_instruction(text),
            _ => false,
        }
    }

    /// Whether a word that may be no mnemonic was meant as one: no expression has a word or a number right behind a name.
    fn is_meant_as_mnemonic(&self, index: usize, assigned: bool) -> bool {
        let is_free = |token: Token<'s>| token.keyword() == token;
        let Some(token @ (Token::Word(_) | Token::Dotted(_))) = self.token(index) else { return false };
        let is_followed = match self.token(index + 1) {
            Some(after @ (Token::Word(_) | Token::Dotted(_) | Token::Integer(_) | Token::Float(_))) => is_free(after),
            None | Some(Token::Newline | Token::Semicolon | Token::RightBrace) => {
                !assigned && matches!(token, Token::Dotted(_))
            }
            Some(_) => false,
        };
        is_free(token) && is_followed
    }

    /// `ref Name` is one type.
    fn references(&mut self) {
        for index in 1..self.lexemes.len() {
            let pair = (self.lexemes[index - 1].token, self.lexemes[index].token);
            if let (Token::Word("ref"), Token::Word(_)) = pair {
                self.lexemes[index - 1].token = Token::RefTo;
            }
        }
    }
}

/// Whether `d = mnemonic (1 + 2)` is an instruction: all others have a register first, which no bracket begins.
fn takes_constant_first(mnemonic: &str) -> bool {
    use limen_isa::OperandKind::Register;
    let Some(row) = Opcode::from_mnemonic(mnemonic).map(Opcode::row) else { return false };
    row.operands.get(results(row).len()).is_some_and(|first| !matches!(first.kind, Register { .. }))
}

/// Whether a word that is no mnemonic was meant as one.
fn looks_like_instruction(text: &str) -> bool {
    ["i32.", "i64.", "f32.", "f64."].iter().any(|prefix| text.starts_with(prefix))
}
