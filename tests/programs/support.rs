//! Files, programs and tools of the host to run on them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Around the block of SHA-256, and odd.
pub(crate) const SIZES: [usize; 7] = [1, 55, 56, 63, 64, 65, 1_000_003];

/// Many times what the programs read at once.
pub(crate) const LARGE: usize = 64 << 20;

/// Runs of all sorts of blanks, and no line end at the end.
pub(crate) const TEXT: &str = "  one\ttwo \n\n\r\n\x0b three\x0c four  five\r six\n \t \nseven-eight";

/// The ways to run a program, all of which must do the same.
pub(crate) const ENGINES: [&str; 3] = ["interp", "jit", "tiered"];

/// Files to run programs on.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// A folder with a file of each kind that may be treated differently, and their names.
    pub(crate) fn of_samples() -> (Self, Vec<String>) {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&mut self, name: &str, contents: &[u8]) {
        fs::write(self.path(name), contents).expect("the folder is writable");
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("the file is there")
    }

    /// Runs a program in this folder, with a file of it as standard input, or with none.
    pub(crate) fn run(&self, program: &str, arguments: &[&str], input: Option<&str>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        self.finish(command.args(["run", "--dir", ".", "--", program]), arguments, input)
    }

    /// Runs a program in this folder under the engine of that name.
    pub(crate) fn run_on(&self, engine: &str, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_limen"));
        self.finish(command.args(["run", "--engine", engine, "--dir", ".", "--", program]), arguments, None)
    }

    /// Runs a tool of the host in the same way.
    pub(crate) fn host(&self, tool: &str, arguments: &[&str], input: Option<&str>) -> Output {
        self.finish(Command::new(tool).env("LC_ALL", "C"), arguments, input)
    }

    pub(crate) fn finish(&self, command: &mut Command, arguments: &[&str], input: Option<&str>) -> Output {
        let input = input.map_or_else(Stdio::null, |name| self.open(name).into());
        command.args(arguments).current_dir(self.0.path()).stdin(input).output().expect("the command starts")
    }

    pub(crate) fn open(&self, name: &str) -> File {
        File::open(self.path(name)).expect("the file is there")
    }

    /// Runs a program whose output goes into a file of this folder.
    pub(crate) fn run_into(&self, program: &str, arguments: &[&str], to: &str) {
        fs::write(self.path(to), success(self.run(program, arguments, None))).expect("the folder is writable");
    }

    /// A program and the tool of the same name print the same and end with the same status.
    #[track_caller]
    pub(crate) fn assert_like_host(&self, tool: &str, arguments: &[&str], input: Option<&str>) {
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
pub(crate) fn pseudo_random(size: usize) -> Vec<u8> {
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
pub(crate) fn pseudo_random_text(size: usize) -> Vec<u8> {
    const LETTERS: &[u8; 16] = b"aZ09-~!.\t\n\x0b\x0c\r   ";
    pseudo_random(size).into_iter().map(|byte| LETTERS[usize::from(byte >> 4)]).collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// As much of an output as a message can hold.
pub(crate) fn beginning(bytes: &[u8]) -> String {
    text(bytes.get(..400).unwrap_or(bytes))
}

/// What a program printed that ended well and did not complain.
#[track_caller]
pub(crate) fn success(output: Output) -> Vec<u8> {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    output.stdout
}

/// What a program prints without input.
#[track_caller]
pub(crate) fn printed(program: &str, arguments: &[&str]) -> String {
    text(&success(Folder::new().run(program, arguments, None)))
}

/// Whether the host has a tool. If not, what is compared with it is skipped, visibly.
pub(crate) fn host_has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdin(Stdio::null()).output().is_ok();
    if !found {
        eprintln!("skipped: this system has no {tool}");
    }
    found
}
