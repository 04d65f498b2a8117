/* Lays rows out for the screens: sixteen of them side by side, as float32 or as 7-bit codes.
 *
 * A row x becomes x' = x - middle. Its code c is the nearest whole number to x' / s, in -59..59, where s is the least of 256 steps,
 * each the float32 with the bits (code << 20) + base, that is at least max|x'| / 59; a step is 6 to 12 % above the one before. It goes
 * into two planes (coded.h). The residual |x' - s c| is kept in units of s, rounded up, and once a panel the largest of the residuals
 * that the upper plane alone leaves. The twins are reference.code_rows and reference.pack_rows. */
#include <math.h>
#include "lanes.h"

enum { BLOCK = 16, PANEL = 256 };
#define ROUNDER 0x1.8p52 /* added and taken away again: rounds to the nearest whole number, ties to even */

typedef int64_t masks __attribute__((vector_size(8 * WIDTH)));
typedef int32_t wholes __attribute__((vector_size(4 * WIDTH)));
typedef int32_t four __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));
typedef float four_floats __attribute__((vector_size(16)));

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

static double length(const lanes *sum)
{
    double s[8];
    memcpy(s, sum, sizeof s);
    return sqrt(((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])));
}

/* Codes rows of d numbers into whole blocks of two planes; `moved` is scratch for d numbers and seven more. `coarse` is raised only. */
void ts_code_rows(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, const double *middle, int32_t base,
                  float unit, double *moved, uint8_t *high, uint8_t *low, uint8_t *scales, uint8_t *residuals, uint8_t *coarse)
{
    const int64_t groups = (d + 3) / 4, pairs = groups / 2;
    for (int64_t row = 0; row < n; row++) {
        move_any(rows + row * stride, middle, d, type, moved);
        float least = (float)(largest(moved, d) / 59 * (1 + 0x1p-20)), step;
        int32_t bits;
        memcpy(&bits, &least, sizeof bits);
        int64_t scale = ((int64_t)bits - base + 0xfffff) >> 20;
        scale = scale < 0 ? 0 : scale > 255 ? 255 : scale;
        bits = (int32_t)(scale << 20) + base;
        memcpy(&step, &bits, sizeof step);
        const double s = step, inverse = 1 / s;
        lanes sum[PARTS] = {{0}}, coarse_sum[PARTS] = {{0}};
        uint8_t *upper = high + (row / BLOCK * (groups - pairs) * BLOCK + row % BLOCK) * 4;
        uint8_t *lower = low + row * pairs * 4;
        for (int64_t k = 0; k < d; k += 8) {
            int32_t eight[8];
            for (int p = 0; p < PARTS; p++) {
                lanes x, c, u;
                memcpy(&x, moved + k + p * WIDTH, sizeof x);
                c = x * inverse + ROUNDER - ROUNDER;
                wholes code = __builtin_convertvector(c, wholes) + 68;
                memcpy(eight + p * WIDTH, &code, sizeof code);
                u = (c + 0.5) * 0.125 + ROUNDER - ROUNDER; /* (c + 4) / 8 rounded down: c is whole, so this never ties */
                u = x - s * (8 * u);
                coarse_sum[p] += u * u;
                x -= s * c;
                sum[p] += x * x;
            }
            four a, b; /* beyond d, x' is zero and so is its code */
            memcpy(&a, eight, sizeof a);
            memcpy(&b, eight + 4, sizeof b);
            const int two = k / 8 < pairs;
            four_bytes above = __builtin_convertvector(a >> 3 | (two ? b >> 3 : a & 7) << 4, four_bytes);
            memcpy(upper + k / 8 * BLOCK * 4, &above, sizeof above);
            if (two) {
                four_bytes below = __builtin_convertvector((a & 7) | (b & 7) << 4, four_bytes);
                memcpy(lower + k / 8 * 4, &below, sizeof below);
            }
        }
        scales[row] = (uint8_t)scale;
        residuals[row] = (uint8_t)ceil(length(sum) / s / unit * (1 + 0x1p-20));
        uint8_t most = (uint8_t)ceil(length(coarse_sum) / s / (9 * unit) * (1 + 0x1p-20));
        if (most > coarse[row / PANEL])
            coarse[row / PANEL] = most;
    }
}

/* Turns four numbers of four rows, `apart` numbers from each other, into four columns of a block. */
static inline void turn(const float *from, int64_t apart, float *out)
{
    four_floats a, b, c, d;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + apart, sizeof b);
    memcpy(&c, from + 2 * apart, sizeof c);
    memcpy(&d, from + 3 * apart, sizeof d);
    const four_floats ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const four_floats AB = __builtin_shufflevector(a, b, 2, 6, 3, 7), CD = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const four_floats columns[4] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5), __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                                    __builtin_shufflevector(AB, CD, 0, 1, 4, 5), __builtin_shufflevector(AB, CD, 2, 3, 6, 7)};
    for (int k = 0; k < 4; k++)
        memcpy(out + k * BLOCK, columns + k, sizeof *columns);
}

/* Packs rows of d numbers into whole blocks of (d, 16) float32; `moved` is scratch for d numbers and seven more. A strip of all rows of a
 * block is moved, then turned, so that each line of the block is written once. */
void ts_pack_rows(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, const double *middle, double *moved,
                  float *packed)
{
    enum { STRIP = 64 };
    const int64_t size = type == FLOAT64 ? 8 : type == FLOAT32 ? 4 : 2;
    float strips[BLOCK * STRIP];
    for (int64_t first = 0; first < n; first += BLOCK) {
        const int64_t count = n - first < BLOCK ? n - first : BLOCK;
        for (int64_t start = 0; start < d; start += STRIP) {
            const int64_t width = d - start < STRIP ? d - start : STRIP;
            float *out = packed + (first * d) + start * BLOCK;
            for (int64_t r = 0; r < count; r++) {
                move_any(rows + (first + r) * stride + start * size, middle + start, width, type, moved);
                for (int64_t k = 0; k < width; k++)
                    strips[r * STRIP + k] = (float)moved[k];
            }
            for (int64_t k = 0; k < width; k += 4)
                for (int64_t r = 0; r < count; r += 4)
                    if (k + 4 <= width && r + 4 <= count)
                        turn(strips + r * STRIP + k, STRIP, out + k * BLOCK + r);
                    else
                        for (int64_t j = k; j < width && j < k + 4; j++)
                            for (int64_t i = r; i < count && i < r + 4; i++)
                                out[j * BLOCK + i] = strips[i * STRIP + j];
        }
    }
}
