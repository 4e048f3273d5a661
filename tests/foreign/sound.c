// Decodes the MP3 of standard input to samples of 16 bits on standard output.

#include <stdio.h>
#include <stdlib.h>

#define MINIMP3_IMPLEMENTATION
#include "minimp3.h"

int main(void) {
    static unsigned char sound[1 << 22];
    static mp3dec_t decoder;
    size_t left = fread(sound, 1, sizeof sound, stdin), at = 0, frames = 0;
    mp3dec_frame_info_t frame;
    mp3dec_init(&decoder);
    while (left > 0) {
        short samples[MINIMP3_MAX_SAMPLES_PER_FRAME];
        int count = mp3dec_decode_frame(&decoder, sound + at, left, samples, &frame);
        if (frame.frame_bytes == 0) {
            break;
        }
        fwrite(samples, sizeof *samples * frame.channels, count, stdout);
        frames += count > 0;
        at += frame.frame_bytes;
        left -= frame.frame_bytes;
    }
    fprintf(stderr, "%zu frames of %d Hz, %d channels\n", frames, frame.hz, frame.channels);
    return frames == 0;
}
