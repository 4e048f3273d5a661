//! Pairs of instructions that often follow each other, executed by one handler: half the jumps.
//!
//! The second instruction keeps its own slot and handler, so a branch may go to it, and each of the two leaves the fast
//! way at its own place. Nothing but time depends on which pairs there are.

use std::collections::HashMap;
use std::sync::LazyLock;

use limen_isa::{Field, Fields, Opcode, visit};

use super::threaded::{complete, opcode};
use super::{Cpu, Handler, Operands, Policy, Runtime, Slot, State, Step};
use crate::interp::cpu::{Backward, Forward, Forwarding};
use crate::interp::slot::ForwardedTo;

/// Executes an instruction of one word that does not branch, and then the next one.
#[inline(always)]
fn both<P: Policy>(
    state: State,
    runtime: *mut Runtime,
    first: impl FnOnce(&mut Cpu<Forward>, Operands) -> Step,
    second: impl FnOnce(&mut Cpu<P>, Operands) -> Step,
) {
    let mut cpu = Cpu::<Forward>::new(state, runtime, 0);
    if let Step::Leave = first(&mut cpu, Operands(state.pc)) {
        // SAFETY: the runtime outlives the run.
        unsafe { (*runtime).left = State { pc: state.pc, ..cpu.state } };
        return;
    }
    // Where nothing is forwarded, nothing reads this.
    let written = cpu.get::<u64>(limen_isa::Reg(Operands(state.pc).unsigned(0, Field::A) as u16));
    // SAFETY: an instruction that goes on is followed by another, as the verifier saw.
    let state = State { pc: unsafe { state.pc.add(1) }, ..cpu.state };
    complete(Cpu::<P>::new(state, runtime, written), 1, second);
}

/// Handlers of one pair by the field that the first instruction's result is forwarded to: none, A, B, C. Of each, one for
/// a second instruction that does not branch backwards and one for such as does.
type Handlers = [[Handler; 2]; 4];

/// `first: second second ...;` makes handlers of each pair; both have one word. Behind a bar stand branches.
macro_rules! pairs {
    ($($first:ident: $($next:ident)* | $($branch:ident)*;)*) => {
        fn table() -> HashMap<(Opcode, Opcode), Handlers> {
            let mut table = HashMap::new();
            $(
                $(table.insert((opcode::$first, opcode::$next), pairs! { @next $first $next });)*
                $(table.insert((opcode::$first, opcode::$branch), pairs! { @branch $first $branch });)*
            )*
            table
        }
    };
    (@next $first:ident $second:ident) => {{
        pairs! { @handler plain Forward, $first $second (|it| it) }
        pairs! { @handler to_b Forwarding<Forward>, $first $second (ForwardedTo::<{ Field::B as usize }>) }
        pairs! { @handler to_c Forwarding<Forward>, $first $second (ForwardedTo::<{ Field::C as usize }>) }
        let [plain, to_b, to_c] = [plain as Handler, to_b, to_c];
        [[plain; 2], [plain; 2], [to_b; 2], [to_c; 2]]
    }};
    (@branch $first:ident $second:ident) => {{
        pairs! { @handler plain Forward, $first $second (|it| it) }
        pairs! { @handler back Backward, $first $second (|it| it) }
        pairs! { @handler to_a Forwarding<Forward>, $first $second (ForwardedTo::<{ Field::A as usize }>) }
        pairs! { @handler back_to_a Forwarding<Backward>, $first $second (ForwardedTo::<{ Field::A as usize }>) }
        let [plain, back, to_a, back_to_a] = [plain as Handler, back, to_a, back_to_a];
        [[plain, back], [to_a, back_to_a], [plain, back], [plain, back]]
    }};
    (@handler $name:ident $policy:ty, $first:ident $second:ident $fields:tt) => {
        extern "C" fn $name(
            pc: *const Slot,
            fp: *mut u64,
            home: *mut u8,
            home_length: usize,
            fuel: u64,
            runtime: *mut Runtime,
        ) {
            let state = State { pc, fp, home, home_length, fuel };
            both::<$policy>(state, runtime, |cpu, it| visit::$first(cpu, it), |cpu, it| visit::$second(cpu, $fields(it)))
        }
    };
}

