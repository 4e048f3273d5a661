//! The module format: what is written reads as the same, and nothing else reads.

use limen_isa::ValueType::{self, F32, F64, I32, I64, Ref};
use limen_isa::module::{
    Call, CustomSection, DataSegment, Debug, Export, ExportItem, FIRST_CUSTOM_SECTION, Function, Home, InlineSite,
    LineRow, MAX_CODE_WORDS, MAX_FUNCTION_WORDS, MAX_INLINE_DEPTH, MAX_MODULE_REGISTERS, MAX_PAGES, MAX_PARAMS,
    MAX_REGISTERS, MAX_SLOTS, MAX_TABLES, Module, ReadError, ReadProblem, Signature, VERSION, WriteError,
};
use proptest::prelude::*;
use proptest::sample::Index;

const TYPES: u32 = 1;
const FUNCTIONS: u32 = 2;
const CODE: u32 = 3;
const HOME: u32 = 4;
const TABLES: u32 = 5;
const EXPORTS: u32 = 6;
const DEBUG: u32 = 7;
const INTERFACES: u32 = 8;

const NONE: u32 = u32::MAX;

/// A module taken apart into sections, so that a test can change one and have valid checksums again.
#[derive(Clone)]
struct Parts(Vec<(u32, Vec<u8>)>);

impl Parts {
    fn of(module: &Module) -> Self {
        let bytes = module.write().expect("the module is valid");
        let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let count = field(8) as usize;
        let mut at = (16 + 12 * count).next_multiple_of(8);
        let section = |entry: usize| {
            let length = field(entry + 4) as usize;
            let payload = bytes[at..at + length].to_vec();
            at = (at + length).next_multiple_of(8);
            (field(entry), payload)
        };
        Self((0..count).map(|index| 16 + 12 * index).map(section).collect())
    }

    /// With another payload in one section.
    fn with(mut self, id: u32, payload: Vec<u8>) -> Self {
        self.0.iter_mut().find(|section| section.0 == id).expect("the section is there").1 = payload;
        self
    }

