//! Instances of modules, each in a machine of its own, and what they import: from the suite's own module, or functions,
//! constants and tags of other instances.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use limen_isa::{Fault, ValueType};
use limen_vm::{
    Config, DomainId, EngineKind, Host, Machine, MachineError, Mode, Outcome, Ref, SvcCall, SvcOutcome, Value, verify,
    verify_later,
};
use limen_wasm::{
    Exported, ExportedItem, FunctionType, INITIALIZE, Import, ImportKind, Imports, Limits, Provided, Type, translate,
    translate_later,
};

/// How the suite is run: by one engine, or by several in turn, each for so many safepoints.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) engines: &'static [EngineKind],
    pub(crate) piece: Option<u64>,
    /// Whether functions are translated when they are first called.
    pub(crate) later: bool,
}

/// After so many switches a call goes on in one piece: some run long.
const MOST_SWITCHES: u32 = 300;

/// An instance of a module in a machine of its own.
pub(crate) struct Instance {
    machine: Machine,
    domain: DomainId,
    exports: Vec<Exported>,
    way: Way,
    /// What its services are.
    imported: Vec<ImportedFunction>,
    /// A module that was refused would have changed it.
    pub(crate) is_unknown: bool,
}

/// An instance that others import from.
pub(crate) type Shared = Rc<RefCell<Instance>>;

/// A function of another instance: the service of number *n* + 1.
struct ImportedFunction {
    instance: Shared,
    name: String,
    ty: FunctionType,
}

/// What a module may import: what the suite says that `spectest` has, and what is registered.
#[derive(Default)]
pub(crate) struct Linker {
    registered: HashMap<String, Shared>,
    functions: Vec<ImportedFunction>,
    /// Something was asked for that is there and that instances of several machines cannot share.
    pub(crate) is_unshared: bool,
}

impl Linker {
    pub(crate) fn register(&mut self, name: &str, instance: Option<Shared>) {
        match instance {
            Some(instance) => self.registered.insert(name.to_owned(), instance),
            None => self.registered.remove(name),
        };
    }

    fn of_instance(&mut self, import: &Import) -> Option<Provided> {
        let instance = Rc::clone(self.registered.get(&import.module)?);
        let exporter = instance.try_borrow().ok()?;
        let exported = exporter.exports.iter().find(|export| export.name == import.name)?;
        match (&exported.item, &import.kind) {
            (ExportedItem::Function { ty: has, .. }, ImportKind::Function(wants)) if has == wants => {
                let instance = Rc::clone(&instance);
                self.functions.push(ImportedFunction { instance, name: import.name.clone(), ty: has.clone() });
                Some(Provided::Function(self.functions.len() as u32))
            }
            (ExportedItem::Constant { ty: has, value }, ImportKind::Global { ty, mutable: false })
                if has == ty && *ty != Type::FuncRef =>
            {
                Some(Provided::Global(*value))
            }
            (
                ExportedItem::Constant { ty: Type::FuncRef, .. } | ExportedItem::Variable { .. },
                ImportKind::Global { .. },
            )
            | (ExportedItem::Memory, ImportKind::Memory(_))
            | (ExportedItem::Table, ImportKind::Table { .. }) => {
                self.is_unshared = true;
                None
            }
            (ExportedItem::Tag { ty: has }, ImportKind::Tag(wants)) if has == wants => Some(Provided::Tag),
            _ => None,
        }
    }
}

impl Imports for Linker {
    fn find(&mut self, import: &Import) -> Option<Provided> {
        if import.module == "spectest" { of_spectest(import) } else { self.of_instance(import) }
    }
}

/// Functions that do nothing, constants, a memory and a table.
fn of_spectest(import: &Import) -> Option<Provided> {
    let limits = |min, max| Limits { min, max: Some(max) };
    match import.kind {
        ImportKind::Function(ref ty) => {
            let of = |types: &[Type]| ty.params == types && ty.results.is_empty();
            let prints = PRINTS.iter().any(|(name, types)| *name == import.name && of(types));
            prints.then_some(Provided::Function(0))
        }
        ImportKind::Global { ty, mutable: false } => {
            let found = GLOBALS.iter().find(|(name, of, _)| *name == import.name && *of == ty);
            found.map(|(_, _, value)| Provided::Global(*value))
        }
        ImportKind::Memory(asked) if import.name == "memory" && holds(asked, 1, 2) => {
            Some(Provided::Memory(limits(1, 2)))
        }
        ImportKind::Table { ty: Type::FuncRef, limits: asked } if import.name == "table" && holds(asked, 10, 20) => {
            Some(Provided::Table(limits(10, 20)))
        }
        _ => None,
    }
}

/// Whether a thing of these limits is what was asked for.
fn holds(asked: Limits, min: u64, max: u64) -> bool {
    asked.min <= min && asked.max.is_none_or(|asked| max <= asked)
}

const PRINTS: [(&str, &[Type]); 7] = [
    ("print", &[]),
    ("print_i32", &[Type::I32]),
    ("print_i64", &[Type::I64]),
    ("print_f32", &[Type::F32]),
    ("print_f64", &[Type::F64]),
    ("print_i32_f32", &[Type::I32, Type::F32]),
    ("print_f64_f64", &[Type::F64, Type::F64]),
];

/// The bits of the constants: 666, and 666.6 as floats.
const GLOBALS: [(&str, Type, u64); 4] = [
    ("global_i32", Type::I32, 666),
    ("global_i64", Type::I64, 666),
    ("global_f32", Type::F32, 666.6f32.to_bits() as u64),
    ("global_f64", Type::F64, 666.6f64.to_bits()),
];

