/* Rows as float32, for the searches that read each row once and for which nothing was prepared. */
#include "finish.h"

#define LEAST 1e-8    /* rows that are shorter, or longer than the inverse of it, need another path, */
#define FARTHEST 1e15 /* and so do queries that are longer, or shorter than the inverse */

/* Writes a row as float32, filled up with zeros; returns the sum of the squares. */
static inline __attribute__((always_inline)) double lift(const unsigned char *row, int64_t d, int64_t width, int type, int64_t size, float *line)
{
    floats sum[2] = {{0}};
    int64_t k = 0;
    if (type == FLOAT32) {
        for (; k + ROWS <= d; k += ROWS)
            memcpy(line + k, row + k * 4, sizeof(floats));
    } else {
        for (; k + WIDTH <= d; k += WIDTH) {
            singles x = __builtin_convertvector(widen(row + k * size, type), singles);
            memcpy(line + k, &x, sizeof x);
        }
    }
    if (k < d) {
        unsigned char tail[8 * ROWS] = {0};
        memcpy(tail, row + k * size, (size_t)((d - k) * size));
        for (int64_t j = 0; k < d; j += WIDTH, k += WIDTH) {
            singles x = __builtin_convertvector(widen(tail + j * size, type), singles);
            memcpy(line + k, &x, sizeof x);
        }
    }
    for (; k < width; k++)
        line[k] = 0;
    for (k = 0; k < width; k += 2 * ROWS)
        for (int p = 0; p < 2; p++)
            if (!p || k + ROWS < width) {
                floats x;
                memcpy(&x, line + k + p * ROWS, sizeof x);
                sum[p] = fused(x, x, sum[p]);
            }
    return total(sum[0] + sum[1]);
}

/* Whether all numbers are zero; their squares' sum may be so without. */
static int is_zero(const unsigned char *row, int64_t d, int32_t type)
{
    const int64_t size = type == FLOAT64 ? 8 : type == FLOAT32 ? 4 : 2;
    for (int64_t k = 0; k < d; k++) {
        unsigned char one[64] = {0};
        memcpy(one, row + k * size, (size_t)size);
        const lanes x = type == FLOAT64 ? widen(one, FLOAT64) : type == FLOAT32 ? widen(one, FLOAT32)
                        : type == FLOAT16 ? widen(one, FLOAT16) : widen(one, BFLOAT16);
        if (x[0] != 0)
            return 0;
    }
    return 1;
}
