//! How types lie in memory, and which registers hold their values.

use std::collections::HashSet;

use limen_isa::ValueType;
use limen_isa::module::MAX_REGISTERS;

use super::types::{Bindings, Int, Layout, Member, Ty, Type, Types, Variants};
use crate::ast::{EnumEntry, Name};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::Symbol;

impl<'a> Types<'_, 'a> {
    pub(crate) fn variants(&mut self, index: usize, errors: &mut Errors) -> &Variants {
        if !self.enums.contains_key(&index) {
            let variants = self.make_variants(index, errors);
            self.enums.insert(index, variants);
        }
        &self.enums[&index]
    }

    fn make_variants(&mut self, index: usize, errors: &mut Errors) -> Variants {
        let declared = self.globals.enums[index];
        let mut int = Int::I32;
        if let Some(expr) = &declared.ty {
            let ty = self.resolve(expr, &Bindings::new(), errors);
            match self.int(ty) {
                Some(found) if found.bits <= 32 => int = found,
                _ => errors.add(|| Diagnostic::new(expr.span, "an integer type of at most 32 bits belongs here")),
            }
        }
        let mut values: Vec<(Box<str>, i128)> = Vec::new();
        let mut next = 0;
        for entry in &declared.entries {
            let variant = match entry {
                EnumEntry::Variant(variant) => variant,
                EnumEntry::Use(name) => {
                    self.take_over(index, name, int, &mut values, errors);
                    continue;
                }
            };
            if let Some(value) = &variant.value {
                next = self.constants.integer(value, int.min(), int.max(), errors).unwrap_or(next);
            }
            let taken = |(name, value): &&(Box<str>, i128)| *name == variant.name.text || *value == next;
            if let Some((name, _)) = values.iter().find(taken) {
                errors.add(|| Diagnostic::new(variant.name.span, format!("this is the same as `{name}`")));
            } else if next > int.max() {
                errors.add(|| Diagnostic::new(variant.name.span, format!("{next} does not fit {}", int.name())));
            }
            values.push((variant.name.text.clone(), next));
            next += 1;
        }
        Variants { int, values }
    }

    /// Adds the values of another enumeration.
    fn take_over(
        &mut self,
        index: usize,
        name: &'a Name,
        int: Int,
        values: &mut Vec<(Box<str>, i128)>,
        errors: &mut Errors,
    ) {
        let Some((Symbol::Enum(other), _)) = self.globals.get(&name.text, name.span.file) else {
            let globals = self.globals;
            return errors.add(|| {
                Diagnostic::new(name.span, format!("there is no enumeration `{}`", name.text))
                    .help(globals.similar(&name.text, |symbol| matches!(symbol, Symbol::Enum(_))))
            });
        };
        if self.uses(other, index) {
            return errors.add(|| Diagnostic::new(name.span, "an enumeration cannot use itself"));
        }
        for (variant, value) in self.variants(other, errors).values.clone() {
            if value < int.min() || value > int.max() {
                errors.add(|| Diagnostic::new(name.span, format!("`{variant}` does not fit {}", int.name())));
            } else if values.iter().any(|(known, number)| *known == variant || *number == value) {
                errors.add(|| Diagnostic::new(name.span, format!("`{variant}` of `{}` is there already", name.text)));
            }
            values.push((variant, value));
        }
    }

    /// Whether an enumeration is another one, or has its values.
    pub(crate) fn uses(&self, index: usize, other: usize) -> bool {
        let mut open = vec![index];
        let mut seen = HashSet::new();
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            if seen.insert(next) {
                let names = self.globals.enums[next].uses();
                let found = names.filter_map(|name| self.globals.get(&name.text, name.span.file));
                open.extend(
                    found.filter_map(|(symbol, _)| if let Symbol::Enum(index) = symbol { Some(index) } else { None }),
                );
            }
        }
        false
    }

    /// The integer that an enumeration is held as.
    pub(crate) fn enum_int(&mut self, index: usize, errors: &mut Errors) -> Int {
        self.variants(index, errors).int
    }

    pub(crate) fn layout(&mut self, ty: Ty, errors: &mut Errors) -> Layout {
        if let Some(known) = self.layouts.get(&ty) {
            return known.clone().unwrap_or_default();
        }
        let Type::Struct(index, arguments) = self.get(ty).clone() else { return Layout::default() };
        self.layouts.insert(ty, None);
        let declared = self.globals.structs[index];
        let bindings: Bindings<'a> =
            declared.generics.iter().map(|name| &*name.text).zip(arguments.iter().copied()).collect();
        let mut layout = Layout::default();
        for field in &declared.fields {
            let member = self.resolve(&field.ty, &bindings, errors);
            if layout.members.iter().any(|other| other.name == field.name.text) {
                errors.add(|| Diagnostic::new(field.name.span, "this field is declared twice"));
            }
            let size = if self.holds_itself(member) {
                errors.add(|| {
                    Diagnostic::new(field.name.span, format!("`{}` holds itself", declared.name.text))
                        .help(["an address `*T` or a slice `[]T` can do so"])
                });
                0
            } else {
                self.size(member, errors)
            };
            layout.members.push(Member { name: field.name.text.clone(), ty: member, offset: layout.size as u32 });
            layout.size += size;
            if layout.size > u64::from(u32::MAX) {
                errors.add(|| Diagnostic::new(field.name.span, "this structure does not fit into home"));
                layout.size = 0;
            }
        }
        self.layouts.insert(ty, Some(layout.clone()));
        layout
    }

    /// Whether the layout of a type is being made.
    fn holds_itself(&self, ty: Ty) -> bool {
        match self.get(ty) {
            Type::Array(element, _) => self.holds_itself(*element),
            Type::Struct(..) => matches!(self.layouts.get(&ty), Some(None)),
            _ => false,
        }
    }

    /// Bytes in memory.
    pub(crate) fn size(&mut self, ty: Ty, errors: &mut Errors) -> u64 {
        match self.get(ty).clone() {
            Type::Bad | Type::AnyInt | Type::AnyFloat | Type::Null => 0,
            Type::Int(int) | Type::BigEndian(int) => u64::from(int.bits / 8),
            Type::F32 | Type::Address(_) | Type::Function(..) | Type::Ref(_) => 4,
            Type::F64 | Type::Slice(_) => 8,
            Type::Bool => 1,
            Type::Enum(index) => u64::from(self.enum_int(index, errors).bits / 8),
            Type::Struct(..) => self.layout(ty, errors).size,
            Type::Array(element, count) => self.size(element, errors).saturating_mul(u64::from(count)),
        }
    }

    /// The registers of a value; `None` if there are no values of the type.
    pub(crate) fn registers(&mut self, ty: Ty, errors: &mut Errors) -> Option<Vec<ValueType>> {
        Some(match self.get(ty).clone() {
            Type::Int(int) | Type::BigEndian(int) if int.bits == 64 => vec![ValueType::I64],
            Type::F32 => vec![ValueType::F32],
            Type::F64 | Type::AnyFloat => vec![ValueType::F64],
            Type::Ref(_) => vec![ValueType::Ref],
            Type::Slice(_) => vec![ValueType::I32; 2],
            Type::Array(..) => return None,
            Type::Struct(..) => {
                let mut all = Vec::new();
                for member in self.layout(ty, errors).members {
                    all.extend(self.registers(member.ty, errors)?);
                    if all.len() > MAX_REGISTERS {
                        return None;
                    }
                }
                all
            }
            _ => vec![ValueType::I32],
        })
    }
}
