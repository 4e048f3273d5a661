//! What the numeric types have beyond the standard library.

use num_traits::ops::overflowing::{OverflowingAdd, OverflowingSub};
use num_traits::{PrimInt, WrappingAdd, WrappingMul, WrappingNeg, WrappingShl, WrappingShr, WrappingSub};

/// A signed integer type that stands for the bits of a register.
pub(super) trait Int:
    PrimInt
    + WrappingAdd
    + WrappingSub
    + WrappingMul
    + WrappingNeg
    + WrappingShl
    + WrappingShr
    + OverflowingAdd
    + OverflowingSub
{
    /// The type that compares unsigned.
    type Unsigned: Ord;
    const BITS: u32;

    /// Sign-extended.
    fn from_i32(value: i32) -> Self;
    fn unsigned(self) -> Self::Unsigned;
    /// The low 32 bits: enough for any shift count.
    fn low_bits(self) -> u32;
    fn shr_u(self, count: u32) -> Self;
    fn mulh_s(self, other: Self) -> Self;
    fn mulh_u(self, other: Self) -> Self;
    /// The divisor is not zero.
    fn div_u(self, divisor: Self) -> Self;
    /// The divisor is not zero.
    fn rem_u(self, divisor: Self) -> Self;
    /// The divisor is not zero.
    fn wrapping_rem_s(self, divisor: Self) -> Self;
    fn overflowing_mul_s(self, other: Self) -> (Self, bool);
    fn overflowing_add_u(self, other: Self) -> (Self, bool);
    fn overflowing_sub_u(self, other: Self) -> (Self, bool);
    fn overflowing_mul_u(self, other: Self) -> (Self, bool);
}

macro_rules! int {
    ($signed:ident, $unsigned:ident, $wide_signed:ident, $wide_unsigned:ident) => {
        impl Int for $signed {
            type Unsigned = $unsigned;
            const BITS: u32 = $signed::BITS;

            #[inline(always)]
            fn from_i32(value: i32) -> Self {
                $signed::from(value)
            }
            #[inline(always)]
            fn unsigned(self) -> $unsigned {
                self as $unsigned
            }
            #[inline(always)]
            fn low_bits(self) -> u32 {
                self as u32
            }
            #[inline(always)]
            fn shr_u(self, count: u32) -> Self {
                (self as $unsigned).wrapping_shr(count) as $signed
            }
            #[inline(always)]
            fn mulh_s(self, other: Self) -> Self {
                ((($wide_signed::from(self)) * $wide_signed::from(other)) >> $signed::BITS) as $signed
            }
            #[inline(always)]
            fn mulh_u(self, other: Self) -> Self {
                let product = $wide_unsigned::from(self as $unsigned) * $wide_unsigned::from(other as $unsigned);
                (product >> $signed::BITS) as $signed
            }
            #[inline(always)]
            fn div_u(self, divisor: Self) -> Self {
                (self as $unsigned / divisor as $unsigned) as $signed
            }
            #[inline(always)]
            fn rem_u(self, divisor: Self) -> Self {
                (self as $unsigned % divisor as $unsigned) as $signed
            }
            #[inline(always)]
            fn wrapping_rem_s(self, divisor: Self) -> Self {
                self.wrapping_rem(divisor)
            }
            #[inline(always)]
            fn overflowing_mul_s(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }
            #[inline(always)]
            fn overflowing_add_u(self, other: Self) -> (Self, bool) {
                signed((self as $unsigned).overflowing_add(other as $unsigned), |value| value as $signed)
            }
            #[inline(always)]
            fn overflowing_sub_u(self, other: Self) -> (Self, bool) {
                signed((self as $unsigned).overflowing_sub(other as $unsigned), |value| value as $signed)
            }
            #[inline(always)]
            fn overflowing_mul_u(self, other: Self) -> (Self, bool) {
                signed((self as $unsigned).overflowing_mul(other as $unsigned), |value| value as $signed)
            }
        }
    };
}

