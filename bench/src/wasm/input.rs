//! What programs are given to do, in so many tenths of a measurement.

use std::path::Path;

/// The reference, so many times.
pub fn text(tenths: u32, _: &Path) -> Vec<u8> {
    include_bytes!("../../../isa-spec/REFERENCE.md").repeat(tenths as usize * 2)
}

/// A piece of music, so many times.
pub fn sound(tenths: u32, folder: &Path) -> Vec<u8> {
    let once = std::fs::read(folder.join("sound.mp3")).unwrap_or_else(|error| panic!("sound.mp3: {error}"));
    once.repeat(tenths as usize * 2)
}

/// How often CoreMark does its work.
pub fn iterations(tenths: u32, _: &Path) -> Vec<u8> {
    (tenths * 100).to_string().into()
}

pub fn lua(tenths: u32, _: &Path) -> Vec<u8> {
    format!("local tenths = {tenths}\n{}", include_str!("../../programs/work.lua")).into()
}

pub fn javascript(tenths: u32, _: &Path) -> Vec<u8> {
    format!("const tenths = {tenths};\n{}", include_str!("../../programs/work.js")).into()
}

pub fn sql(tenths: u32, _: &Path) -> Vec<u8> {
    include_str!("../../programs/work.sql").replace("$rows", &(tenths * 2000).to_string()).into()
}
