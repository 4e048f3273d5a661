//! The programs of `programs/`, against the tools of the host that they are named after and against known answers.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Around the block of SHA-256, and odd.
const SIZES: [usize; 7] = [1, 55, 56, 63, 64, 65, 1_000_003];

/// Many times what the programs read at once.
const LARGE: usize = 64 << 20;

/// Runs of all sorts of blanks, and no line end at the end.
const TEXT: &str = "  one\ttwo \n\n\r\n\x0b three\x0c four  five\r six\n \t \nseven-eight";

/// The ways to run a program, all of which must do the same.
const ENGINES: [&str; 3] = ["interp", "jit", "tiered"];

/// Files to run programs on.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// A folder with a file of each kind that may be treated differently, and their names.
    fn of_samples() -> (Self, Vec<String>) {
        let mut folder = Self::new();
        folder.write("empty", b"");
        folder.write("text", TEXT.as_bytes());
        for size in SIZES {
            folder.write(&size.to_string(), &pseudo_random(size));
        }
        folder.write("large", &pseudo_random(LARGE));
        let names = ["empty", "text", "large"].map(str::to_owned).into_iter();
        (folder, names.chain(SIZES.map(|size| size.to_string())).collect())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&mut self, name: &str, contents: &[u8]) {
        fs::write(self.path(name), contents).expect("the folder is writable");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("the file is there")
    }

    /// Runs a program in this folder, with a file of it as standard input, or with none.
    fn run(&self, program: &str, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        self.finish(command.args(["run", "--dir", ".", "--", program]), arguments, input)
    }

    /// Runs a program in this folder under the engine of that name.
    fn run_on(&self, engine: &str, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        self.finish(command.args(["run", "--engine", engine, "--dir", ".", "--", program]), arguments, None)
    }

    /// Runs a tool of the host in the same way.
    fn host(&self, tool: &str, arguments: &[&str], input: Option<&str>) -> Output {
        self.finish(Command::new(tool).env("LC_ALL", "C"), arguments, input)
    }

    fn finish(&self, command: &mut Command, arguments: &[&str], input: Option<&str>) -> Output {
        let input = input.map_or_else(Stdio::null, |name| self.open(name).into());
        command.args(arguments).current_dir(self.0.path()).stdin(input).output().expect("the command starts")
    }

    fn open(&self, name: &str) -> File {
        File::open(self.path(name)).expect("the file is there")
    }

    /// Runs a program whose output goes into a file of this folder.
    fn run_into(&self, program: &str, arguments: &[&str], to: &str) {
        fs::write(self.path(to), success(self.run(program, arguments, None))).expect("the folder is writable");
    }

    /// A program and the tool of the same name print the same and end with the same status.
    #[track_caller]
    fn assert_like_host(&self, tool: &str, arguments: &[&str], input: Option<&str>) {
        let [ours, theirs] = [self.run(tool, arguments, input), self.host(tool, arguments, input)];
        assert_eq!(ours.status.code(), theirs.status.code(), "{tool} {arguments:?}: {}", text(&ours.stderr));
        assert!(
            ours.stdout == theirs.stdout,
            "{tool} {arguments:?} < {input:?}\nprints   {:?}\ninstead of {:?}",
            beginning(&ours.stdout),
            beginning(&theirs.stdout)
        );
    }
}

/// Bytes that look random and are the same every time (xorshift64*).
fn pseudo_random(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    });
    let mut bytes: Vec<u8> = words.take(size.div_ceil(8)).flat_map(u64::to_le_bytes).collect();
    bytes.truncate(size);
    bytes
}

