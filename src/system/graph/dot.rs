//! The graph in the language of Graphviz.

use std::fmt::Write as _;

use super::{Does, Graph, Node, Sort};

impl Graph {
    /// The graph for `dot`.
    pub(crate) fn dot(&self) -> String {
        let mut text =
            String::from("digraph system {\n    node [fontname=\"sans-serif\"]\n    edge [fontname=\"sans-serif\"]\n");
        for (index, node) in self.nodes.iter().enumerate().filter(|(index, _)| self.is_drawn(*index)) {
            // Names are letters, digits, `-` and `_`, so that nothing in them needs quoting.
            _ = writeln!(text, "    n{index} [label=\"{}\", {}]", node.name, looks(node));
        }
        for edge in self.drawn() {
            _ = writeln!(text, "    n{} -> n{} [{}]", edge.from, edge.to, style(edge.does));
        }
        text.push_str("}\n");
        text
    }
}

fn looks(node: &Node) -> &'static str {
    match node.sort {
        Sort::Service => "shape=box, style=rounded",
        Sort::Segment => "shape=cylinder",
        Sort::Device => "shape=box3d",
        Sort::Init | Sort::Machine => "shape=box, style=\"filled\", fillcolor=lightgrey",
    }
}

fn style(does: Does) -> String {
    match does {
        Does::Calls => String::new(),
        Does::Reads => format!("label=\"{}\", style=dashed", does.verb()),
        _ => format!("label=\"{}\"", does.verb()),
    }
}
