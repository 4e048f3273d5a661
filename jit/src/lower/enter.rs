//! The door into the kernel: what an `svc` becomes.
//!
//! The kernel's code takes the place of the `svc` where it can: it works on the kernel's registers, home and slots, on the
//! caller's native stack, and ends with a switch from there to the stack of whoever runs next. What the kernel does then costs
//! what its instructions cost. Whatever is not as it usually is writes the kernel's registers to the cells of its frames, parks
//! the caller, and has the interpreter go on. So nothing but compiled instructions runs while the caller stands at its `svc`
//! and is not parked yet.
//!
//! A function of the kernel that cannot take that place is called on the kernel's own stack.

use std::collections::BTreeSet;
use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, types};
use limen_isa::codec::{ModuleShapes, for_each_register};
use limen_isa::module::Module;
use limen_isa::{Field, Fields, Flow, Opcode, Reg, Role};
use limen_vm::{NativeFrame, Verified, layout};

use super::control::listed;
use super::inline::computes;
use crate::bounds::access;
use crate::context::{MAX_INLINED, NativeContext, Processor};
use crate::mode::{Mode, Paging};
use crate::nans::Nan;
use crate::ranges::operand;
use crate::shape::{RegisterSet, Shape};
use crate::slow::place;
use crate::translate::{CELL, Entry, Translator, trusted, type_of};

/// What of a kernel deals with an `svc`.
#[derive(Clone)]
pub(crate) struct Handler {
    pub(crate) module: Verified<Module>,
    /// The function: it takes the caller's reference and the number of the `svc`.
    pub(crate) function: u32,
}

/// Functions of the kernel with more words than this, with all that they call, are called and not put in the place of an `svc`.
const MAX_WORDS: usize = 256;

/// The message that is given at an `svc`.
#[derive(Clone)]
pub(crate) struct GivenMessage {
    /// By cell, and two by two: the processor forwards to a load what one store wrote, not what two did.
    pub(super) cells: Vec<Value>,
    pub(super) pairs: Vec<Value>,
}

/// The `svc` whose place code of the kernel takes.
#[derive(Clone)]
pub(crate) struct Svc {
    /// The caller's native context, its port, and its message, which is there too.
    pub(super) native: Value,
    pub(super) port: Value,
    pub(super) message: GivenMessage,
    /// Parks the caller. Takes where to switch to.
    parked: Block,
    /// Goes on behind the `svc`, which is answered.
    answered: Block,
}

/// A function of the kernel whose code takes the place of an `svc`.
pub(crate) struct Inlined {
    pub(crate) svc: Svc,
    /// The kernel's frames further out, outermost first.
    callers: Vec<Caller>,
    /// Where to go on with the results; `None` for the outermost function.
    returns_to: Option<Block>,
    /// The registers that hold the caller's reference throughout, and those that hold the number of the `svc`.
    references: RegisterSet,
    numbers: RegisterSet,
    number: u32,
}

/// A frame of the kernel that has called another one.
#[derive(Clone)]
struct Caller {
    at: NativeFrame,
    frame: Value,
    /// What its cells are to hold.
    cells: Vec<Value>,
}

impl Translator<'_, '_> {
    /// An `svc` whose message is in the port: lets the kernel deal with it, or has the driver ask the machine. Goes on when it is
    /// answered; if frames are to return, this one does so, leaving out of its cells the registers that the answer goes to.
    pub(super) fn enter_kernel(&mut self, port: Value, number: u32, message: GivenMessage, taken: &[Reg]) {
        let [enter, ask, parked, answered] = [(); 4].map(|()| self.builder.create_block());
        self.builder.set_cold_block(ask);
        let to = self.builder.append_block_param(parked, types::I64);
        let svc = Svc { native: self.context, port, message, parked, answered };
        let kernel = self.processor_field(offset_of!(Processor, kernel));
        self.builder.ins().brif(kernel, enter, &[], ask, &[]);
        self.builder.switch_to_block(enter);
        let inlined =
            self.kernel.and_then(|handler| Some((handler, Plan::of(&handler.module, handler.function, number)?)));
        match inlined {
            Some((handler, plan)) => self.inline_kernel(&svc, kernel, ask, handler, number, &plan),
            None => self.call_kernel(&svc, kernel, ask, number),
        }
        self.builder.switch_to_block(ask);
        self.ask_machine(&svc);
        self.builder.switch_to_block(parked);
        let own = self.builder.ins().iadd_imm_s(self.context, offset_of!(NativeContext, native) as i64);
        let processor = self.switch_stacks(own, to);
        let leave = self.return_block(taken.iter().map(|register| register.0).collect());
        self.builder.ins().brif(processor, answered, &[], leave, &[]);
        self.builder.switch_to_block(answered);
        self.forget_kept();
    }

