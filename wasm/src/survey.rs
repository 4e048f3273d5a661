//! What must be known of all code before any of it is translated, so that a function can be translated when it is first called.
//!
//! This looks at each operator by itself. It finds operators that are not supported, and bytes that are no operators; whether
//! operators go together is for validation to say, later. What is found out about code that is not valid makes no difference.

use wasmparser::{BinaryReader, BlockType, OperatorsReader, TryTable, VisitOperator, VisitSimdOperator};

use crate::features;
use crate::function::could_be_deep;
use crate::source::Source;
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
    pub(crate) fn of(source: &Source) -> wasmparser::Result<Self> {
        let mut walk = Walk {
            source,
            graph: (!source.tags.is_empty()).then(|| Graph::of(source)),
            uses_tables: false,
            function: 0,
            height: 0,
            most: 0,
            exceptional: 0,
            frames: Vec::new(),
        };
        let mut deep = Vec::new();
        for (function, body) in (source.imported() as u32..).zip(&source.bodies) {
            walk.function(function, source.operators(body))?;
            if could_be_deep(body.locals, walk.most, walk.exceptional) {
                deep.push(function);
            }
        }
        let throws = walk.graph.map_or_else(Throws::default, |graph| graph.finish(source));
        Ok(Self { uses_tables: walk.uses_tables, deep, throws })
    }
}

/// A pass over functions.
struct Walk<'a> {
    source: &'a Source,
    /// If there are exceptions.
    graph: Option<Graph>,
    uses_tables: bool,
    function: u32,
    /// Of the stack of operands. Where control cannot come it may be anything.
    height: usize,
    /// At most so high was it in this function.
    most: usize,
    /// How many of its operators, and clauses of them, are about exceptions.
    exceptional: usize,
    frames: Vec<Frame>,
}

/// A block that has not ended.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Of the stack below the block's operands.
    height: usize,
    params: usize,
    results: usize,
}

impl Walk<'_> {
    fn function(&mut self, function: u32, code: (&[u8], u64)) -> wasmparser::Result<()> {
        (self.function, self.height, self.most, self.exceptional) = (function, 0, 0, 0);
        self.frames.clear();
        self.frames.push(Frame::default());
        let mut operators = OperatorsReader::new(BinaryReader::new_features(code.0, code.1, features::supported()));
        while !operators.eof() {
            operators.visit_operator(self)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn take(&mut self, pops: usize, pushes: usize) {
        self.stand_at(self.height.saturating_sub(pops) + pushes);
    }

    #[inline(always)]
    fn stand_at(&mut self, height: usize) {
        self.height = height;
        self.most = self.most.max(height);
    }

    /// The numbers of parameters and results of a function type.
    fn shape(&self, ty: u32) -> (usize, usize) {
        self.source.types.get(ty as usize).map_or((0, 0), |ty| (ty.params.len(), ty.results.len()))
    }

    fn payload(&self, tag: u32) -> usize {
        self.source.tags.get(tag as usize).map_or(0, |ty| self.shape(*ty).0)
    }

    fn begin(&mut self, ty: BlockType) {
        let (params, results) = match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(ty) => self.shape(ty),
        };
        self.frames.push(Frame { height: self.height.saturating_sub(params), params, results });
    }

    fn innermost(&self) -> Frame {
        self.frames.last().copied().unwrap_or_default()
    }

    fn end(&mut self) {
        let Frame { height, results, .. } = self.frames.pop().unwrap_or_default();
        self.stand_at(height + results);
    }

    fn catch(&mut self, payload: usize) {
        self.exceptional += 1;
        self.stand_at(self.innermost().height + payload);
    }

    fn throw(&mut self, rethrows: bool) {
        self.exceptional += 1;
        if let Some(graph) = &mut self.graph {
            graph.throw(self.function, rethrows);
        }
    }
}

