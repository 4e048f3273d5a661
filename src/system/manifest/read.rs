//! From TOML to [`Manifest`].

use limen_assembler::{Diagnostic, SourceFile};
use limen_vm::EngineKind;
use toml::de::{DeTable, DeValue};

use super::fields::{
    Fields, Item, Taken, expected, flag, listed, microseconds, milliseconds, number, one_of, size, span, span_of, text,
    texts,
};
use super::{
    Account, At, Budget, Escalation, Group, Manifest, Named, Reference, Restart, Segment, Service, Strategy, System,
};
use crate::system::image::DeviceSort;
use crate::system::plan::{HALT, READ, TRACE, WRITE};
use crate::system::problems::Problems;

/// Memory of a machine whose manifest does not say how much.
const DEFAULT_MEMORY: u64 = 1 << 30;

/// The level of a service whose manifest names none.
const DEFAULT_LEVEL: u32 = 8;

/// Pages of the largest segment: 4 GiB.
const MOST_PAGES: u32 = 1 << 20;

/// Slots of the largest vault.
const MOST_VAULT_SLOTS: u32 = 1 << 16;

const SORTS: [(&str, DeviceSort); 4] = [
    ("console", DeviceSort::Console),
    ("control", DeviceSort::Control),
    ("entropy", DeviceSort::Entropy),
    ("record", DeviceSort::Record),
];

/// Reads a manifest. `None` if nothing could be made of it, and then there are problems.
pub(crate) fn read(file: &SourceFile, problems: &Problems) -> Option<Manifest> {
    let (table, errors) = DeTable::parse_recoverable(file.text());
    for error in &errors {
        let place = error.span().unwrap_or_default();
        problems.add(Diagnostic::new(span(place), error.message().trim_end()));
    }
    if !errors.is_empty() {
        return None;
    }
    Some(Fields::new("the manifest".into(), span(0..0), table.get_ref(), problems).whole(manifest))
}

pub(super) fn manifest(root: &mut Fields<'_>) -> Manifest {
    Manifest {
        system: root.within("system").map(|fields| fields.whole(system)).unwrap_or_default(),
        devices: named(root, "device", device),
        segments: named(root, "segment", segment),
        groups: named(root, "group", |fields| Some(group(fields))),
        services: named(root, "service", |fields| Some(service(fields))),
    }
}

/// All things of a sort.
fn named<T>(root: &mut Fields<'_>, sort: &'static str, read: fn(&mut Fields<'_>) -> Option<T>) -> Vec<Named<T>> {
    let all = root.named(sort).into_iter();
    all.filter_map(|(name, fields)| Some(Named { name, it: fields.whole(read)? })).collect()
}

impl Default for System {
    fn default() -> Self {
        let memory = At { value: DEFAULT_MEMORY, span: span(0..0) };
        Self { engine: None, memory, kernel: None, init: None }
    }
}

pub(super) fn system(fields: &mut Fields<'_>) -> System {
    // A title for people: nothing depends on it.
    let _name = fields.optional("name", text);
    let default = System::default();
    System {
        engine: fields.optional("engine", engine),
        memory: fields.or("memory", default.memory, |item| Ok(At { value: size(item)?, span: span_of(item) })),
        kernel: fields.optional("kernel", text),
        init: fields.optional("init", text),
    }
}

fn engine(item: Item<'_>) -> Taken<EngineKind> {
    one_of(&EngineKind::ALL.map(|engine| (engine.name(), engine)))(item)
}

pub(super) fn device(fields: &mut Fields<'_>) -> Option<DeviceSort> {
    fields.required("sort", one_of(&SORTS))
}

pub(super) fn segment(fields: &mut Fields<'_>) -> Option<Segment> {
    let pages = fields.required("pages", number(1..=MOST_PAGES));
    let most = fields.optional("most", |item| at_least(item, pages.unwrap_or(1)));
    let pages = pages?;
    Some(Segment { pages, most: most.unwrap_or(pages) })
}

fn at_least(item: Item<'_>, pages: u32) -> Taken<u32> {
    number(pages..=MOST_PAGES)(item)
}

pub(super) fn group(fields: &mut Fields<'_>) -> Group {
    let default = Group::default();
    let strategies = [
        ("one-for-one", Strategy::OneForOne),
        ("rest-for-one", Strategy::RestForOne),
        ("one-for-all", Strategy::OneForAll),
    ];
    let escalations = [("stop-group", Escalation::StopGroup), ("stop-system", Escalation::StopSystem)];
    let group = Group {
        strategy: fields.or("strategy", default.strategy, one_of(&strategies)),
        restarts: fields.or("restarts", default.restarts, number(0..=1_000_000)),
        within_ms: fields.or("within", default.within_ms, milliseconds),
        escalate: fields.or("escalate", default.escalate, one_of(&escalations)),
        ..default
    };
    match fields.within("backoff") {
        Some(fields) => fields.whole(|fields| backoff(group, fields)),
        None => group,
    }
}

pub(super) fn backoff(group: Group, fields: &mut Fields<'_>) -> Group {
    let first_backoff_ms = fields.or("first", group.first_backoff_ms, milliseconds);
    let checked = |item: Item<'_>| match milliseconds(item)? {
        most if most < first_backoff_ms => Err(Diagnostic::new(span_of(item), "this is less than the first back-off")),
        most => Ok(most),
    };
    let most_backoff_ms = fields.or("most", group.most_backoff_ms.max(first_backoff_ms), checked);
    Group { first_backoff_ms, most_backoff_ms, ..group }
}

