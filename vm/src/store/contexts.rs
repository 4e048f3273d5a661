//! Contexts, and which of them have stacks.

use limen_isa::module::Module;
use limen_isa::{Fault, ValueType};

use super::{CELL_BYTES, ContextKey, DomainKey, Store, root};
use crate::account::{AccountKey, Budget};
use crate::context::{Context, State};
use crate::object::{Kind, NewEntry, Object, Ref, Span};
use crate::verify::Verified;

/// Contexts of the kernel's making that have a stack at once. Among so many that take turns, none is ever captured; beyond
/// that memory counts for more.
const MAX_STACKS: usize = 4096;

/// A stack of more cells than this is refused.
pub(crate) const MAX_STACK_CELLS: u32 = 1 << 28;

impl Store {
    /// A context that nothing refers to yet; `None` if the account has no room. Fault `stack` if its first frame does not
    /// fit, `argument` if there is no such function.
    pub(crate) fn add_context(
        &mut self,
        owner: AccountKey,
        domain: DomainKey,
        function: u32,
        cells: u32,
    ) -> Result<Option<ContextKey>, Fault> {
        if function as usize >= self.module_of(domain).functions.len() || cells > MAX_STACK_CELLS {
            return Err(Fault::Argument);
        }
        if !Context::fits(self.module_of(domain), function, cells) {
            return Err(Fault::Stack);
        }
        let cost = Budget { bytes: u64::from(cells) * CELL_BYTES, objects: 0, contexts: 1 };
        if !self.charge(owner, cost) {
            return Ok(None);
        }
        let context = Context::new(self.module_of(domain), function, domain, owner, cells);
        Ok(Some(self.contexts.insert(context)))
    }

    pub(crate) fn make_context(
        &mut self,
        owner: AccountKey,
        domain: Ref,
        function: u32,
        cells: u32,
        payload: i64,
    ) -> Result<Option<Ref>, Fault> {
        let domain = self.domain_of(domain)?;
        let Some(context) = self.add_context(owner, domain, function, cells)? else { return Ok(None) };
        let span = Span { base: self.contexts[context].port.address().cast(), ..Span::NOTHING };
        let new = NewEntry { span, ..root(Kind::CONTEXT, Object::Context(context), owner, payload) };
        match self.enter(owner, Budget::default(), new) {
            Some(reference) => {
                self.note_new_root(Object::Context(context), reference);
                self.note_stack_of(context);
                return Ok(Some(reference));
            }
            None => self.delete_context(context),
        }
        Ok(None)
    }

    pub(crate) fn remove_context(&mut self, context: ContextKey) {
        self.delete_context(context);
    }

    pub(crate) fn context_of(&self, reference: Ref) -> Result<ContextKey, Fault> {
        match self.objects.details(reference, Kind::CONTEXT)?.object {
            Object::Context(context) if self.contexts.contains_key(context) => Ok(context),
            _ => Err(Fault::Stale),
        }
    }

    pub(crate) fn context(&self, context: ContextKey) -> &Context {
        &self.contexts[context]
    }

    pub(crate) fn context_mut(&mut self, context: ContextKey) -> &mut Context {
        &mut self.contexts[context]
    }

    pub(crate) fn code_of(&self, context: ContextKey) -> &Verified<Module> {
        self.module_of(self.contexts[context].domain)
    }

    /// A context with its frames on the stack, and its module. Fault `state` if its domain is no more.
    pub(crate) fn present(&mut self, context: ContextKey) -> Result<(&mut Context, Verified<Module>), Fault> {
        let domain = self.contexts[context].domain;
        if !self.has_domain(domain) {
            return Err(Fault::State);
        }
        let module = self.module_of(domain).clone();
        if self.contexts[context].restore(&module) {
            self.note_stack_of(context);
        }
        Ok((&mut self.contexts[context], module))
    }

