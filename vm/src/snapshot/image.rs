//! What a machine is as data: objects have numbers, each sort its own, in the order in which one comes to them.

use limen_isa::module::{Module, PAGE_SIZE};
use limen_isa::{Fault, ValueType};

use super::SnapshotError;
use super::field::{Cursor, Field, Read, record};
use crate::account::Budget;
use crate::clock::Time;
use crate::context::Frame;
use crate::object::{Kind, Ref, Vacant};
use crate::port::Message;
use crate::verify::Verified;

/// All objects.
#[derive(Clone, Debug)]
pub(crate) struct StoreImage {
    pub(crate) modules: Vec<Verified<Module>>,
    pub(crate) runs: RunsImage,
    /// What each account may still spend; the first is the machine's own.
    pub(crate) accounts: Vec<Budget>,
    pub(crate) memories: Vec<MemoryImage>,
    /// The first is the kernel's, if there is one.
    pub(crate) domains: Vec<DomainImage>,
    pub(crate) arrays: Vec<ArrayImage>,
    /// The first is the kernel's, if there is one.
    pub(crate) contexts: Vec<ContextImage>,
    pub(crate) table: TableImage,
}

/// The clock, the interrupts, and what the machine was made with.
#[derive(Clone, Debug)]
pub(crate) struct MachineImage {
    pub(crate) time: Time,
    pub(crate) now: i64,
    pub(crate) burnt: u64,
    /// When the timer's interrupt is due.
    pub(crate) alarm: Option<i64>,
    pub(crate) pending: u64,
    pub(crate) budget: Budget,
    /// Of later calls by the host.
    pub(crate) stack_cells: u32,
}

/// Who runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunsImage {
    pub(crate) has_kernel: bool,
    /// The context that was suspended.
    pub(crate) current: u32,
}

/// A memory object.
#[derive(Clone, Debug)]
pub(crate) struct MemoryImage {
    /// Who pays for it; none if that account is closed.
    pub(crate) owner: Option<u32>,
    pub(crate) pages: u32,
    pub(crate) max_pages: u32,
    /// The state of each page, if they are under control.
    pub(crate) states: Option<Vec<u8>>,
    /// The pages that are not all zero, ascending.
    pub(crate) contents: Vec<PageImage>,
}

/// A page and its number.
#[derive(Clone, Debug)]
pub(crate) struct PageImage {
    pub(crate) number: u32,
    pub(crate) bytes: Box<[u8]>,
}

/// References that lie in slots.
#[derive(Clone, Debug)]
pub(crate) struct SlotsImage {
    pub(crate) count: u32,
    /// Those that are not null, with their index, ascending.
    pub(crate) set: Vec<(u32, Ref)>,
}

#[derive(Clone, Debug)]
pub(crate) struct DomainImage {
    pub(crate) owner: Option<u32>,
    pub(crate) module: u32,
    pub(crate) home: u32,
    pub(crate) slots: SlotsImage,
}

/// An array of slots.
#[derive(Clone, Debug)]
pub(crate) struct ArrayImage {
    pub(crate) owner: Option<u32>,
    pub(crate) slots: SlotsImage,
}

#[derive(Clone, Debug)]
pub(crate) struct ContextImage {
    pub(crate) owner: Option<u32>,
    /// None if it is no more.
    pub(crate) domain: Option<u32>,
    /// Of its stack.
    pub(crate) cells: u32,
    /// Whether its first instruction is still to come.
    pub(crate) fresh: bool,
    pub(crate) state: StateImage,
    /// Outermost first. None of a context that is finished or without its domain, and of a kernel that does not run.
    pub(crate) frames: Vec<Frame>,
}

/// What a context is doing; see [`crate::context::State`].
#[derive(Clone, Debug)]
pub(crate) enum StateImage {
    Ready,
    /// What it gives, and what it will take.
    InSvc(Message, Message),
    Faulted(Fault, u64),
    WaitsForPage,
    /// With its results, if it was not killed.
    Finished(Option<Vec<(ValueType, u64)>>),
}

