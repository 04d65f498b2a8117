/* The sum of all rows, out[k] += x_0k, then x_1k, ...: float64, one row after the other, so that every build gives the same bits.
 *
 * Four rows pass at a time, or each sum would be fetched and put back once a row. The twin is reference.row_sums. */
#include "lanes.h"

static inline __attribute__((always_inline)) void
add(double *out, const unsigned char *rows, int64_t stride, int64_t count, int64_t d, int type, int64_t size)
{
    int64_t k = 0;
    for (; k + WIDTH <= d; k += WIDTH) {
        lanes sum;
        memcpy(&sum, out + k, sizeof sum);
        for (int64_t i = 0; i < count; i++)
            sum += widen(rows + i * stride + k * size, type);
        memcpy(out + k, &sum, sizeof sum);
    }
    if (k < d) {
        lanes sum = {0};
        memcpy(&sum, out + k, (size_t)(d - k) * sizeof *out);
        for (int64_t i = 0; i < count; i++) {
            unsigned char tail[8 * WIDTH] = {0};
            memcpy(tail, rows + i * stride + k * size, (size_t)((d - k) * size));
            sum += widen(tail, type);
        }
        memcpy(out + k, &sum, (size_t)(d - k) * sizeof *out);
    }
}

#define LOOP(type, size)                                        \
    for (; i + 4 <= n; i += 4)                                  \
        add(out, rows + i * stride, stride, 4, d, type, size);  \
    for (; i < n; i++)                                          \
        add(out, rows + i * stride, stride, 1, d, type, size);  \
    return

void ts_row_sums(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, double *out)
{
    int64_t i = 0;
    switch (type) {
    case FLOAT32: LOOP(FLOAT32, 4);
    case FLOAT64: LOOP(FLOAT64, 8);
    case FLOAT16: LOOP(FLOAT16, 2);
    case BFLOAT16: LOOP(BFLOAT16, 2);
    }
}
