//! From a snapshot to its bytes.

use limen_isa::module::{Module, WriteError};

use super::field::Field;
use super::{MAGIC, Snapshot, VERSION, section};
use crate::verify::{Mode, Verified};

pub(super) fn snapshot(snapshot: &Snapshot) -> Result<Vec<u8>, WriteError> {
    let (machine, store) = (&snapshot.machine, &snapshot.store);
    let mut out = Vec::from(MAGIC);
    VERSION.put(&mut out);
    put(&mut out, section::MODULES, &modules(&store.modules)?);
    put(&mut out, section::MACHINE, &bytes(&[machine, &store.runs]));
    put(&mut out, section::MEMORIES, &bytes(&[&store.memories]));
    put(&mut out, section::DOMAINS, &bytes(&[&store.domains, &store.arrays]));
    put(&mut out, section::CONTEXTS, &bytes(&[&store.contexts]));
    put(&mut out, section::OBJECTS, &bytes(&[&store.accounts, &store.table]));
    put(&mut out, section::HOST, &snapshot.host);
    crc32fast::hash(&out).put(&mut out);
    Ok(out)
}

fn put(out: &mut Vec<u8>, section: u32, payload: &[u8]) {
    section.put(out);
    (payload.len() as u64).put(out);
    out.extend(payload);
}

fn bytes(fields: &[&dyn Put]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|field| field.put_to(&mut out));
    out
}

/// A field of whatever type.
trait Put {
    fn put_to(&self, out: &mut Vec<u8>);
}

impl<T: Field> Put for T {
    fn put_to(&self, out: &mut Vec<u8>) {
        self.put(out);
    }
}

fn modules(modules: &[Verified<Module>]) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    for module in modules {
        let bytes = module.write()?;
        (module.mode() == Mode::Kernel).put(&mut out);
        (bytes.len() as u64).put(&mut out);
        out.extend(bytes);
    }
    Ok(out)
}
