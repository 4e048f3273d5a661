//! `grep`.

use crate::support::{ENGINES, Folder, TEXT, pseudo_random, text};

/// Lines of few different characters, so that short expressions are found in some and not in others.
fn short_lines() -> Vec<u8> {
    const LETTERS: &[u8; 16] = b"aaabbcABx01 -_.\n";
    pseudo_random(6000).into_iter().map(|byte| LETTERS[usize::from(byte >> 4)]).collect()
}

/// Patterns of every construct.
const PATTERNS: &[&str] = &[
    "a",
    "^a",
    "a$",
    "^$",
    "^",
    "$",
    "",
    "a*",
    "a+b",
    "a?b",
    "(a|b)+c",
    "[abc]{2}",
    "a{2,}",
    "a{,2}b",
    "(ab){1,3}",
    "()",
    ".+",
    "[[:alpha:]]+",
    "[^[:space:]]+",
    "[[:digit:]]{1,2}",
    "^[^a]*$",
    "a.b",
    "\\.",
    "\\w+",
    "\\W",
    "\\s+x",
    "x|y|^b",
    "(^|a)b",
    "b($|c)",
    "[]a]",
    "[^]a]",
    "[a-]",
    "[-a]+",
    "[0-9A-B]",
    "a||b",
    "(a|)b",
    "a{1}{2}",
    "(a*)*",
    "(a*)+b",
    "(a|ab)(c|bcd)?",
    "[[:upper:]][[:lower:]]",
    "a{0}b",
    "a{",
    "a{x",
    "[.]",
    "-",
    ".*b",
    "^.{3}$",
    "(a|b|c|x){3,5}1",
    "a$b",
    "a^b",
    "a)",
    "[[:punct:]][[:alnum:]]*",
    "((a|b)c?){2}[[:xdigit:]]",
    "(a|b)*a(a|b){4}",
    "[[:blank:][:digit:]x-]+$",
    "\\(|\\{|\\\\|_",
];

#[test]
fn grep_finds_what_the_hosts_finds() {
    let mut folder = Folder::new();
    folder.write("lines", &short_lines());
    folder.write("text", TEXT.as_bytes());
    let options =
        ["-a", "-v", "-i", "-n", "-c", "-o", "-x", "-in", "-on", "-q", "-l", "-vc", "-ox", "-io", "-nH", "-hv"];
    for (number, pattern) in PATTERNS.iter().enumerate() {
        // Each pattern with some options, each option with some patterns.
        for option in options.iter().skip(number % 4).step_by(4) {
            let files: &[&str] = if number % 2 == 0 { &["lines"] } else { &["lines", "text"] };
            let host_arguments = [&["-aE", *option, "-e", pattern], files].concat();
            let expected = folder.host("grep", &host_arguments, None);
            // What the host needs to be told, that bytes are text, goes without saying here.
            let arguments = if *option == "-a" { vec!["-e", pattern] } else { vec![*option, "-e", pattern] };
            let engine = ENGINES[number % ENGINES.len()];
            let output = folder.run_on(engine, "grep", &[&arguments[..], files].concat());
            assert_eq!(output.status.code(), expected.status.code(), "{pattern:?} {option}: {}", text(&output.stderr));
            assert_eq!(text(&output.stdout), text(&expected.stdout), "{pattern:?} {option} {engine}");
        }
    }
}

#[test]
fn grep_refuses_what_is_no_expression() {
    let deep = "(".repeat(300);
    let cases = [
        ("(a", "a ) is missing"),
        ("[a", "a ] is missing"),
        ("[b-a]", "a range begins behind its end"),
        ("[[:letter:]]", "there is no such class of characters"),
        ("[[.a.]]", "there is no such class of characters"),
        ("*a", "there is nothing to repeat"),
        ("a{2,1}", "a repetition is not possible so often"),
        ("a{99999}", "a repetition is not possible so often"),
        ("((a{200}){200}){200}", "the expression is too large"),
        (&deep, "the expression has too many parentheses in each other"),
        ("(a)\\1", "there is no such escape"),
        ("a\\", "there is no such escape"),
    ];
    for (pattern, message) in cases {
        let output = Folder::new().run("grep", &["-e", pattern], None);
        assert_eq!(output.status.code(), Some(2), "{pattern}");
        assert_eq!(text(&output.stderr), format!("grep: {message}\n"), "{pattern}");
    }
    assert_eq!(Folder::new().run("grep", &[], None).status.code(), Some(2));
    assert_eq!(Folder::new().run("grep", &["a", "missing"], None).status.code(), Some(2));
}

/// Expressions on which backtracking takes for ever, on a line that is longer than any buffer.
#[test]
fn grep_takes_its_time_from_the_line_alone() {
    let mut folder = Folder::new();
    folder.write("line", "a".repeat(1_000_000).as_bytes());
    for (pattern, count) in [("(a*)*b", 0), ("(a|aa)+$", 1), ("(a|b)*a(a|b){12}c", 0), ("((a?){20}a{20})+b", 0)] {
        let output = folder.run("grep", &["-c", pattern, "line"], None);
        assert_eq!(text(&output.stdout), format!("{count}\n"), "{pattern}: {}", text(&output.stderr));
    }
}
