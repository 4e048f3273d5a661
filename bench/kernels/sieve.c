// The sieve of Eratosthenes over bytes: how many primes there are below n, which is at most 4 MiB.

#include <stdint.h>
#include <string.h>

static uint8_t flags[1 << 22];

long long run(int n) {
    uint32_t count = 0;
    memset(flags, 1, (size_t)n);
    for (int32_t i = 2; i < n; i++) {
        if (!flags[i]) continue;
        count++;
        for (int32_t multiple = i << 1; multiple < n; multiple += i) flags[multiple] = 0;
    }
    return count;
}
