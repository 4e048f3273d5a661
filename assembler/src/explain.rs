//! Source and instructions side by side.

use std::fmt::Write;

use limen_isa::module::{InlineSite, LineRow, Module};

use crate::assemble::Assembled;
use crate::listing::Listing;
use crate::naming::Names;
use crate::source::SourceMap;

/// Source lines are cut off behind so many columns.
const WIDTH: usize = 72;

/// What became of each function of a module: on the left the lines of the source, on the right their instructions, in the
/// order in which these stand. Lines of functions that were inlined have a note before them that says where.
#[must_use]
pub fn explain(assembled: &Assembled) -> String {
    let module = &assembled.module;
    let names = Names::of(module);
    let mut text = String::new();
    for index in 0..module.functions.len() as u32 {
        let listing = Listing::of(module, index, &names, &[]);
        let _ = writeln!(
            text,
            "fn {}: {} registers",
            names.function(index),
            module.functions[index as usize].registers.len()
        );
        explain_function(&mut text, module, &assembled.sources, &listing.lines());
        text.push('\n');
    }
    text
}

fn explain_function(text: &mut String, module: &Module, sources: &SourceMap, lines: &[(Option<&LineRow>, String)]) {
    let mut before = None;
    for (row, instruction) in lines {
        let place = row.map(|row| (row.file, row.line, row.site));
        let is_new = place.is_some() && place != before;
        let mut left = String::new();
        if is_new {
            if let (Some(row), true) = (row, place.map(|place| place.2) != before.map(|place| place.2)) {
                notes(text, module, row);
            }
            left = row.and_then(|row| source_line(module, sources, row)).unwrap_or_default();
            before = place;
        }
        let _ = writeln!(text, "{left:WIDTH$} | {instruction}");
    }
}

/// Says into what a row's instructions were inlined, the innermost function first.
fn notes(text: &mut String, module: &Module, row: &LineRow) {
    let mut next = row.site.and_then(|site| site_of(module, site));
    while let Some(site) = next {
        let _ = writeln!(text, "{:WIDTH$} | // {}, called in line {}", "", site.function, site.line);
        next = site.parent.and_then(|parent| site_of(module, parent));
    }
}

fn site_of(module: &Module, site: u32) -> Option<&InlineSite> {
    module.debug.as_ref()?.sites.get(site as usize)
}

fn source_line(module: &Module, sources: &SourceMap, row: &LineRow) -> Option<String> {
    let name = module.debug.as_ref()?.files.get(row.file? as usize)?;
    let source = sources.files().iter().find(|source| source.name() == name)?;
    let line = source.text().get(source.line_start(row.line)..)?.lines().next()?;
    let text = format!("{:5}  {}", row.line, line.replace('\t', "    "));
    Some(text.chars().take(WIDTH).collect())
}
