/* Screens coded rows: the key of each row from 7-bit codes of x and 8-bit codes of q, with bounds that hold whatever the codes lost.
 *
 * With x' = x - middle = s c + e and q = s' c' + e', <q, x'> differs from s s' <c, c'> by at most |s' c'| |e| + |e'| |x'|. A key is
 * factor · (<q, x'> + constant) + addend: the inner product, the cosine (factor 1/|x|), or half of |q'|^2 - |q' - x'|^2 (addend
 * -|x'|^2 / 2), all divided by s'. The sums are whole numbers and exact; 2^-19 of the terms' sizes covers the float32 that follows.
 * The twin is reference.screen_bytes. */
#include "screen.h"

typedef int32_t ints __attribute__((vector_size(4 * ROWS)));
typedef uint8_t bytes __attribute__((vector_size(ROWS)));

struct rows {
    const uint8_t *codes;     /* (blocks, groups, 16, 4): c + 64, in 1..127; 64 beyond d and n */
    const uint8_t *scales;    /* (16 blocks): s, as the float32 with the bits (code << 20) + base */
    const uint8_t *residuals; /* (16 blocks): |e| <= code · unit · s */
    const float *factor, *addend; /* (16 blocks) or NULL */
    const float *reach;           /* (panels, 3): the largest factor · |x'|, factor and |addend| of each panel */
    int64_t n, groups;
    int32_t base;
    float unit;
};
struct queries {
    const int32_t *codes;  /* (tiles, groups, TILE): four codes each, in -127..127 */
    const int32_t *offset; /* (tiles · TILE): 64 · the sum of a query's codes */
    const float *terms;    /* (tiles · TILE, 5): |s' c'|, |e'|, constant, 1 and |s' c'| + |e'|, all over s' */
    int64_t q;
};

/* Adds the products of four codes of each row with the four of a query; 2 · 127 · 127 < 2^15, so pairs fit into 16 bits. */
static inline __attribute__((always_inline)) ints add_products(ints sum, const uint8_t *rows, const int32_t *query)
{
#if defined(__AVX512VNNI__)
    return (ints)_mm512_dpbusd_epi32((__m512i)sum, _mm512_loadu_si512(rows), _mm512_set1_epi32(*query));
#elif defined(__AVX512BW__)
    __m512i pairs = _mm512_maddubs_epi16(_mm512_loadu_si512(rows), _mm512_set1_epi32(*query));
    return sum + (ints)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#elif defined(__AVX2__)
    __m256i pairs = _mm256_maddubs_epi16(_mm256_loadu_si256((const __m256i *)rows), _mm256_set1_epi32(*query));
    return sum + (ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#else
    int8_t q[4];
    memcpy(q, query, 4);
    for (int r = 0; r < ROWS; r++)
        sum[r] += rows[4 * r] * q[0] + rows[4 * r + 1] * q[1] + rows[4 * r + 2] * q[2] + rows[4 * r + 3] * q[3];
    return sum;
#endif
}

/* Screens one panel for `tile` queries from `query` on; row numbers are kept from row `zero` on. */
static inline __attribute__((always_inline)) void screen(const struct rows *x, const struct queries *q, const struct candidates *kept,
                                                         int64_t first, int64_t last, int64_t zero, int64_t query, const int tile)
{
    const int32_t *codes = q->codes + query * x->groups;
    const float *reach = x->reach + first / PANEL * 3;
    float edge[TILE], threshold[TILE];
    for (int r = 0; r < tile; r++) {
        const float *t = q->terms + (query + r) * 5;
        edge[r] = t[1] * reach[0] + 0x1p-19f * (t[4] * reach[0] + fabsf(t[2]) * reach[1] + t[3] * reach[2]);
        threshold[r] = query + r < q->q ? kept->lower[(query + r) * kept->k] - edge[r] : INFINITY;
    }
    for (int64_t at = first * BLOCK; at < last * BLOCK; at += ROWS) {
        const uint8_t *row = x->codes + (at / BLOCK * x->groups * BLOCK + at % BLOCK) * 4;
        ints sum[TILE];
        for (int r = 0; r < tile; r++)
            sum[r] = (ints){0};
        for (int64_t g = 0; g < x->groups; g++)
            for (int r = 0; r < tile; r++)
                sum[r] = add_products(sum[r], row + g * BLOCK * 4, codes + g * TILE + r);
        bytes scale_code, residual_code;
        memcpy(&scale_code, x->scales + at, sizeof scale_code);
        memcpy(&residual_code, x->residuals + at, sizeof residual_code);
        ints bits = (__builtin_convertvector(scale_code, ints) << 20) + x->base;
        floats scale, factor = (floats){0} + 1, addend = {0};
        memcpy(&scale, &bits, sizeof scale);
        if (x->factor)
            memcpy(&factor, x->factor + at, sizeof factor);
        if (x->addend)
            memcpy(&addend, x->addend + at, sizeof addend);
        scale *= factor;
        floats lost = __builtin_convertvector(__builtin_convertvector(residual_code, ints), floats) * x->unit * scale;
        uint32_t real = x->n - at >= ROWS ? ~0u : (1u << (x->n > at ? x->n - at : 0)) - 1; /* the last block is filled up */
        for (int r = 0; r < tile; r++) {
            const float *t = q->terms + (query + r) * 5;
            floats slack = lost * t[0];
            floats key = __builtin_convertvector(sum[r] - q->offset[query + r], floats) * scale + slack;
            if (x->factor)
                key += factor * t[2];
            if (x->addend)
                key += addend * t[3];
            uint32_t hits = reaching(key, threshold[r]) & real;
            if (__builtin_expect(hits != 0, 0)) {
                keep(kept, query + r, at - zero, hits, key + edge[r], 2 * (slack + edge[r]));
                threshold[r] = kept->lower[(query + r) * kept->k] - edge[r];
            }
        }
    }
}

/* How many queries a tile of `codes` holds. */
int32_t ts_screen_tile(void) { return TILE; }

/* Screens blocks first..last-1; returns the block it stopped at, before `last` where what is kept has to be settled first. */
int64_t ts_screen_bytes(const uint8_t *codes, const uint8_t *scales, const uint8_t *residuals, const float *factor, const float *addend,
                        const float *reach, int64_t n, int64_t groups, int32_t base, float unit, int64_t zero, int64_t first, int64_t last,
                        const int32_t *query_codes, const int32_t *offset, const float *terms, int64_t q, int64_t k, int64_t room,
                        float *lower, float *upper, int32_t *row, int32_t *count)
{
    const struct rows x = {codes, scales, residuals, factor, addend, reach, n, groups, base, unit};
    const struct queries queries = {query_codes, offset, terms, q};
    const struct candidates kept = {k, room, lower, upper, row, count};
    for (int64_t at = first, end; at < last; at = end) {
        end = (at / PANEL + 1) * PANEL < last ? (at / PANEL + 1) * PANEL : last;
        if (!make_room(&kept, q))
            return at;
        if (q == 1)
            screen(&x, &queries, &kept, at, end, zero * BLOCK, 0, 1);
        else
            for (int64_t query = 0; query < q; query += TILE)
                screen(&x, &queries, &kept, at, end, zero * BLOCK, query, TILE);
    }
    return last;
}
