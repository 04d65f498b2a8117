/* How many of some wanted rows each row of a table comes before, under all three measures, in one pass: what ranks are counted from.
 *
 * The wanted rows stand from last to first: by key, (10), minus the square of (9), or (11), and by id downwards where keys are equal. A
 * row comes before the first b of them, for some b, which halving finds. Keys have the search's own bits, and minus the square of (9) is
 * told from the identity (12) wherever its rounding cannot move the row past a wanted one. The twin is reference_ranks.rank_counts. */
#include <math.h>

#include "pair.h"

/* Returns how many of m wanted rows a row with a key comes before. */
static inline int64_t beaten(const double *limits, const int64_t *ids, int64_t m, double key, int64_t id)
{
    int64_t first = 0;
    while (m > 0) {
        int64_t half = m / 2, at = first + half;
        int before = (limits[at] < key) | ((limits[at] == key) & (ids[at] > id));
        first = before ? at + 1 : first;
        m = before ? m - half - 1 : half;
    }
    return first;
}

static inline void add(const double *limits, const int64_t *ids, int64_t m, double key, int64_t id, int64_t *counts)
{
    int64_t b = key >= limits[0] ? beaten(limits, ids, m, key, id) : 0; /* most rows come before none */
    if (b > 0)
        counts[b - 1]++;
}

static inline __attribute__((always_inline)) void
count(int type, int64_t size, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, int64_t zero, const double *lengths,
      const double *query, double own, const double *limits, const int64_t *ids, int64_t m, int64_t *counts)
{
    const double rounding = 4 * (double)(d + 8) * 0x1p-53; /* of (|x| + |q|)^2: see ranking.py */
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *row = rows + i * stride;
        const double product = pair(query, row, d, 0, type, size), length = lengths[i], both = length * own, sum = length + own;
        const double doubt = rounding * sum * sum;
        double key = 2 * product - length * length - own * own;
        if (key + doubt >= limits[0]) {
            int64_t b = beaten(limits, ids, m, key, zero + i);
            if ((b > 0 && key - doubt <= limits[b - 1]) || (b < m && key + doubt >= limits[b]))
                key = -pair(query, row, d, 1, type, size);
            add(limits, ids, m, key, zero + i, counts);
        }
        add(limits + m, ids + m, m, product, zero + i, counts + m);
        key = product / both;
        key = !(both > 0) ? -3 : key > 1 ? 1 : key < -1 ? -1 : key; /* -3: see NO_COSINE */
        add(limits + 2 * m, ids + 2 * m, m, key, zero + i, counts + 2 * m);
    }
}

#define COUNT(type, size)                                                                                     \
    case type:                                                                                                \
        count(type, size, rows, stride, n, d, zero, lengths, query, own, limits, ids, m, counts);             \
        return

/* Adds to counts[measure][b - 1] the rows that come before just b of the wanted ones, b > 0. Limits, ids and counts have shape (3, m),
 * m > 0, the measures in the order (9), (10), (11); row i has the id zero + i. */
void ts_rank_counts(int32_t type, const unsigned char *rows, int64_t stride, int64_t n, int64_t d, int64_t zero, const double *lengths,
                    const double *query, double own, const double *limits, const int64_t *ids, int64_t m, int64_t *counts)
{
    switch (type) {
        COUNT(FLOAT32, 4);
        COUNT(FLOAT64, 8);
        COUNT(FLOAT16, 2);
        COUNT(BFLOAT16, 2);
    }
}
