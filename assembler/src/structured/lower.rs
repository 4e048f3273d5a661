//! A function in the making: its locals, its labels, and the instructions that all parts of the lowering emit.

use std::collections::HashMap;
use std::rc::Rc;

use limen_isa::codec::Value;
use limen_isa::{Opcode, ValueType};

use super::code::{Code, Inst, Item, Label, Reg};
use super::compiler::{Compiler, Shape};
use super::types::{Bindings, Int, Ty, Type};
use crate::ast::{Block, Float, Function, Line, Name};
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// One register's worth of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Reg(Reg),
    Int(i128),
    Float(Float),
    Null,
}

/// A value: its type and what is in its registers.
#[derive(Clone, Debug)]
pub(crate) struct Rv {
    pub(crate) ty: Ty,
    pub(crate) parts: Vec<Part>,
}

impl Rv {
    pub(crate) fn one(ty: Ty, part: Part) -> Self {
        Self { ty, parts: vec![part] }
    }
}

/// A name in a body.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) ty: Ty,
    pub(crate) regs: Vec<Reg>,
    pub(crate) mutable: bool,
    pub(crate) span: Span,
    pub(crate) used: bool,
    /// What it is, if it is constant.
    pub(crate) constant: Option<Vec<Part>>,
}

/// A loop around the code at hand.
pub(crate) struct Loop<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) again: Label,
    pub(crate) out: Label,
    /// How many deferred blocks there were outside.
    pub(crate) defers: usize,
    pub(crate) broken: bool,
}

/// Lowers one function.
pub(crate) struct Lower<'c, 'p, 'a> {
    pub(crate) c: &'c mut Compiler<'p, 'a>,
    pub(crate) function: &'a Function,
    pub(crate) shape: Rc<Shape>,
    pub(crate) bindings: Bindings<'a>,
    pub(crate) code: Code,
    pub(crate) locals: HashMap<&'a str, Local>,
    /// The names that each open block has declared.
    pub(crate) scopes: Vec<Vec<&'a str>>,
    pub(crate) loops: Vec<Loop<'a>>,
    pub(crate) defers: Vec<&'a Block>,
    /// Whether control can come to the code that is emitted next.
    pub(crate) reached: bool,
    pub(crate) labels: HashMap<&'a str, (Label, Option<Span>)>,
    /// The label right before the statement.
    pub(crate) loop_name: Option<&'a str>,
    /// Indices that are known to be below a bound.
    pub(crate) facts: Vec<(Reg, Bound)>,
    pub(crate) traps: Vec<(Label, u32, Span)>,
    /// Whether branches of the instruction notation may go into loops.
    pub(crate) plain_labels: bool,
    /// Where the statement at hand stands.
    pub(crate) span: Span,
}

/// What an index is below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Reg(Reg),
    Int(i128),
}

/// The value of an instruction's operand.
pub(crate) fn value(number: impl Into<i64>) -> Value {
    Value::Integer(number.into())
}

impl<'a> Lower<'_, '_, 'a> {
    // ---- Errors -----------------------------------------------------------------------------------------------------

    pub(crate) fn error<T>(&mut self, make: impl FnOnce() -> Diagnostic) -> Option<T> {
        self.c.errors.add(make);
        None
    }

    pub(crate) fn mismatch<T>(&mut self, span: Span, wanted: Ty, found: Ty) -> Option<T> {
        if wanted == Ty::BAD || found == Ty::BAD {
            return None;
        }
        let (wanted, found) = (self.c.types.name(wanted), self.c.types.name(found));
        self.error(|| Diagnostic::new(span, "wrong type").label(format!("expected {wanted}, found {found}")))
    }

    // ---- Types ------------------------------------------------------------------------------------------------------

    pub(crate) fn ty(&self, ty: Ty) -> Type {
        self.c.types.get(ty).clone()
    }

    /// The registers of a value, or an error where a type has no values.
    pub(crate) fn registers(&mut self, ty: Ty, span: Span) -> Option<Vec<ValueType>> {
        if ty == Ty::BAD {
            return None;
        }
        let registers = self.c.types.registers(ty, self.c.errors);
        if registers.is_none() {
            let name = self.c.types.name(ty);
            return self.error(|| {
                Diagnostic::new(span, format!("there are no values of type {name}"))
                    .help(["arrays lie in memory: name the place, its address or a slice of it"])
            });
        }
        registers
    }

