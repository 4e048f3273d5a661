//! Types: what they are, how they lie in memory, and which registers hold their values.

use std::collections::HashMap;

use indexmap::IndexSet;

use crate::ast::{Expr, Struct, TypeExpr, TypeKind};
use crate::constants::Constants;
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::{Globals, Symbol};
use crate::source::Span;

/// A type of a [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ty(pub(crate) u32);

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Int {
    pub(crate) bits: u8,
    pub(crate) signed: bool,
}

impl Int {
    pub(crate) const I32: Int = Int { bits: 32, signed: true };

    pub(crate) fn min(self) -> i128 {
        if self.signed { -(1 << (self.bits - 1)) } else { 0 }
    }

    pub(crate) fn max(self) -> i128 {
        (1 << (self.bits - u8::from(self.signed))) - 1
    }

    /// Whether it holds all values of another.
    pub(crate) fn holds(self, other: Int) -> bool {
        self.min() <= other.min() && self.max() >= other.max()
    }

    pub(super) fn name(self) -> String {
        format!("{}{}", if self.signed { 'i' } else { 'u' }, self.bits)
    }
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    /// What an expression has whose error was reported.
    Bad,
    /// A number without a type.
    AnyInt,
    AnyFloat,
    /// `null`
    Null,
    Int(Int),
    BigEndian(Int),
    F32,
    F64,
    Bool,
    Ref(Option<Box<str>>),
    Enum(usize),
    Struct(usize, Vec<Ty>),
    Array(Ty, u32),
    Slice(Ty),
    Address(Ty),
    Function(Vec<Ty>, Vec<Ty>),
}

/// A field and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    pub(crate) ty: Ty,
    pub(crate) offset: u32,
}

/// How a structure lies in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) members: Vec<Member>,
    pub(crate) size: u64,
}

/// An enumeration's values.
pub(crate) struct Variants {
    pub(crate) int: Int,
    pub(crate) values: Vec<(Box<str>, i128)>,
}

/// What type parameters stand for.
pub(crate) type Bindings<'a> = HashMap<&'a str, Ty>;

/// Types nested deeper are taken for endless.
const MAX_DEPTH: u32 = 24;

/// All types of a program.
pub(crate) struct Types<'p, 'a> {
    pub(crate) globals: &'p Globals<'a>,
    pub(super) constants: &'p Constants<'a>,
    all: IndexSet<Type>,
    depths: Vec<u32>,
    pub(super) layouts: HashMap<Ty, Option<Layout>>,
    pub(super) enums: HashMap<usize, Variants>,
}

macro_rules! fixed {
    ($($name:ident = $index:literal, $ty:expr;)*) => {
        impl Ty { $(pub(crate) const $name: Ty = Ty($index);)* }
        const FIXED: &[Type] = &[$($ty),*];
    };
}

fixed! {
    BAD = 0, Type::Bad;
    ANY_INT = 1, Type::AnyInt;
    ANY_FLOAT = 2, Type::AnyFloat;
    NULL = 3, Type::Null;
    I32 = 4, Type::Int(Int::I32);
    U32 = 5, Type::Int(Int { bits: 32, signed: false });
    I64 = 6, Type::Int(Int { bits: 64, signed: true });
    F32 = 7, Type::F32;
    F64 = 8, Type::F64;
    BOOL = 9, Type::Bool;
    U8 = 10, Type::Int(Int { bits: 8, signed: false });
    REF = 11, Type::Ref(None);
    BYTES = 12, Type::Slice(Ty::U8);
}

impl<'p, 'a> Types<'p, 'a> {
    pub(crate) fn new(globals: &'p Globals<'a>, constants: &'p Constants<'a>) -> Self {
        let all: IndexSet<Type> = FIXED.iter().cloned().collect();
        let depths = vec![1; all.len()];
        Self { globals, constants, all, depths, layouts: HashMap::new(), enums: HashMap::new() }
    }

    pub(crate) fn get(&self, ty: Ty) -> &Type {
        &self.all[ty.0 as usize]
    }

