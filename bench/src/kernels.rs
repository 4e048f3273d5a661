//! The algorithms, written by hand with equal care for each machine.

/// One algorithm. All forms of it have a function `run(n: i32) -> i64`, which gives a checksum.
pub struct Kernel {
    pub name: &'static str,
    /// In the instruction notation.
    pub lim: &'static str,
    /// As WebAssembly text.
    pub wat: &'static str,
    /// Compiled from C with -O2.
    pub native: unsafe extern "C" fn(i32) -> i64,
    /// How much work is measured.
    pub n: i32,
    /// About a tenth of that work.
    pub quick: i32,
}

macro_rules! kernels {
    ($($name:literal $native:ident $n:literal $quick:literal;)*) => {
        unsafe extern "C" {
            $(fn $native(n: i32) -> i64;)*
        }
        pub static ALL: &[Kernel] = &[$(Kernel {
            name: $name,
            lim: include_str!(concat!("../kernels/", $name, ".lim")),
            wat: include_str!(concat!("../kernels/", $name, ".wat")),
            native: $native,
            n: $n,
            quick: $quick,
        }),*];
    };
}

kernels! {
    "fib" limen_bench_fib 30 25;
    "calls" limen_bench_calls 4_000_000 400_000;
    "loop" limen_bench_loop 10_000_000 1_000_000;
    "sieve" limen_bench_sieve 3_000_000 300_000;
    "matmul" limen_bench_matmul 160 70;
    "nbody" limen_bench_nbody 50_000 5_000;
    "sha256" limen_bench_sha256 10_000 1_000;
    "mandelbrot" limen_bench_mandelbrot 300 100;
    "crc32" limen_bench_crc32 5_000_000 500_000;
    "dispatch" limen_bench_dispatch 400_000 40_000;
    "sort" limen_bench_sort 200_000 20_000;
    "indirect" limen_bench_indirect 3_000_000 300_000;
    "copies" limen_bench_copies 300 30;
}
