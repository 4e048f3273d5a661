//! What must be known of all code before any of it is translated, so that a function can be translated when it is first called.
//!
//! This looks at each operator by itself. It finds operators that are not supported, and bytes that are no operators; whether
//! operators go together is for validation to say, later. What is found out about code that is not valid makes no difference.
//!
//! All bytes of all code pass here before a program begins, so this has a reader of its own. What follows an operator, and
//! how many operands it takes and gives, it has from the reader that validates, which it asks once about each operator.

use std::hint::select_unpredictable;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use wasmparser::{
    BinaryReader, BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, OperatorsReader, RefType, SubType,
    ValType,
};

use crate::features;
use crate::function::could_be_deep;
use crate::source::{Body, Source};
use crate::throws::{Graph, Throws};

/// What is found out about a module's code.
#[derive(Default)]
pub(crate) struct Survey {
    /// Whether code does more with tables than call through them.
    pub(crate) uses_tables: bool,
    /// Functions that could have more operands than there are registers.
    pub(crate) deep: Vec<u32>,
    pub(crate) throws: Throws,
    pub(crate) calls: Calls,
}

impl Survey {
    /// `None` if some code has bytes that are no operator, or none that is supported.
    pub(crate) fn of(source: &Arc<Source>, helper: &dyn Fn(crate::Work)) -> Option<Self> {
        let work = Arc::new(Work::new(source));
        if work.pieces.len() > 1 {
            let work = Arc::clone(&work);
            helper(Box::new(move || work.help()));
        }
        work.help();
        // What the other thread is at is done here, too, rather than waited for: it may have no processor.
        let mut parts = Vec::new();
        for index in 0..work.pieces.len() {
            parts.push(work.done[index].get().cloned().unwrap_or_else(|| work.part(index))?);
        }
        Some(Part::joined(parts, source))
    }
}

/// The functions that bodies call by name, in the order of their code, which need not be valid.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    callees: Vec<u32>,
    /// By body: where its callees are.
    places: Vec<Range<u32>>,
}

impl Calls {
    /// `None` if there is no such body.
    pub(crate) fn of(&self, body: usize) -> Option<&[u32]> {
        let Range { start, end } = self.places.get(body)?;
        self.callees.get(*start as usize..*end as usize)
    }

    fn put(&mut self, body: usize, callees: &[u32]) {
        let start = self.callees.len() as u32;
        self.callees.extend(callees);
        self.places[body] = start..self.callees.len() as u32;
    }

    /// Adds those of bodies that follow.
    fn extend(&mut self, other: &Self) {
        let before = self.callees.len() as u32;
        self.callees.extend(&other.callees);
        self.places.extend(other.places.iter().map(|place| before + place.start..before + place.end));
    }
}

/// A module's code in pieces, which two threads take in turn.
struct Work {
    source: Arc<Source>,
    /// Ranges of bodies.
    pieces: Vec<Range<usize>>,
    /// The first piece that nobody has taken.
    next: AtomicUsize,
    done: Vec<OnceLock<Option<Part>>>,
}

impl Work {
    fn new(source: &Arc<Source>) -> Self {
        let pieces = pieces(&source.bodies);
        let done = pieces.iter().map(|_| OnceLock::new()).collect();
        Self { source: Arc::clone(source), pieces, next: 0.into(), done }
    }

    /// Does pieces until all are taken.
    fn help(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(done) = self.done.get(index) else { return };
            let _ = done.set(self.part(index));
        }
    }

    fn part(&self, index: usize) -> Option<Part> {
        Part::of(&self.source, self.pieces[index].clone())
    }
}

