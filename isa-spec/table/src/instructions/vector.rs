//! 128-bit vectors: codes kept free.

use crate::{Row, dsl::op};

pub(super) const PREFACE: &str =
    "Names and numbers are reserved so that `v128` has a place; the verifier refuses them.";

pub(super) fn rows() -> Vec<Row> {
    vec![
        op(0x2000, "v128.const", &[], "d = a 128-bit literal").reserved(),
        op(0x2001, "v128.load", &[], "d = 16 bytes of home memory").reserved(),
        op(0x2002, "v128.store", &[], "16 bytes of home memory = v").reserved(),
        op(0x2003, "v128.mov", &[], "d = a").reserved(),
        op(0x2004, "v128.select", &[], "d = if c != 0 then a else b").reserved(),
    ]
}
