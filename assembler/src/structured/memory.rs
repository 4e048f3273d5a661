//! Places: locals and memory, and how values come from there and go there.

use limen_isa::ValueType;

use super::code::Reg;
use super::lower::{Bound, Lower, Part, Rv, value};
use super::types::{Int, Ty, Type};
use crate::ast::{Term, TermKind};
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::source::Span;

/// Offsets of plain accesses, and of those with an index, are below these.
const MAX_OFFSET: i128 = 1 << 24;
const MAX_INDEXED_OFFSET: i128 = 1 << 12;

/// A place in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) ty: Ty,
    pub(crate) base: Part,
    /// A register and what it is multiplied by.
    pub(crate) index: Option<(Reg, u64)>,
    pub(crate) offset: i128,
}

/// What can be assigned.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Registers { ty: Ty, regs: Vec<Reg>, mutable: bool },
    Memory(Memory),
}

impl<'a> Lower<'_, '_, 'a> {
    /// The place that a term names, if it is one.
    pub(crate) fn find_place(&mut self, term: &'a Term) -> Option<Option<Place>> {
        match &term.kind {
            TermKind::Name(name) => Some(self.named_place(name, term.span)),
            TermKind::Target(address) => {
                let memory = self.pointed(address)?;
                Some(Some(Place::Memory(memory)))
            }
            TermKind::Field(of, name) => self.field_place(of, &name.text, name.span),
            TermKind::Index(of, indices) => self.element_place(of, indices, term.span),
            _ => Some(None),
        }
    }

    fn named_place(&mut self, name: &str, span: Span) -> Option<Place> {
        if let Some(local) = self.locals.get_mut(name) {
            local.used = true;
            return Some(Place::Registers { ty: local.ty, regs: local.regs.clone(), mutable: local.mutable });
        }
        match self.c.program.globals.get(name, span.file) {
            Some((Symbol::Static(index), _)) => {
                let (ty, address) = self.c.statics[index];
                Some(Place::Memory(Memory { ty, base: Part::Int(i128::from(address)), index: None, offset: 0 }))
            }
            _ => None,
        }
    }

    /// What an address points at.
    fn pointed(&mut self, address: &'a Term) -> Option<Memory> {
        let rv = self.term(address, None, None)?;
        match self.ty(rv.ty) {
            Type::Address(ty) => Some(at(ty, rv.parts[0])),
            _ => {
                let name = self.c.types.name(rv.ty);
                self.error(|| Diagnostic::new(address.span, "an address belongs here").label(format!("this is {name}")))
            }
        }
    }

    fn field_place(&mut self, of: &'a Term, name: &str, span: Span) -> Option<Option<Place>> {
        if !self.is_value(of) {
            return Some(None);
        }
        let place = match self.find_place(of)? {
            Some(place) => place,
            None => {
                let rv = self.term(of, None, None)?;
                return self.field_of_value(rv, name, span);
            }
        };
        let ty = match &place {
            Place::Registers { ty, .. } | Place::Memory(Memory { ty, .. }) => *ty,
        };
        if let Type::Address(target) = self.ty(ty) {
            let rv = self.load(&place, of.span, None)?;
            return self.member(Place::Memory(at(target, rv.parts[0])), target, name, span);
        }
        self.member(place, ty, name, span)
    }

    fn field_of_value(&mut self, rv: Rv, name: &str, span: Span) -> Option<Option<Place>> {
        if let Type::Address(target) = self.ty(rv.ty) {
            return self.member(Place::Memory(at(target, rv.parts[0])), target, name, span);
        }
        let types = self.registers(rv.ty, span)?;
        let regs = rv.parts.iter().zip(&types).map(|(part, ty)| self.reg(*part, *ty)).collect();
        self.member(Place::Registers { ty: rv.ty, regs, mutable: false }, rv.ty, name, span)
    }

