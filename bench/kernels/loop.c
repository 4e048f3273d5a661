// A counting loop with a short chain of arithmetic.

#include <stdint.h>

long long run(int n) {
    uint64_t sum = 0;
    int32_t i = 0;
    do sum = (sum + (uint32_t)i) ^ 85;
    while (++i < n);
    return (long long)sum;
}
