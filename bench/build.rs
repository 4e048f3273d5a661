//! Compiles the kernels in C, each with a name of its own for its one function.

fn main() {
    println!("cargo::rerun-if-changed=kernels");
    let files = std::fs::read_dir("kernels").expect("the kernels are there");
    for path in files.map(|file| file.expect("they can be listed").path()) {
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "c") {
            let symbol = format!("limen_bench_{name}");
            cc::Build::new().file(&path).define("run", symbol.as_str()).opt_level(2).compile(&symbol);
        }
    }
}
