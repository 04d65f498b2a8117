/* Sums over one pair of vectors: sum_k q_k x_k (10), or sum_k (q_k - x_k)^2, the square of (9).
 *
 * Float64 throughout, in eight lanes that are added in one fixed order, so that every build gives the same bits (no fused
 * multiply-add: the build passes -ffp-contract=off). Rows may be float32, float64, float16 or bfloat16; each of their numbers is
 * exact in float64. The twin is reference.pair_sums. */
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

/* out[i] = pair(queries[query_ids[i]], rows[row_ids[i]]) for i < m; a NULL query_ids means query 0, a NULL row_ids means row i. */
#define LOOP(difference, type, size)                                                                                          \
    for (int64_t i = 0; i < m; i++)                                                                                           \
        out[i] = pair(queries + (query_ids ? query_ids[i] : 0) * d, rows + (row_ids ? row_ids[i] : i) * stride, d, difference, \
                      type, size);                                                                                            \
    return
#define TYPES(difference)                                    \
    switch (type) {                                          \
    case FLOAT32: LOOP(difference, FLOAT32, 4);              \
    case FLOAT64: LOOP(difference, FLOAT64, 8);              \
    case FLOAT16: LOOP(difference, FLOAT16, 2);              \
    case BFLOAT16: LOOP(difference, BFLOAT16, 2);            \
    }

void ts_pair_sums(int32_t difference, int32_t type, const double *queries, const unsigned char *rows, int64_t stride, int64_t d,
                  const int64_t *query_ids, const int64_t *row_ids, int64_t m, double *out)
{
    if (difference) {
        TYPES(1)
    } else {
        TYPES(0)
    }
}