/// The object table.
#[derive(Clone, Debug)]
pub(crate) struct TableImage {
    /// The live entries, in the order in which they were made.
    pub(crate) entries: Vec<EntryImage>,
    pub(crate) vacant: Vacant,
}

#[derive(Clone, Debug)]
pub(crate) struct EntryImage {
    pub(crate) reference: Ref,
    pub(crate) rights: u16,
    pub(crate) payload: i64,
    pub(crate) owner: u32,
    pub(crate) object: ObjectImage,
    /// Whether it made the object.
    pub(crate) is_root: bool,
    /// What it hangs on, or null.
    pub(crate) anchor: Ref,
    /// Of a part of a memory object.
    pub(crate) view: Option<ViewImage>,
}

/// An object by its kind and, if it is not one of the kernel's own, its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectImage {
    pub(crate) kind: Kind,
    pub(crate) number: u32,
}

/// What a view shows, and what it was derived as.
#[derive(Clone, Debug)]
pub(crate) struct ViewImage {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) all_offset: u64,
    pub(crate) all_length: u64,
    pub(crate) all_rights: u16,
}

record! {
    MachineImage { time, now, burnt, alarm, pending, budget, stack_cells }
    RunsImage { has_kernel, current }
    MemoryImage { owner, pages, max_pages, states, contents }
    PageImage { number, bytes }
    SlotsImage { count, set }
    DomainImage { owner, module, home, slots }
    ArrayImage { owner, slots }
    ContextImage { owner, domain, cells, fresh, state, frames }
    Frame { function, pc, registers }
    TableImage { entries, vacant }
    Vacant { free, used_up }
    EntryImage { reference, rights, payload, owner, object, is_root, anchor, view }
    ViewImage { offset, length, all_offset, all_length, all_rights }
}

impl Field for Time {
    fn put(&self, out: &mut Vec<u8>) {
        matches!(self, Time::Virtual).put(out);
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        Ok(if bool::take(cursor)? { Time::Virtual } else { Time::Live })
    }
}

/// The bytes of a page.
impl Field for Box<[u8]> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(&**self);
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        Ok(cursor.take(u64::from(PAGE_SIZE))?.into())
    }
}

impl Field for ObjectImage {
    fn put(&self, out: &mut Vec<u8>) {
        self.kind.0.put(out);
        if self.kind.0 < Kind::FIRST_OF_KERNEL {
            self.number.put(out);
        }
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        let kind = Kind(Field::take(cursor)?);
        let number = if kind.0 < Kind::FIRST_OF_KERNEL { Field::take(cursor)? } else { 0 };
        Ok(Self { kind, number })
    }
}

/// The number of the state, and what belongs to it.
impl Field for StateImage {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            StateImage::Ready => out.push(0),
            StateImage::InSvc(given, taken) => {
                out.push(1);
                given.put(out);
                taken.put(out);
            }
            StateImage::Faulted(fault, detail) => {
                out.extend([2, fault.code()]);
                detail.put(out);
            }
            StateImage::WaitsForPage => out.push(3),
            StateImage::Finished(results) => {
                out.push(4);
                results.put(out);
            }
        }
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        Ok(match u8::take(cursor)? {
            0 => StateImage::Ready,
            1 => StateImage::InSvc(Field::take(cursor)?, Field::take(cursor)?),
            2 => StateImage::Faulted(Field::take(cursor)?, Field::take(cursor)?),
            3 => StateImage::WaitsForPage,
            4 => StateImage::Finished(Field::take(cursor)?),
            _ => return Err(SnapshotError::Contradiction("there is no such state of a context")),
        })
    }
}

impl Field for Fault {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.code());
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        Fault::from_code(Field::take(cursor)?).ok_or(SnapshotError::Contradiction("there is no such fault"))
    }
}

impl Field for ValueType {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn take(cursor: &mut Cursor<'_>) -> Read<Self> {
        ValueType::from_code(Field::take(cursor)?).ok_or(SnapshotError::Contradiction("there is no such type"))
    }
}
