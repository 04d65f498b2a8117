/* Screens float32 rows: the key of each row by a register-tiled float32 product, nothing of which is written but the rows that may
 * still be among the k best.
 *
 * A key is factor · (<q, x'> + constant) + addend, as in screen_bytes.c. A float32 sum of d products is off by at most d · 2^-24 of
 * |q| |x'| in whatever order it is added; the caller passes more than that as `error`. The twin is reference.screen_floats. */
#include "screen.h"

struct rows {
    const float *packed;          /* (blocks, d, 16): sixteen rows side by side */
    const float *factor, *addend; /* (16 blocks) or NULL */
    const float *reach;           /* (panels, 3): the largest factor · |x'|, factor and |addend| of each panel */
    int64_t n, d;
    float error; /* of a product, in units of |q| |x'| */
};
struct queries {
    const float *packed; /* (tiles, d, TILE) */
    const float *terms;  /* (tiles · TILE, 3): |q|, constant and 1 */
    int64_t q;
};

static inline __attribute__((always_inline)) floats add_product(floats sum, const float *rows, const float *query)
{
#if defined(__AVX512BW__)
    return (floats)_mm512_fmadd_ps(_mm512_loadu_ps(rows), _mm512_set1_ps(*query), (__m512)sum);
#elif defined(__AVX2__)
    return (floats)_mm256_fmadd_ps(_mm256_loadu_ps(rows), _mm256_set1_ps(*query), (__m256)sum);
#else
    floats x;
    memcpy(&x, rows, sizeof x);
    return sum + x * *query;
#endif
}

static inline __attribute__((always_inline)) void screen(const struct rows *x, const struct queries *q, const struct candidates *kept,
                                                         int64_t first, int64_t last, int64_t query)
{
    const float *packed = q->packed + query * x->d, *reach = x->reach + first / PANEL * 3;
    float edge[TILE], threshold[TILE];
    for (int r = 0; r < TILE; r++) {
        const float *t = q->terms + (query + r) * 3;
        edge[r] = (x->error + 0x1p-20f) * t[0] * reach[0] + 0x1p-20f * (fabsf(t[1]) * reach[1] + t[2] * reach[2]);
        threshold[r] = query + r < q->q ? kept->lower[(query + r) * kept->k] - edge[r] : INFINITY;
    }
    for (int64_t at = first * BLOCK; at < last * BLOCK; at += ROWS) {
        const float *row = x->packed + at / BLOCK * x->d * BLOCK + at % BLOCK;
        floats sum[TILE], factor = {0}, addend = {0};
        for (int r = 0; r < TILE; r++)
            sum[r] = (floats){0};
        for (int64_t j = 0; j < x->d; j++)
            for (int r = 0; r < TILE; r++)
                sum[r] = add_product(sum[r], row + j * BLOCK, packed + j * TILE + r);
        if (x->factor)
            memcpy(&factor, x->factor + at, sizeof factor);
        if (x->addend)
            memcpy(&addend, x->addend + at, sizeof addend);
        uint32_t real = x->n - at >= ROWS ? ~0u : (1u << (x->n > at ? x->n - at : 0)) - 1; /* the last block is filled up */
        for (int r = 0; r < TILE; r++) {
            const float *t = q->terms + (query + r) * 3;
            floats key = sum[r];
            if (x->factor)
                key = (key + t[1]) * factor;
            if (x->addend)
                key += addend * t[2];
            uint32_t hits = reaching(key, threshold[r]) & real;
            if (__builtin_expect(hits != 0, 0)) {
                keep(kept, query + r, at, hits, key + edge[r], (floats){0} + 2 * edge[r]);
                threshold[r] = kept->lower[(query + r) * kept->k] - edge[r];
            }
        }
    }
}

/* Screens blocks first..last-1; returns the block it stopped at, before `last` where what is kept has to be settled first. */
int64_t ts_screen_floats(const float *packed, const float *factor, const float *addend, const float *reach, int64_t n, int64_t d,
                         float error, int64_t first, int64_t last, const float *query_packed, const float *terms, int64_t q, int64_t k,
                         int64_t room, float *lower, float *upper, int32_t *row, int32_t *count)
{
    const struct rows x = {packed, factor, addend, reach, n, d, error};
    const struct queries queries = {query_packed, terms, q};
    const struct candidates kept = {k, room, lower, upper, row, count};
    for (int64_t at = first, end; at < last; at = end) {
        end = (at / PANEL + 1) * PANEL < last ? (at / PANEL + 1) * PANEL : last;
        if (!make_room(&kept, q))
            return at;
        for (int64_t query = 0; query < q; query += TILE)
            screen(&x, &queries, &kept, at, end, query);
    }
    return last;
}
