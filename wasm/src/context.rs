//! What the translation of one function needs to know of the module, and leaves for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use limen_isa::module::{Function, MAX_TABLES, Module, Signature};
use limen_isa::{Fault, ValueType};

use crate::error::Error;
use crate::layout::Layout;
use crate::source::{SegmentKind, Source};
use crate::throws::Throws;
use crate::types::{FunctionType, Type};

/// The routines. What this crate was built with is a module.
static ROUTINES: LazyLock<Module> =
    LazyLock::new(|| Module::read(include_bytes!(concat!(env!("OUT_DIR"), "/routines.limo"))).unwrap_or_default());

/// Words that an `svc` can hand over, each way.
const MESSAGE_WORDS: usize = 8;

/// Why translated code traps where no instruction faults by itself: the codes of its `trap` instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// `unreachable` was executed.
    Unreachable = 0,
    /// An access lies outside the memory.
    Memory = 1,
    /// An access lies outside a table.
    Table = 2,
    /// Locals that have no registers have no room any more.
    Stack = 3,
    /// Nothing caught an exception.
    Uncaught = 4,
    /// A null reference was thrown.
    NullException = 5,
    /// References are held to more exceptions with wide payloads than there is room for.
    Exceptions = 6,
}

/// The code of the trap that is in the place of a function whose body cannot be translated: this and the function's index.
/// [`crate::Bodies::refusal`] says why.
pub const FIRST_REFUSED: u32 = 1 << 30;

impl Trap {
    /// What a fault of translated code means in the words of WebAssembly, and in those of its test suite.
    #[must_use]
    pub fn describe(fault: Fault, detail: u64) -> &'static str {
        match (fault, detail) {
            (Fault::Trap, 0) => "unreachable",
            (Fault::Trap, 1) => "out of bounds memory access",
            (Fault::Trap, 2) => "out of bounds table access",
            (Fault::Trap, 4) => "uncaught exception",
            (Fault::Trap, 5) => "null exception reference",
            (Fault::Trap, 6) => "too many exceptions with several values are kept",
            (Fault::Trap, code) if code >= u64::from(FIRST_REFUSED) => "the code of this function is not valid",
            (Fault::Bounds, _) => "out of bounds access",
            (Fault::Division, _) => "integer divide by zero",
            (Fault::Overflow, _) => "integer overflow",
            (Fault::Conversion, _) => "invalid conversion to integer",
            (Fault::Signature, _) => "indirect call type mismatch or uninitialized element",
            (Fault::Stack, _) | (Fault::Trap, 3) => "call stack exhausted",
            _ => "a fault that WebAssembly does not have",
        }
    }
}

/// A signature of the machine for a function type.
#[derive(Clone, Copy)]
pub(crate) struct Callable {
    pub(crate) signature: u32,
    /// `ref` parameters behind the others, always null. References are integers here, so two types can come to have the
    /// same registers; these tell them apart.
    pub(crate) marks: usize,
    /// Whether the last result is an exception, or 0.
    pub(crate) throws: bool,
}

/// What is known of a module's code before it is translated.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) tables: Tables,
    /// Functions with more operands than registers: how many of those have places on the spill stack.
    pub(crate) deep: BTreeMap<u32, u32>,
}

/// Where a call through a table finds its functions.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Tables {
    /// Code does no more with them than call through them: each is a table of the machine.
    #[default]
    Fixed,
    /// They lie in home, and hold indices of one table of the machine that has all functions.
    InHome,
}

pub(crate) struct Context {
    pub(crate) source: Arc<Source>,
    pub(crate) layout: Layout,
    pub(crate) plan: Plan,
    pub(crate) throws: Throws,
    /// By index of the function type: of functions that cannot throw, and of those that can.
    callables: [Vec<Callable>; 2],
    pub(crate) signatures: Signatures,
    /// The routines that code can call.
    routines: Vec<&'static str>,
}

impl Context {
    pub(crate) fn new(source: Arc<Source>, throws: Throws, plan: Plan) -> Result<Self, Error> {
        let mut signatures = Signatures::default();
        let callables = callables(&source, &mut signatures);
        let mut context =
            Self { source, layout: Layout::default(), plan, throws, callables, signatures, routines: Vec::new() };
        context.lay_out()?;
        Ok(context)
    }

    /// Gives everything its place, as the plan is now.
    pub(crate) fn lay_out(&mut self) -> Result<(), Error> {
        let imported = 0..self.source.services.len() as u32;
        let words = imported.map(|function| message_words(self.source.type_of(function))).max();
        self.layout = Layout::of(&self.source, &self.plan, words.unwrap_or(0))?;
        self.routines = routines(&self.source, &self.layout, &self.plan);
        Ok(())
    }

    pub(crate) fn callable_of(&self, function: u32) -> Callable {
        let throws = self.throws.function(function);
        self.callables[usize::from(throws)][self.source.functions[function as usize] as usize]
    }

    /// As the embedder sees a function: it does not throw.
    pub(crate) fn entry_of(&self, function: u32) -> Callable {
        self.callables[0][self.source.functions[function as usize] as usize]
    }

    pub(crate) fn callable_through_table(&self, ty: u32) -> Callable {
        self.callables[usize::from(self.throws.indirect(ty))][ty as usize]
    }

