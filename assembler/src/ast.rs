//! A source file as a tree. Nothing is looked up or computed yet: names are names, expressions are expressions.

mod structured;

pub use self::structured::*;
pub use crate::literal::Float;
use crate::source::Span;
use limen_isa::ValueType;

/// A source file.
#[derive(Clone, Debug, Default)]
pub struct Ast {
    /// Its declarations in order.
    pub items: Vec<Item>,
}

/// A declaration at file level.
#[derive(Clone, Debug)]
pub enum Item {
    /// `use "path"`
    Use(Text),
    /// `const NAME = EXPR`
    Const(Const),
    /// `data NAME { ... }`
    Data(Data),
    /// `reserve NAME SIZE`
    Reserve(Reserve),
    /// `table NAME { ... }`
    Table(Table),
    /// `type NAME = fn(...)`
    Type(TypeDefinition),
    /// `home MIN max MAX`
    Home(Home),
    /// `slots N`
    Slots(Slots),
    /// `fn NAME(...) { ... }`
    Function(Box<Function>),
    /// `struct NAME { ... }`
    Struct(Struct),
    /// `enum NAME { ... }`
    Enum(Enum),
    /// `interface NAME { ... }`
    Interface(Interface),
    /// `static NAME: T`
    Static(Static),
    /// `test "name" { ... }`
    Test(Test),
    /// `export "name" = ...`
    Export(Export),
    /// A line that begins with `@`.
    Annotation(FileAnnotation),
}

/// Who sees a declaration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All files of the program.
    #[default]
    Program,
    /// `export`: whoever has the module, too.
    Exported,
    /// `private`: its file.
    File,
}

impl Scope {
    /// Whether the module exports it under its name.
    #[must_use]
    pub fn exported(self) -> bool {
        self == Self::Exported
    }
}

/// An identifier where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The identifier.
    pub text: Box<str>,
    /// Where it stands.
    pub span: Span,
}

/// A string literal where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its bytes, escapes replaced; `\xHH` may have made them no UTF-8.
    pub bytes: Vec<u8>,
    /// Where it stands.
    pub span: Span,
}

/// `[export] const NAME = EXPR`
#[derive(Clone, Debug)]
pub struct Const {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// Its type, if one is given.
    pub ty: Option<TypeExpr>,
    /// Its value.
    pub value: Expr,
}

/// A word and its value after a declaration: `align 8`, `at 0x100`, `max 16`.
#[derive(Clone, Debug)]
pub struct Clause {
    /// The word.
    pub word: Name,
    /// Its value.
    pub value: Expr,
}

/// `[export] data NAME [align N] [at ADDR] { ... }`
#[derive(Clone, Debug)]
pub struct Data {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// `align` and `at`.
    pub clauses: Vec<Clause>,
    /// Its contents in order.
    pub contents: Vec<DataItem>,
}

/// One line of data.
#[derive(Clone, Debug)]
pub enum DataItem {
    /// String literals.
    Strings(Vec<Text>),
    /// `u8 1, 2, 3`, `zero 16`, `align 8` and the like.
    Values {
        /// What the values are.
        kind: Name,
        /// The values.
        values: Vec<Expr>,
    },
}

/// `[export] reserve NAME SIZE [align N] [at ADDR]`
#[derive(Clone, Debug)]
pub struct Reserve {
    /// Who sees it.
    pub scope: Scope,
    /// Its name.
    pub name: Name,
    /// Its size in bytes.
    pub size: Expr,
    /// `align` and `at`.
    pub clauses: Vec<Clause>,
}

/// `table NAME { f, null, g }`
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: Name,
    /// Names of functions; the name `null` for an entry without one.
    pub entries: Vec<Name>,
}

/// `type NAME = fn(...) -> (...)`
#[derive(Clone, Debug)]
pub struct TypeDefinition {
    /// Its name.
    pub name: Name,
    /// Types of the parameters.
    pub params: Vec<ValueType>,
    /// Types of the results.
    pub results: Vec<ValueType>,
}

/// `home MIN [max MAX]`
#[derive(Clone, Debug)]
pub struct Home {
    /// The whole declaration.
    pub span: Span,
    /// Pages at the start.
    pub min: Expr,
    /// `max`.
    pub clauses: Vec<Clause>,
}

/// `slots N`
#[derive(Clone, Debug)]
pub struct Slots {
    /// The whole declaration.
    pub span: Span,
    /// Slots at the start.
    pub count: Expr,
}

/// `[export] fn NAME[T](a: T) [-> (T)] [! E] { ... }`
#[derive(Clone, Debug)]
pub struct Function {
    /// Who sees it.
    pub scope: Scope,
    /// Its name; a method's has a dot.
    pub name: Name,
    /// Its type parameters.
    pub generics: Vec<Name>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Types of its results.
    pub results: Results,
    /// Its body.
    pub body: Vec<Line>,
    /// The brace that ends the body.
    pub close: Span,
}

impl Function {
    /// Whether all of it is in the instruction notation.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let plain = |line: &Line| match line {
            Line::Statement(_) => false,
            Line::Registers(registers) => registers.ty.machine().is_some(),
            Line::Instruction(_) | Line::Label(_) | Line::Annotation(_) => true,
        };
        self.generics.is_empty()
            && self.results.error.is_none()
            && self.params.iter().all(|param| param.ty.machine().is_some())
            && self.results.types.iter().all(|ty| ty.machine().is_some())
            && self.body.iter().all(plain)
    }
}

/// `-> (T, U) ! E`
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Types of the results.
    pub types: Vec<TypeExpr>,
    /// Type of the errors, if it can fail.
    pub error: Option<TypeExpr>,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub ty: TypeExpr,
}