    pub(crate) fn fresh(&mut self, ty: ValueType) -> Reg {
        self.code.registers.push(ty);
        self.code.registers.len() as Reg - 1
    }

    pub(crate) fn fresh_all(&mut self, types: &[ValueType]) -> Vec<Reg> {
        types.iter().map(|ty| self.fresh(*ty)).collect()
    }

    // ---- Code -------------------------------------------------------------------------------------------------------

    pub(crate) fn label(&mut self) -> Label {
        self.code.labels += 1;
        self.code.labels - 1
    }

    /// Puts a label here; what was known about indices may not hold any more.
    pub(crate) fn place(&mut self, label: Label) {
        self.code.items.push(Item::Label(label));
        self.facts.clear();
        self.reached = true;
    }

    pub(crate) fn emit(&mut self, mnemonic: &str, values: Vec<Value>) {
        let Some(opcode) = Opcode::from_mnemonic(mnemonic) else { unreachable!("there is no {mnemonic}") };
        self.emit_opcode(opcode, values);
    }

    pub(crate) fn emit_opcode(&mut self, opcode: Opcode, values: Vec<Value>) {
        let span = self.span;
        self.code.items.push(Item::Inst(Inst { opcode, values, span, heap_start: false, site: None }));
    }

    pub(crate) fn jump(&mut self, label: Label) {
        self.emit_opcode(Opcode::Jump, vec![value(label)]);
        self.reached = false;
    }

    /// A label behind the function at which it stops with a message.
    pub(crate) fn trap(&mut self, message: &str) -> Label {
        let (code, span) = (self.c.message(message), self.span);
        if let Some((label, ..)) = self.traps.iter().rev().take(8).find(|trap| trap.1 == code && trap.2 == span) {
            return *label;
        }
        let label = self.label();
        self.traps.push((label, code, span));
        label
    }

    /// An instruction with one result, which goes to `dest` if there is one.
    pub(crate) fn op(&mut self, mnemonic: &str, ty: ValueType, dest: Option<Reg>, operands: &[i64]) -> Reg {
        let dest = dest.unwrap_or_else(|| self.fresh(ty));
        let values = std::iter::once(i64::from(dest)).chain(operands.iter().copied()).map(Value::Integer).collect();
        self.emit(mnemonic, values);
        dest
    }

    pub(crate) fn mov(&mut self, to: Reg, part: Part) {
        let ty = self.code.registers[to as usize];
        match part {
            Part::Reg(from) if from == to => {}
            Part::Reg(from) => self.emit(&format!("{ty}.mov"), vec![value(to), value(from)]),
            constant => self.constant(to, ty, constant),
        }
    }

    fn constant(&mut self, to: Reg, ty: ValueType, part: Part) {
        let (mnemonic, bits) = constant(ty, part);
        let values = if ty == ValueType::Ref { vec![value(to)] } else { vec![value(to), value(bits)] };
        self.emit(mnemonic, values);
    }

    /// The register that a part is in; constants are put into one.
    pub(crate) fn reg(&mut self, part: Part, ty: ValueType) -> Reg {
        if let Part::Reg(reg) = part {
            return reg;
        }
        let to = self.fresh(ty);
        self.constant(to, ty, part);
        to
    }

    // ---- Names ------------------------------------------------------------------------------------------------------

