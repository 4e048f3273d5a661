//! One instruction: its operands, checked against the row of its mnemonic.

use limen_isa::codec::{self, Value};
use limen_isa::module::Signature;
use limen_isa::{Field, Flow, List, Opcode, Operand, OperandKind, Row, ValueType};

use crate::ast::{self, Arguments, Bracket, Expr, ExprKind, Instruction, Line, Name, Operands};
use crate::body::{Branch, Encoder};
use crate::diagnostic::Diagnostic;
use crate::globals::Symbol;
use crate::layout::{float32, float64};
use crate::shape::{Piece, pieces, results, split_bracket, usage};
use crate::source::Span;
use crate::suggest;

/// The most `i32` and `i64` registers that `svc` passes each way.
pub(crate) const MAX_SVC_WORDS: usize = 8;

/// The most references that `svc` passes each way.
pub(crate) const MAX_SVC_REFERENCES: usize = 4;

/// Beside an operand that is written in another way than the row has it.
const OTHER_SHAPE: &str = "this is not what belongs here";

/// What the source has at one place right of the mnemonic.
#[derive(Clone, Copy)]
enum Given<'a> {
    Expr(&'a Expr),
    Name(&'a Name),
    Bracket(&'a Bracket),
    Arguments(&'a Arguments),
}

impl Given<'_> {
    fn span(self) -> Span {
        match self {
            Self::Expr(expr) => expr.span,
            Self::Name(name) => name.span,
            Self::Bracket(bracket) => bracket.span,
            Self::Arguments(arguments) => arguments.span,
        }
    }
}

/// A name used as a register, or what stands there instead.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: Option<&'a str>,
    span: Span,
}

impl<'a> Place<'a> {
    fn of_expr(expr: &'a Expr) -> Self {
        let name = if let ExprKind::Name(name) = &expr.kind { Some(&**name) } else { None };
        Self { name, span: expr.span }
    }

    fn of_name(name: &'a Name) -> Self {
        Self { name: Some(&name.text), span: name.span }
    }

    fn of_given(given: Given<'a>) -> Self {
        match given {
            Given::Expr(expr) => Self::of_expr(expr),
            Given::Name(name) => Self::of_name(name),
            Given::Bracket(_) | Given::Arguments(_) => Self { name: None, span: given.span() },
        }
    }
}

/// The instruction at hand.
struct Current<'p, 'a> {
    instruction: &'a Instruction,
    row: &'static Row,
    /// What is called: its signature, and how messages name it.
    callee: Option<(&'p Signature, &'a str)>,
    values: Vec<Value>,
}

/// A list that has one register per type, and how messages speak of it: "`f` takes 2 arguments", "1 given".
struct Wanted<'w> {
    types: &'w [ValueType],
    who: &'w str,
    verb: &'static str,
    noun: &'static str,
    found: &'static str,
}

impl<'p, 'a> Encoder<'p, 'a> {
    /// Appends the instruction's words. `None` once an error is reported.
    pub(crate) fn instruction(&mut self, instruction: &'a Instruction) -> Option<Flow> {
        let mut resolved = self.values(instruction)?;
        let row = resolved.opcode.row();
        for (operand, value) in row.operands.iter().zip(&mut resolved.values) {
            if let (OperandKind::Function, Value::Integer(function)) = (operand.kind, value) {
                *function = i64::from(self.order[*function as usize]);
            }
        }
        match codec::encode(&resolved, &mut self.code) {
            Ok(()) => Some(row.flow),
            Err(error) => self.refuse(|| Diagnostic::new(instruction.span, error.to_string())),
        }
    }

    /// The instruction's operands; labels are noted in `branches`. `None` once an error is reported.
    pub(crate) fn values(&mut self, instruction: &'a Instruction) -> Option<codec::Instruction> {
        let opcode = self.opcode(&instruction.mnemonic)?;
        let row = opcode.row();
        let values = vec![Value::Integer(0); row.operands.len()];
        let mut current = Current { instruction, row, callee: None, values };
        let branches = self.branches.len();
        let done = self.right_side(&mut current).and_then(|()| self.left_side(&mut current));
        if done.is_none() {
            self.branches.truncate(branches);
            return None;
        }
        Some(codec::Instruction { opcode, values: current.values })
    }

    /// Reports an error.
    fn refuse<T>(&mut self, make: impl FnOnce() -> Diagnostic) -> Option<T> {
        self.errors.add(make);
        None
    }