/// Text in which every second byte or so is white space: pseudo-random bytes, made printable.
fn pseudo_random_text(size: usize) -> Vec<u8> {
    const LETTERS: &[u8; 16] = b"aZ09-~!.\t\n\x0b\x0c\r   ";
    pseudo_random(size).into_iter().map(|byte| LETTERS[usize::from(byte >> 4)]).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// As much of an output as a message can hold.
fn beginning(bytes: &[u8]) -> String {
    text(bytes.get(..400).unwrap_or(bytes))
}

/// What a program printed that ended well and did not complain.
#[track_caller]
fn success(output: Output) -> Vec<u8> {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    output.stdout
}

/// What a program prints without input.
#[track_caller]
fn printed(program: &str, arguments: &[&str]) -> String {
    text(&success(Folder::new().run(program, arguments, None)))
}

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let entries = fs::read_dir(folder).expect("the programs are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "lim"));
    paths.sort();
    paths
}

// ---- All programs ---------------------------------------------------------------------------------------------------

#[test]
fn every_source_is_a_built_in_program() {
    let names: Vec<&str> = limen_programs::PROGRAMS.iter().map(|program| program.name).collect();
    let stems: Vec<String> = sources().iter().map(|path| text(path.file_stem().unwrap().as_encoded_bytes())).collect();
    assert_eq!(names, stems);
    for program in limen_programs::PROGRAMS {
        assert_eq!(limen_programs::find(program.name).map(|found| found.module), Some(program.module));
        assert!(!program.summary.is_empty(), "{}", program.name);
    }
    assert!(limen_programs::find("no such program").is_none());
}

/// The module in the command is the one that the source gives today.
#[test]
fn every_source_assembles_to_the_built_in_module() {
    let folder = Folder::new();
    for (source, program) in sources().iter().zip(limen_programs::PROGRAMS) {
        let source = source.to_str().expect("names of programs are plain");
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        success(command.args(["asm", source, "-o"]).arg(folder.path("module")).output().expect("limen starts"));
        assert!(folder.read("module") == program.module, "{}", program.name);
    }
}

/// The numbers of services and errors are said twice, for each side of `svc`.
#[test]
fn the_library_and_the_bare_host_use_the_same_numbers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [host, library] = ["src/bare.rs", "programs/lib/bare.lim"]
        .map(|name| fs::read_to_string(root.join(name)).expect("the source is there"));
    let numbers: HashMap<&str, &str> = library.lines().filter_map(constant).collect();
    let services = host.lines().filter_map(|line| {
        let (name, number) = line.trim().strip_prefix("pub(super) const ")?.split_once(": u32 = ")?;
        Some((format!("SVC_{name}"), number.strip_suffix(';')?))
    });
    let errors = host.lines().filter_map(|line| {
        let (name, number) = line.trim().split_once(" = -")?;
        Some((upper_snake_case(name), number.strip_suffix(',')?))
    });
    let [services, errors] = [services.collect::<Vec<_>>(), errors.collect()];
    assert_eq!([services.len(), errors.len()], [8, 10]);
    for (name, number) in services {
        assert_eq!(numbers.get(&*name), Some(&number), "{name}");
    }
    for (name, number) in errors {
        assert_eq!(numbers.get(&*name).copied(), Some(&*format!("-{number}")), "{name}");
    }
}

/// The name and the value of `const NAME = VALUE`.
fn constant(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("const ")?.split_once(" = ")?;
    Some((name, value.split_whitespace().next()?))
}

/// `NotFound` as `NOT_FOUND`.
fn upper_snake_case(name: &str) -> String {
    let mut upper = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.push(letter.to_ascii_uppercase());
    }
    upper
}

/// All but the two that take their arguments as they are.
#[test]
fn every_tool_explains_itself() {
    for program in limen_programs::PROGRAMS.iter().filter(|program| !["hello", "echo"].contains(&program.name)) {
        let help = printed(program.name, &["--help"]);
        assert!(help.starts_with(&format!("usage: {}", program.name)), "{help}");
    }
}

/// Where nothing can be written, a program says so and fails.
#[test]
fn a_full_disk_is_noticed() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return eprintln!("skipped: this system has no /dev/full");
    };
    let mut folder = Folder::new();
    folder.write("text", TEXT.as_bytes());
    folder.write("member", &Member::of(TEXT.as_bytes()).bytes());
    folder.write("document", b"[]");
    for program in limen_programs::PROGRAMS.iter().filter(|program| program.name != "calc") {
        let (arguments, input, status) = match program.name {
            "grep" => (&["o"][..], "text", 2),
            "gunzip" => (&[][..], "member", 1),
            "json" => (&[][..], "document", 1),
            "sort" => (&[][..], "text", 2),
            _ => (&[][..], "text", 1),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        command.args(["run", "--", program.name]).args(arguments).stdin(folder.open(input));
        let output = command.stdout(full.try_clone().expect("a handle can be copied")).output().expect("limen starts");
        assert_eq!(output.status.code(), Some(status), "{}: {}", program.name, text(&output.stderr));
        assert!(program.name == "hello" || text(&output.stderr).contains("no space left"), "{}", program.name);
    }
}

