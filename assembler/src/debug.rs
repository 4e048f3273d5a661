//! Debug information: the files it names, and which instruction comes from which line.

use indexmap::IndexSet;
use limen_isa::module::{InlineSite, LineRow};

use crate::ast::{Clause, Expr, FileName, Function, Instruction, Line, LineAnnotation, Name, Site, Text};
use crate::clauses;
use crate::constants::Constants;
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::Globals;
use crate::source::{SourceMap, Span};
use crate::structured;

/// The files that debug information names, numbered in order.
#[derive(Default)]
pub(crate) struct Files {
    list: Vec<String>,
    /// The distinct names, each with the index in `list` where it stands first.
    known: IndexSet<String>,
    first: Vec<u32>,
}

impl Files {
    /// The files that `@file` registers: one each, even where names occur twice.
    pub(crate) fn registered(globals: &Globals<'_>, errors: &mut Errors) -> Self {
        let mut files = Self::default();
        for name in &globals.files {
            let name = utf8(name, errors);
            files.append(name);
        }
        files
    }

    fn append(&mut self, name: String) -> u32 {
        let index = self.list.len() as u32;
        if self.known.insert(name.clone()) {
            self.first.push(index);
        }
        self.list.push(name);
        index
    }

    /// The number of the file with this name, which is registered if it is new.
    fn named(&mut self, name: &str) -> u32 {
        match self.known.get_index_of(name) {
            Some(known) => self.first[known],
            None => self.append(name.to_owned()),
        }
    }

    fn find(&mut self, name: &FileName, constants: &Constants<'_>, errors: &mut Errors) -> u32 {
        match name {
            FileName::Text(text) => {
                let name = utf8(text, errors);
                self.named(&name)
            }
            FileName::Number(number) => {
                let last = self.list.len() as i128 - 1;
                constants.integer(number, 0, last, errors).unwrap_or(0) as u32
            }
        }
    }

    pub(crate) fn into_list(self) -> Vec<String> {
        self.list
    }
}

/// A string literal that must be text.
pub(crate) fn utf8(text: &Text, errors: &mut Errors) -> String {
    String::from_utf8(text.bytes.clone()).unwrap_or_else(|_| {
        errors.add(|| Diagnostic::new(text.span, "this name is not UTF-8"));
        String::new()
    })
}

/// The inline sites in order; each may lie in an earlier one.
pub(crate) fn sites(
    list: &[&Site],
    files: &mut Files,
    constants: &Constants<'_>,
    errors: &mut Errors,
) -> Vec<InlineSite> {
    let mut sites = Vec::with_capacity(list.len());
    for site in list {
        sites.push(InlineSite {
            function: utf8(&site.function, errors),
            file: files.find(&site.file, constants, errors),
            line: line_number(&site.line, constants, errors),
            parent: site_clause(&site.clauses, "in", sites.len(), constants, errors),
        });
    }
    sites
}

fn line_number(line: &Expr, constants: &Constants<'_>, errors: &mut Errors) -> u32 {
    constants.integer(line, 0, i128::from(u32::MAX), errors).unwrap_or(0) as u32
}

/// The inline site that a clause names, out of the first `count`.
fn site_clause(
    clauses: &[Clause],
    word: &str,
    count: usize,
    constants: &Constants<'_>,
    errors: &mut Errors,
) -> Option<u32> {
    let [site] = clauses::read(clauses, [word], errors);
    let site = site?;
    if count == 0 {
        errors.add(|| Diagnostic::new(site.span, "there is no such inline site").help(["declare it with `@site`"]));
        return None;
    }
    constants.integer(site, 0, count as i128 - 1, errors).map(|site| site as u32)
}

/// What the rows of a function are made with.
pub(crate) struct LineContext<'p, 'a> {
    pub(crate) files: &'p mut Files,
    pub(crate) sources: &'p SourceMap,
    pub(crate) constants: &'p Constants<'a>,
    /// How many inline sites the source declares. Those of calls that were inlined stand behind them.
    pub(crate) sites: usize,
}