    fn opcode(&mut self, mnemonic: &Name) -> Option<Opcode> {
        match Opcode::from_mnemonic(&mnemonic.text) {
            Some(opcode) if opcode.row().reserved => {
                self.refuse(|| Diagnostic::new(mnemonic.span, format!("`{}` is reserved, not built", mnemonic.text)))
            }
            Some(opcode) => Some(opcode),
            None => {
                let program = self.program;
                self.refuse(|| {
                    let is_function = matches!(
                        program.globals.get(&mnemonic.text, mnemonic.span.file),
                        Some((Symbol::Function(_), _))
                    );
                    let call = is_function.then(|| format!("call a function with `call {}(...)`", mnemonic.text));
                    let mnemonics = Opcode::ALL.iter().map(|opcode| opcode.mnemonic());
                    Diagnostic::new(mnemonic.span, format!("there is no instruction `{}`", mnemonic.text))
                        .help(call.or_else(|| suggest::similar(&mnemonic.text, mnemonics)))
                })
            }
        }
    }

    // ---- Right of the mnemonic --------------------------------------------------------------------------------------

    fn right_side(&mut self, current: &mut Current<'p, 'a>) -> Option<()> {
        let mut given = given(&current.instruction.operands);
        let mut rest = given.iter_mut();
        for piece in pieces(current.row) {
            if let Piece::Registers(index) = piece {
                let list: Vec<_> = rest.by_ref().map(|given| Place::of_given(*given)).collect();
                current.values[index] = self.returned(current, &list)?;
            } else {
                let Some(given) = rest.next() else {
                    return self.wrong_shape(current, current.instruction.span, "an operand is missing");
                };
                self.piece(current, &piece, *given)?;
            }
        }
        match rest.next() {
            None => Some(()),
            Some(given) => self.wrong_shape(current, given.span(), "one operand too many"),
        }
    }

    fn piece(&mut self, current: &mut Current<'p, 'a>, piece: &Piece, given: Given<'a>) -> Option<()> {
        match (piece, given) {
            (Piece::Single(index), Given::Expr(_) | Given::Name(_)) => {
                current.values[*index] = Value::Integer(self.single(current, *index, given)?);
            }
            (Piece::Bracket(range), Given::Bracket(bracket)) => {
                let (registers, offset) = split_bracket(current.row, range);
                self.bracket(current, bracket, registers, offset)?;
            }
            (Piece::Targets(index), Given::Bracket(bracket)) => {
                current.values[*index] = self.targets(current, bracket)?;
            }
            (Piece::Arguments(index), Given::Arguments(arguments)) => {
                current.values[*index] = self.arguments(current, *index, arguments)?;
            }
            _ => return self.wrong_shape(current, given.span(), OTHER_SHAPE),
        }
        Some(())
    }

    /// Reports operands that do not stand as the row has them.
    fn wrong_shape<T>(&mut self, current: &Current<'p, 'a>, span: Span, label: &str) -> Option<T> {
        let row = current.row;
        self.refuse(|| {
            Diagnostic::new(span, format!("wrong operands for `{}`", row.mnemonic))
                .label(label)
                .help([format!("it is written `{}`", usage(row))])
        })
    }

    fn single(&mut self, current: &mut Current<'p, 'a>, index: usize, given: Given<'a>) -> Option<i64> {
        let operand = &current.row.operands[index];
        match operand.kind {
            OperandKind::Register { ty, .. } => self.register(current, Place::of_given(given), ty),
            OperandKind::Function => self.function(current, Place::of_given(given)),
            OperandKind::Table => self.table(Place::of_given(given)),
            OperandKind::Signature => self.signature(current, Place::of_given(given)),
            OperandKind::Label => {
                let place = Place::of_given(given);
                self.branch(place, 0, operand.place.field)
            }
            OperandKind::Immediate { .. }
            | OperandKind::Bits32
            | OperandKind::Literal64
            | OperandKind::Float32
            | OperandKind::Float64 => match given {
                Given::Expr(expr) => self.immediate(operand, expr),
                Given::Name(_) | Given::Bracket(_) | Given::Arguments(_) => {
                    self.wrong_shape(current, given.span(), OTHER_SHAPE)
                }
            },
            OperandKind::List(_) => self.wrong_shape(current, given.span(), OTHER_SHAPE),
        }
    }

