//! The body of a function: its registers, its labels, and its lines one after the other.

use std::collections::HashMap;

use indexmap::IndexMap;
use indexmap::map::Entry;
use limen_isa::module::{LineRow, MAX_FUNCTION_WORDS, MAX_REGISTERS, Signature};
use limen_isa::{Field, Flow, ValueType};

use crate::ast::{Expr, ExprKind, Function, Instruction, Line, LineAnnotation, Name, Operand, Operands};
use crate::debug::{LineContext, Lines};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::twice;
use crate::program::Program;
use crate::source::Span;
use crate::suggest;

/// A function's registers, words and line rows.
pub(crate) struct Body {
    pub(crate) registers: Vec<ValueType>,
    pub(crate) code: Vec<u64>,
    pub(crate) lines: Vec<LineRow>,
}

/// Encodes function number `index` of the program, which is all in the instruction notation; `order` says where each
/// function comes to stand. What is wrong is reported; the body is then of no use.
pub(crate) fn encode(
    program: &Program<'_>,
    index: usize,
    order: &[u32],
    context: &mut LineContext<'_, '_>,
    errors: &mut Errors,
) -> Body {
    let function = program.globals.functions[index].function;
    let mut encoder = Encoder {
        program,
        function,
        signature: program.signatures.of_function(index).1,
        registers: IndexMap::new(),
        labels: HashMap::new(),
        branches: Vec::new(),
        code: Vec::new(),
        end: End::Open(None),
        order,
        errors,
    };
    let mut lines = Lines::of(function);
    for param in &function.params {
        encoder.declare(&param.name, param.ty.machine().unwrap_or(ValueType::I32));
    }
    for line in &function.body {
        encoder.line(line, &mut lines, context);
    }
    encoder.finish(lines)
}

/// A declared register.
#[derive(Clone, Copy)]
pub(crate) struct Register {
    pub(crate) number: usize,
    pub(crate) ty: ValueType,
    pub(crate) declared: Span,
}

/// A field that waits for its label's position.
pub(crate) struct Branch<'a> {
    pub(crate) label: &'a str,
    pub(crate) span: Span,
    /// The branch's first word.
    pub(crate) from: usize,
    /// The word that holds the field.
    pub(crate) word: usize,
    pub(crate) field: Field,
}

/// How the code ends so far.
#[derive(Clone, Copy)]
enum End {
    /// Control runs on past the last instruction, if there is one.
    Open(Option<Span>),
    /// It does not, or the words there are not looked at.
    Closed,
    /// The last instruction could not be encoded.
    Unknown,
}

/// Encodes one body.
pub(crate) struct Encoder<'p, 'a> {
    pub(crate) program: &'p Program<'a>,
    pub(crate) function: &'a Function,
    pub(crate) signature: &'p Signature,
    /// Where each function comes to stand.
    pub(crate) order: &'p [u32],
    pub(crate) registers: IndexMap<&'a str, Register>,
    labels: HashMap<&'a str, (usize, Span)>,
    pub(crate) branches: Vec<Branch<'a>>,
    pub(crate) code: Vec<u64>,
    end: End,
    pub(crate) errors: &'p mut Errors,
}

impl<'p, 'a> Encoder<'p, 'a> {
    /// For single instructions of a function, whose registers are given.
    pub(crate) fn of_line(
        program: &'p Program<'a>,
        function: &'a Function,
        signature: &'p Signature,
        registers: IndexMap<&'a str, Register>,
        errors: &'p mut Errors,
    ) -> Self {
        Self {
            program,
            function,
            signature,
            order: &[],
            registers,
            labels: HashMap::new(),
            branches: Vec::new(),
            code: Vec::new(),
            end: End::Open(None),
            errors,
        }
    }

