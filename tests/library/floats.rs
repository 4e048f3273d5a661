//! Floats as text and back, compared with the host's.
//!
//! `LIMEN_FLOAT_CASES` says how many random cases of each sort there are, `LIMEN_FLOAT_SEED` which.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::root;

const ENGINES: [&str; 3] = ["interp", "jit", "tiered"];

/// The number that a variable gives, or another one.
fn knob(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Bits that look random (xorshift64*), for each sort of cases others.
fn random_bits(sort: u64) -> impl Iterator<Item = u64> {
    let mut state = (knob("LIMEN_FLOAT_SEED", 1) * 64 + sort).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    std::iter::repeat_with(next).take(usize::try_from(knob("LIMEN_FLOAT_CASES", 5_000)).expect("it is no large number"))
}

/// What the program in `floats.lim` makes of an input, which all engines agree on.
fn converted(way: &[&str], input: &[u8]) -> Vec<u8> {
    let outputs = ENGINES.map(|engine| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        command.args(["run", "--engine", engine]).arg(root().join("tests/library/floats.lim")).args(way);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("limen starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        let writer = std::thread::spawn({
            let input = input.to_vec();
            move || stdin.write_all(&input)
        });
        let output = child.wait_with_output().expect("limen ends");
        writer.join().expect("the writer does not panic").expect("all of the input is read");
        assert!(output.status.success(), "{way:?} on {engine}");
        output.stdout
    });
    assert!(outputs.iter().all(|output| *output == outputs[0]), "engines differ: {way:?}");
    let [first, ..] = outputs;
    first
}

fn lines_of(way: &[&str], patterns: &[u64]) -> Vec<String> {
    let input: Vec<u8> = patterns.iter().flat_map(|pattern| pattern.to_le_bytes()).collect();
    let text = String::from_utf8(converted(way, &input)).expect("numbers are text");
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), patterns.len());
    lines
}

fn bits_of(way: &str, texts: &[String]) -> Vec<u64> {
    let words = converted(&[way], texts.join("\n").as_bytes());
    assert_eq!(words.len(), 8 * texts.len());
    words.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("there are eight"))).collect()
}

/// Sign, digits without zeroes around them, and the exponent of the first of them; or the word.
fn parts(text: &str) -> (bool, String, i32) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if text.starts_with(|c: char| c.is_alphabetic()) {
        return (negative && text != "nan", text.to_lowercase(), 0);
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.trim_start_matches('+').parse().expect("an exponent is a number");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return (negative, "0".to_owned(), 0);
    }
    let zeroes = (digits.len() - significant.len()) as i32;
    (negative, significant.trim_end_matches('0').to_owned(), exponent + whole.len() as i32 - zeroes - 1)
}

/// Random bits, and for every exponent the first, the last and the middle significand, and their neighbours.
fn patterns_64() -> Vec<u64> {
    const FRACTION: u64 = (1 << 52) - 1;
    let edges = [0, 1, 2, FRACTION / 2, FRACTION / 2 + 1, FRACTION - 1, FRACTION];
    let all = (0..0x800_u64).flat_map(|exponent| edges.map(|fraction| exponent << 52 | fraction));
    let powers = (-323..309).flat_map(|ten| {
        let bits = format!("1e{ten}").parse::<f64>().expect("it is a number").to_bits();
        [bits - 1, bits, bits + 1]
    });
    let whole = random_bits(1).map(|bits| ((bits >> (bits & 63)) as f64).to_bits());
    all.chain(powers).chain(whole).chain(random_bits(2)).collect()
}

fn patterns_32() -> Vec<u64> {
    const FRACTION: u64 = (1 << 23) - 1;
    let edges = [0, 1, 2, FRACTION / 2, FRACTION / 2 + 1, FRACTION - 1, FRACTION];
    let all = (0..0x200_u64).flat_map(|exponent| edges.map(|fraction| exponent << 23 | fraction));
    all.chain(random_bits(3).map(|bits| bits >> 32)).collect()
}

/// Asserts that a text is the shortest one that gives a float, and the nearest to it of these. Where the host has another
/// one that is as near, the float is in the middle of both, and the last digit is to be even.
#[track_caller]
fn assert_shortest(line: &str, host: &str, exact: &str) {
    let (ours, theirs) = (parts(line), parts(host));
    if ours != theirs {
        assert_eq!((ours.0, ours.1.len(), ours.2), (theirs.0, theirs.1.len(), theirs.2), "{line} instead of {host}");
        assert_eq!(parts(exact).1, format!("{}5", ours.1), "{line} instead of {host}");
        assert!(ours.1.ends_with(['0', '2', '4', '6', '8']), "{line} instead of {host}");
    }
}

#[test]
fn floats_are_written_as_the_host_writes_them() {
    let patterns = patterns_64();
    for (line, pattern) in lines_of(&["write64"], &patterns).iter().zip(&patterns) {
        let value = f64::from_bits(*pattern);
        assert_shortest(line, &format!("{value:e}"), &format!("{value:.60e}"));
        assert!(value.is_nan() || line.parse() == Ok(value), "{pattern:#x} is written as {line}");
        assert!(line.len() <= 25, "{line}");
    }
    let patterns = patterns_32();
    for (line, pattern) in lines_of(&["write32"], &patterns).iter().zip(&patterns) {
        let value = f32::from_bits(*pattern as u32);
        assert_shortest(line, &format!("{value:e}"), &format!("{value:.60e}"));
    }
}

