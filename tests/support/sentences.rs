//! Well-typed programs of the structured notation, made at random. They end soon; now and then one stops at a check.

use std::fmt::Write;

use super::random::Random;

/// What an expression can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ty {
    U8,
    U32,
    I32,
    U64,
    I64,
    F64,
    Bool,
    Mood,
    Bytes,
    Cell,
}

const TYPES: [Ty; 10] = [Ty::U8, Ty::U32, Ty::I32, Ty::U64, Ty::I64, Ty::F64, Ty::Bool, Ty::Mood, Ty::Bytes, Ty::Cell];

impl Ty {
    fn name(self) -> &'static str {
        match self {
            Ty::U8 => "u8",
            Ty::U32 => "u32",
            Ty::I32 => "i32",
            Ty::U64 => "u64",
            Ty::I64 => "i64",
            Ty::F64 => "f64",
            Ty::Bool => "bool",
            Ty::Mood => "Mood",
            Ty::Bytes => "[]u8",
            Ty::Cell => "*Cell",
        }
    }
}

/// What all programs have in common: state to compute with, and a few helpers of every shape.
const PRELUDE: &str = r#"
enum Mood: u8 { Calm, Glad, Sad = 7, Wild }
enum Trouble { Small = 1, Large }
struct Cell { count: u32, next: *Cell, mark: u16be, mood: Mood, total: i64 }
struct Pair[A, B] { first: A, second: B }
static cells: [4]Cell
static words: [16]u32
static octets: [40]u8 = "a byte string of exactly forty bytes...."
static wide: u64 = 77

fn Cell.bump(c: *Cell, by: u32) -> u32 {
    c.count = c.count +% by
    return c.count
}

fn Cell.at(i: u32) -> *Cell {
    return &cells[i % 4]
}

fn Mood.is_loud(m: Mood) -> bool {
    return m == Mood.Glad or m == Mood.Wild
}

fn larger[T](a: T, b: T) -> T {
    return if a < b then b else a
}

fn swapped[A, B](p: Pair[A, B]) -> Pair[B, A] {
    return Pair[B, A](first: p.second, second: p.first)
}

fn risky(n: u32) -> u32 ! Trouble {
    if n & 7 == 3 {
        fail Trouble.Small
    }
    if n & 31 == 4 {
        fail Trouble.Large
    }
    return n >> 1
}

fn twice(n: u32) -> u32 ! Trouble {
    return try risky(n) +% try risky(n +% 1)
}

fn digest() -> u64 {
    var sum = wide
    for i, word in words {
        sum = sum *% 31 +% word +% i
    }
    for octet in octets {
        sum = sum *% 31 +% octet
    }
    for i in 0..u32(4) {
        sum = sum *% 31 +% cells[i].count
        sum = sum *% 31 +% cells[i].mark
        sum = sum *% 31 +% (cells[i].mood as u32)
        sum = sum *% 31 +% (cells[i].total as u64)
    }
    return sum
}
"#;

/// A function that the program has: its number, and what it takes and gives.
struct Function {
    number: usize,
    params: Vec<Ty>,
    result: Ty,
}

struct Local {
    name: String,
    ty: Ty,
    mutable: bool,
}

struct Writer<'r> {
    random: &'r mut Random,
    text: String,
    indent: usize,
    locals: Vec<Local>,
    names: usize,
    functions: Vec<Function>,
    /// How many loops are open.
    loops: usize,
    /// How many statements the function may still have.
    room: usize,
}

