// Jumps out of nested calls, again and again, which a newer compiler makes of exceptions with references (`exnref`).

#include <setjmp.h>
#include <stdio.h>

static jmp_buf outer, inner;

static void leap(int depth, int to_outer, int value) {
    if (depth == 0) {
        longjmp(to_outer ? outer : inner, value);
    }
    leap(depth - 1, to_outer, value);
}

// Comes back with what the jump to `inner` carried, or not at all.
static int caught_inside(int value) {
    int caught = setjmp(inner);
    if (caught == 0) {
        leap(10, value % 3 == 0, value);
    }
    return caught;
}

int main(void) {
    volatile int count = 0;
    int caught = setjmp(outer);
    printf("outer %d after %d\n", caught, count);
    while (count < 7) {
        count++;
        printf("inner %d\n", caught_inside(count));
    }
    return 0;
}