/// Bodies in pieces that are large enough to be worth passing to another thread.
fn pieces(bodies: &[Body]) -> Vec<Range<usize>> {
    const WORTH_IT: usize = 64 << 10;
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, body) in bodies.iter().enumerate() {
        bytes += body.place.len();
        if bytes >= WORTH_IT || index + 1 == bodies.len() {
            pieces.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    pieces
}

/// What is found out about functions that follow each other.
#[derive(Clone)]
struct Part {
    uses_tables: bool,
    deep: Vec<u32>,
    graph: Option<Graph>,
    calls: Calls,
}

impl Part {
    /// Looks at two bodies in turn: while the processor waits for how long the one's operator is, it goes on with the other's.
    fn of(source: &Source, bodies: Range<usize>) -> Option<Self> {
        let (rows, first, mut left) = (&*ROWS, bodies.start, bodies);
        let mut part = Self::new(source, left.len());
        let mut walks = [Walk::new(source), Walk::new(source)];
        for walk in &mut walks {
            left.next().into_iter().for_each(|body| walk.begin(body));
        }
        loop {
            let [one, other] = &mut walks;
            while !one.code.is_empty() && !other.code.is_empty() {
                one.step(rows, &mut part)?;
                other.step(rows, &mut part)?;
            }
            if !one.code.is_empty() {
                walks.reverse();
            }
            let [ended, _] = &mut walks;
            part.note(ended, first);
            let Some(body) = left.next() else { break };
            ended.begin(body);
        }
        let [_, last] = &mut walks;
        while !last.code.is_empty() {
            last.step(rows, &mut part)?;
        }
        part.note(last, first);
        part.deep.sort_unstable();
        Some(part)
    }

    fn new(source: &Source, bodies: usize) -> Self {
        let graph = (!source.tags.is_empty()).then(|| Graph::of(source));
        let calls = Calls { callees: Vec::new(), places: vec![0..0; bodies] };
        Self { uses_tables: false, deep: Vec::new(), graph, calls }
    }

    /// Notes what was found out about a body, if there was one.
    fn note(&mut self, walk: &Walk<'_>, first: usize) {
        let Some(body) = walk.body else { return };
        if could_be_deep(walk.source.bodies[body].locals, walk.most as usize, walk.exceptional) {
            self.deep.push(walk.function());
        }
        self.calls.put(body - first, &walk.callees);
    }

    fn joined(parts: Vec<Self>, source: &Source) -> Survey {
        let mut survey = Survey::default();
        let mut graphs = Vec::new();
        for part in parts {
            survey.uses_tables |= part.uses_tables;
            survey.deep.extend(part.deep);
            survey.calls.extend(&part.calls);
            graphs.extend(part.graph);
        }
        let graph = graphs.into_iter().reduce(Graph::joined);
        survey.throws = graph.map_or_else(Throws::default, |graph| graph.finish(source));
        survey
    }
}

/// What is known of an operator.
#[derive(Clone, Copy)]
struct Row {
    kind: Kind,
    /// So many numbers of variable length follow,
    numbers: u8,
    /// and so many bytes.
    bytes: u8,
    /// By how much the stack of operands grows.
    growth: i8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is none, or not supported.
    Unknown,
    /// What the row says is all there is to it.
    Plain,
    /// It begins a block, whose type follows.
    Opening,
    /// It ends one.
    Closing,
    /// The walk knows more of it.
    Special,
}

/// By first byte; and behind [`PREFIX`], by number.
struct Rows {
    first: [Row; 256],
    prefixed: Vec<Row>,
}

const PREFIX: u8 = 0xfc;

/// So many numbers are asked for behind the prefix.
const PREFIXED: u8 = 32;

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let row = |byte: u8| {
        let known = KNOWN.iter().find(|(known, _)| *known == byte).map(|(_, row)| *row);
        let special = SPECIAL.contains(&byte).then(|| Row::new(Kind::Special, 0, 0));
        known.or(special).unwrap_or_else(|| Row::of(&[byte]))
    };
    Rows {
        first: std::array::from_fn(|byte| row(byte as u8)),
        prefixed: (0..PREFIXED).map(|number| Row::of(&[PREFIX, number])).collect(),
    }
});

impl Row {
    const fn new(kind: Kind, numbers: u8, growth: i8) -> Self {
        Self { kind, numbers, bytes: 0, growth }
    }