#[test]
fn floats_are_rounded_to_decimals_as_the_host_does() {
    let patterns = patterns_64();
    for decimals in [0_usize, 1, 2, 17, 300] {
        let some: Vec<u64> = patterns.iter().copied().step_by(1 + decimals % 7).collect();
        for (line, pattern) in lines_of(&["fixed", &decimals.to_string()], &some).iter().zip(&some) {
            let value = f64::from_bits(*pattern);
            if value.is_finite() {
                assert_eq!(*line, format!("{value:.decimals$}"), "{pattern:#x}");
            }
        }
    }
}

/// Numbers in the middle between two floats of 64 bits, exactly, and just beside it.
fn middles() -> Vec<String> {
    let mut texts = Vec::new();
    for (index, bits) in random_bits(4).enumerate() {
        let odd = u128::from((bits >> 11 | 1 << 52) * 2 + 1);
        let middle = match index % 3 {
            0 => format!("{}", odd << (bits % 70)),
            1 => format!("{}e-{}", odd * 5_u128.pow((bits % 31) as u32), bits % 31),
            _ => format!("{}.{:031}", odd >> 9, (odd & 0x1ff) * 10_u128.pow(31) / 512),
        };
        let digits = middle.split_once('e').map_or(&*middle, |(digits, _)| digits);
        let exponent = &middle[digits.len()..];
        let point = if digits.contains('.') { "" } else { "." };
        texts.push(format!("{digits}{point}{}1{exponent}", "0".repeat((bits % 900) as usize)));
        texts.push(middle);
    }
    texts
}

/// Digits of any number, with a point and an exponent anywhere.
fn random_texts() -> Vec<String> {
    let mut texts = Vec::new();
    for bits in random_bits(5) {
        let mut text = String::new();
        let mut state = bits;
        for _ in 0..bits % 40 + 1 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(text, "{}", state >> 33).expect("a string takes everything");
        }
        text.truncate((bits >> 8) as usize % text.len() + 1);
        text.insert((bits >> 16) as usize % (text.len() + 1), '.');
        texts.push(if text == "." { "0".to_owned() } else { format!("{text}e{}", (bits >> 40) as i32 % 400) });
    }
    texts
}

/// Numbers that others got wrong.
fn known_hard() -> Vec<String> {
    let texts = [
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "2.2250738585072014e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.47032822920623272e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1.797693134862315807e308",
        "9007199254740992.9999999999999999",
        "9007199254740993",
        "9007199254740993.0000000000000001",
        "6.631236871469758276785396630275967e-4",
        "1.448997445238699e0",
        "3.571e266",
        "3.08984926168550152811e-32",
        "8.533e+68",
        "4.1006e-184",
        "9.998e+307",
        "9.9538452227e-280",
        "6.47660115e-260",
        "7.4e+47",
        "5.92e+48",
        "7.35e+66",
        "8.32116e+55",
        "1e-400",
        "1e400",
        "0e400",
        "123456789012345678901234567890e-400",
        "1.00000017881393421514957253748434595763683319091796875001",
        "1.000000059604644775390625",
        "1.000000178813934326171875",
        "340282356779733661637539395458142568448",
        "340282356779733661637539395458142568447",
        "7.0064923216240853546186479164495e-46",
        "7.0064923216240853546186479164496e-46",
        "0.000000000000000000000000000000000000011754943508222875079687365372222456778186655567720875215087517062784172594547271728515625",
        ".5",
        "5.",
        "+1",
        "-0",
        "inf",
        "-Infinity",
    ];
    texts.map(str::to_owned).to_vec()
}

/// An exponent may be far beyond those of floats if there are as many zeroes. The host does not know that.
#[test]
fn zeroes_and_exponents_may_be_many() {
    let one = format!("{}1{}e-1000000", "0".repeat(5000), "0".repeat(1_000_000));
    let tenth = format!("0.{}1e1000000", "0".repeat(1_000_000));
    assert_eq!(bits_of("read64", &[one, tenth]), [1.0_f64, 0.1].map(f64::to_bits));
}

#[test]
fn texts_give_the_floats_that_the_host_finds() {
    let written = patterns_64().into_iter().map(f64::from_bits).filter(|value| !value.is_nan());
    let texts: Vec<String> =
        written.map(|value| format!("{value:e}")).chain(middles()).chain(random_texts()).chain(known_hard()).collect();
    for (pattern, text) in bits_of("read64", &texts).iter().zip(&texts) {
        let value: f64 = text.parse().expect("it is a number");
        assert_eq!(*pattern, value.to_bits(), "{}", &text[..text.len().min(1000)]);
    }
    for (pattern, text) in bits_of("read32", &texts).iter().zip(&texts) {
        let value: f32 = text.parse().expect("it is a number");
        assert_eq!(*pattern, u64::from(value.to_bits()), "{}", &text[..text.len().min(1000)]);
    }
}

/// Numbers in the middle between two floats of 32 bits are floats of 64 bits.
#[test]
fn middles_of_short_floats_go_to_the_even_one() {
    let mut texts = Vec::new();
    for bits in random_bits(6) {
        let value = f32::from_bits((bits >> 33) as u32);
        if value.is_finite() {
            let next = f32::from_bits(value.to_bits() + 1);
            let middle = (f64::from(value) + f64::from(next)) / 2.0;
            let exact = format!("{middle:.160}");
            texts.extend([format!("{exact}1"), format!("{middle:e}"), exact]);
        }
    }
    for (pattern, text) in bits_of("read32", &texts).iter().zip(&texts) {
        let value: f32 = text.parse().expect("it is a number");
        assert_eq!(*pattern, u64::from(value.to_bits()), "{text}");
    }
}
