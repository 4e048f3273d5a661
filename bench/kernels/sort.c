// Heapsort of n pseudo-random numbers; n is at most 262,144.

#include <stdint.h>

static int32_t numbers[1 << 18];

// Numbers of a linear congruential generator.
static void fill(uint32_t n) {
    uint32_t value = 12345;
    for (uint32_t i = 0; i < n; i++) {
        value = value * 1664525 + 1013904223;
        numbers[i] = (int32_t)value;
    }
}

// Moves the number at `root` down to where none below it, before `n`, is greater.
static void sift_down(uint32_t root, uint32_t n) {
    int32_t value = numbers[root];
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        int32_t greatest = numbers[child];
        if (child + 1 < n && numbers[child + 1] > greatest) greatest = numbers[++child];
        if (greatest <= value) break;
        numbers[root] = greatest;
    }
    numbers[root] = value;
}

static void sort(uint32_t n) {
    for (uint32_t root = n >> 1; root-- != 0;) sift_down(root, n);
    while (--n != 0) {
        int32_t first = numbers[0];
        numbers[0] = numbers[n];
        numbers[n] = first;
        sift_down(0, n);
    }
}

// Depends on the place of every number.
static uint64_t checksum(uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) sum = (sum << 1 | sum >> 63) + (uint64_t)(int64_t)numbers[i];
    return sum;
}

long long run(int n) {
    fill((uint32_t)n);
    sort((uint32_t)n);
    return (long long)checksum((uint32_t)n);
}
