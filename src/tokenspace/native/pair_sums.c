/* Sums over one pair of vectors: sum_k q_k x_k (10), or sum_k (q_k - x_k)^2, the square of (9).
 *
 * Float64 throughout, in eight lanes that are added in one fixed order, so that every build gives the same bits (no fused
 * multiply-add: the build passes -ffp-contract=off). Rows may be float32, float64, float16 or bfloat16; each of their numbers is
 * exact in float64. The twin is reference.pair_sums. */
#include "pair.h"

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