    /// A context has come to a stack. Where there are too many, who came to one longest ago gives its stack back. None of
    /// them runs: contexts come to stacks only while the kernel does, or nobody.
    fn note_stack_of(&mut self, context: ContextKey) {
        self.on_stacks.push_back(context);
        while self.on_stacks.len() > MAX_STACKS {
            let oldest = self.on_stacks.pop_front();
            if let Some(oldest) = oldest.filter(|oldest| *oldest != context) {
                self.take_stack_of(oldest);
            }
        }
    }

    /// Has a context that is parked keep its frames in no more memory than they need, until it is to run again.
    fn take_stack_of(&mut self, context: ContextKey) {
        let Some(parked) = self.contexts.get_mut(context).filter(|context| context.has_stack()) else { return };
        // Where the domain is no more, there is no code to settle frames with; they go when the context goes.
        if let Some(domain) = self.domains.get(parked.domain) {
            let module = &self.modules[domain.module].0;
            parked.settle(module);
            parked.capture(module);
        }
    }

    /// A context that is present, with all its frames in the portable form.
    pub(crate) fn settled(&mut self, context: ContextKey) -> Result<(&mut Context, Verified<Module>), Fault> {
        let (context, module) = self.present(context)?;
        context.settle(&module);
        Ok((context, module))
    }

    /// Element `index` among the references, or among the words, of the message a context gives; zero if there is none.
    pub(crate) fn message(&self, context: ContextKey, index: u32, references: bool) -> Result<u64, Fault> {
        let message = self.context(context).outgoing().ok_or(Fault::State)?;
        let index = index as usize;
        Ok(if references { message.reference(index) } else { message.word(index) })
    }

    /// Writes element `index` among the references, or among the words, that a context takes; nothing if there is none.
    pub(crate) fn set_message(
        &mut self,
        context: ContextKey,
        index: u32,
        references: bool,
        bits: u64,
    ) -> Result<(), Fault> {
        let (context, module) = self.present(context)?;
        match context.port.state {
            State::InSvc => {
                let mut taken = context.port.taken();
                let elements = if references { &mut taken.refs[..] } else { &mut taken.words[..] };
                if let Some(element) = elements.get_mut(index as usize) {
                    *element = bits;
                    context.port.take(taken);
                }
                Ok(())
            }
            State::Ready if context.fresh => {
                let alike = |(ty, _): &(ValueType, u16)| (*ty == ValueType::Ref) == references;
                let parameter = context.parameters(&module).into_iter().filter(alike).nth(index as usize);
                if let Some((ty, register)) = parameter {
                    context.set_register(ty, register, bits);
                }
                Ok(())
            }
            State::Ready | State::Faulted(..) | State::WaitsForPage(_) | State::Finished => Err(Fault::State),
        }
    }

    /// Hands one context's message over to another.
    pub(crate) fn transfer(&mut self, to: ContextKey, from: ContextKey) -> Result<(), Fault> {
        let sent = self.context(from).outgoing().ok_or(Fault::State)?.message();
        let (receiver, _) = self.present(to)?;
        if receiver.port.state != State::InSvc {
            return Err(Fault::State);
        }
        receiver.port.take(sent);
        self.context_mut(from).port.give_nothing();
        Ok(())
    }

    /// Lets a context run again that was parked: it goes on behind its `svc`, or tries again what could not be done.
    pub(crate) fn unpark(&mut self, context: ContextKey) -> Result<(), Fault> {
        let (context, module) = self.present(context)?;
        match context.port.state {
            State::Ready | State::Faulted(..) | State::WaitsForPage(_) => context.port.state = State::Ready,
            State::InSvc => context.leave_svc(&module),
            State::Finished => return Err(Fault::State),
        }
        Ok(())
    }

    pub(super) fn delete_context(&mut self, context: ContextKey) {
        if let Some(context) = self.contexts.remove(context) {
            let cost = Budget { bytes: u64::from(context.cells) * CELL_BYTES, objects: 0, contexts: 1 };
            self.accounts.refund(context.owner, cost);
        }
    }
}
