//! The results of a comparison as a picture.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

const SIZE: (u32, u32) = (1100, 560);

/// Height of what stands above the bars: the caption, and what the colours mean.
const HEAD: u32 = 66;

/// From the beginning of one explanation of a colour to that of the next.
const EXPLANATION: i32 = 180;

/// Draws Limen's times over those of its peers: a group of bars for each kernel, a colour for each peer. The line at 1 is
/// where both are equally fast; below it Limen is faster.
pub fn draw(file: &Path, kernels: &[&str], peers: &[&str], ratios: &[Vec<f64>]) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    explain(&head, peers)?;
    let all = || ratios.iter().flatten().copied();
    let (least, most) = (all().fold(0.5, f64::min) * 0.9, all().fold(2.0, f64::max) * 1.1);
    // The middle of a group is at the number of its kernel, where the label stands.
    let across = -0.5..kernels.len() as f64 - 0.5;
    let mut chart = ChartBuilder::on(&body)
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(45)
        .build_cartesian_2d(across.clone(), (least..most).log_scale())?;
    let name = |x: &f64| kernels.get(x.round() as usize).copied().unwrap_or_default().to_owned();
    chart.configure_mesh().disable_x_mesh().x_labels(kernels.len() + 1).x_label_formatter(&name).draw()?;
    let width = 0.8 / peers.len() as f64;
    for peer in 0..peers.len() {
        let bar = |(kernel, ratios): (usize, &Vec<f64>)| {
            let left = kernel as f64 - 0.4 + peer as f64 * width;
            Rectangle::new([(left, 1.0), (left + width, ratios[peer])], colour(peer).filled())
        };
        chart.draw_series(ratios.iter().enumerate().map(bar))?;
    }
    chart.draw_series([PathElement::new(vec![(across.start, 1.0), (across.end, 1.0)], BLACK)])?;
    root.present()?;
    Ok(())
}

/// The caption, and a peer behind each colour.
fn explain<B: DrawingBackend>(head: &DrawingArea<B, Shift>, peers: &[&str]) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    head.draw(&Text::new("Time of Limen's compiled code over that of others", (55, 12), ("sans-serif", 20)))?;
    for (peer, label) in peers.iter().enumerate() {
        let left = 55 + peer as i32 * EXPLANATION;
        head.draw(&Rectangle::new([(left, 46), (left + 12, 58)], colour(peer).filled()))?;
        head.draw(&Text::new(*label, (left + 18, 45), ("sans-serif", 14)))?;
    }
    Ok(())
}

fn colour(peer: usize) -> RGBAColor {
    Palette99::pick(peer).to_rgba()
}
