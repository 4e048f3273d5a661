//! The book in `docs/`: its examples are assembled, tested and run, and its pages hang together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages below a folder, as paths from there.
fn pages(folder: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder.join(below)).expect("the book is there") {
        let path = below.join(entry.expect("the folder can be listed").file_name());
        if folder.join(&path).is_dir() {
            pages(folder, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.insert(path);
        }
    }
}

fn all_pages() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    pages(&source(), Path::new(""), &mut found);
    found
}

/// What stands between fences in a page: what it is, and its text.
fn fenced(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.split_once('\n')).collect()
}

// ---- Examples -------------------------------------------------------------------------------------------------------

/// A folder in which a page's examples are files and its commands are run.
struct Desk {
    folder: TempDir,
    page: String,
}

impl Desk {
    /// Writes an example down and gives the name of its file: what its first line says.
    fn put(&self, example: &str, number: usize) -> String {
        let first = example.lines().next().unwrap_or_default().strip_prefix("// ");
        let given = first.filter(|name| name.ends_with(".lim")).map(str::to_owned);
        let name = given.unwrap_or_else(|| format!("example-{number}.lim"));
        fs::write(self.folder.path().join(&name), format!("{example}\n")).expect("the folder is writable");
        name
    }

    /// What a line for a shell prints, errors included, and whether it ends well.
    fn run(&self, line: &str) -> (String, bool) {
        let limen = Path::new(env!("CARGO_BIN_EXE_limen")).parent().expect("the command lies in a folder");
        let path = format!("{}:{}", limen.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec 2>&1; {line}")]).env("PATH", path).current_dir(self.folder.path());
        let output = command.output().expect("there is a shell");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
    }

    #[track_caller]
    fn succeeds(&self, line: &str) {
        let (printed, well) = self.run(line);
        assert!(well, "{}: {line}\n{printed}", self.page);
    }

    /// Runs the lines behind `$` and compares what they print.
    fn replay(&self, session: &str) -> usize {
        let commands = format!("\n{session}\n");
        let commands: Vec<&str> = commands.split("\n$ ").skip(1).collect();
        for command in &commands {
            let (line, expected) = command.split_once('\n').unwrap_or((command, ""));
            let (printed, _) = self.run(line);
            assert!(
                fits(expected.trim_end(), printed.trim_end()),
                "{}: {line}\nprints\n{printed}\ninstead of\n{expected}",
                self.page
            );
        }
        commands.len()
    }
}

/// Whether a text is as expected, where `...` stands for anything.
fn fits(expected: &str, printed: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.is_empty()
}

/// Each example is in the canonical layout and passes its tests on every engine; each command prints what is shown.
#[test]
fn what_the_pages_show_is_true() {
    let (mut examples, mut commands) = (0, 0);
    for path in all_pages() {
        let page = read(&source().join(&path));
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let desk = Desk { folder, page: path.display().to_string() };
        for (number, (kind, text)) in fenced(&page).into_iter().enumerate() {
            match kind {
                "lim" => {
                    let file = desk.put(text, number);
                    desk.succeeds(&format!("limen fmt --check {file}"));
                    desk.succeeds(&format!("limen test {file}"));
                    examples += 1;
                }
                // What is shown to go wrong.
                "lim,wrong" => {
                    desk.put(text, number);
                }
                "console" => commands += desk.replay(text),
                _ => {}
            }
        }
    }
    assert!(examples > 25 && commands > 15, "only {examples} examples and {commands} commands were found");
}

#[test]
fn dots_stand_for_anything() {
    assert!(fits("a\n...\nc", "a\nb\nc") && fits("...", "") && fits("a...", "ab") && fits("a", "a"));
    assert!(!fits("a\n...\nc", "a\nb\nd") && !fits("a", "ab") && !fits("a...b", "ba") && !fits("a...b...", "ac"));
}

// ---- Pages ----------------------------------------------------------------------------------------------------------

/// A page without its code: what stands between backticks, one or three.
fn prose(page: &str) -> String {
    let without_blocks: String = page.split("```").step_by(2).collect();
    without_blocks.split('`').step_by(2).collect::<Vec<_>>().join("code")
}

/// Where the links of a page lead, those to other sites left out.
fn links(page: &str) -> Vec<String> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The name that a heading has in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_page_is_listed_once() {
    let summary = read(&source().join("SUMMARY.md"));
    let listed: Vec<PathBuf> = links(&summary).into_iter().map(PathBuf::from).collect();
    let once: BTreeSet<PathBuf> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "{listed:?}");
    let mut there = all_pages();
    there.remove(Path::new("SUMMARY.md"));
    assert_eq!(once, there);
}

#[test]
fn links_lead_somewhere() {
    for path in all_pages() {
        let file = source().join(&path);
        let page = read(&file);
        for link in links(&page) {
            let (target, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let to = if target.is_empty() {
                file.clone()
            } else {
                file.parent().expect("a page lies in a folder").join(target)
            };
            assert!(to.exists(), "{}: {link}", path.display());
            if !fragment.is_empty() {
                let text = read(&to);
                let mut headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == fragment);
                assert!(found, "{}: {link}", path.display());
            }
        }
    }
}

/// A book for `mdbook build`, which needs no more than this.
#[test]
fn the_book_says_where_its_pages_are() {
    let book: toml::Table = read(&source().join("../book.toml")).parse().expect("book.toml is TOML");
    assert_eq!(book["book"]["src"].as_str(), Some("src"));
    assert!(book["book"]["title"].is_str());
}