    /// Asks what becomes of these bytes with nothing but zeros behind them.
    fn of(begin: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..begin.len()].copy_from_slice(begin);
        let mut reader = OperatorsReader::new(BinaryReader::new_features(&bytes, 0, features::supported()));
        let operator = reader.read().ok().filter(features::has);
        let arity = operator.as_ref().and_then(|operator| operator.operator_arity(&NoModule));
        let Some((operator, (pops, pushes))) = operator.zip(arity) else {
            return Self::new(Kind::Unknown, 0, 0);
        };
        let length = (reader.original_position() as usize - begin.len()) as u8;
        let is_fixed = matches!(operator, Operator::F32Const { .. } | Operator::F64Const { .. });
        let (numbers, bytes) = if is_fixed { (0, length) } else { (length, 0) };
        Self { kind: Kind::Plain, numbers, bytes, growth: pushes as i8 - pops as i8 }
    }
}

/// The first bytes of operators that are more than rows.
mod byte {
    pub(super) const UNREACHABLE: u8 = 0x00;
    pub(super) const BLOCK: u8 = 0x02;
    pub(super) const LOOP: u8 = 0x03;
    pub(super) const IF: u8 = 0x04;
    pub(super) const ELSE: u8 = 0x05;
    pub(super) const TRY: u8 = 0x06;
    pub(super) const CATCH: u8 = 0x07;
    pub(super) const THROW: u8 = 0x08;
    pub(super) const RETHROW: u8 = 0x09;
    pub(super) const THROW_REF: u8 = 0x0a;
    pub(super) const END: u8 = 0x0b;
    pub(super) const BR: u8 = 0x0c;
    pub(super) const BR_IF: u8 = 0x0d;
    pub(super) const BR_TABLE: u8 = 0x0e;
    pub(super) const RETURN: u8 = 0x0f;
    pub(super) const CALL: u8 = 0x10;
    pub(super) const CALL_INDIRECT: u8 = 0x11;
    pub(super) const DELEGATE: u8 = 0x18;
    pub(super) const CATCH_ALL: u8 = 0x19;
    pub(super) const TYPED_SELECT: u8 = 0x1c;
    pub(super) const TRY_TABLE: u8 = 0x1f;
    pub(super) const TABLE_GET: u8 = 0x25;
    pub(super) const TABLE_SET: u8 = 0x26;
    pub(super) const REF_FUNC: u8 = 0xd2;
}

/// Rows that depend on the blocks around an operator. Behind a branch that is always taken control cannot come.
const KNOWN: [(u8, Row); 8] = [
    (byte::UNREACHABLE, Row::new(Kind::Plain, 0, 0)),
    (byte::BLOCK, Row::new(Kind::Opening, 1, 0)),
    (byte::LOOP, Row::new(Kind::Opening, 1, 0)),
    (byte::IF, Row::new(Kind::Opening, 1, -1)),
    (byte::END, Row::new(Kind::Closing, 0, 0)),
    (byte::BR, Row::new(Kind::Plain, 1, 0)),
    (byte::BR_IF, Row::new(Kind::Plain, 1, -1)),
    (byte::RETURN, Row::new(Kind::Plain, 0, 0)),
];

const SPECIAL: [u8; 17] = [
    byte::ELSE,
    byte::TRY,
    byte::CATCH,
    byte::THROW,
    byte::RETHROW,
    byte::THROW_REF,
    byte::BR_TABLE,
    byte::CALL,
    byte::CALL_INDIRECT,
    byte::DELEGATE,
    byte::CATCH_ALL,
    byte::TYPED_SELECT,
    byte::TRY_TABLE,
    byte::TABLE_GET,
    byte::TABLE_SET,
    byte::REF_FUNC,
    PREFIX,
];

/// Behind the prefix: the first operator that is about tables. So are all that follow it.
const FIRST_OF_TABLES: u32 = 12;

/// The type of a block that takes and gives nothing.
const NO_TYPE: u8 = 0x40;

/// The types of blocks that take nothing and are one byte: nothing, and the types of numbers.
static USUAL_TYPES: [bool; 256] = {
    let mut usual = [false; 256];
    (usual[NO_TYPE as usize], usual[0x7c], usual[0x7d], usual[0x7e], usual[0x7f]) = (true, true, true, true, true);
    usual
};

/// A block that has not ended.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Of the stack below the block's operands.
    height: i64,
    params: u32,
    results: u32,
}

