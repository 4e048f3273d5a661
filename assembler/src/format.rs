//! The formatter. It works on tokens: what is not white space, a `;` or needless parentheses around a result type goes
//! through unchanged, so it cannot change what a source means.

use crate::ast::{Ast, Item};
use crate::diagnostic::{Diagnostic, Diagnostics, Errors};
use crate::lexer::{Lexeme, Token, lex};
use crate::parse::parse_file;
use crate::source::{FileId, SourceFile, Span};

/// Lays a source out in the one canonical way: a statement a line, bodies indented by four spaces and labels by two,
/// comments and single blank lines kept, trailing comments of adjacent lines aligned. Formatting twice changes nothing more.
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
    let (tree, mut errors) = parse_file(FileId(0), &file);
    errors.extend(structured(&tree).filter(|_| errors.is_empty()).map(unknown_layout));
    if !errors.is_empty() {
        return Err(Diagnostics::of_file(file, errors));
    }
    let lexemes = without_needless_parentheses(lex(FileId(0), source, &mut Errors::default()));
    let mut formatter = Formatter::new(source);
    for (index, lexeme) in lexemes.iter().enumerate() {
        formatter.push(*lexeme, &lexemes[index + 1..]);
    }
    Ok(formatter.finish())
}

/// The first declaration that the formatter has no layout for: it knows the instruction notation alone.
fn structured(tree: &Ast) -> Option<Span> {
    tree.items.iter().find_map(|item| match item {
        Item::Struct(item) => Some(item.name.span),
        Item::Enum(item) => Some(item.name.span),
        Item::Interface(item) => Some(item.name.span),
        Item::Static(item) => Some(item.name.span),
        Item::Test(item) => Some(item.name.span),
        Item::Function(function) if !function.is_plain() => Some(function.name.span),
        _ => None,
    })
}

fn unknown_layout(span: Span) -> Diagnostic {
    Diagnostic::new(span, "this cannot be formatted").label("there is no layout of the structured notation yet")
}

/// `-> (i32)` becomes `-> i32`, and `-> ()` nothing.
fn without_needless_parentheses(lexemes: Vec<Lexeme<'_>>) -> Vec<Lexeme<'_>> {
    let begins =
        |first: &Lexeme<'_>, second: &Lexeme<'_>| (first.token, second.token) == (Token::Arrow, Token::LeftParen);
    let mut out = Vec::with_capacity(lexemes.len());
    let mut rest = lexemes.as_slice();
    loop {
        rest = match rest {
            [a, b, c, after @ ..] if begins(a, b) && c.token == Token::RightParen => after,
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

/// What kind of block a line stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    File,
    Body,
    Data,
    Table,
}

/// A finished line.
struct Line<'s> {
    text: String,
    /// The comment that ends it, if other text comes before.
    comment: Option<&'s str>,
}

/// What a token is to the one after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The word that says what the statement does: a mnemonic, `const`, `u8`.
    Head,
    /// The end of an operand.
    Operand,
    /// An operator before its operand.
    Sign,
    /// Anything else.
    Other,
}

/// What the statement that is being written has had so far.
#[derive(Clone, Copy, Default)]
struct Statement<'s> {
    /// Its first token, `export` left out.
    first: Option<Token<'s>>,
    /// The token before.
    previous: Option<(Token<'s>, Part)>,
}

struct Formatter<'s> {
    source: &'s str,
    lines: Vec<Line<'s>>,
    /// The line that is being written.
    line: String,
    block: Block,
    /// Whether the block is written on one line.
    flat: bool,
    /// How many brackets are open.
    brackets: usize,
    statement: Statement<'s>,
    /// Newlines since the last token.
    newlines: usize,
    /// Whether the last line opened a block.
    opened: bool,
}

