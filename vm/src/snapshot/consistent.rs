//! Whether a machine could have come to all that a snapshot says of it.

use limen_isa::module::{MAX_PAGES, PAGE_SIZE};

use super::check::Checked;
use super::field::{Read, ensure};
use super::image::{ContextImage, DomainImage, EntryImage, MachineImage, MemoryImage, StateImage, StoreImage};
use super::references::{Met, References, check_entry};
use crate::account::Budget;
use crate::clock::Time;
use crate::kernel::{Kernel, STACK_CELLS};
use crate::memory::PageState;
use crate::object::Kind;
use crate::verify::Mode;

/// # Errors
///
/// The first contradiction.
pub(super) fn check(machine: &MachineImage, store: &StoreImage) -> Read<()> {
    check_clock(machine)?;
    let references = References::of(&store.table)?;
    check_numbers(store)?;
    store.memories.iter().try_for_each(check_memory)?;
    for entry in &store.table.entries {
        check_view(store, entry)?;
    }
    for domain in &store.domains {
        check_domain(store, domain)?;
        references.check_slots(&domain.slots)?;
    }
    store.arrays.iter().try_for_each(|array| references.check_slots(&array.slots))?;
    check_kernel(store)?;
    for (number, context) in store.contexts.iter().enumerate() {
        checked(store, &references, number, context).check(number)?;
    }
    check_current(store)?;
    ensure(is_within(machine.budget, store), "its programs hold more than the machine has")
}

fn check_clock(machine: &MachineImage) -> Read<()> {
    let fuel = i64::try_from(machine.burnt).unwrap_or(-1);
    // More than that no machine can burn; and it leaves room for what this one will.
    ensure(fuel >= 0, "more fuel is burnt than can be")?;
    ensure(
        machine.now >= 0 && (machine.time == Time::Live || machine.now == fuel),
        "it is no time that a clock can show",
    )?;
    ensure(machine.alarm != Some(i64::MAX), "a timer is set to never")
}

/// Objects are numbered as one comes to them, in the order in which they are captured, and none is there but these.
fn check_numbers(store: &StoreImage) -> Read<()> {
    let (mut accounts, mut modules) = (Met::of(store.accounts.len()), Met::of(store.modules.len()));
    let (mut memories, mut domains) = (Met::of(store.memories.len()), Met::of(store.domains.len()));
    let (mut arrays, mut contexts) = (Met::of(store.arrays.len()), Met::of(store.contexts.len()));
    accounts.meet(0)?;
    for number in 0..domains_of_host(store) {
        domains.meet(number)?;
    }
    if store.runs.has_kernel {
        contexts.meet(0)?;
    }
    contexts.meet(store.runs.current)?;
    for entry in &store.table.entries {
        check_entry(entry)?;
        accounts.meet(entry.owner)?;
        let (number, is_root) = (entry.object.number, entry.is_root);
        match entry.object.kind {
            Kind::MEMORY => memories.meet_entry(number, is_root)?,
            Kind::MODULE => modules.meet_entry(number, is_root)?,
            Kind::DOMAIN => domains.meet_entry(number, is_root)?,
            Kind::CONTEXT => contexts.meet_entry(number, is_root)?,
            Kind::SLOTS => arrays.meet_entry(number, is_root)?,
            Kind::ACCOUNT => accounts.meet_entry(number, is_root)?,
            _ => {}
        }
    }
    for domain in &store.domains {
        modules.meet(domain.module)?;
        memories.meet(domain.home)?;
    }
    memories.check_all()?;
    [&accounts, &modules, &domains, &arrays, &contexts].into_iter().try_for_each(Met::check_made)?;
    let has_accounts = (0..store.accounts.len()).all(|number| accounts.was_made(number));
    ensure(has_accounts, "an account has no entry")?;
    ensure(!store.runs.has_kernel || !contexts.was_made(0), "the kernel's context has an entry")?;
    check_owners(store)
}

/// Domains without an entry come first.
fn domains_of_host(store: &StoreImage) -> u32 {
    let made = store.table.entries.iter().filter(|entry| entry.is_root && entry.object.kind == Kind::DOMAIN).count();
    store.domains.len().saturating_sub(made) as u32
}

fn check_owners(store: &StoreImage) -> Read<()> {
    let memories = store.memories.iter().map(|memory| memory.owner);
    let domains = store.domains.iter().map(|domain| domain.owner);
    let arrays = store.arrays.iter().map(|array| array.owner);
    let contexts = store.contexts.iter().map(|context| context.owner);
    let mut owners = memories.chain(domains).chain(arrays).chain(contexts).flatten();
    ensure(owners.all(|owner| (owner as usize) < store.accounts.len()), "something is paid for by no account")
}