/// One pass over one function, and then over another.
struct Walk<'w> {
    source: &'w Source,
    /// `None` before the first.
    body: Option<usize>,
    /// What is left of it.
    code: &'w [u8],
    callees: Vec<u32>,
    /// Of the stack of operands, not negative. Where control cannot come it may be anything.
    height: i64,
    /// At most so high was it.
    most: i64,
    /// How many operators, and clauses of them, are about exceptions.
    exceptional: usize,
    /// The function's own, those of blocks, and room for one more.
    frames: Vec<Frame>,
    /// The innermost frame.
    depth: usize,
}

impl<'w> Walk<'w> {
    fn new(source: &'w Source) -> Self {
        let (code, callees, frames) = (&[][..], Vec::new(), vec![Frame::default(); 2]);
        Self { source, body: None, code, callees, height: 0, most: 0, exceptional: 0, frames, depth: 0 }
    }

    fn begin(&mut self, body: usize) {
        self.body = Some(body);
        self.code = self.source.operators(&self.source.bodies[body]);
        self.callees.clear();
        (self.height, self.most, self.exceptional, self.depth) = (0, 0, 0, 0);
    }

    fn function(&self) -> u32 {
        (self.source.imported() + self.body.unwrap_or_default()) as u32
    }

    /// One operator; mostly without a branch that the processor would have to foresee.
    #[inline(always)]
    fn step(&mut self, rows: &Rows, part: &mut Part) -> Option<()> {
        const HIGHEST_BITS: u64 = 0x8080_8080_8080_8080;
        let (Some(next), Some([innermost, free])) =
            (self.code.first_chunk::<8>(), self.frames[self.depth..].first_chunk_mut::<2>())
        else {
            return self.slowly(rows, part);
        };
        let word = u64::from_le_bytes(*next);
        let (row, ty) = (rows.first[usize::from(word as u8)], (word >> 8) as u8);
        // The last byte of a number has its highest bit clear. The operator counts as one, too.
        let none = (!word | 0x80) & HIGHEST_BITS;
        let one = none & none.wrapping_sub(1);
        let two = one & one.wrapping_sub(1);
        let last = select_unpredictable(row.numbers == 0, none, one);
        let last = select_unpredictable(row.numbers > 1, two, last);
        let (opens, closes) = (row.kind == Kind::Opening, row.kind == Kind::Closing);
        let is_special = (row.kind == Kind::Special) | (row.kind == Kind::Unknown);
        if is_special | (opens & !USUAL_TYPES[usize::from(ty)]) | (last == 0) {
            return self.slowly(rows, part);
        }
        self.code = self.code.get(1 + last.trailing_zeros() as usize / 8 + usize::from(row.bytes)..)?;
        let height = (self.height + i64::from(row.growth)).max(0);
        // Only where a block begins this is its frame.
        *free = Frame { height, params: 0, results: u32::from(ty != NO_TYPE) };
        let behind = innermost.height + i64::from(innermost.results);
        self.stand_at(select_unpredictable(closes, behind, height));
        self.depth = (self.depth + usize::from(opens)).saturating_sub(usize::from(closes));
        Some(())
    }

    /// The same for any operator.
    #[inline(never)]
    fn slowly(&mut self, rows: &Rows, part: &mut Part) -> Option<()> {
        let (byte, code) = self.code.split_first()?;
        self.code = code;
        let row = rows.first[usize::from(*byte)];
        match row.kind {
            Kind::Plain => self.plain(row)?,
            Kind::Opening => {
                self.take(u32::from(*byte == byte::IF), 0);
                self.open()?;
            }
            Kind::Closing => self.close(),
            Kind::Special => self.special(*byte, &rows.prefixed, part)?,
            Kind::Unknown => return None,
        }
        Some(())
    }

    fn plain(&mut self, row: Row) -> Option<()> {
        (0..row.numbers).try_for_each(|_| self.skip_number())?;
        self.code = self.code.get(usize::from(row.bytes)..)?;
        self.stand_at((self.height + i64::from(row.growth)).max(0));
        Some(())
    }

