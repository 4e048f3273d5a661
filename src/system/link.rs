//! From a manifest to a plan: every name is given what it stands for, and what cannot be is refused.

mod references;
mod room;

use std::collections::HashMap;

use limen_assembler::{Diagnostic, similar};
use limen_vm::EngineKind;

use super::image::DeviceSort;
use super::manifest::{At, Group, Manifest, Name, Named, Reference, Service, listed};
use super::modules::{Modules, Part};
use super::order::Waits;
use super::plan::{self, DEFAULT_ENGINE, Plan, Target};
use super::problems::Problems;
pub(crate) use room::check_room;

/// The group of services that name none.
const DEFAULT_GROUP: &str = "system";

/// Makes the plan of a system. Where there are problems it is not complete.
pub(crate) fn link(manifest: &Manifest, modules: &mut Modules<'_>, problems: &Problems) -> Plan {
    let found: Vec<Option<usize>> = manifest.services.iter().map(|service| modules.find(&service.it.module)).collect();
    let order = order(manifest, problems);
    let mut linker = Linker {
        manifest,
        names: Names::of(manifest),
        problems,
        plan: Plan { groups: groups(manifest), ..Plan::default() },
        ranks: ranks(&order),
        drivers: HashMap::new(),
    };
    linker.things();
    for index in order {
        let part = found[index].map(|found| (found, modules.get(found)));
        linker.service(&manifest.services[index], part);
    }
    linker.plan
}

/// The groups; the one of services that name none, if there are any and it is not described.
fn groups(manifest: &Manifest) -> Vec<(String, Group)> {
    let described = manifest.groups.iter().map(|group| (group.name.value.clone(), group.it.clone()));
    let mut groups: Vec<_> = described.collect();
    let is_default =
        |service: &Named<Service>| service.it.group.as_ref().is_none_or(|name| name.value == DEFAULT_GROUP);
    if manifest.services.iter().any(is_default) && groups.iter().all(|(name, _)| name != DEFAULT_GROUP) {
        groups.push((DEFAULT_GROUP.into(), Group::default()));
    }
    groups
}

/// Indices of the services in the order in which they are started.
fn order(manifest: &Manifest, problems: &Problems) -> Vec<usize> {
    let services = index(&manifest.services);
    let of_names = |names: Vec<&Name>| names.iter().filter_map(|name| services.get(&name.value).copied()).collect();
    let mut after = Vec::new();
    let mut refers = Vec::new();
    for Named { it: service, .. } in &manifest.services {
        for name in &service.after {
            problems.keep(lookup(&services, name, "service"));
        }
        after.push(of_names(service.after.iter().collect()));
        refers.push(of_names(service.references.iter().filter_map(referred).collect()));
    }
    match (Waits { after, refers }).order() {
        Ok(order) => order,
        Err(circle) => {
            problems.add(circular(manifest, &circle));
            (0..manifest.services.len()).collect()
        }
    }
}

/// The service that a reference is to.
fn referred(reference: &Named<At<Reference>>) -> Option<&Name> {
    match &reference.it.value {
        Reference::Service(name) => Some(name),
        _ => None,
    }
}

fn circular(manifest: &Manifest, circle: &[usize]) -> Diagnostic {
    let place = |from: usize, to: usize| {
        let (from, to) = (&manifest.services[from], &manifest.services[to]);
        let span =
            from.it.after.iter().find(|name| name.value == to.name.value).map_or(from.name.span, |name| name.span);
        (span, format!("`{}` is started after `{}`", from.name.value, to.name.value))
    };
    let next = |step: usize| circle[(step + 1) % circle.len()];
    let mut places = circle.iter().enumerate().map(|(step, from)| place(*from, next(step)));
    let (span, text) = places.next().unwrap_or_default();
    let problem = Diagnostic::new(span, "these services wait for each other, so that none can be started").label(text);
    places.fold(problem, |problem, (span, text)| problem.also(span, text))
}

/// Where each service comes in an order.
fn ranks(order: &[usize]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    order.iter().zip(0..).for_each(|(index, rank)| ranks[*index] = rank);
    ranks
}

/// Things of one sort by their names.
type Index = HashMap<String, usize>;

fn index<T>(things: &[Named<T>]) -> Index {
    things.iter().enumerate().map(|(index, thing)| (thing.name.value.clone(), index)).collect()
}

/// What a name stands for.
fn lookup(index: &Index, name: &Name, sort: &str) -> Result<usize, Diagnostic> {
    index.get(&name.value).copied().ok_or_else(|| {
        let mut names: Vec<&str> = index.keys().map(String::as_str).collect();
        names.sort_unstable();
        let known = if names.is_empty() { None } else { Some(format!("there are {}", listed(names.iter().copied()))) };
        let problem = Diagnostic::new(name.span, format!("there is no {sort} `{}`", name.value));
        problem.help(similar(&name.value, names).or(known))
    })
}

/// The things of a manifest by their names.
struct Names {
    services: Index,
    segments: Index,
    devices: Index,
}

