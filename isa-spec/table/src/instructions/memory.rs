//! Home memory.

use ValueType::{F32, F64, I32, I64};

use crate::dsl::{op, r, rw, uimm12, uimm24, w};
use crate::{Fault, Row, ValueType};

pub(super) const PREFACE: &str = "Little-endian, no alignment asked for. An address is the sum of its parts as unsigned \
numbers, without wrapping; an access that is not wholly inside home faults and changes nothing. `_at` forms scale the \
index by the size of the access. Bulk instructions check the whole range first, work in pieces of 64 KiB with a safepoint after \
each, and leave their registers advanced past what is done, so that they go on where they stopped.";

/// Mnemonic suffix and size in bytes of each load of a type.
pub(super) fn loads(t: ValueType) -> &'static [(&'static str, u32)] {
    match t {
        I32 => &[("load8_s", 1), ("load8_u", 1), ("load16_s", 2), ("load16_u", 2), ("load", 4)],
        I64 => &[
            ("load8_s", 1),
            ("load8_u", 1),
            ("load16_s", 2),
            ("load16_u", 2),
            ("load32_s", 4),
            ("load32_u", 4),
            ("load", 8),
        ],
        F32 => &[("load", 4)],
        F64 => &[("load", 8)],
        ValueType::Ref => &[],
    }
}

/// Mnemonic suffix and size in bytes of each store of a type.
pub(super) fn stores(t: ValueType) -> &'static [(&'static str, u32)] {
    match t {
        I32 => &[("store8", 1), ("store16", 2), ("store", 4)],
        I64 => &[("store8", 1), ("store16", 2), ("store32", 4), ("store", 8)],
        F32 => &[("store", 4)],
        F64 => &[("store", 8)],
        ValueType::Ref => &[],
    }
}

/// How the loaded bytes become the register's value.
pub(super) fn extension(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_s") => ", sign-extended",
        _ if name.ends_with("_u") => ", zero-extended",
        _ => "",
    }
}

/// The types that memory holds.
pub(super) const TYPES: [ValueType; 4] = [I32, I64, F32, F64];

pub(super) fn rows() -> Vec<Row> {
    let plain_loads = each(loads, |t, name, size| {
        (
            format!("{t}.{name}"),
            vec![w("d", t), r("p", I32), uimm24("k")],
            2,
            format!("d = home[p + k] ({size} bytes{})", extension(name)),
        )
    });
    let plain_stores = each(stores, |t, name, size| {
        (
            format!("{t}.{name}"),
            vec![r("p", I32), uimm24("k"), r("v", t)],
            2,
            format!("home[p + k] = the low {size} bytes of v"),
        )
    });
    let indexed_loads = each(loads, |t, name, size| {
        let meaning = format!("d = home[p + {size} * i + k] ({size} bytes{})", extension(name));
        (format!("{t}.{name}_at"), vec![w("d", t), r("p", I32), r("i", I32), uimm12("k")], 3, meaning)
    });
    let indexed_stores = each(stores, |t, name, size| {
        let meaning = format!("home[p + {size} * i + k] = the low {size} bytes of v");
        (format!("{t}.{name}_at"), vec![r("p", I32), r("i", I32), uimm12("k"), r("v", t)], 3, meaning)
    });
    let families = [(0x0600, plain_loads), (0x0610, plain_stores), (0x0620, indexed_loads), (0x0630, indexed_stores)];
    let mut rows: Vec<Row> = families.into_iter().flat_map(|(base, drafts)| number(base, drafts)).collect();
    rows.extend(atomics());
    rows.extend(bulk());
    rows
}

type Drafted = (String, Vec<crate::dsl::Draft>, usize, String);

fn each(
    accesses: fn(ValueType) -> &'static [(&'static str, u32)],
    draft: impl Fn(ValueType, &str, u32) -> Drafted,
) -> Vec<Drafted> {
    TYPES
        .into_iter()
        .flat_map(|t| accesses(t).iter().map(move |(name, size)| (t, *name, *size)))
        .map(|(t, name, size)| draft(t, name, size))
        .collect()
}

fn number(base: u16, drafts: Vec<Drafted>) -> impl Iterator<Item = Row> {
    (base..).zip(drafts).map(|(code, (mnemonic, operands, bracketed, meaning))| {
        op(code, mnemonic, &operands, &meaning).bracketed(bracketed).faults(&[Fault::Bounds])
    })
}

fn atomics() -> Vec<Row> {
    let cas = |code, t: ValueType| {
        op(
            code,
            format!("{t}.cas"),
            &[w("d", t), r("p", I32), r("expected", t), r("new", t)],
            "d = home[p]; if d == expected then home[p] = new, as one step",
        )
    };
    let add = |code, t: ValueType| {
        op(
            code,
            format!("{t}.fetch_add"),
            &[w("d", t), r("p", I32), r("v", t)],
            "d = home[p]; home[p] = d + v, as one step",
        )
    };
    [cas(0x0640, I32), cas(0x0641, I64), add(0x0642, I32), add(0x0643, I64)]
        .into_iter()
        .map(|row| row.bracketed(1).faults(&[Fault::Bounds]))
        .collect()
}

fn bulk() -> Vec<Row> {
    let bounds = [Fault::Bounds];
    vec![
        op(0x0650, "home.copy", &[rw("to", I32), rw("from", I32), rw("n", I32)], "home[to..to+n] = home[from..from+n], as if through a buffer")
            .faults(&bounds)
            .safepoint(),
        op(0x0651, "home.fill", &[rw("to", I32), r("byte", I32), rw("n", I32)], "home[to..to+n] = the low 8 bits of byte").faults(&bounds).safepoint(),
        op(0x0652, "home.compare", &[w("d", I32), rw("a", I32), rw("b", I32), rw("n", I32)], "d = -1, 0 or 1 as home[a..a+n] is below, equal to or above home[b..b+n], bytes unsigned; n = what is left from the first difference")
            .faults(&bounds)
            .safepoint(),
        op(0x0653, "home.size", &[w("d", I32)], "d = pages of 4096 bytes in home"),
        op(0x0654, "home.grow", &[w("d", I32), r("n", I32)], "d = pages in home; home grows by n zero pages; or d = -1 where the maximum or the account forbids it"),
    ]
}