    fn immediate(&mut self, operand: &Operand, expr: &'a Expr) -> Option<i64> {
        if let Some(declared) = self.register_instead_of_constant(expr) {
            return self.refuse(|| {
                Diagnostic::new(expr.span, "a constant belongs here")
                    .label("this is a register")
                    .also(declared, "declared here")
            });
        }
        let constants = &self.program.constants;
        match operand.kind {
            OperandKind::Float32 => float32(expr, constants, self.errors).map(i64::from),
            OperandKind::Float64 => float64(expr, constants, self.errors).map(|bits| bits as i64),
            OperandKind::Literal64 => {
                let (min, max) = (i128::from(i64::MIN), i128::from(u64::MAX));
                constants.integer(expr, min, max, self.errors).map(|value| value as i64)
            }
            _ => {
                // What is no immediate at all never comes here, so the field alone decides.
                let (min, max) = codec::range(operand);
                constants.integer(expr, i128::from(min), i128::from(max), self.errors).map(|value| value as i64)
            }
        }
    }

    /// Where the register was declared that stands where a constant belongs.
    fn register_instead_of_constant(&self, expr: &'a Expr) -> Option<Span> {
        let name = Place::of_expr(expr).name.filter(|name| self.program.globals.get(name, expr.span.file).is_none())?;
        self.registers.get(name).map(|register| register.declared)
    }

    fn bracket(
        &mut self,
        current: &mut Current<'p, 'a>,
        bracket: &'a Bracket,
        registers: std::ops::Range<usize>,
        offset: Option<usize>,
    ) -> Option<()> {
        let last = bracket.parts.len().wrapping_sub(1);
        let early = bracket.parts.iter().take(last).any(|part| part.offset.is_some());
        if registers.len() != bracket.parts.len() || early {
            return self.wrong_shape(current, bracket.span, OTHER_SHAPE);
        }
        for (index, part) in registers.zip(&bracket.parts) {
            let OperandKind::Register { ty, .. } = current.row.operands[index].kind else {
                return self.wrong_shape(current, bracket.span, OTHER_SHAPE);
            };
            current.values[index] = Value::Integer(self.register(current, Place::of_name(&part.base), ty)?);
        }
        let added = bracket.parts[last].offset.as_ref();
        match (offset, added) {
            (_, None) => {}
            (None, Some(added)) => return self.wrong_shape(current, added.span, "it takes no offset"),
            (Some(index), Some(added)) => {
                let operand = &current.row.operands[index];
                current.values[index] = Value::Integer(self.immediate(operand, added)?);
            }
        }
        Some(())
    }

    fn targets(&mut self, current: &Current<'p, 'a>, bracket: &'a Bracket) -> Option<Value> {
        if bracket.parts.is_empty() || bracket.parts.iter().any(|part| part.offset.is_some()) {
            return self.wrong_shape(current, bracket.span, "one or more labels belong here");
        }
        let first = current.row.fixed_words();
        for (index, part) in bracket.parts.iter().enumerate() {
            self.branch(Place::of_name(&part.base), first + index, Field::Wide32)?;
        }
        Some(Value::List(vec![0; bracket.parts.len()]))
    }

    /// A label, whose distance is put into the field once all labels are known.
    fn branch(&mut self, place: Place<'a>, word: usize, field: Field) -> Option<i64> {
        let Some(label) = place.name else {
            return self.refuse(|| Diagnostic::new(place.span, "a label belongs here"));
        };
        let from = self.code.len();
        self.branches.push(Branch { label, span: place.span, from, word: from + word, field });
        Some(0)
    }

    // ---- Names of what is called ------------------------------------------------------------------------------------

    fn function(&mut self, current: &mut Current<'p, 'a>, place: Place<'a>) -> Option<i64> {
        let program = self.program;
        match place.name.map(|name| (name, program.globals.get(name, place.span.file))) {
            Some((name, Some((Symbol::Function(index), _)))) => {
                current.callee = Some((program.signatures.of_function(index).1, name));
                Some(index as i64)
            }
            _ => self.wrong_symbol(place, "function", |symbol| matches!(symbol, Symbol::Function(_))),
        }
    }

    fn table(&mut self, place: Place<'a>) -> Option<i64> {
        match place.name.and_then(|name| self.program.globals.get(name, place.span.file)) {
            Some((Symbol::Table(index), _)) => Some(index as i64),
            _ => self.wrong_symbol(place, "table", |symbol| matches!(symbol, Symbol::Table(_))),
        }
    }

    fn signature(&mut self, current: &mut Current<'p, 'a>, place: Place<'a>) -> Option<i64> {
        let program = self.program;
        match place.name.map(|name| (name, program.globals.get(name, place.span.file))) {
            Some((name, Some((Symbol::Type(index), _)))) => {
                let (index, signature) = program.signatures.of_type(index);
                current.callee = Some((signature, name));
                Some(i64::from(index))
            }
            _ => self.wrong_symbol(place, "type", |symbol| matches!(symbol, Symbol::Type(_))),
        }
    }

