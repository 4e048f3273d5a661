//! `base64`.

use crate::support::{Folder, SIZES, success};

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
