// Iterations of the Mandelbrot set's points on a grid of n by n, at most 100 each: floats in registers.

#include <stdint.h>

static uint32_t iterations(double cr, double ci) {
    double zr = 0.0, zi = 0.0, rr = 0.0, ii = 0.0;
    uint32_t count = 0;
    do {
        double t = zr * zi;
        zi = t + t + ci;
        zr = rr - ii + cr;
        rr = zr * zr;
        ii = zi * zi;
        if (rr + ii > 4.0) break;
    } while (++count < 100);
    return count;
}

long long run(int n) {
    double step = 3.0 / n;
    int64_t sum = 0;
    for (int32_t y = 0; y < n; y++) {
        double ci = y * step - 1.0;
        for (int32_t x = 0; x < n; x++) sum += iterations(x * step - 1.0 - 1.0, ci);
    }
    return sum;
}
