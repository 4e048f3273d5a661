// CRC-32 of n bytes with a table, a byte at a time; the bytes are those of a buffer of 64 KiB, again and again.

#include <stdint.h>

enum { SIZE = 1 << 16 };

static uint32_t buffer[SIZE / 4], table[256];

static void make_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bits = 8; bits != 0; bits--) sum = (sum >> 1) ^ (-(sum & 1) & 0xedb88320);
        table[byte] = sum;
    }
}

static void fill_buffer(void) {
    for (uint32_t i = 0; i < SIZE / 4; i++) buffer[i] = i * 0x9e3779b9;
}

static uint32_t add_bytes(uint32_t sum, const uint8_t *at, uint32_t n) {
    for (const uint8_t *end = at + n; at < end; at++) sum = table[(*at ^ sum) & 255] ^ (sum >> 8);
    return sum;
}

long long run(int n) {
    uint32_t sum = -1, rest = (uint32_t)n;
    make_table();
    fill_buffer();
    while (rest != 0) {
        uint32_t piece = rest < SIZE ? rest : SIZE;
        sum = add_bytes(sum, (const uint8_t *)buffer, piece);
        rest -= piece;
    }
    return ~sum;
}
