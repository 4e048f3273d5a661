//! Source lines from a module's debug information (DWARF), for backtraces. Nothing that runs depends on them, so what makes no
//! sense is left out.

use std::collections::HashMap;
use std::ops::Range;

use gimli::{Dwarf, EndianSlice, LittleEndian, Unit};
use limen_isa::module::LineRow;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// From an address, which counts from where the code section's contents begin, to a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    address: u32,
    /// `None`, which is the least, where the source ends.
    place: Option<(u32, u32)>,
}

/// Where code comes from.
#[derive(Default)]
pub(crate) struct Lines {
    pub(crate) files: Vec<String>,
    /// Ascending.
    rows: Vec<Row>,
}

impl Lines {
    /// Of a module with these sections.
    pub(crate) fn read(wasm: &[u8], sections: &[(String, Range<usize>)]) -> Self {
        let section = |name: &str| {
            sections.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, place)| &wasm[place.clone()])
        };
        let mut reader = Reader { limit: section(".debug_line").len(), lines: Self::default(), known: HashMap::new() };
        if reader.limit > 0 {
            let loaded = Dwarf::load(|id| Ok::<_, gimli::Error>(EndianSlice::new(section(id.name()), LittleEndian)));
            // What came before an error stays.
            let _ = loaded.and_then(|dwarf| reader.units(&dwarf));
        }
        let mut lines = reader.lines;
        // Where one function ends and the next begins, the beginning comes last and holds.
        lines.rows.sort_unstable();
        lines
    }

    /// Goes through the code of a function, which begins at this address.
    pub(crate) fn cursor(&self, address: u32) -> Cursor<'_> {
        let next = self.rows.partition_point(|row| row.address < address);
        Cursor { left: &self.rows[next..], place: None }
    }
}

struct Reader<'a> {
    /// More rows than the line programs have bytes come only from programs that are read again and again.
    limit: usize,
    lines: Lines,
    /// Files by directory and name.
    known: HashMap<(Slice<'a>, Slice<'a>), u32>,
}

impl<'a> Reader<'a> {
    fn units(&mut self, dwarf: &Dwarf<Slice<'a>>) -> gimli::Result<()> {
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let unit = dwarf.unit(header)?;
            self.unit(dwarf, &unit)?;
        }
        Ok(())
    }

    fn unit(&mut self, dwarf: &Dwarf<Slice<'a>>, unit: &Unit<Slice<'a>>) -> gimli::Result<()> {
        let Some(program) = unit.line_program.clone() else { return Ok(()) };
        let mut rows = program.rows();
        let mut sequence = Vec::new();
        while let Some((header, row)) = rows.next_row()? {
            if self.lines.rows.len() + sequence.len() > self.limit {
                return Ok(());
            }
            let address = u32::try_from(row.address()).unwrap_or(u32::MAX);
            let place = match (row.end_sequence(), row.line()) {
                (false, Some(line)) => self.file(dwarf, unit, row.file(header)).map(|file| (file, line.get() as u32)),
                _ => None,
            };
            sequence.push(Row { address, place });
            if row.end_sequence() {
                self.sequence(&mut sequence);
            }
        }
        Ok(())
    }

    /// Takes the rows of one function, unless the linker left that out: its rows are at 0 or beyond everything.
    fn sequence(&mut self, rows: &mut Vec<Row>) {
        if rows.first().is_some_and(|row| row.address != 0 && row.address < u32::MAX - 1) {
            self.lines.rows.append(rows);
        }
        rows.clear();
    }

    fn file(
        &mut self,
        dwarf: &Dwarf<Slice<'a>>,
        unit: &Unit<Slice<'a>>,
        entry: Option<&gimli::FileEntry<Slice<'a>>>,
    ) -> Option<u32> {
        let entry = entry?;
        let name = dwarf.attr_string(unit, entry.path_name()).ok()?;
        let header = unit.line_program.as_ref()?.header();
        let directory = entry.directory(header).and_then(|directory| dwarf.attr_string(unit, directory).ok());
        let directory = directory.unwrap_or_default();
        let files = &mut self.lines.files;
        Some(*self.known.entry((directory, name)).or_insert_with(|| {
            let name = name.to_string_lossy();
            let is_whole = directory.is_empty() || name.starts_with('/');
            files.push(if is_whole { name.into_owned() } else { format!("{}/{name}", directory.to_string_lossy()) });
            files.len() as u32 - 1
        }))
    }
}

/// Where code that is gone through comes from.
pub(crate) struct Cursor<'a> {
    left: &'a [Row],
    place: Option<(u32, u32)>,
}

impl Cursor<'_> {
    /// Code of this address is translated to what begins at `pc`: adds a row if it comes from elsewhere than what was before.
    pub(crate) fn advance(&mut self, address: u32, pc: usize, rows: &mut Vec<LineRow>) {
        let before = self.place;
        while let Some((row, left)) = self.left.split_first().filter(|(row, _)| row.address <= address) {
            (self.place, self.left) = (row.place, left);
        }
        if self.place == before {
            return;
        }
        let pc = pc as u32;
        // What was written for the line before was taken back.
        while rows.last().is_some_and(|row| row.pc >= pc) {
            rows.pop();
        }
        let (file, line) = self.place.map_or((None, 0), |(file, line)| (Some(file), line));
        rows.push(LineRow { pc, file, line, site: None });
    }
}