pairs! {
    i32_mov: i32_mov i32_const i32_addi i64_mov | jump i32_br_lt_s;
    i32_const: i32_const i32_mov i32_addi | jump;
    i32_add: i32_add i32_addi i32_xor i32_rotli i32_load i32_store i32_mov i32_load8_u i32_store_at | i32_br_lt_s i32_br_lt_u i32_br_ne jump;
    i32_sub: i32_addi i32_add | i32_br_gt_si i32_br_nei jump;
    i32_mul: i32_add i32_addi i32_xor | ;
    i32_addi: i32_addi i32_add i32_mov i32_load i32_load8_u i32_store i64_addi i32_shli | i32_br_lt_s i32_br_lt_u i32_br_ne i32_br_nei i32_br_eqi i32_br_le_s i32_br_le_u i32_br_gt_si i32_br_lt_si jump;
    i32_and: i32_xor i32_and i32_or i32_add | ;
    i32_andn: i32_xor i32_or | ;
    i32_or: i32_or i32_and i32_xor i32_store | ;
    i32_xor: i32_xor i32_add i32_and i32_andi i32_rotli i32_shr_ui i32_addi i32_store i32_load_at | ;
    i32_andi: i32_load_at i32_load8_u_at i32_xor i32_add i32_or i32_shli | i32_br_eqi i32_br_nei;
    i32_shli: i32_add i32_or i32_addi i32_load i32_xor | ;
    i32_shr_ui: i32_xor i32_andi i32_add i32_or | ;
    i32_rotli: i32_rotli i32_xor i32_add | ;
    i32_load: i32_load i32_add i32_addi i32_xor i32_store i32_rotli i32_bswap i32_load_at i32_mov | i32_br_lt_s i32_br_le_s;
    i32_load_at: i32_load_at i32_xor i32_add i32_store_at i32_load i32_addi | i32_br_lt_s i32_br_le_s;
    i32_load8_u: i32_addi i32_xor i32_add i32_store8 | i32_br_eqi i32_br_nei i32_br_lt_ui;
    i32_load8_u_at: i32_addi i32_add i32_xor i32_load_at i32_store8_at | i32_br_eqi i32_br_nei;
    i32_bswap: i32_store i32_store_at i32_addi | ;
    i32_store: i32_addi i32_add i32_load i32_store i32_load_at | ;
    i32_store8: i32_add i32_addi | ;
    i32_store_at: i32_addi i32_mov i32_store_at i32_add | ;
    i64_add: i64_add i64_addi i64_xor i64_xori i32_addi i64_mul i64_muli | i64_br_lt_s;
    i64_addi: i64_addi i64_add | i64_br_lt_s i64_br_lt_u i64_br_ne jump i32_br_lt_s;
    i64_mul: i64_add i64_addi i64_xor | ;
    i64_muli: i64_add i64_addi i64_xor | ;
    i64_xor: i64_xor i64_add i64_addi i32_addi | ;
    i64_xori: i32_addi i64_addi i64_add | ;
    i64_load: i64_add i64_load i64_addi i64_store | ;
    i64_store: i64_addi i32_addi i64_load | jump;
    i64_from_i32_u: i64_add i64_xor i64_mul | ;
    i64_from_i32_s: i64_add i64_xor | ;
    f64_add: f64_add f64_mul f64_sub f64_store i32_add i32_addi f64_store_at | f64_br_lt f64_br_nle f64_br_le f64_br_nlt;
    f64_sub: f64_mul f64_add f64_sub f64_load f64_store | ;
    f64_mul: f64_add f64_mul f64_sub f64_load f64_div | ;
    f64_div: f64_mul f64_add f64_sub | ;
    f64_load: f64_mul f64_load f64_sub f64_add f64_load_at | ;
    f64_load_at: f64_load f64_mul f64_load_at | ;
    f64_store: f64_load i32_addi f64_store | ;
    f64_store_at: i32_addi | ;
}

static TABLE: LazyLock<HashMap<(Opcode, Opcode), Handlers>> = LazyLock::new(table);

/// The handler for an instruction and its successor, of which `forwarded` reads what the first one writes, and which may
/// be a branch that goes backwards.
pub(in crate::interp) fn pair(
    first: Opcode,
    second: Opcode,
    forwarded: Option<Field>,
    backward: bool,
) -> Option<Handler> {
    let by_field = match forwarded {
        None | Some(Field::D | Field::Wide24 | Field::Wide32) => 0,
        Some(Field::A) => 1,
        Some(Field::B) => 2,
        Some(Field::C) => 3,
    };
    TABLE.get(&(first, second)).map(|handlers| handlers[by_field][usize::from(backward)])
}
