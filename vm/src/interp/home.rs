//! Home memory.

use limen_isa::{Home, Reg};

use super::bulk;
use super::cpu::{Cell, Cpu, Policy, Step};

/// Addresses are sums of unsigned parts, too small to overflow 64 bits.
macro_rules! address {
    ($cpu:ident, $p:ident, $k:ident) => {
        u64::from($cpu.get::<u32>($p)) + u64::from($k)
    };
    ($cpu:ident, $p:ident, $i:ident, $k:ident, $size:ty) => {
        address!($cpu, $p, $k) + u64::from($cpu.get::<u32>($i)) * size_of::<$size>() as u64
    };
}

impl<P: Policy> Home for Cpu<P> {
    #[inline(always)]
    fn i32_load8_s(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<i8, i32>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i32_load8_s_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<i8, i32>(d, address!(self, p, i, k, i8))
    }
    #[inline(always)]
    fn i32_load8_u(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u8, u32>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i32_load8_u_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u8, u32>(d, address!(self, p, i, k, u8))
    }
    #[inline(always)]
    fn i32_load16_s(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<i16, i32>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i32_load16_s_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<i16, i32>(d, address!(self, p, i, k, i16))
    }
    #[inline(always)]
    fn i32_load16_u(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u16, u32>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i32_load16_u_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u16, u32>(d, address!(self, p, i, k, u16))
    }
    #[inline(always)]
    fn i32_load(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u32, u32>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i32_load_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u32, u32>(d, address!(self, p, i, k, u32))
    }
    #[inline(always)]
    fn i64_load8_s(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<i8, i64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load8_s_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<i8, i64>(d, address!(self, p, i, k, i8))
    }
    #[inline(always)]
    fn i64_load8_u(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u8, u64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load8_u_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u8, u64>(d, address!(self, p, i, k, u8))
    }
    #[inline(always)]
    fn i64_load16_s(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<i16, i64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load16_s_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<i16, i64>(d, address!(self, p, i, k, i16))
    }
    #[inline(always)]
    fn i64_load16_u(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u16, u64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load16_u_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u16, u64>(d, address!(self, p, i, k, u16))
    }
    #[inline(always)]
    fn i64_load32_s(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<i32, i64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load32_s_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<i32, i64>(d, address!(self, p, i, k, i32))
    }
    #[inline(always)]
    fn i64_load32_u(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u32, u64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load32_u_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u32, u64>(d, address!(self, p, i, k, u32))
    }
    #[inline(always)]
    fn i64_load(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u64, u64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn i64_load_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u64, u64>(d, address!(self, p, i, k, u64))
    }
    #[inline(always)]
    fn f32_load(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<u32, u32>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn f32_load_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<u32, u32>(d, address!(self, p, i, k, u32))
    }
    #[inline(always)]
    fn f64_load(&mut self, d: Reg, p: Reg, k: u32) -> Step {
        self.load::<f64, f64>(d, address!(self, p, k))
    }
    #[inline(always)]
    fn f64_load_at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) -> Step {
        self.load::<f64, f64>(d, address!(self, p, i, k, u64))
    }
    #[inline(always)]
    fn i32_store8(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u8>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i32_store8_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u8>(address!(self, p, i, k, u8), v)
    }
    #[inline(always)]
    fn i32_store16(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u16>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i32_store16_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u16>(address!(self, p, i, k, u16), v)
    }
    #[inline(always)]
    fn i32_store(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u32>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i32_store_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u32>(address!(self, p, i, k, u32), v)
    }
    #[inline(always)]
    fn i64_store8(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u8>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i64_store8_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u8>(address!(self, p, i, k, u8), v)
    }
    #[inline(always)]
    fn i64_store16(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u16>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i64_store16_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u16>(address!(self, p, i, k, u16), v)
    }
    #[inline(always)]
    fn i64_store32(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u32>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i64_store32_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u32>(address!(self, p, i, k, u32), v)
    }
    #[inline(always)]
    fn i64_store(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u64>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn i64_store_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u64>(address!(self, p, i, k, u64), v)
    }
    #[inline(always)]
    fn f32_store(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u32>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn f32_store_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<u32>(address!(self, p, i, k, u32), v)
    }
    #[inline(always)]
    fn f64_store(&mut self, p: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<f64>(address!(self, p, k), v)
    }
    #[inline(always)]
    fn f64_store_at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) -> Step {
        self.store_to::<f64>(address!(self, p, i, k, u64), v)
    }
    #[inline(always)]
    fn i32_cas(&mut self, d: Reg, p: Reg, expected: Reg, new: Reg) -> Step {
        self.compare_and_swap::<u32>(d, p, expected, new)
    }
    #[inline(always)]
    fn i32_fetch_add(&mut self, d: Reg, p: Reg, v: Reg) -> Step {
        self.fetch_and_add(d, p, v, u32::wrapping_add)
    }
    #[inline(always)]
    fn i64_cas(&mut self, d: Reg, p: Reg, expected: Reg, new: Reg) -> Step {
        self.compare_and_swap::<u64>(d, p, expected, new)
    }
    #[inline(always)]
    fn i64_fetch_add(&mut self, d: Reg, p: Reg, v: Reg) -> Step {
        self.fetch_and_add(d, p, v, u64::wrapping_add)
    }

    #[inline(always)]
    fn home_copy(&mut self, to: Reg, from: Reg, n: Reg) -> Step {
        if !P::SLOW && self.copy_at_once(to, from, n) {
            return Step::Next;
        }
        self.apart(n, move |cpu, n| cpu.copy_within_home(to, from, n))
    }
    #[inline(always)]
    fn home_fill(&mut self, to: Reg, byte: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.fill_home(to, byte, n))
    }
    #[inline(always)]
    fn home_compare(&mut self, d: Reg, a: Reg, b: Reg, n: Reg) -> Step {
        self.apart(n, move |cpu, n| cpu.compare_within_home(d, a, b, n))
    }
    fn home_size(&mut self, d: Reg) -> Step {
        let domain = self.domain();
        let pages = self.store().home_pages(domain);
        self.put(d, pages)
    }
    fn home_grow(&mut self, d: Reg, n: Reg) -> Step {
        let (domain, more) = (self.domain(), self.get::<u32>(n));
        let memory = self.store().home_of(domain);
        let before = self.store().grow(memory, more);
        self.reload_home();
        self.put(d, before.map_or(-1, |pages| pages as i32))
    }
}

