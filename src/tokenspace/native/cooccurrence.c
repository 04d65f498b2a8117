/* How often words stand near each other: for row i the sums, over its places p in a text and the words j around it, of a weight of the
 * distance; Pennington, Socher and Manning, GloVe, EMNLP 2014, section 3. Weights are whole numbers, so that a sum is the same in any order.
 *
 * A row is gathered in `sums`, one cell a word, which stays in the cache; two levels of bits say which cells were touched, so that a row
 * comes out in the order of its columns and nothing is sorted or hashed. The twins are in reference_glove. */
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { AHEAD = 12 }; /* places fetched ahead: they lie anywhere in the text */

typedef struct {
    int64_t *sums;         /* n cells, all 0 between rows */
    uint64_t *bits, *tops; /* one bit a cell, one bit a word of bits; all 0 between rows */
} gathered;

INLINE void add(gathered g, int64_t j, int64_t weight)
{
    if (g.sums[j] == 0) {
        g.bits[j >> 6] |= 1ull << (j & 63);
        g.tops[j >> 12] |= 1ull << ((j >> 6) & 63);
    }
    g.sums[j] += weight;
}

/* Write what was gathered, by column, and clear it; return how many entries. */
static int64_t emit(gathered g, int64_t last, int32_t *columns, int64_t *out)
{
    int64_t count = 0;
    for (int64_t t = 0; t <= last >> 12; t++) {
        for (uint64_t top = g.tops[t]; top; top &= top - 1) {
            int64_t w = t << 6 | __builtin_ctzll(top);
            for (uint64_t bits = g.bits[w]; bits; bits &= bits - 1) {
                int64_t j = w << 6 | __builtin_ctzll(bits);
                columns[count] = (int32_t)j;
                out[count++] = g.sums[j];
                g.sums[j] = 0;
            }
            g.bits[w] = 0;
        }
        g.tops[t] = 0;
    }
    return count;
}

/* How often each of n words stands in a text, where -1 is no word; returns how many ids are neither. */
int64_t ts_word_counts(const int32_t *ids, int64_t m, int64_t n, int64_t *counts)
{
    int64_t strange = 0;
    for (int64_t p = 0; p < m; p++) {
        if (ids[p] >= 0 && ids[p] < n)
            counts[ids[p]]++;
        else
            strange += ids[p] != -1;
    }
    return strange;
}

/* Places of the words first..last-1 in a text: next[i - first] is where the next place of i goes. */
void ts_word_places(const int32_t *ids, int64_t m, int64_t first, int64_t last, int64_t *next, int32_t *places)
{
    uint64_t span = (uint64_t)(last - first);
    for (int64_t p = 0; p < m; p++) {
        uint64_t i = (uint64_t)(ids[p] - first);
        if (i < span)
            places[next[i]++] = (int32_t)p;
    }
}

/* Rows first..last-1 from the places of their words, behind `begin`: starts[i - first] to starts[i - first + 1]. `symmetric` looks to both sides and keeps
 * the columns j <= i; else only to the right, every j, or for rows below `fixed` those from there on. Returns the number of entries;
 * sizes[i - first] is that of each row. */
int64_t ts_cooccurrence_rows(const int32_t *ids, int64_t n_ids, int64_t begin, const int32_t *places, const int64_t *starts, int64_t first,
                             int64_t last, int32_t symmetric, int64_t fixed, const int64_t *weights, int64_t window, int64_t *sums, uint64_t *bits,
                             uint64_t *tops, int64_t n, int32_t *columns, int64_t *out, int64_t *sizes)
{
    gathered g = {sums, bits, tops};
    int64_t total = 0;
    for (int64_t i = first; i < last; i++) {
        int64_t most = symmetric ? i : n - 1, least = !symmetric && i < fixed ? fixed : 0;
        for (int64_t at = starts[i - first]; at < starts[i - first + 1]; at++) {
            int64_t p = begin + places[at];
            if (at + AHEAD < starts[last - first]) {
                const int32_t *there = ids + begin + places[at + AHEAD];
                __builtin_prefetch(there - 15);
                __builtin_prefetch(there);
                __builtin_prefetch(there + 15);
            }
            int64_t right = n_ids - 1 - p < window ? n_ids - 1 - p : window;
            for (int64_t distance = 1; distance <= right && ids[p + distance] >= 0; distance++) {
                int64_t j = ids[p + distance];
                if (j <= most && j >= least)
                    add(g, j, weights[distance - 1]);
            }
            int64_t left = !symmetric ? 0 : p < window ? p : window;
            for (int64_t distance = 1; distance <= left && ids[p - distance] >= 0; distance++) {
                int64_t j = ids[p - distance];
                if (j <= most)
                    add(g, j, weights[distance - 1]);
            }
        }
        sizes[i - first] = emit(g, most, columns + total, out + total);
        total += sizes[i - first];
    }
    return total;
}

/* Rows that lie in several runs, added up: row i of run r is at starts[r][i] .. starts[r][i] + sizes[r][i] of the runs' entries. */
int64_t ts_merge_rows(const int32_t *run_columns, const int64_t *run_sums, const int64_t *starts, const int64_t *run_sizes, int64_t runs,
                      int64_t rows, int64_t *sums, uint64_t *bits, uint64_t *tops, int64_t n, int32_t *columns, int64_t *out,
                      int64_t *sizes)
{
    gathered g = {sums, bits, tops};
    int64_t total = 0;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t r = 0; r < runs; r++)
            for (int64_t at = starts[r * rows + i], end = at + run_sizes[r * rows + i]; at < end; at++)
                add(g, run_columns[at], run_sums[at]);
        sizes[i] = emit(g, n - 1, columns + total, out + total);
        total += sizes[i];
    }
    return total;
}
