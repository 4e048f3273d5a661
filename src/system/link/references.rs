//! What a service is given, compared with what its module takes.

use std::collections::HashMap;

use limen_assembler::{Diagnostic, Span, similar};

use super::{Linker, Meaning, lookup};
use crate::system::manifest::{At, Name, Named, Reference, Service, listed};
use crate::system::modules::{Part, Place};
use crate::system::plan::{self, Target};

impl<'a> Linker<'a> {
    /// The references of a service, in the order of the manifest.
    pub(super) fn references(&mut self, service: &'a Named<Service>, part: Option<&Part>) -> Vec<plan::Reference> {
        let mut given = Vec::new();
        for reference in &service.it.references {
            let meaning = self.meaning(service, &reference.it);
            let target = self.problems.keep(meaning);
            let slot = part.and_then(|part| self.problems.keep(slot(part, &reference.name)));
            if let (Some(target), Some(slot)) = (target, slot) {
                given.push(plan::Reference { slot, target });
            }
        }
        if let Some(part) = part {
            self.check_places(service, part);
        }
        given
    }

    /// That the module gets all that it takes, each in a slot of its own.
    fn check_places(&self, service: &Named<Service>, part: &Part) {
        let is_given = |place: &&Place| service.it.references.iter().any(|it| it.name.value == place.name);
        let missing: Vec<_> = part
            .places
            .iter()
            .filter(|place| !place.is_optional && !is_given(place))
            .map(|it| it.name.as_str())
            .collect();
        if !missing.is_empty() {
            let text = format!("the module of `{}` takes references that it is not given", service.name.value);
            self.problems.add(Diagnostic::new(service.name.span, text).note(format!("it lacks {}", listed(missing))));
        }
        let mut taken: HashMap<i64, &Place> = HashMap::new();
        for place in part.places.iter().filter(is_given) {
            if let Some(other) = taken.insert(place.slot, place) {
                let text = format!("the module takes `{}` and `{}` in the same slot", other.name, place.name);
                self.problems.add(Diagnostic::new(service.it.module.span, text));
            }
        }
    }

    fn meaning(&mut self, service: &'a Named<Service>, reference: &'a At<Reference>) -> Meaning {
        Ok(match &reference.value {
            Reference::Account => Target::Account,
            Reference::Endpoint => Target::Endpoint,
            Reference::Notification => Target::Notification,
            Reference::Supervisor => Target::Supervisor,
            Reference::Plan => Target::Plan,
            Reference::Machine { rights } => Target::Machine { rights: *rights },
            Reference::Vault { slots } => Target::Vault { slots: *slots },
            Reference::Segment { name, rights } => {
                Target::Segment { index: lookup(&self.names.segments, name, "segment")? as u32, rights: *rights }
            }
            Reference::Device(name) => self.device(service, name)?,
            Reference::Service(name) => self.called(service, name)?,
        })
    }

    /// A device has one driver.
    fn device(&mut self, service: &'a Named<Service>, name: &'a Name) -> Meaning {
        let index = lookup(&self.names.devices, name, "device")?;
        if let Some(first) = self.drivers.insert(index, name) {
            let text = format!("the device `{}` is given to a second driver, `{}`", name.value, service.name.value);
            return Err(Diagnostic::new(name.span, text).also(first.span, "it was given away here"));
        }
        Ok(Target::Device(index as u32))
    }

    /// The endpoint of another service.
    fn called(&self, service: &Named<Service>, name: &Name) -> Meaning {
        let index = lookup(&self.names.services, name, "service")?;
        let called = &self.manifest.services[index];
        if std::ptr::eq(called, service) {
            return Err(Diagnostic::new(name.span, "a service that calls itself waits for itself")
                .help(["its own endpoint, to receive from, is `\"endpoint\"`"]));
        }
        if !called.it.references.iter().any(|it| matches!(it.it.value, Reference::Endpoint)) {
            let text = format!("`{}` cannot be called: it has no endpoint", name.value);
            return Err(Diagnostic::new(name.span, text).also(called.name.span, "this service takes no calls"));
        }
        Ok(Target::Service(self.ranks[index]))
    }
}

/// Where a module finds a reference.
fn slot(part: &Part, name: &Name) -> Result<u32, Diagnostic> {
    let Some(place) = part.places.iter().find(|place| place.name == name.value) else {
        return Err(no_place(part, name));
    };
    let slots = part.module.home.slots;
    let slot = u32::try_from(place.slot).ok().filter(|slot| *slot < slots);
    slot.ok_or_else(|| beyond(name.span, place, slots))
}

fn no_place(part: &Part, name: &Name) -> Diagnostic {
    let names = || part.places.iter().map(|place| place.name.as_str());
    let known = match part.places.as_slice() {
        [] => "the module takes no references: it exports no number `slot_...`".to_owned(),
        _ => format!("the module takes {}", listed(names())),
    };
    let problem = Diagnostic::new(name.span, format!("the module has no slot for a reference `{}`", name.value));
    problem.note(known).help(similar(&name.value, names()))
}

fn beyond(span: Span, place: &Place, slots: u32) -> Diagnostic {
    let text = format!("the module takes this in slot {}, and has {slots} slots", place.slot);
    Diagnostic::new(span, text)
}
