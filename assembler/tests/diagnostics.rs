//! The errors of the sources in `tests/diagnostics`, compared with what stands beside them. `LIMEN_BLESS=1` writes anew.

use std::fs;
use std::io;
use std::path::Path;

use limen_assembler::{NoFiles, Options, assemble, format};

fn library(path: &str) -> io::Result<String> {
    match path {
        "lib/broken.lim" => Ok("fn g() {\n    i32.add , a\n    ret\n}\n".into()),
        "lib/good.lim" => Ok("fn twice(a: i32) {\n    ret\n}\n\nfn good() {\n    ret\n}\n".into()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    }
}

#[test]
fn errors_read_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut sources: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "lim"));
    sources.sort();
    assert!(!sources.is_empty());
    let stale: Vec<_> = sources.iter().filter(|path| !is_as_recorded(path)).collect();
    assert!(stale.is_empty(), "not as recorded: {stale:#?}");
}

fn is_as_recorded(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let source = fs::read_to_string(path).unwrap();
    let errors = assemble(name, &source, &library, Options::default()).map(|_| ()).unwrap_err().render(false);
    let golden = path.with_extension("stderr");
    if std::env::var_os("LIMEN_BLESS").is_some() {
        fs::write(&golden, &errors).unwrap();
    }
    let recorded = fs::read_to_string(&golden).unwrap_or_default();
    if recorded != errors {
        eprintln!("---- {name}\n{errors}");
    }
    recorded == errors
}

#[test]
fn colours_are_only_used_when_asked_for() {
    let errors = format("const\n").unwrap_err();
    assert!(!errors.render(false).contains('\x1b'));
    assert!(errors.render(true).contains('\x1b'));
    assert_eq!(errors.to_string(), errors.render(false));
}

#[test]
fn only_the_first_hundred_errors_are_shown() {
    let lines = "    no.such a, b\n".repeat(100_000);
    let source = format!("fn f() {{\n{lines}    ret\n}}\n");
    let begin = std::time::Instant::now();
    let errors = assemble("many.lim", &source, &NoFiles, Options::default()).unwrap_err();
    assert_eq!(errors.list().len(), 100);
    assert!(errors.render(false).ends_with("100000 errors, the first 100 shown\n"));
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
