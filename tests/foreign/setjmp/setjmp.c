// What a compiler's code calls that makes jumps from exceptions (`-mllvm -wasm-enable-sjlj`).
//
// Each call of a function with `setjmp` in it has a table of where its jumps go: the number that a `setjmp` left in its buffer,
// and the label of that `setjmp` in the function. Number 0 is the end of the table. A buffer that is used again keeps its place.

#include <stdlib.h>

#include "setjmp.h"

struct target {
    unsigned number;
    int label;
};

// What the exception carries.
static struct {
    void *buffer;
    int value;
} jump;

static unsigned numbers;
static int second_result;

int getTempRet0(void) { return second_result; }

void setTempRet0(int value) { second_result = value; }

// Gives the table, and as its second result how many entries it has room for.
struct target *saveSetjmp(unsigned *buffer, int label, struct target *table, int room) {
    int index = 0;
    while (table[index].number != 0 && table[index].number != *buffer) {
        index++;
    }
    if (table[index].number == 0) {
        if (index + 1 >= room) {
            room *= 2;
            table = realloc(table, sizeof *table * room);
            if (table == NULL) {
                abort();
            }
        }
        table[index + 1].number = 0;
    }
    *buffer = ++numbers;
    table[index].number = *buffer;
    table[index].label = label;
    setTempRet0(room);
    return table;
}

// The label that a number belongs to, or 0.
int testSetjmp(unsigned number, struct target *table, int room) {
    for (int index = 0; index < room && table[index].number != 0; index++) {
        if (table[index].number == number) {
            return table[index].label;
        }
    }
    return 0;
}

_Noreturn void __wasm_longjmp(void *buffer, int value) {
    jump.buffer = buffer;
    jump.value = value == 0 ? 1 : value;
    // The compiler's tag for jumps.
    __builtin_wasm_throw(1, &jump);
}
