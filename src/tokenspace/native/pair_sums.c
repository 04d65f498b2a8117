/* Sums over one pair of vectors: sum_k q_k x_k (10), or sum_k (q_k - x_k)^2, the square of (9).
 *
 * Float64 throughout, in eight lanes that are added in one fixed order, so that every build gives the same bits (no fused
 * multiply-add: the build passes -ffp-contract=off). Rows may be float32, float64, float16 or bfloat16; each of their numbers is
 * exact in float64. The twin is reference.pair_sums. */
#include <stdint.h>
#include <string.h>

typedef double lanes __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(32)));
typedef uint32_t words __attribute__((vector_size(32)));
typedef uint16_t halves __attribute__((vector_size(16)));

enum { FLOAT32, FLOAT64, FLOAT16, BFLOAT16 };

static inline __attribute__((always_inline)) lanes widen(const void *eight, int type)
{
    if (type == FLOAT64) {
        lanes x;
        memcpy(&x, eight, sizeof x);
        return x;
    }
    floats x;
    if (type == FLOAT32) {
        memcpy(&x, eight, sizeof x);
    } else {
        halves h;
        memcpy(&h, eight, sizeof h);
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

static inline __attribute__((always_inline)) double
pair(const double *q, const unsigned char *row, int64_t d, int difference, int type, int64_t size)
{
    lanes sum = {0};
    int64_t k = 0;
    for (; k + 8 <= d; k += 8) {
        lanes a, b = widen(row + k * size, type);
        memcpy(&a, q + k, sizeof a);
        if (difference) {
            a -= b;
            b = a;
        }
        sum += a * b;
    }
    if (k < d) {
        unsigned char tail[64] = {0};
        lanes a = {0}, b;
        memcpy(tail, row + k * size, (size_t)((d - k) * size));
        memcpy(&a, q + k, (size_t)(d - k) * sizeof *q);
        b = widen(tail, type);
        if (difference) {
            a -= b;
            b = a;
        }
        sum += a * b;
    }
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
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
