/* Every row of one float32 matrix with every row of another: products <u, v> times factors, or distances |u - v|.
 *
 * Sums over chunks of 192 terms (tile_sums.h) are added in float64. In float32 an error does therefore not grow with d: at most
 * 16 + 11 roundings, 27 2^-24 of the terms' magnitudes. Distances are taken from the differences, so that nothing cancels and that bound
 * is one of the distance itself; where a processor adds beside its multiplications, that costs about 5 % more than the product that the
 * identity (12) needs.
 *
 * A product's bound is one of |u| |v|, and proves 1e-6 of the product itself for no pair; that takes sums in float64, twice the time.
 * Nothing between would pay. Of rows at random, d = 384, all but 2 % are right once 30 bits are, and so few can be done again. Float32
 * has them with three products, of numbers cut in two; whole numbers of 16 bits with six at half the time each, bytes with ten at a quarter.
 *
 * The order of each sum is that of k alone: the same bits for every tile, build and processor. The twin is reference_tiles.all_pairs. */
#include "tile_sums.h"

enum {
    GROUP = 512, /* columns that pass, in a cache of 1 MB, before the next rows do */
    LINES = ROWS * CHUNK / 16 / (GROUP / COLUMNS) + 1, /* of 16 numbers, fetched ahead beside each chunk of a panel */
};

typedef int64_t counts __attribute__((vector_size(sizeof(wide))));

struct results {
    const double *row_factors, *factors;
    double limit, tiny;
    char *out;
    int64_t stride;
};

/* Copies the terms k..k + terms of ROWS rows; where fewer are left, the last one again. */
INLINE void take(int form, const char *rows, int64_t stride, int64_t left, int64_t k, int64_t terms, union chunk *chunk)
{
    for (int64_t r = 0; r < ROWS; r++) {
        const float *row = (const float *)(rows + (r < left ? r : left - 1) * stride) + k;
        if (form == EXACT_PRODUCT)
            for (int64_t t = 0; t < terms; t++)
                chunk->wide[r][t] = row[t];
        else
            memcpy(chunk->narrow[r], row, (size_t)terms * sizeof *row);
    }
}

/* Finishes 16 sums; counts the squares so small that float32 may have lost their terms, or the products beyond the limit and NaN. */
INLINE counts finish(int form, const wide *sum, double factor, const double *factors, double limit, double tiny, float *line)
{
    counts found = {0};
    for (int v = 0; v < WIDES; v++) {
        wide f;
        memcpy(&f, factors + v * HALF, sizeof f);
        wide x = sum[v] * (f * factor), y = clipped(x, limit);
        found += form == DIFFERENCE ? (counts)(x < tiny) : (counts)(x != y); /* true is -1 */
        put(line + v * HALF, y);
    }
    for (int c = 0; form == DIFFERENCE && c < COLUMNS; c++)
        line[c] = sqrtf(line[c]);
    return found;
}

/* Finishes the sums of `left` rows, ROWS at most, with the 16 columns from j on, of which n are left. */
INLINE counts finish_tile(int form, wide sum[ROWS][WIDES], const struct results *to, int64_t i, int64_t left, int64_t j, int64_t n)
{
    counts found = {0};
    for (int64_t r = 0; r < ROWS && r < left; r++) {
        float line[COLUMNS], *place = (float *)(to->out + (i + r) * to->stride) + j;
        found += finish(form, sum[r], to->row_factors[i + r], to->factors + j, to->limit, to->tiny, n >= COLUMNS ? place : line);
        if (n < COLUMNS)
            memcpy(place, line, (size_t)n * sizeof *line);
    }
    return found;
}

/* ROWS rows with all panels of a group. While they pass, the rows after them are fetched, and the places of results: without that the
 * kernel waits for them. */
INLINE counts tile(int form, const char *rows, int64_t stride, int64_t left, const float *panels, int64_t first, int64_t n, int64_t d,
                   const struct results *to, int64_t i)
{
    counts found = {0};
    wide kept[GROUP / COLUMNS][ROWS][WIDES];
    for (int64_t k = 0; k < d; k += CHUNK) {
        const int64_t terms = k + CHUNK < d ? CHUNK : d - k, last = k + CHUNK >= d;
        int64_t line = 0;
        union chunk chunk;
        take(form, rows, stride, left, k, terms, &chunk);
        for (int64_t j = first; j < n && j < first + GROUP; j += COLUMNS) {
            wide sum[ROWS][WIDES], (*old)[WIDES] = kept[(j - first) / COLUMNS];
            for (int64_t end = line + LINES; line < end; line++)
                __builtin_prefetch(rows + (ROWS + line % ROWS) * stride + (k + line / ROWS * 16) * (int64_t)sizeof *panels);
            for (int64_t r = 0; last && r < ROWS && r < left; r++)
                __builtin_prefetch((float *)(to->out + (i + r) * to->stride) + j, 1);
            if (form == EXACT_PRODUCT)
                wide_sums(chunk.wide, panels + j * d + k * COLUMNS, terms, sum);
            else
                narrow_sums(form, chunk.narrow, panels + j * d + k * COLUMNS, terms, sum);
            for (int r = 0; k && r < ROWS; r++)
                for (int v = 0; v < WIDES; v++)
                    sum[r][v] += old[r][v];
            for (int r = 0; !last && r < ROWS; r++)
                for (int v = 0; v < WIDES; v++)
                    old[r][v] = sum[r][v];
            if (last)
                found += finish_tile(form, sum, to, i, left, j, n - j);
        }
    }
    return found;
}

INLINE int64_t all_tiles(int form, const char *rows, int64_t stride, int64_t m, const float *panels, int64_t n, int64_t d,
                         const struct results *to)
{
    counts found = {0};
    int64_t count = 0;
    for (int64_t first = 0; first < n; first += GROUP)
        for (int64_t i = 0; i < m; i += ROWS)
            found -= tile(form, rows + i * stride, stride, m - i, panels, first, n, d, to, i);
    for (int c = 0; c < HALF; c++)
        count += found[c];
    return count;
}

/* The last panel is filled up with zeros, and `factors` goes on to its end; strides are in bytes. */
int64_t ts_all_pairs(int32_t form, const float *rows, int64_t stride, int64_t m, const float *panels, int64_t n, int64_t d,
                     const double *row_factors, const double *factors, double limit, double tiny, float *out, int64_t out_stride)
{
    const struct results to = {row_factors, factors, limit, tiny, (char *)out, out_stride};
    switch (form) {
    case PRODUCT: return all_tiles(PRODUCT, (const char *)rows, stride, m, panels, n, d, &to);
    case DIFFERENCE: return all_tiles(DIFFERENCE, (const char *)rows, stride, m, panels, n, d, &to);
    default: return all_tiles(EXACT_PRODUCT, (const char *)rows, stride, m, panels, n, d, &to);
    }
}
