//! Programs in both notations, assembled while this package is built.
//!
//! They are tools to use and texts to learn from; each begins by saying which. They run on the bare host.

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What it is called.
    pub name: &'static str,
    /// The byte string of its module.
    pub module: &'static [u8],
    /// What it does, in a line.
    pub summary: &'static str,
}

/// All programs, by name.
pub static PROGRAMS: &[Program] = include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// The program of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use limen_assembler::{NoFiles, Options, assemble, disassemble, format};
    use limen_isa::module::Module;
    use limen_vm::{Mode, verify};

    use super::*;

    fn module(program: &Program) -> Module {
        Module::read(program.module).unwrap_or_else(|error| panic!("{}: {error}", program.name))
    }

    /// All sources, the library's included.
    fn sources() -> Vec<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = [root.to_owned(), root.join("lib")];
        let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the folder is there"));
        let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "lim")).collect()
    }

    #[test]
    fn every_program_verifies() {
        for program in PROGRAMS {
            verify(module(program), Mode::User).unwrap_or_else(|error| panic!("{}: {error}", program.name));
        }
    }

    #[test]
    fn every_program_comes_back_from_its_disassembly() {
        for program in PROGRAMS {
            let text = disassemble(&module(program));
            let again = assemble(program.name, &text, &NoFiles, Options::default());
            let again = again.unwrap_or_else(|errors| panic!("{}: {errors}", program.name));
            assert!(again.bytes == program.module, "{}", program.name);
        }
    }

    #[test]
    fn every_source_is_in_the_canonical_layout() {
        for path in sources() {
            let text = fs::read_to_string(&path).expect("the source is text");
            let formatted = format(&text).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
            assert!(formatted == text, "{}: `limen fmt` changes this", path.display());
        }
    }
}
