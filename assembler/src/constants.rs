//! Constant expressions: their values, and the order in which constants, sizes and addresses can be known.

use crate::ast::{BinaryOperator, DataItem, Expr, ExprKind, Float, UnaryOperator};
use crate::diagnostic::{Diagnostic, Errors};
use crate::globals::{Area, Globals, Symbol};
use crate::layout::{self, Extent, Layout, Place};
use crate::source::Span;

/// What a constant expression comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// Wide enough for every `u64` and `i64` and the steps between.
    Integer(i128),
    /// A float literal, or what is computed from some.
    Float(Float),
    /// A float given by its bits.
    Bits(u64),
}

/// The values of everything that expressions name. What is not known has been reported.
pub(crate) struct Constants<'a> {
    globals: &'a Globals<'a>,
    values: Vec<Option<Value>>,
    extents: Vec<Option<Extent>>,
    places: Vec<Option<Place>>,
    layout: Option<Layout>,
}

impl<'a> Constants<'a> {
    /// Finds all values. Each is computed after those that it needs, without recursion, so that no chain is too long.
    pub(crate) fn evaluate_all(globals: &'a Globals<'a>, errors: &mut Errors) -> Self {
        let constants = Self {
            globals,
            values: vec![None; globals.consts.len()],
            extents: vec![None; globals.areas.len()],
            places: vec![None; globals.areas.len()],
            layout: None,
        };
        let mut order = Order { constants, states: States::new(globals), path: Vec::new() };
        let consts = (0..globals.consts.len()).map(Node::Const);
        for root in consts.chain([Node::Layout]) {
            order.visit(root, errors);
        }
        order.constants
    }

    /// The address of each area, in the order of [`Globals::areas`].
    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The size and inner alignment of an area.
    pub(crate) fn extent(&self, area: usize) -> Option<Extent> {
        self.extents.get(area).copied().flatten()
    }

    /// Where an area wants to lie.
    pub(crate) fn place(&self, area: usize) -> Option<Place> {
        self.places.get(area).copied().flatten()
    }

    /// The value of `expr`, or `None` once the reason why it has none is reported.
    pub(crate) fn evaluate(&self, expr: &Expr, errors: &mut Errors) -> Option<Value> {
        match &expr.kind {
            ExprKind::Integer(value) => Some(Value::Integer(i128::from(*value))),
            ExprKind::Float(value) => Some(Value::Float(*value)),
            ExprKind::Bits(bits) => Some(Value::Bits(*bits)),
            ExprKind::Name(name) => self.named(name, expr.span, errors),
            ExprKind::SizeOf(name) => match self.globals.get(&name.text, name.span.file) {
                Some((Symbol::Area(area), _)) => {
                    self.extent(area).map(|extent| Value::Integer(i128::from(extent.size)))
                }
                other => {
                    errors.add(|| self.no_area(&name.text, name.span, other));
                    None
                }
            },
            ExprKind::Unary(operator, operand) => {
                let value = self.evaluate(operand, errors)?;
                report(unary(*operator, value), expr.span, errors)
            }
            ExprKind::Binary(operator, operands) => {
                let (a, b) = &**operands;
                let (a, b) = (self.evaluate(a, errors), self.evaluate(b, errors));
                report(binary(*operator, a?, b?), expr.span, errors)
            }
            ExprKind::Bad => None,
        }
    }

    /// The value of `expr`, which must be an integer from `min` to `max`.
    pub(crate) fn integer(&self, expr: &Expr, min: i128, max: i128, errors: &mut Errors) -> Option<i128> {
        match self.evaluate(expr, errors)? {
            Value::Integer(value) if (min..=max).contains(&value) => return Some(value),
            Value::Integer(value) => errors.add(|| out_of_range(expr.span, value, min, max)),
            Value::Float(_) | Value::Bits(_) => {
                errors.add(|| Diagnostic::new(expr.span, "an integer belongs here").label("this is a float"))
            }
        }
        None
    }