    /// A field of the structure in a place; `None` if it is no field.
    fn member(&mut self, place: Place, ty: Ty, name: &str, span: Span) -> Option<Option<Place>> {
        if let (Type::Slice(element), "ptr" | "len") = (self.ty(ty), name) {
            let of = if name == "ptr" { self.c.types.add(Type::Address(element)) } else { Ty::U32 };
            let first = usize::from(name == "len");
            return Some(Some(match place {
                Place::Registers { regs, .. } => Place::Registers { ty: of, regs: vec![regs[first]], mutable: false },
                Place::Memory(memory) => {
                    Place::Memory(Memory { ty: of, offset: memory.offset + 4 * first as i128, ..memory })
                }
            }));
        }
        let layout = self.c.types.layout(ty, self.c.errors);
        let Some(position) = layout.members.iter().position(|member| &*member.name == name) else {
            return match self.ty(ty) {
                Type::Struct(..) => {
                    let owner = self.c.types.name(ty);
                    let names = layout.members.iter().map(|member| &*member.name);
                    let help = crate::suggest::similar(name, names);
                    self.error(|| Diagnostic::new(span, format!("{owner} has no field `{name}`")).help(help))
                }
                Type::Bad => None,
                Type::Array(_, _) if name == "len" => Some(None),
                _ => {
                    let owner = self.c.types.name(ty);
                    self.error(|| Diagnostic::new(span, format!("{owner} has no field `{name}`")))
                }
            };
        };
        let member = &layout.members[position];
        Some(Some(match place {
            Place::Memory(memory) => {
                Place::Memory(Memory { ty: member.ty, offset: memory.offset + i128::from(member.offset), ..memory })
            }
            Place::Registers { regs, mutable, .. } => {
                let mut first = 0;
                for before in &layout.members[..position] {
                    first += self.registers(before.ty, span)?.len();
                }
                let count = self.registers(member.ty, span)?.len();
                let ty = self.c.types.value_of(member.ty);
                Place::Registers { ty, regs: regs[first..first + count].to_vec(), mutable }
            }
        }))
    }

    fn element_place(&mut self, of: &'a Term, indices: &'a [Term], span: Span) -> Option<Option<Place>> {
        let [index] = indices else { return Some(None) };
        if !self.is_value(of) {
            return Some(None);
        }
        let place = self.find_place(of)?;
        if let Some(Place::Memory(array)) = &place
            && let Type::Array(element, count) = self.ty(array.ty)
        {
            let array = *array;
            let index = self.index(index)?;
            self.check_index(index, Part::Int(i128::from(count)));
            return self.element(array, element, index).map(|memory| Some(Place::Memory(memory)));
        }
        let rv = match place {
            Some(place) => self.load(&place, of.span, None)?,
            None => self.term(of, None, None)?,
        };
        let (element, bound) = match self.ty(rv.ty) {
            Type::Slice(element) => (element, Some(rv.parts[1])),
            Type::Address(element) => (element, None),
            _ => {
                let name = self.c.types.name(rv.ty);
                return self.error(|| Diagnostic::new(span, format!("{name} has no elements")));
            }
        };
        let index = self.index(index)?;
        if let Some(bound) = bound {
            self.check_index(index, bound);
        }
        self.element(at(element, rv.parts[0]), element, index).map(|memory| Some(Place::Memory(memory)))
    }

    /// An index: an integer of at most 32 bits, read without a sign.
    pub(crate) fn index(&mut self, term: &'a Term) -> Option<Part> {
        let rv = self.term(term, Some(Ty::U32), None)?;
        if rv.ty == Ty::ANY_INT {
            return Some(self.coerce(rv, Ty::U32, term.span)?.parts[0]);
        }
        match self.c.types.int(rv.ty) {
            Some(int) if int.bits <= 32 => Some(rv.parts[0]),
            _ => self.mismatch(term.span, Ty::U32, rv.ty),
        }
    }

    /// Whether a fact says that an index is below a bound.
    fn is_below(&self, index: Reg, bound: Bound) -> bool {
        self.facts.iter().any(|(of, known)| {
            *of == index
                && match (known, bound) {
                    (Bound::Int(known), Bound::Int(bound)) => *known <= bound,
                    (known, bound) => *known == bound,
                }
        })
    }

    /// Stops the program unless the index is below the bound.
    fn check_index(&mut self, index: Part, bound: Part) {
        if let (Part::Int(index), Part::Int(bound)) = (index, bound)
            && index < bound
        {
            return;
        }
        let known = match (index, bound) {
            (Part::Reg(index), Part::Reg(bound)) => Some((index, Bound::Reg(bound))),
            (Part::Reg(index), Part::Int(bound)) => Some((index, Bound::Int(bound))),
            _ => None,
        };
        if self.c.optimised && known.is_some_and(|(index, bound)| self.is_below(index, bound)) {
            return;
        }
        let out = self.trap("index out of bounds");
        match (index, bound) {
            (Part::Int(k), Part::Reg(len)) if k < 1 << 12 => {
                self.emit("i32.br_le_ui", vec![value(len), value(k as i64), value(out)]);
            }
            (Part::Reg(index), Part::Int(k)) if k < 1 << 12 => {
                self.emit("i32.br_ge_ui", vec![value(index), value(k as i64), value(out)]);
            }
            _ => {
                let (index, bound) = (self.reg(index, ValueType::I32), self.reg(bound, ValueType::I32));
                self.emit("i32.br_le_u", vec![value(bound), value(index), value(out)]);
            }
        }
        self.facts.extend(known);
    }

