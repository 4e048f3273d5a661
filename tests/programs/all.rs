//! What holds for all programs.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::gunzip::Member;
use crate::support::{Folder, TEXT, printed, success, text};

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let entries = fs::read_dir(folder).expect("the programs are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "lim"));
    paths.sort();
    paths
}

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
    let [host, library] =
        ["src/bare.rs", "std/bare.lim"].map(|name| fs::read_to_string(root.join(name)).expect("the source is there"));
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
