//! Segments.

use limen_isa::Segment;

use super::slowly;
use crate::translate::Translator;

impl Segment for Translator<'_, '_> {
    slowly! {
        i32_seg_load8_s(d, s, o, k);
        i32_seg_load8_u(d, s, o, k);
        i32_seg_load16_s(d, s, o, k);
        i32_seg_load16_u(d, s, o, k);
        i32_seg_load(d, s, o, k);
        i64_seg_load8_s(d, s, o, k);
        i64_seg_load8_u(d, s, o, k);
        i64_seg_load16_s(d, s, o, k);
        i64_seg_load16_u(d, s, o, k);
        i64_seg_load32_s(d, s, o, k);
        i64_seg_load32_u(d, s, o, k);
        i64_seg_load(d, s, o, k);
        f32_seg_load(d, s, o, k);
        f64_seg_load(d, s, o, k);
        i32_seg_store8(s, o, k, v);
        i32_seg_store16(s, o, k, v);
        i32_seg_store(s, o, k, v);
        i64_seg_store8(s, o, k, v);
        i64_seg_store16(s, o, k, v);
        i64_seg_store32(s, o, k, v);
        i64_seg_store(s, o, k, v);
        f32_seg_store(s, o, k, v);
        f64_seg_store(s, o, k, v);
        i32_seg_try_load8_s(d, st, s, o);
        i32_seg_try_load8_u(d, st, s, o);
        i32_seg_try_load16_s(d, st, s, o);
        i32_seg_try_load16_u(d, st, s, o);
        i32_seg_try_load(d, st, s, o);
        i64_seg_try_load8_s(d, st, s, o);
        i64_seg_try_load8_u(d, st, s, o);
        i64_seg_try_load16_s(d, st, s, o);
        i64_seg_try_load16_u(d, st, s, o);
        i64_seg_try_load32_s(d, st, s, o);
        i64_seg_try_load32_u(d, st, s, o);
        i64_seg_try_load(d, st, s, o);
        f32_seg_try_load(d, st, s, o);
        f64_seg_try_load(d, st, s, o);
        i32_seg_try_store8(st, s, o, v);
        i32_seg_try_store16(st, s, o, v);
        i32_seg_try_store(st, s, o, v);
        i64_seg_try_store8(st, s, o, v);
        i64_seg_try_store16(st, s, o, v);
        i64_seg_try_store32(st, s, o, v);
        i64_seg_try_store(st, s, o, v);
        f32_seg_try_store(st, s, o, v);
        f64_seg_try_store(st, s, o, v);
        i32_seg_cas(d, s, o, expected, new);
        i64_seg_cas(d, s, o, expected, new);
        i32_seg_fetch_add(d, s, o, v);
        i64_seg_fetch_add(d, s, o, v);
        seg_size(d, s);
        seg_try_size(d, st, s);
        seg_read(to, s, o, n);
        seg_write(s, o, from, n);
        seg_try_read(st, to, s, o, n);
        seg_try_write(st, s, o, from, n);
        seg_copy(to, to_o, from, from_o, n);
        seg_fill(s, o, byte, n);
    }
}
