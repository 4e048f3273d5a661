// A loop of calls through a table of four functions.

#include <stdint.h>

static uint64_t increment(uint64_t value) {
    return value + 1;
}

static uint64_t triple(uint64_t value) {
    return value * 3;
}

static uint64_t halve(uint64_t value) {
    return value >> 1;
}

static uint64_t scramble(uint64_t value) {
    return value << 13 | value >> 51;
}

static uint64_t (*const steps[])(uint64_t) = {increment, triple, halve, scramble};

long long run(int n) {
    uint64_t value = 0;
    int32_t i = 0;
    do value = steps[i & 3](value);
    while (++i < n);
    return (long long)value;
}
