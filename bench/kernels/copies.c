// Copies of 16, 256, 4,096 and 65,536 bytes, as many bytes of each size, and 4,095 bytes one at a time; n times.

#include <stdint.h>
#include <string.h>

enum { SIZE = 1 << 16 };

static uint64_t words[2 * SIZE / 8];
static uint8_t *const bytes = (uint8_t *)words;

// Moves SIZE bytes one further in pieces, the last first, as one must where they overlap.
static void copy_pieces(uint32_t piece) {
    for (uint32_t at = SIZE; at != 0;) {
        at -= piece;
        memmove(bytes + at + 1, bytes + at, piece);
    }
}

// The target is volatile, so that this stays a loop and does not become a call of `memcpy`.
static void copy_bytes(void) {
    volatile uint8_t *to = bytes + SIZE;
    for (uint32_t at = 0; at < 4095; at++) to[at] = bytes[at];
}

static void fill(void) {
    uint32_t value = 0;
    for (uint32_t at = 0; at < 2 * SIZE; at += 4, value += 0x9e3779b9) memcpy(bytes + at, &value, sizeof value);
}

static uint64_t checksum(void) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 2 * SIZE / 8; i++) sum = (sum << 1 | sum >> 63) + words[i];
    return sum;
}

long long run(int n) {
    fill();
    do {
        copy_pieces(16);
        copy_pieces(256);
        copy_pieces(4096);
        copy_pieces(SIZE);
        copy_bytes();
    } while (--n != 0);
    return (long long)checksum();
}
