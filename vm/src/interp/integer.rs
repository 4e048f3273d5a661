//! Integer arithmetic and the branches that compare integers, written once for both widths.

use limen_isa::{Fault, Integer, IntegerBranch, Reg};

use super::cpu::{Cell, Cpu, Policy, Step};
use super::number::Int;

/// The result of an operation, and whether it overflowed.
type Overflowing<T> = (T, bool);

impl<P: Policy, T: Int + Cell> Integer<T> for Cpu<P> {
    #[inline(always)]
    fn mov(&mut self, d: Reg, a: Reg) -> Step {
        self.put(d, self.get::<T>(a))
    }
    #[inline(always)]
    fn select(&mut self, d: Reg, c: Reg, a: Reg, b: Reg) -> Step {
        let chosen = if self.get::<bool>(c) { a } else { b };
        self.put(d, self.get::<T>(chosen))
    }
    #[inline(always)]
    fn constant(&mut self, d: Reg, k: i32) -> Step {
        self.put(d, T::from_i32(k))
    }

    #[inline(always)]
    fn add(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.wrapping_add(&b))
    }
    #[inline(always)]
    fn sub(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.wrapping_sub(&b))
    }
    #[inline(always)]
    fn mul(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.wrapping_mul(&b))
    }
    #[inline(always)]
    fn mulh_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, T::mulh_s)
    }
    #[inline(always)]
    fn mulh_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, T::mulh_u)
    }
    #[inline(always)]
    fn div_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.put_or_fault(d, div_s(self.get::<T>(a), self.get(b)))
    }
    #[inline(always)]
    fn div_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.put_or_fault(d, div_u(self.get::<T>(a), self.get(b)))
    }
    #[inline(always)]
    fn rem_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.put_or_fault(d, rem_s(self.get::<T>(a), self.get(b)))
    }
    #[inline(always)]
    fn rem_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.put_or_fault(d, rem_u(self.get::<T>(a), self.get(b)))
    }
    #[inline(always)]
    fn and(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a & b)
    }
    #[inline(always)]
    fn or(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a | b)
    }
    #[inline(always)]
    fn xor(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a ^ b)
    }
    #[inline(always)]
    fn andn(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a & !b)
    }
    #[inline(always)]
    fn shl(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.wrapping_shl(b.low_bits()))
    }
    #[inline(always)]
    fn shr_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.wrapping_shr(b.low_bits()))
    }
    #[inline(always)]
    fn shr_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.shr_u(b.low_bits()))
    }
    #[inline(always)]
    fn rotl(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.rotate_left(b.low_bits() % T::BITS))
    }
    #[inline(always)]
    fn rotr(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.rotate_right(b.low_bits() % T::BITS))
    }
    #[inline(always)]
    fn min_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.min(b))
    }
    #[inline(always)]
    fn min_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| if a.unsigned() < b.unsigned() { a } else { b })
    }
    #[inline(always)]
    fn max_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| a.max(b))
    }
    #[inline(always)]
    fn max_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b| if a.unsigned() > b.unsigned() { a } else { b })
    }

    #[inline(always)]
    fn add_ovf_s(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) -> Step {
        self.overflowing(d, o, a, b, |a: T, b| a.overflowing_add(&b))
    }
    #[inline(always)]
    fn add_ovf_u(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) -> Step {
        self.overflowing(d, o, a, b, T::overflowing_add_u)
    }
    #[inline(always)]
    fn sub_ovf_s(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) -> Step {
        self.overflowing(d, o, a, b, |a: T, b| a.overflowing_sub(&b))
    }
    #[inline(always)]
    fn sub_ovf_u(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) -> Step {
        self.overflowing(d, o, a, b, T::overflowing_sub_u)
    }
    #[inline(always)]
    fn mul_ovf_s(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) -> Step {
        self.overflowing(d, o, a, b, T::overflowing_mul_s)
    }
    #[inline(always)]
    fn mul_ovf_u(&mut self, d: Reg, o: Reg, a: Reg, b: Reg) -> Step {
        self.overflowing(d, o, a, b, T::overflowing_mul_u)
    }
    #[inline(always)]
    fn add_chk_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.checked(d, a, b, |a: T, b| a.overflowing_add(&b))
    }
    #[inline(always)]
    fn add_chk_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.checked(d, a, b, T::overflowing_add_u)
    }
    #[inline(always)]
    fn sub_chk_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.checked(d, a, b, |a: T, b| a.overflowing_sub(&b))
    }
    #[inline(always)]
    fn sub_chk_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.checked(d, a, b, T::overflowing_sub_u)
    }
    #[inline(always)]
    fn mul_chk_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.checked(d, a, b, T::overflowing_mul_s)
    }
    #[inline(always)]
    fn mul_chk_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.checked(d, a, b, T::overflowing_mul_u)
    }

    #[inline(always)]
    fn neg(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.wrapping_neg())
    }
    #[inline(always)]
    fn not(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| !a)
    }
    #[inline(always)]
    fn clz(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| T::from_i32(a.leading_zeros() as i32))
    }
    #[inline(always)]
    fn ctz(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| T::from_i32(a.trailing_zeros() as i32))
    }
    #[inline(always)]
    fn popcnt(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| T::from_i32(a.count_ones() as i32))
    }
    #[inline(always)]
    fn bswap(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.swap_bytes())
    }
    #[inline(always)]
    fn sext8(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| T::from_i32(i32::from(a.low_bits() as i8)))
    }
    #[inline(always)]
    fn sext16(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| T::from_i32(i32::from(a.low_bits() as i16)))
    }

    #[inline(always)]
    fn eq(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a == b)
    }
    #[inline(always)]
    fn ne(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a != b)
    }
    #[inline(always)]
    fn lt_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a < b)
    }
    #[inline(always)]
    fn lt_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a.unsigned() < b.unsigned())
    }
    #[inline(always)]
    fn le_s(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a <= b)
    }
    #[inline(always)]
    fn le_u(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a.unsigned() <= b.unsigned())
    }

    #[inline(always)]
    fn addi(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a.wrapping_add(&T::from_i32(k)))
    }
    #[inline(always)]
    fn muli(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a.wrapping_mul(&T::from_i32(k)))
    }
    #[inline(always)]
    fn rsubi(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| T::from_i32(k).wrapping_sub(&a))
    }
    #[inline(always)]
    fn andi(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a & T::from_i32(k))
    }
    #[inline(always)]
    fn ori(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a | T::from_i32(k))
    }
    #[inline(always)]
    fn xori(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a ^ T::from_i32(k))
    }
    #[inline(always)]
    fn shli(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.unary(d, a, |a: T| a.wrapping_shl(k))
    }
    #[inline(always)]
    fn shr_si(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.unary(d, a, |a: T| a.wrapping_shr(k))
    }
    #[inline(always)]
    fn shr_ui(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.unary(d, a, |a: T| a.shr_u(k))
    }
    #[inline(always)]
    fn rotli(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.unary(d, a, |a: T| a.rotate_left(k % T::BITS))
    }
    #[inline(always)]
    fn div_si(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.put_or_fault(d, div_s(self.get::<T>(a), T::from_i32(k)))
    }
    #[inline(always)]
    fn div_ui(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.put_or_fault(d, div_u(self.get::<T>(a), T::from_i32(k as i32)))
    }
    #[inline(always)]
    fn rem_si(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.put_or_fault(d, rem_s(self.get::<T>(a), T::from_i32(k)))
    }
    #[inline(always)]
    fn rem_ui(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.put_or_fault(d, rem_u(self.get::<T>(a), T::from_i32(k as i32)))
    }
    #[inline(always)]
    fn eqi(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a == T::from_i32(k))
    }
    #[inline(always)]
    fn nei(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a != T::from_i32(k))
    }
    #[inline(always)]
    fn lt_si(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a < T::from_i32(k))
    }
    #[inline(always)]
    fn lt_ui(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.unary(d, a, |a: T| a.unsigned() < T::from_i32(k as i32).unsigned())
    }
    #[inline(always)]
    fn gt_si(&mut self, d: Reg, a: Reg, k: i32) -> Step {
        self.unary(d, a, |a: T| a > T::from_i32(k))
    }
    #[inline(always)]
    fn gt_ui(&mut self, d: Reg, a: Reg, k: u32) -> Step {
        self.unary(d, a, |a: T| a.unsigned() > T::from_i32(k as i32).unsigned())
    }
}

