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
mod stock;
mod survey;
mod throws;
mod types;

use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use limen_isa::Opcode;
use limen_isa::module::{Body, Debug, Function, Home, Later, LineRow, Module};

use context::{Context, Plan, Tables};
use emit::Code;
use function::{Failure, Room, Translator};
use lines::Lines;
use source::Source;
use stock::Stock;
use survey::{Calls, Survey};

pub use context::{FIRST_REFUSED, Trap};
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

/// Translates a module, all of it.
///
/// # Errors
///
/// If the bytes are no valid module, need what is not supported, import what is not there, or are larger than a module of
/// the machine can be.
pub fn translate(wasm: &[u8], imports: &mut dyn Imports) -> Result<Translation, Error> {
    let bodies = Bodies::survey(Arc::new(wasm.to_vec()), imports, &on_own_thread)?;
    let mut translation = bodies.surroundings()?;
    let mut translator = Translator::new(&bodies.parts.context, Some(bodies.parts.lines()));
    for index in bodies.indices() {
        let (body, rows) = translator.function(index).map_err(|failure| failure.explain(wasm))?;
        fill(&mut translation.module, index, body.into(), rows.into());
    }
    Ok(translation)
}

/// Translates a module but for the bodies of its functions: each is validated and translated when somebody first looks at it,
/// and then is what [`translate`] gives. What cannot be translated traps when it is called: see [`FIRST_REFUSED`].
///
/// # Errors
///
/// As of [`translate`], but for bodies only if they have operators that are not there or not supported.
pub fn translate_later(wasm: Arc<Vec<u8>>, imports: &mut dyn Imports) -> Result<(Translation, Bodies), Error> {
    let bodies = Bodies::survey(wasm, imports, &on_own_thread)?;
    Ok((bodies.translation()?, bodies))
}

/// Work that somebody can do beside who has it to do, who does it all if nobody does.
pub type Work = Box<dyn FnOnce() + Send>;

fn on_own_thread(work: Work) {
    // Where the host gives no thread, there is none that helps.
    let _ = std::thread::Builder::new().name("limen-survey".to_owned()).spawn(work);
}

/// Puts a function into its place.
fn fill(module: &mut Module, index: u32, body: Later<Body>, rows: Later<Vec<LineRow>>) {
    module.functions[index as usize].body = body;
    if let Some(debug) = &mut module.debug {
        debug.lines[index as usize] = rows;
    }
}

/// What the bodies of a module's functions are translated from.
#[derive(Clone)]
pub struct Bodies {
    parts: Arc<Parts>,
}

struct Parts {
    context: Context,
    calls: Calls,
    /// Read when somebody first asks for them.
    lines: OnceLock<Lines>,
    /// By function, imported ones first.
    ahead: Stock,
}

thread_local! {
    /// For the next function that this thread translates. Were it shared, threads would wait for each other wherever something
    /// grows: an allocator gives more of it from where its beginning came from.
    static ROOM: Cell<Room> = Cell::default();
}

impl Parts {
    fn lines(&self) -> &Lines {
        let source = &self.context.source;
        self.lines.get_or_init(|| Lines::read(&source.wasm, &source.debug))
    }
}

impl Bodies {
    /// Finds out what must be known of all functions before any of them is translated, as [`translate_later`] does. What another
    /// thread can do of it is given to `helper`.
    ///
    /// # Errors
    ///
    /// As of [`translate_later`].
    pub fn survey(wasm: Arc<Vec<u8>>, imports: &mut dyn Imports, helper: &dyn Fn(Work)) -> Result<Self, Error> {
        let source = Arc::new(Source::read(Arc::clone(&wasm), imports)?);
        let survey = Survey::of(&source, helper).ok_or_else(|| features::refuse(&wasm));
        let Survey { uses_tables, deep, throws, calls } = survey?;
        let tables = if uses_tables { Tables::InHome } else { Tables::Fixed };
        let mut context = Context::new(source, throws, Plan { tables, ..Plan::default() })?;
        foresee(&mut context, &deep)?;
        let ahead = Stock::new(context.source.functions.len());
        Ok(Self { parts: Arc::new(Parts { context, calls, lines: OnceLock::new(), ahead }) })
    }

    /// The module around the bodies, which come when somebody first looks at them, as [`translate_later`] gives it.
    ///
    /// # Errors
    ///
    /// As of [`translate_later`].
    pub fn translation(&self) -> Result<Translation, Error> {
        let mut translation = self.surroundings()?;
        let has_lines = !self.parts.context.source.debug.is_empty();
        for index in self.indices() {
            let [body, rows] = [(); 2].map(|()| self.clone());
            let rows = if has_lines { Later::new(move || rows.rows(index)) } else { Later::default() };
            fill(&mut translation.module, index, Later::new(move || body.body(index)), rows);
        }
        Ok(translation)
    }

    /// The module around the bodies, in whose places is nothing.
    fn surroundings(&self) -> Result<Translation, Error> {
        let mut translation = surroundings(&self.parts.context)?;
        if let Some(debug) = &mut translation.module.debug {
            let parts = Arc::clone(&self.parts);
            debug.files = Later::new(move || parts.lines().files.clone());
        }
        Ok(translation)
    }

