//! `cat` and `echo`.

use crate::support::{Folder, TEXT, printed, pseudo_random};

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