    fn special(&mut self, byte: u8, prefixed: &[Row], part: &mut Part) -> Option<()> {
        match byte {
            byte::TRY => self.open()?,
            byte::ELSE => {
                let Frame { height, params, .. } = self.innermost();
                self.stand_at(height + i64::from(params));
            }
            byte::BR_TABLE => {
                let targets = self.number()?;
                (0..=targets).try_for_each(|_| self.skip_number())?;
            }
            byte::CALL => self.call(part)?,
            byte::CALL_INDIRECT => self.call_indirect(part)?,
            byte::TYPED_SELECT => {
                let types = self.number()?;
                (0..types).try_for_each(|_| self.value_type())?;
                self.take(3, 1);
            }
            byte::TABLE_GET | byte::TABLE_SET => {
                part.uses_tables = true;
                self.skip_number()?;
                self.take(2, 1);
            }
            byte::REF_FUNC => {
                let reference = u64::from(self.number()?) + 1;
                part.graph.iter_mut().for_each(|graph| graph.hold(reference));
                self.take(0, 1);
            }
            PREFIX => {
                let number = self.number()?;
                part.uses_tables |= number >= FIRST_OF_TABLES;
                let row = prefixed.get(number as usize).filter(|row| row.kind == Kind::Plain)?;
                self.plain(*row)?;
            }
            _ => self.exceptional(byte, part)?,
        }
        Some(())
    }

    fn call(&mut self, part: &mut Part) -> Option<()> {
        let function = self.number()?;
        let ty = self.source.functions.get(function as usize).copied().unwrap_or(u32::MAX);
        let (params, results) = self.shape(ty);
        self.take(params, results);
        if let Some(graph) = &mut part.graph {
            graph.call(self.function(), function);
        }
        self.callees.push(function);
        Some(())
    }

    fn call_indirect(&mut self, part: &mut Part) -> Option<()> {
        let ty = self.number()?;
        self.skip_number()?;
        let (params, results) = self.shape(ty);
        self.take(params + 1, results);
        if let Some(graph) = &mut part.graph {
            graph.call_indirect(self.function(), ty);
        }
        Some(())
    }

    fn exceptional(&mut self, byte: u8, part: &mut Part) -> Option<()> {
        self.exceptional += 1;
        match byte {
            byte::CATCH => {
                let tag = self.number()?;
                let payload = self.source.tags.get(tag as usize).map_or(0, |ty| self.shape(*ty).0);
                self.stand_at(self.innermost().height + i64::from(payload));
            }
            byte::CATCH_ALL => self.stand_at(self.innermost().height),
            byte::DELEGATE => {
                self.skip_number()?;
                self.close();
            }
            byte::TRY_TABLE => {
                self.open()?;
                let clauses = self.number()?;
                (0..clauses).try_for_each(|_| self.clause())?;
            }
            byte::THROW | byte::RETHROW => {
                self.skip_number()?;
                self.throw(part, byte == byte::RETHROW);
            }
            _ => self.throw(part, false),
        }
        Some(())
    }

    /// A clause of a `try_table`: what it catches, perhaps a tag, and where it goes.
    fn clause(&mut self) -> Option<()> {
        self.exceptional += 1;
        let has_tag = self.number()? < 2;
        (0..=u32::from(has_tag)).try_for_each(|_| self.skip_number())
    }

    fn throw(&self, part: &mut Part, rethrows: bool) {
        if let Some(graph) = &mut part.graph {
            graph.throw(self.function(), rethrows);
        }
    }

    fn open(&mut self) -> Option<()> {
        // A type of values is a negative number, and so is no type at all.
        let (params, results) = match *self.code.first()? {
            NO_TYPE => self.skip_number().map(|()| (0, 0))?,
            byte if byte & 0xc0 == 0x40 => self.value_type().map(|()| (0, 1))?,
            _ => self.number().map(|ty| self.shape(ty))?,
        };
        self.depth += 1;
        self.frames.resize(self.frames.len().max(self.depth + 2), Frame::default());
        self.frames[self.depth] = Frame { height: (self.height - i64::from(params)).max(0), params, results };
        Some(())
    }

    fn close(&mut self) {
        let Frame { height, results, .. } = self.innermost();
        self.depth = self.depth.saturating_sub(1);
        self.stand_at(height + i64::from(results));
    }

