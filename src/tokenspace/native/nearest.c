/* The nearest rows of one query: screened by the upper plane of their codes, half of the bytes, and finished as soon as some are kept.
 *
 * Panels spread over the table come first, so that the threshold is near its end before most rows are seen. The twin is
 * reference_screens.nearest. */
#include "coded.h"
#include "settle.h"

enum { SPREAD = 16 };   /* panels that come first */
enum { AHEAD = 2048 }; /* bytes fetched ahead: the processor itself stops at a page's end */

/* Adds the products of the upper plane's two groups in a byte with 8 codes of the query, or of the one with 4. */
static inline __attribute__((always_inline)) void add_pair(ints *sum, const uint8_t *row, const int8_t *codes, int count)
{
    fours u;
    int32_t four[2] = {0};
    __builtin_prefetch(row + AHEAD);
    memcpy(&u, row, sizeof u);
    memcpy(four, codes, (size_t)count);
    sum[0] = add_products(sum[0], (bytes4)(u & 0x0f0f0f0f), four[0]);
    sum[1] = add_products(sum[1], (bytes4)(u >> 4 & 0x0f0f0f0f), four[1]);
}

/* The query as codes, and what its keys are to the screen. */
struct frame {
    double slope, shift, doubt, scale; /* see struct settling */
    float terms[5];                    /* see struct asked */
    int32_t offset;                    /* 64 · the sum of its codes: c is 8 (u - 8) and what the coarse residual holds */
};

/* Keeps the rows of blocks first..last-1, of one panel, that may count; row numbers from row `zero` on. */
static void screen(const struct coded *x, const struct frame *f, const int8_t *own, const struct candidates *kept, int64_t first,
                   int64_t last, int64_t zero)
{
    const int64_t pairs = (x->groups + 1) / 2;
    const float *t = f->terms, edge = edge_of(x, first, t), lost = (float)x->coarse[first / PANEL] * (9 * x->unit) * t[0];
    float threshold = kept->lower[0] - edge;
    for (int64_t at = first * BLOCK; at < last * BLOCK; at += ROWS) {
        const uint8_t *row = x->high + (at / BLOCK * pairs * BLOCK + at % BLOCK) * 4;
        ints sum[4] = {{0}};
        int64_t p = 0;
        for (; p + 2 <= x->groups / 2; p += 2) {
            add_pair(sum, row + p * BLOCK * 4, own + 8 * p, 8);
            add_pair(sum + 2, row + (p + 1) * BLOCK * 4, own + 8 * p + 8, 8);
        }
        for (; p < pairs; p++)
            add_pair(sum, row + p * BLOCK * 4, own + 8 * p, 2 * p + 1 < x->groups ? 8 : 4);
        struct row_terms terms = terms_of(x, at);
        floats slack = terms.scale * lost, key = bound_of(x, ((sum[0] + sum[1]) + (sum[2] + sum[3])) * 8 - f->offset, terms, slack, t);
        uint32_t hits = reaching(key, threshold) & real_rows(x, at);
        if (__builtin_expect(hits != 0, 0)) {
            keep(kept, 0, at - zero, hits, key + edge, 2 * (slack + edge));
            threshold = kept->lower[0] - edge;
        }
    }
}

/* Codes the query, whole numbers in -127..127 of scale s', and says what turns products of codes into keys: see search/screen.py. */
static void prepare(const struct table *t, const double *query, double length, const double *middle, double farthest,
                    double *moved, int8_t *codes, int64_t groups, struct frame *f)
{
    double most = 0, constant = 0, kept = 0, lost = 0, square = 0, whole = 0;
    for (int64_t k = 0; k < t->d; k++) {
        double x = t->measure == DIFFERENCE ? query[k] - middle[k] : t->measure == COSINE && length > 0 ? query[k] / length : query[k];
        moved[k] = x;
        most = fabs(x) > most ? fabs(x) : most;
        constant += x * middle[k];
        square += x * x;
    }
    f->scale = most / 127;
    if (t->measure == DIFFERENCE && f->scale < 1e-15 * farthest)
        f->scale = 1e-15 * farthest;
    if (f->scale == 0)
        f->scale = 1;
    for (int64_t k = 0; k < 4 * groups; k++) {
        double x = k < t->d ? moved[k] / f->scale : 0, c = nearbyint(x);
        codes[k] = (int8_t)c;
        whole += c;
        kept += c * c;
        lost += (x - c) * (x - c);
    }
    kept = sqrt(kept);
    lost = sqrt(lost);
    f->offset = 64 * (int32_t)whole;
    f->slope = t->measure == DIFFERENCE ? 0.5 : 1;
    f->shift = t->measure == DIFFERENCE ? square / 2 : t->measure == PRODUCT ? -constant : 0;
    f->doubt = 1e-30 + (t->measure == PRODUCT ? 1e-10 * length * farthest : 0);
    const double up = 1 + 1e-6; /* float32 may round down by less */
    const double terms[5] = {kept * up, lost * up, t->measure == COSINE ? constant / f->scale : 0, 1 / f->scale, (kept + lost) * up};
    for (int i = 0; i < 5; i++)
        f->terms[i] = (float)terms[i];
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
            if (*count + PANEL * BLOCK > room)
                settle(&t, &s, &kept, 0, first * BLOCK);
            screen(&x, &f, (const int8_t *)codes, &kept, from, to, first * BLOCK);
        }
    settle(&t, &s, &kept, 0, first * BLOCK);
    const double proven = ((double)lower[0] * f.scale - f.shift) / f.slope;
    *bound = proven > *bound ? proven : *bound;
    for (int64_t i = k; i > 0; i--) { /* the worst comes off the heap and goes to the end */
        struct best b = {.k = i - 1, .keys = keys, .ids = ids};
        double key = keys[0];
        int64_t id = ids[0];
        enter(&b, keys[i - 1], ids[i - 1]);
        keys[i - 1] = key;
        ids[i - 1] = id;
    }
}
