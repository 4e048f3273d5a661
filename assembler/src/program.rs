//! What the bodies of functions refer to: constants and signatures, all known before the first body is encoded.

use indexmap::IndexSet;
use limen_isa::module::{MAX_PARAMS, MAX_RESULTS, MAX_SLOTS, Signature};

use crate::ast::{Function, Name};
use crate::constants::Constants;
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::Globals;
use crate::structured::{Bindings, Types, shape};

/// A program without its code.
pub(crate) struct Program<'a> {
    pub(crate) globals: &'a Globals<'a>,
    pub(crate) constants: Constants<'a>,
    pub(crate) signatures: Signatures,
    /// How many slots the program asks for.
    pub(crate) slots: u32,
}

impl<'a> Program<'a> {
    pub(crate) fn new(globals: &'a Globals<'a>, errors: &mut Errors) -> Self {
        let constants = Constants::evaluate_all(globals, errors);
        let signatures = Signatures::collect(globals, &constants, errors);
        let slots = globals.slots.and_then(|slots| constants.integer(&slots.count, 0, i128::from(MAX_SLOTS), errors));
        Self { globals, constants, signatures, slots: slots.unwrap_or(0) as u32 }
    }
}

/// The signatures of a program, each once: those of `type` declarations first, in order, then those of functions.
pub(crate) struct Signatures {
    all: IndexSet<Signature>,
    of_types: Vec<u32>,
    of_functions: Vec<(u32, Signature)>,
}

impl Signatures {
    fn collect<'a>(globals: &Globals<'a>, constants: &Constants<'a>, errors: &mut Errors) -> Self {
        let mut all = IndexSet::new();
        let mut known = Types::new(globals, constants);
        let mut add = |name: &Name, signature: Signature| {
            check_length(name, &signature, errors);
            all.insert_full(signature).0 as u32
        };
        let types = globals.types.iter();
        let of_types = types
            .map(|ty| add(&ty.name, Signature { params: ty.params.clone(), results: ty.results.clone() }))
            .collect();
        let functions = globals.functions.iter();
        let of_functions = functions
            .map(|named| {
                let signature = signature_of(named.function, &mut known);
                (add(&named.function.name, signature.clone()), signature)
            })
            .collect();
        Self { all, of_types, of_functions }
    }

    /// All signatures in the order of their indices.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Signature> {
        self.all.iter()
    }

    /// Index and signature of a `type` declaration.
    pub(crate) fn of_type(&self, ty: usize) -> (u32, &Signature) {
        let index = self.of_types[ty];
        (index, &self.all[index as usize])
    }

    /// Index and signature of a function.
    pub(crate) fn of_function(&self, function: usize) -> (u32, &Signature) {
        let (index, signature) = &self.of_functions[function];
        (*index, signature)
    }
}

/// The registers that a function takes and gives; what is wrong with its types is reported when it is compiled.
fn signature_of<'a>(function: &'a Function, types: &mut Types<'_, 'a>) -> Signature {
    if !function.generics.is_empty() {
        return Signature::default();
    }
    shape(types, function, &Bindings::new(), &mut Errors::default()).signature
}

fn check_length(name: &Name, signature: &Signature, errors: &mut Errors) {
    if signature.params.len() > MAX_PARAMS || signature.results.len() > MAX_RESULTS {
        errors.add(|| {
            Diagnostic::new(name.span, format!("`{}` has too many parameters or results", name.text))
                .note(format!("at most {MAX_PARAMS} parameters and {MAX_RESULTS} results are allowed"))
        });
    }
}