    /// Has the driver ask the machine about an `svc`.
    fn ask_machine(&mut self, svc: &Svc) {
        self.builder.ins().store(trusted(), self.context, svc.port, layout::PORT_NATIVE as i32);
        self.leave_to_driver(svc);
    }

    /// Parks the caller of an `svc` and lets the driver go on, with the fuel that this native context has.
    fn leave_to_driver(&mut self, svc: &Svc) {
        let fuel = self.fuel();
        self.builder.ins().store(trusted(), fuel, self.context, offset_of!(NativeContext, fuel) as i32);
        let processor = self.processor();
        let control = self.builder.ins().iadd_imm_s(processor, offset_of!(Processor, driver) as i64);
        self.builder.ins().jump(svc.parked, &[control.into()]);
    }

    /// Calls the kernel's function on the kernel's stack; entering it is a safepoint.
    fn call_kernel(&mut self, svc: &Svc, kernel: Value, ask: Block, number: u32) {
        let its_port = self.field_of(kernel, offset_of!(NativeContext, port));
        let is_own = self.builder.ins().icmp(IntCC::Equal, svc.port, its_port);
        self.unless(is_own, ask);
        self.pass_next(ask);
        self.stand_in_svc(svc.port);
        let itself = self.builder.ins().load(types::I64, trusted(), svc.port, layout::PORT_ITSELF as i32);
        let number = self.builder.ins().iconst(types::I64, i64::from(number));
        for (place, value) in (offset_of!(NativeContext, integers)..).step_by(CELL as usize).zip([itself, number]) {
            self.builder.ins().store(trusted(), value, kernel, place as i32);
        }
        self.runs_next(kernel);
        let control = self.builder.ins().iadd_imm_s(kernel, offset_of!(NativeContext, native) as i64);
        self.builder.ins().jump(svc.parked, &[control.into()]);
    }

    /// Notes in its port that the context stands at an `svc`, with its frames as they are.
    fn stand_in_svc(&mut self, port: Value) {
        let state = self.builder.ins().iconst(types::I32, i64::from(layout::STATE_IN_SVC));
        self.builder.ins().store(trusted(), state, port, layout::PORT_STATE as i32);
        self.builder.ins().store(trusted(), self.context, port, layout::PORT_NATIVE as i32);
    }

    /// Notes in its port that a context goes on behind its `svc`.
    pub(super) fn leave_svc(&mut self, port: Value) {
        let ready = self.builder.ins().iconst(types::I32, i64::from(layout::STATE_READY));
        self.builder.ins().store(trusted(), ready, port, layout::PORT_STATE as i32);
        let nowhere = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().store(trusted(), nowhere, port, layout::PORT_NATIVE as i32);
    }

    /// Notes which native context runs from now on.
    pub(super) fn runs_next(&mut self, native: Value) {
        let processor = self.processor();
        self.builder.ins().store(trusted(), native, processor, offset_of!(Processor, current) as i32);
    }

    /// Notes in `*own` where this stack stands, and goes on where `*to` says. As [`crate::arch::switch`], but without a call, so
    /// that the processor goes on predicting where calls return to. Gives what all contexts share, or null if the frames are to
    /// return.
    pub(super) fn switch_stacks(&mut self, own: Value, to: Value) -> Value {
        self.show_fuel();
        let processor = self.processor();
        let processor = self.builder.ins().stack_switch(own, to, processor);
        if let Some(variable) = self.processor {
            self.builder.def_var(variable, processor);
        }
        self.take_fuel();
        processor
    }
}

// ---- The kernel in the place of an `svc` ----------------------------------------------------------------------------

