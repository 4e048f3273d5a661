//! Which features of WebAssembly are understood, and how those that are not are named.

use wasmparser::{Operator, Validator, WasmFeatures};

use crate::error::Error;

/// What is translated: WebAssembly 2.0 without vectors, constant expressions that compute, and exceptions in both forms.
pub(crate) fn supported() -> WasmFeatures {
    let exceptions = WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS);
    let core = WasmFeatures::WASM2.difference(WasmFeatures::SIMD);
    core.union(WasmFeatures::EXTENDED_CONST).union(exceptions)
}

/// The one block if operators are translated that came by this proposal, as the reader calls it, and else the other.
macro_rules! if_supported {
    (mvp $then:block else $else:block) => {
        $then
    };
    (sign_extension $then:block else $else:block) => {
        $then
    };
    (saturating_float_to_int $then:block else $else:block) => {
        $then
    };
    (bulk_memory $then:block else $else:block) => {
        $then
    };
    (reference_types $then:block else $else:block) => {
        $then
    };
    (exceptions $then:block else $else:block) => {
        $then
    };
    (legacy_exceptions $then:block else $else:block) => {
        $then
    };
    ($other:ident $then:block else $else:block) => {
        $else
    };
}

pub(crate) use if_supported;

/// Whether an operator is translated. Whoever reads one is not told.
pub(crate) fn has(operator: &Operator<'_>) -> bool {
    macro_rules! proposal {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $(Operator::$op { .. } => if_supported!($proposal { true } else { false }),)*
                _ => false,
            }
        };
    }
    wasmparser::for_each_operator!(proposal)
}

/// The others, by the names that the field has for them. One that needs another comes before it.
const OTHERS: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::RELAXED_SIMD, "relaxed vectors (relaxed SIMD)"),
    (WasmFeatures::SIMD, "vectors (SIMD)"),
    (WasmFeatures::SHARED_EVERYTHING_THREADS, "shared-everything threads"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::MEMORY64, "64-bit memories (memory64)"),
    (WasmFeatures::MULTI_MEMORY, "several memories"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes"),
    (WasmFeatures::TAIL_CALL, "tail calls"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic"),
    (WasmFeatures::MEMORY_CONTROL, "memory control"),
    (WasmFeatures::COMPACT_IMPORTS, "compact imports"),
];

/// Why a module is refused that has operators that are not there or not supported.
pub(crate) fn refuse(wasm: &[u8]) -> Error {
    let unknown = || Error::Invalid { message: "an operator that nobody knows".to_owned(), offset: 0 };
    let error = Validator::new_with_features(supported()).validate_all(wasm).err();
    error.map_or_else(unknown, |error| explain(wasm, error))
}

/// Says of an error whether it is one only because features are missing, and which.
pub(crate) fn explain(wasm: &[u8], error: wasmparser::Error) -> Error {
    let is_valid = |features| Validator::new_with_features(features).validate_all(wasm).is_ok();
    let mut features = OTHERS.iter().fold(supported(), |all, (feature, _)| all.union(*feature));
    if !is_valid(features) {
        return error.into();
    }
    let mut missing = Vec::new();
    for (feature, name) in OTHERS {
        let without = features.difference(*feature);
        if is_valid(without) {
            features = without;
        } else {
            missing.push(*name);
        }
    }
    if missing.is_empty() { error.into() } else { Error::Unsupported(missing) }
}
