//! The algorithms, written by hand with equal care for both machines.

/// One algorithm. Both texts export `run(n: i32) -> i64`, which gives a checksum.
pub struct Kernel {
    pub name: &'static str,
    pub lim: &'static str,
    pub wat: &'static str,
    pub n: i32,
    /// Whether the work is proportional to `n`.
    pub scales: bool,
}

macro_rules! kernels {
    ($($name:literal $n:literal $scales:literal;)*) => {
        pub static ALL: &[Kernel] = &[$(Kernel {
            name: $name,
            lim: include_str!(concat!("../kernels/", $name, ".lim")),
            wat: include_str!(concat!("../kernels/", $name, ".wat")),
            n: $n,
            scales: $scales,
        }),*];
    };
}

kernels! {
    "fib" 30 false;
    "calls" 5_000_000 true;
    "loop" 10_000_000 true;
    "sieve" 2_000_000 true;
    "matmul" 120 false;
    "nbody" 20_000 true;
    "sha256" 5_000 true;
    "mandelbrot" 150 false;
    "crc32" 3_000_000 true;
    "dispatch" 500_000 true;
    "sort" 200_000 true;
    "indirect" 3_000_000 true;
    "copies" 300 true;
}
