//! Tokens to lines.

use super::spacing::{Block, Statement};
use crate::lexer::{Lexeme, Token};

/// A finished line.
struct Line<'s> {
    text: String,
    /// The comment that ends it, if other text comes before.
    comment: Option<&'s str>,
}

/// A block that is open.
struct Open<'s> {
    block: Block,
    /// Whether it is written on one line.
    flat: bool,
    /// The statement that it belongs to.
    outer: Statement<'s>,
}

pub(super) struct Formatter<'s> {
    source: &'s str,
    lines: Vec<Line<'s>>,
    /// The line that is being written, if one is.
    line: Option<String>,
    open: Vec<Open<'s>>,
    statement: Statement<'s>,
    /// Newlines since the last token.
    newlines: usize,
    /// Whether the last line opened a block.
    opened: bool,
}

impl<'s> Formatter<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self {
            source,
            lines: Vec::new(),
            line: None,
            open: Vec::new(),
            statement: Statement::default(),
            newlines: 0,
            opened: true,
        }
    }

    pub(super) fn push(&mut self, lexeme: Lexeme<'s>, rest: &[Lexeme<'s>]) {
        let text = &self.source[lexeme.span.start as usize..lexeme.span.end as usize];
        match lexeme.token {
            Token::Newline => self.newline(),
            Token::Semicolon if self.flat() => self.flat_semicolon(),
            Token::Semicolon => self.end_statement(),
            Token::LineComment => self.line_comment(text.trim_end()),
            Token::BlockComment => self.write(&text.replace('\r', ""), lexeme.token, true),
            Token::LeftBrace => self.open_block(rest),
            Token::RightBrace => self.close_block(),
            _ => self.plain(lexeme, text, rest),
        }
    }

    fn block(&self) -> Block {
        self.open.last().map_or(Block::File, |open| open.block)
    }

    fn flat(&self) -> bool {
        self.open.last().is_some_and(|open| open.flat)
    }

    /// The text of the line that is being written.
    fn text(&mut self) -> &mut String {
        self.line.get_or_insert_default()
    }

    /// A token without effect on the layout of lines, brackets and labels aside.
    fn plain(&mut self, lexeme: Lexeme<'s>, text: &str, rest: &[Lexeme<'s>]) {
        let (token, block) = (lexeme.token, self.block());
        if self.line.is_none() {
            self.start_line(self.indent(token, rest));
        }
        let spaced = self.statement.space_before(token, block);
        self.write(text, token, spaced);
        self.statement.advance(token, block);
        match token {
            Token::Colon if block == Block::Body && self.statement.is_label() => self.end_statement(),
            Token::FatArrow if block == Block::Arms && !self.statement.is_in_brackets() => {
                self.statement = Statement::behind(token);
            }
            _ => {}
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
        match self.block() {
            Block::Table => self.statement.first.is_some() || self.statement.continues(),
            Block::Entries => self.statement.is_in_brackets(),
            _ => self.statement.continues(),
        }
    }

    fn end_statement(&mut self) {
        self.flush(None);
        self.statement = Statement::default();
    }

    fn flat_semicolon(&mut self) {
        self.text().push(';');
        self.statement = Statement::behind(Token::Semicolon);
    }

    fn line_comment(&mut self, comment: &'s str) {
        if self.line.is_some() {
            self.flush(Some(comment));
        } else if let Some(last) = self.lines.last_mut().filter(|_| self.newlines == 0) {
            last.comment = Some(comment);
        } else {
            self.start_line(self.base_indent());
            self.text().push_str(comment);
            self.flush(None);
        }
    }

    fn open_block(&mut self, rest: &[Lexeme<'s>]) {
        self.write("{", Token::LeftBrace, true);
        let block = match (self.block(), self.statement.first) {
            (_, Some(Token::Match)) => Block::Arms,
            (Block::Body | Block::Arms, _) | (_, Some(Token::Fn | Token::Test)) => Block::Body,
            (_, Some(Token::Struct | Token::Enum | Token::Interface)) => Block::Entries,
            (_, Some(Token::Table)) => Block::Table,
            _ => Block::Data,
        };
        let flat = !matches!(block, Block::Body | Block::Arms) && ends_on_this_line(rest);
        let first = self.statement.first.filter(|_| block == Block::Table && !flat);
        let inside = if flat { Statement::behind(Token::LeftBrace) } else { Statement::of(first) };
        let outer = std::mem::replace(&mut self.statement, inside);
        if !flat {
            self.flush(None);
            self.opened = true;
        }
        self.open.push(Open { block, flat, outer });
    }

    fn close_block(&mut self) {
        if !self.flat() {
            self.end_statement();
        }
        let Some(open) = self.open.pop() else { return };
        if open.flat {
            self.text().push_str(" }");
        } else {
            self.newlines = 0;
            self.start_line(self.block_indent());
            self.text().push('}');
        }
        self.statement = open.outer;
        self.statement.close_block();
    }

    /// Appends to the line; a block comment may be its first text.
    fn write(&mut self, text: &str, token: Token<'s>, spaced: bool) {
        if self.line.is_none() {
            self.start_line(self.base_indent());
        } else if spaced && !self.text().ends_with(' ') {
            self.text().push(' ');
        }
        self.text().push_str(text);
        if token == Token::BlockComment {
            self.text().push(' ');
        }
        self.newlines = 0;
    }

    /// Begins a line, with a blank one before it where the source has one that is worth keeping.
    fn start_line(&mut self, indent: usize) {
        if self.newlines > 1 && !self.opened && !self.continues() {
            self.lines.push(Line { text: String::new(), comment: None });
        }
        self.opened = false;
        self.line = Some(" ".repeat(indent));
        self.newlines = 0;
    }

    fn flush(&mut self, comment: Option<&'s str>) {
        let text = self.line.take().unwrap_or_default();
        let text = text.trim_end();
        if !text.is_empty() {
            self.lines.push(Line { text: text.to_owned(), comment });
        }
    }

    /// Where the statements of the innermost block begin.
    fn block_indent(&self) -> usize {
        4 * self.open.iter().filter(|open| !open.flat).count()
    }

    fn base_indent(&self) -> usize {
        // Entries of a table and patterns of an arm go on below each other.
        let in_list = matches!(self.block(), Block::Table | Block::Arms) && !self.statement.is_in_brackets();
        self.block_indent() + if self.continues() && !in_list { 4 } else { 0 }
    }

    fn indent(&self, token: Token<'s>, rest: &[Lexeme<'s>]) -> usize {
        let is_label =
            self.block() == Block::Body && self.statement.first.is_none() && token.is_name() && before_colon(rest);
        let closes = matches!(token, Token::RightParen | Token::RightBracket) && self.statement.brackets() == 1;
        match (is_label, closes) {
            (true, _) => self.block_indent().saturating_sub(2),
            (_, true) => self.block_indent(),
            _ => self.base_indent(),
        }
    }

    pub(super) fn finish(mut self) -> String {
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
