// An interpreter inside the interpreter: a small register machine, whose program goes through a loop n times.
//
// An instruction of the guest is four bytes: operation, target register, and two source registers. A branch looks at
// its target, and its last two bytes are the distance from the next instruction, in bytes.

#include <stdint.h>
#include <string.h>

enum { ADD, SUBTRACT, MULTIPLY, XOR, SHIFT_RIGHT, BRANCH_NOT_ZERO, HALT };
enum { COUNT, STATE, SUM, MIXED, FACTOR, INCREMENT, SHIFT, ONE };

#define THREE(operation, target, a, b) ((operation) | (target) << 8 | (a) << 16 | (uint32_t)(b) << 24)
#define BRANCH(operation, target, distance) ((operation) | (target) << 8 | (uint32_t)(distance) << 16)

// Not constant, so that the compiler does not know the program.
static uint32_t guest_code[] = {
    THREE(MULTIPLY, STATE, STATE, FACTOR),
    THREE(ADD, STATE, STATE, INCREMENT),
    THREE(SHIFT_RIGHT, MIXED, STATE, SHIFT),
    THREE(XOR, SUM, SUM, MIXED),
    THREE(ADD, SUM, SUM, STATE),
    THREE(SUBTRACT, COUNT, COUNT, ONE),
    BRANCH(BRANCH_NOT_ZERO, COUNT, -7 * 4),
    THREE(HALT, 0, 0, 0),
};

static const uint32_t first_registers[] = {0, 0, 0, 0, 1664525, 1013904223, 7, 1};

static uint32_t registers[256];

static void interpret(void) {
    for (const uint32_t *pc = guest_code;;) {
        uint32_t word = *pc++;
        uint32_t *target = &registers[word >> 8 & 255];
        uint32_t a = registers[word >> 16 & 255], b = registers[word >> 24];
        switch (word & 255) {
        case ADD: *target = a + b; break;
        case SUBTRACT: *target = a - b; break;
        case MULTIPLY: *target = a * b; break;
        case XOR: *target = a ^ b; break;
        case SHIFT_RIGHT: *target = a >> (b & 31); break;
        case BRANCH_NOT_ZERO:
            if (*target != 0) pc += ((int32_t)word >> 16) / 4;
            break;
        default: return;
        }
    }
}

long long run(int n) {
    memcpy(registers, first_registers, sizeof first_registers);
    registers[COUNT] = (uint32_t)n;
    interpret();
    return registers[SUM];
}
