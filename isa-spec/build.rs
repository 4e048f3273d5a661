//! Prints the instruction table into Rust.

use std::path::PathBuf;
use std::{env, fs};

use limen_isa_table::{check, instructions, print};

fn main() {
    if let Err(defects) = check(&instructions::all()) {
        panic!("the instruction table is wrong:\n{defects}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("instructions.rs"), print::rust::print(&instructions::chapters())).expect("OUT_DIR is writable");
    println!("cargo::rerun-if-changed=build.rs");
}
