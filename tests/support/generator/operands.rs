//! Operands of single instructions: mostly such that they do not fault.

use limen_isa::codec::range;
use limen_isa::{Fault, Operand, OperandKind, Role, Row, ValueType};

use super::Sort;
use super::writer::Writer;

/// One in so many times an instruction is left to its luck.
const CARELESS: usize = 40;

/// Kinds of objects, as `ref.kind` gives them.
const MEMORY: u32 = 1;
const SLOTS: u32 = 5;

impl Writer<'_> {
    /// Any instruction that needs no label and no list, and what makes it sound.
    pub(super) fn plain(&mut self) {
        let program = self.program;
        let row = program.plain_row(self.random);
        let careful = self.random.below(CARELESS) != 0;
        let skip = self.label();
        let operands: Vec<String> =
            row.operands.iter().map(|operand| self.operand(row, operand, careful, &skip)).collect();
        self.line(&written(row, &operands));
        self.place(&skip);
    }

    fn operand(&mut self, row: &Row, operand: &Operand, careful: bool, skip: &str) -> String {
        match operand.kind {
            OperandKind::Register { ty, role: Role::Write } => self.target(ty),
            OperandKind::Register { ty: ValueType::Ref, .. } => self.reference(row, operand, careful, skip),
            OperandKind::Register { ty, role } => match self.prepared(row, operand, ty).filter(|_| careful) {
                Some(register) => register,
                None if role == Role::Read => self.register(ty),
                None => self.target(ty),
            },
            OperandKind::Immediate { .. } => self.immediate(row, operand, careful),
            _ => self.bits(operand.kind),
        }
    }

    /// Accesses one after the other by way of one register, which changes in between, of one segment, which may end in
    /// between, or of home: what is known of one access may say nothing about the next.
    pub(super) fn walk(&mut self) {
        let of_segment = self.program.sort != Sort::Program && self.random.below(2) == 0;
        let ty = if of_segment { ValueType::I64 } else { ValueType::I32 };
        let (place, segment, end) = (self.masked(ty, "0x7ff"), self.register(ValueType::Ref), self.label());
        if of_segment {
            self.guard(&segment, MEMORY, &end);
        }
        for _ in 0..2 + self.random.below(5) {
            let row = *self.random.pick(&self.program.accesses[usize::from(of_segment)]);
            let operands: Vec<String> =
                row.operands.iter().map(|operand| self.step(row, operand, &place, &segment)).collect();
            self.line(&written(row, &operands));
            self.between(ty, &place, &segment, of_segment);
        }
        self.place(&end);
    }

    /// A loop that does nothing but count and access one segment, which may end meanwhile, or home, by what it counts: what can be
    /// found out before the first turn may not be true in the last one.
    pub(super) fn march(&mut self) {
        let of_segment = self.program.sort != Sort::Program && self.random.below(2) == 0;
        let (ty, counter, end) = if of_segment { (ValueType::I64, "w0", "w1") } else { (ValueType::I32, "m0", "m1") };
        let (place, by) = (self.masked(ty, "0x7ff"), self.masked(ty, "0x1f"));
        let (segment, head, skip) = (self.register(ValueType::Ref), self.label(), self.label());
        if of_segment {
            self.guard(&segment, MEMORY, &skip);
        }
        let (step, condition) = self.turns(ty, counter, end);
        self.place(&head);
        for _ in 0..1 + self.random.below(3) {
            let row = *self.random.pick(&self.program.accesses[usize::from(of_segment)]);
            let by = if self.random.below(3) == 0 { place.as_str() } else { counter };
            let operands: Vec<String> = row
                .operands
                .iter()
                .map(|operand| if operand.name == "i" { by.to_owned() } else { self.step(row, operand, by, &segment) })
                .collect();
            self.line(&written(row, &operands));
        }
        match self.random.below(6) {
            0 | 1 => self.line(&format!("{place} = {ty}.addi {place}, 8")),
            2 | 3 => self.line(&format!("{place} = {ty}.add {place}, {by}")),
            4 => self.line(&format!("{place} = {ty}.shli {counter}, 1")),
            _ => {}
        }
        self.line(&format!("{counter} = {ty}.addi {counter}, {step}\n{ty}.{condition}, {head}"));
        self.place(&skip);
    }

    /// Begins to count, mostly few turns; gives the step, and the condition under which there is another turn.
    fn turns(&mut self, ty: ValueType, counter: &str, end: &str) -> (i32, String) {
        let turns = 1 + self.random.below(60) as u64;
        let constant = if ty == ValueType::I32 { "i32.const" } else { "i64.const64" };
        if self.random.below(5) == 0 {
            self.line(&format!("{counter} = {constant} {turns}"));
            return (-1, format!("{} {counter}, 0", self.random.pick(&["br_nei", "br_gt_ui"])));
        }
        let from = *self.random.pick(&[0, 0, 0, 1, 7, 100, 2000, 2000, 4000, 0x7fff_fff0, 0xffff_fff0]);
        let step = *self.random.pick(&[1, 1, 1, 2, 3, 8, 24]);
        let to = (from + turns * step as u64).min(u64::from(u32::MAX));
        self.line(&format!("{counter} = {constant} {from}\n{end} = {constant} {to}"));
        let branch = self.random.pick(&["br_lt_u", "br_lt_s", "br_le_u", "br_le_s"]);
        (step, format!("{branch} {counter}, {end}"))
    }

    /// An operand of an access by way of `place`.
    fn step(&mut self, row: &Row, operand: &Operand, place: &str, segment: &str) -> String {
        match (operand.name, operand.kind) {
            ("p" | "o", _) => place.to_owned(),
            ("s", _) => segment.to_owned(),
            ("i", _) => self.masked(ValueType::I32, "0x7f"),
            ("k", _) => self.random.pick(&["0", "0", "1", "4", "8", "60", "400", "1500"]).to_string(),
            _ => self.operand(row, operand, false, ""),
        }
    }

    /// What happens between two accesses.
    fn between(&mut self, ty: ValueType, place: &str, segment: &str, of_segment: bool) {
        let (other, reference) = (self.register(ty), self.register(ValueType::Ref));
        match self.random.below(24) {
            0..5 => self.line(&format!("{place} = {ty}.addi {place}, 8")),
            5..7 => self.line(&format!("{place} = {ty}.addi {place}, -3")),
            7 => self.line(&format!("{place} = {ty}.addi {place}, 1200")),
            8 => self.line(&format!("{place} = {ty}.andi {other}, 0x1fff")),
            9 if of_segment => self.line(&format!("{segment} = ref.mov {reference}")),
            10 if of_segment && self.program.sort == Sort::Supervisor => self.line(&format!("obj.revoke {segment}")),
            _ => {}
        }
    }

    /// A reference, and the check that it is one that the instruction can use.
    fn reference(&mut self, row: &Row, operand: &Operand, careful: bool, skip: &str) -> String {
        if matches!(operand.name, "account" | "parent") && self.random.below(16) != 0 {
            return "account".into();
        }
        let register = self.register(ValueType::Ref);
        if careful && row.faults.contains(&Fault::Null) {
            let wanted = match operand.name {
                "s" if row.mnemonic.starts_with("slots.") => SLOTS,
                _ if row.code >> 8 == 0x07 || matches!(row.code, 0x1021..=0x1025) && operand.name != "anchor" => MEMORY,
                _ => 0,
            };
            self.guard(&register, wanted, skip);
        }
        register
    }

    /// Skips what follows unless the reference is to an object of this kind (0: of any). Where a fault is not the end it may
    /// be stale or of another kind all the same.
    fn guard(&mut self, register: &str, kind: u32, skip: &str) {
        let is_trusting = match self.program.sort {
            Sort::Program => false,
            Sort::Supervisor => self.random.below(8) == 0,
            Sort::Client => self.random.below(8) != 0,
        };
        if is_trusting {
            return self.line(&format!("ref.br_null {register}, {skip}"));
        }
        let branch = if kind == 0 { "i32.br_eqi" } else { "i32.br_nei" };
        self.line(&format!("kind = ref.kind {register}\n{branch} kind, {kind}, {skip}"));
    }

    /// A register whose value keeps the instruction from faulting, if it could.
    fn prepared(&mut self, row: &Row, operand: &Operand, ty: ValueType) -> Option<String> {
        let group = row.code >> 8;
        match (group, operand.name) {
            (0x10, _) => return self.supervisors(row, operand, ty),
            (0x06 | 0x07, "n") => return Some(self.length(ty)),
            (0x06 | 0x07, "i") => return Some(self.masked(ty, "0xff")),
            (0x06 | 0x07, "p" | "to" | "from" | "a" | "b" | "o" | "to_o" | "from_o") => {
                return Some(self.masked(ty, if row.mnemonic.contains("_at") { "0x3ff" } else { "0xdff" }));
            }
            (0x08, "i") => return Some(self.masked(ty, "7")),
            (0x08, "n") => return Some(self.masked(ty, "1")),
            _ => {}
        }
        if row.faults.contains(&Fault::Division) && operand.name == "b" {
            return Some(self.changed(ty, "ori", "1"));
        }
        if row.faults.contains(&Fault::Overflow) && group <= 0x02 {
            return Some(self.masked(ty, "0x7ffff"));
        }
        row.faults.contains(&Fault::Conversion).then(|| self.whole(ty))
    }

    /// What the instructions on objects take.
    fn supervisors(&mut self, row: &Row, operand: &Operand, ty: ValueType) -> Option<String> {
        let value = match operand.name {
            "kind" => 64 + self.random.below(3),
            "pages" => 1,
            "max" => 1 + self.random.below(3),
            "access" => *self.random.pick(&[1, 2, 2, 2]),
            "rights" | "v" | "payload" => return Some(self.register(ty)),
            "i" => return Some(self.masked(ty, "3")),
            "n" if row.mnemonic == "slots.make" => 4,
            "n" if ty == ValueType::I32 => return Some(self.masked(ty, "1")),
            "first" | "page" | "from_page" => 0,
            _ => return Some(self.masked(ty, "0x3ff")),
        };
        let register = self.target(ty);
        self.line(&format!("{register} = {ty}.const {value}"));
        Some(register)
    }

    /// How many bytes a bulk instruction works on.
    fn length(&mut self, ty: ValueType) -> String {
        if self.program.has_large_home && self.random.below(4) == 0 {
            let register = self.target(ty);
            let length = 65_000 + self.random.below(70_000);
            self.line(&format!("{register} = {ty}.const {length}"));
            return register;
        }
        self.masked(ty, "0x1ff")
    }

    /// A float that is a whole number of few digits.
    fn whole(&mut self, ty: ValueType) -> String {
        let (float, integer) = (self.target(ty), self.masked(ValueType::I32, "0xffff"));
        self.line(&format!("{float} = {ty}.from_i32_s {integer}"));
        float
    }

    fn masked(&mut self, ty: ValueType, mask: &str) -> String {
        self.changed(ty, "andi", mask)
    }

    fn changed(&mut self, ty: ValueType, how: &str, by: &str) -> String {
        let (to, from) = (self.target(ty), self.register(ty));
        self.line(&format!("{to} = {ty}.{how} {from}, {by}"));
        to
    }

    fn immediate(&mut self, row: &Row, operand: &Operand, careful: bool) -> String {
        let (min, max) = range(operand);
        let anything = min + (self.random.next() % (max - min + 1) as u64) as i64;
        let value = match row.code >> 8 {
            0x06 | 0x07 if careful => self.random.below(8) as i64,
            // Slot 0 is a kernel's account.
            0x08 if careful => 1 + self.random.below(8) as i64,
            0x10 if careful => 0,
            _ => *self.random.pick(&[0, 1, 2, 7, 31, 33, 63, -1, min, max, anything, anything]),
        };
        let divides = row.faults.contains(&Fault::Division) && careful;
        let value = if divides && value == 0 { 3 } else { value };
        value.clamp(min, max).to_string()
    }

    /// A constant, written as the instruction that takes it wants it.
    fn bits(&mut self, kind: OperandKind) -> String {
        let anything = self.random.next();
        match kind {
            OperandKind::Bits32 => (*self.random.pick(&EDGES) as u32 ^ (anything & 3) as u32).to_string(),
            OperandKind::Literal64 => format!("{:#x}", self.random.pick(&EDGES) ^ (anything & 3)),
            OperandKind::Float32 => {
                let value = anything as u32;
                format!("bits {:#x}", self.random.pick(&[0x3f80_0000, 0x7fa0_0001, 0xff80_0000, 1, 0x8000_0000, value]))
            }
            _ => {
                let few = f64::to_bits((anything % 1000) as f64 / 8.0);
                let edges = [few, 0x7ff4_0000_0000_0001, 0xfff0_0000_0000_0000, 1, 1 << 63, anything];
                format!("bits {:#x}", self.random.pick(&edges))
            }
        }
    }

    /// An instruction that gives the register a value of its own.
    pub(super) fn constant(&mut self, ty: ValueType, register: &str) {
        let (mnemonic, kind) = match ty {
            ValueType::I32 => ("i32.const", OperandKind::Bits32),
            ValueType::I64 => ("i64.const64", OperandKind::Literal64),
            ValueType::F32 => ("f32.const", OperandKind::Float32),
            ValueType::F64 => ("f64.const", OperandKind::Float64),
            ValueType::Ref => return,
        };
        let bits = self.bits(kind);
        self.line(&format!("{register} = {mnemonic} {bits}"));
    }

    /// A comparison of registers that goes to the label if it holds.
    pub(super) fn compare(&mut self, to: &str) {
        let row = *self.random.pick(&self.program.branches);
        let operand = |operand: &Operand| match operand.kind {
            OperandKind::Label => to.to_owned(),
            _ => self.operand(row, operand, false, to),
        };
        let operands: Vec<String> = row.operands.iter().map(operand).collect();
        self.line(&written(row, &operands));
    }
}

/// Integers at which something changes.
const EDGES: [u64; 10] =
    [0, 5, 100, 1 << 12, 0x7fff_ffff, 0x8000_0000, u32::MAX as u64, i64::MAX as u64, 1 << 63, u64::MAX];

/// The text of an instruction.
fn written(row: &Row, operands: &[String]) -> String {
    let count = row.operands.iter().take_while(|operand| operand.is_result()).count();
    let (mut text, mut separator) = (String::new(), " ");
    if count > 0 {
        text = format!("{} = ", operands[..count].join(", "));
    }
    text.push_str(row.mnemonic);
    for (index, operand) in operands.iter().enumerate().skip(count) {
        let is_offset =
            row.brackets.contains(&index) && matches!(row.operands[index].kind, OperandKind::Immediate { .. });
        text.push_str(if is_offset { " + " } else { separator });
        text.push_str(if row.brackets.start == index && !row.brackets.is_empty() { "[" } else { "" });
        text.push_str(operand);
        text.push_str(if row.brackets.end == index + 1 { "]" } else { "" });
        separator = ", ";
    }
    text
}
