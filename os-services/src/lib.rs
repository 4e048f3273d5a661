//! The parts of the operating system: the kernel, init and the services. All of them are bytecode, assembled while this package
//! is built.

/// A service that manifests can name.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// What it is called.
    pub name: &'static str,
    /// The byte string of its module.
    pub module: &'static [u8],
    /// What it does, in a line.
    pub summary: &'static str,
}

/// The kernel's module.
pub static KERNEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernel.limo"));

/// The module of the first domain, which starts the services.
pub static INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init.limo"));

/// All services, by name.
pub static SERVICES: &[Service] = include!(concat!(env!("OUT_DIR"), "/services.rs"));

/// The manifest of the system that boots when no other is named.
pub static MANIFEST: &str = include_str!("../system.toml");

/// What is added to a manifest to have a system's calls recorded.
pub static RECORDER: &str = include_str!("../recorder.toml");

/// The service of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name == name)
}

#[cfg(test)]
mod tests {
    use limen_isa::module::Module;
    use limen_vm::{Mode, verify};

    use super::*;

    fn verifies(name: &str, bytes: &[u8], mode: Mode) {
        let module = Module::read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        verify(module, mode).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    #[test]
    fn all_parts_verify() {
        verifies("kernel", KERNEL, Mode::Kernel);
        verifies("init", INIT, Mode::User);
        SERVICES.iter().for_each(|service| verifies(service.name, service.module, Mode::User));
    }
}
