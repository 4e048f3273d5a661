//! Where blanks stand within a line.

use crate::lexer::Token;

/// What a token is to the one after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The word that says what the line does, of the instruction notation: a mnemonic, `const`, `u8`.
    Head,
    /// The end of an operand.
    Operand,
    /// An operator before its operand.
    Sign,
    /// The bracket that ends the `[4]` of a type.
    TypeBracket,
    /// Anything else.
    Other,
}

/// What kind of block a statement stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// None: a file.
    File,
    /// Lines of code.
    Body,
    /// What `match` chooses from.
    Arms,
    /// Fields, values of an enumeration, methods.
    Entries,
    /// Contents of `data` and of a section.
    Data,
    /// Entries of a table.
    Table,
}

/// What the statement that is being written has had so far.
#[derive(Clone, Default)]
pub(super) struct Statement<'s> {
    /// Its first token, those left out that say who sees it.
    pub(super) first: Option<Token<'s>>,
    /// The token before.
    previous: Option<(Token<'s>, Part)>,
    /// How many tokens there were.
    count: usize,
    /// Whether it is an instruction.
    is_instruction: bool,
    /// The brackets that are open: whether each belongs to the operand before it.
    brackets: Vec<bool>,
}

impl<'s> Statement<'s> {
    /// One that goes on behind a token.
    pub(super) fn behind(token: Token<'s>) -> Self {
        Self { previous: Some((token, Part::Other)), ..Self::default() }
    }

    /// A line of one that began before.
    pub(super) fn of(first: Option<Token<'s>>) -> Self {
        Self { first, ..Self::default() }
    }

    /// Goes on behind a block.
    pub(super) fn close_block(&mut self) {
        self.previous = Some((Token::RightBrace, Part::Other));
    }

    pub(super) fn brackets(&self) -> usize {
        self.brackets.len()
    }

    /// Whether the statement goes on behind a newline, as long as its block has no other rule.
    pub(super) fn continues(&self) -> bool {
        self.is_in_brackets() || matches!(self.previous, Some((Token::Comma, _)))
    }

    pub(super) fn is_in_brackets(&self) -> bool {
        !self.brackets.is_empty()
    }

    /// Whether the colon that was just taken ends a label.
    pub(super) fn is_label(&self) -> bool {
        self.count == 2 && self.first.is_some_and(Token::is_name)
    }

    /// Takes a token.
    pub(super) fn advance(&mut self, token: Token<'s>, block: Block) {
        self.is_instruction |= matches!(token, Token::Mnemonic(_) | Token::AtLine | Token::AtWord);
        let part = self.part(token, block);
        match token {
            Token::LeftParen | Token::LeftBracket => self.brackets.push(self.follows_operand()),
            Token::RightParen | Token::RightBracket => {
                self.brackets.pop();
            }
            _ => {}
        }
        if self.first.is_none() && !matches!(token, Token::Export | Token::Private) {
            self.first = Some(token);
        }
        self.previous = Some((token, part));
        self.count += 1;
    }

    fn part(&self, token: Token<'s>, block: Block) -> Part {
        let is_head = match (block, self.previous) {
            (Block::Body | Block::Arms, _) => matches!(token, Token::Mnemonic(_) | Token::AtLine | Token::AtWord),
            (Block::Entries, _) => false,
            (_, None) => true,
            // Of data on one line.
            (_, Some((before, _))) => matches!(before, Token::Semicolon | Token::LeftBrace),
        };
        match token {
            Token::Minus | Token::Tilde | Token::Star | Token::And if !self.follows_operand() => Part::Sign,
            _ if is_head => Part::Head,
            Token::RightBracket if self.brackets.last() == Some(&false) && self.is_structured(block) => {
                Part::TypeBracket
            }
            _ if ends_operand(token) => Part::Operand,
            _ => Part::Other,
        }
    }

    fn follows_operand(&self) -> bool {
        matches!(self.previous, Some((_, Part::Operand)))
    }

    pub(super) fn space_before(&self, token: Token<'s>, block: Block) -> bool {
        let Some((previous, part)) = self.previous else { return false };
        match (previous, token) {
            (_, Token::RightParen | Token::RightBracket | Token::Comma | Token::Colon) => false,
            (_, Token::Dot | Token::DotStar | Token::DotDot | Token::DotDotEquals) => false,
            (Token::LeftParen | Token::LeftBracket, _) => false,
            (Token::Dot | Token::DotDot | Token::DotDotEquals, _) => false,
            _ if part == Part::Sign => false,
            _ if part == Part::TypeBracket && begins_type(token) => false,
            (_, Token::LeftParen | Token::LeftBracket) => !(part == Part::Operand && self.attaches(block)),
            _ => true,
        }
    }

    /// Whether brackets belong to the operand before them in this statement.
    fn attaches(&self, block: Block) -> bool {
        match block {
            Block::Body | Block::Arms => !matches!(self.first, Some(Token::AtLine | Token::AtWord)),
            _ => self.is_structured(block),
        }
    }

    /// Whether types and expressions of the structured notation stand in this statement.
    fn is_structured(&self, block: Block) -> bool {
        match block {
            Block::Body | Block::Arms => !self.is_instruction,
            Block::Entries => true,
            Block::Data | Block::Table => false,
            Block::File => matches!(
                self.first,
                Some(
                    Token::Fn
                        | Token::Type
                        | Token::Struct
                        | Token::Enum
                        | Token::Interface
                        | Token::Static
                        | Token::Test
                )
            ),
        }
    }
}

fn ends_operand(token: Token<'_>) -> bool {
    token.is_name()
        || matches!(
            token,
            Token::Dotted(_)
                | Token::Integer(_)
                | Token::Float(_)
                | Token::Character(_)
                | Token::String(_)
                | Token::True
                | Token::False
                | Token::RightParen
                | Token::RightBracket
                | Token::DotStar
                | Token::Fn
                | Token::SizeOf
        )
}

fn begins_type(token: Token<'_>) -> bool {
    token.is_name() || matches!(token, Token::Star | Token::LeftBracket | Token::Fn | Token::RefTo)
}
