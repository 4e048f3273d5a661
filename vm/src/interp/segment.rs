//! Segments: memory reached through a reference.

use limen_isa::{Fault, Reg, Segment};

use super::bulk;
use super::cpu::{Cell, Cpu, Denied, Policy, Step};
use super::home::{InMemory, LoadsAs};
use crate::object::{Kind, Ref, Rights};

impl<P: Policy> Segment for Cpu<P> {
    #[inline(always)]
    fn i32_seg_load8_s(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<i8, i32>(d, s, o, k)
    }
    #[inline(always)]
    fn i32_seg_try_load8_s(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<i8, i32>(d, st, s, o)
    }
    #[inline(always)]
    fn i32_seg_load8_u(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u8, u32>(d, s, o, k)
    }
    #[inline(always)]
    fn i32_seg_try_load8_u(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u8, u32>(d, st, s, o)
    }
    #[inline(always)]
    fn i32_seg_load16_s(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<i16, i32>(d, s, o, k)
    }
    #[inline(always)]
    fn i32_seg_try_load16_s(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<i16, i32>(d, st, s, o)
    }
    #[inline(always)]
    fn i32_seg_load16_u(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u16, u32>(d, s, o, k)
    }
    #[inline(always)]
    fn i32_seg_try_load16_u(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u16, u32>(d, st, s, o)
    }
    #[inline(always)]
    fn i32_seg_load(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u32, u32>(d, s, o, k)
    }
    #[inline(always)]
    fn i32_seg_try_load(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u32, u32>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load8_s(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<i8, i64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load8_s(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<i8, i64>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load8_u(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u8, u64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load8_u(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u8, u64>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load16_s(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<i16, i64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load16_s(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<i16, i64>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load16_u(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u16, u64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load16_u(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u16, u64>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load32_s(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<i32, i64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load32_s(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<i32, i64>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load32_u(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u32, u64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load32_u(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u32, u64>(d, st, s, o)
    }
    #[inline(always)]
    fn i64_seg_load(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u64, u64>(d, s, o, k)
    }
    #[inline(always)]
    fn i64_seg_try_load(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u64, u64>(d, st, s, o)
    }
    #[inline(always)]
    fn f32_seg_load(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<u32, u32>(d, s, o, k)
    }
    #[inline(always)]
    fn f32_seg_try_load(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<u32, u32>(d, st, s, o)
    }
    #[inline(always)]
    fn f64_seg_load(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        self.seg_load::<f64, f64>(d, s, o, k)
    }
    #[inline(always)]
    fn f64_seg_try_load(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        self.seg_try_load::<f64, f64>(d, st, s, o)
    }
    #[inline(always)]
    fn i32_seg_store8(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u8>(s, o, k, v)
    }
    #[inline(always)]
    fn i32_seg_try_store8(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u8>(st, s, o, v)
    }
    #[inline(always)]
    fn i32_seg_store16(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u16>(s, o, k, v)
    }
    #[inline(always)]
    fn i32_seg_try_store16(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u16>(st, s, o, v)
    }
    #[inline(always)]
    fn i32_seg_store(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u32>(s, o, k, v)
    }
    #[inline(always)]
    fn i32_seg_try_store(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u32>(st, s, o, v)
    }
    #[inline(always)]
    fn i64_seg_store8(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u8>(s, o, k, v)
    }
    #[inline(always)]
    fn i64_seg_try_store8(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u8>(st, s, o, v)
    }
    #[inline(always)]
    fn i64_seg_store16(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u16>(s, o, k, v)
    }
    #[inline(always)]
    fn i64_seg_try_store16(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u16>(st, s, o, v)
    }
    #[inline(always)]
    fn i64_seg_store32(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u32>(s, o, k, v)
    }
    #[inline(always)]
    fn i64_seg_try_store32(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u32>(st, s, o, v)
    }
    #[inline(always)]
    fn i64_seg_store(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u64>(s, o, k, v)
    }
    #[inline(always)]
    fn i64_seg_try_store(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u64>(st, s, o, v)
    }
    #[inline(always)]
    fn f32_seg_store(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<u32>(s, o, k, v)
    }
    #[inline(always)]
    fn f32_seg_try_store(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<u32>(st, s, o, v)
    }
    #[inline(always)]
    fn f64_seg_store(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        self.seg_store::<f64>(s, o, k, v)
    }
    #[inline(always)]
    fn f64_seg_try_store(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_try_store::<f64>(st, s, o, v)
    }
    #[inline(always)]
    fn i32_seg_cas(&mut self, d: Reg, s: Reg, o: Reg, expected: Reg, new: Reg) -> Step {
        self.seg_compare_and_swap::<u32>(d, s, o, expected, new)
    }
    #[inline(always)]
    fn i32_seg_fetch_add(&mut self, d: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_fetch_and_add(d, s, o, v, u32::wrapping_add)
    }
    #[inline(always)]
    fn i64_seg_cas(&mut self, d: Reg, s: Reg, o: Reg, expected: Reg, new: Reg) -> Step {
        self.seg_compare_and_swap::<u64>(d, s, o, expected, new)
    }
    #[inline(always)]
    fn i64_seg_fetch_add(&mut self, d: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        self.seg_fetch_and_add(d, s, o, v, u64::wrapping_add)
    }

    fn seg_size(&mut self, d: Reg, s: Reg) -> Step {
        let size = self.size_of_segment(s);
        self.put_or_fault(d, size)
    }
    fn seg_try_size(&mut self, d: Reg, st: Reg, s: Reg) -> Step {
        let size = self.size_of_segment(s);
        self.set(d, size.unwrap_or(0));
        self.put(st, status(size.err()))
    }
    #[inline(always)]
    fn seg_read(&mut self, to: Reg, s: Reg, o: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.read_segment(to, s, o, n, None))
    }
    #[inline(always)]
    fn seg_write(&mut self, s: Reg, o: Reg, from: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.write_segment(s, o, from, n, None))
    }
    #[inline(always)]
    fn seg_try_read(&mut self, st: Reg, to: Reg, s: Reg, o: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.read_segment(to, s, o, n, Some(st)))
    }
    #[inline(always)]
    fn seg_try_write(&mut self, st: Reg, s: Reg, o: Reg, from: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.write_segment(s, o, from, n, Some(st)))
    }
    #[inline(always)]
    fn seg_copy(&mut self, to: Reg, to_o: Reg, from: Reg, from_o: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.copy_segment(to, to_o, from, from_o, n))
    }
    #[inline(always)]
    fn seg_fill(&mut self, s: Reg, o: Reg, byte: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.fill_segment(s, o, byte, n))
    }
}

/// The status that a `try` form answers.
pub(super) fn status(fault: Option<Fault>) -> u32 {
    fault.map_or(0, |fault| u32::from(fault.code()))
}

impl<P: Policy> Cpu<P> {
    /// The host address of `M` at an offset that may be too large to exist.
    #[inline(always)]
    fn seg_place<M>(&mut self, s: Reg, o: Reg, k: u32, rights: Rights) -> Result<*mut u8, Denied> {
        // A sum too large for 64 bits is out of bounds like any other that is too large.
        let offset = self.get::<u64>(o).saturating_add(u64::from(k));
        self.segment(self.get::<Ref>(s), offset, size_of::<M>() as u64, rights)
    }

    #[inline(always)]
    fn seg_load<M: LoadsAs<R>, R: Cell>(&mut self, d: Reg, s: Reg, o: Reg, k: u32) -> Step {
        match self.seg_place::<M>(s, o, k, Rights::READ) {
            // SAFETY: `seg_place` gives the address of an `M`.
            Ok(place) => self.put(d, unsafe { M::read(place) }.extended()),
            Err(denied) => self.denied(denied),
        }
    }

    #[inline(always)]
    fn seg_store<M: InMemory>(&mut self, s: Reg, o: Reg, k: u32, v: Reg) -> Step {
        match self.seg_place::<M>(s, o, k, Rights::WRITE) {
            Ok(place) => {
                // SAFETY: `seg_place` gives the address of an `M`.
                unsafe { M::truncated(self.get(v)).write(place) };
                Step::Next
            }
            Err(denied) => self.denied(denied),
        }
    }

    #[inline(always)]
    fn seg_try_load<M: LoadsAs<R>, R: Cell>(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) -> Step {
        let fault = match self.seg_place::<M>(s, o, 0, Rights::READ) {
            Ok(place) => {
                // SAFETY: `seg_place` gives the address of an `M`.
                self.set(d, unsafe { M::read(place) }.extended());
                None
            }
            Err(Denied::Fault(fault, _)) => {
                self.set(d, 0_u64);
                Some(fault)
            }
            Err(denied) => return self.denied(denied),
        };
        self.put(st, status(fault))
    }

    #[inline(always)]
    fn seg_try_store<M: InMemory>(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) -> Step {
        let fault = match self.seg_place::<M>(s, o, 0, Rights::WRITE) {
            Ok(place) => {
                // SAFETY: `seg_place` gives the address of an `M`.
                unsafe { M::truncated(self.get(v)).write(place) };
                None
            }
            Err(Denied::Fault(fault, _)) => Some(fault),
            Err(denied) => return self.denied(denied),
        };
        self.put(st, status(fault))
    }

    #[inline(always)]
    fn seg_compare_and_swap<M: InMemory + Cell + PartialEq>(
        &mut self,
        d: Reg,
        s: Reg,
        o: Reg,
        expected: Reg,
        new: Reg,
    ) -> Step {
        match self.seg_place::<M>(s, o, 0, Rights::READ_WRITE) {
            Ok(place) => {
                let (expected, new) = (self.get(expected), self.get(new));
                // SAFETY: the address of an `M`.
                let old: M = unsafe { bulk::swap_if_equal(place, expected, new) };
                self.put(d, old)
            }
            Err(denied) => self.denied(denied),
        }
    }

    #[inline(always)]
    fn seg_fetch_and_add<M: InMemory + Cell>(&mut self, d: Reg, s: Reg, o: Reg, v: Reg, add: fn(M, M) -> M) -> Step {
        match self.seg_place::<M>(s, o, 0, Rights::READ_WRITE) {
            Ok(place) => {
                let addend = self.get(v);
                // SAFETY: the address of an `M`.
                let old = unsafe { bulk::replace(place, |old| add(old, addend)) };
                self.put(d, old)
            }
            Err(denied) => self.denied(denied),
        }
    }

    fn size_of_segment(&mut self, s: Reg) -> Result<u64, Fault> {
        let segment = self.get::<Ref>(s);
        let objects = &self.store().objects;
        objects.check(segment, Kind::MEMORY, Rights::NONE)?;
        objects.span(segment, Rights::NONE).map(|span| span.length)
    }
}
