//! `sha256sum` and `crc32`.

use std::fmt::Write as _;

use crate::support::{Folder, success, text};

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

#[test]
fn sha256sum_knows_the_options_of_the_hosts() {
    let mut folder = Folder::new();
    folder.write("text", b"text");
    folder.write("back\\slash\nand line", b"named so that its name needs escapes");
    let both = ["text", "back\\slash\nand line"];
    for options in [&["--tag"][..], &["-b"], &["--binary"], &["-t"], &["-bt"], &["-z"], &["--zero", "--tag"]] {
        folder.assert_like_host("sha256sum", &[options, &both].concat(), None);
    }
    folder.assert_like_host("sha256sum", &["--", "text"], None);
    for wrong in [&["--quiet", "text"][..], &["-c", "--tag", "text"], &["--no-such-option"], &["--binary=1"]] {
        folder.assert_like_host("sha256sum", wrong, None);
    }
}

/// Lists as `sha256sum` prints them in every way, and damaged ones.
#[test]
fn sha256sum_checks_lists_as_the_hosts_does() {
    let mut folder = Folder::new();
    folder.write("text", b"text");
    folder.write("changed", b"before");
    folder.write("other name", b"");
    folder.write("new\nline", b"named so that its name needs escapes");
    let all = ["text", "changed", "other name", "new\nline"];
    for (list, options) in [("plain", &[][..]), ("binary", &["-b"]), ("tagged", &["--tag"])] {
        let printed = success(folder.run("sha256sum", &[options, &all].concat(), None));
        folder.write(list, &printed);
    }
    let plain = text(&folder.read("plain"));
    folder.write("capitals", plain.to_uppercase().replace("TEXT", "text").as_bytes());
    folder.write("with lines", format!("# comment\n\n{plain}no hash\n{}  gone\n", "0".repeat(64)).as_bytes());
    folder.write("nothing", b"no hash\n");
    folder.write("gone only", format!("{}  gone\n", "0".repeat(64)).as_bytes());
    folder.write("carriage returns", plain.replace('\n', "\r\n").as_bytes());
    folder.write("changed", b"after");
    let lists =
        ["plain", "binary", "tagged", "capitals", "with lines", "nothing", "gone only", "carriage returns", "."];
    let options = [&[][..], &["--quiet"], &["--status"], &["--ignore-missing"], &["--strict"], &["-w", "--strict"]];
    for list in lists {
        for options in options {
            folder.assert_like_host("sha256sum", &[&["-c"], options, &[list]].concat(), None);
        }
    }
    folder.assert_like_host("sha256sum", &["--check"], Some("plain"));
    folder.assert_like_host("sha256sum", &["-c", "plain", "missing", "tagged"], None);
}

/// What is wrong with a list is told on standard error.
#[test]
fn sha256sum_says_what_is_wrong_with_a_list() {
    let mut folder = Folder::new();
    folder.write("list", format!("{0}  gone\nno hash\n{0}  list\n", "0".repeat(64)).as_bytes());
    let output = folder.run("sha256sum", &["-cw", "list"], None);
    let expected = "sha256sum: gone: not found
sha256sum: list: 2: improperly formatted SHA256 checksum line
sha256sum: WARNING: 1 line is improperly formatted
sha256sum: WARNING: 1 listed file could not be read
sha256sum: WARNING: 1 computed checksum did NOT match
";
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(text(&output.stdout), "gone: FAILED open or read\nlist: FAILED\n");
    assert_eq!(output.status.code(), Some(1));
}
