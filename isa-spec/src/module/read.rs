//! Reading: nothing in the bytes is trusted, least of all a length.

use std::collections::HashSet;

use super::{
    ALIGNMENT, CustomSection, DataSegment, Debug, ENTRY_BYTES, Export, ExportItem, FIRST_CUSTOM_SECTION, Function,
    HEADER_BYTES, Home, InlineSite, LineRow, MAGIC, MAX_CODE_WORDS, MAX_FUNCTION_WORDS, MAX_NAME, MAX_PAGES,
    MAX_PARAMS, MAX_REGISTERS, MAX_RESULTS, MAX_SLOTS, Module, NONE, PAGE_SIZE, ReadError, ReadProblem, Signature,
    VERSION, section,
};
use crate::ValueType;

type Read<T> = Result<T, ReadError>;

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly what [`Module::write`] gives for some module. Memory use is bounded by a small
    /// multiple of the length of `bytes`, whatever they say.
    pub fn read(bytes: &[u8]) -> Read<Module> {
        let mut module = Module::default();
        let mut sections = Sections::of(bytes)?;
        types(&mut module, sections.required(section::TYPES)?)?;
        let lengths = functions(&mut module, sections.required(section::FUNCTIONS)?)?;
        code(&mut module, &lengths, sections.required(section::CODE)?)?;
        home(&mut module, sections.required(section::HOME)?)?;
        sections.optional(section::TABLES).map_or(Ok(()), |cursor| tables(&mut module, cursor))?;
        sections.optional(section::EXPORTS).map_or(Ok(()), |cursor| exports(&mut module, cursor))?;
        sections.optional(section::DEBUG).map_or(Ok(()), |cursor| debug(&mut module, cursor))?;
        module.interfaces = sections.optional(section::INTERFACES).map(|cursor| cursor.bytes.to_vec());
        module.custom = sections.custom();
        Ok(module)
    }
}

/// Bytes with a place in them, which knows where it is in the whole.
struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    base: usize,
    section: Option<u32>,
}

impl<'a> Cursor<'a> {
    fn error(&self, problem: ReadProblem) -> ReadError {
        ReadError { problem, section: self.section, offset: self.base + self.position }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let end = self.position.checked_add(length).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err(self.error(ReadProblem::Truncated { wanted: length as u64, left: self.left() }));
        };
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    fn limit(&self, what: &'static str, value: u64, limit: u64) -> Read<()> {
        if value <= limit { Ok(()) } else { Err(self.error(ReadProblem::Limit { what, value, limit })) }
    }

    fn ensure(&self, condition: bool, rule: &'static str) -> Read<()> {
        if condition { Ok(()) } else { Err(self.error(ReadProblem::NotCanonical(rule))) }
    }

    /// An index below `count`.
    fn index(&mut self, what: &'static str, count: usize) -> Read<u32> {
        let index = self.u32()?;
        self.below(what, index, count)
    }

    fn below(&self, what: &'static str, index: u32, count: usize) -> Read<u32> {
        if (index as usize) < count {
            Ok(index)
        } else {
            Err(self.error(ReadProblem::Code { what, value: u64::from(index) }))
        }
    }

    /// An index below `count`, or none.
    fn optional_index(&mut self, what: &'static str, count: usize) -> Read<Option<u32>> {
        match self.u32()? {
            NONE => Ok(None),
            index => self.below(what, index, count).map(Some),
        }
    }

    /// A count of things of which each takes at least `size` bytes: more than fit are refused before room is made.
    fn count(&mut self, size: usize) -> Read<usize> {
        let count = self.u32()? as usize;
        let wanted = count as u64 * size as u64;
        if wanted > self.left() as u64 {
            return Err(self.error(ReadProblem::Truncated { wanted, left: self.left() }));
        }
        Ok(count)
    }

    fn many<T>(&mut self, size: usize, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.count(size)?;
        (0..count).map(|_| one(self)).collect()
    }

    fn types(&mut self, count: usize) -> Read<Vec<ValueType>> {
        let codes = self.take(count)?;
        let unknown = |code: u8| self.error(ReadProblem::Code { what: "type", value: u64::from(code) });
        codes.iter().map(|code| ValueType::from_code(*code).ok_or_else(|| unknown(*code))).collect()
    }

    fn name(&mut self) -> Read<String> {
        let length = self.u16()?;
        let bytes = self.take(usize::from(length))?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.error(ReadProblem::Utf8))
    }

    fn end(&self) -> Read<()> {
        if self.left() == 0 { Ok(()) } else { Err(self.error(ReadProblem::TooLong(self.left()))) }
    }
}

/// The sections in order, each already checked against its checksum.
struct Sections<'a> {
    cursors: std::iter::Peekable<std::vec::IntoIter<Cursor<'a>>>,
    end: usize,
}

