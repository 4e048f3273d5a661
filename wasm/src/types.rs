//! WebAssembly's types, and what holds their values here.

use std::fmt;

use limen_isa::ValueType;
use wasmparser::{AbstractHeapType, HeapType, RefType, ValType};

/// A type of WebAssembly values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// 32-bit integers.
    I32,
    /// 64-bit integers.
    I64,
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// A function or null: 0 is null, *n* + 1 is function *n* of the module.
    FuncRef,
    /// Whatever the embedder means by a number that is not 0; 0 is null.
    ExternRef,
    /// An exception or null, which is 0. Others mean something only to the module that they come from.
    ExnRef,
}

impl Type {
    /// The type of the registers that hold its values.
    #[must_use]
    pub fn register(self) -> ValueType {
        match self {
            Self::I32 | Self::FuncRef | Self::ExternRef => ValueType::I32,
            Self::I64 | Self::ExnRef => ValueType::I64,
            Self::F32 => ValueType::F32,
            Self::F64 => ValueType::F64,
        }
    }

    /// Bytes that a value takes in memory.
    pub(crate) fn size(self) -> u32 {
        match self {
            Self::I64 | Self::F64 | Self::ExnRef => 8,
            Self::I32 | Self::F32 | Self::FuncRef | Self::ExternRef => 4,
        }
    }

    /// Validated modules have no others: their features are not enabled.
    pub(crate) fn of(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32,
            ValType::I64 => Self::I64,
            ValType::F32 => Self::F32,
            ValType::F64 => Self::F64,
            ValType::Ref(ty) => Self::of_reference(ty),
            ValType::V128 => unreachable!("vectors are not enabled"),
        }
    }

    pub(crate) fn of_reference(ty: RefType) -> Self {
        Self::of_heap(ty.heap_type())
    }

    pub(crate) fn of_heap(ty: HeapType) -> Self {
        use AbstractHeapType::{Exn, Extern, NoExn, NoExtern};
        match ty {
            HeapType::Abstract { ty: Extern | NoExtern, .. } => Self::ExternRef,
            HeapType::Abstract { ty: Exn | NoExn, .. } => Self::ExnRef,
            _ => Self::FuncRef,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::FuncRef => "funcref",
            Self::ExternRef => "externref",
            Self::ExnRef => "exnref",
        })
    }
}

/// What a function takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FunctionType {
    /// Types of the parameters.
    pub params: Vec<Type>,
    /// Types of the results.
    pub results: Vec<Type>,
}

impl fmt::Display for FunctionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |types: &[Type]| types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "({}) -> ({})", names(&self.params), names(&self.results))
    }
}

/// The least and the greatest size of a memory, in pages of 64 KiB, or of a table, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Its size at first.
    pub min: u64,
    /// What it may grow to; `None` is whatever is possible.
    pub max: Option<u64>,
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max {
            Some(max) => write!(f, "{}..={max}", self.min),
            None => write!(f, "{}..", self.min),
        }
    }
}