pub(super) fn service(fields: &mut Fields<'_>) -> Service {
    let restarts = [("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)];
    // Where it is missing there is a problem, and nobody looks at what stands here.
    let module = fields.required("module", text).unwrap_or_default();
    let is_passive = fields.or("passive", false, flag);
    let service = Service {
        module,
        group: fields.optional("group", text),
        level: fields.or("level", DEFAULT_LEVEL, number(1..=15)),
        budget: fields.within("budget").and_then(|fields| fields.whole(budget)),
        account: service_account(fields, is_passive),
        engine: fields.optional("engine", engine),
        restart: fields.or("restart", Restart::Always, one_of(&restarts)),
        deadline_ms: fields.or("deadline", 0, milliseconds),
        queue: fields.or("queue", 0, number(1..=u32::MAX)),
        heartbeat_ms: fields.or("heartbeat", 0, milliseconds),
        after: fields.or("after", Vec::new(), texts),
        interface: fields.optional("interface", text),
        references: fields.within("references").map(|fields| references(&fields)).unwrap_or_default(),
        is_passive,
    };
    check_passive(fields, &service);
    service
}

/// A passive service runs when it is called, and on the time of who calls.
fn check_passive(fields: &mut Fields<'_>, service: &Service) {
    let has_endpoint = service.references.iter().any(|it| matches!(it.it.value, Reference::Endpoint));
    if !service.is_passive {
        return;
    }
    if !has_endpoint {
        let problem =
            Diagnostic::new(fields.span(), "a passive service runs when it is called, and this one has no endpoint");
        fields.problems().add(problem.help(["give it the reference `endpoint = \"endpoint\"`"]));
    }
    for key in ["budget", "heartbeat"] {
        if let Some(item) = fields.item(key) {
            let problem = Diagnostic::new(span_of(item), format!("a passive service has no `{key}`"));
            fields.problems().add(problem.note("it has no thread of its own, and runs on the time of who calls it"));
        }
    }
}

pub(super) fn budget(fields: &mut Fields<'_>) -> Option<Budget> {
    let some = |item: Item<'_>| match microseconds(item)? {
        0 => Err(Diagnostic::new(span_of(item), "this is no time at all")),
        time => Ok(time),
    };
    let time_us = fields.required("time", some);
    let checked = |item: Item<'_>| match some(item)? {
        period if period < time_us.unwrap_or(0) => {
            Err(Diagnostic::new(span_of(item), "the period is shorter than the time that may be used in it"))
        }
        period => Ok(period),
    };
    let period_us = fields.required("period", checked);
    Some(Budget { time_us: time_us?, period_us: period_us? })
}

