//! Statements of a function: loops, branches and calls around single instructions.

use limen_isa::ValueType;

use super::{Program, Signature, Sort};
use crate::support::random::Random;

/// What a function is written with.
pub(super) struct Writer<'a> {
    pub(super) random: &'a mut Random,
    pub(super) program: &'a Program,
    function: usize,
    text: String,
    labels: usize,
    /// Head and end of the loops around, outermost first.
    loops: Vec<(String, String)>,
    /// How many statements there still may be.
    left: usize,
}

/// Loops in loops, at most.
const NESTED: usize = 3;

/// Registers of each type beside the parameters.
const LOCALS: usize = 4;

/// How deep calls go that go round in circles.
const DEPTH: usize = 4;

impl<'a> Writer<'a> {
    pub(super) fn new(random: &'a mut Random, program: &'a Program, function: usize) -> Self {
        let left = match (program.is_brief, function) {
            (true, 0) => 5,
            (true, _) => 1 + random.below(4),
            (false, 0) => 20,
            (false, _) => 6 + random.below(10),
        };
        Self { random, program, function, text: String::new(), labels: 0, loops: Vec::new(), left }
    }

    pub(super) fn function(mut self) -> String {
        self.head();
        if self.function == 0 {
            // Whatever else there is, something is done again and again.
            self.repeat();
            if !self.program.is_brief {
                self.repeat();
            }
        }
        self.block(10);
        self.tell();
        match (self.program.sort, self.function) {
            (Sort::Supervisor, 0) => self.line("halt i0"),
            _ => self.ret(),
        }
        self.text.push_str("}\n");
        self.text
    }

