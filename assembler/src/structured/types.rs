//! Types: what they are, how they lie in memory, and which registers hold their values.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use limen_isa::ValueType;

use crate::ast::{EnumEntry, Expr, Name, Struct, TypeExpr, TypeKind};
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

    fn name(self) -> String {
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
    constants: &'p Constants<'a>,
    all: IndexSet<Type>,
    depths: Vec<u32>,
    layouts: HashMap<Ty, Option<Layout>>,
    enums: HashMap<usize, Variants>,
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

    // ---- Layout -----------------------------------------------------------------------------------------------------

    pub(crate) fn variants(&mut self, index: usize, errors: &mut Errors) -> &Variants {
        if !self.enums.contains_key(&index) {
            let variants = self.make_variants(index, errors);
            self.enums.insert(index, variants);
        }
        &self.enums[&index]
    }

    fn make_variants(&mut self, index: usize, errors: &mut Errors) -> Variants {
        let declared = self.globals.enums[index];
        let mut int = Int::I32;
        if let Some(expr) = &declared.ty {
            let ty = self.resolve(expr, &Bindings::new(), errors);
            match self.int(ty) {
                Some(found) if found.bits <= 32 => int = found,
                _ => errors.add(|| Diagnostic::new(expr.span, "an integer type of at most 32 bits belongs here")),
            }
        }
        let mut values: Vec<(Box<str>, i128)> = Vec::new();
        let mut next = 0;
        for entry in &declared.entries {
            let variant = match entry {
                EnumEntry::Variant(variant) => variant,
                EnumEntry::Use(name) => {
                    self.take_over(index, name, int, &mut values, errors);
                    continue;
                }
            };
            if let Some(value) = &variant.value {
                next = self.constants.integer(value, int.min(), int.max(), errors).unwrap_or(next);
            }
            let taken = |(name, value): &&(Box<str>, i128)| *name == variant.name.text || *value == next;
            if let Some((name, _)) = values.iter().find(taken) {
                errors.add(|| Diagnostic::new(variant.name.span, format!("this is the same as `{name}`")));
            } else if next > int.max() {
                errors.add(|| Diagnostic::new(variant.name.span, format!("{next} does not fit {}", int.name())));
            }
            values.push((variant.name.text.clone(), next));
            next += 1;
        }
        Variants { int, values }
    }

    /// Adds the values of another enumeration.
    fn take_over(
        &mut self,
        index: usize,
        name: &'a Name,
        int: Int,
        values: &mut Vec<(Box<str>, i128)>,
        errors: &mut Errors,
    ) {
        let Some((Symbol::Enum(other), _)) = self.globals.get(&name.text, name.span.file) else {
            let globals = self.globals;
            return errors.add(|| {
                Diagnostic::new(name.span, format!("there is no enumeration `{}`", name.text))
                    .help(globals.similar(&name.text, |symbol| matches!(symbol, Symbol::Enum(_))))
            });
        };
        if self.uses(other, index) {
            return errors.add(|| Diagnostic::new(name.span, "an enumeration cannot use itself"));
        }
        for (variant, value) in self.variants(other, errors).values.clone() {
            if value < int.min() || value > int.max() {
                errors.add(|| Diagnostic::new(name.span, format!("`{variant}` does not fit {}", int.name())));
            } else if values.iter().any(|(known, number)| *known == variant || *number == value) {
                errors.add(|| Diagnostic::new(name.span, format!("`{variant}` of `{}` is there already", name.text)));
            }
            values.push((variant, value));
        }
    }

    /// Whether an enumeration is another one, or has its values.
    pub(crate) fn uses(&self, index: usize, other: usize) -> bool {
        let mut open = vec![index];
        let mut seen = HashSet::new();
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            if seen.insert(next) {
                let names = self.globals.enums[next].uses();
                let found = names.filter_map(|name| self.globals.get(&name.text, name.span.file));
                open.extend(
                    found.filter_map(|(symbol, _)| if let Symbol::Enum(index) = symbol { Some(index) } else { None }),
                );
            }
        }
        false
    }

    /// The integer that an enumeration is held as.
    pub(crate) fn enum_int(&mut self, index: usize, errors: &mut Errors) -> Int {
        self.variants(index, errors).int
    }

    pub(crate) fn layout(&mut self, ty: Ty, errors: &mut Errors) -> Layout {
        if let Some(known) = self.layouts.get(&ty) {
            return known.clone().unwrap_or_default();
        }
        let Type::Struct(index, arguments) = self.get(ty).clone() else { return Layout::default() };
        self.layouts.insert(ty, None);
        let declared = self.globals.structs[index];
        let bindings: Bindings<'a> =
            declared.generics.iter().map(|name| &*name.text).zip(arguments.iter().copied()).collect();
        let mut layout = Layout::default();
        for field in &declared.fields {
            let member = self.resolve(&field.ty, &bindings, errors);
            if layout.members.iter().any(|other| other.name == field.name.text) {
                errors.add(|| Diagnostic::new(field.name.span, "this field is declared twice"));
            }
            let size = if self.holds_itself(member) {
                errors.add(|| {
                    Diagnostic::new(field.name.span, format!("`{}` holds itself", declared.name.text))
                        .help(["an address `*T` or a slice `[]T` can do so"])
                });
                0
            } else {
                self.size(member, errors)
            };
            layout.members.push(Member { name: field.name.text.clone(), ty: member, offset: layout.size as u32 });
            layout.size += size;
            if layout.size > u64::from(u32::MAX) {
                errors.add(|| Diagnostic::new(field.name.span, "this structure does not fit into home"));
                layout.size = 0;
            }
        }
        self.layouts.insert(ty, Some(layout.clone()));
        layout
    }

    /// Whether the layout of a type is being made.
    fn holds_itself(&self, ty: Ty) -> bool {
        match self.get(ty) {
            Type::Array(element, _) => self.holds_itself(*element),
            Type::Struct(..) => matches!(self.layouts.get(&ty), Some(None)),
            _ => false,
        }
    }

    /// Bytes in memory.
    pub(crate) fn size(&mut self, ty: Ty, errors: &mut Errors) -> u64 {
        match self.get(ty).clone() {
            Type::Bad | Type::AnyInt | Type::AnyFloat | Type::Null => 0,
            Type::Int(int) | Type::BigEndian(int) => u64::from(int.bits / 8),
            Type::F32 | Type::Address(_) | Type::Function(..) | Type::Ref(_) => 4,
            Type::F64 | Type::Slice(_) => 8,
            Type::Bool => 1,
            Type::Enum(index) => u64::from(self.enum_int(index, errors).bits / 8),
            Type::Struct(..) => self.layout(ty, errors).size,
            Type::Array(element, count) => self.size(element, errors).saturating_mul(u64::from(count)),
        }
    }

    /// The registers of a value; `None` if there are no values of the type.
    pub(crate) fn registers(&mut self, ty: Ty, errors: &mut Errors) -> Option<Vec<ValueType>> {
        Some(match self.get(ty).clone() {
            Type::Int(int) | Type::BigEndian(int) if int.bits == 64 => vec![ValueType::I64],
            Type::F32 => vec![ValueType::F32],
            Type::F64 | Type::AnyFloat => vec![ValueType::F64],
            Type::Ref(_) => vec![ValueType::Ref],
            Type::Slice(_) => vec![ValueType::I32; 2],
            Type::Array(..) => return None,
            Type::Struct(..) => {
                let mut all = Vec::new();
                for member in self.layout(ty, errors).members {
                    all.extend(self.registers(member.ty, errors)?);
                }
                all
            }
            _ => vec![ValueType::I32],
        })
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
