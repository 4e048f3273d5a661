//! The results of a comparison as a picture.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

const SIZE: (u32, u32) = (1100, 520);

/// Draws Limen's times over those of its peers: a group of bars for each kernel, a colour for each peer. The line at 1 is
/// where both are equally fast; below it Limen is faster.
pub fn draw(file: &Path, kernels: &[&str], peers: &[&str], ratios: &[Vec<f64>]) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let all = || ratios.iter().flatten().copied();
    let (least, most) = (all().fold(0.5, f64::min) * 0.9, all().fold(2.0, f64::max) * 1.1);
    let mut chart = ChartBuilder::on(&root)
        .caption("Time of Limen's compiled code over that of others", ("sans-serif", 20))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(45)
        .build_cartesian_2d(0.0..kernels.len() as f64, (least..most).log_scale())?;
    let name = |x: &f64| kernels.get(*x as usize).copied().unwrap_or_default().to_owned();
    chart.configure_mesh().disable_x_mesh().x_labels(kernels.len() + 1).x_label_formatter(&name).draw()?;
    let width = 0.8 / peers.len() as f64;
    for (peer, label) in peers.iter().enumerate() {
        let colour = Palette99::pick(peer).to_rgba();
        let bar = |(kernel, ratios): (usize, &Vec<f64>)| {
            let left = kernel as f64 + 0.1 + peer as f64 * width;
            Rectangle::new([(left, 1.0), (left + width, ratios[peer])], colour.filled())
        };
        chart
            .draw_series(ratios.iter().enumerate().map(bar))?
            .label(*label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
    }
    chart.draw_series([PathElement::new(vec![(0.0, 1.0), (kernels.len() as f64, 1.0)], BLACK)])?;
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}
