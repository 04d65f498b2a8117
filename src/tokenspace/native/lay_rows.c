/* Lays rows out for the screens: sixteen of them side by side, as float32 or as 7-bit codes.
 *
 * A row x becomes x' = x - middle. Its code c is the nearest whole number to x' / s, in -59..59, where s is the least of 256 steps,
 * each the float32 with the bits (code << 20) + base, that is at least max|x'| / 59; a step is 6 to 12 % above the one before. It goes
 * into two planes (coded.h). The residual |x' - s c| is kept in units of s, rounded up, and once a panel the largest of the residuals
 * that the upper plane alone leaves. The twins are reference.code_rows and reference.pack_rows.
 *
 * Codes are worked out in float32, twice as many numbers at a time: x' is rounded to 2^-24 of itself, s has four digits and so s c is
 * exact, and what is left of x' is exact but for its last bit. What was rounded is added to the residuals, under a hundredth of a unit. */
#include <math.h>
#include "lanes.h"

enum { BLOCK = 16, PANEL = 256 };
enum { AHEAD = 2 };               /* rows fetched before they are wanted */
enum { LINE = 16, SUMMED = 512 }; /* numbers coded side by side; numbers whose squares are summed in float32 */
#define ROUNDER 0x1.8p23f /* added and taken away again: rounds to the nearest whole number, ties to even */
#define ROUNDED 0.01     /* units of the residual that x' was rounded by, at most: 59 sqrt(d) 2^-24, where a unit is sqrt(d) / 510 */

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

/* Writes x - middle, whose numbers are float32, to `moved` as float32, filled up with zeros to a whole line; returns the largest in size. */
static inline __attribute__((always_inline)) float
move_line(const unsigned char *row, const double *middle, const float *narrow, int64_t d, int type, float *moved)
{
    int32_t most[LINE] = {0};
    float result;
    if (type == FLOAT32) {
        for (int64_t k = 0; k < d; k++) {
            float x;
            memcpy(&x, row + 4 * k, sizeof x);
            moved[k] = x - narrow[k];
        }
    } else {
        const int64_t size = type == FLOAT64 ? 8 : 2;
        unsigned char tail[64] = {0};
        for (int64_t k = 0; k < d; k += WIDTH) {
            lanes x, m = {0};
            if (k + WIDTH <= d) {
                x = widen(row + k * size, type);
                memcpy(&m, middle + k, sizeof m);
            } else {
                memcpy(tail, row + k * size, (size_t)((d - k) * size));
                memcpy(&m, middle + k, (size_t)((d - k) * 8));
                x = widen(tail, type);
            }
            singles y = __builtin_convertvector(x - m, singles);
            memcpy(moved + k, &y, sizeof y);
        }
    }
    for (int64_t k = d; k % LINE; k++)
        moved[k] = 0;
    for (int64_t k = 0; k < d; k += LINE)
        for (int j = 0; j < LINE; j++) {
            int32_t bits;
            memcpy(&bits, moved + k + j, sizeof bits);
            bits &= INT32_MAX; /* without the sign, floats rise as their bits do */
            most[j] = bits > most[j] ? bits : most[j];
        }
    for (int step = LINE / 2; step; step /= 2)
        for (int j = 0; j < step; j++)
            most[j] = most[j + step] > most[j] ? most[j + step] : most[j];
    memcpy(&result, most, sizeof result);
    return result;
}

static float move_any_line(const unsigned char *row, const double *middle, const float *narrow, int64_t d, int32_t type, float *moved)
{
    switch (type) {
    case FLOAT32: return move_line(row, middle, narrow, d, FLOAT32, moved);
    case FLOAT64: return move_line(row, middle, narrow, d, FLOAT64, moved);
    case FLOAT16: return move_line(row, middle, narrow, d, FLOAT16, moved);
    default: return move_line(row, middle, narrow, d, BFLOAT16, moved);
    }
}