    pub(crate) fn declare(&mut self, name: &'a Name, local: Local) {
        if &*name.text == "_" {
            return;
        }
        if let Some(first) = self.locals.get(&*name.text) {
            let first = first.span;
            let file_level = "a name that is known already cannot be declared again";
            self.c.errors.add(|| {
                Diagnostic::new(name.span, format!("`{}` hides another local", name.text))
                    .note(file_level)
                    .also(first, "declared here")
            });
            return;
        }
        self.locals.insert(&name.text, local);
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(&name.text);
        }
    }

    pub(crate) fn close_scope(&mut self) {
        for name in self.scopes.pop().unwrap_or_default() {
            let Some(local) = self.locals.remove(name) else { continue };
            if !local.used && !name.starts_with('_') {
                self.c.errors.add(|| {
                    Diagnostic::new(local.span, format!("`{name}` is never used"))
                        .help(["leave it out, or begin its name with `_`"])
                });
            }
        }
    }

    /// Forgets what is known about a register that changes.
    pub(crate) fn changes(&mut self, reg: Reg) {
        self.facts.retain(|(index, bound)| *index != reg && *bound != Bound::Reg(reg));
    }

    // ---- The whole function -----------------------------------------------------------------------------------------

    pub(crate) fn run(mut self) -> Code {
        self.scopes.push(Vec::new());
        let params = self.shape.params.clone();
        for (param, ty) in self.function.params.iter().zip(params) {
            let types = self.c.types.registers(ty, self.c.errors).unwrap_or_default();
            let regs = self.fresh_all(&types);
            let span = param.name.span;
            self.declare(&param.name, Local { ty, regs, mutable: true, span, used: true, constant: None });
        }
        self.plain_labels = uses_labels(&self.function.body);
        self.lines(&self.function.body);
        self.span = self.function.close;
        if self.reached {
            self.end();
        }
        self.close_scope();
        self.check_labels();
        for (label, code, span) in std::mem::take(&mut self.traps) {
            self.span = span;
            self.place(label);
            self.emit_opcode(Opcode::Trap, vec![value(code)]);
        }
        self.code.reads_unwritten = self.plain_labels;
        self.code
    }

    /// The end of a body that control comes to.
    fn end(&mut self) {
        if !self.shape.results.is_empty() {
            let (name, close) = (&self.function.name.text, self.function.close);
            self.c
                .errors
                .add(|| Diagnostic::new(close, format!("`{name}` may end without its result")).help(["add `return`"]));
        }
        self.give(Vec::new());
    }

    fn check_labels(&mut self) {
        let missing: Vec<_> =
            self.labels.iter().filter_map(|(name, (_, span))| span.map(|span| (*name, span))).collect();
        for (name, span) in missing {
            self.c.errors.add(|| Diagnostic::new(span, format!("there is no label `{name}`")));
        }
    }

    /// Ends the function with these results.
    pub(crate) fn give(&mut self, mut regs: Vec<Reg>) {
        if self.shape.error.is_some() {
            regs.push(0);
            let last = regs.len() - 1;
            regs[last] = self.reg(Part::Int(0), ValueType::I32);
        }
        self.ret(&regs);
    }

    pub(crate) fn ret(&mut self, regs: &[Reg]) {
        let list = regs.iter().map(|reg| i64::from(*reg)).collect();
        self.emit_opcode(Opcode::Ret, vec![Value::List(list)]);
        self.reached = false;
    }
}

/// Whether labels stand in a body that do not name a loop.
fn uses_labels(lines: &[Line]) -> bool {
    use crate::ast::StatementKind::{For, Loop, While};
    lines.iter().enumerate().any(|(index, line)| match (line, lines.get(index + 1)) {
        (Line::Label(_), Some(Line::Statement(next))) => !matches!(next.kind, While(..) | Loop(_) | For(_)),
        (Line::Label(_), _) => true,
        _ => false,
    })
}

/// The instruction that makes a constant, and its operand.
fn constant(ty: ValueType, part: Part) -> (&'static str, i64) {
    match (ty, part) {
        (ValueType::I32, Part::Int(value)) => ("i32.const", i64::from(value as i32)),
        (ValueType::I64, Part::Int(value)) if i32::try_from(value as i64).is_ok() => ("i64.const", value as i64),
        (ValueType::I64, Part::Int(value)) => ("i64.const64", value as i64),
        (ValueType::F32, Part::Float(value)) => ("f32.const", i64::from(value.single.to_bits())),
        (ValueType::F64, Part::Float(value)) => ("f64.const", value.double.to_bits() as i64),
        (ValueType::F32, Part::Int(value)) => ("f32.const", i64::from((value as f32).to_bits())),
        (ValueType::F64, Part::Int(value)) => ("f64.const", (value as f64).to_bits() as i64),
        (ValueType::Ref, _) => ("ref.null", 0),
        _ => ("i32.const", 0),
    }
}

/// The machine's type for an integer type.
pub(crate) fn width(int: Int) -> ValueType {
    if int.bits == 64 { ValueType::I64 } else { ValueType::I32 }
}