#[test]
fn a_missing_file_does_not_stop_the_others() {
    let mut folder = Folder::new();
    folder.write("here", TEXT.as_bytes());
    for program in ["cat", "crc32", "sha256sum", "wc"] {
        let output = folder.run(program, &["missing", "here"], None);
        assert_eq!(output.status.code(), Some(1), "{program}");
        assert_eq!(text(&output.stderr), format!("{program}: missing: not found\n"));
        assert!(text(&output.stdout).contains(if program == "cat" { TEXT } else { "here\n" }), "{program}");
    }
}

#[test]
fn a_folder_is_no_file() {
    let folder = Folder::new();
    for program in ["base64", "cat", "crc32", "sha256sum"] {
        let output = folder.run(program, &["."], None);
        assert_eq!(output.status.code(), Some(1), "{program}");
        assert_eq!(text(&output.stderr), format!("{program}: .: is a directory\n"));
        assert!(output.stdout.is_empty(), "{program}");
    }
}

#[test]
fn unknown_options_are_refused() {
    for program in ["base64", "cat", "crc32", "sha256sum", "wc"] {
        let output = Folder::new().run(program, &["--wrong"], None);
        assert_eq!(output.status.code(), Some(1), "{program}");
        assert!(text(&output.stderr).contains("usage: "), "{}", text(&output.stderr));
    }
}

// ---- Tools ----------------------------------------------------------------------------------------------------------

#[test]
fn sha256sum_prints_what_the_hosts_does() {
    let (mut folder, names) = Folder::of_samples();
    for name in &names {
        folder.assert_like_host("sha256sum", &[], Some(name));
    }
    folder.write("back\\slash\nand line", b"named so that its name needs escapes");
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != "large").collect();
    folder.assert_like_host("sha256sum", &[&names[..], &["-", "back\\slash\nand line"]].concat(), Some("text"));
}

