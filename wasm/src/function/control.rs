//! Blocks and branches.

use limen_isa::ValueType;
use wasmparser::{BlockType, BrTable, Operator};

use super::exceptions::Handler;
use super::{Branched, Translator};
use crate::condition::{Condition, Right};
use crate::context::Trap;
use crate::emit::{Label, Register};
use crate::types::{FunctionType, Type};

/// A block that is not at its end yet.
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// Where branches to it go.
    pub(super) label: Label,
    /// Whether any does.
    pub(super) is_target: bool,
    /// Entries on the stack below its parameters.
    pub(super) height: usize,
    params: Vec<ValueType>,
    results: Vec<ValueType>,
}

pub(super) enum Kind {
    Function,
    Block,
    Loop,
    /// The first branch of an `if`, and where the other one begins.
    If(Label),
    /// A block whose exceptions something may catch.
    Try(Handler),
    /// What catches them, in the old form: where exceptions go that it does not take, and the one it took, if that is thrown
    /// anew.
    Catch {
        otherwise: Option<Label>,
        caught: Option<Register>,
    },
}

impl Frame {
    /// Types of what a branch to it brings.
    fn branch_types(&self) -> &[ValueType] {
        if matches!(self.kind, Kind::Loop) { &self.params } else { &self.results }
    }
}

fn registers(types: &[Type]) -> Vec<ValueType> {
    types.iter().map(|ty| ty.register()).collect()
}