/// What answers the services of an instance.
struct Services<'a>(&'a [ImportedFunction]);

impl Host for Services<'_> {
    fn svc(&mut self, call: &mut SvcCall<'_>) -> SvcOutcome {
        let Some(number) = (call.number() as usize).checked_sub(1) else { return SvcOutcome::Continue };
        let function = &self.0[number];
        let arguments = function.ty.params.iter().enumerate();
        let arguments: Vec<Value> = arguments.map(|(index, ty)| value(*ty, call.word(index))).collect();
        let outcome = function.instance.borrow_mut().invoke(&function.name, arguments);
        match outcome {
            Some(Outcome::Returned(values)) => {
                values.iter().enumerate().for_each(|(index, value)| call.set_word(index, bits(*value)));
                SvcOutcome::Continue
            }
            Some(Outcome::Faulted(report)) => SvcOutcome::Fault(report.fault, report.detail),
            _ => SvcOutcome::Fault(Fault::State, 0),
        }
    }
}

/// The value that a word of a message is.
pub(crate) fn value(ty: Type, bits: u64) -> Value {
    match ty.register() {
        ValueType::I64 => Value::I64(bits as i64),
        ValueType::F32 => Value::F32(f32::from_bits(bits as u32)),
        ValueType::F64 => Value::F64(f64::from_bits(bits)),
        ValueType::I32 | ValueType::Ref => Value::I32(bits as i32),
    }
}

fn bits(value: Value) -> u64 {
    match value {
        Value::I32(value) => u64::from(value as u32),
        Value::I64(value) => value as u64,
        Value::F32(value) => u64::from(value.to_bits()),
        Value::F64(value) => value.to_bits(),
        Value::Ref(_) => 0,
    }
}

pub(crate) fn instantiate(wasm: &[u8], linker: &mut Linker, way: Way) -> Result<Instance, String> {
    linker.is_unshared = false;
    let mut translation = translate(wasm, linker).map_err(|error| error.to_string())?;
    let mut verify: fn(_, _) -> _ = verify;
    if way.later {
        linker.functions.clear();
        (translation, _) = translate_later(wasm.to_vec().into(), linker).map_err(|error| format!("later: {error}"))?;
        verify = verify_later;
    }
    let module = verify(translation.module, Mode::User).map_err(|error| format!("not verified: {error}"))?;
    let config = Config { engine: way.engines[0], fuel: way.piece, ..Config::default() };
    let mut machine = limen_jit::machine(config).map_err(|error| error.to_string())?;
    let domain = machine.instantiate(&module).map_err(|error| error.to_string())?;
    let imported = std::mem::take(&mut linker.functions);
    let mut instance = Instance { machine, domain, exports: translation.exports, way, imported, is_unknown: false };
    if module.export(INITIALIZE).is_some() {
        match instance.call(INITIALIZE, &[]).map_err(|error| error.to_string())? {
            Outcome::Returned(_) => {}
            outcome => return Err(format!("{outcome:?}")),
        }
    }
    Ok(instance)
}

impl Instance {
    /// Calls a function of the translated module, and goes on under the next engine whenever a piece is done.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Outcome, MachineError> {
        let mut outcome = self.machine.call_with(&mut Services(&self.imported), self.domain, name, arguments)?;
        let mut engines = self.way.engines.iter().cycle().skip(1);
        let mut switches = 0;
        while let (Outcome::OutOfFuel, Some(piece), Some(engine)) = (&outcome, self.way.piece, engines.next()) {
            switches += 1;
            self.machine.add_fuel(if switches < MOST_SWITCHES { piece } else { u64::MAX });
            self.machine.set_engine(None, *engine)?;
            outcome = self.machine.resume(&mut Services(&self.imported))?;
        }
        Ok(outcome)
    }

    /// Whether it is as it would be if modules could share more than functions, and whoever it calls, too.
    pub(crate) fn is_known(&self) -> bool {
        !self.is_unknown && self.imported.iter().all(|function| function.instance.borrow().is_known())
    }

    /// Calls an exported function; `None` if there is none that takes these arguments.
    pub(crate) fn invoke(&mut self, name: &str, mut arguments: Vec<Value>) -> Option<Outcome> {
        let exported = self.exports.iter().find(|export| export.name == name)?;
        let ExportedItem::Function { name, .. } = &exported.item else { return None };
        let (name, count) = (name.clone(), arguments.len());
        loop {
            match self.call(&name, &arguments) {
                Ok(outcome) => return Some(outcome),
                // A signature can have null references more.
                Err(_) if arguments.len() < count + 8 => arguments.push(Value::Ref(Ref::NULL)),
                Err(_) => return None,
            }
        }
    }

    /// The value of an exported variable or constant.
    pub(crate) fn global(&mut self, name: &str) -> Option<Value> {
        let exported = self.exports.iter().find(|export| export.name == name)?;
        let (ty, bits) = match exported.item {
            ExportedItem::Constant { ty, value } => (ty, value),
            ExportedItem::Variable { ty, address } => {
                let home = self.machine.memory(self.domain).ok()?;
                let bytes = home.get(address as usize..address as usize + 8)?;
                (ty, u64::from_le_bytes(bytes.try_into().ok()?))
            }
            _ => return None,
        };
        Some(value(ty, bits))
    }
}
