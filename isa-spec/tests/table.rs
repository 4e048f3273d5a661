//! The table, its printed manual and the codec agree.

use std::path::Path;

use limen_isa::codec::{CallShapes, Instruction, Value, decode, encode, range};
use limen_isa::{Fault, List, OPERAND_WORD, Opcode, OperandKind};
use limen_isa_table::print::reference;
use proptest::prelude::*;

#[test]
fn reference_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REFERENCE.md");
    let printed = reference::print();
    if std::env::var_os("LIMEN_BLESS").is_some() {
        std::fs::write(&path, &printed).expect("the manual is writable");
    }
    let stored = std::fs::read_to_string(&path).expect("REFERENCE.md is there");
    assert!(stored == printed, "REFERENCE.md is stale: run with LIMEN_BLESS=1 to print it anew");
}

#[test]
fn codes_and_mnemonics_find_their_opcode() {
    for opcode in Opcode::ALL {
        assert_eq!(Opcode::from_code(opcode.row().code), Some(opcode));
        assert_eq!(Opcode::from_mnemonic(opcode.mnemonic()), Some(opcode));
    }
    assert_eq!(Opcode::from_code(0), None);
    assert_eq!(Opcode::from_code(OPERAND_WORD), None);
    assert_eq!(Opcode::from_code(u16::MAX), None);
    assert_eq!(Opcode::from_mnemonic("i32.ad"), None);
}

#[test]
fn faults_have_their_numbers() {
    for (fault, code) in Fault::ALL.into_iter().zip(1..) {
        assert_eq!(fault.code(), code);
        assert_eq!(Fault::from_code(code), Some(fault));
    }
    assert_eq!(Fault::from_code(0), None);
}

/// Every call has three results and two arguments, and three values are returned.
struct ThreeAndTwo;

impl CallShapes for ThreeAndTwo {
    fn of_function(&self, _: u32) -> Option<(usize, usize)> {
        Some((3, 2))
    }
    fn of_signature(&self, _: u32) -> Option<(usize, usize)> {
        Some((3, 2))
    }
    fn returned(&self) -> usize {
        3
    }
}

/// An instruction with operands drawn from the ranges of its fields.
fn any_instruction() -> impl Strategy<Value = Instruction> {
    let built: Vec<Opcode> = Opcode::ALL.into_iter().filter(|opcode| !opcode.row().reserved).collect();
    (proptest::sample::select(built), any::<u64>()).prop_map(|(opcode, seed)| {
        let mut state = seed;
        let mut draw = move |min: i64, max: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let span = (i128::from(max) - i128::from(min) + 1) as u128;
            (i128::from(min) + (u128::from(state.rotate_left(17)) % span) as i128) as i64
        };
        let mut list = |count: i64, min, max| Value::List((0..count).map(|_| draw(min, max)).collect());
        let values = opcode.row().operands.iter().map(|operand| {
            let (min, max) = range(operand);
            match operand.kind {
                OperandKind::List(List::CallResults | List::Returned) => list(3, 0, 4095),
                OperandKind::List(List::CallArguments) => list(2, 0, 4095),
                OperandKind::List(List::Targets) => list(5, i64::from(i32::MIN), i64::from(i32::MAX)),
                OperandKind::List(List::SvcResults | List::SvcArguments) => list(7, 0, 4095),
                OperandKind::Bits32 => Value::Integer(i64::from(i32::MIN)),
                _ => match list(1, min, max) {
                    Value::List(one) => Value::Integer(one[0]),
                    Value::Integer(_) => unreachable!("list makes lists"),
                },
            }
        });
        Instruction { opcode, values: values.collect() }
    })
}

proptest! {
    #[test]
    fn decode_undoes_encode(instruction in any_instruction()) {
        let mut words = Vec::new();
        encode(&instruction, &mut words).expect("values are in range");
        let (decoded, length) = decode(&words, 0, &ThreeAndTwo).expect("an encoded instruction decodes");
        prop_assert_eq!(length, words.len());
        prop_assert_eq!(decoded, instruction);
    }

    #[test]
    fn every_bit_has_a_meaning(instruction in any_instruction(), bit in 0..64_u32, word in 0..8_usize) {
        let mut words = Vec::new();
        encode(&instruction, &mut words).expect("values are in range");
        let word = word % words.len();
        words[word] ^= 1 << bit;
        if let Ok((decoded, length)) = decode(&words, 0, &ThreeAndTwo) {
            prop_assert_ne!(&decoded, &instruction);
            let mut again = Vec::new();
            encode(&decoded, &mut again).expect("a decoded instruction encodes");
            prop_assert_eq!(&again[..], &words[..length]);
        }
    }
}
