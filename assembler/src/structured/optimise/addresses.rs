//! Addresses: what an access adds by itself is not computed before it.

use limen_isa::codec::Value;
use limen_isa::{Opcode, ValueType};

use super::known::{Origin, Vn};
use super::numbering::Numbering;
use super::ranges::{Range, greatest, unsigned};
use crate::structured::code::{Inst, Item, Reg};

/// Offsets of accesses, and of those with an index, are below these.
const MAX_OFFSET: i64 = 1 << 24;
const MAX_INDEXED_OFFSET: i64 = 1 << 12;

/// Constant addresses are below this.
const MAX_ADDRESS: i64 = 1 << 31;

/// An access to home: the places of its operands, and what an index is multiplied by.
struct Access {
    base: usize,
    index: Option<(usize, i64)>,
    offset: usize,
}

impl Access {
    fn of(inst: &Inst) -> Option<Self> {
        let (family, name) = inst.opcode.mnemonic().split_once('.')?;
        let base = usize::from(name.starts_with("load"));
        let name = name.trim_start_matches("load").trim_start_matches("store");
        if !name.ends_with("_at") {
            return Some(Self { base, index: None, offset: base + 1 });
        }
        let size = match name.split('_').next()? {
            "8" => 1,
            "16" => 2,
            "32" => 4,
            _ if matches!(family, "i64" | "f64") => 8,
            _ => 4,
        };
        Some(Self { base, index: Some((base + 1, size)), offset: base + 2 })
    }

    fn max_offset(&self) -> i64 {
        if self.index.is_some() { MAX_INDEXED_OFFSET } else { MAX_OFFSET }
    }
}

/// Lets an index of bytes be the address, where the base is a number that the offset can take.
fn without_index(inst: &mut Inst, access: &Access, index: usize, offset: i64) {
    let plain = inst.opcode.mnemonic().trim_end_matches("_at");
    let Some(opcode) = Opcode::from_mnemonic(plain) else { return };
    inst.opcode = opcode;
    inst.values[access.base] = inst.values[index].clone();
    inst.values[access.offset] = Value::Integer(offset);
    inst.values.remove(index);
}

impl Numbering<'_, '_> {
    /// Lets an access to home add numbers itself. An access does not wrap, so nothing that was added before may have.
    pub(super) fn shorten_address(&mut self, inst: &mut Inst) {
        let Some(access) = Access::of(inst) else { return };
        if let Some((index, size)) = access.index {
            self.shorten(inst, &access, index, size);
        }
        self.shorten(inst, &access, access.base, 1);
        self.share_base(inst, &access);
    }

    /// Takes what was added to an operand into the offset.
    fn shorten(&mut self, inst: &mut Inst, access: &Access, operand: usize, size: i64) {
        let (Value::Integer(reg), Value::Integer(offset)) = (&inst.values[operand], &inst.values[access.offset]) else {
            return;
        };
        let value = self.known.of(*reg as Reg);
        let Some((of, added)) = self.added(value) else { return };
        let sum = offset + added * size;
        // A base that is constant takes what an offset cannot be.
        let fits = match self.constant_base(inst, access) {
            Some(base) if operand != access.base => (0..MAX_ADDRESS).contains(&(base + sum)),
            _ => (0..access.max_offset()).contains(&sum),
        };
        if let (true, Some(holder)) = (fits, self.known.holder(of)) {
            inst.values[operand] = Value::Integer(i64::from(holder));
            inst.values[access.offset] = Value::Integer(sum);
        }
    }

    /// The value to which a number was added without wrapping, and that number.
    fn added(&self, value: Vn) -> Option<(Vn, i64)> {
        let Origin::Computed((opcode, [of, number, ..])) = self.known.values.origin(value) else { return None };
        if opcode.mnemonic() != "i32.addi" {
            return None;
        }
        let Range { least, most } = self.known.range(ValueType::I32, of as Vn);
        let fits =
            if number < 0 { least >= number.unsigned_abs() } else { most + number as u64 <= greatest(ValueType::I32) };
        fits.then_some((of as Vn, number))
    }

    /// Lets accesses at constant addresses begin at the same ones, and leaves the rest to their offsets.
    fn share_base(&mut self, inst: &mut Inst, access: &Access) {
        let (Some(number), Value::Integer(offset)) = (self.constant_base(inst, access), &inst.values[access.offset])
        else {
            return;
        };
        let address = number + offset;
        if let (Some((index, 1)), true) = (access.index, address < MAX_OFFSET) {
            return without_index(inst, access, index, address);
        }
        let base = address & -access.max_offset();
        if base != number && address < MAX_ADDRESS {
            let register = self.constant_register(base, inst);
            inst.values[access.base] = Value::Integer(i64::from(register));
            inst.values[access.offset] = Value::Integer(address - base);
        }
    }

    fn constant_base(&mut self, inst: &Inst, access: &Access) -> Option<i64> {
        let Value::Integer(reg) = inst.values[access.base] else { return None };
        let value = self.known.of(reg as Reg);
        self.known.number(value).map(|number| unsigned(ValueType::I32, number) as i64)
    }

    /// A register that holds a constant. If there is none, one is made before `like`.
    fn constant_register(&mut self, bits: i64, like: &Inst) -> Reg {
        let value = self.known.constant(ValueType::I32, bits);
        if let Some(holder) = self.known.holder(value) {
            return holder;
        }
        self.registers.push(ValueType::I32);
        let register = self.registers.len() as Reg - 1;
        let mut inst = like.clone();
        inst.make_constant(register, ValueType::I32, bits);
        self.known.write(register, value);
        self.out.push(Item::Inst(inst));
        register
    }
}