#[test]
fn crc32_prints_what_another_implementation_computes() {
    let (folder, names) = Folder::of_samples();
    let mut expected = String::new();
    for name in &names {
        let sum = crc32fast::hash(&folder.read(name));
        assert_eq!(text(&success(folder.run("crc32", &[], Some(name)))), format!("{sum:08x}\n"), "{name}");
        writeln!(expected, "{sum:08x}\t{name}").expect("a string takes everything");
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(text(&success(folder.run("crc32", &names, None))), expected);
}

/// What is a word where bytes are no characters is not the same in all versions of the host's.
#[test]
fn wc_counts_words_of_any_bytes_as_the_hosts_does() {
    let (mut folder, names) = Folder::of_samples();
    folder.write("control", b"\x01");
    let words = folder.host("wc", &["-w"], Some("control")).stdout;
    if String::from_utf8_lossy(&words).trim() != "0" {
        eprintln!("skipped: the host's wc counts bytes that are not printable as characters");
        return;
    }
    for name in &names {
        folder.assert_like_host("wc", &[name], None);
        folder.assert_like_host("wc", &["-w"], Some(name));
    }
}

#[test]
fn wc_prints_what_the_hosts_does() {
    let (mut folder, names) = Folder::of_samples();
    folder.write("long text", &pseudo_random_text(1_000_003));
    for name in &names {
        folder.assert_like_host("wc", &["-lc"], Some(name));
        folder.assert_like_host("wc", &["-c", name], None);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    folder.assert_like_host("wc", &[&["-c", "-l"], &names[..]].concat(), None);
    folder.assert_like_host("wc", &["-l", "text", "-", "large"], Some("1000003"));
}

#[test]
fn wc_counts_words_and_sets_columns_as_the_hosts_does() {
    let mut folder = Folder::new();
    folder.write("empty", b"");
    folder.write("text", TEXT.as_bytes());
    folder.write("long text", &pseudo_random_text(1_000_003));
    let all = ["empty", "text", "long text"];
    for options in [&[][..], &["-w"], &["-l"], &["-c"], &["-lw"], &["-wc"], &["-l", "-w", "-c"]] {
        for name in all {
            folder.assert_like_host("wc", options, Some(name));
            folder.assert_like_host("wc", &[options, &[name]].concat(), None);
        }
        folder.assert_like_host("wc", &[options, &all].concat(), None);
        folder.assert_like_host("wc", &[options, &["-", "text"]].concat(), Some("long text"));
    }
}

/// The columns are wide where a size is not known: a pipe has none.
#[test]
fn wc_of_a_pipe_has_wide_columns() {
    let mut folder = Folder::new();
    folder.write("text", TEXT.as_bytes());
    let script = "cat text | \"$0\" run wc";
    let output = folder.host("sh", &["-c", script, env!("CARGO_BIN_EXE_limen")], None);
    let expected = folder.host("sh", &["-c", "cat text | wc"], None);
    assert_eq!(text(&success(output)), text(&expected.stdout));
}

/// A word is what stands between white space and has a printable character, whatever the host's wc makes of it.
#[test]
fn wc_counts_words_of_any_bytes() {
    let mut folder = Folder::new();
    let bytes = pseudo_random(LARGE);
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let words = bytes.split(is_space).filter(|word| word.iter().any(u8::is_ascii_graphic)).count();
    folder.write("bytes", &bytes);
    assert_eq!(text(&success(folder.run("wc", &["-w"], Some("bytes")))), format!("{words}\n"));
}

#[test]
fn base64_encodes_as_the_hosts_does() {
    let (folder, names) = Folder::of_samples();
    for name in &names {
        folder.assert_like_host("base64", &[], Some(name));
    }
    for columns in ["0", "1", "3", "75", "77", "65536", "1000000"] {
        folder.assert_like_host("base64", &["-w", columns, "1000003"], None);
        folder.assert_like_host("base64", &["-w", columns, "empty"], None);
    }
}

#[test]
fn base64_decodes_what_it_encoded() {
    let (folder, names) = Folder::of_samples();
    let of_lines = SIZES.map(|size| ("1", size.to_string()));
    for (columns, name) in names.into_iter().map(|name| ("76", name)).chain(of_lines) {
        folder.run_into("base64", &["-w", columns, &name], "encoded");
        assert!(success(folder.run("base64", &["-d", "encoded"], None)) == folder.read(&name), "{name} {columns}");
    }
}

#[test]
fn base64_knows_the_options_of_the_hosts() {
    let mut folder = Folder::new();
    folder.write("text", b"Zm9v YmFy!\n");
    for options in [&["-w0"][..], &["-w5"], &["--wrap", "5"], &["--decode", "-i"], &["-d", "--ignore-garbage"]] {
        folder.assert_like_host("base64", options, Some("text"));
    }
    for wrong in [&["-w"][..], &["-wx"], &["-w", "-1"], &["-x"], &["text", "text"]] {
        assert_eq!(folder.run("base64", wrong, None).status.code(), Some(1), "{wrong:?}");
    }
}

#[test]
fn base64_refuses_what_the_hosts_refuses() {
    let mut folder = Folder::new();
    let inputs =
        ["Zm9v\nYg==\n", "Zm9vYg", "Zm9vYg=", "Z", "=", "Zm=v", "Zm9v!Zm9v", "Zm9vYg==Zm9v", "Zg==\nZ", "\n\n"];
    for input in inputs {
        folder.write("input", input.as_bytes());
        folder.assert_like_host("base64", &["-d"], Some("input"));
        folder.assert_like_host("base64", &["-d", "-i"], Some("input"));
    }
}

#[test]
fn cat_joins_files() {
    let mut folder = Folder::new();
    folder.write("bytes", &pseudo_random(200_000));
    folder.write("text", TEXT.as_bytes());
    folder.assert_like_host("cat", &["bytes", "-", "bytes"], Some("text"));
    folder.assert_like_host("cat", &[], Some("bytes"));
}

#[test]
fn echo_joins_its_arguments() {
    assert_eq!(printed("echo", &[]), "\n");
    assert_eq!(printed("echo", &["a  b", "", "--help"]), "a  b  --help\n");
    assert_eq!(printed("echo", &["-n", "a\\tb"]), "a\\tb");
    assert_eq!(printed("echo", &["-e", "a\\tb\\\\", "\\q", "c\\cd", "e"]), "a\tb\\ \\q c");
}

// ---- Computations ---------------------------------------------------------------------------------------------------

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

// ---- gunzip ---------------------------------------------------------------------------------------------------------

/// Whether the host has a tool. If not, what is compared with it is skipped, visibly.
fn host_has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdin(Stdio::null()).output().is_ok();
    if !found {
        eprintln!("skipped: this system has no {tool}");
    }
    found
}

/// A member of a gzip file, with its bytes stored as they are.
struct Member<'a> {
    flags: u8,
    /// What the flags announce, behind the ten bytes that are always there.
    fields: &'a [u8],
    contents: &'a [u8],
}

