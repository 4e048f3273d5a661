//! References and slots.

use limen_isa::{Fault, Reference, Reg};

use super::cpu::{Cpu, Policy, Step};
use crate::object::Ref;

impl<P: Policy> Reference for Cpu<P> {
    #[inline(always)]
    fn ref_mov(&mut self, d: Reg, a: Reg) -> Step {
        self.put(d, self.get::<Ref>(a))
    }
    #[inline(always)]
    fn ref_select(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) -> Step {
        let chosen = if self.get::<bool>(c) { a } else { b };
        self.put(d, self.get::<Ref>(chosen))
    }
    #[inline(always)]
    fn ref_null(&mut self, d: Reg) -> Step {
        self.put(d, Ref::NULL)
    }
    #[inline(always)]
    fn ref_is_null(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: Ref| a.is_null())
    }
    #[inline(always)]
    fn ref_eq(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: Ref, b: Ref| a == b)
    }
    fn ref_kind(&mut self, d: Reg, a: Reg) -> Step {
        let reference = self.get(a);
        let kind = self.store().objects.kind(reference);
        self.put(d, u32::from(kind.0))
    }
    fn ref_rights(&mut self, d: Reg, a: Reg) -> Step {
        let reference = self.get(a);
        let rights = self.store().objects.rights(reference);
        self.put(d, u32::from(rights.0))
    }
    #[inline(always)]
    fn ref_br_null(&mut self, a: Reg, to: i32) -> Step {
        self.branch_if(self.get::<Ref>(a).is_null(), to)
    }
    #[inline(always)]
    fn ref_br_nonnull(&mut self, a: Reg, to: i32) -> Step {
        self.branch_if(!self.get::<Ref>(a).is_null(), to)
    }
    fn slot_get(&mut self, d: Reg, i: Reg, k: u32) -> Step {
        let (domain, index) = (self.domain(), self.slot_index(i, k));
        match self.store().slots_of(domain).get(index as usize).copied() {
            Some(reference) => self.put(d, reference),
            None => self.fault(Fault::Bounds, index),
        }
    }
    fn slot_set(&mut self, i: Reg, k: u32, a: Reg) -> Step {
        let (domain, index, reference) = (self.domain(), self.slot_index(i, k), self.get(a));
        match self.store().slots_of_mut(domain).get_mut(index as usize) {
            Some(slot) => {
                *slot = reference;
                Step::Next
            }
            None => self.fault(Fault::Bounds, index),
        }
    }
    fn slot_size(&mut self, d: Reg) -> Step {
        let domain = self.domain();
        let size = self.store().slots_of(domain).len() as u32;
        self.put(d, size)
    }
    fn slot_grow(&mut self, d: Reg, n: Reg) -> Step {
        let (domain, more) = (self.domain(), self.get::<u32>(n));
        let before = self.store().grow_slots(domain, more);
        self.put(d, before.map_or(-1, |size| size as i32))
    }
}

impl<P: Policy> Cpu<P> {
    fn slot_index(&self, i: Reg, k: u32) -> u64 {
        u64::from(self.get::<u32>(i)) + u64::from(k)
    }
}
