//! Home memory.
//!
//! Home never shrinks. So its length is fetched once; an access beyond it is left to the interpreter, which finds a fault, or
//! that home has grown. Where accesses need not look, [`crate::bounds`] knows.
//!
//! Where nobody can ask for the registers of a frame that faults, for there is no kernel, accesses do not look at all: address space
//! is reserved for all that they can name, and the host stops them where there is nothing ([`crate::guard`]).
//!
//! Once its pages are under the kernel's control, each access looks at the state of its page, in code that is made for that.
//! The host's memory management could notice absence instead, but not say what is in the program's registers then, which the
//! kernel may want to see, and a snapshot needs.

use std::borrow::Cow;
use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AliasRegionData, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_codegen::isa::CallConv;
use limen_isa::module::{Module, PAGE_SIZE};
use limen_isa::{Home, Reg};
use limen_vm::layout;

use super::object::Usual;
use super::slowly;
use super::stores::Waiting;

use crate::context::NativeContext;
use crate::mode::Paging;
use crate::nans::Nan;
use crate::slow::Kind;
use crate::stops::name_of;
use crate::translate::{Translator, constant, trusted, type_of};

/// A load of `$memory`, extended to the register's type by `$extension`; and the same with an index.
macro_rules! loads {
    ($($method:ident $at:ident: $memory:ident $extension:ident;)*) => {$(
        fn $method(&mut self, d: Reg, p: Reg, k: u32) {
            let address = self.address(p, None, types::$memory);
            self.load(d, address, k, types::$memory, Extension::$extension);
        }
        fn $at(&mut self, d: Reg, p: Reg, i: Reg, k: u32) {
            let address = self.address(p, Some(i), types::$memory);
            self.load(d, address, k, types::$memory, Extension::$extension);
        }
    )*};
}

/// A store of the low bits of a register.
macro_rules! stores {
    ($($method:ident $at:ident: $memory:ident;)*) => {$(
        fn $method(&mut self, p: Reg, k: u32, v: Reg) {
            let address = self.address(p, None, types::$memory);
            self.store(address, k, v, types::$memory);
        }
        fn $at(&mut self, p: Reg, i: Reg, k: u32, v: Reg) {
            let address = self.address(p, Some(i), types::$memory);
            self.store(address, k, v, types::$memory);
        }
    )*};
}

