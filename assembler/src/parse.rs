//! Text to tree. The one seam to the front end: tokens and the parser's own types stay behind it.

use std::convert::Infallible;
use std::ops::Range;

use lalrpop_util::{ErrorRecovery, ParseError, lalrpop_mod};
use limen_isa::ValueType;

use crate::ast::{
    Argument, Ast, BinaryOperator, Block, Expr, ExprKind, Float, Function, Infix, Item, Line, Name, Prefix, Results,
    Scope, Statement, StatementKind, Term, TermKind, Test, Text, TypeExpr, TypeKind, UnaryOperator,
};
use crate::diagnostic::{Diagnostic, Errors};
use crate::lexer::{Token, lex};
use crate::lines::{statements, too_deep};
use crate::literal::{self, BadLiteral};
use crate::source::{FileId, SourceFile, Span};
use crate::suggest;
use crate::words;

lalrpop_mod!(
    #[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, unused_qualifications, unused_extern_crates)]
    grammar
);

/// Parses a source on its own. The tree holds what could be read; it is complete only if there are no errors.
#[must_use]
pub fn parse(source: &str) -> (Ast, Vec<Diagnostic>) {
    parse_file(FileId(0), &SourceFile::new("", source.to_owned()))
}

/// Parses one file of several.
pub(crate) fn parse_file(id: FileId, file: &SourceFile) -> (Ast, Vec<Diagnostic>) {
    let (ast, errors) = parse_text(id, file, &[]);
    (ast, one_per_line(file, errors))
}

/// Parses declarations that were made from others. What is said about a part of the text points at the place that stands
/// with it.
pub(crate) fn parse_generated(parts: &[(String, Span)]) -> (Vec<Item>, Vec<Diagnostic>) {
    let mut text = String::new();
    let mut places = Vec::new();
    for (part, place) in parts {
        places.push((text.len() as u32, *place));
        text.push_str(part);
    }
    let file = parts.first().map_or(FileId(0), |(_, place)| place.file);
    let (ast, errors) = parse_text(file, &SourceFile::new("", text), &places);
    (ast.items, errors.into_sorted())
}

fn parse_text(id: FileId, file: &SourceFile, places: &[(u32, Span)]) -> (Ast, Errors) {
    let mut errors = Errors::default();
    if file.is_cut_off() {
        errors.add(|| Diagnostic::new(Span::new(id, 0, 0), "this file is too large").note("at most 4 GiB are read"));
    }
    let lexemes = lex(id, file.text(), &mut errors);
    let mut statements = statements(&lexemes, &mut errors);
    words::mark(&mut statements);
    let mut context = Context { file: id, text: file.text(), places, errors };
    let tokens = statements.into_iter().map(|lexeme| Ok((lexeme.span.start, lexeme.token, lexeme.span.end)));
    let ast = grammar::FileParser::new().parse(&mut context, tokens).unwrap_or_else(|error| {
        context.report(error);
        Ast::default()
    });
    (ast, context.errors)
}

/// The first error of each line: those that follow on it are likely to follow from it.
fn one_per_line(file: &SourceFile, errors: Errors) -> Vec<Diagnostic> {
    let mut list = errors.into_sorted();
    list.dedup_by_key(|diagnostic| file.line(diagnostic.primary.span.start));
    list
}

type SyntaxError<'s> = ParseError<u32, Token<'s>, Infallible>;

/// What the grammar's actions work with.
pub(crate) struct Context<'s> {
    file: FileId,
    text: &'s str,
    /// If the text is no source, from where on it stands for which place.
    places: &'s [(u32, Span)],
    errors: Errors,
}