    fn named(&self, name: &str, span: Span, errors: &mut Errors) -> Option<Value> {
        match self.globals.get(name, span.file) {
            Some((Symbol::Const(index), _)) => self.values[index],
            Some((Symbol::Area(area), _)) => self.layout()?.address(area).map(|at| Value::Integer(i128::from(at))),
            None if name == "inf" => Some(Value::Float(Float { double: f64::INFINITY, single: f32::INFINITY })),
            None if name == "nan" => Some(Value::Float(CANONICAL_NAN)),
            other => {
                errors.add(|| self.no_constant(name, span, other));
                None
            }
        }
    }

    fn no_constant(&self, name: &str, span: Span, found: Option<(Symbol, Span)>) -> Diagnostic {
        match found {
            Some((symbol, declared)) => Diagnostic::new(span, "a constant belongs here")
                .label(format!("this is {}", symbol.kind()))
                .also(declared, "declared here"),
            None => Diagnostic::new(span, format!("there is no constant `{name}`"))
                .help(self.globals.similar(name, |symbol| matches!(symbol, Symbol::Const(_) | Symbol::Area(_)))),
        }
    }

    fn no_area(&self, name: &str, span: Span, found: Option<(Symbol, Span)>) -> Diagnostic {
        match found {
            Some((symbol, declared)) => Diagnostic::new(span, "`sizeof` takes the name of data")
                .label(format!("this is {}", symbol.kind()))
                .also(declared, "declared here"),
            None => Diagnostic::new(span, format!("there is no data `{name}`"))
                .help(self.globals.similar(name, |symbol| matches!(symbol, Symbol::Area(_)))),
        }
    }
}

/// The NaN that arithmetic makes: positive, quiet, payload zero.
pub(crate) const CANONICAL_NAN: Float =
    Float { double: f64::from_bits(0x7ff8 << 48), single: f32::from_bits(0x7fc0 << 16) };

pub(crate) fn out_of_range(span: Span, value: i128, min: i128, max: i128) -> Diagnostic {
    Diagnostic::new(span, format!("{value} is out of range")).label(format!("must be from {min} to {max}"))
}

fn report(value: Result<Value, &'static str>, span: Span, errors: &mut Errors) -> Option<Value> {
    value.map_err(|reason| errors.add(|| Diagnostic::new(span, reason))).ok()
}

const MIXED: &str = "integers and floats do not mix: write the integer with a `.0`";
const NO_ARITHMETIC_ON_BITS: &str = "a float given by its bits takes no part in arithmetic";
const OVERFLOW: &str = "this overflows 128 bits";

fn unary(operator: UnaryOperator, value: Value) -> Result<Value, &'static str> {
    match (operator, value) {
        (UnaryOperator::Negate, Value::Integer(value)) => value.checked_neg().map(Value::Integer).ok_or(OVERFLOW),
        (UnaryOperator::Negate, Value::Float(Float { double, single })) => {
            Ok(Value::Float(Float { double: -double, single: -single }))
        }
        (UnaryOperator::Not, Value::Integer(value)) => Ok(Value::Integer(!value)),
        (UnaryOperator::Not, Value::Float(_)) => Err("`~` is for integers"),
        (_, Value::Bits(_)) => Err(NO_ARITHMETIC_ON_BITS),
    }
}

fn binary(operator: BinaryOperator, a: Value, b: Value) -> Result<Value, &'static str> {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => integers(operator, a, b).map(Value::Integer),
        (Value::Float(a), Value::Float(b)) => floats(operator, a.double, b.double).map(Value::Float),
        (Value::Bits(_), _) | (_, Value::Bits(_)) => Err(NO_ARITHMETIC_ON_BITS),
        (Value::Integer(_), Value::Float(_)) | (Value::Float(_), Value::Integer(_)) => Err(MIXED),
    }
}

