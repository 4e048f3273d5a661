//! Imported functions: each is a function that asks for a service.

use limen_isa::module::Function;
use limen_isa::{Opcode, ValueType};

use crate::context::{Context, Signatures, message_words};
use crate::emit::{Code, Register};
use crate::operators::{load_of, store_of};
use crate::source::Service;
use crate::types::FunctionType;

/// A function for each import.
pub(crate) fn functions(context: &Context, signatures: &Signatures) -> Vec<Function> {
    let services = (0..).zip(&context.source.services);
    services.map(|(index, service)| function(context, signatures, index, service)).collect()
}

fn function(context: &Context, signatures: &Signatures, index: u32, service: &Service) -> Function {
    let (ty, callable) = (context.source.type_of(index), context.callable_of(index));
    let params = &signatures.all[callable.signature as usize].params;
    let mut writer = Writer { code: Code::default(), registers: params.clone(), throws: callable.throws };
    if message_words(ty) == 0 {
        writer.message(ty, service.number);
    } else {
        writer.area(ty, service.number);
    }
    Function::new(callable.signature, writer.registers, writer.code.finish())
}

struct Writer {
    code: Code,
    registers: Vec<ValueType>,
    /// It never does, but others of its type in tables may.
    throws: bool,
}

impl Writer {
    fn register(&mut self, ty: ValueType) -> Register {
        self.registers.push(ty);
        self.registers.len() as Register - 1
    }

    fn ret(&mut self, mut values: Vec<Register>) {
        let none = self.throws.then(|| self.register(ValueType::I64));
        values.extend(none);
        self.code.ret(&values);
    }

    /// All is words of the message.
    fn message(&mut self, ty: &FunctionType, number: u32) {
        let arguments: Vec<Register> = (0..ty.params.len()).map(|index| self.as_word(index)).collect();
        let results: Vec<Register> = ty.results.iter().map(|ty| self.register(word_of(ty.register()))).collect();
        let first = u64::from(Opcode::Svc.row().code) | (results.len() as u64) << 16 | u64::from(number) << 28;
        let first = first | (arguments.len() as u64) << 40;
        self.code.listed(first, results.iter().chain(&arguments).copied());
        let results = results.into_iter().zip(&ty.results);
        let values: Vec<Register> = results.map(|(word, ty)| self.of_word(word, ty.register())).collect();
        self.ret(values);
    }

    /// All is in the message area.
    fn area(&mut self, ty: &FunctionType, number: u32) {
        let zero = self.register(ValueType::I32);
        for (index, ty) in ty.params.iter().enumerate() {
            self.code.wide24(store_of(ty.register()), zero, index as Register, 8 * index as u32);
        }
        self.code.listed(u64::from(Opcode::Svc.row().code) | u64::from(number) << 28, std::iter::empty());
        let mut values = Vec::new();
        for (index, ty) in ty.results.iter().enumerate() {
            let register = self.register(ty.register());
            self.code.wide24(load_of(ty.register()), register, zero, 8 * index as u32);
            values.push(register);
        }
        self.ret(values);
    }

    /// A parameter as a message holds it.
    fn as_word(&mut self, parameter: usize) -> Register {
        let ty = self.registers[parameter];
        let opcode = match ty {
            ValueType::F32 => Opcode::I32BitsF32,
            ValueType::F64 => Opcode::I64BitsF64,
            ValueType::I32 | ValueType::I64 | ValueType::Ref => return parameter as Register,
        };
        let word = self.register(word_of(ty));
        self.code.registers(opcode, &[word, parameter as Register]);
        word
    }

    /// A result from what a message held.
    fn of_word(&mut self, word: Register, ty: ValueType) -> Register {
        let opcode = match ty {
            ValueType::F32 => Opcode::F32BitsI32,
            ValueType::F64 => Opcode::F64BitsI64,
            ValueType::I32 | ValueType::I64 | ValueType::Ref => return word,
        };
        let value = self.register(ty);
        self.code.registers(opcode, &[value, word]);
        value
    }
}

fn word_of(ty: ValueType) -> ValueType {
    if matches!(ty, ValueType::I64 | ValueType::F64) { ValueType::I64 } else { ValueType::I32 }
}