impl<'a> Member<'a> {
    fn of(contents: &'a [u8]) -> Self {
        Self { flags: 0, fields: &[], contents }
    }

    /// RFC 1952, with a single stored block: at most 65,535 bytes.
    fn bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.contents.len()).expect("the contents fit a block");
        let mut bytes = vec![0x1f, 0x8b, 8, self.flags, 0, 0, 0, 0, 0, 255];
        bytes.extend(self.fields);
        if self.flags & 2 != 0 {
            bytes.extend((crc32fast::hash(&bytes) as u16).to_le_bytes());
        }
        bytes.push(1);
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend(self.contents);
        bytes.extend(crc32fast::hash(self.contents).to_le_bytes());
        bytes.extend(u32::from(length).to_le_bytes());
        bytes
    }
}

/// Runs `gunzip` on a file under each engine.
#[track_caller]
fn assert_unzips(folder: &Folder, name: &str, contents: &[u8]) {
    for engine in ENGINES {
        assert!(success(folder.run_on(engine, "gunzip", &[name])) == contents, "{name} on {engine}");
    }
}

/// Text gives dynamic blocks, few bytes fixed ones, and what looks random stored ones.
#[test]
fn gunzip_gives_back_what_gzip_was_given() {
    if !host_has("gzip") {
        return;
    }
    let mut folder = Folder::new();
    let samples = [
        ("empty", Vec::new()),
        ("text", TEXT.as_bytes().to_vec()),
        ("long text", pseudo_random_text(1_000_003)),
        ("random", pseudo_random(300_001)),
        ("zeroes", vec![0; 5_000_000]),
    ];
    for (name, contents) in &samples {
        folder.write(name, contents);
        for level in ["-1", "-6", "-9"] {
            let zipped = success(folder.host("gzip", &["-c", level, name], None));
            folder.write("zipped", &zipped);
            assert_unzips(&folder, "zipped", contents);
        }
    }
}

#[test]
fn gunzip_joins_members() {
    let mut folder = Folder::new();
    let [first, second] = [&pseudo_random(65_535)[..], TEXT.as_bytes()].map(|contents| Member::of(contents).bytes());
    folder.write("members", &[&first[..], &second, &Member::of(b"").bytes(), &second, &[0; 700]].concat());
    assert_unzips(&folder, "members", &[&pseudo_random(65_535)[..], TEXT.as_bytes(), TEXT.as_bytes()].concat());
    let tested = folder.run("gunzip", &["-t", "members"], None);
    assert!(success(tested).is_empty());

    folder.write("rest", &[&second[..], b"rest"].concat());
    let output = folder.run("gunzip", &["rest"], None);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, TEXT.as_bytes());
    assert_eq!(text(&output.stderr), "gunzip: rest: something else follows the compressed data\n");
}

#[test]
fn gunzip_passes_over_the_fields_of_a_header() {
    let mut folder = Folder::new();
    let fields: [(u8, &[u8]); 6] =
        [(1, b""), (2, b""), (4, b"\x03\x00abc"), (8, b"name\0"), (16, b"comment\0"), (30, b"\x01\x00x\0comment\0")];
    for (flags, fields) in fields {
        folder.write("member", &Member { flags, fields, contents: TEXT.as_bytes() }.bytes());
        assert_unzips(&folder, "member", TEXT.as_bytes());
    }
}