impl Translator<'_, '_> {
    /// Puts the kernel's function in the place of an `svc`. Entering it is a safepoint.
    fn inline_kernel(&mut self, svc: &Svc, kernel: Value, ask: Block, handler: &Handler, number: u32, plan: &Plan) {
        let expected = self.builder.ins().iconst(types::I64, address_of(&handler.module) as i64);
        let found = self.field_of(kernel, offset_of!(NativeContext, module));
        let differs = self.builder.ins().icmp(IntCC::NotEqual, found, expected);
        self.unless(differs, ask);
        self.pass_next(ask);
        self.stand_in_svc(svc.port);
        let itself = self.builder.ins().load(types::I64, trusted(), svc.port, layout::PORT_ITSELF as i32);
        let numeral = self.builder.ins().iconst(types::I32, i64::from(number));
        let frame = self.field_of(kernel, offset_of!(NativeContext, frame));
        let unwritten = |register| plan.is_unwritten(register).then_some(register);
        let inlined = Inlined {
            svc: svc.clone(),
            callers: Vec::new(),
            returns_to: None,
            references: unwritten(0).into_iter().collect(),
            numbers: unwritten(1).into_iter().collect(),
            number,
        };
        let arguments = [(itself, Nan::Canonical), (numeral, Nan::Canonical)];
        self.inline_function(&handler.module, plan, (kernel, frame), inlined, &arguments);
    }

    /// Puts a function of the kernel here, for the native context and the frame.
    fn inline_function(
        &mut self,
        module: &Module,
        plan: &Plan,
        (context, frame): (Value, Value),
        inlined: Inlined,
        arguments: &[(Value, Nan)],
    ) {
        let mut inner = Translator::new(
            &mut *self.builder,
            module,
            plan.function,
            &plan.shape,
            self.itself,
            Entry::Call,
            Mode { paging: Paging::Open, ..self.mode },
        );
        (inner.context, inner.frame) = (context, frame);
        (inner.processor, inner.fuel) = (self.processor, self.fuel);
        inner.inlined = Some(inlined);
        // Without loops there is nothing to keep.
        inner.kept.clear();
        for (register, (value, nan)) in (0..).map(Reg).zip(arguments) {
            inner.set_as(register, *value, *nan);
        }
        inner.zeroes(arguments.len()..inner.function.registers.len());
        inner.require_all(0);
        inner.jump_to(0);
        inner.body(plan.blocks.iter().copied());
    }

    /// Puts a function that the kernel calls here; its frame is there and its fuel is burnt.
    pub(super) fn inline_call(&mut self, function: u32, frame: Value) {
        let (Some(signature), Some(inlined)) = (self.module.signature_of(function), &self.inlined) else { return };
        let (given, results) = self.passed(signature);
        let (svc, number) = (inlined.svc.clone(), inlined.number);
        let plan = Plan::of_function(self.module, function, None);
        let handed = |set: &RegisterSet| -> RegisterSet {
            let places =
                (0..).zip(&given).filter(|(place, register)| set.contains(register.0) && plan.is_unwritten(*place));
            places.map(|(place, _)| place).collect()
        };
        let (references, numbers) = (handed(&inlined.references), handed(&inlined.numbers));
        let mut callers = inlined.callers.clone();
        callers.push(self.caller(&results));
        let arguments: Vec<_> = given.iter().map(|register| (self.get(*register), self.nan(*register))).collect();
        let next = self.builder.create_block();
        let values: Vec<Value> =
            signature.results.iter().map(|ty| self.builder.append_block_param(next, type_of(*ty))).collect();
        let inlined = Inlined { svc, callers, returns_to: Some(next), references, numbers, number };
        let (module, context) = (self.module, self.context);
        self.inline_function(module, &plan, (context, frame), inlined, &arguments);
        self.builder.switch_to_block(next);
        for (register, value) in results.into_iter().zip(values) {
            self.set(register, value);
        }
    }

    /// This frame, as it is while the call is made that is being translated.
    fn caller(&mut self, results: &[Reg]) -> Caller {
        let at = NativeFrame { function: self.index, pc: self.pc };
        Caller { at, frame: self.frame, cells: self.cell_values(results) }
    }

    /// What the cells of the frame are to hold: the registers that are live, but for `except`, and zeroes.
    fn cell_values(&mut self, except: &[Reg]) -> Vec<Value> {
        let count = self.function.registers.len() as u16;
        let value = |register: Reg| {
            let is_wanted = self.live.contains(register.0) && !except.contains(&register);
            if is_wanted { self.get_canonical(register) } else { self.zero(type_of(self.type_of(register))) }
        };
        (0..count).map(Reg).map(value).collect()
    }

