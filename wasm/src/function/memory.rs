//! The memory and tables.

use limen_isa::{Opcode, ValueType};
use wasmparser::{MemArg, Operator};

use super::Translator;
use crate::condition::Condition;
use crate::context::{Tables, Trap};
use crate::emit::Register;
use crate::operators::{load, store};

/// Offsets of instructions are less.
const OFFSETS: u64 = 1 << 24;

impl Translator<'_> {
    /// Accesses to the memory.
    #[inline(always)]
    pub(super) fn access(&mut self, operator: &Operator<'_>) -> bool {
        if let Some((opcode, ty, place)) = load(operator) {
            if let Some((base, offset)) = self.address(place, 0) {
                self.result(ty, |code, d| code.wide24(opcode, d, base, offset));
            }
        } else if let Some((opcode, place)) = store(operator) {
            let value = self.pop();
            let value = self.read(value, 0);
            if let Some((base, offset)) = self.address(place, 2) {
                self.code.wide24(opcode, base, value, offset);
            }
        } else {
            return self.bulk(operator);
        }
        true
    }

    /// Pops an address and gives base and offset of its place in home. If there is no such place, the access is a trap
    /// and the end of the code.
    fn address(&mut self, place: MemArg, scratch: usize) -> Option<(Register, u32)> {
        let address = self.pop();
        let offset = place.offset + u64::from(self.module.layout.base);
        if let Some(constant) = address.constant().map(|constant| offset + u64::from(constant as u32))
            && constant < OFFSETS
        {
            return Some((self.zero(ValueType::I32), constant as u32));
        }
        let register = self.read(address, 0);
        if offset < OFFSETS {
            return Some((register, offset as u32));
        }
        match u32::try_from(offset) {
            Ok(offset) => Some((self.far(register, offset, scratch), 0)),
            Err(_) => {
                self.trap(Trap::Memory);
                self.dead = Some(0);
                None
            }
        }
    }

    /// The sum of an address and an offset that does not fit an instruction, or a trap.
    fn far(&mut self, address: Register, offset: u32, scratch: usize) -> Register {
        let [sum, over] = [0, 1].map(|above| self.scratch(scratch + above + 1, ValueType::I32));
        self.code.wide32(Opcode::I32Const, sum, offset);
        self.code.registers(Opcode::I32AddOvfU, &[sum, over, address, sum]);
        let fits = self.code.label();
        Condition::is_not_zero(ValueType::I32, over).negated().branch(&mut self.code, fits);
        self.trap(Trap::Memory);
        self.code.bind(fits);
        sum
    }

    #[inline(always)]
    fn bulk(&mut self, operator: &Operator<'_>) -> bool {
        let base = u64::from(self.module.layout.base);
        match operator {
            Operator::MemorySize { .. } => self.memory_size(),
            Operator::MemoryGrow { .. } => {
                self.push_constant(ValueType::I32, base);
                self.call_routine("memory_grow", 2, true);
            }
            Operator::MemoryFill { .. } => {
                self.push_constant(ValueType::I32, base);
                self.call_routine("memory_fill", 4, false);
            }
            Operator::MemoryCopy { .. } => {
                self.push_constant(ValueType::I32, base);
                self.call_routine("memory_copy", 4, false);
            }
            Operator::MemoryInit { data_index, .. } => {
                self.push_constant(ValueType::I32, base);
                self.push_constant(ValueType::I32, u64::from(self.module.layout.data[*data_index as usize]));
                self.call_routine("memory_init", 5, false);
            }
            Operator::DataDrop { data_index } => {
                self.push_constant(ValueType::I32, u64::from(self.module.layout.data[*data_index as usize]));
                self.call_routine("segment_drop", 1, false);
            }
            _ => return false,
        }
        true
    }

    fn memory_size(&mut self) {
        let base_pages = (self.module.layout.base / 4096) as i32;
        self.result(ValueType::I32, |code, d| {
            code.registers(Opcode::HomeSize, &[d]);
            if base_pages > 0 {
                code.wide24(Opcode::I32Addi, d, d, -base_pages as u32);
            }
            code.wide24(Opcode::I32ShrUi, d, d, 4);
        });
        self.last = None;
    }

    /// Tables, as far as code does more with them than call through them.
    #[inline(always)]
    pub(super) fn table(&mut self, operator: &Operator<'_>) -> bool {
        let (routine, arguments, has_result) = match operator {
            Operator::TableGet { table } => {
                self.push_table(*table);
                ("table_get", 2, true)
            }
            Operator::TableSet { table } => {
                self.push_table(*table);
                ("table_set", 3, false)
            }
            Operator::TableGrow { table } => {
                self.push_table(*table);
                ("table_grow", 3, true)
            }
            Operator::TableFill { table } => {
                self.push_table(*table);
                ("table_fill", 4, false)
            }
            Operator::TableCopy { dst_table, src_table } => {
                self.push_table(*dst_table);
                self.push_table(*src_table);
                ("table_copy", 5, false)
            }
            Operator::TableInit { elem_index, table } => {
                self.push_table(*table);
                self.push_elements(*elem_index);
                ("table_init", 5, false)
            }
            Operator::ElemDrop { elem_index } => {
                self.push_elements(*elem_index);
                ("segment_drop", 1, false)
            }
            Operator::TableSize { table } => {
                self.table_size(*table);
                return true;
            }
            _ => return false,
        };
        self.call_routine(routine, arguments, has_result);
        true
    }

    fn table_size(&mut self, table: u32) {
        let address = self.table_in_home(table);
        let zero = self.zero(ValueType::I32);
        let (base, offset) = self.near(zero, address);
        self.result(ValueType::I32, |code, d| code.wide24(Opcode::I32Load, d, base, offset));
    }

    pub(super) fn push_table(&mut self, table: u32) {
        let address = self.table_in_home(table);
        self.push_constant(ValueType::I32, u64::from(address));
    }

    fn push_elements(&mut self, elements: u32) {
        let address = self.module.layout.elements.get(elements as usize).copied().unwrap_or_default();
        self.push_constant(ValueType::I32, u64::from(address));
    }

    /// Where a table lies.
    fn table_in_home(&self, table: u32) -> u32 {
        debug_assert!(self.module.plan.tables == Tables::InHome, "the survey has seen what code does with tables");
        self.module.layout.tables.get(table as usize).copied().unwrap_or_default()
    }
}
