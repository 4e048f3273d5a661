//! `wc`.

use crate::support::{Folder, LARGE, TEXT, pseudo_random, pseudo_random_text, success, text};

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