impl Context<'_> {
    pub(crate) fn span(&self, start: u32, end: u32) -> Span {
        let part = self.places.partition_point(|(from, _)| *from <= start);
        match part.checked_sub(1) {
            Some(part) => self.places[part].1,
            None => Span::new(self.file, start, end),
        }
    }

    /// Reports what the parser has skipped over.
    pub(crate) fn recover<T>(&mut self, recovery: ErrorRecovery<u32, Token<'_>, Infallible>) -> Option<T> {
        self.report(recovery.error);
        None
    }

    fn report(&mut self, error: SyntaxError<'_>) {
        let diagnostic = match error {
            ParseError::UnrecognizedToken { token: (start, token, end), expected } => {
                self.unexpected(self.span(start, end), token, &expected)
            }
            ParseError::ExtraToken { token: (start, token, end) } => self.unexpected(self.span(start, end), token, &[]),
            ParseError::UnrecognizedEof { location, .. } | ParseError::InvalidToken { location } => {
                Diagnostic::new(self.span(location, location), "the file ends too early").help(["a `}` may be missing"])
            }
            ParseError::User { error } => match error {},
        };
        self.errors.add(|| diagnostic);
    }

    fn unexpected(&self, span: Span, token: Token<'_>, expected: &[String]) -> Diagnostic {
        let diagnostic = match token {
            Token::Newline => Diagnostic::new(Span { end: span.start, ..span }, "unexpected end of line"),
            Token::String(_) => Diagnostic::new(span, "unexpected string"),
            _ => Diagnostic::new(span, format!("unexpected `{}`", &self.text[span.start as usize..span.end as usize])),
        };
        let in_block = expected.iter().any(|name| name == "\"}\"");
        if in_block && matches!(token, Token::Fn | Token::Export | Token::Const | Token::Use) {
            return diagnostic.help(["the `}` of the block before may be missing"]);
        }
        match expectation(expected) {
            Some(expectation) => diagnostic.label(expectation),
            None => diagnostic,
        }
    }

    pub(crate) fn name(&self, start: u32, text: &str, end: u32) -> Name {
        Name { text: text.into(), span: self.span(start, end) }
    }

    pub(crate) fn value_type(&mut self, name: Name) -> ValueType {
        let found = ValueType::ALL.into_iter().find(|ty| ty.name() == &*name.text);
        found.unwrap_or_else(|| {
            self.errors.add(|| unknown_type(&name));
            ValueType::I32
        })
    }

    pub(crate) fn string(&mut self, start: u32, text: &str, end: u32) -> Text {
        let bytes = self.literal(start, literal::string(text)).unwrap_or_default();
        Text { bytes, span: self.span(start, end) }
    }

    pub(crate) fn integer(&mut self, start: u32, text: &str, end: u32) -> Expr {
        let value = self.literal(start, literal::integer(text));
        self.leaf(start, value.map_or(ExprKind::Bad, ExprKind::Integer), end)
    }

    pub(crate) fn float(&mut self, start: u32, text: &str, end: u32) -> Expr {
        let value: Option<Float> = self.literal(start, literal::float(text));
        self.leaf(start, value.map_or(ExprKind::Bad, ExprKind::Float), end)
    }

    pub(crate) fn character(&mut self, start: u32, text: &str, end: u32) -> Expr {
        let value = self.literal(start, literal::character(text));
        self.leaf(start, value.map_or(ExprKind::Bad, ExprKind::Integer), end)
    }

    pub(crate) fn named(&self, name: Name) -> Expr {
        Expr { kind: ExprKind::Name(name.text), span: name.span, depth: 1 }
    }

    pub(crate) fn size_of(&self, start: u32, name: Name, end: u32) -> Expr {
        self.leaf(start, ExprKind::SizeOf(name), end)
    }

    /// `bits 0x7fc00000`; any other word before a number is an error.
    pub(crate) fn bits(&mut self, word: Name, text: &str, end: u32) -> Expr {
        let start = word.span.start;
        if &*word.text != "bits" {
            self.errors.add(|| {
                Diagnostic::new(word.span, format!("`{}` cannot stand before a number", word.text))
                    .help(["a float is given by its bits as `bits 0x7fc00000`"])
            });
            return self.leaf(start, ExprKind::Bad, end);
        }
        let value = self.literal(end - text.len() as u32, literal::integer(text));
        self.leaf(start, value.map_or(ExprKind::Bad, ExprKind::Bits), end)
    }

    pub(crate) fn parenthesised(&mut self, start: u32, inner: Expr, end: u32) -> Expr {
        let depth = inner.depth + 1;
        self.nested(inner.kind, self.span(start, end), depth)
    }

    pub(crate) fn unary(&mut self, start: u32, operator: UnaryOperator, operand: Expr) -> Expr {
        let span = self.span(start, operand.span.end);
        let depth = operand.depth + 1;
        let kind = match operand.kind {
            ExprKind::Bad => ExprKind::Bad,
            _ => ExprKind::Unary(operator, Box::new(operand)),
        };
        self.nested(kind, span, depth)
    }

    pub(crate) fn binary(&mut self, operator: BinaryOperator, a: Expr, b: Expr) -> Expr {
        let span = a.span.to(b.span);
        let depth = a.depth.max(b.depth) + 1;
        let kind = match (&a.kind, &b.kind) {
            (ExprKind::Bad, _) | (_, ExprKind::Bad) => ExprKind::Bad,
            _ => ExprKind::Binary(operator, Box::new((a, b))),
        };
        self.nested(kind, span, depth)
    }

    fn leaf(&self, start: u32, kind: ExprKind, end: u32) -> Expr {
        Expr { kind, span: self.span(start, end), depth: 1 }
    }

    /// An expression with others inside, or [`ExprKind::Bad`] if there are too many.
    fn nested(&mut self, kind: ExprKind, span: Span, depth: u16) -> Expr {
        if matches!(kind, ExprKind::Bad) {
            return Expr { kind, span, depth: 1 };
        }
        if depth > Expr::MAX_DEPTH {
            self.errors.add(|| too_deep(span));
            return Expr { kind: ExprKind::Bad, span, depth: 1 };
        }
        Expr { kind, span, depth }
    }

    // ---- Terms ------------------------------------------------------------------------------------------------------

    pub(crate) fn literal_term(&self, expr: Expr) -> Term {
        let kind = match expr.kind {
            ExprKind::Integer(value) => TermKind::Integer(value),
            ExprKind::Float(value) => TermKind::Float(value),
            _ => TermKind::Bad,
        };
        Term { kind, span: expr.span, depth: 1 }
    }

    pub(crate) fn text(&self, text: Text) -> Term {
        Term { kind: TermKind::Text(text.bytes), span: text.span, depth: 1 }
    }

    pub(crate) fn bool(&self, start: u32, value: bool, end: u32) -> Term {
        Term { kind: TermKind::Bool(value), span: self.span(start, end), depth: 1 }
    }

    pub(crate) fn named_term(&self, name: Name) -> Term {
        Term { kind: TermKind::Name(name.text), span: name.span, depth: 1 }
    }

    /// `a.b.c`
    pub(crate) fn path(&mut self, start: u32, text: &str, end: u32) -> Term {
        let first = text.split('.').next().unwrap_or(text);
        let after = start + first.len() as u32;
        let term = self.named_term(self.name(start, first, after));
        self.fields(term, after + 1, &text[first.len() + 1..], end)
    }

    /// `a.` and the names in `text`, which begins at `start`.
    pub(crate) fn fields(&mut self, term: Term, start: u32, text: &str, _end: u32) -> Term {
        let mut at = start;
        text.split('.').fold(term, |term, part| {
            let end = at + part.len() as u32;
            let name = self.name(at, part, end);
            at = end + 1;
            let (span, depth) = (self.span(term.span.start, end), term.depth + 1);
            self.deeper(TermKind::Field(Box::new(term), name), span, depth)
        })
    }

    pub(crate) fn size_of_term(&self, start: u32, ty: TypeExpr, end: u32) -> Term {
        Term { kind: TermKind::SizeOf(ty), span: self.span(start, end), depth: 1 }
    }

    pub(crate) fn array(&mut self, start: u32, elements: Vec<Term>, end: u32) -> Term {
        let depth = elements.iter().map(|element| element.depth).max().unwrap_or(0) + 1;
        self.deeper(TermKind::Array(elements), self.span(start, end), depth)
    }

    pub(crate) fn type_term(&mut self, start: u32, kind: TypeKind, end: u32) -> Term {
        let ty = self.type_expr(start, kind, end);
        let span = ty.span;
        self.deeper(TermKind::Type(ty), span, 1)
    }

    pub(crate) fn grouped(&mut self, start: u32, inner: Term, end: u32) -> Term {
        let depth = inner.depth + 1;
        self.deeper(inner.kind, self.span(start, end), depth)
    }

    pub(crate) fn prefix(&mut self, start: u32, prefix: Prefix, a: Term) -> Term {
        let (span, depth) = (self.span(start, a.span.end), a.depth + 1);
        self.deeper(TermKind::Prefix(prefix, Box::new(a)), span, depth)
    }

    pub(crate) fn infix(&mut self, infix: Infix, a: Term, b: Term) -> Term {
        let (span, depth) = (a.span.to(b.span), a.depth.max(b.depth) + 1);
        self.deeper(TermKind::Infix(infix, Box::new((a, b))), span, depth)
    }

    pub(crate) fn choice(&mut self, start: u32, c: Term, a: Term, b: Term) -> Term {
        let (span, depth) = (self.span(start, b.span.end), c.depth.max(a.depth).max(b.depth) + 1);
        self.deeper(TermKind::If(Box::new((c, a, b))), span, depth)
    }

    pub(crate) fn cast(&mut self, a: Term, ty: TypeExpr) -> Term {
        let (span, depth) = (a.span.to(ty.span), a.depth + 1);
        self.deeper(TermKind::Cast(Box::new(a), ty), span, depth)
    }

    pub(crate) fn call(&mut self, callee: Term, arguments: Vec<Argument>, end: u32) -> Term {
        let inner = arguments.iter().map(|argument| argument.value.depth).max().unwrap_or(0);
        let (span, depth) = (self.span(callee.span.start, end), callee.depth.max(inner) + 1);
        self.deeper(TermKind::Call(Box::new(callee), arguments), span, depth)
    }

    pub(crate) fn index(&mut self, a: Term, arguments: Vec<Term>, end: u32) -> Term {
        let inner = arguments.iter().map(|argument| argument.depth).max().unwrap_or(0);
        let (span, depth) = (self.span(a.span.start, end), a.depth.max(inner) + 1);
        self.deeper(TermKind::Index(Box::new(a), arguments), span, depth)
    }

    pub(crate) fn slice(&mut self, a: Term, from: Option<Term>, to: Option<Term>, end: u32) -> Term {
        let inner = from.iter().chain(&to).map(|bound| bound.depth).max().unwrap_or(0);
        let (span, depth) = (self.span(a.span.start, end), a.depth.max(inner) + 1);
        self.deeper(TermKind::Slice(Box::new(a), from.map(Box::new), to.map(Box::new)), span, depth)
    }

    pub(crate) fn target(&mut self, a: Term, end: u32) -> Term {
        let (span, depth) = (self.span(a.span.start, end), a.depth + 1);
        self.deeper(TermKind::Target(Box::new(a)), span, depth)
    }

    /// A term with others inside, or [`TermKind::Bad`] if there are too many.
    fn deeper(&mut self, kind: TermKind, span: Span, depth: u16) -> Term {
        if depth > Expr::MAX_DEPTH {
            self.errors.add(|| too_deep(span));
            return Term { kind: TermKind::Bad, span, depth: 1 };
        }
        Term { kind, span, depth }
    }

    /// The registers left of an instruction's `=`.
    pub(crate) fn names(&mut self, terms: Vec<Term>) -> Vec<Name> {
        terms.into_iter().map(|term| self.register_name(term)).collect()
    }

    fn register_name(&mut self, term: Term) -> Name {
        let text = if let TermKind::Name(text) = term.kind { Some(text) } else { None };
        if text.is_none() {
            self.errors.add(|| Diagnostic::new(term.span, "the name of a register belongs here"));
        }
        Name { text: text.unwrap_or_default(), span: term.span }
    }

    pub(crate) fn test(&self, name: Text, body: Block) -> Test {
        let text = format!("test {}", String::from_utf8_lossy(&name.bytes)).into();
        let function = Function {
            scope: Scope::Program,
            name: Name { text, span: name.span },
            generics: Vec::new(),
            params: Vec::new(),
            results: Results::default(),
            body: body.lines,
            close: body.close,
        };
        Test { name, function }
    }

    /// A type, unless it is nested too deeply.
    pub(crate) fn type_expr(&mut self, start: u32, kind: TypeKind, end: u32) -> TypeExpr {
        let span = self.span(start, end);
        if type_depth(&kind) <= MAX_TYPE_DEPTH {
            return TypeExpr { kind, span };
        }
        self.errors.add(|| too_deep(span));
        TypeExpr { kind: TypeKind::Name(Name { text: "u8".into(), span }, Vec::new()), span }
    }

    /// `defer s`, unless `s` is that again and again.
    pub(crate) fn defer(&mut self, start: u32, kind: StatementKind, end: u32) -> StatementKind {
        let block = self.block_of(start, kind, end);
        if defer_depth(&block) <= MAX_TYPE_DEPTH {
            return StatementKind::Defer(block);
        }
        let span = self.span(start, end);
        self.errors.add(|| too_deep(span));
        StatementKind::Defer(Block { lines: Vec::new(), close: span })
    }

    /// A statement as a block of its own.
    pub(crate) fn block_of(&self, start: u32, kind: StatementKind, end: u32) -> Block {
        let statement = Statement { kind, span: self.span(start, end) };
        Block { lines: vec![Line::Statement(Box::new(statement))], close: self.span(end, end) }
    }

    /// The value of a literal that begins at `start`, or `None` once the error is reported.
    fn literal<T>(&mut self, start: u32, value: Result<T, BadLiteral>) -> Option<T> {
        value.map_err(|bad| self.bad_literal(start, bad)).ok()
    }

    fn bad_literal(&mut self, start: u32, BadLiteral { at: Range { start: from, end: to }, reason }: BadLiteral) {
        let span = self.span(start + from as u32, start + to as u32);
        self.errors.add(|| Diagnostic::new(span, reason));
    }
}