    fn signature(&self) -> &'a Signature {
        &self.program.functions[self.function]
    }

    /// What the function takes and gives, its registers, and something in them to begin with.
    fn head(&mut self) {
        let signature = self.signature();
        let name = match (self.program.sort, self.function) {
            (Sort::Supervisor, 0) => "boot".to_owned(),
            (_, 0) => "main".to_owned(),
            (_, function) => format!("f{function}"),
        };
        let export = if self.function == 0 { "export " } else { "" };
        let params: Vec<String> =
            signature.params.iter().enumerate().map(|(index, ty)| format!("p{index}: {ty}")).collect();
        self.text = format!("{export}fn {name}({}){} {{\n", params.join(", "), signature.arrow());
        for ty in ValueType::ALL {
            let names: Vec<String> = (0..LOCALS).map(|index| local(ty, index)).collect();
            self.line(&format!("reg {}: {ty}", names.join(", ")));
        }
        self.line("reg depth, kind, entry, c0, c1, c2, m0, m1: i32\nreg n0, n1, n2, w0, w1: i64\nreg account: ref");
        if self.program.sort == Sort::Supervisor {
            self.line("account = slot.get [entry + 0]");
        }
        for (ty, index) in ValueType::ALL.into_iter().flat_map(|ty| (0..LOCALS - 1).map(move |index| (ty, index))) {
            self.constant(ty, &local(ty, index));
        }
        if self.program.sort == Sort::Client {
            self.fetch();
        }
        let first = if self.function > 0 { "i32.mov p0".to_owned() } else { format!("i32.const {DEPTH}") };
        self.line(&format!("depth = {first}"));
    }

    /// Takes references from slots that the kernel fills.
    fn fetch(&mut self) {
        for register in 0..LOCALS - 1 {
            let slot = self.random.below(8);
            self.line(&format!("{} = slot.get [entry + {slot}]", local(ValueType::Ref, register)));
        }
    }

    fn block(&mut self, statements: usize) {
        for _ in 0..=statements {
            self.statement();
        }
    }

    fn statement(&mut self) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        match self.random.below(100) {
            0..8 if self.loops.len() < NESTED => self.repeat(),
            8..16 => self.choose(),
            16..19 => self.choose_of_many(),
            19..27 => self.call(),
            27..31 => self.call_indirect(),
            31..36 if self.program.sort != Sort::Supervisor => self.ask(),
            36..39 => self.leave(),
            39..47 => self.walk(),
            47..53 => self.march(),
            _ => self.plain(),
        }
    }

    /// A loop; most end by themselves.
    fn repeat(&mut self) {
        let (head, end) = (self.label(), self.label());
        let depth = self.loops.len();
        let turns = if self.program.is_brief { 100 } else { 30 };
        let (counter, long, most) = (format!("c{depth}"), format!("n{depth}"), 1 + self.random.below(turns));
        self.line(&format!("{counter} = i32.const 0\n{long} = i64.const {most}"));
        let sort = self.random.below(8);
        if sort == 0 {
            // Entered in its middle as well.
            self.compare(&format!("{head}_middle"));
        }
        self.place(&head);
        self.loops.push((head.clone(), end.clone()));
        if sort == 1 {
            self.line(&format!("i32.br_ge_si {counter}, {most}, {end}"));
        }
        self.round(sort == 0, &head);
        self.tell();
        self.line(&format!("{counter} = i32.addi {counter}, 1\n{long} = i64.addi {long}, -1"));
        match sort {
            1 => self.line(&format!("jump {head}")),
            2 => self.line(&format!("i64.br_gt_si {long}, 0, {head}")),
            3 => self.line(&format!("kind = i32.lt_si {counter}, {most}\nbr_table kind, [{end}, {head}]")),
            4 => self.compare(&head),
            _ => self.line(&format!("i32.br_lt_si {counter}, {most}, {head}")),
        }
        self.loops.pop();
        self.place(&end);
    }

    fn round(&mut self, has_middle: bool, head: &str) {
        let statements = 1 + self.random.below(6);
        self.block(statements);
        if has_middle {
            self.place(&format!("{head}_middle"));
            self.block(statements);
        }
    }

    /// Writes a few registers to home, so that it shows what was in them.
    fn tell(&mut self) {
        for ty in [ValueType::I32, ValueType::I64, ValueType::F64] {
            let (value, offset) = (self.register(ty), 8 * self.random.below(200));
            self.line(&format!("{ty}.store [c0 + {offset}], {value}"));
        }
    }

    /// Something that is done or not.
    fn choose(&mut self) {
        let (otherwise, end) = (self.label(), self.label());
        let statements = self.random.below(4);
        self.compare(&otherwise);
        self.block(statements);
        self.line(&format!("jump {end}"));
        self.place(&otherwise);
        self.block(statements / 2);
        self.place(&end);
    }

    fn choose_of_many(&mut self) {
        let labels: Vec<String> = (0..=self.random.below(4)).map(|_| self.label()).collect();
        let (which, from, end) = (self.target(ValueType::I32), self.register(ValueType::I32), self.label());
        if self.random.below(4) != 0 {
            self.line(&format!("{which} = i32.andi {from}, 3"));
        }
        self.line(&format!("br_table {which}, [{}]", labels.join(", ")));
        for label in labels {
            self.place(&label);
            self.block(1);
            if self.random.below(2) == 0 {
                self.line(&format!("jump {end}"));
            }
        }
        self.place(&end);
    }

    fn call(&mut self) {
        let callee = 1 + self.random.below(self.program.functions.len() - 1);
        let end = self.label();
        let may_circle = callee <= self.function;
        self.deeper(may_circle, &end);
        let (results, arguments) = self.message(callee);
        self.line(&format!("{results}call f{callee}({arguments})\ndepth = i32.addi depth, 1"));
        self.place(&end);
    }

    fn call_indirect(&mut self) {
        let callee = 1 + self.random.below(self.program.functions.len() - 1);
        let end = self.label();
        self.deeper(true, &end);
        let (results, arguments) = self.message(callee);
        let entry = if self.random.below(30) == 0 { callee } else { callee - 1 };
        self.line(&format!("entry = i32.const {entry}"));
        self.line(&format!("{results}call_indirect calls[entry] t{callee}({arguments})\ndepth = i32.addi depth, 1"));
        self.place(&end);
    }

    /// Counts calls that may go round in circles; a few are not counted and end where the stack does.
    fn deeper(&mut self, may_circle: bool, end: &str) {
        if may_circle && self.random.below(60) != 0 {
            self.line(&format!("i32.br_le_si depth, 0, {end}"));
        }
        self.line("depth = i32.addi depth, -1");
    }

    /// Results and arguments of a call.
    fn message(&mut self, callee: usize) -> (String, String) {
        let signature = &self.program.functions[callee];
        let results: Vec<String> = signature.results.iter().map(|ty| self.target(*ty)).collect();
        let arguments: Vec<String> = signature.params.iter().skip(1).map(|ty| self.register(*ty)).collect();
        let equals = if results.is_empty() { "" } else { " = " };
        let arguments = std::iter::once("depth".to_owned()).chain(arguments).collect::<Vec<_>>();
        (format!("{}{equals}", results.join(", ")), arguments.join(", "))
    }

    /// Asks whoever answers.
    fn ask(&mut self) {
        let mut types = vec![ValueType::I32, ValueType::I64];
        if self.program.sort == Sort::Client {
            types.extend([ValueType::Ref; 2]);
        }
        let mut some = |most: usize| -> Vec<ValueType> {
            let count = self.random.below(most + 1);
            (0..count).map(|_| *self.random.pick(&types)).collect()
        };
        let (results, arguments) = (some(4), some(4));
        let results: Vec<String> = results.into_iter().map(|ty| self.target(ty)).collect();
        let arguments: Vec<String> = arguments.into_iter().map(|ty| self.register(ty)).collect();
        let equals = if results.is_empty() { "" } else { " = " };
        let number = self.random.below(16);
        self.line(&format!("{}{equals}svc {number}({})", results.join(", "), arguments.join(", ")));
    }

    /// Leaves a loop, begins it anew, returns or traps, if something holds.
    fn leave(&mut self) {
        let way = self.random.below(8);
        let inner = self.random.below(self.loops.len().max(1));
        match self.loops.get(inner).cloned() {
            Some((head, _)) if way == 0 => self.compare(&head),
            Some((_, end)) if way < 5 => self.compare(&end),
            _ => self.end_if(way == 7),
        }
    }

    fn end_if(&mut self, traps: bool) {
        let (end, go_on) = (self.label(), self.label());
        // Two comparisons, since too many programs would end here.
        self.compare(&go_on);
        self.compare(&go_on);
        self.place(&end);
        match (traps, self.program.sort, self.function) {
            (true, ..) => self.line("trap 7"),
            (false, Sort::Supervisor, 0) => self.line("halt i1"),
            _ => self.ret(),
        }
        self.place(&go_on);
    }

    fn ret(&mut self) {
        let results: Vec<String> = self.signature().results.iter().map(|ty| self.register(*ty)).collect();
        self.line(&format!("ret {}", results.join(", ")));
    }

    /// A register to read.
    pub(super) fn register(&mut self, ty: ValueType) -> String {
        match self.random.below(10) {
            0 if ty == ValueType::I32 => format!("c{}", self.random.below(NESTED)),
            0 if ty == ValueType::I64 => format!("n{}", self.random.below(NESTED)),
            _ => self.target(ty),
        }
    }

    /// A register to write: counters are not among them.
    pub(super) fn target(&mut self, ty: ValueType) -> String {
        let params: Vec<usize> = (0..self.signature().params.len())
            .filter(|index| (*index > 0 || self.function == 0) && self.signature().params[*index] == ty)
            .collect();
        let index = self.random.below(LOCALS + params.len());
        params.get(index).map_or_else(|| local(ty, index - params.len()), |param| format!("p{param}"))
    }

    pub(super) fn label(&mut self) -> String {
        self.labels += 1;
        format!("x{}", self.labels)
    }

    pub(super) fn place(&mut self, label: &str) {
        self.text.push_str(label);
        self.text.push_str(":\n");
    }

    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str("    ");
        self.text.push_str(text);
        self.text.push('\n');
    }
}

fn local(ty: ValueType, index: usize) -> String {
    let letter = match ty {
        ValueType::I32 => 'i',
        ValueType::I64 => 'l',
        ValueType::F32 => 'f',
        ValueType::F64 => 'd',
        ValueType::Ref => 'r',
    };
    format!("{letter}{index}")
}
