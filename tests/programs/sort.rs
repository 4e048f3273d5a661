//! `sort`.

use crate::support::{ENGINES, Folder, pseudo_random, success, text};

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
