//! The structured notation as a tree.

use super::{Expr, Float, Function, Line, Name, Results, Scope, Text};
use crate::source::Span;
use limen_isa::ValueType;

/// A type as it is written.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    /// What it is.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

/// What a type is written as.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `u32`, `Pair[u32, bool]`
    Name(Name, Vec<TypeExpr>),
    /// `*T`
    Address(Box<TypeExpr>),
    /// `[]T`
    Slice(Box<TypeExpr>),
    /// `[N]T`
    Array(Box<Expr>, Box<TypeExpr>),
    /// `ref Name`
    Ref(Name),
    /// `fn(A, B) -> R`
    Function(Vec<TypeExpr>, Vec<TypeExpr>),
}

impl TypeExpr {
    /// The machine's type, if it is written as the name of one.
    #[must_use]
    pub fn machine(&self) -> Option<ValueType> {
        match &self.kind {
            TypeKind::Name(name, arguments) if arguments.is_empty() => {
                ValueType::ALL.into_iter().find(|ty| ty.name() == &*name.text)
            }
            _ => None,
        }
    }
}

/// `struct Name[T] { field: T }`
#[derive(Clone, Debug)]
pub struct Struct {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// Its type parameters.
    pub generics: Vec<Name>,
    /// Its fields in order.
    pub fields: Vec<Field>,
}

/// `name: T` in a structure.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: TypeExpr,
}

/// `enum Name: u8 { A, B = 4 }`
#[derive(Clone, Debug)]
pub struct Enum {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// How it lies in memory.
    pub ty: Option<TypeExpr>,
    /// Its values in order, and those that it takes over.
    pub entries: Vec<EnumEntry>,
}

impl Enum {
    /// The enumerations whose values it takes over.
    pub fn uses(&self) -> impl Iterator<Item = &Name> {
        self.entries.iter().filter_map(|entry| if let EnumEntry::Use(name) = entry { Some(name) } else { None })
    }
}

/// A line of an enumeration.
#[derive(Clone, Debug)]
pub enum EnumEntry {
    /// `Name = 4`
    Variant(Variant),
    /// `use Other`
    Use(Name),
}

/// `interface Name { ... }`
#[derive(Clone, Debug)]
pub struct Interface {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// What can be called.
    pub methods: Vec<Method>,
}

/// `idempotent fn name(a: T) -> R ! E = 4` in an interface.
#[derive(Clone, Debug)]
pub struct Method {
    /// Whether doing it twice is as good as once.
    pub idempotent: bool,
    /// Its name.
    pub name: Name,
    /// What it takes.
    pub params: Vec<MethodParam>,
    /// What it gives.
    pub results: Results,
    /// Its number, which never changes.
    pub number: Expr,
}

/// `name: lend []u8` in a method.
#[derive(Clone, Debug)]
pub struct MethodParam {
    /// Its name.
    pub name: Name,
    /// How it reaches the server.
    pub passing: Passing,
    /// Its type.
    pub ty: TypeExpr,
}

/// How a parameter reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// In the message; a reference is then the caller's as well.
    Value,
    /// `move`: a reference that the caller gives away.
    Move,
    /// `lend`: memory of the caller's that the server may read until it answers.
    Lend,
    /// `lend mut`: memory that it may write, too.
    LendMut,
}

/// `Name = 4` in an enumeration.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its name.
    pub name: Name,
    /// Its number, if one is given.
    pub value: Option<Expr>,
}

/// `static name: T = value`
#[derive(Clone, Debug)]
pub struct Static {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: TypeExpr,
    /// What it begins with; zero if nothing is given.
    pub value: Option<Term>,
}

/// `test "name" { ... }`
#[derive(Clone, Debug)]
pub struct Test {
    /// What it shows.
    pub name: Text,
    /// Its body, as a function without parameters.
    pub function: Function,
}

/// Lines between braces.
#[derive(Clone, Debug)]
pub struct Block {
    /// The lines.
    pub lines: Vec<Line>,
    /// The closing brace.
    pub close: Span,
}

/// An expression of the structured notation.
#[derive(Clone, Debug)]
pub struct Term {
    /// What it is.
    pub kind: TermKind,
    /// Where it stands.
    pub span: Span,
    /// How deeply it is nested; at most [`Expr::MAX_DEPTH`].
    pub depth: u16,
}