    /// Gives the results to whoever called this function. The outermost one is left to the interpreter.
    pub(super) fn return_inlined(&mut self) {
        let Some(next) = self.inlined.as_ref().and_then(|inlined| inlined.returns_to) else { return self.slowly() };
        let words = &self.function.code[self.pc as usize..];
        let count = self.module.types[self.function.signature as usize].results.len();
        let values: Vec<BlockArg> =
            (0..count).map(|index| self.get_canonical(listed(words, 0, index)).into()).collect();
        self.builder.ins().jump(next, &values);
    }

    /// Has the interpreter go on from the instruction: writes all frames of the kernel to their cells, and parks the caller.
    pub(crate) fn leave_inlined(&mut self) {
        let Some(inlined) = &self.inlined else { return };
        let (svc, callers) = (inlined.svc.clone(), inlined.callers.clone());
        let cells = self.cell_values(&[]);
        for (index, caller) in callers.iter().enumerate() {
            self.store_cells(caller.frame, &caller.cells);
            let at = self.builder.ins().iconst(types::I64, place(caller.at));
            let field = offset_of!(NativeContext, callers) as i32 + index as i32 * CELL;
            self.builder.ins().store(trusted(), at, self.context, field);
        }
        self.store_cells(self.frame, &cells);
        self.note_place();
        let count = self.builder.ins().iconst(types::I64, callers.len() as i64 + 1);
        self.builder.ins().store(trusted(), count, self.context, offset_of!(NativeContext, inlined) as i32);
        self.runs_next(self.context);
        self.leave_to_driver(&svc);
    }

    fn store_cells(&mut self, frame: Value, cells: &[Value]) {
        for (cell, value) in (0..).zip(cells) {
            self.store_to(frame, cell, *value);
        }
    }

    /// The `svc` whose place this takes, if a register is known to hold its caller's reference.
    pub(super) fn svc_of_caller(&self, register: Reg) -> Option<&Svc> {
        let inlined = self.inlined.as_ref()?;
        inlined.references.contains(register.0).then_some(&inlined.svc)
    }

    /// The number of the `svc` whose place this takes, if a register is known to hold it.
    pub(super) fn known_number(&self, register: Reg) -> Option<u32> {
        let inlined = self.inlined.as_ref()?;
        inlined.numbers.contains(register.0).then_some(inlined.number)
    }

    /// In the place of an `svc`: lets this native context go on, whose port says so already. The caller has not been parked.
    pub(super) fn go_on_with(&mut self, svc: &Svc, native: Value) {
        let is_caller = self.builder.ins().icmp(IntCC::Equal, native, svc.native);
        self.unless(is_caller, svc.answered);
        self.runs_next(native);
        let control = self.builder.ins().iadd_imm_s(native, offset_of!(NativeContext, native) as i64);
        self.builder.ins().jump(svc.parked, &[control.into()]);
    }
}

/// Names a verified module as long as it is there.
pub(crate) fn address_of(module: &Verified<Module>) -> usize {
    std::ptr::from_ref::<Module>(module) as usize
}

// ---- What can take the place of an `svc` ----------------------------------------------------------------------------

/// What of a function is put in the place of an `svc`.
struct Plan {
    function: u32,
    shape: Shape,
    /// The basic blocks that can be reached.
    blocks: BTreeSet<usize>,
    written: RegisterSet,
}

impl Plan {
    /// What a kernel's function does about an `svc` of this number; `None` if it cannot take its place.
    fn of(module: &Module, function: u32, number: u32) -> Option<Self> {
        let plan = Self::of_function(module, function, Some(number));
        let mut words = MAX_WORDS;
        plan.fits(module, MAX_INLINED, &mut words).then_some(plan)
    }

    /// Of a function whose parameter 1, if it is never written, is this number.
    fn of_function(module: &Module, function: u32, number: Option<u32>) -> Self {
        let shape = Shape::of(module, function);
        let written = written(module, function, &shape);
        let number = number.filter(|_| !written.contains(1));
        let mut plan = Self { function, shape, blocks: BTreeSet::new(), written };
        let mut next = vec![0];
        while let Some(block) = next.pop() {
            if plan.blocks.insert(block) {
                next.extend(plan.successors(module, block, number));
            }
        }
        plan
    }