impl<P: Policy, T: Int + Cell> IntegerBranch<T> for Cpu<P> {
    #[inline(always)]
    fn br_eq(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) == self.get(b), to)
    }
    #[inline(always)]
    fn br_ne(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) != self.get(b), to)
    }
    #[inline(always)]
    fn br_lt_s(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) < self.get(b), to)
    }
    #[inline(always)]
    fn br_lt_u(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a).unsigned() < self.get::<T>(b).unsigned(), to)
    }
    #[inline(always)]
    fn br_le_s(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) <= self.get(b), to)
    }
    #[inline(always)]
    fn br_le_u(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a).unsigned() <= self.get::<T>(b).unsigned(), to)
    }
    #[inline(always)]
    fn br_any(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) & self.get(b) != T::zero(), to)
    }
    #[inline(always)]
    fn br_none(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) & self.get(b) == T::zero(), to)
    }
    #[inline(always)]
    fn br_eqi(&mut self, a: Reg, k: i32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) == T::from_i32(k), to)
    }
    #[inline(always)]
    fn br_nei(&mut self, a: Reg, k: i32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) != T::from_i32(k), to)
    }
    #[inline(always)]
    fn br_lt_si(&mut self, a: Reg, k: i32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) < T::from_i32(k), to)
    }
    #[inline(always)]
    fn br_lt_ui(&mut self, a: Reg, k: u32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a).unsigned() < T::from_i32(k as i32).unsigned(), to)
    }
    #[inline(always)]
    fn br_le_si(&mut self, a: Reg, k: i32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) <= T::from_i32(k), to)
    }
    #[inline(always)]
    fn br_le_ui(&mut self, a: Reg, k: u32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a).unsigned() <= T::from_i32(k as i32).unsigned(), to)
    }
    #[inline(always)]
    fn br_gt_si(&mut self, a: Reg, k: i32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) > T::from_i32(k), to)
    }
    #[inline(always)]
    fn br_gt_ui(&mut self, a: Reg, k: u32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a).unsigned() > T::from_i32(k as i32).unsigned(), to)
    }
    #[inline(always)]
    fn br_ge_si(&mut self, a: Reg, k: i32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) >= T::from_i32(k), to)
    }
    #[inline(always)]
    fn br_ge_ui(&mut self, a: Reg, k: u32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a).unsigned() >= T::from_i32(k as i32).unsigned(), to)
    }
    #[inline(always)]
    fn br_anyi(&mut self, a: Reg, k: u32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) & T::from_i32(k as i32) != T::zero(), to)
    }
    #[inline(always)]
    fn br_nonei(&mut self, a: Reg, k: u32, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) & T::from_i32(k as i32) == T::zero(), to)
    }
}