    fn innermost(&self) -> Frame {
        self.frames[self.depth]
    }

    fn take(&mut self, pops: u32, pushes: u32) {
        self.stand_at((self.height - i64::from(pops)).max(0) + i64::from(pushes));
    }

    #[inline(always)]
    fn stand_at(&mut self, height: i64) {
        self.height = height;
        self.most = self.most.max(height);
    }

    /// The numbers of parameters and results of a function type.
    fn shape(&self, ty: u32) -> (u32, u32) {
        let shape = |ty: &crate::FunctionType| (ty.params.len() as u32, ty.results.len() as u32);
        self.source.types.get(ty as usize).map_or((0, 0), shape)
    }

    fn value_type(&mut self) -> Option<()> {
        let mut reader = BinaryReader::new_features(self.code, 0, features::supported());
        reader.read::<ValType>().ok()?;
        self.code = &self.code[reader.original_position() as usize..];
        Some(())
    }

    /// A number of at most 32 bits.
    fn number(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let (byte, code) = self.code.split_first()?;
            self.code = code;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    fn skip_number(&mut self) -> Option<()> {
        loop {
            let (byte, code) = self.code.split_first()?;
            self.code = code;
            if byte & 0x80 == 0 {
                return Some(());
            }
        }
    }
}

/// Rows are of operators that take and give the same in every module.
struct NoModule;

impl ModuleArity for NoModule {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoImports;

    /// A module with a table, a memory, and functions of no parameters with these operators, whose `end`s are added.
    fn source(functions: &[Vec<u8>]) -> Arc<Source> {
        let count = functions.len() as u8;
        let mut wasm = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03".to_vec();
        wasm.extend([count + 1, count]);
        wasm.resize(wasm.len() + functions.len(), 0);
        wasm.extend(b"\x04\x04\x01\x70\0\x01\x05\x03\x01\0\x01");
        let number = |value: usize| [value as u8 & 0x7f | 0x80, (value >> 7) as u8 & 0x7f | 0x80, (value >> 14) as u8];
        let bodies = functions.iter().map(|code| [&number(code.len() + 2)[..], &[0], code, &[byte::END]].concat());
        let bodies = bodies.collect::<Vec<_>>().concat();
        wasm.push(10);
        wasm.extend(number(bodies.len() + 1));
        wasm.push(count);
        wasm.extend(bodies);
        Arc::new(Source::read(Arc::new(wasm), &mut NoImports).expect("its sections are valid"))
    }

    fn survey_all(functions: &[Vec<u8>]) -> Option<Survey> {
        Survey::of(&source(functions), &crate::on_own_thread)
    }

    fn survey(code: &[u8]) -> Option<Survey> {
        survey_all(&[code.to_vec()])
    }

    fn is_surveyed(code: &[u8]) -> Option<(bool, usize)> {
        survey(code).map(|survey| (survey.uses_tables, survey.deep.len()))
    }

    #[test]
    fn operators_about_tables_are_found() {
        assert_eq!(is_surveyed(&[0x41, 0, 0x25, 0, 0x1a]), Some((true, 0)), "table.get");
        assert_eq!(is_surveyed(&[PREFIX, 16, 0, 0x1a]), Some((true, 0)), "table.size");
        // The number of an operator and of a table in more bytes than they need.
        assert_eq!(is_surveyed(&[PREFIX, 0x90, 0, 0x80, 0, 0x1a]), Some((true, 0)));
        assert_eq!(is_surveyed(&[0x41, 0, 0x11, 0, 0]), Some((false, 0)), "call_indirect");
        // Constants that look like operators.
        assert_eq!(is_surveyed(&[0x41, 0x25, 0x1a, 0x44, 0x25, 0, 0xfc, 16, 0, 0, 0, 0, 0x1a]), Some((false, 0)));
        assert_eq!(
            is_surveyed(&[0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0x1a]),
            Some((false, 0))
        );
    }

