//! Assembling the disassembly of a module gives the module, whatever it holds.

use limen_assembler::{NoFiles, Options, assemble, disassemble, format};
use limen_isa::codec::{Instruction, Value, encode, range};
use limen_isa::module::{
    CustomSection, DataSegment, Debug, Export, ExportItem, Function, Home, InlineSite, LineRow, Module, Signature,
};
use limen_isa::{List, Opcode, Operand, OperandKind, ValueType};
use proptest::prelude::*;

/// Decisions, read off a list of random numbers that proptest can shrink.
struct Choices {
    numbers: std::vec::IntoIter<u64>,
}

impl Choices {
    fn number(&mut self) -> u64 {
        self.numbers.next().unwrap_or(0)
    }

    fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.number() % limit as u64) as usize }
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 1
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn many<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| one(self)).collect()
    }

    fn name(&mut self) -> String {
        let names =
            ["f", "g", "main", "f0", "type0", "fn", "null", "not a name", "", "data", "é", "a\"b\\\n", "l0", "r0"];
        self.pick(&names).to_owned()
    }

    fn module(&mut self) -> Module {
        let mut module = Module { types: self.types(), home: self.home(), ..Module::default() };
        if !module.types.is_empty() {
            module.functions = self.many(4, |choices| choices.header(&module.types));
        }
        let functions = module.functions.len();
        let entry = |choices: &mut Self| (functions > 0 && choices.one_in(2)).then(|| choices.below(functions) as u32);
        module.tables = self.many(3, |choices| choices.many(20, entry));
        for index in 0..functions {
            module.functions[index].code = self.code(&module, index);
        }
        module.exports = self.exports(functions);
        module.debug = self.one_in(2).then(|| self.debug(&module));
        module.interfaces = self.one_in(3).then(|| self.bytes());
        module.custom = self.custom();
        module
    }

    fn types(&mut self) -> Vec<Signature> {
        let list = |choices: &mut Self| choices.many(6, |choices| choices.pick(&ValueType::ALL));
        let mut types = self.many(4, |choices| Signature { params: list(choices), results: list(choices) });
        let mut seen = std::collections::HashSet::new();
        types.retain(|signature| seen.insert(signature.clone()));
        types
    }

    fn header(&mut self, types: &[Signature]) -> Function {
        let signature = self.below(types.len());
        let locals = self.many(20, |choices| choices.pick(&ValueType::ALL));
        let registers = [types[signature].params.clone(), locals].concat();
        Function::new(signature as u32, registers, Vec::new())
    }

    fn home(&mut self) -> Home {
        let mut data = Vec::new();
        let mut next = 0;
        for _ in 0..self.below(4) {
            let (address, bytes) = (next + self.below(40) as u32, self.bytes());
            if !bytes.is_empty() {
                next = address + bytes.len() as u32;
                data.push(DataSegment { address, bytes });
            }
        }
        let min_pages = next.div_ceil(4096) + self.below(3) as u32;
        Home { min_pages, max_pages: min_pages + self.below(9) as u32, slots: self.below(100) as u32, data }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let piece = |choices: &mut Self| match choices.below(4) {
            0 => vec![0; choices.below(40)],
            1 => b"text, \"quoted\"\n\\ and more"[..choices.below(26)].to_vec(),
            2 => "é€\u{7f}".as_bytes()[..choices.below(7)].to_vec(),
            _ => choices.number().to_le_bytes()[..choices.below(9)].to_vec(),
        };
        self.many(6, piece).concat()
    }

    fn custom(&mut self) -> Vec<CustomSection> {
        let mut ids = self.many(2, |choices| 0x8000_0000 + choices.below(9) as u32);
        ids.sort();
        ids.dedup();
        ids.into_iter().map(|id| CustomSection { id, bytes: self.bytes() }).collect()
    }

    fn exports(&mut self, functions: usize) -> Vec<Export> {
        let mut exports = self.many(6, |choices| {
            let item = match choices.below(2) {
                0 if functions > 0 => ExportItem::Function(choices.below(functions) as u32),
                _ => ExportItem::Constant(choices.number() as i64),
            };
            Export { name: choices.name(), item }
        });
        exports.retain(|export| !export.name.is_empty());
        exports.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        exports.dedup_by(|a, b| a.name == b.name);
        exports
    }

    fn debug(&mut self, module: &Module) -> Debug {
        let files = self.many(4, Self::name);
        let mut sites: Vec<InlineSite> = Vec::new();
        for _ in 0..if files.is_empty() { 0 } else { self.below(4) } {
            let parent = (!sites.is_empty() && self.one_in(2)).then(|| self.below(sites.len()) as u32);
            let (file, line) = (self.below(files.len()) as u32, self.below(100) as u32);
            sites.push(InlineSite { function: self.name(), file, line, parent });
        }
        let named = self.one_in(2);
        let function_names = module.functions.iter().filter(|_| named).map(|_| self.name()).collect();
        let lines = module.functions.iter().map(|function| self.rows(function.code.len(), files.len(), sites.len()));
        let lines = lines.map(Into::into).collect();
        Debug { files: files.into(), function_names, sites, lines }
    }

    fn rows(&mut self, words: usize, files: usize, sites: usize) -> Vec<LineRow> {
        let explicit = self.one_in(2);
        let pcs: Vec<_> = (0..words).filter(|_| explicit && self.one_in(3)).collect();
        let row = |pc: usize| {
            let file = (files > 0 && !self.one_in(4)).then(|| self.below(files) as u32);
            let line = if file.is_some() { self.below(50) as u32 } else { 0 };
            let site = (file.is_some() && sites > 0 && self.one_in(3)).then(|| self.below(sites) as u32);
            LineRow { pc: pc as u32, file, line, site }
        };
        pcs.into_iter().map(row).collect()
    }

    // ---- Code -------------------------------------------------------------------------------------------------------

    fn code(&mut self, module: &Module, index: usize) -> Vec<u64> {
        let mut code = Vec::new();
        for _ in 0..self.below(24) {
            match self.below(12) {
                0 => code.push(self.number()),
                1 => code.push(u64::from(self.number() as u16)),
                _ => self.instruction(module, index, &mut code),
            }
        }
        if !self.one_in(3) {
            self.instruction_of(Opcode::from_mnemonic("ret").unwrap(), module, index, &mut code);
        }
        if !code.is_empty() && self.one_in(8) {
            let word = self.below(code.len());
            code[word] ^= 1 << self.below(64);
        }
        code
    }

    fn instruction(&mut self, module: &Module, index: usize, code: &mut Vec<u64>) {
        let opcode = self.pick(&Opcode::ALL);
        if !opcode.row().reserved {
            self.instruction_of(opcode, module, index, code);
        }
    }

    fn instruction_of(&mut self, opcode: Opcode, module: &Module, index: usize, code: &mut Vec<u64>) {
        let operands = opcode.row().operands;
        let mut callee = module.types[module.functions[index].signature as usize].clone();
        let mut values = vec![Value::Integer(0); operands.len()];
        // From last to first, so that what is called is known before its results; arguments are filled in afterwards.
        for (position, operand) in operands.iter().enumerate().rev() {
            values[position] = match operand.kind {
                OperandKind::Function => {
                    let function = self.below(module.functions.len());
                    callee = module.types[module.functions[function].signature as usize].clone();
                    Value::Integer(function as i64)
                }
                OperandKind::Signature => {
                    let signature = self.below(module.types.len());
                    callee = module.types[signature].clone();
                    Value::Integer(signature as i64)
                }
                _ => self.value(operand, &callee, &module.functions[index].registers),
            };
        }
        let arguments = operands.iter().position(|operand| operand.kind == OperandKind::List(List::CallArguments));
        if let Some(position) = arguments {
            values[position] = self.registers(&callee.params, &module.functions[index].registers);
        }
        encode(&Instruction { opcode, values }, code).unwrap();
    }

    fn value(&mut self, operand: &Operand, callee: &Signature, registers: &[ValueType]) -> Value {
        let (min, max) = range(operand);
        match operand.kind {
            OperandKind::Register { ty, .. } => Value::Integer(self.register(ty, registers)),
            OperandKind::Label => Value::Integer(self.below(24) as i64 - 12),
            OperandKind::Table => Value::Integer(self.below(3) as i64),
            OperandKind::List(List::Targets) => Value::List(self.many(4, |choices| choices.below(24) as i64 - 12)),
            OperandKind::List(List::CallResults | List::Returned) => self.registers(&callee.results, registers),
            OperandKind::List(List::CallArguments) => Value::List(Vec::new()),
            OperandKind::List(List::SvcResults | List::SvcArguments) => {
                let types = self.many(7, |choices| choices.pick(&ValueType::ALL));
                self.registers(&types, registers)
            }
            _ if self.one_in(3) => Value::Integer(self.pick(&[min, max, 0])),
            _ => {
                let span = max.wrapping_sub(min).wrapping_add(1) as u64;
                let number = self.number();
                Value::Integer(min.wrapping_add(number.checked_rem(span).unwrap_or(number) as i64))
            }
        }
    }

    fn registers(&mut self, types: &[ValueType], registers: &[ValueType]) -> Value {
        Value::List(types.iter().map(|ty| self.register(*ty, registers)).collect())
    }

    /// Mostly a register of the type, if there is one.
    fn register(&mut self, ty: ValueType, registers: &[ValueType]) -> i64 {
        let right: Vec<_> = (0..registers.len()).filter(|register| registers[*register] == ty).collect();
        if right.is_empty() || self.one_in(40) { self.below(24) as i64 } else { self.pick(&right) as i64 }
    }
}

