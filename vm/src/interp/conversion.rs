//! Conversions between types, and what only one width of integers needs.

use limen_isa::{Conversion, Fault, Reg};

use super::cpu::{Cell, Cpu, Policy, Step};
use super::number::Real;

impl<P: Policy> Conversion for Cpu<P> {
    #[inline(always)]
    fn i32_from_i64(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i64| a as i32)
    }
    #[inline(always)]
    fn i64_from_i32_s(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i32| i64::from(a))
    }
    #[inline(always)]
    fn i64_from_i32_u(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: u32| u64::from(a))
    }
    #[inline(always)]
    fn f32_from_f64(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f64| (a as f32).canonical())
    }
    #[inline(always)]
    fn f64_from_f32(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f32| f64::from(a).canonical())
    }
    #[inline(always)]
    fn i32_bits_f32(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |bits: u64| bits)
    }
    #[inline(always)]
    fn i64_bits_f64(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f64| a.to_bits())
    }
    #[inline(always)]
    fn f32_bits_i32(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |bits: u64| bits)
    }
    #[inline(always)]
    fn f64_bits_i64(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |bits: u64| f64::from_bits(bits))
    }
    #[inline(always)]
    fn i64_sext32(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i64| i64::from(a as i32))
    }
    #[inline(always)]
    fn i64_const64(&mut self, d: Reg, k: u64) -> Step {
        self.put(d, k)
    }
    #[inline(always)]
    fn i32_from_f32_s(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, i32::MIN as f64, -(i32::MIN as f64), |a: f32| (a as i32, f64::from(a)))
    }
    #[inline(always)]
    fn i32_from_f32_u(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, 0.0, -2.0 * (i32::MIN as f64), |a: f32| (a as u32, f64::from(a)))
    }
    #[inline(always)]
    fn i32_from_f32_s_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f32| a as i32)
    }
    #[inline(always)]
    fn i32_from_f32_u_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f32| a as u32)
    }
    #[inline(always)]
    fn i32_from_f64_s(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, i32::MIN as f64, -(i32::MIN as f64), |a: f64| (a as i32, a))
    }
    #[inline(always)]
    fn i32_from_f64_u(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, 0.0, -2.0 * (i32::MIN as f64), |a: f64| (a as u32, a))
    }
    #[inline(always)]
    fn i32_from_f64_s_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f64| a as i32)
    }
    #[inline(always)]
    fn i32_from_f64_u_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f64| a as u32)
    }
    #[inline(always)]
    fn i64_from_f32_s(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, i64::MIN as f64, -(i64::MIN as f64), |a: f32| (a as i64, f64::from(a)))
    }
    #[inline(always)]
    fn i64_from_f32_u(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, 0.0, -2.0 * (i64::MIN as f64), |a: f32| (a as u64, f64::from(a)))
    }
    #[inline(always)]
    fn i64_from_f32_s_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f32| a as i64)
    }
    #[inline(always)]
    fn i64_from_f32_u_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f32| a as u64)
    }
    #[inline(always)]
    fn i64_from_f64_s(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, i64::MIN as f64, -(i64::MIN as f64), |a: f64| (a as i64, a))
    }
    #[inline(always)]
    fn i64_from_f64_u(&mut self, d: Reg, a: Reg) -> Step {
        self.truncated(d, a, 0.0, -2.0 * (i64::MIN as f64), |a: f64| (a as u64, a))
    }
    #[inline(always)]
    fn i64_from_f64_s_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f64| a as i64)
    }
    #[inline(always)]
    fn i64_from_f64_u_sat(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: f64| a as u64)
    }
    #[inline(always)]
    fn f32_from_i32_s(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i32| a as f32)
    }
    #[inline(always)]
    fn f32_from_i32_u(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: u32| a as f32)
    }
    #[inline(always)]
    fn f64_from_i32_s(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i32| f64::from(a))
    }
    #[inline(always)]
    fn f64_from_i32_u(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: u32| f64::from(a))
    }
    #[inline(always)]
    fn f32_from_i64_s(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i64| a as f32)
    }
    #[inline(always)]
    fn f32_from_i64_u(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: u64| a as f32)
    }
    #[inline(always)]
    fn f64_from_i64_s(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: i64| a as f64)
    }
    #[inline(always)]
    fn f64_from_i64_u(&mut self, d: Reg, a: Reg) -> Step {
        self.unary(d, a, |a: u64| a as f64)
    }
}

impl<P: Policy> Cpu<P> {
    /// Writes the truncated value if it is at least `least` and below `end`, else faults. `convert` gives the saturated
    /// integer and the float, widened.
    #[inline(always)]
    fn truncated<F: Cell, I: Cell>(
        &mut self,
        d: Reg,
        a: Reg,
        least: f64,
        end: f64,
        convert: impl FnOnce(F) -> (I, f64),
    ) -> Step {
        let (integer, float) = convert(self.get(a));
        let whole = float.trunc();
        self.put_or_fault(d, if least <= whole && whole < end { Ok(integer) } else { Err(Fault::Conversion) })
    }
}
