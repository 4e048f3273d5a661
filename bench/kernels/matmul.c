// The product of a square matrix of f64 with itself, n rows of n; n is at most 256.

#include <stdint.h>
#include <string.h>

static double matrix[256 * 256], product[256 * 256];

// A row of the product.
static void multiply_row(int32_t row, int32_t n) {
    for (int32_t j = 0; j < n; j++) {
        const double *a = matrix + row * n, *b = matrix + j;
        double sum = 0.0;
        for (int32_t i = 0; i < n; i++, b += n) sum += a[i] * *b;
        product[row * n + j] = sum;
    }
}

long long run(int n) {
    int64_t bits;
    for (int32_t i = 0; i < n * n; i++) matrix[i] = i;
    for (int32_t row = 0; row < n; row++) multiply_row(row, n);
    memcpy(&bits, &product[(n - 1) * n], sizeof bits);
    return bits;
}