/* Codes a line of x', steps of s: writes c + 68, and adds the squares of what is left by c, and by its upper part, in units of s. */
static inline __attribute__((always_inline)) void
code_line(const float *moved, float s, float inverse, uint8_t *codes, float *sum, float *coarse)
{
    int32_t whole[LINE];
    for (int j = 0; j < LINE; j++) {
        const float x = moved[j], c = x * inverse + ROUNDER - ROUNDER;
        const float u = 8 * ((c + 0.5f) * 0.125f + ROUNDER - ROUNDER); /* (c + 4) / 8 rounded down: c is whole, so this never ties */
        const float left = (x - s * c) * inverse, more = (x - s * u) * inverse;
        whole[j] = (int32_t)c + 68;
        sum[j] += left * left;
        coarse[j] += more * more;
    }
    for (int j = 0; j < LINE; j++)
        codes[j] = (uint8_t)whole[j];
}

/* Adds a line's sums up, halves on halves, and sets them to zero. */
static inline double emptied(float *sum)
{
    double half[LINE];
    for (int j = 0; j < LINE; j++) {
        half[j] = sum[j];
        sum[j] = 0;
    }
    for (int step = LINE / 2; step; step /= 2)
        for (int j = 0; j < step; j++)
            half[j] += half[j + step];
    return *half;
}

/* Codes rows of d numbers into whole blocks of two planes; `moved` is scratch for d numbers and 32 more. `coarse` is raised only. */
void ts_code_rows(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, const double *middle, int32_t base,
                  float unit, double *moved, uint8_t *high, uint8_t *low, uint8_t *scales, uint8_t *residuals, uint8_t *coarse)
{
    const int64_t groups = (d + 3) / 4, pairs = groups / 2;
    float *line = (float *)moved, *narrow = line + d + LINE;
    for (int64_t k = 0; k < d; k++)
        narrow[k] = (float)middle[k];
    const int64_t size = type == FLOAT64 ? 8 : type == FLOAT32 ? 4 : 2;
    for (int64_t row = 0; row < n; row++) {
        for (int64_t i = 0; row + AHEAD < n && i < d * size; i += 64)
            __builtin_prefetch(rows + (row + AHEAD) * stride + i);
        float least = (float)(move_any_line(rows + row * stride, middle, narrow, d, type, line) / 59.0 * (1 + 0x1p-20)), s;
        int32_t bits;
        memcpy(&bits, &least, sizeof bits);
        int64_t scale = ((int64_t)bits - base + 0xfffff) >> 20;
        scale = scale < 0 ? 0 : scale > 255 ? 255 : scale;
        bits = (int32_t)(scale << 20) + base;
        memcpy(&s, &bits, sizeof s);
        const float inverse = (float)(1 / (double)s);
        float sum[LINE] = {0}, coarse_sum[LINE] = {0};
        double left = 0, more = 0;
        uint8_t *upper = high + (row / BLOCK * (groups - pairs) * BLOCK + row % BLOCK) * 4;
        uint8_t *lower = low + row * pairs * 4;
        for (int64_t k = 0; k < d; k += LINE) {
            uint8_t codes[LINE]; /* beyond d, x' is zero and so is its code */
            code_line(line + k, s, inverse, codes, sum, coarse_sum);
            for (int64_t g = k / 4; g < k / 4 + LINE / 4 && g < groups; g += 2) {
                uint32_t a, b, above, below;
                memcpy(&a, codes + (4 * g - k), sizeof a);
                memcpy(&b, codes + (4 * g - k + 4), sizeof b);
                const int two = g / 2 < pairs;
                above = (a >> 3 & 0x0f0f0f0f) | (two ? b >> 3 & 0x0f0f0f0f : a & 0x07070707) << 4;
                below = (a & 0x07070707) | (b & 0x07070707) << 4;
                memcpy(upper + g / 2 * BLOCK * 4, &above, sizeof above);
                if (two)
                    memcpy(lower + g * 2, &below, sizeof below);
            }
            if ((k + LINE) % SUMMED == 0 || k + LINE >= d) {
                left += emptied(sum);
                more += emptied(coarse_sum);
            }
        }
        scales[row] = (uint8_t)scale;
        residuals[row] = (uint8_t)ceil(sqrt(left) / unit * (1 + 0x1p-17) + ROUNDED);
        uint8_t most = (uint8_t)ceil(sqrt(more) / (9 * unit) * (1 + 0x1p-17) + ROUNDED);
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