impl Names {
    fn of(manifest: &Manifest) -> Self {
        Self {
            services: index(&manifest.services),
            segments: index(&manifest.segments),
            devices: index(&manifest.devices),
        }
    }
}

/// A plan in the making.
struct Linker<'a> {
    manifest: &'a Manifest,
    names: Names,
    problems: &'a Problems,
    plan: Plan,
    /// Where each service of the manifest stands in the plan.
    ranks: Vec<u32>,
    /// Who was given each device.
    drivers: HashMap<usize, &'a Name>,
}

impl<'a> Linker<'a> {
    /// What services are given besides each other.
    fn things(&mut self) {
        for Named { name, it } in &self.manifest.segments {
            self.plan.segments.push(plan::Segment { name: name.value.clone(), pages: it.pages, most: it.most });
        }
        for Named { name, it: sort } in &self.manifest.devices {
            self.problems.keep(self.check_device(name, *sort));
            self.plan.devices.push((name.value.clone(), *sort));
        }
    }

    /// The host has one terminal and one socket.
    fn check_device(&self, name: &Name, sort: DeviceSort) -> Result<(), Diagnostic> {
        let is_same = |other: &&Named<DeviceSort>| other.it == sort && other.name.span < name.span;
        match self.manifest.devices.iter().find(is_same) {
            Some(first) if sort != DeviceSort::Entropy => {
                Err(Diagnostic::new(name.span, "a machine has one device of this sort")
                    .also(first.name.span, "it is this"))
            }
            _ => Ok(()),
        }
    }

    fn service(&mut self, service: &'a Named<Service>, part: Option<(usize, &Part)>) {
        let references = self.references(service, part.map(|(_, part)| part));
        let interface = part.and_then(|(_, part)| self.interface(service, part));
        let it = &service.it;
        let engine = it.engine.or(self.manifest.system.engine);
        let number =
            |engine| EngineKind::ALL.iter().position(|known| *known == engine).map_or(DEFAULT_ENGINE, |at| at as u32);
        let group = self.problems.keep(self.group(it));
        if let Some((_, part)) = part {
            self.problems.keep(room::check_account(it, part));
        }
        self.plan.services.push(plan::Service {
            name: service.name.value.clone(),
            module: part.map_or(0, |(index, _)| index as u32),
            level: it.level,
            budget: it.budget,
            account: it.account.value,
            engine: engine.map_or(DEFAULT_ENGINE, number),
            group: group.unwrap_or_default(),
            restart: it.restart,
            deadline_ms: it.deadline_ms,
            queue: it.queue,
            heartbeat_ms: it.heartbeat_ms,
            references,
            interface,
            is_passive: it.is_passive,
        });
    }

    fn group(&self, service: &Service) -> Result<u32, Diagnostic> {
        let groups: Index = self.plan.groups.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
        match &service.group {
            Some(name) => lookup(&groups, name, "group").map(|index| index as u32),
            None => Ok(groups.get(DEFAULT_GROUP).map_or(0, |index| *index as u32)),
        }
    }

    /// The interface of a service's endpoint, if it has one.
    fn interface(&mut self, service: &Named<Service>, part: &Part) -> Option<u32> {
        let endpoint = service.it.references.iter().find(|it| matches!(it.it.value, Reference::Endpoint));
        let chosen = match (endpoint, &service.it.interface) {
            (None, None) => return None,
            (None, Some(name)) => {
                let problem = Diagnostic::new(name.span, "a service without an endpoint answers nothing");
                Err(problem.help(["give it the reference `endpoint = \"endpoint\"`"]))
            }
            (Some(endpoint), None) => only_interface(part, endpoint),
            (Some(_), Some(name)) => named_interface(part, name),
        };
        let interface = self.problems.keep(chosen)?;
        let known = self.plan.interfaces.iter().position(|known| *known == part.serves[interface]);
        let index = known.unwrap_or_else(|| {
            self.plan.interfaces.push(part.serves[interface].clone());
            self.plan.interfaces.len() - 1
        });
        Some(index as u32)
    }
}

fn only_interface(part: &Part, endpoint: &Named<At<Reference>>) -> Result<usize, Diagnostic> {
    match part.serves.len() {
        1 => Ok(0),
        0 => Err(Diagnostic::new(endpoint.it.span, "the module answers no interface, and so needs no endpoint")),
        _ => {
            let problem = Diagnostic::new(endpoint.it.span, "the module answers several interfaces");
            let names = listed(part.serves.iter().map(|interface| interface.name.as_str()));
            Err(problem.help([format!("say which it is with `interface = \"...\"`: {names}")]))
        }
    }
}

fn named_interface(part: &Part, name: &Name) -> Result<usize, Diagnostic> {
    let names: Index = part.serves.iter().enumerate().map(|(at, it)| (it.name.clone(), at)).collect();
    lookup(&names, name, "interface that the module answers, called")
}

/// What a reference means in a plan.
pub(super) type Meaning = Result<Target, Diagnostic>;
