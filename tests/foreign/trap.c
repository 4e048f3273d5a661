// Divides by what it reads, which is nothing: for the lines of a backtrace.

#include <stdio.h>

static int __attribute__((noinline)) divide(int a, int b) {
    return a / b;
}

int main(void) {
    int b = getchar() + 1;
    printf("%d\n", divide(7, b));
    return 0;
}