impl LineContext<'_, '_> {
    /// Notes that the instruction that begins at `pc` comes from a place of a source.
    pub(crate) fn row(&mut self, pc: u32, span: Span, site: Option<u32>, rows: &mut Vec<LineRow>) {
        let Some((file, line)) = self.place(span) else { return };
        let row = LineRow { pc, file: Some(file), line, site: site.map(|site| self.sites as u32 + site) };
        if rows.last().is_none_or(|last| LineRow { pc, ..*last } != row) {
            rows.push(row);
        }
    }
}

impl LineContext<'_, '_> {
    /// The file and the line that a span begins in.
    fn place(&mut self, span: Span) -> Option<(u32, u32)> {
        let source = self.sources.get(span.file)?;
        Some((self.files.named(source.name()), source.line(span.start)))
    }

    /// The sites of calls that were inlined.
    pub(crate) fn inlined(&mut self, list: &[structured::Site]) -> Vec<InlineSite> {
        let first = self.sites as u32;
        let site = |site: &structured::Site| {
            let (file, line) = self.place(site.span).unwrap_or_default();
            InlineSite { function: site.function.clone(), file, line, parent: site.parent.map(|parent| first + parent) }
        };
        list.iter().map(site).collect()
    }
}

/// The line rows of a function in the making.
pub(crate) struct Lines {
    rows: Vec<LineRow>,
    /// Whether annotations say everything, and the lines of the source itself do not count.
    explicit: bool,
    /// The last annotation that made a row.
    last: Span,
}

impl Lines {
    pub(crate) fn of(function: &Function) -> Self {
        let is_line =
            |line: &Line| matches!(line, Line::Annotation(LineAnnotation::Line(_) | LineAnnotation::LineWord { .. }));
        Self { rows: Vec::new(), explicit: function.body.iter().any(is_line), last: function.close }
    }

    /// Notes that the instruction that begins at `pc` comes from where it stands.
    pub(crate) fn instruction(&mut self, pc: u32, instruction: &Instruction, context: &mut LineContext<'_, '_>) {
        if self.explicit {
            return;
        }
        context.row(pc, instruction.span, None, &mut self.rows);
    }

    /// Notes what an annotation says about the instructions from `pc` on.
    pub(crate) fn annotation(
        &mut self,
        pc: u32,
        annotation: &LineAnnotation,
        context: &mut LineContext<'_, '_>,
        errors: &mut Errors,
    ) {
        match annotation {
            LineAnnotation::Line(position) => {
                let row = LineRow {
                    pc,
                    file: Some(context.files.find(&position.file, context.constants, errors)),
                    line: line_number(&position.line, context.constants, errors),
                    site: site_clause(&position.clauses, "via", context.sites, context.constants, errors),
                };
                self.push(row, position.line.span);
            }
            LineAnnotation::LineWord { word: None, .. } | LineAnnotation::Words(_) => {}
            LineAnnotation::LineWord { word: Some(word), span } if &*word.text == "none" => {
                self.push(LineRow { pc, file: None, line: 0, site: None }, *span);
            }
            LineAnnotation::LineWord { word: Some(word), .. } => errors.add(|| no_line(word)),
        }
    }

    /// Adds a row; of several for one instruction the last counts.
    fn push(&mut self, row: LineRow, span: Span) {
        self.rows.pop_if(|last| last.pc == row.pc);
        self.rows.push(row);
        self.last = span;
    }

    /// The rows of a function of `words` words, and the last annotation if no word follows it.
    pub(crate) fn finish(mut self, words: u32) -> (Vec<LineRow>, Option<Span>) {
        let dangling = self.rows.pop_if(|last| last.pc >= words);
        (self.rows, dangling.map(|_| self.last))
    }
}

fn no_line(word: &Name) -> Diagnostic {
    Diagnostic::new(word.span, "`@line` takes a file and a line, or `none`")
}