impl<'a> Sections<'a> {
    fn of(bytes: &'a [u8]) -> Read<Self> {
        let mut cursor = Cursor { bytes, position: 0, base: 0, section: None };
        let count = header(&mut cursor)?;
        let directory = directory(&mut cursor, count)?;
        let cursors = directory.into_iter().map(|entry| payload(&mut cursor, entry)).collect::<Read<Vec<_>>>()?;
        cursor.end()?;
        Ok(Self { cursors: cursors.into_iter().peekable(), end: bytes.len() })
    }

    fn optional(&mut self, id: u32) -> Option<Cursor<'a>> {
        self.cursors.next_if(|cursor| cursor.section == Some(id))
    }

    fn required(&mut self, id: u32) -> Read<Cursor<'a>> {
        let missing = ReadError { problem: ReadProblem::Missing(section::name(id)), section: None, offset: self.end };
        self.optional(id).ok_or(missing)
    }

    /// What is left once all known sections have been taken.
    fn custom(self) -> Vec<CustomSection> {
        self.cursors
            .filter_map(|cursor| Some(CustomSection { id: cursor.section?, bytes: cursor.bytes.to_vec() }))
            .collect()
    }
}

/// Gives the number of sections.
fn header(cursor: &mut Cursor) -> Read<usize> {
    let magic = cursor.take(cursor.left().min(MAGIC.len()))?;
    if magic != MAGIC {
        cursor.position = 0;
        return Err(cursor.error(ReadProblem::Magic));
    }
    match cursor.u16()? {
        VERSION => {}
        newer if newer > VERSION => return Err(cursor.error(ReadProblem::Newer(newer))),
        older => return Err(cursor.error(ReadProblem::Version(older))),
    }
    let flags = cursor.u16()?;
    cursor.limit("the flags field", u64::from(flags), 0)?;
    let count = cursor.u32()? as usize;
    let checksum = cursor.u32()?;
    let length = count.saturating_mul(ENTRY_BYTES);
    let entries = cursor.take(length)?;
    if crc32fast::hash(entries) != checksum {
        return Err(cursor.error(ReadProblem::Checksum));
    }
    cursor.position = HEADER_BYTES;
    Ok(count)
}

/// One line of the directory.
struct Entry {
    id: u32,
    length: usize,
    checksum: u32,
}

fn directory(cursor: &mut Cursor, count: usize) -> Read<Vec<Entry>> {
    let mut last = 0;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let entry = Entry { id: cursor.u32()?, length: cursor.u32()? as usize, checksum: cursor.u32()? };
        if !(section::TYPES..=section::INTERFACES).contains(&entry.id) && entry.id < FIRST_CUSTOM_SECTION {
            return Err(cursor.error(ReadProblem::UnknownSection(entry.id)));
        }
        if entry.id <= last {
            return Err(cursor.error(ReadProblem::SectionOrder(entry.id)));
        }
        last = entry.id;
        entries.push(entry);
    }
    padding(cursor)?;
    Ok(entries)
}

fn padding(cursor: &mut Cursor) -> Read<()> {
    let bytes = cursor.take(cursor.position.next_multiple_of(ALIGNMENT) - cursor.position)?;
    cursor.ensure(bytes.iter().all(|byte| *byte == 0), "padding is not zero")
}

fn payload<'a>(cursor: &mut Cursor<'a>, entry: Entry) -> Read<Cursor<'a>> {
    let base = cursor.position;
    cursor.section = Some(entry.id);
    let bytes = cursor.take(entry.length)?;
    if crc32fast::hash(bytes) != entry.checksum {
        return Err(cursor.error(ReadProblem::Checksum));
    }
    padding(cursor)?;
    cursor.section = None;
    Ok(Cursor { bytes, position: 0, base, section: Some(entry.id) })
}

fn types(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    module.types = cursor.many(4, |cursor| {
        let (params, results) = (usize::from(cursor.u16()?), usize::from(cursor.u16()?));
        cursor.limit("the number of parameters", params as u64, MAX_PARAMS as u64)?;
        cursor.limit("the number of results", results as u64, MAX_RESULTS as u64)?;
        Ok(Signature { params: cursor.types(params)?, results: cursor.types(results)? })
    })?;
    let mut seen = HashSet::new();
    cursor.ensure(module.types.iter().all(|signature| seen.insert(signature)), "a signature occurs twice")?;
    cursor.end()
}

/// Gives the code length of each function.
fn functions(module: &mut Module, mut cursor: Cursor) -> Read<Vec<usize>> {
    let mut lengths = Vec::new();
    let types = &module.types;
    module.functions = cursor.many(10, |cursor| {
        let signature = cursor.index("signature", types.len())?;
        let registers = usize::from(cursor.u16()?);
        let words = cursor.u32()? as usize;
        cursor.limit("the number of registers", registers as u64, MAX_REGISTERS as u64)?;
        cursor.limit("the length of a function", words as u64, MAX_FUNCTION_WORDS as u64)?;
        let params = &types[signature as usize].params;
        let Some(locals) = registers.checked_sub(params.len()) else {
            return Err(cursor.error(ReadProblem::NotCanonical("a function has fewer registers than parameters")));
        };
        lengths.push(words);
        Ok(Function { signature, registers: [params.clone(), cursor.types(locals)?].concat(), code: Vec::new() })
    })?;
    cursor.limit("the length of the code", lengths.iter().map(|words| *words as u64).sum(), MAX_CODE_WORDS as u64)?;
    cursor.end()?;
    Ok(lengths)
}

