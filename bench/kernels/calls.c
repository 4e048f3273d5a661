// A loop that calls a small function.

#include <stdint.h>

// Not inlined: the calls are what is measured.
__attribute__((noinline)) static int64_t add(int64_t sum, int32_t i) {
    return sum + (uint32_t)i;
}

long long run(int n) {
    int64_t sum = 0;
    int32_t i = 0;
    do sum = add(sum, i);
    while (++i < n);
    return sum;
}