/// What is said of a member that is not as it should be.
#[test]
fn gunzip_says_what_is_wrong() {
    let mut folder = Folder::new();
    let good = Member::of(b"contents").bytes();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let size = good.len();
    let mut with_sum = Member { flags: 2, fields: b"", contents: b"" }.bytes();
    with_sum[10] ^= 1;
    let cases = [
        (Vec::new(), "unexpected end of file"),
        (b"no gzip file".to_vec(), "not in gzip format"),
        (changed(2, 7), "compressed with an unknown method"),
        (changed(3, 0x20), "the header has flags that have no meaning"),
        (with_sum, "the checksum of the header is wrong"),
        (changed(10, 7), "a block is of no known kind"),
        (changed(12, 1), "the lengths of a stored block do not agree"),
        (changed(15, b'C'), "the checksum is wrong"),
        (changed(size - 1, 1), "the length is wrong"),
        // A fixed block whose first symbol is a length, and one with a code that no symbol has.
        (changed(10, 0x03 | 1 << 7), "a distance reaches behind the beginning"),
    ];
    for (bytes, message) in cases {
        folder.write("damaged", &bytes);
        for engine in ENGINES {
            let output = folder.run_on(engine, "gunzip", &["damaged"]);
            assert_eq!(text(&output.stderr), format!("gunzip: damaged: {message}\n"), "{engine}");
            assert_eq!(output.status.code(), Some(1), "{message}");
        }
    }
}

/// A file that ends early is refused wherever it ends, and one with a wrong bit unless nothing depends on the bit.
#[test]
fn gunzip_never_takes_damage_for_contents() {
    if !host_has("gzip") {
        return;
    }
    let mut folder = Folder::new();
    folder.write("text", &pseudo_random_text(600));
    let zipped = success(folder.host("gzip", &["-c", "-n", "text"], None));
    let cut = (0..zipped.len()).map(|size| zipped[..size].to_vec());
    let flipped = (10 * 8..zipped.len() * 8).map(|bit| {
        let mut bytes = zipped.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let damaged: Vec<Vec<u8>> = cut.chain(flipped).collect();
    let names: Vec<String> = (0..damaged.len()).map(|number| number.to_string()).collect();
    for (name, bytes) in names.iter().zip(&damaged) {
        folder.write(name, bytes);
    }
    let arguments: Vec<&str> = std::iter::once("-t").chain(names.iter().map(String::as_str)).collect();
    for engine in ENGINES {
        let output = folder.run_on(engine, "gunzip", &arguments);
        let refused = text(&output.stderr).lines().count();
        // Bits that fill up the last byte of the blocks may be anything.
        assert!(refused <= names.len() && refused + 7 >= names.len(), "{refused} of {} on {engine}", names.len());
        assert_eq!(output.status.code(), Some(1));
    }
}

// ---- sort -----------------------------------------------------------------------------------------------------------

#[test]
fn sort_orders_a_million_lines_as_the_hosts_does() {
    let mut folder = Folder::new();
    let mut lines = Vec::new();
    for (number, word) in pseudo_random(8_000_000).chunks(8).enumerate() {
        let length = number % 13;
        lines.extend(word.iter().cycle().take(length).map(|byte| b'a' + byte % 20));
        lines.push(b'\n');
    }
    folder.write("lines", &lines);
    let expected = success(folder.host("sort", &["lines"], None));
    for engine in ENGINES {
        assert!(success(folder.run_on(engine, "sort", &["lines"])) == expected, "{engine}");
    }
}

#[test]
fn sort_has_the_options_of_the_hosts() {
    let mut folder = Folder::new();
    let numbers = "1\n-1\n 10\n9\n\t2\n+3\n0\n-0\n\n00\n0.5\n.25\n-.25\n-0.3\n1.50\n1.5\n1.\nx\n--1\n12345678901234567890\n\
                   12345678901234567891\n-99999999999999999999\n1e3\n7 seven\n7 Seven";
    folder.write("empty", b"");
    folder.write("numbers", numbers.as_bytes());
    folder.write("bytes", &pseudo_random(50_000).iter().map(|byte| byte % 11).collect::<Vec<u8>>());
    for options in ["-n", "-r", "-u", "-nr", "-nu", "-ru", "-nru"] {
        for files in [&["numbers"][..], &["bytes"], &["empty"], &["numbers", "empty", "numbers", "bytes"]] {
            folder.assert_like_host("sort", &[&[options], files].concat(), None);
        }
    }
    folder.assert_like_host("sort", &["-u", "-n", "numbers", "-"], Some("bytes"));
    let output = folder.run("sort", &["missing", "numbers"], None);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), "sort: missing: not found\n".to_owned()));
    assert!(output.stdout.is_empty(), "nothing is sorted of what cannot be read as a whole");
}

