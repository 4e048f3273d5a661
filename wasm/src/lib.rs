//! WebAssembly modules translated into modules of the virtual instruction set.
//!
//! [`translate`] takes a WebAssembly module and gives a [`Module`], which like any other runs only if the verifier finds
//! it good. The same bytes always give the same module.
//!
//! - The module's memory is home from address [`MEMORY`] on; below lie its variables, which no address of it reaches.
//! - Imported functions are services: each import is an `svc` with the number that the embedder gives it ([`Imports`]).
//!   Their arguments and results are words, floats as their bits. Where there are more than fit a message, all of them lie
//!   at the beginning of home, 8 bytes each, and so do the results.
//! - What is exported has the names that [`Translation::exports`] says. [`INITIALIZE`] is called before anything else, if
//!   it is there. A module that exports `_start` has a function `main` that does both and gives 0.
//! - References are numbers: 0 is null, *n* + 1 is function *n*; external ones are the embedder's business.
//!
//! ```
//! use limen_isa::module::ExportItem;
//! use limen_wasm::{NoImports, translate};
//!
//! // (module (func (export "seven") (result i32) i32.const 7))
//! let wasm = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x07\x09\x01\x05seven\0\0\x0a\x06\x01\x04\0\x41\x07\x0b";
//! let translation = translate(wasm, &mut NoImports)?;
//! assert_eq!(translation.module.export("wasm.seven"), Some(ExportItem::Function(0)));
//! # Ok::<(), limen_wasm::Error>(())
//! ```

mod condition;
mod context;
mod emit;
mod entries;
mod error;
mod exports;
mod features;
mod function;
mod image;
mod imports;
mod layout;
mod lines;
mod operators;
mod services;
mod source;
mod throws;
mod types;

use limen_isa::module::{Debug, Function, Home, LineRow, Module};
use wasmparser::FuncValidatorAllocations;

use context::{Context, Plan};
use function::Translator;
use lines::Lines;
use source::Source;
use throws::Throws;

pub use context::Trap;
pub use error::Error;
pub use exports::{Exported, ExportedItem, INITIALIZE, MEMORY};
pub use imports::{Import, ImportKind, Imports, NoImports, Provided};
pub use types::{FunctionType, Limits, Type};

/// A WebAssembly module, translated.
#[derive(Clone, Debug)]
pub struct Translation {
    /// For the verifier.
    pub module: Module,
    /// What the module exports, in its own order.
    pub exports: Vec<Exported>,
}

/// Translates a module.
///
/// # Errors
///
/// If the bytes are no valid module, need what is not supported, import what is not there, or are larger than a module of
/// the machine can be.
pub fn translate(wasm: &[u8], imports: &mut dyn Imports) -> Result<Translation, Error> {
    let mut plan = Plan::default();
    loop {
        match translate_with(wasm, imports, &plan)? {
            Ok(translation) => return Ok(translation),
            // It asks for more each time, and there is an end to that.
            Err(wanted) => plan = wanted,
        }
    }
}

/// Gives what the plan should have been if code needs what was not foreseen.
fn translate_with(wasm: &[u8], imports: &mut dyn Imports, plan: &Plan) -> Result<Result<Translation, Plan>, Error> {
    let mut source = Source::read(wasm, imports)?;
    let throws = Throws::of(&source).map_err(|error| features::explain(wasm, error))?;
    let bodies = std::mem::take(&mut source.bodies);
    let source = &source;
    let mut context = Context::new(source, throws, plan)?;
    let mut functions = services::functions(&context);
    let mut allocations = FuncValidatorAllocations::default();
    let known = Lines::read(&source.debug);
    let mut lines = vec![Vec::new(); functions.len()];
    let mut translator = Translator::new(&mut context, &known);
    for body in bodies {
        let index = functions.len() as u32;
        let function = translator.function(index, body, &mut allocations);
        let (function, rows) = function.map_err(|failure| failure.explain(wasm))?;
        functions.push(function);
        lines.push(rows);
        if translator.wants_another_layout() {
            break;
        }
    }
    if context.wanted != *plan {
        return Ok(Err(context.wanted));
    }
    assemble(context, functions, known.files, lines).map(Ok)
}

/// Puts everything together.
fn assemble(
    mut context: Context<'_>,
    mut functions: Vec<Function>,
    files: Vec<String>,
    mut lines: Vec<Vec<LineRow>>,
) -> Result<Translation, Error> {
    let source = context.source;
    let mut names = exports::function_names(source);
    for (name, routine) in context.take_routines() {
        names.push(name.to_owned());
        functions.push(routine);
    }
    let (data, misfit) = context.layout.contents(source);
    let (entries, module_exports, exports) = exports::exports(&mut context, misfit, functions.len() as u32);
    for (name, function) in entries {
        names.push(name);
        functions.push(function);
    }
    let home = Home { min_pages: context.layout.min_pages, max_pages: context.layout.max_pages, slots: 0, data };
    // Routines and entries have no source.
    lines.resize(functions.len(), Vec::new());
    let debug = Some(Debug { files, function_names: names, sites: Vec::new(), lines });
    let tables = context.function_tables()?;
    let types = context.signatures.all;
    let module = Module { types, functions, home, tables, exports: module_exports, debug, ..Module::default() };
    Ok(Translation { module, exports })
}
