//! Errors as people read them: a message, the places it is about, and what to do.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};

use crate::source::{FileId, SourceFile, SourceMap, Span};

/// A place in a source and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What stands beside it; may be empty.
    pub text: String,
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line.
    pub message: String,
    /// Where it is wrong.
    pub primary: Label,
    /// Other places that matter, such as a declaration.
    pub secondary: Vec<Label>,
    /// Facts that explain the error.
    pub notes: Vec<String>,
    /// What could be done about it.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place, without further words.
    #[must_use]
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        let primary = Label { span, text: String::new() };
        Self { message: message.into(), primary, secondary: Vec::new(), notes: Vec::new(), help: Vec::new() }
    }

    /// Sets the words beside the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds advice, if there is any.
    #[must_use]
    pub fn help(mut self, text: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.help.extend(text.into_iter().map(Into::into));
        self
    }
}

/// Collects errors while a phase runs on. Only the first [`Errors::MAX`] are kept: nobody reads more, and what explains
/// an error (such as looking for similar names) may be slow.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    list: Vec<Diagnostic>,
    omitted: usize,
}

impl Errors {
    /// How many errors are kept.
    pub(crate) const MAX: usize = 100;

    /// Adds an error, which is only made if there is room for it.
    pub(crate) fn add(&mut self, make: impl FnOnce() -> Diagnostic) {
        if self.has_room() {
            self.list.push(make());
        }
    }

    /// Whether another error is kept; if not, it is counted.
    pub(crate) fn has_room(&mut self) -> bool {
        let room = self.list.len() < Self::MAX;
        self.omitted += usize::from(!room);
        room
    }

    /// How many there have been.
    pub(crate) fn mark(&self) -> usize {
        self.list.len() + self.omitted
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Hands the errors over with the texts that they point into.
    pub(crate) fn into_diagnostics(self, sources: SourceMap) -> Diagnostics {
        let omitted = self.omitted;
        Diagnostics { sources, list: self.into_sorted(), omitted }
    }

    /// The errors in the order of their places.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|diagnostic| diagnostic.primary.span);
        self.list
    }
}

/// All errors of a run, with the texts that they point into. Never empty.
#[derive(Debug)]
pub struct Diagnostics {
    sources: SourceMap,
    list: Vec<Diagnostic>,
    omitted: usize,
}

impl Diagnostics {
    /// Errors of one file, of whatever sort; `list` must not be empty, and its first 100 are kept.
    #[must_use]
    pub fn of_file(file: SourceFile, mut list: Vec<Diagnostic>) -> Self {
        let mut sources = SourceMap::default();
        sources.add(file);
        let omitted = list.len().saturating_sub(Errors::MAX);
        list.truncate(Errors::MAX);
        Self { sources, list, omitted }
    }

    /// The errors, at most 100.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The texts that the errors point into.
    #[must_use]
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// The errors as text for a terminal.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for diagnostic in &self.list {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary());
        text
    }

    fn summary(&self) -> String {
        let shown = self.list.len();
        let errors = |count| if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        match self.omitted {
            0 => format!("{}\n", errors(shown)),
            omitted => format!("{}, the first {shown} shown\n", errors(shown + omitted)),
        }
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let notes = diagnostic.notes.iter().map(|note| Level::NOTE.message(note));
        let help = diagnostic.help.iter().map(|help| Level::HELP.message(help));
        Level::ERROR
            .primary_title(diagnostic.message.as_str())
            .elements(self.snippets(diagnostic))
            .elements(notes)
            .elements(help)
    }

    /// One snippet per file, that of the primary place first.
    fn snippets<'a>(&'a self, diagnostic: &'a Diagnostic) -> Vec<Element<'a>> {
        let mut files = vec![diagnostic.primary.span.file];
        for label in &diagnostic.secondary {
            if !files.contains(&label.span.file) {
                files.push(label.span.file);
            }
        }
        files.into_iter().filter_map(|file| self.snippet(diagnostic, file)).collect()
    }

    fn snippet<'a>(&'a self, diagnostic: &'a Diagnostic, file: FileId) -> Option<Element<'a>> {
        let source = self.sources.get(file)?;
        let primary = std::iter::once((&diagnostic.primary, AnnotationKind::Primary));
        let secondary = diagnostic.secondary.iter().map(|label| (label, AnnotationKind::Context));
        let labels: Vec<_> = primary.chain(secondary).filter(|(label, _)| label.span.file == file).collect();
        let (first_line, shown) = shown_lines(source, labels.iter().map(|(label, _)| label.span));
        let snippet = Snippet::source(&source.text()[shown.clone()])
            .path(source.name())
            .line_start(first_line as usize)
            .annotations(labels.into_iter().map(|(label, kind)| annotation(label, kind, &shown)));
        Some(snippet.into())
    }
}

/// The whole lines that hold all of `spans`: number of the first, and the bytes.
fn shown_lines(source: &SourceFile, spans: impl Iterator<Item = Span> + Clone) -> (u32, Range<usize>) {
    let start = spans.clone().map(|span| span.start).min().unwrap_or(0);
    let end = spans.map(|span| span.end).max().unwrap_or(0);
    let first_line = source.line(start);
    (first_line, source.line_start(first_line)..source.line_start(source.line(end) + 1))
}

fn annotation<'a>(label: &'a Label, kind: AnnotationKind, shown: &Range<usize>) -> Annotation<'a> {
    let start = label.span.start as usize - shown.start;
    let end = label.span.end as usize - shown.start;
    let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
    kind.span(start..end).label(text)
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