impl Home for Translator<'_, '_> {
    loads! {
        i32_load8_s i32_load8_s_at: I8 Signed;
        i32_load8_u i32_load8_u_at: I8 Unsigned;
        i32_load16_s i32_load16_s_at: I16 Signed;
        i32_load16_u i32_load16_u_at: I16 Unsigned;
        i32_load i32_load_at: I32 None;
        i64_load8_s i64_load8_s_at: I8 Signed;
        i64_load8_u i64_load8_u_at: I8 Unsigned;
        i64_load16_s i64_load16_s_at: I16 Signed;
        i64_load16_u i64_load16_u_at: I16 Unsigned;
        i64_load32_s i64_load32_s_at: I32 Signed;
        i64_load32_u i64_load32_u_at: I32 Unsigned;
        i64_load i64_load_at: I64 None;
        f32_load f32_load_at: F32 None;
        f64_load f64_load_at: F64 None;
    }
    stores! {
        i32_store8 i32_store8_at: I8;
        i32_store16 i32_store16_at: I16;
        i32_store i32_store_at: I32;
        i64_store8 i64_store8_at: I8;
        i64_store16 i64_store16_at: I16;
        i64_store32 i64_store32_at: I32;
        i64_store i64_store_at: I64;
        f32_store f32_store_at: F32;
        f64_store f64_store_at: F64;
    }
    fn home_copy(&mut self, to: Reg, from: Reg, n: Reg) {
        let [target, source, count] = [to, from, n].map(|register| self.extended(register));
        let stops = [(target, layout::PAGE_STOPS_WRITES), (source, layout::PAGE_STOPS_READS)];
        let next = self.begin_piece(count, &stops);
        let [to_place, from_place] = [target, source].map(|address| self.host_address(address));
        self.call_host(offset_of!(NativeContext, copy), &[to_place, from_place, count], &[]);
        // Where the interpreter would begin at the end, it leaves the addresses as they are.
        let above = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, target, source);
        let distance = self.builder.ins().isub(target, source);
        let overlaps = self.builder.ins().icmp(IntCC::UnsignedLessThan, distance, count);
        let stays = self.builder.ins().band(above, overlaps);
        // All are read before any is written: they may be the same register.
        let by = self.get(n);
        let values = [to, from].map(|register| {
            let address = self.get(register);
            let behind = self.builder.ins().iadd(address, by);
            self.builder.ins().select(stays, address, behind)
        });
        self.set(to, values[0]);
        self.set(from, values[1]);
        self.end_piece(n, next);
    }

    fn home_fill(&mut self, to: Reg, byte: Reg, n: Reg) {
        let [target, count] = [to, n].map(|register| self.extended(register));
        let next = self.begin_piece(count, &[(target, layout::PAGE_STOPS_WRITES)]);
        let (place, byte) = (self.host_address(target), self.get(byte));
        self.call_host(offset_of!(NativeContext, fill), &[place, byte, count], &[]);
        let (address, by) = (self.get(to), self.get(n));
        let behind = self.builder.ins().iadd(address, by);
        self.set(to, behind);
        self.end_piece(n, next);
    }

    slowly! {
        i32_cas(d, p, expected, new);
        i32_fetch_add(d, p, v);
        i64_cas(d, p, expected, new);
        i64_fetch_add(d, p, v);
        home_compare(d, a, b, n);
        home_size(d);
        home_grow(d, n);
    }
}

/// Bytes of a bulk instruction from which on it is left to the runtime: it may have safepoints, and after work that takes long
/// the runtime looks at whether the machine wants something.
const LONG: i64 = 8 * 1024;

/// A multiple of the bytes of which a kernel accesses some at a place. Who works at the very end of home pays for it with a detour.
const RECORD: u32 = 128;

/// How a loaded number becomes a register's value.
#[derive(Clone, Copy)]
pub(crate) enum Extension {
    None,
    Signed,
    Unsigned,
}

/// An address in home.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    base: Value,
    /// An index from there, and the bytes of an element.
    index: Option<(Value, u32)>,
}

impl Translator<'_, '_> {
    /// The address in home of `i` elements behind `p`.
    fn address(&mut self, p: Reg, i: Option<Reg>, memory: Type) -> Address {
        let base = self.get(p);
        Address { base, index: i.map(|i| (self.get(i), memory.bytes())) }
    }

    /// An address as a number.
    fn number(&mut self, address: Address) -> Value {
        let base = self.extend(address.base);
        let Some((index, size)) = address.index else { return base };
        let index = self.extend(index);
        let offset = self.builder.ins().ishl_imm_u(index, i64::from(size.trailing_zeros()));
        self.builder.ins().iadd(base, offset)
    }

    /// As [`Translator::base`], if a number `k` bytes behind `address` is within what is open.
    fn place(&mut self, address: Address, k: u32, memory: Type) -> Value {
        let address = self.number(address);
        let bytes = self.bounds.looks_for(&mut self.open, self.pc, k + memory.bytes());
        if let Some(bytes) = bytes.filter(|_| !self.was_looked_at()) {
            let slow = self.leave_block();
            // In the place of an `svc` all look for the same, so that one subtraction does for them.
            let bytes = if self.inlined.is_some() { bytes.next_multiple_of(RECORD) } else { bytes };
            self.look_in_home(address, bytes, slow);
        }
        self.base(address)
    }

    /// Goes on if so many bytes are open from an address on, and else to `slow`.
    pub(super) fn look_in_home(&mut self, address: Value, bytes: u32, slow: ir::Block) {
        let last = self.last(bytes);
        let outside = self.builder.ins().icmp(IntCC::SignedGreaterThan, address, last);
        self.unless(outside, slow);
    }

