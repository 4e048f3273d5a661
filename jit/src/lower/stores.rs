//! Stores of floats that may be NaNs, put off until several can be tested at once.
//!
//! A NaN is to be canonical in memory, and a test at each store costs more than a store. One comparison tests two values, a sum
//! more of them: it is a NaN if any of them is, and may be one where none is, which is then found out off the straight way.
//! So such a store waits for others, as long as nothing comes that could see memory without it.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Type, Value};

use super::home::Address;
use crate::translate::Translator;

/// So many stores are tested at once, at most.
const MAX_WAITING: usize = 4;

/// A store that waits.
pub(crate) struct Waiting {
    pub(super) address: Address,
    pub(super) offset: u32,
    /// Where that is in the host, but for the offset.
    pub(super) place: Value,
    pub(super) value: Value,
    /// Whether the host may stop it. Nothing that could be seen comes between its instruction and when it is done, so it may be
    /// stopped then.
    pub(super) may_stop: bool,
    /// The word of its instruction.
    pub(super) pc: u32,
}

impl Waiting {
    /// Whether it certainly stores nothing that lies in so many bytes.
    fn is_apart_from(&self, address: Address, offset: u32, ty: Type, own: Type) -> bool {
        self.address == address && (offset + ty.bytes() <= self.offset || self.offset + own.bytes() <= offset)
    }
}

impl Translator<'_, '_> {
    /// Puts off the store of a value that may be a NaN of any bits.
    pub(super) fn put_off_store(&mut self, store: Waiting) {
        let ty = self.builder.func.dfg.value_type(store.value);
        let fits = |other: &Waiting| self.builder.func.dfg.value_type(other.value) == ty;
        if self.waiting.len() == MAX_WAITING || !self.waiting.iter().all(fits) {
            self.store_waiting();
        }
        self.waiting.push(store);
    }

    /// Before a load: stores are done that it could see, or that find out whether there is what it loads.
    pub(crate) fn store_before_load(&mut self, address: Address, offset: u32, ty: Type) {
        let own = |other: &Waiting| self.builder.func.dfg.value_type(other.value);
        let may_wait = |other: &Waiting| !other.may_stop && other.is_apart_from(address, offset, ty, own(other));
        if !self.waiting.iter().all(may_wait) {
            self.store_waiting();
        }
    }

    /// Does all stores that wait.
    pub(crate) fn store_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let values: Vec<Value> = waiting.iter().map(|store| store.value).collect();
        let (flags, before) = (self.of_program(), self.builder.srcloc());
        for (store, value) in waiting.iter().zip(self.all_canonical(&values)) {
            let flags = if store.may_stop { self.may_stop(flags) } else { flags };
            self.locate(store.pc);
            let offset = self.offset(store.offset);
            self.builder.ins().store(flags, value, store.place, offset);
        }
        self.builder.set_srcloc(before);
    }

    /// The values, all of a type, with the canonical NaN for any NaN.
    fn all_canonical(&mut self, values: &[Value]) -> Vec<Value> {
        let Some((last, others)) = values.split_last() else { return Vec::new() };
        let sum = others.iter().copied().reduce(|sum, value| self.builder.ins().fadd(sum, value)).unwrap_or(*last);
        let is_any = self.builder.ins().fcmp(FloatCC::Unordered, sum, *last);
        let (ty, next) = (self.builder.func.dfg.value_type(*last), self.continuation());
        let canonical = values.iter().map(|_| self.builder.append_block_param(next, ty)).collect();
        let nans = self.nan_block(values.to_vec(), next);
        let unchanged: Vec<BlockArg> = values.iter().copied().map(BlockArg::Value).collect();
        self.builder.ins().brif(is_any, nans, &[], next, &unchanged);
        self.builder.switch_to_block(next);
        canonical
    }

    /// A value, with the canonical NaN for any NaN: a branch that is hardly ever taken, so that no chain of additions gets longer
    /// and the constant is made where it is needed.
    pub(crate) fn canonical(&mut self, value: Value) -> Value {
        self.all_canonical(&[value])[0]
    }

    /// Off the straight way: goes on with each value that is no NaN, and the canonical NaN for those that are.
    pub(crate) fn replace_nans(&mut self, values: &[Value]) -> Vec<BlockArg> {
        let replaced = values.iter().map(|value| {
            let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, *value, *value);
            let canonical = self.canonical_nan(self.builder.func.dfg.value_type(*value));
            BlockArg::Value(self.builder.ins().select(is_nan, canonical, *value))
        });
        replaced.collect()
    }
}