fn integers(operator: BinaryOperator, a: i128, b: i128) -> Result<i128, &'static str> {
    let count = u32::try_from(b).ok().filter(|count| *count < 128).ok_or("a shift count must be from 0 to 127");
    match operator {
        BinaryOperator::Add => a.checked_add(b).ok_or(OVERFLOW),
        BinaryOperator::Subtract => a.checked_sub(b).ok_or(OVERFLOW),
        BinaryOperator::Multiply => a.checked_mul(b).ok_or(OVERFLOW),
        BinaryOperator::Divide | BinaryOperator::Remainder if b == 0 => Err("this divides by zero"),
        BinaryOperator::Divide => a.checked_div(b).ok_or(OVERFLOW),
        BinaryOperator::Remainder => a.checked_rem(b).ok_or(OVERFLOW),
        BinaryOperator::ShiftLeft => {
            let shifted = a << count?;
            if shifted >> count? == a { Ok(shifted) } else { Err(OVERFLOW) }
        }
        BinaryOperator::ShiftRight => Ok(a >> count?),
        BinaryOperator::And => Ok(a & b),
        BinaryOperator::Or => Ok(a | b),
        BinaryOperator::Xor => Ok(a ^ b),
    }
}

fn floats(operator: BinaryOperator, a: f64, b: f64) -> Result<Float, &'static str> {
    let double = match operator {
        BinaryOperator::Add => a + b,
        BinaryOperator::Subtract => a - b,
        BinaryOperator::Multiply => a * b,
        BinaryOperator::Divide => a / b,
        BinaryOperator::Remainder
        | BinaryOperator::ShiftLeft
        | BinaryOperator::ShiftRight
        | BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::Xor => return Err("this operator is for integers"),
    };
    Ok(if double.is_nan() { CANONICAL_NAN } else { Float { double, single: double as f32 } })
}

/// Something that needs others to be known first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Const(usize),
    Size(usize),
    /// Where an area wants to lie.
    Place(usize),
    /// All addresses at once: where one area lies depends on the others.
    Layout,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    /// What it needs is being computed.
    Open,
    Done,
}

/// The state of every node.
struct States {
    consts: Vec<State>,
    sizes: Vec<State>,
    places: Vec<State>,
    layout: State,
}

impl States {
    fn new(globals: &Globals<'_>) -> Self {
        let untouched = |count| vec![State::Untouched; count];
        let areas = untouched(globals.areas.len());
        let consts = untouched(globals.consts.len());
        Self { consts, sizes: areas.clone(), places: areas, layout: State::Untouched }
    }

    fn of(&mut self, node: Node) -> &mut State {
        match node {
            Node::Const(index) => &mut self.consts[index],
            Node::Size(index) => &mut self.sizes[index],
            Node::Place(index) => &mut self.places[index],
            Node::Layout => &mut self.layout,
        }
    }
}

enum Step {
    Enter(Node),
    Leave(Node),
}

/// A depth-first walk over what needs what, with a stack of its own.
struct Order<'a> {
    constants: Constants<'a>,
    states: States,
    /// The open nodes, outermost first.
    path: Vec<Node>,
}