    /// Where the function is entered: leaves it to the interpreter if home is smaller than the module declares and code relies
    /// on that.
    pub(crate) fn require_declared_home(&mut self) {
        // A home with a guard was made for the module.
        if self.bounds.rely_on_declared() && self.mode.paging != Paging::Guarded {
            self.look_for_declared_home();
        }
    }

    /// Leaves the function to the interpreter if home is smaller than the module declares.
    fn look_for_declared_home(&mut self) {
        let slow = self.leave_block();
        let declared = declared_home(self.module);
        let length = self.field(constant(), types::I64, offset_of!(NativeContext, home_length));
        let is_smaller = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, length, declared as i64);
        self.unless(is_smaller, slow);
    }

    /// The last address behind which so many bytes are open; negative if there is none.
    fn last(&mut self, bytes: u32) -> Value {
        let length = self.field(constant(), types::I64, offset_of!(NativeContext, home_length));
        let last = self.builder.ins().iadd_imm_s(length, -i64::from(bytes));
        if self.shape.blocks[self.block].loop_head.is_none() {
            return last;
        }
        // Cranelift would make the difference anew at each access, but it keeps a maximum for the whole loop.
        let none = self.builder.ins().iconst(types::I64, -1);
        self.builder.ins().smax(last, none)
    }

    /// A register's value as 64 bits.
    pub(super) fn extended(&mut self, register: Reg) -> Value {
        let value = self.get(register);
        self.extend(value)
    }

    fn host_address(&mut self, address: Value) -> Value {
        let place = self.base(address);
        let offset = self.offset(0);
        self.builder.ins().iadd_imm_s(place, i64::from(offset))
    }

    /// The place in the host from which an access at `address` and an offset counts that offset; see [`Translator::offset`].
    fn base(&mut self, address: Value) -> Value {
        let origin = self.origin_in_host();
        self.builder.ins().iadd(origin, address)
    }

    /// The offset of an access, from where this code counts.
    pub(super) fn offset(&self, k: u32) -> i32 {
        k as i32 - self.origin as i32
    }

    /// Leaves a bulk instruction to the runtime if it is long or its bytes at these addresses are not all in home, or if any
    /// of these bits is set in the state of a page of theirs; gives the block to go on in.
    fn begin_piece(&mut self, count: Value, addresses: &[(Value, u8)]) -> ir::Block {
        let next = self.builder.create_block();
        let slow = self.slow_block(Kind::Step, Some(next));
        let is_long = match self.mode.paging {
            Paging::Open | Paging::Guarded => {
                self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, count, LONG)
            }
            Paging::Controlled => self.is_none_or_over_a_page(count),
        };
        self.unless(is_long, slow);
        let length = self.field(constant(), types::I64, offset_of!(NativeContext, home_length));
        let last = self.builder.ins().isub(length, count);
        for (address, _) in addresses {
            let outside = self.builder.ins().icmp(IntCC::SignedGreaterThan, *address, last);
            self.unless(outside, slow);
        }
        if self.mode.paging == Paging::Controlled {
            for (address, stops) in addresses {
                let behind = self.builder.ins().iadd(*address, count);
                let last = self.builder.ins().iadd_imm_s(behind, -1);
                self.look_at_page(slow, *address, *stops);
                self.look_at_page(slow, last, *stops);
            }
        }
        next
    }

    /// Whether so many bytes are none, or could lie in more than two pages.
    fn is_none_or_over_a_page(&mut self, count: Value) -> Value {
        let less = self.builder.ins().iadd_imm_s(count, -1);
        self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, less, i64::from(PAGE_SIZE))
    }

    /// Nothing is left to be done.
    fn end_piece(&mut self, n: Reg, next: ir::Block) {
        let nothing = self.builder.ins().iconst(types::I32, 0);
        self.set(n, nothing);
        self.builder.ins().jump(next, &[]);
        self.builder.switch_to_block(next);
    }

    /// Calls a function of the host whose address is in a field of the context.
    pub(super) fn call_host(&mut self, field: usize, arguments: &[Value], results: &[Type]) -> Vec<Value> {
        let mut native = ir::Signature::new(CallConv::SystemV);
        let types = arguments.iter().map(|value| self.builder.func.dfg.value_type(*value));
        native.params.extend(types.map(ir::AbiParam::new));
        native.returns.extend(results.iter().copied().map(ir::AbiParam::new));
        let native = self.builder.import_signature(native);
        let code = self.field(constant(), types::I64, field);
        let call = self.builder.ins().call_indirect(native, code, arguments);
        self.builder.inst_results(call).to_vec()
    }

    fn load(&mut self, d: Reg, address: Address, k: u32, memory: Type, extension: Extension) {
        self.store_before_load(address, k, memory);
        let Open { place, flags, usual } = self.open_place(address, k, memory, layout::PAGE_STOPS_READS);
        self.load_from(d, place, self.offset(k), memory, extension, flags);
        self.end_access(usual);
    }

    /// Loads a number that is `k` bytes behind a place in the host.
    pub(crate) fn load_from(
        &mut self,
        d: Reg,
        place: Value,
        k: i32,
        memory: Type,
        extension: Extension,
        flags: MemFlagsData,
    ) {
        let ty = type_of(self.type_of(d));
        let is_extended = self.sources_of_addresses.contains(&self.pc);
        let ins = self.builder.ins();
        // One instruction each: of two, Cranelift may forget where the first one stood.
        let value = match (extension, memory) {
            (Extension::None, types::I32) if is_extended => ins.uload32(flags, place, k),
            (Extension::Unsigned, types::I8) if is_extended => ins.uload8(types::I64, flags, place, k),
            (Extension::Unsigned, types::I16) if is_extended => ins.uload16(types::I64, flags, place, k),
            (Extension::Signed, types::I8) => ins.sload8(ty, flags, place, k),
            (Extension::Unsigned, types::I8) => ins.uload8(ty, flags, place, k),
            (Extension::Signed, types::I16) => ins.sload16(ty, flags, place, k),
            (Extension::Unsigned, types::I16) => ins.uload16(ty, flags, place, k),
            (Extension::Signed, types::I32) => ins.sload32(flags, place, k),
            (Extension::Unsigned, types::I32) => ins.uload32(flags, place, k),
            _ => ins.load(memory, flags, place, k),
        };
        let is_wide = self.builder.func.dfg.value_type(value).bits() > ty.bits();
        let value = if is_wide { self.builder.ins().ireduce(ty, value) } else { value };
        self.set(d, value);
    }

    fn store(&mut self, address: Address, k: u32, v: Reg, memory: Type) {
        if self.nan(v) == Nan::Pending && self.mode.paging != Paging::Controlled {
            let (place, may_stop) = match self.mode.paging {
                Paging::Guarded => self.guarded_place(address, k, memory),
                _ => (self.place(address, k, memory), false),
            };
            let value = self.get(v);
            return self.put_off_store(Waiting { address, offset: k, place, value, may_stop, pc: self.pc });
        }
        let Open { place, flags, usual } = self.open_place(address, k, memory, layout::PAGE_STOPS_WRITES);
        self.store_waiting();
        self.store_at(place, self.offset(k), v, memory, flags);
        self.end_access(usual);
    }

    /// As [`Translator::place`], unless the host guards home; and where pages are under control, what needs more than to be done
    /// is left to the runtime.
    fn open_place(&mut self, address: Address, k: u32, memory: Type, stops: u8) -> Open {
        let (mut flags, mut usual) = (self.of_program(), None);
        let place = match self.mode.paging {
            Paging::Open => self.place(address, k, memory),
            Paging::Guarded => {
                let (place, may_stop) = self.guarded_place(address, k, memory);
                if may_stop {
                    self.store_waiting();
                    flags = self.may_stop(flags);
                }
                place
            }
            Paging::Controlled => {
                let its = self.usual();
                let place = self.place(address, k, memory);
                self.look_before_access(&its, address, k, memory, stops);
                usual = Some(its);
                place
            }
        };
        Open { place, flags, usual }
    }

    /// Where an access goes that does not look, and whether the host may stop it.
    fn guarded_place(&mut self, address: Address, k: u32, memory: Type) -> (Value, bool) {
        let may_stop = self.bounds.looks_for(&mut self.open, self.pc, k + memory.bytes()).is_some();
        let number = self.number(address);
        (self.base(number), may_stop)
    }

    /// The flags of an access that the host may stop.
    pub(super) fn may_stop(&mut self, flags: MemFlagsData) -> MemFlagsData {
        self.accesses += 1;
        flags.with_trap_code(Some(name_of(self.accesses - 1)))
    }

    /// Goes on if no such bit is set in the state of a page that is accessed.
    fn look_before_access(&mut self, usual: &Usual, address: Address, k: u32, memory: Type, stops: u8) {
        let number = self.number(address);
        let number = self.builder.ins().iadd_imm_s(number, i64::from(k));
        self.look_at_page(usual.slow, number, stops);
        self.check_one_page(usual, number, memory);
    }

    /// Goes on if no such bit is set in the state of the page of an address.
    fn look_at_page(&mut self, slow: ir::Block, number: Value, stops: u8) {
        let states = self.field(constant(), types::I64, offset_of!(NativeContext, page_states));
        let page = self.builder.ins().ushr_imm_u(number, i64::from(PAGE_SIZE.trailing_zeros()));
        let place = self.builder.ins().iadd(states, page);
        let state = self.builder.ins().load(types::I8, trusted(), place, 0);
        let stopping = self.builder.ins().band_imm_u(state, i64::from(stops));
        self.unless(stopping, slow);
    }

    /// Leaves an access that reaches into a second page to the runtime.
    fn check_one_page(&mut self, usual: &Usual, number: Value, memory: Type) {
        let bytes = i64::from(memory.bytes());
        if bytes == 1 {
            return;
        }
        let (unaligned, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(unaligned);
        let misalignment = self.builder.ins().band_imm_u(number, bytes - 1);
        self.builder.ins().brif(misalignment, unaligned, &[], next, &[]);
        self.builder.switch_to_block(unaligned);
        let offset = self.builder.ins().band_imm_u(number, i64::from(PAGE_SIZE) - 1);
        let last = i64::from(PAGE_SIZE) - bytes;
        let reaches_over = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, offset, last);
        self.builder.ins().brif(reaches_over, usual.slow, &[], next, &[]);
        self.builder.switch_to_block(next);
    }

    fn end_access(&mut self, usual: Option<Usual>) {
        if let Some(usual) = usual {
            self.end(usual);
        }
    }

    /// Memory of a program: anything may be anywhere.
    pub(crate) fn of_program(&mut self) -> MemFlagsData {
        let region = self.builder.func.dfg.alias_regions.insert(REGION);
        MemFlagsData::new().with_notrap().with_alias_region(Some(region))
    }

    /// Stores the low bits of a register `k` bytes behind a place in the host.
    pub(crate) fn store_at(&mut self, place: Value, k: i32, v: Reg, memory: Type, flags: MemFlagsData) {
        let value = self.get_canonical(v);
        let number = if self.builder.func.dfg.value_type(value).bits() > memory.bits() {
            self.builder.ins().ireduce(memory, value)
        } else {
            value
        };
        self.builder.ins().store(flags, number, place, k);
    }
}

/// Bytes of home that a module declares.
pub(crate) fn declared_home(module: &Module) -> u64 {
    u64::from(module.home.min_pages) * u64::from(PAGE_SIZE)
}

/// Where an access may go.
struct Open {
    /// In the host.
    place: Value,
    /// Whether the host may stop it.
    flags: MemFlagsData,
    /// What remains to be done behind it.
    usual: Option<Usual>,
}

/// Code accesses memory of programs in no other way than as [`Translator::of_program`] says.
const REGION: AliasRegionData = AliasRegionData { user_id: 2, description: Cow::Borrowed("memory of programs") };
