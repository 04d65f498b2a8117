/* Screens coded rows for many queries: the key of each row from 7-bit codes of x and 8-bit codes of q, with bounds that hold whatever
 * the codes lost (coded.h). A panel's codes are put together from their two planes once and stay in the cache while the queries pass.
 * The twin is reference.screen_bytes. */
#include "coded.h"

/* Vectors of rows that a tile takes at once: with two, each query's codes are fetched half as often. */
#if defined(__AVX512BW__)
enum { VECTORS = 2 };
#else
enum { VECTORS = 1 };
#endif

/* Puts the codes of blocks first..last-1 together, as (blocks, groups, 16, 4). */
static void unpack(const struct coded *x, int64_t first, int64_t last, uint8_t *out)
{
    enum { ALL = BLOCK * 4 };
    const int64_t pairs = x->groups / 2;
    for (int64_t block = first; block < last; block++) {
        const uint8_t *high = x->high + block * (x->groups - pairs) * ALL, *low = x->low + block * BLOCK * pairs * 4;
        for (int64_t p = 0; p < pairs; p++, high += ALL, out += 2 * ALL) {
            uint8_t v[ALL];
            for (int64_t r = 0; r < BLOCK; r++)
                memcpy(v + 4 * r, low + (r * pairs + p) * 4, 4);
            for (int64_t i = 0; i < ALL; i++) {
                out[i] = (uint8_t)((high[i] & 15) << 3 | (v[i] & 15));
                out[i + ALL] = (uint8_t)(high[i] >> 4 << 3 | v[i] >> 4);
            }
        }
        if (x->groups % 2) {
            for (int64_t i = 0; i < ALL; i++)
                out[i] = (uint8_t)((high[i] & 15) << 3 | high[i] >> 4);
            out += ALL;
        }
    }
}

/* `vectors` times ROWS rows from `at` on, whose codes are `codes`, with TILE queries. */
static inline __attribute__((always_inline)) void tile(const struct coded *x, const struct asked *q, const struct candidates *kept,
                                                       const uint8_t *codes, int64_t at, int64_t zero, int64_t query, const float *edge,
                                                       float *threshold, const int vectors)
{
    const int32_t *own = q->codes + query * x->groups;
    ints sum[TILE][VECTORS];
    for (int r = 0; r < TILE; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = (ints){0} - q->offset[query + r];
    for (int64_t g = 0; g < x->groups; g++) {
        bytes4 rows[VECTORS];
        for (int v = 0; v < vectors; v++)
            memcpy(rows + v, codes + (v * x->groups + g) * BLOCK * 4, sizeof *rows);
        for (int r = 0; r < TILE; r++)
            for (int v = 0; v < vectors; v++)
                sum[r][v] = add_products(sum[r][v], rows[v], own[g * TILE + r]);
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++, at += ROWS) { /* unrolled, the sums stay in the registers */
        struct row_terms row = terms_of(x, at);
        floats lost = __builtin_convertvector(widened(x->residuals + at), floats) * x->unit * row.scale;
        uint32_t real = real_rows(x, at);
#pragma GCC unroll 12
        for (int r = 0; r < TILE; r++) {
            const float *t = q->terms + (query + r) * 5;
            floats slack = lost * t[0], key = bound_of(x, sum[r][v], row, slack, t);
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

/* Screens blocks first..last-1; returns the block it stopped at, before `last` where what is kept has to be settled first. Row numbers
 * are kept from block `zero` on. `codes` is room for those of a panel. */
int64_t ts_screen_bytes(const uint8_t *high, const uint8_t *low, const uint8_t *scales, const uint8_t *residuals, const uint8_t *coarse,
                        const float *factor, const float *addend, const float *reach, int64_t n, int64_t groups, int32_t base, float unit,
                        int64_t zero, int64_t first, int64_t last, const int32_t *query_codes, const int32_t *offset, const float *terms,
                        int64_t q, int64_t k, int64_t room, float *lower, float *upper, int32_t *row, int32_t *count, uint8_t *codes)
{
    const struct coded x = {high, low, scales, residuals, coarse, factor, addend, reach, n, groups, base, unit};
    const struct asked queries = {query_codes, offset, terms, q};
    const struct candidates kept = {k, room, lower, upper, row, count};
    for (int64_t at = first, end; at < last; at = end) {
        end = (at / PANEL + 1) * PANEL < last ? (at / PANEL + 1) * PANEL : last;
        if (!make_room(&kept, q))
            return at;
        unpack(&x, at, end, codes);
        for (int64_t query = 0; query < q; query += TILE) {
            float edge[TILE], threshold[TILE];
            for (int r = 0; r < TILE; r++) {
                edge[r] = edge_of(&x, at, terms + (query + r) * 5);
                threshold[r] = query + r < q ? lower[(query + r) * k] - edge[r] : INFINITY;
            }
            int64_t row_at = at * BLOCK;
            for (; row_at + VECTORS * ROWS <= end * BLOCK; row_at += VECTORS * ROWS)
                tile(&x, &queries, &kept, codes + ((row_at / BLOCK - at) * groups * BLOCK + row_at % BLOCK) * 4, row_at, zero * BLOCK, query,
                     edge, threshold, VECTORS);
            for (; row_at < end * BLOCK; row_at += ROWS)
                tile(&x, &queries, &kept, codes + ((row_at / BLOCK - at) * groups * BLOCK + row_at % BLOCK) * 4, row_at, zero * BLOCK, query,
                     edge, threshold, 1);
        }
    }
    return last;
}
