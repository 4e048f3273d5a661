// Compresses standard input to standard output, or with `-d` the other way round, as one frame of Zstandard.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd.h"

static int compress(void) {
    char in[1 << 15], out[1 << 15];
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 12);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    for (;;) {
        size_t length = fread(in, 1, sizeof in, stdin);
        ZSTD_EndDirective mode = length < sizeof in ? ZSTD_e_end : ZSTD_e_continue;
        ZSTD_inBuffer input = {in, length, 0};
        size_t left;
        do {
            ZSTD_outBuffer output = {out, sizeof out, 0};
            left = ZSTD_compressStream2(context, &output, &input, mode);
            if (ZSTD_isError(left)) {
                fprintf(stderr, "pack: %s\n", ZSTD_getErrorName(left));
                return 1;
            }
            fwrite(out, 1, output.pos, stdout);
        } while (mode == ZSTD_e_end ? left != 0 : input.pos < input.size);
        if (mode == ZSTD_e_end) {
            return ZSTD_isError(ZSTD_freeCCtx(context)) || fflush(stdout) != 0;
        }
    }
}

static int decompress(void) {
    char in[1 << 15], out[1 << 15];
    ZSTD_DCtx *context = ZSTD_createDCtx();
    size_t left = 1, length;
    while ((length = fread(in, 1, sizeof in, stdin)) > 0) {
        ZSTD_inBuffer input = {in, length, 0};
        while (input.pos < input.size) {
            ZSTD_outBuffer output = {out, sizeof out, 0};
            left = ZSTD_decompressStream(context, &output, &input);
            if (ZSTD_isError(left)) {
                fprintf(stderr, "pack: %s\n", ZSTD_getErrorName(left));
                return 1;
            }
            fwrite(out, 1, output.pos, stdout);
        }
    }
    ZSTD_freeDCtx(context);
    if (left != 0) {
        fprintf(stderr, "pack: the input ends too early\n");
    }
    return left != 0 || fflush(stdout) != 0;
}

int main(int count, char **arguments) {
    return count == 2 && strcmp(arguments[1], "-d") == 0 ? decompress() : compress();
}