    pub(crate) fn add(&mut self, ty: Type) -> Ty {
        let depth = 1 + match &ty {
            Type::Struct(_, inner) => inner.iter().map(|ty| self.depth(*ty)).max().unwrap_or(0),
            Type::Array(inner, _) | Type::Slice(inner) | Type::Address(inner) => self.depth(*inner),
            Type::Function(a, b) => a.iter().chain(b).map(|ty| self.depth(*ty)).max().unwrap_or(0),
            _ => 0,
        };
        let (index, new) = self.all.insert_full(ty);
        if new {
            self.depths.push(depth);
        }
        Ty(index as u32)
    }

    fn depth(&self, ty: Ty) -> u32 {
        self.depths[ty.0 as usize]
    }

    pub(crate) fn is_endless(&self, ty: Ty) -> bool {
        self.depth(ty) > MAX_DEPTH
    }

    pub(crate) fn int(&self, ty: Ty) -> Option<Int> {
        if let Type::Int(int) = self.get(ty) { Some(*int) } else { None }
    }

    /// The type of a value that is read from such a place.
    pub(crate) fn value_of(&mut self, ty: Ty) -> Ty {
        match *self.get(ty) {
            Type::BigEndian(int) => self.add(Type::Int(int)),
            _ => ty,
        }
    }

    pub(crate) fn name(&self, ty: Ty) -> String {
        let list = |types: &[Ty]| types.iter().map(|ty| self.name(*ty)).collect::<Vec<_>>().join(", ");
        let globals = self.globals;
        match self.get(ty) {
            Type::Bad => "?".into(),
            Type::AnyInt => "an integer".into(),
            Type::AnyFloat => "a float".into(),
            Type::Null => "null".into(),
            Type::Int(int) => int.name(),
            Type::BigEndian(int) => format!("{}be", int.name()),
            Type::F32 => "f32".into(),
            Type::F64 => "f64".into(),
            Type::Bool => "bool".into(),
            Type::Ref(None) => "ref".into(),
            Type::Ref(Some(name)) => format!("ref {name}"),
            Type::Enum(index) => globals.enums[*index].name.text.to_string(),
            Type::Struct(index, arguments) if arguments.is_empty() => globals.structs[*index].name.text.to_string(),
            Type::Struct(index, arguments) => format!("{}[{}]", globals.structs[*index].name.text, list(arguments)),
            Type::Array(element, count) => format!("[{count}]{}", self.name(*element)),
            Type::Slice(element) => format!("[]{}", self.name(*element)),
            Type::Address(target) => format!("*{}", self.name(*target)),
            Type::Function(params, results) if results.is_empty() => format!("fn({})", list(params)),
            Type::Function(params, results) if results.len() == 1 => {
                format!("fn({}) -> {}", list(params), self.name(results[0]))
            }
            Type::Function(params, results) => format!("fn({}) -> ({})", list(params), list(results)),
        }
    }

    // ---- From the source --------------------------------------------------------------------------------------------

    /// The type that an expression names; [`Ty::BAD`] once the error is reported.
    pub(crate) fn resolve(&mut self, expr: &'a TypeExpr, bindings: &Bindings<'a>, errors: &mut Errors) -> Ty {
        let ty = match &expr.kind {
            TypeKind::Name(name, arguments) => {
                let arguments: Vec<Ty> = arguments.iter().map(|ty| self.resolve(ty, bindings, errors)).collect();
                self.named(&name.text, name.span, arguments, bindings, errors)
            }
            TypeKind::Address(target) => {
                let target = self.resolve(target, bindings, errors);
                self.add(Type::Address(target))
            }
            TypeKind::Slice(element) => {
                let element = self.resolve(element, bindings, errors);
                self.add(Type::Slice(element))
            }
            TypeKind::Array(count, element) => {
                let count = self.count(count, errors);
                let element = self.resolve(element, bindings, errors);
                self.add(Type::Array(element, count))
            }
            TypeKind::Ref(name) => self.add(Type::Ref(Some(name.text.clone()))),
            TypeKind::Function(params, results) => {
                let params = params.iter().map(|ty| self.resolve(ty, bindings, errors)).collect();
                let results = results.iter().map(|ty| self.resolve(ty, bindings, errors)).collect();
                self.add(Type::Function(params, results))
            }
        };
        if self.is_endless(ty) {
            errors.add(|| Diagnostic::new(expr.span, "this type is nested too deeply: it may be endless"));
            return Ty::BAD;
        }
        ty
    }