fn check_memory(memory: &MemoryImage) -> Read<()> {
    ensure(memory.pages <= memory.max_pages && memory.max_pages <= MAX_PAGES, "a memory cannot have so many pages")?;
    if let Some(states) = &memory.states {
        let are_states = states.iter().all(|state| PageState::is_state(*state));
        ensure(states.len() == memory.pages as usize && are_states, "the states of a memory's pages are none")?;
    }
    let mut next = 0;
    for page in &memory.contents {
        ensure((next..memory.pages).contains(&page.number), "pages are out of order, or outside a memory")?;
        ensure(page.bytes.iter().any(|byte| *byte != 0), "a page that is all zero is there")?;
        next = page.number + 1;
    }
    Ok(())
}

/// A view is a part of what it was derived as, and that a part of a memory.
fn check_view(store: &StoreImage, entry: &EntryImage) -> Read<()> {
    let Some(view) = &entry.view else { return Ok(()) };
    let size = u64::from(store.memories[entry.object.number as usize].pages) * u64::from(PAGE_SIZE);
    let all = view.all_offset.checked_add(view.all_length).filter(|end| *end <= size);
    let end = view.offset.checked_add(view.length).filter(|_| view.offset >= view.all_offset);
    let is_part = all.zip(end).is_some_and(|(all, end)| end <= all);
    ensure(is_part && entry.rights & !view.all_rights == 0, "a view shows more than it was derived as")
}

fn check_domain(store: &StoreImage, domain: &DomainImage) -> Read<()> {
    let wanted = &store.modules[domain.module as usize].home;
    let home = &store.memories[domain.home as usize];
    ensure(home.pages >= wanted.min_pages, "a home has fewer pages than its module asks for")?;
    ensure(domain.slots.count >= wanted.slots, "a domain has fewer slots than its module asks for")
}

/// Whether what may have supervisor instructions is the kernel, in its one domain and its one context.
pub(super) fn keeps_supervisor_apart(store: &StoreImage) -> bool {
    let kernel = store.domains.first().filter(|_| store.runs.has_kernel).map(|domain| domain.module);
    let is_kernel = |module: u32| Some(module) == kernel;
    let mut modules = (0..).zip(&store.modules);
    let mut entries = store.table.entries.iter();
    modules.all(|(number, module)| module.mode() == Mode::User || is_kernel(number))
        && store.domains.iter().skip(1).all(|domain| !is_kernel(domain.module))
        && entries.all(|entry| entry.object.kind != Kind::MODULE || !is_kernel(entry.object.number))
        && (kernel.is_none() || store.contexts.iter().skip(1).all(|context| context.domain != Some(0)))
}

fn check_kernel(store: &StoreImage) -> Read<()> {
    ensure(keeps_supervisor_apart(store), "a module has supervisor instructions that is not the kernel")?;
    if !store.runs.has_kernel {
        return Ok(());
    }
    let (domain, context) = (store.domains.first(), store.contexts.first());
    let module = domain.map(|domain| &store.modules[domain.module as usize]);
    let is_kernel = module.is_some_and(|module| module.mode() == Mode::Kernel && Kernel::can_be(module));
    ensure(is_kernel, "the kernel's module is none")?;
    let has_context = context.is_some_and(|context| context.domain == Some(0) && context.cells == STACK_CELLS);
    ensure(has_context, "the kernel's context is none")
}

fn checked<'a>(
    store: &'a StoreImage,
    references: &'a References,
    number: usize,
    context: &'a ContextImage,
) -> Checked<'a> {
    let domain = context.domain.and_then(|domain| store.domains.get(domain as usize));
    let has_kernel = store.runs.has_kernel;
    Checked {
        module: domain.map(|domain| &*store.modules[domain.module as usize]),
        context,
        references,
        has_kernel,
        is_at_rest: has_kernel && number == 0 && store.runs.current != 0,
    }
}

fn check_current(store: &StoreImage) -> Read<()> {
    let known = |domain: u32| (domain as usize) < store.domains.len();
    let are_known = store.contexts.iter().filter_map(|context| context.domain).all(known);
    ensure(are_known, "a context runs in no domain")?;
    let current = &store.contexts[store.runs.current as usize];
    let can_run = current.domain.is_some() && matches!(current.state, StateImage::Ready);
    ensure(can_run, "what was suspended cannot go on")
}

/// Whether what accounts have left and what is paid for is no more than the machine had. It may be less: what was paid by
/// an account that is closed is nobody's.
fn is_within(budget: Budget, store: &StoreImage) -> bool {
    held(store).is_some_and(|held| {
        held.bytes <= budget.bytes && held.objects <= budget.objects && held.contexts <= budget.contexts
    })
}

