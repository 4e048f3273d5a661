//! Which functions can end with an exception. Only calls of these, and calls through tables that may come to one of them,
//! look whether there was one; in modules without exceptions none does.

use std::collections::HashMap;

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

/// What is known while code is looked at: functions, and behind them a node for each function type: what is called through a table.
#[derive(Clone)]
pub(crate) struct Graph {
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
    pub(crate) fn of(source: &Source) -> Self {
        let functions = source.functions.len();
        let mut known: HashMap<&FunctionType, u32> = HashMap::new();
        let nodes = (functions as u32..).zip(&source.types);
        let types = nodes.map(|(node, ty)| *known.entry(ty).or_insert(node)).collect();
        let nodes = functions + source.types.len();
        let held = vec![false; functions];
        Self { callers: vec![Vec::new(); nodes], throws: vec![false; nodes], types, rethrow: held.clone(), held }
    }

    /// A function calls another one. Code is not validated yet: what makes no sense is left out.
    pub(crate) fn call(&mut self, caller: u32, callee: u32) {
        if (callee as usize) < self.held.len() {
            self.callers[callee as usize].push(caller);
        }
    }

    /// A function calls through a table.
    pub(crate) fn call_indirect(&mut self, caller: u32, ty: u32) {
        if let Some(node) = self.types.get(ty as usize) {
            self.callers[*node as usize].push(caller);
        }
    }

    /// A function throws, perhaps what it caught.
    pub(crate) fn throw(&mut self, function: u32, rethrows: bool) {
        self.throws[function as usize] = true;
        self.rethrow[function as usize] |= rethrows;
    }

    /// What this one knows, and another one of other code.
    pub(crate) fn joined(mut self, other: Self) -> Self {
        self.callers.iter_mut().zip(other.callers).for_each(|(callers, others)| callers.extend(others));
        let marks =
            [(&mut self.throws, other.throws), (&mut self.held, other.held), (&mut self.rethrow, other.rethrow)];
        for (mine, others) in marks {
            mine.iter_mut().zip(others).for_each(|(mark, other)| *mark |= other);
        }
        self
    }

    /// What comes of all that functions do.
    pub(crate) fn finish(mut self, source: &Source) -> Throws {
        self.hold_in_tables(source);
        self.spread();
        let types = self.types.iter().map(|node| self.throws[*node as usize]).collect();
        self.throws.truncate(source.functions.len());
        Throws { functions: self.throws, types, rethrow: self.rethrow }
    }

    /// A reference, of which 0 is null, can come into tables.
    pub(crate) fn hold(&mut self, reference: u64) {
        let function = reference.checked_sub(1).map(|function| function as usize);
        if let Some(held) = function.and_then(|function| self.held.get_mut(function)) {
            *held = true;
        }
    }

    /// All functions of one type that are called through tables do it in the same way.
    fn hold_in_tables(&mut self, source: &Source) {
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
