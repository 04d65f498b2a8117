/* Sentences as bags of rows (static sentence vectors): the mean over a sentence's tokens t of f_t w_t, in float64, token after token.
 *
 * A bag is a run of word numbers that a -1 ends; a word is one row or several, so that each different word is cut into tokens once.
 * Four rows pass at a time, or each sum would be fetched and put back once a row. The twin is reference.bag_means. */
#include "lanes.h"

enum { TOGETHER = 4 };

typedef struct {
    const unsigned char *row[TOGETHER];
    double factor[TOGETHER];
    int64_t count;
} some_rows;

static inline __attribute__((always_inline)) void add(double *sum, const some_rows *some, int64_t d, int weighted, int type, int64_t size)
{
    for (int64_t k = 0; k < d; k += WIDTH) {
        int64_t there = d - k < WIDTH ? d - k : WIDTH;
        lanes s = {0};
        memcpy(&s, sum + k, (size_t)(there == WIDTH ? WIDTH : there) * sizeof *sum);
        for (int64_t i = 0; i < some->count; i++) {
            lanes x;
            if (there == WIDTH) {
                x = widen(some->row[i] + k * size, type);
            } else {
                unsigned char tail[8 * WIDTH] = {0};
                memcpy(tail, some->row[i] + k * size, (size_t)(there * size));
                x = widen(tail, type);
            }
            s += weighted ? x * some->factor[i] : x;
        }
        memcpy(sum + k, &s, (size_t)there * sizeof *sum);
    }
}

static inline __attribute__((always_inline)) int64_t
means(const unsigned char *rows, int64_t stride, int64_t d, int64_t n, const unsigned char *more, int64_t all, const double *factors,
      const int32_t *words, int64_t m, const int64_t *begins, int64_t known, const int32_t *pieces, int64_t room, int64_t most, double *sum, float *out, int64_t *counts,
      int type, int64_t size)
{
    int64_t bag = 0, count = 0;
    some_rows some = {.count = 0};
    memset(sum, 0, (size_t)d * sizeof *sum);
    for (int64_t at = 0; at < m; at++) {
        if (words[at] != -1) {
            if (words[at] < 0 || words[at] >= known || begins[words[at]] < 0 || begins[words[at] + 1] > room)
                return at;
            for (int64_t i = begins[words[at]]; i < begins[words[at] + 1] && count < most; i++, count++) {
                int64_t id = pieces[i];
                if (id < 0 || id >= all)
                    return at;
                some.row[some.count] = id < n ? rows + id * stride : more + (id - n) * d * size;
                some.factor[some.count++] = factors ? factors[id] : 1;
                if (some.count == TOGETHER) {
                    add(sum, &some, d, factors != 0, type, size);
                    some.count = 0;
                }
            }
            continue;
        }
        add(sum, &some, d, factors != 0, type, size);
        for (int64_t k = 0; k < d; k++)
            out[bag * d + k] = (float)(sum[k] / (double)(count ? count : 1));
        counts[bag++] = count;
        memset(sum, 0, (size_t)d * sizeof *sum);
        some.count = count = 0;
    }
    return m;
}

#define CASE(type, size) \
    return means(rows, stride, d, n, more, all, factors, words, m, begins, known, pieces, room, most, sum, out, counts, type, size)

/* rows: n of d numbers, and behind them those of `more`, which lie close; `all` in sum. factors: one a row, or NULL. words: m of them,
 * below `known`. begins, pieces (`room` of them): the rows of each word. most: rows of a bag that count, the first ones. sum: d. out,
 * counts: a row and a number of tokens a bag. Returns m, or the first word that leads outside. */
int64_t ts_bag_means(int32_t type, const unsigned char *rows, int64_t stride, int64_t d, int64_t n, const unsigned char *more, int64_t all,
                     const double *factors, const int32_t *words, int64_t m, const int64_t *begins, int64_t known, const int32_t *pieces,
                     int64_t room, int64_t most, double *sum, float *out, int64_t *counts)
{
    switch (type) {
    case FLOAT32: CASE(FLOAT32, 4);
    case FLOAT64: CASE(FLOAT64, 8);
    case FLOAT16: CASE(FLOAT16, 2);
    case BFLOAT16: CASE(BFLOAT16, 2);
    }
    return -1;
}