fn held(store: &StoreImage) -> Option<Budget> {
    let pages = |pages: u32| u64::from(pages) * u64::from(PAGE_SIZE);
    let slots = |count: u32| u64::from(count) * 8;
    let memories = store.memories.iter().map(|memory| Budget::bytes(pages(memory.pages)));
    let domains = store.domains.iter().map(|domain| Budget::bytes(slots(domain.slots.count)));
    let arrays = store.arrays.iter().map(|array| Budget::bytes(slots(array.slots.count)));
    let contexts = store.contexts.iter().map(|context| Budget { contexts: 1, ..Budget::bytes(slots(context.cells)) });
    let objects = u32::try_from(store.table.entries.len()).ok()?;
    let entries = std::iter::once(Budget { objects, ..Budget::default() });
    let all =
        store.accounts.iter().copied().chain(memories).chain(domains).chain(arrays).chain(contexts).chain(entries);
    let mut sum = Budget::default();
    for one in all {
        sum = sum.and(one)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use limen_isa::module::{Export, ExportItem, Function, Home, Signature};
    use limen_isa::{Opcode, codec};

    use super::*;
    use crate::object::Ref;
    use crate::snapshot::Snapshot;
    use crate::verify::verify;
    use crate::{Config, Machine, Time};

    /// Of a program that runs for ever, with a page and two slots.
    fn captured() -> Snapshot {
        let mut code = Vec::new();
        let jump = codec::Instruction { opcode: Opcode::Jump, values: vec![codec::Value::Integer(0)] };
        codec::encode(&jump, &mut code).expect("it has what it needs");
        let module = limen_isa::module::Module {
            types: vec![Signature::default()],
            functions: vec![Function::new(0, Vec::new(), code)],
            home: Home { min_pages: 1, max_pages: 1, slots: 2, ..Home::default() },
            exports: vec![Export { name: "main".into(), item: ExportItem::Function(0) }],
            ..Default::default()
        };
        let module = verify(module, Mode::User).expect("it does nothing, and that correctly");
        let config = Config { fuel: Some(3), time: Time::Virtual, ..Config::default() };
        let mut machine = Machine::new(config).expect("the budget has room");
        let domain = machine.instantiate(&module).expect("the budget has room");
        machine.call(domain, "main", &[]).expect("there is a main");
        machine.checkpoint().expect("it was suspended")
    }

    #[track_caller]
    fn assert_refused(change: impl FnOnce(&mut MachineImage, &mut StoreImage), why: &str) {
        let Snapshot { mut machine, mut store, .. } = captured();
        check(&machine, &store).expect("it was just captured");
        change(&mut machine, &mut store);
        let refusal = check(&machine, &store).expect_err("it contradicts itself").to_string();
        assert!(refusal.contains(why), "{refusal}");
    }

    #[test]
    fn clocks_show_what_they_can() {
        assert_refused(|machine, _| machine.now += 1, "no time");
        assert_refused(|machine, _| machine.burnt = u64::MAX, "more fuel");
        assert_refused(|machine, _| machine.alarm = Some(i64::MAX), "to never");
    }

    #[test]
    fn nobody_holds_more_than_there_was() {
        assert_refused(|_, store| store.accounts[0].bytes += 1, "more than the machine has");
        assert_refused(|machine, _| machine.budget.contexts = 0, "more than the machine has");
        assert_refused(|_, store| store.contexts[0].owner = Some(1), "no account");
    }

    #[test]
    fn objects_have_their_numbers_and_their_entries() {
        assert_refused(|_, store| store.runs.current = 1, "numbered");
        assert_refused(|_, store| store.domains[0].home = 1, "numbered");
        assert_refused(|_, store| store.accounts.push(Budget::default()), "nothing names");
        assert_refused(|_, store| store.table.entries[0].is_root = false, "is gone");
        assert_refused(|_, store| store.table.entries[0].object.kind = Kind(7), "no such kind");
        assert_refused(|_, store| store.memories[0].max_pages = 0, "so many pages");
        assert_refused(|_, store| store.memories[0].states = Some(vec![1]), "states");
    }

    #[test]
    fn references_are_some_that_were_made() {
        let own = |store: &StoreImage| store.table.entries[0].reference;
        assert_refused(|_, store| store.domains[0].slots.set.push((0, Ref::new(9, 1))), "never made");
        let out_of_order = |store: &mut StoreImage| {
            let own = own(store);
            store.domains[0].slots.set.push((2, own));
        };
        assert_refused(|_, store| out_of_order(store), "out of order");
        assert_refused(|_, store| store.table.entries[0].anchor = own(store), "hangs on");
        assert_refused(|_, store| store.table.vacant.free.push((own(store).index(), 3)), "twice");
        assert_refused(|_, store| store.table.vacant.used_up.push(7), "not there");
    }

    #[test]
    fn there_is_one_kernel_and_it_is_one() {
        assert_refused(|_, store| store.runs.has_kernel = true, "kernel");
    }
}
