//! Whether one can reach another, and how.
//!
//! One reaches what it may call, write, read or drive, and whatever those that it calls may do so with, since they may do it for it; and
//! who reads what it may write, since it may be asked for something there. Answers do not count: who is called can only answer.

use std::collections::VecDeque;

use limen_assembler::similar;

use super::{Edge, Graph, Sort};
use crate::failure::Failure;

/// What is said about a question.
pub(crate) struct Answer {
    pub(crate) can: bool,
    /// The path, or all that can be reached.
    pub(crate) text: String,
}

/// How each node was reached first: `None` if it was not.
struct Reached {
    /// The last step to it.
    by: Vec<Option<Edge>>,
    /// The nodes in the order in which they were reached, without the first.
    order: Vec<usize>,
}

impl Graph {
    /// Answers whether `from` can reach `to`, which are names, or sorts and names as in `device.console`.
    pub(crate) fn can_reach(&self, from: &str, to: &str) -> Result<Answer, Failure> {
        let start = self.node(from, &[Sort::Service, Sort::Init])?;
        let goal = self.node(to, &[Sort::Service, Sort::Segment, Sort::Device, Sort::Init, Sort::Machine])?;
        let reached = self.reached(start);
        Ok(match reached.by[goal] {
            _ if start == goal => Answer { can: true, text: "yes: they are the same\n".into() },
            Some(_) => Answer { can: true, text: self.path(&reached, start, goal) },
            None => Answer { can: false, text: self.considered(&reached, start, goal) },
        })
    }

    fn node(&self, name: &str, sorts: &[Sort]) -> Result<usize, Failure> {
        let (sort, plain) = name.split_once('.').map_or((None, name), |(sort, plain)| (Some(sort), plain));
        let nodes = || self.nodes.iter().enumerate().filter(|(_, node)| sorts.contains(&node.sort));
        let found: Vec<usize> = nodes()
            .filter(|(_, node)| node.name == plain && sort.is_none_or(|sort| sort == node.sort.name()))
            .map(|(index, _)| index)
            .collect();
        match found.as_slice() {
            [index] => Ok(*index),
            [] => Err(self.unknown(name, nodes().map(|(index, _)| index))),
            several => Err(self.ambiguous(name, several)),
        }
    }
    fn unknown(&self, name: &str, among: impl Iterator<Item = usize>) -> Failure {
        let names: Vec<&str> = among.map(|index| self.nodes[index].name.as_str()).collect();
        let near = similar(name, names.iter().copied()).unwrap_or_else(|| format!("there are {}", names.join(", ")));
        Failure::new(format_args!("--can: there is no `{name}` that could be meant here; {near}"))
    }

    fn ambiguous(&self, name: &str, several: &[usize]) -> Failure {
        let full =
            several.iter().map(|index| format!("{}.{}", self.nodes[*index].sort.name(), self.nodes[*index].name));
        Failure::new(format_args!("--can: `{name}` can be several: say {}", full.collect::<Vec<_>>().join(" or ")))
    }

    /// Everything that can be reached, nearest first.
    fn reached(&self, start: usize) -> Reached {
        let mut reached = Reached { by: vec![None; self.nodes.len()], order: Vec::new() };
        let mut acts = vec![false; self.nodes.len()];
        let mut open = VecDeque::from([start]);
        acts[start] = true;
        while let Some(from) = open.pop_front() {
            for edge in self.edges.iter().filter(|edge| edge.from == from && edge.to != start) {
                if reached.by[edge.to].is_none() {
                    reached.by[edge.to] = Some(*edge);
                    reached.order.push(edge.to);
                }
                if edge.does.carries_on() && !acts[edge.to] {
                    acts[edge.to] = true;
                    reached.by[edge.to] = Some(*edge);
                    open.push_back(edge.to);
                }
            }
        }
        reached
    }

    fn path(&self, reached: &Reached, start: usize, goal: usize) -> String {
        let steps =
            std::iter::successors(reached.by[goal], |step| reached.by[step.from].filter(|_| step.from != start));
        let mut lines: Vec<String> = steps.map(|step| self.line(&step)).collect();
        lines.reverse();
        format!("yes\n{}", lines.concat())
    }

    fn considered(&self, reached: &Reached, start: usize, goal: usize) -> String {
        let lines = reached.order.iter().filter_map(|index| reached.by[*index]).map(|step| self.line(&step));
        let lines: String = lines.collect();
        let (start, goal) = (self.nodes[start].title(), self.nodes[goal].title());
        if lines.is_empty() {
            return format!("no: {start} is given nothing that leads anywhere\n");
        }
        format!("no: what {start} reaches is this, and {goal} is not among it\n{lines}")
    }

    fn line(&self, step: &Edge) -> String {
        let [from, to] = [step.from, step.to].map(|index| self.nodes[index].title());
        format!("  {from} {} {to}\n", step.does.verb())
    }
}
