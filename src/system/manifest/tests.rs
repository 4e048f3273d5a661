//! The page on manifests is compared with the keys that manifests can have.

use limen_assembler::{SourceFile, Span};
use toml::de::DeTable;

use super::fields::Fields;
use super::{Account, read};
use crate::system::problems::Problems;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/system/manifest.md");

/// The keys that are asked for when a table is read.
fn keys<T>(read: fn(&mut Fields<'_>) -> T) -> Vec<&'static str> {
    let (table, problems) = (DeTable::new(), Problems::default());
    let mut fields = Fields::new("a table".into(), Span::default(), &table, &problems);
    read(&mut fields);
    fields.end()
}

/// The keys that the page lists below a heading: the first cells of its table.
fn listed(page: &str, heading: &str) -> Vec<String> {
    let begin = format!("\n## {heading}\n");
    let (_, section) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no heading `{heading}`"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let key = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    section.lines().filter_map(key).collect()
}

#[test]
fn the_page_lists_the_keys() {
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    assert_eq!(listed(&page, "The system"), keys(read::system));
    assert_eq!(listed(&page, "Devices"), keys(read::device));
    assert_eq!(listed(&page, "Segments"), keys(read::segment));
    assert_eq!(listed(&page, "Groups"), keys(read::group));
    assert_eq!(listed(&page, "Services"), keys(read::service));
    assert_eq!(listed(&page, "Accounts"), keys(|fields| read::account(fields, Account::default())));
    assert_eq!(listed(&page, "Budgets"), keys(read::budget));
    assert_eq!(listed(&page, "References"), [&read::WORDS[..], &read::TARGETS].concat());
}

/// Whether a manifest can be read. What cannot has a place in the text.
fn is_read(text: &str) -> bool {
    let problems = Problems::default();
    let file = SourceFile::new("damaged.toml", text.to_owned());
    let manifest = super::read(&file, &problems);
    match problems.finish(&file, manifest) {
        Ok(_) => true,
        Err(refused) => {
            assert!(!refused.list().is_empty() && !refused.render(false).is_empty());
            false
        }
    }
}

#[test]
fn damaged_manifests_are_refused_or_read_as_another() {
    let text = include_str!("../../../tests/manifest/system.toml");
    assert!(is_read(text));
    let places = text.char_indices().map(|(place, _)| place);
    let refused = places.flat_map(|place| {
        let (before, rest) = text.split_at(place);
        let after = &rest[1..];
        ["", "\"", "[", "=", "9", "\n", "\u{20ac}", "."].map(|damage| !is_read(&format!("{before}{damage}{after}")))
    });
    assert!(refused.filter(|refused| *refused).count() > text.len());
}

#[test]
fn what_lies_too_deep_is_refused() {
    for deep in ["[".repeat(100_000), "{ a = ".repeat(100_000)] {
        assert!(!is_read(&format!("service = {deep}")));
    }
    assert!(!is_read(&format!("[{}x]", "a.".repeat(100_000))));
}
