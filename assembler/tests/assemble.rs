//! What sources assemble to.

use std::io;

use limen_assembler::{Assembled, NoFiles, Options, assemble, disassemble};
use limen_isa::ValueType::{F64, I32, I64, Ref};
use limen_isa::codec::{Instruction, Value, encode};
use limen_isa::module::{ExportItem, LineRow, Module, Signature};
use limen_isa::{OPERAND_WORD, Opcode};

#[track_caller]
fn module_of(source: &str) -> Module {
    match assemble("test.lim", source, &NoFiles, Options::default()) {
        Ok(Assembled { module, bytes, .. }) => {
            assert_eq!(Module::read(&bytes).unwrap(), module);
            module
        }
        Err(errors) => panic!("{errors}"),
    }
}

/// The words of an instruction whose operands are all integers.
fn word(mnemonic: &str, values: &[i64]) -> u64 {
    let opcode = Opcode::from_mnemonic(mnemonic).unwrap();
    let mut words = Vec::new();
    let values = values.iter().map(|value| Value::Integer(*value)).collect();
    encode(&Instruction { opcode, values }, &mut words).unwrap();
    assert_eq!(words.len(), 1, "{mnemonic}");
    words[0]
}

#[track_caller]
fn code_of(source: &str) -> Vec<u64> {
    module_of(source).functions.remove(0).code.to_vec()
}

#[test]
fn registers_are_numbered_as_declared() {
    let module = module_of("fn f(a: i32, b: ref) -> i64 {\n reg x, y: i64\n x = i64.add y, x\n reg z: f64\n ret x\n}");
    assert_eq!(module.functions[0].registers, [I32, Ref, I64, I64, F64]);
    assert_eq!(module.types, [Signature { params: vec![I32, Ref], results: vec![I64] }]);
    assert_eq!(module.functions[0].code[0], word("i64.add", &[2, 3, 2]));
}

#[test]
fn branches_count_words_from_their_own() {
    let code = code_of(
        "fn f(a: i64) {
            jump end
          again:
            a = i64.const64 0x1_0000_0000
            i64.br_lt_si a, -5, again
          end:
            jump end
        }",
    );
    assert_eq!(code[0], word("jump", &[4]));
    assert_eq!(code[1] >> 32, 0);
    assert_eq!(code[2], 1 << 32 | u64::from(OPERAND_WORD));
    assert_eq!(code[3], word("i64.br_lt_si", &[0, -5, -2]));
    assert_eq!(code[4], word("jump", &[0]));
}

#[test]
fn branch_tables_have_a_word_per_target() {
    let code = code_of("fn f(i: i32) {\n a: br_table i, [b, a, c]\n b: trap 1\n c: ret\n}");
    let distances: Vec<i32> = code[1..4].iter().map(|word| (word >> 32) as i32).collect();
    assert_eq!(distances, [4, 0, 5]);
    assert!(code[1..4].iter().all(|word| *word as u16 == OPERAND_WORD));
}

#[test]
fn memory_operands() {
    let code = code_of(
        "const OFFSET = 8
        fn f(p: i32, i: i32, r: ref, o: i64, x: i32) {
            x = i32.load [p]
            x = i32.load [p + OFFSET * 2]
            x = i32.load_at [p, i + 4]
            i32.store [p + 4], x
            x = i32.seg_load [r, o + 0xfff]
            ret
        }",
    );
    assert_eq!(code[0], word("i32.load", &[4, 0, 0]));
    assert_eq!(code[1], word("i32.load", &[4, 0, 16]));
    assert_eq!(code[2], word("i32.load_at", &[4, 0, 1, 4]));
    assert_eq!(code[3], word("i32.store", &[0, 4, 4]));
    assert_eq!(code[4], word("i32.seg_load", &[4, 2, 3, 0xfff]));
}

#[test]
fn calls_of_every_kind() {
    let module = module_of(
        "type binary = fn(i32, i32) -> i32
        table ops { add, null }
        fn add(a: i32, b: i32) -> i32 {
            a = i32.add a, b
            ret a
        }
        fn f(a: i32, r: ref) -> i32 {
            a = call add(a, a)
            a = call_indirect ops[a] binary(a, a)
            a, r = svc 3(r, a)
            svc 4()
            ret a
        }",
    );
    assert_eq!(module.tables, [[Some(0), None]]);
    assert_eq!(module.types.len(), 2);
    assert_eq!(module.functions[0].signature, 0, "a type and a function of one signature share it");
    assert_eq!(module.functions[1].code.len(), 2 + 2 + 2 + 1 + 1);
}

