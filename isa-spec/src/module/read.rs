//! Reading: from the payload of each section to its part of the model.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::cursor::{self, Cursor, Read};
use super::envelope::Sections;
use super::{
    Body, DataSegment, Debug, EXPORTED_CONSTANT, EXPORTED_FUNCTION, Export, ExportItem, Function, Home, InlineSite,
    Later, LineRow, MAX_CODE_WORDS, MAX_FUNCTION_WORDS, MAX_INLINE_DEPTH, MAX_MODULE_REGISTERS, MAX_NAME, MAX_PAGES,
    MAX_PARAMS, MAX_REGISTERS, MAX_RESULTS, MAX_SLOTS, MAX_TABLES, Module, PAGE_SIZE, ReadProblem, Signature, section,
};

impl Module {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly what [`Module::write`] gives for some module. Whatever they say, memory use is bounded
    /// by a small multiple of their length and [`MAX_MODULE_REGISTERS`] bytes.
    pub fn read(bytes: &[u8]) -> Read<Module> {
        let (mut module, places) = Self::read_but_bodies(bytes)?;
        for (function, place) in module.functions.iter_mut().zip(places) {
            function.body = place.read(bytes, &module.types[function.signature as usize]).into();
        }
        Ok(module)
    }

    /// As [`Module::read`], but bodies of functions are taken out of the bytes when somebody first looks at them.
    ///
    /// # Errors
    ///
    /// As of [`Module::read`].
    pub fn read_later(bytes: Vec<u8>) -> Read<Module> {
        let (mut module, places) = Self::read_but_bodies(&bytes)?;
        let shared = Arc::new((bytes, module.types.clone()));
        for (function, place) in module.functions.iter_mut().zip(places) {
            let (shared, signature) = (Arc::clone(&shared), function.signature as usize);
            function.body = Later::new(move || place.read(&shared.0, &shared.1[signature]));
        }
        Ok(module)
    }

    /// Reads all but the bodies, and says where these are.
    fn read_but_bodies(bytes: &[u8]) -> Read<(Module, Vec<BodyPlace>)> {
        let mut module = Module::default();
        let mut sections = Sections::of(bytes)?;
        types(&mut module, sections.required(section::TYPES)?)?;
        let mut bodies = functions(&mut module, sections.required(section::FUNCTIONS)?)?;
        code(&mut bodies, sections.required(section::CODE)?)?;
        home(&mut module, sections.required(section::HOME)?)?;
        sections.optional(section::TABLES).map_or(Ok(()), |cursor| tables(&mut module, cursor))?;
        sections.optional(section::EXPORTS).map_or(Ok(()), |cursor| exports(&mut module, cursor))?;
        sections.optional(section::DEBUG).map_or(Ok(()), |cursor| debug(&mut module, &bodies, cursor))?;
        module.interfaces = sections.optional(section::INTERFACES).map(|cursor| cursor.bytes().to_vec());
        module.custom = sections.custom();
        Ok((module, bodies))
    }
}

/// Where the body of a function is.
struct BodyPlace {
    /// The types of the registers that are no parameters.
    locals: Range<usize>,
    words: usize,
    code: Range<usize>,
}

impl BodyPlace {
    /// The body, which has been seen to make sense.
    fn read(&self, bytes: &[u8], signature: &Signature) -> Body {
        let mut registers = signature.params.clone();
        registers.extend(cursor::types(&bytes[self.locals.clone()]));
        let words = bytes[self.code.clone()].as_chunks::<8>().0;
        Body { registers, code: words.iter().map(|word| u64::from_le_bytes(*word)).collect() }
    }
}

fn types(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let mut seen = HashSet::new();
    module.types = cursor.many(4, |cursor| {
        let start = cursor.position();
        let signature = signature(cursor)?;
        if seen.insert(cursor.since(start)) {
            Ok(signature)
        } else {
            Err(cursor.error_at(start, ReadProblem::NotCanonical("a signature occurs twice")))
        }
    })?;
    cursor.end()
}

