//! Locals: in registers, and those that an instruction cannot name in home.

use limen_isa::{Opcode, ValueType};
use wasmparser::{FuncValidator, FunctionBody, Operator, ValidatorResources};

use super::Translator;
use crate::emit::Register;
use crate::operators::{load_of, store_of};
use crate::types::Type;

/// So many locals are in registers, parameters among them. The stack of operands has the others.
pub(crate) const IN_REGISTERS: usize = 2048;

/// Bytes of a local, or of an operand, that is spilled.
pub(crate) const SPILLED: u32 = 8;

/// A local of the function.
#[derive(Clone, Copy)]
pub(super) struct Local {
    pub(super) ty: ValueType,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    Register(Register),
    /// So far above the frame's part of the spill stack.
    Home(u32),
}

/// The part of the spill stack that the function's frame has.
#[derive(Clone, Copy)]
pub(super) struct Spilled {
    /// Where it begins.
    pub(super) base: Register,
    bytes: u32,
}

impl Translator<'_> {
    pub(super) fn read_locals(
        &mut self,
        params: &[Type],
        body: &FunctionBody<'_>,
        validator: &mut FuncValidator<ValidatorResources>,
    ) -> wasmparser::Result<()> {
        let parameter =
            |(number, ty): (usize, &Type)| Local { ty: ty.register(), place: Place::Register(number as u16) };
        self.locals.extend(params.iter().enumerate().map(parameter));
        let mut types = Vec::new();
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read()?;
            validator.define_locals(offset, count, ty)?;
            types.extend(std::iter::repeat_n(Type::of(ty).register(), count as usize));
        }
        let mut bytes = 0;
        if params.len() + types.len() <= IN_REGISTERS {
            types.into_iter().for_each(|ty| self.keep(ty));
        } else {
            bytes = self.keep_some(&types, &uses(body, params.len() + types.len())?);
        }
        self.named.clear();
        self.named.resize(self.locals.len(), 0);
        if let Some(operands) = self.module.plan.deep.get(&self.index) {
            self.deep.first = Some(bytes);
            bytes += operands * SPILLED;
        }
        if bytes > 0 {
            self.enter_spilled(bytes);
        }
        Ok(())
    }

    fn keep(&mut self, ty: ValueType) {
        let register = self.register(ty);
        self.locals.push(Local { ty, place: Place::Register(register) });
    }

    /// Keeps those locals in registers that are named most often, and spills the others. Gives how many bytes those take.
    fn keep_some(&mut self, types: &[ValueType], uses: &[u32]) -> u32 {
        let params = self.locals.len();
        let mut by_use: Vec<usize> = (0..types.len()).collect();
        by_use.sort_by_key(|local| std::cmp::Reverse(uses[params + local]));
        let mut kept = vec![false; types.len()];
        by_use.iter().take(IN_REGISTERS - params).for_each(|local| kept[*local] = true);
        let mut bytes = 0;
        for (ty, kept) in types.iter().zip(kept) {
            if kept {
                self.keep(*ty);
            } else {
                self.locals.push(Local { ty: *ty, place: Place::Home(bytes) });
                bytes += SPILLED;
            }
        }
        bytes
    }

    /// Takes room on the spill stack, which reads zero.
    fn enter_spilled(&mut self, bytes: u32) {
        let base = self.register(ValueType::I32);
        for constant in [bytes, self.module.layout.spills.pointer, self.module.layout.spills.bottom] {
            self.push_constant(ValueType::I32, u64::from(constant));
        }
        self.call_routine("spill", 3, true);
        let entry = self.pop();
        self.write(base, entry);
        self.spilled = Some(Spilled { base, bytes });
    }

    /// Returns, and gives room on the spill stack back.
    pub(super) fn ret(&mut self, values: &[Register]) {
        let exception = self.throws.then(|| self.zero(ValueType::I64));
        self.ret_with(values, exception);
    }

    /// As [`Self::ret`], with an exception if the function can throw.
    pub(super) fn ret_with(&mut self, values: &[Register], exception: Option<Register>) {
        if let Some(Spilled { base, bytes }) = self.spilled {
            let (zero, pointer) = (self.zero(ValueType::I32), self.module.layout.spills.pointer);
            self.code.wide24(Opcode::I32Addi, base, base, bytes);
            self.code.wide24(Opcode::I32Store, zero, base, pointer);
        }
        match exception {
            Some(exception) => self.code.ret(&[values, &[exception]].concat()),
            None => self.code.ret(values),
        }
    }

    pub(super) fn get_local(&mut self, local: u32) {
        let Local { ty, place } = self.locals[local as usize];
        match (place, self.spilled) {
            (Place::Home(offset), Some(Spilled { base, .. })) => {
                self.result(ty, |code, d| code.wide24(load_of(ty), d, base, offset));
            }
            _ => self.push_local(local, ty),
        }
    }

    pub(super) fn set_local(&mut self, local: u32) {
        let value = self.pop();
        match (self.locals[local as usize].place, self.spilled) {
            (Place::Register(register), _) => self.set_register(local, register, value),
            (Place::Home(offset), spilled) => {
                let value_register = self.read(value, 0);
                let base = spilled.map_or(0, |spilled| spilled.base);
                self.code.wide24(store_of(value.ty), base, value_register, offset);
            }
        }
    }

    fn set_register(&mut self, local: u32, register: Register, value: super::Entry) {
        let is_named = self.named[local as usize] > 0;
        if is_named {
            self.preserve(local);
        }
        match self.last.filter(|last| value.is_home() && self.is_last(last, self.home_of_popped(value))) {
            Some(last) if !is_named => {
                self.code.replace(last.place, register);
                self.last = None;
            }
            _ => self.write(register, value),
        }
    }

    /// The register of a local that is named on the stack: spilled ones never are.
    pub(super) fn register_of(&self, local: u32) -> Register {
        match self.locals[local as usize].place {
            Place::Register(register) => register,
            Place::Home(_) => 0,
        }
    }
}

/// How often each local is named. The code is not validated yet.
fn uses(body: &FunctionBody<'_>, locals: usize) -> wasmparser::Result<Vec<u32>> {
    let mut uses = vec![0; locals];
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        if let Operator::LocalGet { local_index }
        | Operator::LocalSet { local_index }
        | Operator::LocalTee { local_index } = operators.read()?
            && let Some(uses) = uses.get_mut(local_index as usize)
        {
            *uses += 1;
        }
    }
    Ok(uses)
}

/// Bytes of the spill stack that a frame with so many locals takes.
pub(crate) fn spilled_bytes(locals: u64) -> u32 {
    // Validation refuses what is too much for 32 bits.
    locals.saturating_sub(IN_REGISTERS as u64).min(u64::from(u32::MAX / SPILLED)) as u32 * SPILLED
}