impl<'s> Formatter<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            source,
            lines: Vec::new(),
            line: String::new(),
            block: Block::File,
            flat: false,
            brackets: 0,
            statement: Statement::default(),
            newlines: 0,
            opened: true,
        }
    }

    fn push(&mut self, lexeme: Lexeme<'s>, rest: &[Lexeme<'s>]) {
        let text = &self.source[lexeme.span.start as usize..lexeme.span.end as usize];
        match lexeme.token {
            Token::Newline => self.newline(),
            Token::Semicolon if self.flat => self.flat_semicolon(),
            Token::Semicolon => self.end_statement(),
            Token::LineComment => self.line_comment(text.trim_end()),
            Token::BlockComment => self.write(&text.replace('\r', ""), lexeme.token, true),
            Token::LeftBrace => self.open_block(rest),
            Token::RightBrace => self.close_block(),
            _ => self.plain(lexeme, text, rest),
        }
    }

    /// A token without effect on the layout of lines, brackets and labels aside.
    fn plain(&mut self, lexeme: Lexeme<'s>, text: &str, rest: &[Lexeme<'s>]) {
        let token = lexeme.token;
        let closes = matches!(token, Token::RightParen | Token::RightBracket);
        self.brackets -= usize::from(closes);
        if self.line.is_empty() {
            self.start_line(self.indent(token, closes, rest));
        }
        let spaced = self.space_before(token);
        self.write(text, token, spaced);
        self.brackets += usize::from(matches!(token, Token::LeftParen | Token::LeftBracket));
        self.advance(token);
        if token == Token::Colon && self.block == Block::Body && self.is_label() {
            self.end_statement();
        }
    }

    fn newline(&mut self) {
        self.newlines += 1;
        if self.continues() {
            self.flush(None);
        } else {
            self.end_statement();
        }
    }

    /// Whether the next line goes on with the statement.
    fn continues(&self) -> bool {
        let after_comma = matches!(self.statement.previous, Some((Token::Comma, _)));
        self.brackets > 0 || after_comma || (self.block == Block::Table && self.statement.first.is_some())
    }

    fn end_statement(&mut self) {
        self.flush(None);
        self.statement = Statement::default();
    }

    fn flat_semicolon(&mut self) {
        self.line.push(';');
        self.statement = Statement { previous: Some((Token::Semicolon, Part::Other)), ..Statement::default() };
    }

    fn line_comment(&mut self, comment: &'s str) {
        if !self.line.is_empty() {
            self.flush(Some(comment));
        } else if let Some(last) = self.lines.last_mut().filter(|_| self.newlines == 0) {
            last.comment = Some(comment);
        } else {
            self.start_line(self.base_indent());
            self.line.push_str(comment);
            self.flush(None);
        }
    }

    fn open_block(&mut self, rest: &[Lexeme<'s>]) {
        self.write("{", Token::LeftBrace, true);
        self.block = match self.statement.first {
            Some(Token::Fn) => Block::Body,
            Some(Token::Table) => Block::Table,
            _ => Block::Data,
        };
        self.flat = self.block != Block::Body && ends_on_this_line(rest);
        if self.flat {
            self.statement.previous = Some((Token::LeftBrace, Part::Other));
        } else {
            self.flush(None);
            self.opened = true;
            self.statement =
                Statement { first: self.statement.first.filter(|_| self.block == Block::Table), previous: None };
        }
    }

    fn close_block(&mut self) {
        if self.flat {
            self.line.push_str(" }");
        } else {
            self.end_statement();
            self.newlines = 0;
            self.opened = false;
            self.line.push('}');
        }
        self.block = Block::File;
        self.flat = false;
        self.statement = Statement { first: None, previous: Some((Token::RightBrace, Part::Other)) };
    }

    /// Appends to the line; a block comment may be its first text.
    fn write(&mut self, text: &str, token: Token<'s>, spaced: bool) {
        if self.line.is_empty() {
            self.start_line(self.base_indent());
        } else if spaced && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
        self.line.push_str(text);
        if token == Token::BlockComment {
            self.line.push(' ');
        }
        self.newlines = 0;
    }

    /// Begins a line, with a blank one before it where the source has one that is worth keeping.
    fn start_line(&mut self, indent: usize) {
        if self.newlines > 1 && !self.opened && !self.continues() {
            self.lines.push(Line { text: String::new(), comment: None });
        }
        self.opened = false;
        self.line.push_str(&" ".repeat(indent));
        self.newlines = 0;
    }

    fn flush(&mut self, comment: Option<&'s str>) {
        let text = std::mem::take(&mut self.line);
        let text = text.trim_end();
        if !text.is_empty() {
            self.lines.push(Line { text: text.to_owned(), comment });
        }
    }

    fn base_indent(&self) -> usize {
        let block = if self.block == Block::File { 0 } else { 4 };
        let in_table = self.block == Block::Table && self.brackets == 0;
        if self.continues() && !in_table { block + 4 } else { block }
    }

    fn indent(&self, token: Token<'s>, closes: bool, rest: &[Lexeme<'s>]) -> usize {
        let label =
            self.block == Block::Body && self.statement.first.is_none() && token.is_name() && before_colon(rest);
        match (label, closes && self.brackets == 0) {
            (true, _) => 2,
            (_, true) if self.block == Block::File => 0,
            (_, true) => 4,
            _ => self.base_indent(),
        }
    }

    /// Notes a token of the statement.
    fn advance(&mut self, token: Token<'s>) {
        let part = self.part(token);
        if self.statement.first.is_none() && token != Token::Export {
            self.statement.first = Some(token);
        }
        self.statement.previous = Some((token, part));
    }

    fn part(&self, token: Token<'s>) -> Part {
        let head = match self.statement.previous {
            None => true,
            Some((Token::Equals, _)) => self.block == Block::Body,
            Some((before, _)) => self.flat && matches!(before, Token::Semicolon | Token::LeftBrace),
        };
        let after_operand = matches!(self.statement.previous, Some((_, Part::Operand)));
        match token {
            Token::Minus | Token::Tilde if !after_operand => Part::Sign,
            _ if head => Part::Head,
            _ if ends_operand(token) => Part::Operand,
            _ => Part::Other,
        }
    }

    /// Whether the colon just written ends a label: it is then the second token.
    fn is_label(&self) -> bool {
        self.brackets == 0 && !matches!(self.statement.first, Some(Token::Reg))
    }

    fn space_before(&self, token: Token<'s>) -> bool {
        let Some((previous, part)) = self.statement.previous else { return false };
        match (previous, token) {
            (_, Token::RightParen | Token::RightBracket | Token::Comma | Token::Colon) => false,
            (Token::LeftParen | Token::LeftBracket, _) => false,
            _ if part == Part::Sign => false,
            (_, Token::LeftParen | Token::LeftBracket) => !(part == Part::Operand && self.attaches()),
            _ => true,
        }
    }

    /// Whether brackets belong to the operand before them in this statement.
    fn attaches(&self) -> bool {
        match self.block {
            Block::File => matches!(self.statement.first, Some(Token::Fn | Token::Type)),
            Block::Body => !matches!(self.statement.first, Some(Token::AtLine | Token::AtWord)),
            Block::Data | Block::Table => false,
        }
    }

    fn finish(mut self) -> String {
        self.flush(None);
        let mut text = String::with_capacity(self.source.len());
        for run in self.lines.chunk_by(|a, b| a.comment.is_some() && b.comment.is_some()) {
            let column = run.iter().map(|line| width(&line.text)).max().unwrap_or(0);
            run.iter().for_each(|line| push_line(&mut text, line, column));
        }
        text
    }
}

fn push_line(text: &mut String, line: &Line<'_>, column: usize) {
    text.push_str(&line.text);
    if let Some(comment) = line.comment {
        text.push_str(&" ".repeat(column - width(&line.text) + 1));
        text.push_str(comment);
    }
    text.push('\n');
}

/// Columns of the last line of a text.
fn width(text: &str) -> usize {
    text.rsplit('\n').next().unwrap_or(text).chars().count()
}

fn ends_on_this_line(rest: &[Lexeme<'_>]) -> bool {
    let last = rest.iter().find(|l| matches!(l.token, Token::RightBrace | Token::Newline | Token::LineComment));
    last.is_some_and(|lexeme| lexeme.token == Token::RightBrace)
}

fn before_colon(rest: &[Lexeme<'_>]) -> bool {
    let next = rest.iter().find(|lexeme| lexeme.token != Token::BlockComment);
    next.is_some_and(|lexeme| lexeme.token == Token::Colon)
}

fn ends_operand(token: Token<'_>) -> bool {
    token.is_name()
        || matches!(
            token,
            Token::Integer(_)
                | Token::Float(_)
                | Token::Character(_)
                | Token::RightParen
                | Token::RightBracket
                | Token::Fn
        )
}