/// A number as it lies in memory.
pub(super) trait InMemory: Copy {
    /// The registers from which it is stored.
    type Register: Cell;

    /// Reads it, little-endian, from any address.
    ///
    /// # Safety
    ///
    /// `address` must be readable for the size of the type.
    unsafe fn read(address: *const u8) -> Self;

    /// Writes it, little-endian, to any address.
    ///
    /// # Safety
    ///
    /// `address` must be writable for the size of the type.
    unsafe fn write(self, address: *mut u8);

    /// The low bits of a register.
    fn truncated(register: Self::Register) -> Self;
}

/// A number in memory that a load turns into a register's value of type `R`.
pub(super) trait LoadsAs<R: Cell>: InMemory {
    fn extended(self) -> R;
}

macro_rules! in_memory {
    ($($ty:ident => $($register:ident)*;)*) => {$(
        impl InMemory for $ty {
            type Register = u64;
            #[inline(always)]
            unsafe fn read(address: *const u8) -> Self {
                // As bytes: what builds with assertions check of an unaligned read takes a place on the stack, and then what an
                // instruction ends with is no jump any more.
                // SAFETY: the caller's promise.
                $ty::from_le_bytes(unsafe { *address.cast() })
            }
            #[inline(always)]
            unsafe fn write(self, address: *mut u8) {
                // SAFETY: the caller's promise.
                unsafe { *address.cast() = self.to_le_bytes() }
            }
            #[inline(always)]
            fn truncated(cell: u64) -> Self {
                cell as $ty
            }
        }
        $(impl LoadsAs<$register> for $ty {
            #[inline(always)]
            fn extended(self) -> $register {
                $register::from(self)
            }
        })*
    )*};
}

impl InMemory for f64 {
    type Register = f64;
    #[inline(always)]
    unsafe fn read(address: *const u8) -> Self {
        // SAFETY: the caller's promise.
        f64::from_bits(unsafe { u64::read(address) })
    }
    #[inline(always)]
    unsafe fn write(self, address: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.to_bits().write(address) }
    }
    #[inline(always)]
    fn truncated(register: f64) -> Self {
        register
    }
}

impl LoadsAs<f64> for f64 {
    #[inline(always)]
    fn extended(self) -> f64 {
        self
    }
}

in_memory! {
    i8 => i32 i64;
    u8 => u32 u64;
    i16 => i32 i64;
    u16 => u32 u64;
    i32 => i64;
    u32 => u32 u64;
    u64 => u64;
}

impl<P: Policy> Cpu<P> {
    #[inline(always)]
    fn load<M: LoadsAs<R>, R: Cell>(&mut self, d: Reg, address: u64) -> Step {
        match self.home(address, size_of::<M>() as u64, false) {
            // SAFETY: `home` gives the address of so many bytes.
            Ok(place) => self.put(d, unsafe { M::read(place) }.extended()),
            Err(step) => step,
        }
    }

    #[inline(always)]
    fn store_to<M: InMemory>(&mut self, address: u64, v: Reg) -> Step {
        match self.home(address, size_of::<M>() as u64, true) {
            Ok(place) => {
                // SAFETY: `home` gives the address of so many bytes.
                unsafe { M::truncated(self.get(v)).write(place) };
                Step::Next
            }
            Err(step) => step,
        }
    }

    #[inline(always)]
    fn compare_and_swap<M: InMemory + Cell + PartialEq>(&mut self, d: Reg, p: Reg, expected: Reg, new: Reg) -> Step {
        let address = u64::from(self.get::<u32>(p));
        match self.home(address, size_of::<M>() as u64, true) {
            Ok(place) => {
                let (expected, new) = (self.get(expected), self.get(new));
                // SAFETY: `home` gives the address of so many bytes.
                let old: M = unsafe { bulk::swap_if_equal(place, expected, new) };
                self.put(d, old)
            }
            Err(step) => step,
        }
    }

    #[inline(always)]
    fn fetch_and_add<M: InMemory + Cell>(&mut self, d: Reg, p: Reg, v: Reg, add: fn(M, M) -> M) -> Step {
        let address = u64::from(self.get::<u32>(p));
        match self.home(address, size_of::<M>() as u64, true) {
            Ok(place) => {
                let addend = self.get(v);
                // SAFETY: `home` gives the address of so many bytes.
                let old = unsafe { bulk::replace(place, |old| add(old, addend)) };
                self.put(d, old)
            }
            Err(step) => step,
        }
    }
}
