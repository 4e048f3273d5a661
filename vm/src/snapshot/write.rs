//! From a snapshot to its bytes.

use limen_isa::module::WriteError;

use super::{Frames, Home, MAGIC, Snapshot, VERSION, section};
use crate::clock::Time;

pub(super) fn snapshot(snapshot: &Snapshot) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::from(MAGIC);
    out.extend(VERSION.to_le_bytes());
    put(&mut out, section::MODULE, &snapshot.module.write()?);
    put(&mut out, section::MACHINE, &machine(snapshot));
    put(&mut out, section::HOME, &home(&snapshot.home));
    put(&mut out, section::CONTEXT, &context(&snapshot.context));
    put(&mut out, section::HOST, &snapshot.host);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    Ok(out)
}

fn put(out: &mut Vec<u8>, section: u32, payload: &[u8]) {
    out.extend(section.to_le_bytes());
    out.extend((payload.len() as u64).to_le_bytes());
    out.extend(payload);
}

fn machine(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    out.push(match snapshot.time {
        Time::Live => 0,
        Time::Virtual => 1,
    });
    out.extend(snapshot.burnt.to_le_bytes());
    out.extend(snapshot.now.to_le_bytes());
    out.extend(snapshot.budget.bytes.to_le_bytes());
    out.extend(snapshot.budget.objects.to_le_bytes());
    out.extend(snapshot.budget.contexts.to_le_bytes());
    out.extend(snapshot.stack_cells.to_le_bytes());
    out
}

fn home(home: &Home) -> Vec<u8> {
    let mut out = Vec::new();
    words(&mut out, &[home.pages, home.slots, home.contents.len() as u32]);
    for (page, contents) in &home.contents {
        words(&mut out, &[*page]);
        out.extend(contents);
    }
    out
}

fn context(context: &Frames) -> Vec<u8> {
    let mut out = Vec::new();
    words(&mut out, &[context.cells]);
    out.push(u8::from(context.fresh));
    words(&mut out, &[context.frames.len() as u32]);
    for frame in &context.frames {
        words(&mut out, &[frame.function, frame.pc, frame.registers.len() as u32]);
        out.extend(frame.registers.iter().flat_map(|bits| bits.to_le_bytes()));
    }
    out
}

fn words(out: &mut Vec<u8>, words: &[u32]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}