    fn wrong_symbol<T>(&mut self, place: Place<'a>, wanted: &str, is_wanted: fn(Symbol) -> bool) -> Option<T> {
        let globals = self.program.globals;
        self.refuse(|| match place.name.map(|name| (name, globals.get(name, place.span.file))) {
            Some((_, Some((symbol, declared)))) => {
                Diagnostic::new(place.span, format!("the name of a {wanted} belongs here"))
                    .label(format!("this is {}", symbol.kind()))
                    .also(declared, "declared here")
            }
            Some((name, None)) => Diagnostic::new(place.span, format!("there is no {wanted} `{name}`"))
                .help(globals.similar(name, is_wanted)),
            None => Diagnostic::new(place.span, format!("the name of a {wanted} belongs here")),
        })
    }

    // ---- Registers --------------------------------------------------------------------------------------------------

    /// The number of a register that must have a type.
    fn register(&mut self, current: &Current<'p, 'a>, place: Place<'a>, wanted: ValueType) -> Option<i64> {
        let (number, ty, declared) = self.any_register(place)?;
        if ty == wanted {
            return Some(number);
        }
        let mnemonic = current.row.mnemonic;
        self.refuse(|| {
            Diagnostic::new(place.span, format!("`{mnemonic}` takes {} here", article(wanted)))
                .label(format!("expected {wanted}, found {ty}"))
                .also(declared, format!("declared as {ty} here"))
        })
    }

    /// Number, type and declaration of a register.
    fn any_register(&mut self, place: Place<'a>) -> Option<(i64, ValueType, Span)> {
        match place.name.and_then(|name| self.registers.get_full(name)) {
            Some((_, _, register)) => Some((register.number as i64, register.ty, register.declared)),
            None => {
                if self.errors.has_room() {
                    let diagnostic = self.no_register(place);
                    self.errors.add(|| diagnostic);
                }
                None
            }
        }
    }

    fn no_register(&self, place: Place<'a>) -> Diagnostic {
        let Some(name) = place.name else {
            return Diagnostic::new(place.span, "a register belongs here").label("this is a constant expression");
        };
        if let Some((symbol, declared)) = self.program.globals.get(name, place.span.file) {
            return Diagnostic::new(place.span, "a register belongs here")
                .label(format!("this is {}", symbol.kind()))
                .also(declared, "declared here");
        }
        let diagnostic = Diagnostic::new(place.span, format!("there is no register `{name}`"));
        match self.declared_later(name) {
            Some(later) => diagnostic.also(later, "declared only here").help(["declare it before its first use"]),
            None => diagnostic.help(suggest::similar(name, self.registers.keys().copied())),
        }
    }

    fn declared_later(&self, name: &str) -> Option<Span> {
        let declared = self.function.body.iter().filter_map(|line| match line {
            Line::Registers(registers) => Some(&registers.names),
            Line::Instruction(_) | Line::Label(_) | Line::Annotation(_) | Line::Statement(_) => None,
        });
        declared.flatten().find(|later| &*later.text == name).map(|later| later.span)
    }

    // ---- Lists ------------------------------------------------------------------------------------------------------

    fn arguments(&mut self, current: &Current<'p, 'a>, index: usize, arguments: &'a Arguments) -> Option<Value> {
        let places: Vec<_> = arguments.list.iter().map(Place::of_expr).collect();
        match (current.row.operands[index].kind, current.callee) {
            (OperandKind::List(List::SvcArguments), _) => self.svc_list(&places),
            (_, Some((signature, who))) => {
                let wanted = Wanted { types: &signature.params, who, verb: "takes", noun: "argument", found: "given" };
                self.typed_list(&places, &wanted, arguments.span)
            }
            (_, None) => self.wrong_shape(current, arguments.span, OTHER_SHAPE),
        }
    }