/// `export "name" = EXPR`: a function under another name if `EXPR` is the name of one, else a constant.
#[derive(Clone, Debug)]
pub struct Export {
    /// The name.
    pub name: Text,
    /// What is exported.
    pub value: Expr,
}

/// An annotation at file level.
#[derive(Clone, Debug)]
pub enum FileAnnotation {
    /// `@file "name"`
    File(Text),
    /// `@site "function" "file" LINE [in N]`
    Site(Box<Site>),
    /// `@nodebug`
    NoDebug,
    /// `@nonames`
    NoNames,
    /// `@section ID { ... }`
    Section {
        /// The section's number.
        id: Expr,
        /// Its contents.
        contents: Vec<DataItem>,
    },
    /// `@name "debug name"`
    Name(Text),
}

/// `@site "function" "file" LINE [in N]`
#[derive(Clone, Debug)]
pub struct Site {
    /// The function that was inlined.
    pub function: Text,
    /// Where its call stood.
    pub file: FileName,
    /// Where its call stood.
    pub line: Expr,
    /// `in`: the site that the call was inlined into.
    pub clauses: Vec<Clause>,
}

/// A file that debug information names.
#[derive(Clone, Debug)]
pub enum FileName {
    /// `"name"`
    Text(Text),
    /// Its number, counted from 0: for names that occur twice.
    Number(Expr),
}

/// A line of a function's body.
#[derive(Clone, Debug)]
pub enum Line {
    /// `d = i32.add a, b`
    Instruction(Instruction),
    /// `again:`
    Label(Name),
    /// `reg x, y: i32`
    Registers(Registers),
    /// A line that begins with `@`.
    Annotation(LineAnnotation),
    /// A line of the structured notation.
    Statement(Box<Statement>),
}

/// `reg x, y: i32`
#[derive(Clone, Debug)]
pub struct Registers {
    /// The names.
    pub names: Vec<Name>,
    /// The type of all of them.
    pub ty: TypeExpr,
}

/// An annotation in a body.
#[derive(Clone, Debug)]
pub enum LineAnnotation {
    /// `@line "file" LINE [via N]`
    Line(Box<Position>),
    /// `@line none`, and `@line` alone for a function that has no line information at all.
    LineWord {
        /// The whole annotation.
        span: Span,
        /// `none`.
        word: Option<Name>,
    },
    /// `@word 0x10, 0x20`: words as they are.
    Words(Vec<Expr>),
}

/// `@line "file" LINE [via N]`
#[derive(Clone, Debug)]
pub struct Position {
    /// The file.
    pub file: FileName,
    /// The line.
    pub line: Expr,
    /// `via`: the inline site.
    pub clauses: Vec<Clause>,
}

/// `results = mnemonic operands`
#[derive(Clone, Debug)]
pub struct Instruction {
    /// The registers left of `=`.
    pub results: Vec<Name>,
    /// The mnemonic, dots included.
    pub mnemonic: Name,
    /// What follows it.
    pub operands: Operands,
    /// The whole instruction.
    pub span: Span,
}

/// What follows a mnemonic, by its shape.
#[derive(Clone, Debug)]
pub enum Operands {
    /// `a, [p + 4], 12`
    List(Vec<Operand>),
    /// `callee(a, b)`
    Call(Box<Call>),
    /// `table[index] signature(a, b)`
    Indirect(Box<IndirectCall>),
}

/// `callee(a, b)`
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called: a name or a number.
    pub callee: Expr,
    /// The arguments.
    pub arguments: Arguments,
}

/// `table[index] signature(a, b)`
#[derive(Clone, Debug)]
pub struct IndirectCall {
    /// The function table.
    pub table: Name,
    /// The register that selects the entry.
    pub index: Name,
    /// The signature that the entry must have.
    pub signature: Name,
    /// The arguments.
    pub arguments: Arguments,
}

/// `(a, b)`
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The arguments.
    pub list: Vec<Expr>,
    /// From bracket to bracket.
    pub span: Span,
}

/// One operand in a list.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A register, a label, or a constant expression.
    Expr(Expr),
    /// `[base, index + 4]`, or the labels of a branch table.
    Bracket(Bracket),
}

impl Operand {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Expr(expr) => expr.span,
            Self::Bracket(bracket) => bracket.span,
        }
    }
}

/// `[base, index + 4]`
#[derive(Clone, Debug)]
pub struct Bracket {
    /// What stands between the commas.
    pub parts: Vec<BracketPart>,
    /// From bracket to bracket.
    pub span: Span,
}

/// `base + 4`
#[derive(Clone, Debug)]
pub struct BracketPart {
    /// The register or label.
    pub base: Name,
    /// What is added.
    pub offset: Option<Expr>,
}

/// A constant expression, or a name that stands for something else.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands, parentheses included.
    pub span: Span,
    /// How deeply it is nested; at most [`Expr::MAX_DEPTH`].
    pub depth: u16,
}

impl Expr {
    /// Deeper expressions are refused, so that walking over one never exhausts the stack.
    pub const MAX_DEPTH: u16 = 200;
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// An integer or character literal.
    Integer(u64),
    /// A float literal.
    Float(Float),
    /// `bits 0x7fc00000`: a float by its bits.
    Bits(u64),
    /// A constant, an address, a register, a label or a function, as the place demands.
    Name(Box<str>),
    /// `sizeof NAME`
    SizeOf(Name),
    /// `-x`
    Unary(UnaryOperator, Box<Expr>),
    /// `x + y`
    Binary(BinaryOperator, Box<(Expr, Expr)>),
    /// What was reported while parsing.
    Bad,
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `-`
    Negate,
    /// `~`
    Not,
}

/// An operator between its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
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
}