fn signature(cursor: &mut Cursor) -> Read<Signature> {
    let params = cursor.few("the number of parameters", MAX_PARAMS)?;
    let results = cursor.few("the number of results", MAX_RESULTS)?;
    Ok(Signature { params: cursor.types(params)?, results: cursor.types(results)? })
}

/// Gives what is known of the bodies.
fn functions(module: &mut Module, mut cursor: Cursor) -> Read<Vec<BodyPlace>> {
    let mut sizes = Sizes::default();
    module.functions = cursor.many(10, |cursor| function(cursor, &module.types, &mut sizes))?;
    cursor.end()?;
    Ok(sizes.bodies)
}

/// What the functions that were read so far add up to.
#[derive(Default)]
struct Sizes {
    bodies: Vec<BodyPlace>,
    words: usize,
    registers: usize,
}

fn function(cursor: &mut Cursor, types: &[Signature], sizes: &mut Sizes) -> Read<Function> {
    let signature = cursor.index("signature", types.len())?;
    let params = &types[signature as usize].params;
    let registers = cursor.few("the number of registers", MAX_REGISTERS)?;
    let fewer = ReadProblem::Contradiction("a function has fewer registers than parameters");
    cursor.ensure(registers >= params.len(), fewer)?;
    sizes.registers += registers;
    cursor.limit("the number of registers of all functions", sizes.registers, MAX_MODULE_REGISTERS)?;
    let words = cursor.at_most("the length of a function", MAX_FUNCTION_WORDS as u32)? as usize;
    sizes.words += words;
    cursor.limit("the length of the code", sizes.words, MAX_CODE_WORDS)?;
    cursor.skip_types(registers - params.len())?;
    sizes.bodies.push(BodyPlace { locals: cursor.place(), words, code: 0..0 });
    Ok(Function { signature, body: Later::default() })
}

fn code(bodies: &mut [BodyPlace], mut cursor: Cursor) -> Read<()> {
    for body in bodies {
        cursor.take(body.words * 8)?;
        body.code = cursor.place();
    }
    cursor.end()
}

fn home(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let min_pages = cursor.at_most("the size of home in pages", MAX_PAGES)?;
    let max_pages = cursor.at_most("the greatest size of home in pages", MAX_PAGES)?;
    let larger = ReadProblem::Contradiction("home begins larger than it may become");
    cursor.ensure(min_pages <= max_pages, larger)?;
    let slots = cursor.at_most("the number of slots", MAX_SLOTS)?;
    let size = u64::from(min_pages) * u64::from(PAGE_SIZE);
    let mut end = 0;
    let data = cursor.many(8, |cursor| data_segment(cursor, size, &mut end))?;
    module.home = Home { min_pages, max_pages, slots, data };
    cursor.end()
}

/// Moves `end` from the end of the segment before to that of this one.
fn data_segment(cursor: &mut Cursor, size: u64, end: &mut u64) -> Read<DataSegment> {
    let address = cursor.u32()?;
    let ascending = ReadProblem::NotCanonical("data segments overlap or are out of order");
    cursor.ensure(u64::from(address) >= *end, ascending)?;
    let length = cursor.u32()?;
    cursor.ensure(length > 0, ReadProblem::NotCanonical("a data segment is empty"))?;
    *end = u64::from(address) + u64::from(length);
    let outside = ReadProblem::Limit { what: "the end of a data segment", value: *end, limit: size };
    cursor.ensure(*end <= size, outside)?;
    Ok(DataSegment { address, bytes: cursor.take(length as usize)?.to_vec() })
}

fn tables(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let functions = module.functions.len();
    let count = cursor.count(4)?;
    cursor.ensure(count > 0, ReadProblem::NotCanonical("the section of tables is empty"))?;
    cursor.limit("the number of tables", count, MAX_TABLES)?;
    module.tables =
        cursor.times(count, |cursor| cursor.many(4, |cursor| cursor.optional_index("function", functions)))?;
    cursor.end()
}