// ---- grep -----------------------------------------------------------------------------------------------------------

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

// ---- json -----------------------------------------------------------------------------------------------------------

/// Documents that a parser may well get wrong, accepted and refused ones.
fn documents() -> Vec<Vec<u8>> {
    let texts = [
        "",
        " ",
        "[]",
        "{}",
        " 1 ",
        "\"x\"",
        "[1,]",
        "{,}",
        "{\"a\":1,}",
        "[01]",
        "-0",
        "-01",
        "[-]",
        "[1.]",
        "[.5]",
        "[1e]",
        "1E5",
        "-12.5e-3",
        "[1e+]",
        "nul",
        "nulll",
        "null",
        "true",
        "[true,fals]",
        "truefalse",
        "[1 2]",
        "\"\t\"",
        "\"\\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"\\ud83d\\ude00\\ud800\"",
        "\"",
        "\"\\",
        "[",
        "]",
        "{\"a\"",
        "{\"a\":",
        "{1:2}",
        "['a']",
        "NaN",
        "-Infinity",
        "\u{feff}1",
        "+1",
        "0x1",
        "1_0",
        "[1}",
        "{\"a\":1]",
        "\"\u{7f}\u{2028}é😀\"",
        "\u{a0}1",
        "[]]",
        "/**/1",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":{\"b\":[1,2,{\"c\":[]}]},\"\":{}}",
        "[1,\n2\r\n,\t3]\n",
        "1\0",
        "\u{c}1",
    ];
    let bytes: [&[u8]; 6] = [
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xe2\x82\"",
        b"\"\xe0\x9f\xbf\"",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).chain(bytes.map(<[u8]>::to_vec)).chain(mutants()).collect()
}