#[inline(always)]
fn signed<U, S>((value, overflow): (U, bool), cast: impl FnOnce(U) -> S) -> (S, bool) {
    (cast(value), overflow)
}

int!(i32, u32, i64, u64);
int!(i64, u64, i128, u128);

/// A floating-point type.
pub(super) trait Real: num_traits::Float {
    /// The positive quiet NaN without payload.
    const CANONICAL_NAN: Self;

    /// From the bits of a literal, zero-extended.
    fn from_literal(bits: u64) -> Self;
    fn with_bit_cleared(self) -> Self;
    fn with_bit_flipped(self) -> Self;
    fn with_sign_of(self, other: Self) -> Self;
    /// The smaller of two numbers, -0 below +0.
    fn smaller(self, other: Self) -> Self;
    /// The larger of two numbers, -0 below +0.
    fn larger(self, other: Self) -> Self;
    fn fused_multiply_add(self, factor: Self, addend: Self) -> Self;
    fn square_root(self) -> Self;
    fn round_up(self) -> Self;
    fn round_down(self) -> Self;
    fn round_to_zero(self) -> Self;
    fn round_to_even(self) -> Self;

    /// The canonical NaN, of which the compiler does not know that it is one: to it one is as good as another.
    fn some_nan() -> Self;

    /// The value, with the canonical NaN for a NaN: for everything that arithmetic makes.
    #[inline(always)]
    fn canonical(self) -> Self {
        if self.is_nan() {
            // A branch that is never taken costs nothing; a blend would lengthen every chain of additions.
            std::hint::cold_path();
            Self::some_nan()
        } else {
            self
        }
    }
}

macro_rules! real {
    ($float:ident, $bits:ident, $nan:literal) => {
        impl Real for $float {
            const CANONICAL_NAN: Self = $float::from_bits($nan);

            #[inline(always)]
            fn some_nan() -> Self {
                static NAN: $float = $float::CANONICAL_NAN;
                // SAFETY: statics can be read.
                unsafe { (&raw const NAN).read_volatile() }
            }

            #[inline(always)]
            fn from_literal(bits: u64) -> Self {
                $float::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn with_bit_cleared(self) -> Self {
                $float::from_bits(self.to_bits() & !SIGN)
            }
            #[inline(always)]
            fn with_bit_flipped(self) -> Self {
                $float::from_bits(self.to_bits() ^ SIGN)
            }
            #[inline(always)]
            fn with_sign_of(self, other: Self) -> Self {
                $float::from_bits(self.to_bits() & !SIGN | other.to_bits() & SIGN)
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                // Equal numbers are the same, or zeros: then a set sign bit in either makes the result -0.
                if self == other {
                    $float::from_bits(self.to_bits() | other.to_bits())
                } else if self < other {
                    self
                } else {
                    other
                }
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self == other {
                    $float::from_bits(self.to_bits() & other.to_bits())
                } else if self > other {
                    self
                } else {
                    other
                }
            }
            #[inline(always)]
            fn fused_multiply_add(self, factor: Self, addend: Self) -> Self {
                $float::mul_add(self, factor, addend)
            }
            #[inline(always)]
            fn square_root(self) -> Self {
                $float::sqrt(self)
            }
            #[inline(always)]
            fn round_up(self) -> Self {
                $float::ceil(self)
            }
            #[inline(always)]
            fn round_down(self) -> Self {
                $float::floor(self)
            }
            #[inline(always)]
            fn round_to_zero(self) -> Self {
                $float::trunc(self)
            }
            #[inline(always)]
            fn round_to_even(self) -> Self {
                $float::round_ties_even(self)
            }
        }
    };
}

mod single {
    use super::Real;
    const SIGN: u32 = 1 << 31;
    real!(f32, u32, 0x7fc0_0000);
}

mod double {
    use super::Real;
    const SIGN: u64 = 1 << 63;
    real!(f64, u64, 0x7ff8_0000_0000_0000);
}
