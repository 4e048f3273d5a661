//! Floating-point arithmetic and the branches that compare floats, written once for both widths.

use limen_isa::{Float, FloatBranch, Reg};

use super::cpu::{Cell, Cpu, Policy, Step};
use super::number::Real;

impl<P: Policy, T: Real + Cell> Float<T> for Cpu<P> {
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
    fn constant(&mut self, d: Reg, k: u64) -> Step {
        self.put(d, T::from_literal(k))
    }
    #[inline(always)]
    fn add(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| (a + b).canonical())
    }
    #[inline(always)]
    fn sub(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| (a - b).canonical())
    }
    #[inline(always)]
    fn mul(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| (a * b).canonical())
    }
    #[inline(always)]
    fn div(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| (a / b).canonical())
    }
    #[inline(always)]
    fn min(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| if a.is_nan() || b.is_nan() { T::CANONICAL_NAN } else { a.smaller(b) })
    }
    #[inline(always)]
    fn max(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| if a.is_nan() || b.is_nan() { T::CANONICAL_NAN } else { a.larger(b) })
    }
    #[inline(always)]
    fn copysign(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a.with_sign_of(b))
    }
    #[inline(always)]
    fn fma(&mut self, d: Reg, a: Reg, b: Reg, c: Reg) -> Step {
        let value = self.get::<T>(a).fused_multiply_add(self.get(b), self.get(c));
        self.put(d, value.canonical())
    }
    #[inline(always)]
    fn sqrt(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.square_root().canonical())
    }
    #[inline(always)]
    fn ceil(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.round_up().canonical())
    }
    #[inline(always)]
    fn floor(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.round_down().canonical())
    }
    #[inline(always)]
    fn trunc(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.round_to_zero().canonical())
    }
    #[inline(always)]
    fn nearest(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.round_to_even().canonical())
    }
    #[inline(always)]
    fn abs(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.with_bit_cleared())
    }
    #[inline(always)]
    fn neg(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: T| a.with_bit_flipped())
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
    fn lt(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a < b)
    }
    #[inline(always)]
    fn le(&mut self, d: Reg, a: Reg, b: Reg) -> Step {
        self.binary(d, a, b, |a: T, b: T| a <= b)
    }
}

#[allow(clippy::neg_cmp_op_on_partial_ord, reason = "the negation of a comparison is not its opposite for NaN")]
impl<P: Policy, T: Real + Cell> FloatBranch<T> for Cpu<P> {
    #[inline(always)]
    fn br_eq(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) == self.get(b), to)
    }
    #[inline(always)]
    fn br_ne(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) != self.get(b), to)
    }
    #[inline(always)]
    fn br_lt(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) < self.get(b), to)
    }
    #[inline(always)]
    fn br_le(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(self.get::<T>(a) <= self.get(b), to)
    }
    #[inline(always)]
    fn br_nlt(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(!(self.get::<T>(a) < self.get(b)), to)
    }
    #[inline(always)]
    fn br_nle(&mut self, a: Reg, b: Reg, to: i32) -> Step {
        self.branch_if(!(self.get::<T>(a) <= self.get(b)), to)
    }
}
