//! Programs that compute.

use std::collections::HashSet;

use crate::support::{Folder, beginning, printed, success, text};

#[test]
fn hello_says_hello() {
    assert_eq!(printed("hello", &[]), "Hello, world!\n");
}

#[test]
fn nbody_knows_the_energies() {
    assert_eq!(printed("nbody", &[]), "-0.169075164\n-0.169087605\n");
    assert_eq!(printed("nbody", &["0"]), "-0.169075164\n-0.169075164\n");
    assert_eq!(printed("nbody", &["50000"]), "-0.169075164\n-0.169078071\n");
}

#[test]
fn sieve_finds_the_primes() {
    assert_eq!(printed("sieve", &[]), "78498 primes up to 1000000, the last of them 999983\n");
    assert_eq!(printed("sieve", &["100000000"]), "5761455 primes up to 100000000, the last of them 99999989\n");
    assert_eq!(printed("sieve", &["1"]), "0 primes up to 1\n");
    assert_eq!(printed("sieve", &["-p", "31"]), "2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n31\n");
    let primes: Vec<u32> = (2..5000).filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0)).collect();
    let lines: Vec<u32> = printed("sieve", &["-p", "4999"]).lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lines, primes);
}

#[test]
fn numbers_are_checked() {
    for number in ["-1", "1x", "", "0x10", "99999999999999999999", "5000000000"] {
        let output = Folder::new().run("sieve", &[number], None);
        assert_eq!(output.status.code(), Some(1), "{number:?}");
        assert!(text(&output.stderr).contains("sieve: a number is expected"), "{}", text(&output.stderr));
    }
}

#[test]
fn mandelbrot_draws_the_same_picture_every_time() {
    const HEADER: &[u8] = b"P6\n120 80\n255\n";
    let draw = || success(Folder::new().run("mandelbrot", &["120", "80", "100"], None));
    let picture = draw();
    assert!(picture.starts_with(HEADER), "{}", beginning(&picture));
    let pixels: Vec<&[u8]> = picture[HEADER.len()..].chunks(3).collect();
    assert_eq!(pixels.len(), 120 * 80);
    assert_eq!(pixels[40 * 120 + 90], [0, 0, 0], "zero is in the set");
    let colours: HashSet<&[u8]> = pixels.into_iter().collect();
    assert!(colours.len() > 20, "{colours:?}");
    assert!(picture == draw());
}

/// The set is symmetrical, and so are the rows around the middle one.
#[test]
fn mandelbrot_is_symmetrical() {
    let picture = success(Folder::new().run("mandelbrot", &["60", "40", "64"], None));
    let rows: Vec<&[u8]> = picture[b"P6\n60 40\n255\n".len()..].chunks(3 * 60).collect();
    for distance in 1..20 {
        assert!(rows[20 - distance] == rows[20 + distance], "{distance} rows from the middle");
    }
}

#[test]
fn fib_and_collatz_know_their_sequences() {
    assert_eq!(printed("fib", &["0"]), "0\n");
    assert_eq!(printed("fib", &["25"]), "75025\n");
    assert_eq!(printed("collatz", &["27"]), "27 takes 111 steps\n");
    assert_eq!(printed("collatz", &[]), "837799 takes 524 steps\n");
}

#[test]
fn calc_computes() {
    let computed = |items: &str| printed("calc", &items.split(' ').collect::<Vec<_>>());
    assert_eq!(computed("2 3 + 4 x"), "20\n");
    assert_eq!(computed("-7 2 /"), "-3\n");
    assert_eq!(computed("-7 2 %"), "-1\n");
    assert_eq!(computed("1 2 3 * -"), "-5\n");
    assert_eq!(computed("9223372036854775807"), "9223372036854775807\n");
    assert_eq!(computed("-9223372036854775808"), "-9223372036854775808\n");
}

#[test]
fn calc_says_what_is_wrong() {
    let errors = [
        ("1 0 /", "a divisor is zero"),
        ("-9223372036854775808 -1 /", "does not fit"),
        ("-9223372036854775808 -1 x", "does not fit"),
        ("9223372036854775807 1 +", "does not fit"),
        ("1 +", "fewer than two numbers"),
        ("1 2", "one result"),
        ("1 2 plus", "neither a number of 64 bits nor an operator"),
        ("9223372036854775808", "neither a number of 64 bits nor an operator"),
    ];
    for (items, message) in errors {
        let output = Folder::new().run("calc", &items.split(' ').collect::<Vec<_>>(), None);
        assert_eq!(output.status.code(), Some(1), "{items}");
        assert!(text(&output.stderr).contains(message), "{items}: {}", text(&output.stderr));
    }
}

/// The R-pentomino's numbers of cells are well known, as long as it does not meet itself on the torus.
#[test]
fn life_goes_on() {
    for (generation, alive) in [("0", 5), ("1", 6), ("2", 7), ("8", 18), ("10", 11), ("100", 121)] {
        let board = printed("life", &[generation, "200", "200"]);
        assert_eq!(board.matches('#').count(), alive, "{generation}");
        assert_eq!(board.lines().count(), 200);
    }
}

/// A glider is the same four generations later, a cell further down and to the right.
#[test]
fn life_begins_with_patterns_from_files() {
    let mut folder = Folder::new();
    folder.write("glider", b"! A glider\n.O\n..O\r\nOOO");
    let board = |generation: &str| text(&success(folder.run("life", &["-p", "glider", generation, "9", "7"], None)));
    assert_eq!(board("0"), ".........\n.........\n....#....\n.....#...\n...###...\n.........\n.........\n");
    assert_eq!(board("4"), ".........\n.........\n.........\n.....#...\n......#..\n....###..\n.........\n");
    assert_eq!(board("28").replace('\n', "").matches('#').count(), 5, "it goes round the torus");
    let from_stdin = folder.run("life", &["--pattern=-", "0", "9", "7"], Some("glider"));
    assert_eq!(text(&success(from_stdin)), board("0"));
}

#[test]
fn life_shows_every_generation_in_its_place() {
    let shown = printed("life", &["--animate", "-d", "0", "2", "4", "3"]);
    let boards: Vec<&str> = shown.split("\x1b[H").collect();
    assert_eq!(boards, ["\x1b[2J", "..##\n.##.\n..#.\n", "...#\n.#..\n....\n", "....\n....\n....\n"]);
}

#[test]
fn life_says_what_is_wrong() {
    let mut folder = Folder::new();
    folder.write("strange", b".O\n.x\n");
    folder.write("large", &[b'O'; 65]);
    let cases = [
        (&["-p", "strange"][..], "strange: a pattern is made of `.` and `O`"),
        (&["-p", "large"], "large: the pattern is larger than the torus"),
        (&["-p", "missing"], "missing: not found"),
        (&["-p"], "a value is missing behind the option -p"),
        (&["1x"], "a number is expected"),
        (&["1", "2000"], "a number is expected"),
        (&["1", "2", "3", "4"], "there are too many arguments"),
    ];
    for (arguments, message) in cases {
        let output = folder.run("life", arguments, None);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).starts_with(&format!("life: {message}")), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}