impl Translator<'_> {
    /// The frame of the function itself.
    pub(super) fn begin_frames(&mut self, ty: &FunctionType) {
        let label = self.code.label();
        let results = registers(&ty.results);
        self.frames.clear();
        self.frames.push(Frame {
            kind: Kind::Function,
            label,
            is_target: false,
            height: 0,
            params: Vec::new(),
            results,
        });
    }

    /// Whatever is not about values alone.
    #[inline(always)]
    pub(super) fn control(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Unreachable => {
                self.trap(Trap::Unreachable);
                self.dead = Some(0);
            }
            Operator::Block { blockty } => self.begin_block(Kind::Block, *blockty),
            Operator::Loop { blockty } => self.begin_loop(*blockty),
            Operator::If { blockty } => self.begin_if(*blockty),
            Operator::Else => self.begin_else(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => self.branch(*relative_depth),
            Operator::BrIf { relative_depth } => self.branch_if(*relative_depth),
            Operator::BrTable { targets } => self.branch_table(targets),
            Operator::Return => self.branch(self.frames.len() as u32 - 1),
            Operator::Call { function_index } => self.call(*function_index),
            Operator::CallIndirect { type_index, table_index } => self.call_indirect(*type_index, *table_index),
            _ => self.exceptional(operator),
        }
    }

    /// Passes over an operator that control cannot come to.
    #[inline(always)]
    pub(super) fn skip(&mut self, operator: &Operator<'_>) {
        let begun = self.dead.unwrap_or(0);
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. } => self.dead = Some(begun + 1),
            Operator::Else if begun == 0 => self.begin_else(),
            Operator::End if begun == 0 => self.end(),
            Operator::Catch { .. } | Operator::CatchAll | Operator::Delegate { .. } if begun == 0 => {
                self.exceptional(operator);
            }
            Operator::End | Operator::Delegate { .. } => self.dead = Some(begun - 1),
            _ => {}
        }
    }

    fn types_of(&self, ty: BlockType) -> (Vec<ValueType>, Vec<ValueType>) {
        match ty {
            BlockType::Empty => (Vec::new(), Vec::new()),
            BlockType::Type(ty) => (Vec::new(), vec![Type::of(ty).register()]),
            BlockType::FuncType(index) => {
                let ty = &self.module.source.types[index as usize];
                (registers(&ty.params), registers(&ty.results))
            }
        }
    }

    pub(super) fn begin_block(&mut self, kind: Kind, ty: BlockType) {
        let (params, results) = self.types_of(ty);
        let height = self.stack.len() - params.len();
        // Locals may change in it and be met unchanged behind it; and whoever comes back to it brings its parameters.
        self.preserve_all(height);
        let constants_too = matches!(kind, Kind::Loop | Kind::If(_));
        (height..self.stack.len()).for_each(|depth| self.bring_home(depth, constants_too));
        let label = self.code.label();
        self.frames.push(Frame { kind, label, is_target: false, height, params, results });
    }

    fn begin_loop(&mut self, ty: BlockType) {
        self.begin_block(Kind::Loop, ty);
        let label = self.frames[self.frames.len() - 1].label;
        self.code.bind(label);
    }

    fn begin_if(&mut self, ty: BlockType) {
        let condition = self.pop_condition();
        let otherwise = self.code.label();
        self.begin_block(Kind::If(otherwise), ty);
        self.branch_on(condition.negated(), otherwise);
    }

    fn begin_else(&mut self) {
        let Some(mut frame) = self.frames.pop() else { return };
        if self.dead.is_none() {
            self.bring_results(&frame);
            self.code.jump(frame.label);
            frame.is_target = true;
        }
        if let Kind::If(otherwise) = frame.kind {
            self.code.bind(otherwise);
        }
        self.dead = None;
        self.pop_to(frame.height);
        frame.params.iter().for_each(|ty| self.push_brought(*ty));
        self.frames.push(Frame { kind: Kind::Block, ..frame });
    }

    pub(super) fn end(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if matches!(frame.kind, Kind::Function) {
            return self.end_function(&frame);
        }
        if self.dead.is_none() {
            self.bring_results(&frame);
        }
        let is_target = frame.is_target && !matches!(frame.kind, Kind::Loop);
        let mut is_reached = self.dead.is_none() || is_target;
        match frame.kind {
            Kind::If(otherwise) => {
                // Its parameters are its results, and lie in the same registers.
                self.code.bind(otherwise);
                is_reached = true;
            }
            Kind::Try(handler) => self.end_handler(handler),
            Kind::Catch { otherwise, .. } => self.end_catches(otherwise),
            Kind::Function | Kind::Block | Kind::Loop => {}
        }
        if is_target {
            self.code.bind(frame.label);
        }
        self.pop_to(frame.height);
        self.dead = if is_reached { None } else { Some(0) };
        if is_reached {
            frame.results.iter().for_each(|ty| self.push_brought(*ty));
        }
    }

    fn end_function(&mut self, frame: &Frame) {
        if self.dead.is_none() {
            let values = self.read_many(frame.results.len());
            if frame.is_target {
                self.code.bind(frame.label);
            }
            self.ret(&values);
        } else if frame.is_target {
            self.code.bind(frame.label);
            self.ret(&[]);
        }
        self.finish_exceptions(&frame.results);
        self.dead = Some(0);
    }

    /// Brings the results of a block that ends here to where they are expected.
    pub(super) fn bring_results(&mut self, frame: &Frame) {
        let first = self.stack.len() - frame.results.len();
        self.bring(first, frame.height, frame.results.len());
    }

    /// Copies entries from depth `first` on to the places of depth `to` on, which is no greater.
    fn bring(&mut self, first: usize, to: usize, count: usize) {
        for position in 0..count {
            if !self.lies_at(first + position, to + position) {
                self.copy_entry(first + position, to + position);
            }
        }
    }

    pub(super) fn target(&self, relative_depth: u32) -> usize {
        self.frames.len() - 1 - relative_depth as usize
    }

    /// Where a branch to a frame can go at once: its label, if nothing is to be brought there.
    fn direct(&mut self, target: usize) -> Option<Label> {
        let frame = &mut self.frames[target];
        let count = frame.branch_types().len();
        let (first, height) = (self.stack.len() - count, frame.height);
        let all_there = (0..count).all(|position| {
            let depth = first + position;
            depth == height + position && self.stack[depth].is_home()
        });
        let is_direct = all_there && (!matches!(frame.kind, Kind::Function) || count == 0);
        frame.is_target |= is_direct;
        is_direct.then_some(frame.label)
    }

    fn branch(&mut self, relative_depth: u32) {
        let target = self.target(relative_depth);
        self.leave_to(target);
        self.dead = Some(0);
    }

    /// Goes to a frame's label with what it expects; the stack stays as it is.
    fn leave_to(&mut self, target: usize) {
        let count = self.frames[target].branch_types().len();
        let first = self.stack.len() - count;
        if matches!(self.frames[target].kind, Kind::Function) {
            let values: Vec<Register> =
                (first..self.stack.len()).map(|depth| self.read_at(self.stack[depth], depth)).collect();
            return self.ret(&values);
        }
        self.bring(first, self.frames[target].height, count);
        let Frame { kind, label, is_target, .. } = &mut self.frames[target];
        *is_target = true;
        let label = *label;
        if matches!(kind, Kind::Loop) {
            self.begin_anew(label);
        } else {
            self.code.jump(label);
        }
    }

    fn branch_if(&mut self, relative_depth: u32) {
        let condition = self.pop_condition();
        let target = self.target(relative_depth);
        if let Some(label) = self.direct(target) {
            return self.branch_on(condition, label);
        }
        let over = self.code.label();
        self.branch_on(condition.negated(), over);
        self.leave_to(target);
        self.code.bind(over);
    }

    /// Branches if a condition holds whose operands were on top of the stack.
    fn branch_on(&mut self, mut condition: Condition, to: Label) {
        if let Right::Constant(constant) = condition.right
            && !condition.fits_branch()
        {
            let register = self.scratch(2, condition.ty);
            self.constant(register, condition.ty, constant as u64);
            condition.right = Right::Register(register);
        }
        self.branched = Some(Branched { condition, to, at: self.code.position() });
        condition.branch(&mut self.code, to);
    }

    /// Begins a loop anew. Where the loop is left on a condition just before, the branch is the other way round: a turn of the
    /// loop is then one instruction less, and leaving it one more.
    fn begin_anew(&mut self, head: Label) {
        match self.branched.take() {
            Some(Branched { condition, to, at }) if self.code.take_back_branch(at) => {
                condition.negated().branch(&mut self.code, head);
                self.code.jump(to);
            }
            _ => self.code.jump(head),
        }
    }

    fn branch_table(&mut self, targets: &BrTable<'_>) {
        let index = self.pop();
        let index = self.read(index, 0);
        let mut labels = Vec::new();
        // What is to be brought somewhere is brought behind the table, once for each frame.
        let mut stubs: Vec<(usize, Label)> = Vec::new();
        let depths = targets.targets().chain([Ok(targets.default())]);
        for relative_depth in depths.map_while(Result::ok) {
            let target = self.target(relative_depth);
            let stub = stubs.iter().find(|(frame, _)| *frame == target).map(|(_, label)| *label);
            let label = stub.or_else(|| self.direct(target)).unwrap_or_else(|| {
                let label = self.code.label();
                stubs.push((target, label));
                label
            });
            labels.push(label);
        }
        self.code.branch_table(index, &labels);
        for (target, label) in stubs {
            self.code.bind(label);
            self.leave_to(target);
        }
        self.dead = Some(0);
    }
}
