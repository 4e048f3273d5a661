//! Source texts: positions in them, and where the texts of used files come from.

use std::io;
use std::path::PathBuf;

/// Which file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end` of `file`.
    #[must_use]
    pub const fn new(file: FileId, start: u32, end: u32) -> Self {
        Self { file, start, end }
    }

    /// From the start of `self` to the end of `last`, which stands in the same file.
    #[must_use]
    pub const fn to(self, last: Span) -> Self {
        Self { file: self.file, start: self.start, end: last.end }
    }
}

/// One source text and its name.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    line_starts: Vec<u32>,
    cut_off: bool,
}

impl SourceFile {
    /// The largest text that a [`Span`] can address.
    const MAX_LEN: usize = u32::MAX as usize;

    /// A text under the name that diagnostics and debug information show.
    #[must_use]
    pub fn new(name: impl Into<String>, mut text: String) -> Self {
        let cut_off = text.len() > Self::MAX_LEN;
        text.truncate(text.floor_char_boundary(Self::MAX_LEN));
        let after_newline = text.bytes().zip(1..).filter(|(byte, _)| *byte == b'\n').map(|(_, next)| next);
        let line_starts = std::iter::once(0).chain(after_newline).collect();
        Self { name: name.into(), text, line_starts, cut_off }
    }

    /// Whether the text was too large and is not complete.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// The name: for used files the path relative to the root file's directory, with `/` as separator.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The line, counted from 1, that holds the byte at `offset`.
    #[must_use]
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|start| *start <= offset) as u32
    }

    /// Offset of the first byte of a line counted from 1; the text's length for lines past the last.
    pub(crate) fn line_start(&self, line: u32) -> usize {
        let start = self.line_starts.get((line as usize).saturating_sub(1));
        start.map_or(self.text.len(), |start| *start as usize)
    }
}

/// The files that one run reads.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file.
    pub fn add(&mut self, file: SourceFile) -> FileId {
        self.files.push(file);
        FileId(self.files.len() as u32 - 1)
    }

    /// The file that `id` was given for.
    #[must_use]
    pub fn get(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// The files in the order in which they were read.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

/// Supplies the texts of files named by `use`.
pub trait Loader {
    /// The text of the file at `path`, which is relative to the root file's directory and has `/` as separator.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it is not UTF-8 text.
    fn load(&self, path: &str) -> io::Result<String>;
}

impl<F: Fn(&str) -> io::Result<String>> Loader for F {
    fn load(&self, path: &str) -> io::Result<String> {
        self(path)
    }
}

/// Reads used files below (or beside) a directory of the host.
#[derive(Clone, Debug)]
pub struct Directory(pub PathBuf);

impl Loader for Directory {
    fn load(&self, path: &str) -> io::Result<String> {
        std::fs::read_to_string(self.0.join(path))
    }
}

/// Has no files: for sources that stand alone.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn load(&self, _path: &str) -> io::Result<String> {
        Err(io::Error::new(io::ErrorKind::NotFound, "this source cannot use other files"))
    }
}

/// What `path`, written in the file named `from`, names: relative to the root file's directory, without `.` and with
/// `..` only at the front, so that one file has one name.
///
/// # Errors
///
/// Why the path is refused.
pub(crate) fn join(from: &str, path: &str) -> Result<String, &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.starts_with('/') || path.contains([':', '\\', '\0']) {
        return Err("the path must be relative, with `/` between its parts");
    }
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_they_stand_in() {
        assert_eq!(join("main.lim", "lib/io.lim"), Ok("lib/io.lim".into()));
        assert_eq!(join("lib/io.lim", "./fmt.lim"), Ok("lib/fmt.lim".into()));
        assert_eq!(join("lib/io.lim", "../main.lim"), Ok("main.lim".into()));
        assert_eq!(join("main.lim", "../../other/a.lim"), Ok("../../other/a.lim".into()));
    }

    #[test]
    fn absolute_paths_are_refused() {
        assert!(join("main.lim", "/etc/passwd").is_err());
        assert!(join("main.lim", "C:\\a.lim").is_err());
        assert!(join("main.lim", "").is_err());
    }

    #[test]
    fn lines_count_from_one() {
        let file = SourceFile::new("a", "x\ny\n".into());
        assert_eq!([0, 1, 2, 3, 4].map(|offset| file.line(offset)), [1, 1, 2, 2, 3]);
        assert_eq!([1, 2, 3, 9].map(|line| file.line_start(line)), [0, 2, 4, 4]);
    }
}