fn code(module: &mut Module, lengths: &[usize], mut cursor: Cursor) -> Read<()> {
    for (function, words) in module.functions.iter_mut().zip(lengths) {
        let (words, _) = cursor.take(words * 8)?.as_chunks::<8>();
        function.code = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    }
    cursor.end()
}

fn home(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let (min_pages, max_pages, slots) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
    cursor.limit("the greatest size of home in pages", u64::from(max_pages), u64::from(MAX_PAGES))?;
    cursor.limit("the size of home in pages", u64::from(min_pages), u64::from(max_pages))?;
    cursor.limit("the number of slots", u64::from(slots), u64::from(MAX_SLOTS))?;
    let mut end = 0;
    let size = u64::from(min_pages) * u64::from(PAGE_SIZE);
    let data = cursor.many(8, |cursor| {
        let (address, length) = (cursor.u32()?, cursor.u32()?);
        cursor.ensure(length > 0, "a data segment is empty")?;
        cursor.ensure(u64::from(address) >= end, "data segments overlap or are out of order")?;
        end = u64::from(address) + u64::from(length);
        cursor.limit("the end of a data segment", end, size)?;
        Ok(DataSegment { address, bytes: cursor.take(length as usize)?.to_vec() })
    })?;
    module.home = Home { min_pages, max_pages, slots, data };
    cursor.end()
}

fn tables(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let functions = module.functions.len();
    module.tables = cursor.many(4, |cursor| cursor.many(4, |cursor| cursor.optional_index("function", functions)))?;
    cursor.limit("the number of tables", module.tables.len() as u64, 4096)?;
    cursor.ensure(!module.tables.is_empty(), "an empty section of tables")?;
    cursor.end()
}

fn exports(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let functions = &module.functions;
    module.exports = cursor.many(12, |cursor| {
        let kind = cursor.u8()?;
        let name = cursor.name()?;
        cursor.ensure((1..=MAX_NAME).contains(&name.len()), "an exported name is empty or longer than 255 bytes")?;
        let item = match kind {
            0 => {
                let function = cursor.index("function", functions.len())?;
                let signature = cursor.u32()?;
                cursor.ensure(
                    functions[function as usize].signature == signature,
                    "an export has another type than its function",
                )?;
                ExportItem::Function(function)
            }
            1 => ExportItem::Constant(cursor.i64()?),
            _ => return Err(cursor.error(ReadProblem::Code { what: "kind of export", value: u64::from(kind) })),
        };
        Ok(Export { name, item })
    })?;
    let ascending = module.exports.is_sorted_by(|one, next| one.name.as_bytes() < next.name.as_bytes());
    cursor.ensure(ascending, "exports are not sorted by name")?;
    cursor.ensure(!module.exports.is_empty(), "an empty section of exports")?;
    cursor.end()
}

fn debug(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let files = cursor.many(2, Cursor::name)?;
    let function_names = cursor.many(2, Cursor::name)?;
    let named = function_names.is_empty() || function_names.len() == module.functions.len();
    cursor.ensure(named, "there is not one name for each function")?;
    let mut known = 0;
    let sites = cursor.many(14, |cursor| {
        let site = site(cursor, files.len(), known)?;
        known += 1;
        Ok(site)
    })?;
    let lengths = module.functions.iter().map(|function| function.code.len());
    let lines = lengths.map(|words| lines(&mut cursor, words, files.len(), sites.len())).collect::<Read<_>>()?;
    module.debug = Some(Debug { files, function_names, sites, lines });
    cursor.end()
}

fn site(cursor: &mut Cursor, files: usize, known: usize) -> Read<InlineSite> {
    let function = cursor.name()?;
    let file = cursor.index("file", files)?;
    Ok(InlineSite { function, file, line: cursor.u32()?, parent: cursor.optional_index("earlier inline site", known)? })
}

fn lines(cursor: &mut Cursor, words: usize, files: usize, sites: usize) -> Read<Vec<LineRow>> {
    let mut next = 0;
    cursor.many(16, |cursor| {
        let pc = cursor.index("word of its function", words)?;
        cursor.ensure(u64::from(pc) >= next, "line rows are out of order")?;
        next = u64::from(pc) + 1;
        let row = LineRow {
            pc,
            file: cursor.optional_index("file", files)?,
            line: cursor.u32()?,
            site: cursor.optional_index("inline site", sites)?,
        };
        let unknown = row.line == 0 && row.site.is_none();
        cursor.ensure(row.file.is_some() || unknown, "a row without a file has a line or a site")?;
        Ok(row)
    })
}