/// Types, and `defer` before `defer`, may lie in each other so deep.
const MAX_TYPE_DEPTH: usize = 64;

/// How deep types lie in each other. None of the inner ones is nested too deeply.
fn type_depth(kind: &TypeKind) -> usize {
    let deepest = |list: &[TypeExpr]| list.iter().map(|ty| type_depth(&ty.kind)).max().unwrap_or(0);
    1 + match kind {
        TypeKind::Name(_, arguments) => deepest(arguments),
        TypeKind::Address(of) | TypeKind::Slice(of) | TypeKind::Array(_, of) => type_depth(&of.kind),
        TypeKind::Ref(_) => 0,
        TypeKind::Function(params, results) => deepest(params).max(deepest(results)),
    }
}

fn defer_depth(block: &Block) -> usize {
    match block.lines.as_slice() {
        [Line::Statement(statement)] => match &statement.kind {
            StatementKind::Defer(inner) => 1 + defer_depth(inner),
            _ => 1,
        },
        _ => 1,
    }
}

fn unknown_type(name: &Name) -> Diagnostic {
    let suggestion = suggest::similar(&name.text, ValueType::ALL.map(ValueType::name));
    Diagnostic::new(name.span, format!("there is no type `{}`", name.text))
        .note("the types are i32, i64, f32, f64 and ref")
        .help(suggestion)
}