fn modules() -> impl Strategy<Value = Module> {
    proptest::collection::vec(any::<u64>(), 0..1500)
        .prop_map(|numbers| Choices { numbers: numbers.into_iter() }.module())
}

#[track_caller]
fn comes_back(module: &Module) {
    let bytes = module.write().unwrap();
    assert_eq!(&Module::read(&bytes).unwrap(), module);
    let text = disassemble(module);
    let assembled = assemble("round trip.lim", &text, &NoFiles, Options::default());
    let assembled = assembled.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(&assembled.module, module, "{text}");
    assert_eq!(assembled.bytes, bytes);
    assert_eq!(format(&text).unwrap(), text, "not laid out canonically");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_module_comes_back(module in modules()) {
        comes_back(&module);
    }
}

#[test]
fn an_empty_module_comes_back() {
    comes_back(&Module::default());
}

/// One function with registers of every type.
fn with_code(code: Vec<u64>) -> Module {
    let registers = ValueType::ALL.repeat(4);
    Module {
        types: vec![Signature::default()],
        functions: vec![Function::new(0, registers, code)],
        ..Module::default()
    }
}

#[test]
fn every_instruction_is_written_in_words() {
    let ret = Opcode::from_mnemonic("ret").unwrap().row().code;
    for opcode in Opcode::ALL.into_iter().filter(|opcode| !opcode.row().reserved) {
        let mut module = with_code(Vec::new());
        module.tables = vec![vec![Some(0)]];
        let mut choices = Choices { numbers: vec![24; 40].into_iter() };
        let mut code = Vec::new();
        choices.instruction_of(opcode, &module, 0, &mut code);
        // A label operand is some distance below 12; so many returns are targets enough.
        let code = [vec![u64::from(ret); 12], code, vec![u64::from(ret); 12]].concat();
        module.functions[0].code = code;
        comes_back(&module);
        let text = disassemble(&module);
        assert!(text.contains(opcode.mnemonic()) && !text.contains("@word"), "{text}");
    }
}

#[test]
fn the_same_text_comes_out_of_every_float() {
    for bits in
        [0, 1, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0x3dcc_cccd, 0x7f7f_ffff]
    {
        let opcode = Opcode::from_mnemonic("f32.const").unwrap();
        let mut code = Vec::new();
        encode(&Instruction { opcode, values: vec![Value::Integer(2), Value::Integer(bits)] }, &mut code).unwrap();
        code.push(u64::from(Opcode::from_mnemonic("ret").unwrap().row().code));
        let module = with_code(code);
        assert!(!disassemble(&module).contains("@word"));
        comes_back(&module);
    }
}