    /// The function of the translated module that is this routine.
    pub(crate) fn routine(&self, name: &str) -> u32 {
        // What code calls is among them.
        let position = self.routines.iter().position(|known| *known == name).unwrap_or_default();
        (self.source.functions.len() + position) as u32
    }

    /// Copies of the routines, and their names.
    pub(crate) fn copy_routines(&self, signatures: &mut Signatures) -> Vec<(&'static str, Function)> {
        let mut copy = |name: &&'static str| {
            let function = ROUTINES.functions.get(ROUTINES.exported_function(name)? as usize)?;
            let signature = ROUTINES.types.get(function.signature as usize)?.clone();
            Some((*name, Function { signature: signatures.intern(signature), ..function.clone() }))
        };
        self.routines.iter().filter_map(&mut copy).collect()
    }

    /// The tables of the machine.
    pub(crate) fn function_tables(&self) -> Result<Vec<Vec<Option<u32>>>, Error> {
        if self.source.tables.len() > MAX_TABLES {
            let (size, limit) = (self.source.tables.len() as u64, MAX_TABLES as u64);
            return Err(Error::TooLarge { what: "the number of tables".to_owned(), size, limit });
        }
        Ok(match self.plan.tables {
            Tables::InHome => {
                let functions = 0..self.source.functions.len() as u32;
                vec![std::iter::once(None).chain(functions.map(Some)).collect()]
            }
            Tables::Fixed => self.fixed_tables(),
        })
    }

    /// Each as long as its last element needs: beyond are only elements that cannot be called.
    fn fixed_tables(&self) -> Vec<Vec<Option<u32>>> {
        let mut tables = vec![Vec::new(); self.source.tables.len()];
        for segment in &self.source.elements {
            let SegmentKind::Active { index, offset } = segment.kind else { continue };
            let limit = self.source.tables[index as usize].limits.min;
            if !crate::layout::fits(offset, segment.items.len(), limit) {
                break;
            }
            let table: &mut Vec<Option<u32>> = &mut tables[index as usize];
            let (start, end) = (offset as usize, offset as usize + segment.items.len());
            table.resize(table.len().max(end), None);
            for (place, item) in table[start..end].iter_mut().zip(&segment.items) {
                *place = item.checked_sub(1);
            }
        }
        tables
    }
}

/// The routines that code of a module can come to call, always in this order.
fn routines(source: &Source, layout: &Layout, plan: &Plan) -> Vec<&'static str> {
    let sets: [(bool, &[&str]); 5] = [
        (layout.spills.end().is_some(), &["spill"]),
        (source.memory.is_some(), &["memory_grow", "memory_fill", "memory_copy"]),
        (source.has_data_count, &["memory_init", "segment_drop"]),
        (
            plan.tables == Tables::InHome,
            &["segment_drop", "table_get", "table_set", "table_grow", "table_fill", "table_copy", "table_init"],
        ),
        (layout.exceptions.is_there(), &["exception_keep", "exception_restore"]),
    ];
    let mut all = Vec::new();
    for name in sets.into_iter().filter(|(is_wanted, _)| *is_wanted).flat_map(|(_, names)| names) {
        if !all.contains(name) {
            all.push(*name);
        }
    }
    all
}

/// Words of the message area that a call of the embedder needs: none if all fits its message.
pub(crate) fn message_words(ty: &FunctionType) -> usize {
    let most = ty.params.len().max(ty.results.len());
    if most > MESSAGE_WORDS { most } else { 0 }
}

/// Signatures of the machine, each once.
#[derive(Clone, Default)]
pub(crate) struct Signatures {
    pub(crate) all: Vec<Signature>,
    indices: HashMap<Signature, u32>,
}

impl Signatures {
    pub(crate) fn intern(&mut self, signature: Signature) -> u32 {
        if let Some(index) = self.indices.get(&signature) {
            return *index;
        }
        let index = self.all.len() as u32;
        self.indices.insert(signature.clone(), index);
        self.all.push(signature);
        index
    }
}

/// Signatures for each function type: the same one only for equal types.
fn callables(source: &Source, signatures: &mut Signatures) -> [Vec<Callable>; 2] {
    let mut known: HashMap<(&FunctionType, bool), Callable> = HashMap::new();
    let mut alike: HashMap<Signature, usize> = HashMap::new();
    let mut of = |throws: bool| {
        let callable = |ty| {
            *known.entry((ty, throws)).or_insert_with(|| {
                let mut signature = registers_of(ty, throws);
                let count = alike.entry(signature.clone()).or_default();
                let marks = *count;
                *count += 1;
                signature.params.extend(std::iter::repeat_n(ValueType::Ref, marks));
                Callable { signature: signatures.intern(signature), marks, throws }
            })
        };
        source.types.iter().map(callable).collect()
    };
    let quiet = of(false);
    [quiet, if source.tags.is_empty() { Vec::new() } else { of(true) }]
}

fn registers_of(ty: &FunctionType, throws: bool) -> Signature {
    let registers = |types: &[Type]| types.iter().map(|ty| ty.register()).collect::<Vec<_>>();
    let mut results = registers(&ty.results);
    results.extend(throws.then_some(ValueType::I64));
    Signature { params: registers(&ty.params), results }
}