    pub(crate) fn element(&mut self, of: Memory, element: Ty, index: Part) -> Option<Memory> {
        let size = self.c.types.size(element, self.c.errors);
        let of = if of.index.is_some() { self.collapse(of) } else { of };
        Some(match index {
            Part::Reg(index) => Memory { ty: element, index: Some((index, size)), ..of },
            Part::Int(index) => Memory { ty: element, offset: of.offset + index * i128::from(size), ..of },
            _ => of,
        })
    }

    /// The same place without an index.
    fn collapse(&mut self, memory: Memory) -> Memory {
        let Some((index, size)) = memory.index else { return memory };
        let scaled = if size == 1 {
            index
        } else if size.is_power_of_two() {
            self.op("i32.shli", ValueType::I32, None, &[i64::from(index), i64::from(size.trailing_zeros())])
        } else if size < 1 << 23 {
            self.op("i32.muli", ValueType::I32, None, &[i64::from(index), size as i64])
        } else {
            let size = self.reg(Part::Int(i128::from(size)), ValueType::I32);
            self.op("i32.mul", ValueType::I32, None, &[i64::from(index), i64::from(size)])
        };
        match memory.base {
            Part::Int(base) if base + memory.offset < MAX_OFFSET => {
                Memory { base: Part::Reg(scaled), index: None, offset: base + memory.offset, ..memory }
            }
            base => {
                let base = self.reg(base, ValueType::I32);
                let sum = self.op("i32.add", ValueType::I32, None, &[i64::from(base), i64::from(scaled)]);
                Memory { base: Part::Reg(sum), index: None, ..memory }
            }
        }
    }

    /// The address of a place.
    pub(crate) fn address(&mut self, memory: Memory, dest: Option<Reg>) -> Part {
        let memory = self.collapse(memory);
        match memory.base {
            Part::Int(base) => Part::Int(base + memory.offset),
            base if memory.offset == 0 => base,
            base => {
                let base = self.reg(base, ValueType::I32);
                if memory.offset < 1 << 23 {
                    return Part::Reg(self.op(
                        "i32.addi",
                        ValueType::I32,
                        dest,
                        &[i64::from(base), memory.offset as i64],
                    ));
                }
                let offset = self.reg(Part::Int(memory.offset), ValueType::I32);
                Part::Reg(self.op("i32.add", ValueType::I32, dest, &[i64::from(base), i64::from(offset)]))
            }
        }
    }

    /// `&x`
    pub(crate) fn address_of(&mut self, term: &'a Term, dest: Option<Reg>) -> Option<Rv> {
        match self.find_place(term)? {
            Some(Place::Memory(memory)) => {
                let ty = self.c.types.add(Type::Address(memory.ty));
                let part = self.address(memory, dest);
                Some(Rv::one(ty, part))
            }
            _ => self.error(|| {
                Diagnostic::new(term.span, "this has no address").note("locals are registers, and values lie nowhere")
            }),
        }
    }

    /// The value in a place.
    pub(crate) fn load(&mut self, place: &Place, span: Span, dest: Option<&[Reg]>) -> Option<Rv> {
        match place {
            Place::Registers { ty, regs, .. } => {
                Some(Rv { ty: *ty, parts: regs.iter().map(|reg| Part::Reg(*reg)).collect() })
            }
            Place::Memory(memory) => {
                let leaves = self.leaves(memory.ty, span)?;
                let memory = self.settled(*memory, &leaves);
                let mut parts = Vec::with_capacity(leaves.len());
                for (number, (offset, ty)) in leaves.into_iter().enumerate() {
                    // More than one register could be needed for what is read later.
                    let dest = dest.filter(|dest| dest.len() == 1).map(|dest| dest[number]);
                    parts.push(Part::Reg(self.load_leaf(memory, offset, ty, dest)));
                }
                let ty = self.c.types.value_of(memory.ty);
                Some(Rv { ty, parts })
            }
        }
    }

    pub(crate) fn store(&mut self, memory: Memory, parts: &[Part], span: Span) -> Option<()> {
        let leaves = self.leaves(memory.ty, span)?;
        let memory = self.settled(memory, &leaves);
        for ((offset, ty), part) in leaves.into_iter().zip(parts) {
            self.store_leaf(memory, offset, ty, *part);
        }
        Some(())
    }

    /// The scalars of a type with their offsets.
    fn leaves(&mut self, ty: Ty, span: Span) -> Option<Vec<(i128, Ty)>> {
        self.registers(ty, span)?;
        let mut leaves = Vec::new();
        self.add_leaves(ty, 0, &mut leaves);
        Some(leaves)
    }

    fn add_leaves(&mut self, ty: Ty, offset: i128, leaves: &mut Vec<(i128, Ty)>) {
        match self.ty(ty) {
            Type::Slice(_) => leaves.extend([(offset, Ty::U32), (offset + 4, Ty::U32)]),
            Type::Struct(..) => {
                for member in self.c.types.layout(ty, self.c.errors).members {
                    self.add_leaves(member.ty, offset + i128::from(member.offset), leaves);
                }
            }
            _ => leaves.push((offset, ty)),
        }
    }

