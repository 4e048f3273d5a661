//! Pairs of instructions that often follow each other, executed by one handler: half the jumps.
//!
//! The second instruction keeps its own slot and handler, so a branch may go to it, and each of the two leaves the fast
//! way at its own place. Nothing but time depends on which pairs there are.

use std::sync::LazyLock;

use limen_isa::{Flow, Opcode, visit};

use super::threaded::{execute, opcode};
use super::{Accumulating, Accumulators, Cpu, Handler, Operands, Policy, Runtime, Slot, State, Step};
use crate::interp::cpu::{Backward, Forward};
use crate::interp::slot::Accumulated;

/// Executes an instruction of one word that does not branch, and then the next one.
#[inline(always)]
fn both<P: Policy>(
    mut cpu: Cpu<Forward>,
    first: impl FnOnce(&mut Cpu<Forward>, Operands) -> Step,
    second: impl FnOnce(&mut Cpu<P>, Operands) -> Step,
) {
    let (state, runtime) = (cpu.state, cpu.runtime);
    if let Step::Leave = first(&mut cpu, Operands(state.pc)) {
        // SAFETY: the runtime outlives the run.
        unsafe { (*runtime).left = State { pc: state.pc, ..cpu.state } };
        return;
    }
    // SAFETY: an instruction that goes on is followed by another, as the verifier saw.
    let state = State { pc: unsafe { state.pc.add(1) }, ..cpu.state };
    execute(Cpu::<P>::new(state, runtime, cpu.accumulators), 1, second);
}

/// Handlers of one pair by the fields of the first and of the second instruction that read accumulators. Of each, one for
/// a second instruction that does not branch backwards and one for such as does.
type Handlers = [[[Handler; 4]; 4]; 2];

/// The sets of fields that an instruction can read from accumulators.
const NEXT: [u8; 4] = [0b000, 0b010, 0b100, 0b110];

/// The same for a branch.
const BRANCH: [u8; 4] = [0b000, 0b001, 0b010, 0b011];

/// `first: second second ...;` makes handlers of each pair; both have one word. Behind a bar stand branches.
macro_rules! pairs {
    ($($first:ident: $($next:ident)* | $($branch:ident)*;)*) => {
        static PAIRS: &[([Opcode; 2], Handlers)] = &[$(
            $(([opcode::$first, opcode::$next], pairs! { @next $first $next }),)*
            $(([opcode::$first, opcode::$branch], pairs! { @branch $first $branch }),)*
        )*];
    };
    (@next $first:ident $second:ident) => {{
        pairs! { @handler $first $second }
        [pairs! { @table Forward NEXT }; 2]
    }};
    (@branch $first:ident $second:ident) => {{
        pairs! { @handler $first $second }
        [pairs! { @table Forward BRANCH }, pairs! { @table Backward BRANCH }]
    }};
    (@table $policy:ident $second:ident) => {
        [
            pairs! { @row $policy 0 $second },
            pairs! { @row $policy 1 $second },
            pairs! { @row $policy 2 $second },
            pairs! { @row $policy 3 $second },
        ]
    };
    (@row $policy:ident $first:literal $second:ident) => {
        [
            pair::<$policy, { NEXT[$first] }, { $second[0] }>,
            pair::<$policy, { NEXT[$first] }, { $second[1] }>,
            pair::<$policy, { NEXT[$first] }, { $second[2] }>,
            pair::<$policy, { NEXT[$first] }, { $second[3] }>,
        ]
    };
    (@handler $first:ident $second:ident) => {
        extern "C" fn pair<P: Policy, const FIRST: u8, const SECOND: u8>(
            pc: *const Slot,
            fp: *mut u64,
            home: *mut u8,
            cell: u64,
            fuel: u64,
            runtime: *mut Runtime,
            float: f64,
        ) {
            let cpu = Cpu::new(State { pc, fp, home, fuel }, runtime, Accumulators { cell, float });
            both::<P>(
                cpu,
                |cpu, it| visit::$first(cpu, Accumulated::<FIRST>(it)),
                |cpu, it| visit::$second(cpu, Accumulated::<SECOND>(it)),
            )
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

/// The pairs by their first opcode. Each has few, and it is asked for every two neighbours of every function that runs.
static BY_FIRST: LazyLock<Vec<Vec<(Opcode, &Handlers)>>> = LazyLock::new(|| {
    let mut by_first = vec![Vec::new(); Opcode::ALL.len()];
    PAIRS.iter().for_each(|([first, second], handlers)| by_first[*first as usize].push((*second, handlers)));
    by_first
});

/// The handler for an instruction and its successor, which may be a branch that goes backwards, and the fields that it
/// reads from accumulators of those that can be.
pub(in crate::interp) fn pair(
    pair: [Opcode; 2],
    readers: [Accumulating; 2],
    backward: bool,
) -> Option<(Handler, [Accumulating; 2])> {
    let (_, handlers) = BY_FIRST[pair[0] as usize].iter().find(|(second, _)| *second == pair[1])?;
    let seconds = if pair[1].row().flow == Flow::Next { NEXT } else { BRANCH };
    let (first, second) = (widest(&NEXT, readers[0]), widest(&seconds, readers[1]));
    let chosen = [Accumulating(NEXT[first]), Accumulating(seconds[second])];
    Some((handlers[usize::from(backward)][first][second], chosen))
}

/// Of sets of fields in order, the last that is within `wanted`.
fn widest(sets: &[u8], wanted: Accumulating) -> usize {
    sets.iter().rposition(|set| set & !wanted.0 == 0).unwrap_or(0)
}
