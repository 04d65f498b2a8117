/* Every row of one matrix with every row of another, in float32: products <u, v> times factors, or distances |u - v|.
 *
 * A sum runs over chains of 16 terms, fused; 12 chains are added in float32 and all that in float64. So its error does not grow with
 * d: at most 16 + 11 roundings, 27 2^-24 of the terms' magnitudes. Float64 after each chain would cost 20 %, after 192 terms 4 %.
 * Distances are taken from the differences, so that nothing cancels and that bound is one of the distance itself; where a processor
 * adds beside its multiplications, that costs about 5 % more than the product that the identity (12) needs.
 *
 * Columns come in panels of 16, element by element: panel[k][c]. ROWS x 16 sums stay in the registers. The order of each sum is that
 * of k alone: the same bits for every tile, build and processor. The twin is reference_tiles.all_pairs. */
#include "fused.h"

enum {
    COLUMNS = 16,
    CHAIN = 16,
    CHUNK = 192,
    GROUP = 512, /* columns that pass, in a cache of 1 MB, before the next rows do */
    VECTORS = COLUMNS / LANES,
    ROWS = LANES == 16 ? 12 : LANES == 8 ? 6 : 4,
    LINES = ROWS * CHUNK / 16 / (GROUP / COLUMNS) + 1, /* of 16 numbers, fetched ahead beside each chunk of a panel */
};

/* part += the sums of one chain, the terms k..end. */
INLINE void add_chain(int difference, const float *const *row, const float *panel, int64_t k, int64_t end, narrow part[ROWS][VECTORS])
{
    narrow chain[ROWS][VECTORS];
    memset(chain, 0, sizeof chain);
#pragma GCC unroll 2
    for (; k < end; k++) {
        narrow column[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            memcpy(column + v, panel + k * COLUMNS + v * LANES, sizeof *column);
        for (int r = 0; r < ROWS; r++) {
            narrow q = each(row[r][k]);
            for (int v = 0; v < VECTORS; v++) {
                narrow x = column[v], y = q;
                if (difference)
                    x = y = x - q;
                chain[r][v] = fused(x, y, chain[r][v]);
            }
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++)
            part[r][v] += chain[r][v];
}

/* sum += the sums of one chunk, the terms k..end. */
INLINE void add_chunk(int difference, const float *const *row, const float *panel, int64_t k, int64_t end, wide sum[ROWS][2 * VECTORS])
{
    narrow part[ROWS][VECTORS];
    memset(part, 0, sizeof part);
    for (; k + CHAIN <= end; k += CHAIN)
        add_chain(difference, row, panel, k, k + CHAIN, part);
    if (k < end)
        add_chain(difference, row, panel, k, end, part);
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++) {
            sum[r][2 * v] += lower(part[r][v]);
            sum[r][2 * v + 1] += upper(part[r][v]);
        }
}

/* Finish 16 sums; return how many of the squares are so small that float32 may have lost their terms. */
INLINE int finish(int difference, const wide *sums, double factor, const double *factors, double limit, double tiny, float *out)
{
    int lost = 0;
    double sum[COLUMNS];
    memcpy(sum, sums, sizeof sum);
    for (int c = 0; c < COLUMNS; c++) {
        double x = sum[c] * (factor * factors[c]);
        x = x > limit ? limit : x;
        x = x < -limit ? -limit : x;
        if (difference)
            lost += x < tiny;
        out[c] = difference ? sqrtf((float)x) : (float)x;
    }
    return lost;
}

/* ROWS rows with all panels of a group. While they pass, the rows after them are fetched, and the places of the `count` rows of results:
 * without that the kernel waits for them. */
INLINE void add_group(int difference, const float *const *row, int64_t stride, const float *panels, int64_t n, int64_t d,
                      wide sum[GROUP / COLUMNS][ROWS][2 * VECTORS], const char *out, int64_t out_stride, int64_t count)
{
    int64_t line = 0;
    for (int64_t k = 0; k < d; k += CHUNK)
        for (int64_t j = 0; j < n; j += COLUMNS) {
            for (int64_t end = line + LINES; line < end; line++)
                __builtin_prefetch((const char *)row[line % ROWS] + ROWS * stride + line / ROWS * 64);
            for (int64_t r = 0; k + CHUNK >= d && r < count; r++)
                __builtin_prefetch(out + r * out_stride + j * (int64_t)sizeof **row, 1);
            add_chunk(difference, row, panels + j * d, k, k + CHUNK < d ? k + CHUNK : d, sum[j / COLUMNS]);
        }
}

INLINE int64_t tile(int difference, const float *rows, int64_t stride, int64_t m, const float *panels, int64_t n, int64_t d,
                    const double *row_factors, const double *factors, double limit, double tiny, char *out, int64_t out_stride)
{
    int64_t lost = 0;
    for (int64_t first = 0; first < n; first += GROUP)
        for (int64_t i = 0; i < m; i += ROWS) {
            int64_t last = first + GROUP < n ? first + GROUP : n;
            const float *row[ROWS];
            wide sum[GROUP / COLUMNS][ROWS][2 * VECTORS];
            for (int r = 0; r < ROWS; r++) /* where fewer are left, the last one again */
                row[r] = (const float *)((const char *)rows + (i + r < m ? i + r : m - 1) * stride);
            memset(sum, 0, sizeof sum);
            add_group(difference, row, stride, panels + first * d, last - first, d, sum,
                      out + i * out_stride + first * (int64_t)sizeof **row, out_stride, i + ROWS < m ? ROWS : m - i);
            for (int64_t r = 0; r < ROWS && i + r < m; r++)
                for (int64_t j = first; j < last; j += COLUMNS) {
                    float line[COLUMNS];
                    char *place = out + (i + r) * out_stride + j * (int64_t)sizeof *line;
                    lost += finish(difference, sum[(j - first) / COLUMNS][r], row_factors[i + r], factors + j, limit, tiny, line);
                    if (n - j >= COLUMNS)
                        memcpy(place, line, sizeof line);
                    else
                        memcpy(place, line, (size_t)(n - j) * sizeof *line);
                }
        }
    return lost;
}

/* The last panel is filled up with zeros, and `factors` goes on to its end; strides are in bytes. */
int64_t ts_all_pairs(int32_t difference, const float *rows, int64_t stride, int64_t m, const float *panels, int64_t n, int64_t d,
                     const double *row_factors, const double *factors, double limit, double tiny, float *out, int64_t out_stride)
{
    return difference ? tile(1, rows, stride, m, panels, n, d, row_factors, factors, limit, tiny, (char *)out, out_stride)
                      : tile(0, rows, stride, m, panels, n, d, row_factors, factors, limit, tiny, (char *)out, out_stride);
}
