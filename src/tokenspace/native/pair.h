/* Sum over one pair of vectors, in float64 and in eight lanes that are added in one fixed order: the same bits from every build. */
#include "lanes.h"

static inline __attribute__((always_inline)) void
add_eight(lanes *sum, const double *q, const unsigned char *row, int difference, int type, int64_t size)
{
    for (int p = 0; p < PARTS; p++) {
        lanes a, b = widen(row + p * WIDTH * size, type);
        memcpy(&a, q + p * WIDTH, sizeof a);
        if (difference) {
            a -= b;
            b = a;
        }
        sum[p] += a * b;
    }
}

static inline __attribute__((always_inline)) double
pair(const double *q, const unsigned char *row, int64_t d, int difference, int type, int64_t size)
{
    lanes sum[PARTS] = {{0}};
    double s[8];
    int64_t k = 0;
    for (; k + 8 <= d; k += 8)
        add_eight(sum, q + k, row + k * size, difference, type, size);
    if (k < d) {
        unsigned char row_tail[64] = {0};
        double q_tail[8] = {0};
        memcpy(row_tail, row + k * size, (size_t)((d - k) * size));
        memcpy(q_tail, q + k, (size_t)(d - k) * sizeof *q);
        add_eight(sum, q_tail, row_tail, difference, type, size);
    }
    memcpy(s, sum, sizeof s);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}
