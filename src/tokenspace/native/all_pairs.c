/* Every row of one matrix with every row of another, in float32: products <u, v> times factors, or distances |u - v|.
 *
 * Sums run over CHUNK elements in float32 and from chunk to chunk in float64, so that an error grows with the chunk, not with d:
 * at most CHUNK 2^-24 of the terms' magnitudes. Distances are taken from the differences, so that nothing cancels and the same bound
 * holds for the distance itself. That costs no more than the identity (12) where a processor adds beside its multiplications.
 *
 * Columns come in panels of 16, element by element: panel[k][c]. A block of ROWS x 16 sums stays in registers. The order of each sum
 * is that of k alone: the same bits for every tile, build and processor. The twin is reference_tiles.all_pairs. */
#include "fused.h"

enum {
    COLUMNS = 16,
    CHUNK = 24,
    VECTORS = COLUMNS / LANES,
    ROWS = LANES == 16 ? 9 : LANES == 8 ? 6 : 4, /* 9 sums and their 18 float64 halves fill the 32 registers of AVX-512 */
};

INLINE void add_chunk(int difference, const float *const *row, const float *panel, int64_t k, int64_t end, wide sum[ROWS][2 * VECTORS])
{
    narrow chunk[ROWS][VECTORS];
    memset(chunk, 0, sizeof chunk);
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
                chunk[r][v] = fused(x, y, chunk[r][v]);
            }
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++) {
            sum[r][2 * v] += lower(chunk[r][v]);
            sum[r][2 * v + 1] += upper(chunk[r][v]);
        }
}

/* The sums of ROWS rows, the last repeated where there are fewer, with a panel. */
INLINE void block(int difference, const float *rows, int64_t stride, int64_t m, const float *panel, int64_t d, double out[ROWS][COLUMNS])
{
    wide sum[ROWS][2 * VECTORS];
    const float *row[ROWS];
    int64_t k = 0;
    for (int r = 0; r < ROWS; r++)
        row[r] = (const float *)((const char *)rows + (r < m ? r : m - 1) * stride);
    memset(sum, 0, sizeof sum);
    for (; k + CHUNK <= d; k += CHUNK)
        add_chunk(difference, row, panel, k, k + CHUNK, sum);
    if (k < d)
        add_chunk(difference, row, panel, k, d, sum);
    memcpy(out, sum, sizeof sum);
}

/* Finish 16 sums; return how many of the squares are so small that float32 may have lost their terms. */
INLINE int finish(int difference, const double *sum, double factor, const double *factors, double limit, double tiny, float *out)
{
    int lost = 0;
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

INLINE int64_t tile(int difference, const float *rows, int64_t stride, int64_t m, const float *panels, int64_t n, int64_t d,
                    const double *row_factors, const double *factors, double limit, double tiny, char *out, int64_t out_stride)
{
    int64_t lost = 0;
    for (int64_t i = 0; i < m; i += ROWS)
        for (int64_t j = 0; j < n; j += COLUMNS) {
            double sum[ROWS][COLUMNS];
            block(difference, (const float *)((const char *)rows + i * stride), stride, m - i, panels + j * d, d, sum);
            for (int64_t r = 0; r < ROWS && i + r < m; r++) {
                float line[COLUMNS];
                char *place = out + (i + r) * out_stride + j * (int64_t)sizeof *line;
                lost += finish(difference, sum[r], row_factors[i + r], factors + j, limit, tiny, line);
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
