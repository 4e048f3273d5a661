//! Whatever the text, the assembler answers with a module or with errors, soon and without a panic.

use std::time::{Duration, Instant};

use limen_assembler::{NoFiles, Options, assemble, format, parse};
use proptest::prelude::*;

/// A source that has something of everything.
const SAMPLE: &str = r#"
// A comment /* with another */
use "other.lim" /* empty */
@file "a.lim"
@site "inlined" "a.lim" 3
const SIZE = (1 << 4) | 'x' - -2 % 3 ^ ~-1 // trailing
const HALF = 1.5e0 * inf
data text align 16 at 0x100 { "hello\n\x00"; u8 1, 2,
    3
    zero 4; align 8 }
export reserve buffer SIZE * 2 align 4
table ops { f, null,
    f }
type binary = fn(i32, ref) -> (i32)
home 1 max 2; slots 3
@name "debug name"
export fn f(a: i32, r: ref) -> (i32) { reg x, y: i64 // why
  again: x = i64.const64 sizeof text
    @line "a.lim" 7 via 0
    i32.store [a + SIZE], a

    /* a
       b */ y = i64.seg_load [r, x + 8];i32.br_lt_si a, -1, again
    br_table a, [again, end]
    a = call_indirect ops[a] binary(a, r)
    a, r = svc 3(a, /* inner */ r)
    @line none
  end:
    @word 0x10, 1
    ret (a)
}
export "other name" = f
@section 0x80000000 { f32 bits 0x7fc00001 }
"#;

const PIECES: &[&str] = &[
    "fn",
    "f",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ";",
    ":",
    "=",
    "->",
    "\n",
    "\n",
    " ",
    "+",
    "-",
    "*",
    "/",
    "<<",
    "|",
    "~",
    "const",
    "data",
    "reserve",
    "table",
    "type",
    "home",
    "slots",
    "use",
    "export",
    "reg",
    "sizeof",
    "null",
    "bits",
    "i32",
    "ref",
    "x",
    "y",
    "a",
    "i32.add",
    "i32.load",
    "jump",
    "ret",
    "call",
    "call_indirect",
    "svc",
    "br_table",
    "@line",
    "@word",
    "@file",
    "@site",
    "@name",
    "@section",
    "@nodebug",
    "@what",
    "0",
    "1",
    "0xffff_ffff_ffff_ffff",
    "99999999999999999999",
    "1.5",
    "1e999",
    "'x'",
    "\"text\"",
    "\"\\xff\"",
    "\"open",
    "'",
    "// c\n",
    "/* c */",
    "/*",
    "é",
    "u8",
    "zero",
    "align",
    "at",
    "max",
    "none",
    "via",
    "in",
    "fn f(a: i32) {\n",
    "  l:\n",
    "a = i32.add a, a\n",
    "ret }\n",
];

fn soup() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(PIECES), any::<bool>());
    let spaced = |(piece, space): (&str, bool)| if space { format!("{piece} ") } else { piece.to_owned() };
    prop::collection::vec(piece.prop_map(spaced), 0..60).prop_map(|pieces| pieces.concat())
}

