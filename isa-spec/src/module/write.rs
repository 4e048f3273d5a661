//! Writing.

use super::{
    ALIGNMENT, CustomSection, Debug, EXPORTED_CONSTANT, EXPORTED_FUNCTION, ExportItem, FIRST_CUSTOM_SECTION, Function,
    HEADER_BYTES, InlineSite, LineRow, MAGIC, Module, NONE, VERSION, WriteError, section,
};
use crate::ValueType;

impl Module {
    /// The module's byte string.
    ///
    /// # Errors
    ///
    /// If the module breaks a rule that [`Module::read`] checks, or says what the format has no way to say: what is written
    /// always reads as the same module.
    pub fn write(&self) -> Result<Vec<u8>, WriteError> {
        let mut sections = vec![
            (section::TYPES, types(self)?),
            (section::FUNCTIONS, functions(self)?),
            (section::CODE, code(self)),
            (section::HOME, home(self)?),
        ];
        sections.extend((!self.tables.is_empty()).then(|| Ok((section::TABLES, tables(self)?))).transpose()?);
        sections.extend((!self.exports.is_empty()).then(|| Ok((section::EXPORTS, exports(self)?))).transpose()?);
        sections.extend(self.debug.as_ref().map(|it| Ok((section::DEBUG, debug(it)?))).transpose()?);
        sections.extend(self.interfaces.as_ref().map(|bytes| (section::INTERFACES, bytes.clone())));
        for custom in &self.custom {
            sections.push((custom_number(custom)?, custom.bytes.clone()));
        }
        let bytes = assemble(&sections)?;
        match Module::read(&bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(WriteError::Rule(error)),
        }
    }
}

fn custom_number(custom: &CustomSection) -> Result<u32, WriteError> {
    if custom.id >= FIRST_CUSTOM_SECTION { Ok(custom.id) } else { Err(WriteError::NotCustom(custom.id)) }
}

/// Header, directory and payloads.
fn assemble(sections: &[(u32, Vec<u8>)]) -> Result<Vec<u8>, WriteError> {
    let mut directory = Vec::new();
    for (id, payload) in sections {
        u32(&mut directory, *id);
        count(&mut directory, payload.len(), "a section")?;
        u32(&mut directory, crc32fast::hash(payload));
    }
    let mut out = Vec::with_capacity(
        HEADER_BYTES + directory.len() + sections.iter().map(|(_, payload)| payload.len() + ALIGNMENT).sum::<usize>(),
    );
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    count(&mut out, sections.len(), "the number of sections")?;
    u32(&mut out, crc32fast::hash(&directory));
    out.extend(directory);
    pad(&mut out);
    for (_, payload) in sections {
        out.extend(payload);
        pad(&mut out);
    }
    Ok(out)
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
}

fn u32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_le_bytes());
}

fn count(out: &mut Vec<u8>, value: usize, what: &'static str) -> Result<(), WriteError> {
    u32(out, u32::try_from(value).map_err(|_| WriteError::TooLarge(what))?);
    Ok(())
}

pub(super) fn short(out: &mut Vec<u8>, value: usize, what: &'static str) -> Result<(), WriteError> {
    out.extend(u16::try_from(value).map_err(|_| WriteError::TooLarge(what))?.to_le_bytes());
    Ok(())
}

pub(super) fn name(out: &mut Vec<u8>, name: &str) -> Result<(), WriteError> {
    short(out, name.len(), "a name")?;
    out.extend(name.as_bytes());
    Ok(())
}

fn optional(out: &mut Vec<u8>, index: Option<u32>) -> Result<(), WriteError> {
    match index {
        Some(NONE) => Err(WriteError::TooLarge("an index")),
        index => {
            u32(out, index.unwrap_or(NONE));
            Ok(())
        }
    }
}

fn value_types(out: &mut Vec<u8>, types: &[ValueType]) {
    out.extend(types.iter().map(|ty| *ty as u8));
}

fn types(module: &Module) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    count(&mut out, module.types.len(), "the number of types")?;
    for signature in &module.types {
        short(&mut out, signature.params.len(), "the number of parameters")?;
        short(&mut out, signature.results.len(), "the number of results")?;
        value_types(&mut out, &signature.params);
        value_types(&mut out, &signature.results);
    }
    Ok(out)
}

fn functions(module: &Module) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    count(&mut out, module.functions.len(), "the number of functions")?;
    for (function, index) in module.functions.iter().zip(0..) {
        u32(&mut out, function.signature);
        short(&mut out, function.registers.len(), "the number of registers")?;
        count(&mut out, function.code.len(), "a function")?;
        value_types(&mut out, locals(module, function).ok_or(WriteError::Parameters(index))?);
    }
    Ok(out)
}

/// The registers that are not parameters. A signature that does not exist is for the reader to refuse.
fn locals<'a>(module: &Module, function: &'a Function) -> Option<&'a [ValueType]> {
    let params = module.types.get(function.signature as usize).map_or(&[][..], |signature| &signature.params);
    function.registers.strip_prefix(params)
}

fn code(module: &Module) -> Vec<u8> {
    module.functions.iter().flat_map(|function| &function.code).flat_map(|word| word.to_le_bytes()).collect()
}

fn home(module: &Module) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    let home = &module.home;
    [home.min_pages, home.max_pages, home.slots].into_iter().for_each(|value| u32(&mut out, value));
    count(&mut out, home.data.len(), "the number of data segments")?;
    for segment in &home.data {
        u32(&mut out, segment.address);
        count(&mut out, segment.bytes.len(), "a data segment")?;
        out.extend(&segment.bytes);
    }
    Ok(out)
}

fn tables(module: &Module) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    count(&mut out, module.tables.len(), "the number of tables")?;
    for table in &module.tables {
        count(&mut out, table.len(), "a table")?;
        table.iter().try_for_each(|entry| optional(&mut out, *entry))?;
    }
    Ok(out)
}

fn exports(module: &Module) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    count(&mut out, module.exports.len(), "the number of exports")?;
    for export in &module.exports {
        match export.item {
            ExportItem::Function(function) => {
                out.push(EXPORTED_FUNCTION);
                name(&mut out, &export.name)?;
                u32(&mut out, function);
                u32(&mut out, module.functions.get(function as usize).map_or(NONE, |function| function.signature));
            }
            ExportItem::Constant(value) => {
                out.push(EXPORTED_CONSTANT);
                name(&mut out, &export.name)?;
                out.extend(value.to_le_bytes());
            }
        }
    }
    Ok(out)
}

fn debug(debug: &Debug) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    for names in [&*debug.files, &debug.function_names] {
        count(&mut out, names.len(), "the number of names")?;
        names.iter().try_for_each(|one| name(&mut out, one))?;
    }
    count(&mut out, debug.sites.len(), "the number of inline sites")?;
    debug.sites.iter().try_for_each(|one| site(&mut out, one))?;
    for rows in &debug.lines {
        count(&mut out, rows.len(), "the number of line rows")?;
        rows.iter().try_for_each(|row| line(&mut out, row))?;
    }
    Ok(out)
}

fn site(out: &mut Vec<u8>, site: &InlineSite) -> Result<(), WriteError> {
    name(out, &site.function)?;
    u32(out, site.file);
    u32(out, site.line);
    optional(out, site.parent)
}

fn line(out: &mut Vec<u8>, row: &LineRow) -> Result<(), WriteError> {
    u32(out, row.pc);
    optional(out, row.file)?;
    u32(out, row.line);
    optional(out, row.site)
}