/// A document, with a byte of it replaced by another one, a few hundred times.
fn mutants() -> impl Iterator<Item = Vec<u8>> {
    const DOCUMENT: &[u8] = br#"{"a": [1, -2.5e+3, 0], "b\u00e9": {"c": true, "d": null}}"#;
    const BYTES: &[u8; 16] = b"[]{},:\"\\ 0.e-nu\n";
    pseudo_random(800)
        .chunks(2)
        .map(|pair| {
            let mut bytes = DOCUMENT.to_vec();
            bytes[usize::from(pair[0]) % DOCUMENT.len()] = BYTES[usize::from(pair[1] >> 4)];
            bytes
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// Prints the names of the files that Python's parser accepts. NaN and Infinity are no JSON.
const PYTHON: &str = "
import json, sys
def refuse(word): raise ValueError(word)
for name in sys.argv[1:]:
    try:
        json.loads(open(name, 'rb').read().decode('utf-8'), parse_constant=refuse)
        print(name)
    except ValueError:
        pass
";

#[test]
fn json_accepts_what_python_accepts() {
    if !host_has("python3") {
        return;
    }
    let mut folder = Folder::new();
    let documents = documents();
    let names: Vec<String> = (0..documents.len()).map(|number| number.to_string()).collect();
    for (name, document) in names.iter().zip(&documents) {
        folder.write(name, document);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let accepted = text(&success(folder.host("python3", &[&["-c", PYTHON], &names[..]].concat(), None)));
    let accepted: HashSet<&str> = accepted.lines().collect();
    assert!(accepted.len() > 20 && accepted.len() < names.len() - 20, "{accepted:?}");
    for engine in ENGINES {
        let output = folder.run_on(engine, "json", &[&["-t"], &names[..]].concat());
        let complaints = text(&output.stderr);
        let refused: HashSet<&str> = complaints.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        for (name, document) in names.iter().zip(&documents) {
            assert_ne!(accepted.contains(name), refused.contains(name), "{:?} on {engine}", text(document));
        }
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn json_sets_documents_out_as_python_does() {
    if !host_has("python3") {
        return;
    }
    let mut folder = Folder::new();
    let document = r#"{"a":[1,[],{},[[2.5]],{"b":"x\"y","é":null}],"":true , "c" : {"d":{"e":-1}}}"#;
    folder.write("document", document.as_bytes());
    let ways = [
        (&[][..], "indent=4"),
        (&["-i", "2"], "indent=2"),
        (&["-i", "0"], "indent=0"),
        (&["-c"], "separators=(',', ':')"),
    ];
    for (options, keywords) in ways {
        let script =
            format!("import json; print(json.dumps(json.load(open('document')), ensure_ascii=False, {keywords}))");
        let expected = success(folder.host("python3", &["-X", "utf8", "-c", &script], None));
        for engine in ENGINES {
            let output = folder.run_on(engine, "json", &[options, &["document"]].concat());
            assert_eq!(text(&success(output)), text(&expected), "{options:?} on {engine}");
        }
    }
}

#[test]
fn json_finds_values_by_path() {
    let mut folder = Folder::new();
    folder.write("document", br#"{"a":[1,{"b":"x","b":"y"}],"k\u00e9y":5,"\ud83d\ude00":[[7]],"":0,"a.b":8,"q\"":9}"#);
    let found = [
        (".a[0]", "1"),
        (".a[1].b", "\"y\""),
        ("[\"a\"][1]", "{\"b\":\"x\",\"b\":\"y\"}"),
        (".k\u{e9}y", "5"),
        ("[\"k\\u00E9y\"]", "5"),
        (".\u{1f600}[0][0]", "7"),
        ("[\"\"]", "0"),
        ("[\"a.b\"]", "8"),
        (".q\"", "9"),
    ];
    for (path, value) in found {
        let printed = text(&success(folder.run("json", &["-c", "-q", path, "document"], None)));
        assert_eq!(printed, format!("{value}\n"), "{path}");
    }
    for (paths, message) in [
        ([".a[2]", ".missing", "[0]", ".a.b", ".a[0][0]"], "there is nothing at this path"),
        (["a", ".a[", ".a[x]", "..", "[\"a]"], "the path is not like .name[3][\"name\"]"),
    ] {
        for path in paths {
            let output = folder.run("json", &["-q", path, "document"], None);
            assert_eq!(output.status.code(), Some(1), "{path}");
            assert_eq!(text(&output.stderr), format!("json: document: {message}\n"), "{path}");
        }
    }
}

#[test]
fn json_says_where_a_document_is_wrong() {
    let mut folder = Folder::new();
    let cases = [
        ("[1,\n \"é\" 2]", "line 2, column 6: a comma or ] is expected"),
        ("{\"a\": 1,\n}", "line 2, column 1: a name in double quotes is expected"),
        ("[1.]", "line 1, column 4: a number goes wrong here"),
        ("[1", "line 1, column 3: the document ends too early"),
        ("[] x", "line 1, column 4: something follows the document"),
    ];
    for (document, message) in cases {
        folder.write("document", document.as_bytes());
        let output = folder.run("json", &["document"], None);
        assert_eq!(text(&output.stderr), format!("json: document: {message}\n"));
        assert!(output.stdout.is_empty(), "{document}");
    }
}

/// A document is as deep as its text is long.
#[test]
fn json_does_not_mind_how_deep_a_document_is() {
    let mut folder = Folder::new();
    let document = "[".repeat(500_000) + &"]".repeat(500_000);
    folder.write("deep", document.as_bytes());
    for engine in ENGINES {
        assert!(text(&success(folder.run_on(engine, "json", &["-c", "deep"]))) == format!("{document}\n"), "{engine}");
    }
}