    /// An instruction whose branches are still to be resolved: its labels in order.
    pub(crate) fn resolve(
        &mut self,
        instruction: &'a Instruction,
    ) -> Option<(limen_isa::codec::Instruction, Vec<(&'a str, Span)>)> {
        let resolved = self.values(instruction)?;
        let branches = self.branches.drain(..).map(|branch| (branch.label, branch.span)).collect();
        Some((resolved, branches))
    }

    fn line(&mut self, line: &'a Line, lines: &mut Lines, context: &mut LineContext<'_, '_>) {
        let pc = self.code.len() as u32;
        match line {
            Line::Label(name) => self.label(name),
            Line::Registers(registers) => {
                let ty = registers.ty.machine().unwrap_or(ValueType::I32);
                registers.names.iter().for_each(|name| self.declare(name, ty));
            }
            // A function that has one is not encoded from its source.
            Line::Statement(_) => {}
            Line::Annotation(LineAnnotation::Words(words)) => self.words(words),
            Line::Annotation(annotation) => lines.annotation(pc, annotation, context, self.errors),
            Line::Instruction(instruction) => {
                lines.instruction(pc, instruction, context);
                self.end = self.end_after(instruction);
            }
        }
    }

    fn end_after(&mut self, instruction: &'a Instruction) -> End {
        match self.instruction(instruction) {
            Some(Flow::Next | Flow::Branch) => End::Open(Some(instruction.span)),
            Some(Flow::Terminator) => End::Closed,
            None => End::Unknown,
        }
    }

    fn declare(&mut self, name: &'a Name, ty: ValueType) {
        let number = self.registers.len();
        match self.registers.entry(&name.text) {
            Entry::Vacant(entry) => {
                entry.insert(Register { number, ty, declared: name.span });
            }
            Entry::Occupied(entry) => {
                let first = entry.get().declared;
                self.errors.add(|| twice(&format!("register `{}`", name.text), name.span, first));
            }
        }
        if number == MAX_REGISTERS {
            self.errors.add(|| {
                Diagnostic::new(name.span, "this function has too many registers")
                    .note(format!("at most {MAX_REGISTERS} are allowed"))
            });
        }
    }

    fn label(&mut self, name: &'a Name) {
        if let Some((_, first)) = self.labels.insert(&name.text, (self.code.len(), name.span)) {
            self.errors.add(|| twice(&format!("label `{}`", name.text), name.span, first));
        }
    }

    fn words(&mut self, words: &'a [Expr]) {
        for word in words {
            let value = self.program.constants.integer(word, i128::from(i64::MIN), i128::from(u64::MAX), self.errors);
            self.code.push(value.unwrap_or(0) as u64);
        }
        self.end = End::Closed;
    }

    fn finish(mut self, lines: Lines) -> Body {
        let (lines, dangling) = lines.finish(self.code.len() as u32);
        self.check_length();
        match self.end {
            End::Open(last) => self.errors.add(|| open_end(self.function.close, last)),
            End::Closed => self.report_dangling(dangling),
            End::Unknown => {}
        }
        for branch in std::mem::take(&mut self.branches) {
            self.patch(&branch);
        }
        let registers = self.registers.values().map(|register| register.ty).collect();
        Body { registers, code: self.code, lines }
    }

    fn check_length(&mut self) {
        if self.code.len() > MAX_FUNCTION_WORDS {
            self.errors.add(|| {
                Diagnostic::new(self.function.close, "this function is too long")
                    .note(format!("at most {MAX_FUNCTION_WORDS} words are allowed"))
            });
        }
    }

    /// Reports the labels, and the annotation if there is one, after which no instruction comes.
    fn report_dangling(&mut self, annotation: Option<Span>) {
        if let Some(span) = annotation {
            self.errors.add(|| Diagnostic::new(span, "no instruction follows this annotation"));
        }
        for (_, span) in self.labels.values().filter(|(target, _)| *target == self.code.len()) {
            self.errors.add(|| Diagnostic::new(*span, "no instruction follows this label"));
        }
    }

    /// Puts the distance to its label into a branch.
    fn patch(&mut self, branch: &Branch<'a>) {
        let Some((target, _)) = self.labels.get(branch.label) else {
            let labels = self.labels.keys().copied();
            self.errors.add(|| {
                Diagnostic::new(branch.span, format!("there is no label `{}`", branch.label))
                    .help(suggest::similar(branch.label, labels))
            });
            return;
        };
        let distance = *target as i64 - branch.from as i64;
        let reach = 1 << (branch.field.width() - 1);
        if !(-reach..reach).contains(&distance) {
            self.errors.add(|| Diagnostic::new(branch.span, "this label is too far away"));
            return;
        }
        self.code[branch.word] |= ((distance as u64) << branch.field.shift()) & branch.field.mask();
    }
}

/// The names that stand in an instruction.
pub(crate) fn names(instruction: &Instruction) -> Vec<&str> {
    let mut names: Vec<&str> = instruction.results.iter().map(|name| &*name.text).collect();
    match &instruction.operands {
        Operands::List(list) => {
            for operand in list {
                match operand {
                    Operand::Expr(expr) => names.extend(name_of(expr)),
                    Operand::Bracket(bracket) => names.extend(bracket.parts.iter().map(|part| &*part.base.text)),
                }
            }
        }
        Operands::Call(call) => names.extend(call.arguments.list.iter().filter_map(name_of)),
        Operands::Indirect(call) => {
            names.push(&call.index.text);
            names.extend(call.arguments.list.iter().filter_map(name_of));
        }
    }
    names
}

fn name_of(expr: &Expr) -> Option<&str> {
    if let ExprKind::Name(name) = &expr.kind { Some(name) } else { None }
}

fn open_end(close: Span, last: Option<Span>) -> Diagnostic {
    let diagnostic = Diagnostic::new(close, "control runs off the end of this function").help(["add `ret`"]);
    match last {
        Some(last) => diagnostic.also(last, "goes on to the next instruction"),
        None => diagnostic.label("there is no instruction"),
    }
}
