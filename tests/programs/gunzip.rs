//! `gunzip`.

use crate::support::{ENGINES, Folder, TEXT, host_has, pseudo_random, pseudo_random_text, success, text};

/// A member of a gzip file, with its bytes stored as they are.
pub(crate) struct Member<'a> {
    flags: u8,
    /// What the flags announce, behind the ten bytes that are always there.
    fields: &'a [u8],
    contents: &'a [u8],
}

impl<'a> Member<'a> {
    pub(crate) fn of(contents: &'a [u8]) -> Self {
        Self { flags: 0, fields: &[], contents }
    }

    /// RFC 1952, with a single stored block: at most 65,535 bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
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