impl<P: Policy> Cpu<P> {
    #[inline(always)]
    pub(super) fn unary<A: Cell, D: Cell>(&mut self, d: Reg, a: Reg, f: impl FnOnce(A) -> D) -> Step {
        self.put(d, f(self.get(a)))
    }

    #[inline(always)]
    pub(super) fn binary<A: Cell, D: Cell>(&mut self, d: Reg, a: Reg, b: Reg, f: impl FnOnce(A, A) -> D) -> Step {
        self.put(d, f(self.get(a), self.get(b)))
    }

    #[inline(always)]
    fn overflowing<T: Cell>(&mut self, d: Reg, o: Reg, a: Reg, b: Reg, f: impl FnOnce(T, T) -> Overflowing<T>) -> Step {
        let (value, overflow) = f(self.get(a), self.get(b));
        self.set(d, value);
        self.put(o, overflow)
    }

    #[inline(always)]
    fn checked<T: Cell>(&mut self, d: Reg, a: Reg, b: Reg, f: impl FnOnce(T, T) -> Overflowing<T>) -> Step {
        let (value, overflow) = f(self.get(a), self.get(b));
        self.put_or_fault(d, if overflow { Err(Fault::Overflow) } else { Ok(value) })
    }

    #[inline(always)]
    pub(super) fn branch_if(&mut self, condition: bool, to: i32) -> Step {
        if condition { self.branch(to) } else { Step::Next }
    }
}

#[inline(always)]
fn div_s<T: Int>(a: T, b: T) -> Result<T, Fault> {
    nonzero(b)?;
    a.checked_div(&b).ok_or(Fault::Overflow)
}

#[inline(always)]
fn div_u<T: Int>(a: T, b: T) -> Result<T, Fault> {
    nonzero(b)?;
    Ok(a.div_u(b))
}

#[inline(always)]
fn rem_s<T: Int>(a: T, b: T) -> Result<T, Fault> {
    nonzero(b)?;
    Ok(a.wrapping_rem_s(b))
}

#[inline(always)]
fn rem_u<T: Int>(a: T, b: T) -> Result<T, Fault> {
    nonzero(b)?;
    Ok(a.rem_u(b))
}

#[inline(always)]
fn nonzero<T: Int>(divisor: T) -> Result<(), Fault> {
    if divisor == T::zero() { Err(Fault::Division) } else { Ok(()) }
}
