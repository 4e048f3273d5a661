// Jumps out of functions, for a C library without them. `setjmp` is the compiler's business.

#ifndef SETJMP_H
#define SETJMP_H

typedef unsigned jmp_buf[2];

int setjmp(jmp_buf) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf, int);

#endif