    /// How many functions there are, imported ones first.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.context.source.functions.len()
    }

    /// What a program comes to first.
    #[must_use]
    pub fn first(&self) -> Vec<u32> {
        let source = &self.parts.context.source;
        source.start.into_iter().chain(exports::start(source)).collect()
    }

    /// The functions that have bodies.
    fn indices(&self) -> std::ops::Range<u32> {
        let source = &self.parts.context.source;
        source.imported() as u32..source.functions.len() as u32
    }

    fn function(&self, index: u32, lines: Option<&Lines>) -> Result<(Body, Vec<LineRow>), Failure> {
        let mut translator = Translator::within(ROOM.take(), &self.parts.context, lines);
        let function = translator.function(index);
        let room = translator.into_room();
        ROOM.set(if room.is_large() { Room::default() } else { room });
        function
    }

    fn body(&self, index: u32) -> Body {
        // Waiting for who is about to make it takes at most as long again as making it.
        const PER_BYTE: Duration = Duration::from_nanos(20);
        let patience = PER_BYTE * self.parts.context.source.size_of(index);
        self.parts.ahead.take(index, patience).unwrap_or_else(|| self.made(index))
    }

    fn made(&self, index: u32) -> Body {
        self.function(index, None).map_or_else(|_| self.refused(index), |(body, _)| body)
    }

    /// The functions at whose bodies somebody has looked since this was asked before, in that order. They may not be there yet.
    #[must_use]
    pub fn wanted(&self) -> Vec<u32> {
        std::mem::take(&mut *self.parts.ahead.wanted())
    }

    /// The functions that a function calls by name, in the order of its code; none if it has no body.
    #[must_use]
    pub fn callees(&self, index: u32) -> &[u32] {
        let body = index.checked_sub(self.parts.context.source.imported() as u32);
        body.and_then(|body| self.parts.calls.of(body as usize)).unwrap_or_default()
    }

    /// Translates a function at whose body nobody has looked, so that it is there when somebody does. One thread at a time does
    /// that.
    pub fn go_ahead(&self, index: u32) {
        if self.indices().contains(&index) {
            self.parts.ahead.put(index, || self.made(index));
        }
    }

    /// Where the instructions of a function come from: it is translated once more, since nobody asks before there is a trap.
    fn rows(&self, index: u32) -> Vec<LineRow> {
        self.function(index, Some(self.parts.lines())).map_or_else(|_| Vec::new(), |(_, rows)| rows)
    }

    /// A body that traps.
    fn refused(&self, index: u32) -> Body {
        let context = &self.parts.context;
        let mut code = Code::default();
        code.wide32(Opcode::Trap, 0, FIRST_REFUSED + index);
        let signature = context.callable_of(index).signature;
        Body { registers: context.signatures.all[signature as usize].params.clone(), code: code.finish() }
    }

    /// Why there is a trap with this code in the place of a function: see [`FIRST_REFUSED`].
    #[must_use]
    pub fn refusal(&self, code: u64) -> Option<Error> {
        let index = u32::try_from(code.checked_sub(u64::from(FIRST_REFUSED))?).ok()?;
        let failure = self.indices().contains(&index).then(|| self.function(index, None).err())??;
        Some(failure.explain(&self.parts.context.source.wasm))
    }
}

/// Finds out which functions have more operands than there are registers, of those that could, and makes room for them.
fn foresee(context: &mut Context, deep: &[u32]) -> Result<(), Error> {
    loop {
        let mut translator = Translator::new(context, None);
        let wanted = |index: &u32| match translator.function(*index) {
            Err(Failure::Deep(operands)) => Some((*index, operands)),
            _ => None,
        };
        let wanted: Vec<(u32, u32)> = deep.iter().filter_map(wanted).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        // There are more each time, and there is an end to that.
        context.plan.deep.extend(wanted);
        context.lay_out()?;
    }
}

/// The module around the bodies.
///
/// Its signatures begin with those of the context, so that bodies have the same.
fn surroundings(context: &Context) -> Result<Translation, Error> {
    let mut signatures = context.signatures.clone();
    // Routines and entries.
    const FEW: usize = 64;
    let mut names = exports::function_names(&context.source);
    let mut functions = Vec::with_capacity(names.len() + FEW);
    functions.extend(services::functions(context, &signatures));
    let without_body = |index| Function { signature: context.callable_of(index).signature, body: Later::default() };
    functions.extend((functions.len() as u32..names.len() as u32).map(without_body));
    for (name, routine) in context.copy_routines(&mut signatures) {
        names.push(name.to_owned());
        functions.push(routine);
    }
    let (data, misfit) = context.layout.contents(&context.source);
    let first = functions.len() as u32;
    let (entries, module_exports, exports) = exports::exports(context, &mut signatures, misfit, first);
    for (name, function) in entries {
        names.push(name);
        functions.push(function);
    }
    let home = Home { min_pages: context.layout.min_pages, max_pages: context.layout.max_pages, slots: 0, data };
    // Only bodies have a source.
    let rows = functions.iter().map(|_| Later::default()).collect();
    let debug = Some(Debug { files: Later::default(), function_names: names, sites: Vec::new(), lines: rows });
    let (tables, types) = (context.function_tables()?, signatures.all);
    let module = Module { types, functions, home, tables, exports: module_exports, debug, ..Module::default() };
    Ok(Translation { module, exports })
}
