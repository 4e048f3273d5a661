//! How the parameters and results of a method lie in a message.
//!
//! Word 0 is the header. Lends come first, a word each, then what is passed by value. References have places 1 to 3; place 0,
//! where a call names the endpoint, is that of the first lend's view at the server, and place 3 that of the second's.

use super::Names;
use crate::ast::{Method, MethodParam, Passing, TypeExpr, TypeKind};
use crate::diagnostic::{Diagnostic, Errors};

/// Words of a message behind the header.
const WORDS: usize = 7;

/// References of a message besides the one that names the endpoint.
const REFERENCES: usize = 3;

/// Lends of a message.
const LENDS: usize = 2;

/// What is passed in a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// Bits, and whether it is signed.
    Integer(u8, bool),
    Bool,
    F32,
    F64,
    Enum(String),
}

/// Where a parameter or a result lies.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In this word, from 1.
    Word(usize, Scalar),
    /// In this place for references, from 1.
    Reference(usize),
    /// In this word, and as this view, 0 or 1.
    Lend(usize, usize),
}

/// The messages of a method.
pub(super) struct Message<'a> {
    pub(super) method: &'a Method,
    pub(super) number: u16,
    pub(super) params: Vec<(&'a MethodParam, Place)>,
    pub(super) results: Vec<(&'a TypeExpr, Place)>,
}

impl<'a> Message<'a> {
    pub(super) fn of(method: &'a Method, number: u16, names: &Names<'_>, errors: &mut Errors) -> Option<Self> {
        let lends = method.params.iter().filter(|param| is_lend(param.passing)).count();
        let mut places = Places { lends: 0, words: lends, references: 0 };
        let params: Vec<_> =
            method.params.iter().map(|param| Some((param, places.param(param, names, errors)?))).collect();
        let room = if lends == LENDS { REFERENCES - 1 } else { REFERENCES };
        places.check(method, "parameters", room, errors)?;
        let mut places = Places { lends: 0, words: 0, references: 0 };
        let results: Vec<_> =
            method.results.types.iter().map(|ty| Some((ty, places.value(ty, names, errors)?))).collect();
        places.check(method, "results", REFERENCES, errors)?;
        let params = params.into_iter().collect::<Option<_>>()?;
        Some(Self { method, number, params, results: results.into_iter().collect::<Option<_>>()? })
    }

    /// What the header says besides the number: how many lends there are, which can be written, which references are moved.
    pub(super) fn flags(&self) -> u32 {
        let mut flags = 0;
        for (param, place) in &self.params {
            flags += match place {
                Place::Lend(_, view) => 1 + (u32::from(param.passing == Passing::LendMut) << (2 + view)),
                Place::Reference(place) => u32::from(param.passing == Passing::Move) << (3 + place),
                Place::Word(..) => 0,
            };
        }
        flags
    }
}

fn is_lend(passing: Passing) -> bool {
    matches!(passing, Passing::Lend | Passing::LendMut)
}

/// What was given its place so far.
struct Places {
    lends: usize,
    words: usize,
    references: usize,
}

impl Places {
    fn param(&mut self, param: &MethodParam, names: &Names<'_>, errors: &mut Errors) -> Option<Place> {
        let name = &param.name;
        if name.text.starts_with('_') {
            errors.add(|| Diagnostic::new(name.span, "the name of a parameter begins with a letter here"));
        }
        match (param.passing, &param.ty.kind) {
            (Passing::Value, _) => self.value(&param.ty, names, errors),
            (Passing::Move, _) if is_reference(&param.ty) => self.value(&param.ty, names, errors),
            (Passing::Move, _) => refuse(&param.ty, "only references are moved", errors),
            (_, TypeKind::Slice(_)) if names.text(&param.ty).replace(' ', "") == "[]u8" => {
                self.lends += 1;
                Some(Place::Lend(self.lends, self.lends - 1))
            }
            _ => refuse(&param.ty, "bytes are lent: `[]u8`", errors),
        }
    }

    fn value(&mut self, ty: &TypeExpr, names: &Names<'_>, errors: &mut Errors) -> Option<Place> {
        if is_reference(ty) {
            self.references += 1;
            return Some(Place::Reference(self.references));
        }
        let TypeKind::Name(name, arguments) = &ty.kind else {
            return refuse(
                ty,
                "this cannot be in a message: numbers and references can, and bytes can be lent",
                errors,
            );
        };
        let scalar = match &*name.text {
            "bool" => Some(Scalar::Bool),
            "f32" => Some(Scalar::F32),
            "f64" => Some(Scalar::F64),
            text if names.enums.contains_key(text) => Some(Scalar::Enum(text.to_owned())),
            text => integer(text),
        };
        let Some(scalar) = scalar.filter(|_| arguments.is_empty()) else {
            return refuse(
                ty,
                "this cannot be in a message: numbers and references can, and bytes can be lent",
                errors,
            );
        };
        self.words += 1;
        Some(Place::Word(self.words, scalar))
    }

    fn check(&self, method: &Method, what: &str, references: usize, errors: &mut Errors) -> Option<()> {
        let limits =
            [(self.words, WORDS, "words"), (self.references, references, "references"), (self.lends, LENDS, "lends")];
        let Some((found, limit, of)) = limits.into_iter().find(|(found, limit, _)| found > limit) else {
            return Some(());
        };
        errors.add(|| {
            Diagnostic::new(method.name.span, format!("the {what} of `{}` do not fit into a message", method.name.text))
                .note(format!("{found} {of}, at most {limit} are possible here"))
        });
        None
    }
}

fn is_reference(ty: &TypeExpr) -> bool {
    match &ty.kind {
        TypeKind::Ref(_) => true,
        TypeKind::Name(name, _) => &*name.text == "ref",
        _ => false,
    }
}

fn integer(name: &str) -> Option<Scalar> {
    let signed = match name.as_bytes().first()? {
        b'i' => true,
        b'u' => false,
        _ => return None,
    };
    let bits = name.get(1..)?.parse().ok().filter(|bits| [8, 16, 32, 64].contains(bits))?;
    Some(Scalar::Integer(bits, signed))
}

fn refuse(ty: &TypeExpr, message: &str, errors: &mut Errors) -> Option<Place> {
    errors.add(|| Diagnostic::new(ty.span, message));
    None
}

impl Scalar {
    /// An expression for the word that holds a value.
    pub(super) fn packed(&self, value: &str) -> String {
        match self {
            Self::F32 => format!("(i32.bits_f32({value}) as u32 as u64)"),
            Self::F64 => format!("(i64.bits_f64({value}) as u64)"),
            _ => format!("({value} as u64)"),
        }
    }

    /// A condition that holds for words that hold no value; none if all do.
    pub(super) fn refused(&self, word: &str) -> Option<String> {
        match self {
            Self::Integer(64, _) | Self::F64 => None,
            Self::Integer(bits, false) => Some(format!("{word} > {}", (1_u64 << bits) - 1)),
            Self::Integer(bits, true) => Some(format!("({word} as i{bits}) as i64 != {word} as i64")),
            Self::Bool => Some(format!("{word} > 1")),
            Self::F32 => Some(format!("{word} > 0xffff_ffff")),
            Self::Enum(name) => Some(format!("not {name}.has({word} as i64)")),
        }
    }

    /// An expression for the value in a word that is not refused.
    pub(super) fn unpacked(&self, word: &str) -> String {
        match self {
            Self::Integer(bits, signed) => format!("({word} as {}{bits})", if *signed { 'i' } else { 'u' }),
            Self::Bool => format!("({word} != 0)"),
            Self::F32 => format!("f32.bits_i32({word} as i32)"),
            Self::F64 => format!("f64.bits_i64({word} as i64)"),
            Self::Enum(name) => format!("{name}({word} as i64)"),
        }
    }
}
