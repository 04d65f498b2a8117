/* Sums over a chunk of terms, for a tile of ROWS rows and one panel of 16 columns, kept in the registers.
 *
 * In float32 a sum runs over chains of 16 terms, fused, and the 12 chains of a chunk are added in float32. Float64 after each chain would
 * cost 20 %, after each chunk it costs 4 %. In float64 it is one chain, of exact products. Columns come in panels, element by element:
 * panel[k][c]; rows were copied to the stack, so that one register finds them all. */
#ifndef TOKENSPACE_TILE_SUMS_H
#define TOKENSPACE_TILE_SUMS_H

#include "fused.h"

enum { PRODUCT, DIFFERENCE, EXACT_PRODUCT };
enum {
    COLUMNS = 16,
    CHAIN = 16,
    CHUNK = 192,
    VECTORS = COLUMNS / LANES,
    HALF = LANES / 2,
    WIDES = COLUMNS / HALF,
    ROWS = LANES == 16 ? 12 : LANES == 8 ? 6 : 4,
    BAND = LANES == 16 ? 1 : 2, /* vectors of float64 a pass: with one, AVX-512 takes the rows' numbers from memory as it multiplies (11 %) */
};

/* A chunk of ROWS rows, in the type that they are summed in. */
union chunk {
    float narrow[ROWS][CHUNK];
    double wide[ROWS][CHUNK];
};

/* part += the sums of one chain, the terms k..end. */
INLINE void add_chain(int form, const float (*row)[CHUNK], const float *panel, int64_t k, int64_t end, narrow part[ROWS][VECTORS])
{
    narrow chain[ROWS][VECTORS];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++)
            chain[r][v] = each(0);
    for (; k < end; k++) {
        narrow column[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            memcpy(column + v, panel + k * COLUMNS + v * LANES, sizeof *column);
        for (int r = 0; r < ROWS; r++) {
            narrow q = each(row[r][k]);
            for (int v = 0; v < VECTORS; v++) {
                narrow x = column[v], y = q;
                if (form == DIFFERENCE)
                    x = y = x - q;
                chain[r][v] = fused(x, y, chain[r][v]);
            }
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++)
            part[r][v] += chain[r][v];
}

INLINE void narrow_sums(int form, const float (*row)[CHUNK], const float *panel, int64_t terms, wide sum[ROWS][WIDES])
{
    narrow part[ROWS][VECTORS];
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++)
            part[r][v] = each(0);
    int64_t k = 0;
    for (; k + CHAIN <= terms; k += CHAIN)
        add_chain(form, row, panel, k, k + CHAIN, part);
    if (k < terms)
        add_chain(form, row, panel, k, terms, part);
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < VECTORS; v++) {
            sum[r][2 * v] = lower(part[r][v]);
            sum[r][2 * v + 1] = upper(part[r][v]);
        }
}

INLINE void wide_sums(const double (*row)[CHUNK], const float *panel, int64_t terms, wide sum[ROWS][WIDES])
{
    for (int band = 0; band < WIDES; band += BAND) {
        wide part[ROWS][BAND], column[BAND];
        for (int r = 0; r < ROWS; r++)
            for (int v = 0; v < BAND; v++)
                part[r][v] = lower(each(0));
        for (int64_t k = 0; k < terms; k++) {
            for (int v = 0; v < BAND; v++)
                column[v] = lifted(panel + k * COLUMNS + (band + v) * HALF);
            for (int r = 0; r < ROWS; r++)
                for (int v = 0; v < BAND; v++)
                    part[r][v] = add_exact(row[r][k], column[v], part[r][v]);
        }
        for (int r = 0; r < ROWS; r++)
            for (int v = 0; v < BAND; v++)
                sum[r][band + v] = part[r][v];
    }
}

#endif
