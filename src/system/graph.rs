//! Who may talk to whom: the services of a plan and what they are given, as a graph.

mod dot;
mod reach;
mod svg;
#[cfg(test)]
mod tests;

use super::image::DeviceSort;
use super::plan::{Plan, Service, Target, WRITE};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    Service,
    Segment,
    Device,
    Init,
    Machine,
}

impl Sort {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sort::Service => "service",
            Sort::Segment => "segment",
            Sort::Device => "device",
            Sort::Init => "init",
            Sort::Machine => "machine",
        }
    }
}

/// Something that references are to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) sort: Sort,
    pub(crate) name: String,
}

impl Node {
    /// What people call it: there is one init and one machine, the others have names.
    pub(crate) fn title(&self) -> String {
        match self.sort {
            Sort::Init | Sort::Machine => self.name.clone(),
            sort => format!("{} {}", sort.name(), self.name),
        }
    }
}

/// What one may do to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Calls it.
    Calls,
    /// Reads it and writes it.
    Writes,
    /// Reads it.
    Reads,
    /// Sees what was written to it: from a segment to a service.
    IsReadBy,
    /// Drives it, as a device.
    Drives,
    /// Starts and stops it, as init does.
    Controls,
    /// Stops the machine, or sees the calls in it.
    Uses,
}

impl Does {
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Does::Calls => "calls",
            Does::Writes => "reads and writes",
            Does::Reads => "reads",
            Does::IsReadBy => "is read by",
            Does::Drives => "drives",
            Does::Controls => "starts and stops",
            Does::Uses => "uses",
        }
    }

    /// Whether what is reached like this may do something about it to others. Memory that is only read learns nothing, and a service
    /// that is started or stopped is not asked for anything.
    fn carries_on(self) -> bool {
        !matches!(self, Does::Reads | Does::Controls)
    }
}

/// One may do something to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) does: Does,
}

/// The graph. Services come first, in the order in which they are started.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// What follows from the references, each in the order of the plan.
    pub(crate) edges: Vec<Edge>,
}

impl Graph {
    pub(crate) fn of(plan: &Plan) -> Self {
        let node = |sort, name: &str| Node { sort, name: name.to_owned() };
        let mut nodes: Vec<Node> = plan.services.iter().map(|it| node(Sort::Service, &it.name)).collect();
        nodes.extend(plan.segments.iter().map(|it| node(Sort::Segment, &it.name)));
        nodes.extend(plan.devices.iter().map(|(name, _): &(String, DeviceSort)| node(Sort::Device, name)));
        nodes.extend([node(Sort::Init, "init"), node(Sort::Machine, "machine")]);
        let mut graph = Self { nodes, edges: Vec::new() };
        plan.services.iter().enumerate().for_each(|(from, service)| graph.add(plan, from, service));
        let init = graph.init(plan);
        let controlled = 0..plan.services.len();
        graph.edges.extend(controlled.map(|to| Edge { from: init, to, does: Does::Controls }));
        graph
    }

    fn init(&self, plan: &Plan) -> usize {
        plan.services.len() + plan.segments.len() + plan.devices.len()
    }

    /// What a service may do.
    fn add(&mut self, plan: &Plan, from: usize, service: &Service) {
        let (segments, init) = (plan.services.len(), self.init(plan));
        let devices = segments + plan.segments.len();
        for reference in &service.references {
            let (to, does) = match reference.target {
                Target::Service(to) => (to as usize, Does::Calls),
                Target::Segment { index, rights } => {
                    let does = if rights & WRITE != 0 { Does::Writes } else { Does::Reads };
                    self.edges.push(Edge { from: segments + index as usize, to: from, does: Does::IsReadBy });
                    (segments + index as usize, does)
                }
                Target::Device(index) => (devices + index as usize, Does::Drives),
                Target::Supervisor => (init, Does::Calls),
                Target::Machine { .. } => (init + 1, Does::Uses),
                Target::Account | Target::Endpoint | Target::Notification | Target::Vault { .. } | Target::Plan => {
                    continue;
                }
            };
            self.edges.push(Edge { from, to, does });
        }
    }

    /// The edges that are drawn: what is given to whom. That init controls all and that what is written can be read goes without
    /// saying.
    fn drawn(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| !matches!(edge.does, Does::Controls | Does::IsReadBy))
    }

    /// Whether a node is drawn: services are, and whatever is given to one.
    fn is_drawn(&self, node: usize) -> bool {
        self.nodes[node].sort == Sort::Service || self.drawn().any(|edge| edge.to == node)
    }
}