/// A program whose `main` gives a number that depends on all it did.
pub(crate) fn program(random: &mut Random) -> String {
    let mut writer = Writer {
        random,
        text: PRELUDE.to_owned(),
        indent: 0,
        locals: Vec::new(),
        names: 0,
        functions: Vec::new(),
        loops: 0,
        room: 0,
    };
    for number in 0..2 + writer.random.below(5) {
        writer.function(number);
    }
    writer.main();
    writer.text
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:1$}{line}", "", self.indent * 4);
    }

    fn chance(&mut self, of: usize) -> bool {
        self.random.below(of) == 0
    }

    fn ty(&mut self) -> Ty {
        *self.random.pick(&TYPES)
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("_v{}", self.names)
    }

    fn function(&mut self, number: usize) {
        let params: Vec<Ty> = (0..self.random.below(4)).map(|_| self.ty()).collect();
        let result = self.ty();
        self.locals.clear();
        let mut list = Vec::new();
        for ty in &params {
            let name = self.fresh();
            list.push(format!("{name}: {}", ty.name()));
            self.locals.push(Local { name, ty: *ty, mutable: true });
        }
        self.line(&format!("\nfn f{number}({}) -> {} {{", list.join(", "), result.name()));
        self.indent = 1;
        self.room = 4 + self.random.below(20);
        self.statements();
        let value = self.expr(result, 3);
        self.line(&format!("return {value}"));
        self.indent = 0;
        self.line("}");
        self.functions.push(Function { number, params, result });
    }

    fn main(&mut self) {
        self.locals.clear();
        self.line("\nexport fn main() -> i64 {");
        self.indent = 1;
        self.line("var _sum: u64 = 1");
        for index in 0..self.functions.len() {
            let call = self.call(index, 2);
            let name = self.fresh();
            self.line(&format!("let {name} = {call}"));
            let folded = as_u64(&name, self.functions[index].result);
            self.line(&format!("_sum = _sum *% 1_000_003 +% {folded}"));
            self.line("_sum = _sum ^ digest()");
        }
        self.line("return _sum as i64");
        self.indent = 0;
        self.line("}");
    }

    // ---- Statements -------------------------------------------------------------------------------------------------

    /// Some statements, none of which ends the block for good.
    fn statements(&mut self) {
        let count = self.locals.len();
        for _ in 0..1 + self.random.below(5) {
            if self.room == 0 {
                break;
            }
            self.room -= 1;
            self.statement();
        }
        if self.indent > 1 {
            self.locals.truncate(count);
        }
    }

    fn block(&mut self, head: &str) {
        self.line(&format!("{head} {{"));
        self.indent += 1;
        let count = self.locals.len();
        self.statements();
        self.locals.truncate(count);
        self.indent -= 1;
    }

    fn statement(&mut self) {
        match self.random.below(24) {
            0..=3 => self.declare(false),
            4..=6 => self.declare(true),
            7..=9 => self.assign(),
            10 => self.store(),
            11 | 12 => self.branch(),
            13 => self.for_range(),
            14 => self.for_slice(),
            15 => self.while_loop(),
            16 => self.matched(),
            17 => self.leave_loop(),
            18 => self.risk(),
            19 => self.deferred(),
            20 => self.assertion(),
            21 | 22 => self.sweep(),
            _ => self.early_return(),
        }
    }

    fn declare(&mut self, mutable: bool) {
        let ty = self.ty();
        let value = self.expr(ty, 3);
        let name = self.fresh();
        self.line(&format!("{} {name}: {} = {value}", if mutable { "var" } else { "let" }, ty.name()));
        self.locals.push(Local { name, ty, mutable });
    }

    fn assign(&mut self) {
        let mutable: Vec<(String, Ty)> =
            self.locals.iter().filter(|local| local.mutable).map(|local| (local.name.clone(), local.ty)).collect();
        if mutable.is_empty() {
            return self.store();
        }
        let (name, ty) = self.random.pick(&mutable).clone();
        let value = self.expr(ty, 3);
        let operator = match ty {
            Ty::U32 | Ty::I32 | Ty::U64 | Ty::I64 if self.chance(2) => *self.random.pick(&["+%=", "-%=", "^=", "|="]),
            Ty::F64 if self.chance(2) => "+=",
            _ => "=",
        };
        self.line(&format!("{name} {operator} {value}"));
    }

    fn store(&mut self) {
        let cell = self.expr(Ty::Cell, 2);
        let (place, ty) = match self.random.below(7) {
            0 => (format!("words[{}]", self.index(16)), Ty::U32),
            1 => (format!("octets[{}]", self.index(40)), Ty::U8),
            2 => ("wide".to_owned(), Ty::U64),
            3 => (format!("{cell}.count"), Ty::U32),
            4 => (format!("{cell}.mood"), Ty::Mood),
            5 => (format!("{cell}.total"), Ty::I64),
            _ => (format!("{cell}.mark"), Ty::U8),
        };
        let value = self.expr(ty, 3);
        self.line(&format!("{place} = {value}"));
    }

    fn branch(&mut self) {
        let condition = self.expr(Ty::Bool, 3);
        self.block(&format!("if {condition}"));
        if self.chance(3) {
            let condition = self.expr(Ty::Bool, 2);
            self.block(&format!("}} else if {condition}"));
        }
        if self.chance(2) {
            self.block("} else");
        }
        self.line("}");
    }

    fn for_range(&mut self) {
        let name = self.fresh();
        let (from, to, ty) = match self.random.below(4) {
            0 => ("0".to_owned(), format!("{} % 9", self.expr(Ty::U32, 2)), Ty::U32),
            1 => ("0".to_owned(), "i32(16)".to_owned(), Ty::I32),
            2 => ("u32(2)".to_owned(), "7".to_owned(), Ty::U32),
            _ => ("i64(-3)".to_owned(), format!("{} & 7", self.expr(Ty::I64, 1)), Ty::I64),
        };
        self.looped(&format!("for {name} in {from}..{to}"), &[(name.clone(), ty)]);
    }

    fn for_slice(&mut self) {
        let (index, element) = (self.fresh(), self.fresh());
        let (slice, ty) =
            if self.chance(2) { (self.expr(Ty::Bytes, 2), Ty::U8) } else { ("words[..]".to_owned(), Ty::U32) };
        self.looped(&format!("for {index}, {element} in {slice}"), &[(index.clone(), Ty::U32), (element.clone(), ty)]);
    }

    fn while_loop(&mut self) {
        let count = self.fresh();
        self.line(&format!("var {count}: u32 = 0"));
        let condition = self.expr(Ty::Bool, 2);
        self.line(&format!("while {count} < 6 and {condition} {{"));
        self.indent += 1;
        self.line(&format!("{count} += 1"));
        self.indent -= 1;
        self.loop_body(&[(count, Ty::U32)]);
    }

    /// A loop whose counter is the index of elements near it. Seldom one of them is out of bounds, or the counter overflows.
    fn sweep(&mut self) {
        let name = self.fresh();
        let (back, ahead) = (self.random.below(4), self.random.below(4));
        let slip = usize::from(self.chance(20));
        let (first, end) = (back + self.random.below(3), 16 - ahead + slip);
        let step = 1 + self.random.below(3);
        let (head, before, after, ty) = match self.random.below(6) {
            0 => (format!("for {name} in u32({first})..{end}"), None, None, Ty::U32),
            1 => (format!("for {name} in i32({first})..{end}"), None, None, Ty::I32),
            2 => (format!("while {name} < {end}"), None, Some(format!("{name} += {step}")), Ty::U32),
            3 => (format!("while {name} <= {}", end - 1), None, Some(format!("{name} += {step}")), Ty::I32),
            4 => (format!("while {name} > {first}"), Some(format!("{name} -= 1")), None, Ty::U32),
            _ => (format!("while {name} < words[..{end}].len"), None, Some(format!("{name} += {step}")), Ty::U32),
        };
        let begin = if before.is_some() { end } else { first };
        if before.is_some() || after.is_some() {
            self.line(&format!("var {name}: {} = {begin}", ty.name()));
        }
        let value = self.expr(Ty::U32, 1);
        self.line(&format!("{head} {{"));
        let body = format!(
            "words[{name} + {ahead}] = words[{name} - {back}] +% (words[{name}] << 5 | words[{name}] >> 27) +% {value}"
        );
        let lines = [before, Some(body), after];
        lines.into_iter().flatten().for_each(|line| self.line(&format!("    {line}")));
        self.line("}");
    }

    fn looped(&mut self, head: &str, names: &[(String, Ty)]) {
        self.line(&format!("{head} {{"));
        self.loop_body(names);
    }

    fn loop_body(&mut self, names: &[(String, Ty)]) {
        self.indent += 1;
        self.loops += 1;
        let count = self.locals.len();
        self.locals.extend(names.iter().map(|(name, ty)| Local { name: name.clone(), ty: *ty, mutable: false }));
        self.statements();
        self.locals.truncate(count);
        self.loops -= 1;
        self.indent -= 1;
        self.line("}");
    }

    fn matched(&mut self) {
        if self.chance(2) {
            let value = self.expr(Ty::Mood, 2);
            self.line(&format!("match {value} {{"));
            self.indent += 1;
            for arm in ["Calm, Wild", "Glad", "Sad"] {
                self.block(&format!("{arm} =>"));
                self.line("}");
            }
        } else {
            let (ty, arms) = *self.random.pick(&[
                (Ty::U8, &["0..=9", "10, 12, 14", "'a'..='z'"][..]),
                (Ty::U32, &["0", "1", "2", "3", "5", "6"]),
                (Ty::I32, &["-4..=-1", "0", "7, 9..=12"]),
                (Ty::U64, &["0..=3", "0xffff_ffff_ffff_ffff"]),
            ]);
            let value = self.expr(ty, 2);
            self.line(&format!("match {value} {{"));
            self.indent += 1;
            for arm in arms {
                self.block(&format!("{arm} =>"));
                self.line("}");
            }
            self.block("else =>");
            self.line("}");
        }
        self.indent -= 1;
        self.line("}");
    }

    fn leave_loop(&mut self) {
        if self.loops > 0 {
            let condition = self.expr(Ty::Bool, 2);
            let word = *self.random.pick(&["break", "continue"]);
            self.line(&format!("if {condition} {{"));
            self.line(&format!("    {word}"));
            self.line("}");
        }
    }

    fn risk(&mut self) {
        let (argument, other) = (self.expr(Ty::U32, 2), self.expr(Ty::U32, 1));
        let name = self.fresh();
        let call = *self.random.pick(&["risky", "twice"]);
        if self.chance(2) {
            self.line(&format!("let {name} = {call}({argument}) catch {other}"));
        } else {
            let trouble = self.fresh();
            self.line(&format!("var {name}: u32 = 0"));
            self.line(&format!("{name} = {call}({argument}) catch if {other} == 3 then 5 else 9"));
            self.line(&format!("let {trouble} = {name} +% 1"));
            self.locals.push(Local { name: trouble, ty: Ty::U32, mutable: false });
        }
        self.locals.push(Local { name, ty: Ty::U32, mutable: false });
    }

    fn deferred(&mut self) {
        let value = self.expr(Ty::U64, 1);
        self.line(&format!("defer wide = wide *% 3 +% {value}"));
    }

    fn assertion(&mut self) {
        let (a, b) = (self.expr(Ty::U32, 2), self.expr(Ty::U32, 1));
        let mask = if self.chance(8) { 1 } else { 0xffff };
        self.line(&format!("assert {a} & {mask} != {b} | 0x1_0000 or {b} != 3, \"number {}\"", self.names));
    }

    fn early_return(&mut self) {
        // The type is that of the function, which is not known here: leaving it by a check is what all can do.
        let condition = self.expr(Ty::Bool, 2);
        if self.chance(6) {
            self.line(&format!("if {condition} and wide % 5 == 4 {{"));
            self.line(&format!("    panic(\"gave up at {}\")", self.names));
            self.line("}");
        }
    }

    // ---- Expressions ------------------------------------------------------------------------------------------------

    fn call(&mut self, index: usize, depth: usize) -> String {
        let (number, params) = (self.functions[index].number, self.functions[index].params.clone());
        let arguments: Vec<String> = params.iter().map(|ty| self.expr(*ty, depth)).collect();
        format!("f{number}({})", arguments.join(", "))
    }

    /// An index of an array of so many elements, which is seldom out of bounds.
    fn index(&mut self, count: usize) -> String {
        let value = self.expr(Ty::U32, 2);
        let limit = if self.chance(40) { count + 1 } else { count };
        if count.is_power_of_two() && self.chance(2) {
            return format!("{value} & {}", count - 1);
        }
        format!("{value} % {limit}")
    }

    fn local(&mut self, ty: Ty) -> Option<String> {
        let fitting: Vec<&Local> = self.locals.iter().filter(|local| local.ty == ty).collect();
        (!fitting.is_empty()).then(|| self.random.pick(&fitting).name.clone())
    }

    fn expr(&mut self, ty: Ty, depth: usize) -> String {
        if (depth == 0 || self.chance(4))
            && let Some(name) = self.local(ty)
        {
            return name;
        }
        if depth == 0 {
            return self.leaf(ty);
        }
        let fitting: Vec<usize> =
            (0..self.functions.len()).filter(|index| self.functions[*index].result == ty).collect();
        if self.loops == 0 && self.indent > 0 && !fitting.is_empty() && self.chance(6) {
            let index = *self.random.pick(&fitting);
            return self.call(index, depth - 1);
        }
        if self.chance(8) {
            let (c, a, b) = (self.expr(Ty::Bool, depth - 1), self.expr(ty, depth - 1), self.expr(ty, depth - 1));
            return format!("(if {c} then {a} else {b})");
        }
        let depth = depth - 1;
        match ty {
            Ty::U32 | Ty::I32 | Ty::U64 | Ty::I64 => self.integer(ty, depth),
            Ty::U8 => match self.random.below(4) {
                0 => format!("octets[{}]", self.index(40)),
                1 => format!("u8({} & 0x7f)", self.expr(Ty::U32, depth)),
                2 => format!("({} as u8)", self.expr(Ty::I64, depth)),
                _ => self.leaf(ty),
            },
            Ty::F64 => match self.random.below(3) {
                0 => format!("f64({})", self.expr(Ty::I32, depth)),
                1 => format!("f64.abs({})", self.expr(ty, depth)),
                _ => {
                    let operator = *self.random.pick(&["+", "-", "*", "/"]);
                    format!("({} {operator} {})", self.expr(ty, depth), self.expr(ty, depth))
                }
            },
            Ty::Bool => self.condition(depth),
            Ty::Mood => match self.random.below(3) {
                0 => format!("{}.mood", self.expr(Ty::Cell, depth)),
                1 if self.chance(8) => format!("Mood({} & 7)", self.expr(Ty::U32, depth)),
                _ => self.leaf(ty),
            },
            Ty::Bytes => match self.random.below(3) {
                0 => format!("octets[{}..]", self.index(40)),
                1 => format!("octets[..{}]", self.index(40)),
                _ => self.leaf(ty),
            },
            Ty::Cell => format!("Cell.at({})", self.expr(Ty::U32, depth)),
        }
    }

    fn integer(&mut self, ty: Ty, depth: usize) -> String {
        let a = self.expr(ty, depth);
        let name = ty.name();
        match self.random.below(16) {
            0..=4 => {
                let operator = *self.random.pick(&["+%", "-%", "*%", "&", "|", "^"]);
                format!("({a} {operator} {})", self.expr(ty, depth))
            }
            5 => {
                let operator = *self.random.pick(&["/", "%"]);
                format!("({a} {operator} ({} & 15 | 1))", self.expr(ty, depth))
            }
            6 => format!("(({a} & 0xff) {} 3)", self.random.pick(&["+", "*"])),
            7 if self.chance(8) => format!("({a} {} {})", self.random.pick(&["+", "-", "*"]), self.expr(ty, depth)),
            7 => format!("(({a} & 0xfff) - ({} & 0))", self.expr(ty, depth)),
            8 => format!("({a} {} {})", self.random.pick(&["<<", ">>"]), self.random.below(31)),
            9 => format!("({a} >> ({} & 7))", self.expr(Ty::U32, depth)),
            10 => {
                let from = *self.random.pick(&[Ty::U8, Ty::U32, Ty::I32, Ty::I64]);
                format!("({} as {name})", self.expr(from, depth))
            }
            11 => format!("larger({a}, {})", self.expr(ty, depth)),
            12 if ty == Ty::U32 => format!("words[{}]", self.index(16)),
            12 if ty == Ty::I64 => format!("{}.total", self.expr(Ty::Cell, depth)),
            13 if ty == Ty::U32 => format!("{}.bump({a})", self.expr(Ty::Cell, depth)),
            13 if ty == Ty::U64 => "wide".to_owned(),
            14 if ty == Ty::U32 => format!("{}.len", self.expr(Ty::Bytes, depth)),
            14 if ty == Ty::I32 => format!("({} as i32)", self.expr(Ty::F64, depth)),
            15 if ty == Ty::U32 => format!("i32.popcnt({a})"),
            _ => format!("(~{a})"),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => format!("({} and {})", self.expr(Ty::Bool, depth), self.expr(Ty::Bool, depth)),
            1 => format!("({} or {})", self.expr(Ty::Bool, depth), self.expr(Ty::Bool, depth)),
            2 => format!("(not {})", self.expr(Ty::Bool, depth)),
            3 => format!("{}.is_loud()", self.expr(Ty::Mood, depth)),
            4 => format!("({} == {})", self.expr(Ty::Mood, depth), self.expr(Ty::Mood, depth)),
            _ => {
                let ty = *self.random.pick(&[Ty::U8, Ty::U32, Ty::I32, Ty::U64, Ty::I64, Ty::F64]);
                let operator = *self.random.pick(&["==", "!=", "<", "<=", ">", ">="]);
                format!("({} {operator} {})", self.expr(ty, depth), self.expr(ty, depth))
            }
        }
    }

    /// A value without others in it. Numbers have a type of their own, so that nothing is computed while compiling.
    fn leaf(&mut self, ty: Ty) -> String {
        let small = self.random.below(20);
        match ty {
            Ty::U8 => format!("octets[{small}]"),
            Ty::U32 => {
                self.random.pick(&["words[3]", "u32(0)", "u32(7)", "cells[1].count", "u32(4_000_000_000)"]).to_string()
            }
            Ty::I32 => self.random.pick(&["i32(-1)", "i32(0)", "i32(12)", "(words[5] as i32)"]).to_string(),
            Ty::U64 => self.random.pick(&["wide", "u64(3)", "u64(0x1_0000_0000)", "(words[0] as u64)"]).to_string(),
            Ty::I64 => self.random.pick(&["i64(-5)", "i64(0)", "cells[2].total", "i64(1_000_000_007)"]).to_string(),
            Ty::F64 => self.random.pick(&["1.5", "f64(words[1])", "f64(wide)"]).to_string(),
            Ty::Bool => self.random.pick(&["(words[2] == 0)", "(wide > 40)", "cells[0].mood.is_loud()"]).to_string(),
            Ty::Mood => self.random.pick(&["Mood.Calm", "Mood.Sad", "Mood.Wild", "cells[3].mood"]).to_string(),
            Ty::Bytes => self.random.pick(&["octets[..]", "octets[3..9]", "\"text\"", "octets[..0]"]).to_string(),
            Ty::Cell => self.random.pick(&["Cell.at(0)", "(&cells[1])", "Cell.at(words[4])"]).to_string(),
        }
    }
}

fn as_u64(name: &str, ty: Ty) -> String {
    match ty {
        Ty::U8 | Ty::U32 | Ty::U64 => name.to_owned(),
        Ty::I32 | Ty::I64 | Ty::Bool | Ty::Mood => format!("({name} as u64)"),
        Ty::F64 => format!("i64.bits_f64({name}) as u64"),
        Ty::Bytes => format!("{name}.len"),
        Ty::Cell => format!("{name}.count"),
    }
}
