//! The one module in supervisor mode, and its entries.

use limen_isa::ValueType::{self, I32, Ref as R};
use limen_isa::module::Module;

use crate::account::AccountKey;
use crate::machine::{Boot, MachineError};
use crate::memory::Guard;
use crate::object::Ref;
use crate::store::{ContextKey, DomainKey, Store};
use crate::verify::{Mode, Verified};

/// What the kernel is entered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Boot,
    Svc,
    Fault,
    Exit,
    Interrupt,
    Page,
}

impl Entry {
    const ALL: [Entry; 6] = [Self::Boot, Self::Svc, Self::Fault, Self::Exit, Self::Interrupt, Self::Page];

    /// The name it is exported under.
    fn name(self) -> &'static str {
        match self {
            Entry::Boot => "boot",
            Entry::Svc => "svc",
            Entry::Fault => "fault",
            Entry::Exit => "exit",
            Entry::Interrupt => "interrupt",
            Entry::Page => "page",
        }
    }

    fn params(self) -> &'static [ValueType] {
        match self {
            Entry::Boot => &[],
            Entry::Svc | Entry::Fault => &[R, I32],
            Entry::Exit | Entry::Interrupt => &[R],
            Entry::Page => &[R, R, I32, I32],
        }
    }
}

/// A loaded kernel. Its one context is begun anew at each entry: no frame of the kernel survives a switch.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) domain: DomainKey,
    pub(crate) context: ContextKey,
    /// The function of each entry, in the order of [`Entry::ALL`].
    functions: [Option<u32>; Entry::ALL.len()],
}

/// Cells of the kernel's stack. It is the kernel's own: how full a user's stack is makes no difference to it.
pub(crate) const STACK_CELLS: u32 = 1 << 16;

impl Kernel {
    pub(crate) fn load(
        store: &mut Store,
        account: AccountKey,
        account_reference: Ref,
        kernel: &Verified<Module>,
        boot: Boot,
    ) -> Result<Self, MachineError> {
        if kernel.mode() != Mode::Kernel {
            return Err(MachineError::Mode);
        }
        let functions = entries(kernel)?;
        let first = functions[0].ok_or(MachineError::NoFunction(Entry::Boot.name().to_owned()))?;
        let domain = store.add_domain_of(account, kernel, Guard::None).ok_or(MachineError::Budget)?;
        let mut given = vec![account_reference];
        give(store, account, boot, &mut given)?;
        let missing = (given.len() as u32).saturating_sub(kernel.home.slots);
        store.grow_slots(domain, missing).ok_or(MachineError::Budget)?;
        store.slots_of_mut(domain)[..given.len()].copy_from_slice(&given);
        // Every entry can begin: the largest frame there can be fits.
        const _: () = assert!(STACK_CELLS as usize > limen_isa::module::MAX_REGISTERS + crate::context::HEADER_CELLS);
        let context = store.add_context(account, domain, first, STACK_CELLS).map_err(|_| MachineError::Stack)?;
        Ok(Self { domain, context: context.ok_or(MachineError::Budget)?, functions })
    }

    /// Whether a module's entries are those of a kernel.
    pub(crate) fn can_be(module: &Module) -> bool {
        entries(module).is_ok_and(|functions| functions[0].is_some())
    }

    /// A kernel that goes on where it was captured.
    pub(crate) fn resumed(
        module: &Verified<Module>,
        domain: DomainKey,
        context: ContextKey,
    ) -> Result<Self, MachineError> {
        Ok(Self { domain, context, functions: entries(module)? })
    }

    /// The function that is entered for an `svc`.
    pub(crate) fn svc_function(&self) -> Option<u32> {
        self.functions[Entry::Svc as usize]
    }

    /// Begins the kernel's context anew at an entry.
    ///
    /// # Errors
    ///
    /// The entry's name, if the kernel has none.
    pub(crate) fn enter(&self, store: &mut Store, entry: Entry, arguments: &[u64]) -> Result<(), &'static str> {
        let function = self.functions[entry as usize].ok_or(entry.name())?;
        let module = store.module_of(self.domain).clone();
        let context = store.context_mut(self.context);
        context.begin(&module, function);
        for (register, (ty, bits)) in (0..).zip(entry.params().iter().zip(arguments)) {
            context.set_register(*ty, register, *bits);
        }
        Ok(())
    }
}

/// Makes objects of what the kernel is given, in the order of its slots.
fn give(store: &mut Store, account: AccountKey, boot: Boot, given: &mut Vec<Ref>) -> Result<(), MachineError> {
    for module in boot.modules {
        if module.mode() != Mode::User {
            return Err(MachineError::Mode);
        }
        given.push(store.make_module(account, module).ok_or(MachineError::Budget)?);
    }
    for contents in boot.segments {
        given.push(store.make_memory_of(account, &contents).ok_or(MachineError::Budget)?);
    }
    for device in boot.devices {
        given.push(store.add_device(account, device).ok_or(MachineError::Devices)?);
    }
    Ok(())
}

/// The functions of the entries that a kernel exports.
fn entries(kernel: &Module) -> Result<[Option<u32>; Entry::ALL.len()], MachineError> {
    let mut functions = [None; Entry::ALL.len()];
    for (slot, entry) in functions.iter_mut().zip(Entry::ALL) {
        let Some(function) = kernel.exported_function(entry.name()) else { continue };
        let fits = |signature: &limen_isa::module::Signature| {
            signature.params == entry.params() && signature.results.is_empty()
        };
        if !kernel.signature_of(function).is_some_and(fits) {
            return Err(MachineError::Entry(entry.name()));
        }
        *slot = Some(function);
    }
    Ok(functions)
}
