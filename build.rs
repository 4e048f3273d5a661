//! Has the command linked so that it lies at a fixed address.
//!
//! Tables of names, functions and texts have tens of thousands of addresses in them. Where the command could lie anywhere, each of
//! its starts would begin with writing all of these.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // Elsewhere linkers say it otherwise, or cannot do it.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
