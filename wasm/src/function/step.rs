//! One operator: read, validated, translated.
//!
//! The reader has a method for each operator. So what the translator asks about an operator is answered when the translator is
//! compiled, and no operator is written down only to be looked at.

use wasmparser::{FrameKind, FrameStack, Operator, VisitOperator, VisitSimdOperator, for_each_visit_operator};

use super::Translator;
use crate::features::if_supported;

/// What validates and translates the next operator.
pub(super) struct Step<'t, 'm, V> {
    pub(super) validator: V,
    pub(super) translator: &'t mut Translator<'m>,
}

impl<V: FrameStack> FrameStack for Step<'_, '_, V> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.current_frame()
    }
}

macro_rules! steps {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(
            #[inline]
            fn $visit(&mut self $($(, $arg: $ty)*)?) -> Self::Output {
                if_supported!($proposal {
                    self.validator.$visit($($($arg.clone()),*)?)?;
                    self.translator.operator(&Operator::$op $({ $($arg),* })?);
                    Ok(())
                } else {
                    // It is refused.
                    self.validator.$visit($($($arg),*)?)
                })
            }
        )*
    };
}

impl<'a, V: VisitOperator<'a, Output = wasmparser::Result<()>>> VisitOperator<'a> for Step<'_, '_, V> {
    type Output = wasmparser::Result<()>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        self.validator.simd_visitor()
    }

    for_each_visit_operator!(steps);
}
