//! Control: constants of control flow, calls, the door into the kernel.

use OperandKind::Function;
use ValueType::I32;

use crate::dsl::{label32, list, op, r, signature, table, uimm12, uimm32, wide};
use crate::{Fault, List, OperandKind, Row, ValueType};

pub(super) const PREFACE: &str = "Operand lists stand in operand words, four registers each. A call copies its arguments \
into the first registers of the callee and, on return, the returned values into its result registers. `svc` takes up to \
8 words and 4 references each way, numbered among their like in the order of the text; an `i32` is passed zero-extended \
and received truncated.";

pub(super) fn rows() -> Vec<Row> {
    vec![
        op(0x0010, "nop", &[], "nothing"),
        op(0x0011, "trap", &[uimm32("code")], "fault trap, with code as its detail")
            .faults(&[Fault::Trap])
            .terminator(),
        op(0x0012, "jump", &[label32("to")], "go to `to`").terminator().safepoint(),
        op(
            0x0013,
            "br_table",
            &[r("i", I32), list("targets", List::Targets)],
            "go to targets[min(i, count - 1)], i unsigned; the last target is the default",
        )
        .terminator()
        .safepoint(),
        op(0x0014, "ret", &[list("values", List::Returned)], "end the function and give values to its caller")
            .terminator(),
        op(
            0x0015,
            "call",
            &[list("results", List::CallResults), wide("f", Function), list("arguments", List::CallArguments)],
            "results = f(arguments)",
        )
        .faults(&[Fault::Stack])
        .safepoint(),
        op(
            0x0016,
            "call_indirect",
            &[
                list("results", List::CallResults),
                table("t"),
                r("i", I32),
                signature("s"),
                list("arguments", List::CallArguments),
            ],
            "results = t[i](arguments), if t[i] has signature s",
        )
        .faults(&[Fault::Bounds, Fault::Signature, Fault::Stack])
        .safepoint(),
        op(0x0017, "tail_call", &[], "end the function with a call").terminator().reserved(),
        op(0x0018, "tail_call_indirect", &[], "end the function with an indirect call").terminator().reserved(),
        op(
            0x0019,
            "svc",
            &[list("results", List::SvcResults), uimm12("number"), list("arguments", List::SvcArguments)],
            "results = kernel(number, arguments)",
        )
        .safepoint(),
    ]
}