    /// The place in a form that an access to each leaf can use.
    fn settled(&mut self, memory: Memory, leaves: &[(i128, Ty)]) -> Memory {
        let Some((_, scale)) = memory.index else { return memory };
        let size = leaves.first().map_or(0, |(_, ty)| self.c.types.size(*ty, self.c.errors));
        let indexed = leaves.len() == 1 && size == scale && memory.offset < MAX_INDEXED_OFFSET;
        if indexed && !(scale == 1 && matches!(memory.base, Part::Int(_))) { memory } else { self.collapse(memory) }
    }

    /// The suffix of the mnemonic and the operands of the address.
    fn operands(&mut self, memory: Memory, offset: i128) -> (&'static str, Vec<i64>) {
        let offset = memory.offset + offset;
        if let Some((index, _)) = memory.index {
            let base = self.reg(memory.base, ValueType::I32);
            return ("_at", vec![i64::from(base), i64::from(index), offset as i64]);
        }
        if offset >= MAX_OFFSET {
            let base = self.address(Memory { offset, ..memory }, None);
            return ("", vec![i64::from(self.reg(base, ValueType::I32)), 0]);
        }
        ("", vec![i64::from(self.reg(memory.base, ValueType::I32)), offset as i64])
    }

    fn load_leaf(&mut self, memory: Memory, offset: i128, ty: Ty, dest: Option<Reg>) -> Reg {
        let (suffix, operands) = self.operands(memory, offset);
        let (family, access) = self.access(ty);
        let mnemonic = format!("{family}.load{access}{suffix}");
        if let Type::Ref(_) = self.ty(ty) {
            let slot = self.op(&mnemonic, family, None, &operands);
            return self.slot_get(slot, dest);
        }
        let Type::BigEndian(int) = self.ty(ty) else { return self.op(&mnemonic, family, dest, &operands) };
        let raw = self.op(&mnemonic, family, None, &operands);
        let full = int.bits >= 32;
        let swapped = self.op(&format!("{family}.bswap"), family, dest.filter(|_| full), &[i64::from(raw)]);
        if full {
            return swapped;
        }
        let shift = if int.signed { "i32.shr_si" } else { "i32.shr_ui" };
        self.op(shift, family, dest, &[i64::from(swapped), 32 - i64::from(int.bits)])
    }

    fn store_leaf(&mut self, memory: Memory, offset: i128, ty: Ty, part: Part) {
        if let Type::Ref(_) = self.ty(ty) {
            let place = self.address(Memory { offset: memory.offset + offset, ..memory }, None);
            return self.slot_put(place, part);
        }
        let (family, access) = self.access(ty);
        let part = if let Type::BigEndian(int) = self.ty(ty) { self.swapped(part, int) } else { part };
        let source = self.reg(part, family);
        let (suffix, mut operands) = self.operands(memory, offset);
        operands.push(i64::from(source));
        let access = access.trim_end_matches(['_', 's', 'u']);
        self.emit(&format!("{family}.store{access}{suffix}"), operands.into_iter().map(value).collect());
    }

    /// An integer whose bytes are in the other order.
    fn swapped(&mut self, part: Part, int: Int) -> Part {
        let family = super::lower::width(int);
        match part {
            Part::Int(number) => {
                let swapped = (number as u64).swap_bytes() >> (64 - u32::from(int.bits));
                Part::Int(i128::from(swapped))
            }
            _ => {
                let reg = i64::from(self.reg(part, family));
                let swapped = self.op(&format!("{family}.bswap"), family, None, &[reg]);
                if int.bits >= 32 {
                    return Part::Reg(swapped);
                }
                Part::Reg(self.op("i32.shr_ui", family, None, &[i64::from(swapped), 32 - i64::from(int.bits)]))
            }
        }
    }

    /// The family and the middle of the mnemonic that reads such a scalar.
    fn access(&mut self, ty: Ty) -> (ValueType, &'static str) {
        let int = match self.ty(ty) {
            Type::F32 => return (ValueType::F32, ""),
            Type::F64 => return (ValueType::F64, ""),
            Type::Int(int) | Type::BigEndian(int) => int,
            Type::Enum(index) => self.c.types.enum_int(index, self.c.errors),
            Type::Bool => Int { bits: 8, signed: false },
            _ => Int::I32,
        };
        let access = match (int.bits, int.signed) {
            (8, true) => "8_s",
            (8, false) => "8_u",
            (16, true) => "16_s",
            (16, false) => "16_u",
            _ => "",
        };
        (super::lower::width(int), access)
    }
}

/// The place of a value at an address.
pub(crate) fn at(ty: Ty, base: Part) -> Memory {
    Memory { ty, base, index: None, offset: 0 }
}
