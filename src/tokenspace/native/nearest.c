/* The nearest rows of one query: screened by the upper plane of their codes, half of the bytes; what that leaves is screened again by
 * the whole codes, which takes a line or three of the cache a row; what that leaves is finished.
 *
 * Panels spread over the table come first, so that the threshold is near its end before most rows are seen. The twin is
 * reference_screens.nearest. */
#include "coded.h"
#include "settle.h"
#include "one_query.h"

enum { SPREAD = 16 };               /* panels that come first */
enum { AHEAD = 2048 };              /* bytes fetched ahead: the processor itself stops at a page's end */
enum { SOME = 32, MANY = SOME + PANEL * BLOCK }; /* rows that wait for the second screen, while their codes are fetched */

struct waiting {
    int64_t zero;                        /* the row from which rows are counted */
    int32_t count, row[MANY], sum[MANY]; /* how many, which, and the products of codes that the upper plane gives */
};

/* Adds the products of the upper plane's two groups in a byte with 8 codes of the query. */
static inline __attribute__((always_inline)) void add_pair(ints *sum, const uint8_t *row, const int8_t *codes)
{
    fours u;
    int32_t four[2];
    __builtin_prefetch(row + AHEAD);
    memcpy(&u, row, sizeof u);
    memcpy(four, codes, sizeof four);
    sum[0] = add_products(sum[0], (bytes4)(u & 0x0f0f0f0f), four[0]);
    sum[1] = add_products(sum[1], (bytes4)(u >> 4 & 0x0f0f0f0f), four[1]);
}

/* Lets the rows of blocks first..last-1, of one panel, wait that may reach the threshold. */
static void screen(const struct coded *x, const struct frame *f, float threshold, int64_t first, int64_t last, struct waiting *w)
{
    const int64_t pairs = (x->groups + 1) / 2, size = x->groups / 2 * 4;
    const float *t = f->terms, lost = (float)x->coarse[first / PANEL] * (9 * x->unit) * t[0];
    threshold -= edge_of(x, first, t);
    for (int64_t at = first * BLOCK; at < last * BLOCK; at += ROWS) {
        const uint8_t *row = x->high + (at / BLOCK * pairs * BLOCK + at % BLOCK) * 4;
        ints sum[4] = {{0}};
        int64_t p = 0;
        for (; p + 2 <= pairs; p += 2) {
            add_pair(sum, row + p * BLOCK * 4, f->own + 8 * p);
            add_pair(sum + 2, row + (p + 1) * BLOCK * 4, f->own + 8 * p + 8);
        }
        if (p < pairs)
            add_pair(sum, row + p * BLOCK * 4, f->own + 8 * p);
        struct row_terms terms = terms_of(x, at);
        sum[0] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) * 8 - 16 * f->offset;
        uint32_t hits = reaching(bound_of(x, sum[0], terms, terms.scale * lost, t), threshold) & real_rows(x, at);
        for (; __builtin_expect(hits != 0, 0); hits &= hits - 1) {
            const int r = __builtin_ctz(hits);
            w->row[w->count] = (int32_t)(at + r - w->zero);
            w->sum[w->count++] = sum[0][r];
            __builtin_prefetch(x->residuals + at + r);
            for (int64_t i = 0; i < size + 64; i += 64) /* a load of 64 bytes waits for both of its lines, though it wants few of one */
                __builtin_prefetch(x->low + (at + r) * size + i);
        }
    }
}

/* Keeps those of the waiting rows whose whole codes may reach the threshold. */
static void screen_again(const struct coded *x, const struct frame *f, const struct candidates *kept, struct waiting *w)
{
    const float *t = f->terms;
    for (int32_t i = 0; i < w->count; i++) {
        const int64_t row = w->zero + w->row[i];
        const int32_t bits = ((int32_t)x->scales[row] << 20) + x->base;
        const float factor = x->factor ? x->factor[row] : 1, edge = edge_of(x, row / BLOCK, t);
        float scale;
        memcpy(&scale, &bits, sizeof scale);
        scale *= factor;
        const float slack = (float)x->residuals[row] * x->unit * scale * t[0];
        float upper = (float)(w->sum[i] + lower_sum(x, f, row) - f->offset) * scale + slack;
        if (x->factor)
            upper += factor * t[2];
        if (x->addend)
            upper += x->addend[row] * t[3];
        keep_row(kept, 0, w->row[i], upper + edge, 2 * (slack + edge));
    }
    w->count = 0;
}

/* Searches blocks first..last-1 for the k nearest rows of a query; writes them best first. `farthest` is at least |x'| + |middle|. */
void ts_nearest(const uint8_t *high, const uint8_t *low, const uint8_t *scales, const uint8_t *residuals, const uint8_t *coarse,
                const float *factor, const float *addend, const float *reach, int64_t n, int64_t groups, int32_t base, float unit,
                int64_t first, int64_t last, int32_t measure, int32_t type, const unsigned char *rows, int64_t stride, int64_t d,
                const double *lengths, double most, const double *middle, double farthest, const double *query, double *moved,
                float *rounded, uint8_t *codes, int64_t k, int64_t room, float *lower, float *upper, int32_t *row, int32_t *count,
                double *keys, int64_t *ids, int64_t *finished, double *bound)
{
    const struct coded x = {high, low, scales, residuals, coarse, factor, addend, reach, n, groups, base, unit};
    const struct table t = {measure, type, rows, stride, d, lengths, most};
    const struct candidates kept = {k, room, lower, upper, row, count};
    const double length = sqrt(pair(query, (const unsigned char *)query, d, 0, FLOAT64, 8));
    struct waiting w = {.zero = first * BLOCK};
    struct frame f;
    prepare(&t, query, length, middle, farthest, moved, (int8_t *)codes, groups, &f);
    const struct settling s = {query, &length, f.slope, &f.shift, &f.doubt, &f.scale, keys, ids, finished, bound, rounded};
    const int64_t panels = (last - first + PANEL - 1) / PANEL, step = panels / SPREAD < 4 ? panels + 1 : panels / SPREAD;
    *count = 0;
    *finished = 0;
    *bound = -INFINITY;
    for (int64_t i = 0; i < k; i++) {
        lower[i] = -INFINITY;
        keys[i] = -INFINITY;
        ids[i] = INT64_MAX;
    }
    for (int spread = 1; spread >= 0; spread--)
        for (int64_t p = spread ? step / 2 : 0; p < panels; p += spread ? step : 1) {
            if (!spread && p % step == step / 2)
                continue;
            int64_t from = first + p * PANEL, to = from + PANEL < last ? from + PANEL : last;
            screen(&x, &f, lower[0], from, to, &w);
            if (*count + MANY > room)
                settle(&t, &s, &kept, 0, w.zero);
            if (w.count > SOME)
                screen_again(&x, &f, &kept, &w);
        }
    screen_again(&x, &f, &kept, &w);
    settle(&t, &s, &kept, 0, w.zero);
    const double proven = ((double)lower[0] * f.scale - f.shift) / f.slope;
    *bound = proven > *bound ? proven : *bound;
    in_order(keys, ids, k);
}