/// What a term is.
#[derive(Clone, Debug)]
pub enum TermKind {
    /// A number or a character.
    Integer(u64),
    /// A number with a point.
    Float(Float),
    /// A byte string.
    Text(Vec<u8>),
    /// `true`, `false`
    Bool(bool),
    /// A local, constant, static, function or type.
    Name(Box<str>),
    /// `sizeof(T)`, `sizeof name`
    SizeOf(TypeExpr),
    /// `[a, b]`
    Array(Vec<Term>),
    /// `x.name`
    Field(Box<Term>, Name),
    /// `p.*`
    Target(Box<Term>),
    /// `f(a, b)`, `Point(x: 1)`
    Call(Box<Term>, Vec<Argument>),
    /// `a[i]`, `f[T]`
    Index(Box<Term>, Vec<Term>),
    /// `s[a..b]`
    Slice(Box<Term>, Option<Box<Term>>, Option<Box<Term>>),
    /// `-x` and so on
    Prefix(Prefix, Box<Term>),
    /// `a + b` and so on
    Infix(Infix, Box<(Term, Term)>),
    /// `x as T`
    Cast(Box<Term>, TypeExpr),
    /// `[]T`, `*T`, `ref T` in `f[[]T]`
    Type(TypeExpr),
    /// `if c then a else b`
    If(Box<(Term, Term, Term)>),
    /// What was reported while parsing.
    Bad,
}

/// An argument, with the field's name if a structure is made.
#[derive(Clone, Debug)]
pub struct Argument {
    /// `x` of `x: 1`.
    pub name: Option<Name>,
    /// The value.
    pub value: Term,
}

/// What stands before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `-`
    Negate,
    /// `~`
    Complement,
    /// `not`
    Not,
    /// `&`
    AddressOf,
    /// `try`
    Try,
}

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Infix {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `+%`
    AddWrapping,
    /// `-%`
    SubtractWrapping,
    /// `*%`
    MultiplyWrapping,
    /// `/`
    Divide,
    /// `%`
    Remainder,
    /// `<<`
    ShiftLeft,
    /// `>>`
    ShiftRight,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `and`
    Both,
    /// `or`
    Either,
}

/// A statement of the structured notation.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Where it stands.
    pub span: Span,
}

/// What a statement is.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `let a, b: T = value`, `var`
    Local(Local),
    /// `a, b = x, y`
    Assign(Vec<Term>, Vec<Term>, Option<Catch>),
    /// `a += x`
    Update(Infix, Term, Term),
    /// `f(x)`, `try f(x)`
    Term(Term, Option<Catch>),
    /// `if c { } else if d { } else { }`
    If(Vec<(Term, Block)>, Option<Block>),
    /// `while c { }`
    While(Term, Block),
    /// `loop { }`
    Loop(Block),
    /// `for x in s { }`, `for i in a..b { }`
    For(For),
    /// `match x { }`
    Match(Term, Vec<Arm>, Span),
    /// `return a, b`
    Return(Vec<Term>),
    /// `fail e`
    Fail(Term),
    /// `break name`
    Break(Option<Name>),
    /// `continue name`
    Continue(Option<Name>),
    /// `defer s`
    Defer(Block),
    /// `assert c, "message"`
    Assert(Term, Option<Text>),
}

/// `let` or `var`.
#[derive(Clone, Debug)]
pub struct Local {
    /// Whether it can be assigned.
    pub mutable: bool,
    /// The names, each with its type if one is given.
    pub names: Vec<(Name, Option<TypeExpr>)>,
    /// What they begin with.
    pub values: Vec<Term>,
    /// What is done if that fails.
    pub catch: Option<Catch>,
}

/// What stands behind `catch`.
#[derive(Clone, Debug)]
pub enum Catch {
    /// A value.
    Value(Term),
    /// A block, with a name for the error.
    Block(Option<Name>, Block),
}

/// A `for` loop.
#[derive(Clone, Debug)]
pub struct For {
    /// One name, or two: position and element.
    pub names: Vec<Name>,
    /// The slice, or the start of the range.
    pub from: Term,
    /// The end of the range.
    pub to: Option<Term>,
    /// The body.
    pub body: Block,
}

/// An arm of a `match`.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Values and ranges; none for `else`.
    pub patterns: Vec<(Term, Option<Term>)>,
    /// What is done.
    pub body: Block,
    /// Where its patterns stand.
    pub span: Span,
}