impl Order<'_> {
    fn visit(&mut self, root: Node, errors: &mut Errors) {
        let mut steps = vec![Step::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(node) => match *self.states.of(node) {
                    State::Done => {}
                    State::Open => errors.add(|| self.cycle(node)),
                    State::Untouched => self.open(node, &mut steps),
                },
                Step::Leave(node) => {
                    self.path.pop();
                    *self.states.of(node) = State::Done;
                    self.compute(node, errors);
                }
            }
        }
    }

    fn open(&mut self, node: Node, steps: &mut Vec<Step>) {
        *self.states.of(node) = State::Open;
        self.path.push(node);
        steps.push(Step::Leave(node));
        self.needs(node, &mut |needed| steps.push(Step::Enter(needed)));
    }

    fn compute(&mut self, node: Node, errors: &mut Errors) {
        let globals = self.constants.globals;
        match node {
            Node::Const(index) => {
                self.constants.values[index] = self.constants.evaluate(&globals.consts[index].value, errors);
            }
            Node::Size(index) => {
                self.constants.extents[index] = layout::extent(globals.areas[index], &self.constants, errors);
            }
            Node::Place(index) => {
                self.constants.places[index] = layout::place(globals.areas[index], &self.constants, errors);
            }
            Node::Layout => self.constants.layout = Layout::compute(globals, &self.constants, errors),
        }
    }

    /// Calls `need` for everything that must be known before `node`.
    fn needs(&self, node: Node, need: &mut dyn FnMut(Node)) {
        let globals = self.constants.globals;
        match node {
            Node::Const(index) => self.needed_by(&globals.consts[index].value, need),
            Node::Size(index) => match globals.areas[index] {
                Area::Data(data) => {
                    sizing(&data.contents).for_each(|expr| self.needed_by(expr, need));
                }
                Area::Reserve(reserve) => self.needed_by(&reserve.size, need),
            },
            Node::Place(index) => {
                globals.areas[index].clauses().iter().for_each(|clause| self.needed_by(&clause.value, need));
            }
            Node::Layout => {
                (0..globals.areas.len()).flat_map(|index| [Node::Place(index), Node::Size(index)]).for_each(need);
            }
        }
    }

    fn needed_by(&self, expr: &Expr, need: &mut dyn FnMut(Node)) {
        let globals = self.constants.globals;
        match &expr.kind {
            ExprKind::Name(name) => match globals.get(name, expr.span.file) {
                Some((Symbol::Const(index), _)) => need(Node::Const(index)),
                Some((Symbol::Area(_), _)) => need(Node::Layout),
                _ => {}
            },
            ExprKind::SizeOf(name) => {
                if let Some((Symbol::Area(index), _)) = globals.get(&name.text, name.span.file) {
                    need(Node::Size(index));
                }
            }
            ExprKind::Unary(_, operand) => self.needed_by(operand, need),
            ExprKind::Binary(_, operands) => {
                self.needed_by(&operands.0, need);
                self.needed_by(&operands.1, need);
            }
            ExprKind::Integer(_) | ExprKind::Float(_) | ExprKind::Bits(_) | ExprKind::Bad => {}
        }
    }

    /// `node` is needed to compute `node`.
    fn cycle(&self, node: Node) -> Diagnostic {
        let start = self.path.iter().position(|open| *open == node).unwrap_or(0);
        let members: Vec<_> = self.path[start..].iter().filter_map(|open| self.describe(*open)).collect();
        let (span, name) = members.first().cloned().unwrap_or_default();
        let diagnostic = Diagnostic::new(span, format!("{name} depends on itself"));
        let diagnostic = members
            .iter()
            .skip(1)
            .take(MEMBERS_SHOWN)
            .fold(diagnostic, |diagnostic, (span, name)| diagnostic.also(*span, format!("through {name}")));
        let through_layout = self.path[start..].contains(&Node::Layout);
        diagnostic.help(through_layout.then_some("sizes and places of data cannot depend on addresses of data"))
    }

    fn describe(&self, node: Node) -> Option<(Span, String)> {
        let globals = self.constants.globals;
        match node {
            Node::Const(index) => {
                let name = &globals.consts[index].name;
                Some((name.span, format!("`{}`", name.text)))
            }
            Node::Size(index) => {
                let name = globals.areas[index].name();
                Some((name.span, format!("the size of `{}`", name.text)))
            }
            Node::Place(index) => {
                let name = globals.areas[index].name();
                Some((name.span, format!("the place of `{}`", name.text)))
            }
            Node::Layout => None,
        }
    }
}

/// How many of the others in a cycle an error shows.
const MEMBERS_SHOWN: usize = 4;

/// The expressions in data that decide its size.
fn sizing(contents: &[DataItem]) -> impl Iterator<Item = &Expr> {
    contents
        .iter()
        .filter_map(|item| match item {
            DataItem::Values { kind, values } if matches!(&*kind.text, "zero" | "align") => Some(values),
            DataItem::Values { .. } | DataItem::Strings(_) => None,
        })
        .flatten()
}
