//! What only a kernel can do.

use ValueType::{I32, I64, Ref};

use crate::dsl::{Draft, op, r, uimm24, w};
use crate::{Fault, Row, ValueType};

pub(super) const PREFACE: &str = "These verify only in a module that is loaded as the kernel. Where an account has no room \
left the result is null, not a fault: running out is an answer. A reference operand that is null, stale or of another \
kind faults; since a fault in the kernel stops the machine, a kernel looks with `ref.kind` first where it must not trust.";

const USE: [Fault; 3] = [Fault::Null, Fault::Stale, Fault::Kind];
const MAKE: [Fault; 4] = [Fault::Null, Fault::Stale, Fault::Kind, Fault::Argument];
const PARKED: [Fault; 5] = [Fault::Null, Fault::Stale, Fault::Kind, Fault::Argument, Fault::State];
const MESSAGE: [Fault; 4] = [Fault::Null, Fault::Stale, Fault::Kind, Fault::State];
const INDEXED: [Fault; 4] = [Fault::Null, Fault::Stale, Fault::Kind, Fault::Bounds];

fn sup(code: u16, mnemonic: &str, operands: &[Draft], meaning: &str) -> Row {
    op(0x1000 + code, mnemonic, operands, meaning).privileged()
}

pub(super) fn rows() -> Vec<Row> {
    [objects(), accounts(), memories(), modules_and_domains(), slot_arrays(), contexts(), machine(), devices()].concat()
}

fn objects() -> Vec<Row> {
    vec![
        sup(0x00, "obj.make", &[w("d", Ref), r("account", Ref), r("kind", I32), r("payload", I64)], "d = a new object of a kind of the kernel's own (64..=255) with all rights").faults(&MAKE),
        sup(0x01, "obj.derive", &[w("d", Ref), r("a", Ref), r("anchor", Ref), r("account", Ref), r("rights", I32), r("payload", I64)], "d = a further reference to a's object with the rights that a and `rights` share and a payload of its own, that lives as long as anchor")
            .faults(&USE),
        sup(0x02, "obj.revoke", &[r("a", Ref)], "a and all that hangs on it is stale from now on; if a made the object, the object is deleted").faults(&[Fault::Null, Fault::Stale, Fault::State]),
        sup(0x03, "obj.move", &[w("d", Ref), r("a", Ref), r("account", Ref)], "d = what a was, charged to account; a and all that hangs on it is stale from now on").faults(&USE),
        sup(0x04, "obj.payload", &[w("d", I64), r("a", Ref), uimm24("kind")], "d = a's payload, if a is of this kind (0: any)").faults(&USE),
        sup(0x05, "obj.set_payload", &[r("a", Ref), r("v", I64)], "a's payload = v").faults(&[Fault::Null, Fault::Stale]),
    ]
}

fn accounts() -> Vec<Row> {
    vec![
        sup(
            0x10,
            "account.make",
            &[w("d", Ref), r("parent", Ref), r("bytes", I64), r("objects", I32), r("contexts", I32)],
            "d = a new account with limits that are taken out of parent",
        )
        .faults(&USE),
        sup(
            0x11,
            "account.free",
            &[w("bytes", I64), w("objects", I32), w("contexts", I32), r("account", Ref)],
            "what the account can still spend",
        )
        .faults(&USE),
        sup(
            0x12,
            "account.sweep",
            &[w("d", I32), r("account", Ref), r("n", I32)],
            "delete up to n objects that the account owns; d = how many it still owns",
        )
        .faults(&USE),
    ]
}

