//! Calls.

use limen_isa::{Opcode, ValueType};

use super::{Last, Translator};
use crate::context::{Callable, Tables};
use crate::emit::{Place, Register};
use crate::types::{FunctionType, Type};

impl Translator<'_> {
    pub(super) fn call(&mut self, function: u32) {
        let source = &self.module.source;
        let callable = self.module.callable_of(function);
        let first = first_of_call(function);
        self.call_like(first, source.type_of(function), callable);
    }

    pub(super) fn call_indirect(&mut self, ty: u32, table: u32) {
        let source = &self.module.source;
        let (table, index) = match self.module.plan.tables {
            Tables::Fixed => (table, self.pop()),
            Tables::InHome => {
                self.push_table(table);
                self.call_routine("table_get", 2, true);
                (0, self.pop())
            }
        };
        let wanted = &source.types[ty as usize];
        // The arguments lie below it, and it may lie in a register of its own.
        let index = self.read(index, 0);
        let callable = self.module.callable_through_table(ty);
        let registers = u64::from(table) << 16 | u64::from(index) << 28;
        let first = u64::from(Opcode::CallIndirect.row().code) | registers | u64::from(callable.signature) << 40;
        self.call_like(first, wanted, callable);
    }

    fn call_like(&mut self, first: u64, ty: &FunctionType, callable: Callable) {
        let mut arguments = self.read_many(ty.params.len());
        if callable.marks > 0 {
            let null = self.zero(ValueType::Ref);
            arguments.extend(std::iter::repeat_n(null, callable.marks));
        }
        self.call_with(first, &ty.results, arguments, callable.throws);
    }

    /// Writes a call and pushes its results.
    fn call_with(&mut self, first: u64, results: &[Type], arguments: Vec<Register>, throws: bool) {
        let (count, mut listed) = (arguments.len(), arguments);
        listed.extend(results.iter().map(|ty| self.push_home(ty.register())));
        let exception = throws.then(|| self.exception());
        let start = self.code.position();
        let (arguments, registers) = listed.split_at(count);
        self.code.listed(first, registers.iter().chain(&exception).chain(arguments).copied());
        // Where a handler could see it, no local gets a result of a call that has none.
        let may_change = !throws || self.look_for_exception();
        if let (&[result], true) = (registers, may_change) {
            let place = Place::first_of(start + 1);
            self.last = Some(Last { start, end: self.code.position(), place, result, condition: None });
        }
        self.listed = listed;
    }

    /// Calls a routine with what is on the stack.
    pub(super) fn call_routine(&mut self, name: &'static str, arguments: usize, has_result: bool) {
        let function = self.module.routine(name);
        let arguments = self.read_many(arguments);
        let results: &[Type] = if has_result { &[Type::I32] } else { &[] };
        self.call_with(first_of_call(function), results, arguments, false);
    }
}

/// The instruction word of a call.
pub(crate) fn first_of_call(function: u32) -> u64 {
    u64::from(Opcode::Call.row().code) | u64::from(function) << 32
}