    fn count(&self, count: &Expr, errors: &mut Errors) -> u32 {
        self.constants.integer(count, 0, i128::from(u32::MAX), errors).unwrap_or(0) as u32
    }

    /// The type of this name with these arguments.
    pub(crate) fn named(
        &mut self,
        name: &str,
        span: Span,
        arguments: Vec<Ty>,
        bindings: &Bindings<'a>,
        errors: &mut Errors,
    ) -> Ty {
        if let Some(ty) = bindings.get(name).copied().or_else(|| self.built_in(name)) {
            return self.without_arguments(ty, name, span, &arguments, errors);
        }
        match self.globals.get(name, span.file) {
            Some((Symbol::Struct(index), _)) => self.structure(index, arguments, span, errors),
            Some((Symbol::Enum(index), _)) => {
                let ty = self.add(Type::Enum(index));
                self.without_arguments(ty, name, span, &arguments, errors)
            }
            Some((symbol, declared)) => {
                errors.add(|| {
                    Diagnostic::new(span, "a type belongs here")
                        .label(format!("this is {}", symbol.kind()))
                        .also(declared, "declared here")
                });
                Ty::BAD
            }
            None => {
                let globals = self.globals;
                errors.add(|| {
                    Diagnostic::new(span, format!("there is no type `{name}`"))
                        .help(globals.similar(name, |symbol| matches!(symbol, Symbol::Struct(_) | Symbol::Enum(_))))
                });
                Ty::BAD
            }
        }
    }

    fn without_arguments(&self, ty: Ty, name: &str, span: Span, arguments: &[Ty], errors: &mut Errors) -> Ty {
        if arguments.is_empty() {
            return ty;
        }
        errors.add(|| Diagnostic::new(span, format!("`{name}` takes no type arguments")));
        Ty::BAD
    }

    pub(crate) fn structure(&mut self, index: usize, arguments: Vec<Ty>, span: Span, errors: &mut Errors) -> Ty {
        let declared: &'a Struct = self.globals.structs[index];
        if declared.generics.len() != arguments.len() {
            errors.add(|| {
                Diagnostic::new(
                    span,
                    format!("`{}` has {} type parameters", declared.name.text, declared.generics.len()),
                )
                .label(format!("{} given", arguments.len()))
            });
            return Ty::BAD;
        }
        self.add(Type::Struct(index, arguments))
    }

    pub(crate) fn built_in(&mut self, name: &str) -> Option<Ty> {
        let int = |text: &str| {
            let signed = match text.as_bytes().first()? {
                b'i' => true,
                b'u' => false,
                _ => return None,
            };
            let bits = text.get(1..)?.parse().ok().filter(|bits| [8, 16, 32, 64].contains(bits))?;
            Some(Int { bits, signed })
        };
        let ty = match name {
            "f32" => Type::F32,
            "f64" => Type::F64,
            "bool" => Type::Bool,
            "ref" => Type::Ref(None),
            _ => match name.strip_suffix("be").map(int) {
                Some(big) => Type::BigEndian(big.filter(|int| int.bits > 8)?),
                None => Type::Int(int(name)?),
            },
        };
        Some(self.add(ty))
    }

    /// The name that stands before those of a type's methods.
    pub(crate) fn owner(&self, ty: Ty) -> Option<&str> {
        match self.get(ty) {
            Type::Struct(index, _) => Some(&self.globals.structs[*index].name.text),
            Type::Enum(index) => Some(&self.globals.enums[*index].name.text),
            Type::Ref(name) => name.as_deref(),
            _ => None,
        }
    }
}
