//! What must be known of all code before any of it is translated, so that a function can be translated when it is first called.
//!
//! This looks at each operator by itself. It finds operators that are not supported, and bytes that are no operators; whether
//! operators go together is for validation to say, later. What is found out about code that is not valid makes no difference.
//!
//! All bytes of all code pass here before a program begins, so this has a reader of its own. What follows an operator, and
//! how many operands it takes and gives, it has from the reader that validates, which it asks once about each operator.

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
pub(crate) struct Survey {
    /// Whether code does more with tables than call through them.
    pub(crate) uses_tables: bool,
    /// Functions that could have more operands than there are registers.
    pub(crate) deep: Vec<u32>,
    pub(crate) throws: Throws,
}

impl Survey {
    /// `None` if some code has bytes that are no operator, or none that is supported.
    pub(crate) fn of(source: &Arc<Source>) -> Option<Self> {
        let work = Arc::new(Work::new(source));
        if work.pieces.len() > 1 {
            let work = Arc::clone(&work);
            // Where the host gives no thread, there is none that helps.
            let _ = std::thread::Builder::new().name("limen-survey".to_owned()).spawn(move || work.help());
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

/// The functions that a function calls by name, in the order of its code, which need not be valid.
pub(crate) fn callees(source: &Source, function: u32) -> Vec<u32> {
    let (mut frames, mut callees) = (Vec::new(), Vec::new());
    let mut walk = Walk::new(source, function, &mut frames);
    walk.callees = Some(&mut callees);
    let _ = walk.all();
    callees
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
}

impl Part {
    fn of(source: &Source, bodies: Range<usize>) -> Option<Self> {
        let graph = (!source.tags.is_empty()).then(|| Graph::of(source));
        let mut part = Self { uses_tables: false, deep: Vec::new(), graph };
        let mut frames = Vec::new();
        for index in bodies {
            let (function, body) = ((source.imported() + index) as u32, &source.bodies[index]);
            let mut walk = Walk::new(source, function, &mut frames);
            walk.graph = part.graph.as_mut();
            walk.all()?;
            part.uses_tables |= walk.uses_tables;
            if could_be_deep(body.locals, walk.most as usize, walk.exceptional) {
                part.deep.push(function);
            }
        }
        Some(part)
    }

    fn joined(parts: Vec<Self>, source: &Source) -> Survey {
        let mut survey = Survey { uses_tables: false, deep: Vec::new(), throws: Throws::default() };
        let mut graphs = Vec::new();
        for part in parts {
            survey.uses_tables |= part.uses_tables;
            survey.deep.extend(part.deep);
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

static ROWS: LazyLock<Rows> = LazyLock::new(|| Rows {
    first: std::array::from_fn(|byte| {
        let is_special = SPECIAL.contains(&(byte as u8));
        if is_special { Row::without(Kind::Special) } else { Row::of(&[byte as u8]) }
    }),
    prefixed: (0..PREFIXED).map(|number| Row::of(&[PREFIX, number])).collect(),
});

impl Row {
    const fn without(kind: Kind) -> Self {
        Self { kind, numbers: 0, bytes: 0, growth: 0 }
    }

    /// Asks what becomes of these bytes with nothing but zeros behind them.
    fn of(begin: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes[..begin.len()].copy_from_slice(begin);
        let mut reader = OperatorsReader::new(BinaryReader::new_features(&bytes, 0, features::supported()));
        let operator = reader.read().ok().filter(features::has);
        let arity = operator.as_ref().and_then(|operator| operator.operator_arity(&NoModule));
        let Some((operator, (pops, pushes))) = operator.zip(arity) else {
            return Self::without(Kind::Unknown);
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

const SPECIAL: [u8; 25] = [
    byte::UNREACHABLE,
    byte::BLOCK,
    byte::LOOP,
    byte::IF,
    byte::ELSE,
    byte::TRY,
    byte::CATCH,
    byte::THROW,
    byte::RETHROW,
    byte::THROW_REF,
    byte::END,
    byte::BR,
    byte::BR_IF,
    byte::BR_TABLE,
    byte::RETURN,
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

/// A block that has not ended.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Of the stack below the block's operands.
    height: u32,
    params: u32,
    results: u32,
}

/// One pass over one function.
struct Walk<'w> {
    source: &'w Source,
    function: u32,
    /// What is left of it.
    code: &'w [u8],
    /// If there are exceptions.
    graph: Option<&'w mut Graph>,
    /// If somebody wants to know them.
    callees: Option<&'w mut Vec<u32>>,
    uses_tables: bool,
    /// Of the stack of operands. Where control cannot come it may be anything.
    height: u32,
    /// At most so high was it.
    most: u32,
    /// How many operators, and clauses of them, are about exceptions.
    exceptional: usize,
    frames: &'w mut Vec<Frame>,
}

impl<'w> Walk<'w> {
    /// Of a function that has a body. Frames are only room.
    fn new(source: &'w Source, function: u32, frames: &'w mut Vec<Frame>) -> Self {
        frames.clear();
        frames.push(Frame::default());
        let code = source.operators(&source.bodies[function as usize - source.imported()]);
        let (graph, callees) = (None, None);
        Self { source, function, code, graph, callees, uses_tables: false, height: 0, most: 0, exceptional: 0, frames }
    }

    fn all(&mut self) -> Option<()> {
        let rows = &*ROWS;
        while let Some((byte, code)) = self.code.split_first() {
            self.code = code;
            let row = rows.first[usize::from(*byte)];
            match row.kind {
                Kind::Plain => self.plain(row)?,
                Kind::Special => self.special(*byte, &rows.prefixed)?,
                Kind::Unknown => return None,
            }
        }
        Some(())
    }

    #[inline(always)]
    fn plain(&mut self, row: Row) -> Option<()> {
        self.skip(row)?;
        self.stand_at(self.height.saturating_add_signed(i32::from(row.growth)));
        Some(())
    }

    /// Skips what follows an operator: mostly without a branch that the processor would have to foresee.
    #[inline(always)]
    fn skip(&mut self, row: Row) -> Option<()> {
        if let Some(next) = self.code.first_chunk::<8>() {
            // The last byte of a number has its highest bit clear.
            let first = !u64::from_le_bytes(*next) & 0x8080_8080_8080_8080;
            let second = first & first.wrapping_sub(1);
            let behind = |ends: u64| 1 + ends.trailing_zeros() as usize / 8;
            // Not out of a table: it would have to be written first, and all that follows waits for this.
            let length = match row.numbers {
                0 => 0,
                1 => behind(first),
                2 => behind(second),
                _ => usize::MAX,
            };
            if length <= next.len() {
                self.code = self.code.get(length + usize::from(row.bytes)..)?;
                return Some(());
            }
        }
        (0..row.numbers).try_for_each(|_| self.skip_number())?;
        self.code = self.code.get(usize::from(row.bytes)..)?;
        Some(())
    }

    fn special(&mut self, byte: u8, prefixed: &[Row]) -> Option<()> {
        match byte {
            byte::UNREACHABLE | byte::RETURN => {}
            byte::BLOCK | byte::LOOP | byte::TRY => self.begin()?,
            byte::IF => {
                self.take(1, 0);
                self.begin()?;
            }
            byte::ELSE => {
                let Frame { height, params, .. } = self.innermost();
                self.stand_at(height.saturating_add(params));
            }
            byte::END => self.end(),
            byte::BR => self.skip_number()?,
            byte::BR_IF => {
                self.skip_number()?;
                self.take(1, 0);
            }
            byte::BR_TABLE => {
                let targets = self.number()?;
                (0..=targets).try_for_each(|_| self.skip_number())?;
            }
            byte::CALL => self.call()?,
            byte::CALL_INDIRECT => self.call_indirect()?,
            byte::TYPED_SELECT => {
                let types = self.number()?;
                (0..types).try_for_each(|_| self.value_type())?;
                self.take(3, 1);
            }
            byte::TABLE_GET | byte::TABLE_SET => {
                self.uses_tables = true;
                self.skip_number()?;
                self.take(2, 1);
            }
            byte::REF_FUNC => {
                let reference = u64::from(self.number()?) + 1;
                self.graph.iter_mut().for_each(|graph| graph.hold(reference));
                self.take(0, 1);
            }
            PREFIX => {
                let number = self.number()?;
                self.uses_tables |= number >= FIRST_OF_TABLES;
                let row = prefixed.get(number as usize).filter(|row| row.kind == Kind::Plain)?;
                self.plain(*row)?;
            }
            _ => self.exceptional(byte)?,
        }
        Some(())
    }

    fn call(&mut self) -> Option<()> {
        let function = self.number()?;
        let ty = self.source.functions.get(function as usize).copied().unwrap_or(u32::MAX);
        let (params, results) = self.shape(ty);
        self.take(params, results);
        if let Some(graph) = &mut self.graph {
            graph.call(self.function, function);
        }
        if let Some(callees) = &mut self.callees {
            callees.push(function);
        }
        Some(())
    }

    fn call_indirect(&mut self) -> Option<()> {
        let ty = self.number()?;
        self.skip_number()?;
        let (params, results) = self.shape(ty);
        self.take(params + 1, results);
        if let Some(graph) = &mut self.graph {
            graph.call_indirect(self.function, ty);
        }
        Some(())
    }

    fn exceptional(&mut self, byte: u8) -> Option<()> {
        self.exceptional += 1;
        match byte {
            byte::CATCH => {
                let tag = self.number()?;
                let payload = self.source.tags.get(tag as usize).map_or(0, |ty| self.shape(*ty).0);
                self.stand_at(self.innermost().height.saturating_add(payload));
            }
            byte::CATCH_ALL => self.stand_at(self.innermost().height),
            byte::DELEGATE => {
                self.skip_number()?;
                self.end();
            }
            byte::TRY_TABLE => {
                self.begin()?;
                let clauses = self.number()?;
                (0..clauses).try_for_each(|_| self.clause())?;
            }
            byte::THROW | byte::RETHROW => {
                self.skip_number()?;
                self.throw(byte == byte::RETHROW);
            }
            _ => self.throw(false),
        }
        Some(())
    }

    /// A clause of a `try_table`: what it catches, perhaps a tag, and where it goes.
    fn clause(&mut self) -> Option<()> {
        self.exceptional += 1;
        let has_tag = self.number()? < 2;
        (0..=u32::from(has_tag)).try_for_each(|_| self.skip_number())
    }

    fn throw(&mut self, rethrows: bool) {
        if let Some(graph) = &mut self.graph {
            graph.throw(self.function, rethrows);
        }
    }

    fn begin(&mut self) -> Option<()> {
        // A type of values is a negative number, and so is no type at all.
        let (params, results) = match *self.code.first()? {
            NO_TYPE => self.skip_number().map(|()| (0, 0))?,
            byte if byte & 0xc0 == 0x40 => self.value_type().map(|()| (0, 1))?,
            _ => self.number().map(|ty| self.shape(ty))?,
        };
        self.frames.push(Frame { height: self.height.saturating_sub(params), params, results });
        Some(())
    }

    fn end(&mut self) {
        let Frame { height, results, .. } = self.frames.pop().unwrap_or_default();
        self.stand_at(height.saturating_add(results));
    }

    fn innermost(&self) -> Frame {
        self.frames.last().copied().unwrap_or_default()
    }

    fn take(&mut self, pops: u32, pushes: u32) {
        self.stand_at(self.height.saturating_sub(pops).saturating_add(pushes));
    }

    #[inline(always)]
    fn stand_at(&mut self, height: u32) {
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

    #[inline(always)]
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

    /// Surveys a module with a table, a memory, and functions of no parameters with these operators, whose `end`s are added.
    fn survey_all(functions: &[Vec<u8>]) -> Option<Survey> {
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
        Survey::of(&Arc::new(Source::read(Arc::new(wasm), &mut NoImports).expect("its sections are valid")))
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