/// Operators of which something else must be known than how many operands they take and give.
macro_rules! visit {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(visit!(one $visit ($($($arg: $ty),*)?) $($ann)*);)*
    };
    (one visit_block $($rest:tt)*) => { fn visit_block(&mut self, ty: BlockType) { self.begin(ty); } };
    (one visit_loop $($rest:tt)*) => { fn visit_loop(&mut self, ty: BlockType) { self.begin(ty); } };
    (one visit_if $($rest:tt)*) => {
        fn visit_if(&mut self, ty: BlockType) {
            self.take(1, 0);
            self.begin(ty);
        }
    };
    (one visit_else $($rest:tt)*) => {
        fn visit_else(&mut self) {
            let Frame { height, params, .. } = self.innermost();
            self.stand_at(height + params);
        }
    };
    (one visit_end $($rest:tt)*) => { fn visit_end(&mut self) { self.end(); } };
    (one visit_br_if $($rest:tt)*) => { fn visit_br_if(&mut self, _: u32) { self.take(1, 0); } };
    (one visit_call $($rest:tt)*) => {
        fn visit_call(&mut self, function: u32) {
            let ty = self.source.functions.get(function as usize).copied().unwrap_or(u32::MAX);
            let (params, results) = self.shape(ty);
            self.take(params, results);
            if let Some(graph) = &mut self.graph {
                graph.call(self.function, function);
            }
        }
    };
    (one visit_call_indirect $($rest:tt)*) => {
        fn visit_call_indirect(&mut self, ty: u32, _: u32) {
            let (params, results) = self.shape(ty);
            self.take(params + 1, results);
            if let Some(graph) = &mut self.graph {
                graph.call_indirect(self.function, ty);
            }
        }
    };
    (one visit_ref_func $($rest:tt)*) => {
        fn visit_ref_func(&mut self, function: u32) {
            self.take(0, 1);
            if let Some(graph) = &mut self.graph {
                graph.hold(u64::from(function) + 1);
            }
        }
    };
    (one visit_try $($rest:tt)*) => { fn visit_try(&mut self, ty: BlockType) { self.begin(ty); } };
    (one visit_try_table $($rest:tt)*) => {
        fn visit_try_table(&mut self, table: TryTable) {
            self.exceptional += table.catches.len();
            self.begin(table.ty);
        }
    };
    (one visit_catch $($rest:tt)*) => {
        fn visit_catch(&mut self, tag: u32) { self.catch(self.payload(tag)); }
    };
    (one visit_catch_all $($rest:tt)*) => { fn visit_catch_all(&mut self) { self.catch(0); } };
    (one visit_delegate $($rest:tt)*) => { fn visit_delegate(&mut self, _: u32) { self.end(); } };
    (one visit_throw $($rest:tt)*) => { fn visit_throw(&mut self, _: u32) { self.throw(false); } };
    (one visit_throw_ref $($rest:tt)*) => { fn visit_throw_ref(&mut self) { self.throw(false); } };
    (one visit_rethrow $($rest:tt)*) => { fn visit_rethrow(&mut self, _: u32) { self.throw(true); } };
    (one visit_elem_drop $($rest:tt)*) => { fn visit_elem_drop(&mut self, _: u32) { self.uses_tables = true; } };
    (one visit_table_get ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_get ($($args)*) $($ann)*); };
    (one visit_table_set ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_set ($($args)*) $($ann)*); };
    (one visit_table_size ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_size ($($args)*) $($ann)*); };
    (one visit_table_grow ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_grow ($($args)*) $($ann)*); };
    (one visit_table_fill ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_fill ($($args)*) $($ann)*); };
    (one visit_table_copy ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_copy ($($args)*) $($ann)*); };
    (one visit_table_init ($($args:tt)*) $($ann:tt)*) => { visit!(table visit_table_init ($($args)*) $($ann)*); };
    (table $visit:ident ($($arg:ident: $ty:ty),*) arity $pops:literal -> $pushes:literal) => {
        fn $visit(&mut self $(, _: $ty)*) {
            self.uses_tables = true;
            self.take($pops, $pushes);
        }
    };
    (one $visit:ident ($($arg:ident: $ty:ty),*) arity $(memarg)? $pops:literal -> $pushes:literal) => {
        #[inline(always)]
        fn $visit(&mut self $(, _: $ty)*) { self.take($pops, $pushes); }
    };
    // Where control does not go on behind it, or what is not supported.
    (one $visit:ident ($($arg:ident: $ty:ty),*) arity custom) => {
        #[inline(always)]
        fn $visit(&mut self $(, _: $ty)*) {}
    };
}

impl<'a> VisitOperator<'a> for Walk<'_> {
    type Output = ();

    wasmparser::for_each_visit_operator!(visit);

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        None
    }
}
