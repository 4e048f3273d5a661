//! Assembles the routines that translated modules call.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use limen_assembler::{Options, assemble_file};

fn main() -> Result<(), Box<dyn Error>> {
    let source = "src/routines.lim";
    println!("cargo::rerun-if-changed={source}");
    let assembled =
        assemble_file(source.as_ref(), Options { strip: true, ..Options::default() }).map_err(|errors| {
            eprintln!("{errors}");
            format!("{source} does not assemble")
        })?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("routines.limo"), assembled.bytes)?;
    Ok(())
}
