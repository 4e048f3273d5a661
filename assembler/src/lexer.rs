//! Characters to tokens. Comments and newlines are tokens too: the formatter keeps them.

use logos::Logos;

use crate::diagnostic::{Diagnostic, Errors};
use crate::source::{FileId, Span};

/// A token; its text where the kind alone does not say it.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r]+")]
pub(crate) enum Token<'s> {
    #[token("\n")]
    Newline,
    #[regex(r"//[^\n]*", allow_greedy = true)]
    LineComment,
    #[regex(r"/\*([^*]|\*+[^*/])*\*+/")]
    BlockComment,

    #[token("use")]
    Use,
    #[token("const")]
    Const,
    #[token("export")]
    Export,
    #[token("data")]
    Data,
    #[token("reserve")]
    Reserve,
    #[token("table")]
    Table,
    #[token("type")]
    Type,
    #[token("home")]
    Home,
    #[token("slots")]
    Slots,
    #[token("fn")]
    Fn,
    #[token("reg")]
    Reg,
    #[token("sizeof")]
    SizeOf,

    #[token("@file")]
    AtFile,
    #[token("@site")]
    AtSite,
    #[token("@nodebug")]
    AtNoDebug,
    #[token("@nonames")]
    AtNoNames,
    #[token("@section")]
    AtSection,
    #[token("@name")]
    AtName,
    #[token("@line")]
    AtLine,
    #[token("@word")]
    AtWord,
    #[regex(r"@[A-Za-z0-9_]*", priority = 1)]
    UnknownAnnotation,

    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Word(&'s str),
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+")]
    Dotted(&'s str),
    #[regex(r"[0-9][0-9A-Za-z_]*")]
    Integer(&'s str),
    #[regex(r"[0-9][0-9_]*\.[0-9][0-9_]*([eE][+-]?[0-9_]+)?")]
    #[regex(r"[0-9][0-9_]*[eE][+-]?[0-9_]+", priority = 10)]
    Float(&'s str),
    #[regex(r"'([^'\\\n]|\\[^\n][^'\n]*)'")]
    Character(&'s str),
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    String(&'s str),
    #[regex(r#""([^"\\\n]|\\[^\n])*"#, priority = 1)]
    OpenString,
    #[regex(r"/\*([^*]|\*+[^*/])*\**", priority = 1)]
    OpenComment,

    /// A word that the table of instructions knows, where an instruction stands. Not made here but in `words.rs`, as are
    /// the words of the structured notation that follow.
    Mnemonic(&'s str),
    RefTo,
    Let,
    Var,
    If,
    Then,
    Else,
    While,
    For,
    In,
    Loop,
    Break,
    Continue,
    Match,
    Return,
    Fail,
    Try,
    Catch,
    Defer,
    Assert,
    As,
    Both,
    Either,
    Not,
    True,
    False,
    Struct,
    Enum,
    Static,
    Test,
    Private,
    Interface,
    Idempotent,
    Lend,
    Mut,
    Move,

    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("=")]
    Equals,
    #[token("->")]
    Arrow,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("<<")]
    ShiftLeft,
    #[token(">>")]
    ShiftRight,
    #[token("&")]
    And,
    #[token("|")]
    Or,
    #[token("^")]
    Xor,
    #[token("~")]
    Tilde,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("=>")]
    FatArrow,
    #[token("!")]
    Bang,
    #[token(".")]
    Dot,
    #[token("..")]
    DotDot,
    #[token("..=")]
    DotDotEquals,
    #[token(".*")]
    DotStar,
    #[token("+%")]
    PlusWrapping,
    #[token("-%")]
    MinusWrapping,
    #[token("*%")]
    StarWrapping,
    #[token("+=")]
    PlusEquals,
    #[token("-=")]
    MinusEquals,
    #[token("*=")]
    StarEquals,
    #[token("/=")]
    SlashEquals,
    #[token("%=")]
    PercentEquals,
    #[token("&=")]
    AndEquals,
    #[token("|=")]
    OrEquals,
    #[token("^=")]
    XorEquals,
    #[token("<<=")]
    ShiftLeftEquals,
    #[token(">>=")]
    ShiftRightEquals,
    #[token("+%=")]
    PlusWrappingEquals,
    #[token("-%=")]
    MinusWrappingEquals,
    #[token("*%=")]
    StarWrappingEquals,
}

impl Token<'_> {
    /// Whether the grammar takes the token as a name.
    pub(crate) fn is_name(self) -> bool {
        matches!(
            self,
            Token::Word(_) | Token::Data | Token::Reserve | Token::Table | Token::Type | Token::Home | Token::Slots
        )
    }
}

/// The words of the structured notation, which are reserved in its own lines only.
const WORDS: [(&str, Token<'static>); 30] = [
    ("let", Token::Let),
    ("var", Token::Var),
    ("if", Token::If),
    ("then", Token::Then),
    ("else", Token::Else),
    ("while", Token::While),
    ("for", Token::For),
    ("in", Token::In),
    ("loop", Token::Loop),
    ("break", Token::Break),
    ("continue", Token::Continue),
    ("match", Token::Match),
    ("return", Token::Return),
    ("fail", Token::Fail),
    ("try", Token::Try),
    ("catch", Token::Catch),
    ("defer", Token::Defer),
    ("assert", Token::Assert),
    ("as", Token::As),
    ("and", Token::Both),
    ("or", Token::Either),
    ("not", Token::Not),
    ("true", Token::True),
    ("false", Token::False),
    ("struct", Token::Struct),
    ("enum", Token::Enum),
    ("static", Token::Static),
    ("test", Token::Test),
    ("private", Token::Private),
    ("interface", Token::Interface),
];

/// The words that are reserved where the methods of an interface are declared.
const METHOD_WORDS: [(&str, Token<'static>); 4] =
    [("idempotent", Token::Idempotent), ("lend", Token::Lend), ("mut", Token::Mut), ("move", Token::Move)];

/// The words that are tokens of their own wherever they stand.
const FIXED_WORDS: [&str; 11] =
    ["use", "const", "export", "data", "reserve", "table", "type", "home", "slots", "fn", "reg"];

/// All words that have a meaning in one place or another, for tools that show sources. `sizeof` and the annotations, which
/// begin with `@`, are among them; mnemonics and names of types are not.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    let annotations = ["sizeof", "@file", "@site", "@nodebug", "@nonames", "@section", "@name", "@line", "@word"];
    let reserved = WORDS.iter().chain(&METHOD_WORDS).map(|(word, _)| *word);
    FIXED_WORDS.into_iter().chain(annotations).chain(reserved)
}

impl<'s> Token<'s> {
    /// What a word is in a line of the structured notation.
    pub(crate) fn keyword(self) -> Self {
        self.among(&WORDS)
    }

    /// What a word is in the declaration of a method.
    pub(crate) fn method_word(self) -> Self {
        self.among(&METHOD_WORDS)
    }

    fn among(self, words: &[(&str, Token<'static>)]) -> Self {
        let Token::Word(text) = self else { return self };
        words.iter().find(|(word, _)| *word == text).map_or(self, |(_, token)| *token)
    }

    /// Whether it stands between a place and what is assigned to it.
    pub(crate) fn assigns(self) -> bool {
        matches!(
            self,
            Token::Equals
                | Token::PlusEquals
                | Token::MinusEquals
                | Token::StarEquals
                | Token::SlashEquals
                | Token::PercentEquals
                | Token::AndEquals
                | Token::OrEquals
                | Token::XorEquals
                | Token::ShiftLeftEquals
                | Token::ShiftRightEquals
                | Token::PlusWrappingEquals
                | Token::MinusWrappingEquals
                | Token::StarWrappingEquals
        )
    }
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexeme<'s> {
    pub(crate) token: Token<'s>,
    pub(crate) span: Span,
}

/// The tokens of a text. What is no token is reported and left out.
pub(crate) fn lex<'s>(file: FileId, text: &'s str, errors: &mut Errors) -> Vec<Lexeme<'s>> {
    let mut lexemes = Vec::with_capacity(text.len() / 4);
    for (token, range) in Token::lexer(text).spanned() {
        let span = Span::new(file, range.start as u32, range.end as u32);
        match token {
            Ok(Token::OpenString) => errors.add(|| open_string(span)),
            Ok(Token::OpenComment) => errors.add(|| open_comment(span)),
            Ok(Token::UnknownAnnotation) => errors.add(|| unknown_annotation(span, &text[range])),
            Ok(token) => lexemes.push(Lexeme { token, span }),
            Err(()) => errors.add(|| unexpected_character(span, &text[range])),
        }
    }
    lexemes
}

fn open_string(span: Span) -> Diagnostic {
    Diagnostic::new(span, "this string is not closed").help(["end it with `\"` on the same line"])
}

fn open_comment(span: Span) -> Diagnostic {
    let start = Span { end: span.start + 2, ..span };
    Diagnostic::new(start, "this comment is not closed").help(["end it with `*/`"])
}

fn unknown_annotation(span: Span, text: &str) -> Diagnostic {
    Diagnostic::new(span, format!("there is no annotation `{text}`"))
        .help(["annotations are @file, @site, @nodebug, @nonames, @section, @name, @line and @word"])
}

fn unexpected_character(span: Span, text: &str) -> Diagnostic {
    if text.starts_with('\'') {
        return Diagnostic::new(span, "this is no character literal").help(["write one character, as in 'a' or '\\n'"]);
    }
    let shown: String = text.chars().take(1).flat_map(char::escape_debug).collect();
    Diagnostic::new(span, format!("unexpected character `{shown}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        let mut errors = Errors::default();
        let lexemes = lex(FileId(0), text, &mut errors);
        assert!(errors.is_empty(), "{errors:?}");
        lexemes.into_iter().map(|lexeme| lexeme.token).collect()
    }

    fn messages(text: &str) -> Vec<String> {
        let mut errors = Errors::default();
        lex(FileId(0), text, &mut errors);
        errors.into_sorted().into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn keywords_are_tokens_of_their_own() {
        for word in keywords() {
            let [token] = tokens(word)[..] else { panic!("{word} is several tokens") };
            let reserved = [token.keyword(), token.method_word()];
            assert!(reserved.iter().any(|token| !matches!(token, Token::Word(_))), "{word}");
        }
    }

    #[test]
    fn mnemonics_are_one_token() {
        assert_eq!(tokens("i32.add ret"), [Token::Dotted("i32.add"), Token::Word("ret")]);
        assert_eq!(tokens("home.copy home"), [Token::Dotted("home.copy"), Token::Home]);
    }

    #[test]
    fn numbers_end_where_they_should() {
        assert_eq!(tokens("0x1e-3"), [Token::Integer("0x1e"), Token::Minus, Token::Integer("3")]);
        assert_eq!(tokens("1e-3 1.5 2"), [Token::Float("1e-3"), Token::Float("1.5"), Token::Integer("2")]);
        assert_eq!(tokens("1.5e+10"), [Token::Float("1.5e+10")]);
    }

    #[test]
    fn comments_are_tokens() {
        let comments = [Token::LineComment, Token::Newline, Token::BlockComment, Token::Word("x")];
        assert_eq!(tokens("/// a * b\n/* two\n** lines **/ x"), comments);
    }

    #[test]
    fn strings_may_hold_quotes_and_slashes() {
        assert_eq!(tokens(r#""a\"b//c" 'x' '\'' '"'"#).len(), 4);
    }

    #[test]
    fn what_is_not_closed_is_reported() {
        assert_eq!(messages("\"abc\nret"), ["this string is not closed"]);
        assert_eq!(messages("ret /* abc\n *"), ["this comment is not closed"]);
        assert_eq!(messages("#"), ["unexpected character `#`"]);
        assert_eq!(messages("''"), ["this is no character literal", "this is no character literal"]);
        assert_eq!(messages("@what"), ["there is no annotation `@what`"]);
    }
}
