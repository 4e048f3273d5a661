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
