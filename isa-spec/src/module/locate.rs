//! From a word of code to lines of source.

use super::{Debug, InlineSite, Module};

/// Where an instruction comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The source file.
    pub file: &'a str,
    /// Its line, from 1.
    pub line: u32,
    /// The inlined calls that the instruction lies in, innermost first.
    pub calls: Vec<Call<'a>>,
}

/// A call that was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The function that was called.
    pub function: &'a str,
    /// The file of the call.
    pub file: &'a str,
    /// The line of the call.
    pub line: u32,
}

impl Module {
    /// Where word `pc` of a function comes from, if that is known.
    #[must_use]
    pub fn locate(&self, function: u32, pc: u32) -> Option<Location<'_>> {
        let debug = self.debug.as_ref()?;
        let rows = debug.lines.get(function as usize)?;
        let index = rows.partition_point(|row| row.pc <= pc).checked_sub(1)?;
        let row = rows[index];
        let file = debug.files.get(row.file? as usize)?;
        let calls = debug.chain(row.site).map(|site| Call {
            function: &site.function,
            file: debug.files.get(site.file as usize).map_or("", String::as_str),
            line: site.line,
        });
        Some(Location { file, line: row.line, calls: calls.collect() })
    }
}

impl Debug {
    /// A site and those it lies in. Each parent's index is lower, so the chain ends; a parent that is not lower, in a
    /// module that was never read or written, ends it too.
    fn chain(&self, innermost: Option<u32>) -> impl Iterator<Item = &InlineSite> {
        let next = |(index, site): &(u32, &InlineSite)| site.parent.filter(|parent| parent < index);
        let entry = |index: u32| Some((index, self.sites.get(index as usize)?));
        let start = innermost.and_then(entry);
        std::iter::successors(start, move |inner| next(inner).and_then(entry)).map(|(_, site)| site)
    }
}
