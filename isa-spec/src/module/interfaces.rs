//! What a module says about the interfaces that it offers and uses, for the tools that show messages by name.

use super::cursor::{Cursor, Read};
use super::write::{name, short};
use super::{Module, ReadProblem, WriteError};

/// What a domain can be asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether the module answers it, and does not only call it.
    pub serves: bool,
    /// Its methods, in ascending order of their numbers.
    pub methods: Vec<Method>,
}

/// One call of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Method {
    /// What the message says; it never changes.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// Whether doing it twice is as good as once.
    pub idempotent: bool,
    /// What it takes, in the order of the declaration.
    pub params: Vec<Param>,
    /// The types of what it gives, in order.
    pub results: Vec<String>,
    /// The numbers and names of the errors that it can answer with.
    pub errors: Vec<(i32, String)>,
}

/// What a method takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// How it reaches the server.
    pub passing: Passing,
    /// Its type, as it was written.
    pub ty: String,
}

/// How a parameter reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Passing {
    /// As a word of the message.
    Word = 0,
    /// As a reference, which the caller has as well.
    Reference = 1,
    /// As a reference that the caller has no more.
    Moved = 2,
    /// As a view of the caller's memory that can be read, until the answer.
    Lend = 3,
    /// As a view that can be written, too.
    LendMut = 4,
}

impl Passing {
    /// All ways, in the order of their codes.
    pub const ALL: [Passing; 5] = [Self::Word, Self::Reference, Self::Moved, Self::Lend, Self::LendMut];
}

impl Module {
    /// The interfaces that the module describes.
    ///
    /// # Errors
    ///
    /// If the section is not exactly what [`Module::describe`] makes.
    pub fn described(&self) -> Result<Vec<Interface>, super::ReadError> {
        let Some(bytes) = &self.interfaces else { return Ok(Vec::new()) };
        let mut cursor = Cursor::new(bytes);
        let interfaces = cursor.many(7, interface)?;
        cursor.end()?;
        let ascending = interfaces.is_sorted_by(|a, b| a.name < b.name);
        cursor.ensure(ascending, ReadProblem::NotCanonical("interfaces are out of order"))?;
        Ok(interfaces)
    }

    /// Puts down interfaces, which are to be in ascending order of their names; none if there are none.
    ///
    /// # Errors
    ///
    /// If a name or a count is too large for the format.
    pub fn describe(&mut self, interfaces: &[Interface]) -> Result<(), WriteError> {
        let mut out = (interfaces.len() as u32).to_le_bytes().to_vec();
        interfaces.iter().try_for_each(|interface| write_interface(&mut out, interface))?;
        self.interfaces = (!interfaces.is_empty()).then_some(out);
        Ok(())
    }
}

fn interface(cursor: &mut Cursor) -> Read<Interface> {
    let name = cursor.name()?;
    let serves = flag(cursor, "interface flag")?;
    let interface = Interface { name, serves, methods: cursor.many(13, method)? };
    let ascending = interface.methods.is_sorted_by(|a, b| a.number < b.number);
    cursor.ensure(ascending, ReadProblem::NotCanonical("methods are out of order"))?;
    Ok(interface)
}

fn method(cursor: &mut Cursor) -> Read<Method> {
    let number = cursor.u16()?;
    let idempotent = flag(cursor, "method flag")?;
    let name = cursor.name()?;
    let (params, results) = (few(cursor, param)?, few(cursor, |cursor| cursor.name())?);
    let errors = cursor.many(6, |cursor| Ok((cursor.i32()?, cursor.name()?)))?;
    Ok(Method { number, name, idempotent, params, results, errors })
}

fn flag(cursor: &mut Cursor, what: &'static str) -> Read<bool> {
    let value = cursor.u8()?;
    cursor.ensure(value <= 1, ReadProblem::Unknown { what, value: u64::from(value) })?;
    Ok(value == 1)
}

fn few<'a, T>(cursor: &mut Cursor<'a>, one: impl FnMut(&mut Cursor<'a>) -> Read<T>) -> Read<Vec<T>> {
    let count = usize::from(cursor.u8()?);
    cursor.times(count, one)
}

fn param(cursor: &mut Cursor) -> Read<Param> {
    let code = cursor.u8()?;
    let unknown = ReadProblem::Unknown { what: "way to pass a parameter", value: u64::from(code) };
    let passing = Passing::ALL.get(usize::from(code)).copied().ok_or_else(|| cursor.error(unknown))?;
    Ok(Param { name: cursor.name()?, passing, ty: cursor.name()? })
}

fn write_interface(out: &mut Vec<u8>, interface: &Interface) -> Result<(), WriteError> {
    name(out, &interface.name)?;
    out.push(u8::from(interface.serves));
    out.extend((interface.methods.len() as u32).to_le_bytes());
    interface.methods.iter().try_for_each(|method| write_method(out, method))
}

fn write_method(out: &mut Vec<u8>, method: &Method) -> Result<(), WriteError> {
    short(out, usize::from(method.number), "the number of a method")?;
    out.push(u8::from(method.idempotent));
    name(out, &method.name)?;
    out.push(count(method.params.len())?);
    for param in &method.params {
        out.push(param.passing as u8);
        name(out, &param.name)?;
        name(out, &param.ty)?;
    }
    out.push(count(method.results.len())?);
    method.results.iter().try_for_each(|result| name(out, result))?;
    out.extend((method.errors.len() as u32).to_le_bytes());
    method.errors.iter().try_for_each(|(number, text)| {
        out.extend(number.to_le_bytes());
        name(out, text)
    })
}

fn count(count: usize) -> Result<u8, WriteError> {
    u8::try_from(count).map_err(|_| WriteError::TooLarge("a method"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Vec<Interface> {
        let key = Param { name: "key".into(), passing: Passing::Lend, ty: "[]u8".into() };
        let get = Method {
            number: 1,
            name: "get".into(),
            idempotent: true,
            params: vec![key],
            results: vec!["u32".into()],
            errors: vec![(-1, "Gone".into()), (1, "Missing".into())],
        };
        vec![Interface { name: "Store".into(), serves: true, methods: vec![get] }]
    }

    #[test]
    fn what_is_described_is_read() {
        let mut module = Module::default();
        assert_eq!(module.described().expect("no section"), []);
        module.describe(&store()).expect("it fits");
        assert_eq!(module.described().expect("it reads"), store());
    }

    #[test]
    fn damaged_descriptions_are_refused_or_read_as_another() {
        let mut module = Module::default();
        module.describe(&store()).expect("it fits");
        let bytes = module.interfaces.clone().expect("there is a section");
        for length in 0..bytes.len() {
            module.interfaces = Some(bytes[..length].to_vec());
            assert!(module.described().is_err(), "{length} bytes");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                module.interfaces = Some(damaged);
                assert_ne!(module.described().ok(), Some(store()), "byte {position}, bit {bit}");
            }
        }
    }
}
