// Fibonacci numbers by recursion: calls and returns.

#include <stdint.h>

// Not inlined into itself: the calls are what is measured.
__attribute__((noinline)) static int32_t fib(int32_t n) {
    if (n < 2) return n;
    return fib(n - 1) + fib(n - 2);
}

long long run(int n) {
    return (uint32_t)fib(n);
}