    fn returned(&mut self, current: &Current<'p, 'a>, places: &[Place<'a>]) -> Option<Value> {
        let (types, who) = (&self.signature.results, &self.function.name.text);
        let wanted = Wanted { types, who, verb: "gives", noun: "result", found: "given" };
        self.typed_list(places, &wanted, current.instruction.span)
    }

    fn left_side(&mut self, current: &mut Current<'p, 'a>) -> Option<()> {
        let places: Vec<_> = current.instruction.results.iter().map(Place::of_name).collect();
        let operands = results(current.row);
        if let [Operand { kind: OperandKind::List(list), .. }] = operands {
            current.values[0] = self.result_list(current, *list, &places)?;
            return Some(());
        }
        if operands.len() != places.len() {
            let label = format!("left of `=`: {} instead of {}", places.len(), operands.len());
            return self.wrong_shape(current, current.instruction.span, &label);
        }
        for (index, (operand, place)) in operands.iter().zip(places).enumerate() {
            let OperandKind::Register { ty, .. } = operand.kind else {
                return self.wrong_shape(current, place.span, OTHER_SHAPE);
            };
            current.values[index] = Value::Integer(self.register(current, place, ty)?);
        }
        Some(())
    }

    fn result_list(&mut self, current: &Current<'p, 'a>, list: List, places: &[Place<'a>]) -> Option<Value> {
        match (list, current.callee) {
            (List::SvcResults, _) => self.svc_list(places),
            (_, Some((signature, who))) => {
                let wanted = Wanted { types: &signature.results, who, verb: "gives", noun: "result", found: "taken" };
                self.typed_list(places, &wanted, current.instruction.span)
            }
            (_, None) => self.wrong_shape(current, current.instruction.span, OTHER_SHAPE),
        }
    }

    /// Registers of the wanted types, one each.
    fn typed_list(&mut self, places: &[Place<'a>], wanted: &Wanted<'_>, span: Span) -> Option<Value> {
        if places.len() != wanted.types.len() {
            return self.refuse(|| wrong_count(span, wanted, places.len()));
        }
        let mut numbers = Vec::with_capacity(places.len());
        for (place, ty) in places.iter().zip(wanted.types) {
            let (number, found, declared) = self.any_register(*place)?;
            if found != *ty {
                return self.refuse(|| {
                    Diagnostic::new(place.span, format!("`{}` {} {} here", wanted.who, wanted.verb, article(*ty)))
                        .label(format!("expected {ty}, found {found}"))
                        .also(declared, format!("declared as {found} here"))
                });
            }
            numbers.push(number);
        }
        Some(Value::List(numbers))
    }

    /// Registers that `svc` passes: it tells words and references apart by their types.
    fn svc_list(&mut self, places: &[Place<'a>]) -> Option<Value> {
        let mut numbers = Vec::with_capacity(places.len());
        let (mut words, mut references) = (0, 0);
        for place in places {
            let (number, ty, declared) = self.any_register(*place)?;
            match ty {
                ValueType::I32 | ValueType::I64 => words += 1,
                ValueType::Ref => references += 1,
                ValueType::F32 | ValueType::F64 => return self.refuse(|| no_float(place.span, ty, declared)),
            }
            if words > MAX_SVC_WORDS || references > MAX_SVC_REFERENCES {
                return self.refuse(|| too_many(place.span));
            }
            numbers.push(number);
        }
        Some(Value::List(numbers))
    }
}

fn given(operands: &Operands) -> Vec<Given<'_>> {
    match operands {
        Operands::List(list) => list
            .iter()
            .map(|operand| match operand {
                ast::Operand::Expr(expr) => Given::Expr(expr),
                ast::Operand::Bracket(bracket) => Given::Bracket(bracket),
            })
            .collect(),
        Operands::Call(call) => vec![Given::Expr(&call.callee), Given::Arguments(&call.arguments)],
        Operands::Indirect(call) => vec![
            Given::Name(&call.table),
            Given::Name(&call.index),
            Given::Name(&call.signature),
            Given::Arguments(&call.arguments),
        ],
    }
}

fn article(ty: ValueType) -> String {
    match ty {
        ValueType::I32 | ValueType::I64 | ValueType::F32 | ValueType::F64 => format!("an {ty}"),
        ValueType::Ref => "a ref".into(),
    }
}

fn wrong_count(span: Span, wanted: &Wanted<'_>, found: usize) -> Diagnostic {
    let Wanted { types, who, verb, noun, found: participle } = wanted;
    let plural = if types.len() == 1 { "" } else { "s" };
    let list = types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let diagnostic = Diagnostic::new(span, format!("`{who}` {verb} {} {noun}{plural}", types.len()))
        .label(format!("{found} {participle}"));
    if types.is_empty() { diagnostic } else { diagnostic.note(format!("they are: {list}")) }
}

fn no_float(span: Span, ty: ValueType, declared: Span) -> Diagnostic {
    Diagnostic::new(span, "`svc` passes integers and references")
        .label(format!("found {ty}"))
        .also(declared, format!("declared as {ty} here"))
        .help(["pass its bits: `i32.bits_f32` or `i64.bits_f64`"])
}

fn too_many(span: Span) -> Diagnostic {
    Diagnostic::new(span, "`svc` passes no more than this")
        .note(format!("at most {MAX_SVC_WORDS} integers and {MAX_SVC_REFERENCES} references go each way"))
}
