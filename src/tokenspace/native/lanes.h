/* Numbers of a row, of any of the four element types, lifted to lanes of float64: exact for each of them. */
#ifndef TOKENSPACE_LANES_H
#define TOKENSPACE_LANES_H

#include <stdint.h>
#include <string.h>

/* Lanes kept in one vector: eight where registers hold eight, else four, twice. GCC 12 spills wider vectors than the machine's
 * (float32, 400,000 x 50, AVX2: 34 ms as eight, 9 ms as twice four). */
#ifdef __AVX512F__
#define WIDTH 8
#else
#define WIDTH 4
#endif
#define PARTS (8 / WIDTH)

typedef double lanes __attribute__((vector_size(8 * WIDTH)));
typedef float singles __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t words __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t halves __attribute__((vector_size(2 * WIDTH)));

enum { FLOAT32, FLOAT64, FLOAT16, BFLOAT16 };

static inline __attribute__((always_inline)) lanes widen(const void *numbers, int type)
{
    if (type == FLOAT64) {
        lanes x;
        memcpy(&x, numbers, sizeof x);
        return x;
    }
    singles x;
    if (type == FLOAT32) {
        memcpy(&x, numbers, sizeof x);
    } else {
        halves h;
        memcpy(&h, numbers, sizeof h);
        words bits = __builtin_convertvector(h, words);
        if (type == BFLOAT16) {
            bits <<= 16;
            memcpy(&x, &bits, sizeof x);
        } else {
            /* exponent and mantissa moved to float32's place; 2^112 = 2^(127-15) mends the bias, subnormals included */
            words magnitude = (bits & 0x7fff) << 13;
            memcpy(&x, &magnitude, sizeof x);
            x *= 0x1p112f;
            memcpy(&magnitude, &x, sizeof x);
            magnitude |= (words)((bits & 0x7c00) == 0x7c00) & 0x7f800000; /* infinity and NaN stay what they are */
            magnitude |= (bits & 0x8000) << 16;
            memcpy(&x, &magnitude, sizeof x);
        }
    }
    return __builtin_convertvector(x, lanes);
}

#endif