    fn seal(&self) -> Vec<u8> {
        let entry = |(id, payload): &(u32, Vec<u8>)| words(&[*id, payload.len() as u32, crc32fast::hash(payload)]);
        let directory = self.0.iter().flat_map(entry).collect::<Vec<_>>();
        let mut bytes = b"LIMO\x01\0\0\0".to_vec();
        bytes.extend(words(&[self.0.len() as u32, crc32fast::hash(&directory)]));
        for part in std::iter::once(&directory).chain(self.0.iter().map(|section| &section.1)) {
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    /// Where the payload of a section begins in the sealed bytes.
    fn offset(&self, id: u32) -> usize {
        let start = (16 + 12 * self.0.len()).next_multiple_of(8);
        let before = self.0.iter().take_while(|section| section.0 != id);
        start + before.map(|section| section.1.len().next_multiple_of(8)).sum::<usize>()
    }
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn signature(params: &[ValueType], results: &[ValueType]) -> Signature {
    Signature { params: params.to_vec(), results: results.to_vec() }
}

fn constant(name: &str, value: i64) -> Export {
    Export { name: name.to_owned(), item: ExportItem::Constant(value) }
}

fn row(pc: u32, file: Option<u32>, line: u32, site: Option<u32>) -> LineRow {
    LineRow { pc, file, line, site }
}

fn site(function: &str, file: u32, line: u32, parent: Option<u32>) -> InlineSite {
    InlineSite { function: function.to_owned(), file, line, parent }
}

/// A module that has everything.
fn sample() -> Module {
    Module {
        types: vec![signature(&[I32, Ref], &[I64]), signature(&[], &[]), signature(&[F32], &[F64, F32])],
        functions: vec![
            Function::new(0, vec![I32, Ref, F32, F64], vec![1, 2, u64::MAX]),
            Function::new(1, vec![], vec![7]),
            Function::new(2, vec![F32, I64], vec![3, 4]),
        ],
        home: Home {
            min_pages: 2,
            max_pages: 9,
            slots: 5,
            data: vec![
                DataSegment { address: 16, bytes: b"hello".to_vec() },
                DataSegment { address: 8190, bytes: vec![0, 1] },
            ],
        },
        tables: vec![vec![Some(0), None, Some(2)], vec![]],
        exports: vec![
            constant("a", -1),
            Export { name: "main".to_owned(), item: ExportItem::Function(2) },
            constant("main2", i64::MIN),
        ],
        debug: Some(sample_debug()),
        interfaces: Some(vec![1, 2, 3]),
        custom: vec![
            CustomSection { id: FIRST_CUSTOM_SECTION, bytes: vec![] },
            CustomSection { id: u32::MAX, bytes: vec![9; 9] },
        ],
    }
}

fn sample_debug() -> Debug {
    Debug {
        files: vec!["a.lim".to_owned(), "b.lim".to_owned()].into(),
        function_names: vec!["outer".to_owned(), String::new(), "größe".to_owned()],
        sites: vec![site("middle", 0, 11, None), site("inner", 1, 22, Some(0))],
        lines: vec![
            vec![row(0, Some(0), 10, None), row(1, Some(1), 33, Some(1)), row(2, None, 0, None)].into(),
            vec![].into(),
            vec![row(1, Some(0), 5, None)].into(),
        ],
    }
}

fn refusal(bytes: &[u8]) -> ReadError {
    Module::read(bytes).expect_err("the bytes are refused")
}

/// The module reads as what it was written from, or not at all.
fn assert_canonical(bytes: &[u8]) {
    if let Ok(module) = Module::read(bytes) {
        assert!(module.write().as_deref() == Ok(bytes), "these bytes read, but are not what writing gives: {bytes:x?}");
    }
}

#[test]
fn the_smallest_module_has_these_bytes() {
    let payloads: [(u32, u32, &[u32]); 4] =
        [(TYPES, 4, &[0, 0]), (FUNCTIONS, 4, &[0, 0]), (CODE, 0, &[]), (HOME, 16, &[0, 0, 0, 0])];
    // CRC-32 of four zero bytes, of nothing, and of sixteen zero bytes.
    let checksums = [0x2144_df1c, 0x2144_df1c, 0, 0xecbb_4b55];
    let entries = payloads.iter().zip(checksums).flat_map(|((id, length, _), checksum)| [*id, *length, checksum]);
    let directory = words(&entries.collect::<Vec<_>>());
    let mut expected = [b"LIMO\x01\0\0\0".to_vec(), words(&[4, crc32fast::hash(&directory)]), directory].concat();
    payloads.iter().for_each(|(_, _, payload)| expected.extend(words(payload)));
    assert_eq!(Module::default().write(), Ok(expected));
}

#[test]
fn every_field_has_its_place() {
    let parts = Parts::of(&sample());
    let payload = |id| parts.0.iter().find(|section| section.0 == id).map(|section| section.1.clone()).unwrap();
    assert_eq!(payload(TYPES), b"\x03\0\0\0\x02\0\x01\0\0\x04\x01\0\0\0\0\x01\0\x02\0\x02\x03\x02");
    assert_eq!(
        payload(FUNCTIONS),
        b"\x03\0\0\0\0\0\0\0\x04\0\x03\0\0\0\x02\x03\x01\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x02\0\x02\0\0\0\x01"
    );
    assert_eq!(payload(CODE), [1_u64, 2, u64::MAX, 7, 3, 4].map(u64::to_le_bytes).concat());
    assert_eq!(payload(HOME), [words(&[2, 9, 5, 2, 16, 5]), b"hello".to_vec(), words(&[8190, 2]), vec![0, 1]].concat());
    assert_eq!(payload(TABLES), words(&[2, 3, 0, NONE, 2, 0]));
    assert_eq!(
        payload(EXPORTS),
        [
            words(&[3]),
            b"\x01\x01\0a\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            b"\0\x04\0main\x02\0\0\0\x02\0\0\0".to_vec(),
            b"\x01\x05\0main2\0\0\0\0\0\0\0\x80".to_vec(),
        ]
        .concat()
    );
    assert_eq!(
        payload(DEBUG),
        [
            [words(&[2]), b"\x05\0a.lim\x05\0b.lim".to_vec()].concat(),
            [words(&[3]), b"\x05\0outer\0\0\x07\0gr\xc3\xb6\xc3\x9fe".to_vec()].concat(),
            [words(&[2]), b"\x06\0middle".to_vec(), words(&[0, 11, NONE])].concat(),
            [b"\x05\0inner".to_vec(), words(&[1, 22, 0])].concat(),
            words(&[3, 0, 0, 10, NONE, 1, 1, 33, 1, 2, NONE, 0, NONE]),
            words(&[0, 1, 1, 0, 5, NONE]),
        ]
        .concat()
    );
    assert_eq!(payload(INTERFACES), [1, 2, 3]);
    assert_eq!(parts.seal(), sample().write().unwrap());
}

#[test]
fn a_module_reads_as_it_was_written() {
    for module in [Module::default(), sample(), Module { debug: Some(Debug::default()), ..Module::default() }] {
        assert_eq!(Module::read(&module.write().unwrap()), Ok(module));
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample().write().unwrap();
    for length in 0..bytes.len() {
        refusal(&bytes[..length]);
    }
    assert_eq!(refusal(&[]).problem, ReadProblem::Magic);
    assert_eq!(refusal(b"LIMO").problem, ReadProblem::Truncated { wanted: 2, left: 0 });
}

#[test]
fn every_added_byte_is_refused() {
    let bytes = sample().write().unwrap();
    for extra in [&[0][..], &[1], &[0; 8]] {
        let error = refusal(&[&bytes, extra].concat());
        assert_eq!(error, ReadError { problem: ReadProblem::TooLong(extra.len()), section: None, offset: bytes.len() });
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let mut bytes = sample().write().unwrap();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refusal(&bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn every_flipped_bit_under_valid_checksums_is_canonical_or_refused() {
    let mut parts = Parts::of(&sample());
    for section in 0..parts.0.len() {
        for bit in 0..32 {
            parts.0[section].0 ^= 1 << bit;
            assert_canonical(&parts.seal());
            parts.0[section].0 ^= 1 << bit;
        }
        for bit in 0..parts.0[section].1.len() * 8 {
            parts.0[section].1[bit / 8] ^= 1 << (bit % 8);
            assert_canonical(&parts.seal());
            parts.0[section].1[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncated_payload_is_refused() {
    let parts = Parts::of(&sample());
    for (id, payload) in &parts.0 {
        if *id >= INTERFACES {
            continue;
        }
        for length in 0..payload.len() {
            let error = refusal(&parts.clone().with(*id, payload[..length].to_vec()).seal());
            assert_eq!(error.section, Some(*id), "{error}");
        }
        let error = refusal(&parts.clone().with(*id, [payload, &[0][..]].concat()).seal());
        assert_eq!(error.problem, ReadProblem::TooLong(1));
        assert_eq!(error.offset, parts.offset(*id) + payload.len());
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let mut bytes = sample().write().unwrap();
    bytes[4] = 3;
    // A later version may arrange everything else in another way: no checksum is looked at before.
    bytes.truncate(8);
    assert_eq!(refusal(&bytes).problem, ReadProblem::Newer(3));
    assert_eq!(
        refusal(&bytes).to_string(),
        "module format version 3 is newer than this program's version 1 (at byte 4)"
    );
    bytes[4] = 0;
    assert_eq!(refusal(&bytes).problem, ReadProblem::Version(0));
    assert_eq!(VERSION, 1);
}

#[test]
fn header_and_directory_are_checked() {
    let parts = Parts::of(&sample());
    let sealed = |change: fn(&mut Vec<(u32, Vec<u8>)>)| {
        let mut changed = parts.clone();
        change(&mut changed.0);
        let error = refusal(&changed.seal());
        assert_eq!(error.section, None);
        (error.problem, error.offset)
    };
    let unknown = |offset, problem| (problem, offset);
    assert_eq!(sealed(|sections| sections[7].0 = 9), unknown(16 + 7 * 12, ReadProblem::UnknownSection(9)));
    assert_eq!(sealed(|sections| sections[0].0 = 0), unknown(16, ReadProblem::UnknownSection(0)));
    assert_eq!(sealed(|sections| sections[1].0 = TYPES), unknown(28, ReadProblem::SectionOrder(TYPES)));
    assert_eq!(sealed(|sections| sections.swap(4, 5)), unknown(16 + 5 * 12, ReadProblem::SectionOrder(TABLES)));
    let missing = sealed(|sections| drop(sections.remove(2)));
    assert_eq!(missing.0, ReadProblem::Missing(CODE));

    let mut bytes = parts.seal();
    bytes[6] = 1;
    let flags = ReadProblem::Unknown { what: "known set of flags", value: 1 };
    assert_eq!(refusal(&bytes), ReadError { problem: flags, section: None, offset: 6 });
    let mut bytes = parts.seal();
    bytes[8..12].copy_from_slice(&[0xff; 4]);
    let left = bytes.len() - 12;
    let truncated = ReadProblem::Truncated { wanted: 12 * u64::from(u32::MAX), left };
    assert_eq!(refusal(&bytes), ReadError { problem: truncated, section: None, offset: 8 });
}

#[test]
fn padding_is_zero() {
    let parts = Parts::of(&sample());
    for (id, payload) in parts.0.iter().filter(|(_, payload)| payload.len() % 8 != 0) {
        let mut bytes = parts.seal();
        let end = parts.offset(*id) + payload.len();
        bytes[end.next_multiple_of(8) - 1] = 1;
        let problem = ReadProblem::NotCanonical("padding is not zero");
        assert_eq!(refusal(&bytes), ReadError { problem, section: Some(*id), offset: end });
    }
}

/// Refused in the section that has this payload, `at` bytes into it.
fn assert_refused(id: u32, payload: Vec<u8>, at: usize, problem: ReadProblem) {
    let parts = Parts::of(&sample()).with(id, payload);
    let error = refusal(&parts.seal());
    assert_eq!(error, ReadError { problem, section: Some(id), offset: parts.offset(id) + at });
}

fn limit(what: &'static str, value: u64, limit: u64) -> ReadProblem {
    ReadProblem::Limit { what, value, limit }
}

fn unknown(what: &'static str, value: u64) -> ReadProblem {
    ReadProblem::Unknown { what, value }
}

#[test]
fn counts_are_compared_with_what_is_left_before_anything_is_made() {
    let all = u64::from(u32::MAX);
    let cases: [(u32, Vec<u32>, usize); 10] = [
        (TYPES, vec![], 4),
        (FUNCTIONS, vec![], 10),
        (HOME, vec![1, 1, 0], 8),
        (TABLES, vec![], 4),
        (TABLES, vec![1], 4),
        (EXPORTS, vec![], 12),
        (DEBUG, vec![], 2),
        (DEBUG, vec![0], 2),
        (DEBUG, vec![0, 0], 14),
        (DEBUG, vec![0, 0, 0], 16),
    ];
    for (id, before, size) in cases {
        let payload = [words(&before), words(&[u32::MAX]), vec![0; 7]].concat();
        let problem = ReadProblem::Truncated { wanted: all * size as u64, left: 7 };
        assert_refused(id, payload, before.len() * 4, problem);
    }
    let huge_segment = words(&[MAX_PAGES, MAX_PAGES, 0, 1, 0, u32::MAX]);
    assert_refused(HOME, huge_segment, 24, ReadProblem::Truncated { wanted: all, left: 0 });
}

#[test]
fn bad_types_are_refused() {
    let twice = ReadProblem::NotCanonical("a signature occurs twice");
    assert_refused(TYPES, b"\x02\0\0\0\x01\0\0\0\x04\x01\0\0\0\x04".to_vec(), 9, twice);
    assert_refused(TYPES, b"\x01\0\0\0\x02\0\0\0\x04\x05".to_vec(), 9, unknown("type", 5));
    let many = (MAX_PARAMS + 1) as u16;
    let params = [words(&[1]), many.to_le_bytes().to_vec(), vec![0; 2 + usize::from(many)]].concat();
    assert_refused(TYPES, params, 4, limit("the number of parameters", u64::from(many), 1000));
    let results = [words(&[1]), vec![0; 2], many.to_le_bytes().to_vec(), vec![0; usize::from(many)]].concat();
    assert_refused(TYPES, results, 6, limit("the number of results", u64::from(many), 1000));
}

/// The entry of a function without local registers.
fn entry(signature: u32, registers: u16, words: u32) -> Vec<u8> {
    [&signature.to_le_bytes()[..], &registers.to_le_bytes(), &words.to_le_bytes()].concat()
}

#[test]
fn bad_functions_are_refused() {
    let one = |entry: Vec<u8>| [words(&[1]), entry].concat();
    assert_refused(FUNCTIONS, one(entry(3, 0, 0)), 4, unknown("signature", 3));
    let fewer = ReadProblem::Contradiction("a function has fewer registers than parameters");
    assert_refused(FUNCTIONS, one(entry(0, 1, 0)), 8, fewer);
    let registers = (MAX_REGISTERS + 1) as u16;
    let many = limit("the number of registers", u64::from(registers), 4096);
    assert_refused(FUNCTIONS, one(entry(1, registers, 0)), 8, many);
    let words = MAX_FUNCTION_WORDS as u32 + 1;
    let long = limit("the length of a function", u64::from(words), 1 << 23);
    assert_refused(FUNCTIONS, one(entry(1, 0, words)), 10, long);
    assert_refused(FUNCTIONS, one([entry(1, 1, 0), vec![6]].concat()), 14, unknown("type", 6));
}

#[test]
fn all_code_together_is_limited() {
    let full = MAX_CODE_WORDS / MAX_FUNCTION_WORDS;
    let mut payload = words(&[full as u32 + 1]);
    (0..full).for_each(|_| payload.extend(entry(1, 0, MAX_FUNCTION_WORDS as u32)));
    payload.extend(entry(1, 0, 1));
    let too_long = limit("the length of the code", (1 << 28) + 1, 1 << 28);
    assert_refused(FUNCTIONS, payload, 4 + full * 10 + 6, too_long);
}

#[test]
fn parameters_do_not_multiply_a_modules_size() {
    let most = MAX_MODULE_REGISTERS / MAX_PARAMS;
    let with = |functions: usize| {
        let types = [words(&[1]), (MAX_PARAMS as u16).to_le_bytes().to_vec(), vec![0; 2 + MAX_PARAMS]].concat();
        let entries = entry(0, MAX_PARAMS as u16, 0).repeat(functions);
        Parts::of(&Module::default())
            .with(TYPES, types)
            .with(FUNCTIONS, [words(&[functions as u32]), entries].concat())
            .seal()
    };
    assert_eq!(Module::read(&with(most)).map(|module| module.functions.len()), Ok(most));
    let too_many = ((most + 1) * MAX_PARAMS) as u64;
    let what = "the number of registers of all functions";
    assert_eq!(refusal(&with(most + 1)).problem, limit(what, too_many, 1 << 26));
}

#[test]
fn bad_homes_are_refused() {
    let pages = u64::from(MAX_PAGES);
    let least = limit("the size of home in pages", pages + 1, pages);
    assert_refused(HOME, words(&[MAX_PAGES + 1, MAX_PAGES, 0, 0]), 0, least);
    let greatest = limit("the greatest size of home in pages", pages + 1, pages);
    assert_refused(HOME, words(&[0, MAX_PAGES + 1, 0, 0]), 4, greatest);
    let larger = ReadProblem::Contradiction("home begins larger than it may become");
    assert_refused(HOME, words(&[2, 1, 0, 0]), 4, larger);
    let slots = limit("the number of slots", u64::from(MAX_SLOTS) + 1, u64::from(MAX_SLOTS));
    assert_refused(HOME, words(&[0, 0, MAX_SLOTS + 1, 0]), 8, slots);
}

#[test]
fn bad_data_are_refused() {
    let home = |data: &[u32]| words(&[&[1, 1, 0, data[0]], &data[1..]].concat());
    assert_refused(HOME, home(&[1, 0, 0]), 20, ReadProblem::NotCanonical("a data segment is empty"));
    let order = ReadProblem::NotCanonical("data segments overlap or are out of order");
    assert_refused(HOME, home(&[2, 8, 4, 0, 11, 4, 0]), 28, order.clone());
    assert_refused(HOME, home(&[2, 8, 4, 0, 0, 4, 0]), 28, order);
    let outside = limit("the end of a data segment", 4097, 4096);
    assert_refused(HOME, home(&[1, 4093, 4, 0]), 20, outside);
    let beyond = limit("the end of a data segment", 0x1_0000_0003, 4096);
    assert_refused(HOME, home(&[1, NONE, 4, 0]), 20, beyond);
    let touching = Parts::of(&sample()).with(HOME, home(&[2, 8, 4, 0, 12, 4, 0])).seal();
    assert_eq!(Module::read(&touching).map(|module| module.home.data.len()), Ok(2));
}

#[test]
fn bad_tables_are_refused() {
    assert_refused(TABLES, words(&[0]), 0, ReadProblem::NotCanonical("the section of tables is empty"));
    assert_refused(TABLES, words(&[1, 1, 3]), 8, unknown("function", 3));
    let payload = [words(&[MAX_TABLES as u32 + 1]), vec![0; 4 * (MAX_TABLES + 1)]].concat();
    assert_refused(TABLES, payload, 0, limit("the number of tables", 4097, 4096));
}

#[test]
fn bad_exports_are_refused() {
    let exports = |exports: &[&[u8]]| [words(&[exports.len() as u32]), exports.concat()].concat();
    let number = |name: &[u8]| [b"\x01", &(name.len() as u16).to_le_bytes()[..], name, &[0; 8]].concat();
    let order = ReadProblem::NotCanonical("exports are not sorted by name");
    assert_refused(EXPORTS, exports(&[]), 0, ReadProblem::NotCanonical("the section of exports is empty"));
    assert_refused(EXPORTS, exports(&[&number(b"b"), &number(b"a")]), 19, order.clone());
    assert_refused(EXPORTS, exports(&[&number(b"a"), &number(b"a")]), 19, order.clone());
    assert_refused(EXPORTS, [exports(&[&number(b"")]), vec![0]].concat(), 7, order);
    let long = limit("the length of an exported name", 256, 255);
    assert_refused(EXPORTS, exports(&[&number(&[b'a'; 256])]), 7, long);
    assert_refused(EXPORTS, exports(&[&number(b"ab\xff")]), 9, ReadProblem::Utf8);
    assert_refused(EXPORTS, exports(&[b"\x02\x01\0a\0\0\0\0\0\0\0\0"]), 4, unknown("kind of export", 2));
    assert_refused(EXPORTS, exports(&[b"\0\x01\0a\x03\0\0\0\0\0\0\0"]), 8, unknown("function", 3));
    let other = ReadProblem::Contradiction("an export has another type than its function");
    assert_refused(EXPORTS, exports(&[b"\0\x01\0a\x01\0\0\0\0\0\0\0"]), 12, other);
}

#[test]
fn bad_names_and_sites_are_refused() {
    let names = ReadProblem::Contradiction("there is not one name for each function");
    assert_refused(DEBUG, words(&[0, 2, 0, 0]), 4, names);
    assert_refused(DEBUG, [words(&[1]), b"\x01\0\x80".to_vec()].concat(), 6, ReadProblem::Utf8);
    let sites = |fields: &[u32]| [words(&[1]), vec![0; 2], words(&[0, 1]), vec![0; 2], words(fields)].concat();
    assert_refused(DEBUG, sites(&[1, 1, NONE]), 16, unknown("file", 1));
    assert_refused(DEBUG, sites(&[0, 1, 0]), 24, unknown("earlier inline site", 0));
}

#[test]
fn bad_line_rows_are_refused() {
    // One file, no names and no sites; the first function has three words.
    let rows = |rows: &[u32]| [words(&[1]), vec![0; 2], words(&[0, 0, rows.len() as u32 / 4]), words(rows)].concat();
    assert_refused(DEBUG, rows(&[3, 0, 1, NONE]), 18, unknown("word of its function", 3));
    assert_refused(DEBUG, rows(&[0, 1, 1, NONE]), 22, unknown("file", 1));
    assert_refused(DEBUG, rows(&[0, 0, 1, 0]), 30, unknown("inline site", 0));
    let order = ReadProblem::NotCanonical("line rows are out of order");
    assert_refused(DEBUG, rows(&[1, 0, 1, NONE, 1, 0, 2, NONE]), 34, order.clone());
    assert_refused(DEBUG, rows(&[2, 0, 1, NONE, 1, 0, 2, NONE]), 34, order);
    let nothing = ReadProblem::NotCanonical("a row without a file has a line or a site");
    assert_refused(DEBUG, rows(&[0, NONE, 1, NONE]), 30, nothing);
}

#[test]
fn inline_sites_lie_in_one_another_to_a_limit() {
    let nested = |depth: u32| {
        let parent = |index: u32| index.checked_sub(1);
        let sites = (0..depth).map(|index| site("f", 0, 1, parent(index))).collect();
        let debug = Debug { files: vec!["a".to_owned()].into(), sites, ..Debug::default() };
        Module { debug: Some(debug), ..Module::default() }.write()
    };
    assert!(nested(MAX_INLINE_DEPTH as u32).is_ok());
    let Err(WriteError::Rule(error)) = nested(MAX_INLINE_DEPTH as u32 + 1) else { panic!("too deep is refused") };
    assert_eq!(error.problem, limit("the depth of inline sites", 257, 256));
}

#[test]
fn errors_name_section_and_offset() {
    let parts = Parts::of(&sample());
    let swapped = parts.clone().with(TABLES, words(&[1, 1, 3]));
    assert_eq!(
        refusal(&swapped.seal()).to_string(),
        format!("3 is no function (in section tables at byte {})", swapped.offset(TABLES) + 8)
    );
    let mut damaged = parts.seal();
    let at = parts.offset(u32::MAX);
    damaged[at] ^= 1;
    assert_eq!(
        refusal(&damaged).to_string(),
        format!("the checksum does not match: the module is damaged (in section 0xffffffff at byte {at})")
    );
}

#[test]
fn modules_that_would_read_as_others_are_not_written() {
    let written = |change: fn(&mut Module)| {
        let mut module = sample();
        change(&mut module);
        module.write().map(drop)
    };
    assert_eq!(written(|module| module.functions[2].registers[0] = I32), Err(WriteError::Parameters(2)));
    assert_eq!(written(|module| module.functions[0].registers.truncate(1)), Err(WriteError::Parameters(0)));
    assert_eq!(written(|module| module.custom[0].id = INTERFACES), Err(WriteError::NotCustom(INTERFACES)));
    let index = Err(WriteError::TooLarge("an index"));
    assert_eq!(written(|module| module.tables[0][0] = Some(NONE)), index);
    assert_eq!(written(|module| module.debug.as_mut().unwrap().sites[0].parent = Some(NONE)), index);
    assert_eq!(written(|module| module.debug.as_mut().unwrap().lines[0][2].file = Some(NONE)), index);
    assert_eq!(written(|module| module.debug.as_mut().unwrap().lines[0][0].site = Some(NONE)), index);
    let name = Err(WriteError::TooLarge("a name"));
    assert_eq!(written(|module| module.debug.as_mut().unwrap().files[0] = "a".repeat(1 << 16)), name);
    let registers = Err(WriteError::TooLarge("the number of registers"));
    assert_eq!(written(|module| module.functions[1].registers = vec![I32; 1 << 16]), registers);
}

#[test]
fn modules_that_break_a_rule_are_not_written() {
    let broken = |change: fn(&mut Module)| {
        let mut module = sample();
        change(&mut module);
        match module.write() {
            Err(WriteError::Rule(error)) => error.problem,
            other => panic!("a rule is broken, but writing says {other:?}"),
        }
    };
    assert_eq!(broken(|module| module.functions[0].signature = 9), unknown("signature", 9));
    let sorted = ReadProblem::NotCanonical("exports are not sorted by name");
    assert_eq!(broken(|module| module.exports.reverse()), sorted);
    assert_eq!(broken(|module| module.custom.reverse()), ReadProblem::SectionOrder(FIRST_CUSTOM_SECTION));
    let twice = ReadProblem::NotCanonical("a signature occurs twice");
    assert_eq!(broken(|module| module.types.push(module.types[0].clone())), twice);
    broken(|module| drop(module.debug.as_mut().unwrap().lines.pop()));
    broken(|module| module.debug.as_mut().unwrap().lines.push(vec![].into()));
}

#[test]
fn names_and_exports_are_found() {
    let module = sample();
    assert_eq!(module.function_name(0), Some("outer"));
    assert_eq!(module.function_name(1), None, "an empty name is no name");
    assert_eq!(module.function_name(3), None);
    assert_eq!(module.export("main"), Some(ExportItem::Function(2)));
    assert_eq!(module.export("main2"), Some(ExportItem::Constant(i64::MIN)));
    assert_eq!(module.export("mai"), None);
    assert_eq!(module.exported_function("main"), Some(2));
    assert_eq!(module.exported_function("a"), None);
    assert_eq!(module.signature_of(2), Some(&module.types[2]));
    assert_eq!(module.signature_of(3), None);
}

#[test]
fn words_are_located_with_the_calls_around_them() {
    let module = sample();
    let place = |function, pc| module.locate(function, pc).map(|found| (found.file, found.line, found.calls));
    assert_eq!(place(0, 0), Some(("a.lim", 10, vec![])));
    let calls =
        vec![Call { function: "inner", file: "b.lim", line: 22 }, Call { function: "middle", file: "a.lim", line: 11 }];
    assert_eq!(place(0, 1), Some(("b.lim", 33, calls)));
    assert_eq!(place(0, 2), None, "a row without a file ends what is known");
    assert_eq!(place(0, u32::MAX), None);
    assert_eq!(place(1, 0), None, "the function has no rows");
    assert_eq!(place(2, 0), None, "the first row is about a later word");
    assert_eq!(place(2, 1), Some(("a.lim", 5, vec![])));
    assert_eq!(place(3, 0), None);
    assert_eq!(Module { debug: None, ..sample() }.locate(0, 0), None);
}

#[test]
fn sites_in_a_circle_are_walked_once() {
    let mut module = sample();
    module.debug.as_mut().unwrap().sites[0].parent = Some(1);
    assert_eq!(module.locate(0, 1).map(|found| found.calls.len()), Some(2));
    assert!(module.write().is_err());
}

fn value_types(most: usize) -> impl Strategy<Value = Vec<ValueType>> {
    prop::collection::vec(prop::sample::select(&ValueType::ALL[..]), 0..=most)
}

/// The signatures, and functions with them.
fn functions() -> impl Strategy<Value = (Vec<Signature>, Vec<Function>)> {
    let signatures = prop::collection::hash_set((value_types(4), value_types(3)), 1..5);
    let function = (any::<Index>(), value_types(5), prop::collection::vec(any::<u64>(), 0..6));
    (signatures, prop::collection::vec(function, 0..5)).prop_map(|(signatures, functions)| {
        let types = signatures.into_iter().map(|(params, results)| Signature { params, results }).collect::<Vec<_>>();
        let functions = functions.into_iter().map(|(signature, locals, code)| {
            let signature = signature.index(types.len());
            let registers = [types[signature].params.clone(), locals].concat();
            Function::new(signature as u32, registers, code)
        });
        let functions = functions.collect();
        (types, functions)
    })
}

fn home() -> impl Strategy<Value = Home> {
    let bytes = prop::collection::vec(any::<u8>(), 1..9);
    let data = prop::collection::vec((0_u32..2000, bytes), 0..4);
    (2_u32..4, 0_u32..=MAX_PAGES - 4, 0..=MAX_SLOTS, data).prop_map(|(min_pages, more, slots, data)| {
        let mut end = 0;
        let segment = |(gap, bytes): (u32, Vec<u8>)| {
            let address = end + gap;
            end = address + bytes.len() as u32;
            DataSegment { address, bytes }
        };
        Home { min_pages, max_pages: min_pages + more, slots, data: data.into_iter().map(segment).collect() }
    })
}

/// An index below `count`, unless there is none.
fn below(index: Index, count: usize) -> Option<u32> {
    (count > 0).then(|| index.index(count) as u32)
}

fn tables(functions: usize) -> impl Strategy<Value = Vec<Vec<Option<u32>>>> {
    let entry = any::<Option<Index>>().prop_map(move |index| below(index?, functions));
    prop::collection::vec(prop::collection::vec(entry, 0..4), 0..3)
}

fn exports(functions: usize) -> impl Strategy<Value = Vec<Export>> {
    let item = (any::<Option<Index>>(), any::<i64>()).prop_map(move |(index, value)| {
        let function = index.and_then(|index| below(index, functions));
        function.map_or(ExportItem::Constant(value), ExportItem::Function)
    });
    prop::collection::btree_map("[a-c]{1,2}|\\PC{1,60}", item, 0..5)
        .prop_map(|exports| exports.into_iter().map(|(name, item)| Export { name, item }).collect())
}

fn sites(files: usize) -> impl Strategy<Value = Vec<InlineSite>> {
    let site = ("\\PC{0,5}", any::<Index>(), any::<u32>(), any::<Option<Index>>());
    prop::collection::vec(site, 0..4).prop_map(move |sites| {
        let sites = sites.into_iter().enumerate().map(|(known, (function, file, line, parent))| {
            let parent = parent.and_then(|parent| below(parent, known));
            Some(InlineSite { function, file: below(file, files)?, line, parent })
        });
        sites.flatten().collect()
    })
}

fn rows(words: usize, files: usize, sites: usize) -> impl Strategy<Value = Vec<LineRow>> {
    let row = (any::<Option<Index>>(), any::<u32>(), any::<Option<Index>>()).prop_map(move |(file, line, site)| {
        let Some(file) = file.and_then(|file| below(file, files)) else { return row(0, None, 0, None) };
        row(0, Some(file), line, site.and_then(|site| below(site, sites)))
    });
    prop::collection::vec(prop::option::of(row), words).prop_map(|rows| {
        let rows = rows.into_iter().zip(0..).filter_map(|(row, pc)| Some(LineRow { pc, ..row? }));
        rows.collect()
    })
}

fn debug(lengths: Vec<usize>) -> impl Strategy<Value = Debug> {
    let names = prop_oneof![Just(vec![]), prop::collection::vec("\\PC{0,5}", lengths.len())];
    let files = prop::collection::vec("\\PC{0,5}", 0..3);
    let files_and_sites = files.prop_flat_map(|files| (sites(files.len()), Just(files)));
    (files_and_sites, names).prop_flat_map(move |((sites, files), function_names)| {
        let lines = lengths.iter().map(|words| rows(*words, files.len(), sites.len())).collect::<Vec<_>>();
        lines.prop_map(move |lines| Debug {
            files: files.clone().into(),
            function_names: function_names.clone(),
            sites: sites.clone(),
            lines: lines.into_iter().map(Into::into).collect(),
        })
    })
}

fn custom() -> impl Strategy<Value = Vec<CustomSection>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..20);
    prop::collection::btree_map(FIRST_CUSTOM_SECTION.., bytes, 0..3)
        .prop_map(|sections| sections.into_iter().map(|(id, bytes)| CustomSection { id, bytes }).collect())
}

fn module() -> impl Strategy<Value = Module> {
    let opaque = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    (functions(), home(), opaque, custom()).prop_flat_map(|((types, functions), home, interfaces, custom)| {
        let lengths = functions.iter().map(|function| function.code.len()).collect::<Vec<_>>();
        let count = functions.len();
        (tables(count), exports(count), prop::option::of(debug(lengths))).prop_map(move |(tables, exports, debug)| {
            let (types, functions, home) = (types.clone(), functions.clone(), home.clone());
            let (interfaces, custom) = (interfaces.clone(), custom.clone());
            Module { types, functions, home, tables, exports, debug, interfaces, custom }
        })
    })
}

/// Changes one thing about a module, often into what no module may have.
fn disturb(module: &mut Module, what: u8, place: Index, value: u32) {
    fn any_of<T>(things: &mut [T], place: Index) -> Option<&mut T> {
        (!things.is_empty()).then(|| place.get_mut(things))
    }
    let value_type = ValueType::ALL[value as usize % ValueType::ALL.len()];
    let debug = module.debug.get_or_insert_default();
    let index = (!value.is_multiple_of(3)).then_some(NONE - value % 2);
    match what {
        0 => _ = any_of(&mut module.functions, place).map(|it| it.signature = value),
        1 => _ = any_of(&mut module.functions, place).map(|it| it.registers.insert(0, value_type)),
        2 => _ = any_of(&mut module.functions, place).map(|it| it.registers.pop()),
        3 => _ = any_of(&mut module.types, place).map(|it| it.params.push(value_type)),
        4 => module.types.push(Signature { params: vec![value_type], results: vec![] }),
        5 => module.home.min_pages = value,
        6 => _ = any_of(&mut module.home.data, place).map(|it| it.address = value),
        7 => module.tables.push(vec![index]),
        8 => _ = any_of(&mut module.exports, place).map(|it| it.name = "a".repeat(value as usize % 300)),
        9 => _ = any_of(&mut module.exports, place).map(|it| it.item = ExportItem::Function(value)),
        10 => _ = any_of(&mut debug.sites, place).map(|it| it.parent = index),
        11 => debug.lines.push(vec![row(value, index, value % 2, index)].into()),
        12 => debug.function_names.push("more".to_owned()),
        13 => _ = any_of(&mut module.custom, place).map(|it| it.id = value % 10),
        14 => module.custom.push(CustomSection { id: value, bytes: vec![] }),
        15 => _ = debug.lines.pop(),
        _ => _ = any_of(&mut debug.lines, place).map(|it| it.insert(0, row(value, index, value, None))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_module_reads_as_it_was_written(module in module()) {
        let bytes = module.write().expect("the module is valid");
        prop_assert_eq!(&module.write().unwrap(), &bytes);
        prop_assert_eq!(Module::read(&bytes), Ok(module));
    }

    #[test]
    fn any_module_that_can_be_written_reads_as_the_same(
        mut module in module(),
        changes in prop::collection::vec((0_u8..=16, any::<Index>(), prop_oneof![0_u32..6, any::<u32>()]), 1..3),
    ) {
        changes.into_iter().for_each(|(what, place, value)| disturb(&mut module, what, place, value));
        if let Ok(bytes) = module.write() {
            prop_assert_eq!(Module::read(&bytes), Ok(module));
        }
    }

    #[test]
    fn any_payload_is_canonical_or_refused(
        module in module(),
        section in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), prop_oneof![Just(0), Just(255), any::<u8>()]), 1..5),
    ) {
        let mut parts = Parts::of(&module);
        let payload = &mut section.get_mut(&mut parts.0).1;
        if !payload.is_empty() {
            changes.iter().for_each(|(place, value)| *place.get_mut(payload) = *value);
        }
        assert_canonical(&parts.seal());
    }

    #[test]
    fn any_bytes_under_valid_checksums_are_canonical_or_refused(
        payloads in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0), 0_u8..3, any::<u8>()], 0..40), 4..9),
    ) {
        assert_canonical(&Parts((TYPES..).zip(payloads).collect()).seal());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Module::read(&bytes).is_err());
        prop_assert!(Module::read(&[b"LIMO\x01\0\0\0", &bytes[..]].concat()).is_err());
    }
}
