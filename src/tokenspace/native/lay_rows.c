/* Lays rows out for the screens: sixteen of them side by side, as float32 or as 7-bit codes.
 *
 * A row x becomes x' = x - middle. Its code c is the nearest whole number to x' / s, in -63..63, where s is the least of 256 steps,
 * each the float32 with the bits (code << 20) + base, that is at least max|x'| / 63; a step is 6 to 12 % above the one before. The
 * residual |x' - s c| is kept in units of s, rounded up. The twins are reference.code_rows and reference.pack_rows. */
#include <math.h>
#include "lanes.h"

enum { BLOCK = 16 };
#define ROUNDER 0x1.8p52 /* added and taken away again: rounds to the nearest whole number, ties to even */

typedef int64_t masks __attribute__((vector_size(8 * WIDTH)));

/* Writes x - middle to `moved`, filled up with zeros to whole lanes of eight. */
static inline __attribute__((always_inline)) void move(const unsigned char *row, const double *middle, int64_t d, int type, double *moved)
{
    const int64_t size = type == FLOAT64 ? 8 : type == FLOAT32 ? 4 : 2;
    int64_t k = 0;
    for (; k + WIDTH <= d; k += WIDTH) {
        lanes x = widen(row + k * size, type), m;
        memcpy(&m, middle + k, sizeof m);
        x -= m;
        memcpy(moved + k, &x, sizeof x);
    }
    if (k < d) {
        unsigned char tail[64] = {0};
        memcpy(tail, row + k * size, (size_t)((d - k) * size));
        lanes x = widen(tail, type);
        for (int64_t j = 0; j < d - k; j++)
            moved[k + j] = x[j] - middle[k + j];
    }
    for (k = d; k % 8; k++)
        moved[k] = 0;
}

static void move_any(const unsigned char *row, const double *middle, int64_t d, int32_t type, double *moved)
{
    switch (type) {
    case FLOAT32: move(row, middle, d, FLOAT32, moved); break;
    case FLOAT64: move(row, middle, d, FLOAT64, moved); break;
    case FLOAT16: move(row, middle, d, FLOAT16, moved); break;
    case BFLOAT16: move(row, middle, d, BFLOAT16, moved); break;
    }
}

static double largest(const double *moved, int64_t d)
{
    lanes most = {0};
    double result = 0;
    for (int64_t k = 0; k < d; k += WIDTH) {
        masks x;
        memcpy(&x, moved + k, sizeof x);
        x &= INT64_MAX; /* without the sign, doubles rise as their bits do */
        masks greater = x > (masks)most;
        most = (lanes)((x & greater) | ((masks)most & ~greater));
    }
    for (int r = 0; r < WIDTH; r++)
        result = most[r] > result ? most[r] : result;
    return result;
}

/* Codes rows of d numbers into whole blocks of (groups, 16, 4) codes; `moved` is scratch for d numbers and seven more. */
void ts_code_rows(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, const double *middle, int32_t base,
                  float unit, double *moved, uint8_t *codes, uint8_t *scales, uint8_t *residuals)
{
    const int64_t groups = (d + 3) / 4;
    for (int64_t row = 0; row < n; row++) {
        move_any(rows + row * stride, middle, d, type, moved);
        float least = (float)(largest(moved, d) / 63 * (1 + 0x1p-20)), step;
        int32_t bits;
        memcpy(&bits, &least, sizeof bits);
        int64_t scale = ((int64_t)bits - base + 0xfffff) >> 20;
        scale = scale < 0 ? 0 : scale > 255 ? 255 : scale;
        bits = (int32_t)(scale << 20) + base;
        memcpy(&step, &bits, sizeof step);
        const double s = step, inverse = 1 / s;
        lanes sum[PARTS] = {{0}};
        double eight[8];
        uint8_t *out = codes + (row / BLOCK * groups * BLOCK + row % BLOCK) * 4;
        for (int64_t k = 0; k < d; k += 8) {
            for (int p = 0; p < PARTS; p++) {
                lanes x, c;
                memcpy(&x, moved + k + p * WIDTH, sizeof x);
                c = x * inverse + ROUNDER - ROUNDER;
                memcpy(eight + p * WIDTH, &c, sizeof c);
                x -= s * c;
                sum[p] += x * x;
            }
            for (int64_t j = 0; j < 8 && k + j < d; j++)
                out[(k + j) / 4 * BLOCK * 4 + (k + j) % 4] = (uint8_t)((int32_t)eight[j] + 64);
        }
        for (int64_t k = d; k % 4; k++)
            out[k / 4 * BLOCK * 4 + k % 4] = 64;
        memcpy(eight, sum, sizeof eight);
        double lost = sqrt(((eight[0] + eight[4]) + (eight[2] + eight[6])) + ((eight[1] + eight[5]) + (eight[3] + eight[7])));
        scales[row] = (uint8_t)scale;
        residuals[row] = (uint8_t)ceil(lost / s / unit * (1 + 0x1p-20));
    }
}

/* Packs rows of d numbers into whole blocks of (d, 16) float32; `moved` is scratch for d numbers and seven more. */
void ts_pack_rows(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, const double *middle, double *moved,
                  float *packed)
{
    for (int64_t row = 0; row < n; row++) {
        move_any(rows + row * stride, middle, d, type, moved);
        float *out = packed + row / BLOCK * d * BLOCK + row % BLOCK;
        for (int64_t k = 0; k < d; k++)
            out[k * BLOCK] = (float)moved[k];
    }
}
