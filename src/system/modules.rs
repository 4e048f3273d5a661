//! The modules of a system: where they are found, and what they say about themselves.

use std::collections::HashMap;
use std::path::Path;

use limen_assembler::{Diagnostic, Diagnostics, Directory, Options, Span, assemble, similar};
use limen_isa::module::{ExportItem, Interface, MAGIC, Module};
use limen_vm::{Mode, Verified, verify};

use super::manifest::{Name, listed};
use super::problems::Problems;
use crate::files;

/// An exported number whose name begins like this is the slot of a reference.
const SLOT: &str = "slot_";

/// One that begins like this says that the reference need not be given.
const OPTIONAL: &str = "optional_";

/// A module with what a manifest must know of it.
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    pub(crate) module: Verified<Module>,
    /// The interfaces that it answers.
    pub(crate) serves: Vec<Interface>,
    /// Where it finds its references, by their names.
    pub(crate) places: Vec<Place>,
}

/// Where a module finds a reference.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) slot: i64,
    pub(crate) is_optional: bool,
}

impl Part {
    /// A module that has been verified.
    ///
    /// # Errors
    ///
    /// Why it is none, in words.
    pub(crate) fn new(bytes: Vec<u8>, mode: Mode) -> Result<Self, String> {
        let module = Module::read(&bytes).map_err(|error| error.to_string())?;
        let described = module.described().map_err(|error| format!("its interfaces: {error}"))?;
        let module = verify(module, mode).map_err(|error| error.to_string())?;
        let entry = if mode == Mode::Kernel { "boot" } else { "main" };
        module.exported_function(entry).ok_or_else(|| format!("it exports no function `{entry}`"))?;
        let serves = described.into_iter().filter(|interface| interface.serves).collect();
        let places = places(&module);
        Ok(Self { bytes, module, serves, places })
    }

    /// The number that the module exports under a name, if there is one and it is not negative.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.module.export(name)? {
            ExportItem::Constant(number) => u64::try_from(number).ok(),
            ExportItem::Function(_) => None,
        }
    }
}

fn places(module: &Module) -> Vec<Place> {
    let numbers = module.exports.iter().filter_map(|export| match export.item {
        ExportItem::Constant(number) => Some((export.name.as_str(), number)),
        ExportItem::Function(_) => None,
    });
    let numbers: HashMap<&str, i64> = numbers.collect();
    let place = |(name, slot): (&&str, &i64)| {
        let name = name.strip_prefix(SLOT)?;
        let is_optional = numbers.get(format!("{OPTIONAL}{name}").as_str()).is_some_and(|value| *value != 0);
        Some(Place { name: name.to_owned(), slot: *slot, is_optional })
    };
    let mut places: Vec<_> = numbers.iter().filter_map(place).collect();
    places.sort_by(|a, b| a.name.cmp(&b.name));
    places
}

/// The modules that a manifest names, each once.
pub(crate) struct Modules<'a> {
    /// Where the manifest lies.
    directory: &'a Path,
    problems: &'a Problems,
    parts: Vec<Part>,
    /// What has been looked for; `None` for what could not be had.
    found: HashMap<String, Option<usize>>,
}

impl<'a> Modules<'a> {
    pub(crate) fn new(directory: &'a Path, problems: &'a Problems) -> Self {
        Self { directory, problems, parts: Vec::new(), found: HashMap::new() }
    }

    pub(crate) fn get(&self, index: usize) -> &Part {
        &self.parts[index]
    }

    pub(crate) fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// The index of the module that a service names. Two that are the same are one.
    pub(crate) fn find(&mut self, name: &Name) -> Option<usize> {
        if let Some(found) = self.found.get(&name.value) {
            return *found;
        }
        let part = self.problems.keep(self.load(name, Mode::User));
        let index = part.map(|part| self.add(part));
        self.found.insert(name.value.clone(), index);
        index
    }

    fn add(&mut self, part: Part) -> usize {
        let same = self.parts.iter().position(|known| known.bytes == part.bytes);
        same.unwrap_or_else(|| {
            self.parts.push(part);
            self.parts.len() - 1
        })
    }

    /// The kernel: the built-in one, or another that the manifest names.
    pub(crate) fn kernel(&self, name: Option<&Name>) -> Option<Part> {
        self.problems.keep(self.chosen(name, limen_os_services::KERNEL, Mode::Kernel))
    }

    /// The first domain's module, in the same way.
    pub(crate) fn init(&self, name: Option<&Name>) -> Option<Part> {
        self.problems.keep(self.chosen(name, limen_os_services::INIT, Mode::User))
    }

    fn chosen(&self, name: Option<&Name>, built_in: &[u8], mode: Mode) -> Result<Part, Diagnostic> {
        match name {
            Some(name) => self.load(name, mode),
            None => Part::new(built_in.to_vec(), mode)
                .map_err(|error| Diagnostic::new(Span::default(), format!("a built-in module cannot run: {error}"))),
        }
    }

    /// A module by its name or path.
    fn load(&self, name: &Name, mode: Mode) -> Result<Part, Diagnostic> {
        let bytes = if is_path(&name.value) { self.read(name)? } else { built_in(name)? };
        Part::new(bytes, mode).map_err(|error| unusable(name, &error))
    }

    /// The bytes of a module file, or what a source assembles to.
    fn read(&self, name: &Name) -> Result<Vec<u8>, Diagnostic> {
        let path = self.directory.join(&name.value);
        let bytes = files::contents(&path)
            .map_err(|error| Diagnostic::new(name.span, "this module cannot be read").label(error.to_string()))?;
        if bytes.starts_with(&MAGIC) || path.extension().is_some_and(|extension| extension == "limo") {
            return Ok(bytes);
        }
        let text = String::from_utf8(bytes).map_err(|_| unusable(name, "it is neither a module nor UTF-8 text"))?;
        assembled(&path, &text).map_err(|errors| {
            Diagnostic::new(name.span, "this module does not assemble").note(errors.to_string().trim_end())
        })
    }
}

fn assembled(path: &Path, text: &str) -> Result<Vec<u8>, Diagnostics> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let assembled = assemble(&name, text, &Directory(files::directory_of(path)), Options::default())?;
    Ok(assembled.bytes)
}

/// Whether a module is named by its path, and is not one of the built-in services.
fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".lim") || name.ends_with(".limo")
}

fn built_in(name: &Name) -> Result<Vec<u8>, Diagnostic> {
    if let Some(service) = limen_os_services::find(&name.value) {
        return Ok(service.module.to_vec());
    }
    let names = || limen_os_services::SERVICES.iter().map(|service| service.name);
    let problem = Diagnostic::new(name.span, format!("there is no built-in service `{}`", name.value));
    let known = if names().next().is_none() { None } else { Some(format!("there are {}", listed(names()))) };
    let path = "a module or a source beside the manifest is named by its file, which ends in `.limo` or `.lim`";
    Err(problem.help(similar(&name.value, names()).or(known)).note(path))
}

fn unusable(name: &Name, error: &str) -> Diagnostic {
    Diagnostic::new(name.span, "this is no module that can run").label(error)
}