    #[test]
    fn functions_with_many_operands_are_found() {
        let operands = |count: usize| [[0x41, 0].repeat(count), vec![0x1a; count]].concat();
        assert_eq!(is_surveyed(&operands(100)), Some((false, 0)));
        assert_eq!(is_surveyed(&operands(2000)), Some((false, 1)));
        assert_eq!(is_surveyed(&[0x41, 0, 0x1a].repeat(2000)), Some((false, 0)), "never more than one");
        let block = [vec![0x02, NO_TYPE], [0x41, 0].repeat(600), vec![0x0c, 0, byte::END]].concat();
        assert_eq!(is_surveyed(&block.repeat(10)), Some((false, 0)), "they are gone behind each block");
    }

    /// Some operators, which need not go together.
    fn random_code(random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
        const SOME: [&[u8]; 20] = [
            &[0x41, 0],
            &[0x41, 0xff, 0x80, 1],
            &[0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
            &[0x44, 0x80, 0x80, 0x80, 0x80, 0, 0, 0x0b, 0xff],
            &[0x28, 2, 0x80, 0x80, 0x80, 0x80, 0],
            &[0x36, 0x82, 0x80, 0, 0x90, 1],
            &[0x6a],
            &[0x1a],
            &[byte::BLOCK, NO_TYPE],
            &[byte::BLOCK, 0x7e],
            &[byte::LOOP, 0x70],
            &[byte::LOOP, 0x80, 0],
            &[byte::IF, 0x7f],
            &[byte::ELSE],
            &[byte::END],
            &[byte::BR_IF, 0x80, 0],
            &[byte::BR_TABLE, 2, 0, 0x81, 0, 0],
            &[byte::CALL, 0x80, 1],
            &[PREFIX, 0x8a, 0, 0, 0],
            &[byte::REF_FUNC, 0],
        ];
        (0..random(60)).flat_map(|_| SOME[random(SOME.len())]).copied().collect()
    }

    /// Of each body: what is left of it, how many operands there were at most, how deep its last block is, and its callees.
    fn walked<'w>(
        source: &'w Source,
        step: for<'a> fn(&'a mut Walk<'w>, &Rows, &mut Part) -> Option<()>,
    ) -> Vec<(&'w [u8], i64, usize, Vec<u32>)> {
        let (mut walk, mut part) = (Walk::new(source), Part::new(source, 0));
        let all = (0..source.bodies.len()).map(|body| {
            walk.begin(body);
            while !walk.code.is_empty() && step(&mut walk, &ROWS, &mut part).is_some() {}
            (walk.code, walk.most, walk.depth, walk.callees.clone())
        });
        all.collect()
    }

    #[test]
    fn what_is_usual_is_what_anything_is() {
        let mut state: u64 = 1;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let source = source(&(0..120).map(|_| random_code(&mut random)).collect::<Vec<_>>());
        let usually = walked(&source, Walk::step);
        assert_eq!(usually, walked(&source, Walk::slowly));
        assert!(usually.iter().any(|(_, most, ..)| *most > 5), "something is counted");
    }

    #[test]
    fn much_code_is_surveyed_in_pieces() {
        let long = || [0x41, 0, 0x1a].repeat(10_000);
        let deep = || [[0x41, 0].repeat(2000), vec![0x1a; 2000]].concat();
        let uses_tables = || [long(), vec![0x41, 0, 0x25, 0, 0x1a]].concat();
        for turn in 0..6 {
            let mut functions = vec![long(), deep(), long(), long(), uses_tables(), deep()];
            functions.rotate_left(turn);
            let survey = survey_all(&functions).expect("all operators are there");
            let mut wanted = [1, 5].map(|function| (function + 6 - turn as u32) % 6);
            wanted.sort_unstable();
            assert!(survey.uses_tables && survey.deep == wanted, "{turn}: {:?}", survey.deep);
            functions[turn].push(0xff);
            assert!(survey_all(&functions).is_none(), "{turn}");
        }
    }

    #[test]
    fn what_is_no_operator_is_found() {
        for code in
            [&[0xff][..], &[0xfd, 12], &[0xfe, 0], &[PREFIX, 99], &[0x12, 0], &[0x44, 0, 0], &[0x0e, 0x80, 0x80]]
        {
            assert_eq!(is_surveyed(code), None, "{code:?}");
        }
    }
}