fn exports(module: &mut Module, mut cursor: Cursor) -> Read<()> {
    let count = cursor.count(12)?;
    cursor.ensure(count > 0, ReadProblem::NotCanonical("the section of exports is empty"))?;
    let mut last: &[u8] = &[];
    module.exports = cursor.times(count, |cursor| export(cursor, &module.functions, &mut last))?;
    cursor.end()
}

/// A name is greater than the `last` one, and therefore not empty.
fn export<'a>(cursor: &mut Cursor<'a>, functions: &[Function], last: &mut &'a [u8]) -> Read<Export> {
    let kind = cursor.u8()?;
    let known = [EXPORTED_FUNCTION, EXPORTED_CONSTANT].contains(&kind);
    cursor.ensure(known, ReadProblem::Unknown { what: "kind of export", value: u64::from(kind) })?;
    let name = cursor.name()?;
    cursor.limit("the length of an exported name", name.len(), MAX_NAME)?;
    let bytes = cursor.field();
    cursor.ensure(bytes > *last, ReadProblem::NotCanonical("exports are not sorted by name"))?;
    *last = bytes;
    let item = if kind == EXPORTED_FUNCTION {
        ExportItem::Function(exported_function(cursor, functions)?)
    } else {
        ExportItem::Constant(cursor.i64()?)
    };
    Ok(Export { name, item })
}

fn exported_function(cursor: &mut Cursor, functions: &[Function]) -> Read<u32> {
    let function = cursor.index("function", functions.len())?;
    let signature = cursor.u32()?;
    let other = ReadProblem::Contradiction("an export has another type than its function");
    cursor.ensure(functions[function as usize].signature == signature, other)?;
    Ok(function)
}

fn debug(module: &mut Module, bodies: &[BodyPlace], mut cursor: Cursor) -> Read<()> {
    let files = cursor.many(2, Cursor::name)?;
    let names = cursor.count(2)?;
    let unnamed = ReadProblem::Contradiction("there is not one name for each function");
    cursor.ensure(names == 0 || names == module.functions.len(), unnamed)?;
    let function_names = cursor.times(names, Cursor::name)?;
    let mut depths = Vec::new();
    let sites = cursor.many(14, |cursor| site(cursor, files.len(), &mut depths))?;
    let rows = |body: &BodyPlace| lines(&mut cursor, body.words, files.len(), sites.len()).map(Later::from);
    let lines = bodies.iter().map(rows).collect::<Read<_>>()?;
    module.debug = Some(Debug { files: files.into(), function_names, sites, lines });
    cursor.end()
}

/// `depths` holds how deep each site lies that was read so far.
fn site(cursor: &mut Cursor, files: usize, depths: &mut Vec<usize>) -> Read<InlineSite> {
    let function = cursor.name()?;
    let file = cursor.index("file", files)?;
    let line = cursor.u32()?;
    let parent = cursor.optional_index("earlier inline site", depths.len())?;
    let depth = parent.map_or(0, |parent| depths[parent as usize]) + 1;
    cursor.limit("the depth of inline sites", depth, MAX_INLINE_DEPTH)?;
    depths.push(depth);
    Ok(InlineSite { function, file, line, parent })
}

fn lines(cursor: &mut Cursor, words: usize, files: usize, sites: usize) -> Read<Vec<LineRow>> {
    let mut next = 0;
    cursor.many(16, |cursor| {
        let row = line(cursor, words, files, sites, next)?;
        next = row.pc + 1;
        Ok(row)
    })
}

/// A row for the word `first` or a later one.
fn line(cursor: &mut Cursor, words: usize, files: usize, sites: usize, first: u32) -> Read<LineRow> {
    let pc = cursor.index("word of its function", words)?;
    cursor.ensure(pc >= first, ReadProblem::NotCanonical("line rows are out of order"))?;
    let file = cursor.optional_index("file", files)?;
    let line = cursor.u32()?;
    let site = cursor.optional_index("inline site", sites)?;
    let known = file.is_some() || (line == 0 && site.is_none());
    cursor.ensure(known, ReadProblem::NotCanonical("a row without a file has a line or a site"))?;
    Ok(LineRow { pc, file, line, site })
}
