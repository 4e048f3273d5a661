//! The graph as a picture.

use layout::backends::svg::SVGWriter;
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::geometry::Point;
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;

use super::{Does, Edge, Graph, Node, Sort};

/// Size of the letters. There is one, so that the picture's styles have one order.
const FONT: usize = 15;

/// How wide a letter is at most, and how high a node.
const LETTER: f64 = 9.0;
const HEIGHT: f64 = 36.0;

const BLACK: u32 = 0x0000_00ff;

impl Graph {
    /// The graph as SVG.
    pub(crate) fn svg(&self) -> String {
        let mut picture = VisualGraph::new(Orientation::TopToBottom);
        let place = |(index, node)| self.is_drawn(index).then(|| picture.add_node(element(node)));
        let places: Vec<_> = self.nodes.iter().enumerate().map(place).collect();
        for edge in self.drawn() {
            if let (Some(from), Some(to)) = (places[edge.from], places[edge.to]) {
                picture.add_edge(arrow(edge), from, to);
            }
        }
        let mut writer = SVGWriter::new();
        if places.iter().any(Option::is_some) {
            picture.do_it(false, false, false, &mut writer);
        }
        writer.finalize()
    }
}

fn element(node: &Node) -> Element {
    let (fill, rounded) = match node.sort {
        Sort::Service => (0xffff_ffff, 8),
        Sort::Segment => (0xfff3_d6ff, 0),
        Sort::Device => (0xdcec_ffff, 0),
        Sort::Init | Sort::Machine => (0xe4e4_e4ff, 0),
    };
    let label = match node.sort {
        Sort::Service => node.name.clone(),
        _ => node.title(),
    };
    let look = StyleAttr::new(Color::new(BLACK), 1, Some(Color::new(fill)), rounded, FONT);
    let size = Point::new((label.len() as f64 + 2.0) * LETTER, HEIGHT);
    Element::create(ShapeKind::new_box(&label), look, Orientation::TopToBottom, size)
}

fn arrow(edge: &Edge) -> Arrow {
    let look = StyleAttr::new(Color::new(BLACK), 1, None, 0, FONT);
    let (label, line) = match edge.does {
        Does::Calls => ("", LineStyleKind::Normal),
        Does::Reads => (edge.does.verb(), LineStyleKind::Dashed),
        does => (does.verb(), LineStyleKind::Normal),
    };
    Arrow::new(LineEndKind::None, LineEndKind::Arrow, line, label, &look, &None, &None)
}
