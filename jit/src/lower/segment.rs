//! Segments: loads and stores are compiled, with a look at the reference each time; the rest is the runtime's.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use limen_isa::{Reg, Segment};
use limen_vm::{Kind, Rights, layout};

use super::home::Extension;
use super::object::Usual;
use super::slowly;
use crate::translate::{Translator, trusted};

/// A load of `$memory`, extended to the register's type by `$extension`; and the same with a status.
macro_rules! loads {
    ($($method:ident $try_method:ident: $memory:ident $extension:ident;)*) => {$(
        fn $method(&mut self, d: Reg, s: Reg, o: Reg, k: u32) {
            self.seg_load(d, None, (s, o, k), types::$memory, Extension::$extension);
        }
        fn $try_method(&mut self, d: Reg, st: Reg, s: Reg, o: Reg) {
            self.seg_load(d, Some(st), (s, o, 0), types::$memory, Extension::$extension);
        }
    )*};
}

/// A store of the low bits of a register; and the same with a status.
macro_rules! stores {
    ($($method:ident $try_method:ident: $memory:ident;)*) => {$(
        fn $method(&mut self, s: Reg, o: Reg, k: u32, v: Reg) {
            self.seg_store(None, (s, o, k), v, types::$memory);
        }
        fn $try_method(&mut self, st: Reg, s: Reg, o: Reg, v: Reg) {
            self.seg_store(Some(st), (s, o, 0), v, types::$memory);
        }
    )*};
}

/// A reference, an offset in its segment, and a constant that is added to it.
pub(super) type Place = (Reg, Reg, u32);

impl Segment for Translator<'_, '_> {
    loads! {
        i32_seg_load8_s i32_seg_try_load8_s: I8 Signed;
        i32_seg_load8_u i32_seg_try_load8_u: I8 Unsigned;
        i32_seg_load16_s i32_seg_try_load16_s: I16 Signed;
        i32_seg_load16_u i32_seg_try_load16_u: I16 Unsigned;
        i32_seg_load i32_seg_try_load: I32 None;
        i64_seg_load8_s i64_seg_try_load8_s: I8 Signed;
        i64_seg_load8_u i64_seg_try_load8_u: I8 Unsigned;
        i64_seg_load16_s i64_seg_try_load16_s: I16 Signed;
        i64_seg_load16_u i64_seg_try_load16_u: I16 Unsigned;
        i64_seg_load32_s i64_seg_try_load32_s: I32 Signed;
        i64_seg_load32_u i64_seg_try_load32_u: I32 Unsigned;
        i64_seg_load i64_seg_try_load: I64 None;
        f32_seg_load f32_seg_try_load: F32 None;
        f64_seg_load f64_seg_try_load: F64 None;
    }
    stores! {
        i32_seg_store8 i32_seg_try_store8: I8;
        i32_seg_store16 i32_seg_try_store16: I16;
        i32_seg_store i32_seg_try_store: I32;
        i64_seg_store8 i64_seg_try_store8: I8;
        i64_seg_store16 i64_seg_try_store16: I16;
        i64_seg_store32 i64_seg_try_store32: I32;
        i64_seg_store i64_seg_try_store: I64;
        f32_seg_store f32_seg_try_store: F32;
        f64_seg_store f64_seg_try_store: F64;
    }
    slowly! {
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

impl Translator<'_, '_> {
    fn seg_load(&mut self, d: Reg, st: Option<Reg>, place: Place, memory: Type, extension: Extension) {
        let usual = self.usual();
        let address = self.seg_place(&usual, place, memory, Rights::READ);
        let flags = self.of_program();
        self.load_from(d, address, place.2 as i32, memory, extension, flags);
        self.succeed(st);
        self.end(usual);
    }

    fn seg_store(&mut self, st: Option<Reg>, place: Place, v: Reg, memory: Type) {
        let usual = self.usual();
        let address = self.seg_place(&usual, place, memory, Rights::WRITE);
        let flags = self.of_program();
        self.store_at(address, place.2 as i32, v, memory, flags);
        self.succeed(st);
        self.end(usual);
    }

    /// The status of an access that was done.
    fn succeed(&mut self, st: Option<Reg>) {
        if let Some(st) = st {
            let done = self.builder.ins().iconst(types::I32, 0);
            self.set(st, done);
        }
    }

    /// The place in the host of an offset in a segment, if `memory` so many bytes behind it is within what is open.
    fn seg_place(&mut self, usual: &Usual, place: Place, memory: Type, rights: Rights) -> Value {
        if let Some(address) = self.kept_place(usual, place, memory, rights) {
            return address;
        }
        let (base, _) = self.seg_span(usual, place, memory, rights);
        let offset = self.get(place.1);
        self.builder.ins().iadd(base, offset)
    }

    /// Where the bytes of a segment begin in the host and how many of them are open, if that is enough for `memory` so many bytes
    /// behind an offset.
    pub(super) fn seg_span(&mut self, usual: &Usual, (s, o, k): Place, memory: Type, rights: Rights) -> (Value, Value) {
        let (reference, offset) = (self.get(s), self.get(o));
        let entry = self.entry(usual, reference, Kind::MEMORY, rights);
        let length = self.builder.ins().load(types::I64, trusted(), entry, layout::ENTRY_OPEN_LENGTH as i32);
        // Where it is too short for any offset this is negative: lengths are far from 2^63.
        let last = self.builder.ins().iadd_imm_s(length, -i64::from(k + memory.bytes()));
        let short = self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, last, 0);
        self.unless(short, usual.slow);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, offset, last);
        self.unless(outside, usual.slow);
        (self.builder.ins().load(types::I64, trusted(), entry, layout::ENTRY_BASE as i32), length)
    }
}
