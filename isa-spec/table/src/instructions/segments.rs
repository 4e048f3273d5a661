//! Segments: memory reached through a reference.

use ValueType::{I32, I64, Ref};

use super::memory::{TYPES, extension, loads, stores};
use crate::dsl::{op, r, rw, uimm12, w};
use crate::{Fault, Row, ValueType};

pub(super) const PREFACE: &str = "The reference must be to a memory object and carry the right to read or to write. The \
offset is unsigned, and neither it nor its sum with k wraps. A `try` form never faults: it gives 0 or the number of the \
fault that the plain form would end with, and on a failure its other result is 0 and memory is unchanged.";

const ACCESS: [Fault; 5] = [Fault::Bounds, Fault::Null, Fault::Stale, Fault::Kind, Fault::Right];
const STALE: [Fault; 3] = [Fault::Null, Fault::Stale, Fault::Kind];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(number(
        0x0700,
        all(loads).map(|(t, name, size)| {
            let meaning = format!("d = s[o + k] ({size} bytes{})", extension(name));
            op(0, format!("{t}.seg_{name}"), &[w("d", t), r("s", Ref), r("o", I64), uimm12("k")], &meaning)
                .bracketed(3)
                .faults(&ACCESS)
        }),
    ));
    rows.extend(number(
        0x0710,
        all(stores).map(|(t, name, size)| {
            let meaning = format!("s[o + k] = the low {size} bytes of v");
            op(0, format!("{t}.seg_{name}"), &[r("s", Ref), r("o", I64), uimm12("k"), r("v", t)], &meaning)
                .bracketed(3)
                .faults(&ACCESS)
        }),
    ));
    rows.extend(number(
        0x0720,
        all(loads).map(|(t, name, size)| {
            let meaning = format!("d, st = s[o] ({size} bytes{})", extension(name));
            op(0, format!("{t}.seg_try_{name}"), &[w("d", t), w("st", I32), r("s", Ref), r("o", I64)], &meaning)
                .bracketed(2)
        }),
    ));
    rows.extend(number(
        0x0730,
        all(stores).map(|(t, name, size)| {
            let meaning = format!("s[o] = the low {size} bytes of v; st = status");
            op(0, format!("{t}.seg_try_{name}"), &[w("st", I32), r("s", Ref), r("o", I64), r("v", t)], &meaning)
                .bracketed(2)
        }),
    ));
    rows.extend(atomics());
    rows.extend(bulk());
    rows
}

fn all(
    accesses: fn(ValueType) -> &'static [(&'static str, u32)],
) -> impl Iterator<Item = (ValueType, &'static str, u32)> {
    TYPES.into_iter().flat_map(move |t| accesses(t).iter().map(move |(name, size)| (t, *name, *size)))
}

fn number(base: u16, rows: impl Iterator<Item = Row>) -> impl Iterator<Item = Row> {
    (base..).zip(rows).map(|(code, row)| Row { code, ..row })
}

fn atomics() -> Vec<Row> {
    let cas = |code, t: ValueType| {
        op(
            code,
            format!("{t}.seg_cas"),
            &[w("d", t), r("s", Ref), r("o", I64), r("expected", t), r("new", t)],
            "d = s[o]; if d == expected then s[o] = new, as one step",
        )
    };
    let add = |code, t: ValueType| {
        op(
            code,
            format!("{t}.seg_fetch_add"),
            &[w("d", t), r("s", Ref), r("o", I64), r("v", t)],
            "d = s[o]; s[o] = d + v, as one step",
        )
    };
    [cas(0x0740, I32), cas(0x0741, I64), add(0x0742, I32), add(0x0743, I64)]
        .into_iter()
        .map(|row| row.bracketed(2).faults(&ACCESS))
        .collect()
}

fn bulk() -> Vec<Row> {
    vec![
        op(0x0750, "seg.size", &[w("d", I64), r("s", Ref)], "d = length of s in bytes").faults(&STALE),
        op(0x0751, "seg.try_size", &[w("d", I64), w("st", I32), r("s", Ref)], "d = length of s in bytes; st = status"),
        op(0x0752, "seg.read", &[rw("to", I32), r("s", Ref), rw("o", I64), rw("n", I32)], "home[to..to+n] = s[o..o+n]")
            .faults(&ACCESS)
            .safepoint(),
        op(
            0x0753,
            "seg.write",
            &[r("s", Ref), rw("o", I64), rw("from", I32), rw("n", I32)],
            "s[o..o+n] = home[from..from+n]",
        )
        .faults(&ACCESS)
        .safepoint(),
        op(
            0x0754,
            "seg.try_read",
            &[w("st", I32), rw("to", I32), r("s", Ref), rw("o", I64), rw("n", I32)],
            "home[to..to+n] = s[o..o+n]; st = status",
        )
        .safepoint(),
        op(
            0x0755,
            "seg.try_write",
            &[w("st", I32), r("s", Ref), rw("o", I64), rw("from", I32), rw("n", I32)],
            "s[o..o+n] = home[from..from+n]; st = status",
        )
        .safepoint(),
        op(
            0x0756,
            "seg.copy",
            &[r("to", Ref), rw("to_o", I64), r("from", Ref), rw("from_o", I64), rw("n", I64)],
            "to[to_o..to_o+n] = from[from_o..from_o+n], as if through a buffer",
        )
        .faults(&ACCESS)
        .safepoint(),
        op(
            0x0757,
            "seg.fill",
            &[r("s", Ref), rw("o", I64), r("byte", I32), rw("n", I64)],
            "s[o..o+n] = the low 8 bits of byte",
        )
        .faults(&ACCESS)
        .safepoint(),
    ]
}
