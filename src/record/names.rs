//! The names of services and methods, out of the plan in an image.

use crate::system::plan::Tables;

/// What the labels of domains and endpoints and the numbers of methods stand for.
pub(crate) struct Names {
    /// Init comes last.
    services: Vec<Service>,
}

struct Service {
    name: String,
    methods: Vec<(u32, String)>,
}

/// The label of the first domain.
const FIRST: u32 = u32::MAX;

impl Names {
    /// Those of a plan; what is not as it should be has no name.
    pub(crate) fn of(plan: &[u8]) -> Self {
        let tables = Tables::of(plan);
        let init = ("init".to_owned(), tables.interface("Supervisor"));
        let all = tables.services().into_iter().chain([init]);
        Self { services: all.map(|(name, methods)| Service { name, methods }).collect() }
    }

    /// The number of whose label this is: init's comes behind those of the services.
    pub(crate) fn number(&self, label: u32) -> u32 {
        if label == FIRST { self.services.len() as u32 - 1 } else { label }
    }

    /// The name of whose number this is. Others than services and init label what they make as they like.
    pub(crate) fn domain(&self, number: u32) -> String {
        match self.services.get(number as usize) {
            Some(service) => service.name.clone(),
            None => format!("#{number}"),
        }
    }

    /// What is called by such a call, as JSON has it.
    pub(crate) fn called(&self, endpoint: u32, method: u32) -> String {
        let service = self.number(endpoint);
        serde_json::Value::from(format!("{}.{}", self.domain(service), self.method(service, method))).to_string()
    }

    /// The name of a method of a service.
    fn method(&self, service: u32, method: u32) -> String {
        let methods = self.services.get(service as usize).map_or(&[][..], |service| &service.methods);
        let known = methods.iter().find(|(number, _)| *number == method);
        known.map_or_else(|| method.to_string(), |(_, name)| name.clone())
    }
}
