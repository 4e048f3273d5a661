//! In which order services are started.

use std::collections::HashSet;

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

/// Services by their index, and whom they wait for.
pub(crate) struct Waits {
    /// Those that a service is started after, whatever happens.
    pub(crate) after: Vec<Vec<usize>>,
    /// Those that it refers to: they are started first unless that leads back to it.
    pub(crate) refers: Vec<Vec<usize>>,
}

impl Waits {
    /// All services, in the order in which they are started.
    ///
    /// # Errors
    ///
    /// Services that wait for each other in a circle.
    pub(crate) fn order(&self) -> Result<Vec<usize>, Vec<usize>> {
        if let Some(circle) = self.circle() {
            return Err(circle);
        }
        let edges = self.after.iter().zip(&self.refers).map(|(after, refers)| [after.as_slice(), refers].concat());
        let groups = tarjan_scc(&graph(&edges.collect::<Vec<_>>()));
        Ok(groups.into_iter().flat_map(|group| self.order_within(&group)).collect())
    }

    /// Services that refer to each other in a circle: only what they say themselves about their order counts.
    fn order_within(&self, group: &[NodeIndex]) -> Vec<usize> {
        let members: HashSet<usize> = group.iter().map(|node| node.index()).collect();
        let within = |index: usize| self.after[index].iter().copied().filter(|after| members.contains(after)).collect();
        let kept: Vec<Vec<usize>> = (0..self.after.len())
            .map(|index| if members.contains(&index) { within(index) } else { Vec::new() })
            .collect();
        let sorted = toposort(&graph(&kept), None).unwrap_or_default();
        sorted.into_iter().rev().map(NodeIndex::index).filter(|index| members.contains(index)).collect()
    }

    /// Some services of which each is started after the next, and the last after the first.
    fn circle(&self) -> Option<Vec<usize>> {
        let groups = tarjan_scc(&graph(&self.after));
        let is_circle =
            |group: &Vec<NodeIndex>| group.len() > 1 || self.after[group[0].index()].contains(&group[0].index());
        let group = groups.into_iter().find(is_circle)?;
        let members: HashSet<usize> = group.iter().map(|node| node.index()).collect();
        Some(self.walk(&members))
    }

    /// Goes from service to service until one comes again: what lies between is a circle.
    fn walk(&self, members: &HashSet<usize>) -> Vec<usize> {
        let mut path: Vec<usize> = members.iter().copied().min().into_iter().collect();
        loop {
            let next = path.last().and_then(|last| self.after[*last].iter().find(|after| members.contains(after)));
            let Some(next) = next.copied() else { return path };
            if let Some(begin) = path.iter().position(|index| *index == next) {
                return path.split_off(begin);
            }
            path.push(next);
        }
    }
}

/// A graph whose edges lead from a service to those that it waits for.
fn graph(edges: &[Vec<usize>]) -> DiGraph<(), ()> {
    let mut graph = DiGraph::new();
    edges.iter().for_each(|_| _ = graph.add_node(()));
    for (from, targets) in edges.iter().enumerate() {
        targets.iter().for_each(|to| _ = graph.add_edge(NodeIndex::new(from), NodeIndex::new(*to), ()));
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(after: &[&[usize]], refers: &[&[usize]]) -> Waits {
        let owned = |lists: &[&[usize]]| lists.iter().map(|list| list.to_vec()).collect();
        Waits { after: owned(after), refers: owned(refers) }
    }

    #[test]
    fn whom_a_service_waits_for_is_started_first() {
        let order = waits(&[&[1], &[], &[0], &[]], &[&[3], &[3], &[], &[]]).order();
        assert_eq!(order, Ok(vec![3, 1, 0, 2]));
    }

    #[test]
    fn references_in_a_circle_do_not_matter() {
        let order = waits(&[&[], &[0], &[]], &[&[1], &[], &[0]]).order();
        assert_eq!(order, Ok(vec![0, 1, 2]));
    }

    #[test]
    fn services_that_wait_for_each_other_are_named() {
        assert_eq!(waits(&[&[2], &[2], &[1]], &[&[], &[], &[]]).order(), Err(vec![1, 2]));
        assert_eq!(waits(&[&[], &[1]], &[&[], &[]]).order(), Err(vec![1]));
    }
}