fn memories() -> Vec<Row> {
    vec![
        sup(
            0x20,
            "mem.make",
            &[w("d", Ref), r("account", Ref), r("pages", I32), r("max", I32)],
            "d = a new memory object of zero pages that can grow to max pages",
        )
        .faults(&MAKE),
        sup(
            0x21,
            "mem.derive",
            &[
                w("d", Ref),
                r("a", Ref),
                r("anchor", Ref),
                r("account", Ref),
                r("o", I64),
                r("n", I64),
                r("rights", I32),
            ],
            "d = a view of a[o..o+n] with the rights that a and `rights` share, that lives as long as anchor",
        )
        .faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::Bounds]),
        sup(
            0x22,
            "mem.grow",
            &[w("d", I32), r("a", Ref), r("n", I32)],
            "d = pages in a; a grows by n zero pages; or d = -1",
        )
        .faults(&USE),
        sup(
            0x23,
            "page.protect",
            &[r("a", Ref), r("first", I32), r("n", I32), r("access", I32)],
            "pages first..first+n of a: 0 absent, 1 readable, 2 readable and writable",
        )
        .faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::Bounds, Fault::Argument]),
        sup(
            0x24,
            "page.supply",
            &[r("a", Ref), r("page", I32), r("from", Ref), r("from_page", I32)],
            "an absent page of a becomes a copy of a page of `from`, readable and writable",
        )
        .faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::Bounds, Fault::State]),
        sup(
            0x25,
            "page.take",
            &[w("d", I32), r("a", Ref), r("page", I32)],
            "d = 1 if present + 2 if used + 4 if written since the last take, and clears used and written",
        )
        .faults(&INDEXED),
        sup(
            0x26,
            "mem.lend",
            &[w("d", Ref), r("view", Ref), r("o", I64), r("n", I64), r("rights", I32)],
            "view and all that hangs on it is stale from now on; d = a view of n bytes from o of what view was derived as, with the rights that it was derived with and `rights` share",
        )
        .faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::State, Fault::Bounds]),
    ]
}

fn modules_and_domains() -> Vec<Row> {
    vec![
        sup(0x30, "module.load", &[w("d", Ref), w("st", I32), r("account", Ref), r("a", Ref), r("o", I64), r("n", I64)], "d = the module in a[o..o+n], read and verified for user mode; st = 0, or `argument` if it is refused").faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::Right, Fault::Bounds]),
        sup(0x31, "domain.make", &[w("d", Ref), r("account", Ref), r("module", Ref), r("home", Ref), r("payload", I64)], "d = a new domain that runs module; home is its memory, or if null a new one of the size the module asks for; the module's data are copied into it").faults(&MAKE),
        sup(0x32, "domain.home", &[w("d", Ref), r("domain", Ref)], "d = the domain's home memory").faults(&USE),
        sup(0x33, "domain.export", &[w("d", I32), r("domain", Ref), r("name", I32), r("n", I32)], "d = index of the function that the domain's module exports under the name home[name..name+n] of the kernel, or -1").faults(&INDEXED),
        sup(0x34, "domain.slot_get", &[w("d", Ref), r("domain", Ref), r("i", I32)], "d = slot i of the domain").faults(&INDEXED),
        sup(0x35, "domain.slot_set", &[r("domain", Ref), r("i", I32), r("a", Ref)], "slot i of the domain = a").faults(&INDEXED),
        sup(0x36, "domain.slots", &[w("d", I32), r("domain", Ref)], "d = number of slots of the domain").faults(&USE),
        sup(0x37, "domain.set_engine", &[r("domain", Ref), r("engine", I32)], "the domain's code is run by engine 0 (interp), 1 (jit) or 2 (tiered) from the next time on that one of its contexts runs").faults(&MAKE),
    ]
}

fn slot_arrays() -> Vec<Row> {
    vec![
        sup(0x40, "slots.make", &[w("d", Ref), r("account", Ref), r("n", I32)], "d = a new array of n null slots")
            .faults(&MAKE),
        sup(0x41, "slots.get", &[w("d", Ref), r("s", Ref), r("i", I32)], "d = s[i]").faults(&INDEXED),
        sup(0x42, "slots.set", &[r("s", Ref), r("i", I32), r("a", Ref)], "s[i] = a").faults(&INDEXED),
        sup(0x43, "slots.size", &[w("d", I32), r("s", Ref)], "d = number of slots of s").faults(&USE),
    ]
}