/// What could have stood there, if that can be said in a few words.
fn expectation(expected: &[String]) -> Option<String> {
    let names = expected.iter().map(|name| name.trim_matches('"'));
    let at_file_level = names.clone().any(|name| name == "use");
    let starts_type = names.clone().any(|name| name == "ref");
    let mut classes: Vec<String> = Vec::new();
    for class in names.map(|name| class(name, at_file_level, starts_type)) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    let (last, rest) = classes.split_last()?;
    match rest.len() {
        0 => Some(format!("expected {last}")),
        1..=4 => Some(format!("expected {} or {last}", rest.join(", "))),
        _ => None,
    }
}

/// The kind of thing that a token of the grammar is.
fn class(name: &str, at_file_level: bool, starts_type: bool) -> String {
    let class = match name {
        "newline" | ";" => "end of line",
        "use" | "const" | "export" | "@file" | "@site" | "@nodebug" | "@nonames" | "@section" | "@name" => {
            "a declaration"
        }
        "struct" | "enum" | "static" | "test" | "private" | "interface" => "a declaration",
        "data" | "reserve" | "table" | "type" | "home" | "slots" | "fn" if at_file_level => "a declaration",
        "word" | "data" | "reserve" | "table" | "type" | "home" | "slots" => "a name",
        "dotted word" => "a name",
        "mnemonic" => "a mnemonic",
        "ref" | "*" if starts_type => "a type",
        "integer" | "float" | "character" | "sizeof" | "~" | "not" | "try" | "true" | "false" => "a value",
        "let" | "var" | "while" | "for" | "loop" | "match" | "return" | "fail" | "break" | "continue" | "defer"
        | "assert" => "a statement",
        "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|=" | "^=" | "<<=" | ">>=" | "+%=" | "-%=" | "*%=" => {
            "an assignment"
        }
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "and" | "or" | "as" | "+%" | "-%" | "*%" => "an operator",
        "+" | "-" | "*" | "/" | "%" | "<<" | ">>" | "&" | "|" | "^" => "an operator",
        "string" => "a string",
        "reg" | "@line" | "@word" => "a line of a body",
        punctuation => return format!("`{punctuation}`"),
    };
    class.to_owned()
}