/// An account, and where it is named: without one, where the service is. One caller after the other enters a passive service
/// that says nothing else.
fn service_account(fields: &mut Fields<'_>, is_passive: bool) -> At<Account> {
    let span = fields.item("account").map_or(fields.span(), span_of);
    let default = if is_passive { Account { contexts: 1, ..Account::default() } } else { Account::default() };
    let value = fields.within("account").map_or(default, |fields| fields.whole(|fields| account(fields, default)));
    At { value, span }
}

pub(super) fn account(fields: &mut Fields<'_>, default: Account) -> Account {
    Account {
        bytes: fields.or("bytes", default.bytes, size),
        objects: fields.or("objects", default.objects, number(1..=u32::MAX)),
        contexts: fields.or("contexts", default.contexts, number(1..=u32::MAX)),
    }
}

fn references(fields: &Fields<'_>) -> Vec<Named<At<Reference>>> {
    let mut references = Vec::new();
    for (name, item) in fields.all() {
        let value = reference(item, fields.problems());
        references.extend(value.map(|value| Named { name, it: At { value, span: span_of(item) } }));
    }
    references
}

/// The references that are a word.
pub(super) const WORDS: [&str; 6] = ["account", "endpoint", "notification", "supervisor", "machine", "plan"];

/// The keys of references that are a table.
pub(super) const TARGETS: [&str; 5] = ["service", "segment", "device", "machine", "vault"];

fn reference(item: Item<'_>, problems: &Problems) -> Option<Reference> {
    match item.get_ref() {
        DeValue::String(_) => problems.keep(one_of(&WORDS.map(|word| (word, word)))(item)).map(plain),
        DeValue::Table(_) => target(problems.keep(Fields::of("the reference".into(), item, problems))?),
        _ => problems.keep(Err(expected(item, "a word or a table").help([reference_forms()]))),
    }
}

fn plain(word: &str) -> Reference {
    match word {
        "account" => Reference::Account,
        "endpoint" => Reference::Endpoint,
        "notification" => Reference::Notification,
        "supervisor" => Reference::Supervisor,
        "plan" => Reference::Plan,
        _ => Reference::Machine { rights: HALT | TRACE },
    }
}

fn reference_forms() -> String {
    format!("a reference is one of {}, or a table with one of {}", listed(WORDS), listed(TARGETS))
}

/// A reference to what a table names.
fn target(mut fields: Fields<'_>) -> Option<Reference> {
    let service = fields.optional("service", text).map(Reference::Service);
    let segment = fields.optional("segment", text);
    let device = fields.optional("device", text).map(Reference::Device);
    let machine = fields.optional("machine", machine_rights).map(|rights| Reference::Machine { rights });
    let vault = fields.optional("vault", number(1..=MOST_VAULT_SLOTS)).map(|slots| Reference::Vault { slots });
    let segment = segment.map(|name| {
        let rights = fields.or("rights", READ, one_of(&[("read", READ), ("read-write", READ | WRITE)]));
        Reference::Segment { name, rights }
    });
    let targets = fields.all().iter().filter(|(key, _)| TARGETS.contains(&key.value.as_str())).count();
    if targets != 1 {
        let problem = Diagnostic::new(fields.span(), "a reference is to one thing");
        fields.problems().add(problem.help([reference_forms()]));
    }
    fields.end();
    [service, segment, device, machine, vault].into_iter().flatten().next()
}

fn machine_rights(item: Item<'_>) -> Taken<u32> {
    let items = item.get_ref().as_array().ok_or_else(|| expected(item, "an array of rights"))?;
    let rights = items.iter().map(one_of(&[("halt", HALT), ("trace", TRACE)])).collect::<Taken<Vec<_>>>()?;
    Ok(rights.into_iter().fold(0, |all, right| all | right))
}
