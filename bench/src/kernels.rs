//! The algorithms, written by hand with equal care for both machines.

/// One algorithm. Both texts export `run(n: i32) -> i64`, which gives a checksum.
pub struct Kernel {
    pub name: &'static str,
    /// In the instruction notation.
    pub lim: &'static str,
    /// As WebAssembly text.
    pub wat: &'static str,
    /// How much work is measured.
    pub n: i32,
    /// About a tenth of that work.
    pub quick: i32,
}

macro_rules! kernels {
    ($($name:literal $n:literal $quick:literal;)*) => {
        pub static ALL: &[Kernel] = &[$(Kernel {
            name: $name,
            lim: include_str!(concat!("../kernels/", $name, ".lim")),
            wat: include_str!(concat!("../kernels/", $name, ".wat")),
            n: $n,
            quick: $quick,
        }),*];
    };
}

kernels! {
    "fib" 30 25;
    "calls" 4_000_000 400_000;
    "loop" 10_000_000 1_000_000;
    "sieve" 3_000_000 300_000;
    "matmul" 160 70;
    "nbody" 50_000 5_000;
    "sha256" 10_000 1_000;
    "mandelbrot" 300 100;
    "crc32" 5_000_000 500_000;
    "dispatch" 400_000 40_000;
    "sort" 200_000 20_000;
    "indirect" 3_000_000 300_000;
    "copies" 300 30;
}