    /// The blocks that follow a block.
    fn successors(&self, module: &Module, block: usize, number: Option<u32>) -> Vec<usize> {
        let last = self.instructions(module, block).into_iter().last();
        match last.zip(number).and_then(|((pc, words), number)| chosen(pc, words, number)) {
            Some(target) => vec![self.shape.index_of(target)],
            None => self.shape.blocks[block].successors.iter().map(|target| self.shape.index_of(*target)).collect(),
        }
    }

    /// The instructions of a block: where each begins, and the words from there on.
    fn instructions<'m>(&self, module: &'m Module, block: usize) -> Vec<(u32, &'m [u64])> {
        let code = &module.functions[self.function as usize].code;
        let shapes = ModuleShapes { module, function: self.function };
        self.shape.instructions(code, shapes, block).into_iter().map(|pc| (pc, &code[pc as usize..])).collect()
    }

    fn is_unwritten(&self, register: u16) -> bool {
        !self.written.contains(register)
    }

    /// Whether all that can be reached stays in line, calls no deeper than this and has no more words than are left.
    fn fits(&self, module: &Module, depth: usize, words: &mut usize) -> bool {
        depth > 0 && !self.has_loops() && self.blocks.iter().all(|block| self.block_fits(module, *block, depth, words))
    }

    /// Whether any branch among the blocks goes backwards.
    fn has_loops(&self) -> bool {
        let goes_back = |block: &usize| {
            let block = &self.shape.blocks[*block];
            let back =
                |follower: &u32| *follower <= block.start && self.blocks.contains(&self.shape.index_of(*follower));
            block.successors.iter().any(back)
        };
        self.blocks.iter().any(goes_back)
    }

    fn block_fits(&self, module: &Module, block: usize, depth: usize, words: &mut usize) -> bool {
        let own = (self.shape.blocks[block].end - self.shape.blocks[block].start) as usize;
        let Some(left) = words.checked_sub(own) else { return false };
        *words = left;
        self.instructions(module, block).into_iter().all(|(_, instruction)| match Opcode::of_word(instruction[0]) {
            Some(Opcode::Call) => operand(Opcode::Call, instruction, "f").is_some_and(|function| {
                let called = Self::of_function(module, function, None);
                called.fits(module, depth - 1, words)
            }),
            Some(opcode) => stays_in_line(opcode, instruction),
            None => false,
        })
    }
}

/// Where the `br_table` at this word goes that looks at the number of the `svc`.
fn chosen(pc: u32, words: &[u64], number: u32) -> Option<u32> {
    let is_by_number =
        Opcode::of_word(words[0]) == Some(Opcode::BrTable) && operand(Opcode::BrTable, words, "i") == Some(1);
    let count = operand(Opcode::BrTable, words, "targets").filter(|_| is_by_number)?;
    Some(pc.wrapping_add_signed(words.signed(number.min(count - 1) as usize + 1, Field::Wide32)))
}

/// The registers that a function writes.
fn written(module: &Module, function: u32, shape: &Shape) -> RegisterSet {
    let Shape { blocks, .. } = shape;
    let code = &module.functions[function as usize];
    let shapes = ModuleShapes { module, function };
    let mut written = RegisterSet::new(code.registers.len());
    for block in 0..blocks.len() {
        for pc in shape.instructions(&code.code, shapes, block) {
            for_each_register(&code.code[pc as usize..], &shapes, |role, register| {
                if role != Role::Read {
                    written.insert(register.0);
                }
            });
        }
    }
    written
}

/// Whether an instruction is compiled wholly, or else ends what the kernel does. What is missing here is only called.
fn stays_in_line(opcode: Opcode, words: &[u64]) -> bool {
    let goes_elsewhere = opcode.row().flow != Flow::Next;
    let is_known = matches!(
        opcode,
        Opcode::SlotGet
            | Opcode::SlotSet
            | Opcode::RefMov
            | Opcode::RefSelect
            | Opcode::RefNull
            | Opcode::RefIsNull
            | Opcode::RefEq
            | Opcode::ObjPayload
            | Opcode::CtxResume
            | Opcode::CtxState
            | Opcode::CtxWord
            | Opcode::CtxRef
            | Opcode::CtxSetWord
            | Opcode::CtxSetRef
            | Opcode::CtxTransfer
            | Opcode::MemLend
    );
    goes_elsewhere || is_known || computes(opcode) || access(words).is_some()
}