/// The sample with some of its characters replaced by pieces.
fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..6_usize, prop::sample::select(PIECES));
    prop::collection::vec(change, 0..8).prop_map(|changes| {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        for (at, removed, piece) in changes {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// The sample with white space, comments and separators put between its tokens.
fn respaced() -> impl Strategy<Value = String> {
    let trivia =
        ["  ", "\n", "\n\n\n", " /* c */ ", " // c\n", ";\n", "\t", " \r\n", "\n// own line\n", "\n/* own */\n"];
    let insertion = (any::<prop::sample::Index>(), prop::sample::select(trivia.to_vec()));
    prop::collection::vec(insertion, 0..12).prop_map(|insertions| {
        let mut text = SAMPLE.to_owned();
        for (at, trivia) in insertions {
            let spaces: Vec<_> = text.match_indices([' ', '\n', ',', '(']).map(|(at, _)| at + 1).collect();
            text.insert_str(*at.get(&spaces), trivia);
        }
        text
    })
}

/// Finds every file, and nothing in it.
fn empty_file(_path: &str) -> std::io::Result<String> {
    Ok(String::new())
}

/// The tree as text, without positions.
fn shape(source: &str) -> String {
    let tree = format!("{:?}", parse(source).0);
    let mut parts = tree.split("Span {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.split_once('}').map_or("", |(_, rest)| rest))
}

/// Runs everything on a text; if it parses, its layout is checked too.
fn survives(source: &str) {
    let (_, errors) = parse(source);
    let assembled = assemble("soup.lim", source, &empty_file, Options { strip: true, ..Options::default() });
    if let Err(errors) = &assembled {
        assert!(!errors.list().is_empty());
        assert!(!errors.render(true).is_empty());
    }
    match format(source) {
        Ok(_) => assert_eq!(errors, []),
        // There is no layout of the structured notation.
        Err(refusal) => assert!(!errors.is_empty() || refusal.to_string().contains("this cannot be formatted")),
    }
    if let Ok(text) = format(source) {
        assert_eq!(shape(&text), shape(source), "the layout changed the meaning:\n{source}\n--\n{text}");
        assert_eq!(format(&text).unwrap(), text, "not settled:\n{source}");
        for comment in ["// c", "/* c"] {
            assert_eq!(text.matches(comment).count(), source.matches(comment).count(), "comments were lost");
        }
        if let Ok(assembled) = assembled {
            let again =
                assemble("soup.lim", &text, &empty_file, Options { strip: true, ..Options::default() }).unwrap();
            assert_eq!(again.bytes, assembled.bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup(source in soup()) {
        survives(&source);
    }

    #[test]
    fn mutations_of_a_source(source in mutated()) {
        survives(&source);
    }

    #[test]
    fn other_layouts_of_a_source(source in respaced()) {
        survives(&source);
    }

    #[test]
    fn any_text(source in ".*") {
        survives(&source);
    }
}

#[test]
fn the_sample_is_a_source() {
    let (_, errors) = parse(SAMPLE);
    assert_eq!(errors, []);
    assemble("sample.lim", SAMPLE, &empty_file, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
}

/// Asserts that a text is refused, and soon.
#[track_caller]
fn is_refused(source: &str) {
    let begin = Instant::now();
    let errors = assemble("hostile.lim", source, &NoFiles, Options::default()).unwrap_err();
    assert!(!errors.render(false).is_empty());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn nothing_nests_without_bound() {
    const DEEP: usize = 100_000;
    let repeat = |text: &str| text.repeat(DEEP);
    is_refused(&format!("const A = {}1{}", repeat("("), repeat(")")));
    is_refused(&format!("const A = {}1{}", repeat("(\n"), repeat(")\n")));
    is_refused(&format!("const A = {}1", repeat("-")));
    is_refused(&format!("const A = 1{}", repeat(" + 1")));
    is_refused(&format!("const A = {} {}", repeat("("), repeat("x ")));
    is_refused(&format!("const A = {} {}", repeat("(-"), repeat("x ")));
    is_refused(&format!("const A = {} {}", repeat("~-"), repeat("x ")));
    is_refused(&format!("fn f() {{ nop {} }}", repeat("[")));
    is_refused(&format!("fn f() {{ nop {}{} }}", repeat("["), repeat(")")));
    is_refused(&repeat("{"));
    is_refused(&repeat("fn f() {"));
    is_refused(&repeat("/*"));
    is_refused(&repeat("\"\\"));
}

#[test]
fn the_structured_notation_nests_no_deeper() {
    const DEEP: usize = 100_000;
    let repeat = |text: &str| text.repeat(DEEP);
    is_refused(&format!("fn f() -> u32 {{\n    return {}1{}\n}}\n", repeat("("), repeat(")")));
    is_refused(&format!("fn f() -> bool {{\n    return {}true\n}}\n", repeat("not ")));
    is_refused(&format!("fn f(a: i32) -> i32 {{\n    return a{}\n}}\n", repeat(" + a")));
    is_refused(&format!("fn f(a: i32) -> i32 {{\n    return a{}\n}}\n", repeat(".b")));
    is_refused(&format!("fn f() {{\n{}f()\n}}\n", repeat("defer ")));
    is_refused(&format!("fn f(a: {}u8) {{\n}}\n", repeat("*")));
    is_refused(&format!("fn f(a: {}u8) {{\n}}\n", repeat("[]")));
    is_refused(&format!("static a: {}u8\n", repeat("[1]")));
}

#[test]
fn endless_types_and_instances_are_refused() {
    is_refused("struct A { b: B }\nstruct B { a: A }\nstatic x: A\n");
    is_refused("struct P[T] { x: T }\nfn g[T](x: T) {\n    g(P[T](x: x))\n}\nfn f() {\n    g(u32(1))\n}\n");
    is_refused(
        "struct P[A, B] { x: A, y: B }\nfn g[T](x: T) {\n    g(P[T, T](x: x, y: x))\n}\nfn f() {\n    g(u32(1))\n}\n",
    );
    is_refused("static a: [0xffff_ffff][0xffff_ffff]u64\n");
    is_refused("fn f() -> i64 {\n    return -9223372036854775808 - 1\n}\n");
}

#[test]
fn many_errors_take_no_longer_than_few() {
    is_refused(&")\n".repeat(100_000));
    is_refused(&"fn f( {\n".repeat(100_000));
    is_refused(&format!("fn f() {{\n{}}}", "x y z\n".repeat(100_000)));
    is_refused(&format!("fn f() {{\n{}}}", "jump nowhere\n".repeat(100_000)));
    is_refused(&format!("data d {{\n{}}}", "u8 300\n".repeat(100_000)));
    is_refused(&(0..100_000).map(|i| format!("const C{i} = C{}\n", (i + 1) % 100_000)).collect::<String>());
    is_refused(&(0..50_000).map(|i| format!("const LONG_NAME_{i} = LONGNAME_{i}\n")).collect::<String>());
}

#[test]
fn sizes_are_refused_before_room_is_made() {
    is_refused("data d { zero 99999999999 }");
    is_refused("data d { zero 0x10000000; zero 0x10000000 }");
    is_refused("reserve r 1 << 33");
    is_refused("reserve r 1 << 100");
    is_refused("data d at 0xffffffff { zero 2 }");
    is_refused("data d { align 1 << 40 }");
    is_refused("@section 0x80000000 { zero 1 << 40 }");
}

#[test]
fn many_declarations_are_no_slower_than_their_number() {
    let begin = Instant::now();
    let mut source: String = (0..50_000).map(|i| format!("data d{i} at {} {{ u8 1 }}\n", 100 + i * 8)).collect();
    source.extend((0..50_000).map(|i| format!("reserve r{i} 4\n")));
    let registers: Vec<_> = (0..4000).map(|i| format!("r{i}")).collect();
    source.push_str(&format!("fn f() {{\nreg {}: i32\n", registers.join(", ")));
    source.extend((0..50_000).map(|i| format!("l{i}: i32.br_eqi r{}, 0, l{}\n", i % 4000, 49_999 - i)));
    source.push_str("ret }");
    assemble("many.lim", &source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

/// A function that takes `n` and is made of as many lines, each of which knows its number.
fn long_function(count: usize, line: impl Fn(usize) -> String) -> String {
    let lines: String = (0..count).map(line).collect();
    format!("export fn f(n: u32) -> u32 {{\nvar x = n\n{lines}return x\n}}\n")
}

#[test]
fn long_functions_are_no_slower_than_their_length() {
    let chain: String = (1..30_000).map(|i| format!("}} else if n == {i} {{\nx = {i}\n")).collect();
    let sources = [
        long_function(20_000, |i| format!("x = x *% {} +% {i}\n", i % 97 + 3)),
        long_function(20_000, |i| format!("if x > {i} {{ x = x *% {} }}\n", i % 97 + 3)),
        long_function(10_000, |i| format!("while x < {i} {{ x += {} }}\n", i % 7 + 1)),
        long_function(2000, |i| format!("let y{i} = x *% {i}\nif y{i} > n {{ x = y{} }}\n", i / 2)),
        long_function(1, |_| format!("if n == 0 {{\nx = 2\n{chain}}}\n")),
    ];
    for source in sources {
        let begin = Instant::now();
        assemble("long.lim", &source, &NoFiles, Options::default()).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}