#[test]
fn float_literals_are_rounded_once_or_given_by_bits() {
    let bits32 = |literal: &str| code_of(&format!("fn f(x: f32) {{ x = f32.const {literal}; ret }}"))[0] >> 32;
    assert_eq!(bits32("0.1"), u64::from(0.1_f32.to_bits()));
    assert_eq!(bits32("1.00000017881393432617187499"), u64::from(1.000_000_1_f32.to_bits()));
    assert_eq!(bits32("-inf"), u64::from(f32::NEG_INFINITY.to_bits()));
    assert_eq!(bits32("nan"), 0x7fc0_0000);
    assert_eq!(bits32("bits 0x7fc00001"), 0x7fc0_0001);
    assert_eq!(bits32("-0.0"), 0x8000_0000);
    assert_eq!(bits32("3"), u64::from(3.0_f32.to_bits()));
    let code = code_of("const HALF = 1.0 / 2.0\nfn f(x: f64) { x = f64.const HALF + 1.0; ret }");
    assert_eq!(code[1] & !0xffff | code[0] >> 32, 1.5_f64.to_bits());
}

#[test]
fn constants_may_come_in_any_order() {
    let module = module_of(
        "export const A = B * 2 + sizeof text
        export const B = (1 << 4 | 0x0f) ^ 'a' % 7 - -1
        export const ADDRESS = text + 1
        data text { \"hello\" }",
    );
    let constant = |name| module.export(name).unwrap();
    let b = (1 << 4 | 0x0f) ^ (97 % 7 + 1);
    assert_eq!(constant("B"), ExportItem::Constant(b));
    assert_eq!(constant("A"), ExportItem::Constant(b * 2 + 5));
    assert_eq!(constant("ADDRESS"), ExportItem::Constant(17));
}

#[test]
fn long_chains_of_constants_do_not_exhaust_the_stack() {
    let mut source: String = (0..100_000).map(|i| format!("const C{i} = C{} + 1\n", i + 1)).collect();
    source.push_str("const C100000 = 0\nexport const TOTAL = C0");
    assert_eq!(module_of(&source).export("TOTAL"), Some(ExportItem::Constant(100_000)));
}

#[test]
fn data_are_laid_out_in_order_and_reserves_after_them() {
    let module = module_of(
        "reserve buffer 100
        export data a { u8 1, 2, 3 }
        export data b align 16 { u16 0x1234; align 4; u32 -1; f32 1.0; f64 1.0; u64 0xffffffffffffffff }
        export data c { \"x\\n\\xff\"; zero 2; u8 'c' }
        export data fixed at 0x18 { u8 9 }
        export data empty { }
        export const BUFFER = buffer
        fn f(p: i32) { p = i32.const b; ret }",
    );
    let address = |name: &str| match module.export(name) {
        Some(ExportItem::Constant(address)) => address as u32,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(["a", "b", "c", "fixed", "empty"].map(address), [16, 32, 64, 0x18, 72]);
    assert_eq!(address("BUFFER"), 72);
    let data: Vec<_> = module.home.data.iter().map(|segment| (segment.address, segment.bytes.len())).collect();
    assert_eq!(data, [(16, 3), (0x18, 1), (32, 28), (64, 6)]);
    assert_eq!(module.home.data[3].bytes, b"x\n\xff\0\0c");
    assert_eq!(module.home.data[2].bytes[..8], [0x34, 0x12, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!((module.home.min_pages, module.home.max_pages), (1, 1 << 20));
    assert_eq!(module.functions[0].code[0] >> 32, 32);
}

#[test]
fn reserves_take_no_room_in_the_module() {
    let module = module_of("reserve r 1 << 31\nhome 0x80001 max 0x80001\nslots 7");
    assert!(module.home.data.is_empty());
    assert_eq!((module.home.min_pages, module.home.max_pages, module.home.slots), (0x80001, 0x80001, 7));
    assert_eq!(module_of("reserve r 1 << 31").home.min_pages, 0x80001);
}

#[test]
fn lines_are_those_of_the_source_until_an_annotation_says_otherwise() {
    let module = module_of(
        "fn f() {
            nop; nop
            nop
            ret
        }
        @name \"inner name\"
        fn g() {
            nop
            @line \"other.x\" 70 via 1
            nop
            @line none
            ret
        }
        @site \"inlined\" \"other.x\" 3
        @site \"deeper\" \"test.lim\" 4 in 0",
    );
    let debug = module.debug.as_ref().unwrap();
    assert_eq!(*debug.files, ["other.x", "test.lim"]);
    assert_eq!(debug.function_names, ["f", "inner name"]);
    let row = |pc, file, line, site| LineRow { pc, file, line, site };
    assert_eq!(*debug.lines[0], [row(0, Some(1), 2, None), row(2, Some(1), 3, None), row(3, Some(1), 4, None)]);
    assert_eq!(*debug.lines[1], [row(1, Some(0), 70, Some(1)), row(2, None, 0, None)]);
    let location = module.locate(1, 1).unwrap();
    assert_eq!((location.file, location.line), ("other.x", 70));
    assert_eq!(location.calls.iter().map(|call| call.function).collect::<Vec<_>>(), ["deeper", "inlined"]);
}

#[test]
fn debug_information_can_be_left_out() {
    let source = "fn f() { ret }";
    let stripped = assemble("a.lim", source, &NoFiles, Options { strip: true, ..Options::default() }).unwrap();
    assert_eq!(stripped.module.debug, None);
    assert_eq!(module_of("@nodebug\nfn f() { ret }").debug, None);
    assert!(module_of("@nonames\nfn f() { ret }").debug.unwrap().function_names.is_empty());
}

#[test]
fn sections_of_other_tools_are_carried() {
    let module = module_of("@section 0x80000002 { u8 1 }\n@section 8 { \"idl\" }\n@section 0x80000001 { }");
    assert_eq!(module.interfaces.as_deref(), Some(&b"idl"[..]));
    assert_eq!(module.custom.iter().map(|section| section.id).collect::<Vec<_>>(), [0x8000_0001, 0x8000_0002]);
}

fn library(path: &str) -> io::Result<String> {
    match path {
        "lib/a.lim" => Ok("use \"b.lim\"\nuse \"../main.lim\"\nfn a() { call b(); ret }".into()),
        "lib/b.lim" => Ok("use \"a.lim\"\nfn b() { ret }".into()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    }
}

#[test]
fn used_files_are_read_once_and_may_use_each_other() {
    let source = "use \"lib/a.lim\"\nuse \"lib/b.lim\"\nexport fn main() { call a(); ret }";
    let assembled = assemble("main.lim", source, &library, Options::default()).unwrap();
    let files: Vec<_> = assembled.sources.files().iter().map(|file| file.name()).collect();
    assert_eq!(files, ["main.lim", "lib/a.lim", "lib/b.lim"]);
    let debug = assembled.module.debug.unwrap();
    assert_eq!(*debug.files, ["main.lim", "lib/a.lim", "lib/b.lim"]);
    assert_eq!(debug.function_names, ["main", "a", "b"]);
}

#[test]
fn the_same_source_gives_the_same_bytes_wherever_it_lies() {
    let write = |name: &str| {
        let directory = std::env::temp_dir().join(format!("limen-assembler-{}-{name}", std::process::id()));
        std::fs::create_dir_all(directory.join("lib")).unwrap();
        std::fs::write(directory.join("main.lim"), "use \"lib/a.lim\"\nfn main() { call a(); ret }").unwrap();
        std::fs::write(directory.join("lib/a.lim"), "fn a() { ret }").unwrap();
        let assembled = limen_assembler::assemble_file(&directory.join("main.lim"), Options::default()).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assembled
    };
    let (one, other) = (write("one"), write("other"));
    assert_eq!(one.bytes, other.bytes);
    assert_eq!(*one.module.debug.unwrap().files, ["main.lim", "lib/a.lim"]);
}

#[test]
fn every_form_of_separator_and_comment() {
    let code = code_of("/* c */ fn f(x: i32) { // c\n x = i32.add x, // c\n x /* c */; ; nop\n\n;l: jump l }");
    assert_eq!(code, [word("i32.add", &[0, 0, 0]), word("nop", &[]), word("jump", &[0])]);
}

#[test]
fn words_of_declarations_are_names_in_bodies() {
    let code = code_of(
        "fn f(data: i32, table: i32) {\n reg home, type: i32\n home = i32.add data, table\n slots: jump slots\n}",
    );
    assert_eq!(code, [word("i32.add", &[2, 0, 1]), word("jump", &[0])]);
}

#[test]
fn registers_and_constants_do_not_hide_each_other() {
    let code = code_of("const k = 4\nfn f(k: i32) {\n k = i32.addi k, k\n k = i32.load [k + k]\n ret\n}");
    assert_eq!(code[..2], [word("i32.addi", &[0, 0, 4]), word("i32.load", &[0, 0, 4])]);
}

#[test]
fn a_root_that_cannot_be_read_is_an_error() {
    let path = std::path::Path::new("no/such/file.lim");
    let errors = limen_assembler::assemble_file(path, Options::default()).unwrap_err();
    assert!(errors.list()[0].message.starts_with("cannot read `no/such/file.lim`"), "{errors}");
}

#[test]
fn a_listing_shows_every_part_of_a_module() {
    let source = "\
@file \"a.lim\"
@site \"inlined\" \"a.lim\" 3

home 1 max 16
slots 2

type type0 = fn(i32, ref) -> (i32, i64)
type type1 = fn()

data data0 at 0x10 {
    \"hello\\n\"
    u8 1, 2
    zero 20
}

export const LIMIT = -5
export \"a b\" = 7

table table0 { main, null }

export fn main(r0: i32, r1: ref) -> (i32, i64) {
    reg r2, r3: i64
    reg r4: f32
    @line \"a.lim\" 4 via 0
    r2 = i64.load [r0 + 8]
    r4 = f32.const 0.1
  l0:
    r0 = i32.seg_load [r1, r2]
    i32.br_lt_si r0, 10, l0
    @line none
    r0, r2 = call_indirect table0[r0] type0(r0, r1)
    call f1()
    r1, r2 = svc 3(r0, r1)
    ret r0, r2
}
export \"start\" = main

@name \"not an identifier\"
fn f1() {
    @line
    br_table_l: nop
    @word 0x0000000000000000
    ret
}

@section 0x80000000 {
    \"note\"
}
";
    let source = source.replace("br_table_l: ", "");
    let assembled =
        assemble("x.lim", &source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(disassemble(&assembled.module), source);
}

#[test]
fn a_hundred_thousand_lines_assemble_quickly() {
    let mut source = String::new();
    for function in 0..1000 {
        source.push_str(&format!("fn f{function}(a: i32, p: i32) -> i32 {{\n"));
        for line in 0..32 {
            source.push_str(&format!("  l{line}:\n    a = i32.addi a, {line}\n    i32.br_lt_s a, p, l{line}\n"));
        }
        source.push_str("    ret a\n}\n");
    }
    let begin = std::time::Instant::now();
    let module = module_of(&source);
    let elapsed = begin.elapsed();
    eprintln!("{} lines in {elapsed:?}", source.lines().count());
    assert_eq!(module.functions.len(), 1000);
    assert!(elapsed.as_secs() < 5, "{elapsed:?}");
}

#[test]
fn what_only_dropped_functions_need_is_dropped() {
    let module = module_of(
        "fn unused() -> []u8 {\n    return \"nobody asks\"\n}\nfn text() -> []u8 {\n    return \"asked for\"\n}\n\
         fn waits() {\n    assert text().len > 1, \"unsaid\"\n    let f = unused\n    assert f().len > 1\n}\n\
         export fn main() -> i32 {\n    assert text().len == 9, \"said\"\n    let f = text\n    return f().len as i32\n}\n",
    );
    let holds = |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
    let in_home = |part| module.home.data.iter().any(|segment| holds(&segment.bytes, part));
    let in_sections = |part| module.custom.iter().any(|section| holds(&section.bytes, part));
    assert!(in_home("asked for") && !in_home("nobody asks"));
    assert!(in_sections("said") && !in_sections("unsaid"));
    assert_eq!(module.tables.iter().map(Vec::len).collect::<Vec<_>>(), [2], "none, and text");
}

#[test]
fn what_only_a_static_names_is_kept() {
    let module = module_of(
        "fn first() -> []u8 {\n    return \"what a static asks for\"\n}\nstatic names: [1]fn() -> []u8 = [first]\n\
         export fn main() -> i32 {\n    let f = names[0]\n    return f().len as i32\n}\n",
    );
    let text = b"what a static asks for";
    assert!(module.home.data.iter().any(|segment| segment.bytes.windows(text.len()).any(|window| window == text)));
}

/// How many functions a source has in its module.
fn kept(source: &str, strip: bool) -> usize {
    let options = Options { strip, ..Options::default() };
    let assembled = assemble("test.lim", source, &NoFiles, options).unwrap_or_else(|errors| panic!("{errors}"));
    assembled.module.functions.len()
}

#[test]
fn equal_functions_are_kept_once_unless_a_backtrace_would_name_the_wrong_one() {
    let harmless =
        "export fn f(n: u32) -> u32 {\n    return n ^ 7\n}\nexport fn g(n: u32) -> u32 {\n    return n ^ 7\n}\n";
    let stopping = harmless.replace("n ^ 7", "n + 7");
    assert_eq!([kept(harmless, false), kept(harmless, true)], [1, 1]);
    assert_eq!([kept(&stopping, false), kept(&stopping, true)], [2, 1]);
    let long = "n = n + 7 * n\n".repeat(20);
    let instances = format!(
        "fn of[T](p: *T, n: u32) -> u32 {{\n{long}return n + u32(p == null)\n}}\n\
         export fn f(p: *u8, q: *u16, n: u32) -> u32 {{\nreturn of(p, n) + of(q, n) + of(p, 1) + of(q, 2)\n}}\n"
    );
    assert_eq!(kept(&instances, false), 2);
}
