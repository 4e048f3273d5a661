//! Which functions can end with an exception. Only calls of these, and calls through tables that may come to one of them,
//! look whether there was one; in modules without exceptions none does.

use std::collections::HashMap;

use wasmparser::Operator;

use crate::source::Source;
use crate::types::{FunctionType, Type};

/// What is found out about a module's functions.
#[derive(Default)]
pub(crate) struct Throws {
    /// By index; empty if none can throw.
    functions: Vec<bool>,
    /// By index of the type: whether functions that tables can come to hold end with exceptions.
    types: Vec<bool>,
    /// Functions that throw anew what they caught, in the old form of exceptions.
    rethrow: Vec<bool>,
}

impl Throws {
    /// Looks at all code, if the module has exceptions. The code is not validated yet: what makes no sense is left out.
    pub(crate) fn of(source: &Source<'_>) -> wasmparser::Result<Self> {
        if source.tags.is_empty() {
            return Ok(Self::default());
        }
        let mut graph = Graph::of(source);
        let first = source.functions.len() - source.bodies.len();
        for (function, (_, body)) in (first..).zip(&source.bodies) {
            graph.function(source, function as u32, body)?;
        }
        graph.hold_in_tables(source);
        graph.spread();
        let types = graph.types.iter().map(|node| graph.throws[*node as usize]).collect();
        graph.throws.truncate(source.functions.len());
        Ok(Self { functions: graph.throws, types, rethrow: graph.rethrow })
    }

    pub(crate) fn function(&self, index: u32) -> bool {
        self.functions.get(index as usize).copied().unwrap_or_default()
    }

    /// Of a call through a table.
    pub(crate) fn indirect(&self, ty: u32) -> bool {
        self.types.get(ty as usize).copied().unwrap_or_default()
    }

    pub(crate) fn rethrows(&self, function: u32) -> bool {
        self.rethrow.get(function as usize).copied().unwrap_or_default()
    }
}

/// Functions, and behind them a node for each function type: what is called through a table.
struct Graph {
    /// Who throws if a node does.
    callers: Vec<Vec<u32>>,
    throws: Vec<bool>,
    /// By index of the type its node; equal types have the same.
    types: Vec<u32>,
    /// Functions that tables can come to hold.
    held: Vec<bool>,
    rethrow: Vec<bool>,
}

impl Graph {
    fn of(source: &Source<'_>) -> Self {
        let functions = source.functions.len();
        let mut known: HashMap<&FunctionType, u32> = HashMap::new();
        let nodes = (functions as u32..).zip(&source.types);
        let types = nodes.map(|(node, ty)| *known.entry(ty).or_insert(node)).collect();
        let nodes = functions + source.types.len();
        let held = vec![false; functions];
        Self { callers: vec![Vec::new(); nodes], throws: vec![false; nodes], types, rethrow: held.clone(), held }
    }

    fn function(
        &mut self,
        source: &Source<'_>,
        function: u32,
        body: &wasmparser::FunctionBody<'_>,
    ) -> wasmparser::Result<()> {
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::Call { function_index } if (function_index as usize) < source.functions.len() => {
                    self.callers[function_index as usize].push(function);
                }
                Operator::CallIndirect { type_index, .. } => {
                    if let Some(node) = self.types.get(type_index as usize) {
                        self.callers[*node as usize].push(function);
                    }
                }
                Operator::RefFunc { function_index } => self.hold(u64::from(function_index) + 1),
                Operator::Throw { .. } | Operator::ThrowRef => self.throws[function as usize] = true,
                Operator::Rethrow { .. } => {
                    self.throws[function as usize] = true;
                    self.rethrow[function as usize] = true;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A reference, of which 0 is null, can come into tables.
    fn hold(&mut self, reference: u64) {
        let function = reference.checked_sub(1).map(|function| function as usize);
        if let Some(held) = function.and_then(|function| self.held.get_mut(function)) {
            *held = true;
        }
    }

    /// All functions of one type that are called through tables do it in the same way.
    fn hold_in_tables(&mut self, source: &Source<'_>) {
        source.elements.iter().flat_map(|segment| &segment.items).for_each(|item| self.hold(u64::from(*item)));
        let references = source.globals.iter().filter(|global| global.ty == Type::FuncRef);
        references.for_each(|global| self.hold(global.value));
        for function in (0..source.functions.len()).filter(|function| self.held[*function]) {
            let node = self.types[source.functions[function] as usize];
            self.callers[function].push(node);
            self.callers[node as usize].push(function as u32);
        }
    }

    /// Who calls what throws, throws.
    fn spread(&mut self) {
        let mut left: Vec<u32> = (0..self.throws.len() as u32).filter(|node| self.throws[*node as usize]).collect();
        while let Some(node) = left.pop() {
            for caller in std::mem::take(&mut self.callers[node as usize]) {
                if !std::mem::replace(&mut self.throws[caller as usize], true) {
                    left.push(caller);
                }
            }
        }
    }
}
