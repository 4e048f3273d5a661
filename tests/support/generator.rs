//! Programs made at random that are meant to run: several functions that call each other, nested loops, and values that
//! vary. What they do is mostly sound, so that they come far, and sometimes not.

mod operands;
mod writer;

use limen_isa::{Flow, Opcode, OperandKind, Row, ValueType};

use super::random::Random;
use writer::Writer;

/// What a program may do beside computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// It asks its host for words.
    Program,
    /// It is a kernel: it makes objects, derives views and ends them.
    Supervisor,
    /// It asks its kernel for words and references.
    Client,
}

/// The types of a function. The first parameter, of every function but the first, is how deep calls may still go.
#[derive(Default)]
struct Signature {
    params: Vec<ValueType>,
    results: Vec<ValueType>,
}

/// What all functions of a program know.
struct Program {
    sort: Sort,
    functions: Vec<Signature>,
    /// By instruction group, how often it is picked and what is in it.
    groups: Vec<(usize, Vec<&'static Row>)>,
    branches: Vec<&'static Row>,
    /// Single accesses to home, and to segments.
    accesses: [Vec<&'static Row>; 2],
    has_large_home: bool,
    /// Most are: what goes wrong mostly shows in little code, of which more can be tried.
    is_brief: bool,
}

/// The source of a program that exports `main`, or `boot` if it is a kernel.
pub(crate) fn source(random: &mut Random, sort: Sort) -> String {
    let program = Program::new(random, sort);
    let mut text = program.declarations(random);
    for function in 0..program.functions.len() {
        text.push_str(&Writer::new(random, &program, function).function());
    }
    text
}

impl Program {
    fn new(random: &mut Random, sort: Sort) -> Self {
        let others = 1 + random.below(3);
        let functions = std::iter::once(first(sort)).chain((0..others).map(|_| signature(random))).collect();
        let rows = || Opcode::ALL.into_iter().map(Opcode::row).filter(|row| !row.reserved);
        let branches = rows().filter(|row| row.flow == Flow::Branch).collect();
        let group = |(often, code): (usize, u16)| {
            (often, rows().filter(|row| row.code >> 8 == code && is_plain(row)).collect::<Vec<_>>())
        };
        let groups = frequencies(sort).map(group).into_iter().filter(|(often, _)| *often > 0).collect();
        let accesses =
            [0x0600..0x0650, 0x0700..0x0750].map(|codes| rows().filter(|row| codes.contains(&row.code)).collect());
        let (has_large_home, is_brief) = (random.below(8) == 0, random.below(4) != 0);
        Self { sort, functions, groups, branches, accesses, has_large_home, is_brief }
    }

    fn declarations(&self, random: &mut Random) -> String {
        let (least, most) = if self.has_large_home { (34, 40) } else { (1 + random.below(2), 3) };
        let mut text = format!("home {least} max {most}\nslots 16\n");
        for (function, signature) in self.functions.iter().enumerate().skip(1) {
            text.push_str(&format!("type t{function} = fn({}){}\n", names(&signature.params), signature.arrow()));
        }
        let entries: Vec<String> = (1..self.functions.len()).map(|function| format!("f{function}")).collect();
        text.push_str(&format!("table calls {{ {}, null }}\n", entries.join(", ")));
        text
    }

    /// Any instruction that needs no label and no list.
    fn plain_row(&self, random: &mut Random) -> &'static Row {
        let mut left = random.below(self.groups.iter().map(|(often, _)| often).sum());
        for (often, rows) in &self.groups {
            match left.checked_sub(*often) {
                Some(rest) => left = rest,
                None => return rows[random.below(rows.len())],
            }
        }
        unreachable!("less than the sum is left")
    }
}

impl Signature {
    fn arrow(&self) -> String {
        if self.results.is_empty() { String::new() } else { format!(" -> ({})", names(&self.results)) }
    }
}

fn names(types: &[ValueType]) -> String {
    types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ")
}

fn first(sort: Sort) -> Signature {
    use ValueType::{F32, F64, I32, I64};
    match sort {
        Sort::Program => Signature { params: Vec::new(), results: vec![I32, I64, F32, F64] },
        Sort::Supervisor => Signature::default(),
        Sort::Client => Signature { params: vec![I32, I64], results: vec![I32, I64] },
    }
}

fn signature(random: &mut Random) -> Signature {
    let mut types = |most: &[usize]| {
        let most = *random.pick(most);
        let count = random.below(most + 1);
        (0..count).map(|_| *random.pick(&ValueType::ALL)).collect::<Vec<_>>()
    };
    // Now and then more than any engine has registers for.
    let params = types(&[2, 4, 6, 30]);
    let results = types(&[1, 3, 5, 20]);
    Signature { params: [vec![ValueType::I32], params].concat(), results }
}

/// How often which group of instructions (the upper half of the code) is wanted.
fn frequencies(sort: Sort) -> [(usize, u16); 9] {
    let (segments, references, supervisor) = match sort {
        Sort::Program => (1, 2, 0),
        Sort::Supervisor => (22, 6, 14),
        Sort::Client => (22, 8, 0),
    };
    [
        (18, 0x01),
        (14, 0x02),
        (8, 0x03),
        (8, 0x04),
        (10, 0x05),
        (20, 0x06),
        (segments, 0x07),
        (references, 0x08),
        (supervisor, 0x10),
    ]
}

fn is_plain(row: &Row) -> bool {
    let has_list = row.operands.iter().any(|operand| matches!(operand.kind, OperandKind::List(_)));
    // Of the supervisor's, those on objects of its own: contexts, domains and interrupts are what a whole kernel is about.
    let is_about_objects = matches!(row.code, 0x1000..=0x1026 | 0x1040..=0x1043 | 0x1070);
    row.flow == Flow::Next && !has_list && (!row.privileged || is_about_objects)
}
