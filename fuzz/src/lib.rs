//! What several targets need: checksums that are right, which nobody would find by trying.

use limen_isa::module::MAGIC;

/// Where the number of sections is in a module, behind magic, version and flags. The checksum of the directory follows, and then
/// the directory.
const COUNT: usize = 8;

/// Bytes of a section's entry in the directory: number, length, checksum.
const ENTRY: usize = 12;

/// What sections begin at a multiple of.
const ALIGNMENT: usize = 8;

/// Puts the checksums right of whatever looks like a module in these bytes.
pub fn repair_modules(bytes: &mut [u8]) {
    let begins = (0..bytes.len()).filter(|place| bytes[*place..].starts_with(&MAGIC));
    for begin in begins.collect::<Vec<_>>() {
        let _ = repair_module(&mut bytes[begin..]);
    }
}

/// `None` if it ends early.
fn repair_module(bytes: &mut [u8]) -> Option<()> {
    let directory = COUNT + 8;
    let end = (number(bytes, COUNT)? as usize).checked_mul(ENTRY)?.checked_add(directory)?;
    let mut payload = end.next_multiple_of(ALIGNMENT);
    for entry in (directory..end).step_by(ENTRY) {
        let payload_end = payload + number(bytes, entry + 4)? as usize;
        let checksum = crc32fast::hash(bytes.get(payload..payload_end)?);
        bytes[entry + 8..entry + ENTRY].copy_from_slice(&checksum.to_le_bytes());
        payload = payload_end.next_multiple_of(ALIGNMENT);
    }
    let checksum = crc32fast::hash(bytes.get(directory..end)?);
    bytes[COUNT + 4..directory].copy_from_slice(&checksum.to_le_bytes());
    Some(())
}

fn number(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// What the verifier's target makes of its bytes: so many registers, the type of each, and words.
pub mod function {
    use limen_isa::ValueType;
    use limen_isa::ValueType::{F32, F64, I32, I64, Ref};

    const TYPES: [ValueType; 5] = [I32, I64, F32, F64, Ref];

    /// Registers and words. Bytes that are no whole word are left out.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> (Vec<ValueType>, Vec<u64>) {
        let (count, bytes) = bytes.split_first().unwrap_or((&0, &[]));
        let (types, code) = bytes.split_at(bytes.len().min(usize::from(*count)));
        let registers = types.iter().map(|ty| TYPES[usize::from(*ty) % TYPES.len()]).collect();
        (registers, code.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// The bytes for a function; `None` if it has too many registers.
    #[must_use]
    pub fn to_bytes(registers: &[ValueType], words: &[u64]) -> Option<Vec<u8>> {
        let mut bytes = vec![u8::try_from(registers.len()).ok()?];
        bytes.extend(registers.iter().filter_map(|ty| TYPES.iter().position(|other| other == ty)).map(|ty| ty as u8));
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        Some(bytes)
    }
}