fn contexts() -> Vec<Row> {
    vec![
        sup(0x50, "ctx.make", &[w("d", Ref), r("account", Ref), r("domain", Ref), r("function", I32), r("stack", I32), r("payload", I64)], "d = a new context that will call the function of the domain, with a stack of that many cells; its arguments are its message").faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::Argument, Fault::Stack]),
        sup(0x51, "ctx.resume", &[r("c", Ref)], "the kernel's frames are gone; c runs").faults(&MESSAGE).terminator(),
        sup(0x52, "ctx.capture", &[w("d", I64), r("c", Ref)], "c's frames leave its stack for their portable form; d = its bytes").faults(&MESSAGE),
        sup(0x53, "ctx.kill", &[r("c", Ref)], "c's frames are gone and it never runs again").faults(&USE),
        sup(0x54, "ctx.state", &[w("d", I32), r("c", Ref)], "d = 0 ready (new or pre-empted), 1 in svc, 2 faulted, 3 waiting for a page, 4 finished or killed").faults(&USE),
        sup(0x55, "ctx.word", &[w("d", I64), r("c", Ref), uimm24("i")], "d = word i of c's message: the arguments of its svc, or the results it finished with").faults(&MESSAGE),
        sup(0x56, "ctx.ref", &[w("d", Ref), r("c", Ref), uimm24("i")], "d = reference i of c's message").faults(&MESSAGE),
        sup(0x57, "ctx.set_word", &[r("c", Ref), uimm24("i"), r("v", I64)], "result word i of c's svc (or argument of a new context) = v; nothing if it takes fewer").faults(&MESSAGE),
        sup(0x58, "ctx.set_ref", &[r("c", Ref), uimm24("i"), r("a", Ref)], "result reference i of c's svc (or argument of a new context) = a; nothing if it takes fewer").faults(&MESSAGE),
        sup(0x59, "ctx.transfer", &[r("to", Ref), r("from", Ref)], "the results of to's svc = the arguments of from's svc, words and references; those it has not are 0 or null; from's svc has none any more").faults(&MESSAGE),
        sup(0x5a, "ctx.depth", &[w("d", I32), r("c", Ref)], "d = number of c's frames").faults(&USE),
        sup(0x5b, "ctx.frame", &[w("function", I32), w("pc", I32), r("c", Ref), r("depth", I32)], "function index and pc of a frame of c; depth 0 is the innermost").faults(&PARKED),
        sup(0x5c, "ctx.reg", &[w("d", I64), r("c", Ref), r("depth", I32), r("i", I32)], "d = the bits of register i, not a reference, of a frame of c").faults(&PARKED),
        sup(0x5d, "ctx.reg_ref", &[w("d", Ref), r("c", Ref), r("depth", I32), r("i", I32)], "d = register i, a reference, of a frame of c").faults(&PARKED),
        sup(0x5e, "ctx.set_reg", &[r("c", Ref), r("depth", I32), r("i", I32), r("v", I64)], "register i, not a reference, of a frame of c = the bits v").faults(&PARKED),
        sup(0x5f, "ctx.set_reg_ref", &[r("c", Ref), r("depth", I32), r("i", I32), r("a", Ref)], "register i, a reference, of a frame of c = a").faults(&PARKED),
        sup(0x60, "ctx.fault", &[w("code", I32), w("detail", I64), r("c", Ref)], "the fault that stopped c: its number (0 if none), and the code of a trap or the address or offset of a bounds fault").faults(&USE),
        sup(0x61, "ctx.domain", &[w("d", Ref), r("c", Ref)], "d = the domain that c runs in").faults(&USE),
    ]
}

fn machine() -> Vec<Row> {
    vec![
        sup(
            0x70,
            "timer.now",
            &[w("d", I64)],
            "d = the time: fuel burnt in virtual time, nanoseconds since start in live time",
        ),
        sup(0x71, "timer.set", &[r("at", I64)], "interrupt 0 is raised at this time; the greatest i64 turns it off"),
        sup(
            0x72,
            "irq.take",
            &[w("d", I64)],
            "d = the pending interrupts, one bit each, which are then no longer pending",
        ),
        sup(0x73, "idle", &[], "the kernel's frames are gone; nothing runs until an interrupt is pending").terminator(),
        sup(0x74, "halt", &[r("status", I32)], "the machine stops with this status").terminator(),
    ]
}

fn devices() -> Vec<Row> {
    vec![
        sup(
            0x80,
            "dev.get",
            &[w("d", I64), r("dev", Ref), r("register", I32)],
            "d = what the device's register at this offset holds, or 0 if there is none",
        )
        .faults(&USE),
        sup(
            0x81,
            "dev.set",
            &[r("dev", Ref), r("register", I32), r("v", I64)],
            "the device's register at this offset = the low 32 bits of v, with all that follows from it",
        )
        .faults(&USE),
        sup(
            0x82,
            "dev.bind",
            &[r("dev", Ref), r("window", I32), r("a", Ref)],
            "a window (0..64) of the device shows the memory a, or nothing if a is null",
        )
        .faults(&[Fault::Null, Fault::Stale, Fault::Kind, Fault::Right, Fault::Argument]),
        sup(0x83, "dev.line", &[w("d", I32), r("dev", Ref)], "d = the interrupt that the device raises").faults(&USE),
    ]
}
