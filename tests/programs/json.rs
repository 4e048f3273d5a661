//! `json`.

use std::collections::HashSet;

use crate::support::{ENGINES, Folder, host_has, pseudo_random, success, text};

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
