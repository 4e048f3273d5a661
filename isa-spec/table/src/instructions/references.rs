//! References and slots.

use ValueType::{I32, Ref};

use crate::dsl::{label24, op, r, uimm24, w};
use crate::{Fault, Row, ValueType};

pub(super) const PREFACE: &str = "No instruction makes a reference from bits or gives its bits away. Slots are the \
domain's only other place for references; they read null until written.";

pub(super) fn rows() -> Vec<Row> {
    let bounds = [Fault::Bounds];
    vec![
        op(0x0800, "ref.mov", &[w("d", Ref), r("a", Ref)], "d = a"),
        op(0x0801, "ref.select", &[w("d", Ref), r("c", I32), r("a", Ref), r("b", Ref)], "d = if c != 0 then a else b"),
        op(0x0802, "ref.null", &[w("d", Ref)], "d = null"),
        op(0x0803, "ref.is_null", &[w("d", I32), r("a", Ref)], "d = a is null"),
        op(0x0804, "ref.eq", &[w("d", I32), r("a", Ref), r("b", Ref)], "d = a and b are the same reference"),
        op(0x0805, "ref.kind", &[w("d", I32), r("a", Ref)], "d = the kind of a's object; 0 if a is null or stale"),
        op(0x0806, "ref.rights", &[w("d", I32), r("a", Ref)], "d = the rights of a; 0 if a is null or stale"),
        op(0x0807, "ref.br_null", &[r("a", Ref), label24("to")], "if a is null go to `to`").branch(),
        op(0x0808, "ref.br_nonnull", &[r("a", Ref), label24("to")], "if a is not null go to `to`").branch(),
        op(0x0810, "slot.get", &[w("d", Ref), r("i", I32), uimm24("k")], "d = slot[i + k]")
            .bracketed(2)
            .faults(&bounds),
        op(0x0811, "slot.set", &[r("i", I32), uimm24("k"), r("a", Ref)], "slot[i + k] = a")
            .bracketed(2)
            .faults(&bounds),
        op(0x0812, "slot.size", &[w("d", I32)], "d = number of slots"),
        op(
            0x0813,
            "slot.grow",
            &[w("d", I32), r("n", I32)],
            "d = number of slots; n null slots are added; or d = -1 where the account forbids it",
        ),
    ]
}
